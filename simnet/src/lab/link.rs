//! One cable: a veth pair between a host (or the public side of a NAT) and a segment.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::namespace::Namespace;
use super::segment::{ROUTER, Segment, WayOut};
use super::wait::wait_until;

/// What Ethernet carries, and so what hosts assume.
const MTU: u16 = 1500;

/// Probabilities are counted in parts of this.
const LOSS_SCALE: u32 = 10_000;

/// Packets that Linux sends over a cable as one, where nothing is said (`GSO_MAX_SEGS`).
const TRAIN: u32 = 65_535;

/// What a token bucket lets through at once: a few full GSO packets, or it cannot fill the line.
const RATE_BURST: &str = "256k";

/// How long a packet may wait for the bucket before it is dropped: a modest router's queue.
const RATE_LATENCY: &str = "50ms";

/// Numbers for the ends of cables. Where both ends have the same, each in its namespace, the kernel takes them for a device
/// of its own, and tells a bridge of it up to a second later that it is plugged in (`linkwatch_urgent_event`).
static DEVICES: AtomicU32 = AtomicU32::new(1000);

/// How long the kernel may take until a port that is plugged in forwards.
const FORWARDS_WITHIN: Duration = Duration::from_secs(5);

/// A cable into a [`Segment`], with the weather on it.
///
/// Weather acts where frames arrive, at both ends, so that a sender sees no error, as on a real
/// network. It spares address resolution (ARP, neighbour discovery), which is no part of a path.
/// It acts on single packets: in fair weather the cable carries trains of them as one.
#[derive(Debug)]
pub struct Link {
    namespace: Arc<Namespace>,
    device: &'static str,
    state: Mutex<State>,
}

/// A version of the internet protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// RFC 791.
    Ipv4,
    /// RFC 8200.
    Ipv6,
}

impl Family {
    const ALL: [Self; 2] = [Self::Ipv4, Self::Ipv6];
}

/// Behind a lock because a host is shared by the threads of a test.
#[derive(Debug)]
struct State {
    segment: Segment,
    /// The host's number, which its addresses end in.
    number: u8,
    /// The number that it was plugged in with, which the segment's end of the cable is called after.
    plug: u8,
    weather: Weather,
}

#[derive(Clone, Copy, Debug)]
struct Weather {
    loss: u32,
    udp: Udp,
    longest: u16,
}

#[derive(Clone, Copy, Debug)]
enum Udp {
    Passes,
    Blocked,
}

const FAIR: Weather = Weather { loss: 0, udp: Udp::Passes, longest: u16::MAX };

impl Link {
    /// Plugs `namespace` into `segment` as `device`.
    pub(super) fn plug(namespace: Arc<Namespace>, device: &'static str, segment: &Segment) -> Result<Self> {
        let number = segment.take_number()?;
        let state = State { segment: segment.clone(), number, plug: number, weather: FAIR };
        state.connect(&namespace, device)?;
        Ok(Self { namespace, device, state: Mutex::new(state) })
    }

    /// The present IPv4 address.
    pub fn ipv4(&self) -> Ipv4Addr {
        let state = self.state();
        state.segment.plan().ipv4(state.number)
    }

    /// The present IPv6 address, where the segment has IPv6.
    pub fn ipv6(&self) -> Option<Ipv6Addr> {
        let state = self.state();
        state.segment.plan().ipv6(state.number)
    }

    /// Pulls the cable: the host sees its carrier go, addresses stay.
    ///
    /// # Errors
    ///
    /// When `ip` refuses.
    pub fn pull(&self) -> Result<()> {
        let state = self.state();
        let port = state.port();
        state.segment.namespace().ip(&format!("link set {port} down\n"))
    }

    /// Puts the cable back.
    ///
    /// # Errors
    ///
    /// When `ip` refuses.
    pub fn restore(&self) -> Result<()> {
        let state = self.state();
        let port = state.port();
        state.segment.namespace().ip(&format!("link set {port} up\n"))
    }

