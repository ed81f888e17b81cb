//! mDNS sends multicast, so these run only when asked for, in a network namespace of their own:
//!
//! ```text
//! unshare -rn sh -c 'ip link set lo up && ip link add lab type veth peer name bal &&
//!     ip address add 10.9.9.1/24 dev lab && ip link set lab up && ip link set bal up &&
//!     cargo nextest run --release -p holloway-control --run-ignored only discovered'
//! ```

use std::net::SocketAddr;

use holloway_control::{Channel, Command, Event, Transport};

use crate::world::{Node, connect, exchange, settings};

impl Node {
    async fn looking_around(seed: u8, address: &str) -> Self {
        let mut settings = settings(seed, Transport::Tcp);
        settings.listen.tcp = vec![address.parse::<SocketAddr>().unwrap()];
        settings.mdns = true;
        Self::with(seed, settings).await
    }
}

#[tokio::test]
#[ignore = "sends multicast: run it in a namespace with 10.9.9.1 on an interface of its own"]
async fn a_node_on_the_local_network_is_discovered_and_not_dialed() {
    let mut one = Node::looking_around(1, "10.9.9.1:0").await;
    let two = Node::looking_around(2, "10.9.9.1:0").await;
    let found = |event: &Event| match event {
        Event::Discovered { node, addresses } if *node == two.id => Some(addresses.clone()),
        _ => None,
    };
    let addresses = one.wait("a discovery", found).await;
    assert!(addresses.contains(&two.address));
    assert!(!one.has_seen(|event| matches!(event, Event::Connected { .. })));
    one.tell(Command::Dial { node: Some(two.id), addresses });
    one.connected(two.id).await;
}

#[tokio::test]
#[ignore = "sends multicast: run it in a namespace with nothing but loopback"]
async fn where_multicast_cannot_run_the_rest_is_not_discovered_to_be_broken() {
    let mut one = Node::looking_around(1, "127.0.0.1:0").await;
    let mut two = Node::looking_around(2, "127.0.0.1:0").await;
    connect(&mut one, &mut two).await;
    exchange(&mut one, &mut two, Channel::Hello).await;
}
