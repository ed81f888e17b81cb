use holloway_wire::NodeId;

/// One end of what passes through this relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Party {
    pub(crate) node: NodeId,
    /// Whence it comes, when it is not registered here.
    pub(crate) beyond: Option<Trunk>,
}

/// Another relay, as one from which circuits come, or to which they lead on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Trunk {
    pub(crate) relay: NodeId,
    pub(crate) side: Side,
}

/// Who of two relays is registered with the other, and has asked for the circuit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    /// The other one is registered here.
    Theirs,
    /// We are registered there.
    Ours,
}

impl Party {
    /// A member that is registered here.
    pub(crate) const fn member(node: NodeId) -> Self {
        Self { node, beyond: None }
    }

    /// A member beyond another relay.
    pub(crate) const fn beyond(node: NodeId, relay: NodeId, side: Side) -> Self {
        Self { node, beyond: Some(Trunk { relay, side }) }
    }
}
