//! Both sides begin at once: whatever is lost or late, one session remains and both use it.

mod harness;

use harness::*;
use holloway_mesh::*;

/// What may happen next in a small schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The oldest datagram under way arrives.
    Oldest,
    /// The newest does, before the others.
    Newest,
    /// The oldest is lost.
    Lose,
    /// Nothing arrives until the next timer.
    Wait,
}

const STEPS: [Step; 4] = [Step::Oldest, Step::Newest, Step::Lose, Step::Wait];

fn take(net: &mut Net, step: Step) {
    match step {
        Step::Oldest => {
            if let Some(flight) = net.flights.pop_front() {
                net.deliver(flight);
            }
        }
        Step::Newest => {
            if let Some(flight) = net.flights.pop_back() {
                net.deliver(flight);
            }
        }
        Step::Lose => drop(net.flights.pop_front()),
        Step::Wait => {
            let held = std::mem::take(&mut net.flights);
            net.wait_for_timer();
            let fresh = std::mem::replace(&mut net.flights, held);
            net.flights.extend(fresh);
        }
    }
    net.run_control();
}

/// Every schedule of this many steps, told apart by number.
fn schedules(length: u32) -> impl Iterator<Item = Vec<Step>> {
    (0..STEPS.len().pow(length))
        .map(move |number| (0..length).map(|place| STEPS[number / STEPS.len().pow(place) % STEPS.len()]).collect())
}

fn cross(net: &mut Net, schedule: &[Step]) {
    net.send(0, 1, b"from alice");
    net.send(1, 0, b"from bob");
    for step in schedule {
        take(net, *step);
    }
    net.pass(seconds(8));
}

fn check(net: &mut Net, schedule: &[Step]) {
    assert!(!net.peer(0, 1).is_handshaking && !net.peer(1, 0).is_handshaking, "{schedule:?}");
    let sessions = [net.peer(0, 1).session, net.peer(1, 0).session];
    assert!(sessions.iter().all(Option::is_some), "{schedule:?}");
    net.take(0);
    net.take(1);
    net.assert_agree(0, 1);
}

#[test]
fn every_order_of_arrival_and_loss_leaves_one_session_on_which_both_agree() {
    for schedule in schedules(5) {
        let mut net = Net::pair(31);
        cross(&mut net, &schedule);
        check(&mut net, &schedule);
    }
}

#[test]
fn the_side_with_the_lower_id_may_be_either() {
    for seed in 32..40 {
        for schedule in schedules(3) {
            let mut net = Net::pair(seed);
            cross(&mut net, &schedule);
            check(&mut net, &schedule);
        }
    }
}

#[test]
fn without_loss_there_is_exactly_one_session() {
    for seed in 40..50 {
        let mut net = Net::pair(seed);
        net.send(0, 1, b"from alice");
        net.send(1, 0, b"from bob");
        net.run();
        assert_eq!((net.take(0), net.take(1)), (vec![b"from bob".to_vec()], vec![b"from alice".to_vec()]));
        assert_eq!((net.installed(0), net.installed(1)), (1, 1), "seed {seed}");
        net.assert_agree(0, 1);
    }
}

#[test]
fn rotations_that_cross_leave_one_session_too() {
    for schedule in schedules(4) {
        let settings = Settings { rotate_after_packets: 100, ..Settings::default() };
        let mut net = Net::connected_pair(51, settings);
        for number in 0..98_u8 {
            net.send(0, 1, &[number]);
            net.send(1, 0, &[number]);
        }
        net.run();
        // Both sides are told that the path is in doubt at once.
        cross(&mut net, &schedule);
        check(&mut net, &schedule);
    }
}

#[test]
fn a_late_message_2_after_the_timeout_changes_nothing() {
    let mut net = Net::pair(52);
    net.send(0, 1, b"hello");
    let mut late = Vec::new();
    net.pass_lossy(seconds(35), |flight| {
        if flight.is(RESPONSE) {
            late.push(flight.clone());
        }
        !flight.is(RESPONSE)
    });
    assert!(late.len() > 3);
    for flight in late.drain(..) {
        net.deliver(flight);
    }
    assert!(!net.has_session(0, 1) && !net.has_session(1, 0));
    assert!(net.dropped(0, DropReason::Unsolicited) > 3);
    net.send(1, 0, b"from the other side");
    net.run();
    assert_eq!(net.take(0), [b"from the other side".to_vec()]);
    net.assert_agree(0, 1);
}

#[test]
fn where_only_one_side_knows_an_endpoint_the_crossing_resolves_at_once() {
    for seed in 60..70 {
        let mut net = Net::pair(seed);
        // One side has moved, and the other does not know where to.
        let moved = usize::from(net.sides[0].id < net.sides[1].id);
        net.sides[moved].endpoint = holloway_wire::Endpoint::udp("198.51.100.7:7777".parse().expect("an address"));
        net.send(0, 1, b"from alice");
        net.send(1, 0, b"from bob");
        net.run();
        assert_eq!((net.take(0).len(), net.take(1).len()), (1, 1), "seed {seed}");
        net.assert_agree(0, 1);
    }
}
