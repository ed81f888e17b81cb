//! A revoked key is out, at once and for ever; a block is nobody else's business.

mod harness;

use harness::*;
use holloway_mesh::*;
use holloway_wire::*;

/// A founder and two members, everyone with everyone else's announcement.
fn three(seed: u64) -> Net {
    let mut net = Net::found(seed);
    net.join_by(0, "bob", Rights::ISSUE);
    net.join("carol");
    for (a, b) in [(0, 1), (0, 2), (1, 2)] {
        net.connect(a, b);
    }
    net.pass(seconds(3));
    for (a, b) in [(0, 1), (0, 2), (1, 2)] {
        net.disconnect(a, b);
    }
    // Sessions of that time lapse.
    net.pass(seconds(400));
    for side in 0..3 {
        net.sides[side].events.clear();
        net.take(side);
    }
    assert_eq!((net.installed(0), net.installed(1), net.installed(2)), (0, 0, 0));
    net
}

fn talk(net: &mut Net, a: usize, b: usize) -> usize {
    net.send(a, b, b"talk");
    net.send(b, a, b"talk");
    net.pass(seconds(3));
    net.take(a).len() + net.take(b).len()
}

#[test]
fn revocation_ends_a_live_session() {
    let mut net = three(401);
    assert_eq!(talk(&mut net, 0, 1), 2);
    assert!(net.installed(0) > 0);
    let reply = net.command(0, Command::Revoke { member: "bob".into() });
    assert!(matches!(reply, Ok(Reply::Member { .. })));
    assert!(!net.is_member(0, &net.sides[1].id));
    assert_eq!(net.route(0, 1), None);
    net.send(1, 0, b"still me");
    net.pass(seconds(3));
    assert!(net.take(0).is_empty());
    assert!(net.dropped(0, DropReason::Revoked) + net.dropped(0, DropReason::UnknownSession) > 0);
    assert!(
        net.sides[0].written.iter().any(|write| matches!(write, Write::Publication(slot, _)
        if slot.kind == PublicationKind::Revocation)),
        "it is durable"
    );
}

#[test]
fn a_revocation_mid_handshake_leaves_no_keys() {
    let mut net = Net::pair(402);
    let revocation = |net: &Net, side: usize| net.revocation(&net.root, &net.sides[side].id, vec![]);
    net.send(0, 1, b"hello");
    let initiation = net.flights.pop_front().expect("message 1");
    net.flights.clear();
    net.deliver(initiation);
    let response = net.flights.pop_front().expect("message 2");
    let of_bob = revocation(&net, 1);
    net.tell(0, &of_bob);
    net.flights.clear();
    net.deliver(response);
    assert!(net.flights.is_empty(), "no transport key is used");
    assert_eq!(net.dropped(0, DropReason::Unsolicited), 1);

    let mut net = Net::pair(403);
    net.send(0, 1, b"hello");
    let mut record = None;
    net.run_lossy(|flight| {
        if flight.is(TRANSPORT) && record.is_none() {
            record = Some(flight.clone());
        }
        !flight.is(TRANSPORT)
    });
    let of_alice = revocation(&net, 0);
    net.tell(1, &of_alice);
    net.flights.clear();
    net.deliver(record.expect("the first record"));
    assert!(net.flights.is_empty() && net.take(1).is_empty());
    assert_eq!(net.dropped(1, DropReason::UnknownSession), 1);
}

/// An issuer's certificate, and that of a member by this issuer.
fn issued_in_turn(net: &Net, issuer: &Subject, member: &Subject) -> [MembershipCertificate; 2] {
    [
        net.certify(&net.root, issuer, net.membership(&net.root, issuer, "issuing", Rights::ISSUE)),
        net.certify(&issuer.key, member, net.membership(&issuer.key, member, "gone", Rights::NONE)),
    ]
}

#[test]
fn a_revocation_that_comes_before_the_certificate_still_wins() {
    let mut net = Net::found(404);
    let (issuer, member) = (Subject::new(1), Subject::new(2));
    let [own, certificate] = issued_in_turn(&net, &issuer, &member);
    // Only the member's chain tells that its issuer may revoke it.
    let by_issuer = net.revocation(&issuer.key, &member.id(), vec![]);
    assert_eq!(net.tell(0, &by_issuer), Verdict::Ignore, "nobody can tell yet");
    net.tell(0, &Publication::Certificate(own));
    net.tell(0, &Publication::Certificate(certificate));
    assert!(!net.is_member(0, &member.id()), "not for a moment");
    assert!(
        net.sides[0]
            .events
            .iter()
            .all(|event| { !matches!(event, Event::MemberJoined { node, .. } if *node == member.id()) })
    );
    assert_eq!(net.sides[0].node.snapshot(net.now_at(0)).revocations, 1);
}

