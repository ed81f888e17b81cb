//! The story: what a user would do, step by step, each step checked.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use holloway_dashboard::api::{DnsAdded, InviteCreated, Joined, NetworkCreated, PathKind, PathStatus, Status};
use holloway_simnet::lab::Process;
use serde::Deserialize;

use super::document::MachineFacts;
use super::machine::Machine;
use super::report::Report;
use super::stage::Stage;
use super::stop::Stop;

/// The network that is founded.
pub(super) const NETWORK: &str = "home";

/// The page that bob serves.
pub(super) const PAGE_URL: &str = "http://wiki.bob.home.alt/";

/// Bob's name.
const BOB: &str = "bob.home.alt";

/// What stands on the page.
const PAGE: &str = "Hello from bob, through an encrypted path that no server carries.";

/// Longest wait for something that takes a second at most when all is well.
const PATIENCE: Duration = Duration::from_secs(30);

/// Port of the throughput tool, as iperf3 has it.
const BULK_PORT: u16 = 5201;

/// Length of a measurement: TCP is at full speed after some tenths of a second.
const BULK_DURATION: &str = "3s";

/// What `holloway ping --json` says, as far as it is needed here.
#[derive(Deserialize)]
struct Pinged {
    replies: Vec<Reply>,
}

#[derive(Deserialize)]
struct Reply {
    rtt_ms: f64,
    path: PathStatus,
}

/// What `holloway demo-tool fetch --json` says.
#[derive(Deserialize)]
struct Fetched {
    body: String,
    from: String,
}

/// What `holloway demo-tool measure-bulk --json` says.
#[derive(Deserialize)]
struct Measured {
    gbit_s: f64,
}

/// Plays the story to its end, or to the first step that does not hold. Gives the server of the page, which runs as long
/// as the value lives.
pub(super) fn tell(stage: &mut Stage, report: &mut Report, stop: &Stop) -> Result<Process> {
    found(stage, report, stop)?;
    report.step("a daemon on each machine", || start_daemons(stage, stop))?;
    join(&stage.alice, &stage.bob, report, stop)?;
    let joining = join(&stage.alice, &stage.carol, report, stop)?;
    ping(stage, report, stop, joining)?;
    report.step("the path between bob and carol is direct, router to router", || {
        path_of_kind(stage, stop, PathKind::Direct).map(|path| (format!("carol reaches bob at {path}"), ()))
    })?;
    report.step("carol's system resolves bob's name", || resolve(stage, stop))?;
    let server = report.step("bob publishes wiki.bob.home.alt and serves a page", || publish(stage, stop))?;
    report.step("carol fetches the page by its name", || fetch(stage, stop))?;
    throughput(stage, report, stop)?;
    without_udp(stage, report, stop)?;
    memory(stage, report)?;
    Ok(server)
}

fn found(stage: &Stage, report: &mut Report, stop: &Stop) -> Result<()> {
    report.step("alice founds the network home", || {
        let created: NetworkCreated = stage.alice.ask(&["create", NETWORK, "--name", "alice"], stop)?;
        Ok((format!("{}, alice is {} at {}", created.prefix, created.fqdn, created.address), ()))
    })
}

fn start_daemons(stage: &mut Stage, stop: &Stop) -> Result<(String, ())> {
    stage.alice.start()?;
    stage.bob.start()?;
    stage.carol.start()?;
    stage.alice.wait_for("ready", stop)?;
    stage.bob.wait_for("live", stop)?;
    stage.carol.wait_for("live", stop)?;
    Ok(("alice is ready; bob and carol wait for a network".to_owned(), ()))
}

/// Gives the moment at which the join began.
fn join(alice: &Machine, machine: &Machine, report: &mut Report, stop: &Stop) -> Result<Instant> {
    let name = machine.name();
    let invite = report.step(&format!("alice invites {name}"), || {
        let invite: InviteCreated = alice.ask(&["invite", "--name", name], stop)?;
        Ok((format!("one word, for one machine; it leads to {}", invite.bootstrap.join(" and ")), invite))
    })?;
    report.step(&format!("{name} joins"), || {
        let start = Instant::now();
        let joined: Joined = machine.ask_with(&["join", "-"], Some(invite.token.expose()), stop)?;
        Ok((format!("{} is {}, certified by {}", joined.fqdn, joined.address, joined.issuer), start))
    })
}

fn ping(stage: &Stage, report: &mut Report, stop: &Stop, joining: Instant) -> Result<()> {
    let elapsed = report.step("carol pings bob by name", || {
        let reply = stop.until(PATIENCE, "a reply from bob", || ping_once(&stage.carol, stop))?;
        let elapsed = joining.elapsed();
        let seconds = elapsed.as_secs_f64();
        Ok((format!("{:.2} ms; the first reply came {seconds:.2} s after carol began to join", reply.rtt_ms), elapsed))
    })?;
    report.facts.join_to_ping_ms = u64::try_from(elapsed.as_millis()).ok();
    Ok(())
}

fn ping_once(machine: &Machine, stop: &Stop) -> Result<Option<Reply>> {
    let pinged: Option<Pinged> = machine.try_ask(&["ping", BOB, "--count", "1", "--timeout", "1s"], stop)?;
    Ok(pinged.and_then(|pinged| pinged.replies.into_iter().next()))
}

