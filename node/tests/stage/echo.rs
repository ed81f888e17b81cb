//! Datagrams that one machine sends to another and gets back, many a second.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::Machine;

/// How often a datagram is sent.
const EVERY: Duration = Duration::from_millis(10);

/// A pair of machines that is silent for so long in the end has lost each other.
const SILENCE_MAX: Duration = Duration::from_secs(1);

/// Sends datagrams from one machine to another, which sends them back, while something happens; gives the longest time in
/// which none came back. Fails when none comes back any more in the end.
pub(crate) fn longest_gap(from: &Machine, to: &Machine, happens: impl FnOnce()) -> Duration {
    let echo = to.host().in_namespace(|| UdpSocket::bind(SocketAddr::from((to.address(), 0)))).unwrap().unwrap();
    let target = echo.local_addr().unwrap();
    let socket = from.host().in_namespace(|| UdpSocket::bind(SocketAddr::from((from.address(), 0)))).unwrap().unwrap();
    for end in [&echo, &socket] {
        end.set_read_timeout(Some(EVERY)).unwrap();
    }
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| answer(&echo, &is_over));
        let watcher = scope.spawn(|| watch(&socket, target, &is_over));
        happens();
        is_over.store(true, Ordering::Relaxed);
        let (longest, silent_for) = watcher.join().unwrap();
        assert!(silent_for < SILENCE_MAX, "nothing comes back any more, for {silent_for:?}");
        longest
    })
}

fn answer(echo: &UdpSocket, is_over: &AtomicBool) {
    let mut buffer = [0; 64];
    while !is_over.load(Ordering::Relaxed) {
        if let Ok((length, source)) = echo.recv_from(&mut buffer) {
            let _ = echo.send_to(&buffer[..length], source);
        }
    }
}

/// The longest time in which nothing came back, and for how long nothing has in the end.
fn watch(socket: &UdpSocket, target: SocketAddr, is_over: &AtomicBool) -> (Duration, Duration) {
    let mut buffer = [0; 64];
    let (mut last, mut longest, mut next) = (Instant::now(), Duration::ZERO, Instant::now());
    while !is_over.load(Ordering::Relaxed) {
        if next <= Instant::now() {
            next = Instant::now() + EVERY;
            let _ = socket.send_to(b"are you there", target);
        }
        if socket.recv(&mut buffer).is_ok() {
            longest = longest.max(last.elapsed());
            last = Instant::now();
        }
    }
    (longest, last.elapsed())
}
