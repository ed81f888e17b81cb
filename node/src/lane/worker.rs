use std::io;
use std::net::IpAddr;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use holloway_mesh::Forwarding;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::setpriority_process;
use rustix::thread::{gettid, set_current_timer_slack};
use tokio::sync::mpsc as tokio_mpsc;

use super::forwarding::Table;
use super::incoming::Incoming;
use super::moderation::Moderation;
use super::outgoing::{Outgoing, Surroundings};
use super::queue::{LaneEvent, Waker};
use super::relaying::Relaying;
use super::report::{REPORT_EVERY, Upward};
use super::udp::{Received, UdpSockets};
use crate::clock::Clock;
use crate::tun::Tun;

/// How far a lane goes before programs of the usual niceness, 0: nine tenths of a processor that both want. Measured with
/// a TCP stream filling the tunnel, a ping then takes half as long as without.
const NICENESS: i32 = -10;

/// How long a busy lane goes on with what has just brought something before it looks at the rest: as long as one batch of
/// long trains takes, so that a ping waits hardly longer; and of short rounds there are so many in it that the look costs
/// a fiftieth, where reading in vain from all was half of all calls.
const LOOK_EVERY: Duration = Duration::from_micros(50);

/// How much later than asked for a lane may be woken.
const TIMER_SLACK_NANOS: u64 = 1_000;

/// The core's end of the lanes of one network.
pub(crate) struct Lanes(Vec<Lane>);

struct Lane {
    commands: mpsc::Sender<Command>,
    waker: Waker,
    thread: Option<JoinHandle<()>>,
}

enum Command {
    Forward(Forwarding),
    Relay(holloway_relay::Forwarding),
    Stop,
}

/// What a lane is made of.
pub(crate) struct Parts {
    pub(crate) tun: Option<Arc<Tun>>,
    pub(crate) udp: Arc<UdpSockets>,
}

