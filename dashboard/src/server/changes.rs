//! Tells what changes, to as many as look on, by asking the daemon once for all of them. Nobody is asked while nobody looks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::broadcast;
use tokio::time::MissedTickBehavior;

use super::daemon::Daemon;
use crate::api::{Changes, InNetwork, NetworkStatus, PeerStatus, Relays, SchemaVersion, Status};

/// How often somebody who looks on is told.
const EVERY: Duration = Duration::from_secs(1);

/// How many messages one who falls behind may be behind; then all is to be asked for anew.
const BEHIND_MAX: usize = 4;

/// One message, as it is sent.
pub(super) type Message = Arc<str>;

/// The source of the messages.
///
/// Behind a mutex because every connection has a task of its own; it is held to subscribe, and to end.
#[derive(Clone, Default)]
pub(super) struct Feed(Arc<Mutex<Option<broadcast::Sender<Message>>>>);

impl Feed {
    /// What changes from now on.
    pub(super) fn subscribe(&self, daemon: &Arc<dyn Daemon>) -> broadcast::Receiver<Message> {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = running.as_ref() {
            return sender.subscribe();
        }
        let (sender, receiver) = broadcast::channel(BEHIND_MAX);
        *running = Some(sender.clone());
        tokio::spawn(self.clone().run(daemon.clone(), sender));
        receiver
    }

    async fn run(self, daemon: Arc<dyn Daemon>, sender: broadcast::Sender<Message>) {
        let mut before = look(daemon.as_ref()).await;
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.ends(&sender) {
            ticks.tick().await;
            let Some(now) = look(daemon.as_ref()).await else { continue };
            if let Some(changes) = before.as_ref().and_then(|before| changes(before, &now)) {
                let json = serde_json::to_string(&changes).expect("changes are strings and numbers");
                // Whoever looked on may have gone meanwhile.
                let _ = sender.send(json.into());
            }
            before = Some(now);
        }
    }

    /// Whether nobody looks on any more; whoever comes now begins anew.
    fn ends(&self, sender: &broadcast::Sender<Message>) -> bool {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = sender.receiver_count() == 0;
        if is_over {
            *running = None;
        }
        is_over
    }
}

/// All that is told of, at one moment.
struct View {
    status: Status,
    relays: Relays,
}

/// Nothing when the daemon is about to stop.
async fn look(daemon: &dyn Daemon) -> Option<View> {
    let status = daemon.status().await.ok()?;
    let relays = daemon.relays(InNetwork::default()).await.ok()?;
    Some(View { status, relays })
}

/// What is otherwise, if anything is but the time.
fn changes(before: &View, now: &View) -> Option<Changes> {
    let mut status = now.status.clone();
    let mut gone = BTreeMap::new();
    for network in &mut status.networks {
        let held = before.status.networks.iter().find(|known| known.id == network.id);
        let left = missing(held, network);
        if !left.is_empty() {
            gone.insert(network.id.clone(), left);
        }
        let known: BTreeMap<&str, &PeerStatus> =
            held.iter().flat_map(|held| &held.peers).map(|peer| (peer.node_id.as_str(), peer)).collect();
        network.peers.retain(|peer| known.get(peer.node_id.as_str()).is_none_or(|known| !is_alike(known, peer)));
    }
    let relays = (now.relays != before.relays).then(|| now.relays.clone());
    let has_peers = status.networks.iter().any(|network| !network.peers.is_empty());
    let is_news = has_peers || !gone.is_empty() || relays.is_some() || rest(&status) != rest(&before.status);
    is_news.then_some(Changes { schema: SchemaVersion, status, gone, relays })
}

/// Those who were members and are no more.
fn missing(before: Option<&NetworkStatus>, now: &NetworkStatus) -> Vec<String> {
    let members: BTreeSet<&str> = now.peers.iter().map(|peer| peer.node_id.as_str()).collect();
    let held = before.iter().flat_map(|held| &held.peers).map(|peer| &peer.node_id);
    held.filter(|node| !members.contains(node.as_str())).cloned().collect()
}

/// Whether a peer is as it was, but for how long ago something was.
fn is_alike(before: &PeerStatus, now: &PeerStatus) -> bool {
    timeless(before) == timeless(now)
}

fn timeless(peer: &PeerStatus) -> PeerStatus {
    let mut peer = peer.clone();
    if let Some(session) = &mut peer.session {
        session.age_s = 0;
        session.last_received_s = None;
    }
    peer
}

/// A status without peers and without the time.
fn rest(status: &Status) -> Status {
    let mut status = status.clone();
    status.uptime_s = 0;
    for network in &mut status.networks {
        network.peers.clear();
    }
    status
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn peer(name: &str, bytes: u64, age_s: u64) -> Value {
        json!({
            "name": name, "fqdn": format!("{name}.home.alt"), "address": "fd42::1", "node_id": format!("id-{name}"),
            "rights": [], "groups": [], "online": true, "control": true,
            "path": { "kind": "direct", "endpoint": "192.0.2.1:42042", "relay": null, "rtt_ms": 1.0 },
            "session": { "established": "2026-11-20T20:00:00Z", "age_s": age_s, "last_received_s": 0.5, "cipher": "x" },
            "rx_bytes": bytes, "tx_bytes": 0, "rotations": 0
        })
    }

    fn view(uptime_s: u64, peers: &[Value]) -> View {
        let status = json!({
            "schema": 1, "version": "0.1.0", "state": "ready", "uptime_s": uptime_s, "attention": [],
            "dns": { "listening": [], "integration": "none" },
            "networks": [{
                "label": "home", "id": "network", "prefix": "fd42::/48", "interface": "hollow0", "name": "alice",
                "fqdn": "alice.home.alt", "address": "fd42::a", "node_id": "id-alice", "rights": [],
                "control": { "listen": [], "peers": 1 }, "data": { "listen": [], "observed": [], "mapped": null },
                "home_relay": null, "peers": peers, "revoked": 0, "drops": {}
            }]
        });
        let relays = json!({ "schema": 1, "relays": [], "own": [] });
        View { status: serde_json::from_value(status).unwrap(), relays: serde_json::from_value(relays).unwrap() }
    }

    fn names(changes: &Changes) -> Vec<&str> {
        changes.status.networks[0].peers.iter().map(|peer| peer.name.as_str()).collect()
    }

    #[test]
    fn time_alone_changes_nothing() {
        let before = view(10, &[peer("bob", 1, 5)]);
        assert_eq!(changes(&before, &view(11, &[peer("bob", 1, 6)])), None);
    }

    #[test]
    fn of_many_only_those_are_told_of_who_have_changed_come_or_gone() {
        let before = view(10, &[peer("bob", 1, 5), peer("carol", 1, 5), peer("dave", 1, 5)]);
        let now = view(11, &[peer("bob", 1, 6), peer("carol", 2, 6), peer("erin", 0, 0)]);
        let changes = changes(&before, &now).unwrap();
        assert_eq!(names(&changes), ["carol", "erin"]);
        assert_eq!(changes.gone, BTreeMap::from([("network".to_owned(), vec!["id-dave".to_owned()])]));
        assert_eq!(changes.relays, None);
    }

    #[test]
    fn what_is_not_of_peers_is_news_by_itself() {
        let before = view(10, &[peer("bob", 1, 5)]);
        let mut now = view(11, &[peer("bob", 1, 6)]);
        now.status.networks[0].revoked = 1;
        assert_eq!(names(&changes(&before, &now).unwrap()), Vec::<&str>::new());
    }
}
