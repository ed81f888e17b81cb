//! Random super-packets through cutting and gathering, against the reference.

use std::collections::{BTreeMap, VecDeque};
use std::io::IoSlice;

use holloway_mesh::{Gather, LocalPacket, TunOffload, VirtioHeader};

use crate::prove;
use crate::reference::{ACK, PSH, Received, TCP, UDP, be16, finish, is_sound, kernel, plain, put16};
use crate::stream::{Rng, Stream, pool};

const ALL: TunOffload = TunOffload { virtio: true, tso: true, uso: true };

/// The buffer of one receive.
#[derive(Default)]
struct Receive {
    bytes: Vec<u8>,
    packets: Vec<(usize, bool)>,
}

impl Receive {
    fn push(&mut self, packet: &[u8], is_unfilled: bool) {
        self.bytes.extend_from_slice(packet);
        self.packets.push((packet.len(), is_unfilled));
    }

    /// Its packets, each with whether its checksum is not filled in.
    fn packets(&mut self) -> VecDeque<(&mut [u8], bool)> {
        let mut rest = self.bytes.as_mut_slice();
        let split = |(len, is_unfilled): &(usize, bool)| {
            let (packet, behind) = std::mem::take(&mut rest).split_at_mut(*len);
            rest = behind;
            (packet, *is_unfilled)
        };
        self.packets.iter().map(split).collect()
    }
}

/// The payload of each piece, where the stream can be cut for a limit.
fn step(stream: &Stream, is_super: bool, limit: usize) -> Option<usize> {
    let allowed = limit.checked_sub(stream.header_len()).filter(|allowed| *allowed > 0)?;
    let payload = stream.payload_len();
    match (is_super, stream.protocol) {
        (true, TCP) => Some(allowed.min(stream.size)),
        (true, _) => (stream.size.min(payload) <= allowed).then_some(stream.size),
        (false, TCP) => Some(if payload <= allowed { payload } else { allowed }),
        (false, _) => (payload <= allowed).then_some(payload),
    }
}

fn random_limit(rng: &mut Rng, stream: &Stream) -> usize {
    if rng.one_in(50) {
        return rng.below(stream.header_len() + 1);
    }
    let least = (stream.payload_len() / 200).max(if rng.one_in(2) { 1 } else { 1200 });
    stream.header_len() + least + rng.magnitude(0, 9000)
}

/// Cuts a stream and compares every piece; `None` where it may not be cut.
fn cut(rng: &mut Rng, stream: &Stream, pool: &[u8]) -> Option<(Receive, Vec<Vec<u8>>)> {
    let is_super = !rng.one_in(8);
    let limit = random_limit(rng, stream);
    let (virtio, mut packet) = stream.local(pool, is_super);
    let virtio = VirtioHeader::decode(&virtio).expect("a header that the kernel writes");
    let local = LocalPacket::parse(Some(&virtio), &mut packet).expect("a packet that the kernel gives");
    let (step, local) = (step(stream, is_super, limit), local.cut(limit));
    assert_eq!(step.is_some(), local.is_ok(), "limit {limit}");
    let (step, mut pieces) = (step?, local.ok()?);
    let expected = stream.packets(pool, step);
    let completes = rng.one_in(4);
    let mut receive = Receive::default();
    for (index, expected) in expected.iter().enumerate() {
        assert_eq!(pieces.count(), stream.payload_len().div_ceil(step) - index);
        let mut piece = pieces.next().expect("one for each expected");
        assert!(piece.packet.len() <= limit);
        assert_eq!(piece.is_unfilled, stream.is_plain(), "only plain headers travel without a checksum");
        if completes {
            piece.complete_checksum();
        }
        receive.push(piece.packet, piece.is_unfilled);
        let mut finished = piece.packet.to_vec();
        if piece.is_unfilled {
            holloway_mesh::complete_checksum(&mut finished).expect("it has plain headers");
        }
        assert!(finished == *expected, "piece {index} of {limit} bytes at most:\n{finished:x?}\n{expected:x?}");
    }
    assert!(pieces.next().is_none() && pieces.count() == 0);
    Some((receive, expected))
}

