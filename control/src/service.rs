//! The task: one owner of the swarm, with two queues.
//!
//! Each turn it takes one thing: a command, something from the swarm, or the tick. What that leads to for the owner
//! goes through the outbox. While the outbox is not empty the swarm rests, so that an owner that is slow slows the
//! network down instead of losing events; commands are taken even then, because the owner may be waiting to get rid
//! of one before it reads on.

mod members;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::mem;
use std::time::Duration;

use futures::StreamExt;
use holloway_wire::NodeId;
use libp2p::core::ConnectedPoint;
use libp2p::gossipsub::IdentTopic;
use libp2p::kad::QueryId;
use libp2p::request_response::{self, InboundRequestId, Message, ResponseChannel};
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Swarm, mdns};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::address::{self, DialAddr};
use crate::channel::{Channel, ExchangeEvent, Reply};
use crate::command::Command;
use crate::dials::{self, Dials};
use crate::error::RequestFailure;
use crate::event::Event;
use crate::gate::GateEvent;
use crate::gossip::{self, AUTHOR_BUDGET, FORWARDER_BUDGET, Pace, Unjudged};
use crate::inbox::{Asker, Inbox};
use crate::limits::{ADDRESSES_PER_DIAL_MAX, OUTBOX_MAX};
use crate::listening::Listening;
use crate::peer;
use crate::records::Offers;
use crate::requests::{Request, Requests};
use crate::settings::Settings;
use crate::shell::{Shell, ShellEvent};
use crate::token::ResponseToken;

/// Deadlines are looked at this often; they are seconds long.
const TICK: Duration = Duration::from_millis(500);

/// Connections get this long to say farewell at the end.
const FAREWELL: Duration = Duration::from_secs(1);

pub(crate) struct Service {
    swarm: Swarm<Shell>,
    listening: Listening,
    commands: mpsc::Receiver<Command>,
    outbox: VecDeque<Event>,
    dials: Dials,
    requests: Requests,
    inbox: Inbox,
    topic: IdentTopic,
    authors: Pace,
    forwarders: Pace,
    unjudged: BTreeMap<u64, Unjudged>,
    messages: u64,
    offers: Offers,
    queries: HashMap<QueryId, members::Query>,
    opening: HashSet<PeerId>,
    heard: HashMap<ConnectionId, (PeerId, Instant)>,
    last_tick: Instant,
}

/// Whether the task goes on.
#[derive(PartialEq, Eq)]
enum Next {
    Turn,
    End,
}

impl Service {
    pub(crate) fn new(
        swarm: Swarm<Shell>,
        listening: Listening,
        commands: mpsc::Receiver<Command>,
        settings: &Settings,
    ) -> Self {
        Self {
            swarm,
            listening,
            commands,
            outbox: VecDeque::new(),
            dials: Dials::default(),
            requests: Requests::default(),
            inbox: Inbox::new(settings.limits),
            topic: gossip::topic(&settings.network),
            authors: Pace::new(AUTHOR_BUDGET),
            forwarders: Pace::new(FORWARDER_BUDGET),
            unjudged: BTreeMap::new(),
            messages: 0,
            offers: Offers::default(),
            queries: HashMap::new(),
            opening: HashSet::new(),
            heard: HashMap::new(),
            last_tick: Instant::now(),
        }
    }

