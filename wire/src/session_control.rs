use std::net::SocketAddr;

use crate::endpoint::{read_socket_addr, write_socket_addr};
use crate::error::DecodeError;
use crate::fields::{FieldReader, FieldWriter, array, u8, u64};
use crate::revocation::Revocation;
use crate::signed::Signed;

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
        }
    }

    /// Encodes the message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let w = FieldWriter::new().u64(0, self.tag());
        match self {
            Self::Ping { id } | Self::Probe { id } => w.u64(1, *id),
            Self::Pong { id, observed } | Self::ProbeReply { id, observed } => {
                w.u64(1, *id).field(2, |e| write_socket_addr(e, observed))
            }
            Self::RevocationsWanted => w,
            Self::Revocation(revocation) => w.field(1, |e| revocation.write(e)),
            Self::RevocationsEnd { count, digest } => w.u64(1, *count).bytes(2, digest),
        }
        .finish()
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
            _ => return Err(DecodeError::Value),
        };
        r.finish()?;
        Ok(message)
    }
}
