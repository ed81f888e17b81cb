//! Neighbours: the members that this node has control connections to.
//!
//! A connection starts as a stranger's. The side that dialled shows its membership in a hello, the other answers with
//! its own; each side admits the other once the roster has found its chain good. Neighbours then compare what they
//! hold and fetch what they lack, so a late joiner learns everyone and a member that was away catches up; news comes
//! by gossip. A few connections are kept up by dialling members again, ever more slowly, with jitter. Calls to punch
//! go through a neighbour that has both ends as neighbours.
//!
//! The machine does not know what a publication says: whether it holds is the roster's to judge, which the parent
//! lends for the moment of each input.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use holloway_wire::{
    CONTACT_ADDRS_MAX, CONTACTS_MAX, Contact, ControlAddr, Digest, Domain, ENDPOINTS_MAX, Hello, HelloReply, Instant,
    MemberRequest, NodeId, Now, PROTOCOL_VERSION, Publication, PublicationId, PunchCall, RedeemReply, Refusal,
    RelayAnnouncement, RelaysReply, Revocation, Rights, SYNC_IDS_MAX, SealedRequest, SecureRng, Signed, SyncReply,
    SyncRequest, is_dialable, is_supported_version, random_bytes,
};

use crate::output::{Channel, ControlCommand, RequestId, ResponseToken, Verdict};
use crate::roster::{Accepted, ChainError, Rejected, Roster};

/// Connections that a node keeps up by dialling: enough for gossip to survive several losses, few enough that the
/// cost for each node does not grow with the network.
const DIALLED: usize = 6;
/// Waits between dials of one member.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// A dial that has not connected by then counts as failed.
const DIAL_TIMEOUT: Duration = Duration::from_secs(10);
/// How often neighbours compare what they hold, in case gossip lost something.
const COMPARE_EVERY: Duration = Duration::from_secs(60);
/// A comparison that gets no answer by then may be begun anew.
const COMPARE_TIMEOUT: Duration = Duration::from_secs(10);
/// Time between two comparisons with one neighbour, however much it says that we cannot place.
const COMPARE_PAUSE: Duration = Duration::from_secs(1);
/// Publications asked for at once: 60 KiB of certificates.
const FETCH_MAX: usize = 128;
/// News from a comparison that is gossiped on; a first comparison with hundreds is not news to anyone else.
const RELAYED_MAX: usize = 32;
/// Neighbours asked to pass on a call when none is known to have the callee as a neighbour.
const CALL_FANOUT: usize = 3;
/// Calls that one neighbour may have passed on in one second.
const CALLS_PER_SECOND: u32 = 20;
/// Members dialled for the sake of calls at once, and for how long that is tried: as long as a handshake.
const WANTED_MAX: usize = 32;
const WANTED_FOR: Duration = Duration::from_secs(30);
/// Requests under way.
const REQUESTS_MAX: usize = 1024;

/// What the roster and this node's own words are, at the moment of one input.
pub(crate) struct Context<'a> {
    pub(crate) roster: &'a mut Roster,
    pub(crate) own: &'a Hello,
    pub(crate) node: NodeId,
    pub(crate) max_clock_skew: Duration,
    pub(crate) now: Now,
}

/// What the neighbours want done.
pub(crate) enum NeighbourOutput {
    Control(ControlCommand),
    /// A member became a neighbour.
    Admitted {
        node: NodeId,
        outbound: bool,
    },
    /// A member is no longer a neighbour.
    Lost,
    /// A comparison came to its end, the first.
    CaughtUp,
    /// A call to us.
    Called(Signed<PunchCall>),
    /// A neighbour says which relays it knows.
    Relays(Vec<Signed<RelayAnnouncement>>),
    /// A member's clock is off by this much.
    Skewed {
        node: NodeId,
        by: Duration,
    },
    /// We were refused as a member.
    RefusedBy {
        node: NodeId,
        reason: String,
    },
}

/// Why someone is not let in.
struct Unwelcome {
    reason: String,
    revocations: Vec<Signed<Revocation>>,
}

impl<T: Into<String>> From<T> for Unwelcome {
    fn from(reason: T) -> Self {
        Self { reason: reason.into(), revocations: Vec::new() }
    }
}

