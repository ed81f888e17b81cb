use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use holloway_control as control;
use holloway_mesh::{
    Channel, CipherChoice, Command, CommandError, CommandId, ControlCommand, ControlEvent, Event, Forwarding,
    GossipToken, LocalAddrs, Node, Output, RecordId, Reply, RequestId, ResponseToken, StoreToken, StreamCommand,
    TooLong, TrafficReport, TunOffload, Verdict, Write,
};
use holloway_wire::{Bootstrap, ControlAddr, Endpoint, Instant, Label, NetworkId, NodeId, Now, RECORD_OVERHEAD};
use tokio::sync::oneshot;

use holloway_relay::{Server, Usage};

use super::opening::Ports;
use crate::lane::{LaneEvent, Lanes, UdpSockets};
use crate::portmap::{PortMapper, Standing};
use crate::store::NetworkKey;
use crate::stream::{StreamNews, StreamServer, Streams};
use crate::tun::Tun;

/// Tokens of questions that are kept for their answers; the control plane itself keeps fewer.
const TOKENS_MAX: usize = 4096;

/// How long a record of ours is of use to others in the DHT.
const RECORD_LIFETIME: Duration = Duration::from_secs(3600);

/// One running network: the core, and the shells around it.
pub(crate) struct Network {
    pub(crate) key: NetworkKey,
    pub(crate) label: Label,
    pub(crate) id: NetworkId,
    pub(crate) interface: Option<String>,
    pub(crate) node: Node,
    pub(crate) lanes: Lanes,
    pub(crate) tun: Option<Arc<Tun>>,
    pub(crate) udp: Arc<UdpSockets>,
    pub(crate) control: control::Handle,
    pub(crate) listening: BTreeSet<control::DialAddr>,
    /// What this machine does for others as a relay.
    pub(super) relay: Option<Server>,
    /// Takes streams for it.
    pub(super) stream_server: Option<StreamServer>,
    /// Streams to relays.
    pub(super) streams: Streams,
    /// Asks the router for the port of the data path.
    pub(super) port_mapper: Option<PortMapper>,
    /// What came of it.
    pub(super) port_mapping: Standing,
    /// The interface's MTU.
    mtu: InterfaceMtu,
    cipher: CipherChoice,
    /// The ports that it has, or will have when it runs.
    ports: Ports,
    pub(crate) waiting: HashMap<CommandId, CommandReply>,
    next_command: u64,
    tokens: Tokens,
}

/// What the data path of a network makes use of: what is wanted and what the kernel has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dataplane {
    /// `None` without an interface.
    pub(crate) tun: Option<TunOffload>,
    pub(crate) udp_gso: bool,
    pub(crate) udp_gro: bool,
    pub(crate) lanes: usize,
    pub(crate) cipher: CipherChoice,
    pub(crate) mtu: u16,
}

/// Where a command's result goes.
pub(crate) type CommandReply = oneshot::Sender<Result<Reply, CommandError>>;

/// What a network's core wants that concerns the whole daemon.
pub(crate) enum Upward {
    Persist {
        id: RecordId,
        writes: Vec<Write>,
    },
    Event(Box<Event>),
    /// Keep what members have sent through this relay.
    RelayUsage(Vec<Usage>),
    /// Open a stream to a relay.
    OpenStream {
        relay: NodeId,
        addresses: Vec<SocketAddr>,
    },
}

/// The control plane's tokens, numbered for the core.
#[derive(Default)]
struct Tokens {
    next: u64,
    responses: BTreeMap<u64, control::ResponseToken>,
    messages: BTreeMap<u64, control::MessageToken>,
    records: BTreeMap<u64, control::StoreToken>,
}

/// The parts of a network that is about to run.
pub(crate) struct Parts {
    pub(crate) key: NetworkKey,
    pub(crate) label: Label,
    pub(crate) interface: Option<String>,
    pub(crate) node: Node,
    pub(crate) lanes: Lanes,
    pub(crate) tun: Option<Arc<Tun>>,
    pub(crate) udp: Arc<UdpSockets>,
    pub(crate) control: control::Handle,
    pub(crate) mtu: InterfaceMtu,
    pub(crate) cipher: CipherChoice,
    pub(crate) ports: Ports,
}

/// An interface's MTU, and whether it follows what the paths take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InterfaceMtu {
    pub(crate) current: u16,
    pub(crate) is_auto: bool,
}

