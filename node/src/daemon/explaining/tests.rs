use std::net::SocketAddr;
use std::time::Instant;

use holloway_mesh::{CipherChoice, DropCounts, Observation, SessionSnapshot, Snapshot};
use holloway_wire::{
    IdentityKey, Load, NetworkId, NodeId, OverlayAddr, Place, RelayAnnouncement, RelayChannel, RelayRefusal,
    RelayState, Suite, UnixTime,
};

use super::super::network::Dataplane;
use super::listing::relay_status;
use super::*;
use crate::portmap::{Mapping, Protocol, Refusal, Standing};

const ROOT: u8 = 1;
const ALICE: u8 = 2;
const BOB: u8 = 3;
const CAROL: u8 = 4;

const ALICE_AT: &str = "198.51.100.1:42042";
const CAROL_AT: &str = "203.0.113.7:42042";
const CAROL_AT_HOME: &str = "192.168.1.7:42042";

fn node(seed: u8) -> NodeId {
    IdentityKey::from_bytes(&[seed; 32]).node_id()
}

fn label(text: &str) -> Label {
    text.parse().unwrap()
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn straight(text: &str) -> Endpoint {
    Endpoint::udp(address(text))
}

fn behind(relay: &str) -> Endpoint {
    Endpoint::relayed(address(relay), RelayChannel(7))
}

fn way(endpoint: Endpoint, result: CandidateResult) -> Way {
    let kind = if endpoint.is_relayed() { CandidateKind::Relayed } else { CandidateKind::Announced };
    Way { endpoint, kind, result, rtt: None }
}

fn both(result: CandidateResult) -> Vec<Way> {
    vec![way(straight(CAROL_AT), result), way(straight(CAROL_AT_HOME), result)]
}

/// Carol, of whom nothing is known but her certificate.
fn carol() -> PeerSnapshot {
    PeerSnapshot {
        node: node(CAROL),
        label: label("carol"),
        address: OverlayAddr::of_node(&NetworkId::of_root(&node(ROOT)), &node(CAROL)),
        rights: Rights::NONE,
        groups: vec![],
        is_neighbour: false,
        session: None,
        is_handshaking: false,
        endpoint: None,
        relay: None,
        route: vec![],
        rtt: None,
        record_limit: None,
        mtu: None,
        candidates: vec![],
        rotations: 0,
        received_bytes: 0,
        sent_bytes: 0,
        certificate: None,
    }
}

fn session(heard: Duration) -> Option<SessionSnapshot> {
    Some(SessionSnapshot {
        established: UnixTime::from_secs(1_763_668_800),
        age: Duration::from_secs(100),
        last_received: Some(heard),
        suite: Suite::ChaCha20Poly1305,
        is_held: false,
    })
}

/// Carol with packets going to and fro by an endpoint.
fn carol_at(endpoint: Endpoint) -> PeerSnapshot {
    PeerSnapshot {
        session: session(Duration::from_secs(1)),
        endpoint: Some(endpoint),
        relay: endpoint.is_relayed().then(|| label("alice")),
        rtt: Some(Duration::from_millis(12)),
        mtu: Some(1400),
        ..carol()
    }
}

fn announcement() -> RelayAnnouncement {
    RelayAnnouncement {
        node: node(ALICE),
        sequence: 1,
        expires: UnixTime::from_secs(1_763_668_860),
        name: label("alice"),
        region: "Montréal".into(),
        place: Place::new(4550, -7357),
        capacity_mbps: 1000,
        load: Load::of_percent(3),
        members: 12,
        software: "0.1.0".into(),
        endpoints: vec![address(ALICE_AT)],
        stream_port: None,
        state: RelayState::Open,
        links: Vec::new(),
    }
}

fn relay(standing: RelayStanding) -> RelaySnapshot {
    RelaySnapshot {
        announcement: announcement(),
        endpoint: Some(address(ALICE_AT)),
        is_stream: false,
        rtt: Some(Duration::from_micros(1200)),
        standing,
        load: Load::of_percent(5),
        is_current: true,
    }
}

/// Bob's view of the network home, with a control connection to alice and no relay.
fn network() -> NetworkView {
    let id = NetworkId::of_root(&node(ROOT));
    NetworkView {
        label: label("home"),
        id,
        interface: Some("hollow0".into()),
        data_listen: vec![address("[::]:42050"), address("127.0.0.1:9"), address("0.0.0.0:42042")],
        dataplane: Dataplane {
            tun: None,
            udp_gso: true,
            udp_gro: true,
            lanes: 1,
            cipher: CipherChoice::ChaCha20Poly1305,
            mtu: 1440,
        },
        control_listen: vec![],
        port_mapping: Standing::Off,
        local: vec![],
        bootstrap: vec![],
        snapshot: Snapshot {
            network: id,
            network_label: label("home"),
            prefix: id.prefix(),
            node: node(BOB),
            is_member: true,
            label: label("bob"),
            address: OverlayAddr::of_node(&id, &node(BOB)),
            rights: Rights::ISSUE,
            observed: vec![],
            observations: vec![],
            neighbours: vec![node(ALICE)],
            relays: vec![],
            own_relay: None,
            has_caught_up: true,
            peers: vec![],
            names: vec![],
            blocked: vec![],
            applicants: vec![],
            revocations: 0,
            drops: DropCounts::default(),
        },
    }
}

fn with_relay(standing: RelayStanding) -> NetworkView {
    let mut network = network();
    network.snapshot.relays = vec![relay(standing)];
    network
}

fn explain(peer: &PeerSnapshot, ways: Vec<Way>, network: &NetworkView) -> doc::Why {
    Case::new(peer, ways, network).explained()
}

fn command(why: &doc::Why) -> Option<&str> {
    why.advice.as_ref()?.command.as_deref()
}

#[test]
fn a_straight_path_needs_no_advice() {
    let ways = vec![
        Way { rtt: Some(Duration::from_millis(12)), ..way(straight(CAROL_AT), CandidateResult::Answered) },
        Way { kind: CandidateKind::Called, ..way(straight(CAROL_AT_HOME), CandidateResult::Untried) },
    ];
    let why = explain(&carol_at(straight(CAROL_AT)), ways, &network());
    assert_eq!(why.summary, "carol is reached straight at 203.0.113.7:42042, in 12 ms.");
    assert_eq!(why.advice, None);
    assert_eq!((why.name.as_str(), why.fqdn.as_str()), ("carol", "carol.home.alt"));
    assert_eq!((why.path.kind, why.path.mtu), (doc::PathKind::Direct, Some(1400)));
    assert_eq!((why.tried[0].in_use, why.tried[0].result), (true, doc::WayResult::Answered));
    assert_eq!(why.tried[0].words, "carol announces this address; it is in use and has answered in 12 ms.");
    assert_eq!((why.tried[1].in_use, why.tried[1].result), (false, doc::WayResult::Untried));
    assert_eq!(
        why.tried[1].words,
        "carol named this address when it called; nothing has come from it, nor is it needed."
    );
}

#[test]
fn a_relayed_path_says_why_it_is_not_straight_and_which_port_to_forward() {
    let mut ways = both(CandidateResult::Waiting);
    ways.push(Way { kind: CandidateKind::Seen, ..way(straight("203.0.113.7:1"), CandidateResult::Waiting) });
    ways.push(way(behind(ALICE_AT), CandidateResult::Answered));
    let why = explain(&carol_at(behind(ALICE_AT)), ways, &with_relay(RelayStanding::Home));
    assert_eq!(
        why.summary,
        "carol is reached through the relay alice, in 12 ms; none of the 3 addresses that were tried straight has \
         answered: both routers seem to change ports, or a firewall drops UDP."
    );
    let advice = why.advice.unwrap();
    assert!(advice.what.contains("forward UDP port 42042 "), "{}", advice.what);
    assert_eq!(advice.command, None);
    let relayed = &why.tried[3];
    assert_eq!((relayed.endpoint.as_deref(), relayed.relay.as_deref()), (None, Some("alice")));
    assert_eq!((relayed.kind, relayed.in_use), (doc::WayKind::Relay, true));
    assert!(relayed.words.starts_with("the relay alice leads to carol; it is in use"), "{}", relayed.words);
}

#[test]
fn a_path_by_a_stream_says_that_udp_does_not_get_through() {
    let mut network = with_relay(RelayStanding::Home);
    network.snapshot.relays[0].is_stream = true;
    let ways = vec![way(behind(ALICE_AT), CandidateResult::Answered)];
    let why = explain(&carol_at(behind(ALICE_AT)), ways, &network);
    assert!(why.summary.contains("lets no UDP through"), "{}", why.summary);
    assert!(why.advice.unwrap().what.starts_with("let UDP out"));
}

#[test]
fn a_member_that_comes_by_a_stream_is_not_told_by_the_address_that_stands_for_it() {
    let stands_in = straight("127.64.3.1:40001");
    let ways = vec![way(stands_in, CandidateResult::Answered)];
    let why = explain(&carol_at(stands_in), ways, &with_relay(RelayStanding::Home));
    assert!(why.summary.starts_with("carol is reached straight over TCP"), "{}", why.summary);
    assert_eq!((why.path.endpoint, why.path.stream), (None, true));
    assert!(why.tried[0].words.starts_with("carol was seen over TCP;"), "{}", why.tried[0].words);
}

#[test]
fn a_relayed_path_counts_one_or_no_address_in_words_too() {
    let peer = carol_at(behind(ALICE_AT));
    let summary = |ways| explain(&peer, ways, &with_relay(RelayStanding::Home)).summary;
    let relayed = way(behind(ALICE_AT), CandidateResult::Answered);
    assert!(summary(vec![relayed]).ends_with("; no address is known that could be tried straight."));
    let one = |result| vec![relayed, way(straight(CAROL_AT), result)];
    assert!(
        summary(one(CandidateResult::Waiting)).contains("; the one address that was tried straight has not answered: ")
    );
    assert!(summary(one(CandidateResult::Silent)).contains("tried straight does not answer any more: something on"));
    assert!(summary(one(CandidateResult::Answered)).contains("; at 203.0.113.7:42042 it has answered straight before"));
}

#[test]
fn a_relay_that_is_not_known_any_more_is_told_by_its_address() {
    let ways = vec![way(behind("192.0.2.9:1"), CandidateResult::Waiting)];
    let why = explain(&carol(), ways, &with_relay(RelayStanding::Home));
    assert_eq!((&why.tried[0].endpoint, &why.tried[0].relay), (&None, &None));
    assert!(why.tried[0].words.starts_with("a relay at 192.0.2.9:1 leads to carol; "), "{}", why.tried[0].words);
}

#[test]
fn a_blocked_peer_is_unblocked_by_name() {
    let mut network = network();
    network.snapshot.blocked = vec![node(CAROL)];
    let why = explain(&carol(), both(CandidateResult::Waiting), &network);
    assert_eq!(why.summary, "carol is not reached: it is blocked on this machine.");
    assert_eq!(command(&why), Some("holloway unblock carol"));
}

#[test]
fn whoever_is_no_member_any_more_reaches_nobody() {
    let mut network = network();
    network.snapshot.is_member = false;
    let why = explain(&carol_at(straight(CAROL_AT)), both(CandidateResult::Answered), &network);
    assert_eq!(why.summary, "carol is not reached: this machine is no longer a member of home.");
    assert_eq!(command(&why), Some("holloway leave home"));
}

#[test]
fn without_a_control_connection_this_machine_is_looked_at_first() {
    let mut network = network();
    network.snapshot.neighbours = vec![];
    let why = explain(&carol(), vec![], &network);
    assert_eq!(why.summary, "carol is not reached: nobody has told this machine where it is.");
    assert_eq!(command(&why), Some("holloway doctor"));
}

#[test]
fn a_peer_that_nobody_has_heard_of_may_be_switched_off() {
    let why = explain(&carol(), vec![], &network());
    assert_eq!(command(&why), None);
    assert!(why.advice.unwrap().what.contains("whether carol is switched on"));
    assert_eq!(why.path.kind, doc::PathKind::None);
}

#[test]
fn a_peer_that_never_answered_wants_a_relay_where_there_is_none() {
    let why = explain(&carol(), both(CandidateResult::Waiting), &network());
    assert_eq!(why.summary, "carol is not reached: it was tried by 2 addresses and has not answered.");
    assert_eq!(command(&why), Some("holloway invite --right relay"));
    assert!(why.tried.iter().all(|way| way.words.ends_with("it was tried, and no answer has come so far.")));
}

#[test]
fn whoever_may_not_invite_is_told_so() {
    let mut network = network();
    network.snapshot.rights = Rights::NONE;
    let advice = explain(&carol(), both(CandidateResult::Waiting), &network).advice.unwrap();
    assert!(advice.what.contains("on a machine with the right to issue"), "{}", advice.what);
}

#[test]
fn relays_that_do_not_serve_are_to_be_looked_at() {
    for standing in [RelayStanding::Silent, RelayStanding::Refusing(RelayRefusal::Full)] {
        let why = explain(&carol(), both(CandidateResult::Waiting), &with_relay(standing));
        assert_eq!(command(&why), Some("holloway relays"));
    }
}

#[test]
fn a_peer_that_never_answered_although_there_are_relays_may_be_switched_off() {
    let mut ways = both(CandidateResult::Waiting);
    ways.push(way(behind(ALICE_AT), CandidateResult::Waiting));
    let mut own = network();
    own.snapshot.own_relay = Some(announcement());
    for network in [with_relay(RelayStanding::Home), own] {
        let why = explain(&carol(), ways.clone(), &network);
        assert_eq!(why.summary, "carol is not reached: it was tried by 2 addresses and 1 relay and has not answered.");
        assert_eq!(command(&why), None);
        assert!(why.advice.unwrap().what.contains("whether carol is switched on"));
    }
}

#[test]
fn a_handshake_under_way_is_told_as_such() {
    let peer = PeerSnapshot { is_handshaking: true, ..carol() };
    let why = explain(&peer, vec![way(straight(CAROL_AT), CandidateResult::Waiting)], &network());
    assert_eq!(why.summary, "carol is not reached yet: it is being tried by 1 address.");
}

#[test]
fn a_peer_with_a_control_connection_is_there_and_udp_is_in_question() {
    let peer = PeerSnapshot { is_neighbour: true, ..carol() };
    let why = explain(&peer, both(CandidateResult::Waiting), &with_relay(RelayStanding::Home));
    assert_eq!(command(&why), Some("holloway doctor"));
    let without_relay = explain(&peer, both(CandidateResult::Waiting), &network());
    assert_eq!(command(&without_relay), Some("holloway invite --right relay"));
}

#[test]
fn a_peer_that_fell_silent_just_now_is_given_time_and_then_looked_for() {
    let silent_for = |seconds| PeerSnapshot {
        session: session(Duration::from_secs(seconds)),
        is_handshaking: true,
        ..carol_at(straight(CAROL_AT))
    };
    let ways = || vec![way(straight(CAROL_AT), CandidateResult::Silent)];
    let now = explain(&silent_for(29), ways(), &network());
    assert_eq!(now.advice, None);
    let later = explain(&silent_for(30), ways(), &network());
    assert!(
        later.summary.starts_with(
            "carol is not reached: it was reached straight at 203.0.113.7:42042, and does not answer there any \
             more; its last word is 30 s old."
        ),
        "{}",
        later.summary
    );
    assert!(later.tried[0].words.ends_with("; packets still go this way, but no answer comes back any more."));
    assert!(later.advice.unwrap().what.contains("whether carol is switched on"));
}

#[test]
fn a_peer_that_was_lost_with_its_keys_is_told_by_its_last_relay() {
    let peer = PeerSnapshot { session: None, ..carol_at(behind(ALICE_AT)) };
    let ways = vec![way(behind(ALICE_AT), CandidateResult::Silent)];
    let why = explain(&peer, ways, &with_relay(RelayStanding::Home));
    assert!(why.summary.contains("reached through the relay alice, and does not answer there any more. Every"));
    assert!(!why.tried[0].in_use);
}

#[test]
fn a_peer_that_nothing_was_sent_to_is_not_reached_and_well() {
    let why = explain(&carol(), both(CandidateResult::Untried), &network());
    assert_eq!(why.summary, "carol is not reached: nothing was sent to it yet. The next packet begins a session.");
    assert_eq!(command(&why), Some("holloway ping carol"));
    let lapsed = PeerSnapshot { session: None, ..carol_at(straight(CAROL_AT)) };
    let why = explain(&lapsed, both(CandidateResult::Answered), &network());
    assert!(why.summary.contains("nothing was sent to it for a while"), "{}", why.summary);
}

#[test]
fn a_session_that_waits_for_revocations_says_so() {
    let mut peer = carol_at(straight(CAROL_AT));
    peer.session.as_mut().unwrap().is_held = true;
    let why = explain(&peer, both(CandidateResult::Answered), &network());
    assert!(why.summary.ends_with(" Packets wait until both have told each other what is revoked."));
}

#[test]
fn a_relay_is_shown_with_its_place_in_degrees_and_its_newest_load() {
    let network = with_relay(RelayStanding::Standby);
    let shown: Vec<_> = relays(&network).collect();
    let [relay] = shown.as_slice() else { panic!("one relay") };
    assert_eq!((relay.network.as_str(), relay.standing), ("home", doc::RelayStanding::Standby));
    assert_eq!((relay.rtt_ms, relay.announced.load_percent), (Some(1.2), 5));
    assert_eq!(
        relay.announced.place,
        Some(doc::Place { latitude: 45.5, longitude: -73.57, source: doc::PlaceSource::Operator })
    );
    assert_eq!((relay.endpoint.as_deref(), &relay.why), (Some(ALICE_AT), &None));
    assert!(relay.current && !relay.announced.draining);
}

#[test]
fn a_relay_that_does_not_serve_says_why() {
    for (refusal, part) in [
        (RelayRefusal::Full, "as many members"),
        (RelayRefusal::NotAMember, "does not know this machine"),
        (RelayRefusal::Draining, "about to stop"),
        (RelayRefusal::Quota, "this month"),
    ] {
        let status = relay_status(&relay(RelayStanding::Refusing(refusal)), &label("home"));
        assert_eq!(status.standing, doc::RelayStanding::Refusing);
        assert!(status.why.unwrap().contains(part));
    }
    let gone = RelaySnapshot { is_current: false, ..relay(RelayStanding::Silent) };
    assert!(relay_status(&gone, &label("home")).why.unwrap().contains("nor announce itself"));
}

#[test]
fn this_machine_as_a_relay_is_shown_as_it_announces_itself() {
    assert_eq!(own_relay(&network()), None);
    let mut network = network();
    network.snapshot.own_relay = Some(RelayAnnouncement { state: RelayState::Draining, ..announcement() });
    let own = own_relay(&network).unwrap();
    assert_eq!((own.network.as_str(), own.announced.members, own.announced.draining), ("home", 12, true));
}

#[test]
fn routes_lead_to_the_interface_straight_through_a_relay_or_nowhere() {
    let mut network = with_relay(RelayStanding::Home);
    network.snapshot.peers = vec![carol_at(straight(CAROL_AT)), carol_at(behind(ALICE_AT)), carol()];
    let routes = routes(&network);
    let vias: Vec<_> = routes.iter().map(|route| route.via).collect();
    use doc::RouteVia::{Direct, Interface, None as Nowhere, Relay};
    assert_eq!(vias, [Interface, Direct, Relay, Nowhere]);
    assert_eq!((routes[0].member.as_deref(), routes[0].interface.as_deref()), (None, Some("hollow0")));
    assert!(routes[0].destination.ends_with("/48") && routes[1].destination.ends_with("/128"));
    assert_eq!((routes[0].mtu, routes[1].mtu, routes[3].mtu), (Some(1440), Some(1400), None));
    assert_eq!((routes[1].endpoint.as_deref(), routes[2].relay.as_deref()), (Some(CAROL_AT), Some("alice")));
    network.interface = None;
    assert_eq!(super::routes(&network)[0].via, Nowhere);
}

#[test]
fn the_port_to_forward_is_one_that_the_router_sees() {
    let mut network = network();
    assert_eq!(data_port(&network), Some(42042), "IPv4 comes first");
    network.data_listen.pop();
    assert_eq!(data_port(&network), Some(42050));
    network.data_listen = vec![address("127.0.0.1:9")];
    assert_eq!(data_port(&network), None);
}

/// Bob behind a router, with a relay that answers; the founder and carol have seen him at these addresses.
fn seen_at(addresses: [&str; 2]) -> NetworkView {
    let mut network = with_relay(RelayStanding::Home);
    network.local = vec!["192.168.1.2".parse().unwrap()];
    network.snapshot.peers = vec![carol()];
    let observation = |by, at| Observation { by: node(by), address: address(at), age: Duration::from_secs(20) };
    network.snapshot.observations = vec![observation(ALICE, addresses[0]), observation(CAROL, addresses[1])];
    network
}

fn checked(network: &NetworkView) -> doc::NetworkCheck {
    netcheck(network, Instant::now())
}

#[test]
fn a_router_is_judged_by_two_that_see_this_machine() {
    let one = checked(&seen_at(["198.51.100.9:42042", "198.51.100.9:42042"]));
    assert_eq!((one.udp, one.nat.mapping), (doc::UdpState::Works, doc::NatMapping::EndpointIndependent));
    assert_eq!((one.direct, one.ipv4.state), (doc::DirectPaths::Most, doc::FamilyState::Works));
    assert_eq!(one.ipv6.state, doc::FamilyState::Absent);
    assert_eq!((one.nat.seen[1].by.as_str(), one.nat.seen[1].age_s), ("carol", 20));
    let other = checked(&seen_at(["198.51.100.9:42042", "198.51.100.9:1042"]));
    assert_eq!((other.nat.mapping, other.direct), (doc::NatMapping::EndpointDependent, doc::DirectPaths::Open));
    assert!(other.summary.contains("only to peers that anyone can reach"), "{}", other.summary);
}

#[test]
fn a_word_that_is_old_or_of_the_local_network_tells_nothing_of_a_router() {
    let mut network = seen_at(["198.51.100.9:42042", "192.168.1.2:42042"]);
    let check = checked(&network);
    assert_eq!((check.nat.mapping, check.direct), (doc::NatMapping::Unknown, doc::DirectPaths::Unknown));
    network.snapshot.observations[0].age = Duration::from_secs(90);
    assert_eq!(checked(&network).nat.seen, []);
}

#[test]
fn a_machine_that_is_seen_at_its_own_address_has_no_router_that_translates() {
    let mut network = seen_at(["198.51.100.9:42042", "198.51.100.9:42042"]);
    network.local = vec!["198.51.100.9".parse().unwrap()];
    network.port_mapping = Standing::Public;
    let check = checked(&network);
    assert_eq!((check.nat.mapping, check.direct), (doc::NatMapping::None, doc::DirectPaths::Anyone));
    assert_eq!(check.port_mapping.state, doc::PortMappingState::NotNeeded);
}

#[test]
fn a_forwarded_port_lets_anyone_in_and_says_nothing_of_what_goes_out() {
    let external = address("203.0.113.9:42042");
    let mut network = seen_at(["198.51.100.9:1", "203.0.113.9:42042"]);
    let until = Instant::now() + Duration::from_secs(600);
    network.port_mapping = Standing::Held(Mapping { protocol: Protocol::NatPmp, external, until });
    let check = netcheck(&network, until - Duration::from_secs(60));
    assert_eq!((check.nat.mapping, check.direct), (doc::NatMapping::Unknown, doc::DirectPaths::Anyone));
    assert_eq!(check.port_mapping.protocol.as_deref(), Some("NAT-PMP"));
    assert_eq!(check.port_mapping.expires_in_s, Some(60));
    let expired = netcheck(&network, until + Duration::from_secs(60));
    assert_eq!(expired.port_mapping.expires_in_s, Some(0));
}

#[test]
fn without_udp_there_are_no_direct_paths_and_without_anybody_nothing_is_known() {
    let mut by_stream = with_relay(RelayStanding::Home);
    by_stream.snapshot.relays[0].is_stream = true;
    let check = checked(&by_stream);
    assert_eq!((check.udp, check.direct), (doc::UdpState::Blocked, doc::DirectPaths::None));
    for network in [network(), with_relay(RelayStanding::Silent)] {
        let check = checked(&network);
        assert_eq!((check.udp, check.direct), (doc::UdpState::Unknown, doc::DirectPaths::Unknown));
    }
}

#[test]
fn why_no_port_is_forwarded_is_said_in_words() {
    let words = |refusals| {
        let mut network = network();
        network.port_mapping = Standing::Refused(refusals);
        checked(&network).port_mapping.words
    };
    let silent = |protocol| (protocol, Refusal::Silent);
    assert!(words(vec![silent(Protocol::Pcp), silent(Protocol::Upnp)]).contains("answers neither"));
    let refused = (Protocol::NatPmp, Refusal::Refused("not authorized".into()));
    assert!(words(vec![silent(Protocol::Pcp), refused]).ends_with("refuses (NAT-PMP: not authorized)"));
    let unusable = (Protocol::Upnp, Refusal::Unusable("100.64.0.9".parse().unwrap()));
    assert!(words(vec![silent(Protocol::Pcp), unusable]).contains("100.64.0.9 is not public"));
}
