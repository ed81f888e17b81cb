//! Paths: by which endpoint one peer is reached.
//!
//! A [`PathAgent`] starts from what the peer announces of itself, adds every source at which the peer was authentic,
//! and keeps the result of each. While there is no path a handshake goes to every candidate; the first authentic
//! answer makes its source the path. After that the newest authentic source wins (a roaming peer), and a candidate
//! that answers a probe clearly faster replaces the path. When data was sent and nothing was heard for a second, the
//! path is probed; after three probes without an answer all candidates are tried again, and the caller begins a
//! handshake. The agent gives nothing up: without an answer it keeps its last path until something better shows.
//!
//! A path through a relay is as good as any to begin with, and given up for a straight one as soon as one answers: while
//! it is used, the peer is called through it from time to time, and both sides probe each other straight at once, which
//! opens the NATs in between. What comes through a relay never displaces a straight path that answers.
//!
//! How long the records are that the path in use carries is found out beside all that, see [`mtu`].
//!
//! It does not know what a session is, nor how a probe is sealed.

mod candidate;
mod loss;
mod mtu;
mod search;
mod sizes;
mod trial;
mod upgrade;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use holloway_wire::{ENDPOINTS_MAX, Endpoint, Instant, MtuProbeSize, RELAY_FRAME_LEN, is_dialable};

pub use candidate::{Candidate, CandidateKind, CandidateResult};
use mtu::{Ask, PathMtu};
use upgrade::Upgrade;

/// Sent but nothing heard for this long: probe (ARCHITECTURE §5 "Times and limits").
const SILENCE: Duration = Duration::from_secs(1);
/// Time between probes of a silent path, and how many go unanswered before it is given up.
const PROBE_EVERY: Duration = Duration::from_millis(250);
const PROBES: u32 = 3;
/// The same of a path through a relay, where its round trip allows that. A relay that is gone takes the paths of many
/// with it, another is as good, and who is back before TCP's third retry, 1.4 s after the first loss, hardly stalls.
const SILENCE_RELAYED: Duration = Duration::from_millis(400);
const PROBE_EVERY_RELAYED: Duration = Duration::from_millis(200);
/// A probe that was not answered by then is lost.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
/// A candidate replaces the path when it answers in at most this share of its time, and
const FASTER_PERCENT: u32 = 80;
/// by at least this much: below it the difference is noise.
const FASTER_BY: Duration = Duration::from_millis(2);
/// A peer that sends through a relay although there is a straight path may not hear us there: how often that is looked
/// into.
const DOUBT_EVERY: Duration = Duration::from_secs(1);
/// How often a source of which nothing was known is probed in answer to a probe from there (PROMISES case 34: one probe
/// a second to an address that is not verified).
const RETURN_EVERY: Duration = Duration::from_secs(1);
/// Probes under way to one peer: two for each candidate, as it may move while they are, and those of a silent path.
const PROBES_MAX: usize = 2 * ENDPOINTS_MAX + PROBES as usize;

/// The paths to one peer.
#[derive(Debug, Default)]
pub(crate) struct PathAgent {
    candidates: BTreeMap<Endpoint, Candidate>,
    last_known: u32,
    current: Option<Endpoint>,
    probes: BTreeMap<u64, Probe>,
    next_probe: u64,
    unanswered_since: Option<Instant>,
    silent_probes: u32,
    probe_at: Option<Instant>,
    given_up: bool,
    /// When the path in use was chosen or came into doubt: what was heard before does not tell how it is now.
    judged: Option<Instant>,
    /// The peer sends through a relay although there is a straight path, which has not answered since.
    in_doubt: bool,
    doubted: Option<Instant>,
    returned: Option<Instant>,
    upgrade: Upgrade,
    /// For the endpoint in use, and those that were before; boxed, as a map has room for more than there mostly is.
    mtus: BTreeMap<Endpoint, Box<PathMtu>>,
    mtu_max: Option<u16>,
    next_mtu_probe: u64,
    /// The deadline under which the parent has filed this agent.
    pub(crate) filed: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Probe {
    endpoint: Endpoint,
    sent: Instant,
}

/// What an agent wants done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PathOutput {
    /// Seal a probe with this id and send it here.
    Probe { id: u64, to: Endpoint },
    /// Seal a probe with this id so that its record has this size, and send it here.
    MtuProbe { id: u64, size: MtuProbeSize, to: Endpoint },
    /// The endpoint in use carries longer records, or no longer such long ones.
    RecordLimit,
    /// The path is dead: begin a handshake over all candidates.
    Lost,
    /// Call the peer over the path in use: it shall probe us straight, as we probe it now.
    Call,
}