struct Neighbour {
    outbound: bool,
    admitted: bool,
    compare_at: Instant,
    compared: Option<Instant>,
    missing: VecDeque<PublicationId>,
    /// Whether anything came of the comparison under way.
    has_learned: bool,
    calls: (Instant, u32),
}

impl Neighbour {
    /// Whether it takes one of the places that dials are for: a stranger's connection does not.
    const fn counts(&self) -> bool {
        self.admitted || self.outbound
    }

    /// Moves the next comparison up, though never right after the last.
    fn compare_soon(&mut self, now: Instant) {
        let at = self.compared.map_or(now, |compared| now.max(compared + COMPARE_PAUSE));
        self.compare_at = self.compare_at.min(at);
    }
}

/// A member that was or will be dialled.
struct Dial {
    next: Instant,
    backoff: Duration,
    is_under_way: bool,
    /// It was a neighbour that we had dialled: it is dialled again whatever neighbours there are by now. Of two halves
    /// of a network that lost each other and filled up, nobody else would dial the other half.
    was_neighbour: bool,
}

impl Dial {
    const fn new(next: Instant) -> Self {
        Self { next, backoff: FIRST_BACKOFF, is_under_way: false, was_neighbour: false }
    }
}

enum Purpose {
    Hello,
    Compare,
    Fetch,
    Call,
    Relays,
    /// The answer is someone else's.
    PassOn(ResponseToken),
}

/// The members that this node has control connections to.
#[derive(Default)]
pub(crate) struct Neighbours {
    connected: BTreeMap<NodeId, Neighbour>,
    dials: BTreeMap<NodeId, Dial>,
    hints: BTreeMap<NodeId, BTreeSet<ControlAddr>>,
    /// Members to dial whatever neighbours there are, until then.
    wanted: BTreeMap<NodeId, Instant>,
    requests: BTreeMap<RequestId, (NodeId, Purpose)>,
    next_request: u64,
    dial_at: Option<Instant>,
    has_caught_up: bool,
    outputs: VecDeque<NeighbourOutput>,
}

impl Neighbours {
    pub(crate) fn poll_output(&mut self) -> Option<NeighbourOutput> {
        self.outputs.pop_front()
    }

    /// The members admitted, those that we dialled first.
    pub(crate) fn admitted(&self) -> Vec<NodeId> {
        let mut admitted: Vec<(&NodeId, &Neighbour)> =
            self.connected.iter().filter(|(_, neighbour)| neighbour.admitted).collect();
        admitted.sort_by_key(|(node, neighbour)| (!neighbour.outbound, **node));
        admitted.into_iter().map(|(node, _)| *node).collect()
    }

    pub(crate) fn is_admitted(&self, node: &NodeId) -> bool {
        self.connected.get(node).is_some_and(|neighbour| neighbour.admitted)
    }

    fn control(&mut self, command: ControlCommand) {
        self.outputs.push_back(NeighbourOutput::Control(command));
    }

    fn request(&mut self, node: NodeId, channel: Channel, purpose: Purpose, body: Vec<u8>) {
        if self.requests.len() >= REQUESTS_MAX {
            return;
        }
        let id = self.next_request_id();
        self.requests.insert(id, (node, purpose));
        self.control(ControlCommand::Request { id, node, channel, body });
    }

    /// A request id that no other request of this node has.
    pub(crate) fn next_request_id(&mut self) -> RequestId {
        self.next_request += 1;
        RequestId(self.next_request)
    }

    pub(crate) fn handle_connected(&mut self, node: NodeId, outbound: bool, context: &Context<'_>) {
        let neighbour = self.connected.entry(node).or_insert_with(|| Neighbour {
            outbound: false,
            admitted: false,
            compare_at: context.now.monotonic,
            compared: None,
            missing: VecDeque::new(),
            has_learned: false,
            calls: (context.now.monotonic, 0),
        });
        // When two dials cross, both sides may see the other's connection first: whoever has dialled greets.
        let is_first_of_ours = outbound && !neighbour.outbound;
        neighbour.outbound |= outbound;
        if is_first_of_ours && !neighbour.admitted {
            self.request(node, Channel::Hello, Purpose::Hello, context.own.encode());
        }
    }

