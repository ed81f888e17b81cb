//! The lab's NAT boxes do to UDP what RFC 4787 calls their kind, found out in the manner of RFC 5780: a client behind
//! the box, servers at two addresses and two ports each.
//!
//! That something does not arrive is shown by a later datagram that does, by a way that is open. Needs root and the
//! programs `ip` and `nft`.
#![expect(clippy::unwrap_used, reason = "the functions below the tests are test code too")]

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use Dependence::{AddressAndPortDependent, AddressDependent, EndpointIndependent};
use holloway_simnet::lab::{Hairpin, Host, Lab, Nat, NatKind, UdpExpiry, wait_until};

/// Longer than anything here takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(20);

const PORT: u16 = 42_042;
const OTHER_PORT: u16 = 3_478;

/// What a mapping or a filter depends on (RFC 4787 §4.1, §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dependence {
    EndpointIndependent,
    AddressDependent,
    AddressAndPortDependent,
}

/// The public servers: alice, at two ports, and a stranger.
struct Servers {
    alice: UdpSocket,
    other_port: UdpSocket,
    stranger: UdpSocket,
    /// Alice's, at the same address as her first socket.
    listener: TcpListener,
}

impl Servers {
    fn new(lab: &Lab) -> Self {
        let (alice, stranger) = (lab.public_host("alice").unwrap(), lab.public_host("stranger").unwrap());
        let address = SocketAddr::from((alice.ipv4(), PORT));
        Self {
            alice: udp(&alice, PORT),
            other_port: udp(&alice, OTHER_PORT),
            stranger: udp(&stranger, PORT),
            listener: alice.in_namespace(|| TcpListener::bind(address)).unwrap().unwrap(),
        }
    }

    /// RFC 5780 §4.3: whether one socket looks the same from all sides.
    fn mapping(&self, client: &UdpSocket) -> Dependence {
        let [alice, other_port, stranger] =
            [&self.alice, &self.other_port, &self.stranger].map(|server| mapped(client, server));
        match (alice == other_port, alice == stranger) {
            (true, true) => EndpointIndependent,
            (true, false) => AddressDependent,
            (false, _) => AddressAndPortDependent,
        }
    }

    /// RFC 5780 §4.4, for a fresh client: who may answer when it has sent to alice.
    fn filtering(&self, client: &UdpSocket) -> Dependence {
        let outside = mapped(client, &self.alice);
        send(&self.stranger, "stranger", outside);
        send(&self.other_port, "other port", outside);
        let arrived = before_marker(client, &self.alice, outside);
        match (arrived.contains("stranger"), arrived.contains("other port")) {
            (true, true) => EndpointIndependent,
            (false, true) => AddressDependent,
            (false, false) => AddressAndPortDependent,
            (true, false) => panic!("a stranger gets in where alice's other port does not"),
        }
    }
}

#[test]
fn each_kind_maps_and_filters_as_it_says() {
    for (kind, mapping, filtering) in [
        (NatKind::Public, EndpointIndependent, EndpointIndependent),
        (NatKind::FullCone, EndpointIndependent, EndpointIndependent),
        (NatKind::Home, EndpointIndependent, AddressAndPortDependent),
        (NatKind::Symmetric, AddressAndPortDependent, AddressAndPortDependent),
    ] {
        let lab = Lab::new("kinds").unwrap();
        let servers = Servers::new(&lab);
        let nat = lab.nat(kind, "nat").unwrap();
        let bob = nat.host("bob").unwrap();
        assert_eq!(servers.filtering(&udp(&bob, PORT)), filtering, "{kind:?}");
        let other = udp(&bob, OTHER_PORT);
        assert_eq!(servers.mapping(&other), mapping, "{kind:?}");
        assert_eq!(mapped(&other, &servers.alice).ip(), IpAddr::from(nat.outside_ipv4(&bob)), "{kind:?}");
    }
}

#[test]
fn a_host_behind_no_nat_has_its_own_address_outside_and_is_reached_before_it_sends() {
    let lab = Lab::new("public").unwrap();
    let servers = Servers::new(&lab);
    let nat = lab.nat(NatKind::Public, "nat").unwrap();
    let (bob, carol) = (nat.host("bob").unwrap(), nat.host("carol").unwrap());
    let (b, c) = (udp(&bob, PORT), udp(&carol, PORT));
    send(&servers.stranger, "hello", local(&b));
    assert_eq!(receive(&b), ("hello".to_owned(), local(&servers.stranger)));
    assert_eq!(mapped(&b, &servers.alice), local(&b));
    assert_eq!(mapped(&b, &c), local(&b));
}