impl PathAgent {
    /// No path yet; `mtu_max` is the greatest inner MTU wanted, if that was decided.
    pub(crate) fn new(mtu_max: Option<u16>) -> Self {
        Self { mtu_max, ..Self::default() }
    }

    /// The endpoint in use.
    pub(crate) const fn current(&self) -> Option<Endpoint> {
        self.current
    }

    /// The last round trip over the endpoint in use.
    pub(crate) fn rtt(&self) -> Option<Duration> {
        self.candidates.get(&self.current?)?.rtt
    }

    /// The longest record that the endpoint in use carries, in bytes.
    pub(crate) fn record_limit(&self) -> Option<usize> {
        self.limit_of(&self.current?)
    }

    fn limit_of(&self, endpoint: &Endpoint) -> Option<usize> {
        self.mtus.get(endpoint).map(|mtu| mtu.limit().into())
    }

    /// Whether nobody ever said where the peer might be.
    pub(crate) fn is_clueless(&self) -> bool {
        self.candidates.is_empty()
    }

    /// Every candidate with what came of it.
    pub(crate) fn candidates(&self) -> impl Iterator<Item = (Endpoint, Candidate)> {
        let known = self.candidates.iter();
        known.map(|(at, candidate)| (*at, Candidate { record_limit: self.limit_of(at), ..*candidate }))
    }

    /// Takes what the peer announces in place of what it announced before.
    pub(crate) fn set_announced(&mut self, endpoints: &[SocketAddr]) {
        for candidate in self.candidates.values_mut() {
            candidate.announced = false;
        }
        for endpoint in endpoints.iter().filter(|address| is_dialable(address)).map(|address| Endpoint::udp(*address)) {
            self.add(endpoint, CandidateKind::Announced);
            if let Some(candidate) = self.candidates.get_mut(&endpoint) {
                candidate.announced = true;
            }
        }
        let current = self.current;
        self.candidates.retain(|endpoint, candidate| {
            candidate.announced || candidate.kind != CandidateKind::Announced || Some(*endpoint) == current
        });
    }

    /// The candidates that nothing has been sent to yet.
    pub(crate) fn untried(&mut self, now: Instant) -> Vec<Endpoint> {
        let untried = self.candidates.iter_mut().filter(|(_, candidate)| candidate.result == CandidateResult::Untried);
        untried
            .map(|(endpoint, candidate)| {
                candidate.tried = Some(now);
                candidate.result = CandidateResult::Waiting;
                *endpoint
            })
            .collect()
    }

    /// Takes endpoints that the peer named in a call.
    pub(crate) fn add_called(&mut self, endpoints: &[SocketAddr]) {
        for address in endpoints.iter().filter(|address| is_dialable(address)) {
            self.add(Endpoint::udp(*address), CandidateKind::Called);
        }
    }

    /// The peer can be reached through a relay. Says whether that is news.
    pub(crate) fn add_relayed(&mut self, endpoint: Endpoint) -> bool {
        let is_news = !self.candidates.contains_key(&endpoint);
        self.add(endpoint, CandidateKind::Relayed);
        is_news
    }

    /// An endpoint leads nowhere any more. What was in use stays so until something else answers, which is looked for at
    /// once.
    pub(crate) fn handle_unreachable(&mut self, endpoint: &Endpoint, now: Instant) -> Vec<PathOutput> {
        if self.current == Some(*endpoint) {
            return if self.given_up { Vec::new() } else { self.give_up(now) };
        }
        self.candidates.remove(endpoint);
        Vec::new()
    }

