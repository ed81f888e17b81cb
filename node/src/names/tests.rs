use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use holloway_config::Integrate;
use holloway_simnet::lab::in_mount_namespace;
use tempfile::TempDir;

use super::journal::Journal;
use super::way::Way;
use super::*;

const ORIGINAL: &str = "# from dhcp\nnameserver 192.0.2.1\nnameserver 2001:db8::1\nsearch lan example\noptions edns0";
const HOSTS: &str = "127.0.0.1 localhost\n::1 localhost";

/// A machine in a folder.
struct Machine {
    root: TempDir,
}

impl Machine {
    /// In init's network namespace, with a plain resolv.conf.
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        for dir in ["etc", "state", "proc/self/ns", "proc/1/ns", "sys/class/net/eth7"] {
            fs::create_dir_all(root.path().join(dir)).unwrap();
        }
        let machine = Self { root };
        machine.enter_network("net:[1]", "net:[1]");
        fs::write(machine.path("etc/resolv.conf"), ORIGINAL).unwrap();
        fs::set_permissions(machine.path("etc/resolv.conf"), fs::Permissions::from_mode(0o640)).unwrap();
        fs::write(machine.path("etc/hosts"), HOSTS).unwrap();
        fs::write(machine.path("proc/self/mountinfo"), "22 27 0:21 / /proc rw - proc proc rw\n").unwrap();
        machine
    }

    fn path(&self, inner: &str) -> PathBuf {
        self.root.path().join(inner)
    }

    fn read(&self, inner: &str) -> String {
        fs::read_to_string(self.path(inner)).unwrap()
    }

    fn enter_network(&self, own: &str, init: &str) {
        for (process, namespace) in [("self", own), ("1", init)] {
            let link = self.path("proc").join(process).join("ns/net");
            let _ = fs::remove_file(&link);
            symlink(namespace, link).unwrap();
        }
    }

    fn places(&self) -> Places {
        Places {
            resolv_conf: self.path("etc/resolv.conf"),
            hosts: self.path("etc/hosts"),
            journal: self.path("state/names.journal"),
            proc: self.path("proc"),
            sys: self.path("sys"),
        }
    }

    fn prepare(&self) -> Integration {
        Integration::prepare(self.places(), settings()).unwrap()
    }

    fn applied(&self) -> Integration {
        let mut integration = self.prepare();
        integration.apply().unwrap();
        integration
    }

    fn assert_as_before(&self) {
        assert_eq!(self.read("etc/resolv.conf"), ORIGINAL);
        assert_eq!(self.read("etc/hosts"), HOSTS);
        assert_eq!(fs::metadata(self.path("etc/resolv.conf")).unwrap().mode() & 0o7777, 0o640);
        assert!(!self.path("state/names.journal").exists());
        assert_eq!(fs::read_dir(self.path("etc")).unwrap().count(), 2, "a temporary file was left");
    }
}

fn settings() -> NamesSettings {
    NamesSettings { integrate: Integrate::Auto, resolver: "127.42.0.53:53".parse().unwrap(), search: Vec::new() }
}

fn entry(name: &str, address: &str) -> HostsEntry {
    HostsEntry { name: name.to_owned(), address: address.parse().unwrap() }
}

fn bob() -> HostsEntry {
    entry("bob.home.alt", "fd42::b0b")
}

#[test]
fn plain_resolv_conf_names_our_server_and_keeps_the_rest() {
    let machine = Machine::new();
    let integration = machine.applied();
    let text = machine.read("etc/resolv.conf");
    let servers: Vec<&str> = text.lines().filter(|line| line.starts_with("nameserver")).collect();
    assert_eq!(servers, ["nameserver 127.42.0.53"]);
    assert!(text.contains("search lan example\noptions edns0\n") && text.contains("# from dhcp\n"));
    assert!(text.contains("holloway down") && text.contains("state/names.journal"));
    assert_eq!(fs::metadata(machine.path("etc/resolv.conf")).unwrap().mode() & 0o7777, 0o640);
    assert_eq!(fs::metadata(machine.path("state/names.journal")).unwrap().mode() & 0o7777, 0o600);
    assert_eq!(integration.status().way, Way::ResolvConf);
}

