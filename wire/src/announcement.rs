use std::net::SocketAddr;

use minicbor::{Decoder, Encoder};

use crate::certificate::node_id;
use crate::endpoint::{ENDPOINTS_MAX, read_socket_addr, write_socket_addr};
use crate::error::DecodeError;
use crate::fields::{FieldReader, FieldWriter, list, put, seconds, text, tuple, u64};
use crate::keys::NodeId;
use crate::signed::{MessageType, SignedMessage};
use crate::time::UnixTime;

/// Most members named as able to pass on a call: a home peer and spares.
pub const HOME_PEERS_MAX: usize = 4;

/// Most relays that a node is registered with to be found there: its home relay and a standby.
pub const HOME_RELAYS_MAX: usize = 2;

/// Most records that one host publishes under its name (DNS.md §6.5: 64 RRsets for each owner).
pub const NAME_RECORDS_MAX: usize = 64;

/// Longest value of a published record in octets (DNS.md §6.5).
const RECORD_VALUE_LEN_MAX: usize = 1000;

/// Longest name of a published record relative to its host: a whole DNS name.
const RECORD_NAME_LEN_MAX: usize = 253;

/// An address of a node's control plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ControlAddr {
    /// Over TCP.
    Tcp(SocketAddr),
    /// Over QUIC.
    Quic(SocketAddr),
}

impl ControlAddr {
    /// The address, whatever the transport.
    #[must_use]
    pub const fn socket_addr(&self) -> &SocketAddr {
        match self {
            Self::Tcp(address) | Self::Quic(address) => address,
        }
    }

    pub(crate) fn write(&self, e: &mut Encoder<Vec<u8>>) {
        let (kind, address) = match self {
            Self::Tcp(address) => (0, address),
            Self::Quic(address) => (1, address),
        };
        put(e, |e| e.array(2)?.u8(kind));
        write_socket_addr(e, address);
    }

    pub(crate) fn read(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        tuple(d, 2)?;
        match d.u8()? {
            0 => Ok(Self::Tcp(read_socket_addr(d)?)),
            1 => Ok(Self::Quic(read_socket_addr(d)?)),
            _ => Err(DecodeError::Value),
        }
    }
}

/// Where a node can be reached, said by itself. The highest sequence wins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointAnnouncement {
    /// Whose endpoints these are.
    pub node: NodeId,
    /// Grows with each announcement: the wall clock in nanoseconds, or one more than the last.
    pub sequence: u64,
    /// No longer to be used from here on.
    pub expires: UnixTime,
    /// Addresses of the data path, own and as seen by others.
    pub endpoints: Vec<SocketAddr>,
    /// Addresses of the control plane.
    pub control: Vec<ControlAddr>,
    /// Members with a control connection to this node, who can pass on a [`crate::PunchCall`].
    pub home_peers: Vec<NodeId>,
    /// Relays that it can be reached through, its home relay first.
    pub relays: Vec<NodeId>,
}

impl SignedMessage for EndpointAnnouncement {
    const TYPE: MessageType = MessageType::EndpointAnnouncement;

    fn encode(&self) -> Vec<u8> {
        FieldWriter::new()
            .bytes(1, self.node.as_bytes())
            .u64(2, self.sequence)
            .u64(3, self.expires.as_secs())
            .list(4, &self.endpoints, write_socket_addr)
            .list(5, &self.control, |e, address| address.write(e))
            .list(6, &self.home_peers, |e, node| put(e, |e| e.bytes(node.as_bytes())))
            .list(7, &self.relays, |e, node| put(e, |e| e.bytes(node.as_bytes())))
            .finish()
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut r = FieldReader::new(bytes)?;
        let announcement = Self {
            node: r.required(1, node_id)?,
            sequence: r.required(2, u64)?,
            expires: r.required(3, seconds)?,
            endpoints: r.required(4, list(ENDPOINTS_MAX, read_socket_addr))?,
            control: r.required(5, list(ENDPOINTS_MAX, ControlAddr::read))?,
            home_peers: r.required(6, list(HOME_PEERS_MAX, node_id))?,
            relays: r.required(7, list(HOME_RELAYS_MAX, node_id))?,
        };
        r.finish()?;
        Ok(announcement)
    }

    fn signer(&self) -> &NodeId {
        &self.node
    }
}

/// One record under a host's own name, as text: the zone's owner parses it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NameRecord {
    /// The name relative to the host: `wiki`, `_http._tcp`, or empty for the host itself.
    pub name: String,
    /// The record type's mnemonic, `AAAA` say.
    pub record_type: String,
    /// The value in presentation form.
    pub value: String,
}

impl NameRecord {
    fn write(&self, e: &mut Encoder<Vec<u8>>) {
        put(e, |e| e.array(3)?.str(&self.name)?.str(&self.record_type)?.str(&self.value));
    }

    fn read(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        /// `TYPE65535` is the longest mnemonic there is (RFC 3597 §5).
        const TYPE_LEN_MAX: usize = 10;
        tuple(d, 3)?;
        Ok(Self {
            name: text(RECORD_NAME_LEN_MAX)(d)?,
            record_type: text(TYPE_LEN_MAX)(d)?,
            value: text(RECORD_VALUE_LEN_MAX)(d)?,
        })
    }
}

/// What a host publishes under its own name. The highest sequence wins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamePublication {
    /// The host.
    pub node: NodeId,
    /// Grows with each change.
    pub sequence: u64,
    /// The records, all of them.
    pub records: Vec<NameRecord>,
}

impl SignedMessage for NamePublication {
    const TYPE: MessageType = MessageType::NamePublication;

    fn encode(&self) -> Vec<u8> {
        FieldWriter::new()
            .bytes(1, self.node.as_bytes())
            .u64(2, self.sequence)
            .list(3, &self.records, |e, record| record.write(e))
            .finish()
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut r = FieldReader::new(bytes)?;
        let publication = Self {
            node: r.required(1, node_id)?,
            sequence: r.required(2, u64)?,
            records: r.required(3, list(NAME_RECORDS_MAX, NameRecord::read))?,
        };
        r.finish()?;
        Ok(publication)
    }

    fn signer(&self) -> &NodeId {
        &self.node
    }
}
