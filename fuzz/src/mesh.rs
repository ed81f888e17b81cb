//! The inputs of a node of `holloway-mesh`: whatever comes, it goes on, and counts what it dropped. And those of a lane:
//! what it cuts and gathers keeps its payload.

use std::io::IoSlice;
use std::sync::Arc;

use holloway_mesh::{
    Channel, ControlEvent, Forwarding, Gather, GossipToken, Identity, LocalPacket, Node, Output, Reassembly, RequestId,
    ResponseToken, Sealer, SecureRng, Settings, StoreToken, Stored, TunOffload, VirtioHeader, bundled, found,
    packet_too_big,
};
use holloway_wire::{
    Endpoint, EndpointAnnouncement, IdentityKey, Instant, Label, Now, Publication, RecordFlags, RecordKind, Signed,
    StaticSecret, UnixTime,
};
use rand::SeedableRng;
use rand::rngs::StdRng;

/// A function that must not panic, whatever the bytes.
pub type Entry = fn(&[u8]);

/// Every entry with the folder of its seeds.
pub const ENTRIES: [(&str, Entry); 6] = [
    ("mesh_datagram", mesh_datagram),
    ("mesh_control", mesh_control),
    ("mesh_session", mesh_session),
    ("mesh_local_packet", mesh_local_packet),
    ("mesh_bundle", mesh_bundle),
    ("mesh_fragments", mesh_fragments),
];

/// How many outputs one input may cause: far more than any does.
const OUTPUTS_MAX: usize = 10_000;

fn rng(seed: u64) -> Box<dyn SecureRng> {
    Box::new(StdRng::seed_from_u64(seed))
}

fn now(seconds: u64) -> Now {
    Now { monotonic: Instant::from_nanos(seconds * 1_000_000_000), unix: UnixTime::from_secs(1_800_000_000 + seconds) }
}

fn endpoint(last: u8) -> Endpoint {
    Endpoint::udp(([192, 0, 2, last], 4242).into())
}

fn label(text: &str) -> Label {
    text.parse().expect("a label")
}

fn identity(root: u8, key: u8, name: &str) -> Identity {
    let (root, key) = (IdentityKey::from_bytes(&[root; 32]), IdentityKey::from_bytes(&[key; 32]));
    let static_key = StaticSecret::from_bytes([key.to_bytes()[0] ^ 0x80; 32]);
    found(&root, key, static_key, label("home"), label(name), now(0))
}

/// A node that knows another member and where it is.
fn node(own: (u8, &str), other: (u8, &str)) -> Node {
    let (identity, peer) = (identity(1, own.0, own.1), identity(1, other.0, other.1));
    let announcement = EndpointAnnouncement {
        node: peer.node_id(),
        sequence: 1,
        expires: UnixTime::from_secs(u64::MAX / 2_000_000_000),
        endpoints: vec![endpoint(other.0).socket_addr()],
        control: Vec::new(),
        home_peers: Vec::new(),
        relays: Vec::new(),
    };
    let signed = Signed::sign(announcement, &peer.key, &peer.network);
    let publications = vec![Publication::Certificate(peer.chain[0].clone()), Publication::Endpoints(signed)];
    Node::new(identity, Settings::default(), Stored { publications, ..Stored::default() }, rng(own.0.into()), now(1))
}

/// Everything that a node has to say; it comes to an end.
fn drain(node: &mut Node) -> Vec<Output> {
    let outputs: Vec<Output> = std::iter::from_fn(|| node.poll_output()).take(OUTPUTS_MAX).collect();
    assert!(outputs.len() < OUTPUTS_MAX, "outputs without end");
    outputs
}

/// Time goes on for a while; timers come to an end as well.
fn settle(node: &mut Node, from: u64) {
    for seconds in from..from + 5 {
        node.handle_timeout(now(seconds));
        drain(node);
    }
    let _ = node.snapshot(now(from + 5));
}

