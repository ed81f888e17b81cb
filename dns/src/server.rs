//! The server: sockets that come and go, one responder behind them.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::answer::Answer;
use crate::error::{DnsError, QueryError};
use crate::metrics::{Counters, Snapshot};
use crate::question::Question;
use crate::responder::{Audience, Failure, Responder};
use crate::upstream::{Dnssec, Upstream};
use crate::zones::{View, Zones};
use crate::{tcp, udp};

/// Attempts to find a port that is free for UDP and TCP alike when the system may choose it.
const PORT_ATTEMPTS: usize = 16;

/// Answers DNS on any number of addresses, each over UDP and TCP.
///
/// Zones and upstream are swapped while it runs; a request sees either the old or the new ones.
pub struct Server {
    responder: Arc<Responder>,
    // A lock and not a message: binding is rare, and the caller wants its result at once.
    listeners: Mutex<BTreeMap<SocketAddr, Listener>>,
}

struct Listener {
    stops: [oneshot::Sender<()>; 2],
    tasks: [JoinHandle<()>; 2],
}

impl Server {
    /// Makes a server that listens nowhere yet; [`Server::query`] works already.
    pub fn new(zones: Zones, upstream: Upstream, audience: Audience) -> Self {
        let responder = Responder {
            zones: ArcSwap::from_pointee(zones),
            upstream: ArcSwap::from_pointee(upstream),
            audience,
            counters: Counters::default(),
        };
        Self { responder: Arc::new(responder), listeners: Mutex::default() }
    }

    /// Answers on `address` too, over UDP and TCP, and returns it with its true port: port 0 lets
    /// the system choose one that is the same for both. Must be called inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`DnsError::Bind`] if either socket cannot be had; then neither is kept.
    pub async fn bind(&self, address: SocketAddr) -> Result<SocketAddr, DnsError> {
        let bind_error = |source| DnsError::Bind { address, source };
        let (socket, listener) = both_sockets(address).await.map_err(bind_error)?;
        let bound = socket.local_addr().map_err(bind_error)?;
        let (stop_udp, udp_stopped) = oneshot::channel();
        let (stop_tcp, tcp_stopped) = oneshot::channel();
        let udp = udp::serve(Arc::new(socket), self.responder.clone(), udp_stopped);
        let tcp = tcp::serve(listener, self.responder.clone(), tcp_stopped);
        let listener = Listener { stops: [stop_udp, stop_tcp], tasks: [tokio::spawn(udp), tokio::spawn(tcp)] };
        self.listeners().insert(bound, listener);
        Ok(bound)
    }

    /// Stops answering on an address that [`Server::bind`] returned; its sockets are closed when
    /// this returns.
    pub async fn unbind(&self, bound: SocketAddr) {
        let listener = self.listeners().remove(&bound);
        if let Some(listener) = listener {
            listener.close().await;
        }
    }

    /// Returns the addresses that are listened on.
    pub fn bound_addresses(&self) -> Vec<SocketAddr> {
        self.listeners().keys().copied().collect()
    }

    /// Answers from other zones from now on.
    pub fn swap(&self, zones: Zones) {
        self.responder.zones.store(Arc::new(zones));
    }

    /// Asks another upstream from now on; questions that are open end with the old one.
    pub fn swap_upstream(&self, upstream: Upstream) {
        self.responder.upstream.store(Arc::new(upstream));
    }

    /// Asks in process, as this machine, the way a request would go.
    ///
    /// # Errors
    ///
    /// Says whether the question, its type or the upstream is the reason.
    pub async fn query(&self, name: &str, rtype: &str) -> Result<Answer, QueryError> {
        let question = Question::parse(name, rtype)?;
        self.responder.counters.queries.add_one();
        let resolved = self.responder.resolve(&question, View::ThisMachine, true, Dnssec::default()).await;
        match resolved {
            Ok(resolution) => Ok(resolution.answer),
            Err(Failure::Upstream(error)) => Err(QueryError::Upstream(error)),
            Err(Failure::Refused | Failure::Malformed | Failure::Version) => Err(QueryError::Refused(question.rtype())),
        }
    }

    /// Returns the counters.
    pub fn snapshot(&self) -> Snapshot {
        self.responder.counters.snapshot()
    }

    /// Stops answering everywhere.
    pub async fn shutdown(&self) {
        let listeners = std::mem::take(&mut *self.listeners());
        for listener in listeners.into_values() {
            listener.close().await;
        }
    }

    fn listeners(&self) -> MutexGuard<'_, BTreeMap<SocketAddr, Listener>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener {
    async fn close(self) {
        drop(self.stops);
        for task in self.tasks {
            // A task that panicked has closed its socket as well.
            let _ = task.await;
        }
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("bound", &self.bound_addresses()).finish_non_exhaustive()
    }
}

async fn both_sockets(address: SocketAddr) -> io::Result<(UdpSocket, TcpListener)> {
    let mut attempts = if address.port() == 0 { PORT_ATTEMPTS } else { 1 };
    loop {
        attempts -= 1;
        let socket = UdpSocket::bind(address).await?;
        match TcpListener::bind(socket.local_addr()?).await {
            Ok(listener) => return Ok((socket, listener)),
            Err(error) if attempts == 0 || error.kind() != io::ErrorKind::AddrInUse => {
                return Err(error);
            }
            Err(_) => {}
        }
    }
}
