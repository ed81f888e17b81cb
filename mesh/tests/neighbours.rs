//! Control connections: who is let in, and how holdings become equal.

mod harness;

use std::net::SocketAddr;
use std::time::Duration;

use harness::*;
use holloway_mesh::*;
use holloway_wire::*;

#[test]
fn members_admit_each_other_and_learn_everyone() {
    let mut net = Net::found(601);
    for name in ["bob", "carol", "dave"] {
        let side = net.join(name);
        net.connect(side, 0);
        net.pass(seconds(2));
    }
    let late = net.join("erin");
    net.connect(late, 0);
    net.pass(seconds(3));
    for side in 0..5 {
        for other in 0..5 {
            assert!(net.is_member(side, &net.sides[other].id), "{side} knows {other}");
        }
    }
    assert_eq!(net.peer(late, 1).candidates.len(), 1, "and where they are");
}

/// In a large network everyone's whereabouts would be most of what anyone hears: those who want them look them up.
#[test]
fn whereabouts_are_told_to_all_of_a_small_network_and_looked_up_in_a_large_one() {
    for (members, is_told) in [(1023, true), (1025, false)] {
        let mut net = Net::found(616);
        let certified = |number| {
            let subject = Subject::new(number);
            let membership = net.membership(&net.root, &subject, &format!("m{number}"), Rights::NONE);
            net.certify(&net.root, &subject, membership)
        };
        let chain = vec![certified(1)];
        let publications = (2..=members).map(|number| Publication::Certificate(certified(number))).collect();
        let identity = Subject::new(1).identity(net.network, chain);
        let side = net.add(identity, Stored { publications, ..Stored::default() });
        net.pass(seconds(2));
        let Side { published, records, .. } = &net.sides[side];
        let whereabouts = records.first().expect("left for whoever looks for it");
        assert_eq!(published.contains(whereabouts), is_told, "{members} members");
    }
}

#[test]
fn members_whose_dials_cross_admit_each_other() {
    let mut net = Net::found(615);
    let bob = net.join("bob");
    net.cross(0, bob);
    for (side, other) in [(0, bob), (bob, 0)] {
        assert!(net.sides[side].node.snapshot(net.now_at(side)).has_caught_up, "{side} talks with {other}");
    }
    let node = net.sides[bob].id;
    net.act(0, |at, now| at.handle_control(ControlEvent::Connected { node, outbound: true }, now));
    assert!(net.drain_requests(0).is_empty(), "who has been greeted is not greeted over a further connection");
}

#[test]
fn whoever_is_greeted_knows_where_to_find_the_one_who_greets() {
    let mut net = Net::found(611);
    let bob = Subject::new(1);
    let (id, at) = (bob.id(), net.now_at(0).unix);
    let chain = vec![net.certify(&net.root, &bob, net.membership(&net.root, &bob, "bob", Rights::NONE))];
    let control = ControlAddr::Quic("192.0.2.77:41641".parse().expect("an address"));
    let announcement = EndpointAnnouncement {
        node: id,
        sequence: at.as_nanos(),
        expires: at + seconds(3600),
        endpoints: vec![],
        control: vec![control],
        home_peers: vec![],
        relays: vec![],
    };
    let announcement = Some(Signed::sign(announcement, &bob.key, &net.network));
    let hello = Hello { version: PROTOCOL_VERSION, software: "x".into(), time: at, chain, announcement };
    let event = |body| ControlEvent::Request { token: ResponseToken(1), node: id, channel: Channel::Hello, body };
    net.act(0, |node, now| node.handle_control(ControlEvent::Connected { node: id, outbound: false }, now));
    net.act(0, |node, now| node.handle_control(event(hello.encode()), now));
    net.act(0, |node, now| node.handle_control(ControlEvent::Disconnected { node: id }, now));
    net.sides[0].dials.clear();
    net.pass(seconds(3));
    assert!(net.sides[0].dials.contains(&id), "it dials it when the connection is gone");
}

