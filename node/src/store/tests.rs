use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Seek, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use holloway_dashboard::api::Severity;
use holloway_mesh::{Invite, InviteState, Write, found};
use holloway_simnet::lab::in_mount_namespace;
use holloway_wire::{
    Bootstrap, IdentityKey, Instant, InviteId, MembershipCertificate, NetworkId, NodeId, Now, Publication,
    PublicationKind, PublicationSlot, Revocation, Rights, Signed, StaticSecret, UnixTime,
};
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use tempfile::TempDir;

use super::events::EVENTS_MAX;
use super::*;

fn place() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("holloway.db");
    (dir, path)
}

fn now() -> Now {
    Now { monotonic: Instant::default(), unix: UnixTime::from_secs(1_795_000_000) }
}

/// A network with its root, its first member's key and certificate.
struct Founded {
    root: IdentityKey,
    key: NodeId,
    network: NetworkId,
    chain: Vec<MembershipCertificate>,
}

fn founded(seed: u8) -> Founded {
    let root = identity(seed);
    let key = identity(seed.wrapping_add(100));
    let node = key.node_id();
    let secret = StaticSecret::from_bytes([seed; 32]);
    let identity = found(&root, key, secret, "home".parse().unwrap(), "alice".parse().unwrap(), now());
    Founded { root, key: node, network: identity.network, chain: identity.chain }
}

fn identity(seed: u8) -> IdentityKey {
    IdentityKey::from_bytes(&[seed; 32])
}

fn node(seed: u8) -> NodeId {
    identity(seed).node_id()
}

fn new_network(label: &str, founded: &Founded) -> NewNetwork {
    NewNetwork {
        label: label.parse().unwrap(),
        network: founded.network,
        origin: Origin::Founded,
        since: now().unix,
        bootstrap: vec!["192.0.2.1".parse().unwrap(), Bootstrap { host: "a.example".into(), tcp: 1, quic: 9 }],
        chain: founded.chain.clone(),
    }
}

fn invite(number: u8, state: InviteState) -> Invite {
    Invite {
        id: InviteId::from_bytes([number; 10]),
        label: number.is_multiple_of(2).then(|| "bob".parse().unwrap()),
        rights: Rights::ISSUE.with(Rights::RELAY),
        groups: vec!["a \"b\"\n".to_owned(), String::new()],
        created: now().unix,
        expires: UnixTime::from_nanos(u64::MAX),
        state,
        needs_approval: false,
    }
}

fn certificate(founded: &Founded) -> Publication {
    Publication::Certificate(founded.chain[0].clone())
}

fn revocation(founded: &Founded, subject: NodeId) -> Publication {
    let revoker = founded.root.node_id();
    let revocation = Revocation { subject, revoker, at: now().unix, kept: Vec::new() };
    Publication::Revocation(Signed::sign(revocation, &founded.root, &founded.network))
}

fn publish(publication: &Publication) -> Write {
    Write::Publication(publication.slot(), publication.encode())
}

async fn with_network(path: &Path) -> (Store, NetworkKey, Founded) {
    let store = Store::open(path).await.unwrap();
    let founded = founded(1);
    let key = store.add_network(new_network("home", &founded), &[]).await.unwrap().key;
    (store, key, founded)
}

async fn execute(path: &Path, sql: &'static str) {
    let mut connection = SqliteConnectOptions::new().filename(path).connect().await.unwrap();
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    sqlx::Connection::close(connection).await.unwrap();
}

fn event(number: u64) -> NewEvent {
    NewEvent {
        time: UnixTime::from_secs(number),
        severity: Severity::Security,
        kind: "joined".into(),
        network: Some("home".into()),
        text: format!("event {number}"),
        fields: BTreeMap::from([("peer".to_owned(), "\"bob\"\n".to_owned())]),
    }
}

