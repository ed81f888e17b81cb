//! Holloway's control plane: libp2p carrying bytes between nodes.
//!
//! One network's control plane is one libp2p swarm, driven by one task that [`spawn`] starts. The owner talks to it
//! through a [`Handle`] and hears from it through a channel of [`Event`]s; both are bounded. Everything that travels
//! is opaque bytes: a *request* on a [`Channel`] and its answer, a *gossip* message to all members, a *record* under a
//! key.
//!
//! # The story of a connection
//!
//! A node dials another, over QUIC or TCP, and each proves its identity key: that is [`Event::Connected`], and all
//! the two may do now is to say hello ([`Channel::Hello`]) or redeem an invite ([`Channel::Redeem`]), in small
//! messages, so many a minute from one source prefix. The owner looks at what was said and decides. After its
//! [`Command::Admit`] this side opens its gate; when the other side has done the same both report
//! [`Event::Opened`], and gossip, records, identify and the members' channels run on the very connection that was
//! there. It is then kept, watched by pings, and reported dead within ten seconds of its last sign of life.
//! [`Command::Expel`] ends it and shuts the gate.
//!
//! A message or record that a member sends is handed to the owner first and goes no further until the owner says so.
//! Rejected messages count against the neighbour that forwarded them; the third within minutes cuts it off
//! ([`Event::CutOff`]).
//!
//! # What it does not know
//!
//! What a message means; who is a member and why; certificates, invites, names, routes, the store, the
//! configuration. It never decides whom to dial: addresses that members or mDNS tell of are only reported, and the
//! record table reaches members at the addresses the owner has named.
//!
//! # Bounds
//!
//! Every queue, table and message has a limit, in `limits.rs` with its reason. An owner that reads events slowly
//! slows the peers down and loses none; commands never wait, and come back when the task is behind.

mod address;
mod channel;
mod command;
mod dials;
mod error;
mod event;
mod gate;
mod gossip;
mod handle;
mod inbox;
mod limits;
mod listening;
mod peer;
mod quota;
mod records;
mod requests;
mod service;
mod settings;
mod shell;
mod token;

pub use address::{DialAddr, Transport};
pub use channel::Channel;
pub use command::{Command, Verdict};
pub use error::{Error, RequestFailure, SendError};
pub use event::Event;
pub use handle::{Handle, spawn};
pub use limits::{
    ADDRESSES_PER_DIAL_MAX, GOSSIP_BYTES_MAX, MESSAGE_BYTES_MAX, RECORD_BYTES_MAX, STRANGER_MESSAGE_BYTES_MAX,
};
pub use quota::StrangerLimits;
pub use settings::{Limits, Listen, Settings};
pub use token::{MessageToken, RequestId, ResponseToken, StoreToken};