#[test]
fn nobody_reaches_a_port_behind_a_nat_that_has_not_sent() {
    for kind in [NatKind::FullCone, NatKind::Home, NatKind::Symmetric] {
        let lab = Lab::new("unsent").unwrap();
        let servers = Servers::new(&lab);
        let nat = lab.nat(kind, "nat").unwrap();
        let b = udp(&nat.host("bob").unwrap(), PORT);
        send(&servers.alice, "too early", SocketAddr::from((nat.public_ipv4(), PORT)));
        let outside = mapped(&b, &servers.alice);
        assert_eq!(before_marker(&b, &servers.alice, outside), BTreeSet::new(), "{kind:?}");
    }
}

#[test]
fn an_early_probe_does_not_change_the_port_that_a_host_keeps() {
    for kind in [NatKind::FullCone, NatKind::Home] {
        let lab = Lab::new("early").unwrap();
        let servers = Servers::new(&lab);
        let nat = lab.nat(kind, "nat").unwrap();
        let b = udp(&nat.host("bob").unwrap(), PORT);
        let kept = SocketAddr::from((nat.public_ipv4(), PORT));
        send(&servers.alice, "too early", kept);
        assert_eq!(mapped(&b, &servers.alice), kept, "{kind:?}");
    }
}

#[test]
fn hosts_behind_a_full_cone_that_use_one_port_have_mappings_of_their_own() {
    let lab = Lab::new("shared").unwrap();
    let servers = Servers::new(&lab);
    let nat = lab.nat(NatKind::FullCone, "nat").unwrap();
    let clients = ["bob", "carol", "dave"].map(|name| udp(&nat.host(name).unwrap(), PORT));
    let outsides = clients.each_ref().map(|client| mapped(client, &servers.alice));
    assert_eq!(outsides.iter().collect::<BTreeSet<_>>().len(), clients.len(), "{outsides:?}");
    for (client, outside) in clients.iter().zip(outsides) {
        assert_eq!(mapped(client, &servers.other_port), outside);
        send(&servers.stranger, "for one", outside);
        assert_eq!(receive(client), ("for one".to_owned(), local(&servers.stranger)));
        // And the answer leaves by the mapping, though the stranger began.
        assert_eq!(mapped(client, &servers.stranger), outside);
    }
}

#[test]
fn a_hairpin_passes_a_full_cone_only_while_it_is_on() {
    let lab = Lab::new("loop-cone").unwrap();
    let servers = Servers::new(&lab);
    let nat = lab.nat(NatKind::FullCone, "nat").unwrap();
    // One port for both, so that one of them is mapped to another.
    let [b, c] = ["bob", "carol"].map(|name| udp(&nat.host(name).unwrap(), PORT));
    let (bobs, carols) = (mapped(&b, &servers.alice), mapped(&c, &servers.alice));
    for _ in 0..2 {
        send(&b, "looped", carols);
        assert_eq!(before_marker(&c, &b, local(&c)), BTreeSet::new());
        nat.set_hairpin(Hairpin::On).unwrap();
        send(&b, "looped", carols);
        assert_eq!(receive(&c), ("looped".to_owned(), bobs));
        send(&c, "back", bobs);
        assert_eq!(receive(&b), ("back".to_owned(), carols));
        nat.set_hairpin(Hairpin::Off).unwrap();
    }
}

#[test]
fn a_host_that_sent_nowhere_yet_begins_with_a_hairpin_and_keeps_that_mapping() {
    let lab = Lab::new("loop-first").unwrap();
    let servers = Servers::new(&lab);
    let nat = lab.nat(NatKind::FullCone, "nat").unwrap();
    nat.set_hairpin(Hairpin::On).unwrap();
    let [b, c] = ["bob", "carol"].map(|name| udp(&nat.host(name).unwrap(), PORT));
    let carols = mapped(&c, &servers.alice);
    send(&b, "looped", carols);
    let (_, bobs) = receive(&c);
    assert!(bobs.ip() == carols.ip() && bobs != carols, "{bobs} {carols}");
    assert_eq!(mapped(&b, &servers.stranger), bobs);
}

