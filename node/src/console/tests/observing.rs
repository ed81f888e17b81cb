#![expect(clippy::wildcard_enum_match_arm, reason = "some kinds of change are looked for, whatever the others are")]

use super::super::observe::{Change, Figures, Memory, NodeKey};
use super::*;

fn key(name: &str) -> NodeKey {
    NodeKey { network: "network".into(), node: format!("id-{name}") }
}

fn figures(changes: &[Change], name: &str) -> Option<Figures> {
    changes.iter().find_map(|change| match change {
        Change::Seen(seen, figures) if *seen == key(name) => Some(*figures),
        _ => None,
    })
}

#[test]
fn what_is_as_it_was_is_not_written_down_but_for_the_look() {
    let (status, relays) = (status(&[peer("bob", Some((10, 20, None)))], 3), relays(&[]));
    let mut memory = Memory::default();
    memory.look(&status, &relays);
    let again = memory.look(&status, &relays);
    assert!(again.iter().all(|change| matches!(change, Change::Seen(..))), "{again:?}");
    let sum = figures(&again, "alice").unwrap();
    assert_eq!((sum.rx_bytes, sum.tx_bytes, sum.dropped, sum.members), (0, 0, 0, 1));
}

#[test]
fn counters_tell_what_was_added_also_after_they_began_anew() {
    let mut memory = Memory::default();
    let mut look = |rx: u64, tx: u64, dropped: u64| {
        let changes = memory.look(&status(&[peer("bob", Some((rx, tx, None)))], dropped), &relays(&[]));
        let sum = figures(&changes, "alice").unwrap();
        (sum.rx_bytes, sum.tx_bytes, sum.dropped)
    };
    assert_eq!(look(100, 10, 5), (100, 10, 5));
    assert_eq!(look(150, 10, 5), (50, 0, 0));
    assert_eq!(look(7, 3, 1), (7, 3, 1), "the daemon was started anew");
}

#[test]
fn a_connection_ends_where_another_way_begins_and_with_the_member() {
    let mut memory = Memory::default();
    let mut look = |peers: &[Value]| {
        let changes = memory.look(&status(peers, 0), &relays(&[]));
        let told = changes.iter().filter_map(|change| match change {
            Change::Began(_, way) => Some(format!("began by {}", way.via.as_deref().unwrap_or("-"))),
            Change::Ended(_) => Some("ended".to_owned()),
            Change::Left(_) => Some("left".to_owned()),
            _ => None,
        });
        told.collect::<Vec<_>>()
    };
    assert_eq!(look(&[peer("bob", Some((1, 1, Some("carol"))))]), ["began by carol"]);
    assert_eq!(look(&[peer("bob", Some((2, 2, None)))]), ["ended", "began by 192.0.2.1:42042"]);
    assert_eq!(look(&[peer("bob", None)]), ["ended"]);
    assert_eq!(look(&[peer("bob", Some((1, 1, None)))]), ["began by 192.0.2.1:42042"]);
    assert_eq!(look(&[]), ["ended", "left"]);
}

#[test]
fn a_relay_is_well_while_it_answers_and_one_never_asked_is_not_seen() {
    let mut memory = Memory::default();
    let mut look = |standing: &str| {
        let changes = memory.look(&status(&[peer("carol", None)], 0), &relays(&[("carol", standing, 8.0)]));
        figures(&changes, "carol").map(|seen| (seen.is_reached, seen.rtt_us, seen.load_percent, seen.is_fine))
    };
    assert_eq!(look("untried"), None);
    assert_eq!(look("home"), Some((true, Some(8000), Some(40), true)));
    assert_eq!(look("silent"), Some((false, Some(8000), Some(40), true)));
}