impl Network {
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            key: parts.key,
            label: parts.label,
            id: *parts.node.network(),
            interface: parts.interface,
            node: parts.node,
            lanes: parts.lanes,
            tun: parts.tun,
            udp: parts.udp,
            control: parts.control,
            listening: BTreeSet::new(),
            relay: None,
            stream_server: None,
            streams: Streams::default(),
            port_mapper: None,
            port_mapping: Standing::Off,
            mtu: parts.mtu,
            cipher: parts.cipher,
            ports: parts.ports,
            waiting: HashMap::new(),
            next_command: 0,
            tokens: Tokens::default(),
        }
    }

    /// Gives the core a command.
    pub(crate) fn command(&mut self, command: Command, reply: CommandReply, now: Now) {
        self.next_command += 1;
        let id = CommandId(self.next_command);
        self.waiting.insert(id, reply);
        self.node.handle_command(id, command, now);
    }

    /// When the core or the relay wants to act next.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let node = self.node.poll_timeout().map(|(at, _)| at);
        node.into_iter().chain(self.relay.as_ref().map(Server::poll_timeout)).min()
    }

    /// Time has passed.
    pub(crate) fn handle_timeout(&mut self, now: Now) {
        self.node.handle_timeout(now);
        if let Some(relay) = &mut self.relay {
            relay.handle_timeout(now);
        }
    }

    /// Gives the core what a lane could not place, or did.
    pub(crate) fn lane_event(&mut self, event: LaneEvent, now: Now) {
        match event {
            LaneEvent::Packet(packet) => self.node.handle_tun(packet, now),
            LaneEvent::Datagram(from, datagram) if Server::takes(&datagram) => {
                self.relay_datagram(from, &datagram, now);
            }
            LaneEvent::Datagram(from, datagram) if self.is_answer_to_relay(from, &datagram, now) => {}
            LaneEvent::Datagram(from, datagram) => self.node.handle_datagram(from, datagram, now),
            LaneEvent::NotRelayed(drops) => self.not_relayed(&drops),
            LaneEvent::Traffic(report) => self.node.handle_traffic(&report, now),
            LaneEvent::TunLost(reason) => {
                tracing::error!(network = %self.label, reason, "the network interface is gone; restart to have it back");
                self.tun = None;
            }
        }
    }

    /// Gives the core what the control plane reports.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the rest is translated one by one")]
    pub(crate) fn control_event(&mut self, event: control::Event, local: &[IpAddr], now: Now) {
        match event {
            control::Event::Listening { address, transport } => {
                self.listening.insert(control::DialAddr { address, transport });
                self.announce_addresses(local, now);
            }
            control::Event::ListenFailed { addresses, reason } => {
                tracing::warn!(network = %self.label, reason, "a control listener ended");
                self.listening.retain(|listening| !addresses.contains(listening));
                self.announce_addresses(local, now);
            }
            control::Event::Records { id, values } => self.records(id, values, now),
            control::Event::Observed { .. } => {}
            control::Event::CutOff { node } => {
                tracing::warn!(peer = %node.short(), "cut off: it sends what is invalid");
            }
            other => {
                if let Some(event) = self.tokens.translate(other) {
                    self.node.handle_control(event, now);
                }
            }
        }
    }

    fn records(&mut self, id: control::RequestId, values: Vec<Vec<u8>>, now: Now) {
        let id = RequestId(id.0);
        if values.is_empty() {
            self.node.handle_control(ControlEvent::Record { id, value: None }, now);
        }
        for value in values {
            self.node.handle_control(ControlEvent::Record { id, value: Some(value) }, now);
        }
    }

    /// Tells the core where this machine can be reached.
    pub(crate) fn announce_addresses(&mut self, local: &[IpAddr], now: Now) {
        let data = expand(&self.udp.local_addrs(), local);
        let control = self.listening.iter().map(to_control_addr).collect();
        self.node.handle_network_change(LocalAddrs { data, control }, now);
        self.relay_endpoints(local, now);
    }

    /// What the data path makes use of.
    pub(crate) fn dataplane(&self) -> Dataplane {
        Dataplane {
            tun: self.tun.as_ref().map(|tun| tun.offload()),
            udp_gso: self.udp.has_gso(),
            udp_gro: self.udp.has_gro(),
            lanes: self.lanes.count(),
            cipher: self.cipher,
            mtu: self.mtu.current,
        }
    }

    /// Where a newcomer may find this node's control plane.
    pub(crate) fn bootstrap(&self, local: &[IpAddr], observed: &[SocketAddr]) -> Vec<Bootstrap> {
        let Ports { control_tcp: tcp, control_quic: quic, .. } = self.ports;
        let mut hosts: Vec<IpAddr> = local.to_vec();
        hosts.extend(observed.iter().map(SocketAddr::ip));
        let mut seen = BTreeSet::new();
        hosts.retain(|ip| seen.insert(*ip));
        hosts.truncate(holloway_wire::InviteToken::BOOTSTRAP_MAX);
        hosts.into_iter().map(|ip| Bootstrap { host: ip.to_string(), tcp, quic }).collect()
    }

    /// A stream to a relay is open, or is not any more.
    pub(crate) fn stream_news(&mut self, news: &StreamNews, now: Now) {
        if self.streams.is_current(news) {
            self.node.handle_stream(news.relay, news.at, now);
        }
    }

    /// Carries out what the core wants; returns what concerns the whole daemon.
    pub(crate) fn carry_out(&mut self, now: Now) -> Vec<Upward> {
        let mut upward = Vec::new();
        loop {
            let mut too_long = Vec::new();
            self.carry_out_once(&mut upward, &mut too_long, now);
            let has_relayed = self.carry_out_relay(&mut upward, now);
            if too_long.is_empty() && !has_relayed {
                return upward;
            }
            self.node.handle_traffic(&TrafficReport { too_long, ..TrafficReport::default() }, now);
        }
    }

    fn carry_out_once(&mut self, upward: &mut Vec<Upward>, too_long: &mut Vec<TooLong>, now: Now) {
        while let Some(output) = self.node.poll_output() {
            match output {
                Output::Transmit { endpoint, datagram } => too_long.extend(self.transmit(endpoint, &datagram)),
                Output::Tun(packet) => self.deliver(&packet),
                Output::Control(command) => self.control_command(command),
                Output::Forwarding(forwarding) => self.forward(&forwarding),
                Output::Stream(StreamCommand::Open { relay, addresses }) => {
                    upward.push(Upward::OpenStream { relay, addresses });
                }
                Output::Stream(StreamCommand::Close { relay }) => self.streams.close(&relay),
                Output::Relay(news) => self.relay_news(news, now),
                Output::Persist { id, writes } => upward.push(Upward::Persist { id, writes }),
                Output::Event(Event::CommandDone { id, result }) => {
                    if let Some(reply) = self.waiting.remove(&id) {
                        // Whoever asked may have gone.
                        let _ = reply.send(result);
                    }
                }
                Output::Event(event) => {
                    self.tell_relay(&event);
                    upward.push(Upward::Event(Box::new(event)));
                }
            }
        }
    }

    /// Sends a datagram; gives its length where the network in front of the socket takes none so long.
    fn transmit(&self, endpoint: Endpoint, datagram: &[u8]) -> Option<TooLong> {
        let error = self.udp.send(&endpoint, datagram).err()?;
        tracing::trace!(%endpoint, %error, "a datagram was not taken");
        let is_too_long = error.raw_os_error() == Some(libc::EMSGSIZE);
        is_too_long.then_some(TooLong { endpoint, length: datagram.len() })
    }

    /// Tells the lanes, and gives the interface room for the longest packets that any path takes.
    fn forward(&mut self, forwarding: &Forwarding) {
        self.lanes.forward(forwarding);
        if let Forwarding::Peer { route: Some(route), .. } = forwarding
            && let Some(tun) = self.tun.as_ref().filter(|_| self.mtu.is_auto)
            && let Ok(fits) = u16::try_from(route.record_limit - RECORD_OVERHEAD)
            && fits > self.mtu.current
        {
            match tun.set_mtu(fits) {
                Ok(()) => self.mtu.current = fits,
                Err(error) => tracing::debug!(%error, mtu = fits, "the interface keeps its MTU"),
            }
        }
    }

    fn deliver(&self, packet: &[u8]) {
        if let Some(tun) = &self.tun
            && let Err(error) = tun.write_finished(packet)
        {
            tracing::trace!(%error, "a packet was not taken");
        }
    }

    fn control_command(&mut self, command: ControlCommand) {
        if let Some(command) = self.tokens.command(command)
            && let Err(error) = self.control.send(command)
        {
            tracing::debug!(network = %self.label, %error, "the control plane does not take a command");
        }
    }
}

