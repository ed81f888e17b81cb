//! Machines of a lab with daemons of this build, and what tests ask them.
//!
//! Knows the program by its command line only.
#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, reason = "test code")]

pub(crate) mod browser;
pub(crate) mod echo;
pub(crate) mod transfer;

use std::fs::{self, DirBuilder};
use std::net::Ipv6Addr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use holloway_simnet::lab::{Daemon, Host, Lab};
use serde_json::Value;

/// Far longer than anything takes that is waited for, on a machine that others use too.
pub(crate) const DEADLINE: Duration = Duration::from_secs(45);

/// The same number on every Linux.
pub(crate) const SIGKILL: i32 = 9;

/// The interface of the first network.
pub(crate) const INTERFACE: &str = "hollow0";

/// The port of the data path.
pub(crate) const DATA_PORT: u16 = 42042;

/// The program under test.
pub(crate) fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_holloway"))
}

/// How much larger than in a quick run a proof shall be.
pub(crate) fn scale() -> u32 {
    std::env::var("HOLLOWAY_PROVE_SCALE").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// Lets this much time pass, for what is to happen at a moment that nothing announces.
pub(crate) fn let_pass(time: Duration) {
    // A sender that says nothing: the wait ends by its deadline.
    let (_silent, nothing) = mpsc::channel::<()>();
    let _ = nothing.recv_timeout(time);
}

/// Makes a directory that only its owner enters, where there is none.
pub(crate) fn private_directory(path: &Path) {
    DirBuilder::new().recursive(true).mode(0o700).create(path).unwrap();
}

/// A refusal as `--json` tells it.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) hint: String,
    pub(crate) exit: i32,
}

impl Refusal {
    /// Reads what a refused command said.
    pub(crate) fn of(output: &Output) -> Self {
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "nothing was refused: {}", String::from_utf8_lossy(&output.stdout));
        assert!(output.stdout.is_empty(), "a refusal prints nothing on stdout");
        let document: Value = serde_json::from_str(complaint.trim()).unwrap_or_else(|error| {
            panic!("{error}: not one JSON document: {complaint:?}");
        });
        assert_eq!(document["schema"], 1);
        let text = |field: &str| document["error"][field].as_str().unwrap_or_default().to_owned();
        let exit = output.status.code().expect("a refusal is no crash");
        Self { code: text("code"), message: text("message"), hint: text("hint"), exit }
    }
}

/// A host with a daemon, which need not run.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) daemon: Daemon,
}

impl Machine {
    /// Puts a machine on `host`; its state goes into the lab's directory. Starts nothing.
    pub(crate) fn new(lab: &Lab, host: &Host) -> Self {
        Self::with_state(host, &lab.directory().join(format!("state-{}", host.name())))
    }

    /// A machine with its state in a directory of the caller's choice.
    pub(crate) fn with_state(host: &Host, state: &Path) -> Self {
        Self { daemon: Daemon::stopped::<&str>(host, program(), state, &[]) }
    }

    /// Writes the configuration.
    pub(crate) fn configure(&self, toml: &str) {
        private_directory(self.state());
        fs::write(self.state().join("holloway.toml"), toml).unwrap();
    }

    /// Where it runs.
    pub(crate) fn host(&self) -> &Host {
        self.daemon.host()
    }

    /// Its state directory.
    pub(crate) fn state(&self) -> &Path {
        self.daemon.state_directory()
    }

    /// Starts the daemon and waits until it answers.
    pub(crate) fn start(&mut self) {
        self.daemon.up().unwrap();
        self.wait_live();
    }

    /// The process of the running daemon.
    pub(crate) fn daemon_pid(&self) -> u32 {
        self.daemon.process().unwrap().pid()
    }

    /// Ends the daemon as a loss of power would.
    pub(crate) fn kill9(&mut self) {
        self.daemon.kill9().unwrap();
    }

    /// Waits until the daemon answers.
    pub(crate) fn wait_live(&self) {
        self.wait("the daemon to answer", || self.succeeds(&["status", "--check", "live"]).then_some(()));
    }

