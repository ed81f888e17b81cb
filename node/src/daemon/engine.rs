use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use holloway_config::Settings;
use holloway_control as control;
use holloway_dashboard::api::{ApiError, ErrorCode};
use holloway_dns::Server;
use holloway_mesh::{Command, CommandError, Event, Persisted, RecordId, Reply, Snapshot, Write};
use holloway_wire::{Bootstrap, Label, MembershipCertificate, NetworkId, NodeId};
use tokio::sync::{mpsc, oneshot};

use super::journal::Journal;
use super::names::{Names, NamesView};
use super::network::{Dataplane, Network, Upward};
use super::opening::{Joining, internal, open};
use super::resolving::resolves;
use crate::clock::Clock;
use crate::lane::LaneEvent;
use crate::portmap::{PortMapper, Standing};
use crate::store::{NetworkKey, Store};
use crate::stream::{StreamNews, data_path};

/// Events that wait for the engine from all sides together. Lanes drop beyond it, the control plane waits.
pub(crate) const INPUTS_MAX: usize = 4096;

/// Inputs taken before outputs that can wait (names) are looked at again.
const BUDGET: usize = 256;

/// How long a change of names waits for further ones, and
const NAMES_SETTLE: Duration = Duration::from_millis(20);
/// how many times as long as the last took, so that names of a large network that many join take a fifth of the time.
const NAMES_SETTLE_FACTOR: u32 = 4;

/// Something for the engine.
pub(crate) enum Input {
    Lane(NetworkKey, LaneEvent),
    Control(NetworkKey, control::Event),
    Persisted(NetworkKey, RecordId, Persisted),
    Stream(NetworkKey, StreamNews),
    AddressesChanged(Vec<IpAddr>),
    /// What came of asking the router for a network's port.
    PortMapping(NetworkKey, Standing),
    /// Whether a program of this machine finds one of our names.
    Probed(bool),
    Call(Call),
}

/// A question or request from the API.
pub(crate) enum Call {
    /// Everything there is to show.
    View(oneshot::Sender<View>),
    /// A command for one network.
    Command { network: Option<String>, command: Command, reply: oneshot::Sender<Result<Done, ApiError>> },
    /// A member's certificates.
    Chain {
        network: Option<String>,
        member: Option<String>,
        reply: oneshot::Sender<Result<(NetworkView, Vec<MembershipCertificate>), ApiError>>,
    },
    /// Run a network.
    Open(Box<Joining>, oneshot::Sender<Result<NetworkView, ApiError>>),
    /// Tell when what some member knows is known here, names included; not before the network runs.
    CaughtUp(NetworkId, oneshot::Sender<()>),
    /// Stop all networks; they stay in the store.
    CloseAll(oneshot::Sender<()>),
    /// Stop and forget a network.
    Close(Label, oneshot::Sender<Result<NetworkKey, ApiError>>),
    /// Stop everything.
    Stop,
}

/// A command's result and the network it was for.
pub(crate) struct Done {
    pub(crate) network: NetworkView,
    pub(crate) reply: Reply,
}

/// One network as it is now.
#[derive(Clone)]
pub(crate) struct NetworkView {
    pub(crate) label: Label,
    pub(crate) id: NetworkId,
    pub(crate) interface: Option<String>,
    pub(crate) data_listen: Vec<SocketAddr>,
    pub(crate) dataplane: Dataplane,
    pub(crate) control_listen: Vec<control::DialAddr>,
    pub(crate) bootstrap: Vec<Bootstrap>,
    pub(crate) port_mapping: Standing,
    /// This machine's own addresses.
    pub(crate) local: Vec<IpAddr>,
    pub(crate) snapshot: Snapshot,
}

/// The daemon as it is now.
pub(crate) struct View {
    pub(crate) networks: Vec<NetworkView>,
    pub(crate) names: NamesView,
    pub(crate) dns: Option<Arc<Server>>,
}

/// The one owner of all networks: a loop over what comes in.
pub(crate) struct Engine {
    pub(crate) clock: Clock,
    pub(crate) settings: Settings,
    pub(crate) store: Store,
    pub(crate) inputs: mpsc::Sender<Input>,
    pub(crate) writes: mpsc::UnboundedSender<(NetworkKey, RecordId, Vec<Write>)>,
    pub(crate) networks: BTreeMap<NetworkKey, Network>,
    pub(crate) local: Vec<IpAddr>,
    pub(crate) names: Names,
    pub(crate) journal: Journal,
    names_due: Option<tokio::time::Instant>,
    /// How long the last change of names took.
    names_took: Duration,
    /// Who wants to be told when a network has caught up.
    waiting: Vec<(NetworkId, oneshot::Sender<()>)>,
    closing: bool,
}

