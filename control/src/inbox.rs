//! Requests of others, until the owner has answered them.

use std::collections::HashMap;
use std::net::IpAddr;

use holloway_wire::SourcePrefix;
use libp2p::request_response::ResponseChannel;
use tokio::time::Instant;

use crate::channel::{Channel, Reply};
use crate::limits::UNANSWERED_MAX;
use crate::quota::Quota;
use crate::settings::Limits;
use crate::token::ResponseToken;

/// Whether the asker is bounded by its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asker {
    Member,
    Stranger(IpAddr),
}

pub(crate) struct Inbox {
    unanswered: HashMap<ResponseToken, Unanswered>,
    hello: Quota,
    redeem: Quota,
}

struct Unanswered {
    /// Gone once the owner has answered; the entry stays until the answer is sent.
    channel: Option<ResponseChannel<Reply>>,
    counted: Option<SourcePrefix>,
}

impl Inbox {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { unanswered: HashMap::new(), hello: Quota::new(limits.hello), redeem: Quota::new(limits.redeem) }
    }

    /// Keeps a request for the owner, or gives its channel back because a limit is reached.
    pub(crate) fn take(
        &mut self,
        token: ResponseToken,
        channel: ResponseChannel<Reply>,
        asker: Asker,
        now: Instant,
    ) -> Result<(), ResponseChannel<Reply>> {
        if self.unanswered.len() >= UNANSWERED_MAX {
            return Err(channel);
        }
        let counted = match asker {
            Asker::Member => None,
            Asker::Stranger(source) => Some(SourcePrefix::of(source)),
        };
        if let (Some(prefix), Some(quota)) = (counted, self.quota(token.channel))
            && !quota.take(prefix, now)
        {
            return Err(channel);
        }
        self.unanswered.insert(token, Unanswered { channel: Some(channel), counted });
        Ok(())
    }

    /// The way back for an answer, the first time it is asked for.
    pub(crate) fn answer(&mut self, token: &ResponseToken) -> Option<ResponseChannel<Reply>> {
        self.unanswered.get_mut(token)?.channel.take()
    }

    /// The exchange is over, one way or the other.
    pub(crate) fn done(&mut self, token: &ResponseToken) {
        let Some(Unanswered { counted: Some(prefix), .. }) = self.unanswered.remove(token) else { return };
        if let Some(quota) = self.quota(token.channel) {
            quota.release(prefix);
        }
    }

    const fn quota(&mut self, channel: Channel) -> Option<&mut Quota> {
        match channel {
            Channel::Hello => Some(&mut self.hello),
            Channel::Redeem => Some(&mut self.redeem),
            Channel::Sync | Channel::Member => None,
        }
    }
}
