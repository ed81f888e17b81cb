use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};

use anyhow::Context;
use holloway_wire::Endpoint;
use quinn_udp::{RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use rustix::fd::{AsFd, BorrowedFd};
use socket2::{Domain, Protocol, Socket, Type};

/// What the kernel may hold for us in each direction: some hundred full trains of datagrams, so that a lane that is
/// busy for a few milliseconds loses nothing (dataplane.md §7 used 7 MiB).
const BUFFER_BYTES: usize = 4 * 1024 * 1024;

/// One receive takes at most this many trains of datagrams.
const TRAINS: usize = 8;

/// A train with GRO is at most 64 KiB; a smaller buffer would truncate it (dataplane.md §7).
const TRAIN_BYTES: usize = 65_536;

/// The UDP sockets of one network: one for each address that is listened on.
pub(crate) struct UdpSockets {
    sockets: Vec<Bound>,
}

struct Bound {
    socket: UdpSocket,
    state: UdpSocketState,
    local: SocketAddr,
}

impl UdpSockets {
    /// Binds all addresses. Where the first has port 0 and the system chooses, the others get the same port if they
    /// ask for port 0 too.
    pub(crate) fn bind(addresses: &[SocketAddr]) -> anyhow::Result<Self> {
        let mut sockets: Vec<Bound> = Vec::new();
        for address in addresses {
            let mut address = *address;
            if address.port() == 0
                && let Some(first) = sockets.first()
            {
                address.set_port(first.local.port());
            }
            match bind(address) {
                Ok(bound) => sockets.push(bound),
                // A machine without IPv6 listens on IPv4 alone.
                Err(error) if address.is_ipv6() && is_family_missing(&error) => {}
                Err(error) => return Err(error).with_context(|| format!("cannot listen on UDP {address}")),
            }
        }
        anyhow::ensure!(!sockets.is_empty(), "none of the addresses for the data path can be listened on");
        Ok(Self { sockets })
    }

    /// The addresses that are listened on.
    pub(crate) fn local_addrs(&self) -> Vec<SocketAddr> {
        self.sockets.iter().map(|bound| bound.local).collect()
    }

    /// Sends one datagram.
    pub(crate) fn send(&self, to: &Endpoint, datagram: &[u8]) -> io::Result<()> {
        let destination = to.socket_addr();
        let bound = self.sockets.iter().find(|bound| bound.local.is_ipv4() == destination.is_ipv4());
        let bound = bound.ok_or(io::ErrorKind::AddrNotAvailable)?;
        let transmit = Transmit { destination, ecn: None, contents: datagram, segment_size: None, src_ip: None };
        bound.state.try_send(UdpSockRef::from(&bound.socket), &transmit)
    }

    pub(crate) fn count(&self) -> usize {
        self.sockets.len()
    }

    pub(crate) fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.sockets.iter().map(|bound| bound.socket.as_fd())
    }

    /// Receives once from one socket and hands each datagram on. Says whether there was anything.
    pub(crate) fn receive(
        &self,
        socket: usize,
        buffers: &mut Buffers,
        mut take: impl FnMut(Endpoint, &mut [u8]),
    ) -> bool {
        let bound = &self.sockets[socket];
        let mut slices = buffers.slices();
        let mut meta = [RecvMeta::default(); TRAINS];
        let Ok(count) = bound.state.recv(UdpSockRef::from(&bound.socket), &mut slices, &mut meta) else {
            return false;
        };
        for (slice, meta) in slices.iter_mut().zip(&meta[..count]) {
            let from = Endpoint::udp(meta.addr);
            for datagram in slice[..meta.len].chunks_mut(meta.stride.max(1)) {
                take(from, datagram);
            }
        }
        count > 0
    }
}

/// Room for one receive.
pub(crate) struct Buffers(Vec<u8>);

impl Buffers {
    pub(crate) fn new() -> Self {
        Self(vec![0; TRAINS * TRAIN_BYTES])
    }

    fn slices(&mut self) -> [IoSliceMut<'_>; TRAINS] {
        let mut trains = self.0.chunks_mut(TRAIN_BYTES);
        std::array::from_fn(|_| IoSliceMut::new(trains.next().expect("there is room for every train")))
    }
}

fn bind(address: SocketAddr) -> io::Result<Bound> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    let socket: UdpSocket = socket.into();
    let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
    // The kernel grants what it allows; less only costs speed.
    let _ = state.set_send_buffer_size(UdpSockRef::from(&socket), BUFFER_BYTES);
    let _ = state.set_recv_buffer_size(UdpSockRef::from(&socket), BUFFER_BYTES);
    let local = socket.local_addr()?;
    Ok(Bound { socket, state, local })
}

fn is_family_missing(error: &io::Error) -> bool {
    let code = error.raw_os_error();
    code == Some(libc::EAFNOSUPPORT) || code == Some(libc::EADDRNOTAVAIL)
}