#[test]
fn a_hairpin_of_a_home_router_passes_once_both_have_sent() {
    let lab = Lab::new("loop-home").unwrap();
    let servers = Servers::new(&lab);
    let nat = lab.nat(NatKind::Home, "nat").unwrap();
    let b = udp(&nat.host("bob").unwrap(), PORT);
    let c = udp(&nat.host("carol").unwrap(), OTHER_PORT);
    let (bobs, carols) = (mapped(&b, &servers.alice), mapped(&c, &servers.alice));
    send(&b, "off", carols);
    nat.set_hairpin(Hairpin::On).unwrap();
    send(&b, "filtered", carols);
    assert_eq!(before_marker(&c, &b, local(&c)), BTreeSet::new());
    send(&c, "looped", bobs);
    assert_eq!(receive(&b), ("looped".to_owned(), carols));
    send(&b, "looped", carols);
    assert_eq!(receive(&c), ("looped".to_owned(), bobs));
}

#[test]
fn a_hairpin_of_a_symmetric_box_reaches_nobody() {
    let lab = Lab::new("loop-sym").unwrap();
    let servers = Servers::new(&lab);
    let nat = lab.nat(NatKind::Symmetric, "nat").unwrap();
    nat.set_hairpin(Hairpin::On).unwrap();
    let [b, c] = ["bob", "carol"].map(|name| udp(&nat.host(name).unwrap(), PORT));
    let (bobs, carols) = (mapped(&b, &servers.alice), mapped(&c, &servers.alice));
    for _ in 0..2 {
        send(&b, "looped", carols);
        send(&c, "looped", bobs);
    }
    assert_eq!(before_marker(&c, &b, local(&c)), BTreeSet::new());
    assert_eq!(before_marker(&b, &c, local(&b)), BTreeSet::new());
}

#[test]
fn an_idle_mapping_of_a_home_router_lets_nobody_in_when_it_has_expired() {
    let lab = Lab::new("expiry").unwrap();
    let servers = Servers::new(&lab);
    let nat = lab.nat(NatKind::Home, "nat").unwrap();
    let b = udp(&nat.host("bob").unwrap(), PORT);
    nat.set_udp_expiry(UdpExpiry::after(Duration::from_secs(1))).unwrap();
    let outside = mapped(&b, &servers.alice);
    send(&servers.alice, "in time", outside);
    assert_eq!(receive(&b).0, "in time");
    wait_until_forgotten(&nat);
    send(&servers.alice, "too late", outside);
    mapped(&b, &servers.stranger);
    assert_eq!(before_marker(&b, &servers.stranger, outside), BTreeSet::new());
}

#[test]
fn an_idle_mapping_of_a_full_cone_lets_nobody_in_when_it_has_expired() {
    let lab = Lab::new("expiry-cone").unwrap();
    let servers = Servers::new(&lab);
    let nat = lab.nat(NatKind::FullCone, "nat").unwrap();
    let b = udp(&nat.host("bob").unwrap(), PORT);
    // The flow is what can be watched: it lives longer than the mapping.
    nat.set_udp_expiry(UdpExpiry { unreplied: Duration::from_secs(2), stream: Duration::from_secs(1) }).unwrap();
    let outside = mapped(&b, &servers.alice);
    wait_until_forgotten(&nat);
    send(&servers.stranger, "too late", outside);
    let c = udp(&nat.host("carol").unwrap(), PORT);
    assert_eq!(mapped(&c, &servers.alice), outside, "the port is free again");
    assert_eq!(before_marker(&c, &servers.alice, outside), BTreeSet::new());
    assert_eq!(before_marker(&b, &c, local(&b)), BTreeSet::new());
}

#[test]
fn a_mapping_of_a_full_cone_outlives_the_flow_that_it_was_made_for() {
    let lab = Lab::new("flow-cone").unwrap();
    let servers = Servers::new(&lab);
    let nat = lab.nat(NatKind::FullCone, "nat").unwrap();
    let [b, c] = ["bob", "carol"].map(|name| udp(&nat.host(name).unwrap(), PORT));
    nat.set_udp_expiry(UdpExpiry { unreplied: Duration::from_secs(1), stream: Duration::from_secs(60) }).unwrap();
    let outsides = [&b, &c].map(|client| mapped(client, &servers.alice));
    wait_until_forgotten(&nat);
    for (client, outside) in [&b, &c].into_iter().zip(outsides).rev() {
        send(&servers.stranger, "still open", outside);
        assert_eq!(receive(client).0, "still open");
        assert_eq!(mapped(client, &servers.other_port), outside);
    }
}

