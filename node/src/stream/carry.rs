use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use holloway_wire::FromRelay;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, split};
use tokio::net::UdpSocket;
use tokio::time::{sleep, timeout};

/// Longest datagram.
const DATAGRAM_BYTES_MAX: usize = 65_535;

/// Datagrams are put together up to here before they are written.
const BATCH_BYTES: usize = 64 * 1024;

/// Members ping their relay every 20 s: a stream in which nothing comes for three times as long has no one at its end.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// Whoever has not been registered by then is not served any longer.
const REGISTERED_WITHIN: Duration = Duration::from_secs(15);

/// Which end of a stream this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The member that has opened it.
    Member,
    /// The relay.
    Relay,
}

/// Carries datagrams between a stream and a gateway's socket until either ends.
pub(super) async fn carry<S: AsyncRead + AsyncWrite>(stream: S, gateway: &UdpSocket, end: End) -> io::Result<()> {
    let (reader, writer) = split(stream);
    let is_registered = AtomicBool::new(end == End::Member);
    tokio::select! {
        result = inwards(reader, gateway) => result,
        result = outwards(writer, gateway, &is_registered) => result,
        error = unless_registered(&is_registered) => Err(error),
    }
}

/// Ends a stranger's stream.
async fn unless_registered(is_registered: &AtomicBool) -> io::Error {
    sleep(REGISTERED_WITHIN).await;
    if is_registered.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
    io::Error::new(io::ErrorKind::TimedOut, "nobody has registered")
}

async fn inwards(reader: impl AsyncRead, gateway: &UdpSocket) -> io::Result<()> {
    let mut reader = std::pin::pin!(BufReader::with_capacity(BATCH_BYTES, reader));
    let mut datagram = vec![0; DATAGRAM_BYTES_MAX];
    loop {
        let length = timeout(IDLE_MAX, reader.read_u16()).await??;
        let datagram = &mut datagram[..usize::from(length)];
        timeout(IDLE_MAX, reader.read_exact(datagram)).await??;
        // The data path may be about to start anew; it is UDP's right to lose.
        let _ = gateway.send(datagram).await;
    }
}

async fn outwards(writer: impl AsyncWrite, gateway: &UdpSocket, is_registered: &AtomicBool) -> io::Result<()> {
    let mut writer = std::pin::pin!(writer);
    let mut datagram = vec![0; DATAGRAM_BYTES_MAX];
    let mut batch = Vec::with_capacity(BATCH_BYTES + DATAGRAM_BYTES_MAX);
    loop {
        // What is heard of a socket that was closed meanwhile is an error too, and no end.
        let Ok(length) = gateway.recv(&mut datagram).await else { continue };
        put(&mut batch, &datagram[..length], is_registered);
        while batch.len() < BATCH_BYTES
            && let Ok(length) = gateway.try_recv(&mut datagram)
        {
            put(&mut batch, &datagram[..length], is_registered);
        }
        writer.write_all(&batch).await?;
        writer.flush().await?;
        batch.clear();
    }
}

fn put(batch: &mut Vec<u8>, datagram: &[u8], is_registered: &AtomicBool) {
    if !is_registered.load(Ordering::Relaxed) && matches!(FromRelay::decode(datagram), Ok(FromRelay::Registered { .. }))
    {
        is_registered.store(true, Ordering::Relaxed);
    }
    let length = u16::try_from(datagram.len()).expect("no datagram is longer");
    batch.extend_from_slice(&length.to_be_bytes());
    batch.extend_from_slice(datagram);
}
