//! Whether somebody else's route claims our addresses.

use std::net::Ipv6Addr;

use holloway_wire::Prefix;

/// Bits of an overlay prefix, in the arithmetic of this file.
const PREFIX_LEN: u32 = Prefix::BITS as u32;
/// Columns of /proc/net/ipv6_route.
const COLUMNS: usize = 10;

/// A route that covers addresses of a network, on an interface that is not its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RouteOverlap {
    /// The route's prefix, such as `fd42:1337::/32`.
    pub(crate) route: String,
    /// Its interface.
    pub(crate) interface: String,
    /// Whether it is wider than the network's prefix, so that the network's own route wins over it.
    pub(crate) is_wider: bool,
}

/// The routes in the text of `/proc/net/ipv6_route` that overlap a network's prefix, without default routes and without
/// those on `own` interfaces.
pub(crate) fn overlaps(routes: &str, prefix: Prefix, own: &[String]) -> Vec<RouteOverlap> {
    let network = u128::from(prefix.network());
    let mut found: Vec<RouteOverlap> = Vec::new();
    for (destination, length, interface) in routes.lines().filter_map(parse) {
        let is_default = length == 0;
        let shared = !mask(length.min(PREFIX_LEN));
        let is_overlapping = (destination ^ network) & !shared == 0;
        if is_default || !is_overlapping || own.iter().any(|own| own == interface) {
            continue;
        }
        let route = format!("{}/{length}", Ipv6Addr::from(destination));
        let overlap = RouteOverlap { route, interface: interface.to_owned(), is_wider: length < PREFIX_LEN };
        if !found.contains(&overlap) {
            found.push(overlap);
        }
    }
    found
}

/// Destination, prefix length and interface of one line.
fn parse(line: &str) -> Option<(u128, u32, &str)> {
    let columns: Vec<&str> = line.split_ascii_whitespace().collect();
    if columns.len() != COLUMNS {
        return None;
    }
    let destination = u128::from_str_radix(columns[0], 16).ok()?;
    let length = u32::from_str_radix(columns[1], 16).ok().filter(|length| *length <= u128::BITS)?;
    Some((destination, length, columns[COLUMNS - 1]))
}

/// The first `length` bits.
fn mask(length: u32) -> u128 {
    u128::MAX.checked_shl(u128::BITS - length).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use holloway_wire::NetworkId;

    use super::*;

    fn prefix() -> Prefix {
        let mut id = [0; 32];
        id[..4].copy_from_slice(&[0x13, 0x37, 0xbe, 0xef]);
        NetworkId::from_bytes(id).prefix()
    }

    fn line(destination: &str, length: u32, interface: &str) -> String {
        let destination = u128::from(destination.parse::<Ipv6Addr>().unwrap());
        let none = "0".repeat(32);
        format!(
            "{destination:032x} {length:02x} {none} 00 {none} 00000100 00000001 00000000 00000001     {interface}\n"
        )
    }

    #[test]
    fn route_within_around_and_equal_to_the_prefix_overlaps() {
        let cases = [
            ("fd42:1337:beef::", 48, Some(false)),
            ("fd42:1337:beef:1::", 64, Some(false)),
            ("fd42:1337:beef:1::5", 128, Some(false)),
            ("fd42::", 16, Some(true)),
            ("fc00::", 7, Some(true)),
            ("fd42:1337:bee0::", 44, Some(true)),
            ("fd42:1337:beee::", 48, None),
            ("fd42:1337:bee0::", 47, None),
            ("fe80::", 64, None),
            ("2001:db8::", 32, None),
            ("::", 0, None),
        ];
        for (destination, length, expected) in cases {
            let found = overlaps(&line(destination, length, "eth0"), prefix(), &[]);
            assert_eq!(found.first().map(|overlap| overlap.is_wider), expected, "{destination}/{length}");
        }
    }

    #[test]
    fn own_interface_and_repeated_lines_do_not_count() {
        let text =
            [line("fd42:1337:beef::", 48, "hollow0"), line("fd42::", 16, "eth0"), line("fd42::", 16, "eth0")].concat();
        let found = overlaps(&text, prefix(), &["hollow0".to_owned()]);
        assert_eq!(found, [RouteOverlap { route: "fd42::/16".into(), interface: "eth0".into(), is_wider: true }]);
    }

    #[test]
    fn lines_of_another_form_are_passed_over() {
        assert!(overlaps("\nx\nfd42 30 eth0\n", prefix(), &[]).is_empty());
        assert!(overlaps(&line("fd42::", 16, "eth0").replace(" 10 ", " ff "), prefix(), &[]).is_empty());
    }
}
