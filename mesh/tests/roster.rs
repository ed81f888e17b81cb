//! Who is a member: chains, names, and the same answer in every order of arrival.

mod harness;

use harness::*;
use holloway_mesh::*;
use holloway_wire::*;

fn publication(certificate: &MembershipCertificate) -> Publication {
    Publication::Certificate(certificate.clone())
}

/// A certificate by the root.
fn rooted(net: &Net, subject: &Subject, name: &str, rights: Rights) -> MembershipCertificate {
    net.certify(&net.root, subject, net.membership(&net.root, subject, name, rights))
}

/// A certificate by another subject.
fn issued(net: &Net, issuer: &Subject, subject: &Subject, name: &str, rights: Rights) -> MembershipCertificate {
    net.certify(&issuer.key, subject, net.membership(&issuer.key, subject, name, rights))
}

/// What the first side says to a hello with this chain.
fn hello(net: &mut Net, chain: Vec<MembershipCertificate>) -> Result<(), String> {
    let node = *chain[0].subject();
    let time = net.now_at(0).unix;
    let hello = Hello { version: PROTOCOL_VERSION, software: "test".into(), time, chain, announcement: None };
    let token = ResponseToken(77);
    let event = ControlEvent::Request { token, node, channel: Channel::Hello, body: hello.encode() };
    net.act(0, |node, now| node.handle_control(event, now));
    net.run_control();
    match HelloReply::decode(&net.sides[0].responses.remove(&token).expect("an answer")).expect("a reply") {
        HelloReply::Welcome(_) => Ok(()),
        HelloReply::Refused { reason, .. } => Err(reason),
    }
}

#[test]
fn good_chains_of_any_useful_depth_are_members() {
    let mut net = Net::found(301);
    let subjects: Vec<Subject> = (0..40).map(|number| Subject::new(1000 + number)).collect();
    let mut chain = vec![rooted(&net, &subjects[0], "m0", Rights::ISSUE)];
    for number in 1..40 {
        let name = format!("m{number}");
        chain.insert(0, issued(&net, &subjects[number - 1], &subjects[number], &name, Rights::ISSUE));
    }
    assert_eq!(hello(&mut net, chain.clone()), Ok(()));
    assert!(chain.iter().all(|certificate| net.is_member(0, certificate.subject())));
}

#[test]
fn bad_chains_are_refused_each_for_its_reason() {
    let mut net = Net::found(302);
    let (a, b, c) = (Subject::new(1), Subject::new(2), Subject::new(3));
    let issuer = rooted(&net, &a, "a", Rights::ISSUE);
    let plain = rooted(&net, &a, "a", Rights::NONE);

    let missing = issued(&net, &b, &c, "c", Rights::NONE);
    assert!(hello(&mut net, vec![missing, issuer.clone()]).is_err_and(|why| why.contains("not known")));
    let by_plain = issued(&net, &a, &b, "b", Rights::NONE);
    assert!(hello(&mut net, vec![by_plain, plain]).is_err_and(|why| why.contains("may not issue")));
    let widened = issued(&net, &a, &b, "b", Rights::ADMIN);
    assert!(hello(&mut net, vec![widened, issuer.clone()]).is_err_and(|why| why.contains("more rights")));

    let bounded = Validity {
        not_before: UnixTime::from_secs(1_700_000_000),
        not_after: Some(UnixTime::from_secs(1_900_000_000)),
    };
    let membership = Membership { validity: bounded, ..net.membership(&net.root, &a, "a", Rights::ISSUE) };
    let short = net.certify(&net.root, &a, membership);
    let longer = issued(&net, &a, &b, "b", Rights::NONE);
    assert!(hello(&mut net, vec![longer, short]).is_err_and(|why| why.contains("longer")));

    let early = Validity { not_before: UnixTime::from_secs(1_600_000_000), not_after: None };
    let membership = Membership { validity: early, ..net.membership(&a.key, &b, "b", Rights::NONE) };
    let early = net.certify(&a.key, &b, membership);
    assert!(hello(&mut net, vec![early, issuer.clone()]).is_err());

    let over = Validity {
        not_before: UnixTime::from_secs(1_700_000_000),
        not_after: Some(UnixTime::from_secs(1_700_000_001)),
    };
    let membership = Membership { validity: over, ..net.membership(&net.root, &b, "b", Rights::NONE) };
    let over = net.certify(&net.root, &b, membership);
    assert!(hello(&mut net, vec![over]).is_err_and(|why| why.contains("time")));

    let other_network = Net::found(303);
    let foreign = rooted(&other_network, &b, "b", Rights::NONE);
    assert!(hello(&mut net, vec![foreign]).is_err());
    assert_eq!(net.sides[0].node.snapshot(net.now_at(0)).peers.len(), 0, "nothing changed");
}

