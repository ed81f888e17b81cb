//! The program as a user meets it at a prompt: exit codes, refusals, and what bad input leaves untouched.
//!
//! Needs no namespaces and sends nothing beyond loopback: daemons that stay up here have no interface, no names and no
//! network; those with one are in `lab_start.rs`.
#![allow(clippy::unwrap_used, reason = "the functions below the tests are test code too")]
#![allow(clippy::print_stdout, reason = "the figures are for whoever reads the test's output")]

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use holloway_simnet::lab::{signal, wait_until};
use serde_json::Value;
use tempfile::TempDir;

/// Far longer than anything here takes.
const DEADLINE: Duration = Duration::from_secs(20);

const SIGTERM: i32 = 15;

/// Keeps a daemon to itself: no interface, no resolver, loopback and free ports.
const QUIET: &str = "
[tun]
enabled = false
[dns]
enabled = false
[listen]
data = \"127.0.0.1:0\"
control_tcp = 0
control_quic = 0
";

/// A directory for one test, with a state directory in it that does not exist yet.
struct Place {
    directory: TempDir,
}

/// A daemon that ends with the test.
struct Running(Child);

struct Refusal {
    code: String,
    message: String,
    hint: String,
    exit: i32,
}

impl Place {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn configured(toml: &str) -> Self {
        let place = Self::new();
        place.configure(toml.as_bytes());
        place
    }

    /// With a network `home` that is not running.
    fn founded(toml: &str) -> Self {
        let place = Self::configured(toml);
        place.ask(&["create", "home", "--name", "alice"]);
        place
    }

    fn configure(&self, toml: &[u8]) {
        self.make();
        fs::write(self.config(), toml).unwrap();
    }

    fn make(&self) {
        fs::create_dir_all(self.state()).unwrap();
        fs::set_permissions(self.state(), Permissions::from_mode(0o700)).unwrap();
    }

    fn state(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    fn config(&self) -> PathBuf {
        self.state().join("holloway.toml")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = bare(&["--state-dir"]);
        command.arg(self.state()).args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        finish(&mut self.command(arguments))
    }

    fn ask(&self, arguments: &[&str]) -> Value {
        let output = finish(&mut self.command(&[&["--json"], arguments].concat()));
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {complaint}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn refusal(&self, arguments: &[&str]) -> Refusal {
        Refusal::of(&finish(&mut self.command(&[&["--json"], arguments].concat())))
    }

    fn up(&self) -> Running {
        let mut daemon = Running(self.command(&["up"]).stderr(Stdio::null()).spawn().unwrap());
        wait_until(DEADLINE, "the daemon to answer", || {
            assert!(daemon.0.try_wait().unwrap().is_none(), "the daemon ended");
            self.run(&["status", "--check", "live"]).status.success().then_some(())
        })
        .unwrap();
        daemon
    }

    /// Every file and its content, but for what a database writes aside.
    fn content(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files = Vec::new();
        let mut open = vec![self.state()];
        while let Some(directory) = open.pop() {
            for entry in fs::read_dir(directory).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    open.push(path);
                } else if !path.to_string_lossy().contains("holloway.db") {
                    files.push((path.clone(), fs::read(path).unwrap()));
                }
            }
        }
        files.sort();
        files
    }
}

