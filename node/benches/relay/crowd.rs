//! Thousands of members, each at an address of its own, behind one socket and on one thread.
//!
//! A member registers, pings as often as the protocol wants it to, and registers anew when the relay does not answer or
//! does not know it any more. Nothing else happens unless it is asked for: a frame from one to another.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::io::{ErrorKind, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use holloway_simnet::lab::Host;
use holloway_wire::{FromRelay, RegistrationId, RelayChannel, RelayMessageKind, ToRelay};
use nix::sys::socket::{setsockopt, sockopt};
use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::member::{Member, Network, number_of};

/// How often members ping (ARCHITECTURE §5 "Times and limits").
const PING_EVERY: Duration = Duration::from_secs(20);

/// Members that register at the same time: each gets its answer in time, even from a relay that takes a twentieth of a
/// second for one.
const WINDOW: usize = 24;

/// An answer that is not there by then never comes.
const PATIENCE: Duration = Duration::from_secs(2);

/// Members at one site, an IPv4 /24: few enough that no relay slows them down, even if each has to try twice.
const MEMBERS_PER_SITE: usize = 20;

/// Where the members are.
const SITES: Ipv4Addr = Ipv4Addr::new(10, 64, 0, 0);
const SITES_PREFIX: u8 = 10;

/// The port of every member.
const PORT: u16 = 40_000;

/// Holds the answers to the pings of all members at once.
const RECEIVE_BYTES: usize = 16 << 20;

/// Members and the relay at which they are.
pub(crate) struct Crowd<'a> {
    network: &'a Network,
    relay: SocketAddr,
    socket: UdpSocket,
    state: UdpSocketState,
    members: Vec<Entry>,
    /// Who is to register.
    outside: VecDeque<usize>,
    registering: usize,
    registered: usize,
    timers: BinaryHeap<Reverse<(Instant, usize, u64)>>,
    next_id: u64,
    pub(crate) counts: Counts,
    bound: Option<RelayChannel>,
    arrived: Vec<(u64, Instant)>,
}

/// What has happened so far.
#[derive(Clone, Default)]
pub(crate) struct Counts {
    pub(crate) pings: usize,
    /// How long each answered one took.
    pub(crate) pongs: Vec<Duration>,
    /// Questions that were asked again.
    pub(crate) retries: usize,
    /// Times that the relay did not register a member, or knew it no more.
    pub(crate) refusals: usize,
    /// Datagrams of other kinds.
    pub(crate) others: usize,
}

struct Entry {
    member: Member,
    stage: Stage,
    /// The id of the question that an answer is expected to, and when it was asked; a timer with another is stale.
    question: (u64, Instant),
}

enum Stage {
    Outside,
    Registering,
    Registered(RegistrationId),
    Pinging(RegistrationId),
}

/// The address of a member.
pub(crate) fn address(number: usize) -> Ipv4Addr {
    let (site, place) = (number / MEMBERS_PER_SITE, number % MEMBERS_PER_SITE);
    Ipv4Addr::from_bits(SITES.to_bits() | (site as u32) << 8 | (1 + place as u32))
}

/// The endpoint of a member.
pub(crate) fn endpoint(number: usize) -> SocketAddr {
    SocketAddr::from((address(number), PORT))
}

/// Puts the addresses of all members on `host`, and the way there on `relay`.
pub(crate) fn lay_addresses(host: &Host, relay: &Host) -> Result<()> {
    let sites = format!("{SITES}/{SITES_PREFIX}");
    let gateway = host.ipv4().to_string();
    ip(host, &["route", "add", "local", &sites, "dev", "lo"])?;
    ip(relay, &["route", "add", &sites, "via", &gateway])
}