impl Tokens {
    fn number<T>(next: &mut u64, map: &mut BTreeMap<u64, T>, token: T) -> u64 {
        *next += 1;
        map.insert(*next, token);
        if map.len() > TOKENS_MAX {
            map.pop_first();
        }
        *next
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "what is not for the core is handled before")]
    fn translate(&mut self, event: control::Event) -> Option<ControlEvent> {
        Some(match event {
            control::Event::Connected { node, outbound, .. } => ControlEvent::Connected { node, outbound },
            control::Event::Opened { node } => ControlEvent::Opened { node },
            control::Event::Disconnected { node } => ControlEvent::Disconnected { node },
            control::Event::DialFailed { node: Some(node), .. } => ControlEvent::DialFailed { node },
            control::Event::Request { token, node, channel, body, .. } => ControlEvent::Request {
                token: ResponseToken(Self::number(&mut self.next, &mut self.responses, token)),
                node,
                channel: from_channel(channel),
                body,
            },
            control::Event::Response { id, result } => {
                ControlEvent::Response { id: RequestId(id.0), body: result.ok() }
            }
            control::Event::Gossip { message, forwarder, body } => ControlEvent::Gossip {
                message: GossipToken(Self::number(&mut self.next, &mut self.messages, message)),
                source: forwarder,
                body,
            },
            control::Event::StoreOffered { record, value, .. } => ControlEvent::RecordOffered {
                token: StoreToken(Self::number(&mut self.next, &mut self.records, record)),
                value,
            },
            control::Event::Discovered { node, addresses } => {
                ControlEvent::Discovered { node, addresses: addresses.iter().map(to_control_addr).collect() }
            }
            _ => return None,
        })
    }

    fn command(&mut self, command: ControlCommand) -> Option<control::Command> {
        Some(match command {
            ControlCommand::Dial { node, addresses } => control::Command::Dial {
                node: Some(node),
                addresses: addresses.iter().map(from_control_addr).collect(),
            },
            ControlCommand::Admit { node } => control::Command::Admit { node },
            ControlCommand::Expel { node } => control::Command::Expel { node },
            ControlCommand::Request { id, node, channel, body } => {
                control::Command::Request { id: control::RequestId(id.0), node, channel: to_channel(channel), body }
            }
            ControlCommand::Respond { token, body } => {
                control::Command::Respond { token: self.responses.remove(&token.0)?, body }
            }
            ControlCommand::Publish { body } => control::Command::Publish { body },
            ControlCommand::Judge { message, verdict } => {
                control::Command::Judge { message: self.messages.remove(&message.0)?, verdict: to_verdict(verdict) }
            }
            ControlCommand::PutRecord { key, value } => {
                control::Command::PutRecord { key, value, lifetime: RECORD_LIFETIME }
            }
            ControlCommand::FindRecord { id, key } => control::Command::GetRecord { id: control::RequestId(id.0), key },
            ControlCommand::JudgeRecord { token, accept } => control::Command::Store {
                record: self.records.remove(&token.0)?,
                verdict: if accept { control::Verdict::Accept } else { control::Verdict::Reject },
            },
        })
    }
}

