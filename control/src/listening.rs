//! Where the node listens, and where it still tries to.

use std::error::Error as _;
use std::io;
use std::net::{TcpListener, UdpSocket};

use libp2p::core::transport::TransportError;
use libp2p::{Multiaddr, Swarm};
use tokio::time::Instant;

use crate::address::{DialAddr, Transport};
use crate::error::Error;
use crate::event::Event;
use crate::settings::Settings;
use crate::shell::Shell;

/// Addresses that are held by a control plane which has ended, and drains its connections.
pub(crate) struct Listening {
    waiting: Vec<DialAddr>,
    until: Instant,
}

impl Listening {
    /// Listens. What fails is tried again where there is patience for it.
    pub(crate) fn start(swarm: &mut Swarm<Shell>, settings: &Settings) -> Result<Self, Error> {
        let mut listening = Self { waiting: Vec::new(), until: Instant::now() + settings.listen_patience };
        let tcp = settings.listen.tcp.iter().copied().map(DialAddr::tcp);
        let quic = settings.listen.quic.iter().copied().map(DialAddr::quic);
        for place in tcp.chain(quic) {
            match listen(swarm, place) {
                Ok(()) => {}
                Err(_) if !settings.listen_patience.is_zero() => listening.waiting.push(place),
                Err(error) => {
                    let (reason, held) = (reason(&error), is_held(place));
                    return Err(Error::Listen { address: place.address, transport: place.transport, reason, held });
                }
            }
        }
        Ok(listening)
    }

    /// Tries again; tells what has failed for good.
    pub(crate) fn retry(&mut self, swarm: &mut Swarm<Shell>, now: Instant) -> Vec<Event> {
        let is_over = now >= self.until;
        let mut failed = Vec::new();
        for place in std::mem::take(&mut self.waiting) {
            match listen(swarm, place) {
                Ok(()) => {}
                Err(error) if is_over => {
                    failed.push(Event::ListenFailed { addresses: vec![place], reason: reason(&error) });
                }
                Err(_) => self.waiting.push(place),
            }
        }
        failed
    }
}

fn listen(swarm: &mut Swarm<Shell>, place: DialAddr) -> Result<(), TransportError<io::Error>> {
    let address: Multiaddr = place.to_multiaddr();
    swarm.listen_on(address).map(|_| ())
}

/// Whether another program has it. libp2p does not let the system's error through.
fn is_held(place: DialAddr) -> bool {
    let bound = match place.transport {
        Transport::Tcp => TcpListener::bind(place.address).map(drop),
        Transport::Quic => UdpSocket::bind(place.address).map(drop),
    };
    bound.is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse)
}

/// libp2p tells the system's reason only as the source.
fn reason(error: &TransportError<io::Error>) -> String {
    error.source().map_or_else(|| error.to_string(), ToString::to_string)
}