    pub(crate) fn handle_disconnected(&mut self, node: &NodeId, rng: &mut dyn SecureRng, now: Instant) {
        let Some(neighbour) = self.connected.remove(node) else {
            return;
        };
        if neighbour.admitted {
            self.outputs.push_back(NeighbourOutput::Lost);
        }
        if !neighbour.counts() {
            // One that we wanted to dial had come to us and gone again.
            if self.dials.contains_key(node) || self.hints.contains_key(node) {
                self.dial_by(now + FIRST_BACKOFF + jitter(rng));
            }
            return;
        }
        let before = self.dials.get(node);
        let backoff = match before {
            Some(dial) if !neighbour.admitted => (dial.backoff * 2).min(BACKOFF_MAX),
            Some(_) | None => FIRST_BACKOFF,
        };
        // A hello that came to nothing does not end what is owed to a lost neighbour.
        let was_neighbour =
            (neighbour.admitted && neighbour.outbound) || before.is_some_and(|before| before.was_neighbour);
        let next = now + backoff + jitter(rng);
        self.dials.insert(*node, Dial { backoff, was_neighbour, ..Dial::new(next) });
        self.dial_by(next);
    }

    /// Looks for someone to dial no later than this.
    fn dial_by(&mut self, at: Instant) {
        self.dial_at = Some(self.dial_at.map_or(at, |known| known.min(at)));
    }

    /// Someone shows us its membership.
    pub(crate) fn handle_hello(&mut self, token: ResponseToken, from: NodeId, body: &[u8], context: &mut Context<'_>) {
        let hello = self.weigh_hello(&from, Hello::decode(body).ok(), context);
        let reply = match hello.and_then(|hello| self.admit(from, hello, context)) {
            Ok(()) => HelloReply::Welcome(Box::new(context.own.clone())),
            Err(Unwelcome { reason, revocations }) => HelloReply::Refused { reason, revocations },
        };
        self.control(ControlCommand::Respond { token, body: reply.encode() });
    }

    fn weigh_hello(
        &mut self,
        from: &NodeId,
        hello: Option<Hello>,
        context: &mut Context<'_>,
    ) -> Result<Hello, Unwelcome> {
        let hello = hello.ok_or("the hello could not be read")?;
        if !is_supported_version(hello.version) {
            let reason = format!("protocol version {} is not spoken here; ours is {PROTOCOL_VERSION}", hello.version);
            return Err(reason.into());
        }
        if hello.chain[0].subject() != from {
            return Err("the certificate belongs to another key".into());
        }
        if context.roster.is_blocked(from) {
            return Err("not a member".into());
        }
        context.roster.check_chain(&hello.chain, context.now).map_err(|error| {
            // Only who was a member hears of revocations, and only of those that ended it.
            let was_member = error == ChainError::Revoked;
            let revocations = if was_member { context.roster.revocations_of(&hello.chain) } else { Vec::new() };
            Unwelcome { reason: error.to_string(), revocations }
        })?;
        let skew = hello.time.distance(context.now.unix);
        if skew > context.max_clock_skew {
            self.outputs.push_back(NeighbourOutput::Skewed { node: *from, by: skew });
            let allowed = context.max_clock_skew.as_secs();
            return Err(format!("the clocks differ by {} s, and {allowed} s are allowed", skew.as_secs()).into());
        }
        Ok(hello)
    }

    /// Takes in what a member says of itself and admits it, if the roster has room for it.
    fn admit(&mut self, node: NodeId, hello: Hello, context: &mut Context<'_>) -> Result<(), Unwelcome> {
        let certificates = hello.chain.into_iter().rev().map(Publication::Certificate);
        let said = certificates.chain(hello.announcement.map(Publication::Endpoints)).collect();
        let results = context.roster.offer_all(said, context.now);
        if context.roster.member(&node).is_none() {
            return Err("not a member".into());
        }
        // The member has said it to whom it had as a neighbour, which may have been nobody.
        for (item, _) in results.iter().filter(|(_, result)| *result == Ok(Accepted::New)) {
            self.control(ControlCommand::Publish { body: item.encode() });
        }
        self.dials.remove(&node);
        if context.roster.endpoints(&node).is_some() {
            self.hints.remove(&node);
        }
        self.control(ControlCommand::Admit { node });
        let Some(neighbour) = self.connected.get_mut(&node) else {
            return Ok(());
        };
        let outbound = neighbour.outbound;
        if !std::mem::replace(&mut neighbour.admitted, true) {
            self.outputs.push_back(NeighbourOutput::Admitted { node, outbound });
        }
        self.compare(&node, context);
        Ok(())
    }