    /// Runs until the owner's handle or its end of the events is gone.
    pub(crate) async fn run(mut self, events: mpsc::Sender<Event>, mut stopped: oneshot::Receiver<()>) {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let next = if self.outbox.is_empty() {
                tokio::select! {
                    _ = &mut stopped => Next::End,
                    command = self.commands.recv() => self.on_command(command),
                    event = self.swarm.select_next_some() => self.on_swarm(event),
                    _ = tick.tick() => self.on_tick(),
                }
            } else {
                tokio::select! {
                    _ = &mut stopped => Next::End,
                    command = self.commands.recv(), if self.outbox.len() < OUTBOX_MAX => self.on_command(command),
                    permit = events.reserve() => match (permit, self.outbox.pop_front()) {
                        (Ok(permit), Some(event)) => {
                            permit.send(event);
                            Next::Turn
                        }
                        (Err(_), _) | (_, None) => Next::End,
                    },
                }
            };
            if next == Next::End {
                break;
            }
        }
        self.farewell().await;
    }

    /// Closes all connections, so that the other ends need not find out by themselves.
    async fn farewell(mut self) {
        let peers: Vec<_> = self.swarm.connected_peers().copied().collect();
        for peer in peers {
            // It is connected: it was just listed.
            let _ = self.swarm.disconnect_peer_id(peer);
        }
        let closing = async {
            while self.swarm.connected_peers().next().is_some() {
                self.swarm.select_next_some().await;
            }
        };
        if timeout(FAREWELL, closing).await.is_err() {
            tracing::debug!("some connections did not close in time");
        }
    }

    fn emit(&mut self, event: Event) {
        self.outbox.push_back(event);
    }

    fn on_command(&mut self, command: Option<Command>) -> Next {
        let Some(command) = command else { return Next::End };
        match command {
            Command::Dial { node, addresses } => self.dial(node, &addresses),
            Command::Disconnect { node } => self.gate().close(peer::peer_id(&node)),
            Command::Request { id, node, channel, body } => self.request(Request { id, node, channel, body }),
            Command::Respond { token, body } => self.respond(token, body),
            Command::Admit { node } => self.gate().admit(peer::peer_id(&node)),
            Command::Expel { node } => self.expel(&node),
            Command::Publish { body } => self.publish(body),
            Command::Judge { message, verdict } => self.judge(message, verdict),
            Command::PutRecord { key, value, lifetime } => self.put_record(key, value, lifetime),
            Command::GetRecord { id, key } => self.get_record(id, key),
            Command::Store { record, verdict } => self.store(record, verdict),
        }
        Next::Turn
    }

    fn dial(&mut self, node: Option<NodeId>, addresses: &[DialAddr]) {
        let expected = node.map(|node| peer::peer_id(&node));
        let addresses: Vec<_> =
            addresses.iter().take(ADDRESSES_PER_DIAL_MAX).map(|address| address.to_multiaddr()).collect();
        if let Some(peer) = expected {
            self.gate().learn(peer, &addresses);
            if self.swarm.is_connected(&peer) {
                return;
            }
        }
        if node.is_some_and(|node| self.dials.is_dialing(&node)) {
            return;
        }
        if addresses.is_empty() || self.dials.is_full() {
            let reason = if addresses.is_empty() { "no address to dial" } else { "too many dials under way" };
            self.on_dial_failed(node, reason.to_owned());
            return;
        }
        self.attempt(node, dial_opts(expected, addresses));
    }

    fn attempt(&mut self, node: Option<NodeId>, attempts: Vec<DialOpts>) {
        let ids: Vec<_> = attempts.iter().map(DialOpts::connection_id).collect();
        self.dials.begin(node, &ids);
        for (id, opts) in ids.into_iter().zip(attempts) {
            if let Err(error) = self.swarm.dial(opts) {
                self.on_attempt_failed(id, &dials::reason(&error));
            }
        }
    }

    fn on_attempt_failed(&mut self, attempt: ConnectionId, reason: &str) {
        if let Some(failed) = self.dials.failed(attempt) {
            self.on_dial_failed(failed.node, reason.to_owned());
        }
    }

    fn on_dial_failed(&mut self, node: Option<NodeId>, reason: String) {
        self.emit(Event::DialFailed { node, reason });
        let Some(node) = node.filter(|node| !self.swarm.is_connected(&peer::peer_id(node))) else { return };
        self.gate().forget_stranger(&peer::peer_id(&node));
        for request in self.requests.take_waiting(&node) {
            self.refuse(&request, RequestFailure::NotConnected);
        }
    }

    fn request(&mut self, request: Request) {
        if let Err(failure) = self.requests.check(&request) {
            self.refuse(&request, failure);
            return;
        }
        if self.swarm.is_connected(&peer::peer_id(&request.node)) {
            self.send_request(request);
        } else if self.dials.is_dialing(&request.node) {
            self.requests.wait(request, Instant::now());
        } else {
            self.refuse(&request, RequestFailure::NotConnected);
        }
    }

    fn send_request(&mut self, mut request: Request) {
        let peer = peer::peer_id(&request.node);
        if !request.channel.is_for_strangers() {
            let gate = &self.swarm.behaviour().gate;
            if !gate.is_admitted(&peer) {
                self.refuse(&request, RequestFailure::NotAdmitted);
                return;
            }
            if !gate.is_active(&peer) {
                self.refuse(&request, RequestFailure::NotConnected);
                return;
            }
        }
        let body = mem::take(&mut request.body);
        let wire = self.swarm.behaviour_mut().exchange(request.channel).send_request(&peer, body);
        self.requests.sent(wire, &request, Instant::now());
    }

    fn refuse(&mut self, request: &Request, failure: RequestFailure) {
        self.emit(Event::Response { id: request.id, result: Err(failure) });
    }

    fn respond(&mut self, token: ResponseToken, body: Vec<u8>) {
        let Some(channel) = self.inbox.answer(&token) else {
            tracing::debug!(channel = %token.channel, "an answer to nobody");
            return;
        };
        if body.len() > token.channel.bytes_max() {
            tracing::warn!(channel = %token.channel, bytes = body.len(), "an answer too large to send");
            return;
        }
        self.reply(token.channel, channel, Reply::Body(body));
    }

    /// An asker that is gone by now is told of by an event of its own.
    fn reply(&mut self, on: Channel, channel: ResponseChannel<Reply>, reply: Reply) {
        let _ = self.swarm.behaviour_mut().exchange(on).send_response(channel, reply);
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the library reports much that calls for nothing")]
    fn on_swarm(&mut self, event: SwarmEvent<ShellEvent>) -> Next {
        match event {
            SwarmEvent::Behaviour(event) => self.on_shell(event),
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, num_established, .. } => {
                self.dials.succeeded(connection_id);
                // Of two dials that cross, each side may see the other's connection before its own.
                if num_established.get() == 1 || endpoint.is_dialer() {
                    self.on_connected(&peer_id, &endpoint);
                }
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, num_established, .. } => {
                self.heard.remove(&connection_id);
                if num_established == 0 {
                    self.on_disconnected(&peer_id);
                }
            }
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                self.on_attempt_failed(connection_id, &dials::reason(&error));
            }
            SwarmEvent::NewListenAddr { address, .. } => {
                if let Some((address, transport)) = address::parse(&address) {
                    self.emit(Event::Listening { address, transport });
                }
            }
            SwarmEvent::ListenerClosed { addresses, reason, .. } => {
                let reason = reason.err().map_or_else(|| "closed".to_owned(), |error| error.to_string());
                self.emit(Event::ListenFailed { addresses: dial_addrs(&addresses), reason });
            }
            SwarmEvent::IncomingConnectionError { error, send_back_addr, .. } => {
                tracing::debug!(remote = %send_back_addr, %error, "incoming connection failed");
            }
            SwarmEvent::ListenerError { error, .. } => tracing::debug!(%error, "a listener had an error"),
            _ => {}
        }
        Next::Turn
    }

    fn on_connected(&mut self, peer: &PeerId, endpoint: &ConnectedPoint) {
        let (Some(node), Some((remote, transport))) =
            (peer::node_id(peer), address::parse(endpoint.get_remote_address()))
        else {
            return;
        };
        self.emit(Event::Connected { node, remote, transport, outbound: endpoint.is_dialer() });
        for request in self.requests.take_waiting(&node) {
            self.send_request(request);
        }
    }

    fn on_disconnected(&mut self, peer: &PeerId) {
        self.opening.remove(peer);
        if let Some(node) = peer::node_id(peer) {
            self.emit(Event::Disconnected { node });
        }
    }

    fn on_shell(&mut self, event: ShellEvent) {
        match event {
            ShellEvent::Gate(GateEvent::Open(peer)) => self.on_open(peer),
            ShellEvent::Gate(GateEvent::Inner(event)) => self.on_members(event),
            ShellEvent::Hello(event) => self.on_exchange(Channel::Hello, event),
            ShellEvent::Redeem(event) => self.on_exchange(Channel::Redeem, event),
            ShellEvent::Mdns(mdns::Event::Discovered(found)) => self.on_discovered(found),
            ShellEvent::Mdns(mdns::Event::Expired(_)) => {}
            ShellEvent::Limits(never) => match never {},
        }
    }

    fn on_discovered(&mut self, found: Vec<(PeerId, Multiaddr)>) {
        let mut nodes: BTreeMap<NodeId, Vec<DialAddr>> = BTreeMap::new();
        for (peer, address) in found {
            if let (Some(node), Some((address, transport))) = (peer::node_id(&peer), address::parse(&address)) {
                let addresses = nodes.entry(node).or_default();
                if addresses.len() < ADDRESSES_PER_DIAL_MAX {
                    addresses.push(DialAddr { address, transport });
                }
            }
        }
        for (node, addresses) in nodes {
            self.emit(Event::Discovered { node, addresses });
        }
    }

    fn on_exchange(&mut self, channel: Channel, event: ExchangeEvent) {
        match event {
            request_response::Event::Message { peer, connection_id, message } => match message {
                Message::Request { request_id, request, channel: back } => {
                    let token = ResponseToken { channel, request: request_id };
                    self.on_request(token, peer, connection_id, request, back);
                }
                Message::Response { request_id, response } => {
                    let event = self.requests.answered(channel, request_id, response);
                    self.outbox.extend(event);
                }
            },
            request_response::Event::OutboundFailure { request_id, error, .. } => {
                let event = self.requests.failed(channel, request_id, &error);
                self.outbox.extend(event);
            }
            request_response::Event::InboundFailure { request_id, error, peer, .. } => {
                tracing::debug!(%peer, %channel, %error, "request not answered");
                self.on_answered(channel, request_id);
            }
            request_response::Event::ResponseSent { request_id, .. } => self.on_answered(channel, request_id),
        }
    }

    fn on_answered(&mut self, channel: Channel, request: InboundRequestId) {
        self.inbox.done(&ResponseToken { channel, request });
    }

    fn on_request(
        &mut self,
        token: ResponseToken,
        peer: PeerId,
        connection: ConnectionId,
        body: Vec<u8>,
        back: ResponseChannel<Reply>,
    ) {
        let gate = &self.swarm.behaviour().gate;
        let admitted = gate.is_admitted(&peer);
        let (Some(node), Some((remote, _))) = (peer::node_id(&peer), gate.remote(&peer, connection)) else { return };
        if !admitted && !token.channel.is_for_strangers() {
            return;
        }
        let asker = if admitted { Asker::Member } else { Asker::Stranger(remote.ip()) };
        match self.inbox.take(token, back, asker, Instant::now()) {
            Ok(()) => self.emit(Event::Request { token, node, channel: token.channel, remote, body }),
            Err(back) => {
                tracing::debug!(peer = %node.short(), channel = %token.channel, "busy");
                self.reply(token.channel, back, Reply::Busy);
            }
        }
    }

    fn on_tick(&mut self) -> Next {
        let now = Instant::now();
        let expired = self.requests.expired(now);
        self.outbox.extend(expired);
        self.outbox.extend(self.listening.retry(&mut self.swarm, now));
        self.watch_members(now);
        self.last_tick = now;
        Next::Turn
    }
}

/// One attempt at all addresses of a node; or one attempt an address, where nobody in particular is expected.
fn dial_opts(expected: Option<PeerId>, addresses: Vec<Multiaddr>) -> Vec<DialOpts> {
    match expected {
        Some(peer) => {
            vec![DialOpts::peer_id(peer).condition(PeerCondition::Disconnected).addresses(addresses).build()]
        }
        None => addresses.into_iter().map(|address| DialOpts::unknown_peer_id().address(address).build()).collect(),
    }
}

fn dial_addrs(addresses: &[Multiaddr]) -> Vec<DialAddr> {
    let parsed = addresses.iter().filter_map(address::parse);
    parsed.map(|(address, transport)| DialAddr { address, transport }).collect()
}