#[test]
fn circles_and_endless_chains_are_refused() {
    let mut net = Net::found(304);
    let (a, b) = (Subject::new(1), Subject::new(2));
    let c = Subject::new(3);
    let leaf = issued(&net, &a, &c, "c", Rights::ISSUE);
    let circle = [leaf, issued(&net, &b, &a, "a", Rights::ISSUE), issued(&net, &a, &b, "b", Rights::ISSUE)];
    assert!(hello(&mut net, circle.to_vec()).is_err_and(|why| why.contains("circle")));
    let oneself = issued(&net, &a, &a, "a", Rights::ISSUE);
    assert!(hello(&mut net, vec![oneself]).is_err());
    for certificate in &circle {
        assert_ne!(net.tell(0, &publication(certificate)), Verdict::Accept);
    }

    // Ten thousand deep: the list is not even read, and what is read costs no signature.
    let one = issued(&net, &a, &b, "b", Rights::ISSUE);
    let deep = encode_certificates(&vec![one; 10_000]);
    assert!(decode_certificates(&deep).is_err());
}

#[test]
fn a_chain_that_grows_link_by_link_stops_at_the_limit() {
    let mut net = Net::found(305);
    let mut above = Subject::new(2000);
    assert_eq!(net.tell(0, &publication(&rooted(&net, &above, "m0", Rights::ISSUE))), Verdict::Accept);
    let mut accepted = 1;
    for number in 1..100 {
        let subject = Subject::new(2000 + number);
        let certificate = issued(&net, &above, &subject, &format!("m{number}"), Rights::ISSUE);
        accepted += usize::from(net.tell(0, &publication(&certificate)) == Verdict::Accept);
        above = subject;
    }
    assert_eq!(accepted, CHAIN_LENGTH_MAX);
}

#[test]
fn every_mutated_certificate_is_refused() {
    let mut net = Net::found(306);
    let subject = Subject::new(5);
    let good = rooted(&net, &subject, "good", Rights::NONE);
    let bytes = publication(&good).encode();
    let mut accepted = 0;
    for bit in 0..bytes.len() * 8 {
        let mut mutated = bytes.clone();
        mutated[bit / 8] ^= 1 << (bit % 8);
        let source = net.sides[0].id;
        net.gossip(source, 0, mutated);
        net.run_control();
        accepted += net.sides[0].verdicts.drain(..).filter(|verdict| *verdict == Verdict::Accept).count();
    }
    assert_eq!(accepted, 0);
    assert_eq!(net.tell(0, &publication(&good)), Verdict::Accept);
}

/// Tells two nodes the same in opposite orders, and a third in a third; all must agree on the members.
fn same_in_every_order(seed: u64, make: impl Fn(&Net) -> Vec<Publication>) -> Vec<(NodeId, String, Rights)> {
    let mut outcomes = Vec::new();
    for order in 0..4 {
        let mut net = Net::found(seed);
        let mut publications = make(&net);
        match order {
            0 => {}
            1 => publications.reverse(),
            other => publications.rotate_left(other),
        }
        // What cannot be placed yet comes again at the next comparison.
        for _ in 0..4 {
            for publication in &publications {
                net.tell(0, publication);
            }
        }
        let peers = net.sides[0].node.snapshot(net.now_at(0)).peers;
        outcomes
            .push(peers.into_iter().map(|peer| (peer.node, peer.label.to_string(), peer.rights)).collect::<Vec<_>>());
    }
    assert!(outcomes.windows(2).all(|pair| pair[0] == pair[1]), "{outcomes:#?}");
    outcomes.remove(0)
}

#[test]
fn an_issuer_cannot_strip_a_member_by_using_its_public_binding() {
    let (member, rogue) = (Subject::new(21), Subject::new(22));
    let members = same_in_every_order(307, |net| {
        let good = rooted(net, &member, "member", Rights::RELAY);
        let rogue_own = rooted(net, &rogue, "rogue", Rights::ISSUE);
        let later = Validity { not_before: UnixTime::from_secs(1_790_000_000), not_after: None };
        let membership = Membership { validity: later, ..net.membership(&rogue.key, &member, "renamed", Rights::NONE) };
        let stripped = net.certify(&rogue.key, &member, membership);
        vec![publication(&good), publication(&rogue_own), publication(&stripped)]
    });
    let member = members.iter().find(|(node, ..)| *node == member.id()).expect("still a member");
    assert_eq!((member.1.as_str(), member.2), ("member", Rights::RELAY));
}

