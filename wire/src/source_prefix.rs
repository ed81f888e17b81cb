use std::net::{IpAddr, Ipv6Addr};

/// The part of a source address that one party can be taken to control: a /24, or a /56 as providers hand them out
/// (RFC 6177 §2). Limits for strangers are counted by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourcePrefix(Ipv6Addr);

impl SourcePrefix {
    /// The prefix that an address is in.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        let (bits, length) = match address.to_canonical() {
            IpAddr::V4(v4) => (u128::from(v4.to_ipv6_mapped()), 96 + 24),
            IpAddr::V6(v6) => (u128::from(v6), 56),
        };
        Self(Ipv6Addr::from(bits & (u128::MAX << (128 - length))))
    }
}
