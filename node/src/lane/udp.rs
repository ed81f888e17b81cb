use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};

use anyhow::Context;
use holloway_config::DataplaneSettings;
use holloway_wire::Endpoint;
use nix::sys::socket::{setsockopt, sockopt};
use quinn_udp::{RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use rustix::fd::{AsFd, BorrowedFd};
use socket2::{Domain, Protocol, Socket, Type};

use super::train::Sent;

/// What the kernel may hold for us on the way in; it counts a full train with its overhead, and grants twice as much:
/// some twenty trains, a millisecond at ten gigabits a second. A TCP stream fills whatever there is, and everything
/// else waits behind it: with two and a half times as much a ping took twice as long and the stream was no faster than
/// noise; with half as much it was a tenth slower.
const RECEIVE_BYTES: usize = 832 * 1024;

/// What the kernel may hold for us on the way out: 40 ms at 100 Mbit/s. Beyond it packets are dropped, which is how a
/// sender learns that it is too fast.
const SEND_BYTES: usize = 512 * 1024;

/// One receive takes at most this many trains of datagrams: nothing else gets its turn meanwhile.
const LONG_TRAINS: usize = 8;

/// The same while they are short: what comes one by one costs fewer calls then, and leaves in long trains. A relay passes
/// on a fifth more for each second of a processor than with as many as of the others.
const TRAINS: usize = 32;

/// From this length on trains are long, on average: more than one datagram.
const LONG_BYTES: usize = 2048;

/// A train with GRO is at most 64 KiB; a smaller buffer would truncate it (dataplane.md §7).
const TRAIN_BYTES: usize = 65_536;

/// From one train's place to the next: not a power of two, or the heads of all would fall into the same few lines of the
/// processor's caches.
const PLACE_BYTES: usize = TRAIN_BYTES + 1536;

/// The UDP sockets of one lane: one for each address that is listened on.
pub(crate) struct UdpSockets {
    sockets: Vec<Bound>,
    settings: DataplaneSettings,
}

/// What receiving brought.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Received {
    /// Trains, a single datagram being one too.
    pub(super) trains: usize,
    /// As many as are taken at once: there may be more.
    pub(super) is_full: bool,
}

impl Received {
    pub(super) const fn any(&self) -> bool {
        self.trains > 0
    }
}

/// One socket.
pub(super) struct Bound {
    socket: UdpSocket,
    state: UdpSocketState,
    local: SocketAddr,
}

impl UdpSockets {
    /// Binds all addresses for each of `lanes` lanes. Where the first has port 0 and the system chooses, the others get
    /// the same port if they ask for port 0 too.
    pub(crate) fn bind(
        addresses: &[SocketAddr],
        settings: DataplaneSettings,
        lanes: usize,
    ) -> anyhow::Result<Vec<Self>> {
        let first = Self::bind_lane(addresses, settings, Sharing::Takes)?;
        let chosen = first.local_addrs();
        let mut all = vec![first];
        while all.len() < lanes {
            all.push(Self::bind_lane(&chosen, settings, Sharing::Joins)?);
        }
        Ok(all)
    }

    fn bind_lane(addresses: &[SocketAddr], settings: DataplaneSettings, sharing: Sharing) -> anyhow::Result<Self> {
        let mut sockets: Vec<Bound> = Vec::new();
        for address in addresses {
            let mut address = *address;
            if address.port() == 0
                && let Some(first) = sockets.first()
            {
                address.set_port(first.local.port());
            }
            match bind(address, settings, sharing) {
                Ok(bound) => sockets.push(bound),
                // A machine without IPv6 listens on IPv4 alone.
                Err(error) if address.is_ipv6() && is_family_missing(&error) => {}
                Err(error) => return Err(error).with_context(|| format!("cannot listen on UDP {address}")),
            }
        }
        anyhow::ensure!(!sockets.is_empty(), "none of the addresses for the data path can be listened on");
        Ok(Self { sockets, settings })
    }

    /// The addresses that are listened on.
    pub(crate) fn local_addrs(&self) -> Vec<SocketAddr> {
        self.sockets.iter().map(|bound| bound.local).collect()
    }

    /// Whether many datagrams leave in one send: not on devices that have refused it.
    pub(crate) fn has_gso(&self) -> bool {
        self.settings.udp_gso && self.sockets.iter().all(|bound| bound.state.max_gso_segments() > 1)
    }

    /// Whether many datagrams come in one receive.
    pub(crate) fn has_gro(&self) -> bool {
        self.settings.udp_gro && self.sockets.iter().all(|bound| bound.state.gro_segments() > 1)
    }

    /// Sends one datagram.
    pub(crate) fn send(&self, to: &Endpoint, datagram: &[u8]) -> io::Result<()> {
        self.bound_for(to)?.send(to.socket_addr(), datagram, None)
    }