/// What the local stack makes of a write, with or without virtio headers.
fn received(write: &[IoSlice<'_>], offload: TunOffload) -> Vec<Received> {
    if offload.virtio {
        return kernel(write);
    }
    assert_eq!(write.len(), 1);
    vec![Received { packet: write[0].to_vec(), is_trusted: false, is_cut: false }]
}

/// How many writes one stream alone takes.
fn writes(stream: &Stream, expected: &[Vec<u8>], offload: TunOffload) -> Option<usize> {
    let granted = offload.virtio && if stream.protocol == TCP { offload.tso } else { offload.uso };
    let is_data = stream.protocol == UDP || stream.flags & !PSH == ACK;
    let (mut writes, mut count, mut total) = (1, 0, stream.header_len());
    for packet in expected {
        let payload = packet.len() - stream.header_len();
        if count == 64 || total + payload > 65_535 {
            (writes, count, total) = (writes + 1, 0, stream.header_len());
        }
        (count, total) = (count + 1, total + payload);
    }
    (granted && is_data && stream.is_plain()).then_some(writes)
}

/// Gathers what was cut, mixed by chance, and compares what the local stack gets with what was sent.
fn gather(rng: &mut Rng, streams: &[Stream], mut receives: Vec<Receive>, mut expected: Vec<VecDeque<Vec<u8>>>) {
    let offload = TunOffload { virtio: !rng.one_in(10), tso: !rng.one_in(10), uso: !rng.one_in(4) };
    let alone = match (streams, expected.as_mut_slice()) {
        ([stream], [packets]) => writes(stream, packets.make_contiguous(), offload),
        _ => None,
    };
    let mut waiting: Vec<_> = receives.iter_mut().map(Receive::packets).collect();
    let mut count = 0;
    let mut write = |slices: &[IoSlice<'_>]| {
        count += 1;
        for Received { packet, .. } in received(slices, offload) {
            let stream = expected.iter_mut().find(|stream| stream.front() == Some(&packet));
            assert!(stream.and_then(VecDeque::pop_front).is_some(), "not what was sent, or not next: {packet:x?}");
        }
    };
    let mut gather = Gather::new(offload);
    while !waiting.is_empty() {
        let at = rng.below(waiting.len());
        let Some((packet, is_unfilled)) = waiting[at].pop_front() else {
            waiting.swap_remove(at);
            continue;
        };
        gather.push(packet, is_unfilled, &mut write).expect("a plain packet");
    }
    gather.flush(&mut write);
    assert!(expected.iter().all(VecDeque::is_empty), "something is missing");
    assert!(alone.is_none_or(|writes| writes == count), "{count} writes instead of {alone:?}");
}

#[test]
fn what_is_cut_and_gathered_is_what_a_plain_sender_sends() {
    let pool = pool();
    prove("cut and gather", |seed| {
        let rng = &mut Rng(seed);
        let count = if rng.one_in(3) { 2 + rng.below(3) } else { 1 };
        let streams: Vec<_> = (0..count).map(|number| Stream::random(rng, number as u8, &pool)).collect();
        let cut: Vec<_> = streams.iter().filter_map(|stream| cut(rng, stream, &pool)).collect();
        let (receives, expected): (Vec<_>, Vec<_>) =
            cut.into_iter().map(|(receive, packets)| (receive, VecDeque::from(packets))).unzip();
        if !receives.is_empty() {
            let streams = if receives.len() == streams.len() { &streams[..] } else { &[] };
            gather(rng, streams, receives, expected);
        }
    });
}

/// What a hostile or broken sender makes of a packet: a bit flipped among the first, another length, nothing.
fn damage(rng: &mut Rng, packet: &mut Vec<u8>) {
    match rng.below(8) {
        0..=2 => {
            let at = rng.below(packet.len().min(100));
            packet[at] ^= 1 << rng.below(8);
        }
        3 => {
            let at = rng.below(packet.len());
            packet[at] = rng.next() as u8;
        }
        4 => packet.truncate(1 + rng.below(packet.len())),
        _ => {}
    }
}

/// What the local stack should get for a received packet: nothing where its flag is a lie.
fn delivered(packet: &[u8], is_unfilled: bool) -> Option<Vec<u8>> {
    let mut packet = packet.to_vec();
    match plain(&packet) {
        Some(found) if is_unfilled => finish(&mut packet, &found),
        None if is_unfilled => return None,
        Some(_) | None => {}
    }
    Some(packet)
}

/// Version, protocol, addresses and ports of a plain packet; others are one flow.
fn flow(packet: &[u8]) -> Vec<u8> {
    plain(packet).map_or_else(Vec::new, |found| {
        let addresses = if found.at == 20 { &packet[12..20] } else { &packet[8..40] };
        [&[found.protocol], addresses, &packet[found.at..found.at + 4]].concat()
    })
}

/// What cutting may change: the identification of packets that are never fragmented (RFC 6864 §4.1), and how a TCP
/// checksum of zero is written.
fn comparable(packet: &[u8], is_cut: bool) -> Vec<u8> {
    let mut packet = packet.to_vec();
    let found = plain(&packet).filter(|_| is_cut);
    if let Some(found) = found {
        if found.at == 20 && be16(&packet, 6) & 0x4000 != 0 {
            put16(&mut packet, 4, 0);
            put16(&mut packet, 10, 0);
        }
        if be16(&packet, found.checksum_at()) == 0xffff {
            put16(&mut packet, found.checksum_at(), 0);
        }
    }
    packet
}

#[test]
fn no_damaged_packet_becomes_a_valid_one_and_no_flow_is_reordered() {
    let pool = pool();
    prove("gather what is damaged", |seed| {
        let rng = &mut Rng(seed ^ 0x5a5a_0000_0000);
        let mut receive = Receive::default();
        let mut expected: BTreeMap<Vec<u8>, VecDeque<(Vec<u8>, bool)>> = BTreeMap::new();
        let streams = 1 + rng.below(3);
        for number in 0..streams {
            let stream = Stream::random(rng, number as u8, &pool);
            let longest = stream.payload_len().div_ceil(16).max(8);
            for mut packet in stream.packets(&pool, longest) {
                damage(rng, &mut packet);
                receive.push(&packet, rng.one_in(2));
            }
        }
        let mut gather = Gather::new(ALL);
        let mut written = Vec::new();
        let mut write = |slices: &[IoSlice<'_>]| written.extend(kernel(slices));
        for (packet, is_unfilled) in receive.packets() {
            let delivered = delivered(packet, is_unfilled);
            assert_eq!(gather.push(packet, is_unfilled, &mut write).is_ok(), delivered.is_some());
            // The packet itself is borrowed now; what is expected was copied before.
            if let Some(delivered) = delivered {
                expected.entry(flow(&delivered)).or_default().push_back((delivered, is_unfilled));
            }
        }
        gather.flush(&mut write);
        for Received { packet, is_trusted, is_cut } in written {
            let (sent, was_unfilled) =
                expected.get_mut(&flow(&packet)).and_then(VecDeque::pop_front).expect("it was sent");
            assert!(comparable(&packet, is_cut) == comparable(&sent, is_cut), "changed or out of order");
            let is_sound = plain(&sent).is_some_and(|found| is_sound(&sent, &found));
            assert!(was_unfilled || !is_trusted || is_sound, "a damaged packet is said to be whole");
        }
        assert!(expected.values().all(VecDeque::is_empty), "something is missing");
    });
}
