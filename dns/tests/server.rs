//! The server on real sockets, asked with packets made by hand: promises P27 and the rows 39 to
//! 44 of the hostile inputs.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod packets;

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use holloway_dns::{
    AltZone, AltZoneBuilder, Answer, Audience, Host, PublishedRecord, QueryError, RebindingFilter, Server, Upstream,
    UpstreamConfig, UpstreamError, UpstreamMode, Zones,
};
use packets::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// What must come has come by then, also on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(20);

/// The promise about dead upstreams (row 44).
const SERVFAIL_WITHIN: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_host_is_answered_with_authority_over_udp_and_tcp() {
    let world = World::new().await;
    let request = query(7, "BoB.home.alt", AAAA);
    for reply in [world.udp(&request).await, world.tcp(&request).await] {
        assert_eq!((reply.id, reply.rcode()), (7, NOERROR));
        assert!(reply.authoritative() && !reply.truncated() && !reply.authentic());
        assert_eq!(reply.question, "BoB.home.alt.");
        assert_eq!(reply.answers[0].name, "BoB.home.alt.");
        assert_eq!(reply.answers[0].data, "fd42:1:2::b".parse::<Ipv6Addr>().unwrap().octets());
        assert_eq!((reply.answers[0].class, reply.answers[0].ttl), (1, 30));
        assert!(reply.opt().is_none(), "no OPT where none was sent");
    }
    assert_eq!(world.upstream.count(), 0);
}

#[tokio::test]
async fn several_queries_go_over_one_connection() {
    let world = World::new().await;
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    for id in 0..5 {
        send_framed(&mut stream, &query(id, "bob.home.alt", AAAA)).await;
        assert_eq!(receive_framed(&mut stream).await.unwrap().id, id);
    }
}

#[tokio::test]
async fn a_missing_name_has_the_soa_with_the_negative_ttl() {
    let world = World::new().await;
    let reply = world.udp(&query(1, "nobody.home.alt", AAAA)).await;
    assert_eq!(reply.rcode(), NXDOMAIN);
    assert!(reply.authoritative());
    assert_eq!((reply.authority[0].rtype, reply.authority[0].ttl), (SOA, 30));
    let reply = world.udp(&query(1, "bob.home.alt", A)).await;
    assert_eq!((reply.rcode(), reply.answers.len(), reply.authority.len()), (NOERROR, 0, 1));
}

#[tokio::test]
async fn row_39_a_response_is_never_answered() {
    let world = World::new().await;
    let mut response = query(1, "bob.home.alt", AAAA);
    response[2] |= 0x80;
    let mut malformed_response = response.clone();
    malformed_response.truncate(15);
    let mut odd_response = response.clone();
    odd_response[2] |= 0x78;
    let silent = [response, malformed_response, odd_response, vec![], vec![0; 11]];
    world.assert_silence_for(&silent).await;
    assert_eq!(world.server.snapshot().malformed, 5);
}