    /// Sends datagrams that lie one behind another, each `segment` long, the last perhaps shorter.
    pub(super) fn send_train(&self, to: &Endpoint, train: &[u8], segment: usize) -> Sent {
        let mut sent = Sent::default();
        let result = match self.bound_for(to) {
            Ok(bound) if train.len() > segment && self.settings.udp_gso && bound.state.max_gso_segments() > 1 => {
                bound.send(to.socket_addr(), train, Some(segment))
            }
            Ok(bound) => return bound.send_singly(to, train, segment),
            Err(error) => Err(error),
        };
        if let Err(error) = result {
            match (error.raw_os_error(), self.bound_for(to)) {
                // The device cannot do it. It has been noted, and these go one by one.
                (Some(libc::EIO | libc::EINVAL), Ok(bound)) => return bound.send_singly(to, train, segment),
                (Some(libc::EMSGSIZE), _) => sent.too_long = Some((*to, segment)),
                _ => {}
            }
            sent.dropped = train.len().div_ceil(segment) as u64;
        }
        sent
    }

    fn bound_for(&self, to: &Endpoint) -> io::Result<&Bound> {
        let is_ipv4 = to.socket_addr().is_ipv4();
        let bound = self.sockets.iter().find(|bound| bound.local.is_ipv4() == is_ipv4);
        bound.ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
    }

    /// A socket with the address of the one that serves an endpoint's family, connected to that endpoint.
    pub(super) fn connected(&self, to: &Endpoint) -> io::Result<Bound> {
        let shared = self.bound_for(to)?;
        let bound = bind(shared.local, self.settings, Sharing::Joins)?;
        bound.socket.connect(to.socket_addr())?;
        Ok(bound)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Bound> {
        self.sockets.iter()
    }
}

impl Bound {
    /// Receives once and hands each datagram on.
    pub(super) fn receive<'b>(
        &self,
        buffers: &'b mut Buffers,
        mut take: impl FnMut(Endpoint, &'b mut [u8]),
    ) -> Received {
        let mut meta = [RecvMeta::default(); TRAINS];
        let most = buffers.trains;
        let mut slices = buffers.slices();
        // What a connected socket has heard of its peer's host by ICMP is an error too, and no news.
        let Ok(count) = self.state.recv(UdpSockRef::from(&self.socket), &mut slices[..most], &mut meta) else {
            return Received::default();
        };
        let meta = &meta[..count];
        let bytes: usize = meta.iter().map(|meta| meta.len).sum();
        if bytes >= count * LONG_BYTES {
            buffers.trains = LONG_TRAINS;
        } else if count == most {
            buffers.trains = TRAINS;
        }
        for (train, meta) in buffers.places.chunks_mut(PLACE_BYTES).zip(meta) {
            let from = Endpoint::udp(meta.addr);
            for datagram in train[..meta.len].chunks_mut(meta.stride.max(1)) {
                take(from, datagram);
            }
        }
        Received { trains: count, is_full: count == most }
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    fn send(&self, destination: SocketAddr, contents: &[u8], segment_size: Option<usize>) -> io::Result<()> {
        let transmit = Transmit { destination, ecn: None, contents, segment_size, src_ip: None };
        self.state.try_send(UdpSockRef::from(&self.socket), &transmit)
    }

    fn send_singly(&self, to: &Endpoint, train: &[u8], segment: usize) -> Sent {
        let mut sent = Sent::default();
        for datagram in train.chunks(segment.max(1)) {
            if let Err(error) = self.send(to.socket_addr(), datagram, None) {
                sent.dropped += 1;
                if error.raw_os_error() == Some(libc::EMSGSIZE) {
                    sent.too_long = sent.too_long.or(Some((*to, datagram.len())));
                }
            }
        }
        sent
    }
}

/// Room for one receive.
pub(super) struct Buffers {
    places: Vec<u8>,
    /// How many trains the next receive takes.
    trains: usize,
}

impl Buffers {
    pub(super) fn new() -> Self {
        Self { places: vec![0; TRAINS * PLACE_BYTES], trains: LONG_TRAINS }
    }

    fn slices(&mut self) -> [IoSliceMut<'_>; TRAINS] {
        let mut places = self.places.chunks_mut(PLACE_BYTES);
        std::array::from_fn(|_| {
            let place = places.next().expect("there is room for every train");
            IoSliceMut::new(&mut place[..TRAIN_BYTES])
        })
    }
}

/// How a socket gets an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sharing {
    /// By itself; then others of this program may join.
    Takes,
    /// Beside the one that took it.
    Joins,
}

fn bind(address: SocketAddr, settings: DataplaneSettings, sharing: Sharing) -> io::Result<Bound> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Only once the address is ours alone may it be shared: another program that has it is an error to be told.
    socket.set_reuse_port(sharing == Sharing::Joins)?;
    socket.bind(&address.into())?;
    socket.set_reuse_port(true)?;
    let socket: UdpSocket = socket.into();
    let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
    if !settings.udp_gro {
        setsockopt(&socket, sockopt::UdpGroSegment, &false)?;
    }
    // With the right to it beyond what the system grants everybody; less only costs speed.
    if setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BYTES).is_err() {
        let _ = state.set_recv_buffer_size(UdpSockRef::from(&socket), RECEIVE_BYTES);
    }
    if setsockopt(&socket, sockopt::SndBufForce, &SEND_BYTES).is_err() {
        let _ = state.set_send_buffer_size(UdpSockRef::from(&socket), SEND_BYTES);
    }
    let local = socket.local_addr()?;
    Ok(Bound { socket, state, local })
}

fn is_family_missing(error: &io::Error) -> bool {
    let code = error.raw_os_error();
    code == Some(libc::EAFNOSUPPORT) || code == Some(libc::EADDRNOTAVAIL)
}
