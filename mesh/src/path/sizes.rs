use holloway_wire::{Endpoint, RECORD_OVERHEAD, RELAY_FRAME_LEN};

/// What a record adds to its content.
const OVERHEAD: u16 = RECORD_OVERHEAD as u16;

/// Inner MTU of a path of which nothing is known (ARCHITECTURE §5: a full packet fits through an IPv6 relay on a
/// 1500-byte underlay).
const OVERLAY_MTU: u16 = 1408;

/// The record limit of a path of which nothing is known.
pub(super) const START: u16 = OVERLAY_MTU + OVERHEAD;

/// The record limit that carries an inner 1280, which IPv6 asks of every link (RFC 8200 §5). A path below it is usable
/// by fragmenting only, so nothing below is used unless this was found not to pass.
pub(super) const FLOOR: u16 = 1280 + OVERHEAD;

/// The least record limit: what every IPv4 path carries (RFC 791 §3.2: 576 bytes with headers; IPv6 paths carry more).
pub(super) const LEAST: u16 = 576 - HEADERS_V4;

/// A search ends when the greatest size that passed and the least that failed are this close: what is left of a full
/// packet would be about a hundredth.
pub(super) const STEP: u16 = 16;

/// IP and UDP headers (RFC 791 §3.1, RFC 8200 §3, RFC 768).
const HEADERS_V4: u16 = 20 + 8;
const HEADERS_V6: u16 = 40 + 8;

/// The MTUs that links mostly have: the least of IPv4 and of IPv6, PPPoE (RFC 2516 §7), Ethernet, jumbo frames.
const UNDERLAY_MTUS: [u16; 5] = [576, 1280, 1492, 1500, UNDERLAY_MTU_MAX];

/// Above it there is little to gain, and few links go higher.
const UNDERLAY_MTU_MAX: u16 = 9000;

/// The sizes worth trying towards one endpoint, as lengths of whole records: what a datagram carries.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    headers: u16,
    max: u16,
}

impl Sizes {
    /// The sizes towards an endpoint, no longer than carries `mtu_max` inner bytes where that was decided.
    pub(super) fn new(endpoint: &Endpoint, mtu_max: Option<u16>) -> Self {
        let headers = if endpoint.socket_addr().is_ipv4() { HEADERS_V4 } else { HEADERS_V6 };
        let headers = if endpoint.is_relayed() { headers + RELAY_FRAME_LEN as u16 } else { headers };
        let max = UNDERLAY_MTU_MAX - headers;
        let decided = mtu_max.map_or(max, |mtu| mtu.saturating_add(OVERHEAD).max(FLOOR));
        Self { headers, max: max.min(decided) }
    }

    /// The greatest of them.
    pub(super) const fn max(&self) -> u16 {
        self.max
    }

    /// What is used before anything is known.
    pub(super) fn start(&self) -> u16 {
        START.min(self.max)
    }

    /// What is used at once when `failed` turned out not to pass.
    pub(super) fn fallback(&self, failed: u16) -> u16 {
        let known = [self.start(), FLOOR];
        known.into_iter().find(|size| *size < failed).unwrap_or(LEAST)
    }

    /// The next size above one that passed, if there is any.
    pub(super) fn above(&self, passed: u16) -> Option<u16> {
        let common = self.common().chain([FLOOR, START]).filter(|size| (passed + 1..self.max).contains(size));
        common.min().or_else(|| (passed < self.max).then_some(self.max))
    }

    /// Whether a size fills the packets of a common kind of link: then it is likely the whole truth.
    pub(super) fn is_common(&self, size: u16) -> bool {
        self.common().any(|common| common == size)
    }

    fn common(&self) -> impl Iterator<Item = u16> {
        let headers = self.headers;
        UNDERLAY_MTUS.into_iter().map(move |mtu| mtu - headers)
    }
}

const _: () = assert!(RECORD_OVERHEAD < 64, "it fits");
const _: () = assert!(LEAST >= holloway_wire::MtuProbeSize::MIN.get(), "every size can be probed");
