use holloway_wire::NodeId;
use libp2p::PeerId;
use libp2p::identity::{PublicKey, ed25519};
use libp2p::multihash::Multihash;

/// Code of the identity multihash: a key of 42 bytes or less is its own peer id (libp2p peer id specification).
const IDENTITY: u64 = 0;
/// Protobuf of an Ed25519 public key before its 32 bytes: key type 1, 32 bytes of data.
const ED25519_PREFIX: [u8; 4] = [0x08, 0x01, 0x12, 0x20];

/// The peer id of a node.
pub(crate) fn peer_id(node: &NodeId) -> PeerId {
    let key = ed25519::PublicKey::try_from_bytes(node.as_bytes()).expect("a NodeId is a valid point");
    PeerId::from_public_key(&PublicKey::from(key))
}

/// The node with this peer id, unless it is another kind of key.
pub(crate) fn node_id(peer: &PeerId) -> Option<NodeId> {
    let multihash: &Multihash<64> = peer.as_ref();
    if multihash.code() != IDENTITY {
        return None;
    }
    let key = multihash.digest().strip_prefix(&ED25519_PREFIX)?;
    NodeId::from_bytes(key.try_into().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use holloway_wire::IdentityKey;
    use libp2p::identity::Keypair;

    use super::*;

    #[test]
    fn a_node_and_its_peer_id_name_the_same_key() {
        let seed = [7; 32];
        let node = IdentityKey::from_bytes(&seed).node_id();
        let keypair = Keypair::ed25519_from_bytes(seed).unwrap();
        assert_eq!(peer_id(&node), keypair.public().to_peer_id());
        assert_eq!(node_id(&peer_id(&node)), Some(node));
    }

    #[test]
    fn a_peer_id_that_is_a_hash_is_no_node() {
        let sha256 = Multihash::<64>::wrap(0x12, &[1; 32]).unwrap();
        assert_eq!(node_id(&PeerId::from_multihash(sha256).unwrap()), None);
        assert_eq!(node_id(&PeerId::random()), None);
    }
}
