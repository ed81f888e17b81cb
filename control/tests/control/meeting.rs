use std::collections::BTreeSet;
use std::time::Duration;

use holloway_control::{Channel, Command, DialAddr, Event, Transport, Verdict};
use holloway_wire::NodeId;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::world::{Node, exchange, settings};

const NODES: u8 = 6;

/// Admits everybody, until the gates to all others are open.
async fn meet_all(mut node: Node, others: usize) -> Node {
    let mut open = BTreeSet::new();
    while open.len() < others {
        match node.next().await {
            Event::Connected { node: other, .. } => node.tell(Command::Admit { node: other }),
            Event::Opened { node: other } => {
                open.insert(other);
            }
            _ => {}
        }
    }
    node
}

/// Passes everything on, until a message is heard.
async fn hear(mut node: Node, expected: &[u8]) -> Node {
    loop {
        let Event::Gossip { message, body, .. } = node.next().await else { continue };
        node.tell(Command::Judge { message, verdict: Verdict::Accept });
        if body == expected {
            return node;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_all_dial_each_other_at_once_over_both_transports_become_one_network() {
    let mut nodes = Vec::new();
    for seed in 1..=NODES {
        nodes.push(Node::on_both(seed).await);
    }
    let places: Vec<(NodeId, Vec<DialAddr>)> = nodes.iter().map(|node| (node.id, node.addresses.clone())).collect();
    let mut meeting = JoinSet::new();
    for node in nodes {
        for (other, addresses) in places.iter().filter(|(other, _)| *other != node.id) {
            node.tell(Command::Dial { node: Some(*other), addresses: addresses.clone() });
        }
        meeting.spawn(meet_all(node, usize::from(NODES) - 1));
    }
    let mut nodes = meeting.join_all().await;
    let speaker = nodes.remove(0);
    let mut hearing = JoinSet::new();
    for node in nodes {
        hearing.spawn(hear(node, b"to all"));
    }
    while !hearing.is_empty() {
        speaker.tell(Command::Publish { body: b"to all".to_vec() });
        let _ = tokio::time::timeout(Duration::from_millis(500), hearing.join_next()).await;
    }
}

/// A way between two nodes that can fall silent without ending.
struct Wire {
    address: DialAddr,
    cut: watch::Sender<bool>,
}

impl Wire {
    async fn to(node: &Node) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = DialAddr::tcp(listener.local_addr().unwrap());
        let (cut, cutting) = watch::channel(false);
        let target = node.address.address;
        tokio::spawn(async move {
            loop {
                let (mut near, _) = listener.accept().await.unwrap();
                let mut far = TcpStream::connect(target).await.unwrap();
                let mut cutting = cutting.clone();
                tokio::spawn(async move {
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        _ = cutting.wait_for(|cut| *cut) => {}
                    }
                    // Both sockets stay open until the wire is gone.
                    let _ = cutting.wait_for(|_| false).await;
                    drop((near, far));
                });
            }
        });
        Self { address, cut }
    }
}

#[tokio::test]
async fn a_member_that_falls_silent_is_given_up_and_found_again() {
    let mut near = Node::start(1, Transport::Tcp).await;
    let mut far = Node::start(2, Transport::Tcp).await;
    let wire = Wire::to(&far).await;
    near.admit(&far);
    far.admit(&near);
    near.tell(Command::Dial { node: Some(far.id), addresses: vec![wire.address] });
    near.opened(far.id).await;
    far.opened(near.id).await;
    exchange(&mut near, &mut far, Channel::Sync).await;
    wire.cut.send(true).unwrap();
    near.disconnected(far.id).await;
    far.disconnected(near.id).await;

    near.dial(&far);
    near.opened(far.id).await;
    far.opened(near.id).await;
    exchange(&mut far, &mut near, Channel::Sync).await;
}

impl Node {
    async fn on_both(seed: u8) -> Self {
        let mut settings = settings(seed, Transport::Tcp);
        settings.listen.quic.push("127.0.0.1:0".parse().unwrap());
        Self::with(seed, settings).await
    }
}
