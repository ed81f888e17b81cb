//! The DHT: a Kademlia table for every node, and iterative lookups through them.
//!
//! Modelled on libp2p's Kademlia as `control` sets it up (k = 20, α = 3), over the real node ids and record keys.
//! Everyone answers. Tables are those of a network that has been there for a while: of each bucket's nodes any twenty.

use std::collections::BTreeSet;

use holloway_wire::{Digest, Domain, NetworkId, NodeId};
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::index::sample;

/// Nodes in a bucket, in an answer, and that hold a record.
pub(super) const K: usize = 20;
/// Questions under way at once.
const ALPHA: usize = 3;

/// Copies of a record that end a lookup (`VALUES_ENOUGH` in control).
const VALUES_ENOUGH: usize = 3;

/// What a lookup is to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Goal {
    /// The twenty nodes nearest to a key.
    Nearest,
    /// Copies of the record that these hold.
    Value,
}

/// How a lookup went.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lookup {
    /// Nodes that were asked.
    pub(super) asked: usize,
    /// Nodes from each to the next, to the one that is nearest to the key.
    pub(super) hops: usize,
    /// Whether the goal was reached: the truly nearest node, or enough values.
    pub(super) is_found: bool,
}

/// All nodes' routing tables.
pub(super) struct Dht {
    /// By which nodes are ordered; the first 128 bits tell them apart.
    ids: Vec<u128>,
    tables: Vec<Vec<u32>>,
}

struct Candidate {
    distance: u128,
    node: u32,
    hops: usize,
    is_asked: bool,
}

impl Dht {
    pub(super) fn new(nodes: impl Iterator<Item = NodeId>, rng: &mut StdRng) -> Self {
        let mut ids: Vec<u128> = nodes.map(|node| first_bits(node.as_bytes())).collect();
        ids.sort_unstable();
        let tables = (0..ids.len()).map(|node| table(&ids, node, rng)).collect();
        Self { ids, tables }
    }

    /// Names in tables, on average.
    pub(super) fn table_len(&self) -> f64 {
        self.tables.iter().map(Vec::len).sum::<usize>() as f64 / self.tables.len() as f64
    }

    pub(super) fn anyone(&self, rng: &mut StdRng) -> u32 {
        rng.random_range(0..self.ids.len() as u32)
    }

    /// Asks from node to node until the twenty nearest that are known have answered, or there are values enough.
    pub(super) fn look_up(&self, from: u32, key: u128, goal: Goal) -> Lookup {
        let holders: BTreeSet<u32> = self.nearest_of_all(key).into_iter().collect();
        let mut known: Vec<Candidate> = Vec::new();
        let mut seen = BTreeSet::from([from]);
        let own = self.nearest(from, key);
        self.learn(&mut known, &mut seen, &own, key, 1);
        let (mut asked, mut values, mut first_value) = (0, 0, None);
        loop {
            let next: Vec<usize> = (0..known.len().min(K)).filter(|at| !known[*at].is_asked).take(ALPHA).collect();
            if next.is_empty() || (goal == Goal::Value && values >= VALUES_ENOUGH) {
                break;
            }
            let mut answers = Vec::new();
            for at in next {
                let Candidate { node, hops, .. } = known[at];
                known[at].is_asked = true;
                asked += 1;
                if goal == Goal::Value && holders.contains(&node) {
                    values += 1;
                    first_value.get_or_insert(hops);
                } else {
                    answers.push((self.nearest(node, key), hops + 1));
                }
            }
            answers.iter().for_each(|(nodes, hops)| self.learn(&mut known, &mut seen, nodes, key, *hops));
        }
        let nearest = known.first().map_or(0, |candidate| candidate.hops);
        let is_nearest = known.first().is_some_and(|candidate| holders.contains(&candidate.node));
        match goal {
            Goal::Nearest => Lookup { asked, hops: nearest, is_found: is_nearest },
            Goal::Value => Lookup { asked, hops: first_value.unwrap_or(nearest), is_found: values >= VALUES_ENOUGH },
        }
    }

    fn learn(&self, known: &mut Vec<Candidate>, seen: &mut BTreeSet<u32>, nodes: &[u32], key: u128, hops: usize) {
        for node in nodes.iter().copied().filter(|node| seen.insert(*node)) {
            known.push(Candidate { distance: self.ids[node as usize] ^ key, node, hops, is_asked: false });
        }
        known.sort_by_key(|candidate| candidate.distance);
    }

    /// What a node answers: the nearest in its table.
    fn nearest(&self, node: u32, key: u128) -> Vec<u32> {
        let mut nodes = self.tables[node as usize].clone();
        self.keep_nearest(&mut nodes, key);
        nodes
    }

    /// The nearest of all: they share the key's first bits, or nearly so.
    fn nearest_of_all(&self, key: u128) -> Vec<u32> {
        let mut bits = 0;
        let mut block = 0..self.ids.len();
        loop {
            let smaller = range(&self.ids, key, bits + 1);
            if smaller.len() < K || bits > 64 {
                break;
            }
            (block, bits) = (smaller, bits + 1);
        }
        let mut nodes: Vec<u32> = block.map(|node| node as u32).collect();
        self.keep_nearest(&mut nodes, key);
        nodes
    }

    fn keep_nearest(&self, nodes: &mut Vec<u32>, key: u128) {
        let distance = |node: &u32| self.ids[*node as usize] ^ key;
        if nodes.len() > K {
            nodes.select_nth_unstable_by_key(K, distance);
            nodes.truncate(K);
        }
    }
}

/// Where a node's record is found (`record_key` in mesh).
pub(super) fn record_key(network: &NetworkId, node: &NodeId) -> u128 {
    first_bits(&Digest::of(Domain::Record, &[network.as_bytes(), node.as_bytes()]).0)
}

fn first_bits(bytes: &[u8; 32]) -> u128 {
    bytes.iter().take(16).fold(0, |bits, byte| bits << 8 | u128::from(*byte))
}

/// The nodes whose first bits are those of `of`.
fn range(ids: &[u128], of: u128, bits: u32) -> std::ops::Range<usize> {
    let first = of & !(u128::MAX.checked_shr(bits).unwrap_or(0));
    let last = first | u128::MAX.checked_shr(bits).unwrap_or(0);
    ids.partition_point(|id| *id < first)..ids.partition_point(|id| *id <= last)
}

/// Up to twenty nodes of each bucket: those that share so many first bits with the node, and not the next.
fn table(ids: &[u128], node: usize, rng: &mut StdRng) -> Vec<u32> {
    let mut table = Vec::new();
    for shared in 0..u128::BITS {
        let bucket = range(ids, ids[node] ^ (1 << (127 - shared)), shared + 1);
        if bucket.len() <= K {
            table.extend(bucket.map(|node| node as u32));
        } else {
            table.extend(sample(rng, bucket.len(), K).iter().map(|at| (bucket.start + at) as u32));
        }
        if range(ids, ids[node], shared + 1).len() == 1 {
            break;
        }
    }
    table.shrink_to_fit();
    table
}
