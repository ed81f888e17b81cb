//! One redeemer decides, and says nothing that the disk does not have.

mod harness;

use harness::*;
use holloway_mesh::*;
use holloway_wire::*;

fn refusal(reply: &[u8]) -> Refusal {
    match RedeemReply::decode(reply).expect("a reply") {
        RedeemReply::Refused { refusal, .. } => refusal,
        RedeemReply::Granted { .. } => panic!("it was granted"),
    }
}

fn granted(reply: &[u8]) -> Vec<MembershipCertificate> {
    match RedeemReply::decode(reply).expect("a reply") {
        RedeemReply::Granted { chain, .. } => chain,
        RedeemReply::Refused { refusal, .. } => panic!("{refusal}"),
    }
}

#[test]
fn each_refusal_has_its_own_reason() {
    let mut net = Net::found(201);
    let never_issued = {
        let body = net.invite(0, Rights::NONE).body().clone();
        let secret = InviteSecret::from_bytes([9; 16]);
        let body = InviteBody { secret, issuer: Subject::new(9).id(), ..body };
        InviteToken::sign(body, &Subject::new(9).key)
    };
    let (spent, withdrawn, expiring, foreign) = (
        net.invite(0, Rights::NONE),
        net.invite(0, Rights::NONE),
        net.invite(0, Rights::NONE),
        net.invite(0, Rights::NONE),
    );
    let first = net.newcomer(&spent, "first");
    net.ask(0, &first);
    net.command(0, Command::WithdrawInvite(withdrawn.body().secret.id())).map(drop).expect("withdrawn");

    let unknown = net.newcomer(&never_issued, "bob");
    assert_eq!(refusal(&net.ask(0, &unknown).expect("an answer")), Refusal::Unknown);
    let late = net.newcomer(&spent, "bob");
    assert_eq!(refusal(&net.ask(0, &late).expect("an answer")), Refusal::Spent);
    let taken_back = net.newcomer(&withdrawn, "bob");
    assert_eq!(refusal(&net.ask(0, &taken_back).expect("an answer")), Refusal::Withdrawn);
    let other_key = net.newcomer(&foreign, "bob");
    let body = other_key.redeemer.request(net.now_at(0));
    assert_eq!(refusal(&net.ask_with(0, Subject::new(8).id(), body).expect("an answer")), Refusal::Malformed);
    let too_late = net.newcomer(&expiring, "bob");
    net.unix += 3_601_000_000_000;
    assert_eq!(refusal(&net.ask(0, &too_late).expect("an answer")), Refusal::Expired);
    assert_eq!(net.sides[0].node.snapshot(net.now_at(0)).peers.len(), 1, "only the first one is a member");
}

#[test]
fn who_does_not_know_the_secret_learns_nothing() {
    let mut net = Net::found(202);
    let token = net.invite(0, Rights::NONE);
    let newcomer = net.newcomer(&token, "bob");
    let guess = |secret| {
        let body = newcomer.redeemer.request(net.now_at(0));
        let request = RedeemRequest::decode(&body).expect("a request");
        RedeemRequest { secret: InviteSecret::from_bytes(secret), ..request }.encode()
    };
    let guesses = [guess([0; 16]), guess([0xff; 16])];
    let answers = guesses.map(|body| net.ask_with(0, newcomer.key.node_id(), body).expect("an answer"));
    assert_eq!(refusal(&answers[0]), Refusal::Unknown);
    assert_eq!(answers[0], answers[1]);
    assert_eq!(
        refusal(&net.ask_with(0, newcomer.key.node_id(), vec![1, 2, 3]).expect("an answer")),
        Refusal::Malformed
    );
}

#[test]
fn the_same_key_may_ask_again_and_gets_the_same_certificate() {
    let mut net = Net::found(203);
    let token = net.invite(0, Rights::NONE);
    let newcomer = net.newcomer(&token, "bob");
    let first = granted(&net.ask(0, &newcomer).expect("an answer"));
    net.pass(seconds(100));
    let second = granted(&net.ask(0, &newcomer).expect("an answer"));
    assert_eq!(first, second);
    assert!(
        newcomer
            .redeemer
            .handle_reply(&RedeemReply::Granted { chain: second, contacts: Vec::new() }.encode(), net.now_at(0))
            .is_ok()
    );
}