/// Waits until carol reaches bob by a path of this kind; gives where it leads, or through whom. Traffic goes on meanwhile,
/// as it would: paths are sought while there is something to carry.
fn path_of_kind(stage: &Stage, stop: &Stop, kind: PathKind) -> Result<String> {
    let mut seen = "no reply at all".to_owned();
    let found = stop.until(PATIENCE, &format!("a {kind:?} path"), || {
        if let Some(reply) = ping_once(&stage.carol, stop)? {
            seen = format!("the last reply came by {:?} path", reply.path.kind);
        }
        let status: Status = stage.carol.ask(&["status"], stop)?;
        let peers = status.networks.iter().flat_map(|network| &network.peers);
        let path = peers.filter(|peer| peer.name == stage.bob.name()).map(|peer| &peer.path);
        Ok(path.filter(|path| path.kind == kind).find_map(|path| path.endpoint.clone().or(path.relay.clone())))
    });
    found.context(seen)
}

/// Carol's router swallows UDP for a while: packets go on over TCP to the relay, and straight again later.
fn without_udp(stage: &Stage, report: &mut Report, stop: &Stop) -> Result<()> {
    let blocked = report.step("carol's router lets no UDP through any more", || {
        let start = Instant::now();
        stage.router.block_udp()?;
        let relay = path_of_kind(stage, stop, PathKind::Relay)?;
        Ok((format!("carol reaches bob through the relay {relay}, over TLS on port 443"), start.elapsed()))
    })?;
    report.facts.udp_lost_ms = u64::try_from(blocked.as_millis()).ok();
    report.step("it lets UDP through again", || {
        stage.router.unblock_udp()?;
        let endpoint = path_of_kind(stage, stop, PathKind::Direct)?;
        Ok((format!("carol reaches bob at {endpoint}"), ()))
    })
}

fn resolve(stage: &Stage, stop: &Stop) -> Result<(String, ())> {
    stop.until(PATIENCE, "the system's resolver to know bob.home.alt", || {
        Ok(stage.carol.succeeds(&["probe-name", BOB], stop)?.then_some(()))
    })?;
    Ok((format!("getaddrinfo finds {BOB}"), ()))
}

fn publish(stage: &Stage, stop: &Stop) -> Result<(String, Process)> {
    let address = own_address(&stage.bob, stop)?;
    let added: DnsAdded = stage.bob.ask(&["dns", "add", "wiki", "AAAA", &address], stop)?;
    let server = stage.bob.spawn_tool(&["serve-page", &format!("[{address}]:80"), PAGE])?;
    Ok((format!("{} {} {}", added.record.fqdn, added.record.record_type, added.record.value), server))
}

fn own_address(machine: &Machine, stop: &Stop) -> Result<String> {
    let status: Status = machine.ask(&["status"], stop)?;
    let network = status.networks.into_iter().next();
    Ok(network.with_context(|| format!("{} is in no network", machine.name()))?.address)
}

fn fetch(stage: &Stage, stop: &Stop) -> Result<(String, ())> {
    let page: Fetched =
        stop.until(PATIENCE, "the page", || stage.carol.try_ask(&["demo-tool", "fetch", PAGE_URL], stop))?;
    ensure!(page.body == PAGE, "another page was served: {}", page.body);
    Ok((format!("{PAGE_URL} from {}", page.from), ()))
}

fn throughput(stage: &Stage, report: &mut Report, stop: &Stop) -> Result<()> {
    let (through, plain) = report.step("throughput, one TCP stream", || {
        let through = measure(&stage.bob, &format!("[{}]", own_address(&stage.bob, stop)?), &stage.carol, stop)?;
        let plain = measure(&stage.alice, &stage.alice.host().ipv4().to_string(), &stage.carol, stop)?;
        let detail = format!(
            "{through:.2} Gbit/s from carol to bob, encrypted; {plain:.2} Gbit/s is what the bare cables carry here \
             (carol to alice)"
        );
        Ok((detail, (through, plain)))
    })?;
    (report.facts.gbit_s, report.facts.plain_gbit_s) = (Some(through), Some(plain));
    Ok(())
}

fn measure(server: &Machine, address: &str, client: &Machine, stop: &Stop) -> Result<f64> {
    let place = format!("{address}:{BULK_PORT}");
    let _server = server.spawn_tool(&["serve-bulk", &place])?;
    let arguments = ["demo-tool", "measure-bulk", &place, "--duration", BULK_DURATION];
    // The first attempts may come before the server listens.
    let measured: Measured = stop.until(PATIENCE, "a measurement", || client.try_ask(&arguments, stop))?;
    Ok(measured.gbit_s)
}

fn memory(stage: &Stage, report: &mut Report) -> Result<()> {
    let machines = report.step("memory of each daemon", || {
        let facts = |machine: &Machine| {
            Ok(MachineFacts {
                name: machine.name().to_owned(),
                namespace: machine.host().namespace().to_owned(),
                state_dir: machine.state_dir().display().to_string(),
                memory_kib: machine.memory_kib()?,
            })
        };
        let machines = stage.machines().into_iter().map(facts).collect::<Result<Vec<_>>>()?;
        let words: Vec<String> =
            machines.iter().map(|m| format!("{} {:.1} MiB", m.name, m.memory_kib as f64 / 1024.0)).collect();
        Ok((words.join(", "), machines))
    })?;
    report.facts.machines = machines;
    Ok(())
}
