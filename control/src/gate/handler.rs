use std::fmt;
use std::task::{Context, Poll};

use futures::future;
use libp2p::core::upgrade::SelectUpgrade;
use libp2p::swarm::derive_prelude::Either;
use libp2p::swarm::handler::{
    ConnectionEvent, ConnectionHandler, ConnectionHandlerEvent, DialUpgradeError, FullyNegotiatedInbound,
    FullyNegotiatedOutbound, ListenUpgradeError, SendWrapper,
};
use libp2p::swarm::{StreamUpgradeError, SubstreamProtocol};

use super::opening::{Incarnation, Opening};

/// How often the announcement is repeated when a stream for it could not be had. A live connection delivers it at
/// the first try; after three failures of ten seconds each the connection is of no use.
const ANNOUNCE_ATTEMPTS_MAX: u8 = 3;

/// What the gate tells a connection.
pub(crate) enum GateIn<H: ConnectionHandler> {
    /// The peer is admitted: this handler serves the connection from now on.
    Activate(Box<H>),
    /// Something for the handler behind the gate.
    Inner(H::FromBehaviour),
}

impl<H: ConnectionHandler> fmt::Debug for GateIn<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Activate(_) => f.write_str("Activate"),
            Self::Inner(event) => f.debug_tuple("Inner").field(event).finish(),
        }
    }
}

/// What a connection tells the gate.
#[derive(Debug)]
pub(crate) enum GateOut<T> {
    /// The other end has admitted us.
    Announced(Incarnation),
    /// The other end cannot be told that it is admitted.
    Deaf,
    /// Something from the handler behind the gate.
    Inner(T),
}

/// One connection's end of the gate.
///
/// It starts with nothing behind it and listens for one protocol only, the other end's announcement. Activated, it
/// announces in turn and answers the protocols of the handler it was given; it lets that handler open streams of
/// its own only when the other end has announced too, so that no negotiation ever fails because one side was faster.
pub(crate) struct GateHandler<H> {
    opening: Opening,
    inner: Option<H>,
    announcement: Announcement,
    remote: Remote,
}

/// Our announcement on this connection.
enum Announcement {
    Due { attempt: u8 },
    Asked { attempt: u8 },
    Made,
    Failed,
    Reported,
}

/// The other end's announcement on this connection.
enum Remote {
    Silent,
    Announced(Incarnation),
    Reported,
}

impl<H: ConnectionHandler> GateHandler<H> {
    pub(crate) const fn new(opening: Opening) -> Self {
        Self { opening, inner: None, announcement: Announcement::Due { attempt: 1 }, remote: Remote::Silent }
    }

    fn on_inbound(&mut self, output: InboundOutput<H>, info: Option<H::InboundOpenInfo>) {
        let announced = match output {
            future::Either::Left(future::Either::Left(protocol)) => {
                if let (Some(inner), Some(info)) = (&mut self.inner, info) {
                    let event = FullyNegotiatedInbound { protocol, info };
                    inner.on_connection_event(ConnectionEvent::FullyNegotiatedInbound(event));
                }
                return;
            }
            future::Either::Left(future::Either::Right(incarnation)) | future::Either::Right(incarnation) => {
                incarnation
            }
        };
        if matches!(self.remote, Remote::Silent) {
            self.remote = Remote::Announced(announced);
        }
    }

    fn on_listen_error(
        &mut self,
        event: ListenUpgradeError<Option<H::InboundOpenInfo>, <Self as ConnectionHandler>::InboundProtocol>,
    ) {
        if let (Either::Left(Either::Left(error)), Some(inner), Some(info)) = (event.error, &mut self.inner, event.info)
        {
            inner.on_connection_event(ConnectionEvent::ListenUpgradeError(ListenUpgradeError { info, error }));
        }
    }

    fn on_outbound(&mut self, output: OutboundOutput<H>, info: Option<H::OutboundOpenInfo>) {
        match (output, info, &mut self.inner) {
            (future::Either::Left(protocol), Some(info), Some(inner)) => {
                let event = FullyNegotiatedOutbound { protocol, info };
                inner.on_connection_event(ConnectionEvent::FullyNegotiatedOutbound(event));
            }
            (future::Either::Right(()), ..) => self.announcement = Announcement::Made,
            (future::Either::Left(_), ..) => {}
        }
    }

    fn on_dial_error(
        &mut self,
        event: DialUpgradeError<Option<H::OutboundOpenInfo>, <Self as ConnectionHandler>::OutboundProtocol>,
    ) {
        let Some(info) = event.info else {
            self.on_announcement_failed();
            return;
        };
        let error = match event.error {
            StreamUpgradeError::Timeout => StreamUpgradeError::Timeout,
            StreamUpgradeError::NegotiationFailed => StreamUpgradeError::NegotiationFailed,
            StreamUpgradeError::Io(error) => StreamUpgradeError::Io(error),
            StreamUpgradeError::Apply(Either::Left(error)) => StreamUpgradeError::Apply(error),
            StreamUpgradeError::Apply(Either::Right(_)) => return,
        };
        if let Some(inner) = &mut self.inner {
            inner.on_connection_event(ConnectionEvent::DialUpgradeError(DialUpgradeError { info, error }));
        }
    }