#[test]
fn the_answer_waits_for_the_disk() {
    let mut net = Net::found(204);
    let token = net.invite(0, Rights::NONE);
    let newcomer = net.newcomer(&token, "bob");
    net.sides[0].disk = Disk::Waits;
    assert_eq!(net.ask(0, &newcomer), None);
    assert!(!net.is_member(0, &newcomer.key.node_id()), "nobody is told before");
    let write = net.sides[0].waiting.pop().expect("a write");
    net.act(0, |node, now| node.handle_persisted(write, Ok(()), now));
    net.run_control();
    let replies: Vec<Vec<u8>> = std::mem::take(&mut net.sides[0].responses).into_values().collect();
    assert_eq!(replies.len(), 1);
    assert_eq!(granted(&replies[0])[0].subject(), &newcomer.key.node_id());
    assert!(net.is_member(0, &newcomer.key.node_id()));
}

#[test]
fn asking_again_while_the_disk_is_slow_gets_one_and_the_same_answer() {
    let mut net = Net::found(205);
    let token = net.invite(0, Rights::NONE);
    let newcomer = net.newcomer(&token, "bob");
    net.sides[0].disk = Disk::Waits;
    for _ in 0..5 {
        assert_eq!(net.ask(0, &newcomer), None);
        net.unix += 1_000_000_000;
    }
    assert_eq!(net.sides[0].waiting.len(), 1, "one write");
    let rival = net.newcomer(&token, "eve");
    assert_eq!(refusal(&net.ask(0, &rival).expect("an answer at once")), Refusal::Spent);
    let write = net.sides[0].waiting.pop().expect("a write");
    net.act(0, |node, now| node.handle_persisted(write, Ok(()), now));
    net.run_control();
    let replies: Vec<Vec<u8>> = std::mem::take(&mut net.sides[0].responses).into_values().collect();
    assert_eq!(replies.len(), 5);
    assert!(replies.iter().all(|reply| granted(reply) == granted(&replies[0])));
}

#[test]
fn a_full_disk_refuses_and_the_invite_stays_good() {
    let mut net = Net::found(206);
    let token = net.invite(0, Rights::NONE);
    let newcomer = net.newcomer(&token, "bob");
    net.sides[0].disk = Disk::Fails;
    assert_eq!(refusal(&net.ask(0, &newcomer).expect("an answer")), Refusal::Unavailable);
    assert!(!net.is_member(0, &newcomer.key.node_id()));
    let command = Command::CreateInvite {
        label: None,
        rights: Rights::NONE,
        groups: vec![],
        lifetime: seconds(9),
        needs_approval: false,
        bootstrap: vec![],
    };
    assert!(matches!(net.command(0, command), Err(CommandError::Store(_))));
    net.sides[0].disk = Disk::Writes;
    let other = net.newcomer(&token, "carol");
    granted(&net.ask(0, &other).expect("an answer"));
}

#[test]
fn of_fifty_at_once_one_becomes_a_member() {
    let mut net = Net::found(207);
    let token = net.invite(0, Rights::NONE);
    let newcomers: Vec<Newcomer> = (0..50).map(|number| net.newcomer(&token, &format!("host-{number}"))).collect();
    net.sides[0].disk = Disk::Waits;
    let mut refused = 0;
    for newcomer in &newcomers {
        if let Some(reply) = net.ask(0, newcomer) {
            assert_eq!(refusal(&reply), Refusal::Spent);
            refused += 1;
        }
    }
    for write in std::mem::take(&mut net.sides[0].waiting) {
        net.act(0, |node, now| node.handle_persisted(write, Ok(()), now));
    }
    net.run_control();
    let replies: Vec<Vec<u8>> = std::mem::take(&mut net.sides[0].responses).into_values().collect();
    assert_eq!((refused, replies.len()), (49, 1));
    granted(&replies[0]);
    let members = newcomers.iter().filter(|newcomer| net.is_member(0, &newcomer.key.node_id())).count();
    assert_eq!(members, 1);
}

