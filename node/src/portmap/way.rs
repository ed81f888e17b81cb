use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};

use super::Standing;
use super::judging::is_internet;

/// The default router, and the socket on this side of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) router: Ipv4Addr,
    pub(super) local: SocketAddrV4,
}

impl Way {
    /// The way out of this machine for a data path that listens at these addresses; without one, why no router is
    /// asked.
    pub(super) fn find(listening: &[SocketAddr]) -> Result<Self, Standing> {
        let table = fs::read_to_string("/proc/net/route").unwrap_or_default();
        let router = default_router(&table).ok_or(Standing::NoRouter)?;
        let own = source_towards(router).ok_or(Standing::NoRouter)?;
        if is_internet(own) {
            return Err(Standing::Public);
        }
        let leads_to = |address: &&SocketAddr| address.ip() == own || address.ip() == Ipv4Addr::UNSPECIFIED;
        let port = listening.iter().find(leads_to).ok_or(Standing::Off)?.port();
        Ok(Self { router, local: SocketAddrV4::new(own, port) })
    }
}

/// The address from which this machine sends to a router. Sends nothing.
fn source_towards(router: Ipv4Addr) -> Option<Ipv4Addr> {
    /// Any port would do.
    const DISCARD: u16 = 9;
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((router, DISCARD)).ok()?;
    match socket.local_addr().ok()?.ip() {
        IpAddr::V4(own) => Some(own),
        IpAddr::V6(_) => None,
    }
}

/// The router of the default route with the lowest metric in the text of `/proc/net/route`.
fn default_router(table: &str) -> Option<Ipv4Addr> {
    let routes = table.lines().filter_map(parse_default);
    routes.min_by_key(|(metric, _)| *metric).map(|(_, router)| router)
}

/// Metric and router of a line, if it is a default route through a router.
fn parse_default(line: &str) -> Option<(u32, Ipv4Addr)> {
    /// `RTF_UP | RTF_GATEWAY` of linux/route.h.
    const UP_AND_GATEWAY: u32 = 0x3;
    let columns: Vec<&str> = line.split_ascii_whitespace().collect();
    let [_, destination, router, flags, _, _, metric, mask, ..] = columns[..] else {
        return None;
    };
    let hex = |text: &str| u32::from_str_radix(text, 16).ok();
    let is_default = hex(destination)? == 0 && hex(mask)? == 0 && hex(flags)? & UP_AND_GATEWAY == UP_AND_GATEWAY;
    // The kernel prints the four bytes as they lie in memory.
    is_default.then_some((metric.parse().ok()?, Ipv4Addr::from(hex(router)?.to_ne_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";

    #[test]
    #[cfg(target_endian = "little")]
    fn the_default_route_with_the_lowest_metric_wins() {
        let table = format!(
            "{HEADER}wlan0\t00000000\t0100A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n\
             eth0\t00000000\t010AA8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
             eth0\t000AA8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n"
        );
        assert_eq!(default_router(&table), Some(Ipv4Addr::new(192, 168, 10, 1)));
    }

    #[test]
    fn a_machine_without_a_router_has_none() {
        let point_to_point = "ppp0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0\n";
        let half_of_everything = "tun0\t00000000\t0100A8C0\t0003\t0\t0\t0\t00000080\t0\t0\t0\n";
        for table in ["", HEADER, point_to_point, half_of_everything, "eth0\tzz\t1\t2\t3\t4\t5\t6\n", "eth0 1"] {
            assert_eq!(default_router(table), None, "{table:?}");
        }
    }
}