#[test]
fn revocations_that_wait_are_bounded_and_those_of_strangers_never_count() {
    let mut net = Net::found(421);
    let (issuer, member) = (Subject::new(1), Subject::new(2));
    let [own, certificate] = issued_in_turn(&net, &issuer, &member);
    let by_issuer = net.revocation(&issuer.key, &member.id(), vec![]);
    net.tell(0, &by_issuer);
    // A stranger's, of which there are more than anything waits for.
    let stranger = Subject::new(3);
    for number in 0..2000 {
        let revocation = net.revocation(&stranger.key, &Subject::new(1000 + number).id(), vec![]);
        assert_eq!(net.tell(0, &revocation), Verdict::Ignore);
    }
    net.tell(0, &Publication::Certificate(own));
    net.tell(0, &Publication::Certificate(certificate));
    assert!(!net.is_member(0, &member.id()), "the first that came still waits");
    assert_eq!(net.sides[0].node.snapshot(net.now_at(0)).revocations, 1, "and no stranger's counts");
}

#[test]
fn a_revoked_issuer_takes_with_it_what_it_issued_except_what_is_kept() {
    for order in 0..2 {
        let mut net = Net::found(405);
        let (issuer, kept, fallen) = (Subject::new(1), Subject::new(2), Subject::new(3));
        let own = net.certify(&net.root, &issuer, net.membership(&net.root, &issuer, "issuing", Rights::ISSUE));
        let keep = net.certify(&issuer.key, &kept, net.membership(&issuer.key, &kept, "kept", Rights::NONE));
        let fall = net.certify(&issuer.key, &fallen, net.membership(&issuer.key, &fallen, "fallen", Rights::NONE));
        let revocation = net.revocation(&net.root, &issuer.id(), vec![keep.hash()]);
        let mut all: Vec<Publication> = [own, keep, fall].into_iter().map(Publication::Certificate).collect();
        all.insert(if order == 0 { 0 } else { 3 }, revocation);
        for publication in &all {
            net.tell(0, publication);
        }
        assert!(!net.is_member(0, &issuer.id()) && !net.is_member(0, &fallen.id()), "order {order}");
        assert!(net.is_member(0, &kept.id()), "order {order}");
    }
}

#[test]
fn only_who_may_revoke_is_heard() {
    let mut net = three(406);
    let stranger = Subject::new(9);
    let carol = net.sides[2].id;
    let by_stranger = net.revocation(&stranger.key, &carol, vec![]);
    assert_eq!(net.tell(0, &by_stranger), Verdict::Ignore);
    assert!(matches!(net.command(2, Command::Revoke { member: "bob".into() }), Err(CommandError::NotAllowed(_))));
    assert!(matches!(net.command(0, Command::Revoke { member: "alice".into() }), Err(CommandError::Oneself)));
    assert!(matches!(net.command(0, Command::Revoke { member: "nobody".into() }), Err(CommandError::UnknownMember(_))));
    assert!(net.is_member(0, &carol) && net.is_member(2, &net.sides[1].id));
}

#[test]
fn who_revokes_an_issuer_above_itself_stays_a_member() {
    let mut net = Net::found(407);
    let bob = net.join_by(0, "bob", Rights::ALL);
    let dave = net.join_by(bob, "dave", Rights::ALL);
    net.connect(bob, dave);
    net.run_control();
    assert!(net.command(dave, Command::Revoke { member: "bob".into() }).is_ok());
    assert!(!net.is_member(dave, &net.sides[bob].id));
    assert!(net.sides[dave].events.iter().all(|event| !matches!(event, Event::Expelled)));
}

fn is_expelled(net: &Net, side: usize) -> bool {
    net.sides[side].events.iter().any(|event| matches!(event, Event::Expelled))
}

#[test]
fn whoever_is_parted_with_hears_why_over_the_session_that_ends() {
    let mut net = three(411);
    assert_eq!(talk(&mut net, 0, 1), 2);
    net.command(0, Command::Revoke { member: "bob".into() }).expect("it may");
    net.run();
    assert!(is_expelled(&net, 1), "with no control connection at all");
}

#[test]
fn whoever_was_away_when_its_issuer_was_revoked_hears_it_in_the_answer_to_its_hello() {
    let mut net = three(412);
    let dave = net.join_by(1, "dave", Rights::NONE);
    net.connect(dave, 1);
    net.connect(dave, 0);
    net.pass(seconds(3));
    for other in [0, 1] {
        net.disconnect(dave, other);
    }
    net.pass_lossy(seconds(400), |_| false);
    net.command(0, Command::Revoke { member: "bob".into() }).expect("it may");
    net.pass_lossy(seconds(1), |_| false);
    assert!(!is_expelled(&net, dave) && !is_expelled(&net, 1));
    net.connect(dave, 0);
    assert!(is_expelled(&net, dave));
    net.connect(1, 0);
    assert!(is_expelled(&net, 1));
}