    /// Members' conversations run with a neighbour now. What we asked before that was refused.
    pub(crate) fn handle_opened(&mut self, node: &NodeId, now: Instant) {
        if let Some(neighbour) = self.connected.get_mut(node) {
            neighbour.compared = None;
            neighbour.compare_soon(now);
        }
    }

    /// Whether a comparison came to its end, since the start.
    pub(crate) const fn has_caught_up(&self) -> bool {
        self.has_caught_up
    }

    /// Neighbours that a newcomer can dial.
    pub(crate) fn contacts(&self, roster: &Roster, newcomer: &NodeId) -> Vec<Contact> {
        let neighbours: Vec<NodeId> = self.admitted().into_iter().filter(|node| node != newcomer).collect();
        contacts_of(&neighbours, roster).take(CONTACTS_MAX).collect()
    }

    /// Those of these members that are neighbours, and can be dialled.
    pub(crate) fn reaching(&self, nodes: &[NodeId], roster: &Roster) -> Vec<Contact> {
        let neighbours: Vec<NodeId> = nodes.iter().filter(|node| self.is_admitted(node)).copied().collect();
        contacts_of(&neighbours, roster).collect()
    }

    /// Passes a request for redemption on to its issuer, and the answer back. Says whether it can.
    pub(crate) fn pass_on(&mut self, token: ResponseToken, issuer: NodeId, sealed: SealedRequest) -> bool {
        let may = self.is_admitted(&issuer) && self.requests.len() < REQUESTS_MAX;
        if may {
            let body = MemberRequest::Redeem(sealed).encode();
            self.request(issuer, Channel::Member, Purpose::PassOn(token), body);
        }
        may
    }

    /// Compares holdings with a neighbour at its next turn, which is now.
    pub(crate) fn compare_soon(&mut self, node: &NodeId, now: Instant) {
        if let Some(neighbour) = self.connected.get_mut(node) {
            neighbour.compare_soon(now);
        }
    }

    /// Compares holdings with every neighbour at the next turn.
    pub(crate) fn compare_all_soon(&mut self, now: Instant) {
        for neighbour in self.connected.values_mut() {
            neighbour.compare_soon(now);
        }
    }

    fn compare(&mut self, node: &NodeId, context: &Context<'_>) {
        if let Some(neighbour) = self.connected.get_mut(node) {
            neighbour.compare_at = context.now.monotonic + COMPARE_TIMEOUT;
            neighbour.compared = Some(context.now.monotonic);
            let digests = context.roster.index().digests();
            self.request(*node, Channel::Sync, Purpose::Compare, SyncRequest::Compare { digests }.encode());
        }
    }

    /// A member compares holdings or fetches.
    pub(crate) fn handle_sync(&mut self, token: ResponseToken, from: &NodeId, body: &[u8], roster: &Roster) {
        let reply = match SyncRequest::decode(body) {
            Ok(SyncRequest::Compare { digests }) => SyncReply::Ids { ids: roster.index().differing(&digests) },
            Ok(SyncRequest::Fetch { ids }) => SyncReply::pack(roster.index().fetch(&ids)),
            Err(_) => SyncReply::Items { items: Vec::new() },
        };
        if self.is_admitted(from) {
            self.control(ControlCommand::Respond { token, body: reply.encode() });
        }
    }

