use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use holloway_mesh::{
    Channel, ControlCommand, ControlEvent, GossipToken, RequestId, ResponseToken, StoreToken, Verdict,
};
use holloway_wire::{ControlAddr, NodeId};
use rand::RngExt;

use super::{Happening, MachineId, World};

/// A request without an answer fails after this long, as in `holloway-control`: a stranger's, and a member's.
const STRANGER_TIMEOUT: Duration = Duration::from_secs(10);
const MEMBER_TIMEOUT: Duration = Duration::from_secs(20);
/// A connection without a sign of life is given up after this long.
const SILENCE_MAX: Duration = Duration::from_secs(9);
/// A dial that nobody answers fails after this long.
pub(crate) const DIAL_TIMEOUT: Duration = Duration::from_secs(8);
/// Members that keep a record, nearest first.
const RECORD_COPIES: usize = 3;
/// Round trips before a connection is authenticated.
pub(crate) const SETUP_ROUND_TRIPS: u32 = 2;

/// A model of the control plane as `holloway-control` offers it: connections between identity keys, requests, gossip
/// that is passed on after a verdict, records kept by neighbours; strangers get the two open channels only.
#[derive(Default)]
pub(crate) struct ControlPlane {
    links: BTreeMap<LinkId, Link>,
    sides: Vec<Side>,
    named: u64,
}

/// One connection between two programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LinkId(u64);

struct Link {
    ends: [MachineId; 2],
    opened: bool,
}

/// One gossip message on its way.
#[derive(Clone)]
pub(crate) struct Message {
    id: u64,
    body: Rc<[u8]>,
}

/// What one machine's control plane knows; gone with the program.
#[derive(Default)]
struct Side {
    /// The connection that this side believes to have with another, whether it still works or not.
    views: BTreeMap<MachineId, LinkId>,
    admitted: BTreeSet<MachineId>,
    dialling: BTreeSet<MachineId>,
    asked: BTreeMap<RequestId, MachineId>,
    questions: BTreeMap<ResponseToken, Question>,
    messages: BTreeMap<GossipToken, (Message, MachineId)>,
    seen: BTreeSet<u64>,
    offers: BTreeMap<StoreToken, ([u8; 32], Vec<u8>)>,
    records: BTreeMap<[u8; 32], Vec<u8>>,
}

struct Question {
    asker: MachineId,
    incarnation: u32,
    request: RequestId,
}

/// Why a connection is dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// One side closed it, or is not there any more.
    Closed,
    /// A partition, which may be over before anyone notices.
    Silence,
}

/// What is under way in the control plane.
pub(crate) enum Underway {
    /// A dial ends.
    Dialled { from: MachineId, to: Option<MachineId>, node: NodeId },
    /// A side notices that a connection is dead.
    Broken { side: MachineId, peer: MachineId, link: LinkId, cause: Cause },
    /// Both sides have admitted each other.
    Opened { side: MachineId, link: LinkId },
    /// A request arrives.
    Asked { from: MachineId, to: MachineId, link: LinkId, id: RequestId, channel: Channel, body: Vec<u8> },
    /// A stranger that is no node yet redeems.
    Redeems { from: MachineId, to: MachineId, id: RequestId, body: Vec<u8> },
    /// An answer arrives, or is given up.
    Answered { to: MachineId, id: RequestId, body: Option<Vec<u8>> },
    /// A gossip message arrives.
    Gossip { to: MachineId, from: MachineId, link: LinkId, message: Message },
    /// A record is offered for storage.
    Offered { to: MachineId, link: LinkId, key: [u8; 32], value: Vec<u8> },
    /// A search for a record ends.
    Found { by: MachineId, id: RequestId, key: [u8; 32] },
}

impl ControlPlane {
    /// A further machine, or a program's new start.
    fn reset(&mut self, machine: MachineId) {
        self.sides.resize_with(self.sides.len().max(machine.0 + 1), Side::default);
        self.sides[machine.0] = Side::default();
    }

    fn name(&mut self) -> u64 {
        self.named += 1;
        self.named
    }

    fn side(&mut self, machine: MachineId) -> &mut Side {
        &mut self.sides[machine.0]
    }

    /// Whether a side believes in this connection, and it works.
    fn carries(&self, machine: MachineId, link: LinkId) -> bool {
        self.links.get(&link).is_some_and(|known| {
            known.ends.contains(&machine)
                && known.ends.iter().all(|end| self.sides[end.0].views.values().any(|view| *view == link))
        })
    }

