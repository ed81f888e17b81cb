//! The gate in front of everything that only members may speak.
//!
//! A `Gate` wraps a behaviour (gossip, records, identify, ping, the members' channels). To a connection from a peer
//! that is not admitted it gives a handler with nothing behind it: the inner behaviour does not learn that the
//! connection exists, and the other end finds none of its protocols. [`Gate::admit`] makes the inner behaviour's
//! handler for connections that are already there and sends it to them; the inner behaviour then sees an ordinary
//! new connection. No connection is dialed twice for this.
//!
//! The two ends admit each other at different times. Each says on the connection that it has (`Opening`), and opens
//! no stream of the inner behaviour before it has heard the same from the other end. A connection on which both have
//! spoken is *open*.
//!
//! A second connection of a peer stays shut until the other end announces on it. If the announcement carries another
//! [`Incarnation`] than the first connection's, the peer's process has restarted, and what it knew (subscriptions
//! above all) is gone: the connections of its predecessor are ended, for the inner behaviour before the new one
//! begins, so that both ends start afresh.
//!
//! The gate also stands in the way of dials: the inner behaviour may reach admitted peers only, and only at addresses
//! the owner has named or that have answered before, whatever other members claim in their routing tables.

mod handler;
mod opening;

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};
use std::time::Duration;

use holloway_wire::SourcePrefix;
use libp2p::core::transport::PortUse;
use libp2p::core::{ConnectedPoint, Endpoint};
use libp2p::swarm::behaviour::ConnectionEstablished;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{
    AddressChange, CloseConnection, ConnectionClosed, ConnectionDenied, ConnectionId, DialError, DialFailure,
    FromSwarm, NetworkBehaviour, NotifyHandler, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId};
use tokio::time::Instant;

pub(crate) use opening::Incarnation;

use crate::address::{self, Transport};
use crate::limits::{
    ADDRESSES_PER_DIAL_MAX, KNOWN_PEERS_MAX, QUARANTINED_MAX, STRANGERS_MAX, STRANGERS_PER_PREFIX_MAX,
};
use crate::peer;
use handler::{GateHandler, GateIn, GateOut};
use opening::Opening;

/// What the gate reports.
#[derive(Debug)]
pub(crate) enum GateEvent<E> {
    /// Both sides have admitted each other: the inner behaviour's protocols run.
    Open(PeerId),
    /// From the inner behaviour.
    Inner(E),
}

type Action<B> = ToSwarm<GateEvent<<B as NetworkBehaviour>::ToSwarm>, GateIn<THandler<B>>>;

/// A behaviour that exists for admitted peers only. See the module's documentation.
pub(crate) struct Gate<B: NetworkBehaviour> {
    inner: B,
    opening: Opening,
    admitted: HashSet<PeerId>,
    quarantined: HashMap<PeerId, Instant>,
    links: HashMap<PeerId, Vec<Link>>,
    known: HashMap<PeerId, Vec<Multiaddr>>,
    actions: VecDeque<Action<B>>,
}

/// One established connection.
struct Link {
    id: ConnectionId,
    endpoint: ConnectedPoint,
    state: LinkState,
    announced: Option<Incarnation>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LinkState {
    /// The inner behaviour does not know of it.
    Shut,
    /// The inner behaviour has a handler on it.
    Active,
    /// It has ended for the inner behaviour and is being closed.
    Retired,
}

impl<B: NetworkBehaviour> Gate<B> {
    pub(crate) fn new(inner: B, incarnation: Incarnation) -> Self {
        Self {
            inner,
            opening: Opening(incarnation),
            admitted: HashSet::new(),
            quarantined: HashMap::new(),
            links: HashMap::new(),
            known: HashMap::new(),
            actions: VecDeque::new(),
        }
    }

    pub(crate) const fn inner(&self) -> &B {
        &self.inner
    }

    pub(crate) const fn inner_mut(&mut self) -> &mut B {
        &mut self.inner
    }

    /// Lets a peer in; connections it already has are activated.
    pub(crate) fn admit(&mut self, peer: PeerId) {
        if self.admitted.len() >= KNOWN_PEERS_MAX {
            tracing::warn!(limit = KNOWN_PEERS_MAX, "too many admitted peers, the newest is left out");
            return;
        }
        if self.admitted.insert(peer) {
            self.settle(peer);
        }
    }

    /// Shuts a peer out and ends its connections.
    pub(crate) fn expel(&mut self, peer: PeerId) {
        self.admitted.remove(&peer);
        self.known.remove(&peer);
        self.close(peer);
    }

    pub(crate) fn is_quarantined(&self, peer: &PeerId) -> bool {
        self.quarantined.contains_key(peer)
    }

