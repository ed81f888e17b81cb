use std::collections::BTreeMap;
use std::time::Duration;

use holloway_wire::{Instant, NodeId, RegistrationId, RelayChannel, ToRelay};

/// Waits after each question for a channel.
const TRIES: [Duration; 3] = [Duration::from_millis(250), Duration::from_millis(500), Duration::from_millis(1000)];

/// Pauses before a peer that is not there is asked for again: it may be about to register.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Our channels at one relay.
#[derive(Debug, Default)]
pub(super) struct Bindings {
    peers: BTreeMap<NodeId, Binding>,
}

#[derive(Debug)]
struct Binding {
    stage: Stage,
    absences: u32,
}

#[derive(Debug)]
enum Stage {
    Asking { id: u64, tries: usize, due: Instant },
    Bound(RelayChannel),
    Absent { until: Instant },
}

impl Bindings {
    /// Wants a channel to a peer.
    pub(super) fn want(&mut self, peer: NodeId, id: u64, now: Instant) {
        self.peers.entry(peer).or_insert(Binding { stage: Stage::Asking { id, tries: 0, due: now }, absences: 0 });
    }

    /// No longer wants what `is_wanted` does not.
    pub(super) fn retain(&mut self, is_wanted: impl Fn(&NodeId) -> bool) {
        self.peers.retain(|peer, _| is_wanted(peer));
    }

    /// The registration is gone; gives the channels that went with it.
    pub(super) fn lose(&mut self, now: Instant) -> Vec<(NodeId, RelayChannel)> {
        let bound = |(peer, binding): (&NodeId, &Binding)| match binding.stage {
            Stage::Bound(channel) => Some((*peer, channel)),
            Stage::Asking { .. } | Stage::Absent { .. } => None,
        };
        let lost = self.peers.iter().filter_map(bound).collect();
        for binding in self.peers.values_mut() {
            binding.stage = Stage::Absent { until: now };
        }
        lost
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let due = |binding: &Binding| match binding.stage {
            Stage::Asking { due, .. } => Some(due),
            Stage::Absent { until } => Some(until),
            Stage::Bound(_) => None,
        };
        self.peers.values().filter_map(due).min()
    }

    /// What to ask now. `next_id` makes ids.
    pub(super) fn handle_timeout(
        &mut self,
        registration: RegistrationId,
        now: Instant,
        mut next_id: impl FnMut() -> u64,
    ) -> Vec<ToRelay> {
        let mut questions = Vec::new();
        for (peer, binding) in &mut self.peers {
            if let Stage::Absent { until } = binding.stage
                && until <= now
            {
                binding.stage = Stage::Asking { id: next_id(), tries: 0, due: now };
            }
            let Stage::Asking { id, tries, due } = &mut binding.stage else { continue };
            if *due > now {
                continue;
            }
            match TRIES.get(*tries) {
                Some(wait) => {
                    questions.push(ToRelay::Bind { registration, id: *id, node: *peer });
                    (*tries, *due) = (*tries + 1, now + *wait);
                }
                None => binding.rest(now),
            }
        }
        questions
    }

    /// The relay has given a channel; says whether it was asked for.
    pub(super) fn handle_bound(&mut self, peer: &NodeId, asked: u64, channel: RelayChannel) -> bool {
        match self.peers.get_mut(peer) {
            Some(binding) if matches!(binding.stage, Stage::Asking { id, .. } if id == asked) => {
                *binding = Binding { stage: Stage::Bound(channel), absences: 0 };
                true
            }
            Some(_) | None => false,
        }
    }

    /// The peer is not registered there.
    pub(super) fn handle_unbound(&mut self, peer: &NodeId, asked: u64, now: Instant) {
        if let Some(binding) = self.peers.get_mut(peer)
            && matches!(binding.stage, Stage::Asking { id, .. } if id == asked)
        {
            binding.rest(now);
        }
    }

    /// A channel leads nowhere any more; gives whose it was.
    pub(super) fn handle_gone(&mut self, gone: RelayChannel, now: Instant) -> Option<NodeId> {
        let is_it = |binding: &Binding| matches!(binding.stage, Stage::Bound(channel) if channel == gone);
        let (peer, binding) = self.peers.iter_mut().find(|(_, binding)| is_it(binding))?;
        binding.rest(now);
        Some(*peer)
    }
}

impl Binding {
    fn rest(&mut self, now: Instant) {
        let pause = FIRST_PAUSE.saturating_mul(1 << self.absences.min(8)).min(PAUSE_MAX);
        self.absences += 1;
        self.stage = Stage::Absent { until: now + pause };
    }
}
