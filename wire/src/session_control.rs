use std::net::SocketAddr;

use minicbor::Decoder;

use crate::endpoint::{ENDPOINTS_MAX, read_socket_addr, write_socket_addr};
use crate::error::DecodeError;
use crate::fields::{FieldReader, FieldWriter, array, list, u8, u64};
use crate::record::RECORD_OVERHEAD;
use crate::revocation::Revocation;
use crate::signed::Signed;

/// The length of a probe's record, in bytes: what is found out is whether that much passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MtuProbeSize(u16);

impl MtuProbeSize {
    /// Shortest probe: every path carries longer ones (RFC 791 §3.2: 576 bytes with headers), and from here on the
    /// head of the padding has one length, so that a record can have each size.
    pub const MIN: Self = Self(512);

    /// A size that a probe can have.
    #[must_use]
    pub const fn new(size: u16) -> Option<Self> {
        if size < Self::MIN.0 { None } else { Some(Self(size)) }
    }

    /// The size in bytes.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

/// Key and head of a padding of 256 bytes or more.
const PADDING_HEAD_LEN: usize = 4;

/// A message inside a session, sealed like any record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionControl {
    /// Asks the peer for a [`SessionControl::Pong`].
    Ping {
        /// Chosen by the asker.
        id: u64,
    },
    /// The answer to a ping.
    Pong {
        /// From the ping.
        id: u64,
        /// The source at which the ping was seen.
        observed: SocketAddr,
    },
    /// Asks for a [`SessionControl::ProbeReply`] on the very path by which this arrives.
    Probe {
        /// Chosen by the prober.
        id: u64,
    },
    /// The answer to a probe, sent back to the address it came from.
    ProbeReply {
        /// From the probe.
        id: u64,
        /// The source at which the probe was seen.
        observed: SocketAddr,
    },
    /// Asks for all revocations that the peer knows.
    RevocationsWanted,
    /// One of them.
    Revocation(Signed<Revocation>),
    /// All have been sent.
    RevocationsEnd {
        /// How many there were.
        count: u64,
        /// Digest over them.
        digest: [u8; 16],
    },
    /// Asks for a [`SessionControl::MtuProbeReply`]; zeros make its record as long as it says.
    MtuProbe {
        /// Chosen by the prober.
        id: u64,
        /// The length of the whole record.
        size: MtuProbeSize,
    },
    /// The answer to an MTU probe, sent back to the address it came from: always shorter than the probe.
    MtuProbeReply {
        /// From the probe.
        id: u64,
        /// From the probe.
        size: MtuProbeSize,
    },
    /// "I am probing you straight now; probe me at these endpoints, so that both our NATs let us through." Said over a
    /// relay, where a [`crate::PunchCall`] goes by the control plane.
    Call {
        /// Where the caller may be reached.
        endpoints: Vec<SocketAddr>,
    },
}

impl SessionControl {
    const fn tag(&self) -> u64 {
        match self {
            Self::Ping { .. } => 1,
            Self::Pong { .. } => 2,
            Self::Probe { .. } => 3,
            Self::ProbeReply { .. } => 4,
            Self::RevocationsWanted => 5,
            Self::Revocation(_) => 6,
            Self::RevocationsEnd { .. } => 7,
            Self::MtuProbe { .. } => 8,
            Self::MtuProbeReply { .. } => 9,
            Self::Call { .. } => 10,
        }
    }

    /// Encodes the message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let w = self.head();
        match self {
            Self::Ping { id } | Self::Probe { id } => w.u64(1, *id),
            Self::Pong { id, observed } | Self::ProbeReply { id, observed } => {
                w.u64(1, *id).field(2, |e| write_socket_addr(e, observed))
            }
            Self::RevocationsWanted => w,
            Self::Revocation(revocation) => w.field(1, |e| revocation.write(e)),
            Self::RevocationsEnd { count, digest } => w.u64(1, *count).bytes(2, digest),
            Self::MtuProbe { id, size } => {
                let plain = self.head().u64(1, *id).u64(2, size.get().into()).finish();
                let room = usize::from(size.get()) - RECORD_OVERHEAD;
                let padding = vec![0; room - plain.len() - PADDING_HEAD_LEN];
                w.u64(1, *id).u64(2, size.get().into()).bytes(3, &padding)
            }
            Self::MtuProbeReply { id, size } => w.u64(1, *id).u64(2, size.get().into()),
            Self::Call { endpoints } => w.list(1, endpoints, write_socket_addr),
        }
        .finish()
    }

    fn head(&self) -> FieldWriter {
        FieldWriter::new().u64(0, self.tag())
    }

    /// Reads a message.
    ///
    /// # Errors
    /// [`DecodeError`] when the form is not right.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut r = FieldReader::new(bytes)?;
        let message = match r.required(0, u8)? {
            1 => Self::Ping { id: r.required(1, u64)? },
            2 => Self::Pong { id: r.required(1, u64)?, observed: r.required(2, read_socket_addr)? },
            3 => Self::Probe { id: r.required(1, u64)? },
            4 => Self::ProbeReply { id: r.required(1, u64)?, observed: r.required(2, read_socket_addr)? },
            5 => Self::RevocationsWanted,
            6 => Self::Revocation(r.required(1, Signed::read)?),
            7 => Self::RevocationsEnd { count: r.required(1, u64)?, digest: r.required(2, array)? },
            8 => {
                let (id, size) = (r.required(1, u64)?, r.required(2, mtu_probe_size)?);
                r.required(3, padding)?;
                if bytes.len() + RECORD_OVERHEAD != usize::from(size.get()) {
                    return Err(DecodeError::Value);
                }
                Self::MtuProbe { id, size }
            }
            9 => Self::MtuProbeReply { id: r.required(1, u64)?, size: r.required(2, mtu_probe_size)? },
            10 => Self::Call { endpoints: r.required(1, list(ENDPOINTS_MAX, read_socket_addr))? },
            _ => return Err(DecodeError::Value),
        };
        r.finish()?;
        Ok(message)
    }
}

fn mtu_probe_size(d: &mut Decoder<'_>) -> Result<MtuProbeSize, DecodeError> {
    MtuProbeSize::new(d.u16()?).ok_or(DecodeError::Value)
}

fn padding(d: &mut Decoder<'_>) -> Result<(), DecodeError> {
    if d.bytes()?.iter().all(|byte| *byte == 0) { Ok(()) } else { Err(DecodeError::Value) }
}