#[test]
fn of_two_certificates_for_one_key_the_same_remains_everywhere() {
    let (a, b, member) = (Subject::new(31), Subject::new(32), Subject::new(33));
    let lower = if a.id() < b.id() { "by-a" } else { "by-b" };
    let members = same_in_every_order(308, |net| {
        vec![
            publication(&rooted(net, &a, "a", Rights::ISSUE)),
            publication(&rooted(net, &b, "b", Rights::ISSUE)),
            publication(&issued(net, &a, &member, "by-a", Rights::NONE)),
            publication(&issued(net, &b, &member, "by-b", Rights::NONE)),
        ]
    });
    assert_eq!(members.iter().find(|(node, ..)| *node == member.id()).expect("a member").1, lower);
}

#[test]
fn the_member_s_own_higher_sequence_wins() {
    let (a, mut member) = (Subject::new(41), Subject::new(42));
    let old = Subject::new(42);
    member.sequence = 2;
    let members = same_in_every_order(309, |net| {
        vec![
            publication(&rooted(net, &a, "a", Rights::ISSUE)),
            publication(&rooted(net, &old, "old", Rights::NONE)),
            publication(&issued(net, &a, &member, "new", Rights::NONE)),
        ]
    });
    assert_eq!(members.iter().find(|(node, ..)| *node == member.id()).expect("a member").1, "new");
}

#[test]
fn of_one_name_the_shorter_chain_then_the_lower_id_keeps_it() {
    let (a, b, c, d) = (Subject::new(51), Subject::new(52), Subject::new(53), Subject::new(54));
    let members = same_in_every_order(310, |net| {
        vec![
            publication(&rooted(net, &a, "a", Rights::ISSUE)),
            publication(&issued(net, &a, &b, "same", Rights::NONE)),
            publication(&rooted(net, &c, "same", Rights::NONE)),
            publication(&rooted(net, &d, "same", Rights::NONE)),
        ]
    });
    let name = |subject: &Subject| members.iter().find(|(node, ..)| *node == subject.id()).expect("a member").1.clone();
    let (winner, loser) = if c.id() < d.id() { (&c, &d) } else { (&d, &c) };
    assert_eq!(name(winner), "same");
    assert_eq!(name(loser), format!("same-{}", &loser.id().to_string()[..4]));
    assert_eq!(name(&b), format!("same-{}", &b.id().to_string()[..4]));
}

#[test]
fn memberships_begin_and_end_in_time() {
    let mut net = Net::found(311);
    let member = Subject::new(61);
    let now = net.now_at(0).unix.as_secs();
    let validity =
        Validity { not_before: UnixTime::from_secs(now + 100), not_after: Some(UnixTime::from_secs(now + 200)) };
    let membership = Membership { validity, ..net.membership(&net.root, &member, "soon", Rights::NONE) };
    let certificate = net.certify(&net.root, &member, membership);
    net.tell(0, &publication(&certificate));
    for (span, is_member) in [(99, false), (2, true), (97, true), (3, false)] {
        net.pass(seconds(span));
        assert_eq!(net.is_member(0, &member.id()), is_member);
    }
    let left = net.sides[0].events.iter().filter(|event| matches!(event, Event::MemberLeft { .. })).count();
    assert_eq!(left, 1);
}

#[test]
fn a_membership_s_end_is_a_timer() {
    let mut net = Net::found(312);
    let member = Subject::new(62);
    let now = net.now_at(0);
    let end = UnixTime::from_secs(now.unix.as_secs() + 5);
    let validity = Validity { not_before: UnixTime::from_secs(1_700_000_000), not_after: Some(end) };
    let membership = Membership { validity, ..net.membership(&net.root, &member, "brief", Rights::NONE) };
    let certificate = net.certify(&net.root, &member, membership);
    net.pass(seconds(1));
    net.tell(0, &publication(&certificate));
    net.act(0, Node::handle_timeout);
    let (at, name) = net.sides[0].node.poll_timeout().expect("a timer");
    assert_eq!(name, TimerName::Membership);
    assert!(at <= now.monotonic + seconds(5));
}

