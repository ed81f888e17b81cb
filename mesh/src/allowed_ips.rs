use std::collections::HashMap;
use std::net::IpAddr;

use holloway_wire::NodeId;

/// Which addresses a peer may use. Two questions, because exits need them apart: where does a packet go, and may this
/// peer have sent it.
#[derive(Debug, Default)]
pub(crate) struct AllowedIps {
    owner: HashMap<IpAddr, NodeId>,
}

impl AllowedIps {
    /// Gives an address to a peer.
    pub(crate) fn insert(&mut self, address: IpAddr, node: NodeId) {
        self.owner.insert(address, node);
    }

    /// Takes an address from whoever has it.
    pub(crate) fn remove(&mut self, address: &IpAddr) {
        self.owner.remove(address);
    }

    /// The peer to which a packet goes.
    pub(crate) fn route(&self, destination: &IpAddr) -> Option<&NodeId> {
        self.owner.get(destination)
    }

    /// Whether a peer may have sent a packet with this source.
    pub(crate) fn may_source(&self, node: &NodeId, source: &IpAddr) -> bool {
        self.owner.get(source) == Some(node)
    }
}
