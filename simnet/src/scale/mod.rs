//! How the control plane grows: many relays and members, and what each costs the others.
//!
//! Real are the relays (`holloway_relay::Server`), every datagram between them and their members, all signatures of
//! registrations and announcements, and the bytes of what is gossiped and of records. Modelled are the members and how
//! relays choose their links (by the times of `mesh`), gossip (a mesh of degree 6, of which a few floods are sampled) and
//! the DHT (Kademlia with k = 20 and α = 3). Time is virtual, and a seed repeats a run.
//!
//! Not modelled: anything that costs a node the same in every network - pings between neighbours, sync, sessions.

mod asking;
mod dht;
mod failures;
mod gossip;
mod network;
mod party;
mod plane;
mod steady;
mod traffic;

use std::time::Duration;

pub use failures::{Convergence, Times};
pub use steady::{Binds, Finding, Gossip};
pub use traffic::{Kind, Traffic};

/// How large a network is to be.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Members, relays not counted.
    pub nodes: usize,
    /// Relays.
    pub relays: usize,
    /// Repeats a run.
    pub seed: u64,
    /// How long the network is watched while nothing fails.
    pub window: Duration,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Report {
    /// Members that are registered with a home relay and a standby.
    pub registered: usize,
    /// Bytes that each node costs in a minute.
    pub bytes: Traffic,
    /// The same if relays spoke of themselves as often as they do while nobody asks for channels.
    pub quiet: Traffic,
    /// Bytes that it takes a member to be registered, once.
    pub registering_bytes: f64,
    /// Announcements by gossip.
    pub gossip: Gossip,
    /// Records in the DHT.
    pub finding: Finding,
    /// Channels while nothing failed.
    pub binds: Binds,
    /// What failures do.
    pub convergence: Convergence,
    /// Memory of a relay that knows all others, and of one registration there, as far as they can be told.
    pub memory: Memory,
}

/// Memory in bytes, by what the process grew.
#[derive(Debug, Clone, Copy, Default)]
pub struct Memory {
    /// For each relay, before anyone has registered.
    pub relay: f64,
    /// For each registration, with what the simulation itself needs for its timer.
    pub registration: f64,
}

/// Lets a network come up, watches it, and lets parts of it fail. `rss` tells the memory of the process, if it can.
pub fn run(plan: &Plan, rss: &dyn Fn() -> Option<u64>) -> Report {
    let mut stage = steady::Stage::new(plan);
    let relays_before = rss();
    let announced_alone = stage.relays_come_up();
    let relays_after = rss();
    let registering_bytes = stage.members_come_up();
    let members_after = rss();
    let registered = stage.registered();
    let finding = stage.find();
    let watched = stage.watch(plan.window, announced_alone);
    let bytes = stage.bytes(&watched, watched.gossip.watched_per_minute, &finding);
    let quiet = stage.bytes(&watched, watched.gossip.alone_per_minute, &finding);
    let convergence = failures::converge(&mut stage.network);
    let grown = |before: Option<u64>, after: Option<u64>, by: usize| {
        before.zip(after).map_or(f64::NAN, |(before, after)| after.saturating_sub(before) as f64 / by.max(1) as f64)
    };
    let memory = Memory {
        relay: grown(relays_before, relays_after, plan.relays),
        registration: grown(relays_after, members_after, 2 * plan.nodes),
    };
    let steady::Watched { gossip, binds, .. } = watched;
    Report { registered, bytes, quiet, registering_bytes, gossip, finding, binds, convergence, memory }
}
