//! mDNS sends multicast, so these run in network namespaces of their own (which takes root).

use std::future::Future;
use std::net::{IpAddr, SocketAddr};

use holloway_control::{Channel, Command, Event, Transport};
use holloway_simnet::lab::Lab;

use crate::world::{Node, connect, exchange, settings};

impl Node {
    async fn looking_around(seed: u8, address: IpAddr) -> Self {
        let mut settings = settings(seed, Transport::Tcp);
        settings.listen.tcp = vec![SocketAddr::new(address, 0)];
        settings.mdns = true;
        Self::with(seed, settings).await
    }
}

/// Runs a test on one thread inside a machine of a lab of its own, which it is told the address of.
fn on_a_machine<F: Future<Output = ()>>(test: impl FnOnce(IpAddr) -> F + Send) {
    let lab = Lab::new("mdns").unwrap();
    let machine = lab.public_host("one").unwrap();
    let address = IpAddr::V4(machine.ipv4());
    let run = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test(address));
    machine.in_namespace(run).unwrap();
}

#[test]
fn a_node_on_the_local_network_is_discovered_and_not_dialed() {
    on_a_machine(|address| async move {
        let mut one = Node::looking_around(1, address).await;
        let two = Node::looking_around(2, address).await;
        let found = |event: &Event| match event {
            Event::Discovered { node, addresses } if *node == two.id => Some(addresses.clone()),
            _ => None,
        };
        let addresses = one.wait("a discovery", found).await;
        assert!(addresses.contains(&two.address));
        assert!(!one.has_seen(|event| matches!(event, Event::Connected { .. })));
        one.tell(Command::Dial { node: Some(two.id), addresses });
        one.connected(two.id).await;
    });
}

#[test]
fn where_multicast_cannot_run_the_rest_is_not_discovered_to_be_broken() {
    on_a_machine(|_| async {
        let loopback = IpAddr::from([127, 0, 0, 1]);
        let mut one = Node::looking_around(1, loopback).await;
        let mut two = Node::looking_around(2, loopback).await;
        connect(&mut one, &mut two).await;
        exchange(&mut one, &mut two, Channel::Hello).await;
    });
}
