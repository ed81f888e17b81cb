//! A port of ours that the router forwards: asked for, renewed and given back.
//!
//! Behind a router of IPv4 a machine is reached only where its own packets have gone before. Most routers in homes can
//! be asked for more: to pass on whatever comes to one of their ports, by PCP (RFC 6887), NAT-PMP (RFC 6886) or UPnP
//! IGD. For each network a task asks for the port of the data path, one protocol after the other, and tells what came
//! of it: an address on the router that leads here, or why there is none.
//!
//! It asks when the network starts to run, when half of what was granted has passed, and when the way to the router
//! changes; after a refusal it waits a minute, then twice as long each time, up to an hour. At the end it takes the
//! mapping back. It speaks with the default router and with nobody else, but for UPnP's search, which goes to all on
//! the LAN and believes the router alone. What a router says is judged before it counts: an address that is not one of
//! the internet is of no use to others, and a lifetime is taken for no longer than was asked.
//!
//! Does not know what the address is good for, nor who is told of it.

mod asking;
mod judging;
mod keeper;
mod upnp;
mod way;

use std::fmt;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

pub(crate) use judging::is_internet;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// How long the end waits for the router. Systemd gives the whole daemon 15 s.
const STOP_MAX: Duration = Duration::from_secs(2);

/// What a router can be asked by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// RFC 6887.
    Pcp,
    /// RFC 6886.
    NatPmp,
    /// UPnP Internet Gateway Device.
    Upnp,
}

impl Protocol {
    /// The order in which they are tried: the newest first.
    const ALL: [Self; 3] = [Self::Pcp, Self::NatPmp, Self::Upnp];
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pcp => "PCP",
            Self::NatPmp => "NAT-PMP",
            Self::Upnp => "UPnP",
        })
    }
}

/// An address on the router that leads here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mapping {
    /// How it was asked for.
    pub(crate) protocol: Protocol,
    /// The address on the router's outside.
    pub(crate) external: SocketAddr,
    /// When it ends if it is not renewed.
    pub(crate) until: Instant,
}

/// Why a router forwards nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It does not answer.
    Silent,
    /// It says no, or what cannot be understood.
    Refused(String),
    /// It would forward an address that is not one of the internet.
    Unusable(Ipv4Addr),
}

/// What came of asking.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nobody is asked: it is switched off, or the data path does not listen where a router could lead to.
    #[default]
    Off,
    /// There is no router of IPv4.
    NoRouter,
    /// This machine's own address is one of the internet.
    Public,
    /// The router is being asked.
    Asking,
    /// The router forwards a port.
    Held(Mapping),
    /// The router does not, by any protocol.
    Refused(Vec<(Protocol, Refusal)>),
}

impl Standing {
    /// The address that leads here.
    pub(crate) fn external(&self) -> Option<SocketAddr> {
        match self {
            Self::Held(mapping) => Some(mapping.external),
            Self::Off | Self::NoRouter | Self::Public | Self::Asking | Self::Refused(_) => None,
        }
    }
}

/// The task that keeps one port mapped.
pub(crate) struct PortMapper {
    /// One that waits stands for any number of changes; without its sender the task ends.
    changes: mpsc::Sender<()>,
    task: JoinHandle<()>,
}

impl PortMapper {
    /// Begins to ask for the port of the data path, which listens at these addresses; `tell` is told what came of it.
    pub(crate) fn start<F, T>(listening: Vec<SocketAddr>, tell: F) -> Self
    where
        F: Fn(Standing) -> T + Send + Sync + 'static,
        T: Future<Output = ()> + Send + 'static,
    {
        let (changes, changed) = mpsc::channel(1);
        Self { changes, task: tokio::spawn(keeper::keep(listening, changed, tell)) }
    }

    /// Something about this machine's addresses has changed: the router may be another.
    pub(crate) fn network_changed(&self) {
        // A full channel says the same.
        let _ = self.changes.try_send(());
    }

    /// Takes the mapping back and ends.
    pub(crate) async fn stop(self) {
        let Self { changes, mut task } = self;
        drop(changes);
        if tokio::time::timeout(STOP_MAX, &mut task).await.is_err() {
            tracing::debug!("the router did not take the port mapping back in time; it ends by itself");
            task.abort();
        }
    }
}