#[test]
fn an_acknowledged_member_is_one_after_a_restart() {
    let mut net = Net::found(208);
    let token = net.invite(0, Rights::NONE);
    let newcomer = net.newcomer(&token, "bob");
    granted(&net.ask(0, &newcomer).expect("an answer"));
    let mut stored = Stored::default();
    for write in net.sides[0].written.clone() {
        match write {
            Write::Invite(invite) => {
                stored.invites.retain(|known| known.id != invite.id);
                stored.invites.push(invite);
            }
            Write::Publication(_, bytes) => stored.publications.push(Publication::decode(&bytes).expect("ours")),
            Write::Block(_) | Write::Unblock(_) => {}
        }
    }
    let chain = net.sides[0].node.certificate_chain(None).expect("a chain");
    let mut rng_net = Net::found(208);
    let restarted = {
        // The founder's keys come from the seed.
        use rand::SeedableRng;
        let mut rng = rand::rngs::StdRng::seed_from_u64(208);
        let root = IdentityKey::generate(&mut rng);
        assert_eq!(NetworkId::of_root(&root.node_id()), net.network);
        let key = IdentityKey::generate(&mut rng);
        let static_key = StaticSecret::generate(&mut rng);
        Identity { network: net.network, network_label: label("home"), key, static_key, chain }
    };
    let side = rng_net.add(restarted, stored);
    assert!(
        rng_net.sides[side].written.iter().all(|write| !matches!(write, Write::Publication(slot, _)
        if slot.kind == PublicationKind::Certificate)),
        "what is kept is not written again"
    );
    assert!(rng_net.is_member(side, &newcomer.key.node_id()));
    granted(&rng_net.ask(side, &newcomer).expect("the same answer"));
    let rival = rng_net.newcomer(&token, "eve");
    assert_eq!(refusal(&rng_net.ask(side, &rival).expect("an answer")), Refusal::Spent);
}

#[test]
fn withdrawing_and_redeeming_at_once_has_one_winner() {
    let mut net = Net::found(209);
    let token = net.invite(0, Rights::NONE);
    let newcomer = net.newcomer(&token, "bob");
    net.sides[0].disk = Disk::Waits;
    let id = token.body().secret.id();
    net.act(0, |node, now| node.handle_command(CommandId(9999), Command::WithdrawInvite(id), now));
    assert_eq!(refusal(&net.ask(0, &newcomer).expect("an answer")), Refusal::Withdrawn);
    for write in std::mem::take(&mut net.sides[0].waiting) {
        net.act(0, |node, now| node.handle_persisted(write, Err("full".into()), now));
    }
    assert!(matches!(net.result(0, CommandId(9999)), Some(Err(CommandError::Store(_)))));
    net.sides[0].disk = Disk::Writes;
    granted(&net.ask(0, &newcomer).expect("the invite is as it was"));
}

#[test]
fn an_issuer_that_was_revoked_admits_nobody() {
    let mut net = Net::found(210);
    let bob = net.join_by(0, "bob", Rights::ISSUE);
    let token = net.invite(bob, Rights::NONE);
    let revocation = net.revocation(&net.root, &net.sides[bob].id, vec![]);
    assert_eq!(net.tell(bob, &revocation), Verdict::Accept);
    let newcomer = net.newcomer(&token, "carol");
    assert_eq!(refusal(&net.ask(bob, &newcomer).expect("an answer")), Refusal::NotAnIssuer);
}

#[test]
fn a_revoked_key_is_not_admitted_again() {
    let mut net = Net::found(211);
    let token = net.invite(0, Rights::NONE);
    let newcomer = net.newcomer(&token, "bob");
    let revocation = net.revocation(&net.root, &newcomer.key.node_id(), vec![]);
    assert_eq!(net.tell(0, &revocation), Verdict::Accept);
    assert_eq!(refusal(&net.ask(0, &newcomer).expect("an answer")), Refusal::Revoked);
}

#[test]
fn names_that_are_taken_or_promised_are_refused() {
    let mut net = Net::found(212);
    let (one, two, three) = (net.invite(0, Rights::NONE), net.invite(0, Rights::NONE), net.invite(0, Rights::NONE));
    let same_as_founder = net.newcomer(&one, "alice");
    assert_eq!(refusal(&net.ask(0, &same_as_founder).expect("an answer")), Refusal::NameTaken);
    net.sides[0].disk = Disk::Waits;
    let first = net.newcomer(&two, "bob");
    assert_eq!(net.ask(0, &first), None);
    let second = net.newcomer(&three, "bob");
    assert_eq!(refusal(&net.ask(0, &second).expect("an answer")), Refusal::NameTaken);
    net.sides[0].disk = Disk::Writes;
    let command = Command::CreateInvite {
        label: Some(label("alice")),
        rights: Rights::NONE,
        groups: vec![],
        lifetime: seconds(9),
        needs_approval: false,
        bootstrap: vec![],
    };
    assert_eq!(
        net.command(0, command).map(drop),
        Err(CommandError::NameTaken(label("alice"))),
        "nobody could redeem it"
    );
}