#[test]
fn a_node_says_once_that_it_has_caught_up() {
    let mut net = Net::found(612);
    let told =
        |net: &Net, side: usize| net.sides[side].events.iter().filter(|event| matches!(event, Event::CaughtUp)).count();
    let (bob, carol) = (net.join("bob"), net.join("carol"));
    net.connect(bob, 0);
    net.pass(seconds(1));
    let late = net.join("late");
    assert!(!net.sides[late].node.snapshot(net.now_at(late)).has_caught_up);
    net.connect(late, 0);
    net.pass(seconds(1));
    assert!(net.sides[late].node.snapshot(net.now_at(late)).has_caught_up);
    assert!(net.is_member(late, &net.sides[carol].id), "and knows whom it never met");
    net.connect(late, bob);
    net.pass(seconds(100));
    assert_eq!(told(&net, late), 1);
}

#[test]
fn what_is_lacking_and_cannot_be_had_does_not_keep_a_node_from_having_caught_up() {
    let mut net = Net::found(616);
    let bob = Subject::new(1);
    let chain = vec![net.certify(&net.root, &bob, net.membership(&net.root, &bob, "bob", Rights::NONE))];
    let time = net.now_at(0).unix;
    let hello = Hello { version: PROTOCOL_VERSION, software: "x".into(), time, chain, announcement: None };
    let connected = ControlEvent::Connected { node: bob.id(), outbound: true };
    net.act(0, |node, now| node.handle_control(connected, now));
    let answers = [
        HelloReply::Welcome(Box::new(hello)).encode(),
        SyncReply::Ids { ids: vec![PublicationId([7; 16])] }.encode(),
        SyncReply::Items { items: vec![] }.encode(),
    ];
    for (channel, body) in [Channel::Hello, Channel::Sync, Channel::Sync].into_iter().zip(answers) {
        let questions = net.drain_requests(0);
        let (id, _) = *questions.iter().find(|(_, on)| *on == channel).expect("a question");
        assert!(!net.sides[0].node.snapshot(net.now_at(0)).has_caught_up);
        net.act(0, |node, now| node.handle_control(ControlEvent::Response { id, body: Some(body) }, now));
    }
    assert!(net.sides[0].node.snapshot(net.now_at(0)).has_caught_up);
}

#[test]
fn a_member_that_is_said_to_be_where_we_are_is_not_dialled_there() {
    let mut net = Net::found(617);
    let own = ControlAddr::Tcp("192.0.2.1:4242".parse().expect("side 0's own"));
    net.pass(seconds(1));
    let left = announced_at(&mut net, 1, own);
    let elsewhere = announced(&mut net, 2);
    net.pass(seconds(5));
    assert!(net.sides[0].dials.contains(&elsewhere) && !net.sides[0].dials.contains(&left));
}

/// A member of whom only its certificate and its announcement are known.
fn announced(net: &mut Net, seed: u64) -> NodeId {
    announced_at(net, seed, ControlAddr::Quic("192.0.2.77:41641".parse().expect("an address")))
}

fn announced_at(net: &mut Net, seed: u64, control: ControlAddr) -> NodeId {
    let member = Subject::new(seed);
    let certificate =
        net.certify(&net.root, &member, net.membership(&net.root, &member, &format!("far{seed}"), Rights::NONE));
    let at = net.now_at(0).unix;
    let announcement = EndpointAnnouncement {
        node: member.id(),
        sequence: at.as_nanos(),
        expires: at + seconds(3600),
        endpoints: vec![],
        control: vec![control],
        home_peers: vec![],
        relays: vec![],
    };
    let announcement = Signed::sign(announcement, &member.key, &net.network);
    net.tell(0, &Publication::Certificate(certificate));
    net.tell(0, &Publication::Endpoints(announcement));
    member.id()
}

#[test]
fn connections_of_strangers_do_not_take_the_places_of_members() {
    let mut net = Net::found(613);
    for seed in 100..150 {
        let stranger = Subject::new(seed).id();
        net.act(0, |node, now| node.handle_control(ControlEvent::Connected { node: stranger, outbound: false }, now));
    }
    let member = announced(&mut net, 1);
    net.pass(seconds(1));
    assert!(net.sides[0].dials.contains(&member));
}

#[test]
fn a_lost_neighbour_is_owed_a_dial_even_after_a_hello_that_failed() {
    let mut net = Net::found(614);
    let sides: Vec<usize> = (0..8).map(|number| net.join(&format!("m{number}"))).collect();
    let lost = net.sides[sides[0]].id;
    net.connect(0, sides[0]);
    net.pass(seconds(1));
    net.disconnect(0, sides[0]);
    // It answers the next dial, but not the hello.
    net.act(0, |node, now| node.handle_control(ControlEvent::Connected { node: lost, outbound: true }, now));
    net.run_control();
    net.act(0, |node, now| node.handle_control(ControlEvent::Disconnected { node: lost }, now));
    for side in &sides[1..] {
        net.connect(0, *side);
    }
    net.sides[0].dials.clear();
    net.pass(seconds(40));
    assert!(net.sides[0].dials.contains(&lost), "though there are neighbours enough");
}