#[tokio::test]
async fn row_39_malformed_queries_are_formerr_or_notimp() {
    let world = World::new().await;
    let good = query(9, "bob.home.alt", AAAA);
    let altered = |at: usize, bytes: &[u8]| {
        let mut message = good.clone();
        message[at..at + bytes.len()].copy_from_slice(bytes);
        message
    };
    let with_name = |name: &[u8]| [header(9, 0x0100, [1, 0, 0, 0]), name.to_vec(), vec![0, 1, 0, 1]].concat();
    let label_64 = [vec![64], vec![b'a'; 64], vec![0]].concat();
    let name_256 = [[vec![63], vec![b'a'; 63]].concat().repeat(4), vec![0]].concat();
    let two_opts = with_opt(with_opt(good.clone(), 1232, 0, 0), 1232, 0, 0);
    for (case, message, rcode) in [
        ("opcode 15", altered(2, &[0x79]), NOTIMP),
        ("opcode NOTIFY", altered(2, &[0x20]), NOTIMP),
        ("opcode UPDATE", altered(2, &[0x28]), NOTIMP),
        ("QDCOUNT 0", altered(4, &[0, 0]), FORMERR),
        ("QDCOUNT 2", altered(4, &[0, 2]), FORMERR),
        ("QDCOUNT 65535", altered(4, &[0xff, 0xff]), FORMERR),
        ("ANCOUNT 65535", altered(6, &[0xff, 0xff]), FORMERR),
        ("ARCOUNT 65535", altered(10, &[0xff, 0xff]), FORMERR),
        ("ARCOUNT 1 without a record", altered(11, &[1]), FORMERR),
        ("header only", good[..12].to_vec(), FORMERR),
        ("cut in the question", good[..20].to_vec(), FORMERR),
        ("pointer to itself", with_name(&[0xc0, 12]), FORMERR),
        ("pointers in a circle", with_name(&[1, b'a', 0xc0, 12]), FORMERR),
        ("pointer forward", with_name(&[0xc0, 200]), FORMERR),
        ("label of 64", with_name(&label_64), FORMERR),
        ("name of 256", with_name(&name_256), FORMERR),
        ("OPT twice", two_opts, FORMERR),
        ("type OPT", query(9, "bob.home.alt", OPT), FORMERR),
        ("type AXFR", query(9, "home.alt", AXFR), REFUSED),
        ("class CHAOS", altered(good.len() - 1, &[3]), REFUSED),
    ] {
        let reply = world.udp(&message).await;
        assert_eq!((reply.id, reply.rcode()), (9, rcode), "{case}");
        assert!(reply.octets <= message.len().max(12), "{case}");
        assert!(reply.answers.is_empty() && reply.authority.is_empty(), "{case}");
    }
    assert_eq!(world.udp(&good).await.rcode(), NOERROR);
    assert_eq!(world.upstream.count(), 0);
}

#[tokio::test]
async fn row_39_noise_is_survived() {
    let world = World::new().await;
    let client = world.client().await;
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let good = with_opt(query(3, "wiki.bob.home.alt", AAAA), 1232, 0, 0);
    for round in 0..2_000_usize {
        let mut message = good.clone();
        for _ in 0..4 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = usize::try_from(state >> 33).unwrap() % message.len();
            // The name stays under .alt, so that nothing has a reason to go upstream.
            if !(12..30).contains(&at) {
                message[at] = u8::try_from(state >> 24 & 0xff).unwrap();
            }
        }
        message.truncate(if round % 3 == 0 { round % message.len() } else { message.len() });
        client.send(&message).await.unwrap();
    }
    assert_eq!(world.udp(&good).await.rcode(), NOERROR);
    assert_eq!(world.upstream.count(), 0);
}

#[tokio::test]
async fn row_40_a_stranger_is_refused_with_no_more_than_was_sent() {
    let Some(outside) = address_outside_loopback().await else {
        eprintln!("skipped: this machine has no address but loopback");
        return;
    };
    let world = World::new().await;
    let client = UdpSocket::bind(SocketAddr::new(outside, 0)).await.unwrap();
    client.connect(world.address).await.unwrap();
    for message in [
        query(1, "bob.home.alt", AAAA),
        query(1, "public.example", A),
        with_opt(query(1, "bob.home.alt", ANY), 65_535, 0, 0),
        header(1, 0, [0xffff, 0, 0, 0]),
    ] {
        client.send(&message).await.unwrap();
        let reply = receive(&client).await;
        assert_eq!((reply.id, reply.rcode()), (1, REFUSED));
        assert!(reply.octets <= message.len());
        assert!(reply.answers.is_empty() && reply.authority.is_empty());
    }
    assert_eq!(world.server.snapshot().refused, 4);
    assert_eq!(world.upstream.count(), 0);

    world.server.swap(Zones::new([home()]).with_own_addresses([outside]));
    client.send(&query(2, "bob.home.alt", AAAA)).await.unwrap();
    assert_eq!(receive(&client).await.rcode(), NOERROR, "its own address is this machine");
}