#[test]
fn a_mapping_in_use_outlives_its_expiry_and_an_idle_one_is_made_anew() {
    const EXPIRY: Duration = Duration::from_secs(2);
    let lab = Lab::new("in-use").unwrap();
    let servers = Servers::new(&lab);
    let nat = lab.nat(NatKind::Symmetric, "nat").unwrap();
    let b = udp(&nat.host("bob").unwrap(), PORT);
    nat.set_udp_expiry(UdpExpiry::after(EXPIRY)).unwrap();
    let begun = Instant::now();
    let first = mapped(&b, &servers.alice);
    wait_until(DEADLINE, "the mapping to be older than its expiry", || {
        assert_eq!(mapped(&b, &servers.alice), first);
        (begun.elapsed() > EXPIRY * 2).then_some(())
    })
    .unwrap();
    wait_until_forgotten(&nat);
    assert_ne!(mapped(&b, &servers.alice), first);
}

#[test]
fn an_expiry_is_of_whole_seconds() {
    let lab = Lab::new("seconds").unwrap();
    let nat = lab.nat(NatKind::Home, "nat").unwrap();
    for refused in [Duration::ZERO, Duration::from_millis(999), Duration::from_millis(1500)] {
        assert!(nat.set_udp_expiry(UdpExpiry::after(refused)).is_err(), "{refused:?}");
    }
    assert!(nat.set_udp_expiry(UdpExpiry::LINUX).is_ok());
}

#[test]
fn a_box_of_any_kind_swallows_udp_and_no_tcp_while_it_is_told_to() {
    for kind in NatKind::ALL {
        let lab = Lab::new("block").unwrap();
        let servers = Servers::new(&lab);
        let nat = lab.nat(kind, "nat").unwrap();
        let (bob, carol) = (nat.host("bob").unwrap(), nat.host("carol").unwrap());
        let (b, c) = (udp(&bob, PORT), udp(&carol, PORT));
        let alice = local(&servers.alice);
        nat.unblock_udp().unwrap();
        let outside = mapped(&b, &servers.alice);
        for _ in 0..2 {
            nat.block_udp().unwrap();
            send(&b, "blocked, outward", alice);
            send(&servers.alice, "blocked, inward", outside);
            assert_tcp_passes(&servers, &bob, &nat);
            assert_eq!(mapped(&b, &c), local(&b), "{kind:?}: the LAN is no matter of the box");
            nat.unblock_udp().unwrap();
            assert_eq!(before_marker(&servers.alice, &b, alice), BTreeSet::new(), "{kind:?}");
            assert_eq!(before_marker(&b, &servers.alice, outside), BTreeSet::new(), "{kind:?}");
        }
    }
}

#[test]
fn a_box_that_blocks_udp_does_so_from_the_start_and_is_a_home_router_when_it_is_lifted() {
    let lab = Lab::new("blocked").unwrap();
    let servers = Servers::new(&lab);
    let nat = lab.nat(NatKind::UdpBlocked, "nat").unwrap();
    let bob = nat.host("bob").unwrap();
    let b = udp(&bob, PORT);
    send(&b, "blocked", local(&servers.alice));
    assert_tcp_passes(&servers, &bob, &nat);
    assert_eq!(nat.udp_flows().unwrap(), 0);
    nat.unblock_udp().unwrap();
    assert_eq!(before_marker(&servers.alice, &b, local(&servers.alice)), BTreeSet::new());
    assert_eq!(servers.filtering(&b), AddressAndPortDependent);
    assert_eq!(servers.mapping(&b), EndpointIndependent);
}

