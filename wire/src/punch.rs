use std::net::SocketAddr;

use crate::certificate::node_id;
use crate::endpoint::{ENDPOINTS_MAX, read_socket_addr, write_socket_addr};
use crate::error::DecodeError;
use crate::fields::{FieldReader, FieldWriter, list, u64};
use crate::keys::NodeId;
use crate::signed::{MessageType, SignedMessage};
use crate::time::UnixTime;

/// "I am sending to you now; send to me at these endpoints, so that both our NATs let us through."
///
/// Passed on by a member that has control connections to both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PunchCall {
    /// The caller.
    pub from: NodeId,
    /// Who is called.
    pub to: NodeId,
    /// When it was called; accepted within the allowed skew, and strictly growing per caller.
    pub at: UnixTime,
    /// Where the caller can be reached.
    pub endpoints: Vec<SocketAddr>,
}

impl SignedMessage for PunchCall {
    const TYPE: MessageType = MessageType::PunchCall;

    fn encode(&self) -> Vec<u8> {
        FieldWriter::new()
            .bytes(1, self.from.as_bytes())
            .bytes(2, self.to.as_bytes())
            .u64(3, self.at.as_nanos())
            .list(4, &self.endpoints, write_socket_addr)
            .finish()
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut r = FieldReader::new(bytes)?;
        let call = Self {
            from: r.required(1, node_id)?,
            to: r.required(2, node_id)?,
            at: UnixTime::from_nanos(r.required(3, u64)?),
            endpoints: r.required(4, list(ENDPOINTS_MAX, read_socket_addr))?,
        };
        r.finish()?;
        Ok(call)
    }

    fn signer(&self) -> &NodeId {
        &self.from
    }
}
