use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
#[expect(clippy::disallowed_types, reason = "lanes note a pair's last use without a lock")]
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use holloway_wire::{Instant, NodeId, RelayChannel};

use holloway_wire::{SecureRng, random_bytes};

/// Peers that one member can have channels to: far more than anyone talks to at once through a relay.
pub(crate) const CHANNELS_PER_MEMBER_MAX: usize = 256;

/// Channels of all members: 100 MB.
const CHANNELS_MAX: usize = 1_000_000;

/// A pair that nothing was sent on for this long is given up.
const UNUSED_MAX: Duration = Duration::from_secs(600);

/// One member's number for another.
#[derive(Debug, Clone)]
#[expect(clippy::disallowed_types, reason = "see the import")]
pub(crate) struct Half {
    pub(crate) channel: RelayChannel,
    pub(crate) used: Arc<AtomicU64>,
}

/// The numbers that members have for each other. Both halves of a pair come and go together.
#[derive(Default)]
pub(crate) struct Pairs {
    halves: BTreeMap<NodeId, BTreeMap<NodeId, Half>>,
    taken: BTreeSet<RelayChannel>,
}

/// There is no room for another pair.
pub(crate) struct Full;

impl Pairs {
    /// A member's number for another; both get theirs if they have none.
    pub(crate) fn bind(
        &mut self,
        owner: NodeId,
        peer: NodeId,
        rng: &mut dyn SecureRng,
        now: Instant,
    ) -> Result<RelayChannel, Full> {
        if let Some(half) = self.half(owner, peer) {
            half.used.store(now.as_nanos(), Relaxed);
            return Ok(half.channel);
        }
        let is_full = |node: &NodeId| self.of(node).count() >= CHANNELS_PER_MEMBER_MAX;
        if self.taken.len() + 2 > CHANNELS_MAX || is_full(&owner) || is_full(&peer) {
            return Err(Full);
        }
        let [own, other] = [0, 1].map(|_| self.draw(rng));
        self.insert(owner, peer, own, now);
        self.insert(peer, owner, other, now);
        Ok(own)
    }

    #[expect(clippy::disallowed_types, reason = "see the import")]
    fn insert(&mut self, owner: NodeId, peer: NodeId, channel: RelayChannel, now: Instant) {
        let half = Half { channel, used: Arc::new(AtomicU64::new(now.as_nanos())) };
        self.halves.entry(owner).or_default().insert(peer, half);
    }

    /// A number that nobody has: who would guess one has to try four thousand for one that is taken, with a million in
    /// use, and then needs its owner's address.
    fn draw(&mut self, rng: &mut dyn SecureRng) -> RelayChannel {
        loop {
            let channel = RelayChannel(u32::from_le_bytes(random_bytes(rng)));
            if channel.0 != 0 && self.taken.insert(channel) {
                return channel;
            }
        }
    }

    /// A member's numbers.
    pub(crate) fn of(&self, owner: &NodeId) -> impl Iterator<Item = (NodeId, &Half)> {
        self.halves.get(owner).into_iter().flatten().map(|(peer, half)| (*peer, half))
    }

    /// A member's number for another.
    pub(crate) fn half(&self, owner: NodeId, peer: NodeId) -> Option<&Half> {
        self.halves.get(&owner)?.get(&peer)
    }

    /// Gives up all that a member has with others; returns the channels.
    pub(crate) fn remove(&mut self, node: &NodeId) -> Vec<RelayChannel> {
        let peers: Vec<NodeId> = self.of(node).map(|(peer, _)| peer).collect();
        peers.into_iter().flat_map(|peer| self.part(*node, peer)).collect()
    }

    fn part(&mut self, one: NodeId, other: NodeId) -> Vec<RelayChannel> {
        let mut channels = Vec::new();
        for (owner, peer) in [(one, other), (other, one)] {
            let Some(halves) = self.halves.get_mut(&owner) else { continue };
            channels.extend(halves.remove(&peer).map(|half| half.channel));
            if halves.is_empty() {
                self.halves.remove(&owner);
            }
        }
        for channel in &channels {
            self.taken.remove(channel);
        }
        channels
    }

    /// Gives up pairs that nobody uses; returns the channels.
    pub(crate) fn expire(&mut self, now: Instant) -> Vec<RelayChannel> {
        let is_unused = |half: &Half| now.since(Instant::from_nanos(half.used.load(Relaxed))) >= UNUSED_MAX;
        let mut unused = Vec::new();
        for (one, halves) in &self.halves {
            // Each pair is met twice; it is parted at the one of the two that comes first.
            for (other, half) in halves.range(one..) {
                if is_unused(half) && self.half(*other, *one).is_none_or(is_unused) {
                    unused.push((*one, *other));
                }
            }
        }
        unused.into_iter().flat_map(|(one, other)| self.part(one, other)).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.taken.len()
    }
}
