//! Circuits: what members here and members at other relays send each other, from relay to relay.
//!
//! The relay at which a circuit begins chooses the whole way, over at most [`RELAYS_IN_PATH_MAX`] relays, and asks the
//! next one for the rest of it. Each gives the one before it a number of its own for what goes on, and is told one for
//! what comes back; frames are switched from number to number, as they are between two members of one relay.
//!
//! A relay keeps no clock for any of this: whoever wants the circuit asks again, and so it is asked again along the way.
//!
//! [`RELAYS_IN_PATH_MAX`]: holloway_wire::RELAYS_IN_PATH_MAX

use super::*;

/// A circuit that is asked for anew after this long and at least two questions leads over a relay that does not answer.
const OVERDUE: Duration = Duration::from_millis(600);

/// How often a relay that is not our member is told that a channel leads nowhere.
const GONE: Pace = Pace { per_second: 50, burst: 50 };

/// What a trunk's relay may send at once, as a share of what this relay can pass on in a second.
const TRUNK_BURST: u64 = 4;

/// Circuits that lead on from here.
#[derive(Default)]
pub(super) struct Circuits {
    onward: BTreeMap<Pair, Circuit>,
    ids: BTreeMap<u64, Pair>,
    /// Those who pay for what comes from beyond other relays.
    accounts: BTreeMap<NodeId, Arc<Account>>,
    gone: Turns,
}

/// The part of a circuit from here on.
struct Circuit {
    /// Names it to the next relay.
    id: u64,
    /// The relays that follow.
    route: Vec<NodeId>,
    begun: Instant,
    waiting: Option<Waiting>,
}

/// The next relay has been asked.
struct Waiting {
    /// For the answer to whoever asked us.
    id: u64,
    since: Instant,
    asked: u32,
}

impl Circuits {
    pub(super) fn bytes(&self) -> u64 {
        self.accounts.values().map(|account| account.sent_bytes()).fold(0, u64::wrapping_add)
    }

    pub(super) fn forget(&mut self, pair: &Pair) {
        if let Some(circuit) = self.onward.remove(pair) {
            self.ids.remove(&circuit.id);
        }
    }
}

impl Server {
    /// Another relay says which links it has.
    pub fn handle_announcement(&mut self, announcement: &RelayAnnouncement, now: Now) {
        if announcement.node != self.node {
            self.topology.handle_announcement(announcement, now.unix);
        }
    }

    /// We are registered with another relay, or are not any more.
    pub fn handle_link(&mut self, relay: NodeId, link: Option<OwnLink>, now: Now) {
        let before = self.topology.set_own(relay, link);
        if before.is_some_and(|before| before.is_lasting) != link.is_some_and(|link| link.is_lasting) {
            self.announcer.announce_soon(now.monotonic);
        }
        if before.is_some() && before.map(|before| before.at) != link.map(|link| link.at) {
            self.lose_trunk(Trunk { relay, side: Side::Ours });
        }
    }

    /// A datagram that a relay sends to members: whether it was for us as a relay.
    pub fn handle_answer(&mut self, from: SocketAddr, datagram: &[u8], now: Now) -> bool {
        match FromRelay::decode(datagram) {
            Ok(FromRelay::Extended { id, channel }) => self.extended(from, id, channel),
            Ok(FromRelay::Unbound { id, .. }) => self.not_extended(from, id, now.monotonic),
            Ok(FromRelay::Gone { channel }) => self.gone(from, channel),
            Ok(
                FromRelay::Challenge { .. }
                | FromRelay::Registered { .. }
                | FromRelay::Refused { .. }
                | FromRelay::Pong { .. }
                | FromRelay::Bound { .. },
            )
            | Err(_) => false,
        }
    }

    /// A member wants a channel to someone who is registered elsewhere.
    pub(super) fn bind_beyond(&mut self, node: NodeId, id: u64, peer: NodeId, relays: &[NodeId], now: Now) {
        let near = Party::member(node);
        if let Some(pair) = self.circuit(near, peer) {
            let circuit = self.circuits.onward.get(&pair);
            let leads_there = circuit.is_some_and(|circuit| circuit.route.iter().any(|relay| relays.contains(relay)));
            if leads_there && !self.give_up_overdue(pair, now.monotonic) {
                match self.better_way(&pair, relays, now) {
                    Some(route) => self.extend(near, peer, route, id, now.monotonic),
                    None => self.ask_next(pair, id, now.monotonic),
                }
                return;
            }
            self.part(pair);
        }
        let to: Vec<NodeId> = relays.iter().filter(|relay| **relay != self.node).copied().collect();
        match self.topology.route(&to, now) {
            Some(route) => self.extend(near, peer, route, id, now.monotonic),
            None => {
                self.outputs.extend(to.into_iter().map(|relay| Output::Link { relay }));
                self.answer_party(near, &FromRelay::Unbound { id, node: peer });
            }
        }
    }

