//! What the store promises, wherever it is.

use std::collections::BTreeMap;

use holloway_dashboard::api::{Event, PageQuery, Role, Severity};
use holloway_dashboard::server::NewDeed;

use super::super::history::{Range, Subject};
use super::super::record::Recorder;
use super::*;

/// Some time in 2026.
const NOON: i64 = 1_795_219_200;
const DAY: i64 = 24 * 3600;

fn page() -> PageQuery {
    PageQuery::default()
}

fn of(node: &str, is_own: bool) -> Subject<'_> {
    Subject { network: "network", node, is_own }
}

fn range(since: i64, until: i64, points: i64) -> Range {
    Range { since, until, points }
}

fn event(id: u64, severity: Severity, text: &str) -> Event {
    let fields = BTreeMap::from([("node_id".to_owned(), "<script>".to_owned())]);
    let time = "2026-11-20T20:00:00Z".to_owned();
    Event { id, time, severity, kind: "replayed".into(), network: Some("home".into()), text: text.into(), fields }
}

#[tokio::test]
async fn the_store_promises_the_same_in_a_file_and_at_a_server() {
    let stores = Stores::new().await;
    for store in stores.each() {
        figures_are_summed_at_every_resolution(&store).await;
        connections_begin_grow_and_end(&store).await;
        events_are_kept_once_and_handled(&store).await;
        deeds_are_told_page_by_page(&store).await;
        accounts_are_changed_and_removed(&store).await;
        the_overview_counts(&store).await;
        old_things_go(&store).await;
    }
}

async fn figures_are_summed_at_every_resolution(store: &ConsoleStore) {
    let mut recorder = Recorder::begin(store.clone()).await.unwrap();
    let known = relays(&[("carol", "home", 10.0)]);
    for look in 0..20_u64 {
        let peers = [peer("carol", Some((look * 100, look * 10, None))), peer("bob", Some((look, 0, Some("carol"))))];
        recorder.look(&status(&peers, look), &known, NOON + 30 * look.cast_signed()).await.unwrap();
    }
    let (from, to) = (NOON, NOON + 600);
    let fine = store.history(of("id-carol", false), range(from, to, 100), to).await.unwrap();
    assert_eq!((fine.step_s, fine.samples.len()), (30, 20));
    let sample = &fine.samples[5];
    assert_eq!((sample.at, sample.rx_bytes, sample.tx_bytes), ((NOON + 150).cast_unsigned(), 100, 10));
    assert_eq!((sample.rtt_ms, sample.load_percent, sample.members), (Some(10.0), Some(40.0), Some(7)));
    assert_eq!(sample.reachable, 1.0);
    let coarse = store.history(of("id-carol", false), range(from, to, 5), to).await.unwrap();
    assert_eq!((coarse.step_s, coarse.samples.len()), (300, 2));
    assert_eq!(coarse.samples.iter().map(|sample| sample.rx_bytes).sum::<u64>(), 1900);
    let member = store.history(of("id-bob", false), range(from, to, 100), to).await.unwrap();
    assert_eq!(member.step_s, 300, "members are not kept as finely as relays");
    let own = store.history(of("id-alice", true), range(from, to, 100), to).await.unwrap();
    let sum: u64 = own.samples.iter().map(|sample| sample.rx_bytes).sum();
    assert_eq!((sum, own.samples[3].dropped, own.samples[3].members), (1919, 1, Some(2)));
    let old = store.history(of("id-carol", false), range(from - 40 * DAY, to, 300), to).await.unwrap();
    assert_eq!((old.step_s % 3600, old.samples.len()), (0, 1));
    let nobody = store.history(of("id-nobody", false), range(from, to, 100), to).await.unwrap();
    assert!(nobody.samples.is_empty());
}

