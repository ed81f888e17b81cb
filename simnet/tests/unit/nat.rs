use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;

const HOST: &str = "10.0.0.2:42044";
const OTHER_HOST: &str = "10.0.0.3:42044";
const ALICE: &str = "198.18.0.1:42044";
const ALICES_OTHER_PORT: &str = "198.18.0.1:42045";
const STRANGER: &str = "198.18.0.9:42044";

/// Whether a box that was sent out of by `HOST` to `ALICE` lets these in: herself, her other port, a stranger.
fn let_in(filtering: Dependence) -> [bool; 3] {
    let mut nat = NatBox::new(NatBehaviour { filtering, ..NatBehaviour::HOME });
    let port = nat.outbound(at(HOST), at(ALICE), seconds(0));
    [ALICE, ALICES_OTHER_PORT, STRANGER].map(|from| nat.inbound(port, at(from), seconds(1)).is_some())
}

#[test]
fn filtering_depends_on_what_it_says() {
    assert_eq!(let_in(Dependence::EndpointIndependent), [true, true, true]);
    assert_eq!(let_in(Dependence::AddressDependent), [true, true, false]);
    assert_eq!(let_in(Dependence::AddressAndPortDependent), [true, false, false]);
}

/// The ports of `HOST` towards `ALICE`, her other port, and a stranger.
fn ports(mapping: Dependence) -> [u16; 3] {
    let mut nat = NatBox::new(NatBehaviour { mapping, ..NatBehaviour::HOME });
    [ALICE, ALICES_OTHER_PORT, STRANGER].map(|to| nat.outbound(at(HOST), at(to), seconds(0)))
}

#[test]
fn mapping_depends_on_what_it_says() {
    let [alice, other_port, stranger] = ports(Dependence::EndpointIndependent);
    assert!(alice == other_port && alice == stranger);
    let [alice, other_port, stranger] = ports(Dependence::AddressDependent);
    assert!(alice == other_port && alice != stranger);
    let [alice, other_port, stranger] = ports(Dependence::AddressAndPortDependent);
    assert!(alice != other_port && alice != stranger && other_port != stranger);
}

#[test]
fn nobody_comes_in_before_something_went_out_not_even_to_a_full_cone() {
    let mut nat = NatBox::new(NatBehaviour::FULL_CONE);
    for port in FIRST_PORT..=u16::MAX {
        assert_eq!(nat.inbound(port, at(ALICE), seconds(0)), None);
    }
}

#[test]
fn two_hosts_never_share_a_port() {
    for behaviour in [NatBehaviour::FULL_CONE, NatBehaviour::HOME, NatBehaviour::SYMMETRIC] {
        let mut nat = NatBox::new(behaviour);
        let port = nat.outbound(at(HOST), at(ALICE), seconds(0));
        assert_ne!(nat.outbound(at(OTHER_HOST), at(ALICE), seconds(0)), port);
        assert_eq!(nat.inbound(port, at(ALICE), seconds(0)), Some(at(HOST)));
    }
}

#[test]
fn an_idle_mapping_expires_and_one_in_use_does_not() {
    let mut nat = NatBox::new(NatBehaviour::SYMMETRIC.with_expiry(Duration::from_secs(10)));
    let port = nat.outbound(at(HOST), at(ALICE), seconds(0));
    assert_eq!(nat.inbound(port, at(ALICE), seconds(9)), Some(at(HOST)));
    assert_eq!(nat.outbound(at(HOST), at(ALICE), seconds(18)), port);
    assert_eq!(nat.inbound(port, at(ALICE), seconds(28)), None);
    assert_ne!(nat.outbound(at(HOST), at(ALICE), seconds(28)), port);
}

#[test]
fn a_permission_expires_by_itself_while_the_mapping_lives() {
    let mut nat = NatBox::new(NatBehaviour::HOME);
    let port = nat.outbound(at(HOST), at(ALICE), seconds(0));
    assert_eq!(nat.outbound(at(HOST), at(STRANGER), seconds(20)), port);
    assert_eq!(nat.inbound(port, at(ALICE), seconds(31)), None);
    assert_eq!(nat.inbound(port, at(STRANGER), seconds(31)), Some(at(HOST)));
}

#[test]
fn the_next_port_of_a_symmetric_box_is_no_neighbour_and_all_come_up() {
    let nat = NatBox::new(NatBehaviour::SYMMETRIC);
    let mut seen = std::collections::BTreeSet::new();
    let mut port = FIRST_PORT;
    for _ in 0..PORTS {
        let next = nat.following(port);
        assert!(next.abs_diff(port) > 1000);
        seen.insert(next);
        port = next;
    }
    assert_eq!(seen.len(), PORTS as usize);
}