    /// The newest circuit that leads on to a node for this one. An older one carries what is under way, and goes when
    /// nobody has used it for long.
    fn circuit(&self, near: Party, to: NodeId) -> Option<Pair> {
        let is_ours = |far: &Party| far.node == to && far.beyond.is_some_and(|trunk| trunk.side == Side::Ours);
        let circuits = self.pairs.of(near).map(|(far, _)| far).filter(is_ours).map(|far| (near, far));
        circuits.max_by_key(|pair| self.circuits.onward.get(pair).map(|circuit| circuit.begun))
    }

    /// A way that is worth leaving that of a circuit for, by another relay next to this one: both exist for a while.
    fn better_way(&self, pair: &Pair, to: &[NodeId], now: Now) -> Option<Vec<NodeId>> {
        let circuit = self.circuits.onward.get(pair).filter(|circuit| circuit.waiting.is_none())?;
        let route = self.topology.better_route(&circuit.route, to, now)?;
        (route.first() != circuit.route.first()).then_some(route)
    }

    /// Gives up the way of a circuit that was asked for in vain; says whether it was.
    fn give_up_overdue(&mut self, pair: Pair, now: Instant) -> bool {
        let is_overdue = |waiting: &Waiting| waiting.asked >= 2 && now.since(waiting.since) >= OVERDUE;
        let overdue =
            self.circuits.onward.get(&pair).filter(|circuit| circuit.waiting.as_ref().is_some_and(is_overdue));
        let Some(route) = overdue.map(|circuit| circuit.route.clone()) else {
            return false;
        };
        self.outputs.extend(route.first().map(|relay| Output::Link { relay: *relay }));
        self.topology.handle_failed(route, now);
        true
    }

    /// Begins a circuit over these relays.
    fn extend(&mut self, near: Party, to: NodeId, route: Vec<NodeId>, id: u64, now: Instant) {
        let Some(next) = route.first().copied().filter(|next| self.topology.own(next).is_some()) else {
            self.answer_party(near, &FromRelay::Unbound { id, node: to });
            return;
        };
        let pair = (near, Party::beyond(to, next, Side::Ours));
        if self.pairs.bind(pair.0, pair.1, self.rng.as_mut(), now).is_err() {
            self.drops.count(DropReason::Full);
            return;
        }
        self.circuits.forget(&pair);
        let own_id = u64::from_le_bytes(random_bytes(self.rng.as_mut()));
        self.circuits.ids.insert(own_id, pair);
        self.circuits.onward.insert(pair, Circuit { id: own_id, route, begun: now, waiting: None });
        self.ask_next(pair, id, now);
    }

    /// Asks the next relay for the rest of a circuit, also when it was there: it is, if that relay says so again.
    fn ask_next(&mut self, pair: Pair, id: u64, now: Instant) {
        let (near, far) = pair;
        let link = far.beyond.and_then(|trunk| self.topology.own(&trunk.relay)).copied();
        let back = self.pairs.half(far, near).map(|half| half.channel);
        let (Some(link), Some(channel), Some(circuit)) = (link, back, self.circuits.onward.get_mut(&pair)) else {
            return;
        };
        let waiting = circuit.waiting.get_or_insert(Waiting { id, since: now, asked: 0 });
        waiting.id = id;
        waiting.asked += 1;
        let question = ToRelay::Extend {
            registration: link.registration,
            id: circuit.id,
            from: near.node,
            to: far.node,
            route: circuit.route[1..].to_vec(),
            channel,
        };
        self.outputs.push_back(Output::Transmit { to: link.at, datagram: question.encode() });
    }

    /// Another relay asks for the rest of a circuit.
    pub(super) fn asked_to_extend(
        &mut self,
        source: SocketAddr,
        (registration, id): (RegistrationId, u64),
        (from, to): (NodeId, NodeId),
        (route, channel): (Vec<NodeId>, RelayChannel),
        now: Instant,
    ) -> Result<(), DropReason> {
        let (relay, member) = self.members.registered(registration, &source).ok_or(DropReason::UnknownRegistration)?;
        if !member.is_relay {
            return Err(DropReason::NotARelay);
        }
        if !member.may_extend(now) {
            return Err(DropReason::RateLimited);
        }
        member.account.hear(now);
        let near = Party::beyond(from, relay, Side::Theirs);
        if route.contains(&self.node) || route.contains(&relay) {
            return Err(DropReason::Malformed);
        }
        if let Some(next) = route.first() {
            let pair = (near, Party::beyond(to, *next, Side::Ours));
            if self.circuits.onward.get(&pair).is_some_and(|circuit| circuit.route == route) {
                self.ask_next(pair, id, now);
            } else {
                self.extend(near, to, route, id, now);
            }
            self.turn_back(pair, channel);
            return Ok(());
        }
        let far = Party::member(to);
        if from == to || self.members.get(&to).is_none() {
            self.answer_party(near, &FromRelay::Unbound { id, node: to });
            return Ok(());
        }
        let bound = self.pairs.bind(near, far, self.rng.as_mut(), now).map_err(|_| DropReason::Full)?;
        self.turn_back((near, far), channel);
        self.answer_party(near, &FromRelay::Extended { id, channel: bound });
        Ok(())
    }