    /// Gives the interface fresh addresses of the same segment, in place of the old ones.
    ///
    /// # Errors
    ///
    /// When the segment is full or `ip` refuses.
    pub fn readdress(&self) -> Result<()> {
        let mut state = self.state();
        let number = state.segment.take_number()?;
        let remove = state.address_lines(self.device, "delete");
        state.number = number;
        let add = state.address_lines(self.device, "add");
        self.namespace.ip(&format!("{remove}{add}{}", state.route_lines(self.device)))
    }

    /// Takes the interface's address of one family away, and what is routed over it.
    ///
    /// # Errors
    ///
    /// When there is none or `ip` refuses.
    pub fn lose_family(&self, family: Family) -> Result<()> {
        let line = self.state().address_line(self.device, "delete", family);
        self.namespace.ip(&line.context("there is no such address")?)
    }

    /// Gives the interface its address of one family back.
    ///
    /// # Errors
    ///
    /// When the segment has none or `ip` refuses.
    pub fn regain_family(&self, family: Family) -> Result<()> {
        let state = self.state();
        let line = state.address_line(self.device, "add", family).context("there is no such address")?;
        self.namespace.ip(&format!("{line}{}", state.route_lines(self.device)))
    }

    /// Pulls the cable out of its segment and plugs it into another one; the weather becomes fair,
    /// a rate limit goes, and the host's name server stays the old one.
    ///
    /// # Errors
    ///
    /// When the new segment is full or `ip` refuses.
    pub fn move_to(&self, segment: &Segment) -> Result<()> {
        let mut state = self.state();
        let number = segment.take_number()?;
        self.namespace.ip(&format!("link delete {}\n", self.device))?;
        *state = State { segment: segment.clone(), number, plug: number, weather: FAIR };
        state.connect(&self.namespace, self.device)
    }

    /// Loses this share of the packets, from 0.0 to 1.0, in each direction.
    ///
    /// # Errors
    ///
    /// When the share is out of range or `nft` refuses.
    pub fn lose(&self, share: f64) -> Result<()> {
        ensure!((0.0..=1.0).contains(&share), "a share of lost packets is between 0 and 1, not {share}");
        let mut state = self.state();
        state.weather.loss = (share * f64::from(LOSS_SCALE)).round() as u32;
        state.apply_weather(&self.namespace, self.device)
    }

    /// Swallows IP packets longer than this, silently, in both directions: a black hole.
    ///
    /// # Errors
    ///
    /// When `nft` or `ip` refuses.
    pub fn swallow_longer_than(&self, bytes: u16) -> Result<()> {
        let mut state = self.state();
        state.weather.longest = bytes;
        state.apply_weather(&self.namespace, self.device)
    }

    /// Gives both ends of the cable another MTU; senders see it.
    ///
    /// # Errors
    ///
    /// When `ip` refuses.
    pub fn set_mtu(&self, bytes: u16) -> Result<()> {
        let state = self.state();
        state.segment.namespace().ip(&format!("link set {} mtu {bytes}\n", state.port()))?;
        self.namespace.ip(&format!("link set {} mtu {bytes}\n", self.device))
    }

    /// Swallows every UDP packet, silently, in both directions.
    ///
    /// # Errors
    ///
    /// When `nft` refuses.
    pub fn block_udp(&self) -> Result<()> {
        self.set_udp(Udp::Blocked)
    }

    /// Lets UDP pass again.
    ///
    /// # Errors
    ///
    /// When `nft` refuses.
    pub fn unblock_udp(&self) -> Result<()> {
        self.set_udp(Udp::Passes)
    }

    /// Limits each direction to this many megabits per second.
    ///
    /// # Errors
    ///
    /// When `tc` is missing or refuses.
    pub fn limit_rate(&self, megabits_per_second: u32) -> Result<()> {
        let state = self.state();
        let line = |device: &str| {
            format!(
                "qdisc replace dev {device} root tbf rate {megabits_per_second}mbit \
                 burst {RATE_BURST} latency {RATE_LATENCY}\n"
            )
        };
        self.namespace.tc(&line(self.device))?;
        state.segment.namespace().tc(&line(&state.port()))
    }