    /// An answer to one of our requests came, or will not come.
    pub(crate) fn handle_response(&mut self, id: RequestId, body: Option<&[u8]>, context: &mut Context<'_>) {
        let Some((node, purpose)) = self.requests.remove(&id) else {
            return;
        };
        match purpose {
            Purpose::Hello => self.handle_welcome(node, body, context),
            Purpose::Compare => self.handle_ids(&node, body, context),
            Purpose::Fetch => self.handle_items(&node, body, context),
            Purpose::Call => {}
            Purpose::PassOn(token) => {
                let not_connected = || RedeemReply::Refused { refusal: Refusal::NotConnected, detail: String::new() };
                // One that is asked too often answers with nothing.
                let answer = body.filter(|body| !body.is_empty());
                let body = answer.map_or_else(|| not_connected().encode(), <[u8]>::to_vec);
                self.control(ControlCommand::Respond { token, body });
            }
            Purpose::Relays => {
                if let Some(Ok(RelaysReply { relays })) = body.map(RelaysReply::decode) {
                    self.outputs.push_back(NeighbourOutput::Relays(relays));
                }
            }
        }
    }

    fn handle_welcome(&mut self, node: NodeId, body: Option<&[u8]>, context: &mut Context<'_>) {
        let Some(body) = body else {
            self.control(ControlCommand::Expel { node });
            return;
        };
        match HelloReply::decode(body) {
            Ok(HelloReply::Welcome(hello)) => {
                let hello = self.weigh_hello(&node, Some(*hello), context);
                if hello.and_then(|hello| self.admit(node, hello, context)).is_err() {
                    self.control(ControlCommand::Expel { node });
                }
            }
            Ok(HelloReply::Refused { reason, revocations }) => {
                self.take_refusal(revocations, context);
                self.outputs.push_back(NeighbourOutput::RefusedBy { node, reason });
                self.control(ControlCommand::Expel { node });
            }
            Err(_) => self.control(ControlCommand::Expel { node }),
        }
    }

    /// Believes a refusal that proves that we are out: no other revocation is taken from whoever we happened to dial,
    /// and none that would have to wait.
    fn take_refusal(&mut self, revocations: Vec<Signed<Revocation>>, context: &mut Context<'_>) {
        let is_ours = |node: &NodeId| context.own.chain.iter().any(|own| own.subject() == node);
        let proofs = revocations.into_iter().filter(|revocation| {
            is_ours(&revocation.value().subject) && context.roster.knows(&revocation.value().revoker)
        });
        let proofs = proofs.map(Publication::Revocation).collect();
        context.roster.offer_all(proofs, context.now);
    }

    fn handle_ids(&mut self, node: &NodeId, body: Option<&[u8]>, context: &Context<'_>) {
        let Some(Ok(SyncReply::Ids { ids })) = body.map(SyncReply::decode) else {
            return;
        };
        let Some(neighbour) = self.connected.get_mut(node) else {
            return;
        };
        let lacking = ids.into_iter().filter(|id| !context.roster.index().contains(id));
        neighbour.missing = lacking.take(SYNC_IDS_MAX).collect();
        neighbour.has_learned = false;
        if !self.fetch(node, context) {
            self.note_caught_up();
        }
    }

    fn note_caught_up(&mut self) {
        if !std::mem::replace(&mut self.has_caught_up, true) {
            self.outputs.push_back(NeighbourOutput::CaughtUp);
        }
    }

    /// Asks for the next of what is lacking. Returns whether there was any.
    fn fetch(&mut self, node: &NodeId, context: &Context<'_>) -> bool {
        let Some(neighbour) = self.connected.get_mut(node) else {
            return false;
        };
        let count = neighbour.missing.len().min(FETCH_MAX);
        let ids: Vec<PublicationId> = neighbour.missing.drain(..count).collect();
        if ids.is_empty() {
            neighbour.compare_at = context.now.monotonic + COMPARE_EVERY;
            return false;
        }
        neighbour.compare_at = context.now.monotonic + COMPARE_TIMEOUT;
        self.request(*node, Channel::Sync, Purpose::Fetch, SyncRequest::Fetch { ids }.encode());
        true
    }

