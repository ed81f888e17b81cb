use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use holloway_wire::{IdentityKey, SourcePrefix};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::carry::{End, carry};
use super::tls::server_config;

/// Streams served at once, and those of one source prefix.
const STREAMS_MAX: usize = 4096;
const STREAMS_OF_PREFIX_MAX: usize = 64;

/// Longest time that a TLS handshake takes.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// Takes streams from members that UDP does not get through from.
pub(crate) struct StreamServer {
    tasks: Vec<JoinHandle<()>>,
}

/// How many streams each source prefix has.
type Counts = Arc<Mutex<BTreeMap<SourcePrefix, usize>>>;

impl StreamServer {
    /// Listens on a TCP port of every address, and hands what comes to the data path.
    ///
    /// # Errors
    /// When nobody can be listened to there: the port is another program's, or needs a right that this one has not.
    pub(crate) fn start(port: u16, key: &IdentityKey, data_path: SocketAddr) -> anyhow::Result<Self> {
        let acceptor = TlsAcceptor::from(server_config(key)?);
        let mut tasks = Vec::new();
        let any: [IpAddr; 2] = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
        for ip in any {
            match listen(SocketAddr::new(ip, port)) {
                Ok(listener) => tasks.push(tokio::spawn(accept(listener, acceptor.clone(), data_path))),
                // A machine without IPv6 listens on IPv4 alone.
                Err(_) if ip.is_ipv6() && !tasks.is_empty() => {}
                Err(error) => return Err(error).with_context(|| format!("cannot listen on TCP port {port}")),
            }
        }
        Ok(Self { tasks })
    }
}

impl Drop for StreamServer {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Streams that have just ended do not hold the port.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(128)?;
    TcpListener::from_std(socket.into())
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, data_path: SocketAddr) {
    let counts = Counts::default();
    let mut streams = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, from)) => {
                    let prefix = SourcePrefix::of(from.ip());
                    if streams.len() < STREAMS_MAX && enter(&counts, prefix) {
                        let (acceptor, counts) = (acceptor.clone(), counts.clone());
                        streams.spawn(async move {
                            if let Err(error) = serve(stream, prefix, acceptor, data_path).await {
                                tracing::debug!(%from, %error, "a stream has ended");
                            }
                            leave(&counts, prefix);
                        });
                    }
                }
                // Out of descriptors, say: whoever asks again may be served.
                Err(error) => {
                    tracing::debug!(%error, "a stream was not taken");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            Some(_) = streams.join_next() => {}
        }
    }
}

async fn serve(
    stream: TcpStream,
    prefix: SourcePrefix,
    acceptor: TlsAcceptor,
    data_path: SocketAddr,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let stream = timeout(HANDSHAKE_MAX, acceptor.accept(stream)).await??;
    let gateway = UdpSocket::bind(SocketAddr::new(stand_in(prefix, data_path), 0)).await?;
    gateway.connect(data_path).await?;
    carry(stream, &gateway, End::Relay).await
}

/// The loopback address that stands for a source prefix, so that the relay's limits for each hold for streams as well.
fn stand_in(prefix: SourcePrefix, data_path: SocketAddr) -> IpAddr {
    if data_path.is_ipv6() {
        return Ipv6Addr::LOCALHOST.into();
    }
    let mut hasher = DefaultHasher::new();
    prefix.hash(&mut hasher);
    let [a, b, ..] = hasher.finish().to_le_bytes();
    // 127.64.0.0/10: clear of what programs use, name servers say.
    Ipv4Addr::new(127, 64 + a % 64, b, 1).into()
}

fn enter(counts: &Counts, prefix: SourcePrefix) -> bool {
    let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
    let count = counts.entry(prefix).or_default();
    let may = *count < STREAMS_OF_PREFIX_MAX;
    *count += usize::from(may);
    may
}

fn leave(counts: &Counts, prefix: SourcePrefix) {
    let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(count) = counts.get_mut(&prefix) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&prefix);
        }
    }
}