    pub(super) fn segment(&self) -> Segment {
        self.state().segment.clone()
    }

    fn set_udp(&self, udp: Udp) -> Result<()> {
        let mut state = self.state();
        state.weather.udp = udp;
        state.apply_weather(&self.namespace, self.device)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The segment's end of the cable.
    fn port(&self) -> String {
        format!("port{}", self.plug)
    }

    fn connect(&self, namespace: &Namespace, device: &str) -> Result<()> {
        let port = self.port();
        let far = self.segment.namespace();
        let [here, there] = [(); 2].map(|()| DEVICES.fetch_add(1, Ordering::Relaxed));
        namespace.ip(&format!(
            "link add {device} index {here} mtu {MTU} type veth peer name {port} index {there} mtu {MTU} netns {}\n",
            far.name()
        ))?;
        far.ip(&format!("link set {port} master {} up\n", self.segment.bridge()))?;
        namespace.ip(&format!("link set {device} up\n"))?;
        // What is sent before is lost, and a question for a neighbour is repeated after a second only.
        wait_until(FORWARDS_WITHIN, "a port that forwards", || far.is_forwarding_port(&port).ok()?.then_some(()))?;
        namespace.ip(&format!("{}{}", self.address_lines(device, "add"), self.route_lines(device)))
    }

    fn address_lines(&self, device: &str, verb: &str) -> String {
        Family::ALL.iter().filter_map(|family| self.address_line(device, verb, *family)).collect()
    }

    fn address_line(&self, device: &str, verb: &str, family: Family) -> Option<String> {
        let plan = self.segment.plan();
        match family {
            Family::Ipv4 => Some(format!("address {verb} {}/24 dev {device}\n", plan.ipv4(self.number))),
            Family::Ipv6 => Some(format!("address {verb} {}/64 dev {device} nodad\n", plan.ipv6(self.number)?)),
        }
    }

    fn route_lines(&self, device: &str) -> String {
        let plan = self.segment.plan();
        if plan.way_out == WayOut::None {
            return String::new();
        }
        let mut lines = format!("route replace default via {} dev {device}\n", plan.ipv4(ROUTER));
        if let Some(router) = plan.ipv6(ROUTER) {
            lines += &format!("route replace ::/0 via {router} dev {device}\n");
        }
        lines
    }

    fn apply_weather(&self, namespace: &Namespace, device: &str) -> Result<()> {
        let port = self.port();
        for (namespace, device) in [(namespace, device), (self.segment.namespace(), port.as_str())] {
            namespace.ip(&format!("link set {device} gso_max_segs {}\n", self.weather.segments_max()))?;
            namespace.nft(&self.weather.ruleset(device))?;
        }
        Ok(())
    }
}

impl Weather {
    /// Packets that the cable may carry as one: a rule that drops one must not drop a train.
    const fn segments_max(self) -> u32 {
        if self.loss == 0 && self.longest == u16::MAX { TRAIN } else { 1 }
    }

    /// The rules for what arrives at `device`, in place of earlier ones.
    fn ruleset(self, device: &str) -> String {
        let udp = match self.udp {
            Udp::Passes => "",
            Udp::Blocked => "meta l4proto udp drop",
        };
        let Self { loss, longest, .. } = self;
        format!(
            "add table netdev {device}
delete table netdev {device}
table netdev {device} {{
  chain weather {{
    type filter hook ingress device \"{device}\" priority 0; policy accept;
    icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit, nd-router-advert }} accept
    {udp}
    meta protocol {{ ip, ip6 }} meta length > {longest} drop
    meta protocol {{ ip, ip6 }} numgen random mod {LOSS_SCALE} < {loss} drop
  }}
}}
"
        )
    }
}
