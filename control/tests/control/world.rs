//! Nodes for the tests: a running control plane each, and ways to wait for what it reports.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, StreamExt};
use holloway_control::{
    Channel, Command, DialAddr, Event, Handle, Limits, RequestFailure, RequestId, ResponseToken, Settings, Transport,
    spawn,
};
use holloway_wire::{IdentityKey, NetworkId, NodeId};
use libp2p::request_response::{self, Codec, OutboundFailure, ProtocolSupport};
use libp2p::swarm::SwarmEvent;
use libp2p::{StreamProtocol, SwarmBuilder, noise, tcp, yamux};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Longer than anything here takes, the slowest being a lost connection (10 s) and a request's timeout (20 s).
const DEADLINE: Duration = Duration::from_secs(45);

pub(crate) fn network() -> NetworkId {
    NetworkId::from_bytes([9; 32])
}

pub(crate) struct Node {
    pub(crate) id: NodeId,
    pub(crate) handle: Handle,
    events: mpsc::Receiver<Event>,
    unread: VecDeque<Event>,
    pub(crate) address: DialAddr,
    pub(crate) addresses: Vec<DialAddr>,
    requests: u64,
}

pub(crate) fn settings(seed: u8, transport: Transport) -> Settings {
    let mut settings = Settings::new(&IdentityKey::from_bytes(&[seed; 32]), network());
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    match transport {
        Transport::Tcp => settings.listen.tcp.push(any),
        Transport::Quic => settings.listen.quic.push(any),
    }
    settings
}

impl Node {
    pub(crate) async fn start(seed: u8, transport: Transport) -> Self {
        Self::with(seed, settings(seed, transport)).await
    }

    pub(crate) async fn with_limits(seed: u8, limits: Limits) -> Self {
        let mut settings = settings(seed, Transport::Tcp);
        settings.limits = limits;
        Self::with(seed, settings).await
    }

    pub(crate) async fn with(seed: u8, settings: Settings) -> Self {
        let (handle, mut events) = spawn(&settings).unwrap();
        let mut addresses = Vec::new();
        for _ in 0..settings.listen.tcp.len() + settings.listen.quic.len() {
            let listening = timeout(DEADLINE, events.recv()).await.unwrap().unwrap();
            let Event::Listening { address, transport } = listening else { panic!("{listening:?}") };
            addresses.push(DialAddr { address, transport });
        }
        Self {
            id: IdentityKey::from_bytes(&[seed; 32]).node_id(),
            handle,
            events,
            unread: VecDeque::new(),
            address: addresses[0],
            addresses,
            requests: 0,
        }
    }

    pub(crate) fn tell(&self, command: Command) {
        self.handle.send(command).unwrap();
    }

    /// The next event, whatever it is.
    pub(crate) async fn next(&mut self) -> Event {
        if let Some(event) = self.unread.pop_front() {
            return event;
        }
        timeout(DEADLINE, self.events.recv()).await.expect("an event in time").expect("a running task")
    }

    /// The first event, of those unread and those to come, that `pick` makes something of.
    pub(crate) async fn wait<T>(&mut self, what: &str, mut pick: impl FnMut(&Event) -> Option<T>) -> T {
        for index in 0..self.unread.len() {
            if let Some(picked) = pick(&self.unread[index]) {
                self.unread.remove(index);
                return picked;
            }
        }
        loop {
            let event = match timeout(DEADLINE, self.events.recv()).await {
                Ok(event) => event.expect("a running task"),
                Err(_) => panic!("waited for {what}, there is only {:?}", self.unread),
            };
            match pick(&event) {
                Some(picked) => return picked,
                None => self.unread.push_back(event),
            }
        }
    }

    pub(crate) async fn until(&mut self, what: &str, is: impl Fn(&Event) -> bool) {
        self.wait(what, |event| is(event).then_some(())).await;
    }

    /// Whether an event lies among those already read.
    pub(crate) fn has_seen(&self, is: impl Fn(&Event) -> bool) -> bool {
        self.unread.iter().any(is)
    }

    pub(crate) fn dial(&self, other: &Self) {
        self.tell(Command::Dial { node: Some(other.id), addresses: vec![other.address] });
    }

    pub(crate) fn admit(&self, other: &Self) {
        self.tell(Command::Admit { node: other.id });
    }

    pub(crate) async fn connected(&mut self, other: NodeId) {
        self.until("a connection", |event| matches!(event, Event::Connected { node, .. } if *node == other)).await;
    }

    pub(crate) async fn disconnected(&mut self, other: NodeId) {
        self.until("an end", |event| matches!(event, Event::Disconnected { node } if *node == other)).await;
    }