#[tokio::test]
async fn row_41_a_large_answer_is_cut_to_what_the_asker_can_take() {
    let world = World::new().await;
    let plain = query(1, "big.bob.home.alt", TXT);
    for (message, octets_max) in [
        (plain.clone(), 512),
        (with_opt(plain.clone(), 0, 0, 0), 512),
        (with_opt(plain.clone(), 800, 0, 0), 800),
        (with_opt(plain.clone(), 1_232, 0, 0), 1_232),
        (with_opt(plain.clone(), 65_535, 0, 0), 1_232),
        (with_opt(query(1, "big.bob.home.alt", ANY), 65_535, 0, 0), 1_232),
    ] {
        let has_opt = message[11] == 1;
        let reply = world.udp(&message).await;
        assert!(reply.truncated() && reply.octets <= octets_max, "{octets_max}");
        assert_eq!((reply.question.as_str(), reply.rcode()), ("big.bob.home.alt.", NOERROR));
        assert!(reply.answers.is_empty(), "never a part of a record set");
        assert_eq!(reply.opt().is_some(), has_opt);
    }
    assert_eq!(world.server.snapshot().truncated, 6);
    let whole = world.tcp(&plain).await;
    assert!(!whole.truncated());
    assert_eq!(whole.answers.len(), 30);
    assert!(whole.octets > 20_000);
}

#[tokio::test]
async fn an_answer_that_fits_exactly_is_not_cut() {
    let world = World::new().await;
    let whole = world.tcp(&with_opt(query(1, "mid.bob.home.alt", TXT), 1_232, 0, 0)).await;
    let size = u16::try_from(whole.octets).unwrap();
    assert!((512..1_232).contains(&size));
    let fits = world.udp(&with_opt(query(1, "mid.bob.home.alt", TXT), size, 0, 0)).await;
    assert!(!fits.truncated());
    let short = world.udp(&with_opt(query(1, "mid.bob.home.alt", TXT), size - 1, 0, 0)).await;
    assert!(short.truncated());
}

#[tokio::test]
async fn edns_is_answered_with_our_own_size_and_version() {
    let world = World::new().await;
    let reply = world.udp(&with_opt(query(1, "bob.home.alt", AAAA), 4_096, 0, 0x8000)).await;
    let opt = reply.opt().unwrap();
    assert_eq!((opt.class, opt.ttl, reply.rcode()), (1_232, 0x8000, NOERROR));
    let reply = world.udp(&with_opt(query(1, "bob.home.alt", AAAA), 4_096, 1, 0)).await;
    let opt = reply.opt().unwrap();
    assert_eq!((reply.rcode(), opt.ttl >> 24, opt.ttl >> 16 & 0xff), (0, 1, 0), "BADVERS, version 0");
    assert!(reply.answers.is_empty());
}

#[tokio::test]
async fn row_42_alt_never_goes_upstream() {
    let world = World::new().await;
    let names = [
        "foo.alt",
        "alt",
        "alt.",
        "FOO.ALT",
        "foo.AlT.",
        "a.b.c.home.alt",
        "xn--home-.alt",
        "xn--.alt",
        "1.0.0.0.d.f.ip6.arpa",
        "x.onion",
    ];
    for name in names {
        for rtype in [A, AAAA, SOA, ANY, 65] {
            for reply in [world.udp(&query(1, name, rtype)).await, world.tcp(&query(1, name, rtype)).await] {
                assert_eq!(reply.rcode(), NXDOMAIN, "{name} {rtype}");
                assert_eq!(reply.authority[0].rtype, SOA);
            }
        }
    }
    assert_eq!(world.udp(&query(1, "public.example", A)).await.rcode(), NOERROR);
    assert_eq!(world.upstream.names(), ["public.example."]);
}

#[tokio::test]
async fn a_public_name_is_asked_upstream_and_cached() {
    let world = World::new().await;
    for id in [1, 2] {
        let reply = world.udp(&query(id, "Public.example", A)).await;
        assert_eq!((reply.id, reply.rcode()), (id, NOERROR));
        assert_eq!(reply.question, "Public.example.");
        assert!(!reply.authoritative() && !reply.authentic());
        assert_eq!(reply.answers[0].data, [192, 0, 2, 7]);
    }
    assert_eq!(world.upstream.count(), 1);
    let missing = world.udp(&query(3, "missing.example", A)).await;
    assert_eq!((missing.rcode(), missing.authority[0].rtype), (NXDOMAIN, SOA));
}