    /// A relay is at another address; what it passes on to whom is as before. Says whether that concerns the path in use.
    pub(crate) fn handle_relay_moved(&mut self, from: SocketAddr, to: SocketAddr) -> bool {
        let moved = |endpoint: Endpoint| {
            if let Endpoint::Relayed { relay, channel } = endpoint
                && relay == from
            {
                return Endpoint::relayed(to, channel);
            }
            endpoint
        };
        self.candidates = std::mem::take(&mut self.candidates).into_iter().map(|(at, it)| (moved(at), it)).collect();
        self.mtus = std::mem::take(&mut self.mtus).into_iter().map(|(at, it)| (moved(at), it)).collect();
        self.probes.values_mut().for_each(|probe| probe.endpoint = moved(probe.endpoint));
        let before = self.current;
        self.current = before.map(moved);
        self.current != before
    }

    /// The peer was authentic at an endpoint.
    fn add_seen(&mut self, endpoint: Endpoint) {
        self.add(endpoint, if endpoint.is_relayed() { CandidateKind::Relayed } else { CandidateKind::Seen });
    }

    fn add(&mut self, endpoint: Endpoint, kind: CandidateKind) {
        self.last_known = self.last_known.wrapping_add(1);
        if let Some(candidate) = self.candidates.get_mut(&endpoint) {
            candidate.known = self.last_known;
            return;
        }
        if self.candidates.len() >= ENDPOINTS_MAX
            && let Some(worst) = self.worst()
        {
            self.candidates.remove(&worst);
        }
        let candidate = Candidate {
            kind,
            result: CandidateResult::Untried,
            rtt: None,
            record_limit: None,
            tried: None,
            known: self.last_known,
            announced: false,
        };
        self.candidates.insert(endpoint, candidate);
    }

    /// The candidate that a new one takes the place of: of those that nobody announces the one that was named or heard from
    /// longest ago. Of a peer that has moved often, most are where it was once.
    fn worst(&self) -> Option<Endpoint> {
        let others = self.candidates.iter().filter(|(endpoint, _)| Some(**endpoint) != self.current);
        let rank = |(endpoint, candidate): &(&Endpoint, &Candidate)| {
            (candidate.announced || endpoint.is_relayed(), candidate.known)
        };
        others.min_by_key(rank).map(|(endpoint, _)| *endpoint)
    }

    /// Where a handshake message goes: everywhere that may answer, the endpoint in use first.
    pub(crate) fn endpoints_to_try(&mut self, now: Instant) -> Vec<Endpoint> {
        let mut endpoints: Vec<Endpoint> = self.current.into_iter().collect();
        for (endpoint, candidate) in &mut self.candidates {
            candidate.tried = Some(now);
            if candidate.result == CandidateResult::Untried {
                candidate.result = CandidateResult::Waiting;
            }
            if Some(*endpoint) != self.current {
                endpoints.push(*endpoint);
            }
        }
        endpoints
    }

    /// The peer was authentic at a source, and it was its newest word: this is where it is, unless it came through a
    /// relay beside a straight path that answers. Says whether that changed the path.
    pub(crate) fn handle_newest(&mut self, from: Endpoint, now: Instant) -> bool {
        if self.handle_heard(from) {
            return self.switch(from, now);
        }
        if !std::mem::replace(&mut self.in_doubt, true) {
            self.judged = Some(now);
        }
        let is_due = self.doubted.is_none_or(|doubted| now.since(doubted) >= DOUBT_EVERY);
        if self.silent_probes == 0 && is_due {
            self.doubted = Some(now);
            self.unanswered_since.get_or_insert(now);
            self.probe_at = Some(now);
        }
        false
    }

