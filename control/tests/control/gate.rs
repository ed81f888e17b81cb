use holloway_control::{Channel, Command, Event, RequestFailure, Transport};
use libp2p::request_response::OutboundFailure;

use crate::world::{Node, connect, exchange, join, network, probe};

#[tokio::test]
async fn a_stranger_finds_nothing_of_what_is_for_members() {
    let node = Node::start(1, Transport::Tcp).await;
    let network = network();
    for protocol in [
        "/holloway/sync/1".to_owned(),
        "/holloway/member/1".to_owned(),
        format!("/holloway/{network}/kad/1"),
        format!("/holloway/{network}/gossip/1.1.0"),
        format!("/holloway/{network}/gossip/1.2.0"),
        "/meshsub/1.1.0".to_owned(),
        "/ipfs/id/1.0.0".to_owned(),
        "/ipfs/id/push/1.0.0".to_owned(),
        "/ipfs/ping/1.0.0".to_owned(),
    ] {
        let refusal = probe(node.address, protocol.clone(), vec![1]).await.unwrap_err();
        assert!(matches!(refusal, OutboundFailure::UnsupportedProtocols), "{protocol}: {refusal}");
    }
}

#[tokio::test]
async fn a_stranger_is_answered_on_hello_and_redeem() {
    let mut node = Node::start(1, Transport::Tcp).await;
    for (protocol, channel) in [("/holloway/hello/1", Channel::Hello), ("/holloway/redeem/1", Channel::Redeem)] {
        let asking = tokio::spawn(probe(node.address, protocol.to_owned(), vec![1]));
        let (token, _, body) = node.request_on(channel).await;
        assert_eq!(body, [1]);
        node.respond(token, &[2]);
        assert_eq!(asking.await.unwrap().unwrap(), [0, 2]);
    }
}

async fn members_speak_everything(transport: Transport) {
    let mut founder = Node::start(1, transport).await;
    let mut guest = Node::start(2, transport).await;
    connect(&mut guest, &mut founder).await;
    exchange(&mut guest, &mut founder, Channel::Hello).await;
    exchange(&mut guest, &mut founder, Channel::Redeem).await;
    guest.admit(&founder);
    founder.admit(&guest);
    guest.opened(founder.id).await;
    founder.opened(guest.id).await;
    for channel in [Channel::Hello, Channel::Sync, Channel::Member] {
        exchange(&mut guest, &mut founder, channel).await;
        exchange(&mut founder, &mut guest, channel).await;
    }
    let observer = guest.id;
    founder
        .until("where the guest sees us", |event| matches!(event, Event::Observed { by, .. } if *by == observer))
        .await;
}

#[tokio::test]
async fn over_tcp_an_admitted_connection_carries_everything() {
    members_speak_everything(Transport::Tcp).await;
}

#[tokio::test]
async fn over_quic_an_admitted_connection_carries_everything() {
    members_speak_everything(Transport::Quic).await;
}

#[tokio::test]
async fn what_is_asked_before_the_other_side_admits_us_arrives_when_it_does() {
    let mut early = Node::start(1, Transport::Tcp).await;
    let mut late = Node::start(2, Transport::Tcp).await;
    connect(&mut early, &mut late).await;
    early.admit(&late);
    let request = early.ask(late.id, Channel::Sync, b"early");
    for _ in 0..20 {
        exchange(&mut early, &mut late, Channel::Hello).await;
        exchange(&mut late, &mut early, Channel::Hello).await;
    }
    assert!(!early.has_seen(|event| matches!(event, Event::Opened { .. } | Event::Response { .. })));
    late.admit(&early);
    late.opened(early.id).await;
    early.opened(late.id).await;
    let (token, _, body) = late.request_on(Channel::Sync).await;
    assert_eq!(body, b"early");
    late.respond(token, b"at last");
    assert_eq!(early.answer_to(request).await.unwrap(), b"at last");
}

#[tokio::test]
async fn a_node_admitted_before_it_connects_is_let_in_at_once() {
    let mut dialer = Node::start(1, Transport::Quic).await;
    let mut listener = Node::start(2, Transport::Quic).await;
    dialer.admit(&listener);
    listener.admit(&dialer);
    dialer.dial(&listener);
    dialer.opened(listener.id).await;
    listener.opened(dialer.id).await;
    exchange(&mut listener, &mut dialer, Channel::Sync).await;
}

