//! A forwarder that does nothing but forward: what no relay can beat. It runs as a process of its own, this program
//! with another argument, so that its time is counted as that of the others.

use std::io::{ErrorKind, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use holloway_simnet::lab::{Host, Process};
use nix::sys::socket::{setsockopt, sockopt};
use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use rustix::event::{PollFd, PollFlags, poll};

/// The argument that makes this program a forwarder.
pub(crate) const ROLE: &str = "plain-forwarder";

/// Where it takes datagrams.
pub(crate) const PORT: u16 = 40_100;

/// As the lanes of the daemon have.
const RECEIVE_BYTES: usize = 832 * 1024;
const NICENESS: &str = "-10";

/// How it forwards.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// One system call to receive a datagram, one to send it.
    Singly,
    /// Trains as the kernel has them, with GRO and GSO.
    Trains,
}

impl Style {
    const fn word(self) -> &'static str {
        match self {
            Self::Singly => "singly",
            Self::Trains => "trains",
        }
    }
}

/// Starts a forwarder in `host` and waits until it listens.
pub(crate) fn start(host: &Host, style: Style, to: SocketAddr) -> Result<Process> {
    let program = std::env::current_exe()?;
    let mut command = host.command("nice");
    command.args(["-n", NICENESS]).arg(program).args([ROLE, style.word(), &to.to_string()]);
    let process = host.spawn("plain", &mut command)?;
    host.wait_until(Duration::from_secs(10), "the forwarder to listen", || {
        (process.stdout().trim() == READY).then_some(())
    })?;
    Ok(process)
}

const READY: &str = "listening";

/// Forwards until it is killed.
#[allow(clippy::print_stdout, reason = "whoever has started it waits for the word")]
pub(crate) fn run(mut arguments: impl Iterator<Item = String>) -> Result<()> {
    let style = arguments.next().context("a style is missing")?;
    let to: SocketAddr = arguments.next().context("a destination is missing")?.parse()?;
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, PORT))?;
    setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BYTES)?;
    println!("{READY}");
    if style == Style::Singly.word() {
        singly(&socket, to)
    } else if style == Style::Trains.word() {
        in_trains(&socket, to)
    } else {
        bail!("{style} is no style")
    }
}

fn singly(socket: &UdpSocket, to: SocketAddr) -> Result<()> {
    let mut buffer = [0; 2048];
    loop {
        let (length, _) = socket.recv_from(&mut buffer)?;
        // What the network does not take is lost.
        let _ = socket.send_to(&buffer[..length], to);
    }
}

fn in_trains(socket: &UdpSocket, to: SocketAddr) -> Result<()> {
    const TRAIN_BYTES: usize = 65_536;
    socket.set_nonblocking(true)?;
    let state = UdpSocketState::new(UdpSockRef::from(socket))?;
    let mut buffers = vec![0; TRAIN_BYTES * BATCH_SIZE];
    loop {
        let mut meta = [RecvMeta::default(); BATCH_SIZE];
        let mut slices: Vec<IoSliceMut<'_>> = buffers.chunks_mut(TRAIN_BYTES).map(IoSliceMut::new).collect();
        let count = match state.recv(UdpSockRef::from(socket), &mut slices, &mut meta) {
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                poll(&mut [PollFd::new(socket, PollFlags::IN)], None)?;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        for (train, meta) in buffers.chunks(TRAIN_BYTES).zip(&meta[..count]) {
            let segment_size = (meta.len > meta.stride).then_some(meta.stride);
            let contents = &train[..meta.len];
            let transmit = Transmit { destination: to, ecn: None, contents, segment_size, src_ip: None };
            let _ = state.try_send(UdpSockRef::from(socket), &transmit);
        }
    }
}
