//! The swarm: its transports and its behaviours.

use std::time::Duration;

use libp2p::connection_limits::{self, ConnectionLimits};
use libp2p::identity::Keypair;
use libp2p::swarm::NetworkBehaviour;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::{Swarm, SwarmBuilder, identify, mdns, noise, ping, quic, tcp, yamux};

use crate::channel::{Channel, Exchange};
use crate::error::Error;
use crate::gate::{Gate, Incarnation};
use crate::gossip::{self, Gossip};
use crate::limits::{
    CONNECTIONS_IN_MAX, CONNECTIONS_MAX, CONNECTIONS_PER_PEER_MAX, IDLE_TIMEOUT, PENDING_MAX, PING_INTERVAL,
    PING_TIMEOUT, STREAMS_PER_MEMBER_MAX,
};
use crate::records::{self, Records};
use crate::settings::Settings;

/// What only members may speak.
#[derive(NetworkBehaviour)]
pub(crate) struct Members {
    pub(crate) ping: ping::Behaviour,
    pub(crate) identify: identify::Behaviour,
    pub(crate) gossip: Gossip,
    pub(crate) records: Records,
    pub(crate) sync: Exchange,
    pub(crate) member: Exchange,
}

/// Everything. The limits come first, so that a connection over them is nobody else's business.
#[derive(NetworkBehaviour)]
pub(crate) struct Shell {
    limits: connection_limits::Behaviour,
    pub(crate) gate: Gate<Members>,
    pub(crate) hello: Exchange,
    pub(crate) redeem: Exchange,
    mdns: Toggle<mdns::tokio::Behaviour>,
}

impl Shell {
    pub(crate) fn exchange(&mut self, channel: Channel) -> &mut Exchange {
        match channel {
            Channel::Hello => &mut self.hello,
            Channel::Redeem => &mut self.redeem,
            Channel::Sync => &mut self.gate.inner_mut().sync,
            Channel::Member => &mut self.gate.inner_mut().member,
        }
    }
}

/// A QUIC connection that is silent this long is dead; with keep-alives it takes a dead peer or path.
const QUIC_IDLE: Duration = Duration::from_secs(9);

/// Three keep-alives fit into [`QUIC_IDLE`].
const QUIC_KEEP_ALIVE: Duration = Duration::from_secs(3);

/// Streams one peer may have open on a connection: those of all channels, and Kademlia's 32. On TCP each may hold
/// 256 KiB that nobody has read.
const STREAMS_MAX: u16 = 128;

/// Receive window of one QUIC stream, and of a connection. Messages are 64 KiB; the library's 10 and 15 MB are
/// meant for files, and for every connection they are memory a peer can make us use.
const QUIC_STREAM_WINDOW_BYTES: u32 = 256 * 1024;
const QUIC_CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;

/// Builds the swarm.
pub(crate) fn swarm(settings: &Settings, incarnation: Incarnation) -> Result<Swarm<Shell>, Error> {
    let shell = shell(settings, incarnation)?;
    let transport = |error: String| Error::Transport(error);
    let swarm = SwarmBuilder::with_existing_identity(settings.keypair.clone())
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux)
        .map_err(|error| transport(error.to_string()))?
        .with_quic_config(quic)
        .with_behaviour(|_| shell)
        .map_err(|error| transport(error.to_string()))?
        .with_swarm_config(|config| {
            config
                .with_smart_dial()
                .with_idle_connection_timeout(IDLE_TIMEOUT)
                .with_max_negotiating_inbound_streams(STREAMS_PER_MEMBER_MAX)
        })
        .build();
    Ok(swarm)
}

fn yamux() -> yamux::Config {
    let mut config = yamux::Config::default();
    config.set_max_num_streams(STREAMS_MAX.into());
    config
}

fn quic(mut config: quic::Config) -> quic::Config {
    config.max_idle_timeout = QUIC_IDLE.as_millis() as u32;
    config.keep_alive_interval = QUIC_KEEP_ALIVE;
    config.max_concurrent_stream_limit = STREAMS_MAX.into();
    config.max_stream_data = QUIC_STREAM_WINDOW_BYTES;
    config.max_connection_data = QUIC_CONNECTION_WINDOW_BYTES;
    config
}

fn shell(settings: &Settings, incarnation: Incarnation) -> Result<Shell, Error> {
    Ok(Shell {
        limits: connection_limits::Behaviour::new(limits()),
        gate: Gate::new(members(settings)?, incarnation),
        hello: Channel::Hello.behaviour(),
        redeem: Channel::Redeem.behaviour(),
        mdns: Toggle::from(if settings.mdns { look_around(&settings.keypair) } else { None }),
    })
}

fn limits() -> ConnectionLimits {
    ConnectionLimits::default()
        .with_max_pending_incoming(Some(PENDING_MAX))
        .with_max_pending_outgoing(Some(PENDING_MAX))
        .with_max_established_incoming(Some(CONNECTIONS_IN_MAX))
        .with_max_established(Some(CONNECTIONS_MAX))
        .with_max_established_per_peer(Some(CONNECTIONS_PER_PEER_MAX))
}

fn members(settings: &Settings) -> Result<Members, Error> {
    let public = settings.keypair.public();
    let identify = identify::Config::new(format!("holloway/{}", env!("CARGO_PKG_VERSION")), public.clone())
        .with_agent_version("holloway".to_owned())
        .with_push_listen_addr_updates(true)
        .with_cache_size(0);
    Ok(Members {
        ping: ping::Behaviour::new(ping::Config::new().with_interval(PING_INTERVAL).with_timeout(PING_TIMEOUT)),
        identify: identify::Behaviour::new(identify),
        gossip: gossip::behaviour(&settings.keypair, &settings.network)?,
        records: records::behaviour(public.to_peer_id(), &settings.network)?,
        sync: Channel::Sync.behaviour(),
        member: Channel::Member.behaviour(),
    })
}

/// Where mDNS cannot run, as in a namespace without a multicast route, the network works without it.
fn look_around(keypair: &Keypair) -> Option<mdns::tokio::Behaviour> {
    let made = mdns::tokio::Behaviour::new(mdns::Config::default(), keypair.public().to_peer_id());
    made.inspect_err(|error| tracing::warn!(%error, "nodes on the local network are not looked for")).ok()
}
