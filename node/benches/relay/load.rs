//! One flow of datagrams: a sender that goes as fast as they arrive, and a receiver that counts.
//!
//! A sender that goes faster fills the kernel's queues, which drop what is too much: that costs it nothing, and leaves
//! the forwarder waiting for what is not dropped. So it has a window, as TCP has.

use std::io::{ErrorKind, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use nix::sys::socket::{setsockopt, sockopt};
use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::setpriority_process;
use rustix::thread::gettid;

use crate::process;

/// How the sender gives its datagrams to the kernel.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offer {
    /// One by one.
    Singly,
    /// In trains as long as the kernel takes, as the lanes of a member do.
    Trains,
    /// In trains that the sender's interface cuts: as one by one, and faster.
    Cut,
}

/// The longest train that every kernel takes: datagrams, and bytes over IPv4.
const TRAIN_DATAGRAMS_MAX: usize = 64;
const TRAIN_BYTES_MAX: usize = 65_507;

/// What is under way at most: fewer than any forwarder's socket holds, and more than it takes at once.
const WINDOW_TRAINS: usize = 6;
const WINDOW_CUT: usize = 3;
const WINDOW_SINGLES: usize = 256;

/// What is under way and has not arrived by then is lost.
const LOST_AFTER: Duration = Duration::from_millis(20);

/// The receiver's, before the sender with which it may share a processor: what has arrived is counted at once.
const NICENESS: i32 = -15;

/// The receiver is not what loses datagrams.
const RECEIVE_BYTES: usize = 16 << 20;

/// Until buffers are full and everything has its place.
const WARM_UP: Duration = Duration::from_millis(500);

/// What came of it.
#[derive(Clone, Copy)]
pub(crate) struct Outcome {
    pub(crate) offered: f64,
    /// Datagrams in a second.
    pub(crate) delivered: f64,
    pub(crate) cpu_seconds: f64,
    pub(crate) seconds: f64,
}

impl Outcome {
    /// Datagrams for each second of one processor.
    pub(crate) fn per_core(&self) -> f64 {
        self.delivered * self.seconds / self.cpu_seconds
    }
}

/// A flow from one end to another through a process that forwards.
pub(crate) struct Flow<'a> {
    pub(crate) sender: &'a UdpSocket,
    pub(crate) receiver: &'a UdpSocket,
    pub(crate) to: SocketAddr,
    pub(crate) datagram: Vec<u8>,
    /// How long it is when it arrives.
    pub(crate) arrives_with: usize,
    pub(crate) forwarder: u32,
}

