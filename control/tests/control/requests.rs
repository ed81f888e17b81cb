use holloway_control::{
    Channel, Command, Event, Limits, MESSAGE_BYTES_MAX, RequestFailure, STRANGER_MESSAGE_BYTES_MAX, StrangerLimits,
    Transport,
};

use crate::world::{Node, connect, exchange, join, probe};

#[tokio::test]
async fn a_request_to_a_node_that_is_not_connected_fails_and_says_so() {
    let mut lonely = Node::start(1, Transport::Tcp).await;
    let other = Node::start(2, Transport::Tcp).await;
    let request = lonely.ask(other.id, Channel::Hello, b"?");
    assert_eq!(lonely.answer_to(request).await, Err(RequestFailure::NotConnected));
}

#[tokio::test]
async fn a_request_waits_for_a_dial_and_fails_with_it() {
    let mut asker = Node::start(1, Transport::Tcp).await;
    let mut other = Node::start(2, Transport::Tcp).await;
    asker.dial(&other);
    let request = asker.ask(other.id, Channel::Hello, b"question");
    let (token, ..) = other.request_on(Channel::Hello).await;
    other.respond(token, b"answer");
    assert_eq!(asker.answer_to(request).await.unwrap(), b"answer");

    let gone = Node::start(3, Transport::Tcp).await;
    let (id, address) = (gone.id, gone.address);
    gone.handle.shutdown().await;
    asker.tell(Command::Dial { node: Some(id), addresses: vec![address] });
    let request = asker.ask(id, Channel::Hello, b"question");
    assert_eq!(asker.answer_to(request).await, Err(RequestFailure::NotConnected));
}

#[tokio::test]
async fn a_connection_is_reported_before_what_comes_over_it() {
    let mut asker = Node::start(1, Transport::Tcp).await;
    let mut other = Node::start(2, Transport::Tcp).await;
    asker.dial(&other);
    asker.ask(other.id, Channel::Redeem, b"at once");
    assert!(matches!(other.next().await, Event::Connected { node, outbound: false, .. } if node == asker.id));
    let Event::Request { node, channel, remote, .. } = other.next().await else { panic!("not a request") };
    assert_eq!((node, channel), (asker.id, Channel::Redeem));
    assert!(remote.ip().is_loopback());
    assert!(matches!(asker.next().await, Event::Connected { outbound: true, .. }));
}

#[tokio::test]
async fn messages_of_the_largest_size_pass_on_every_channel() {
    let mut asker = Node::start(1, Transport::Quic).await;
    let mut other = Node::start(2, Transport::Quic).await;
    join(&mut asker, &mut other).await;
    for (channel, bytes) in [
        (Channel::Hello, STRANGER_MESSAGE_BYTES_MAX),
        (Channel::Redeem, STRANGER_MESSAGE_BYTES_MAX),
        (Channel::Sync, MESSAGE_BYTES_MAX),
        (Channel::Member, MESSAGE_BYTES_MAX),
    ] {
        let request = asker.ask(other.id, channel, &vec![1; bytes]);
        let (token, _, body) = other.request_on(channel).await;
        assert_eq!(body.len(), bytes);
        other.respond(token, &vec![2; bytes]);
        assert_eq!(asker.answer_to(request).await.unwrap().len(), bytes);
        let request = asker.ask(other.id, channel, &vec![1; bytes + 1]);
        assert_eq!(asker.answer_to(request).await, Err(RequestFailure::TooLarge));
    }
}

#[tokio::test]
async fn a_redemption_of_17_kib_is_refused_without_the_owner_hearing_of_it() {
    let mut issuer = Node::start(1, Transport::Tcp).await;
    let refusal = probe(issuer.address, "/holloway/redeem/1".to_owned(), vec![1; 17 * 1024]).await;
    assert!(refusal.is_err() || refusal.is_ok_and(|answer| answer.is_empty()));
    let asking = tokio::spawn(probe(issuer.address, "/holloway/redeem/1".to_owned(), vec![2; 16 * 1024]));
    let (token, _, body) = issuer.request_on(Channel::Redeem).await;
    assert_eq!(body, vec![2; 16 * 1024]);
    issuer.respond(token, b"");
    assert_eq!(asking.await.unwrap().unwrap(), [0]);
    assert!(!issuer.has_seen(|event| matches!(event, Event::Request { .. })));
}

