//! What the facts mean, and what to do about them.

use std::io;

use super::facts::{Daemon, DoctorInput, Facts, Ipv6, Listen, Transport};

/// 2026-01-01T00:00:00Z: no copy of this program is older, so a clock before it is wrong.
const CLOCK_MIN: u64 = 1_767_225_600;
/// Two sockets to each of a few hundred members, and as many again for control and names.
const OPEN_FILES_MIN: u64 = 1_024;

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// As it should be.
    Ok,
    /// Works, but not as well as it could.
    Warn,
    /// The daemon cannot do its work.
    Fail,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Check {
    /// What was checked: one word, for scripts.
    pub(crate) name: &'static str,
    /// How it came out.
    pub(crate) state: State,
    /// What was found, in words.
    pub(crate) what: String,
    /// What to do about it: a command where there is one.
    pub(crate) mend: Option<String>,
}

impl Check {
    fn ok(name: &'static str, what: impl Into<String>) -> Self {
        Self { name, state: State::Ok, what: what.into(), mend: None }
    }

    fn warn(name: &'static str, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { name, state: State::Warn, what: what.into(), mend: Some(mend.into()) }
    }

    fn fail(name: &'static str, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { name, state: State::Fail, what: what.into(), mend: Some(mend.into()) }
    }
}

/// Judges each fact; the order is the one in which a newcomer meets the obstacles.
pub(crate) fn judge(facts: &Facts, input: &DoctorInput) -> Vec<Check> {
    let mut checks = vec![
        state_dir(facts, input),
        clock(facts),
        tun(facts, input),
        net_admin(facts),
        ipv6(facts),
        open_files(facts),
    ];
    checks.extend(facts.listens.iter().map(|(listen, outcome)| port(listen, outcome)));
    checks.extend(routes(facts, input));
    checks.push(daemon(facts, input));
    checks.push(names(facts, input));
    checks
}

fn state_dir(facts: &Facts, input: &DoctorInput) -> Check {
    let path = input.state_dir.display();
    match &facts.state_dir {
        None => Check::ok("state", format!("{path} does not exist yet; the daemon makes it")),
        Some(Ok(())) => Check::ok("state", format!("{path} is private")),
        Some(Err(error)) => {
            let (what, mend) = error.split_once("; run: ").unwrap_or((error, ""));
            let mend = if mend.is_empty() { format!("ls -ld {path}") } else { mend.to_owned() };
            Check::fail("state", what, mend)
        }
    }
}

fn clock(facts: &Facts) -> Check {
    if facts.unix_secs < CLOCK_MIN {
        return Check::fail("clock", "the clock is before 2026, so handshakes fail", "timedatectl set-ntp true");
    }
    Check::ok("clock", "the clock is plausible (members may differ by 60 s)")
}

fn tun(facts: &Facts, input: &DoctorInput) -> Check {
    let path = input.tun.display();
    match &facts.tun {
        Ok(()) => Check::ok("tun", format!("{path} can be opened")),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Check::warn("tun", format!("{path} cannot be opened by this user"), "sudo holloway doctor")
        }
        Err(error) => {
            let mend = "modprobe tun (in a container: give it /dev/net/tun, such as --device /dev/net/tun)";
            Check::fail("tun", format!("{path} cannot be opened: {error}"), mend)
        }
    }
}

fn net_admin(facts: &Facts) -> Check {
    match facts.has_net_admin {
        Some(true) => Check::ok("privilege", "this process may configure the network (CAP_NET_ADMIN)"),
        Some(false) => Check::warn(
            "privilege",
            "this process may not configure the network (CAP_NET_ADMIN); the daemon must",
            "sudo holloway up, or sudo holloway service install",
        ),
        None => Check::warn("privilege", "it cannot be told whether this process has CAP_NET_ADMIN", "mount /proc"),
    }
}

fn ipv6(facts: &Facts) -> Check {
    match facts.ipv6 {
        Ipv6::On => Check::ok("ipv6", "the kernel speaks IPv6"),
        Ipv6::SwitchedOff => Check::fail(
            "ipv6",
            "IPv6 is switched off, and overlay addresses are IPv6 addresses",
            "sysctl -w net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.default.disable_ipv6=0",
        ),
        Ipv6::Missing => Check::fail(
            "ipv6",
            "the kernel was started without IPv6, and overlay addresses are IPv6 addresses",
            "remove ipv6.disable=1 from the kernel command line and restart the machine",
        ),
    }
}

fn open_files(facts: &Facts) -> Check {
    match facts.open_files_max {
        Some(limit) if limit < OPEN_FILES_MIN => {
            Check::warn("files", format!("only {limit} files may be open"), format!("ulimit -n {OPEN_FILES_MIN}"))
        }
        Some(limit) => Check::ok("files", format!("{limit} files may be open")),
        None => Check::ok("files", "any number of files may be open"),
    }
}