    /// Ends a peer's connections and has none with it for a while.
    pub(crate) fn quarantine(&mut self, peer: PeerId, until: Instant) {
        if self.quarantined.len() < QUARANTINED_MAX {
            self.quarantined.insert(peer, until);
        }
        self.close(peer);
    }

    /// Ends a peer's connections.
    pub(crate) fn close(&mut self, peer: PeerId) {
        self.actions.push_back(ToSwarm::CloseConnection { peer_id: peer, connection: CloseConnection::All });
    }

    /// Ends one connection.
    pub(crate) fn close_one(&mut self, peer: PeerId, id: ConnectionId) {
        let connection = CloseConnection::One(id);
        self.actions.push_back(ToSwarm::CloseConnection { peer_id: peer, connection });
    }

    pub(crate) fn is_admitted(&self, peer: &PeerId) -> bool {
        self.admitted.contains(peer)
    }

    /// Whether the inner behaviour has a connection to the peer.
    pub(crate) fn is_active(&self, peer: &PeerId) -> bool {
        self.active(peer) > 0
    }

    /// The peers with an open connection.
    pub(crate) fn open_peers(&self) -> Vec<PeerId> {
        self.links.iter().filter(|(_, links)| links.iter().any(Link::is_open)).map(|(peer, _)| *peer).collect()
    }

    /// Where a connection's other end is.
    pub(crate) fn remote(&self, peer: &PeerId, id: ConnectionId) -> Option<(SocketAddr, Transport)> {
        let link = self.links.get(peer)?.iter().find(|link| link.id == id)?;
        address::parse(link.endpoint.get_remote_address())
    }

    /// Where the peer is, as far as we know ourselves: where the owner says, or where it connects from.
    pub(crate) fn known_address(&self, peer: &PeerId) -> Option<Multiaddr> {
        if let Some(address) = self.known.get(peer).and_then(|known| known.first()) {
            return Some(address.clone());
        }
        self.links.get(peer)?.first().map(|link| link.endpoint.get_remote_address().clone())
    }

    /// Remembers where the owner says a peer is.
    pub(crate) fn learn(&mut self, peer: PeerId, addresses: &[Multiaddr]) {
        if self.known.len() >= KNOWN_PEERS_MAX && !self.known.contains_key(&peer) {
            return;
        }
        let known = self.known.entry(peer).or_default();
        for address in addresses {
            known.retain(|old| old != address);
            known.insert(0, address.clone());
        }
        known.truncate(ADDRESSES_PER_DIAL_MAX);
    }

    /// Forgets where a peer is that is neither admitted nor connected.
    pub(crate) fn forget_stranger(&mut self, peer: &PeerId) {
        if !self.links.contains_key(peer) && !self.is_admitted(peer) {
            self.known.remove(peer);
        }
    }

    /// Brings a peer's connections into the state its admission and its announcements call for.
    fn settle(&mut self, peer: PeerId) {
        if !self.is_admitted(&peer) {
            return;
        }
        while let Some(id) = self.next_to_activate(&peer) {
            self.activate(peer, id);
        }
    }

    /// A shut connection is due when the other end has announced on it, or when there is no other.
    fn next_to_activate(&self, peer: &PeerId) -> Option<ConnectionId> {
        let lonely = self.active(peer) == 0;
        let mut shut = self.links.get(peer)?.iter().filter(|link| link.state == LinkState::Shut);
        let announced = shut.clone().find(|link| link.announced.is_some());
        announced.or_else(|| if lonely { shut.next() } else { None }).map(|link| link.id)
    }

    fn activate(&mut self, peer: PeerId, id: ConnectionId) {
        let other_established = self.active(&peer);
        let Some(link) = self.link_mut(&peer, id) else { return };
        link.state = LinkState::Active;
        let endpoint = link.endpoint.clone();
        let open = link.is_open();
        match self.inner_handler(peer, id, &endpoint) {
            Ok(handler) => self.notify(peer, id, GateIn::Activate(Box::new(handler))),
            Err(denied) => {
                tracing::debug!(%peer, reason = %denied, "connection refused behind the gate");
                if let Some(link) = self.link_mut(&peer, id) {
                    link.state = LinkState::Retired;
                }
                self.close_one(peer, id);
                return;
            }
        }
        self.inner.on_swarm_event(FromSwarm::ConnectionEstablished(ConnectionEstablished {
            peer_id: peer,
            connection_id: id,
            endpoint: &endpoint,
            failed_addresses: &[],
            other_established,
        }));
        if open {
            self.report_open(peer);
        }
    }