    /// A side's connection to another, if it believes to have one.
    fn link(&self, from: MachineId, to: MachineId) -> Option<LinkId> {
        self.sides[from.0].views.get(&to).copied()
    }

    /// Whether members' conversations run between two machines.
    fn is_opened(&self, link: LinkId) -> bool {
        self.links.get(&link).is_some_and(|link| link.opened)
    }

    /// Those with whom members' conversations run.
    fn opened(&self, machine: MachineId) -> Vec<(MachineId, LinkId)> {
        let views = self.sides[machine.0].views.iter();
        views.filter(|(_, link)| self.is_opened(**link)).map(|(peer, link)| (*peer, *link)).collect()
    }

    /// How many connections a machine believes to have.
    pub(crate) fn degree(&self, machine: MachineId) -> usize {
        self.sides[machine.0].views.len()
    }
}

impl World {
    /// A program starts: its control plane knows nothing.
    pub(crate) fn control_started(&mut self, machine: MachineId) {
        self.control.reset(machine);
    }

    /// A program ended, or its machine has other addresses: its connections are dead. The others notice at once when
    /// it could say so, else after a while.
    pub(crate) fn control_cut(&mut self, machine: MachineId, is_graceful: bool) {
        let views = std::mem::take(&mut self.control.side(machine).views);
        for (peer, link) in views {
            self.control.links.remove(&link);
            let delay = if is_graceful { self.delay(machine, peer) } else { self.silence() };
            self.later(delay, Underway::Broken { side: peer, peer: machine, link, cause: Cause::Closed });
            self.machine_event(machine, ControlEvent::Disconnected { node: self.id(peer) });
        }
        self.fail_requests(machine);
    }

    /// Connections across a partition die when it lasts.
    pub(crate) fn control_partitioned(&mut self) {
        let crossing: Vec<(LinkId, [MachineId; 2])> = self
            .control
            .links
            .iter()
            .filter(|(_, link)| !self.underlay.is_open(link.ends[0], link.ends[1]))
            .map(|(id, link)| (*id, link.ends))
            .collect();
        for (link, [one, other]) in crossing {
            for (side, peer) in [(one, other), (other, one)] {
                let delay = self.silence();
                self.later(delay, Underway::Broken { side, peer, link, cause: Cause::Silence });
            }
        }
    }

    pub(crate) fn silence(&mut self) -> Duration {
        SILENCE_MAX.mul_f64(self.rng.random_range(0.5..1.0))
    }

    fn later(&mut self, delay: Duration, underway: Underway) {
        self.file(delay, Happening::Control(underway));
    }

    /// Carries out what a node wants of the control plane.
    pub(crate) fn control_command(&mut self, from: MachineId, command: ControlCommand) {
        match command {
            ControlCommand::Dial { node, addresses } => self.dial(from, node, &addresses),
            ControlCommand::Admit { node } => self.admit(from, node),
            ControlCommand::Expel { node } => self.expel(from, node),
            ControlCommand::Request { id, node, channel, body } => self.request(from, id, node, channel, body),
            ControlCommand::Respond { token, body } => self.respond(from, token, body),
            ControlCommand::Publish { body } => {
                let message = Message { id: self.control.name(), body: body.into() };
                self.control.side(from).seen.insert(message.id);
                self.pass_on(from, None, &message);
            }
            ControlCommand::Judge { message, verdict } => self.judge(from, message, verdict),
            ControlCommand::PutRecord { key, value } => self.put_record(from, key, &value),
            ControlCommand::FindRecord { id, key } => {
                let delay = self.hop() * 4;
                self.later(delay, Underway::Found { by: from, id, key });
            }
            ControlCommand::JudgeRecord { token, accept } => {
                if let Some((key, value)) = self.control.side(from).offers.remove(&token)
                    && accept
                {
                    self.control.side(from).records.insert(key, value);
                }
            }
        }
    }

    fn hop(&mut self) -> Duration {
        Duration::from_millis(self.rng.random_range(5..60))
    }