async fn connections_begin_grow_and_end(store: &ConsoleStore) {
    let mut recorder = Recorder::begin(store.clone()).await.unwrap();
    let none = relays(&[]);
    let at = NOON + DAY;
    recorder.look(&status(&[peer("dave", Some((5, 1, Some("carol"))))], 0), &none, at).await.unwrap();
    recorder.look(&status(&[peer("dave", Some((9, 2, Some("carol"))))], 0), &none, at + 30).await.unwrap();
    recorder.look(&status(&[peer("dave", Some((9, 5, None)))], 0), &none, at + 60).await.unwrap();
    let query = PageQuery { node_id: Some("id-dave".into()), ..page() };
    let found = store.connections(&query).await.unwrap().connections;
    let told: Vec<_> = found.iter().map(|c| (c.by.as_deref(), c.rx_bytes, c.tx_bytes, c.ended.is_some())).collect();
    assert_eq!(told, [(Some("192.0.2.1:42042"), 0, 3, false), (Some("carol"), 9, 2, true)]);
    assert_eq!((found[0].name.as_str(), found[0].network.as_str()), ("dave", "home"));
    assert_eq!(found[0].observer, "alice");
    // The daemon stops without a word, and starts again later.
    Recorder::begin(store.clone()).await.unwrap();
    let found = store.connections(&query).await.unwrap().connections;
    assert_eq!(found[0].ended.as_deref(), Some("2026-11-22T00:01:00Z"), "when it was last looked at");
}

async fn events_are_kept_once_and_handled(store: &ConsoleStore) {
    let recorder = Recorder::begin(store.clone()).await.unwrap();
    let seen = recorder.events_seen().await.unwrap();
    assert_eq!(seen, 0);
    let events = [
        event(1, Severity::Info, "joined"),
        event(2, Severity::Security, "<b>x</b>'; --"),
        event(3, Severity::Warn, "z"),
    ];
    recorder.events(&events, NOON).await.unwrap();
    recorder.events(&events, NOON).await.unwrap();
    assert_eq!(recorder.events_seen().await.unwrap(), 3);
    let all = store.security_events(&page()).await.unwrap();
    assert_eq!((all.events.len(), all.open), (2, 2), "life events are not for the console");
    let id = all.events[1].event.id;
    assert_eq!(all.events[1].event.text, "<b>x</b>'; --");
    let handled = store.handle(id, Some(("ada", "it was me", NOON + 5))).await.unwrap().unwrap();
    assert_eq!(handled.handled.map(|handled| (handled.by, handled.note)), Some(("ada".into(), "it was me".into())));
    let open = store.security_events(&PageQuery { open: true, ..page() }).await.unwrap();
    assert_eq!((open.events.len(), open.open), (1, 1));
    assert_eq!(store.handle(id, None).await.unwrap().unwrap().handled, None);
    assert_eq!(store.handle(999_999, None).await.unwrap(), None);
}