#[test]
fn earlier_servers_become_upstreams_and_our_own_never_does() {
    let machine = Machine::new();
    fs::write(machine.path("sys/class/net/eth7/ifindex"), "7\n").unwrap();
    let text = "nameserver 127.42.0.53\nnameserver 192.0.2.1\n nameserver fe80::1%eth7\nnameserver fe80::1%gone\nnameserver x\nnameserver 192.0.2.1\n";
    fs::write(machine.path("etc/resolv.conf"), text).unwrap();
    let expected: Vec<SocketAddr> = vec!["192.0.2.1:53".parse().unwrap(), "[fe80::1%7]:53".parse().unwrap()];
    assert_eq!(machine.prepare().upstreams(), expected);
}

#[test]
fn undo_restores_every_byte_and_the_mode() {
    let machine = Machine::new();
    let mut integration = machine.applied();
    assert_eq!(integration.undo().unwrap(), Vec::<String>::new());
    machine.assert_as_before();
    assert_eq!(integration.undo().unwrap(), Vec::<String>::new());
    machine.assert_as_before();
}

#[test]
fn next_start_after_a_kill_restores_every_byte() {
    let machine = Machine::new();
    drop(machine.applied());
    assert_eq!(recover(&machine.places()).unwrap(), Vec::<String>::new());
    machine.assert_as_before();
    assert_eq!(recover(&machine.places()).unwrap(), Vec::<String>::new());
}

#[test]
fn kill_between_journal_and_write_is_recovered() {
    let machine = Machine::new();
    drop(machine.applied());
    fs::write(machine.path("etc/resolv.conf"), ORIGINAL).unwrap();
    fs::write(machine.path("etc/.resolv.conf.holloway"), "half").unwrap();
    assert_eq!(recover(&machine.places()).unwrap(), Vec::<String>::new());
    assert_eq!(machine.read("etc/resolv.conf"), ORIGINAL);
    let mut integration = machine.applied();
    integration.undo().unwrap();
    machine.assert_as_before();
}

#[test]
fn kill_between_write_and_cut_in_place_is_recovered() {
    let machine = Machine::new();
    let long = format!("{ORIGINAL}\n{}", "# filler\nnameserver 192.0.2.9\n".repeat(60));
    fs::write(machine.path("etc/resolv.conf"), &long).unwrap();
    drop(machine.applied());
    let mut torn = machine.read("etc/resolv.conf");
    assert!(torn.len() < long.len(), "nothing could be torn");
    torn.push_str(&"\n".repeat(long.len() - torn.len()));
    fs::write(machine.path("etc/resolv.conf"), torn).unwrap();
    assert_eq!(recover(&machine.places()).unwrap(), Vec::<String>::new());
    assert_eq!(machine.read("etc/resolv.conf"), long);
}

#[test]
fn lines_that_somebody_added_stay_and_ours_go() {
    let machine = Machine::new();
    let mut integration = machine.applied();
    let edited = format!("{}options timeout:1\n", machine.read("etc/resolv.conf"));
    fs::write(machine.path("etc/resolv.conf"), edited).unwrap();
    let notes = integration.undo().unwrap();
    assert!(notes.len() == 1 && notes[0].contains("changed by another program"), "{notes:?}");
    let text = machine.read("etc/resolv.conf");
    assert!(!text.contains("holloway") && !text.contains("127.42.0.53") && text.contains("options timeout:1\n"));
    assert!(text.contains("nameserver 192.0.2.1\nnameserver 2001:db8::1\n"), "no server was left: {text}");
}

