//! A daemon that answers from a handful of values and repeats what it was asked, and a server around it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use holloway_dashboard::api::*;
use holloway_dashboard::client::Client;
use holloway_dashboard::server::{
    Access, Authorities, Daemon, Pages, Services, Sessions, bind_unix, serve, serve_browsers,
};
use tempfile::TempDir;
use tokio::sync::{broadcast, oneshot};
use tokio::task::JoinHandle;

use crate::example_console::ExampleConsole;

pub(crate) struct ExampleDaemon {
    pub(crate) shown: Arc<Mutex<Status>>,
    pub(crate) events: broadcast::Sender<Event>,
}

/// A server on a socket of its own; stops with the value.
pub(crate) struct Running {
    shown: Arc<Mutex<Status>>,
    pub(crate) events: broadcast::Sender<Event>,
    pub(crate) path: PathBuf,
    pub(crate) dir: TempDir,
    pub(crate) browsers: SocketAddr,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) console: Arc<ExampleConsole>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Running {
    pub(crate) fn start() -> Self {
        Self::start_with(Access { daemon_uid: own_uid(), group_gid: None }, 0o600)
    }

    pub(crate) fn start_with(access: Access, mode: u32) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("api.sock");
        let listener = bind_unix(&path, mode, None).unwrap();
        let events = broadcast::channel(4).0;
        let shown = Arc::new(Mutex::new(status()));
        let daemon = Arc::new(ExampleDaemon { shown: shown.clone(), events: events.clone() });
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async move {
            let _ = stopped.await;
        };
        let browser_listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        browser_listener.set_nonblocking(true).unwrap();
        let browsers = browser_listener.local_addr().unwrap();
        let pages = Pages { authorities: Authorities::of(browsers, &[]), sessions: Arc::default(), fingerprint: None };
        let console = Arc::new(ExampleConsole::default());
        let services = Services { daemon, console: console.clone() };
        let sessions = pages.sessions.clone();
        let socket = serve(listener, services.clone(), access, Ok(pages.clone()), shutdown);
        let task = tokio::spawn(async move {
            let listener = tokio::net::TcpListener::from_std(browser_listener).unwrap();
            tokio::select! {
                () = socket => {}
                () = serve_browsers(listener, services, pages, None, std::future::pending()) => {}
            }
        });
        Self { shown, events, path, dir, browsers, sessions, console, stop: Some(stop), task }
    }

    /// The status from now on.
    pub(crate) fn show(&self, status: Status) {
        *self.shown.lock().unwrap() = status;
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(&self.path)
    }

    pub(crate) async fn stop(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        self.task.await.unwrap();
    }
}

pub(crate) fn own_uid() -> u32 {
    std::fs::metadata("/proc/self").unwrap().uid()
}

pub(crate) fn connect(path: &Path) -> std::os::unix::net::UnixStream {
    let stream = std::os::unix::net::UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(30))).unwrap();
    stream
}

pub(crate) fn event(id: u64) -> Event {
    Event {
        id,
        time: "2026-11-20T20:00:00Z".into(),
        severity: Severity::Security,
        kind: "replay".into(),
        network: Some("home".into()),
        text: "a packet came twice\n\u{1b}[31m".into(),
        fields: BTreeMap::from([("peer".into(), "bob".into())]),
    }
}

fn path() -> PathStatus {
    PathStatus {
        kind: PathKind::Direct,
        endpoint: Some("203.0.113.7:42042".into()),
        relay: None,
        further_relays: vec![],
        stream: false,
        rtt_ms: Some(0.4),
        mtu: Some(1440),
        why: None,
    }
}

pub(crate) fn peer() -> PeerStatus {
    PeerStatus {
        name: "bob".into(),
        fqdn: "bob.home.alt".into(),
        address: "fd42:1337:beef::b".into(),
        node_id: "bbbb".into(),
        rights: vec![],
        groups: vec!["family".into()],
        online: true,
        control: true,
        path: path(),
        session: Some(SessionStatus {
            established: "2026-11-20T20:00:00Z".into(),
            age_s: 31,
            last_received_s: Some(0.2),
            cipher: "chacha20-poly1305".into(),
        }),
        rx_bytes: 1,
        tx_bytes: 1,
        rotations: 3,
    }
}