#[tokio::test]
async fn the_authentic_bit_is_passed_on_and_never_invented() {
    let world = World::new().await;
    let mut asks_for_ad = query(1, "signed.example", A);
    asks_for_ad[3] |= 0x20;
    assert!(world.udp(&asks_for_ad).await.authentic());
    assert!(world.udp(&with_opt(query(1, "signed.example", A), 1_232, 0, 0x8000)).await.authentic());
    assert!(!world.udp(&query(1, "signed.example", A)).await.authentic());
    let mut plain = query(1, "public.example", A);
    plain[3] |= 0x20;
    assert!(!world.udp(&plain).await.authentic());
}

#[tokio::test]
async fn a_query_that_wants_no_recursion_gets_none() {
    let world = World::new().await;
    let mut message = query(1, "public.example", A);
    message[2] = 0;
    assert_eq!(world.udp(&message).await.rcode(), REFUSED);
    assert_eq!(world.upstream.count(), 0);
}

#[tokio::test]
async fn row_43_an_alias_into_alt_is_not_believed_and_not_followed() {
    let world = World::new().await;
    assert_eq!(world.udp(&query(1, "evil.example", A)).await.rcode(), SERVFAIL);
    assert_eq!(world.udp(&query(2, "evil.example", A)).await.rcode(), SERVFAIL, "nor cached");
    assert!(world.upstream.names().iter().all(|name| name == "evil.example."));
    assert!(matches!(
        world.server.query("evil.example", "A").await,
        Err(QueryError::Upstream(UpstreamError::Poisoned))
    ));
}

#[tokio::test]
async fn row_43_private_addresses_are_removed_from_public_names_unless_allowed() {
    let world = World::new().await;
    let reply = world.udp(&with_opt(query(1, "rebind.example", A), 1_232, 0, 0)).await;
    assert_eq!((reply.rcode(), reply.answers.len()), (NOERROR, 0));
    assert_eq!(reply.opt().unwrap().data[4..6], [0, 17], "EDE: filtered");
    let mixed = world.udp(&query(1, "mixed.example", A)).await;
    assert_eq!(mixed.answers.iter().map(|r| r.data.clone()).collect::<Vec<_>>(), [[192, 0, 2, 7]]);
    assert_eq!(world.udp(&query(1, "rebind.lan", A)).await.answers.len(), 1);

    world.server.swap_upstream(upstream(vec![world.upstream.address], RebindingFilter::Off));
    assert_eq!(world.udp(&query(1, "rebind.example", A)).await.answers.len(), 1);
}

#[tokio::test]
async fn row_44_a_dead_upstream_is_servfail_in_time_and_holds_nobody_up() {
    let world = World::new().await;
    let client = world.client().await;
    let in_time = timeout(SERVFAIL_WITHIN, async {
        for id in 0..50 {
            client.send(&query(1_000 + id, &format!("dead{id}.example"), A)).await.unwrap();
        }
        for id in 0..50 {
            client.send(&query(id, "bob.home.alt", AAAA)).await.unwrap();
            let reply = receive(&client).await;
            assert_eq!((reply.id, reply.rcode()), (id, NOERROR), "no one waits for the dead");
        }
        client.send(&query(99, "public.example", A)).await.unwrap();
        assert_eq!(receive(&client).await.id, 99);
        let mut failed = Vec::new();
        while failed.len() < 50 {
            let reply = receive(&client).await;
            assert_eq!(reply.rcode(), SERVFAIL);
            failed.push(reply.id);
        }
        failed.sort_unstable();
        assert_eq!(failed, (1_000..1_050).collect::<Vec<_>>());
    });
    in_time.await.expect("SERVFAIL comes within five seconds");
    assert_eq!(world.server.snapshot().upstream_failures, 50);
}