    fn inner_handler(
        &mut self,
        peer: PeerId,
        id: ConnectionId,
        endpoint: &ConnectedPoint,
    ) -> Result<THandler<B>, ConnectionDenied> {
        match endpoint {
            ConnectedPoint::Dialer { address, role_override, port_use } => {
                self.inner.handle_established_outbound_connection(id, peer, address, *role_override, *port_use)
            }
            ConnectedPoint::Listener { local_addr, send_back_addr } => {
                self.inner.handle_established_inbound_connection(id, peer, local_addr, send_back_addr)
            }
        }
    }

    fn on_announced(&mut self, peer: PeerId, id: ConnectionId, incarnation: Incarnation) {
        self.retire_predecessors(peer, id, incarnation);
        let Some(link) = self.link_mut(&peer, id) else { return };
        link.announced = Some(incarnation);
        if link.is_open() {
            self.report_open(peer);
        }
        self.settle(peer);
    }

    /// Ends the connections of the process that ran before `incarnation`.
    fn retire_predecessors(&mut self, peer: PeerId, keep: ConnectionId, incarnation: Incarnation) {
        let links = self.links.get(&peer).map(Vec::as_slice).unwrap_or_default();
        let dead: Vec<_> = links
            .iter()
            .filter(|link| link.id != keep && link.announced.is_some_and(|other| other != incarnation))
            .map(|link| link.id)
            .collect();
        for id in dead {
            self.end_for_inner(peer, id);
            if let Some(link) = self.link_mut(&peer, id) {
                link.state = LinkState::Retired;
            }
            self.close_one(peer, id);
        }
    }

    /// Tells the inner behaviour that a connection it knows has ended.
    fn end_for_inner(&mut self, peer: PeerId, id: ConnectionId) {
        let active = self.active(&peer);
        let Some(link) = self.link_mut(&peer, id).filter(|link| link.state == LinkState::Active) else { return };
        link.state = LinkState::Retired;
        let endpoint = link.endpoint.clone();
        self.inner.on_swarm_event(FromSwarm::ConnectionClosed(ConnectionClosed {
            peer_id: peer,
            connection_id: id,
            endpoint: &endpoint,
            cause: None,
            remaining_established: active - 1,
        }));
    }

    /// Once for any number of connections at a time.
    fn report_open(&mut self, peer: PeerId) {
        let links = self.links.get(&peer).map(Vec::as_slice).unwrap_or_default();
        if links.iter().filter(|link| link.is_open()).count() > 1 {
            return;
        }
        self.actions.push_back(ToSwarm::GenerateEvent(GateEvent::Open(peer)));
    }

    fn notify(&mut self, peer: PeerId, id: ConnectionId, event: GateIn<THandler<B>>) {
        self.actions.push_back(ToSwarm::NotifyHandler { peer_id: peer, handler: NotifyHandler::One(id), event });
    }

    /// The connection for an event that any of the inner behaviour's connections to the peer may take.
    fn best_link(&self, peer: &PeerId) -> Option<ConnectionId> {
        let mut active = self.links.get(peer)?.iter().filter(|link| link.state == LinkState::Active);
        active.clone().find(|link| link.is_open()).or_else(|| active.next()).map(|link| link.id)
    }

    fn active(&self, peer: &PeerId) -> usize {
        let Some(links) = self.links.get(peer) else { return 0 };
        links.iter().filter(|link| link.state == LinkState::Active).count()
    }

    fn link_mut(&mut self, peer: &PeerId, id: ConnectionId) -> Option<&mut Link> {
        self.links.get_mut(peer)?.iter_mut().find(|link| link.id == id)
    }

    fn on_established(&mut self, event: &ConnectionEstablished<'_>) {
        let link =
            Link { id: event.connection_id, endpoint: event.endpoint.clone(), state: LinkState::Shut, announced: None };
        self.links.entry(event.peer_id).or_default().push(link);
        if let ConnectedPoint::Dialer { address, .. } = event.endpoint {
            self.learn(event.peer_id, std::slice::from_ref(address));
        }
        self.settle(event.peer_id);
    }

    fn on_closed(&mut self, event: &ConnectionClosed<'_>) {
        self.end_for_inner(event.peer_id, event.connection_id);
        if let Some(links) = self.links.get_mut(&event.peer_id) {
            links.retain(|link| link.id != event.connection_id);
            if links.is_empty() {
                self.links.remove(&event.peer_id);
            }
        }
        self.forget_stranger(&event.peer_id);
        self.settle(event.peer_id);
    }

    fn on_address_change(&mut self, event: AddressChange<'_>) {
        let Some(link) = self.link_mut(&event.peer_id, event.connection_id) else { return };
        link.endpoint = event.new.clone();
        if link.state == LinkState::Active {
            self.inner.on_swarm_event(FromSwarm::AddressChange(event));
        }
    }