pub(crate) fn relay(network: &str) -> RelayStatus {
    RelayStatus {
        network: network.into(),
        announced: AnnouncedRelay {
            name: "alice".into(),
            node_id: "aaaa".into(),
            region: "Montréal".into(),
            place: Some(Place { latitude: 45.5, longitude: -73.57, source: PlaceSource::Operator }),
            load_percent: 3,
            members: 12,
            capacity_mbps: 1000,
            endpoints: vec!["198.51.100.1:42042".into()],
            version: "0.1.0".into(),
            draining: false,
            links: vec![RelayLink { node_id: "dddd".into(), rtt_ms: 7.5 }],
        },
        standing: RelayStanding::Home,
        why: None,
        rtt_ms: Some(1.2),
        endpoint: Some("198.51.100.1:42042".into()),
        stream: false,
        current: true,
    }
}

pub(crate) fn why(name: &str, network: &str) -> Why {
    let tried = TriedWay {
        endpoint: Some("203.0.113.7:42042".into()),
        relay: None,
        kind: WayKind::Announced,
        result: WayResult::Answered,
        rtt_ms: Some(0.4),
        in_use: true,
        words: "bob announces this address; it is in use.".into(),
    };
    Why {
        schema: SchemaVersion,
        network: network.into(),
        name: name.into(),
        fqdn: format!("{name}.{network}.alt"),
        address: "fd42:1337:beef::b".into(),
        path: path(),
        session: peer().session,
        tried: vec![tried],
        summary: "bob is reached straight.".into(),
        advice: Some(Advice { what: "nothing".into(), command: None }),
    }
}

pub(crate) fn routes(network: &str) -> Vec<RouteStatus> {
    let whole = RouteStatus {
        network: network.into(),
        destination: "fd42:1337:beef::/48".into(),
        member: None,
        via: RouteVia::Interface,
        interface: Some("hollow0".into()),
        endpoint: None,
        relay: None,
        mtu: Some(1440),
    };
    let bob = RouteStatus {
        destination: "fd42:1337:beef::b/128".into(),
        member: Some("bob".into()),
        via: RouteVia::Relay,
        interface: None,
        relay: Some("alice".into()),
        ..whole.clone()
    };
    vec![whole, bob]
}

pub(crate) fn network_check(network: &str) -> NetworkCheck {
    let address = "198.51.100.10:42042".to_owned();
    NetworkCheck {
        network: network.into(),
        udp: UdpState::Works,
        ipv4: FamilyCheck { state: FamilyState::Works, addresses: vec!["192.168.10.2".into()] },
        ipv6: FamilyCheck { state: FamilyState::Absent, addresses: vec![] },
        nat: NatCheck {
            mapping: NatMapping::EndpointIndependent,
            seen: vec![SeenAt { by: "alice".into(), address: address.clone(), age_s: 3 }],
            words: "one outside address".into(),
        },
        port_mapping: PortMappingCheck {
            state: PortMappingState::Held,
            protocol: Some("PCP".into()),
            external: Some(address),
            expires_in_s: Some(3600),
            words: "the router forwards it".into(),
        },
        relays: vec![relay(network)],
        direct: DirectPaths::Anyone,
        summary: "Others can reach this machine directly.".into(),
    }
}

pub(crate) fn status() -> Status {
    Status {
        schema: SchemaVersion,
        version: "0.1.0".into(),
        state: DaemonState::Ready,
        uptime_s: 12,
        on: true,
        networks: vec![NetworkStatus {
            label: "home".into(),
            id: "nnnn".into(),
            prefix: "fd42:1337:beef::/48".into(),
            interface: "hollow0".into(),
            name: "alice".into(),
            fqdn: "alice.home.alt".into(),
            address: "fd42:1337:beef::a".into(),
            node_id: "aaaa".into(),
            rights: vec![Right::Issue, Right::Admin, Right::Relay],
            control: ControlStatus { listen: vec!["/ip4/0.0.0.0/tcp/42042".into()], peers: 2 },
            data: DataStatus { listen: vec!["0.0.0.0:42042".into()], observed: vec![], mapped: None },
            dataplane: DataplaneStatus::default(),
            home_relay: Some(HomeRelay { name: "alice".into(), rtt_ms: Some(1.2) }),
            peers: vec![peer()],
            revoked: 1,
            drops: BTreeMap::from([("replayed".into(), 2)]),
        }],
        dataplane: Some(DataplaneStatus::default()),
        attention: vec![Attention { what: "an update".into(), command: "holloway update".into() }],
        dns: DnsStatus { listening: vec!["127.42.0.53:53".into()], integration: "hosts file".into() },
    }
}

/// An error whose hint repeats the request, so that a test sees what arrived.
fn seen(code: ErrorCode, request: &impl std::fmt::Debug) -> ApiError {
    ApiError::new(code, "refused").with_hint(format!("{request:?}"))
}

