//! A network's relay, where this machine is one.

use std::net::{IpAddr, SocketAddr};

use holloway_config::{RelayEnabled, RelaySettings};
use holloway_mesh::Event;
use holloway_relay::{DropCounts, Identity, Output, Server, Settings, Standing, Usage};
use holloway_wire::{Endpoint, Now, is_dialable};

use super::network::{Network, Upward, expand};
use crate::random::OsRandom;

impl Network {
    /// Begins to relay, if the operator wants it and this machine may.
    pub(super) fn start_relay(
        &mut self,
        identity: Identity,
        settings: &RelaySettings,
        usage: Vec<Usage>,
        local: &[IpAddr],
        now: Now,
    ) {
        if self.relay.is_some() || settings.enabled == RelayEnabled::Off {
            return;
        }
        let settings = Settings {
            endpoints: self.relay_addresses(local),
            software: env!("CARGO_PKG_VERSION").into(),
            ..Settings::default()
        };
        self.relay = Some(Server::new(identity, settings, usage, Box::new(OsRandom), now));
        tracing::info!(network = %self.label, "relaying for other members");
    }

    fn relay_addresses(&self, local: &[IpAddr]) -> Vec<SocketAddr> {
        let mut addresses = expand(&self.udp.local_addrs(), local);
        addresses.retain(is_dialable);
        addresses.truncate(holloway_wire::ENDPOINTS_MAX);
        addresses
    }

    /// Tells the relay where it takes datagrams.
    pub(super) fn relay_endpoints(&mut self, local: &[IpAddr], now: Now) {
        let addresses = self.relay_addresses(local);
        if let Some(relay) = &mut self.relay {
            relay.handle_endpoints(addresses, now);
        }
    }

    /// A datagram for a relay.
    pub(super) fn relay_datagram(&mut self, from: Endpoint, datagram: &[u8], now: Now) {
        if let Some(relay) = &mut self.relay {
            relay.handle_datagram(from.socket_addr(), datagram, now);
        }
    }

    /// What a lane has not passed on.
    pub(super) fn not_relayed(&mut self, drops: &DropCounts) {
        if let Some(relay) = &mut self.relay {
            relay.handle_drops(drops);
        }
    }

    /// Tells the relay what concerns it.
    pub(super) fn tell_relay(&mut self, event: &Event) {
        match (&mut self.relay, event) {
            (Some(relay), Event::MemberLeft { node, .. }) => relay.handle_expelled(node),
            (_, Event::Expelled) => self.relay = None,
            _ => {}
        }
    }

    /// Carries out what the relay wants; says whether there was anything.
    pub(super) fn carry_out_relay(&mut self, upward: &mut Vec<Upward>, now: Now) -> bool {
        let Some(mut relay) = self.relay.take() else {
            return false;
        };
        let mut any = false;
        while let Some(output) = relay.poll_output() {
            any = true;
            match output {
                Output::Transmit { to, datagram } => {
                    if let Err(error) = self.udp.send(&Endpoint::udp(to), &datagram) {
                        tracing::trace!(%to, %error, "a relay's word was not taken");
                    }
                }
                Output::Judge { token, node, source, certificates } => {
                    let is_member = self.node.judge(&node, certificates, now);
                    relay.handle_verdict(token, if is_member { Standing::Member } else { Standing::Stranger }, now);
                    if is_member {
                        self.node.handle_registered(node, source, now);
                    }
                }
                Output::Forwarding(forwarding) => self.lanes.relay(&forwarding),
                Output::Announce(announcement) => self.node.handle_own_relay(announcement, now),
                Output::Keep(usage) => upward.push(Upward::RelayUsage(usage)),
            }
        }
        self.relay = Some(relay);
        any
    }
}
