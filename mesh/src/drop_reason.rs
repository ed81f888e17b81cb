/// Why something that came from outside was not taken. The same word is the metric label and the log field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum DropReason {
    /// Not a frame of ours.
    Malformed,
    /// A protocol version that is not spoken here.
    Version,
    /// mac1 does not match: the sender does not know us.
    Mac1,
    /// Under load, and no valid cookie.
    CookieRequired,
    /// Under load, and this source has had its share.
    RateLimited,
    /// Noise could not read the handshake message.
    Handshake,
    /// A handshake message's payload is not what it should be.
    Payload,
    /// A handshake from a member on the block-list.
    Blocked,
    /// A handshake timestamp that is not newer than the last.
    Timestamp,
    /// A handshake timestamp too far from our clock.
    ClockSkew,
    /// The certificate does not belong to the key that shook hands.
    ForeignCertificate,
    /// The certificate's chain does not lead to the root, or does not hold now.
    Certificate,
    /// A parent of the certificate is not known here yet.
    UnknownIssuer,
    /// The member has been revoked.
    Revoked,
    /// Both sides began at once and ours goes first.
    Crossed,
    /// An answer to a handshake that we did not begin, or no longer wait for.
    Unsolicited,
    /// Our own handshake came back to us.
    Reflected,
    /// A record for a session that does not exist.
    UnknownSession,
    /// A record whose tag does not match.
    NotAuthentic,
    /// A record seen before, or too old to tell.
    Replayed,
    /// A record beyond the session's last.
    Exhausted,
    /// A record before revocations were exchanged.
    RevocationsPending,
    /// A record of a kind or with flags that are not handled here.
    Unsupported,
    /// An inner packet that is not a whole IP packet.
    InnerPacket,
    /// An inner packet whose source is not its sender's.
    InnerSource,
    /// An inner packet that is not for us.
    InnerDestination,
    /// A packet from here to an address that no member has.
    NoRoute,
    /// A packet staged for a session, when no more could wait.
    StageFull,
    /// A packet whose session never came up.
    NoSession,
    /// A control-plane message that is not what it should be, or by someone who may not send it.
    ControlMessage,
    /// The kernel did not take a datagram or packet: a queue was full.
    QueueFull,
    /// An inner packet longer than its path takes; its sender was told.
    TooBig,
    /// Not from a relay that we are registered with.
    Relay,
    /// From an address inside an overlay: an answer would go in a circle.
    Looped,
}

impl DropReason {
    /// All reasons.
    pub const ALL: [Self; 34] = [
        Self::Malformed,
        Self::Version,
        Self::Mac1,
        Self::CookieRequired,
        Self::RateLimited,
        Self::Handshake,
        Self::Payload,
        Self::Blocked,
        Self::Timestamp,
        Self::ClockSkew,
        Self::ForeignCertificate,
        Self::Certificate,
        Self::UnknownIssuer,
        Self::Revoked,
        Self::Crossed,
        Self::Unsolicited,
        Self::Reflected,
        Self::UnknownSession,
        Self::NotAuthentic,
        Self::Replayed,
        Self::Exhausted,
        Self::RevocationsPending,
        Self::Unsupported,
        Self::InnerPacket,
        Self::InnerSource,
        Self::InnerDestination,
        Self::NoRoute,
        Self::StageFull,
        Self::NoSession,
        Self::ControlMessage,
        Self::QueueFull,
        Self::TooBig,
        Self::Relay,
        Self::Looped,
    ];

    /// The reason's name, as metric label and log field.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Version => "version",
            Self::Mac1 => "mac1",
            Self::CookieRequired => "cookie_required",
            Self::RateLimited => "rate_limited",
            Self::Handshake => "handshake",
            Self::Payload => "payload",
            Self::Blocked => "blocked",
            Self::Timestamp => "timestamp",
            Self::ClockSkew => "clock_skew",
            Self::ForeignCertificate => "foreign_certificate",
            Self::Certificate => "certificate",
            Self::UnknownIssuer => "unknown_issuer",
            Self::Revoked => "revoked",
            Self::Crossed => "crossed",
            Self::Unsolicited => "unsolicited",
            Self::Reflected => "reflected",
            Self::UnknownSession => "unknown_session",
            Self::NotAuthentic => "not_authentic",
            Self::Replayed => "replayed",
            Self::Exhausted => "exhausted",
            Self::RevocationsPending => "revocations_pending",
            Self::Unsupported => "unsupported",
            Self::InnerPacket => "inner_packet",
            Self::InnerSource => "inner_source",
            Self::InnerDestination => "inner_destination",
            Self::NoRoute => "no_route",
            Self::StageFull => "stage_full",
            Self::NoSession => "no_session",
            Self::ControlMessage => "control_message",
            Self::QueueFull => "queue_full",
            Self::TooBig => "too_big",
            Self::Relay => "relay",
            Self::Looped => "looped",
        }
    }
}

/// How often each reason has occurred.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DropCounts([u64; DropReason::ALL.len()]);

impl Default for DropCounts {
    fn default() -> Self {
        Self([0; DropReason::ALL.len()])
    }
}

impl DropCounts {
    /// Counts one.
    pub fn count(&mut self, reason: DropReason) {
        self.0[reason as usize] += 1;
    }

    /// Adds all of another's counts.
    pub fn add(&mut self, other: &Self) {
        for (own, more) in self.0.iter_mut().zip(other.0) {
            *own += more;
        }
    }

    /// How often a reason has occurred.
    #[must_use]
    pub const fn of(&self, reason: DropReason) -> u64 {
        self.0[reason as usize]
    }

    /// The reasons that have occurred, with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (DropReason, u64)> + '_ {
        DropReason::ALL.into_iter().map(|reason| (reason, self.of(reason))).filter(|(_, count)| *count > 0)
    }
}
