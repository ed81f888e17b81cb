//! How much a path carries: one TCP stream, as fast as it goes.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

/// Bytes per call: enough for full GSO packets, few enough to notice the end of the time.
const CHUNK_BYTES: usize = 256 * 1024;

/// A stream that stands still for longer is given up, at either end.
const STALL: Duration = Duration::from_secs(20);

/// What a measurement found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Throughput {
    /// Bytes that the other side confirmed.
    pub bytes: u64,
    /// From the first byte sent to the confirmation.
    pub elapsed: Duration,
}

impl Throughput {
    /// The rate in Gbit/s of payload.
    pub fn gbit_per_second(&self) -> f64 {
        self.bytes as f64 * 8.0 / 1e9 / self.elapsed.as_secs_f64()
    }
}

/// Serves measurements at `address` until the process ends: reads each stream to its end, then
/// answers with the count. One at a time: two would measure each other.
///
/// # Errors
///
/// When the address cannot be bound or listening fails.
pub fn serve_bulk(address: SocketAddr) -> Result<()> {
    let listener = TcpListener::bind(address).with_context(|| format!("binding {address}"))?;
    loop {
        let (stream, _) = listener.accept()?;
        // A broken stream is the other side's loss; it misses its answer.
        let _ = count(stream);
    }
}

/// Sends to the [`serve_bulk`] at `address` (a name is resolved by the system) for `duration`.
///
/// # Errors
///
/// When no address of it can be connected to, the stream breaks, or bytes went missing.
pub fn measure_bulk(address: impl ToSocketAddrs, duration: Duration) -> Result<Throughput> {
    let mut stream = TcpStream::connect(address).context("connecting")?;
    set_stall(&stream)?;
    let chunk = vec![0x5a; CHUNK_BYTES];
    let start = Instant::now();
    let mut sent = 0;
    while start.elapsed() < duration {
        stream.write_all(&chunk).context("sending")?;
        sent += chunk.len() as u64;
    }
    stream.shutdown(Shutdown::Write)?;
    let mut count = [0; 8];
    stream.read_exact(&mut count).context("waiting for the confirmation")?;
    let elapsed = start.elapsed();
    let bytes = u64::from_be_bytes(count);
    ensure!(bytes == sent, "sent {sent} bytes, {bytes} arrived");
    Ok(Throughput { bytes, elapsed })
}

fn count(mut stream: TcpStream) -> io::Result<()> {
    set_stall(&stream)?;
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut received: u64 = 0;
    loop {
        match stream.read(&mut chunk)? {
            0 => break,
            bytes => received += bytes as u64,
        }
    }
    stream.write_all(&received.to_be_bytes())
}

fn set_stall(stream: &TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(STALL))?;
    stream.set_write_timeout(Some(STALL))
}