fn tight() -> Limits {
    let redeem = StrangerLimits { concurrent_per_prefix: 2, per_minute_per_prefix: 3, concurrent_total: 64 };
    Limits { redeem, ..Limits::default() }
}

#[tokio::test]
async fn redemptions_of_one_source_prefix_are_bounded_at_once_and_by_the_minute() {
    let mut issuer = Node::with_limits(1, tight()).await;
    let mut strangers = Vec::new();
    for seed in 2..5 {
        let mut stranger = Node::start(seed, Transport::Tcp).await;
        connect(&mut stranger, &mut issuer).await;
        strangers.push(stranger);
    }
    let issuer_id = issuer.id;
    let [first, second, third] = strangers.as_mut_slice() else { panic!("three strangers") };
    let one = first.ask(issuer_id, Channel::Redeem, b"1");
    let token_one = issuer.request_on(Channel::Redeem).await.0;
    let two = second.ask(issuer_id, Channel::Redeem, b"2");
    let token_two = issuer.request_on(Channel::Redeem).await.0;
    let over = third.ask(issuer_id, Channel::Redeem, b"3");
    assert_eq!(third.answer_to(over).await, Err(RequestFailure::Busy));

    issuer.respond(token_one, b"");
    issuer.respond(token_two, b"");
    assert_eq!(first.answer_to(one).await.unwrap(), b"");
    assert_eq!(second.answer_to(two).await.unwrap(), b"");
    exchange(third, &mut issuer, Channel::Redeem).await;
    let over = third.ask(issuer_id, Channel::Redeem, b"a fourth within the minute");
    assert_eq!(third.answer_to(over).await, Err(RequestFailure::Busy));
    exchange(third, &mut issuer, Channel::Hello).await;
}

#[tokio::test]
async fn a_member_is_not_counted_among_strangers() {
    let mut issuer = Node::with_limits(1, tight()).await;
    let mut member = Node::start(2, Transport::Tcp).await;
    join(&mut member, &mut issuer).await;
    for _ in 0..10 {
        exchange(&mut member, &mut issuer, Channel::Redeem).await;
    }
}

#[tokio::test]
async fn a_second_answer_and_one_that_comes_too_late_do_no_harm() {
    let mut asker = Node::start(1, Transport::Tcp).await;
    let mut other = Node::start(2, Transport::Tcp).await;
    connect(&mut asker, &mut other).await;
    let request = asker.ask(other.id, Channel::Hello, b"question");
    let (token, ..) = other.request_on(Channel::Hello).await;
    other.respond(token, b"first");
    other.respond(token, b"second");
    assert_eq!(asker.answer_to(request).await.unwrap(), b"first");

    let abandoned = asker.ask(other.id, Channel::Hello, b"question");
    let (token, ..) = other.request_on(Channel::Hello).await;
    asker.tell(Command::Disconnect { node: other.id });
    assert_eq!(asker.answer_to(abandoned).await, Err(RequestFailure::ConnectionClosed));
    other.disconnected(asker.id).await;
    other.respond(token, b"too late");
    asker.disconnected(other.id).await;
    connect(&mut asker, &mut other).await;
    exchange(&mut asker, &mut other, Channel::Hello).await;
}

#[tokio::test]
async fn more_requests_than_a_node_would_take_are_refused_here() {
    let mut asker = Node::start(1, Transport::Tcp).await;
    let mut other = Node::start(2, Transport::Tcp).await;
    join(&mut asker, &mut other).await;
    let requests: Vec<_> = (0..17).map(|_| asker.ask(other.id, Channel::Sync, b"?")).collect();
    assert_eq!(asker.answer_to(requests[16]).await, Err(RequestFailure::TooMany));
    for _ in 0..16 {
        let (token, ..) = other.request_on(Channel::Sync).await;
        other.respond(token, b"!");
    }
    for request in &requests[..16] {
        assert_eq!(asker.answer_to(*request).await.unwrap(), b"!");
    }
}
