use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context;
use futures::future::select_ok;
use holloway_wire::NodeId;
use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, UdpSocket};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::carry::{End, carry};
use super::tls::client_config;

/// Longest time that opening a stream takes.
const OPEN_MAX: Duration = Duration::from_secs(10);

/// The streams to relays that this machine has opened.
#[derive(Default)]
pub(crate) struct Streams {
    open: BTreeMap<NodeId, Stream>,
    next: u64,
}

struct Stream {
    number: u64,
    task: JoinHandle<()>,
}

/// What became of a stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StreamNews {
    /// The relay.
    pub(crate) relay: NodeId,
    /// Tells the stream from those to the same relay before it.
    number: u64,
    /// Where its gateway is, while it is open.
    pub(crate) at: Option<SocketAddr>,
}

impl Streams {
    /// Opens a stream to a relay at the first of its addresses that answers. `tell` hears when it is open, and when it is
    /// not any more.
    pub(crate) fn open<F>(
        &mut self,
        relay: NodeId,
        addresses: Vec<SocketAddr>,
        data_path: SocketAddr,
        tell: impl Fn(StreamNews) -> F + Send + Sync + 'static,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        self.next += 1;
        let number = self.next;
        let task = tokio::spawn(async move {
            let news = |at| StreamNews { relay, number, at };
            let ended = match open(relay, &addresses, data_path).await {
                Ok((stream, gateway, at)) => {
                    tell(news(Some(at))).await;
                    carry(stream, &gateway, End::Member).await.map_err(Into::into)
                }
                Err(error) => Err(error),
            };
            if let Err(error) = ended {
                tracing::debug!(relay = %relay.short(), error = format!("{error:#}"), "the stream has ended");
            }
            tell(news(None)).await;
        });
        if let Some(before) = self.open.insert(relay, Stream { number, task }) {
            before.task.abort();
        }
    }

    /// Closes the stream to a relay.
    pub(crate) fn close(&mut self, relay: &NodeId) {
        if let Some(stream) = self.open.remove(relay) {
            stream.task.abort();
        }
    }

    /// Whether news is of a stream that was not closed meanwhile.
    pub(crate) fn is_current(&self, news: &StreamNews) -> bool {
        self.open.get(&news.relay).is_some_and(|stream| stream.number == news.number)
    }
}

impl Drop for Streams {
    fn drop(&mut self) {
        self.open.values().for_each(|stream| stream.task.abort());
    }
}

/// Opens a stream, and a gateway for it.
async fn open(
    relay: NodeId,
    addresses: &[SocketAddr],
    data_path: SocketAddr,
) -> anyhow::Result<(TlsStream<TcpStream>, UdpSocket, SocketAddr)> {
    let stream = timeout(OPEN_MAX, connect(relay, addresses)).await.context("it takes too long")??;
    let any = if data_path.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
    let gateway = UdpSocket::bind(SocketAddr::new(any, 0)).await?;
    gateway.connect(data_path).await?;
    let at = gateway.local_addr()?;
    Ok((stream, gateway, at))
}

/// Connects to whichever address is there first.
async fn connect(relay: NodeId, addresses: &[SocketAddr]) -> anyhow::Result<TlsStream<TcpStream>> {
    let connector = TlsConnector::from(client_config(relay)?);
    let attempts = addresses.iter().map(|address| Box::pin(handshake(connector.clone(), *address)));
    let (stream, _) = select_ok(attempts).await.context("no address answers")?;
    Ok(stream)
}

async fn handshake(connector: TlsConnector, address: SocketAddr) -> io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    connector.connect(ServerName::IpAddress(address.ip().into()), stream).await
}