#[test]
fn clocks_too_far_apart_are_named() {
    let mut net = Net::found(213);
    let token = net.invite(0, Rights::NONE);
    let newcomer = net.newcomer(&token, "bob");
    for (ahead, is_good) in [(61, false), (59, true)] {
        let now = net.now_at(0);
        let time = Now { unix: now.unix + seconds(ahead), ..now };
        let body = newcomer.redeemer.request(time);
        let reply = net.ask_with(0, newcomer.key.node_id(), body).expect("an answer");
        match RedeemReply::decode(&reply).expect("a reply") {
            RedeemReply::Refused { refusal, detail } => {
                assert!(!is_good && refusal == Refusal::ClockSkew && detail.contains("61 s"), "{detail}");
            }
            RedeemReply::Granted { .. } => assert!(is_good),
        }
    }
}

#[test]
fn an_invite_that_no_token_can_carry_is_refused() {
    let mut net = Net::found(214);
    let address: Bootstrap = "example.org:4242".parse().expect("an address");
    let create = |groups: Vec<String>, addresses: usize| Command::CreateInvite {
        label: None,
        rights: Rights::NONE,
        groups,
        lifetime: seconds(60),
        needs_approval: false,
        bootstrap: vec![address.clone(); addresses],
    };
    assert!(matches!(net.command(0, create(vec![], 9)), Err(CommandError::TooManyAddresses(8))));
    assert!(matches!(net.command(0, create(vec!["Group".into()], 0)), Err(CommandError::GroupName(_))));
    assert!(matches!(net.command(0, create(vec!["g".repeat(33)], 0)), Err(CommandError::GroupName(_))));
    assert!(matches!(net.command(0, create(vec!["g".into(); 9], 0)), Err(CommandError::TooManyGroups(8))));
    assert!(net.command(0, create(vec!["g".repeat(32); 8], 8)).is_ok());
}

#[test]
fn nobody_gives_more_than_it_has() {
    let mut net = Net::found(215);
    let bob = net.join_by(0, "bob", Rights::ISSUE);
    let carol = net.join_by(0, "carol", Rights::NONE);
    let create = |rights| Command::CreateInvite {
        label: None,
        rights,
        groups: vec![],
        lifetime: seconds(60),
        needs_approval: false,
        bootstrap: vec![],
    };
    assert!(matches!(net.command(bob, create(Rights::ADMIN)), Err(CommandError::NotAllowed(_))));
    assert!(matches!(net.command(carol, create(Rights::NONE)), Err(CommandError::NotAllowed(_))));
    let dave = net.join_by(bob, "dave", Rights::NONE);
    let chain = net.sides[dave].node.certificate_chain(None).expect("a chain");
    assert_eq!(chain.len(), 3);
}

#[test]
fn a_newcomer_believes_no_false_certificate() {
    let mut net = Net::found(216);
    let (token, other) = (net.invite(0, Rights::NONE), net.invite(0, Rights::NONE));
    let (bob, eve) = (net.newcomer(&token, "bob"), net.newcomer(&other, "eve"));
    let for_bob = granted(&net.ask(0, &bob).expect("an answer"));
    let for_eve = granted(&net.ask(0, &eve).expect("an answer"));
    let judge = |chain: Vec<MembershipCertificate>, now| {
        bob.redeemer.handle_reply(&RedeemReply::Granted { chain, contacts: Vec::new() }.encode(), now).map(drop)
    };
    let now = net.now_at(0);
    assert_eq!(judge(for_eve, now), Err(JoinError::BadCertificate), "another's");
    assert_eq!(judge(for_bob[..1].to_vec(), now), Err(JoinError::BadCertificate), "its issuer's is missing");
    assert_eq!(judge(Vec::new(), now), Err(JoinError::BadCertificate));
    assert_eq!(bob.redeemer.handle_reply(&[1, 2, 3], now).map(drop), Err(JoinError::BadReply));
    assert_eq!(judge(for_bob, now), Ok(()));
    let expired =
        Redeemer::new(token, label("x"), &bob.key, &bob.static_key, Now { unix: now.unix + seconds(3601), ..now });
    assert_eq!(expired.map(drop), Err(JoinError::Expired));
}

