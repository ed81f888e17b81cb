use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use holloway_mesh::{DropCounts, DropReason, Forwarding};
use holloway_wire::{Endpoint, InnerPacket, RECORD_OVERHEAD, RecordFlags, RecordHeader, RecordKind, TRANSPORT_TYPE};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::sync::mpsc as tokio_mpsc;
use tun_rs::SyncDevice;

use super::forwarding::Table;
use super::queue::{LaneEvent, Waker};
use super::udp::{Buffers, UdpSockets};

/// Packets taken from one side before the other gets its turn (dataplane.md §8).
const BATCH: usize = 64;

/// How often a lane with traffic reports it: often enough for liveness (a second), rarely enough to cost nothing.
const REPORT_EVERY: Duration = Duration::from_millis(100);

/// Largest inner packet.
const PACKET_BYTES_MAX: usize = 65_535;

/// A lane's end at the core.
pub(crate) struct Lane {
    commands: mpsc::Sender<Command>,
    waker: Waker,
    thread: Option<JoinHandle<()>>,
}

enum Command {
    Forward(Forwarding),
    Stop,
}

impl Lane {
    /// Tells the lane something; it takes effect at its next batch.
    pub(crate) fn forward(&self, forwarding: Forwarding) {
        // A lane that has ended has said why already.
        let _ = self.commands.send(Command::Forward(forwarding));
        self.waker.wake();
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

/// Starts a lane on its own thread. `tun` is non-blocking; `own` is the address that packets must be for.
pub(crate) fn spawn(
    name: &str,
    tun: Option<Arc<SyncDevice>>,
    udp: Arc<UdpSockets>,
    own: IpAddr,
    events: tokio_mpsc::Sender<LaneEvent>,
) -> io::Result<Lane> {
    let (commands, queue) = mpsc::channel();
    let waker = Waker::new()?;
    let worker = Worker {
        tun,
        udp,
        own,
        events,
        queue,
        waker: waker.clone(),
        table: Table::new(),
        drops: DropCounts::default(),
        has_drops: false,
        reported: Instant::now(),
        report_now: false,
        scratch: Vec::with_capacity(PACKET_BYTES_MAX + RECORD_OVERHEAD),
    };
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || worker.run())?;
    Ok(Lane { commands, waker, thread: Some(thread) })
}

struct Worker {
    tun: Option<Arc<SyncDevice>>,
    udp: Arc<UdpSockets>,
    own: IpAddr,
    events: tokio_mpsc::Sender<LaneEvent>,
    queue: mpsc::Receiver<Command>,
    waker: Waker,
    table: Table,
    drops: DropCounts,
    has_drops: bool,
    reported: Instant,
    report_now: bool,
    scratch: Vec<u8>,
}

impl Worker {
    fn run(mut self) {
        let mut packet = vec![0; PACKET_BYTES_MAX];
        let mut buffers = Buffers::new();
        loop {
            if self.take_commands().is_err() {
                return;
            }
            let sent = self.drain_tun(&mut packet);
            let received = self.drain_udp(&mut buffers);
            self.report();
            if !sent && !received && self.sleep().is_err() {
                return;
            }
        }
    }

    /// Takes what the core says; an error means that the lane shall end.
    fn take_commands(&mut self) -> Result<(), ()> {
        loop {
            match self.queue.try_recv() {
                Ok(Command::Forward(forwarding)) => self.table.apply(forwarding),
                Ok(Command::Stop) | Err(mpsc::TryRecvError::Disconnected) => return Err(()),
                Err(mpsc::TryRecvError::Empty) => return Ok(()),
            }
        }
    }

    fn drain_tun(&mut self, packet: &mut [u8]) -> bool {
        let Some(tun) = self.tun.clone() else {
            return false;
        };
        for taken in 0..BATCH {
            match tun.recv(packet) {
                Ok(length) => self.outgoing(&packet[..length]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return taken > 0,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.tun = None;
                    self.hand_over(LaneEvent::TunLost(error.to_string()));
                    return taken > 0;
                }
            }
        }
        true
    }

    /// A packet of the local stack: sealed and sent, or handed to the core.
    fn outgoing(&mut self, packet: &[u8]) {
        let Ok(header) = InnerPacket::parse(packet) else {
            self.drop(DropReason::InnerPacket);
            return;
        };
        let Some((slot, endpoint)) = self.table.route(&header.destination) else {
            self.hand_over(LaneEvent::Packet(packet.to_vec()));
            return;
        };
        let (index, wants_rotation) = (slot.index(), slot.sealer.wants_rotation());
        self.scratch.clear();
        if slot.sealer.seal(RecordFlags::new(RecordKind::Ip), packet, &mut self.scratch).is_err() {
            self.hand_over(LaneEvent::Packet(packet.to_vec()));
            return;
        }
        if self.udp.send(&endpoint, &self.scratch).is_err() {
            self.drop(DropReason::QueueFull);
        }
        self.report_now |= wants_rotation;
        self.table.note(index, |traffic| {
            traffic.sent_packets += 1;
            traffic.sent_bytes += packet.len() as u64;
        });
    }