impl Running {
    fn terminate(mut self) -> Option<i32> {
        signal(self.0.id(), SIGTERM).unwrap();
        let status = wait_until(DEADLINE, "the daemon to stop", || self.0.try_wait().unwrap()).unwrap();
        status.code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Refusal {
    fn of(output: &Output) -> Self {
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
        let document: Value = serde_json::from_str(complaint.trim()).unwrap_or_else(|e| panic!("{e}: {complaint:?}"));
        assert_eq!(document["schema"], 1);
        let text = |field: &str| document["error"][field].as_str().unwrap_or_default().to_owned();
        let exit = output.status.code().expect("a refusal is no crash");
        assert!(exit != 0 && exit != 101);
        let refusal = Self { code: text("code"), message: text("message"), hint: text("hint"), exit };
        assert!(!refusal.message.is_empty() && !refusal.message.contains('\n'), "{:?}", refusal.message);
        refusal
    }
}

/// A call of the program in an environment that says nothing.
fn bare(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holloway"));
    command.args(arguments).stdin(Stdio::null());
    for variable in ["HOLLOWAY_STATE_DIR", "HOLLOWAY_LOG", "NO_COLOR"] {
        command.env_remove(variable);
    }
    command
}

/// Runs a command that ends by itself.
fn finish(command: &mut Command) -> Output {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // What is printed here fits a pipe.
    let ended = wait_until(DEADLINE, "the command to end", || child.try_wait().unwrap());
    if ended.is_err() {
        child.kill().unwrap();
    }
    let output = child.wait_with_output().unwrap();
    ended.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    output
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

/// Carries on only where files can be given away.
fn needs_root(what: &str) -> bool {
    let root = is_root();
    if !root {
        println!("left out, as it takes root: {what}");
    }
    root
}

fn says_no_panic(output: &Output) {
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(!complaint.contains("panicked"), "{complaint}");
    assert_ne!(output.status.code(), Some(101));
}

#[test]
fn help_and_version_succeed_and_name_every_command() {
    let help = finish(&mut bare(&["--help"]));
    assert!(help.status.success());
    let text = String::from_utf8(help.stdout).unwrap();
    for command in [
        "create", "invite", "join", "up", "status", "ping", "why", "relays", "routes", "netcheck", "revoke", "dns",
        "doctor", "demo",
    ] {
        assert!(text.contains(command), "{command} in {text}");
    }
    let version = finish(&mut bare(&["--version"]));
    assert_eq!(String::from_utf8(version.stdout).unwrap(), format!("holloway {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn every_kind_of_failure_has_its_exit_code() {
    let place = Place::new();
    let not_running = place.refusal(&["status"]);
    assert_eq!((not_running.code.as_str(), not_running.exit), ("daemon_not_running", 3));
    assert!(not_running.hint.contains("holloway"), "{}", not_running.hint);
    assert_eq!(place.refusal(&["statsu"]).exit, 2);
    assert_eq!(place.refusal(&["ping"]).exit, 2);
    assert_eq!(place.refusal(&["join", "nonsense"]).exit, 1);
    assert_eq!(place.refusal(&["leave", "home"]).exit, 2, "nobody is there to be asked");
    assert!(!place.state().exists(), "refusals make no state directory");
}

#[test]
fn another_user_is_not_permitted_to_use_the_daemon() {
    if !needs_root("another user at the socket") {
        return;
    }
    let place = Place::configured(QUIET);
    let _daemon = place.up();
    fs::set_permissions(place.directory.path(), Permissions::from_mode(0o755)).unwrap();
    let nobody = 65_534;
    let output = finish(place.command(&["status", "--json"]).uid(nobody).gid(nobody));
    assert_eq!(Refusal::of(&output).exit, 4);
}

#[test]
fn a_wrong_configuration_is_refused_with_file_line_and_key() {
    let cases = [
        ("\n[tun]\ncolour = 1\n", ":3", "tun.colour"),
        ("[wheels]\ncount = 4\n", ":", "wheels"),
        ("[session]\nrotate_after = 5\n", ":2", "session.rotate_after"),
        ("[session]\nrotate_after_packets = 7\n", ":2", "session.rotate_after_packets"),
        ("[tun]\nenabled = \"yes\"\n", ":2", "tun.enabled"),
        ("[tun]\nmtu = 1300\nmtu = 1400\n", ":3", "mtu"),
        ("[dashboard]\nlisten = \"0.0.0.0:42080\"\n", ":2", "dashboard.listen"),
        ("[tun\n", ":1", ""),
    ];
    for (toml, line, key) in cases {
        let place = Place::configured(toml);
        let before = place.content();
        let refusal = place.refusal(&["up"]);
        assert_eq!((refusal.code.as_str(), refusal.exit), ("usage", 2), "{toml}");
        let place_text = format!("holloway.toml{line}");
        assert!(refusal.message.contains(&place_text) && refusal.message.contains(key), "{toml}: {}", refusal.message);
        assert_eq!(place.content(), before, "{toml}");
    }
}

#[test]
fn a_dashboard_for_all_the_world_takes_a_second_word() {
    let toml = format!("{QUIET}\n[dashboard]\nlisten = \"0.0.0.0:42080\"\nallow_remote = true\n");
    assert_eq!(Place::configured(&toml).refusal(&["invite"]).code, "no_network");
}

#[test]
fn what_is_no_configuration_file_is_refused_quickly_and_without_memory() {
    /// In KiB of address space: the program needs half of it, a read of the whole file twice as much.
    const MEMORY: &str = "ulimit -v 1000000; exec \"$0\" \"$@\"";
    type Make = fn(&Path);
    let make: [(&str, Make); 4] = [
        ("a directory", |path| fs::create_dir(path).unwrap()),
        ("a pipe", |path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success())),
        ("a gigabyte", |path| File::create(path).unwrap().set_len(1 << 30).unwrap()),
        ("no UTF-8", |path| fs::write(path, b"[tun]\nname = \"\xff\xfe\"\n").unwrap()),
    ];
    for (what, make) in make {
        let place = Place::new();
        place.make();
        make(&place.config());
        let mut command = Command::new("sh");
        command.args(["-c", MEMORY, env!("CARGO_BIN_EXE_holloway"), "up", "--json", "--state-dir"]);
        command.arg(place.state()).stdin(Stdio::null());
        let start = Instant::now();
        let refusal = Refusal::of(&finish(&mut command));
        println!("{what}: refused after {:?}", start.elapsed());
        assert_eq!(refusal.exit, 2, "{what}: {}", refusal.message);
        assert!(refusal.message.contains("holloway.toml"), "{what}: {}", refusal.message);
    }
}

#[test]
fn a_byte_order_mark_before_the_configuration_is_accepted() {
    let place = Place::new();
    place.configure(format!("\u{feff}{QUIET}").as_bytes());
    assert_eq!(place.refusal(&["invite"]).code, "no_network");
}

#[test]
fn keys_and_directories_that_others_can_read_are_refused_with_the_command_that_mends_it() {
    let place = Place::founded(QUIET);
    let network = place.state().join("networks/home");
    for secret in ["identity.key", "static.key"] {
        let path = network.join(secret);
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let refusal = place.refusal(&["up"]);
        let mend = format!("chmod 600 {}", path.display());
        assert!(refusal.message.contains(&mend), "{}", refusal.message);
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    }
    fs::set_permissions(place.state(), Permissions::from_mode(0o755)).unwrap();
    let refusal = place.refusal(&["up"]);
    assert!(refusal.message.contains("chmod 700"), "{}", refusal.message);
    fs::set_permissions(place.state(), Permissions::from_mode(0o700)).unwrap();
    place.ask(&["invite"]);
}

#[test]
fn a_key_of_another_user_is_refused_with_the_command_that_mends_it() {
    if !needs_root("giving a key away") {
        return;
    }
    let place = Place::founded(QUIET);
    let key = place.state().join("networks/home/identity.key");
    chown(&key, Some(65_534), None).unwrap();
    let refusal = place.refusal(&["up"]);
    assert!(refusal.message.contains("chown 0 "), "{}", refusal.message);
}

#[test]
fn secrets_are_created_closed_to_others() {
    let place = Place::founded(QUIET);
    for (path, _) in place.content() {
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        let is_secret = path.extension().is_some_and(|extension| extension == "key");
        assert!(!is_secret || mode == 0o600, "{} has mode {mode:o}", path.display());
    }
    for directory in ["", "networks", "networks/home"] {
        let mode = fs::metadata(place.state().join(directory)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o700, "{directory}");
    }
    let database = fs::metadata(place.state().join("holloway.db")).unwrap().permissions().mode() & 0o777;
    assert_eq!(database, 0o600);
}

#[test]
fn a_second_daemon_on_one_state_directory_leaves_and_the_first_is_unharmed() {
    let place = Place::configured(QUIET);
    let first = place.up();
    let second = place.refusal(&["up"]);
    assert_eq!(second.exit, 1);
    assert!(second.message.contains("running"), "{}", second.message);
    assert_eq!(place.ask(&["status"])["state"], "waiting");
    assert_eq!(first.terminate(), Some(0));
}

#[test]
fn a_data_port_in_use_ends_the_start_with_its_cause_and_nothing_half_configured() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let toml = QUIET.replace("127.0.0.1:0", &format!("127.0.0.1:{port}"));
    refused_for_port(&toml, port);
}

#[test]
fn a_control_port_in_use_ends_the_start_with_its_cause_and_nothing_half_configured() {
    let taken = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let toml = QUIET.replace("control_tcp = 0", &format!("control_tcp = {port}"));
    refused_for_port(&toml, port);
}

fn refused_for_port(toml: &str, port: u16) {
    let place = Place::founded(toml);
    let before = place.content();
    let start = Instant::now();
    let refusal = place.refusal(&["up"]);
    println!("port in use: refused after {:?}: {}", start.elapsed(), refusal.message);
    assert!(refusal.message.contains(&port.to_string()), "{}", refusal.message);
    assert!(refusal.message.contains("in use"), "{}", refusal.message);
    assert!(!place.state().join("api.sock").exists());
    assert_eq!(place.content(), before);
}

#[test]
fn hostile_names_are_refused_at_entry_and_change_nothing() {
    let place = Place::founded(QUIET);
    let token = unreachable_invite(&place);
    let guest = Place::configured(QUIET);
    let before = (place.content(), guest.content());
    let long = "a".repeat(10_000);
    for name in ["a\nb", "\u{1b}[31m", "\"", "$(id)", "\u{202e}olleh", "", ".", "a.b", "-a", "ä", long.as_str()] {
        for line in [vec!["create", name], vec!["create", "other", "--name", name], vec!["invite", "--name", name]] {
            let refusal = place.refusal(&escaped(&line));
            assert!(refusal.message.len() < 500, "{}", refusal.message.len());
            assert!(!refusal.message.contains(['\u{1b}', '\u{202e}']), "{:?}", refusal.message);
        }
        guest.refusal(&escaped(&["join", &token, "--name", name]));
    }
    assert_eq!((place.content(), guest.content()), before);
}

/// With `--name=VALUE`, for values that look like flags.
fn escaped<'a>(line: &[&'a str]) -> Vec<&'a str> {
    let mut words = line.to_vec();
    if let ["create", name] = line {
        words = vec!["create", "--", name];
    } else if let [first @ .., "--name", name] = line {
        words = first.to_vec();
        words.push(Box::leak(format!("--name={name}").into_boxed_str()));
    }
    words
}