#[test]
fn strangers_are_not_admitted() {
    let mut net = Net::found(602);
    let elsewhere = Net::found(603);
    let stranger = Subject::new(1);
    let membership = elsewhere.membership(&elsewhere.root, &stranger, "stranger", Rights::NONE);
    let foreign = elsewhere.certify(&elsewhere.root, &stranger, membership);
    let side = net.add(stranger.identity(elsewhere.network, vec![foreign]), Stored::default());
    net.connect(side, 0);
    assert!(net.sides[0].node.snapshot(net.now_at(0)).neighbours.is_empty());
    assert!(!net.are_connected(0, side), "the stranger gives up");
}

#[test]
fn a_hello_with_another_s_certificate_is_refused() {
    let mut net = Net::found(604);
    let bob = net.join("bob");
    let chain = net.sides[bob].node.certificate_chain(None).expect("a chain");
    let hello =
        Hello { version: PROTOCOL_VERSION, software: "x".into(), time: net.now_at(0).unix, chain, announcement: None };
    let token = ResponseToken(1);
    let thief = Subject::new(1).id();
    let event = ControlEvent::Request { token, node: thief, channel: Channel::Hello, body: hello.encode() };
    net.act(0, |node, now| node.handle_control(event, now));
    net.run_control();
    let reply = HelloReply::decode(&net.sides[0].responses[&token]).expect("a reply");
    assert!(matches!(reply, HelloReply::Refused { reason, .. } if reason.contains("another key")));
}

#[test]
fn a_hello_names_the_skew_that_it_is_refused_for() {
    for (error, is_good) in [(59, true), (-59, true), (61, false), (-61, false)] {
        let mut net = Net::found(605);
        net.pass(seconds(100));
        let bob = net.join("bob");
        net.sides[bob].clock_error = error;
        net.connect(bob, 0);
        assert_eq!(net.are_connected(0, bob), is_good, "{error}");
        let told = net.sides[0].events.iter().any(|event| {
            matches!(event, Event::Security { kind: SecurityKind::ClockSkew, detail, .. } if detail.contains("61"))
        });
        assert_eq!(told, !is_good, "{error}");
    }
}

#[test]
fn a_late_joiner_catches_up_with_a_large_network_in_seconds() {
    let mut net = Net::found(606);
    let members = 1500;
    for number in 0..members {
        let subject = Subject::new(10_000 + number);
        let membership = net.membership(&net.root, &subject, &format!("m{number}"), Rights::NONE);
        let certificate = net.certify(&net.root, &subject, membership);
        let source = net.sides[0].id;
        net.gossip(source, 0, Publication::Certificate(certificate).encode());
    }
    net.run_control();
    let late = net.join("late");
    net.connect(late, 0);
    let mut waited = 0;
    while !net.sides[late].node.snapshot(net.now_at(late)).has_caught_up {
        waited += 1;
        assert!(waited < 200, "it catches up within twenty seconds");
        net.pass(Duration::from_millis(100));
    }
    let known = net.sides[late].node.snapshot(net.now_at(late)).peers.len();
    assert_eq!(known, usize::try_from(members).expect("small") + 1, "and says so only when it knows everyone");
}

#[test]
fn a_member_that_was_away_catches_up() {
    let mut net = Net::found(607);
    let bob = net.join("bob");
    net.connect(bob, 0);
    net.pass(seconds(1));
    net.disconnect(bob, 0);
    let carol = net.join("carol");
    let revocation = net.revocation(&net.root, &Subject::new(3).id(), vec![]);
    net.tell(0, &revocation);
    net.pass(seconds(100));
    assert!(!net.is_member(bob, &net.sides[carol].id));
    net.connect(bob, 0);
    net.pass(seconds(2));
    assert!(net.is_member(bob, &net.sides[carol].id));
    assert_eq!(net.sides[bob].node.snapshot(net.now_at(bob)).revocations, 1);
}