#[tokio::test]
async fn everything_written_is_there_after_reopening() {
    let (_dir, path) = place();
    let (store, key, founded) = with_network(&path).await;
    let publications = vec![certificate(&founded), revocation(&founded, node(9))];
    let invites = vec![
        invite(1, InviteState::Unspent),
        invite(2, InviteState::Spent(node(7))),
        invite(3, InviteState::Withdrawn),
        Invite { needs_approval: true, ..invite(4, InviteState::Unspent) },
        Invite { needs_approval: true, ..invite(5, InviteState::Approved(node(8))) },
    ];
    let mut writes: Vec<Write> = publications.iter().map(publish).collect();
    writes.extend(invites.iter().cloned().map(Write::Invite));
    writes.extend([Write::Block(node(5)), Write::Block(node(6)), Write::Block(node(5)), Write::Unblock(node(6))]);
    store.write(key, writes).await.unwrap();
    let chosen = Chosen {
        interface: Some("hollow0".into()),
        data_port: Some(42042),
        control_tcp: Some(65535),
        control_quic: None,
    };
    store.remember_chosen(key, &chosen).await.unwrap();
    store.close().await;

    let store = Store::open_existing(&path).await.unwrap();
    let loaded = store.load(key).await.unwrap();
    assert_eq!(loaded.stored.publications, publications);
    assert_eq!(loaded.stored.invites, invites);
    assert_eq!(loaded.stored.blocked, [node(5)]);
    assert_eq!(loaded.skipped, 0);
    let networks = store.networks().await.unwrap();
    assert_eq!(networks.len(), 1);
    let expected = new_network("home", &founded);
    assert_eq!((&networks[0].chain, &networks[0].bootstrap), (&expected.chain, &expected.bootstrap));
    assert_eq!((&networks[0].chosen, networks[0].position, networks[0].since), (&chosen, 0, now().unix));
    assert_eq!(networks[0].origin, Origin::Founded);
}

#[tokio::test]
async fn publication_replaces_the_one_in_its_slot_only() {
    let (_dir, path) = place();
    let (store, key, founded) = with_network(&path).await;
    store.write(key, vec![publish(&revocation(&founded, node(8))), publish(&certificate(&founded))]).await.unwrap();
    store.write(key, vec![publish(&certificate(&founded)), publish(&revocation(&founded, node(9)))]).await.unwrap();
    assert_eq!(store.load(key).await.unwrap().stored.publications.len(), 3);
}

#[tokio::test]
async fn write_that_fails_in_the_middle_leaves_nothing() {
    let (_dir, path) = place();
    let (store, key, founded) = with_network(&path).await;
    store.write(key, vec![Write::Invite(invite(1, InviteState::Unspent))]).await.unwrap();
    execute(&path, "CREATE TRIGGER t BEFORE INSERT ON blocked BEGIN SELECT RAISE(ABORT, 'no'); END").await;
    let writes = vec![
        Write::Invite(invite(1, InviteState::Spent(node(7)))),
        publish(&certificate(&founded)),
        Write::Block(node(5)),
        Write::Invite(invite(2, InviteState::Unspent)),
    ];
    assert!(store.write(key, writes).await.unwrap_err().contains("no"));
    let stored = store.load(key).await.unwrap().stored;
    assert_eq!(stored.invites, [invite(1, InviteState::Unspent)]);
    assert!(stored.publications.is_empty() && stored.blocked.is_empty());
    store.write(key, vec![publish(&certificate(&founded))]).await.unwrap();
}

#[tokio::test]
async fn write_for_a_network_that_was_left_is_refused() {
    let (_dir, path) = place();
    let (store, key, founded) = with_network(&path).await;
    store.write(key, vec![Write::Block(node(5)), publish(&certificate(&founded))]).await.unwrap();
    store.remove_network(key).await.unwrap();
    store.remove_network(key).await.unwrap();
    assert!(store.write(key, vec![Write::Block(node(6))]).await.is_err());
    assert!(matches!(store.load(key).await, Err(StoreError::UnknownNetwork)));
    assert!(matches!(store.remember_chosen(key, &Chosen::default()).await, Err(StoreError::UnknownNetwork)));
    let again = store.add_network(new_network("home", &founded), &[]).await.unwrap();
    assert_ne!(again.key, key, "a late write of the network before would hit the new one");
    assert!(store.load(again.key).await.unwrap().stored.blocked.is_empty());
}

