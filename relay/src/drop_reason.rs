use thiserror::Error;

/// Why something was not taken or not passed on. The same word is the metric label and the log field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Error)]
#[repr(u8)]
#[non_exhaustive]
pub enum DropReason {
    /// Not a word of ours.
    #[error("malformed")]
    Malformed,
    /// The challenge is not ours, too old, or for another address.
    #[error("challenge")]
    Challenge,
    /// The signature is not the member's, or is for another relay.
    #[error("signature")]
    Signature,
    /// The owner does not know it as a member.
    #[error("not_a_member")]
    NotAMember,
    /// It asks for what only a relay may.
    #[error("not_a_relay")]
    NotARelay,
    /// A source, or a member, asks more often than it may.
    #[error("rate_limited")]
    RateLimited,
    /// There is no such registration, or not at this source.
    #[error("unknown_registration")]
    UnknownRegistration,
    /// There is no such channel.
    #[error("unknown_channel")]
    UnknownChannel,
    /// The channel is another's, or its owner is elsewhere by now.
    #[error("foreign_source")]
    ForeignSource,
    /// The member at the other end is not registered any more.
    #[error("unreachable")]
    Unreachable,
    /// The member sends faster than it may.
    #[error("too_fast")]
    TooFast,
    /// The member has used up its month.
    #[error("quota")]
    Quota,
    /// There is no room for more.
    #[error("full")]
    Full,
    /// The network in front of the relay does not take it.
    #[error("no_room")]
    NoRoom,
}

/// How often each reason came up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DropCounts([u64; DropReason::COUNT]);

impl DropReason {
    const COUNT: usize = Self::ALL.len();

    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Malformed,
        Self::Challenge,
        Self::Signature,
        Self::NotAMember,
        Self::NotARelay,
        Self::RateLimited,
        Self::UnknownRegistration,
        Self::UnknownChannel,
        Self::ForeignSource,
        Self::Unreachable,
        Self::TooFast,
        Self::Quota,
        Self::Full,
        Self::NoRoom,
    ];
}

impl DropCounts {
    /// How often this one came up.
    #[must_use]
    pub const fn of(&self, reason: DropReason) -> u64 {
        self.0[reason as usize]
    }

    /// Counts one.
    pub const fn count(&mut self, reason: DropReason) {
        self.0[reason as usize] += 1;
    }

    /// Adds what a lane has dropped.
    pub fn add(&mut self, other: &Self) {
        for (own, other) in self.0.iter_mut().zip(other.0) {
            *own += other;
        }
    }
}