    fn dial(&mut self, from: MachineId, node: NodeId, addresses: &[ControlAddr]) {
        let expected = self.machine_of(&node);
        if let Some(to) = expected
            && (self.control.side(from).views.contains_key(&to) || !self.control.side(from).dialling.insert(to))
        {
            return;
        }
        let listener = addresses.iter().find_map(|address| self.underlay.listener(from, address));
        let answers = listener.filter(|to| self.is_running(*to) && self.underlay.is_open(from, *to));
        match answers {
            Some(to) => {
                let delay = self.delay(from, to) * 2 * SETUP_ROUND_TRIPS;
                let to = (Some(to) == expected).then_some(to);
                self.dialled_later(from, node, to, delay);
            }
            None => self.dialled_later(from, node, None, DIAL_TIMEOUT),
        }
    }

    fn dialled_later(&mut self, from: MachineId, node: NodeId, to: Option<MachineId>, delay: Duration) {
        let incarnation = self.machines[from.0].incarnation;
        self.file(delay, Happening::Of(from, incarnation, Underway::Dialled { from, to, node }));
    }

    fn dialled(&mut self, from: MachineId, to: Option<MachineId>, node: NodeId) {
        if let Some(expected) = self.machine_of(&node) {
            self.control.side(from).dialling.remove(&expected);
        }
        if !self.is_running(from) {
            return;
        }
        let to = to.filter(|to| self.is_running(*to) && self.underlay.is_open(from, *to));
        let Some(to) = to else {
            self.machine_event(from, ControlEvent::DialFailed { node });
            return;
        };
        if self.control.link(from, to).is_some_and(|link| self.control.carries(from, link)) {
            self.machine_event(from, ControlEvent::Connected { node, outbound: true });
            return;
        }
        self.connect(from, to);
    }

    /// A side that still believes in an older connection is not told of the other's. Where dials cross, both sides
    /// see the other's connection first.
    fn connect(&mut self, from: MachineId, to: MachineId) {
        let link = LinkId(self.control.name());
        self.control.links.insert(link, Link { ends: [from, to], opened: false });
        let crosses = self.control.side(to).dialling.contains(&from);
        for (side, peer, outbound) in [(from, to, !crosses), (to, from, false)] {
            let before = self.control.side(side).views.insert(peer, link);
            match before {
                None => self.machine_event(side, ControlEvent::Connected { node: self.id(peer), outbound }),
                Some(before) => {
                    self.control.links.remove(&before);
                }
            }
        }
        if crosses {
            self.machine_event(from, ControlEvent::Connected { node: self.id(to), outbound: true });
        }
        self.open_if_mutual(link);
    }

    fn open_if_mutual(&mut self, link: LinkId) {
        let Some(known) = self.control.links.get(&link).filter(|known| !known.opened) else {
            return;
        };
        let [one, other] = known.ends;
        let is_mutual =
            self.control.sides[one.0].admitted.contains(&other) && self.control.sides[other.0].admitted.contains(&one);
        if !is_mutual {
            return;
        }
        self.control.links.get_mut(&link).expect("it was there above").opened = true;
        let delay = self.delay(one, other);
        for side in [one, other] {
            self.later(delay, Underway::Opened { side, link });
        }
    }

    fn admit(&mut self, from: MachineId, node: NodeId) {
        let Some(to) = self.machine_of(&node) else {
            return;
        };
        self.control.side(from).admitted.insert(to);
        if let Some(link) = self.control.link(from, to) {
            self.open_if_mutual(link);
        }
    }

    fn expel(&mut self, from: MachineId, node: NodeId) {
        let Some(to) = self.machine_of(&node) else {
            return;
        };
        self.control.side(from).admitted.remove(&to);
        if let Some(link) = self.control.link(from, to) {
            self.later(Duration::ZERO, Underway::Broken { side: from, peer: to, link, cause: Cause::Closed });
            let delay = self.delay(from, to);
            self.later(delay, Underway::Broken { side: to, peer: from, link, cause: Cause::Closed });
        }
    }

    fn broken(&mut self, side: MachineId, peer: MachineId, link: LinkId, cause: Cause) {
        let is_over = cause == Cause::Silence && self.underlay.is_open(side, peer) && self.control.carries(side, link);
        if self.control.link(side, peer) != Some(link) || is_over {
            return;
        }
        self.control.links.remove(&link);
        self.control.side(side).views.remove(&peer);
        self.fail_requests_to(side, peer);
        self.machine_event(side, ControlEvent::Disconnected { node: self.id(peer) });
        let delay = self.delay(side, peer);
        if self.underlay.is_open(side, peer) {
            self.later(delay, Underway::Broken { side: peer, peer: side, link, cause: Cause::Closed });
        }
    }

