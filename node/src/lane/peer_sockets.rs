use std::collections::BTreeMap;

use holloway_wire::{Endpoint, NodeId};

use super::udp::{Bound, UdpSockets};

/// Sockets of their own for so many peers of a lane. The kernel may hold as much for each as for the shared one, which
/// this bounds; it is rare that more send at the same time.
const SOCKETS_MAX: usize = 32;

/// A socket for each peer that is in use, so that what the kernel holds for a lane is kept apart by peer and each gets its
/// turn. In one queue for all, whoever sends most would fill it, and what others send would be lost for want of room.
///
/// Such a socket has the address of the shared one and is connected to the peer's endpoint, which the kernel prefers.
/// A peer that shows up elsewhere comes in by the shared socket, as strangers do.
#[derive(Default)]
pub(super) struct PeerSockets {
    sockets: BTreeMap<NodeId, PeerSocket>,
}

struct PeerSocket {
    endpoint: Endpoint,
    bound: Bound,
}

impl PeerSockets {
    /// A peer is reached here now, or nowhere. What is still in the socket that it had is lost, as on any path that ends.
    pub(super) fn set(&mut self, node: NodeId, endpoint: Option<Endpoint>, shared: &UdpSockets) {
        // What comes through one relay is of many peers.
        let endpoint = endpoint.filter(|endpoint| !endpoint.is_relayed());
        let is_same = self.sockets.get(&node).map(|own| own.endpoint) == endpoint;
        if is_same {
            return;
        }
        self.sockets.remove(&node);
        let is_taken = self.sockets.values().any(|own| Some(own.endpoint) == endpoint);
        if let Some(endpoint) = endpoint.filter(|_| self.sockets.len() < SOCKETS_MAX && !is_taken) {
            match shared.connected(&endpoint) {
                Ok(bound) => drop(self.sockets.insert(node, PeerSocket { endpoint, bound })),
                Err(error) => tracing::debug!(%endpoint, %error, "a peer has no socket of its own"),
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Bound> {
        self.sockets.values().map(|own| &own.bound)
    }
}