fn port(listen: &Listen, outcome: &Result<(), io::Error>) -> Check {
    let transport = match listen.transport {
        Transport::Udp => "udp",
        Transport::Tcp => "tcp",
    };
    let what = format!("{} for {} ({transport})", listen.address, listen.purpose);
    match outcome {
        Ok(()) => Check::ok("port", format!("{what} is free")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let mend =
                format!("ss -lnp 'sport = {}' shows who; or set another port in holloway.toml", listen.address.port());
            Check::fail("port", format!("{what} is taken"), mend)
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Check::warn("port", format!("{what} cannot be bound by this user"), "sudo holloway doctor")
        }
        Err(error) => {
            Check::fail("port", format!("{what} cannot be bound: {error}"), "set another address in holloway.toml")
        }
    }
}

fn routes(facts: &Facts, input: &DoctorInput) -> Vec<Check> {
    if input.networks.is_empty() {
        return Vec::new();
    }
    if facts.overlaps.is_empty() {
        return vec![Check::ok("routes", "no other route covers the networks' addresses")];
    }
    let check = |(label, overlap): &(holloway_wire::Label, crate::routes::RouteOverlap)| {
        let (route, interface) = (&overlap.route, overlap.interface.escape_debug());
        let mend = format!("ip -6 route show {route}, and remove it: ip -6 route del {route} dev {interface}");
        if overlap.is_wider {
            let what = format!("{route} on {interface} covers network {label} too; the network's own route wins");
            return Check::warn("routes", what, mend);
        }
        Check::fail("routes", format!("{route} on {interface} takes addresses of network {label}"), mend)
    };
    facts.overlaps.iter().map(check).collect()
}

fn daemon(facts: &Facts, input: &DoctorInput) -> Check {
    let path = input.socket.display();
    match &facts.daemon {
        Daemon::Running => Check::ok("daemon", format!("the daemon answers at {path}")),
        Daemon::NotRunning => Check::warn("daemon", "the daemon is not running", "holloway up"),
        Daemon::Unreachable(error) if error.kind() == io::ErrorKind::PermissionDenied => Check::warn(
            "daemon",
            format!("this user may not open {path}"),
            "sudo usermod -aG holloway $USER, then log in again",
        ),
        Daemon::Unreachable(error) => {
            Check::fail("daemon", format!("{path} cannot be reached: {error}"), format!("ls -l {path}"))
        }
    }
}

