use super::*;

fn at(number: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, number.to_be_bytes()[1]], 4242))
}

fn millis(millis: u64) -> Instant {
    Instant::from_nanos(0) + Duration::from_millis(millis)
}

fn probed(outputs: &[PathOutput], address: SocketAddr) -> bool {
    outputs.iter().any(|output| matches!(output, PathOutput::Probe { to, .. } if *to == Endpoint::udp(address)))
}

#[test]
fn of_a_peer_that_has_been_everywhere_what_it_named_last_is_kept_and_probed() {
    let mut agent = PathAgent::new(None);
    for number in 1..100 {
        agent.add_called(&[at(number), at(number + 100)]);
        assert!(agent.candidates().count() <= ENDPOINTS_MAX);
    }
    let known: Vec<Endpoint> = agent.candidates().map(|(endpoint, _)| endpoint).collect();
    for number in 92..100 {
        assert!(known.contains(&Endpoint::udp(at(number))) && known.contains(&Endpoint::udp(at(number + 100))));
    }
    // Of the probes of two seconds three are left after two rounds.
    for round in 0..2 {
        assert_eq!(agent.probe_all(millis(round * 100)).len(), ENDPOINTS_MAX);
        assert!(agent.probe_all(millis(round * 100)).is_empty(), "one at a moment is enough");
    }
    agent.add_called(&[at(100), at(200)]);
    let outputs = agent.probe_all(millis(200));
    assert!(outputs.len() == 3 && probed(&outputs, at(100)) && probed(&outputs, at(200)));
}

#[test]
fn what_is_announced_or_behind_a_relay_stays_when_much_else_is_named() {
    let mut agent = PathAgent::new(None);
    let relayed = Endpoint::relayed(at(250), holloway_wire::RelayChannel(7));
    agent.set_announced(&[at(251)]);
    agent.add_relayed(relayed);
    for number in 1..100 {
        agent.add_called(&[at(number)]);
    }
    let known: Vec<Endpoint> = agent.candidates().map(|(endpoint, _)| endpoint).collect();
    assert!(known.contains(&relayed) && known.contains(&Endpoint::udp(at(251))));
}

#[test]
fn what_is_told_late_does_not_speak_for_a_path_that_has_come_into_doubt_since() {
    let mut agent = PathAgent::new(None);
    let (straight, relayed) = (Endpoint::udp(at(1)), Endpoint::relayed(at(250), holloway_wire::RelayChannel(7)));
    agent.handle_newest(straight, millis(0));
    assert!(!agent.is_outdated(millis(10)));
    agent.handle_newest(relayed, millis(20));
    assert!(agent.is_outdated(millis(19)) && !agent.is_outdated(millis(20)));
    agent.handle_newest(relayed, millis(30));
    assert!(!agent.is_outdated(millis(25)), "it is in doubt since the first time");
    agent.handle_network_change(millis(40));
    assert!(agent.is_outdated(millis(39)));
}
