use std::net::Ipv6Addr;

use ipnet::Ipv6Net;

/// Flag of a route that rejects (`RTF_REJECT` of `linux/route.h`).
const REJECT: u32 = 0x0200;

/// The interface and route, if any, that already leads into `prefix` and is not `own`.
///
/// # Errors
/// When the kernel's table cannot be read.
pub(crate) fn overlapping(prefix: &Ipv6Net, own: &str) -> std::io::Result<Option<String>> {
    let table = match std::fs::read_to_string("/proc/net/ipv6_route") {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        table => table?,
    };
    Ok(table.lines().filter_map(parse).find(|route| route.overlaps(prefix, own)).map(|route| route.to_string()))
}

struct Route {
    net: Ipv6Net,
    flags: u32,
    interface: String,
}

impl Route {
    fn overlaps(&self, prefix: &Ipv6Net, own: &str) -> bool {
        let is_inside = prefix.contains(&self.net) || (self.net.prefix_len() > 8 && self.net.contains(prefix));
        is_inside && self.interface != own && self.flags & REJECT == 0
    }
}

impl std::fmt::Display for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.interface, self.net)
    }
}

/// One line of `/proc/net/ipv6_route`: destination, its length, source, its length, next hop, metric, two counters,
/// flags, interface; all in hexadecimal.
fn parse(line: &str) -> Option<Route> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [destination, length, .., flags, interface] = fields.as_slice() else {
        return None;
    };
    let address = Ipv6Addr::from(u128::from_str_radix(destination, 16).ok()?);
    let net = Ipv6Net::new(address, u8::from_str_radix(length, 16).ok()?).ok()?;
    Some(Route { net, flags: u32::from_str_radix(flags, 16).ok()?, interface: (*interface).to_owned() })
}

#[cfg(test)]
mod tests {
    use super::parse;

    const LINE: &str = "fd420102030400000000000000000000 30 00000000000000000000000000000000 00 \
                        00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0";

    #[test]
    fn a_route_into_the_prefix_on_another_interface_overlaps() {
        let route = parse(LINE).unwrap();
        assert!(route.overlaps(&"fd42:102:304::/48".parse().unwrap(), "hollow0"));
        assert!(!route.overlaps(&"fd42:102:304::/48".parse().unwrap(), "eth0"));
        assert!(!route.overlaps(&"fd42:102:305::/48".parse().unwrap(), "hollow0"));
        assert!(parse("nonsense").is_none());
    }
}