fn datagrams(outputs: Vec<Output>) -> Vec<Vec<u8>> {
    let datagram = |output| match output {
        Output::Transmit { datagram, .. } => Some(datagram),
        Output::Tun(_)
        | Output::Control(_)
        | Output::Persist { .. }
        | Output::Forwarding(_)
        | Output::Stream(_)
        | Output::Relay(_)
        | Output::Event(_) => None,
    };
    outputs.into_iter().filter_map(datagram).collect()
}

/// A datagram from anywhere, into a node that waits for an answer.
pub fn mesh_datagram(bytes: &[u8]) {
    let mut alice = node((2, "alice"), (3, "bob"));
    drain(&mut alice);
    let target = alice.snapshot(now(1)).peers[0].address.ip();
    alice.handle_tun(packet(alice.snapshot(now(1)).address.ip(), target), now(1));
    let sent: usize = datagrams(drain(&mut alice)).len();
    assert!(sent > 0, "a handshake is under way");
    alice.handle_datagram(endpoint(9), bytes.to_vec(), now(2));
    let answers = datagrams(drain(&mut alice));
    assert!(answers.iter().map(Vec::len).sum::<usize>() <= bytes.len(), "more came out than went in");
    settle(&mut alice, 3);
}

fn packet(source: std::net::Ipv6Addr, destination: std::net::Ipv6Addr) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0, 0, 0, 59, 64];
    packet.extend_from_slice(&source.octets());
    packet.extend_from_slice(&destination.octets());
    packet
}

/// An event of the control plane; the first byte chooses which.
pub fn mesh_control(bytes: &[u8]) {
    let Some((&kind, body)) = bytes.split_first() else {
        return;
    };
    let mut alice = node((2, "alice"), (3, "bob"));
    let bob = alice.snapshot(now(1)).peers[0].node;
    alice.handle_control(ControlEvent::Connected { node: bob, outbound: kind & 0x80 == 0 }, now(1));
    drain(&mut alice);
    let (token, body) = (ResponseToken(1), body.to_vec());
    let request = |channel| ControlEvent::Request { token, node: bob, channel, body: body.clone() };
    let event = match kind % 8 {
        0 => request(Channel::Hello),
        1 => request(Channel::Redeem),
        2 => request(Channel::Sync),
        3 => request(Channel::Member),
        4 => ControlEvent::Gossip { message: GossipToken(1), source: bob, body },
        5 => ControlEvent::Record { id: RequestId(1), value: Some(body) },
        6 => ControlEvent::RecordOffered { token: StoreToken(1), value: body },
        _ => ControlEvent::Response { id: RequestId(1), body: Some(body) },
    };
    alice.handle_control(event, now(2));
    drain(&mut alice);
    settle(&mut alice, 3);
}

/// Carries datagrams between two nodes until neither has one.
fn carry(alice: &mut Node, bob: &mut Node) -> Arc<Sealer> {
    let mut sealer = None;
    for _ in 0..20 {
        for output in drain(alice) {
            if let Output::Transmit { datagram, .. } = output {
                bob.handle_datagram(endpoint(2), datagram, now(2));
            }
        }
        for output in drain(bob) {
            match output {
                Output::Transmit { datagram, .. } => alice.handle_datagram(endpoint(3), datagram, now(2)),
                Output::Forwarding(Forwarding::Install { sealer: of_bob, .. }) => sealer = Some(of_bob),
                Output::Tun(_)
                | Output::Control(_)
                | Output::Persist { .. }
                | Output::Forwarding(_)
                | Output::Stream(_)
                | Output::Relay(_)
                | Output::Event(_) => {}
            }
        }
    }
    sealer.expect("both are members, so there is a session")
}