/// Addresses on every interface become one for each of this machine's addresses.
pub(super) fn expand(listening: &[SocketAddr], local: &[IpAddr]) -> Vec<SocketAddr> {
    let mut expanded = Vec::new();
    for address in listening {
        if address.ip().is_unspecified() {
            let same_family = local.iter().filter(|ip| ip.is_ipv4() == address.is_ipv4());
            expanded.extend(same_family.map(|ip| SocketAddr::new(*ip, address.port())));
        } else {
            expanded.push(*address);
        }
    }
    expanded
}

/// A control address as the core has it.
pub(crate) const fn to_control_addr(address: &control::DialAddr) -> ControlAddr {
    match address.transport {
        control::Transport::Tcp => ControlAddr::Tcp(address.address),
        control::Transport::Quic => ControlAddr::Quic(address.address),
    }
}

/// A control address as the control plane has it.
pub(crate) const fn from_control_addr(address: &ControlAddr) -> control::DialAddr {
    match address {
        ControlAddr::Tcp(address) => control::DialAddr::tcp(*address),
        ControlAddr::Quic(address) => control::DialAddr::quic(*address),
    }
}

const fn from_channel(channel: control::Channel) -> Channel {
    match channel {
        control::Channel::Hello => Channel::Hello,
        control::Channel::Redeem => Channel::Redeem,
        control::Channel::Sync => Channel::Sync,
        control::Channel::Member => Channel::Member,
    }
}

const fn to_channel(channel: Channel) -> control::Channel {
    match channel {
        Channel::Hello => control::Channel::Hello,
        Channel::Redeem => control::Channel::Redeem,
        Channel::Sync => control::Channel::Sync,
        Channel::Member => control::Channel::Member,
    }
}

const fn to_verdict(verdict: Verdict) -> control::Verdict {
    match verdict {
        Verdict::Accept => control::Verdict::Accept,
        Verdict::Ignore => control::Verdict::Ignore,
        Verdict::Reject => control::Verdict::Reject,
    }
}