async fn deeds_are_told_page_by_page(store: &ConsoleStore) {
    for number in 0..25 {
        let deed = NewDeed {
            who: "ada".into(),
            role: Some(Role::Operator),
            from: "192.0.2.7".into(),
            action: "POST /api/v1/invites".into(),
            subject: BTreeMap::from([("name".into(), format!("host{number}"))]),
            outcome: "done".into(),
        };
        store.note_deed(&deed, NOON).await.unwrap();
    }
    let (mut before, mut names) = (None, Vec::new());
    loop {
        let page = store.deeds(&PageQuery { before, limit: Some(10), ..page() }).await.unwrap();
        names.extend(page.deeds.iter().map(|deed| deed.subject["name"].clone()));
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    let expected: Vec<String> = (0..25).rev().map(|number| format!("host{number}")).collect();
    assert_eq!(names, expected);
}

async fn accounts_are_changed_and_removed(store: &ConsoleStore) {
    store.put_account("ada", Role::Admin, "hash", NOON).await.unwrap();
    store.put_account("ada", Role::Viewer, "other", NOON + 9).await.unwrap();
    assert!(store.propose_totp("ada", "SECRET").await.unwrap());
    assert!(store.set_totp("ada", Some("SECRET")).await.unwrap());
    assert!(store.use_code("ada", 7).await.unwrap());
    assert!(!store.use_code("ada", 7).await.unwrap(), "used");
    let kept = store.account("ada").await.unwrap().unwrap();
    assert_eq!((kept.role, kept.password.as_str(), kept.created), (Role::Viewer, "other", NOON));
    assert_eq!((kept.totp.as_deref(), kept.totp_next, kept.totp_used), (Some("SECRET"), None, 7));
    assert!(store.account("' OR 1=1 --").await.unwrap().is_none());
    assert!(store.remove_account("ada").await.unwrap() && !store.remove_account("ada").await.unwrap());
}

async fn the_overview_counts(store: &ConsoleStore) {
    let mut recorder = Recorder::begin(store.clone()).await.unwrap();
    let peers = [peer("bob", Some((1, 1, None))), peer("carol", None), peer("dave", None)];
    let at = NOON + 2 * DAY;
    recorder.look(&status(&peers, 0), &relays(&[("carol", "silent", 0.0)]), at).await.unwrap();
    let overview = store.overview(at).await.unwrap();
    assert_eq!((overview.members.all, overview.members.well), (4, 2));
    assert_eq!((overview.relays.all, overview.relays.well), (1, 0));
    assert_eq!((overview.connections, overview.open_events), (1, 2));
    assert!(overview.store_bytes > 10_000 && !overview.traffic.is_empty());
}

async fn old_things_go(store: &ConsoleStore) {
    let later = NOON + 3 * DAY;
    store.forget(later).await.unwrap();
    let fine = store.history(of("id-carol", false), range(NOON, NOON + 600, 100), NOON + 600).await.unwrap();
    assert_eq!(fine.step_s, 300, "the finest is kept for a day");
    store.forget(NOON + 500 * DAY).await.unwrap();
    let nothing = store.history(of("id-carol", false), range(NOON, NOON + 600, 100), NOON + 600).await.unwrap();
    assert!(nothing.samples.is_empty());
    assert!(store.deeds(&page()).await.unwrap().deeds.is_empty());
    let lasting = store.connections(&page()).await.unwrap().connections;
    assert!(lasting.iter().all(|connection| connection.ended.is_none()), "{lasting:?}");
}

#[tokio::test]
async fn several_machines_share_a_server_and_it_may_go_and_come_back() {
    let stores = Stores::new().await;
    let other = ConsoleStore::open_server(&stores.postgres.url(), "machine-b").await.unwrap();
    for store in [&stores.server, &other] {
        let mut recorder = Recorder::begin(store.clone()).await.unwrap();
        recorder.look(&status(&[peer("bob", Some((50, 5, None)))], 0), &relays(&[]), NOON).await.unwrap();
        recorder.events(&[event(1, Severity::Security, "x")], NOON).await.unwrap();
    }
    assert_eq!(stores.server.connections(&page()).await.unwrap().connections.len(), 2, "each saw one");
    assert_eq!(stores.server.security_events(&page()).await.unwrap().open, 2);
    let own = stores.server.history(of("id-alice", true), range(NOON - 60, NOON, 100), NOON).await.unwrap();
    assert_eq!(own.samples.last().map(|sample| sample.rx_bytes), Some(100), "what both carried");
    let mut recorder = Recorder::begin(stores.server.clone()).await.unwrap();
    stores.postgres.end();
    let now = status(&[peer("bob", Some((60, 6, None)))], 0);
    assert!(recorder.look(&now, &relays(&[]), NOON + 30).await.is_err());
    assert!(stores.server.overview(NOON).await.is_err());
    stores.postgres.begin();
    recorder.look(&now, &relays(&[]), NOON + 60).await.unwrap();
    assert_eq!(stores.server.overview(NOON + 60).await.unwrap().members.all, 2);
}

#[tokio::test]
async fn a_file_that_is_none_of_ours_is_refused_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("console.db");
    for content in [&b""[..], b"not a database at all"] {
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        ConsoleStore::open_file(&path, "machine-a").await.unwrap_err();
        assert_eq!(std::fs::read(&path).unwrap(), content);
    }
    std::fs::remove_file(&path).unwrap();
    ConsoleStore::open_file(&path, "machine-a").await.unwrap().close().await;
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let refused = ConsoleStore::open_file(&path, "machine-a").await.unwrap_err().to_string();
    assert!(refused.contains("chmod"), "{refused}");
}
