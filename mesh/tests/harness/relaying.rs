//! Sides that are relays, and streams to them.

use std::net::SocketAddr;

use holloway_mesh::*;
use holloway_relay as relay;
use holloway_wire::*;

use super::{Flight, Net};

impl Net {
    pub(super) fn stream(&mut self, side: usize, command: &StreamCommand) {
        match command {
            StreamCommand::Open { relay, addresses } => {
                let to = self.side_of(relay).expect("it is one of us");
                let relay = *relay;
                if self.sides[to].relay.is_none() {
                    self.act(side, |node, now| node.handle_stream(relay, None, now));
                    return;
                }
                let ip = self.sides[to].endpoint.socket_addr().ip();
                assert_eq!(*addresses, [SocketAddr::new(ip, 443)]);
                let at = SocketAddr::from(([127, 0, 0, side as u8], to as u16 + 1));
                self.streams.insert(Endpoint::udp(at), (side, to));
                self.act(side, |node, now| node.handle_stream(relay, Some(at), now));
            }
            StreamCommand::Close { relay } => {
                let to = self.side_of(relay);
                self.streams.retain(|_, ends| Some(*ends) != to.map(|to| (side, to)));
            }
        }
    }

    /// Makes a side a relay.
    pub(crate) fn start_relay(&mut self, side: usize) {
        self.start_relay_with(side, relay::Settings::default());
    }

    pub(crate) fn start_relay_with(&mut self, side: usize, settings: relay::Settings) {
        let key = IdentityKey::from_bytes(&self.sides[side].key.to_bytes());
        let name = self.sides[side].node.snapshot(self.now_at(side)).label;
        let identity = relay::Identity { network: self.network, key, name };
        let endpoints = vec![self.sides[side].endpoint.socket_addr()];
        let settings = relay::Settings { endpoints, stream_port: Some(443), ..settings };
        let (rng, now) = (Box::new(self.rng()), self.now_at(side));
        self.sides[side].relay = Some(relay::Server::new(identity, settings, Vec::new(), rng, now));
        self.act_relay(side, relay::Server::handle_timeout);
        self.run_control();
    }

    /// Gives a relay an input, if the side is one, and carries out what it wants.
    pub(crate) fn act_relay(&mut self, side: usize, input: impl FnOnce(&mut relay::Server, Now)) {
        let now = self.now_at(side);
        let Some(mut server) = self.sides[side].relay.take() else {
            return;
        };
        input(&mut server, now);
        loop {
            for news in std::mem::take(&mut self.sides[side].news) {
                tell_relay(&mut server, news, now);
            }
            let Some(output) = server.poll_output() else { break };
            match output {
                relay::Output::Transmit { to, datagram } => {
                    let from = self.sides[side].endpoint;
                    self.flights.push_back(Flight { from, to: Endpoint::udp(to), datagram });
                }
                relay::Output::Judge { token, node, certificates, .. } => {
                    let rights = self.sides[side].node.judge(&node, certificates, now);
                    server.handle_verdict(token, relay::Standing::of(rights), now);
                    self.drain(side);
                }
                relay::Output::Announce(announcement) => {
                    self.act(side, |node, now| node.handle_own_relay(announcement, now));
                }
                relay::Output::Link { relay } => self.act(side, |node, now| node.handle_wanted_link(&relay, now)),
                relay::Output::Forwarding(_) | relay::Output::Keep(_) => {}
            }
        }
        self.sides[side].relay = Some(server);
    }
}

/// What a relay is told of others.
fn tell_relay(server: &mut relay::Server, news: RelayNews, now: Now) {
    match news {
        RelayNews::Announced(announcement) => server.handle_announcement(&announcement, now),
        RelayNews::Link { relay, link } => server.handle_link(relay, link, now),
    }
}