    fn handle_items(&mut self, node: &NodeId, body: Option<&[u8]>, context: &mut Context<'_>) {
        let Some(Ok(SyncReply::Items { items })) = body.map(SyncReply::decode) else {
            return;
        };
        let results = context.roster.offer_all(items, context.now);
        let news: Vec<&Publication> =
            results.iter().filter(|(_, result)| *result == Ok(Accepted::New)).map(|(item, _)| item).collect();
        if news.len() <= RELAYED_MAX {
            for item in &news {
                self.control(ControlCommand::Publish { body: item.encode() });
            }
        }
        let has_learned = !news.is_empty();
        if let Some(neighbour) = self.connected.get_mut(node) {
            neighbour.has_learned |= has_learned;
        }
        if self.fetch(node, context) {
            return;
        }
        match self.connected.get_mut(node) {
            Some(neighbour) if neighbour.has_learned => {
                // There may be more than one answer could name. Who keeps us at it keeps telling news.
                neighbour.compared = None;
                neighbour.compare_soon(context.now.monotonic);
            }
            // What was lacking is refused here, or older than what we hold.
            Some(_) => self.note_caught_up(),
            None => {}
        }
    }

    /// Someone passed on a message to everyone.
    pub(crate) fn handle_gossip(
        &mut self,
        source: &NodeId,
        publication: &Publication,
        context: &mut Context<'_>,
    ) -> Verdict {
        match context.roster.offer(publication, context.now) {
            Ok(Accepted::New) => Verdict::Accept,
            Ok(Accepted::Known) | Err(Rejected::Full | Rejected::Ahead) => Verdict::Ignore,
            Err(Rejected::NotAMember | Rejected::Chain(ChainError::UnknownIssuer)) => {
                self.compare_soon(source, context.now.monotonic);
                Verdict::Ignore
            }
            Err(Rejected::Signature | Rejected::Chain(_)) => Verdict::Reject,
        }
    }

    /// Someone on the local network, or an invite, says where a node is. Not proven: the connection will prove it.
    pub(crate) fn handle_hint(&mut self, node: NodeId, addresses: &[ControlAddr], now: Instant) {
        /// Nodes of which hints are kept; members only count once they are connected.
        const HINTS_MAX: usize = 64;
        if self.connected.contains_key(&node) || (self.hints.len() >= HINTS_MAX && !self.hints.contains_key(&node)) {
            return;
        }
        let hints = self.hints.entry(node).or_default();
        let new = &addresses[..addresses.len().min(ENDPOINTS_MAX)];
        if hints.len() + new.len() > ENDPOINTS_MAX {
            hints.clear();
        }
        hints.extend(new);
        self.dial_by(now);
    }

    /// A dial failed; the next comes later.
    pub(crate) fn handle_dial_failed(&mut self, node: &NodeId, rng: &mut dyn SecureRng, now: Instant) {
        let dial = self.dials.entry(*node).or_insert(Dial::new(now));
        dial.next = now + dial.backoff + jitter(rng);
        dial.backoff = (dial.backoff * 2).min(BACKOFF_MAX);
        dial.is_under_way = false;
        let next = dial.next;
        self.dial_by(next);
    }

    /// The roster changed: there may be someone to dial, or someone to part with.
    pub(crate) fn handle_roster(&mut self, now: Instant) {
        self.dial_at = Some(now);
    }