#[test]
fn a_stranger_hears_of_no_revocation_whatever_chain_it_makes_up() {
    let mut net = Net::found(413);
    let (revoked, below, stranger) = (Subject::new(1), Subject::new(2), Subject::new(3));
    let first = net.certify(&net.root, &revoked, net.membership(&net.root, &revoked, "revoked", Rights::ISSUE));
    let second = net.certify(&revoked.key, &below, net.membership(&revoked.key, &below, "below", Rights::ISSUE));
    let revocation = net.revocation(&net.root, &revoked.id(), vec![]);
    for publication in [Publication::Certificate(first.clone()), Publication::Certificate(second), revocation] {
        assert_eq!(net.tell(0, &publication), Verdict::Accept);
    }
    let by_itself = net.membership(&stranger.key, &stranger, "mallory", Rights::NONE);
    let by_itself = net.certify(&stranger.key, &stranger, by_itself);
    assert_eq!(revocations_told(&mut net, &stranger, vec![by_itself, first]), 0);
    // It names an issuer below the one that was revoked, which has not signed.
    let good = net.certify(&below.key, &stranger, net.membership(&below.key, &stranger, "mallory", Rights::NONE));
    let mut forged = good.encode();
    let last = forged.len() - 1;
    forged[last] ^= 1;
    let forged = MembershipCertificate::decode(&forged).expect("the form is right");
    assert_eq!(revocations_told(&mut net, &stranger, vec![forged]), 0);
    assert_eq!(revocations_told(&mut net, &stranger, vec![good]), 1, "whoever was one hears why it is none any more");
}

/// How many revocations the first side tells to whoever shows a chain.
fn revocations_told(net: &mut Net, stranger: &Subject, chain: Vec<MembershipCertificate>) -> usize {
    let at = net.now_at(0).unix;
    let hello = Hello { version: PROTOCOL_VERSION, software: "x".into(), time: at, chain, announcement: None };
    let (token, channel) = (ResponseToken(77), Channel::Hello);
    let event = ControlEvent::Request { token, node: stranger.id(), channel, body: hello.encode() };
    net.act(0, |node, now| node.handle_control(event, now));
    net.run_control();
    let reply = HelloReply::decode(&net.sides[0].responses[&token]).expect("an answer");
    match reply {
        HelloReply::Refused { revocations, .. } => revocations.len(),
        HelloReply::Welcome(_) => panic!("it is no member"),
    }
}

#[test]
fn the_revoked_one_is_told_that_it_is_out() {
    let mut net = Net::found(408);
    let bob = net.join("bob");
    let revocation = net.revocation(&net.root, &net.sides[bob].id, vec![]);
    net.tell(bob, &revocation);
    assert!(net.sides[bob].events.iter().any(|event| matches!(event, Event::Expelled)));
}

#[test]
fn revocations_are_exchanged_before_data_flows() {
    let mut net = three(409);
    let gone = Subject::new(5);
    for number in 0..30 {
        let revocation = net.revocation(&net.root, &Subject::new(100 + number).id(), vec![]);
        net.tell(1, &revocation);
    }
    let of_gone = net.revocation(&net.root, &gone.id(), vec![]);
    net.tell(2, &of_gone);
    assert_eq!(talk(&mut net, 1, 2), 2, "data flows afterwards");
    for side in [1, 2] {
        assert_eq!(net.sides[side].node.snapshot(net.now_at(side)).revocations, 31);
    }
    assert!(!net.peer(1, 2).session.expect("a session").is_held);
    net.assert_agree(1, 2);
}

#[test]
fn no_data_passes_a_session_that_waits() {
    let mut net = three(410);
    let revocation = net.revocation(&net.root, &Subject::new(5).id(), vec![]);
    net.tell(1, &revocation);
    net.send(1, 2, b"too early");
    let mut controls_lost = 0;
    // Nothing but the handshake and keepalives gets through.
    net.pass_lossy(seconds(2), |flight| {
        let is_short = flight.datagram.len() <= 32;
        controls_lost += u32::from(flight.is(TRANSPORT) && !is_short);
        !flight.is(TRANSPORT) || is_short
    });
    assert!(controls_lost > 2, "it is asked for again and again");
    assert!(net.take(2).is_empty());
    assert!(net.peer(1, 2).session.expect("a session").is_held);
    net.pass(seconds(2));
    assert_eq!(net.take(2), [b"too early".to_vec()]);
}

