//! The ports that a firewall has to know.

/// A port and who must reach it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OpenPort {
    /// Its default number and transport, such as `42042/udp`.
    pub(crate) port: &'static str,
    /// Who must reach it.
    pub(crate) from: &'static str,
    /// What for.
    pub(crate) purpose: &'static str,
    /// What is missing where it is closed.
    pub(crate) without: &'static str,
}

/// All ports of a daemon with default settings. Everything goes out from these ports as well.
pub(crate) const OPEN_PORTS: [OpenPort; 6] = [
    OpenPort {
        port: "42042/udp",
        from: "members",
        purpose: "encrypted traffic",
        without: "direct paths from outside depend on the NAT",
    },
    OpenPort {
        port: "42043/udp",
        from: "members and newcomers",
        purpose: "control over QUIC",
        without: "control uses TCP",
    },
    OpenPort {
        port: "42042/tcp",
        from: "members and newcomers",
        purpose: "control over TCP",
        without: "an issuer cannot be reached where UDP is blocked",
    },
    OpenPort {
        port: "443/tcp, of relays",
        from: "members",
        purpose: "streams to the relay",
        without: "members whose network lets no UDP through reach nobody",
    },
    OpenPort {
        port: "5353/udp",
        from: "the local network",
        purpose: "members on the same network find each other (mDNS)",
        without: "they find each other through other members",
    },
    OpenPort {
        port: "53/udp, 53/tcp",
        from: "this machine (127.42.0.53 and its overlay address)",
        purpose: "names",
        without: "names under .alt do not resolve",
    },
];