    /// Waits until something holds.
    pub(crate) fn wait<T>(&self, what: &str, condition: impl FnMut() -> Option<T>) -> T {
        self.host().wait_until(DEADLINE, what, condition).unwrap_or_else(|error| panic!("{error:?}"))
    }

    /// Runs a command and gives what it said.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.daemon.cli(arguments).unwrap()
    }

    /// Whether a command succeeds.
    pub(crate) fn succeeds(&self, arguments: &[&str]) -> bool {
        self.run(arguments).status.success()
    }

    /// Runs a command that must succeed, and gives its document.
    pub(crate) fn ask(&self, arguments: &[&str]) -> Value {
        self.daemon.json(arguments).unwrap_or_else(|error| panic!("{}: {error:?}", self.host().name()))
    }

    /// Runs a command that must be refused.
    pub(crate) fn refusal(&self, arguments: &[&str]) -> Refusal {
        let mut arguments = arguments.to_vec();
        arguments.push("--json");
        Refusal::of(&self.run(&arguments))
    }

    /// What the daemon answers to a question for which there is no command.
    pub(crate) fn api(&self, path: &str) -> Value {
        let socket = self.state().join("api.sock");
        let url = format!("http://holloway/api/v1/{path}");
        let text = self.tool_text("curl", &["-s", "--unix-socket", socket.to_str().unwrap(), &url]);
        serde_json::from_str(&text).unwrap()
    }

    /// Makes an invite and gives its word.
    pub(crate) fn invite(&self, more: &[&str]) -> String {
        let mut arguments = vec!["invite"];
        arguments.extend(more);
        self.ask(&arguments)["token"].as_str().unwrap().to_owned()
    }

    /// The only network, as `status` shows it.
    pub(crate) fn network(&self) -> Value {
        let status = self.ask(&["status"]);
        let networks = status["networks"].as_array().unwrap();
        assert_eq!(networks.len(), 1, "{status:#}");
        networks[0].clone()
    }

    /// A peer, as `status` shows it.
    pub(crate) fn peer(&self, name: &str) -> Option<Value> {
        let network = self.network();
        network["peers"].as_array().unwrap().iter().find(|peer| peer["name"] == name).cloned()
    }

    /// Names of all peers, in order.
    pub(crate) fn peer_names(&self) -> Vec<String> {
        let network = self.network();
        let peers = network["peers"].as_array().unwrap();
        let mut names: Vec<String> = peers.iter().map(|peer| peer["name"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    }

    /// Its overlay address.
    pub(crate) fn address(&self) -> Ipv6Addr {
        self.network()["address"].as_str().unwrap().parse().unwrap()
    }

    /// How often packets were dropped for this reason.
    pub(crate) fn drops(&self, reason: &str) -> u64 {
        self.network()["drops"][reason].as_u64().unwrap_or(0)
    }

    /// Asks a peer once, by the product's own ping; gives its answer.
    pub(crate) fn ping(&self, target: &str) -> Option<Value> {
        let output = self.run(&["ping", target, "-c", "1", "-W", "500ms", "--json"]);
        output.status.success().then(|| serde_json::from_slice(&output.stdout).unwrap())
    }

    /// Waits until a peer answers; gives the answer and the time it took.
    pub(crate) fn wait_ping(&self, target: &str) -> (Value, Duration) {
        let start = Instant::now();
        let answer = self.wait(&format!("a reply from {target}"), || self.ping(target));
        (answer, start.elapsed())
    }

    /// Waits until a peer answers without a relay; gives the address that it is reached by.
    pub(crate) fn wait_direct(&self, peer: &str) -> String {
        // Traffic is what makes a better path be looked for.
        self.wait(&format!("a direct path to {peer}"), || {
            let path = self.ping(peer)?["replies"][0]["path"].clone();
            (path["kind"] == "direct").then(|| path["endpoint"].as_str().unwrap().to_owned())
        })
    }

    /// Whether a packet of the system's own ping reaches an address and comes back.
    pub(crate) fn reaches(&self, address: Ipv6Addr) -> bool {
        self.tool("ping", &["-6", "-c", "1", "-W", "1", &address.to_string()]).status.success()
    }

    /// Runs any program on this machine.
    pub(crate) fn tool(&self, name: &str, arguments: &[&str]) -> Output {
        self.host().run(self.host().command(name).args(arguments), DEADLINE).unwrap()
    }

    /// As [`tool`](Self::tool), for what must succeed; gives what was printed.
    pub(crate) fn tool_text(&self, name: &str, arguments: &[&str]) -> String {
        let output = self.tool(name, arguments);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name} {arguments:?}: {complaint}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// A call of the program itself on this machine, with its state directory.
    pub(crate) fn command(&self) -> Command {
        let mut command = self.host().command(program());
        command.arg("--state-dir").arg(self.state());
        command
    }

    /// Interfaces, addresses, routes and rules of this machine, as text.
    pub(crate) fn kernel_state(&self) -> String {
        let questions: [&[&str]; 5] = [
            &["-o", "link", "show"],
            &["-o", "address", "show"],
            &["-4", "route", "show", "table", "all"],
            &["-6", "route", "show", "table", "all"],
            &["-6", "rule", "show"],
        ];
        questions.iter().map(|question| self.tool_text("ip", question)).collect()
    }

    /// The files by which this machine finds names, as they are now.
    pub(crate) fn name_files(&self) -> [Vec<u8>; 2] {
        ["resolv.conf", "hosts"].map(|name| fs::read(self.host().etc_file(name)).unwrap())
    }

    /// Every file below the state directory, with its content's length; what locks and databases write aside is left
    /// out.
    pub(crate) fn state_listing(&self) -> Vec<(PathBuf, u64)> {
        listing(self.state())
    }
}

/// Every file below a directory, with its length; what a database writes aside is left out.
pub(crate) fn listing(directory: &Path) -> Vec<(PathBuf, u64)> {
    let mut found = Vec::new();
    let mut open = vec![directory.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten() {
            let entry = entry.unwrap();
            let path = entry.path();
            let kind = entry.file_type().unwrap();
            let aside = path.to_string_lossy().ends_with("-wal") || path.to_string_lossy().ends_with("-shm");
            if kind.is_dir() {
                open.push(path.clone());
            }
            if !aside {
                let length = if kind.is_file() { entry.metadata().unwrap().len() } else { 0 };
                found.push((path, length));
            }
        }
    }
    found.sort();
    found
}

/// A running daemon on `host` that has founded the network `home`.
pub(crate) fn founder(lab: &Lab, host: &Host, toml: &str) -> Machine {
    let mut machine = Machine::new(lab, host);
    machine.configure(toml);
    machine.start();
    machine.ask(&["create", "home", "--name", host.name()]);
    machine
}

/// A running daemon on `host` that has joined by an invite of `issuer`; it is called as its host.
pub(crate) fn member(lab: &Lab, issuer: &Machine, host: &Host, toml: &str) -> Machine {
    let mut machine = Machine::new(lab, host);
    machine.configure(toml);
    machine.start();
    let token = issuer.invite(&["--name", host.name()]);
    machine.ask(&["join", &token]);
    machine
}

/// Two or three machines on the internet, in one network.
pub(crate) struct Home {
    pub(crate) alice: Machine,
    pub(crate) bob: Machine,
    pub(crate) carol: Machine,
    pub(crate) lab: Lab,
}

impl Home {
    /// Alice has founded it, bob and carol have joined by invite; all have this configuration.
    pub(crate) fn new(hint: &str, toml: &str) -> Self {
        let lab = Lab::new(hint).unwrap();
        let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| lab.public_host(name).unwrap());
        let alice = founder(&lab, &alice, toml);
        let bob = member(&lab, &alice, &bob, toml);
        let carol = member(&lab, &alice, &carol, toml);
        Self { alice, bob, carol, lab }
    }
}