#[test]
fn lost_records_of_the_exchange_are_made_up_for() {
    let mut net = three(411);
    for number in 0..40 {
        let revocation = net.revocation(&net.root, &Subject::new(100 + number).id(), vec![]);
        net.tell(1, &revocation);
    }
    net.send(1, 2, b"through the storm");
    net.send(2, 1, b"through the storm");
    let mut number = 0_u32;
    net.pass_lossy(seconds(12), |_| {
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (number >> 16) % 100 >= 30
    });
    assert_eq!(net.sides[2].node.snapshot(net.now_at(2)).revocations, 40);
    assert!(!net.peer(1, 2).session.expect("a session").is_held);
    assert!(!net.peer(2, 1).session.expect("a session").is_held);
}

#[test]
fn a_revocation_that_one_side_refuses_holds_nothing_up_for_ever() {
    let mut net = three(412);
    let (admin, victim) = (Subject::new(6), Subject::new(7));
    // Bob knows the admin, carol does not: she cannot tell whether its revocation holds.
    let own = net.certify(&net.root, &admin, net.membership(&net.root, &admin, "admin", Rights::ADMIN));
    net.tell(1, &Publication::Certificate(own));
    let revocation = net.revocation(&admin.key, &victim.id(), vec![]);
    assert_eq!(net.tell(1, &revocation), Verdict::Accept);
    assert_eq!(talk(&mut net, 1, 2), 2);
    assert_eq!(net.sides[2].node.snapshot(net.now_at(2)).revocations, 0);
}

#[test]
fn rotation_goes_on_while_revocations_differ() {
    let settings = Settings { rotate_after_packets: 100, ..Settings::default() };
    let mut net = Net::connected_pair(413, settings);
    let gone = net.revocation(&net.root, &Subject::new(5).id(), vec![]);
    net.tell(1, &gone);
    for number in 0..1000_u32 {
        net.send(0, 1, &number.to_le_bytes());
        net.run();
    }
    net.pass(seconds(2));
    assert_eq!(net.take(1).len(), 1000);
    assert!(net.peer(0, 1).rotations > 5);
}

#[test]
fn a_block_is_local_and_can_be_lifted() {
    let mut net = three(414);
    assert_eq!(talk(&mut net, 0, 1), 2);
    assert!(net.command(0, Command::Block { member: "bob".into() }).is_ok());
    assert_eq!(net.sides[0].node.snapshot(net.now_at(0)).blocked, [net.sides[1].id]);
    let left = net.sides[0].events.iter().any(|event| matches!(event, Event::MemberLeft { blocked: true, .. }));
    assert!(left, "an operator can tell it from a departure");
    let ping = Command::Ping { member: "bob".into(), timeout: seconds(1) };
    assert_eq!(net.command(0, ping).map(drop), Err(CommandError::Blocked(label("bob"))));
    net.send(1, 0, b"hello?");
    net.pass(seconds(200));
    net.send(1, 0, b"hello?");
    net.pass(seconds(3));
    assert!(net.take(0).is_empty());
    assert!(net.dropped(0, DropReason::Blocked) > 0);
    assert_eq!(talk(&mut net, 1, 2), 2, "others are not concerned");
    assert!(net.command(0, Command::Unblock { member: "bob".into() }).is_ok());
    net.pass(seconds(60));
    net.take(0);
    net.take(1);
    net.send(1, 0, b"back");
    net.pass(seconds(3));
    assert!(net.take(0).contains(&b"back".to_vec()));
    assert!(net.sides[0].written.contains(&Write::Block(net.sides[1].id)));
    assert!(net.sides[0].written.contains(&Write::Unblock(net.sides[1].id)));
}

#[test]
fn a_revoked_member_is_never_resurrected_by_old_gossip() {
    let mut net = three(415);
    let bob = net.sides[1].node.certificate_chain(None).expect("a chain");
    net.command(0, Command::Revoke { member: "bob".into() }).map(drop).expect("revoked");
    for certificate in bob {
        net.tell(0, &Publication::Certificate(certificate));
    }
    assert!(!net.is_member(0, &net.sides[1].id));
    net.connect(0, 1);
    assert!(
        !net.are_connected(0, 1) || !net.sides[0].node.snapshot(net.now_at(0)).neighbours.contains(&net.sides[1].id)
    );
}

#[test]
fn a_full_name_of_another_network_revokes_nobody() {
    let mut net = Net::found(391);
    let bob = net.join("bob");
    let id = net.sides[bob].id;
    for name in ["m1.other.alt", "bob.other.alt", "wiki.bob.home.alt", "bob.alt", "bob.bob.home.alt", ".alt"] {
        let refused = net.command(0, Command::Revoke { member: name.into() });
        assert!(matches!(refused, Err(CommandError::UnknownMember(_))), "{name}");
    }
    assert!(net.is_member(0, &id));
    let label = net.sides[0].node.snapshot(net.now_at(0)).peers[0].label.clone();
    net.command(0, Command::Revoke { member: format!("{label}.home.alt.") }).map(drop).expect("it is meant");
    assert!(!net.is_member(0, &id));
}