impl Flow<'_> {
    /// Sends for some time, and says what arrived and what the forwarder took for it.
    pub(crate) fn measure(&self, offer: Offer, time: Duration) -> Result<Outcome> {
        process::set_apart(self.forwarder)?;
        self.sender.set_nonblocking(true)?;
        self.receiver.set_nonblocking(true)?;
        setsockopt(self.receiver, sockopt::RcvBufForce, &RECEIVE_BYTES)?;
        let (sent, arrived, is_over) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
        let (stops, stopped) = mpsc::channel();
        let (stop_of_sender, stop_of_receiver) = (Stop(stops.clone()), Stop(stops));
        let outcome = thread::scope(|scope| {
            let receiving = scope.spawn(|| {
                let _stop = stop_of_receiver;
                self.receive(&arrived, &is_over)
            });
            let sending = scope.spawn(|| {
                let _stop = stop_of_sender;
                self.send(offer, &sent, &arrived, &is_over)
            });
            let outcome = self.watch(time, &stopped, &sent, &arrived);
            is_over.store(true, Ordering::Relaxed);
            // Whoever stopped by itself says why.
            for end in [sending.join(), receiving.join()] {
                end.map_err(|_| anyhow::anyhow!("one end has panicked"))??;
            }
            outcome
        })?;
        ensure!(outcome.delivered > 0.0, "nothing arrives");
        Ok(outcome)
    }

    /// Looks twice, with `time` in between; ends at once when one end does.
    fn watch(
        &self,
        time: Duration,
        stopped: &mpsc::Receiver<()>,
        sent: &AtomicU64,
        arrived: &AtomicU64,
    ) -> Result<Outcome> {
        let look = || Ok::<_, anyhow::Error>((count(sent), count(arrived), process::cpu_seconds(self.forwarder)?));
        let go_on_for = |span| match stopped.recv_timeout(span) {
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Ok(()) | Err(RecvTimeoutError::Disconnected) => bail!("one end has stopped"),
        };
        go_on_for(WARM_UP)?;
        let (start, (sent_before, arrived_before, cpu_before)) = (Instant::now(), look()?);
        go_on_for(time)?;
        let (seconds, (sent, arrived, cpu)) = (start.elapsed().as_secs_f64(), look()?);
        Ok(Outcome {
            offered: (sent - sent_before) as f64 / seconds,
            delivered: (arrived - arrived_before) as f64 / seconds,
            cpu_seconds: cpu - cpu_before,
            seconds,
        })
    }

    fn send(&self, offer: Offer, sent: &AtomicU64, arrived: &AtomicU64, is_over: &AtomicBool) -> Result<()> {
        let length = self.datagram.len();
        let count = match offer {
            Offer::Singly => 1,
            Offer::Trains | Offer::Cut => TRAIN_DATAGRAMS_MAX.min(TRAIN_BYTES_MAX / length),
        };
        let contents = self.datagram.repeat(count);
        let state = UdpSocketState::new(UdpSockRef::from(self.sender))?;
        let segment_size = (count > 1).then_some(length);
        let transmit = Transmit { destination: self.to, ecn: None, contents: &contents, segment_size, src_ip: None };
        let mut window = Window::new(match offer {
            Offer::Singly => WINDOW_SINGLES,
            Offer::Trains => WINDOW_TRAINS * count,
            Offer::Cut => WINDOW_CUT * count,
        });
        while !is_over.load(Ordering::Relaxed) {
            if !window.has_room(count, sent, arrived) {
                thread::yield_now();
                continue;
            }
            match state.try_send(UdpSockRef::from(self.sender), &transmit) {
                Ok(()) => _ = sent.fetch_add(count as u64, Ordering::Relaxed),
                Err(error) if error.kind() == ErrorKind::WouldBlock => wait(self.sender, PollFlags::OUT)?,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn receive(&self, arrived: &AtomicU64, is_over: &AtomicBool) -> Result<()> {
        const TRAIN_BYTES: usize = 65_536;
        let state = UdpSocketState::new(UdpSockRef::from(self.receiver))?;
        let mut buffers = vec![0; TRAIN_BYTES * BATCH_SIZE];
        setpriority_process(Some(gettid()), NICENESS)?;
        while !is_over.load(Ordering::Relaxed) {
            let mut meta = [RecvMeta::default(); BATCH_SIZE];
            let mut slices: Vec<IoSliceMut<'_>> = buffers.chunks_mut(TRAIN_BYTES).map(IoSliceMut::new).collect();
            match state.recv(UdpSockRef::from(self.receiver), &mut slices, &mut meta) {
                Ok(received) => {
                    let trains = meta[..received].iter().filter(|meta| meta.stride == self.arrives_with);
                    let datagrams: usize = trains.map(|meta| meta.len / meta.stride).sum();
                    arrived.fetch_add(datagrams as u64, Ordering::Relaxed);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => wait(self.receiver, PollFlags::IN)?,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// Tells that an end has stopped, also when it has panicked.
struct Stop(mpsc::Sender<()>);

impl Drop for Stop {
    fn drop(&mut self) {
        // Nobody may be watching any more.
        let _ = self.0.send(());
    }
}

/// How much may be under way.
struct Window {
    size: u64,
    lost: u64,
    /// What had arrived when last something did, and when that was.
    last: (u64, Instant),
}

impl Window {
    fn new(size: usize) -> Self {
        Self { size: size as u64, lost: 0, last: (0, Instant::now()) }
    }

    fn has_room(&mut self, more: usize, sent: &AtomicU64, arrived: &AtomicU64) -> bool {
        let (sent, arrived) = (count(sent), count(arrived));
        if arrived + self.lost > sent {
            // What was given up has come after all.
            self.lost = sent.saturating_sub(arrived);
        }
        if sent + more as u64 <= arrived + self.lost + self.size {
            return true;
        }
        if arrived != self.last.0 {
            self.last = (arrived, Instant::now());
        } else if self.last.1.elapsed() >= LOST_AFTER {
            self.lost = sent - arrived;
        }
        false
    }
}

fn count(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

/// Waits until a socket can go on, or a little while.
fn wait(socket: &UdpSocket, flags: PollFlags) -> Result<()> {
    const LOOK_EVERY: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
    match poll(&mut [PollFd::new(socket, flags)], Some(&LOOK_EVERY)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
