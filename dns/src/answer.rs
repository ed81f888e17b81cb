//! What is answered.

use std::fmt;

use hickory_proto::rr::{RData, Record};

use crate::name;
use crate::question::{Question, type_text};

/// The answer to a [`Question`] (RFC 1034 section 4.3.2, RFC 2308 section 2).
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// The name has records of the type, or is an alias.
    Records {
        /// The CNAME chain, if any, followed by the records themselves.
        records: Vec<ResourceRecord>,
        /// The question that is left when the chain ends at a name that lies elsewhere.
        onward: Option<Question>,
    },
    /// The name exists, but has no record of the type (NOERROR without an answer).
    NoData {
        /// The CNAME chain that led to the name, if any.
        chain: Vec<ResourceRecord>,
        /// The zone's SOA with the negative TTL of RFC 2308; empty if an upstream gave none.
        authority: Vec<ResourceRecord>,
    },
    /// The name does not exist, nor anything below it (RFC 8020).
    NxDomain {
        /// The CNAME chain that led to the name, if any.
        chain: Vec<ResourceRecord>,
        /// The zone's SOA with the negative TTL of RFC 2308; empty if an upstream gave none.
        authority: Vec<ResourceRecord>,
    },
}

impl Answer {
    /// Returns what belongs into the answer section: the CNAME chain and the records.
    pub fn records(&self) -> &[ResourceRecord] {
        match self {
            Self::Records { records, .. } => records,
            Self::NoData { chain, .. } => chain,
            Self::NxDomain { chain, .. } => chain,
        }
    }

    /// Returns what belongs into the authority section: the SOA of a negative answer.
    pub fn authority(&self) -> &[ResourceRecord] {
        match self {
            Self::Records { .. } => &[],
            Self::NoData { authority, .. } => authority,
            Self::NxDomain { authority, .. } => authority,
        }
    }

    /// Puts the chain that led to this answer in front of it.
    pub(crate) fn after(self, mut led_here: Vec<ResourceRecord>) -> Self {
        led_here.extend_from_slice(self.records());
        match self {
            Self::Records { onward, .. } => Self::Records { records: led_here, onward },
            Self::NoData { authority, .. } => Self::NoData { chain: led_here, authority },
            Self::NxDomain { authority, .. } => Self::NxDomain { chain: led_here, authority },
        }
    }
}

/// One resource record of class IN.
#[derive(Clone, Debug, PartialEq)]
#[repr(transparent)]
pub struct ResourceRecord(pub(crate) Record);

impl ResourceRecord {
    /// Returns the owner name in presentation form, with its final dot.
    pub fn name(&self) -> String {
        name::presentation(&self.0.name)
    }

    /// Returns the record type, such as `AAAA`.
    pub fn rtype(&self) -> String {
        type_text(self.0.record_type())
    }

    /// Returns the time to live in seconds.
    pub fn ttl_seconds(&self) -> u32 {
        self.0.ttl
    }

    /// Returns the data in presentation form.
    pub fn data(&self) -> String {
        #[expect(clippy::wildcard_enum_match_arm, reason = "a list of types that others extend")]
        match &self.0.data {
            RData::CNAME(target) => name::presentation(&target.0),
            RData::PTR(target) => name::presentation(&target.0),
            RData::NS(target) => name::presentation(&target.0),
            RData::SRV(srv) => {
                format!("{} {} {} {}", srv.priority, srv.weight, srv.port, name::presentation(&srv.target))
            }
            RData::TXT(txt) => txt.txt_data.iter().map(|chunk| quoted(chunk)).collect::<Vec<_>>().join(" "),
            other => other.to_string(),
        }
    }
}

impl fmt::Display for ResourceRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} IN {} {}", self.name(), self.ttl_seconds(), self.rtype(), self.data())
    }
}

/// Quotes a character string so that what came from the network cannot act on a terminal.
fn quoted(chunk: &[u8]) -> String {
    let mut text = String::from("\"");
    for &octet in chunk {
        match octet {
            b'"' | b'\\' => text.extend(['\\', char::from(octet)]),
            b' '..=b'~' => text.push(char::from(octet)),
            other => text.push_str(&format!("\\{other:03}")),
        }
    }
    text.push('"');
    text
}
