//! One TCP stream between two machines, checked byte for byte.

use std::hash::{DefaultHasher, Hasher};
use std::io::{self, Read, Write};
use std::net::{Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use socket2::SockRef;

use super::Machine;

/// Bytes per call.
const CHUNK: usize = 64 * 1024;

/// A stream that stands still for longer has been lost: Linux gives up after about as long (`tcp_retries2`), and where it
/// is lucky again before, it tries every two minutes at least (`TCP_RTO_MAX`).
const STALL: Duration = Duration::from_secs(900);

/// What most machines have. BBR, which some have instead, stops for a fifth of a second every ten seconds to measure the
/// round trip.
const CONGESTION: &[u8] = b"cubic";

/// What a transfer was.
#[derive(Debug)]
pub(crate) struct Transferred {
    pub(crate) bytes: u64,
    pub(crate) elapsed: Duration,
}

impl Transferred {
    pub(crate) fn megabit_per_second(&self) -> f64 {
        self.bytes as f64 * 8.0 / 1e6 / self.elapsed.as_secs_f64()
    }
}

/// Sends `bytes` from one machine to another's overlay address; `meanwhile` is called often, with how many have arrived.
/// Fails on a reset, on a stall, and when what arrives is not what was sent.
pub(crate) fn transfer(
    from: &Machine,
    to: &Machine,
    bytes: u64,
    mut meanwhile: impl FnMut(u64),
) -> io::Result<Transferred> {
    let address = to.address();
    let arrived = AtomicU64::new(0);
    let listener = to.host().in_namespace(|| TcpListener::bind(SocketAddr::from((address, 0)))).unwrap()?;
    let port = listener.local_addr()?.port();
    let start = Instant::now();
    thread::scope(|scope| {
        let receiver = scope.spawn(|| receive(&listener, &arrived));
        let sender = scope.spawn(|| from.host().in_namespace(|| send(address, port, bytes)).unwrap());
        while !(receiver.is_finished() || sender.is_finished()) {
            meanwhile(arrived.load(Ordering::Relaxed));
            thread::park_timeout(Duration::from_millis(20));
        }
        // A sender that could not connect leaves nobody to accept.
        let sent = sender.join().expect("the sender does not panic");
        if sent.is_err() {
            let _ = to.host().in_namespace(|| TcpStream::connect((address, port)));
        }
        let received = receiver.join().expect("the receiver does not panic");
        let (sent, (count, received)) = (sent?, received?);
        assert_eq!((count, received), (bytes, sent), "what arrived is not what was sent");
        Ok(Transferred { bytes, elapsed: start.elapsed() })
    })
}

fn send(address: Ipv6Addr, port: u16, bytes: u64) -> io::Result<u64> {
    let mut stream = TcpStream::connect((address, port))?;
    SockRef::from(&stream).set_tcp_congestion(CONGESTION)?;
    stream.set_write_timeout(Some(STALL))?;
    stream.set_read_timeout(Some(STALL))?;
    let mut source = Noise(0x9e37_79b9_7f4a_7c15);
    let mut hasher = DefaultHasher::new();
    let mut chunk = vec![0; CHUNK];
    let mut left = bytes;
    while left > 0 {
        let length = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
        source.fill(&mut chunk[..length]);
        hasher.write(&chunk[..length]);
        stream.write_all(&chunk[..length])?;
        left -= length as u64;
    }
    stream.shutdown(Shutdown::Write)?;
    // The other side closes when it has read all.
    stream.read_exact(&mut [0; 1])?;
    Ok(hasher.finish())
}

fn receive(listener: &TcpListener, arrived: &AtomicU64) -> io::Result<(u64, u64)> {
    let (mut stream, _) = listener.accept()?;
    stream.set_read_timeout(Some(STALL))?;
    let mut hasher = DefaultHasher::new();
    let mut chunk = vec![0; CHUNK];
    let mut block = Vec::with_capacity(2 * CHUNK);
    let mut count = 0;
    loop {
        let length = stream.read(&mut chunk)?;
        if length == 0 {
            hasher.write(&block);
            // One who went away has said so by a reset elsewhere.
            let _ = stream.write_all(&[1]);
            return Ok((count, hasher.finish()));
        }
        // Hashed in the sender's pieces: the hash depends on them.
        block.extend_from_slice(&chunk[..length]);
        while block.len() >= CHUNK {
            hasher.write(&block[..CHUNK]);
            block.drain(..CHUNK);
        }
        count += length as u64;
        arrived.store(count, Ordering::Relaxed);
    }
}

/// Bytes without a pattern that compression or repetition could hide in (xorshift64, Marsaglia 2003).
struct Noise(u64);

impl Noise {
    fn fill(&mut self, bytes: &mut [u8]) {
        for piece in bytes.chunks_mut(8) {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            piece.copy_from_slice(&self.0.to_le_bytes()[..piece.len()]);
        }
    }
}