    fn fail_requests(&mut self, machine: MachineId) {
        for id in std::mem::take(&mut self.control.side(machine).asked).into_keys() {
            self.machine_event(machine, ControlEvent::Response { id, body: None });
        }
    }

    fn fail_requests_to(&mut self, machine: MachineId, peer: MachineId) {
        let failed: Vec<RequestId> =
            self.control.side(machine).asked.extract_if(.., |_, asked| *asked == peer).map(|(id, _)| id).collect();
        for id in failed {
            self.machine_event(machine, ControlEvent::Response { id, body: None });
        }
    }

    fn request(&mut self, from: MachineId, id: RequestId, node: NodeId, channel: Channel, body: Vec<u8>) {
        let to = self.machine_of(&node);
        let link = to.and_then(|to| self.control.link(from, to));
        let (Some(to), Some(link)) = (to, link) else {
            self.machine_event(from, ControlEvent::Response { id, body: None });
            return;
        };
        let (is_allowed, timeout) = match channel {
            Channel::Hello | Channel::Redeem => (true, STRANGER_TIMEOUT),
            Channel::Sync | Channel::Member => (self.control.is_opened(link), MEMBER_TIMEOUT),
        };
        if !is_allowed {
            self.machine_event(from, ControlEvent::Response { id, body: None });
            return;
        }
        self.control.side(from).asked.insert(id, to);
        let incarnation = self.machines[from.0].incarnation;
        let given_up = Underway::Answered { to: from, id, body: None };
        self.file(timeout, Happening::Of(from, incarnation, given_up));
        let delay = self.delay(from, to);
        self.later(delay, Underway::Asked { from, to, link, id, channel, body });
    }

    fn asked(&mut self, underway: Underway) {
        let Underway::Asked { from, to, link, id, channel, body } = underway else {
            return;
        };
        if !self.control.carries(to, link) || !self.underlay.is_open(from, to) {
            return;
        }
        let node = self.id(from);
        let token = self.question(from, to, id);
        self.machine_event(to, ControlEvent::Request { token, node, channel, body });
    }

    fn question(&mut self, from: MachineId, to: MachineId, request: RequestId) -> ResponseToken {
        let token = ResponseToken(self.control.name());
        let incarnation = self.machines[from.0].incarnation;
        self.control.side(to).questions.insert(token, Question { asker: from, incarnation, request });
        token
    }

    fn respond(&mut self, from: MachineId, token: ResponseToken, body: Vec<u8>) {
        let Some(Question { asker, incarnation, request }) = self.control.side(from).questions.remove(&token) else {
            return;
        };
        if self.underlay.is_open(from, asker) {
            let delay = self.delay(from, asker);
            let answered = Underway::Answered { to: asker, id: request, body: Some(body) };
            self.file(delay, Happening::Of(asker, incarnation, answered));
        }
    }

    fn answered(&mut self, to: MachineId, id: RequestId, body: Option<Vec<u8>>) {
        if self.control.side(to).asked.remove(&id).is_some() {
            self.machine_event(to, ControlEvent::Response { id, body });
        } else if !self.machines[to.0].is_member() {
            self.redemption_answered(to, body);
        }
    }

    /// A machine that has no node yet asks an issuer.
    pub(crate) fn redeem_later(&mut self, from: MachineId, to: MachineId, id: RequestId, body: Vec<u8>) {
        let delay = self.delay(from, to) * 2 * SETUP_ROUND_TRIPS;
        self.later(delay, Underway::Redeems { from, to, id, body });
    }

    fn redeems(&mut self, from: MachineId, to: MachineId, id: RequestId, body: Vec<u8>) {
        if !self.is_running(to) || !self.underlay.is_open(from, to) || !self.underlay.is_public(to) {
            return;
        }
        let node = self.id(from);
        let token = self.question(from, to, id);
        self.machine_event(to, ControlEvent::Request { token, node, channel: Channel::Redeem, body });
    }

    /// Gossip goes to everyone with whom members' conversations run, but not back.
    fn pass_on(&mut self, from: MachineId, source: Option<MachineId>, message: &Message) {
        for (to, link) in self.control.opened(from) {
            if Some(to) != source {
                let delay = self.delay(from, to) + Duration::from_millis(self.rng.random_range(0..20));
                self.later(delay, Underway::Gossip { to, from, link, message: message.clone() });
            }
        }
    }

