use std::collections::BTreeMap;
use std::time::Duration;

use holloway_wire::{Instant, NodeId, RegistrationId, RelayChannel, ToRelay};

/// Waits after each question for a channel.
const TRIES: [Duration; 3] = [Duration::from_millis(250), Duration::from_millis(500), Duration::from_millis(1000)];

/// Pauses before a peer that is not there is asked for again: it may be about to register.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// A channel on which nobody answers is asked for again after this long: the peer may be elsewhere by now.
const CONFIRM_EVERY: Duration = Duration::from_secs(3);

/// A channel that leads over further relays is asked for again after this long: there may be a shorter way by now, which
/// the relay knows.
const IMPROVE_EVERY: Duration = Duration::from_secs(30);

/// Our channels at one relay.
#[derive(Debug, Default)]
pub(super) struct Bindings {
    peers: BTreeMap<NodeId, Binding>,
}

/// A channel, and the relays that it leads over after the one that gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bound {
    pub(super) channel: RelayChannel,
    pub(super) route: Vec<NodeId>,
}

#[derive(Debug)]
struct Binding {
    bound: Option<Bound>,
    stage: Stage,
    absences: u32,
}

#[derive(Debug)]
enum Stage {
    Asking {
        id: u64,
        tries: usize,
        due: Instant,
    },
    /// The relay has given the channel at this time.
    Content {
        since: Instant,
    },
    /// Nothing is asked before then.
    Resting {
        until: Instant,
    },
}

impl Bindings {
    /// Wants a channel to a peer.
    pub(super) fn want(&mut self, peer: NodeId, id: u64, now: Instant) {
        let stage = Stage::Asking { id, tries: 0, due: now };
        self.peers.entry(peer).or_insert(Binding { bound: None, stage, absences: 0 });
    }

    /// No longer wants what `is_wanted` does not.
    pub(super) fn retain(&mut self, is_wanted: impl Fn(&NodeId) -> bool) {
        self.peers.retain(|peer, _| is_wanted(peer));
    }

    /// Nothing comes back on a channel: it may lead over a relay that is gone, and is asked for again.
    pub(super) fn doubt(&mut self, channel: RelayChannel, id: u64, now: Instant) {
        let is_it = |binding: &&mut Binding| binding.bound.as_ref().is_some_and(|bound| bound.channel == channel);
        if let Some(binding) = self.peers.values_mut().find(is_it)
            && matches!(binding.stage, Stage::Content { .. })
        {
            binding.stage = Stage::Asking { id, tries: 0, due: now };
        }
    }

    /// A peer does not answer on whatever channel there is to it, which is asked for again unless that was done just now.
    pub(super) fn handle_unanswered(&mut self, peer: &NodeId, id: u64, now: Instant) {
        if let Some(binding) = self.peers.get_mut(peer)
            && matches!(binding.stage, Stage::Content { since } if now.since(since) >= CONFIRM_EVERY)
        {
            binding.stage = Stage::Asking { id, tries: 0, due: now };
        }
    }

    /// A peer is there after all: a channel to it is asked for sooner.
    pub(super) fn handle_present(&mut self, peer: &NodeId, now: Instant) {
        if let Some(Binding { stage: Stage::Resting { until }, .. }) = self.peers.get_mut(peer) {
            *until = (*until).min(now + FIRST_PAUSE);
        }
    }

    /// The relays that the way to a peer leads over after this one.
    pub(super) fn route(&self, peer: &NodeId) -> Option<&[NodeId]> {
        self.peers.get(peer)?.bound.as_ref().map(|bound| bound.route.as_slice())
    }

    /// The channels that there are, and to whom.
    pub(super) fn channels(&self) -> impl Iterator<Item = (NodeId, RelayChannel)> {
        self.peers.iter().filter_map(|(peer, binding)| Some((*peer, binding.bound.as_ref()?.channel)))
    }

    /// The registration is gone; gives the channels that went with it.
    pub(super) fn lose(&mut self, now: Instant) -> Vec<RelayChannel> {
        let lost = self.peers.values_mut().filter_map(|binding| binding.bound.take()).map(|bound| bound.channel);
        let lost = lost.collect();
        for binding in self.peers.values_mut() {
            binding.stage = Stage::Resting { until: now };
        }
        lost
    }

