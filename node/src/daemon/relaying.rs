//! A network's relay, where this machine is one.

use std::net::{IpAddr, SocketAddr};

use holloway_config::{RelayEnabled, RelaySettings};
use holloway_mesh::{Event, RelayNews};
use holloway_relay::{BYTES_PER_MEGABIT, DropCounts, Identity, Output, Server, Settings, Standing, Usage};
use holloway_wire::{Endpoint, Now, Place, RelayMessageKind, is_dialable};

use super::network::{Network, Upward, expand};
use crate::random::OsRandom;
use crate::stream::{StreamServer, data_path};

const BYTES_PER_GIGABYTE: u64 = 1_000_000_000;

fn server_settings(settings: &RelaySettings, endpoints: Vec<SocketAddr>, stream_port: Option<u16>) -> Settings {
    let rate_bytes = u64::from(settings.member_mbps) * BYTES_PER_MEGABIT;
    Settings {
        members_max: settings.members as usize,
        rate_bytes,
        // A tenth of a second: what a burst of TCP's is at such a rate.
        burst_bytes: (rate_bytes / 10).max(BURST_BYTES_MIN),
        month_bytes_max: settings.member_month_gb.map(|gigabytes| u64::from(gigabytes) * BYTES_PER_GIGABYTE),
        capacity_mbps: settings.capacity_mbps,
        region: settings.region.clone(),
        place: settings.place.and_then(|(north, east)| Place::new(north, east)),
        endpoints,
        stream_port,
        software: env!("CARGO_PKG_VERSION").into(),
    }
}

/// Several of the largest batches that a member's lane sends at once.
const BURST_BYTES_MIN: u64 = 512 * 1024;

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
        let stream_port = settings.stream_port.filter(|port| self.take_streams(*port, &identity));
        let settings = server_settings(settings, self.relay_addresses(local), stream_port);
        self.relay = Some(Server::new(identity, settings, usage, Box::new(OsRandom), now));
        tracing::info!(network = %self.label, "relaying for other members");
    }

    /// Takes streams on a port. Says whether it can.
    fn take_streams(&mut self, port: u16, identity: &Identity) -> bool {
        let Some(data_path) = data_path(&self.udp.local_addrs()) else {
            return false;
        };
        match StreamServer::start(port, &identity.key, data_path) {
            Ok(server) => {
                self.stream_server = Some(server);
                true
            }
            Err(error) => {
                let error = format!("{error:#}");
                tracing::info!(network = %self.label, error, "no streams are taken, from where UDP does not get through");
                false
            }
        }
    }

    fn relay_addresses(&self, local: &[IpAddr]) -> Vec<SocketAddr> {
        let mapped = self.port_mapping.external();
        let mut addresses: Vec<SocketAddr> =
            mapped.into_iter().chain(expand(&self.udp.local_addrs(), local)).filter(is_dialable).collect();
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

    /// Tells those who are registered with the relay that it stops.
    pub(super) fn stop_relay(&mut self, now: Now) {
        if let Some(relay) = &mut self.relay {
            relay.stop(now);
            // What concerns the rest of the daemon concerns nobody any more.
            self.carry_out_relay(&mut Vec::new(), now);
        }
    }

    /// Whether a datagram was another relay's answer to ours.
    pub(super) fn is_answer_to_relay(&mut self, from: Endpoint, datagram: &[u8], now: Now) -> bool {
        let relay = self.relay.as_mut().filter(|_| RelayMessageKind::of(datagram) == Some(RelayMessageKind::FromRelay));
        relay.is_some_and(|relay| relay.handle_answer(from.socket_addr(), datagram, now))
    }

    /// What the relay is to know of others.
    pub(super) fn relay_news(&mut self, news: RelayNews, now: Now) {
        let Some(own) = &mut self.relay else {
            return;
        };
        match news {
            RelayNews::Announced(announcement) => own.handle_announcement(&announcement, now),
            RelayNews::Link { relay, link } => own.handle_link(relay, link, now),
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
            (_, Event::Expelled) => (self.relay, self.stream_server) = (None, None),
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
                    let rights = self.node.judge(&node, certificates, now);
                    relay.handle_verdict(token, Standing::of(rights), now);
                    if rights.is_some() {
                        self.node.handle_registered(node, source, now);
                    }
                }
                Output::Forwarding(forwarding) => self.lanes.relay(&forwarding),
                Output::Announce(announcement) => self.node.handle_own_relay(announcement, now),
                Output::Keep(usage) => upward.push(Upward::RelayUsage(usage)),
                Output::Link { relay } => self.node.handle_wanted_link(&relay, now),
            }
        }
        self.relay = Some(relay);
        any
    }
}
