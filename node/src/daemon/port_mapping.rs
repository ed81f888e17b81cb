//! A network's port on the router, where there is one that forwards.

use std::net::IpAddr;

use holloway_wire::Now;
use tokio::sync::mpsc;

use super::engine::Input;
use super::network::Network;
use crate::portmap::{PortMapper, Standing};

impl Network {
    /// Begins to ask the router for the port of the data path.
    pub(super) fn start_port_mapping(&mut self, inputs: mpsc::Sender<Input>) {
        let key = self.key;
        let tell = move |standing| {
            let inputs = inputs.clone();
            async move {
                // The engine may have ended.
                let _ = inputs.send(Input::PortMapping(key, standing)).await;
            }
        };
        self.port_mapper = Some(PortMapper::start(self.udp.local_addrs(), tell));
    }

    /// The router forwards a port, or does not any more.
    pub(super) fn port_mapping(&mut self, standing: Standing, local: &[IpAddr], now: Now) {
        let (had, has) = (self.port_mapping.external(), standing.external());
        match (had, &standing) {
            (_, Standing::Held(mapping)) if had != has => {
                let (network, protocol, external) = (&self.label, mapping.protocol, mapping.external);
                tracing::info!(%network, %protocol, %external, "the router forwards a port to this machine");
            }
            (Some(external), _) if has.is_none() => {
                tracing::info!(network = %self.label, %external, "the router forwards this port no longer");
            }
            (_, _) => {}
        }
        self.port_mapping = standing;
        self.node.handle_port_mapping(has, now);
        self.relay_endpoints(local, now);
    }

    /// Takes the mapping back.
    pub(super) async fn stop_port_mapping(&mut self) {
        if let Some(mapper) = self.port_mapper.take() {
            mapper.stop().await;
        }
    }
}
