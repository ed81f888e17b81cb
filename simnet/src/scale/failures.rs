//! What happens when a link, a relay or half of all links between relays fail, and how long it takes.

use std::time::Duration;

use holloway_wire::{Instant, NodeId};

use super::asking::Ask;
use super::network::{Cut, Network, Watch};
use super::party::{HOMES, Number};
use super::steady::some;

/// Pairs that ask for channels at each failure.
const PAIRS: usize = 200;

/// They bind before it, and ask again within this after it.
const BINDS_WITHIN: Duration = Duration::from_secs(5);

/// How long a failure is watched: a ping, its tries, and the gossip of it all lie within.
const WATCHED: Duration = Duration::from_secs(60);

/// How long the relays stay apart: until all know it.
const APART: Duration = Duration::from_secs(45);

/// How often is looked whether members are registered elsewhere.
const STEP: Duration = Duration::from_millis(250);

/// How long something took, of those who got there at all.
#[derive(Debug, Clone, Copy, Default)]
pub struct Times {
    /// How many there are.
    pub of: usize,
    /// How many got there.
    pub done: usize,
    /// Seconds that 95 in 100 of these took at most.
    pub p95: f64,
    /// Seconds that the slowest took.
    pub max: f64,
}

/// What failures do.
#[derive(Debug, Clone, Copy, Default)]
pub struct Convergence {
    /// A link is cut: seconds until every relay has heard so from both ends.
    pub cut_heard: Times,
    /// Binds that led over it.
    pub cut_binds: Times,
    /// A relay dies: seconds until every relay has heard that it is gone from all that had a link to it.
    pub death_heard: Times,
    /// Binds to and from its members.
    pub death_binds: Times,
    /// Its members, until each has a home relay and a standby again.
    pub death_registered: Times,
    /// The relays were apart in two halves and come together: binds across.
    pub heal_binds: Times,
}

impl Times {
    fn new(of: usize, mut seconds: Vec<f64>) -> Self {
        seconds.sort_by(f64::total_cmp);
        let p95 = seconds.get(seconds.len() * 95 / 100).copied().unwrap_or(0.0);
        Self { of, done: seconds.len(), p95, max: seconds.last().copied().unwrap_or(0.0) }
    }
}

/// Lets one thing after the other fail.
pub(super) fn converge(network: &mut Network) -> Convergence {
    let mut convergence = Convergence::default();
    cut_a_link(network, &mut convergence);
    kill_a_relay(network, &mut convergence);
    heal(network, &mut convergence);
    convergence
}

fn cut_a_link(network: &mut Network, convergence: &mut Convergence) {
    let crowded = most_crowded(network);
    let Some(other) = network.parties[crowded as usize].registered().map(|(relay, _)| relay).next() else {
        return;
    };
    let (here, there) = (members_of(network, crowded), members_of(network, other));
    let pairs: Vec<(Number, Number)> = (0..PAIRS.min(here.len() * there.len()))
        .map(|at| (here[at % here.len()], there[(at / here.len() + at) % there.len()]))
        .collect();
    ask(network, &pairs);
    network.advance(BINDS_WITHIN);
    let (a, b) = (network.nodes[crowded as usize], network.nodes[other as usize]);
    watch_links(network, [(a, b), (b, a)]);
    network.cut(Cut::Between(crowded, other));
    let began = network.now;
    let asked = ask(network, &pairs);
    network.advance(WATCHED);
    convergence.cut_heard = heard(network, began);
    convergence.cut_binds = bound(network, asked);
    network.cut(Cut::Nowhere);
}

fn kill_a_relay(network: &mut Network, convergence: &mut Convergence) {
    let dead = most_crowded(network);
    let orphans = members_of(network, dead);
    let others: Vec<Number> = members(network).filter(|member| !orphans.contains(member)).collect();
    let some_orphans = some(&orphans, PAIRS / 2, &mut network.rng);
    let some_others = some(&others, PAIRS / 2, &mut network.rng);
    let to = some_others.iter().copied().zip(some_orphans.iter().copied());
    let from = some_orphans.iter().copied().zip(some_others.iter().copied());
    let pairs: Vec<(Number, Number)> = to.chain(from).collect();
    ask(network, &pairs);
    network.advance(BINDS_WITHIN);
    let node = network.nodes[dead as usize];
    let linked: Vec<(NodeId, NodeId)> = (0..network.relays() as Number)
        .filter(|relay| network.server(*relay).snapshot().links.iter().any(|link| link.relay == node))
        .map(|relay| (network.nodes[relay as usize], node))
        .collect();
    watch_links(network, linked);
    network.kill(dead);
    let began = network.now;
    let asked = ask(network, &pairs);
    convergence.death_registered = registered_elsewhere(network, dead, began);
    convergence.death_heard = heard(network, began);
    convergence.death_binds = bound(network, asked);
}

