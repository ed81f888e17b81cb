use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
#[expect(clippy::disallowed_types, reason = "lanes note a pair's last use without a lock")]
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use holloway_wire::{Instant, NodeId, RelayChannel, SecureRng, random_bytes};

use crate::party::{Party, Side, Trunk};

/// Peers that one member can have channels to: far more than anyone talks to at once through a relay.
pub(crate) const CHANNELS_PER_MEMBER_MAX: usize = 256;

/// Circuits over one other relay.
const CIRCUITS_PER_TRUNK_MAX: usize = 65_536;

/// Channels of all members: 150 MB.
const CHANNELS_MAX: usize = 1_000_000;

/// A pair that nothing was sent on for this long is given up.
const UNUSED_MAX: Duration = Duration::from_secs(600);

/// One party's number for another.
#[derive(Debug, Clone)]
#[expect(clippy::disallowed_types, reason = "see the import")]
pub(crate) struct Half {
    pub(crate) channel: RelayChannel,
    pub(crate) used: Arc<AtomicU64>,
    /// Where the owner is beyond another relay: the number that relay takes what is for it on, once it has said so.
    pub(crate) onward: Option<RelayChannel>,
}

/// Two parties: whose the numbers are, and for whom.
pub(crate) type Pair = (Party, Party);

/// The numbers that parties have for each other. Both halves of a pair come and go together.
#[derive(Default)]
pub(crate) struct Pairs {
    halves: BTreeMap<Party, BTreeMap<Party, Half>>,
    taken: BTreeSet<RelayChannel>,
    trunks: BTreeMap<Trunk, Circuits>,
}

/// What leads over one other relay.
#[derive(Default)]
struct Circuits {
    count: usize,
    nodes: BTreeSet<NodeId>,
    /// By the number that the other relay has for them.
    onward: BTreeMap<RelayChannel, Pair>,
}

/// There is no room for another pair.
pub(crate) struct Full;

impl Pairs {
    /// A party's number for another; both get theirs if they have none.
    pub(crate) fn bind(
        &mut self,
        owner: Party,
        peer: Party,
        rng: &mut dyn SecureRng,
        now: Instant,
    ) -> Result<RelayChannel, Full> {
        if let Some(half) = self.half(owner, peer) {
            half.used.store(now.as_nanos(), Relaxed);
            return Ok(half.channel);
        }
        if self.taken.len() + 2 > CHANNELS_MAX || self.is_full(&owner) || self.is_full(&peer) {
            return Err(Full);
        }
        let [own, other] = [0, 1].map(|_| self.draw(rng));
        self.insert(owner, peer, own, now);
        self.insert(peer, owner, other, now);
        Ok(own)
    }

    fn is_full(&self, party: &Party) -> bool {
        let of_trunk = |trunk: Trunk| self.trunks.get(&trunk).is_some_and(|of| of.count >= CIRCUITS_PER_TRUNK_MAX);
        party.beyond.is_some_and(of_trunk) || self.of(*party).count() >= CHANNELS_PER_MEMBER_MAX
    }