/// RFC 4787 said as plainly as possible: everything that ever passed, and nothing else.
struct Reference {
    behaviour: NatBehaviour,
    passed: Vec<Passed>,
}

#[derive(Clone, Copy)]
struct Passed {
    when: Instant,
    port: u16,
    inside: SocketAddr,
    /// Who was outside.
    remote: SocketAddr,
    /// For whom the mapping was made.
    mapped_for: SocketAddr,
}

impl Reference {
    /// What passed lately enough to count (§4.3).
    fn live(&self, now: Instant) -> impl DoubleEndedIterator<Item = &Passed> {
        self.passed.iter().filter(move |passed| now.since(passed.when) < self.behaviour.expiry)
    }

    /// §4.1: the port that a mapping must be reused with, if there is one.
    fn reused(&self, inside: SocketAddr, remote: SocketAddr, now: Instant) -> Option<Passed> {
        let mapping = self.behaviour.mapping;
        self.live(now).find(|p| p.inside == inside && is_same(mapping, p.mapped_for, remote)).copied()
    }

    /// §5: through which mapping a datagram comes in, if any.
    fn admitted(&self, port: u16, remote: SocketAddr, now: Instant) -> Option<Passed> {
        let filtering = self.behaviour.filtering;
        self.live(now).find(|p| p.port == port && is_same(filtering, p.remote, remote)).copied()
    }

    /// §4.2, REQ-3: whether a port is another mapping's.
    fn is_taken(&self, port: u16, now: Instant) -> bool {
        self.live(now).any(|passed| passed.port == port)
    }
}

fn is_same(dependence: Dependence, one: SocketAddr, other: SocketAddr) -> bool {
    match dependence {
        Dependence::EndpointIndependent => true,
        Dependence::AddressDependent => one.ip() == other.ip(),
        Dependence::AddressAndPortDependent => one == other,
    }
}

#[test]
fn boxes_of_all_kinds_do_what_the_reference_does() {
    const KINDS: [Dependence; 3] =
        [Dependence::EndpointIndependent, Dependence::AddressDependent, Dependence::AddressAndPortDependent];
    for seed in 0..30 {
        for mapping in KINDS {
            for filtering in KINDS {
                compare(NatBehaviour { mapping, filtering, ..NatBehaviour::HOME }, seed);
            }
        }
    }
}

fn compare(behaviour: NatBehaviour, seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut nat = NatBox::new(behaviour);
    let mut reference = Reference { behaviour, passed: Vec::new() };
    let mut now = Instant::from_nanos(0);
    let mut came_in = 0;
    for step in 0..400 {
        let told = format!("seed {seed}, step {step}, {behaviour:?}");
        now = now + Duration::from_millis(rng.random_range(0..4000));
        let remote = SocketAddr::from(([198, 18, 0, rng.random_range(1..4)], rng.random_range(1000..1003)));
        if rng.random_bool(0.4) {
            let inside = SocketAddr::from(([10, 0, 0, rng.random_range(2..4)], rng.random_range(42_044..42_046)));
            send(&mut nat, &mut reference, (inside, remote), now, &told);
        } else {
            let known = reference.passed.iter().rev().nth(rng.random_range(0..8));
            let port = known.map_or(FIRST_PORT + 7, |passed| passed.port);
            came_in += usize::from(receive(&mut nat, &mut reference, (port, remote), now, &told));
        }
    }
    assert!(came_in > 0, "seed {seed}: nothing came in, so nothing was compared");
}

fn send(nat: &mut NatBox, reference: &mut Reference, ends: (SocketAddr, SocketAddr), now: Instant, told: &str) {
    let (inside, remote) = ends;
    let expected = reference.reused(inside, remote, now);
    let port = nat.outbound(inside, remote, now);
    match expected {
        Some(passed) => assert_eq!(port, passed.port, "{told}"),
        None => assert!(!reference.is_taken(port, now), "{told}"),
    }
    let mapped_for = expected.map_or(remote, |passed| passed.mapped_for);
    reference.passed.push(Passed { when: now, port, inside, remote, mapped_for });
}

/// Returns whether it came in.
fn receive(nat: &mut NatBox, reference: &mut Reference, to: (u16, SocketAddr), now: Instant, told: &str) -> bool {
    let (port, remote) = to;
    let expected = reference.admitted(port, remote, now);
    assert_eq!(nat.inbound(port, remote, now), expected.map(|passed| passed.inside), "{told}");
    reference.passed.extend(expected.map(|passed| Passed { when: now, remote, ..passed }));
    expected.is_some()
}

fn at(endpoint: &str) -> SocketAddr {
    endpoint.parse().expect("the constants above are addresses")
}

fn seconds(since_start: u64) -> Instant {
    Instant::from_nanos(since_start * 1_000_000_000)
}