#[tokio::test]
async fn beyond_the_bound_of_open_queries_the_newest_fails_at_once() {
    let world = World::new().await;
    let client = world.client().await;
    for id in 0..300_u16 {
        client.send(&query(id, &format!("dead{id}.example"), A)).await.unwrap();
        if id >= 256 {
            let reply = receive(&client).await;
            assert_eq!((reply.id, reply.rcode()), (id, SERVFAIL));
        }
    }
    assert_eq!(world.udp(&query(1, "bob.home.alt", AAAA)).await.rcode(), NOERROR);
}

#[tokio::test]
async fn without_upstream_servers_public_names_fail_at_once_with_the_reason() {
    let world = World::new().await;
    world.server.swap_upstream(upstream(Vec::new(), RebindingFilter::On));
    let reply = world.udp(&with_opt(query(1, "public.example", A), 1_232, 0, 0)).await;
    assert_eq!(reply.rcode(), SERVFAIL);
    let opt = reply.opt().unwrap();
    assert_eq!(opt.data[..2], [0, 15], "an extended error");
    assert!(String::from_utf8_lossy(&opt.data[6..]).contains("no upstream server"));
    assert_eq!(world.udp(&query(1, "bob.home.alt", AAAA)).await.rcode(), NOERROR);
}

#[tokio::test]
async fn a_second_upstream_server_answers_when_the_first_is_dead() {
    let world = World::new().await;
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let servers = vec![silent.local_addr().unwrap(), world.upstream.address];
    world.server.swap_upstream(upstream(servers, RebindingFilter::On));
    assert_eq!(world.udp(&query(1, "public.example", A)).await.rcode(), NOERROR);
}

#[tokio::test]
async fn an_alias_to_a_public_name_is_completed_by_the_upstream() {
    let world = World::new().await;
    let reply = world.udp(&query(1, "blog.bob.home.alt", A)).await;
    assert_eq!(reply.rcode(), NOERROR);
    assert_eq!(reply.answers.iter().map(|r| r.rtype).collect::<Vec<_>>(), [CNAME, A]);
    assert_eq!(world.upstream.names(), ["public.example."]);
}

#[tokio::test]
async fn zones_are_swapped_while_it_runs() {
    let world = World::new().await;
    world.server.swap(Zones::default());
    assert_eq!(world.udp(&query(1, "bob.home.alt", AAAA)).await.rcode(), NXDOMAIN);
    world.server.swap(Zones::new([home()]));
    assert_eq!(world.udp(&query(1, "bob.home.alt", AAAA)).await.rcode(), NOERROR);
}

#[tokio::test]
async fn addresses_are_added_and_removed_while_it_runs() {
    let world = World::new().await;
    let second = world.server.bind("127.42.0.53:0".parse().unwrap()).await.unwrap();
    assert_eq!(second.ip().to_string(), "127.42.0.53");
    assert_ne!(second.port(), 0);
    assert_eq!(world.server.bound_addresses().len(), 2);
    assert_eq!(ask_at(second, &query(1, "bob.home.alt", AAAA)).await.rcode(), NOERROR);

    world.server.unbind(second).await;
    assert_eq!(world.server.bound_addresses(), [world.address]);
    let again = world.server.bind(second).await.expect("the sockets are closed");
    assert_eq!(again, second);
    world.server.shutdown().await;
    assert_eq!(world.server.bound_addresses(), []);
    UdpSocket::bind(second).await.expect("the sockets are closed");
}

#[tokio::test]
async fn ipv6_is_served_like_ipv4() {
    let world = World::new().await;
    let address = world.server.bind("[::1]:0".parse().unwrap()).await.unwrap();
    let client = UdpSocket::bind("[::1]:0").await.unwrap();
    client.connect(address).await.unwrap();
    client.send(&query(1, "bob.home.alt", AAAA)).await.unwrap();
    assert_eq!(receive(&client).await.rcode(), NOERROR);
    let mut stream = TcpStream::connect(address).await.unwrap();
    send_framed(&mut stream, &query(2, "bob.home.alt", AAAA)).await;
    assert_eq!(receive_framed(&mut stream).await.unwrap().rcode(), NOERROR);
}

#[tokio::test]
async fn an_address_in_use_is_an_error_that_names_it() {
    let world = World::new().await;
    let error = world.server.bind(world.address).await.unwrap_err();
    assert!(error.to_string().contains(&world.address.to_string()), "{error}");
    assert_eq!(world.udp(&query(1, "bob.home.alt", AAAA)).await.rcode(), NOERROR);
}