fn record(network: Option<String>, label: String, record_type: String, value: String) -> DnsRecord {
    DnsRecord {
        network: network.unwrap_or("home".into()),
        fqdn: format!("{label}.alice.home.alt"),
        label,
        record_type,
        value,
        ttl: 60,
    }
}

fn certificate(name: String) -> CertificateView {
    CertificateView {
        name,
        node_id: "bbbb".into(),
        address: "fd42:1337:beef::b".into(),
        static_key: "kkkk".into(),
        rights: vec![Right::Exit],
        groups: vec![],
        not_before: None,
        not_after: None,
        issuer: "aaaa".into(),
        sequence: 7,
        hash: "00ff".into(),
    }
}

#[async_trait]
impl Daemon for ExampleDaemon {
    async fn status(&self) -> Result<Status, ApiError> {
        Ok(self.shown.lock().unwrap().clone())
    }

    async fn peers(&self, network: InNetwork) -> Result<Peers, ApiError> {
        let network = network.network.unwrap_or("home".into());
        Ok(Peers { schema: SchemaVersion, peers: vec![PeerInNetwork { network, peer: peer() }] })
    }

    async fn relays(&self, network: InNetwork) -> Result<Relays, ApiError> {
        let network = network.network.unwrap_or("home".into());
        let own = OwnRelay { network: network.clone(), announced: relay(&network).announced };
        Ok(Relays { schema: SchemaVersion, relays: vec![relay(&network)], own: vec![own] })
    }

    async fn why(&self, query: WhyQuery) -> Result<Why, ApiError> {
        Ok(why(&query.name, &query.network.unwrap_or("home".into())))
    }

    async fn routes(&self, network: InNetwork) -> Result<Routes, ApiError> {
        let network = network.network.unwrap_or("home".into());
        Ok(Routes { schema: SchemaVersion, routes: routes(&network) })
    }

    async fn netcheck(&self, network: InNetwork) -> Result<Netcheck, ApiError> {
        let network = network.network.unwrap_or("home".into());
        Ok(Netcheck { schema: SchemaVersion, networks: vec![network_check(&network)] })
    }

    async fn events(&self, query: EventsQuery) -> Result<Events, ApiError> {
        let first = query.after.unwrap_or(0) + 1;
        let count = u64::from(query.limit.unwrap_or(10));
        let events: Vec<Event> = (first..first + count).map(event).collect();
        Ok(Events { schema: SchemaVersion, events, next: first + count - 1 })
    }

    fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    async fn create_network(&self, request: CreateNetwork) -> Result<NetworkCreated, ApiError> {
        let name = request.name.unwrap_or("alice".into());
        Ok(NetworkCreated {
            schema: SchemaVersion,
            fqdn: format!("{name}.{}.alt", request.label),
            label: request.label,
            id: "nnnn".into(),
            prefix: "fd42:1337:beef::/48".into(),
            name,
            address: "fd42:1337:beef::a".into(),
            root_key_path: "/var/lib/holloway/networks/home/root.key".into(),
        })
    }

    async fn join(&self, request: Join) -> Result<Joined, ApiError> {
        if request.invite.expose() == "panic" {
            panic!("asked for by the test");
        }
        if request.invite.expose() != "holloway1valid" {
            return Err(seen(ErrorCode::InviteExpired, &request));
        }
        Ok(Joined {
            schema: SchemaVersion,
            label: "home".into(),
            id: "nnnn".into(),
            name: request.name.unwrap_or("carol".into()),
            fqdn: "carol.home.alt".into(),
            address: "fd42:1337:beef::c".into(),
            issuer: "alice".into(),
            elapsed_ms: u64::from(request.wait),
        })
    }

    async fn leave(&self, label: String) -> Result<Left, ApiError> {
        Ok(Left { schema: SchemaVersion, label })
    }

    async fn create_invite(&self, request: CreateInvite) -> Result<InviteCreated, ApiError> {
        Ok(InviteCreated {
            schema: SchemaVersion,
            id: "i1".into(),
            token: InviteText::new("holloway1valid"),
            network: request.network.unwrap_or("home".into()),
            name: request.name,
            rights: request.rights,
            groups: request.groups,
            approval: request.approval,
            expires: request.expires_s.map(|s| s.to_string()),
            bootstrap: request.bootstrap,
        })
    }

    async fn invites(&self, network: InNetwork) -> Result<Invites, ApiError> {
        let invite = InviteSummary {
            id: "i1".into(),
            network: network.network.unwrap_or("home".into()),
            name: None,
            rights: vec![Right::Relay],
            state: InviteState::Spent,
            expires: None,
            created: "2026-11-20T20:00:00Z".into(),
            redeemed_by: Some("bob".into()),
            approval: InviteApproval::Needed,
            applicant: Some(Applicant {
                name: "bob".into(),
                node_id: "bbbb".into(),
                since: "2026-11-20T20:00:00Z".into(),
            }),
        };
        Ok(Invites { schema: SchemaVersion, invites: vec![invite] })
    }