    /// The peer was authentic at a source. Says whether that tells anything of the path in use.
    pub(crate) fn handle_heard(&mut self, from: Endpoint) -> bool {
        let is_straight = |current: Endpoint| !current.is_relayed();
        let is_beside = from.is_relayed() && !self.given_up && self.current.is_some_and(is_straight);
        if !is_beside {
            self.in_doubt &= self.current != Some(from);
            self.unanswered_since = None;
            self.silent_probes = 0;
            self.probe_at = None;
            self.given_up = false;
        }
        self.add_seen(from);
        if let Some(candidate) = self.candidates.get_mut(&from) {
            candidate.result = CandidateResult::Answered;
        }
        !is_beside
    }

    /// The peer probes us from a source: what is not known to lead there is probed in return. Our own probe there may
    /// have been what the NAT in front of it did not let through.
    pub(crate) fn handle_probed(&mut self, from: Endpoint, now: Instant) -> Vec<PathOutput> {
        self.add_seen(from);
        let is_wanted = self.given_up || self.in_doubt || self.current.is_none_or(|current| current.is_relayed());
        let is_proven = |candidate: &Candidate| candidate.result == CandidateResult::Answered && !is_wanted;
        if self.current == Some(from) || self.candidates.get(&from).is_none_or(is_proven) {
            return Vec::new();
        }
        if self.returned.is_some_and(|returned| now.since(returned) < RETURN_EVERY) {
            return Vec::new();
        }
        self.returned = Some(now);
        self.probe(from, now).into_iter().collect()
    }

    /// Tries to get away from a relay, if the path goes through one and it is time.
    pub(crate) fn upgrade(&mut self, now: Instant) -> Vec<PathOutput> {
        let is_relayed = self.current.is_some_and(|current| current.is_relayed());
        if !is_relayed || self.given_up || !self.upgrade.take_turn(now) {
            return Vec::new();
        }
        let mut outputs = vec![PathOutput::Call];
        outputs.extend(self.probe_straight(now));
        outputs
    }

    /// Probes every candidate that no relay is on the way to.
    pub(crate) fn probe_straight(&mut self, now: Instant) -> Vec<PathOutput> {
        self.probe_those(now, |endpoint, _| !endpoint.is_relayed())
    }

    /// Probes every candidate that nothing has been sent to yet.
    pub(crate) fn probe_untried(&mut self, now: Instant) -> Vec<PathOutput> {
        self.probe_those(now, |_, candidate| candidate.result == CandidateResult::Untried)
    }

    /// Probes some candidates, those first that were named or heard from last: there may not be probes enough for all.
    fn probe_those(&mut self, now: Instant, choose: impl Fn(&Endpoint, &Candidate) -> bool) -> Vec<PathOutput> {
        let chosen = self.candidates.iter().filter(|(endpoint, candidate)| choose(endpoint, candidate));
        let mut chosen: Vec<(u32, Endpoint)> =
            chosen.map(|(endpoint, candidate)| (candidate.known, *endpoint)).collect();
        chosen.sort_unstable_by_key(|(known, _)| std::cmp::Reverse(*known));
        chosen.into_iter().filter_map(|(_, endpoint)| self.probe(endpoint, now)).collect()
    }

    fn switch(&mut self, to: Endpoint, now: Instant) -> bool {
        let before = self.current.replace(to);
        if before == Some(to) {
            return false;
        }
        self.judged = Some(now);
        self.in_doubt = false;
        if !before.is_some_and(|before| before.is_relayed()) {
            self.upgrade.begin();
        }
        let left = before.and_then(|before| self.mtus.get_mut(&before));
        let limit = left.map(|mtu| {
            mtu.handle_left();
            mtu.limit()
        });
        let (candidates, mtu_max) = (&self.candidates, self.mtu_max);
        self.mtus.retain(|endpoint, _| candidates.contains_key(endpoint));
        let entry = self.mtus.entry(to).and_modify(|mtu| mtu.handle_moved());
        entry.or_insert_with(|| Box::new(PathMtu::new(&to, limit, mtu_max)));
        true
    }

    /// This machine is somewhere else: whether the path in use still leads anywhere is not known, nor how much it carries,
    /// and there may be a better one.
    pub(crate) fn handle_network_change(&mut self, now: Instant) {
        self.judged = Some(now);
        self.upgrade.begin();
        self.given_up = self.current.is_some();
        self.mtus.values_mut().for_each(|mtu| mtu.handle_moved());
    }

