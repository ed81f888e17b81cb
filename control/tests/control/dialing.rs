use std::net::UdpSocket;
use std::time::Duration;

use holloway_control::{Channel, Command, DialAddr, Error, Event, Transport, spawn};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

use crate::world::{Node, connect, exchange, join, settings};

#[tokio::test]
async fn a_dial_that_finds_nobody_fails_once_and_says_where() {
    let mut dialer = Node::start(1, Transport::Tcp).await;
    let gone = Node::start(2, Transport::Tcp).await;
    let (id, address) = (gone.id, gone.address);
    gone.handle.shutdown().await;
    dialer.tell(Command::Dial { node: Some(id), addresses: vec![address] });
    let Event::DialFailed { node, reason } = dialer.next().await else { panic!("no failure") };
    assert_eq!(node, Some(id));
    assert!(reason.contains(&address.address.to_string()) && reason.contains("refused"), "{reason}");
}

#[tokio::test]
async fn a_dial_that_finds_another_node_fails() {
    let mut dialer = Node::start(1, Transport::Quic).await;
    let other = Node::start(2, Transport::Quic).await;
    let expected = Node::start(3, Transport::Quic).await;
    dialer.tell(Command::Dial { node: Some(expected.id), addresses: vec![other.address] });
    let Event::DialFailed { node, reason } = dialer.next().await else { panic!("no failure") };
    assert_eq!(node, Some(expected.id));
    assert!(reason.contains("another node") || !reason.is_empty(), "{reason}");
}

#[tokio::test]
async fn a_dial_without_addresses_fails() {
    let mut dialer = Node::start(1, Transport::Tcp).await;
    dialer.tell(Command::Dial { node: None, addresses: Vec::new() });
    assert!(matches!(dialer.next().await, Event::DialFailed { node: None, .. }));
}

#[tokio::test]
async fn whoever_answers_is_found_when_nobody_in_particular_is_expected() {
    let mut dialer = Node::start(1, Transport::Tcp).await;
    let gone = Node::start(2, Transport::Tcp).await;
    let dead = gone.address;
    gone.handle.shutdown().await;
    let mut other = Node::start(3, Transport::Tcp).await;
    dialer.tell(Command::Dial { node: None, addresses: vec![dead, other.address] });
    dialer.connected(other.id).await;
    other.connected(dialer.id).await;
    exchange(&mut dialer, &mut other, Channel::Hello).await;
    assert!(!dialer.has_seen(|event| matches!(event, Event::DialFailed { .. })));
}

#[tokio::test]
async fn a_node_is_reached_at_the_one_address_of_several_that_is_right() {
    let mut dialer = Node::start(1, Transport::Tcp).await;
    let mut other = Node::start(2, Transport::Tcp).await;
    let nobody = DialAddr::quic("127.0.0.1:9".parse().unwrap());
    dialer.tell(Command::Dial { node: Some(other.id), addresses: vec![nobody, other.address] });
    dialer.connected(other.id).await;
    other.connected(dialer.id).await;
}

async fn restarted(transport: Transport) {
    let mut constant = Node::start(1, transport).await;
    let mut node = Node::start(2, transport).await;
    join(&mut node, &mut constant).await;
    node.handle.shutdown().await;
    constant.disconnected(node.id).await;
    let mut node = Node::start(2, transport).await;
    constant.dial(&node);
    constant.connected(node.id).await;
    node.connected(constant.id).await;
    node.admit(&constant);
    constant.opened(node.id).await;
    node.opened(constant.id).await;
    exchange(&mut node, &mut constant, Channel::Sync).await;
    exchange(&mut constant, &mut node, Channel::Sync).await;
}

#[tokio::test]
async fn over_tcp_a_node_that_restarts_with_its_identity_is_reached_again() {
    restarted(Transport::Tcp).await;
}

#[tokio::test]
async fn over_quic_a_node_that_restarts_with_its_identity_is_reached_again() {
    restarted(Transport::Quic).await;
}

#[tokio::test]
async fn a_dial_to_a_connected_node_changes_nothing() {
    let mut dialer = Node::start(1, Transport::Tcp).await;
    let mut other = Node::start(2, Transport::Tcp).await;
    connect(&mut dialer, &mut other).await;
    dialer.dial(&other);
    exchange(&mut dialer, &mut other, Channel::Hello).await;
    let is_news = |event: &Event| matches!(event, Event::Connected { .. } | Event::DialFailed { .. });
    assert!(!dialer.has_seen(is_news) && !other.has_seen(is_news));
}

#[tokio::test]
async fn who_dials_hears_of_its_own_connection_also_when_the_others_came_first() {
    let (mut one, other) = (Node::start(1, Transport::Tcp).await, Node::start(2, Transport::Tcp).await);
    // What is dialled first is connected last: on its way it is held until the other's dial has succeeded.
    let held = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let by_way = DialAddr::tcp(held.local_addr().unwrap());
    one.tell(Command::Dial { node: Some(other.id), addresses: vec![by_way] });
    let (mut near, _) = held.accept().await.unwrap();
    other.dial(&one);
    one.until("the other's connection", |event| matches!(event, Event::Connected { outbound: false, .. })).await;
    let mut far = TcpStream::connect(other.address.address).await.unwrap();
    let carrying = tokio::spawn(async move { copy_bidirectional(&mut near, &mut far).await });
    one.until("its own connection", |event| matches!(event, Event::Connected { outbound: true, .. })).await;
    carrying.abort();
}

#[tokio::test]
async fn a_port_that_is_held_is_listened_on_when_it_is_free_or_told_of_when_it_stays_held() {
    let held = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = held.local_addr().unwrap();
    let with_patience = |listen_patience| {
        let mut settings = settings(1, Transport::Quic);
        settings.listen.quic = vec![address];
        settings.listen_patience = listen_patience;
        settings
    };
    let refusal = spawn(&with_patience(Duration::ZERO)).err();
    assert!(matches!(refusal, Some(Error::Listen { held: true, .. })), "{refusal:?}");

    let (_handle, mut events) = spawn(&with_patience(Duration::from_millis(1))).unwrap();
    let Some(Event::ListenFailed { addresses, reason }) = events.recv().await else { panic!("no failure") };
    assert_eq!(addresses, [DialAddr::quic(address)]);
    assert!(reason.contains("in use"), "{reason}");

    let (_handle, mut events) = spawn(&with_patience(Duration::from_secs(60))).unwrap();
    drop(held);
    assert_eq!(events.recv().await, Some(Event::Listening { address, transport: Transport::Quic }));
}