#[test]
fn a_newcomer_is_told_whom_it_can_dial_beside_its_issuer() {
    let mut net = Net::found(250);
    for name in ["bob", "carol"] {
        let side = net.join(name);
        net.connect(side, 0);
    }
    net.pass(seconds(2));
    let token = net.invite(0, Rights::NONE);
    let newcomer = net.newcomer(&token, "dave");
    let reply = net.ask(0, &newcomer).expect("an answer");
    let joined = newcomer.redeemer.handle_reply(&reply, net.now_at(0)).expect("a membership");
    let mut named: Vec<NodeId> = joined.contacts.iter().map(|contact| contact.node).collect();
    named.sort_unstable();
    let mut others = vec![net.sides[1].id, net.sides[2].id];
    others.sort_unstable();
    assert_eq!(named, others);
    assert!(joined.contacts.iter().all(|contact| !contact.control.is_empty()));
}

#[test]
fn an_issuer_cannot_send_a_newcomer_where_nobody_is_dialled() {
    let mut net = Net::found(251);
    let token = net.invite(0, Rights::NONE);
    let newcomer = net.newcomer(&token, "bob");
    let reply = net.ask(0, &newcomer).expect("an answer");
    let RedeemReply::Granted { chain, .. } = RedeemReply::decode(&reply).expect("a reply") else { panic!("granted") };
    let [local, elsewhere] =
        ["127.0.0.1:22", "192.0.2.9:41641"].map(|address| ControlAddr::Tcp(address.parse().expect("an address")));
    let contacts = vec![Contact { node: Subject::new(5).id(), control: vec![local, elsewhere] }];
    let reply = RedeemReply::Granted { chain, contacts }.encode();
    let joined = newcomer.redeemer.handle_reply(&reply, net.now_at(0)).expect("a membership");
    assert_eq!(joined.contacts[0].control, [elsewhere]);
}

/// An issuer that only a relay is connected to, the relay, and an invite.
fn behind_a_relay(seed: u64) -> (Net, usize, usize, InviteToken) {
    let mut net = Net::found(seed);
    let relay = 0;
    net.start_relay(relay);
    let issuer = net.join_by(0, "bob", Rights::ISSUE);
    net.connect(issuer, relay);
    net.pass(seconds(2));
    let token = net.invite(issuer, Rights::NONE);
    (net, relay, issuer, token)
}

#[test]
fn an_invite_names_the_relays_that_pass_its_redemption_on_and_they_cannot_read_it() {
    let (mut net, relay, issuer, token) = behind_a_relay(230);
    assert_eq!(token.body().via.len(), 1);
    assert_eq!(token.body().via[0].node, net.sides[relay].id);
    let newcomer = net.newcomer(&token, "carol");
    let (mut rng, now) = (net.rng(), net.now_at(0));
    let passed = newcomer.redeemer.passed_request(&mut rng, now).expect("it is sealed");
    let secret = token.body().secret.as_bytes();
    assert!(!passed.windows(secret.len()).any(|window| window == secret), "the relay does not see the secret");
    let reply = net.ask_with(relay, newcomer.key.node_id(), passed).expect("an answer");
    let joined = newcomer.redeemer.handle_reply(&reply, net.now_at(0)).expect("a membership");
    assert_eq!(*joined.chain[0].subject(), newcomer.key.node_id());
    assert!(net.is_member(issuer, &newcomer.key.node_id()));
    // Whoever passes it on again in its own name gains nothing: the certificate is the newcomer's.
    let (mut rng, now) = (net.rng(), net.now_at(0));
    let again = newcomer.redeemer.passed_request(&mut rng, now).expect("it is sealed");
    let reply = net.ask_with(relay, Subject::new(77).id(), again).expect("an answer");
    assert_eq!(*granted(&reply)[0].subject(), newcomer.key.node_id());
    assert!(!net.is_member(issuer, &Subject::new(77).id()));
}

#[test]
fn who_is_no_relay_or_not_connected_to_the_issuer_passes_nothing_on() {
    let (mut net, relay, issuer, token) = behind_a_relay(231);
    let dave = net.join("dave");
    net.connect(dave, issuer);
    net.pass(seconds(1));
    let newcomer = net.newcomer(&token, "carol");
    let (mut rng, now) = (net.rng(), net.now_at(0));
    let passed = newcomer.redeemer.passed_request(&mut rng, now).expect("it is sealed");
    let by_dave = net.ask_with(dave, newcomer.key.node_id(), passed.clone()).expect("an answer");
    assert_eq!(refusal(&by_dave), Refusal::NotConnected, "dave may not relay");
    net.disconnect(issuer, relay);
    let alone = net.ask_with(relay, newcomer.key.node_id(), passed).expect("an answer");
    assert_eq!(refusal(&alone), Refusal::NotConnected);
    let changed = PassedRedemption { issuer: net.sides[issuer].id, sealed: SealedRequest(vec![7; 200]) }.encode();
    let reply = net.ask_with(issuer, newcomer.key.node_id(), changed).expect("an answer");
    assert_eq!(refusal(&reply), Refusal::Malformed);
}