#[test]
fn file_that_somebody_replaced_is_left_as_it_is() {
    let machine = Machine::new();
    let mut integration = machine.applied();
    fs::write(machine.path("etc/resolv.conf"), "nameserver 198.51.100.1\n").unwrap();
    assert!(integration.undo().unwrap()[0].contains("left so"));
    assert_eq!(machine.read("etc/resolv.conf"), "nameserver 198.51.100.1\n");

    let mut integration = machine.applied();
    fs::remove_file(machine.path("etc/resolv.conf")).unwrap();
    symlink("../run/stub", machine.path("etc/resolv.conf")).unwrap();
    assert!(integration.undo().unwrap()[0].contains("left so"));
    assert_eq!(fs::read_link(machine.path("etc/resolv.conf")).unwrap(), Path::new("../run/stub"));
}

#[test]
fn missing_resolv_conf_is_missing_again_afterwards() {
    let machine = Machine::new();
    fs::remove_file(machine.path("etc/resolv.conf")).unwrap();
    let mut integration = machine.applied();
    assert!(integration.upstreams().is_empty() && machine.path("etc/resolv.conf").exists());
    integration.undo().unwrap();
    assert!(!machine.path("etc/resolv.conf").exists());
}

#[test]
fn content_that_is_not_text_survives() {
    let machine = Machine::new();
    let original = b"nameserver 192.0.2.1\n# \xff\xfe\n";
    fs::write(machine.path("etc/resolv.conf"), original).unwrap();
    drop(machine.applied());
    recover(&machine.places()).unwrap();
    assert_eq!(fs::read(machine.path("etc/resolv.conf")).unwrap(), original);
}

#[test]
fn link_is_not_replaced_and_names_go_to_the_hosts_file() {
    let machine = Machine::new();
    fs::write(machine.path("stub"), "nameserver 127.0.0.53\n").unwrap();
    fs::remove_file(machine.path("etc/resolv.conf")).unwrap();
    symlink("../stub", machine.path("etc/resolv.conf")).unwrap();
    let mut integration = machine.applied();
    integration.publish([bob()]).unwrap();
    assert_eq!(integration.upstreams(), ["127.0.0.53:53".parse().unwrap()]);
    assert!(fs::symlink_metadata(machine.path("etc/resolv.conf")).unwrap().is_symlink());
    assert_eq!(machine.read("stub"), "nameserver 127.0.0.53\n");
    assert!(machine.read("etc/hosts").contains("\nfd42::b0b bob.home.alt\n"));
    integration.undo().unwrap();
    assert_eq!(machine.read("etc/hosts"), HOSTS);
}

#[test]
fn probe_that_fails_falls_back_to_the_hosts_file() {
    let machine = Machine::new();
    let mut integration = machine.applied();
    integration.publish([bob()]).unwrap();
    assert_eq!(machine.read("etc/hosts"), HOSTS, "resolv.conf is enough until a probe fails");
    integration.judge(false).unwrap();
    assert_eq!(machine.read("etc/resolv.conf"), ORIGINAL);
    assert!(machine.read("etc/hosts").contains("fd42::b0b bob.home.alt\n"));
    integration.judge(true).unwrap();
    assert!(integration.status().to_string().contains("hosts file") && integration.status().resolves == Some(true));
    drop(integration);
    recover(&machine.places()).unwrap();
    machine.assert_as_before();
}

#[test]
fn probe_that_succeeds_changes_nothing() {
    let machine = Machine::new();
    let mut integration = machine.applied();
    integration.judge(true).unwrap();
    assert_eq!(integration.status().to_string(), "by resolv.conf; names resolve");
    integration.undo().unwrap();
    machine.assert_as_before();
}

#[test]
fn hosts_block_follows_the_names_and_is_one() {
    let machine = Machine::new();
    let mut integration = machine.applied();
    integration.judge(false).unwrap();
    integration.publish([bob()]).unwrap();
    let once = machine.read("etc/hosts");
    let written = fs::metadata(machine.path("etc/hosts")).unwrap().ino();
    integration.publish([bob(), bob()]).unwrap();
    assert_eq!(
        fs::metadata(machine.path("etc/hosts")).unwrap().ino(),
        written,
        "nothing changed, so nothing is written"
    );
    assert_eq!(machine.read("etc/hosts"), once);
    integration.publish([entry("carol.home.alt", "fd42::ca")]).unwrap();
    let text = machine.read("etc/hosts");
    assert!(text.starts_with(HOSTS) && !text.contains("bob") && text.contains("fd42::ca carol.home.alt\n"));
    assert_eq!(text.matches("# BEGIN holloway").count(), 1);
    integration.undo().unwrap();
    machine.assert_as_before();
}