    /// Whether what was heard at this time, and is told only now, says nothing of how the path in use is.
    pub(crate) fn is_outdated(&self, heard: Instant) -> bool {
        self.judged.is_some_and(|judged| heard < judged)
    }

    /// Whether the endpoint in use has answered as long as it was asked.
    pub(crate) const fn is_live(&self) -> bool {
        self.current.is_some() && !self.given_up
    }

    /// Data was sent over the path.
    pub(crate) fn handle_sent(&mut self, now: Instant) {
        if self.unanswered_since.is_none() {
            self.unanswered_since = Some(now);
            self.probe_at = Some(now + self.patience().0);
        }
    }

    /// How long the path in use may be silent, and how long a probe of it.
    fn patience(&self) -> (Duration, Duration) {
        match (self.current, self.rtt()) {
            (Some(current), Some(rtt)) if current.is_relayed() => {
                ((rtt * 2).clamp(SILENCE_RELAYED, SILENCE), (rtt * 3 / 2).clamp(PROBE_EVERY_RELAYED, PROBE_EVERY))
            }
            _ => (SILENCE, PROBE_EVERY),
        }
    }

    /// Data was sent over the path, whether or not the peer was silent: sizes may be tried.
    pub(crate) fn handle_used(&mut self, now: Instant) -> Vec<PathOutput> {
        let mut outputs = self.upgrade(now);
        outputs.extend(self.with_mtu(|mtu, ids| mtu.handle_used(ids, now)));
        outputs
    }

    /// An MTU probe was answered. Only the answer to a question that is open here counts, and only from where it was
    /// sent.
    pub(crate) fn handle_mtu_reply(
        &mut self,
        id: u64,
        size: MtuProbeSize,
        from: Endpoint,
        now: Instant,
    ) -> Vec<PathOutput> {
        if self.current != Some(from) {
            return Vec::new();
        }
        let ask = Ask { id, size: size.get() };
        self.with_mtu(|mtu, ids| mtu.handle_reply(ask, ids, now))
    }

    /// The local socket refused a datagram of this length for the address that the path in use goes by.
    pub(crate) fn handle_too_long(&mut self, to: SocketAddr, length: usize, now: Instant) -> Vec<PathOutput> {
        let Some(current) = self.current.filter(|current| current.socket_addr() == to) else {
            return Vec::new();
        };
        let length = if current.is_relayed() { length.saturating_sub(RELAY_FRAME_LEN) } else { length };
        let length = u16::try_from(length).unwrap_or(u16::MAX);
        self.with_mtu(|mtu, _| {
            mtu.handle_too_long(length, now);
            None
        })
    }

    /// Lets the MTU of the path in use act.
    fn with_mtu(&mut self, act: impl FnOnce(&mut PathMtu, &mut u64) -> Option<Ask>) -> Vec<PathOutput> {
        let Some((to, mtu)) = self.current.and_then(|to| Some((to, self.mtus.get_mut(&to)?))) else {
            return Vec::new();
        };
        let before = mtu.limit();
        let ask = act(mtu, &mut self.next_mtu_probe);
        let changed = (mtu.limit() != before).then_some(PathOutput::RecordLimit);
        let probe = ask.map(|Ask { id, size }| {
            let size = MtuProbeSize::new(size).expect("sizes::LEAST can be probed");
            PathOutput::MtuProbe { id, size, to }
        });
        changed.into_iter().chain(probe).collect()
    }

    /// A round trip was measured some other way, by a ping say.
    pub(crate) fn note_rtt(&mut self, endpoint: Endpoint, rtt: Duration) {
        if let Some(mtu) = self.mtus.get_mut(&endpoint) {
            mtu.note_rtt(rtt);
        }
        if let Some(candidate) = self.candidates.get_mut(&endpoint) {
            candidate.rtt = Some(rtt);
        }
    }