#[test]
fn garbage_on_every_channel_is_survived_and_counted() {
    let mut net = Net::found(608);
    let bob = net.join("bob");
    net.connect(bob, 0);
    let id = net.sides[bob].id;
    let mut token = 1_000_000;
    for channel in [Channel::Hello, Channel::Redeem, Channel::Sync, Channel::Member] {
        for body in [vec![], vec![0xff; 100], vec![0x81; 10_000], vec![0xa1, 0, 1]] {
            token += 1;
            let event = ControlEvent::Request { token: ResponseToken(token), node: id, channel, body };
            net.act(0, |node, now| node.handle_control(event, now));
        }
    }
    for request in 0..50 {
        let event = ControlEvent::Response { id: RequestId(request), body: Some(vec![0xff; 50]) };
        net.act(0, |node, now| node.handle_control(event, now));
    }
    net.gossip(id, 0, vec![0xff; 100]);
    net.run();
    assert_eq!(net.sides[0].verdicts.last(), Some(&Verdict::Reject));
    assert!(net.dropped(0, DropReason::ControlMessage) >= 5);
    assert!(net.are_connected(0, bob));
}

#[test]
fn unplaceable_gossip_does_not_make_us_ask_without_end() {
    let mut net = Net::found(609);
    let bob = net.join("bob");
    net.connect(bob, 0);
    net.pass(seconds(5));
    let (a, b) = (Subject::new(1), Subject::new(2));
    let orphan = net.certify(&a.key, &b, net.membership(&a.key, &b, "orphan", Rights::NONE));
    let (source, mut asked) = (net.sides[bob].id, 0);
    for _ in 0..1000 {
        net.gossip(source, 0, Publication::Certificate(orphan.clone()).encode());
        net.act(0, Node::handle_timeout);
        asked += net.drain_requests(0).len();
    }
    assert!(asked <= 2, "{asked}");
}

#[test]
fn dials_come_ever_more_slowly() {
    let mut net = Net::found(610);
    let address = ControlAddr::Tcp("198.51.100.1:1".parse().expect("an address"));
    let target = Subject::new(1).id();
    let event = ControlEvent::Discovered { node: target, addresses: vec![address] };
    net.act(0, |node, now| node.handle_control(event, now));
    let (mut dialled, mut last) = (Vec::new(), 0);
    for _ in 0..1200 {
        net.pass(Duration::from_millis(100));
        net.act(0, Node::handle_timeout);
        let dials = std::mem::take(&mut net.sides[0].dials);
        if dials.contains(&target) {
            dialled.push((net.monotonic - last) / 100_000_000);
            last = net.monotonic;
            net.act(0, |node, now| node.handle_control(ControlEvent::DialFailed { node: target }, now));
        }
    }
    assert!((5..=9).contains(&dialled.len()), "{dialled:?}");
    assert!(dialled[2..].windows(2).all(|pair| pair[1] + 6 >= pair[0]), "{dialled:?}");
}

#[test]
fn a_caller_names_new_endpoints_once_a_second() {
    let mut net = Net::found(615);
    let bob = net.join("bob");
    net.connect(bob, 0);
    let caller = Subject::new(1);
    let certificate = net.certify(&net.root, &caller, net.membership(&net.root, &caller, "caller", Rights::NONE));
    net.tell(0, &Publication::Certificate(certificate));
    let call = |net: &mut Net, last: u8| {
        let endpoints = vec![SocketAddr::from(([192, 0, 2, last], 4242))];
        let call = PunchCall { from: caller.id(), to: net.sides[0].id, at: net.now_at(0).unix, endpoints };
        let body = MemberRequest::Call(Signed::sign(call, &caller.key, &net.network)).encode();
        let (token, through) = (ResponseToken(2_000_000 + u64::from(last)), net.sides[bob].id);
        let event = ControlEvent::Request { token, node: through, channel: Channel::Member, body };
        net.act(0, |node, now| node.handle_control(event, now));
        let peers = net.sides[0].node.snapshot(net.now_at(0)).peers;
        let peer = peers.into_iter().find(|peer| peer.node == caller.id()).expect("it is a member");
        peer.candidates.len()
    };
    assert_eq!(call(&mut net, 1), 1);
    net.pass(Duration::from_millis(900));
    assert_eq!(call(&mut net, 2), 1, "too soon");
    net.pass(Duration::from_millis(200));
    assert_eq!(call(&mut net, 3), 2);
}
