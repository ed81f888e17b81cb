use std::collections::BTreeSet;

use holloway_wire::{Instant, NodeId, Now, Publication, PublicationId, Revocation, SessionControl, Signed};

use super::Node;
use crate::drop_reason::DropReason;
use crate::roster::{REVOCATIONS_MAX, digest_of_revocations};
use crate::tunnel::{ASK_REVOCATIONS_EVERY, Destination, Peer};

/// An exchange of revocations with one peer, before data flows.
#[derive(Default)]
pub(super) struct Exchange {
    /// What the peer has told so far, whatever we think of it: it is complete when the peer's own count and digest say
    /// so, however many records were lost on the way, and also when there is one among them that we refuse.
    received: BTreeSet<PublicationId>,
    /// When we told ours last: once for each time that the peer may ask.
    told: Option<Instant>,
}

impl Node {
    /// A session waits for revocations: we tell ours at once, as the peer does.
    pub(super) fn begin_exchange(&mut self, node: &NodeId, now: Now) {
        self.tell_revocations(node, now);
    }

    pub(super) fn ask_revocations(&mut self, node: &NodeId) {
        self.tell(node, Destination::Current, &SessionControl::RevocationsWanted);
    }

    pub(super) fn tell_revocations(&mut self, node: &NodeId, now: Now) {
        let exchange = self.exchanges.entry(*node).or_default();
        if exchange.told.is_some_and(|told| now.monotonic.since(told) < ASK_REVOCATIONS_EVERY / 2) {
            return;
        }
        exchange.told = Some(now.monotonic);
        let all: Vec<Signed<Revocation>> = self.roster.revocations().cloned().collect();
        let end = SessionControl::RevocationsEnd { count: all.len() as u64, digest: self.roster.revocation_digest() };
        for revocation in all {
            self.tell(node, Destination::Current, &SessionControl::Revocation(revocation));
        }
        self.tell(node, Destination::Current, &end);
    }

    /// A member goes: over the session that ends now it hears why, so that it does not go on admitting others. Where
    /// there is no session, it hears at its next hello.
    pub(super) fn tell_parting(&mut self, node: &NodeId, now: Now) {
        for revocation in self.roster.revocations_above(node) {
            self.tell(node, Destination::Current, &SessionControl::Revocation(revocation));
        }
        // They need the path, which goes with the member.
        while let Some(output) = self.device.poll_output() {
            self.device_output(output, now);
        }
    }

    pub(super) fn told_revocation(&mut self, node: &NodeId, revocation: Signed<Revocation>, now: Now) {
        let publication = Publication::Revocation(revocation);
        if self.device.peer(node).is_some_and(Peer::is_held) {
            let received = &mut self.exchanges.entry(*node).or_default().received;
            if received.len() < REVOCATIONS_MAX {
                received.insert(publication.id());
            }
        }
        if self.roster.offer(&publication, now).is_err() {
            self.drops.count(DropReason::Payload);
        }
    }

    /// The peer says how many it has told. Data flows when none is missing.
    pub(super) fn told_all_revocations(&mut self, node: &NodeId, count: u64, digest: [u8; 16], now: Now) {
        let received = self.exchanges.get(node).map(|exchange| &exchange.received);
        let is_complete = match received {
            None => count == 0,
            Some(received) => received.len() as u64 == count && digest_of_revocations(received) == digest,
        };
        if is_complete || digest == self.roster.revocation_digest() {
            if let Some(exchange) = self.exchanges.get_mut(node) {
                exchange.received.clear();
            }
            self.device.release_hold(node, now.monotonic);
        }
    }
}
