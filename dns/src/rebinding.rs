//! What an upstream answer may not contain.
//!
//! A public name that resolves to an address of this machine, its LAN or the overlay is how a
//! web page reaches where it should not (DNS rebinding); a public alias into `.alt` would make
//! our names an answer to somebody else's question.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hickory_proto::op::Message;
use hickory_proto::rr::{Name, RData, Record};

use crate::name;
use crate::zones::Zones;

/// Domains that are private by agreement or that no root will ever delegate: there, private
/// addresses are what one expects.
const PRIVATE_DOMAINS: [&str; 8] =
    ["home.arpa", "internal", "local", "localhost", "localdomain", "lan", "home", "corp"];

/// Whether private addresses are removed from the answers for public names.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum RebindingFilter {
    /// They are removed.
    #[default]
    On,
    /// They are passed on: for an office whose resolver gives private addresses to public names.
    Off,
}

/// What the filter thinks of an upstream's message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    Usable,
    /// Only private addresses were in it, and they are gone.
    Emptied,
    /// It claims something about an enclosed name.
    Poisoned,
}

impl RebindingFilter {
    /// Takes private addresses out of `message` and judges what is left.
    pub(crate) fn apply(self, asked: &Name, message: &mut Message) -> Verdict {
        if message.answers.iter().any(concerns_enclosed) {
            return Verdict::Poisoned;
        }
        if self == Self::Off || is_private_name(asked) {
            return Verdict::Usable;
        }
        let before = message.answers.len();
        message.answers.retain(|record| !address_of(record).is_some_and(is_private));
        let removed = before != message.answers.len();
        match removed && !message.answers.iter().any(|record| address_of(record).is_some()) {
            true => Verdict::Emptied,
            false => Verdict::Usable,
        }
    }
}

fn concerns_enclosed(record: &Record) -> bool {
    Zones::encloses(&record.name) || alias_target(&record.data).is_some_and(Zones::encloses)
}

fn alias_target(data: &RData) -> Option<&Name> {
    if let RData::CNAME(target) = data { Some(&target.0) } else { None }
}

fn address_of(record: &Record) -> Option<IpAddr> {
    if let RData::A(address) = &record.data {
        return Some(address.0.into());
    }
    if let RData::AAAA(address) = &record.data { Some(address.0.into()) } else { None }
}

fn is_private_name(asked: &Name) -> bool {
    asked.num_labels() < 2 || PRIVATE_DOMAINS.iter().any(|domain| name::is_under(asked, domain))
}

fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => is_private_v4(v4),
        IpAddr::V6(v6) => is_private_v6(v6),
    }
}

fn is_private_v4(address: Ipv4Addr) -> bool {
    address.is_private() || address.is_loopback() || address.is_link_local() || address.octets()[0] == 0
}

fn is_private_v6(address: Ipv6Addr) -> bool {
    address.is_unique_local() || address.is_loopback() || address.is_unspecified() || address.is_unicast_link_local()
}