#[test]
fn a_host_behind_a_providers_box_is_seen_with_the_providers_address_and_the_worse_of_both_kinds() {
    for (home, carrier, mapping, filtering) in [
        (NatKind::FullCone, NatKind::FullCone, EndpointIndependent, EndpointIndependent),
        (NatKind::Home, NatKind::FullCone, EndpointIndependent, AddressAndPortDependent),
        (NatKind::Home, NatKind::Home, EndpointIndependent, AddressAndPortDependent),
        (NatKind::FullCone, NatKind::Symmetric, AddressAndPortDependent, AddressAndPortDependent),
        (NatKind::Symmetric, NatKind::FullCone, AddressAndPortDependent, AddressAndPortDependent),
    ] {
        let told = format!("{home:?} behind {carrier:?}");
        let lab = Lab::new("carrier").unwrap();
        let servers = Servers::new(&lab);
        let carrier = lab.carrier_nat(carrier, "carrier").unwrap();
        let nat = carrier.nat(home, "home").unwrap();
        let bob = nat.host("bob").unwrap();
        let b = udp(&bob, PORT);
        assert_eq!(servers.filtering(&b), filtering, "{told}");
        assert_eq!(servers.mapping(&b), mapping, "{told}");
        assert_eq!(mapped(&b, &servers.alice).ip(), IpAddr::from(carrier.public_ipv4()), "{told}");
        assert_eq!(nat.public_ipv4().octets()[..2], [100, 64], "{told}");
    }
}

#[test]
fn two_homes_of_one_provider_reach_each_other_by_its_hairpin_where_it_is_on() {
    let lab = Lab::new("neighbours").unwrap();
    let servers = Servers::new(&lab);
    let carrier = lab.carrier_nat(NatKind::FullCone, "carrier").unwrap();
    let homes = ["left", "right"].map(|name| carrier.nat(NatKind::FullCone, name).unwrap());
    let b = udp(&homes[0].host("bob").unwrap(), PORT);
    let c = udp(&homes[1].host("carol").unwrap(), PORT);
    let (bobs, carols) = (mapped(&b, &servers.alice), mapped(&c, &servers.alice));
    send(&b, "off", carols);
    let carols_box = SocketAddr::from((homes[1].public_ipv4(), PORT));
    assert_eq!(before_marker(&c, &b, carols_box), BTreeSet::new(), "the marker goes by the provider's LAN");
    carrier.set_hairpin(Hairpin::On).unwrap();
    send(&b, "looped", carols);
    assert_eq!(receive(&c), ("looped".to_owned(), bobs));
}

/// Sends from `from` and returns the source that `to` sees.
#[track_caller]
fn mapped(from: &UdpSocket, to: &UdpSocket) -> SocketAddr {
    send(from, "binding request", local(to));
    let (text, source) = receive(to);
    assert_eq!(text, "binding request");
    source
}

/// What arrives at `socket` before something that `from` sends after it to `to`, which is open to it.
#[track_caller]
fn before_marker(socket: &UdpSocket, from: &UdpSocket, to: SocketAddr) -> BTreeSet<String> {
    let mut arrived = BTreeSet::new();
    // Twice, because the first may have overtaken what was sent on another processor.
    for marker in ["marker 1", "marker 2"] {
        send(from, marker, to);
        let texts = std::iter::repeat_with(|| receive(socket).0).take_while(|text| text != marker);
        arrived.extend(texts);
    }
    arrived
}

fn wait_until_forgotten(nat: &Nat) {
    wait_until(DEADLINE, "the box to forget its flows", || (nat.udp_flows().unwrap() == 0).then_some(())).unwrap();
}

fn assert_tcp_passes(servers: &Servers, from: &Host, nat: &Nat) {
    let connected = from.in_namespace(|| TcpStream::connect_timeout(&local(&servers.alice), DEADLINE));
    assert!(connected.unwrap().is_ok());
    let (_, peer) = servers.listener.accept().unwrap();
    assert_eq!(peer.ip(), IpAddr::from(nat.outside_ipv4(from)));
}

fn local(socket: &UdpSocket) -> SocketAddr {
    socket.local_addr().unwrap()
}

fn udp(host: &Host, port: u16) -> UdpSocket {
    let address = SocketAddr::from((host.ipv4(), port));
    let socket = host.in_namespace(|| UdpSocket::bind(address)).unwrap().unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket
}

fn send(socket: &UdpSocket, text: &str, to: SocketAddr) {
    socket.send_to(text.as_bytes(), to).unwrap();
}

#[track_caller]
fn receive(socket: &UdpSocket) -> (String, SocketAddr) {
    let mut buffer = [0; 64];
    let (length, from) = socket.recv_from(&mut buffer).unwrap();
    (String::from_utf8_lossy(&buffer[..length]).into_owned(), from)
}