    /// Parts with a node that is no longer a member.
    pub(crate) fn expel(&mut self, node: NodeId) {
        self.dials.remove(&node);
        self.hints.remove(&node);
        if self.connected.contains_key(&node) {
            self.control(ControlCommand::Expel { node });
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let compares = self.connected.values().filter(|neighbour| neighbour.admitted).map(|n| n.compare_at);
        compares.chain(self.dial_at).min()
    }

    pub(crate) fn handle_timeout(&mut self, context: &mut Context<'_>) {
        let now = context.now.monotonic;
        let due: Vec<NodeId> = self
            .connected
            .iter()
            .filter(|(_, neighbour)| neighbour.admitted && neighbour.compare_at <= now)
            .map(|(node, _)| *node)
            .collect();
        for node in due {
            self.compare(&node, context);
        }
        if self.dial_at.is_some_and(|at| at <= now) {
            self.dial(context);
        }
    }

    /// Dials members until there are enough neighbours, and those that are wanted or were lost in any case.
    fn dial(&mut self, context: &mut Context<'_>) {
        let now = context.now.monotonic;
        self.wanted.retain(|_, until| *until > now);
        let under_way = self.dials.values().filter(|dial| dial.is_under_way && dial.next > now).count();
        let counting = self.connected.values().filter(|neighbour| neighbour.counts()).count();
        let mut room = DIALLED.saturating_sub(counting + under_way);
        let mut candidates = self.candidates(room, context);
        candidates.sort_by_cached_key(|node| self.turn(node, context));
        for node in candidates {
            let is_owed = self.is_owed(&node);
            if !is_owed && room == 0 {
                continue;
            }
            room -= usize::from(!is_owed);
            let addresses = self.addresses(&node, context).take(ENDPOINTS_MAX).collect();
            let dial = self.dials.entry(node).or_insert(Dial::new(now));
            dial.next = now + DIAL_TIMEOUT;
            dial.is_under_way = true;
            self.control(ControlCommand::Dial { node, addresses });
        }
        let is_admitted = |node: &NodeId| self.connected.get(node).is_some_and(|neighbour| neighbour.admitted);
        let (hints, roster) = (&self.hints, &context.roster);
        let is_known = |node: &NodeId| hints.contains_key(node) || roster.member(node).is_some();
        self.dials.retain(|node, _| !is_admitted(node) && is_known(node));
        self.dial_at = self.dials.values().map(|dial| dial.next).filter(|at| *at > now).min();
    }

    /// Who may be dialled now. Where there is no room, that is only whom a dial is owed to: whoever else is known need
    /// not be looked at.
    fn candidates(&self, room: usize, context: &Context<'_>) -> Vec<NodeId> {
        let owed = self.wanted.keys().chain(self.dials.keys()).filter(|node| self.is_owed(node));
        let others = self.hints.keys().chain(context.roster.announced()).filter(|_| room > 0);
        let known = owed.chain(others).copied();
        let waits = |node: &NodeId| self.dials.get(node).is_some_and(|dial| dial.next > context.now.monotonic);
        let is_apart = |node: &NodeId| *node != context.node && !self.connected.contains_key(node);
        let is_known = |node: &NodeId| self.hints.contains_key(node) || context.roster.member(node).is_some();
        let is_candidate = |node: &NodeId| {
            let is_due = is_apart(node) && !waits(node) && self.addresses(node, context).next().is_some();
            is_due && is_known(node) && !context.roster.is_blocked(node)
        };
        let distinct: BTreeSet<NodeId> = known.filter(is_candidate).collect();
        distinct.into_iter().collect()
    }

    /// Whether it is dialled whatever neighbours there are.
    fn is_owed(&self, node: &NodeId) -> bool {
        self.wanted.contains_key(node) || self.dials.get(node).is_some_and(|dial| dial.was_neighbour)
    }

    /// When it is a candidate's turn. Those that did not answer come last, or a few of them would keep the others from
    /// being tried; hints come first. Beyond that every node has an order of its own, so that not all dial the same few.
    fn turn(&self, node: &NodeId, context: &Context<'_>) -> (Duration, bool, [u8; 32]) {
        let backoff = self.dials.get(node).map_or(Duration::ZERO, |dial| dial.backoff);
        let own = Digest::of(Domain::Record, &[context.node.as_bytes(), node.as_bytes()]);
        (backoff, !self.hints.contains_key(node), own.0)
    }

    /// Where a node may be dialled: as it says itself first, then as we heard.
    fn addresses(&self, node: &NodeId, context: &Context<'_>) -> impl Iterator<Item = ControlAddr> {
        let hints = self.hints.get(node);
        let is_hinted = move |address: &ControlAddr| hints.is_some_and(|hints| hints.contains(address));
        let newer = announced_by(context.roster, node).filter(move |address| !is_hinted(address));
        // A member that left its machine to us, or to whoever has our address now, may still be announced there.
        let own = context.own.announcement.as_ref().map_or(&[][..], |own| &own.value().control);
        newer.chain(hints.into_iter().flatten().copied()).filter(|address| !own.contains(address))
    }

    /// Sends a call towards its callee. When no neighbour is known to have it as a neighbour, those are dialled that
    /// do: the next call finds them.
    pub(crate) fn call(&mut self, call: &Signed<PunchCall>, roster: &Roster, now: Instant) {
        let to = call.value().to;
        let through = if self.is_admitted(&to) { vec![to] } else { self.towards(&to, roster, now) };
        for node in through {
            self.request(node, Channel::Member, Purpose::Call, MemberRequest::Call(call.clone()).encode());
        }
    }

    /// Asks a neighbour which relays it knows: this one, or one that is a relay, if there is any.
    pub(crate) fn ask_for_relays(&mut self, node: Option<NodeId>, roster: &Roster) {
        let is_relay = |node: &NodeId| roster.member(node).is_some_and(|member| member.rights.contains(Rights::RELAY));
        let admitted = self.admitted();
        let any = || admitted.iter().find(|node| is_relay(node)).or(admitted.first()).copied();
        let asked = node.filter(|node| admitted.contains(node)).or_else(any);
        if let Some(node) = asked {
            self.request(node, Channel::Member, Purpose::Relays, MemberRequest::Relays.encode());
        }
    }

    /// Neighbours that probably have a node as a neighbour.
    fn towards(&mut self, to: &NodeId, roster: &Roster, now: Instant) -> Vec<NodeId> {
        let home = roster.endpoints(to).map(|announcement| announcement.home_peers.as_slice()).unwrap_or_default();
        let mut through: Vec<NodeId> = home.iter().filter(|node| self.is_admitted(node)).copied().collect();
        if through.is_empty() {
            self.want(home, now);
            through = self.admitted();
        }
        through.truncate(CALL_FANOUT);
        through
    }

    /// Dials these, whatever neighbours there are.
    fn want(&mut self, nodes: &[NodeId], now: Instant) {
        for node in nodes.iter().take(WANTED_MAX.saturating_sub(self.wanted.len())) {
            self.wanted.insert(*node, now + WANTED_FOR);
            self.dial_by(now);
        }
    }

    /// A member sends a call: to us, or to pass on.
    pub(crate) fn handle_call(&mut self, from: &NodeId, call: Signed<PunchCall>, context: &Context<'_>) -> bool {
        if !self.may_ask(from, context.now.monotonic) || !is_good_call(&call, context) {
            return false;
        }
        let to = call.value().to;
        if to == context.node {
            self.outputs.push_back(NeighbourOutput::Called(call));
        } else if to != *from && call.value().from == *from && self.is_admitted(&to) {
            self.request(to, Channel::Member, Purpose::Call, MemberRequest::Call(call).encode());
        }
        true
    }

    /// Whether a member may ask for another call or the like now, which counts as its turn.
    pub(crate) fn may_ask(&mut self, from: &NodeId, now: Instant) -> bool {
        let Some(neighbour) = self.connected.get_mut(from).filter(|neighbour| neighbour.admitted) else {
            return false;
        };
        if now.since(neighbour.calls.0) >= Duration::from_secs(1) {
            neighbour.calls = (now, 0);
        }
        neighbour.calls.1 += 1;
        neighbour.calls.1 <= CALLS_PER_SECOND
    }
}

/// Up to half a second, so that nodes that lost the same member do not come in step.
fn jitter(rng: &mut dyn SecureRng) -> Duration {
    Duration::from_millis(u64::from(random_bytes::<1>(rng)[0]) * 2)
}

/// Members and where they can be dialled, as far as that is known.
fn contacts_of<'a>(nodes: &'a [NodeId], roster: &'a Roster) -> impl Iterator<Item = Contact> + 'a {
    let contacts = nodes.iter().map(|node| {
        let control = announced_by(roster, node).take(CONTACT_ADDRS_MAX).collect();
        Contact { node: *node, control }
    });
    contacts.filter(|contact| !contact.control.is_empty())
}

/// Where a member's control plane may be dialled, as it says.
fn announced_by(roster: &Roster, node: &NodeId) -> impl Iterator<Item = ControlAddr> {
    let control = roster.endpoints(node).map_or(&[][..], |announcement| &announcement.control);
    control.iter().filter(|address| is_dialable(address.socket_addr())).copied()
}

fn is_good_call(call: &Signed<PunchCall>, context: &Context<'_>) -> bool {
    let value = call.value();
    let own = context.own.chain[0].subject();
    context.roster.member(&value.from).is_some()
        && value.from != *own
        && value.at.distance(context.now.unix) <= context.max_clock_skew
        && call.verify(context.roster.network())
}