/// Runs `ip` on a host.
pub(crate) fn ip(host: &Host, arguments: &[&str]) -> Result<()> {
    let output = host.run(host.command("ip").args(arguments), Duration::from_secs(10))?;
    ensure!(output.status.success(), "ip {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

impl<'a> Crowd<'a> {
    /// Members on a host that has their addresses.
    pub(crate) fn new(network: &'a Network, host: &Host, relay: SocketAddr, members: Vec<Member>) -> Result<Self> {
        let socket = host.in_namespace(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, PORT)))??;
        socket.set_nonblocking(true)?;
        setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BYTES)?;
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        let now = Instant::now();
        let outside = (0..members.len()).collect();
        let entry = |member| Entry { member, stage: Stage::Outside, question: (0, now) };
        Ok(Self {
            network,
            relay,
            socket,
            state,
            members: members.into_iter().map(entry).collect(),
            outside,
            registering: 0,
            registered: 0,
            timers: BinaryHeap::new(),
            next_id: 0,
            counts: Counts::default(),
            bound: None,
            arrived: Vec::new(),
        })
    }

    /// How many are registered.
    pub(crate) fn registered(&self) -> usize {
        self.registered
    }

    /// Forgets all registrations, as if the relay had said so.
    pub(crate) fn forget(&mut self) {
        self.timers.clear();
        (self.registering, self.registered, self.bound) = (0, 0, None);
        self.outside = (0..self.members.len()).collect();
        for entry in &mut self.members {
            entry.stage = Stage::Outside;
        }
    }

    /// Registers everyone; gives how long it took.
    pub(crate) fn register_all(&mut self, deadline: Duration) -> Result<Duration> {
        let start = Instant::now();
        while self.registered < self.members.len() {
            ensure!(start.elapsed() < deadline, "after {deadline:?} only {} are registered", self.registered);
            self.step(Duration::from_millis(100))?;
        }
        Ok(start.elapsed())
    }

    /// Lets this much time pass, with pings.
    pub(crate) fn idle(&mut self, time: Duration) -> Result<()> {
        let end = Instant::now() + time;
        while let Some(rest) = end.checked_duration_since(Instant::now()) {
            self.step(rest)?;
        }
        Ok(())
    }

    /// Asks for a channel from one member to another.
    pub(crate) fn bind(&mut self, from: usize, to: usize) -> Result<RelayChannel> {
        self.bound = None;
        let (Stage::Registered(registration) | Stage::Pinging(registration)) = self.members[from].stage else {
            anyhow::bail!("the member is not registered");
        };
        let node = self.members[to].member.node();
        for _ in 0..5 {
            self.next_id += 1;
            self.say(from, &ToRelay::Bind { registration, id: self.next_id, node, relays: Vec::new() })?;
            let end = Instant::now() + PATIENCE;
            while self.bound.is_none() && Instant::now() < end {
                self.step(end.saturating_duration_since(Instant::now()))?;
            }
            if let Some(channel) = self.bound {
                return Ok(channel);
            }
        }
        anyhow::bail!("the relay does not bind")
    }

    /// Sends a frame from one member and gives how long it took to arrive anywhere here, if it did.
    pub(crate) fn time(&mut self, from: usize, to: SocketAddr, frame: &[u8]) -> Result<Option<Duration>> {
        let number = number_of(frame).context("a frame")?;
        self.arrived.clear();
        let start = Instant::now();
        self.send(from, to, frame)?;
        while start.elapsed() < PATIENCE {
            self.step(PATIENCE)?;
            if let Some((_, at)) = self.arrived.iter().find(|(arrived, _)| *arrived == number) {
                return Ok(Some(at.duration_since(start)));
            }
        }
        Ok(None)
    }

    /// Does what is due, then takes in what comes within this time.
    fn step(&mut self, wait: Duration) -> Result<()> {
        while self.registering < WINDOW
            && let Some(number) = self.outside.pop_front()
        {
            self.registering += 1;
            self.members[number].stage = Stage::Registering;
            let id = self.question(number, PATIENCE);
            self.say(number, &ToRelay::Register { id })?;
        }
        let now = Instant::now();
        while let Some(Reverse((at, number, id))) = self.timers.peek().copied()
            && at <= now
        {
            self.timers.pop();
            self.expire(number, id)?;
        }
        let due = self.timers.peek().map(|Reverse((at, _, _))| at.saturating_duration_since(now));
        self.receive(wait.min(due.unwrap_or(wait)))
    }

    /// Notes that a member asks something; whoever does not answer in time will not.
    fn question(&mut self, number: usize, patience: Duration) -> u64 {
        let now = Instant::now();
        self.next_id += 1;
        self.members[number].question = (self.next_id, now);
        self.timers.push(Reverse((now + patience, number, self.next_id)));
        self.next_id
    }

    /// A member's time has come: to ping, or to lose patience.
    fn expire(&mut self, number: usize, id: u64) -> Result<()> {
        if self.members[number].question.0 != id {
            return Ok(());
        }
        match self.members[number].stage {
            Stage::Registered(registration) | Stage::Pinging(registration) => {
                self.counts.retries += usize::from(matches!(self.members[number].stage, Stage::Pinging(_)));
                self.counts.pings += 1;
                self.members[number].stage = Stage::Pinging(registration);
                let id = self.question(number, PATIENCE);
                self.say(number, &ToRelay::Ping { registration, id })
            }
            Stage::Registering => {
                self.counts.retries += 1;
                let id = self.question(number, PATIENCE);
                self.say(number, &ToRelay::Register { id })
            }
            Stage::Outside => Ok(()),
        }
    }

    fn receive(&mut self, wait: Duration) -> Result<()> {
        const LONGEST: usize = 2048;
        let timeout = Timespec { tv_sec: wait.as_secs().try_into()?, tv_nsec: wait.subsec_nanos().into() };
        match poll(&mut [PollFd::new(&self.socket, PollFlags::IN)], Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut buffers = [[0; LONGEST]; BATCH_SIZE];
        loop {
            let mut meta = [RecvMeta::default(); BATCH_SIZE];
            let mut slices = buffers.each_mut().map(|buffer| IoSliceMut::new(buffer));
            let count = match self.state.recv(UdpSockRef::from(&self.socket), &mut slices, &mut meta) {
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            for (buffer, meta) in buffers.iter().zip(&meta[..count]) {
                for datagram in buffer[..meta.len].chunks(meta.stride.max(1)) {
                    self.datagram(meta.dst_ip, datagram)?;
                }
            }
            if count < BATCH_SIZE {
                return Ok(());
            }
        }
    }

    fn datagram(&mut self, to: Option<IpAddr>, datagram: &[u8]) -> Result<()> {
        if let Some(number) = number_of(datagram) {
            self.arrived.push((number, Instant::now()));
            return Ok(());
        }
        let Some(number) = to.and_then(number_at).filter(|number| *number < self.members.len()) else {
            self.counts.others += 1;
            return Ok(());
        };
        if RelayMessageKind::of(datagram) != Some(RelayMessageKind::FromRelay) {
            self.counts.others += 1;
            return Ok(());
        }
        self.message(number, FromRelay::decode(datagram)?)
    }

    fn message(&mut self, number: usize, message: FromRelay) -> Result<()> {
        let Entry { member, stage, question: (asked, since) } = &mut self.members[number];
        match (message, &stage) {
            (FromRelay::Challenge { id, challenge, observed }, Stage::Registering) if id == *asked => {
                let answer = member.answer(self.network, id, challenge, observed);
                return self.send(number, self.relay, &answer);
            }
            // Late, it is no less true.
            (FromRelay::Registered { registration, .. }, Stage::Registering) => {
                *stage = Stage::Registered(registration);
                self.registering -= 1;
                self.registered += 1;
                // The first one soon or late, so that they come evenly however fast the members came.
                let share = number as f64 / self.members.len() as f64;
                self.question(number, PING_EVERY.mul_f64(share));
            }
            (FromRelay::Pong { id, .. }, Stage::Pinging(registration)) if id == *asked => {
                *stage = Stage::Registered(*registration);
                self.counts.pongs.push(since.elapsed());
                let rest = PING_EVERY.saturating_sub(since.elapsed());
                self.question(number, rest);
            }
            (FromRelay::Challenge { .. } | FromRelay::Refused { .. }, _) => {
                self.counts.refusals += 1;
                let (in_window, in_network) = match stage {
                    Stage::Outside => (0, 0),
                    Stage::Registering => (1, 0),
                    Stage::Registered(_) | Stage::Pinging(_) => (0, 1),
                };
                self.registering -= in_window;
                self.registered -= in_network;
                if in_window + in_network > 0 {
                    *stage = Stage::Outside;
                    self.outside.push_back(number);
                }
            }
            (FromRelay::Bound { channel, .. }, _) => self.bound = Some(channel),
            (
                FromRelay::Registered { .. }
                | FromRelay::Pong { .. }
                | FromRelay::Unbound { .. }
                | FromRelay::Extended { .. }
                | FromRelay::Gone { .. },
                _,
            ) => self.counts.others += 1,
        }
        Ok(())
    }

    fn say(&self, number: usize, message: &ToRelay) -> Result<()> {
        self.send(number, self.relay, &message.encode())
    }

    fn send(&self, number: usize, destination: SocketAddr, contents: &[u8]) -> Result<()> {
        let src_ip = Some(address(number).into());
        let transmit = Transmit { destination, ecn: None, contents, segment_size: None, src_ip };
        match self.state.try_send(UdpSockRef::from(&self.socket), &transmit) {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error).context("sending"),
            // A full socket loses it, as a network may.
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

/// The member at an address.
fn number_at(address: IpAddr) -> Option<usize> {
    let IpAddr::V4(address) = address else { return None };
    let [_, _, _, place] = address.octets();
    let site = (address.to_bits() & !(u32::MAX << (32 - u32::from(SITES_PREFIX)))) >> 8;
    let place = usize::from(place).checked_sub(1).filter(|place| *place < MEMBERS_PER_SITE)?;
    (address.to_bits() >> 24 == SITES.to_bits() >> 24).then_some(site as usize * MEMBERS_PER_SITE + place)
}