#[tokio::test]
async fn a_request_for_members_needs_our_own_admission() {
    let mut asker = Node::start(1, Transport::Tcp).await;
    let mut other = Node::start(2, Transport::Tcp).await;
    connect(&mut asker, &mut other).await;
    let request = asker.ask(other.id, Channel::Sync, b"?");
    assert_eq!(asker.answer_to(request).await, Err(RequestFailure::NotAdmitted));
}

#[tokio::test]
async fn a_node_that_never_admits_us_does_not_answer_and_we_learn_it() {
    let mut asker = Node::start(1, Transport::Tcp).await;
    let mut other = Node::start(2, Transport::Tcp).await;
    connect(&mut asker, &mut other).await;
    asker.admit(&other);
    let request = asker.ask(other.id, Channel::Member, b"?");
    assert_eq!(asker.answer_to(request).await, Err(RequestFailure::Timeout));
    exchange(&mut asker, &mut other, Channel::Hello).await;
    assert!(!other.has_seen(|event| matches!(event, Event::Request { .. })));
}

async fn expelled_and_taken_back(transport: Transport) {
    let mut founder = Node::start(1, transport).await;
    let mut guest = Node::start(2, transport).await;
    join(&mut guest, &mut founder).await;
    founder.tell(Command::Expel { node: guest.id });
    guest.disconnected(founder.id).await;
    founder.disconnected(guest.id).await;

    connect(&mut guest, &mut founder).await;
    exchange(&mut guest, &mut founder, Channel::Hello).await;
    let request = guest.ask(founder.id, Channel::Sync, b"still a member?");
    exchange(&mut guest, &mut founder, Channel::Hello).await;
    assert!(!founder.has_seen(|event| matches!(event, Event::Request { .. } | Event::Opened { .. })));

    founder.admit(&guest);
    founder.opened(guest.id).await;
    guest.opened(founder.id).await;
    let (token, ..) = founder.request_on(Channel::Sync).await;
    founder.respond(token, b"again");
    assert_eq!(guest.answer_to(request).await.unwrap(), b"again");
}

#[tokio::test]
async fn over_tcp_an_expelled_member_is_a_stranger_until_it_is_admitted_again() {
    expelled_and_taken_back(Transport::Tcp).await;
}

#[tokio::test]
async fn over_quic_an_expelled_member_is_a_stranger_until_it_is_admitted_again() {
    expelled_and_taken_back(Transport::Quic).await;
}

#[tokio::test]
async fn two_nodes_that_dial_each_other_at_once_become_members_of_each_other() {
    for round in 0..8 {
        let transport = if round % 2 == 0 { Transport::Tcp } else { Transport::Quic };
        let mut one = Node::start(1, transport).await;
        let mut two = Node::start(2, transport).await;
        one.dial(&two);
        two.dial(&one);
        one.connected(two.id).await;
        two.connected(one.id).await;
        one.admit(&two);
        two.admit(&one);
        one.opened(two.id).await;
        two.opened(one.id).await;
        for _ in 0..4 {
            exchange(&mut one, &mut two, Channel::Hello).await;
            exchange(&mut two, &mut one, Channel::Hello).await;
        }
        exchange(&mut one, &mut two, Channel::Sync).await;
        exchange(&mut two, &mut one, Channel::Member).await;
    }
}

#[tokio::test]
async fn a_new_process_of_a_node_replaces_the_connection_of_its_predecessor() {
    let mut constant = Node::start(1, Transport::Tcp).await;
    let mut predecessor = Node::start(2, Transport::Tcp).await;
    join(&mut predecessor, &mut constant).await;

    let mut successor = Node::start(2, Transport::Tcp).await;
    successor.dial(&constant);
    successor.connected(constant.id).await;
    exchange(&mut successor, &mut constant, Channel::Hello).await;
    successor.admit(&constant);
    successor.opened(constant.id).await;
    constant.opened(successor.id).await;
    predecessor.disconnected(constant.id).await;

    exchange(&mut constant, &mut successor, Channel::Sync).await;
    successor.tell(Command::Publish { body: b"from the successor".to_vec() });
    let heard = |event: &Event| matches!(event, Event::Gossip { body, .. } if body == b"from the successor");
    constant.until("gossip", heard).await;
}
