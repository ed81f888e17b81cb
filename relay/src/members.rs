use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use holloway_wire::{Instant, NodeId, RegistrationId};

use crate::account::Account;
use crate::quota::{Pace, Turns};
use crate::settings::LIFETIME;

/// Binds of one member: a machine that comes up talks to dozens at once.
const BINDS: Pace = Pace { per_second: 20, burst: 64 };

/// Times that one member is told of a channel that leads nowhere.
const GONE: Pace = Pace { per_second: 10, burst: 10 };

/// Circuits that another relay asks for: all its members may come back at once.
const EXTENDS: Pace = Pace { per_second: 500, burst: 2_000 };

/// A member where it registered last.
pub(crate) struct Member {
    pub(crate) registration: RegistrationId,
    pub(crate) source: SocketAddr,
    pub(crate) account: Arc<Account>,
    /// Whether it may relay itself.
    pub(crate) is_relay: bool,
    binds: Turns,
    gone: Turns,
    extends: Turns,
}

impl Member {
    pub(crate) const fn new(
        registration: RegistrationId,
        source: SocketAddr,
        account: Arc<Account>,
        is_relay: bool,
    ) -> Self {
        let never = Turns::NONE;
        Self { registration, source, account, is_relay, binds: never, gone: never, extends: never }
    }

    pub(crate) fn may_extend(&mut self, now: Instant) -> bool {
        self.is_relay && self.extends.take(EXTENDS, now)
    }

    pub(crate) fn may_bind(&mut self, now: Instant) -> bool {
        self.binds.take(BINDS, now)
    }

    pub(crate) fn may_be_told(&mut self, now: Instant) -> bool {
        self.gone.take(GONE, now)
    }
}

/// Who is registered, by every name.
#[derive(Default)]
pub(crate) struct Members {
    by_node: BTreeMap<NodeId, Member>,
    by_registration: BTreeMap<RegistrationId, NodeId>,
    by_source: BTreeMap<SocketAddr, NodeId>,
}

impl Members {
    pub(crate) fn insert(&mut self, node: NodeId, member: Member) {
        self.remove(&node);
        // Who registers at an address has shown that it is there; who was there before is not any more.
        if let Some(before) = self.by_source.get(&member.source).copied() {
            self.remove(&before);
        }
        self.by_registration.insert(member.registration, node);
        self.by_source.insert(member.source, node);
        self.by_node.insert(node, member);
    }

    pub(crate) fn remove(&mut self, node: &NodeId) -> Option<Member> {
        let member = self.by_node.remove(node)?;
        self.by_registration.remove(&member.registration);
        self.by_source.remove(&member.source);
        Some(member)
    }

    pub(crate) fn get(&self, node: &NodeId) -> Option<&Member> {
        self.by_node.get(node)
    }

    /// The member with a registration, if it is at this source.
    pub(crate) fn registered(
        &mut self,
        registration: RegistrationId,
        source: &SocketAddr,
    ) -> Option<(NodeId, &mut Member)> {
        let node = *self.by_registration.get(&registration)?;
        let member = self.by_node.get_mut(&node).filter(|member| member.source == *source)?;
        Some((node, member))
    }

    pub(crate) fn at(&mut self, source: &SocketAddr) -> Option<&mut Member> {
        self.by_node.get_mut(self.by_source.get(source)?)
    }

    pub(crate) fn at_source(&self, source: &SocketAddr) -> Option<NodeId> {
        self.by_source.get(source).copied()
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Member> {
        self.by_node.values()
    }

    /// Those of whom nothing has been heard for too long.
    pub(crate) fn lapsed(&self, now: Instant) -> Vec<NodeId> {
        let lapsed = self.by_node.iter().filter(|(_, member)| now.since(member.account.heard()) >= LIFETIME);
        lapsed.map(|(node, _)| *node).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.by_node.len()
    }
}