/// Waits until a dead relay's members have others.
fn registered_elsewhere(network: &mut Network, dead: Number, began: Instant) -> Times {
    let mut waiting: Vec<Number> = members(network)
        .filter(|member| network.parties[*member as usize].registered().any(|(relay, _)| relay == dead))
        .collect();
    let (of, mut seconds) = (waiting.len(), Vec::new());
    while network.now.since(began) < WATCHED {
        network.advance(STEP);
        let now = network.now.since(began).as_secs_f64();
        waiting.retain(|member| {
            let held: Vec<Number> = network.parties[*member as usize].registered().map(|(relay, _)| relay).collect();
            let is_there = held.len() == HOMES && !held.contains(&dead);
            seconds.extend(is_there.then_some(now));
            !is_there
        });
    }
    Times::new(of, seconds)
}

fn heal(network: &mut Network, convergence: &mut Convergence) {
    let is_west = |network: &Network, member: &Number| {
        let home = network.parties[*member as usize].registered().next();
        home.is_some_and(|(relay, _)| network.parties[relay as usize].place.is_west())
    };
    let (west, east): (Vec<Number>, Vec<Number>) = members(network).partition(|member| is_west(network, member));
    let (west, east) = (some(&west, PAIRS, &mut network.rng), some(&east, PAIRS, &mut network.rng));
    network.cut(Cut::Halves);
    network.advance(APART);
    network.cut(Cut::Nowhere);
    let pairs: Vec<(Number, Number)> = west.into_iter().zip(east).collect();
    let asked = ask(network, &pairs);
    network.advance(WATCHED);
    convergence.heal_binds = bound(network, asked);
}

fn members(network: &Network) -> impl Iterator<Item = Number> + use<> {
    network.relays() as Number..network.parties.len() as Number
}

/// Members whose home relay it is.
fn members_of(network: &Network, relay: Number) -> Vec<Number> {
    let is_home = |member: &Number| {
        let home = network.parties[*member as usize].registered().next();
        home.is_some_and(|(home, _)| home == relay)
    };
    members(network).filter(is_home).collect()
}

fn most_crowded(network: &Network) -> Number {
    let alive = (0..network.relays() as Number).filter(|relay| !network.is_dead(*relay));
    alive.max_by_key(|relay| network.server(*relay).snapshot().members).expect("there are relays")
}

/// Pairs ask for channels from now on; gives the numbers of what they ask.
fn ask(network: &mut Network, pairs: &[(Number, Number)]) -> std::ops::Range<usize> {
    let first = network.asks.len();
    for (from, to) in pairs {
        network.asks(Ask::new(*from, *to), Duration::ZERO);
    }
    first..network.asks.len()
}

fn bound(network: &Network, asked: std::ops::Range<usize>) -> Times {
    let asks = &network.asks[asked];
    let after = |ask: &Ask| ask.bound.as_ref().map(|bound| bound.after.as_secs_f64());
    Times::new(asks.len(), asks.iter().filter_map(after).collect())
}

fn watch_links(network: &mut Network, gone: impl IntoIterator<Item = (NodeId, NodeId)>) {
    network.watch = Watch { gone: gone.into_iter().collect(), ..Watch::default() };
}

fn heard(network: &Network, began: Instant) -> Times {
    let alive = (0..network.relays() as Number).filter(|relay| !network.is_dead(*relay)).count();
    let of = network.watch.gone.len() * (alive - 1);
    let max = network.watch.last.map_or(0.0, |last| last.since(began).as_secs_f64());
    Times { of, done: network.watch.heard.len(), p95: max, max }
}
