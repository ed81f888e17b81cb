use thiserror::Error;

/// Why bytes from outside could not be read. Always the sender's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end before the value does.
    #[error("truncated")]
    Truncated,
    /// Bytes follow the value.
    #[error("trailing bytes")]
    Trailing,
    /// A second spelling of something that has one spelling: long integers, indefinite lengths, unordered keys.
    #[error("not canonical")]
    NotCanonical,
    /// Nested deeper than any message of ours.
    #[error("nested too deeply")]
    TooDeep,
    /// A list, text or message longer than its limit.
    #[error("too long")]
    TooLong,
    /// A field below 128 that this version does not know, or one that is missing.
    #[error("unknown or missing field")]
    Field,
    /// A field holds a value outside its legal range.
    #[error("value out of range")]
    Value,
    /// A key that is not a valid point.
    #[error("invalid key")]
    Key,
    /// A signature that does not verify.
    #[error("bad signature")]
    Signature,
    /// A protocol version that this node does not speak.
    #[error("protocol version {0} is not spoken here")]
    Version(u8),
}

impl From<minicbor::decode::Error> for DecodeError {
    fn from(_: minicbor::decode::Error) -> Self {
        Self::Value
    }
}
