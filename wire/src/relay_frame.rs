use std::fmt;

use crate::error::DecodeError;
use crate::frame::{TYPE_COOKIE, TYPE_INITIATION, TYPE_RESPONSE, TYPE_TRANSPORT};

/// What a relay frame adds to the datagram that it carries, at every hop (ARCHITECTURE §5 "Transport record").
pub const RELAY_FRAME_LEN: usize = 8;

pub(crate) const TYPE_RELAY_FRAME: u8 = 0x0c;

/// A member's number at a relay for one peer. Each of the two has its own, drawn at random: who does not know it cannot
/// send to it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelayChannel(pub u32);

impl fmt::Debug for RelayChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// Which way a relay frame goes: a relay is a member as well, and frames for it must not be taken for frames to pass on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum RelayDirection {
    /// From a member, to be passed on.
    ToRelay = 0,
    /// Passed on, to the member that it is for.
    FromRelay = 1,
}

/// The head of a relay frame: `type u8 | direction u8 | 0 u16 | channel u32`, little endian. What follows is one datagram
/// of the session protocol, which the relay neither reads nor changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RelayFrameHeader {
    /// Which way it goes.
    pub direction: RelayDirection,
    /// The member's number for the peer: the sender's on the way to the relay, the receiver's from there.
    pub channel: RelayChannel,
}

impl RelayFrameHeader {
    /// Whether a datagram is a relay frame, well-formed or not.
    #[must_use]
    pub fn is_frame(datagram: &[u8]) -> bool {
        datagram.first() == Some(&TYPE_RELAY_FRAME)
    }

    /// Encodes the head.
    #[must_use]
    pub const fn encode(&self) -> [u8; RELAY_FRAME_LEN] {
        let [a, b, c, d] = self.channel.0.to_le_bytes();
        [TYPE_RELAY_FRAME, self.direction as u8, 0, 0, a, b, c, d]
    }

    /// Reads the head of a frame.
    ///
    /// # Errors
    /// [`DecodeError`]: not a relay frame, reserved bits set, or what it carries is not of the session protocol: a relay
    /// frame in a relay frame, say.
    pub fn decode(datagram: &[u8]) -> Result<Self, DecodeError> {
        let (head, carried) = datagram.split_first_chunk::<RELAY_FRAME_LEN>().ok_or(DecodeError::Truncated)?;
        let direction = match head {
            [TYPE_RELAY_FRAME, 0, 0, 0, ..] => RelayDirection::ToRelay,
            [TYPE_RELAY_FRAME, 1, 0, 0, ..] => RelayDirection::FromRelay,
            _ => return Err(DecodeError::Value),
        };
        match carried.first() {
            Some(&(TYPE_INITIATION | TYPE_RESPONSE | TYPE_COOKIE | TYPE_TRANSPORT)) => {}
            Some(_) => return Err(DecodeError::Value),
            None => return Err(DecodeError::Truncated),
        }
        let channel = RelayChannel(u32::from_le_bytes([head[4], head[5], head[6], head[7]]));
        Ok(Self { direction, channel })
    }
}