#[test]
fn publications_of_strangers_and_of_the_future_are_refused() {
    let mut net = Net::pair(313);
    let stranger = Subject::new(71);
    let now = net.now_at(0).unix;
    let announcement = |node: NodeId, sequence: u64| EndpointAnnouncement {
        node,
        sequence,
        expires: now + seconds(1000),
        endpoints: vec![],
        control: vec![],
        home_peers: vec![],
        relays: vec![],
    };
    let strange = Signed::sign(announcement(stranger.id(), 5), &stranger.key, &net.network);
    assert_eq!(net.tell(0, &Publication::Endpoints(strange)), Verdict::Ignore);
    let known = rooted(&net, &stranger, "known", Rights::NONE);
    net.tell(0, &publication(&known));
    for (ahead, verdict) in [(59, Verdict::Accept), (61, Verdict::Ignore)] {
        let dated = announcement(stranger.id(), (now + seconds(ahead)).as_nanos());
        let signed = Signed::sign(dated, &stranger.key, &net.network);
        assert_eq!(net.tell(0, &Publication::Endpoints(signed)), verdict, "{ahead} s ahead");
    }
    let mut forged =
        Publication::Endpoints(Signed::sign(announcement(stranger.id(), 9), &stranger.key, &net.network)).encode();
    *forged.last_mut().expect("a signature") ^= 1;
    let source = net.sides[0].id;
    net.sides[0].verdicts.clear();
    net.gossip(source, 0, forged);
    net.run_control();
    assert_ne!(net.sides[0].verdicts.pop(), Some(Verdict::Accept));
}

#[test]
fn names_are_published_within_their_limits() {
    let mut net = Net::pair(314);
    let record = |name: &str, value: String| NameRecord { name: name.into(), record_type: "TXT".into(), value };
    let add = |net: &mut Net, record| net.command(0, Command::AddName(record)).map(drop);
    assert_eq!(add(&mut net, record("wiki", "here".into())), Ok(()));
    assert_eq!(add(&mut net, record("wiki", "x".repeat(5000))), Err(CommandError::RecordsTooLong));
    assert_eq!(add(&mut net, record(&"n".repeat(300), "x".into())), Err(CommandError::RecordsTooLong));
    let mut last = Ok(());
    for number in 0..80 {
        last = add(&mut net, record(&format!("n{number}"), "x".repeat(900)));
        if last.is_err() {
            break;
        }
    }
    assert!(matches!(last, Err(CommandError::RecordsTooLong | CommandError::TooManyRecords(64))));
    let remove = |name: &str| Command::RemoveName { name: name.into(), record_type: "TXT".into(), value: None };
    assert_eq!(net.command(0, remove("wiki")).map(drop), Ok(()));
    assert_eq!(net.command(0, remove("wiki")).map(drop), Err(CommandError::UnknownRecord));
}

#[test]
fn an_alias_stands_alone_at_its_name() {
    let mut net = Net::pair(318);
    let record = |name: &str, kind: &str, value: &str| NameRecord {
        name: name.into(),
        record_type: kind.into(),
        value: value.into(),
    };
    let mut add = |record| net.command(0, Command::AddName(record)).map(drop);
    let refused = |name: &str| Err(CommandError::AliasBesideOthers(name.into()));
    assert_eq!(add(record("wiki", "CNAME", "nas.example.org")), Ok(()));
    assert_eq!(add(record("wiki", "CNAME", "nas.example.org")), Ok(()), "the same again is no other");
    assert_eq!(add(record("wiki", "CNAME", "other.example.org")), refused("wiki"));
    assert_eq!(add(record("wiki", "TXT", "text")), refused("wiki"));
    assert_eq!(add(record("", "CNAME", "nas.example.org")), refused(""), "the host's own address is there");
    assert_eq!(add(record("note", "TXT", "text")), Ok(()));
    assert_eq!(add(record("note", "CNAME", "nas.example.org")), refused("note"));
}

#[test]
fn members_that_a_node_begins_with_are_not_new_and_those_that_come_later_are() {
    let mut net = Net::pair(316);
    let [own, known, later] = [81, 82, 83].map(Subject::new);
    let own_chain = vec![rooted(&net, &own, "own", Rights::NONE)];
    let publications = vec![publication(&rooted(&net, &known, "known", Rights::NONE))];
    let side = net.add(own.identity(net.network, own_chain), Stored { publications, ..Stored::default() });
    net.tell(side, &publication(&rooted(&net, &later, "later", Rights::NONE)));
    let mut joined = Vec::new();
    for event in &net.sides[side].events {
        if let Event::MemberJoined { node, is_new, .. } = event {
            joined.push((*node, *is_new));
        }
    }
    assert_eq!(joined, [(known.id(), false), (later.id(), true)]);
}

#[test]
fn an_old_static_key_no_longer_shakes_hands() {
    let mut net = Net::pair(315);
    let old = Subject::new(81);
    let mut new = Subject::new(81);
    new.sequence = 2;
    new.static_key = StaticSecret::from_bytes([8; 32]);
    let (before, after) = (rooted(&net, &old, "host", Rights::NONE), rooted(&net, &new, "host", Rights::NONE));
    let side = net.add(old.identity(net.network, vec![before]), Stored::default());
    net.teach(side, 0);
    net.tell(0, &publication(&after));
    net.send(side, 0, b"with the old key");
    net.run();
    assert!(net.take(0).is_empty());
    assert!(net.dropped(0, DropReason::Certificate) > 0);
}