#[tokio::test]
async fn network_and_its_first_state_are_added_together_or_not_at_all() {
    let (_dir, path) = place();
    let store = Store::open(&path).await.unwrap();
    let one = founded(1);
    let added = store.add_network(new_network("home", &one), &[publish(&certificate(&one))]).await.unwrap();
    assert_eq!(store.load(added.key).await.unwrap().stored.publications, [certificate(&one)]);
    execute(&path, "CREATE TRIGGER t BEFORE INSERT ON blocked BEGIN SELECT RAISE(ABORT, 'no'); END").await;
    let two = founded(2);
    assert!(store.add_network(new_network("work", &two), &[Write::Block(node(5))]).await.is_err());
    assert_eq!(store.networks().await.unwrap().len(), 1);
}

#[tokio::test]
async fn label_network_and_prefix_are_taken_once() {
    let (_dir, path) = place();
    let (store, _, one) = with_network(&path).await;
    let two = founded(2);
    let add = async |new| store.add_network(new, &[]).await.map(|_| ());
    assert!(matches!(add(new_network("home", &two)).await, Err(StoreError::LabelTaken(_))));
    assert!(matches!(add(new_network("work", &one)).await, Err(StoreError::NetworkKnown(_))));
    let mut bytes = *one.network.as_bytes();
    bytes[31] ^= 1;
    let twin = NewNetwork { network: NetworkId::from_bytes(bytes), ..new_network("work", &two) };
    assert!(matches!(add(twin).await, Err(StoreError::PrefixTaken(_))));
    add(new_network("work", &two)).await.unwrap();
}

#[tokio::test]
async fn position_of_a_network_that_was_left_is_given_again() {
    let (_dir, path) = place();
    let (store, first, _) = with_network(&path).await;
    store.add_network(new_network("work", &founded(2)), &[]).await.unwrap();
    assert_eq!(store.next_position().await.unwrap(), 2);
    store.remove_network(first).await.unwrap();
    assert_eq!(store.next_position().await.unwrap(), 0);
    let third = store.add_network(new_network("club", &founded(3)), &[]).await.unwrap();
    assert_eq!(third.position, 0);
    let positions: Vec<usize> = store.networks().await.unwrap().iter().map(|network| network.position).collect();
    assert_eq!(positions, [0, 1]);
}

#[tokio::test]
async fn publication_that_cannot_be_read_is_counted_and_a_revocation_refused() {
    let (_dir, path) = place();
    let (store, key, founded) = with_network(&path).await;
    let slot = PublicationSlot { kind: PublicationKind::Names, subject: founded.key, signer: None };
    store.write(key, vec![publish(&certificate(&founded)), Write::Publication(slot, vec![1, 2])]).await.unwrap();
    let loaded = store.load(key).await.unwrap();
    assert_eq!((loaded.stored.publications.len(), loaded.skipped), (1, 1));
    let slot = PublicationSlot { kind: PublicationKind::Revocation, ..slot };
    store.write(key, vec![Write::Publication(slot, vec![1, 2])]).await.unwrap();
    assert!(matches!(store.load(key).await, Err(StoreError::Unreadable { .. })));
}

#[tokio::test]
async fn block_list_entry_that_is_no_key_is_refused() {
    let (_dir, path) = place();
    let (store, key, _) = with_network(&path).await;
    execute(&path, "INSERT INTO blocked VALUES (1, zeroblob(32))").await;
    assert!(matches!(store.load(key).await, Err(StoreError::Unreadable { .. })));
}