impl Lanes {
    /// Starts a lane for each of `parts` on its own thread. `own` is the address that packets must be for.
    pub(crate) fn spawn(
        parts: Vec<Parts>,
        own: IpAddr,
        clock: Clock,
        events: &tokio_mpsc::Sender<LaneEvent>,
    ) -> io::Result<Self> {
        let lanes = parts.len();
        let start = |(number, parts)| spawn(number, lanes, parts, own, clock, events.clone());
        parts.into_iter().enumerate().map(start).collect::<io::Result<_>>().map(Self)
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// Tells every lane something; it takes effect at its next batch.
    pub(crate) fn forward(&self, forwarding: &Forwarding) {
        self.tell(|| Command::Forward(forwarding.clone()));
    }

    /// Tells every lane what it does as a relay from its next batch on.
    pub(crate) fn relay(&self, forwarding: &holloway_relay::Forwarding) {
        self.tell(|| Command::Relay(forwarding.clone()));
    }

    fn tell(&self, command: impl Fn() -> Command) {
        for lane in &self.0 {
            // A lane that has ended has said why already.
            let _ = lane.commands.send(command());
            lane.waker.wake();
        }
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        let _ = self.commands.send(Command::Stop);
        self.waker.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn spawn(
    number: usize,
    lanes: usize,
    parts: Parts,
    own: IpAddr,
    clock: Clock,
    events: tokio_mpsc::Sender<LaneEvent>,
) -> io::Result<Lane> {
    let (commands, queue) = mpsc::channel();
    let waker = Waker::new()?;
    let worker = Worker {
        number,
        lanes,
        is_tun_ready: true,
        tun: parts.tun,
        udp: parts.udp,
        queue,
        waker: waker.clone(),
        table: Table::new(),
        upward: Upward::new(events),
        outgoing: Outgoing::new(),
        incoming: Incoming::new(own, clock),
        relaying: Relaying::new(),
        moderation: Moderation::new(),
    };
    let thread = std::thread::Builder::new().name(format!("lane-{number}")).spawn(move || worker.run())?;
    Ok(Lane { commands, waker, thread: Some(thread) })
}

/// Asks that this thread runs soon after a packet comes, as the kernel's own network code does: on a busy machine
/// everything else would wait for its turn behind whatever computes.
fn go_first() {
    if let Err(error) = setpriority_process(Some(gettid()), NICENESS) {
        tracing::debug!(%error, "a lane runs at the usual priority");
    }
    // Pauses end when they should; what the system adds to sleeps by itself is as long as they are.
    if let Err(error) = set_current_timer_slack(NonZeroU64::new(TIMER_SLACK_NANOS)) {
        tracing::debug!(%error, "a lane's pauses are longer than they need to be");
    }
}

struct Worker {
    /// Which of the network's lanes it is, of how many.
    number: usize,
    lanes: usize,
    tun: Option<Arc<Tun>>,
    /// Whether the interface may have something.
    is_tun_ready: bool,
    udp: Arc<UdpSockets>,
    queue: mpsc::Receiver<Command>,
    waker: Waker,
    table: Table,
    upward: Upward,
    outgoing: Outgoing,
    incoming: Incoming,
    relaying: Relaying,
    moderation: Moderation,
}

impl Worker {
    /// What has brought something is read again, and the rest once in a while; when all is quiet, the lane sleeps. As each
    /// look tells of all that is there, nothing is missed for not being read.
    fn run(mut self) {
        go_first();
        let mut looked = Instant::now();
        loop {
            if self.take_commands().is_err() {
                return;
            }
            let sent = self.drain_tun();
            let received = self.receive();
            self.upward.report(&mut self.table);
            let is_busy = sent || received.any();
            if let Some(pause) = self.pause(sent, received) {
                // For this time to pass and for nothing else: a poll would end with the first datagram.
                std::thread::sleep(pause);
            }
            if is_busy && looked.elapsed() < LOOK_EVERY {
                continue;
            }
            if !is_busy {
                // Whoever shares the processor may be about to make more work, and a sleep costs more than a look.
                std::thread::yield_now();
            }
            if self.look(if is_busy { Some(Duration::ZERO) } else { self.rest() }).is_err() {
                return;
            }
            looked = Instant::now();
        }
    }

    /// Takes what the core says; an error means that the lane shall end.
    fn take_commands(&mut self) -> Result<(), ()> {
        loop {
            match self.queue.try_recv() {
                Ok(Command::Forward(forwarding)) => self.apply(forwarding),
                Ok(Command::Relay(forwarding)) => self.relaying.apply(forwarding),
                Ok(Command::Stop) | Err(mpsc::TryRecvError::Disconnected) => return Err(()),
                Err(mpsc::TryRecvError::Empty) => return Ok(()),
            }
        }
    }

    fn apply(&mut self, forwarding: Forwarding) {
        if let Forwarding::Peer { node, route, .. } = &forwarding
            && usize::from(node.as_bytes()[0]) % self.lanes == self.number
        {
            self.incoming.follow(*node, route.map(|route| route.endpoint), &self.udp);
        }
        self.table.apply(forwarding);
    }

    fn receive(&mut self) -> Received {
        let Self { udp, tun, table, upward, relaying, .. } = self;
        self.incoming.drain(udp, tun.as_deref(), table, upward, relaying)
    }

    /// How long to let more gather, where all that came was passed on one by one and no more is there.
    fn pause(&mut self, sent: bool, received: Received) -> Option<Duration> {
        let passed = self.relaying.take_passed();
        if !sent && passed > 0 && passed == received.trains {
            return self.moderation.singles(passed, Instant::now()).filter(|_| !received.is_full);
        }
        if sent || received.any() {
            self.moderation.other(Instant::now());
        }
        None
    }

    fn drain_tun(&mut self) -> bool {
        let Some(tun) = self.tun.as_deref().filter(|_| self.is_tun_ready) else {
            return false;
        };
        let mut around = Surroundings { table: &mut self.table, udp: &self.udp, tun, upward: &mut self.upward };
        self.is_tun_ready = match self.outgoing.drain(&mut around) {
            Ok(any) => any,
            Err(error) => {
                self.upward.hand_over(LaneEvent::TunLost(error.to_string()));
                self.tun = None;
                false
            }
        };
        self.is_tun_ready
    }

    /// How long a lane with nothing to do may sleep. An idle one sleeps for ever.
    fn rest(&self) -> Option<Duration> {
        self.upward.has_news(&self.table).then_some(REPORT_EVERY)
    }

    /// Waits until there is something to do, no longer than this, and notes where.
    fn look(&mut self, wait: Option<Duration>) -> io::Result<()> {
        let wait = wait.map(Timespec::try_from).transpose().map_err(io::Error::other)?;
        let mut fds = vec![PollFd::from_borrowed_fd(self.waker.fd(), PollFlags::IN)];
        fds.extend(self.tun.as_deref().map(|tun| PollFd::new(tun, PollFlags::IN)));
        fds.extend(self.incoming.fds(&self.udp).map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        match poll(&mut fds, wait.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        // An error is something too: reading takes it away.
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        let mut ready = ready.into_iter();
        if ready.next() == Some(true) {
            self.waker.clear();
        }
        self.is_tun_ready = self.tun.is_some() && ready.next() == Some(true);
        self.incoming.set_ready(ready);
        Ok(())
    }
}
