//! The same promises of the store in a file and at a server, and what is pure beside them.

mod observing;
mod postgres;
mod promises;
mod secrets;
mod synthesis;

use holloway_dashboard::api::{Relays, Status};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::open::ConsoleStore;
use postgres::Server;

/// A store of each kind.
struct Stores {
    file: ConsoleStore,
    server: ConsoleStore,
    _dir: TempDir,
    postgres: Server,
}

impl Stores {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let postgres = Server::start();
        Self {
            file: ConsoleStore::open_file(&dir.path().join("console.db"), "machine-a").await.unwrap(),
            server: ConsoleStore::open_server(&postgres.url(), "machine-a").await.unwrap(),
            _dir: dir,
            postgres,
        }
    }

    fn each(&self) -> [ConsoleStore; 2] {
        [self.file.clone(), self.server.clone()]
    }
}

/// A peer as a status has it; bytes received and sent, and over which relay, if there is a session.
fn peer(name: &str, session: Option<(u64, u64, Option<&str>)>) -> Value {
    let (rx, tx, relay) = session.unwrap_or_default();
    let kind = match (session.is_some(), relay) {
        (false, _) => "none",
        (true, None) => "direct",
        (true, Some(_)) => "relay",
    };
    let endpoint = (kind == "direct").then_some("192.0.2.1:42042");
    let established =
        json!({ "established": "2026-11-20T20:00:00Z", "age_s": 1, "last_received_s": 0.5, "cipher": "x" });
    json!({
        "name": name, "fqdn": format!("{name}.home.alt"), "address": "fd42::1", "node_id": format!("id-{name}"),
        "rights": [], "groups": [], "online": session.is_some(), "control": true,
        "path": { "kind": kind, "endpoint": endpoint, "relay": relay, "rtt_ms": session.map(|_| 12.5) },
        "session": session.map(|_| established), "rx_bytes": rx, "tx_bytes": tx, "rotations": 0
    })
}

fn status(peers: &[Value], dropped: u64) -> Status {
    serde_json::from_value(json!({
        "schema": 1, "version": "0.1.0", "state": "ready", "uptime_s": 1, "on": true, "attention": [],
        "dns": { "listening": [], "integration": "none" },
        "networks": [{
            "label": "home", "id": "network", "prefix": "fd42::/48", "interface": "hollow0", "name": "alice",
            "fqdn": "alice.home.alt", "address": "fd42::a", "node_id": "id-alice", "rights": ["admin", "issue"],
            "control": { "listen": [], "peers": 1 }, "data": { "listen": [], "observed": [], "mapped": null },
            "home_relay": null, "peers": peers, "revoked": 0, "drops": { "no_route": dropped }
        }]
    }))
    .unwrap()
}

/// The relays, by name, standing and round-trip time.
fn relays(known: &[(&str, &str, f64)]) -> Relays {
    let relay = |(name, standing, rtt): &(&str, &str, f64)| {
        json!({
            "network": "home", "name": name, "node_id": format!("id-{name}"), "region": "", "place": null,
            "load_percent": 40, "members": 7, "capacity_mbps": 1000, "endpoints": [], "version": "0.1.0",
            "draining": false, "links": [], "standing": standing, "rtt_ms": rtt, "endpoint": null, "stream": false,
            "current": false
        })
    };
    let known: Vec<Value> = known.iter().map(relay).collect();
    serde_json::from_value(json!({ "schema": 1, "relays": known, "own": [] })).unwrap()
}