#[tokio::test]
async fn a_query_in_process_goes_the_same_way() {
    let world = World::new().await;
    let records = |answer: Result<Answer, QueryError>| -> Vec<String> {
        answer.unwrap().records().iter().map(ToString::to_string).collect()
    };
    assert_eq!(
        records(world.server.query("wiki.bob.home.alt", "AAAA").await),
        ["wiki.bob.home.alt. 30 IN AAAA fd42::1"]
    );
    assert_eq!(records(world.server.query("public.example", "a").await).len(), 1);
    assert!(matches!(world.server.query("x.alt", "A").await, Ok(Answer::NxDomain { .. })));
    assert!(matches!(world.server.query("a..b", "A").await, Err(QueryError::Question(_))));
    assert!(matches!(world.server.query("home.alt", "AXFR").await, Err(QueryError::Refused(_))));
    let counted = world.server.snapshot();
    assert_eq!((counted.queries, counted.alt_answers, counted.upstream_queries), (4, 2, 1));
}

#[tokio::test]
async fn a_slow_or_oversized_connection_is_no_harm_to_others() {
    let world = World::new().await;
    let mut stuck = Vec::new();
    for _ in 0..20 {
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        stream.write_all(&[0]).await.unwrap();
        stuck.push(stream);
    }
    let mut large = TcpStream::connect(world.address).await.unwrap();
    large.write_all(&[0xff, 0xff]).await.unwrap();
    assert!(receive_framed(&mut large).await.is_none(), "closed without an answer");
    assert_eq!(world.tcp(&query(1, "bob.home.alt", AAAA)).await.rcode(), NOERROR);
}

struct World {
    server: Server,
    address: SocketAddr,
    upstream: FakeUpstream,
}

impl World {
    async fn new() -> Self {
        let fake = FakeUpstream::start().await;
        let upstream = upstream(vec![fake.address], RebindingFilter::On);
        let server = Server::new(Zones::new([home()]), upstream, Audience::ThisMachine);
        let address = server.bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        Self { server, address, upstream: fake }
    }

    async fn client(&self) -> UdpSocket {
        let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        client.connect(self.address).await.unwrap();
        client
    }

    async fn udp(&self, message: &[u8]) -> Reply {
        ask_at(self.address, message).await
    }

    async fn tcp(&self, message: &[u8]) -> Reply {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        send_framed(&mut stream, message).await;
        receive_framed(&mut stream).await.unwrap()
    }

    /// Sends the messages and then a question: the first reply must be the question's.
    async fn assert_silence_for(&self, messages: &[Vec<u8>]) {
        let client = self.client().await;
        for message in messages {
            client.send(message).await.unwrap();
        }
        client.send(&query(4_242, "bob.home.alt", AAAA)).await.unwrap();
        assert_eq!(receive(&client).await.id, 4_242);
    }
}

async fn ask_at(address: SocketAddr, message: &[u8]) -> Reply {
    let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    client.connect(address).await.unwrap();
    client.send(message).await.unwrap();
    receive(&client).await
}

async fn receive(client: &UdpSocket) -> Reply {
    let mut buffer = vec![0; 65_535];
    let length = timeout(PATIENCE, client.recv(&mut buffer)).await.expect("a reply comes").unwrap();
    Reply::decode(&buffer[..length])
}

async fn send_framed(stream: &mut TcpStream, message: &[u8]) {
    let length = u16::try_from(message.len()).unwrap().to_be_bytes();
    stream.write_all(&[&length[..], message].concat()).await.unwrap();
}

async fn receive_framed(stream: &mut TcpStream) -> Option<Reply> {
    let length = timeout(PATIENCE, stream.read_u16()).await.expect("a reply or the end comes").ok()?;
    let mut message = vec![0; usize::from(length)];
    stream.read_exact(&mut message).await.ok()?;
    Some(Reply::decode(&message))
}