    async fn revoke_invite(&self, id: String, network: InNetwork) -> Result<InviteRevoked, ApiError> {
        if network.network.is_some() {
            return Err(seen(ErrorCode::InviteSpent, &(id, network)));
        }
        Ok(InviteRevoked { schema: SchemaVersion, id, state: InviteState::Withdrawn })
    }

    async fn approve(&self, id: String, request: Approve) -> Result<Approved, ApiError> {
        if request.network.is_some() {
            return Err(seen(ErrorCode::NotFound, &(id, request)));
        }
        Ok(Approved { schema: SchemaVersion, id, node_id: request.node_id })
    }

    async fn revoke(&self, request: Revoke) -> Result<Revoked, ApiError> {
        let also = vec!["carol".into()];
        Ok(Revoked { schema: SchemaVersion, name: request.name, node_id: "bbbb".into(), also })
    }

    async fn block(&self, request: Block) -> Result<Blocked, ApiError> {
        Ok(Blocked { schema: SchemaVersion, name: request.name, node_id: "bbbb".into() })
    }

    async fn unblock(&self, name: String, network: InNetwork) -> Result<Unblocked, ApiError> {
        Ok(Unblocked { schema: SchemaVersion, name, node_id: network.network.unwrap_or_default() })
    }

    async fn blocks(&self, network: InNetwork) -> Result<Blocks, ApiError> {
        let network = network.network.unwrap_or("home".into());
        let blocks = vec![BlockEntry { network, name: None, node_id: "bbbb".into() }];
        Ok(Blocks { schema: SchemaVersion, blocks })
    }

    async fn certificate(&self, name: Option<String>, network: InNetwork) -> Result<CertificateChain, ApiError> {
        Ok(CertificateChain {
            schema: SchemaVersion,
            network: network.network.unwrap_or("home".into()),
            certificate: certificate(name.unwrap_or("alice".into())),
            chain: vec![certificate("root".into())],
        })
    }

    async fn dns_list(&self, network: InNetwork) -> Result<DnsList, ApiError> {
        let record = record(network.network, "wiki".into(), "A".into(), "10.0.0.1".into());
        Ok(DnsList { schema: SchemaVersion, records: vec![record] })
    }

    async fn dns_add(&self, r: DnsAdd) -> Result<DnsAdded, ApiError> {
        let record = record(r.network, r.label, r.record_type, r.value);
        Ok(DnsAdded { schema: SchemaVersion, record })
    }

    async fn dns_remove(&self, request: DnsRemove) -> Result<DnsRemoved, ApiError> {
        match request.value {
            Some(_) => Err(seen(ErrorCode::NotFound, &request)),
            None => Ok(DnsRemoved { schema: SchemaVersion, removed: 2 }),
        }
    }

    async fn dns_query(&self, query: DnsQuery) -> Result<DnsReply, ApiError> {
        let record_type = query.record_type.unwrap_or("AAAA".into());
        let answer = DnsAnswer {
            name: query.name.clone(),
            ttl: 60,
            record_type: record_type.clone(),
            value: "fd42:1337:beef::b".into(),
        };
        Ok(DnsReply {
            schema: SchemaVersion,
            name: query.name,
            record_type,
            rcode: "NOERROR".into(),
            answers: vec![answer],
        })
    }

    async fn ping(&self, request: Ping) -> Result<PingReply, ApiError> {
        Ok(PingReply {
            schema: SchemaVersion,
            name: request.target,
            address: "fd42:1337:beef::b".into(),
            rtt_ms: 0.4,
            path: path(),
        })
    }

    async fn switch(&self, request: Switch) -> Result<Switched, ApiError> {
        Ok(Switched { schema: SchemaVersion, on: request.on })
    }

    async fn names(&self, _network: InNetwork) -> Result<Names, ApiError> {
        Ok(Names { schema: SchemaVersion, names: Vec::new() })
    }

    async fn down(&self) -> Result<Down, ApiError> {
        Ok(Down { schema: SchemaVersion, stopping: true })
    }

    fn health(&self) -> Health {
        Health { schema: SchemaVersion, live: true, ready: false, reasons: vec!["no network".into()] }
    }

    async fn metrics(&self) -> Result<String, ApiError> {
        Ok("holloway_peers 1\n".into())
    }
}
