//! Gossip among all nodes: a mesh of fixed degree, a few messages flooded through it, and what every message costs.
//!
//! Modelled on gossipsub as `control` sets it up: it forwards whole messages to the neighbours in its mesh, and tells
//! some others the ids of what it has. Messages that people want back by id are not modelled: nothing gets lost here.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use super::plane::Place;

/// Neighbours to whom messages go: gossipsub's D.
const DEGREE: usize = 6;

/// Neighbours besides who are told ids: gossipsub's `D_lazy`. A node dials six and is dialled by six.
const LAZY: f64 = 6.0;

/// Heartbeats, one a second, at which a message's id is told (`history_gossip`).
const ID_TOLD: f64 = 3.0;

/// A message's id with its field's head.
const ID_BYTES: f64 = 18.0;

/// Author, sequence number, topic (`/holloway/<network>/1`), signature and field heads around a message.
const ENVELOPE_BYTES: usize = 40 + 10 + 67 + 66 + 9;

/// One message on a TCP connection: yamux and Noise heads, IPv4 and TCP with timestamps.
pub(super) const STREAM_OVERHEAD: usize = 12 + 18 + 52;

/// Until a message is judged and goes on: signatures, and the turn of the engine.
const JUDGED_AFTER: Duration = Duration::from_millis(1);

/// Who passes messages on to whom.
pub(super) struct Mesh {
    neighbours: Vec<[u32; DEGREE]>,
}

/// How one message went through the mesh.
pub(super) struct Flood {
    /// Times that it was sent.
    pub(super) sent: u64,
    /// Times that it came to someone who had it.
    pub(super) duplicates: u64,
    /// When each node had it, in microseconds.
    pub(super) delays: Vec<u32>,
}

impl Mesh {
    /// A mesh of three random rings: everyone has six neighbours, and everyone is reached.
    pub(super) fn new(nodes: usize, rng: &mut StdRng) -> Self {
        let mut neighbours = vec![[0; DEGREE]; nodes];
        let mut ring: Vec<u32> = (0..nodes as u32).collect();
        for place in 0..DEGREE / 2 {
            ring.shuffle(rng);
            for (at, node) in ring.iter().enumerate() {
                let next = ring[(at + 1) % nodes];
                neighbours[*node as usize][2 * place] = next;
                neighbours[next as usize][2 * place + 1] = *node;
            }
        }
        Self { neighbours }
    }

    /// Sends a message through the mesh, each copy with the delay of its link.
    pub(super) fn flood(&self, origin: u32, places: &[Place]) -> Flood {
        const NOT_YET: u32 = u32::MAX;
        let mut flood = Flood { sent: 0, duplicates: 0, delays: vec![NOT_YET; places.len()] };
        let mut under_way = BinaryHeap::from([Reverse((0, origin, origin))]);
        while let Some(Reverse((at, node, from))) = under_way.pop() {
            if flood.delays[node as usize] != NOT_YET {
                flood.duplicates += 1;
                continue;
            }
            flood.delays[node as usize] = at;
            for next in self.neighbours[node as usize].into_iter().filter(|next| *next != from) {
                let delay = places[node as usize].delay(places[next as usize]) + JUDGED_AFTER;
                flood.sent += 1;
                under_way.push(Reverse((at + delay.as_micros() as u32, next, node)));
            }
        }
        flood
    }
}

/// Bytes of a message with this body, once sent.
pub(super) fn message_bytes(body: usize) -> f64 {
    (body + ENVELOPE_BYTES + STREAM_OVERHEAD) as f64
}

/// Bytes in a minute that one node spends on telling ids, with so many messages in a minute.
pub(super) fn id_bytes(messages: f64) -> f64 {
    let has_news = 1.0 - (-ID_TOLD * messages / 60.0).exp();
    let heads = 60.0 * has_news * (STREAM_OVERHEAD + 75) as f64;
    LAZY * (ID_TOLD * messages * ID_BYTES + heads)
}