#[tokio::test]
async fn opening_twice_migrates_once() {
    let (_dir, path) = place();
    Store::open(&path).await.unwrap().close().await;
    let (store, ..) = with_network(&path).await;
    store.close().await;
    assert_eq!(Store::open(&path).await.unwrap().networks().await.unwrap().len(), 1);
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn commits_survive_without_a_clean_close_and_log_is_as_private_as_the_store() {
    let (dir, path) = place();
    let (store, key, _) = with_network(&path).await;
    store.write(key, vec![Write::Block(node(5))]).await.unwrap();
    assert_eq!(fs::metadata(dir.path().join("holloway.db-wal")).unwrap().mode() & 0o777, 0o600);
    let elsewhere = tempfile::tempdir().unwrap();
    for name in ["holloway.db", "holloway.db-wal"] {
        fs::copy(dir.path().join(name), elsewhere.path().join(name)).unwrap();
    }
    let copy = Store::open_existing(&elsewhere.path().join("holloway.db")).await.unwrap();
    assert_eq!(copy.load(key).await.unwrap().stored.blocked, [node(5)]);
}

#[tokio::test]
async fn start_killed_while_the_store_was_made_starts_again() {
    let (dir, path) = place();
    fs::write(dir.path().join("holloway.db.new"), "half").unwrap();
    fs::write(dir.path().join("holloway.db.new-journal"), "half").unwrap();
    Store::open(&path).await.unwrap().close().await;
    let names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["holloway.db"]);
}

#[tokio::test]
async fn empty_file_is_refused_and_stays() {
    let (_dir, path) = place();
    fs::write(&path, "").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let error = Store::open(&path).await.unwrap_err();
    assert!(matches!(error, StoreError::Empty { .. }));
    let text = error.to_string();
    assert!(text.contains("holloway.db") && text.contains("restore it from a backup"), "{text}");
    assert_eq!(fs::metadata(&path).unwrap().len(), 0);
}

#[tokio::test]
async fn file_that_is_no_database_is_refused_with_a_copy() {
    let (dir, path) = place();
    let bytes = vec![0xa5; 9_000];
    fs::write(&path, &bytes).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let error = Store::open(&path).await.unwrap_err().to_string();
    assert!(error.contains("holloway.db.damaged"), "{error}");
    for name in ["holloway.db", "holloway.db.damaged"] {
        assert_eq!(fs::read(dir.path().join(name)).unwrap(), bytes);
    }
    Store::open(&path).await.unwrap_err();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "every attempt left another copy");
}

/// A store of several pages, closed, so that everything is in the one file.
async fn grown(path: &Path) {
    let (store, key, founded) = with_network(path).await;
    let writes = (0..200u8).map(|n| Write::Invite(invite(n, InviteState::Unspent))).collect();
    store.write(key, writes).await.unwrap();
    store.write(key, (1..60).map(|n| publish(&revocation(&founded, node(n)))).collect()).await.unwrap();
    store.close().await;
    assert!(fs::metadata(path).unwrap().len() > 40_000);
}

#[tokio::test]
async fn random_page_is_refused_with_a_copy_and_never_an_empty_store() {
    let (_dir, original) = place();
    grown(&original).await;
    let pages = fs::metadata(&original).unwrap().len() / 4096;
    let mut refused = 0;
    for page in 0..pages {
        let (dir, path) = place();
        fs::copy(&original, &path).unwrap();
        let mut file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.seek(SeekFrom::Start(page * 4096)).unwrap();
        let noise: Vec<u8> = (0..4096u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        file.write_all(&noise).unwrap();
        drop(file);
        let before = fs::read(&path).unwrap();
        match Store::open_existing(&path).await {
            Err(StoreError::Damaged { .. }) => {
                refused += 1;
                assert_eq!(fs::read(dir.path().join("holloway.db.damaged")).unwrap(), before, "page {page}");
            }
            Err(other) => panic!("page {page}: {other}"),
            Ok(store) => assert_eq!(store.networks().await.unwrap().len(), 1, "page {page}"),
        }
    }
    assert!(refused + 1 >= pages, "only {refused} of {pages} damaged pages were noticed");
}

#[tokio::test]
async fn truncated_store_is_refused_at_every_length() {
    let (_dir, original) = place();
    grown(&original).await;
    let mut bytes = Vec::new();
    fs::File::open(&original).unwrap().read_to_end(&mut bytes).unwrap();
    for length in [1, 15, 16, 17, 99, 100, 512, 4095, 4096, 4097, bytes.len() / 2, bytes.len() - 4096, bytes.len() - 1]
    {
        let (_dir, path) = place();
        fs::copy(&original, &path).unwrap();
        fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(length as u64).unwrap();
        let error = Store::open(&path).await.unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }), "{length}: {error}");
        assert_eq!(fs::metadata(&path).unwrap().len(), length as u64);
    }
}