/// An invite whose issuer does not run.
fn unreachable_invite(place: &Place) -> String {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    place.ask(&["invite", "--bootstrap", &closed.to_string()])["token"].as_str().unwrap().to_owned()
}

#[test]
fn an_invite_cut_at_any_byte_or_changed_anywhere_is_malformed_and_changes_nothing() {
    let place = Place::founded(QUIET);
    let token = unreachable_invite(&place);
    let guest = Place::configured(QUIET);
    let before = guest.content();
    let cuts = (0..token.len()).step_by(5).chain([token.len() - 1]).map(|length| token[..length].to_owned());
    let flips = (0..token.len()).step_by(5).map(|at| changed(&token, at));
    let others = [token.replace("holloway1", "holloway2"), format!("{token}a"), format!("javascript:{token}")];
    for text in cuts.chain(flips).chain(others) {
        let refusal = guest.refusal(&["join", "--", &text]);
        assert_eq!((refusal.code.as_str(), refusal.exit), ("invite_malformed", 1), "{text}: {}", refusal.message);
    }
    assert_eq!(guest.content(), before);
}

fn changed(token: &str, at: usize) -> String {
    let mut bytes = token.as_bytes().to_vec();
    bytes[at] = if bytes[at] == b'a' { b'b' } else { b'a' };
    String::from_utf8(bytes).unwrap()
}