    /// What goes back on a circuit goes to the relay before us on this channel.
    fn turn_back(&mut self, pair: Pair, channel: RelayChannel) {
        self.pairs.set_onward(pair, channel);
        self.install_pair(pair);
    }

    /// The next relay has the rest of a circuit.
    fn extended(&mut self, from: SocketAddr, id: u64, channel: RelayChannel) -> bool {
        let Some(pair @ (near, far)) = self.asked_of(from, id) else {
            return false;
        };
        let Some(circuit) = self.circuits.onward.get_mut(&pair) else {
            return false;
        };
        let (waiting, route) = (circuit.waiting.take(), circuit.route.clone());
        let own = self.pairs.half(near, far).map(|half| half.channel);
        let (Some(waiting), Some(own)) = (waiting, own) else {
            return true;
        };
        self.pairs.set_onward((far, near), channel);
        self.install_pair(pair);
        let answer = match near.beyond {
            None => FromRelay::Bound { id: waiting.id, node: far.node, channel: own, route },
            Some(_) => FromRelay::Extended { id: waiting.id, channel: own },
        };
        self.answer_party(near, &answer);
        true
    }

    /// The next relay has not. An older way is gone on with, if there is one.
    fn not_extended(&mut self, from: SocketAddr, id: u64, now: Instant) -> bool {
        let Some(pair @ (near, far)) = self.asked_of(from, id) else {
            return false;
        };
        let circuit = self.circuits.onward.get_mut(&pair);
        let asked = circuit.and_then(|circuit| Some((circuit.waiting.take()?.id, circuit.route.clone())));
        if let Some((asked, route)) = asked {
            self.part(pair);
            match self.circuit(near, far.node) {
                Some(older) => {
                    self.topology.handle_failed(route, now);
                    self.ask_next(older, asked, now);
                }
                None => self.answer_party(near, &FromRelay::Unbound { id: asked, node: far.node }),
            }
        }
        true
    }

    /// The circuit that a relay was asked for by this id, if it is where the answer comes from.
    fn asked_of(&self, from: SocketAddr, id: u64) -> Option<Pair> {
        let pair = *self.circuits.ids.get(&id)?;
        let link = self.topology.own(&pair.1.beyond?.relay)?;
        (link.at == from).then_some(pair)
    }

    /// What was sent on a circuit does not arrive.
    fn gone(&mut self, from: SocketAddr, channel: RelayChannel) -> bool {
        let ours = self.topology.own_at(&from).map(|relay| Trunk { relay, side: Side::Ours });
        let theirs = self.members.at_source(&from).map(|relay| Trunk { relay, side: Side::Theirs });
        let trunks = ours.into_iter().chain(theirs);
        let Some(pair) = trunks.filter_map(|trunk| self.pairs.by_onward(trunk, channel)).next() else {
            return false;
        };
        self.lose(pair);
        true
    }

    /// Everything that leads over another relay is gone.
    pub(super) fn lose_trunk(&mut self, trunk: Trunk) {
        for pair in self.pairs.over(trunk) {
            self.lose(pair);
        }
    }

    /// The first of two cannot be reached any more: the second is told.
    pub(super) fn lose(&mut self, (gone, other): Pair) {
        let channel = self.pairs.half(other, gone).map(|half| half.channel);
        self.part((gone, other));
        if let Some(channel) = channel {
            self.answer_party(other, &FromRelay::Gone { channel });
        }
    }

    /// Gives up what two have for each other.
    pub(super) fn part(&mut self, pair: Pair) {
        self.circuits.forget(&pair);
        self.circuits.forget(&(pair.1, pair.0));
        for channel in self.pairs.part(pair) {
            self.forwarding(Forwarding::Retire(channel));
        }
    }

    /// Says something to a member, or to the relay beyond which it is.
    pub(super) fn answer_party(&mut self, party: Party, answer: &FromRelay) {
        if let Some(at) = self.address(&party) {
            self.tell(at, answer);
        }
    }

    /// Where what is for a party goes.
    pub(super) fn address(&self, party: &Party) -> Option<SocketAddr> {
        match party.beyond {
            None => self.members.get(&party.node).map(|member| member.source),
            Some(Trunk { relay, side: Side::Theirs }) => self.members.get(&relay).map(|member| member.source),
            Some(Trunk { relay, side: Side::Ours }) => self.topology.own(&relay).map(|link| link.at),
        }
    }

    /// Who pays for what a party sends: a member, or the relay that it comes from.
    pub(super) fn payer(&mut self, party: &Party) -> Option<Arc<Account>> {
        let Some(Trunk { relay, .. }) = party.beyond else {
            return self.members.get(&party.node).map(|member| member.account.clone());
        };
        let rate = self.settings.capacity_bytes();
        let account = || Arc::new(Account::new(rate, rate / TRUNK_BURST, None, 0));
        Some(self.circuits.accounts.entry(relay).or_insert_with(account).clone())
    }

    /// Whether the relay at an address, with which we are registered, may be told that a channel leads nowhere.
    pub(super) fn may_tell_relay(&mut self, at: &SocketAddr, now: Instant) -> bool {
        self.topology.own_at(at).is_some() && self.circuits.gone.take(GONE, now)
    }
}