#[tokio::test]
async fn newer_schema_is_refused_unchanged() {
    let (dir, path) = place();
    let (store, ..) = with_network(&path).await;
    store.close().await;
    execute(&path, "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'later', 1, x'00', 1)").await;
    let before = fs::read(&path).unwrap();
    let error = Store::open(&path).await.unwrap_err();
    assert!(matches!(error, StoreError::Newer { found: 9999, .. }), "{error}");
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn another_programs_database_is_refused_unchanged() {
    let (_dir, path) = place();
    let mut connection = SqliteConnectOptions::new().filename(&path).create_if_missing(true).connect().await.unwrap();
    sqlx::raw_sql("CREATE TABLE network (id INTEGER)").execute(&mut connection).await.unwrap();
    sqlx::Connection::close(connection).await.unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(matches!(Store::open(&path).await, Err(StoreError::Foreign { .. })));
}

#[tokio::test]
async fn store_open_to_others_is_refused_with_the_chmod() {
    let (_dir, path) = place();
    Store::open(&path).await.unwrap().close().await;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(Store::open(&path).await.unwrap_err().to_string().contains("chmod 600"));
}

#[tokio::test]
async fn link_and_directory_in_its_place_are_refused() {
    let (dir, path) = place();
    symlink(dir.path().join("elsewhere"), &path).unwrap();
    assert!(matches!(Store::open(&path).await, Err(StoreError::Permission(_))));
    assert!(!dir.path().join("elsewhere").exists());
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(matches!(Store::open(&path).await, Err(StoreError::Permission(_))));
}

#[tokio::test]
async fn lost_store_is_not_replaced_by_an_empty_one() {
    let (dir, path) = place();
    assert!(matches!(Store::open_existing(&path).await, Err(StoreError::Missing { .. })));
    fs::write(dir.path().join("holloway.db-wal"), "log").unwrap();
    assert!(matches!(Store::open(&path).await, Err(StoreError::Missing { .. })));
    assert!(!path.exists());
}

#[tokio::test]
async fn newest_ten_thousand_events_are_kept_in_order() {
    let (_dir, path) = place();
    let store = Store::open(&path).await.unwrap();
    assert_eq!(store.record_event(&event(1)).await.unwrap(), 1);
    execute(&path, "UPDATE sqlite_sequence SET seq = 9999 WHERE name = 'event'").await;
    assert_eq!(store.record_event(&event(2)).await.unwrap(), 10_000);
    assert_eq!(store.events(0, 10).await.unwrap().len(), 2);
    let newest = store.record_event(&event(3)).await.unwrap();
    assert_eq!(newest, u64::from(EVENTS_MAX) + 1);
    let kept = store.events(0, 10).await.unwrap();
    assert_eq!(kept.iter().map(|event| event.id).collect::<Vec<_>>(), [10_000, 10_001]);
    assert_eq!(kept[1].what, event(3));
    assert_eq!(store.events(10_000, 10).await.unwrap().len(), 1);
    assert_eq!(store.events(0, 1).await.unwrap().len(), 1);
    assert!(store.events(u64::MAX, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn clones_write_at_once_without_losing_anything() {
    let (_dir, path) = place();
    let (store, key, _) = with_network(&path).await;
    let tasks: Vec<_> = (0..32u8)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move { store.write(key, vec![Write::Invite(invite(n, InviteState::Unspent))]).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(store.load(key).await.unwrap().stored.invites.len(), 32);
}

#[tokio::test]
async fn write_that_is_given_up_half_way_leaves_nothing_and_blocks_nobody() {
    let (_dir, path) = place();
    let (store, key, _) = with_network(&path).await;
    for _ in 0..20 {
        let many = (0..100u8).map(|n| Write::Invite(invite(n, InviteState::Unspent))).collect();
        let mut writing = Box::pin(store.write(key, many));
        // Polled a few times, then dropped: somewhere between its beginning and its end.
        for _ in 0..3 {
            let _ = poll_once(&mut writing).await;
        }
        drop(writing);
        let invites = store.load(key).await.unwrap().stored.invites.len();
        assert!(invites == 0 || invites == 100, "{invites} of 100 were written");
        store.write(key, vec![Write::Block(node(5))]).await.unwrap();
    }
}

/// Polls once, and lets other tasks and the store's thread run.
async fn poll_once<T>(future: &mut (impl Future<Output = T> + Unpin)) -> Option<T> {
    tokio::select! {
        biased;
        done = future => Some(done),
        () = tokio::task::yield_now() => None,
    }
}

/// Runs what has to see mounts of its own, after `mount` with these arguments.
fn with_mount<F: Future<Output = ()>>(arguments: &[&OsStr], work: impl FnOnce() -> F + Send) {
    in_mount_namespace(|| {
        mount(arguments);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(work());
    })
    .unwrap();
}

fn mount(arguments: &[&OsStr]) {
    assert!(Command::new("mount").args(arguments).status().unwrap().success(), "{arguments:?}");
}

fn is_root() -> bool {
    let is_root = holloway_config::effective_uid() == 0;
    if !is_root {
        eprintln!("skipped: needs root");
    }
    is_root
}

#[test]
fn full_disk_is_said_and_loses_nothing_earlier() {
    if is_root() {
        let dir = tempfile::tempdir().unwrap();
        let arguments = ["-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs"].map(OsStr::new);
        with_mount(&[&arguments[..], &[dir.path().as_os_str()]].concat(), || fill_disk(dir.path()));
    }
}

async fn fill_disk(dir: &Path) {
    let (store, key, _) = with_network(&dir.join("holloway.db")).await;
    store.write(key, vec![Write::Block(node(5))]).await.unwrap();
    let mut ballast = fs::File::create(dir.join("ballast")).unwrap();
    while ballast.write_all(&[0; 1024]).is_ok() {}
    let many = || (0..200u8).map(|n| Write::Invite(invite(n, InviteState::Unspent))).collect::<Vec<_>>();
    let error = store.write(key, many()).await.unwrap_err();
    assert!(error.contains("the disk is full"), "{error}");
    let stored = store.load(key).await.unwrap().stored;
    assert_eq!((stored.blocked, stored.invites.len()), (vec![node(5)], 0));
    let mut acknowledged = vec![node(5)];
    for seed in 10..20 {
        if store.write(key, vec![Write::Block(node(seed))]).await.is_ok() {
            acknowledged.push(node(seed));
        }
    }
    fs::remove_file(dir.join("ballast")).unwrap();
    drop(ballast);
    store.write(key, many()).await.unwrap();
    store.close().await;
    let store = Store::open_existing(&dir.join("holloway.db")).await.unwrap();
    let stored = store.load(key).await.unwrap().stored;
    acknowledged.sort();
    assert_eq!((stored.blocked, stored.invites.len()), (acknowledged, 200));
}

#[test]
fn read_only_directory_is_said_and_changes_nothing() {
    if is_root() {
        let dir = tempfile::tempdir().unwrap();
        let arguments = [OsStr::new("--bind"), dir.path().as_os_str(), dir.path().as_os_str()];
        with_mount(&arguments, || open_read_only(dir.path()));
    }
}

async fn open_read_only(dir: &Path) {
    let remount = |mode: &str| {
        mount(&[OsStr::new("-o"), OsStr::new(&format!("remount,bind,{mode}")), dir.as_os_str()]);
    };
    remount("ro");
    let error = Store::open(&dir.join("holloway.db")).await.unwrap_err();
    assert!(matches!(error, StoreError::ReadOnly), "{error}");
    remount("rw");
    let (store, ..) = with_network(&dir.join("holloway.db")).await;
    store.close().await;
    remount("ro");
    let error = Store::open(&dir.join("holloway.db")).await.unwrap_err();
    assert!(matches!(error, StoreError::ReadOnly), "{error}");
    remount("rw");
    assert_eq!(Store::open(&dir.join("holloway.db")).await.unwrap().networks().await.unwrap().len(), 1);
}