#[test]
fn an_invite_with_line_breaks_is_read_and_its_silent_issuer_is_named_as_the_cause() {
    let place = Place::founded(QUIET);
    let token = unreachable_invite(&place);
    let (first, rest) = token.split_at(token.len() / 3);
    let (second, third) = rest.split_at(rest.len() / 2);
    let wrapped = format!("  {first}\r\n{second}\n");
    let guest = Place::configured(QUIET);
    let start = Instant::now();
    let refusal = guest.refusal(&["join", &wrapped, third]);
    println!("issuer not reachable: told after {:?}: {}", start.elapsed(), refusal.message);
    assert_eq!((refusal.code.as_str(), refusal.exit), ("issuer_unreachable", 1), "{}", refusal.message);
    assert!(refusal.hint.contains("--wait"), "{}", refusal.hint);
    let _daemon = guest.up();
    assert_eq!(guest.ask(&["status"])["state"], "waiting", "nothing was joined");
}

#[test]
fn an_invite_on_stdin_is_read() {
    let place = Place::founded(QUIET);
    let token = unreachable_invite(&place);
    let guest = Place::configured(QUIET);
    let mut command = guest.command(&["join", "-", "--json"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(format!("{token}\n").as_bytes()).unwrap();
    let refusal = Refusal::of(&child.wait_with_output().unwrap());
    assert_eq!(refusal.code, "issuer_unreachable", "{}", refusal.message);
}

#[test]
fn no_command_shows_an_invite_in_its_refusal() {
    let place = Place::founded(QUIET);
    let token = unreachable_invite(&place);
    let secret = &token["holloway1".len() + 20..];
    for line in [vec!["jion", &token], vec!["status", &token], vec!["join", &token[..token.len() - 1]]] {
        let output = place.run(&line);
        let said = [output.stdout, output.stderr].concat();
        assert!(!String::from_utf8_lossy(&said).contains(&secret[..20]), "{line:?}");
    }
}

#[test]
fn a_closed_or_impatient_reader_is_no_reason_to_panic() {
    let program = env!("CARGO_BIN_EXE_holloway");
    let place = Place::configured(QUIET);
    let _daemon = place.up();
    let state = place.state();
    for line in [
        "\"$0\" --help | head -1",
        "\"$0\" completions bash | head -1",
        "\"$0\" --state-dir \"$1\" status | head -1",
        "\"$0\" --state-dir \"$1\" events --json | true",
        "\"$0\" --state-dir \"$1\" status >&-",
        "\"$0\" --state-dir \"$1\" status --json >&- 2>&-",
        "\"$0\" --state-dir \"$1\" peers --network none --json 2>&-",
        "LANG=C LC_ALL=C TERM=dumb \"$0\" --state-dir \"$1\" doctor",
        "\"$0\" --state-dir \"$1\" status >/dev/full",
    ] {
        let mut command = Command::new("bash");
        command.args(["-c", &format!("set -o pipefail; {line}"), program]).arg(&state).stdin(Stdio::null());
        let output = finish(&mut command);
        says_no_panic(&output);
    }
}

#[test]
fn without_a_terminal_and_in_the_c_locale_output_is_plain_ascii() {
    let place = Place::configured(QUIET);
    let _daemon = place.up();
    for line in [vec!["status"], vec!["top"], vec!["doctor"], vec!["--help"]] {
        let output = finish(place.command(&line).env("LC_ALL", "C").env("LANG", "C"));
        says_no_panic(&output);
        let text = [output.stdout, output.stderr].concat();
        assert!(!text.contains(&0x1b), "{line:?} has escape sequences");
        assert!(text.is_ascii(), "{line:?}: {}", String::from_utf8_lossy(&text));
    }
}

#[test]
fn errors_under_json_are_one_json_document() {
    let place = Place::configured(QUIET);
    for line in [
        vec!["status"],
        vec!["peers", "--network", "x"],
        vec!["top"],
        vec!["relays", "--network", "x"],
        vec!["routes", "--network", "x"],
        vec!["netcheck"],
        vec!["why", "bob"],
        vec!["why"],
        vec!["nonsense"],
        vec!["ping", "bob", "-c", "0"],
        vec!["dns", "add", "wiki", "AAAA", "not-an-address"],
        vec!["invite", "--expires", "soon"],
        vec!["revoke", "bob"],
        vec!["certificate", "show"],
    ] {
        let behind = finish(place.command(&line).arg("--json"));
        for refusal in [place.refusal(&line), Refusal::of(&behind)] {
            assert!(!refusal.code.is_empty(), "{line:?}");
        }
    }
}

#[test]
fn a_daemon_without_a_network_knows_no_relays_and_no_routes_and_explains_nobody() {
    let place = Place::configured(QUIET);
    let _daemon = place.up();
    assert_eq!(place.ask(&["relays"]), serde_json::json!({"schema": 1, "relays": [], "own": []}));
    assert_eq!(place.ask(&["routes"]), serde_json::json!({"schema": 1, "routes": []}));
    assert_eq!(place.refusal(&["relays", "--network", "x"]).code, "not_found");
    assert_eq!(place.refusal(&["why", "bob"]).code, "no_network");
    let text = String::from_utf8(place.run(&["relays"]).stdout).unwrap();
    assert!(text.contains("holloway invite --right relay"), "{text}");
}

#[test]
fn what_is_watched_for_one_interval_is_one_document_and_for_a_reader_one_frame() {
    let place = Place::configured(QUIET);
    let _daemon = place.up();
    let document = place.ask(&["top", "--once", "--interval", "100ms"]);
    assert_eq!(document["schema"], 1);
    assert_eq!(document["networks"], serde_json::json!([]));
    assert_eq!(place.refusal(&["top", "--network", "x"]).code, "not_found");
    let text = String::from_utf8(place.run(&["top", "--interval", "100ms"]).stdout).unwrap();
    assert!(text.contains("needs attention") && text.contains("join <invite>"), "{text}");
}

#[test]
fn completions_exist_for_the_usual_shells() {
    for shell in ["bash", "zsh", "fish"] {
        let output = finish(&mut bare(&["completions", shell]));
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("holloway") && text.contains("invite"), "{shell}");
    }
}

#[test]
fn a_network_of_the_same_name_is_not_founded_twice() {
    let place = Place::founded(QUIET);
    let before = place.content();
    assert_eq!(place.refusal(&["create", "home"]).code, "name_taken");
    assert_eq!(place.content(), before);
}

#[test]
fn a_store_that_cannot_be_read_is_refused_and_kept() {
    for damage in [&b""[..], b"not a database at all, but long enough to look like a page of something"] {
        let place = Place::founded(QUIET);
        let store = place.state().join("holloway.db");
        for aside in ["holloway.db-wal", "holloway.db-shm"] {
            let _ = fs::remove_file(place.state().join(aside));
        }
        fs::write(&store, damage).unwrap();
        let refusal = place.refusal(&["up"]);
        assert_eq!(refusal.exit, 1);
        assert!(refusal.message.contains("holloway.db"), "{}", refusal.message);
        assert_eq!(fs::read(&store).unwrap(), damage, "what was there is still there");
    }
}