    /// The relay knows where we are, which it may not have when it was asked: questions that are open are asked at once.
    pub(super) fn handle_registered(&mut self, now: Instant) {
        for binding in self.peers.values_mut() {
            if let Stage::Asking { tries, due, .. } = &mut binding.stage {
                (*tries, *due) = (0, now);
            }
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.peers.values().filter_map(Binding::poll_timeout).min()
    }

    /// What to ask now, and the channels that were asked for again in vain. `next_id` makes ids; `relays` says where a
    /// peer is found.
    pub(super) fn handle_timeout(
        &mut self,
        registration: RegistrationId,
        now: Instant,
        mut next_id: impl FnMut() -> u64,
        relays: impl Fn(&NodeId) -> Vec<NodeId>,
    ) -> (Vec<ToRelay>, Vec<RelayChannel>) {
        let (mut questions, mut lost) = (Vec::new(), Vec::new());
        for (peer, binding) in &mut self.peers {
            let is_asking = matches!(binding.stage, Stage::Asking { .. });
            if !is_asking && binding.poll_timeout().is_some_and(|due| due <= now) {
                binding.stage = Stage::Asking { id: next_id(), tries: 0, due: now };
            }
            let Stage::Asking { id, tries, due } = &mut binding.stage else { continue };
            if *due > now {
                continue;
            }
            match TRIES.get(*tries) {
                Some(wait) => {
                    questions.push(ToRelay::Bind { registration, id: *id, node: *peer, relays: relays(peer) });
                    (*tries, *due) = (*tries + 1, now + *wait);
                }
                None => lost.extend(binding.rest(now)),
            }
        }
        (questions, lost)
    }

    /// The relay has given a channel, if it was asked for one; gives the channel that it takes the place of.
    pub(super) fn handle_bound(
        &mut self,
        peer: &NodeId,
        asked: u64,
        bound: &Bound,
        now: Instant,
    ) -> Option<Option<RelayChannel>> {
        let binding = self.peers.get_mut(peer)?;
        if !matches!(binding.stage, Stage::Asking { id, .. } if id == asked) {
            return None;
        }
        let before = binding.bound.replace(bound.clone()).map(|before| before.channel);
        (binding.stage, binding.absences) = (Stage::Content { since: now }, 0);
        Some(before.filter(|before| *before != bound.channel))
    }

    /// The peer is not registered there; gives the channel that leads nowhere, then.
    pub(super) fn handle_unbound(&mut self, peer: &NodeId, asked: u64, now: Instant) -> Option<RelayChannel> {
        let binding = self.peers.get_mut(peer)?;
        matches!(binding.stage, Stage::Asking { id, .. } if id == asked).then(|| binding.rest(now)).flatten()
    }

    /// A channel leads nowhere any more.
    pub(super) fn handle_gone(&mut self, gone: RelayChannel, now: Instant) {
        let is_it = |binding: &&mut Binding| binding.bound.as_ref().is_some_and(|bound| bound.channel == gone);
        if let Some(binding) = self.peers.values_mut().find(is_it) {
            binding.rest(now);
        }
    }
}

impl Binding {
    fn poll_timeout(&self) -> Option<Instant> {
        match self.stage {
            Stage::Asking { due, .. } => Some(due),
            Stage::Content { since } => {
                let is_long = self.bound.as_ref().is_some_and(|bound| !bound.route.is_empty());
                is_long.then_some(since + IMPROVE_EVERY)
            }
            Stage::Resting { until } => Some(until),
        }
    }

    /// Gives up for a while.
    fn rest(&mut self, now: Instant) -> Option<RelayChannel> {
        let pause = FIRST_PAUSE.saturating_mul(1 << self.absences.min(8)).min(PAUSE_MAX);
        self.absences += 1;
        self.stage = Stage::Resting { until: now + pause };
        self.bound.take().map(|bound| bound.channel)
    }
}