fn names(facts: &Facts, input: &DoctorInput) -> Check {
    if let Some(words) = &input.names {
        if words.contains("do not resolve") {
            return Check::fail("names", format!("names under .alt: {words}"), "holloway dns query <name>");
        }
        return Check::ok("names", format!("names under .alt: {words}"));
    }
    if facts.has_names_journal && matches!(facts.daemon, Daemon::NotRunning) {
        let what = "a daemon that was killed left changes in resolv.conf or the hosts file";
        return Check::fail("names", what, "holloway up, which restores them first");
    }
    Check::ok("names", "names under .alt are set up while the daemon runs")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::net::{TcpListener, UdpSocket};
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixListener;
    use std::path::Path;

    use holloway_wire::NetworkId;
    use tempfile::TempDir;

    use super::super::checks;
    use super::super::facts::OverlayNetwork;
    use super::*;

    /// A machine in a folder on which everything is well and no daemon runs.
    fn machine() -> (TempDir, DoctorInput) {
        let root = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("tun", "");
        write("proc/self/status", "Name:\tx\nCapEff:\t0000000000001000\n");
        write(
            "proc/self/limits",
            "Limit  Soft Limit  Hard Limit  Units\nMax open files            1024                 4096                 files\n",
        );
        write("proc/sys/net/ipv6/conf/all/disable_ipv6", "0\n");
        write("proc/sys/net/ipv6/conf/default/disable_ipv6", "0\n");
        write("proc/net/ipv6_route", "");
        let state = root.path().join("state");
        fs::create_dir(&state).unwrap();
        fs::set_permissions(&state, fs::Permissions::from_mode(0o700)).unwrap();
        let input = DoctorInput {
            tun: root.path().join("tun"),
            proc: root.path().join("proc"),
            ..DoctorInput::of_system(state.clone(), state.join("api.sock"))
        };
        (root, input)
    }

    fn find<'a>(checks: &'a [Check], name: &str) -> &'a Check {
        checks.iter().find(|check| check.name == name).unwrap()
    }

    fn state_of(input: &DoctorInput, name: &str) -> State {
        let checks = checks(input);
        let check = find(&checks, name);
        assert_eq!(check.mend.is_none(), check.state == State::Ok, "a finding without a mend: {check:?}");
        check.state
    }

    #[test]
    fn machine_in_order_only_lacks_a_daemon() {
        let (_root, input) = machine();
        let findings: Vec<Check> = checks(&input).into_iter().filter(|check| check.state != State::Ok).collect();
        assert_eq!(findings.iter().map(|check| check.name).collect::<Vec<_>>(), ["daemon"]);
    }

    #[test]
    fn each_fault_is_found() {
        let faults: [(&str, &str, Option<&str>, State); 8] = [
            ("tun", "tun", None, State::Fail),
            ("proc/self/status", "privilege", Some("CapEff:\t0000000000000fff\n"), State::Warn),
            ("proc/self/status", "privilege", None, State::Warn),
            ("proc/self/limits", "files", Some("Max open files 256 256 files\n"), State::Warn),
            ("proc/self/limits", "files", Some("Max open files unlimited unlimited files\n"), State::Ok),
            ("proc/sys/net/ipv6/conf/all/disable_ipv6", "ipv6", Some("1\n"), State::Fail),
            ("proc/sys/net/ipv6/conf/default/disable_ipv6", "ipv6", None, State::Fail),
            ("state/names.journal", "names", Some("{}"), State::Fail),
        ];
        for (file, name, content, expected) in faults {
            let (root, input) = machine();
            match content {
                Some(content) => fs::write(root.path().join(file), content).unwrap(),
                None => fs::remove_file(root.path().join(file)).unwrap(),
            }
            assert_eq!(state_of(&input, name), expected, "{file}");
        }
    }

    #[test]
    fn state_directory_open_to_others_comes_with_its_chmod() {
        let (_root, input) = machine();
        fs::set_permissions(&input.state_dir, fs::Permissions::from_mode(0o755)).unwrap();
        let checks = checks(&input);
        let check = find(&checks, "state");
        assert_eq!(check.state, State::Fail);
        assert!(check.mend.as_ref().is_some_and(|mend| mend.starts_with("chmod 700 ")), "{check:?}");
        fs::remove_dir(&input.state_dir).unwrap();
        assert_eq!(state_of(&input, "state"), State::Ok);
    }

    #[test]
    fn taken_port_is_found_and_a_running_daemon_holds_its_own() {
        let (_root, mut input) = machine();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let listen = |transport, address| Listen { purpose: "data".into(), transport, address };
        input.listens = vec![
            listen(Transport::Udp, udp.local_addr().unwrap()),
            listen(Transport::Tcp, tcp.local_addr().unwrap()),
            listen(Transport::Udp, "127.0.0.1:0".parse().unwrap()),
        ];
        let states = |input: &DoctorInput| {
            checks(input).iter().filter(|check| check.name == "port").map(|check| check.state).collect::<Vec<_>>()
        };
        assert_eq!(states(&input), [State::Fail, State::Fail, State::Ok]);
        let _daemon = UnixListener::bind(&input.socket).unwrap();
        assert!(states(&input).is_empty());
        assert_eq!(state_of(&input, "daemon"), State::Ok);
    }

    #[test]
    fn foreign_route_is_a_fault_and_a_wider_one_a_warning() {
        let (root, mut input) = machine();
        let mut id = [0; 32];
        id[..4].copy_from_slice(&[0x13, 0x37, 0xbe, 0xef]);
        input.networks =
            vec![OverlayNetwork { label: "home".parse().unwrap(), prefix: NetworkId::from_bytes(id).prefix() }];
        assert_eq!(state_of(&input, "routes"), State::Ok);
        let route = |destination: &str, length: &str| {
            let zeros = "0".repeat(32 - destination.len());
            let none = "0".repeat(32);
            let line =
                format!("{destination}{zeros} {length} {none} 00 {none} 00000100 00000001 00000000 00000001 eth0\n");
            fs::write(root.path().join("proc/net/ipv6_route"), line).unwrap();
        };
        route("fd42", "10");
        assert_eq!(state_of(&input, "routes"), State::Warn);
        route("fd421337beef", "30");
        assert_eq!(state_of(&input, "routes"), State::Fail);
        input.interfaces = vec!["eth0".into()];
        assert_eq!(state_of(&input, "routes"), State::Ok);
    }

    #[test]
    fn clock_before_this_program_is_a_fault() {
        let (_root, input) = machine();
        let mut facts = Facts::gather(&input);
        facts.unix_secs = CLOCK_MIN - 1;
        assert_eq!(find(&judge(&facts, &input), "clock").state, State::Fail);
        facts.unix_secs = CLOCK_MIN;
        assert_eq!(find(&judge(&facts, &input), "clock").state, State::Ok);
    }

    #[test]
    fn socket_that_is_something_else_is_a_fault_and_a_dead_one_is_no_daemon() {
        let (_root, input) = machine();
        drop(UnixListener::bind(&input.socket).unwrap());
        assert_eq!(state_of(&input, "daemon"), State::Warn);
        fs::remove_file(&input.socket).unwrap();
        std::os::unix::fs::symlink(&input.socket, &input.socket).unwrap();
        assert_eq!(state_of(&input, "daemon"), State::Fail);
    }

    #[test]
    fn names_that_do_not_resolve_are_a_fault() {
        let (_root, mut input) = machine();
        input.names = Some("by resolv.conf; names resolve".into());
        assert_eq!(state_of(&input, "names"), State::Ok);
        input.names = Some("by the hosts file; names do not resolve".into());
        assert_eq!(state_of(&input, "names"), State::Fail);
    }

    #[test]
    fn real_places_can_be_looked_at_without_harm() {
        let (root, _) = machine();
        let input = DoctorInput::of_system(root.path().join("none"), root.path().join("none/api.sock"));
        assert!(checks(&input).iter().all(|check| check.mend.is_some() || check.state == State::Ok));
        assert!(!Path::new(&input.state_dir).exists());
    }
}
