//! Dials under way. One command may be several attempts, and fails only when all of them have.

use std::collections::HashMap;

use holloway_wire::NodeId;
use libp2p::Multiaddr;
use libp2p::core::transport::TransportError;
use libp2p::swarm::{ConnectionId, DialError};

use crate::address;
use crate::limits::DIALS_MAX;

#[derive(Default)]
pub(crate) struct Dials {
    next: u64,
    attempts: HashMap<ConnectionId, u64>,
    dials: HashMap<u64, Dial>,
}

struct Dial {
    node: Option<NodeId>,
    attempts_left: usize,
}

/// The last attempt of a dial has failed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failed {
    pub(crate) node: Option<NodeId>,
}

impl Dials {
    pub(crate) fn is_full(&self) -> bool {
        self.dials.len() >= DIALS_MAX
    }

    /// Whether the node is being dialed.
    pub(crate) fn is_dialing(&self, node: &NodeId) -> bool {
        self.dials.values().any(|dial| dial.node.as_ref() == Some(node))
    }

    /// Notes a dial and its attempts.
    pub(crate) fn begin(&mut self, node: Option<NodeId>, attempts: &[ConnectionId]) {
        self.next += 1;
        self.dials.insert(self.next, Dial { node, attempts_left: attempts.len() });
        self.attempts.extend(attempts.iter().map(|attempt| (*attempt, self.next)));
    }

    /// An attempt has led to a connection: the dial has not failed, whatever becomes of its other attempts.
    pub(crate) fn succeeded(&mut self, attempt: ConnectionId) {
        if let Some(dial) = self.attempts.remove(&attempt) {
            self.dials.remove(&dial);
            self.attempts.retain(|_, other| *other != dial);
        }
    }

    /// An attempt has failed.
    pub(crate) fn failed(&mut self, attempt: ConnectionId) -> Option<Failed> {
        let number = self.attempts.remove(&attempt)?;
        let dial = self.dials.get_mut(&number)?;
        dial.attempts_left -= 1;
        if dial.attempts_left > 0 {
            return None;
        }
        self.dials.remove(&number).map(|dial| Failed { node: dial.node })
    }
}

/// A dial's failure in words an operator can read.
pub(crate) fn reason(error: &DialError) -> String {
    match error {
        DialError::Transport(attempts) => attempts.iter().map(attempt_reason).collect::<Vec<_>>().join("; "),
        DialError::WrongPeerId { .. } => "another node answered".to_owned(),
        DialError::LocalPeerId { .. } => "this node itself answered".to_owned(),
        DialError::NoAddresses => "no address to dial".to_owned(),
        DialError::Denied { cause } => format!("refused by this node: {}", root_cause(cause)),
        DialError::Aborted | DialError::DialPeerConditionFalse(_) => error.to_string(),
    }
}

fn attempt_reason((address, error): &(Multiaddr, TransportError<std::io::Error>)) -> String {
    let place = match address::parse(address) {
        Some((address, transport)) => format!("{address}/{transport}"),
        None => address.to_string(),
    };
    match error {
        TransportError::MultiaddrNotSupported(_) => format!("{place}: not supported"),
        TransportError::Other(error) => format!("{place}: {}", root_cause(error)),
    }
}

/// The innermost error says what happened; those around it say which layer was told.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> ConnectionId {
        ConnectionId::new_unchecked(number)
    }

    #[test]
    fn a_dial_fails_with_its_last_attempt() {
        let mut dials = Dials::default();
        dials.begin(None, &[id(1), id(2)]);
        assert_eq!(dials.failed(id(1)), None);
        assert_eq!(dials.failed(id(2)), Some(Failed { node: None }));
        assert_eq!(dials.failed(id(2)), None);
    }

    #[test]
    fn a_dial_that_succeeded_does_not_fail_afterwards() {
        let mut dials = Dials::default();
        dials.begin(None, &[id(1), id(2)]);
        dials.succeeded(id(1));
        assert_eq!(dials.failed(id(2)), None);
        assert!(dials.attempts.is_empty() && dials.dials.is_empty());
    }
}
