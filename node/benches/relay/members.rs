//! Ten thousand members at one relay: what it costs to have them, and how they fare.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Result;
use holloway_simnet::lab::Lab;

use crate::crowd::{Counts, Crowd, endpoint, lay_addresses};
use crate::member::{Member, Network, frame};
use crate::plain::{self, Style};
use crate::stage::{DATA_PORT, Machine, founder};
use crate::{Size, process};

/// Registering takes seconds; beyond this something is wrong.
const REGISTER_DEADLINE: Duration = Duration::from_secs(600);

/// Frames whose time is taken, and how long one is.
const FRAMES: u64 = 2000;
const FRAME_BYTES: usize = 200;
const FRAME_EVERY: Duration = Duration::from_millis(10);

/// How much longer the members idle than other measurements take: some rounds of pings.
const IDLE_FACTOR: u32 = 20;

/// What is aimed at.
const RSS_GOAL_MIB: f64 = 600.0;
const IDLE_GOAL_PERCENT: f64 = 10.0;
const DELIVERY_GOAL: Duration = Duration::from_millis(10);

/// Measures and prints.
pub(crate) fn measure(size: Size) -> Result<()> {
    let lab = Lab::new("bench-members")?;
    let [relay_host, crowd_host] = [lab.public_host("relay")?, lab.public_host("crowd")?];
    lay_addresses(&crowd_host, &relay_host)?;
    let toml = format!("[relay]\nmembers = {}\n", size.members.max(1));
    let mut machine = founder(&lab, &relay_host, &toml);
    let network = Network::of(&machine)?;
    let members = (0..size.members).map(|number| network.member(&format!("m{number}"))).collect::<Result<Vec<_>>>()?;
    let relay = SocketAddr::from((relay_host.ipv4(), DATA_PORT));
    println!("\n{} members at one relay\n", size.members);
    run(&mut machine, &network, members, relay, &crowd_host, size)
}

fn run(
    machine: &mut Machine,
    network: &Network,
    members: Vec<Member>,
    relay: SocketAddr,
    crowd_host: &holloway_simnet::lab::Host,
    size: Size,
) -> Result<()> {
    let mut crowd = Crowd::new(network, crowd_host, relay, members)?;
    crowd.idle(Duration::from_secs(2))?;
    row("memory before", &format!("{:.1} MiB", rss_mib(machine)?), "");

    let took = registration(machine, &mut crowd)?;
    row("time to register all, none known to the relay", &took, "");
    row("memory after", &format!("{:.1} MiB", rss_mib(machine)?), "");

    crowd.idle(Duration::from_secs(5))?;
    idle(machine, &mut crowd, size.time * IDLE_FACTOR)?;
    let rss = rss_mib(machine)?;
    row("memory after pinging", &format!("{rss:.1} MiB"), &verdict(rss < RSS_GOAL_MIB, "< 600 MiB"));
    delivery(machine, &mut crowd, relay)?;

    machine.daemon.restart()?;
    machine.wait_live();
    crowd.forget();
    let took = registration(machine, &mut crowd)?;
    row("time to register all, all known, after a restart", &took, "");
    crowd.idle(Duration::from_secs(5))?;
    row("memory after that", &format!("{:.1} MiB", rss_mib(machine)?), "");
    Ok(())
}

fn registration(machine: &Machine, crowd: &mut Crowd<'_>) -> Result<String> {
    let (before, retries) = (process::cpu_seconds(machine.daemon_pid())?, crowd.counts.retries);
    let took = crowd.register_all(REGISTER_DEADLINE)?;
    let cpu = process::cpu_seconds(machine.daemon_pid())? - before;
    let retries = crowd.counts.retries - retries;
    Ok(format!("{:.1} s, {cpu:.1} s of CPU, {retries} asked again", took.as_secs_f64()))
}

/// What the daemon does while the members do nothing but ping.
fn idle(machine: &Machine, crowd: &mut Crowd<'_>, time: Duration) -> Result<()> {
    crowd.counts = Counts::default();
    let (before, start) = (process::cpu_seconds(machine.daemon_pid())?, Instant::now());
    crowd.idle(time)?;
    let percent = (process::cpu_seconds(machine.daemon_pid())? - before) * 100.0 / start.elapsed().as_secs_f64();
    let Counts { pings, pongs, retries, refusals, others } = std::mem::take(&mut crowd.counts);
    let goal = verdict(percent < IDLE_GOAL_PERCENT, "< 10 %");
    row("one core, while all only ping", &format!("{percent:.1} %"), &goal);
    row("pings, answered, asked again", &format!("{pings}, {}, {retries}", pongs.len()), "");
    row("no longer known, other datagrams", &format!("{refusals}, {others}"), "");
    row("a ping takes", &quantiles(pongs), "");
    row("registered at the end", &crowd.registered().to_string(), "");
    Ok(())
}

/// How long frames take from one member to another, and the same through a plain forwarder beside the relay.
fn delivery(machine: &Machine, crowd: &mut Crowd<'_>, relay: SocketAddr) -> Result<()> {
    let channel = crowd.bind(0, 1)?;
    let (took, lost) = frames(crowd, relay, |number| frame(channel, number, FRAME_BYTES))?;
    let slow = nth(&took, 0.99).unwrap_or(Duration::MAX);
    let goal = verdict(slow < DELIVERY_GOAL && lost == 0, "p99 < 10 ms");
    row("a frame takes", &format!("{}, {lost} lost", quantiles(took)), &goal);
    let _plain = plain::start(machine.host(), Style::Singly, endpoint(1))?;
    let beside = SocketAddr::new(relay.ip(), plain::PORT);
    let (took, lost) = frames(crowd, beside, |number| frame(channel, number, FRAME_BYTES))?;
    row("through a plain forwarder", &format!("{}, {lost} lost", quantiles(took)), "");
    Ok(())
}

fn frames(crowd: &mut Crowd<'_>, to: SocketAddr, frame: impl Fn(u64) -> Vec<u8>) -> Result<(Vec<Duration>, u64)> {
    let (mut took, mut lost) = (Vec::new(), 0);
    for number in 0..FRAMES {
        match crowd.time(0, to, &frame(number))? {
            Some(time) => took.push(time),
            None => lost += 1,
        }
        crowd.idle(FRAME_EVERY)?;
    }
    Ok((took, lost))
}

fn rss_mib(machine: &Machine) -> Result<f64> {
    Ok(machine.daemon.rss_kib()? as f64 / 1024.0)
}

fn quantiles(mut took: Vec<Duration>) -> String {
    took.sort_unstable();
    let of = |share| nth(&took, share).map_or_else(|| "-".into(), |time| format!("{} µs", time.as_micros()));
    format!("p50 {}, p99 {}, at most {}", of(0.5), of(0.99), of(1.0))
}

/// The time below which this share of them lies.
fn nth(took: &[Duration], share: f64) -> Option<Duration> {
    let mut sorted = took.to_vec();
    sorted.sort_unstable();
    let at = (sorted.len() as f64 * share) as usize;
    sorted.get(at.min(sorted.len().saturating_sub(1))).copied()
}

fn verdict(is_reached: bool, goal: &str) -> String {
    format!("{}: {goal}", if is_reached { "reached" } else { "NOT REACHED" })
}

fn row(what: &str, figure: &str, goal: &str) {
    println!("{what:<50} {figure:<50} {goal}");
}
