use minicbor::{Decoder, Encoder};

use crate::canonical;
use crate::error::DecodeError;
use crate::fields::{put, tuple};
use crate::publication::Publication;
use crate::relay_announcement::RelayAnnouncement;
use crate::signed::Signed;

/// What is told to everyone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Broadcast {
    /// Something to know and keep.
    Publication(Publication),
    /// A relay is there: good for a minute or two, and not kept.
    Relay(Signed<RelayAnnouncement>),
}

/// Follows the kinds of publications.
const RELAY: u8 = 0x20;

impl Broadcast {
    /// Encodes the message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Publication(publication) => publication.encode(),
            Self::Relay(announcement) => {
                let mut e = Encoder::new(Vec::new());
                put(&mut e, |e| e.array(2)?.u8(RELAY));
                announcement.write(&mut e);
                e.into_writer()
            }
        }
    }

    /// Reads a message.
    ///
    /// # Errors
    /// [`DecodeError`] when the form is not right.
    pub fn decode(message: &[u8]) -> Result<Self, DecodeError> {
        canonical::check(message)?;
        let mut d = Decoder::new(message);
        tuple(&mut d, 2)?;
        if d.u8()? == RELAY {
            return Signed::read(&mut d).map(Self::Relay);
        }
        Publication::read(&mut Decoder::new(message)).map(Self::Publication)
    }
}
