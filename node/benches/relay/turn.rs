//! As much of TURN (RFC 8656) as it takes to have datagrams relayed: an allocation over UDP, a permission, a channel.
//! Nobody is asked who they are.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use holloway_simnet::lab::{Host, Lab, Process, wait_until};

/// Where the server takes datagrams (RFC 8656 §4).
const PORT: u16 = 3478;

const ALLOCATE: u16 = 0x0003;
const CREATE_PERMISSION: u16 = 0x0008;
const CHANNEL_BIND: u16 = 0x0009;
const SUCCESS: u16 = 0x0100;

const CHANNEL_NUMBER: u16 = 0x000c;
const XOR_PEER_ADDRESS: u16 = 0x0012;
const REQUESTED_TRANSPORT: u16 = 0x0019;

/// RFC 8489 §5.
const MAGIC_COOKIE: u32 = 0x2112_a442;

/// The first that there is (RFC 8656 §12).
const CHANNEL: u16 = 0x4000;

/// What stands before relayed data.
pub(crate) const HEADER_BYTES: usize = 4;

const NICENESS: &str = "-10";
const PATIENCE: Duration = Duration::from_millis(500);
const DEADLINE: Duration = Duration::from_secs(10);

/// coturn in `host`, and where it takes datagrams; `None` where it is not installed.
pub(crate) fn start(lab: &Lab, host: &Host) -> Result<Option<(Process, SocketAddr)>> {
    let version = host.run(host.command("turnserver").arg("--version"), Duration::from_secs(10))?;
    if !version.status.success() {
        return Ok(None);
    }
    let address = host.ipv4().to_string();
    let file = |name: &str| lab.directory().join(name).to_string_lossy().into_owned();
    let mut command = host.command("nice");
    command.args(["-n", NICENESS, "turnserver", "-n", "--no-auth", "--no-tls", "--no-dtls", "--no-tcp", "--no-cli"]);
    command.args(["--realm", "bench", "--listening-ip", &address, "--relay-ip", &address, "--log-file", "stdout"]);
    command.args(["--pidfile", &file("turn.pid"), "--userdb", &file("turn.db")]);
    let process = host.spawn("coturn", &mut command)?;
    Ok(Some((process, SocketAddr::from((host.ipv4(), PORT)))))
}

/// Has the server relay, by a socket that is connected to it, to a peer on a channel.
pub(crate) fn open_channel(socket: &UdpSocket, peer: SocketAddr) -> Result<()> {
    socket.set_nonblocking(false)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let to_peer = attribute(XOR_PEER_ADDRESS, &xor_address(peer)?);
    /// The protocol number of UDP, and reserved bytes.
    const UDP: [u8; 4] = [17, 0, 0, 0];
    ask(socket, ALLOCATE, &attribute(REQUESTED_TRANSPORT, &UDP))?;
    ask(socket, CREATE_PERMISSION, &to_peer)?;
    let [high, low] = CHANNEL.to_be_bytes();
    ask(socket, CHANNEL_BIND, &[attribute(CHANNEL_NUMBER, &[high, low, 0, 0]), to_peer].concat())
}

/// ChannelData of this length in all.
pub(crate) fn channel_data(length: usize) -> Vec<u8> {
    let mut datagram = vec![0; length];
    datagram[..2].copy_from_slice(&CHANNEL.to_be_bytes());
    datagram[2..4].copy_from_slice(&((length - HEADER_BYTES) as u16).to_be_bytes());
    datagram
}

fn ask(socket: &UdpSocket, method: u16, attributes: &[u8]) -> Result<()> {
    let mut transaction = [0; 12];
    getrandom::fill(&mut transaction).map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
    let mut request = method.to_be_bytes().to_vec();
    request.extend(u16::try_from(attributes.len())?.to_be_bytes());
    request.extend(MAGIC_COOKIE.to_be_bytes());
    request.extend(transaction);
    request.extend(attributes);
    wait_until(DEADLINE, "an answer of the TURN server", || asked_once(socket, &request, &transaction).transpose())?
        .and_then(|kind| {
            ensure!(kind == method | SUCCESS, "TURN method {method:#x} was refused: {kind:#x}");
            Ok(())
        })
}

/// One try; `None` when it was not answered in time, as when the server is not up yet.
fn asked_once(socket: &UdpSocket, request: &[u8], transaction: &[u8]) -> Result<Option<u16>> {
    let mut answer = [0; 2048];
    // A server that is not up yet is an error of the socket, and then of the answer.
    let _ = socket.send(request);
    match socket.recv(&mut answer) {
        Ok(length) if length >= 20 && answer[8..20] == *transaction => {
            Ok(Some(u16::from_be_bytes([answer[0], answer[1]])))
        }
        Ok(_) | Err(_) => Ok(None),
    }
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = (value.len() as u16).to_be_bytes();
    [&kind.to_be_bytes()[..], &length, value].concat()
}

/// RFC 8489 §14.2.
fn xor_address(address: SocketAddr) -> Result<Vec<u8>> {
    const IPV4: u8 = 1;
    let ip = match address.ip() {
        IpAddr::V4(ip) => Some(ip.to_bits() ^ MAGIC_COOKIE),
        IpAddr::V6(_) => None,
    };
    let port = address.port() ^ (MAGIC_COOKIE >> 16) as u16;
    Ok([&[0, IPV4][..], &port.to_be_bytes(), &ip.context("an IPv4 address")?.to_be_bytes()].concat())
}
