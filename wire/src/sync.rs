use crate::error::DecodeError;
use crate::fields::{FieldReader, FieldWriter, bytes, list, put, u8};
use crate::publication::{Publication, PublicationId};

/// Number of buckets into which publications fall by the first byte of their id: 64 digests of 8 bytes tell in half a
/// kilobyte where two sets of any size differ.
pub const SYNC_BUCKETS: usize = 64;

/// Most ids named or asked for at once: a message of ids stays under 32 KiB.
pub const SYNC_IDS_MAX: usize = 1024;

/// Most bytes of publications in one reply: one message of the control plane with room for its frame.
const ITEMS_LEN_MAX: usize = 60 * 1024;

/// Asks a member for publications that we lack. Two steps: where do we differ, then what is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyncRequest {
    /// "These are the digests of my buckets; name the publications in the buckets where yours differ."
    Compare {
        /// [`SYNC_BUCKETS`] digests of 8 bytes each.
        digests: Vec<[u8; 8]>,
    },
    /// "Send me these."
    Fetch {
        /// At most [`SYNC_IDS_MAX`].
        ids: Vec<PublicationId>,
    },
}

impl SyncRequest {
    /// Encodes the message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Compare { digests } => FieldWriter::new().u64(0, 1).bytes(1, digests.as_flattened()),
            Self::Fetch { ids } => FieldWriter::new().u64(0, 2).list(1, ids, |e, id| id.write(e)),
        }
        .finish()
    }

    /// Reads a message.
    ///
    /// # Errors
    /// [`DecodeError`] when the form is not right.
    pub fn decode(message: &[u8]) -> Result<Self, DecodeError> {
        let mut r = FieldReader::new(message)?;
        let request = match r.required(0, u8)? {
            1 => Self::Compare { digests: digests(&r.required(1, bytes(SYNC_BUCKETS * 8))?)? },
            2 => Self::Fetch { ids: r.required(1, list(SYNC_IDS_MAX, PublicationId::read))? },
            _ => return Err(DecodeError::Value),
        };
        r.finish()?;
        Ok(request)
    }
}

fn digests(bytes: &[u8]) -> Result<Vec<[u8; 8]>, DecodeError> {
    let (digests, rest) = bytes.as_chunks::<8>();
    if digests.len() != SYNC_BUCKETS || !rest.is_empty() {
        return Err(DecodeError::Value);
    }
    Ok(digests.to_vec())
}

/// The answer to a [`SyncRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyncReply {
    /// What the differing buckets hold.
    Ids {
        /// At most [`SYNC_IDS_MAX`]; the rest shows at the next comparison.
        ids: Vec<PublicationId>,
    },
    /// The publications asked for, as far as they are known and fit.
    Items {
        /// In the order in which they should be taken in: certificates from the root downwards first.
        items: Vec<Publication>,
    },
}

impl SyncReply {
    /// Packs as many items as fit.
    #[must_use]
    pub fn pack(items: impl IntoIterator<Item = Publication>) -> Self {
        let mut left = ITEMS_LEN_MAX;
        let mut packed = Vec::new();
        for item in items {
            let length = item.encode().len();
            if length > left {
                break;
            }
            left -= length;
            packed.push(item);
        }
        Self::Items { items: packed }
    }

    /// Encodes the message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Ids { ids } => FieldWriter::new().u64(0, 1).list(1, ids, |e, id| id.write(e)),
            Self::Items { items } => FieldWriter::new().u64(0, 2).field(1, |e| {
                put(e, |e| e.array(items.len() as u64));
                items.iter().for_each(|item| item.write(e));
            }),
        }
        .finish()
    }

    /// Reads a message.
    ///
    /// # Errors
    /// [`DecodeError`] when the form is not right.
    pub fn decode(message: &[u8]) -> Result<Self, DecodeError> {
        let mut r = FieldReader::new(message)?;
        let reply = match r.required(0, u8)? {
            1 => Self::Ids { ids: r.required(1, list(SYNC_IDS_MAX, PublicationId::read))? },
            2 => Self::Items { items: r.required(1, list(SYNC_IDS_MAX, Publication::read))? },
            _ => return Err(DecodeError::Value),
        };
        r.finish()?;
        Ok(reply)
    }
}