#[test]
fn a_machine_that_has_to_be_approved_waits_and_joins_under_the_name_that_was_seen() {
    let mut net = Net::found(221);
    let token = net.invite_as(0, Rights::NONE, true);
    let invite = token.body().secret.id();
    let newcomer = net.newcomer(&token, "bob");
    let node = newcomer.key.node_id();
    for _ in 0..3 {
        assert_eq!(refusal(&net.ask(0, &newcomer).expect("an answer")), Refusal::ApprovalPending);
    }
    let wanted = |event: &&Event| matches!(event, Event::ApprovalWanted { node: asking, .. } if *asking == node);
    assert_eq!(net.sides[0].events.iter().filter(wanted).count(), 1, "told once");
    let waiting = net.sides[0].node.snapshot(net.now_at(0)).applicants;
    assert_eq!((waiting[0].0, waiting[0].1.node, &waiting[0].1.label), (invite, node, &label("bob")));

    let rival = net.newcomer(&token, "eve");
    assert_eq!(refusal(&net.ask(0, &rival).expect("an answer")), Refusal::Spent, "the first that came");
    let other = Command::Approve { invite, node: rival.key.node_id() };
    assert_eq!(net.command(0, other).map(drop), Err(CommandError::NobodyWaits));

    net.command(0, Command::Approve { invite, node }).map(drop).expect("approved");
    assert!(!net.is_member(0, &node), "it has not asked again yet");
    assert!(net.sides[0].node.snapshot(net.now_at(0)).applicants.is_empty());
    assert_eq!(refusal(&net.ask(0, &rival).expect("an answer")), Refusal::Spent);
    let chain = granted(&net.ask(0, &newcomer).expect("an answer"));
    assert_eq!((chain[0].subject(), &chain[0].membership().label), (&node, &label("bob")));
    assert_eq!(net.command(0, Command::Approve { invite, node }).map(drop), Err(CommandError::NobodyWaits), "over");
}

#[test]
fn who_waits_is_let_in_neither_by_a_disk_that_fails_nor_by_an_invite_that_is_over() {
    let mut net = Net::found(222);
    let tokens = [(); 3].map(|()| net.invite_as(0, Rights::NONE, true));
    let names = ["bob", "carol", "dave"];
    let newcomers: Vec<Newcomer> = tokens.iter().zip(names).map(|(token, name)| net.newcomer(token, name)).collect();
    for newcomer in &newcomers {
        assert_eq!(refusal(&net.ask(0, newcomer).expect("an answer")), Refusal::ApprovalPending);
    }
    let approve = |number: usize| Command::Approve {
        invite: tokens[number].body().secret.id(),
        node: newcomers[number].key.node_id(),
    };

    net.sides[0].disk = Disk::Fails;
    assert!(matches!(net.command(0, approve(0)), Err(CommandError::Store(_))));
    net.sides[0].disk = Disk::Writes;
    assert_eq!(refusal(&net.ask(0, &newcomers[0]).expect("an answer")), Refusal::ApprovalPending);
    net.command(0, approve(0)).map(drop).expect("approved");
    granted(&net.ask(0, &newcomers[0]).expect("an answer"));

    net.command(0, Command::WithdrawInvite(tokens[1].body().secret.id())).map(drop).expect("withdrawn");
    assert_eq!(net.command(0, approve(1)).map(drop), Err(CommandError::NobodyWaits));
    assert_eq!(refusal(&net.ask(0, &newcomers[1]).expect("an answer")), Refusal::Withdrawn);

    net.unix += 3_601_000_000_000;
    assert!(net.sides[0].node.snapshot(net.now_at(0)).applicants.is_empty());
    assert_eq!(net.command(0, approve(2)).map(drop), Err(CommandError::NobodyWaits));
    assert_eq!(refusal(&net.ask(0, &newcomers[2]).expect("an answer")), Refusal::Expired);
}