impl Engine {
    pub(crate) fn new(
        clock: Clock,
        settings: Settings,
        store: Store,
        inputs: mpsc::Sender<Input>,
        names: Names,
        journal: Journal,
        local: Vec<IpAddr>,
    ) -> Self {
        let writes = spawn_writer(store.clone(), inputs.clone());
        Self {
            clock,
            settings,
            store,
            inputs,
            writes,
            networks: BTreeMap::new(),
            local,
            names,
            journal,
            names_due: None,
            names_took: Duration::ZERO,
            waiting: Vec::new(),
            closing: false,
        }
    }

    /// Runs until it is told to stop, then takes everything down.
    pub(crate) async fn run(mut self, mut queue: mpsc::Receiver<Input>) {
        while !self.closing {
            let deadline = self.deadline();
            tokio::select! {
                input = queue.recv() => {
                    let Some(input) = input else { break };
                    self.input(input).await;
                    for _ in 0..BUDGET {
                        let Ok(input) = queue.try_recv() else { break };
                        self.input(input).await;
                    }
                }
                () = sleep_until(deadline) => {}
            }
            self.timeouts().await;
        }
        self.close_all().await;
    }

    fn deadline(&self) -> Option<tokio::time::Instant> {
        let nodes = self.networks.values().filter_map(Network::poll_timeout);
        let nodes = nodes.map(|at| self.clock.tokio_instant(at));
        nodes.chain(self.names_due).min()
    }

    async fn timeouts(&mut self) {
        let now = self.clock.now();
        let due: Vec<NetworkKey> = self
            .networks
            .values()
            .filter(|network| network.poll_timeout().is_some_and(|at| at <= now.monotonic))
            .map(|network| network.key)
            .collect();
        for key in due {
            self.with(key, |network| network.handle_timeout(now));
        }
        if self.names_due.is_some_and(|at| at <= tokio::time::Instant::now()) {
            self.names_due = None;
            self.update_names().await;
        }
    }

    async fn input(&mut self, input: Input) {
        let now = self.clock.now();
        match input {
            Input::Lane(key, event) => self.with(key, |network| network.lane_event(event, now)),
            Input::Control(key, event) => {
                let local = self.local.clone();
                self.with(key, |network| network.control_event(event, &local, now));
            }
            Input::Persisted(key, id, result) => {
                self.with(key, |network| network.node.handle_persisted(id, result, now));
            }
            Input::Stream(key, news) => self.with(key, |network| network.stream_news(&news, now)),
            Input::PortMapping(key, standing) => {
                let local = self.local.clone();
                self.with(key, |network| network.port_mapping(standing, &local, now));
            }
            Input::AddressesChanged(local) => self.addresses_changed(&local),
            Input::Probed(resolves) => {
                let views = self.views();
                self.names.probed(resolves, &views);
            }
            Input::Call(call) => self.call(call).await,
        }
    }

    /// Does something to a network, then carries out what its core wants.
    fn with(&mut self, key: NetworkKey, act: impl FnOnce(&mut Network)) {
        let Some(network) = self.networks.get_mut(&key) else {
            return;
        };
        let now = self.clock.now();
        act(network);
        let label = network.label.clone();
        for upward in network.carry_out(now) {
            match upward {
                Upward::Persist { id, writes } => {
                    // The writer lives as long as the engine.
                    let _ = self.writes.send((key, id, writes));
                }
                Upward::Event(event) => self.event(&label, event),
                Upward::OpenStream { relay, addresses } => self.open_stream(key, relay, addresses),
                Upward::RelayUsage(usage) => {
                    let store = self.store.clone();
                    tokio::spawn(async move {
                        if let Err(error) = store.keep_relay_usage(key, &usage).await {
                            tracing::warn!(%error, "what members sent through this relay is not kept");
                        }
                    });
                }
            }
        }
    }

    fn open_stream(&mut self, key: NetworkKey, relay: NodeId, addresses: Vec<SocketAddr>) {
        let Some(network) = self.networks.get_mut(&key) else {
            return;
        };
        if let Some(data_path) = data_path(&network.udp.local_addrs()) {
            let inputs = self.inputs.clone();
            let tell = move |news| {
                let inputs = inputs.clone();
                async move {
                    // The engine may have ended.
                    let _ = inputs.send(Input::Stream(key, news)).await;
                }
            };
            network.streams.open(relay, addresses, data_path, tell);
        }
    }

    fn event(&mut self, network: &Label, event: Box<Event>) {
        if matches!(*event, Event::NamesChanged | Event::CaughtUp) {
            self.names_soon();
        }
        self.journal.network_event(network, *event);
    }

    pub(crate) fn names_soon(&mut self) {
        let soon = tokio::time::Instant::now() + NAMES_SETTLE.max(self.names_took * NAMES_SETTLE_FACTOR);
        self.names_due.get_or_insert(soon);
    }

