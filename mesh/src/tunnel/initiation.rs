use holloway_wire::{Endpoint, InitiationPayload, NodeId, SessionIndex, StaticPublicKey};

use crate::noise::Responder;

/// What a message 1 claims, read but not yet weighed: who may join a session is the caller's to say.
pub(crate) struct Claim {
    pub(crate) responder: Responder,
    pub(crate) payload: InitiationPayload,
    pub(crate) sender: SessionIndex,
    pub(crate) from: Endpoint,
}

impl Claim {
    /// The member that it says it is.
    pub(crate) fn subject(&self) -> &NodeId {
        self.payload.certificates[0].subject()
    }

    /// The static key that the handshake proves.
    pub(crate) const fn proven_key(&self) -> &StaticPublicKey {
        self.responder.remote()
    }

    /// Whether the certificate speaks of the key that the handshake proves.
    pub(crate) fn certificate_matches_key(&self) -> bool {
        self.payload.certificates[0].static_key() == self.proven_key()
    }
}
