use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use holloway_wire::{Endpoint, Instant, NodeId};

use super::udp::{Bound, UdpSockets};

/// Sockets of their own for so many peers of a lane. The kernel may hold as much for each as for the shared one, which
/// this bounds; it is rare that more send at the same time.
const SOCKETS_MAX: usize = 32;

/// How long a socket is read after its peer was found elsewhere: what is under way to it comes still, an answer to us
/// perhaps that says where we are to be reached.
const READ_AFTER: Duration = Duration::from_secs(2);

/// A socket for each peer that is in use, so that what the kernel holds for a lane is kept apart by peer and each gets its
/// turn. In one queue for all, whoever sends most would fill it, and what others send would be lost for want of room.
///
/// Such a socket has the address of the shared one and is connected to the peer's endpoint, which the kernel prefers.
/// A peer that shows up elsewhere comes in by the shared socket, as strangers do.
#[derive(Default)]
pub(super) struct PeerSockets {
    sockets: BTreeMap<NodeId, PeerSocket>,
    /// Sockets of peers that are elsewhere now, and until when they are read; the first goes first.
    left: VecDeque<(Instant, PeerSocket)>,
}

struct PeerSocket {
    endpoint: Endpoint,
    bound: Bound,
}

impl PeerSockets {
    /// A peer is reached here now, or nowhere. The socket that it had is read on for a while: closing one throws away what
    /// is in it.
    pub(super) fn set(&mut self, node: NodeId, endpoint: Option<Endpoint>, shared: &UdpSockets, now: Instant) {
        // What comes through one relay is of many peers.
        let endpoint = endpoint.filter(|endpoint| !endpoint.is_relayed());
        let is_same = self.sockets.get(&node).map(|own| own.endpoint) == endpoint;
        if is_same {
            return;
        }
        if let Some(left) = self.sockets.remove(&node) {
            self.left.push_back((now + READ_AFTER, left));
        }
        if self.left.len() > SOCKETS_MAX {
            self.left.pop_front();
        }
        let is_taken = self.sockets.values().any(|own| Some(own.endpoint) == endpoint);
        let Some(endpoint) = endpoint.filter(|_| self.sockets.len() < SOCKETS_MAX && !is_taken) else {
            return;
        };
        match self.take_back(&endpoint).map_or_else(|| shared.connected(&endpoint), Ok) {
            Ok(bound) => drop(self.sockets.insert(node, PeerSocket { endpoint, bound })),
            Err(error) => tracing::debug!(%endpoint, %error, "a peer has no socket of its own"),
        }
    }

    /// The socket of one who was here a moment ago.
    fn take_back(&mut self, endpoint: &Endpoint) -> Option<Bound> {
        let at = self.left.iter().position(|(_, left)| left.endpoint == *endpoint)?;
        self.left.remove(at).map(|(_, left)| left.bound)
    }

    /// Closes those that have been read for long enough; for the caller to call when all have been read. Says whether
    /// there were any.
    pub(super) fn close_left(&mut self, now: Instant) -> bool {
        let before = self.left.len();
        self.left.retain(|(until, _)| *until > now);
        self.left.len() < before
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Bound> {
        self.sockets.values().chain(self.left.iter().map(|(_, left)| left)).map(|own| &own.bound)
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use holloway_wire::IdentityKey;

    use super::super::udp::Buffers;
    use super::*;

    fn peer() -> NodeId {
        IdentityKey::from_bytes(&[7; 32]).node_id()
    }

    fn bound() -> UdpSockets {
        let any = ["127.0.0.1:0".parse().unwrap()];
        UdpSockets::bind(&any, holloway_config::DataplaneSettings::default(), 1).unwrap().remove(0)
    }

    /// What the sockets of peers have, in any order.
    fn heard(sockets: &PeerSockets) -> Vec<Vec<u8>> {
        let (mut buffers, mut heard) = (Buffers::new(), Vec::new());
        for socket in sockets.iter() {
            socket.receive(&mut buffers, |_, datagram| heard.push(datagram.to_vec()));
        }
        heard
    }

    #[test]
    fn what_is_under_way_to_a_socket_that_is_left_is_read() {
        let (shared, far) = (bound(), UdpSocket::bind("127.0.0.1:0").unwrap());
        let here = Endpoint::udp(far.local_addr().unwrap());
        let (mut sockets, now) = (PeerSockets::default(), Instant::from_nanos(1));
        sockets.set(peer(), Some(here), &shared, now);
        let own = shared.local_addrs()[0];
        far.send_to(b"before", own).unwrap();
        sockets.set(peer(), None, &shared, now);
        far.send_to(b"after", own).unwrap();
        assert_eq!(heard(&sockets), [b"before".to_vec(), b"after".to_vec()]);
        assert!(!sockets.close_left(now) && sockets.iter().count() == 1);
        sockets.set(peer(), Some(here), &shared, now);
        assert_eq!(sockets.iter().count(), 1, "it is taken back");
        sockets.set(peer(), None, &shared, now);
        assert!(sockets.close_left(now + READ_AFTER) && sockets.iter().count() == 0);
    }

    #[test]
    fn of_one_who_moves_all_the_time_so_many_sockets_stay_open_and_no_more() {
        let (shared, now) = (bound(), Instant::from_nanos(1));
        let mut sockets = PeerSockets::default();
        for port in 0..100 {
            let there = Endpoint::udp(std::net::SocketAddr::from(([127, 0, 0, 1], 40_000 + port)));
            sockets.set(peer(), Some(there), &shared, now);
        }
        assert_eq!(sockets.iter().count(), SOCKETS_MAX + 1);
    }
}