    /// Gives names what they stand for now; the first time, looks whether programs find them.
    async fn update_names(&mut self) {
        let start = tokio::time::Instant::now();
        let views = self.views();
        self.names.update(&views);
        self.names_took = start.elapsed();
        self.names.listen(&views).await;
        self.tell_caught_up(&views);
        if let Some(name) = self.names.to_probe(&views) {
            let inputs = self.inputs.clone();
            tokio::spawn(async move {
                let resolves = resolves(&name).await;
                // The engine may have ended.
                let _ = inputs.send(Input::Probed(resolves)).await;
            });
        }
    }

    /// Names are up to date: tells those who waited for networks that have caught up, or are gone.
    fn tell_caught_up(&mut self, views: &[NetworkView]) {
        let is_behind = |id: &NetworkId| views.iter().any(|view| view.id == *id && !view.snapshot.has_caught_up);
        for (_, reply) in self.waiting.extract_if(.., |(id, _)| !is_behind(id)) {
            // Who asked may wait no longer.
            let _ = reply.send(());
        }
    }

    fn addresses_changed(&mut self, local: &[IpAddr]) {
        // The same address can lie behind another router.
        self.networks.values().filter_map(|network| network.port_mapper.as_ref()).for_each(PortMapper::network_changed);
        if self.local == local {
            return;
        }
        tracing::info!(addresses = ?local, "this machine's addresses changed");
        self.local = local.to_vec();
        let now = self.clock.now();
        let keys: Vec<NetworkKey> = self.networks.keys().copied().collect();
        for key in keys {
            self.with(key, |network| network.announce_addresses(local, now));
        }
    }

    async fn call(&mut self, call: Call) {
        match call {
            Call::View(reply) => {
                self.watched();
                let view = View { networks: self.views(), names: self.names.view(), dns: self.names.server() };
                let _ = reply.send(view);
            }
            Call::Command { network, command, reply } => self.command(network.as_deref(), command, reply),
            Call::Chain { network, member, reply } => {
                let _ = reply.send(self.chain(network.as_deref(), member.as_deref()));
            }
            Call::Open(joining, reply) => {
                let _ = reply.send(self.open(*joining).await);
            }
            Call::CaughtUp(id, reply) => {
                self.waiting.push((id, reply));
                self.names_soon();
            }
            Call::Close(label, reply) => {
                let _ = reply.send(self.close(&label).await);
            }
            Call::CloseAll(reply) => {
                self.close_networks().await;
                self.update_names().await;
                let _ = reply.send(());
            }
            Call::Stop => self.closing = true,
        }
    }

    fn command(&mut self, network: Option<&str>, command: Command, reply: oneshot::Sender<Result<Done, ApiError>>) {
        let now = self.clock.now();
        let key = match self.named(network) {
            Ok(key) => key,
            Err(error) => {
                let _ = reply.send(Err(error));
                return;
            }
        };
        let (sender, receiver) = oneshot::channel();
        self.with(key, |network| network.command(command, sender, now));
        let view = self.networks.get(&key).map(|network| self.view(network));
        tokio::spawn(async move {
            let result = match (receiver.await, view) {
                (Ok(Ok(done)), Some(network)) => Ok(Done { network, reply: done }),
                (Ok(Err(error)), _) => Err(command_error(&error)),
                (Err(_), _) | (_, None) => Err(ApiError::new(ErrorCode::Internal, "the network was closed meanwhile")),
            };
            let _ = reply.send(result);
        });
    }

    fn chain(
        &self,
        network: Option<&str>,
        member: Option<&str>,
    ) -> Result<(NetworkView, Vec<MembershipCertificate>), ApiError> {
        let network = &self.networks[&self.named(network)?];
        let chain = network
            .node
            .certificate_chain(member)
            .ok_or_else(|| command_error(&CommandError::UnknownMember(member.unwrap_or_default().to_owned())))?;
        Ok((self.view(network), chain))
    }

    /// The network that is meant: by label, or the only one.
    fn named(&self, label: Option<&str>) -> Result<NetworkKey, ApiError> {
        match label {
            Some(label) => self
                .networks
                .values()
                .find(|network| network.label.as_str() == label)
                .map(|network| network.key)
                .ok_or_else(|| {
                    ApiError::new(ErrorCode::NotFound, format!("this machine is in no network called {label:?}"))
                        .with_hint("holloway status")
                }),
            None if self.networks.len() == 1 => Ok(*self.networks.keys().next().expect("there is one")),
            None if self.networks.is_empty() => {
                Err(ApiError::new(ErrorCode::NoNetwork, "this machine is in no network yet")
                    .with_hint("holloway create <network>, or holloway join <invite>"))
            }
            None => Err(ApiError::new(ErrorCode::NetworkRequired, "this machine is in several networks; say which")
                .with_hint("add --network <label>; holloway status lists them")),
        }
    }