    fn drain_udp(&mut self, buffers: &mut Buffers) -> bool {
        let udp = self.udp.clone();
        let mut any = false;
        for socket in 0..udp.count() {
            any |= udp.receive(socket, buffers, |from, datagram| self.incoming(from, datagram));
        }
        any
    }

    /// A datagram: opened and delivered, or handed to the core.
    fn incoming(&mut self, from: Endpoint, datagram: &mut [u8]) {
        let Some(header) = data_record(datagram).filter(|header| self.table.slot(header.index).is_some()) else {
            self.hand_over(LaneEvent::Datagram(from, datagram.to_vec()));
            return;
        };
        if let Err(reason) = self.deliver(from, &header, datagram) {
            self.drop(reason);
        }
    }

    fn deliver(&mut self, from: Endpoint, header: &RecordHeader, datagram: &mut [u8]) -> Result<(), DropReason> {
        let slot = self.table.slot(header.index).ok_or(DropReason::UnknownSession)?;
        let (node, opener) = (slot.node, slot.opener.clone());
        let opened = opener.open(header, datagram)?;
        let (is_newest, length) = (opened.is_newest, opened.content.len());
        self.report_now |= is_newest && self.table.endpoint(&node) != Some(from);
        self.table.note(header.index, |traffic| {
            traffic.received_packets += 1;
            traffic.received_bytes += length as u64;
            if is_newest {
                traffic.newest_source = Some(from);
            }
        });
        if opened.content.is_empty() {
            return Ok(());
        }
        let inner = InnerPacket::parse(opened.content).map_err(|_| DropReason::InnerPacket)?;
        if !self.table.may_source(&node, &inner.source) {
            return Err(DropReason::InnerSource);
        }
        if inner.destination != self.own {
            return Err(DropReason::InnerDestination);
        }
        let tun = self.tun.as_ref().ok_or(DropReason::QueueFull)?;
        tun.send(opened.content).map_err(|_| DropReason::QueueFull)?;
        Ok(())
    }

    fn hand_over(&mut self, event: LaneEvent) {
        if self.events.try_send(event).is_err() {
            self.drop(DropReason::QueueFull);
        }
    }

    fn drop(&mut self, reason: DropReason) {
        self.drops.count(reason);
        self.has_drops = true;
    }

    /// Reports what has happened, when it is time or the core should hear of it now.
    fn report(&mut self) {
        let has_news = self.table.has_traffic() || self.has_drops;
        let is_due = self.report_now || self.reported.elapsed() >= REPORT_EVERY;
        if !has_news || !is_due {
            return;
        }
        let mut report = self.table.take_report();
        report.drops = std::mem::take(&mut self.drops);
        (self.has_drops, self.report_now, self.reported) = (false, false, Instant::now());
        if let Err(tokio_mpsc::error::TrySendError::Full(LaneEvent::Traffic(report))) =
            self.events.try_send(LaneEvent::Traffic(Box::new(report)))
        {
            self.drops.add(&report.drops);
            self.has_drops = true;
        }
    }

    /// Sleeps until there is something to do. An idle lane sleeps for ever.
    fn sleep(&self) -> io::Result<()> {
        let has_news = self.table.has_traffic() || self.has_drops;
        let wait = Timespec { tv_sec: 0, tv_nsec: i64::try_from(REPORT_EVERY.as_nanos()).unwrap_or(i64::MAX) };
        let waker = self.waker.fd();
        let mut fds = vec![PollFd::from_borrowed_fd(waker, PollFlags::IN)];
        fds.extend(self.udp.fds().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        if let Some(tun) = &self.tun {
            fds.push(PollFd::new(tun.as_ref(), PollFlags::IN));
        }
        match poll(&mut fds, has_news.then_some(&wait)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        if !fds[0].revents().is_empty() {
            self.waker.clear();
        }
        Ok(())
    }
}

/// The header of a record that a lane can take: inner IP packets, one whole packet each.
fn data_record(datagram: &[u8]) -> Option<RecordHeader> {
    if datagram.first() != Some(&TRANSPORT_TYPE) {
        return None;
    }
    let header = RecordHeader::decode(datagram).ok()?;
    let special = RecordFlags::SEVERAL | RecordFlags::CHECKSUM | RecordFlags::FRAGMENT;
    (header.flags.kind() == Some(RecordKind::Ip) && !header.flags.has(special)).then_some(header)
}