#[test]
fn lines_after_the_block_stay_when_it_goes() {
    let machine = Machine::new();
    let mut integration = machine.applied();
    integration.judge(false).unwrap();
    integration.publish([bob()]).unwrap();
    let edited = format!("{}192.0.2.7 printer\n", machine.read("etc/hosts"));
    fs::write(machine.path("etc/hosts"), edited).unwrap();
    integration.publish([entry("carol.home.alt", "fd42::ca")]).unwrap();
    assert!(machine.read("etc/hosts").ends_with("# END holloway\n192.0.2.7 printer\n"));
    integration.undo().unwrap();
    assert_eq!(machine.read("etc/hosts"), format!("{HOSTS}\n192.0.2.7 printer\n"));
}

#[test]
fn block_whose_end_was_cut_off_takes_no_foreign_line_with_it() {
    let machine = Machine::new();
    let mut integration = machine.applied();
    integration.judge(false).unwrap();
    integration.publish([bob()]).unwrap();
    let edited = machine.read("etc/hosts").replace("# END holloway\n", "192.0.2.7 printer\n");
    fs::write(machine.path("etc/hosts"), edited).unwrap();
    integration.undo().unwrap();
    assert_eq!(machine.read("etc/hosts"), format!("{HOSTS}\n192.0.2.7 printer\n"));
}

#[test]
fn hostile_name_never_reaches_the_hosts_file() {
    let machine = Machine::new();
    let mut integration = machine.applied();
    integration.judge(false).unwrap();
    let names = ["x\n6.6.6.6 bank.example\n.alt", "a b.alt", "bank.example", "x#.alt", "\u{202e}.alt", ".\t.alt", ""];
    integration.publish(names.map(|name| entry(name, "fd42::1")).into_iter().chain([bob()])).unwrap();
    let text = machine.read("etc/hosts");
    let lines: Vec<&str> = text.lines().skip_while(|line| !line.starts_with("# BEGIN")).skip(1).collect();
    assert_eq!(lines, ["fd42::b0b bob.home.alt", "# END holloway"]);
}

#[test]
fn two_daemons_keep_a_block_each() {
    let machine = Machine::new();
    let mut first = machine.applied();
    first.judge(false).unwrap();
    first.publish([bob()]).unwrap();
    fs::create_dir(machine.path("other")).unwrap();
    let places = Places { journal: machine.path("other/names.journal"), ..machine.places() };
    let settings = NamesSettings { resolver: "127.42.0.54:5353".parse().unwrap(), ..settings() };
    let mut second = Integration::prepare(places, settings).unwrap();
    second.apply().unwrap();
    second.publish([entry("dave.work.alt", "fd42::da")]).unwrap();
    first.undo().unwrap();
    let text = machine.read("etc/hosts");
    assert!(text.contains("dave.work.alt") && !text.contains("bob"), "{text}");
    second.undo().unwrap();
    assert!(!machine.read("etc/hosts").contains("holloway"));
}

#[test]
fn second_daemon_leaves_the_resolv_conf_of_the_first() {
    let machine = Machine::new();
    let _first = machine.applied();
    let before = machine.read("etc/resolv.conf");
    let places = Places { journal: machine.path("state/other.journal"), ..machine.places() };
    let mut second = Integration::prepare(places, settings()).unwrap();
    second.apply().unwrap();
    assert_eq!(machine.read("etc/resolv.conf"), before);
    assert!(second.status().to_string().contains("another daemon"));
}