    #[expect(clippy::disallowed_types, reason = "see the import")]
    fn insert(&mut self, owner: Party, peer: Party, channel: RelayChannel, now: Instant) {
        let half = Half { channel, used: Arc::new(AtomicU64::new(now.as_nanos())), onward: None };
        self.halves.entry(owner).or_default().insert(peer, half);
        if let Some(trunk) = owner.beyond {
            let circuits = self.trunks.entry(trunk).or_default();
            circuits.count += 1;
            circuits.nodes.insert(owner.node);
        }
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

    /// The relay beyond which the owner is takes what is for it on this number.
    pub(crate) fn set_onward(&mut self, (owner, peer): Pair, onward: RelayChannel) {
        let Some(half) = self.halves.get_mut(&owner).and_then(|halves| halves.get_mut(&peer)) else {
            return;
        };
        let before = half.onward.replace(onward);
        if let Some(circuits) = owner.beyond.and_then(|trunk| self.trunks.get_mut(&trunk)) {
            before.map(|before| circuits.onward.remove(&before));
            circuits.onward.insert(onward, (owner, peer));
        }
    }

    /// Whose circuit it is that another relay has this number for.
    pub(crate) fn by_onward(&self, trunk: Trunk, onward: RelayChannel) -> Option<Pair> {
        self.trunks.get(&trunk)?.onward.get(&onward).copied()
    }

    /// Every number: whose it is, for whom.
    pub(crate) fn all(&self) -> Vec<(Party, Party, RelayChannel)> {
        let of = |(owner, halves): (&Party, &BTreeMap<Party, Half>)| {
            let number = |(peer, half): (&Party, &Half)| (*owner, *peer, half.channel);
            halves.iter().map(number).collect::<Vec<_>>()
        };
        self.halves.iter().flat_map(of).collect()
    }

    /// A party's numbers.
    pub(crate) fn of(&self, owner: Party) -> impl Iterator<Item = (Party, &Half)> {
        self.halves.get(&owner).into_iter().flatten().map(|(peer, half)| (*peer, half))
    }

    /// A party's number for another.
    pub(crate) fn half(&self, owner: Party, peer: Party) -> Option<&Half> {
        self.halves.get(&owner)?.get(&peer)
    }

    /// When a node last sent to a member from beyond another relay.
    pub(crate) fn used_from_beyond(&self, from: NodeId, to: NodeId) -> Option<Instant> {
        let to = Party::member(to);
        let beyond = self.of(to).map(|(party, _)| party).filter(|party| party.node == from && party.beyond.is_some());
        let halves = beyond.filter_map(|party| self.half(party, to));
        halves.map(|half| Instant::from_nanos(half.used.load(Relaxed))).max()
    }

    /// Everything that a node has part in, wherever it is.
    pub(crate) fn of_node(&self, node: &NodeId) -> Vec<Pair> {
        let own = self.halves.range(Party::member(*node)..).take_while(|(party, _)| party.node == *node);
        own.flat_map(|(party, halves)| halves.keys().map(|peer| (*party, *peer))).collect()
    }

    /// Everything that leads over another relay.
    pub(crate) fn over(&self, trunk: Trunk) -> Vec<Pair> {
        let nodes = self.trunks.get(&trunk).into_iter().flat_map(|circuits| &circuits.nodes);
        let parties = nodes.map(|node| Party { node: *node, beyond: Some(trunk) });
        parties.flat_map(|party| self.of(party).map(move |(peer, _)| (party, peer))).collect()
    }

    /// The relays that circuits lead on to from here.
    pub(crate) fn onward(&self) -> impl Iterator<Item = NodeId> {
        self.trunks.keys().filter(|trunk| trunk.side == Side::Ours).map(|trunk| trunk.relay)
    }

    /// Gives up what two have for each other; returns the channels.
    pub(crate) fn part(&mut self, (one, other): Pair) -> Vec<RelayChannel> {
        let channels: Vec<RelayChannel> =
            [(one, other), (other, one)].into_iter().filter_map(|pair| self.take(pair)).collect();
        for channel in &channels {
            self.taken.remove(channel);
        }
        channels
    }

    fn take(&mut self, (owner, peer): Pair) -> Option<RelayChannel> {
        let halves = self.halves.get_mut(&owner)?;
        let half = halves.remove(&peer)?;
        let is_last = halves.is_empty();
        if is_last {
            self.halves.remove(&owner);
        }
        if let Some(trunk) = owner.beyond
            && let Some(circuits) = self.trunks.get_mut(&trunk)
        {
            circuits.count -= 1;
            half.onward.map(|onward| circuits.onward.remove(&onward));
            if is_last {
                circuits.nodes.remove(&owner.node);
            }
            if circuits.count == 0 {
                self.trunks.remove(&trunk);
            }
        }
        Some(half.channel)
    }

    /// Pairs that nobody uses.
    pub(crate) fn unused(&self, now: Instant) -> Vec<Pair> {
        let is_unused = |half: &Half| now.since(Instant::from_nanos(half.used.load(Relaxed))) >= UNUSED_MAX;
        let mut unused = Vec::new();
        for (one, halves) in &self.halves {
            // Each pair is met twice; it counts at the one of the two that comes first.
            for (other, half) in halves.range(one..) {
                if is_unused(half) && self.half(*other, *one).is_none_or(is_unused) {
                    unused.push((*one, *other));
                }
            }
        }
        unused
    }

    pub(crate) fn len(&self) -> usize {
        self.taken.len()
    }

    /// Circuits over other relays.
    pub(crate) fn circuits(&self) -> usize {
        self.trunks.values().map(|circuits| circuits.count).sum()
    }
}