    /// A dial the inner behaviour asks for: to admitted peers, at addresses the owner vouches for.
    fn dial(&mut self, opts: &DialOpts) -> Option<DialOpts> {
        let peer = opts.get_peer_id()?;
        let known = self.known.get(&peer).filter(|_| self.is_admitted(&peer));
        if let Some(addresses) = known.filter(|addresses| !addresses.is_empty()) {
            let dial = DialOpts::peer_id(peer).condition(PeerCondition::DisconnectedAndNotDialing);
            return Some(dial.addresses(addresses.clone()).build());
        }
        self.inner.on_swarm_event(FromSwarm::DialFailure(DialFailure {
            peer_id: Some(peer),
            error: &DialError::NoAddresses,
            connection_id: opts.connection_id(),
        }));
        None
    }

    /// Whether a connection may be had at all: not with keys that are no node's, not with the quarantined.
    fn check_peer(&mut self, peer: &PeerId) -> Result<(), ConnectionDenied> {
        if peer::node_id(peer).is_none() {
            return Err(ConnectionDenied::new("not an Ed25519 identity"));
        }
        let now = Instant::now();
        self.quarantined.retain(|_, until| *until > now);
        if self.is_quarantined(peer) {
            return Err(ConnectionDenied::new("cut off for misbehaving"));
        }
        Ok(())
    }

    /// Whether one more connection may come in: from strangers only so many.
    fn check_inbound(&mut self, peer: &PeerId, remote: &Multiaddr) -> Result<(), ConnectionDenied> {
        self.check_peer(peer)?;
        if self.is_admitted(peer) {
            return Ok(());
        }
        let Some((remote, _)) = address::parse(remote) else {
            return Err(ConnectionDenied::new("not an address we listen on"));
        };
        self.check_strangers(remote.ip())
    }

    fn check_strangers(&self, source: IpAddr) -> Result<(), ConnectionDenied> {
        let prefix = SourcePrefix::of(source);
        let (mut total, mut near) = (0, 0);
        for (_, links) in self.links.iter().filter(|(peer, _)| !self.is_admitted(peer)) {
            for link in links.iter().filter(|link| link.endpoint.is_listener()) {
                total += 1;
                let remote = address::parse(link.endpoint.get_remote_address());
                near += usize::from(remote.is_some_and(|(remote, _)| SourcePrefix::of(remote.ip()) == prefix));
            }
        }
        if total >= STRANGERS_MAX || near >= STRANGERS_PER_PREFIX_MAX {
            return Err(ConnectionDenied::new("too many strangers"));
        }
        Ok(())
    }
}

impl Link {
    fn is_open(&self) -> bool {
        self.state == LinkState::Active && self.announced.is_some()
    }
}

/// Until when a peer cut off at `now` stays out.
pub(crate) fn quarantine_end(now: Instant) -> Instant {
    /// Long enough that a flood is not worth repeating, short enough that a mended program is back soon.
    const QUARANTINE: Duration = Duration::from_secs(600);
    now + QUARANTINE
}

impl<B: NetworkBehaviour> NetworkBehaviour for Gate<B> {
    type ConnectionHandler = GateHandler<THandler<B>>;
    type ToSwarm = GateEvent<B::ToSwarm>;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.check_inbound(&peer, remote)?;
        Ok(GateHandler::new(self.opening))
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.check_peer(&peer)?;
        Ok(GateHandler::new(self.opening))
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "what is not about a connection is not the gate's affair")]
    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(event) => self.on_established(&event),
            FromSwarm::ConnectionClosed(event) => self.on_closed(&event),
            FromSwarm::AddressChange(event) => self.on_address_change(event),
            other => self.inner.on_swarm_event(other),
        }
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, id: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {
            GateOut::Announced(incarnation) => self.on_announced(peer, id, incarnation),
            GateOut::Deaf => self.close_one(peer, id),
            GateOut::Inner(event) => {
                let active = self.link_mut(&peer, id).is_some_and(|link| link.state == LinkState::Active);
                if active {
                    self.inner.on_connection_handler_event(peer, id, event);
                }
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        loop {
            if let Some(action) = self.actions.pop_front() {
                return Poll::Ready(action);
            }
            match self.inner.poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(ToSwarm::Dial { opts }) => {
                    if let Some(opts) = self.dial(&opts) {
                        return Poll::Ready(ToSwarm::Dial { opts });
                    }
                }
                Poll::Ready(ToSwarm::NotifyHandler { peer_id, handler: NotifyHandler::Any, event }) => {
                    if let Some(id) = self.best_link(&peer_id) {
                        self.notify(peer_id, id, GateIn::Inner(event));
                    }
                }
                Poll::Ready(action) => {
                    return Poll::Ready(action.map_out(GateEvent::Inner).map_in(GateIn::Inner));
                }
            }
        }
    }
}
