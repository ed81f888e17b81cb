//! The way to relays by streams, where datagrams do not get through.

use super::*;

/// Streams that are open or being opened at once: to a home relay and a standby.
const STREAMS_MAX: usize = HOME_RELAYS_MAX;

impl Relays {
    /// Has a stream opened to a relay that does not answer to datagrams, while no relay does.
    pub(super) fn take_detour(&mut self, node: NodeId, now: Instant) {
        let streams = self.known.values().filter(|relay| !relay.detour.is_closed()).count();
        let is_reached = self.known.values().any(|relay| relay.registration.is_good());
        let Some(relay) = self.known.get_mut(&node).filter(|_| !is_reached && streams < STREAMS_MAX) else {
            return;
        };
        let addresses = relay.stream_addresses();
        if !addresses.is_empty() && relay.detour.open(now) {
            self.outputs.push_back(RelaysOutput::OpenStream { relay: node, addresses });
        }
    }

    /// A stream to a relay is open, and has this address; or it is not any more.
    pub(crate) fn handle_stream(&mut self, node: &NodeId, at: Option<SocketAddr>, context: &mut Context<'_>) {
        let now = context.now.monotonic;
        let Some(relay) = self.known.get_mut(node) else {
            return;
        };
        match at {
            Some(at) => relay.detour.handle_opened(at),
            None => {
                if let Some(was) = relay.detour.handle_closed(now)
                    && !relay.registration.is_good()
                {
                    self.forget_channels(*node, was, now);
                }
            }
        }
        self.choose(context);
    }
}