    /// Probes every candidate once: a session is new, and one of them may be better.
    pub(crate) fn probe_all(&mut self, now: Instant) -> Vec<PathOutput> {
        self.probe_those(now, |_, _| true)
    }

    fn probe(&mut self, endpoint: Endpoint, now: Instant) -> Option<PathOutput> {
        self.probes.retain(|_, probe| now.since(probe.sent) < PROBE_TIMEOUT);
        let is_asked = |probe: &Probe| probe.endpoint == endpoint && probe.sent == now;
        if self.probes.len() >= PROBES_MAX || self.probes.values().any(is_asked) {
            return None;
        }
        if let Some(candidate) = self.candidates.get_mut(&endpoint) {
            candidate.tried = Some(now);
            if candidate.result == CandidateResult::Untried {
                candidate.result = CandidateResult::Waiting;
            }
        }
        self.next_probe += 1;
        self.probes.insert(self.next_probe, Probe { endpoint, sent: now });
        Some(PathOutput::Probe { id: self.next_probe, to: endpoint })
    }

    /// A probe was answered. Says whether that changed the path.
    pub(crate) fn handle_probe_reply(&mut self, id: u64, from: Endpoint, now: Instant) -> bool {
        let Some(probe) = self.probes.remove(&id) else {
            return false;
        };
        let rtt = now.since(probe.sent);
        self.handle_heard(from);
        let before = self.rtt();
        self.note_rtt(probe.endpoint, rtt);
        let is_faster = match (self.current, before) {
            (None, _) => true,
            (Some(current), _) if current.is_relayed() != probe.endpoint.is_relayed() => current.is_relayed(),
            (Some(_), None) => false,
            (Some(_), Some(before)) => rtt + FASTER_BY <= before && rtt <= before * FASTER_PERCENT / 100,
        };
        let is_rescue = self.given_up_on(probe.endpoint);
        (is_faster || is_rescue) && self.switch(probe.endpoint, now)
    }

    /// Whether the path in use was silent, so that any that answers is better.
    fn given_up_on(&self, answering: Endpoint) -> bool {
        let Some(current) = self.current else {
            return true;
        };
        let is_better = self.in_doubt && !answering.is_relayed();
        current != answering && (is_better || self.is_silent(&current))
    }

    fn is_silent(&self, endpoint: &Endpoint) -> bool {
        self.candidates.get(endpoint).is_some_and(|candidate| candidate.result == CandidateResult::Silent)
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let mtu = self.current.and_then(|current| self.mtus.get(&current)?.poll_timeout());
        self.probe_at.into_iter().chain(mtu).min()
    }

    /// Harmless when called early or twice.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Vec<PathOutput> {
        let mut outputs = self.handle_silence(now);
        outputs.extend(self.with_mtu(|mtu, ids| mtu.handle_timeout(ids, now)));
        outputs
    }

    /// Probes a silent path, and gives it up after some probes.
    fn handle_silence(&mut self, now: Instant) -> Vec<PathOutput> {
        if self.probe_at.is_none_or(|at| at > now) {
            return Vec::new();
        }
        if self.silent_probes < PROBES {
            self.silent_probes += 1;
            self.probe_at = Some(now + self.patience().1);
            let mut outputs: Vec<_> = self.current.and_then(|current| self.probe(current, now)).into_iter().collect();
            outputs.extend(self.with_mtu(|mtu, ids| mtu.handle_silence(ids, now)));
            return outputs;
        }
        self.give_up(now)
    }

    fn give_up(&mut self, now: Instant) -> Vec<PathOutput> {
        self.judged = Some(now);
        self.probe_at = None;
        self.given_up = true;
        self.unanswered_since = None;
        self.silent_probes = 0;
        if let Some(candidate) = self.current.and_then(|current| self.candidates.get_mut(&current)) {
            candidate.result = CandidateResult::Silent;
        }
        let mut outputs = self.probe_all(now);
        outputs.push(PathOutput::Lost);
        outputs
    }
}

#[cfg(test)]
#[path = "../../tests/unit/path.rs"]
mod tests;