    /// Runs a network that was founded, joined or kept from before.
    pub(crate) async fn open(&mut self, joining: Joining) -> Result<NetworkView, ApiError> {
        let opened = open(self, joining).await.map_err(|error| internal(&error))?;
        let key = opened.key;
        self.networks.insert(key, opened);
        let (local, now) = (self.local.clone(), self.clock.now());
        self.with(key, |network| network.announce_addresses(&local, now));
        self.update_names().await;
        Ok(self.view(&self.networks[&key]))
    }

    async fn close(&mut self, label: &Label) -> Result<NetworkKey, ApiError> {
        let key = self.named(Some(label.as_str()))?;
        let now = self.clock.now();
        if let Some(mut network) = self.networks.remove(&key) {
            network.stop_relay(now);
            network.stop_port_mapping().await;
            network.control.shutdown().await;
        }
        self.update_names().await;
        Ok(key)
    }

    pub(crate) async fn close_all(&mut self) {
        self.names.stop().await;
        self.close_networks().await;
    }

    async fn close_networks(&mut self) {
        let now = self.clock.now();
        let mut networks = std::mem::take(&mut self.networks);
        networks.values_mut().for_each(|network| network.stop_relay(now));
        join_all(networks.values_mut().map(Network::stop_port_mapping)).await;
        for (_, network) in networks {
            drop(network.lanes);
            network.control.shutdown().await;
        }
    }

    /// Somebody looks at what there is.
    fn watched(&mut self) {
        let keys: Vec<NetworkKey> = self.networks.keys().copied().collect();
        let now = self.clock.now();
        for key in keys {
            self.with(key, |network| network.node.handle_watched(now));
        }
    }

    fn views(&self) -> Vec<NetworkView> {
        self.networks.values().map(|network| self.view(network)).collect()
    }

    fn view(&self, network: &Network) -> NetworkView {
        let snapshot = network.node.snapshot(self.clock.now());
        NetworkView {
            label: network.label.clone(),
            id: network.id,
            interface: network.interface.clone(),
            data_listen: network.udp.local_addrs(),
            dataplane: network.dataplane(),
            control_listen: network.listening.iter().copied().collect(),
            bootstrap: network.bootstrap(&self.local, &snapshot.observed),
            port_mapping: network.port_mapping.clone(),
            local: self.local.clone(),
            snapshot,
        }
    }
}

async fn sleep_until(deadline: Option<tokio::time::Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Writes one after the other, and answers when the disk has it.
fn spawn_writer(
    store: Store,
    inputs: mpsc::Sender<Input>,
) -> mpsc::UnboundedSender<(NetworkKey, RecordId, Vec<Write>)> {
    let (sender, mut queue) = mpsc::unbounded_channel::<(NetworkKey, RecordId, Vec<Write>)>();
    tokio::spawn(async move {
        while let Some((key, id, writes)) = queue.recv().await {
            let result = store.write(key, writes).await;
            if inputs.send(Input::Persisted(key, id, result)).await.is_err() {
                return;
            }
        }
    });
    sender
}

/// A refusal of the core in the API's words.
#[expect(clippy::wildcard_enum_match_arm, reason = "what has no code of its own is internal")]
pub(crate) fn command_error(error: &CommandError) -> ApiError {
    let (code, hint) = match error {
        CommandError::UnknownMember(_) => (ErrorCode::NotFound, Some("holloway peers")),
        CommandError::UnknownInvite | CommandError::NobodyWaits => (ErrorCode::NotFound, Some("holloway invites")),
        CommandError::NotAllowed(_) => {
            (ErrorCode::PermissionDenied, Some("ask a member with that right: holloway peers"))
        }
        CommandError::TooManyInvites => (ErrorCode::Usage, Some("holloway invites")),
        CommandError::NameTaken(_) => (ErrorCode::NameTaken, Some("choose another with --name")),
        CommandError::Oneself | CommandError::TooManyRecords(_) => (ErrorCode::Usage, None),
        CommandError::AliasBesideOthers(_) => {
            (ErrorCode::Usage, Some("take another name for it, or withdraw what is there: holloway dns list"))
        }
        CommandError::Blocked(_) => {
            (ErrorCode::PermissionDenied, Some("to speak with it again: holloway unblock <name>"))
        }
        CommandError::UnknownRecord => (ErrorCode::NotFound, Some("holloway dns list")),
        CommandError::Store(_) => (ErrorCode::Internal, Some("holloway doctor")),
        CommandError::Timeout(_) => (ErrorCode::Timeout, Some("holloway status")),
        _ => (ErrorCode::Internal, None),
    };
    let refusal = ApiError::new(code, error.to_string());
    match hint {
        Some(hint) => refusal.with_hint(hint),
        None => refusal,
    }
}