#[test]
fn other_port_than_53_cannot_stand_in_resolv_conf() {
    let machine = Machine::new();
    let settings = NamesSettings { resolver: "127.42.0.53:5353".parse().unwrap(), ..settings() };
    let mut integration = Integration::prepare(machine.places(), settings).unwrap();
    integration.apply().unwrap();
    assert_eq!(machine.read("etc/resolv.conf"), ORIGINAL);
    assert!(matches!(integration.status().way, Way::Hosts(_)));
}

#[test]
fn other_network_namespace_with_shared_files_is_left_alone_and_says_so() {
    let machine = Machine::new();
    machine.enter_network("net:[2]", "net:[1]");
    let mut integration = machine.applied();
    integration.publish([bob()]).unwrap();
    integration.judge(false).unwrap();
    assert!(integration.status().to_string().starts_with("off: this daemon runs in a network namespace"));
    assert_eq!(integration.upstreams().len(), 2);
    machine.assert_as_before();
}

#[test]
fn other_network_namespace_with_a_private_resolv_conf_uses_that_one_only() {
    let machine = Machine::new();
    machine.enter_network("net:[2]", "net:[1]");
    let mount = machine.path("etc/resolv.conf");
    fs::write(machine.path("proc/self/mountinfo"), format!("9 1 8:1 /x {} rw - ext4 /dev/x rw\n", mount.display()))
        .unwrap();
    let mut integration = machine.applied();
    integration.publish([bob()]).unwrap();
    assert!(machine.read("etc/resolv.conf").contains("127.42.0.53"));
    integration.judge(false).unwrap();
    assert!(integration.status().to_string().starts_with("off: a name did not resolve"));
    machine.assert_as_before();
}

#[test]
fn namespace_is_told_by_inodes_where_the_links_cannot_be_read() {
    let machine = Machine::new();
    for process in ["self", "1"] {
        fs::remove_file(machine.path("proc").join(process).join("ns/net")).unwrap();
        fs::create_dir(machine.path("proc").join(process).join("net")).unwrap();
    }
    fs::write(machine.path("proc/1/net/dev"), "").unwrap();
    fs::hard_link(machine.path("proc/1/net/dev"), machine.path("proc/self/net/dev")).unwrap();
    assert_eq!(machine.prepare().status().way, Way::ResolvConf);
    fs::remove_file(machine.path("proc/self/net/dev")).unwrap();
    fs::write(machine.path("proc/self/net/dev"), "").unwrap();
    assert!(matches!(machine.prepare().status().way, Way::Off(_)));
}

#[test]
fn switched_off_touches_nothing() {
    let machine = Machine::new();
    let settings = NamesSettings { integrate: Integrate::Off, ..settings() };
    let mut integration = Integration::prepare(machine.places(), settings).unwrap();
    integration.apply().unwrap();
    integration.judge(false).unwrap();
    integration.publish([bob()]).unwrap();
    machine.assert_as_before();
    assert!(integration.status().to_string().contains("dns.integrate"));
}