    pub(crate) async fn opened(&mut self, other: NodeId) {
        self.until("an open gate", |event| matches!(event, Event::Opened { node } if *node == other)).await;
    }

    /// Sends a request; its number is for [`Node::answer_to`].
    pub(crate) fn ask(&mut self, node: NodeId, channel: Channel, body: &[u8]) -> RequestId {
        self.requests += 1;
        let id = RequestId(self.requests);
        self.tell(Command::Request { id, node, channel, body: body.to_vec() });
        id
    }

    pub(crate) async fn answer_to(&mut self, request: RequestId) -> Result<Vec<u8>, RequestFailure> {
        let pick = |event: &Event| match event {
            Event::Response { id, result } if *id == request => Some(result.clone()),
            _ => None,
        };
        self.wait("an answer", pick).await
    }

    pub(crate) async fn request_on(&mut self, wanted: Channel) -> (ResponseToken, NodeId, Vec<u8>) {
        let pick = |event: &Event| match event {
            Event::Request { token, node, channel, body, .. } if *channel == wanted => {
                Some((*token, *node, body.clone()))
            }
            _ => None,
        };
        self.wait("a request", pick).await
    }

    pub(crate) fn respond(&self, token: ResponseToken, body: &[u8]) {
        self.tell(Command::Respond { token, body: body.to_vec() });
    }
}

/// One question and its answer, with everything working.
pub(crate) async fn exchange(asker: &mut Node, other: &mut Node, channel: Channel) {
    let request = asker.ask(other.id, channel, b"question");
    let (token, node, body) = other.request_on(channel).await;
    assert_eq!((node, body.as_slice()), (asker.id, &b"question"[..]));
    other.respond(token, b"answer");
    assert_eq!(asker.answer_to(request).await.unwrap(), b"answer");
}

pub(crate) async fn connect(dialer: &mut Node, listener: &mut Node) {
    dialer.dial(listener);
    dialer.connected(listener.id).await;
    listener.connected(dialer.id).await;
}

/// Connects two nodes that take each other for members.
pub(crate) async fn join(dialer: &mut Node, listener: &mut Node) {
    connect(dialer, listener).await;
    dialer.admit(listener);
    listener.admit(dialer);
    dialer.opened(listener.id).await;
    listener.opened(dialer.id).await;
}

/// What a program that is not ours gets when it speaks `protocol` to a node.
pub(crate) async fn probe(node: DialAddr, protocol: String, body: Vec<u8>) -> Result<Vec<u8>, OutboundFailure> {
    let protocol = StreamProtocol::try_from_owned(protocol).unwrap();
    let behaviour = request_response::Behaviour::<Raw>::new(
        [(protocol, ProtocolSupport::Outbound)],
        request_response::Config::default(),
    );
    let mut swarm = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_behaviour(|_| behaviour)
        .unwrap()
        .with_swarm_config(|config| config.with_idle_connection_timeout(DEADLINE))
        .build();
    let address = format!("/ip4/{}/tcp/{}", node.address.ip(), node.address.port());
    swarm.dial(address.parse::<libp2p::Multiaddr>().unwrap()).unwrap();
    let ask = async {
        loop {
            match swarm.select_next_some().await {
                SwarmEvent::ConnectionEstablished { peer_id, .. } => {
                    swarm.behaviour_mut().send_request(&peer_id, body.clone());
                }
                SwarmEvent::Behaviour(request_response::Event::Message {
                    message: request_response::Message::Response { response, .. },
                    ..
                }) => return Ok(response),
                SwarmEvent::Behaviour(request_response::Event::OutboundFailure { error, .. }) => return Err(error),
                _ => {}
            }
        }
    };
    timeout(DEADLINE, ask).await.expect("an answer or a failure")
}

/// Bytes without any limit.
#[derive(Clone, Default)]
pub(crate) struct Raw;

impl Codec for Raw {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        io.read_to_end(&mut body).await?;
        Ok(body)
    }

    async fn read_response<T: AsyncRead + Unpin + Send>(
        &mut self,
        protocol: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Vec<u8>> {
        self.read_request(protocol, io).await
    }

    async fn write_request<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        body: Vec<u8>,
    ) -> io::Result<()> {
        io.write_all(&body).await
    }

    async fn write_response<T: AsyncWrite + Unpin + Send>(
        &mut self,
        protocol: &StreamProtocol,
        io: &mut T,
        body: Vec<u8>,
    ) -> io::Result<()> {
        self.write_request(protocol, io, body).await
    }
}
