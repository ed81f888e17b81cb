//! Segmentation and gathering: what lets one system call carry many packets, as pure functions of bytes.
//!
//! **Out.** A TUN queue with virtio headers hands over one large TCP or UDP packet that stands for many of one flow.
//! [`LocalPacket`] checks it and cuts it into [`Pieces`], each of which becomes a record. What is small travels several
//! to a record, in a [`Bundle`]; what a narrow path cannot carry whole travels in [`fragments`].
//!
//! **In.** [`Gather`] chains the packets of one flow that one receive brought, so that one TUN write hands them to the
//! local stack; [`bundled`] and [`Reassembly`] are the other ends of bundles and fragments.
//!
//! **Checksums.** The AEAD protects a packet on its way, so a transport checksum that the local stack left to be filled
//! in travels unfilled, told by an authenticated flag (dataplane.md §6). It is never claimed of a packet that came with
//! a finished checksum: that would turn a damaged packet into a valid one.
//!
//! The module does not know what a TUN interface, a socket, a session or a peer is, nor who may send what.

mod bundle;
mod checksum;
mod fragment;
mod gather;
mod group;
mod headers;
mod local_packet;
mod packet_too_big;
mod pieces;
mod reassembly;
mod virtio;

pub use bundle::{BUNDLED_OVERHEAD, Bundle, Bundled, bundled};
pub use fragment::{FRAGMENT_HEADER_LEN, Fragments, fragments};
pub use gather::{Gather, TunOffload};
pub use headers::complete_checksum;
pub use local_packet::{LocalPacket, TooBig};
pub use packet_too_big::packet_too_big;
pub use pieces::{Piece, Pieces};
pub use reassembly::Reassembly;
pub use virtio::VirtioHeader;