    fn gossip(&mut self, to: MachineId, from: MachineId, link: LinkId, message: Message) {
        let arrives = self.control.carries(to, link) && self.underlay.is_open(from, to);
        if !arrives || !self.control.side(to).seen.insert(message.id) {
            return;
        }
        let token = GossipToken(self.control.name());
        let body = message.body.to_vec();
        self.control.side(to).messages.insert(token, (message, from));
        let source = self.id(from);
        self.machine_event(to, ControlEvent::Gossip { message: token, source, body });
    }

    fn judge(&mut self, by: MachineId, token: GossipToken, verdict: Verdict) {
        let Some((message, source)) = self.control.side(by).messages.remove(&token) else {
            self.violated(format!("{by} judged a message twice"));
            return;
        };
        match verdict {
            Verdict::Accept => self.pass_on(by, Some(source), &message),
            Verdict::Ignore => {}
            Verdict::Reject => self.violated(format!("{by} rejects what {source} passed on")),
        }
    }

    fn put_record(&mut self, from: MachineId, key: [u8; 32], value: &[u8]) {
        let mut keepers: Vec<([u8; 32], MachineId, LinkId)> = self
            .control
            .opened(from)
            .into_iter()
            .map(|(to, link)| (distance(self.id(to).as_bytes(), &key), to, link))
            .collect();
        keepers.sort();
        for (_, to, link) in keepers.into_iter().take(RECORD_COPIES) {
            let delay = self.delay(from, to);
            self.later(delay, Underway::Offered { to, link, key, value: value.to_vec() });
        }
    }

    fn offered(&mut self, to: MachineId, link: LinkId, key: [u8; 32], value: Vec<u8>) {
        if !self.control.carries(to, link) || !self.is_link_open(link) {
            return;
        }
        let token = StoreToken(self.control.name());
        self.control.side(to).offers.insert(token, (key, value.clone()));
        self.machine_event(to, ControlEvent::RecordOffered { token, value });
    }

    fn is_link_open(&self, link: LinkId) -> bool {
        self.control.links.get(&link).is_some_and(|known| self.underlay.is_open(known.ends[0], known.ends[1]))
    }

    fn found(&mut self, by: MachineId, id: RequestId, key: [u8; 32]) {
        let mut seen = BTreeSet::from([by]);
        let mut edge = vec![by];
        let mut value = None;
        while let Some(at) = edge.pop() {
            value = value.or_else(|| self.control.sides[at.0].records.get(&key).cloned());
            for (next, _) in self.control.opened(at) {
                if self.underlay.is_open(at, next) && seen.insert(next) {
                    edge.push(next);
                }
            }
        }
        self.machine_event(by, ControlEvent::Record { id, value });
    }

    /// Lets the next thing in the control plane happen.
    pub(crate) fn control_happens(&mut self, underway: Underway) {
        match underway {
            Underway::Dialled { from, to, node } => self.dialled(from, to, node),
            Underway::Broken { side, peer, link, cause } => self.broken(side, peer, link, cause),
            Underway::Opened { side, link } => self.opened(side, link),
            asked @ Underway::Asked { .. } => self.asked(asked),
            Underway::Redeems { from, to, id, body } => self.redeems(from, to, id, body),
            Underway::Answered { to, id, body } => self.answered(to, id, body),
            Underway::Gossip { to, from, link, message } => self.gossip(to, from, link, message),
            Underway::Offered { to, link, key, value } => self.offered(to, link, key, value),
            Underway::Found { by, id, key } => self.found(by, id, key),
        }
    }

    fn opened(&mut self, side: MachineId, link: LinkId) {
        let Some(ends) = self.control.links.get(&link).map(|known| known.ends) else {
            return;
        };
        if !self.control.carries(side, link) {
            return;
        }
        let peer = if ends[0] == side { ends[1] } else { ends[0] };
        self.machine_event(side, ControlEvent::Opened { node: self.id(peer) });
    }
}

/// Distance of a node from a key, as in Kademlia.
fn distance(node: &[u8; 32], key: &[u8; 32]) -> [u8; 32] {
    std::array::from_fn(|at| node[at] ^ key[at])
}