/// The address this machine would send to the world from; no packet is sent to find out.
async fn address_outside_loopback() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").await.ok()?;
    socket.connect("192.0.2.1:9").await.ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|address| !address.is_loopback())
}

fn upstream(servers: Vec<SocketAddr>, rebinding: RebindingFilter) -> Upstream {
    Upstream::new(UpstreamConfig { mode: UpstreamMode::System(servers), rebinding }).unwrap()
}

fn home() -> Arc<AltZone> {
    let big: Vec<_> = (0..30).map(|i| format!("{i:03}{}", "x".repeat(900))).collect();
    let mid: Vec<_> = (0..3).map(|i| format!("{i:03}{}", "y".repeat(240))).collect();
    let mut records = vec![
        PublishedRecord::parse("wiki", "AAAA", "fd42::1").unwrap(),
        PublishedRecord::parse("blog", "CNAME", "public.example").unwrap(),
    ];
    records.extend(big.iter().map(|text| PublishedRecord::parse("big", "TXT", text).unwrap()));
    records.extend(mid.iter().map(|text| PublishedRecord::parse("mid", "TXT", text).unwrap()));
    let bob = Host {
        label: "bob".to_owned(),
        addresses: vec!["fd42:1:2::b".parse().unwrap()],
        primary: "bob.home.alt".to_owned(),
        records,
    };
    let own = "fd42:1:2::a".parse().unwrap();
    let builder = AltZoneBuilder::new("home", &"k".repeat(52), "fd42:1:2::".parse().unwrap(), own);
    Arc::new(builder.host(bob).build().unwrap())
}

/// An upstream server made by hand, which remembers what it was asked.
struct FakeUpstream {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    count: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl FakeUpstream {
    async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let count = Arc::new(AtomicUsize::new(0));
        let (noted, counted) = (asked.clone(), count.clone());
        let task = tokio::spawn(async move {
            let mut buffer = vec![0; 65_535];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                let message = &buffer[..length];
                let name = name(message, &mut 12);
                counted.fetch_add(1, Ordering::SeqCst);
                noted.lock().unwrap().push(name.to_ascii_lowercase());
                if let Some(reply) = upstream_reply(message, &name.to_ascii_lowercase()) {
                    socket.send_to(&reply, from).await.unwrap();
                }
            }
        });
        Self { address, asked, count, task }
    }

    fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    fn names(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for FakeUpstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn upstream_reply(message: &[u8], asked: &str) -> Option<Vec<u8>> {
    let mut end = 12;
    let _ = name(message, &mut end);
    let question = &message[12..end + 4];
    let id = u16::from_be_bytes([message[0], message[1]]);
    let answers: Vec<(u16, Vec<u8>)> = match asked {
        "public.example." | "signed.example." => vec![(A, vec![192, 0, 2, 7])],
        "rebind.example." | "rebind.lan." => vec![(A, vec![10, 0, 0, 1])],
        "mixed.example." => vec![(A, vec![192, 168, 0, 1]), (A, vec![192, 0, 2, 7]), (A, vec![127, 0, 0, 1])],
        "evil.example." => vec![(CNAME, encoded("bob.home.alt"))],
        "missing.example." => vec![],
        _ => return None,
    };
    let flags = if asked == "signed.example." { 0x81a0 } else { 0x8180 };
    let missing = answers.is_empty();
    let counts = [1, u16::try_from(answers.len()).unwrap(), u16::from(missing), 0];
    let mut reply = header(id, flags | if missing { 3 } else { 0 }, counts);
    reply.extend(question);
    for (rtype, data) in answers {
        reply.extend(record([0xc0, 12].as_slice(), rtype, &data));
    }
    if missing {
        let names = [encoded("ns.example"), encoded("admin.example")].concat();
        let numbers: Vec<u8> = [1_u32, 2, 3, 4, 60].iter().flat_map(|n| n.to_be_bytes()).collect();
        reply.extend(record(&encoded("example"), SOA, &[names, numbers].concat()));
    }
    Some(reply)
}

fn record(owner: &[u8], rtype: u16, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap().to_be_bytes();
    [owner, &rtype.to_be_bytes(), &[0, 1, 0, 0, 1, 0], &length, data].concat()
}