#[test]
fn search_list_is_theirs_then_ours_and_six_at_most() {
    let own: IpAddr = "127.42.0.53".parse().unwrap();
    let search = |original: &str| {
        let text = resolv_conf::with_our_server(original, own, &["home.alt".to_owned()], Path::new("/j"));
        text.lines().filter(|line| line.starts_with("search")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(search("search a b c d e f g\n"), ["search a b c d e home.alt"]);
    assert_eq!(search("domain x\nsearch a b\n"), ["search a b home.alt"]);
    assert_eq!(search("search a b\ndomain x\n"), ["search x home.alt"]);
    assert_eq!(search("search home.alt\n"), ["search home.alt"]);
    assert_eq!(search(""), ["search home.alt"]);
}

#[test]
fn planted_link_at_the_journal_is_not_followed() {
    let machine = Machine::new();
    fs::write(machine.path("victim"), "precious").unwrap();
    symlink("../victim", machine.path("state/names.journal")).unwrap();
    assert!(matches!(recover(&machine.places()), Err(NamesError::Journal { .. })));
    let mut integration = machine.applied();
    assert_eq!(machine.read("victim"), "precious");
    integration.undo().unwrap();
    assert_eq!(machine.read("victim"), "precious");
}

#[test]
fn unreadable_journal_is_refused_with_its_path() {
    let machine = Machine::new();
    for text in ["", "{", r#"{"schema":2,"resolv_conf":null,"hosts":null}"#] {
        fs::write(machine.path("state/names.journal"), text).unwrap();
        let error = recover(&machine.places()).unwrap_err().to_string();
        assert!(error.contains("names.journal") && error.contains("resolv.conf"), "{error}");
        assert_eq!(machine.read("etc/resolv.conf"), ORIGINAL);
    }
}

#[test]
fn journal_is_on_disk_before_the_file_changes() {
    let machine = Machine::new();
    let mut integration = machine.prepare();
    fs::remove_dir(machine.path("state")).unwrap();
    assert!(integration.apply().is_err());
    assert_eq!(machine.read("etc/resolv.conf"), ORIGINAL);
}

#[test]
fn journal_round_trips() {
    let machine = Machine::new();
    drop(machine.applied());
    let journal = Journal::read(&machine.path("state/names.journal"), Path::new("x")).unwrap().unwrap();
    let before = journal.resolv_conf.unwrap().before.unwrap();
    assert_eq!(before.content.as_bytes(), ORIGINAL.as_bytes());
}

/// As root: the file is a mount of its own, as in containers and under `ip netns exec`, in a mount namespace of one thread.
#[test]
fn file_that_is_a_mount_is_written_in_place() {
    if holloway_config::effective_uid() != 0 {
        eprintln!("skipped: needs root");
        return;
    }
    let machine = Machine::new();
    let file = machine.path("etc/resolv.conf");
    fs::write(machine.path("private"), ORIGINAL).unwrap();
    // Only the thread sees the mount, so it looks at its own view of the mounts.
    let proc = machine.path("thread");
    fs::create_dir(&proc).unwrap();
    for (process, seen) in [("self", "/proc/thread-self"), ("1", "/proc/1")] {
        symlink(seen, proc.join(process)).unwrap();
    }
    in_mount_namespace(|| {
        let mounted = Command::new("mount").arg("--bind").args([machine.path("private"), file]).status().unwrap();
        assert!(mounted.success());
        let places = Places { proc, sys: PathBuf::from("/sys"), ..machine.places() };
        assert!(places.may_touch(&places.resolv_conf));
        let mut integration = Integration::prepare(places, settings()).unwrap();
        integration.apply().unwrap();
        assert!(machine.read("private").contains("nameserver 127.42.0.53"));
        assert_eq!(integration.undo().unwrap(), Vec::<String>::new());
    })
    .unwrap();
    assert_eq!(machine.read("private"), ORIGINAL);
    assert_eq!(machine.read("etc/resolv.conf"), ORIGINAL, "the file under the mount was touched");
}

#[tokio::test]
async fn child_says_whether_a_name_resolves() {
    assert!(probe_in_child(Path::new("/bin/true"), &[]).await);
    assert!(!probe_in_child(Path::new("/bin/false"), &[]).await);
    assert!(!probe_in_child(Path::new("/nonexistent"), &[]).await);
}

#[test]
fn probe_finds_this_machine_and_not_a_reserved_name() {
    assert!(probe("127.0.0.1"));
    assert!(!probe("no-such-name.invalid"));
}

#[test]
fn hosts_file_without_names_has_no_block() {
    let machine = Machine::new();
    let mut integration = machine.applied();
    integration.judge(false).unwrap();
    assert_eq!(machine.read("etc/hosts"), HOSTS);
    integration.publish([bob()]).unwrap();
    integration.publish([]).unwrap();
    assert_eq!(machine.read("etc/hosts"), HOSTS);
    integration.publish([bob()]).unwrap();
    drop(integration);
    recover(&machine.places()).unwrap();
    machine.assert_as_before();
}