/// The content of an authentic record from a member; the first byte is the kind.
pub fn mesh_session(bytes: &[u8]) {
    let Some((&kind, content)) = bytes.split_first() else {
        return;
    };
    let (mut alice, mut bob) = (node((2, "alice"), (3, "bob")), node((3, "bob"), (2, "alice")));
    let (from, to) = (alice.snapshot(now(1)).address.ip(), bob.snapshot(now(1)).address.ip());
    alice.handle_tun(packet(from, to), now(2));
    let sealer = carry(&mut alice, &mut bob);
    let kind = [RecordKind::Control, RecordKind::Ip, RecordKind::Ethernet][usize::from(kind) % 3];
    let mut record = Vec::new();
    sealer.seal(RecordFlags::new(kind), content, &mut record).expect("a fresh session");
    alice.handle_datagram(endpoint(3), record, now(3));
    for output in drain(&mut alice) {
        if let Output::Tun(packet) = output {
            assert!(packet[8..24] == to.octets(), "a packet with another source");
        }
    }
    settle(&mut alice, 4);
}

/// What a TUN queue gives: a limit, a virtio header and a packet, which is cut, gathered and written to a TUN queue.
pub fn mesh_local_packet(bytes: &[u8]) {
    let Some((limit, read)) = bytes.split_first_chunk() else {
        return;
    };
    let limit = usize::from(u16::from_le_bytes(*limit));
    let Ok(virtio) = VirtioHeader::decode(read) else {
        return;
    };
    let mut packet = read[VirtioHeader::LEN..].to_vec();
    let _ = packet_too_big(&packet, 1280);
    let Ok(local) = LocalPacket::parse(Some(&virtio), &mut packet) else {
        return;
    };
    let Ok(mut pieces) = local.cut(limit) else {
        return;
    };
    let (count, mut received) = (pieces.count(), Vec::new());
    while let Some(piece) = pieces.next() {
        assert!(piece.packet.len() <= limit, "longer than its limit");
        received.push((piece.packet.to_vec(), piece.is_unfilled));
    }
    assert!(received.len() == count, "another number than was said");
    gather(&mut received);
}

/// Gathers packets; what is written is not longer than they were.
fn gather(received: &mut [(Vec<u8>, bool)]) {
    let (mut given, mut written) = (0, 0);
    let mut write = |slices: &[IoSlice<'_>]| {
        let len: usize = slices.iter().map(|slice| slice.len()).sum();
        assert!(len > VirtioHeader::LEN && len <= VirtioHeader::LEN + 65_535, "not a packet");
        written += len - VirtioHeader::LEN;
    };
    let mut gather = Gather::new(TunOffload { virtio: true, tso: true, uso: true });
    for (packet, is_unfilled) in received {
        given += packet.len();
        assert!(gather.push(packet, *is_unfilled, &mut write).is_ok(), "cut here and refused here");
    }
    gather.flush(&mut write);
    assert!(written <= given, "more came out than went in");
}

/// The content of a record with several packets.
pub fn mesh_bundle(bytes: &[u8]) {
    let mut content = bytes.to_vec();
    let Ok(packets) = bundled(&mut content) else {
        return;
    };
    let mut received: Vec<(Vec<u8>, bool)> = packets.map(|(packet, flag)| (packet.to_vec(), flag)).collect();
    let len: usize = received.iter().map(|(packet, _)| packet.len() + 4).sum();
    assert!(len == bytes.len() && received.len() > 1, "something was left over");
    let mut gather = Gather::new(TunOffload { virtio: true, tso: true, uso: true });
    for (packet, is_unfilled) in &mut received {
        let _ = gather.push(packet, *is_unfilled, &mut |_| {});
    }
    gather.flush(&mut |_| {});
}

/// The contents of records with fragments, each behind its length.
pub fn mesh_fragments(bytes: &[u8]) {
    let (mut rest, mut reassembly, mut nanos) = (bytes, Reassembly::default(), 0);
    while let Some((&len, behind)) = rest.split_first() {
        let (content, after) = behind.split_at(usize::from(len).min(behind.len()));
        if let Ok(Some((packet, _))) = reassembly.push(content, Instant::from_nanos(nanos)) {
            assert!(packet.len() <= bytes.len(), "more came out than went in");
        }
        (rest, nanos) = (after, nanos + 100_000_000);
    }
}
