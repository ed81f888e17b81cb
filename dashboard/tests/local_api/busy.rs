//! A large network in which much changes, for somebody who looks on.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use holloway_dashboard::api::Changes;
use holloway_dashboard::client::Passage;

use crate::example_daemon::{Running, own_uid, peer, status};

/// Changes a second, and for how long.
const RATE: usize = 500;
/// Members in `make test`; HOLLOWAY_PROVE_SCALE=50 has 10,000.
const MEMBERS_PER_SCALE: usize = 200;

fn scale() -> usize {
    std::env::var("HOLLOWAY_PROVE_SCALE").ok().and_then(|scale| scale.parse().ok()).unwrap_or(1).clamp(1, 50)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_five_hundred_changes_a_second_the_last_of_each_member_arrives() {
    let daemon = Running::start();
    let members = MEMBERS_PER_SCALE * scale();
    let mut large = status();
    large.networks[0].peers = (0..members)
        .map(|number| {
            let mut member = peer();
            member.node_id = format!("id-{number}");
            member.name = format!("member-{number}");
            member
        })
        .collect();
    daemon.show(large.clone());
    let passage = Passage::new(&daemon.path, vec![own_uid()]);
    let mut messages = passage.follow("/api/v1/stream?changes=true", Duration::from_secs(10)).await.unwrap();

    // Each change is told to the reader with its time, so that both sides can be compared.
    let bursts = 10 * (2 + scale() / 2);
    let changing = tokio::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        let mut changed = BTreeMap::new();
        for burst in 0..bursts {
            ticks.tick().await;
            for number in 0..RATE / 10 {
                let of = (burst * RATE / 10 + number) * 7919 % members;
                let member = &mut large.networks[0].peers[of];
                member.rx_bytes = (burst * RATE + number + 1) as u64;
                changed.insert(member.node_id.clone(), member.rx_bytes);
            }
            daemon.show(large.clone());
        }
        (daemon, changed, Instant::now())
    });
    let mut known = BTreeMap::new();
    let mut take = |changes: &Changes| {
        for member in &changes.status.networks[0].peers {
            known.insert(member.node_id.clone(), member.rx_bytes);
        }
        known.clone()
    };
    let mut latest;
    let (mut told, mut bytes) = (0_u32, 0);
    let (daemon, expected, ended) = loop {
        let message = messages.next().await.unwrap().expect("the stream goes on");
        assert_eq!(message.kind, "changes", "nothing is missed: {}", message.data);
        told += 1;
        bytes += message.data.len();
        latest = take(&serde_json::from_str(&message.data).unwrap());
        if changing.is_finished() {
            break changing.await.unwrap();
        }
    };
    let holds = |latest: &BTreeMap<String, u64>| expected.iter().all(|(node, rx)| latest.get(node) == Some(rx));
    while !holds(&latest) {
        let message = messages.next().await.unwrap().expect("the stream goes on");
        latest = take(&serde_json::from_str(&message.data).unwrap());
    }
    println!(
        "{members} members, {RATE} changes a second for {} s: {told} messages of {} kB, the last change seen after {:?}",
        bursts / 10,
        bytes / 1000 / told.max(1) as usize,
        ended.elapsed()
    );
    daemon.stop().await;
}
