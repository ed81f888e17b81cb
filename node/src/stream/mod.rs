//! Streams to relays, for networks that let no UDP through: TLS over TCP, which looks like any other.
//!
//! At both ends of a stream there is a *gateway*: a UDP socket on this machine's loopback, connected to the data path. What
//! the data path sends there travels in the stream, each datagram behind its length, and what comes in the stream is handed
//! to the data path from there. So lanes, core and relay know nothing of streams but an address; what a full stream cannot
//! take is lost where datagrams mostly are, in a socket's full buffer.
//!
//! The relay proves by its certificate that it has the key that its node id is; the member proves itself inside, as over
//! UDP.

mod carry;
mod client;
mod server;
mod tls;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

pub(crate) use client::{StreamNews, Streams};
pub(crate) use server::StreamServer;

/// Where gateways find the data path: an address of it on this machine.
pub(crate) fn data_path(listening: &[SocketAddr]) -> Option<SocketAddr> {
    let reachable = |address: &SocketAddr| match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), address.port()),
        IpAddr::V6(ip) if ip.is_unspecified() => SocketAddr::new(Ipv6Addr::LOCALHOST.into(), address.port()),
        IpAddr::V4(_) | IpAddr::V6(_) => *address,
    };
    let first = listening.iter().find(|address| address.is_ipv4()).or(listening.first());
    first.map(reachable)
}