    fn on_announcement_failed(&mut self) {
        let Announcement::Asked { attempt } = self.announcement else { return };
        self.announcement = if attempt < ANNOUNCE_ATTEMPTS_MAX {
            Announcement::Due { attempt: attempt + 1 }
        } else {
            Announcement::Failed
        };
    }

    /// What the gate itself has to do on this connection.
    fn poll_gate(&mut self) -> Option<HandlerEvent<H>> {
        if let Remote::Announced(incarnation) = self.remote {
            self.remote = Remote::Reported;
            return Some(ConnectionHandlerEvent::NotifyBehaviour(GateOut::Announced(incarnation)));
        }
        self.inner.as_ref()?;
        match self.announcement {
            Announcement::Due { attempt } => {
                self.announcement = Announcement::Asked { attempt };
                let protocol = SubstreamProtocol::new(Either::Right(self.opening), None);
                Some(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol })
            }
            Announcement::Failed => {
                self.announcement = Announcement::Reported;
                Some(ConnectionHandlerEvent::NotifyBehaviour(GateOut::Deaf))
            }
            Announcement::Asked { .. } | Announcement::Made | Announcement::Reported => None,
        }
    }
}

type InboundOutput<H> = future::Either<
    future::Either<
        <<H as ConnectionHandler>::InboundProtocol as libp2p::swarm::handler::InboundUpgradeSend>::Output,
        Incarnation,
    >,
    Incarnation,
>;

type OutboundOutput<H> = future::Either<
    <<H as ConnectionHandler>::OutboundProtocol as libp2p::swarm::handler::OutboundUpgradeSend>::Output,
    (),
>;

type HandlerEvent<H> = ConnectionHandlerEvent<
    Either<SendWrapper<<H as ConnectionHandler>::OutboundProtocol>, Opening>,
    Option<<H as ConnectionHandler>::OutboundOpenInfo>,
    GateOut<<H as ConnectionHandler>::ToBehaviour>,
>;

impl<H: ConnectionHandler> ConnectionHandler for GateHandler<H> {
    type FromBehaviour = GateIn<H>;
    type ToBehaviour = GateOut<H::ToBehaviour>;
    type InboundProtocol = Either<SelectUpgrade<SendWrapper<H::InboundProtocol>, Opening>, Opening>;
    type OutboundProtocol = Either<SendWrapper<H::OutboundProtocol>, Opening>;
    type InboundOpenInfo = Option<H::InboundOpenInfo>;
    type OutboundOpenInfo = Option<H::OutboundOpenInfo>;

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol, Self::InboundOpenInfo> {
        let Some(inner) = &self.inner else {
            return SubstreamProtocol::new(Either::Right(self.opening), None);
        };
        inner
            .listen_protocol()
            .map_upgrade(|upgrade| Either::Left(SelectUpgrade::new(SendWrapper(upgrade), self.opening)))
            .map_info(Some)
    }

    fn connection_keep_alive(&self) -> bool {
        self.inner.is_some() && matches!(self.remote, Remote::Reported)
    }

    fn on_behaviour_event(&mut self, event: Self::FromBehaviour) {
        match event {
            GateIn::Activate(handler) => self.inner = Some(*handler),
            GateIn::Inner(event) => {
                if let Some(inner) = &mut self.inner {
                    inner.on_behaviour_event(event);
                }
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<HandlerEvent<H>> {
        if let Some(event) = self.poll_gate() {
            return Poll::Ready(event);
        }
        let (Some(inner), Remote::Reported) = (&mut self.inner, &self.remote) else {
            return Poll::Pending;
        };
        inner.poll(cx).map(|event| {
            event
                .map_protocol(|upgrade| Either::Left(SendWrapper(upgrade)))
                .map_outbound_open_info(Some)
                .map_custom(GateOut::Inner)
        })
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Option<Self::ToBehaviour>> {
        match &mut self.inner {
            Some(inner) => inner.poll_close(cx).map(|event| event.map(GateOut::Inner)),
            None => Poll::Ready(None),
        }
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<
            Self::InboundProtocol,
            Self::OutboundProtocol,
            Self::InboundOpenInfo,
            Self::OutboundOpenInfo,
        >,
    ) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(event) => self.on_inbound(event.protocol, event.info),
            ConnectionEvent::FullyNegotiatedOutbound(event) => self.on_outbound(event.protocol, event.info),
            ConnectionEvent::DialUpgradeError(event) => self.on_dial_error(event),
            ConnectionEvent::ListenUpgradeError(event) => self.on_listen_error(event),
            ConnectionEvent::AddressChange(change) => {
                self.tell_inner(ConnectionEvent::AddressChange(change));
            }
            ConnectionEvent::LocalProtocolsChange(change) => {
                self.tell_inner(ConnectionEvent::LocalProtocolsChange(change));
            }
            ConnectionEvent::RemoteProtocolsChange(change) => {
                self.tell_inner(ConnectionEvent::RemoteProtocolsChange(change));
            }
            _ => {}
        }
    }
}

impl<H: ConnectionHandler> GateHandler<H> {
    fn tell_inner(
        &mut self,
        event: ConnectionEvent<H::InboundProtocol, H::OutboundProtocol, H::InboundOpenInfo, H::OutboundOpenInfo>,
    ) {
        if let Some(inner) = &mut self.inner {
            inner.on_connection_event(event);
        }
    }
}
