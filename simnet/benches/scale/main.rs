//! How the control plane grows: 1,000 to 100,000 nodes and a hundredth as many relays, in virtual time.
//!
//! ```sh
//! cargo bench -p holloway-simnet --features scale --bench scale               # all sizes, minutes
//! cargo bench -p holloway-simnet --features scale --bench scale -- --quick    # up to 10,000 nodes
//! ```
//!
//! `--seed N` repeats a run, `--sizes N,N` takes others, `--svg FILE` draws what the table says. Each size is a process
//! of its own, so that its memory is its own. Ends with 1 when a node's cost grows faster than the logarithm of their
//! number.
#![allow(clippy::print_stdout, reason = "the figures are what it is for")]

mod figures;
mod plot;
mod table;

use std::env;
use std::fs;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use holloway_simnet::scale;

use figures::Figures;

/// Half a power of ten apart.
const SIZES: [usize; 5] = [1_000, 3_162, 10_000, 31_623, 100_000];
const QUICK_MAX: usize = 10_000;

/// Nodes for each relay.
const NODES_PER_RELAY: usize = 100;

/// How long each network is watched.
const WINDOW: Duration = Duration::from_secs(120);

/// Any will do.
const SEED: u64 = 20_271_121;

/// Memory comes in pages of this many bytes where `statm` counts them.
const PAGE: u64 = 4096;

struct Wanted {
    sizes: Vec<usize>,
    seed: u64,
    svg: Option<String>,
    /// Run this size here, and print its figures.
    here: bool,
}

fn main() -> Result<ExitCode> {
    let wanted = wanted(env::args().skip(1))?;
    if wanted.here {
        wanted.sizes.iter().for_each(|nodes| println!("{}", measure(*nodes, wanted.seed).to_json()));
        return Ok(ExitCode::SUCCESS);
    }
    println!("seed {}; {} nodes for each relay; watched for {} s", wanted.seed, NODES_PER_RELAY, WINDOW.as_secs());
    let rows = measured_apart(&wanted)?;
    println!("\n{}", table::table(&rows));
    println!("{}", plot::text(&rows));
    if let Some(file) = &wanted.svg {
        fs::write(file, plot::svg(&rows)).with_context(|| format!("cannot write {file}"))?;
    }
    let (text, is_reached) = table::growth(&rows);
    println!("{text}");
    Ok(if is_reached { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn wanted(mut arguments: impl Iterator<Item = String>) -> Result<Wanted> {
    let mut wanted = Wanted { sizes: SIZES.to_vec(), seed: SEED, svg: None, here: false };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--quick" => wanted.sizes.retain(|nodes| *nodes <= QUICK_MAX),
            "--seed" => wanted.seed = value()?.parse().context("a seed is a number")?,
            "--sizes" => {
                let sizes = value()?.split(',').map(str::parse).collect::<Result<Vec<usize>, _>>();
                wanted.sizes = sizes.context("sizes are numbers with commas between them")?;
            }
            "--svg" => wanted.svg = Some(value()?),
            "--here" => wanted.here = true,
            // Cargo's own.
            "--bench" => {}
            other => bail!("{other} is not known; there are: --quick, --seed, --sizes, --svg"),
        }
    }
    ensure!(
        wanted.sizes.iter().all(|nodes| *nodes >= 4 * NODES_PER_RELAY),
        "{} nodes are the least",
        4 * NODES_PER_RELAY
    );
    Ok(wanted)
}

/// Runs each size in a process of its own: the largest on one processor, the others meanwhile on another.
fn measured_apart(wanted: &Wanted) -> Result<Vec<Figures>> {
    let mut sizes = wanted.sizes.clone();
    sizes.sort_unstable();
    let largest = sizes.pop().context("there is no size")?;
    let last = started(largest, wanted.seed)?;
    let mut rows = Vec::new();
    for nodes in sizes {
        rows.push(finished(nodes, started(nodes, wanted.seed)?)?);
    }
    rows.push(finished(largest, last)?);
    Ok(rows)
}

fn started(nodes: usize, seed: u64) -> Result<Child> {
    let mut itself = Command::new(env::current_exe()?);
    itself.args(["--here", "--sizes", &nodes.to_string(), "--seed", &seed.to_string()]);
    itself.stdout(Stdio::piped()).spawn().context("cannot start itself")
}

fn finished(nodes: usize, child: Child) -> Result<Figures> {
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "the run with {nodes} nodes failed");
    let row = Figures::from_json(&String::from_utf8_lossy(&output.stdout))?;
    println!("{nodes} nodes: {:.0} s", row.get("seconds"));
    Ok(row)
}

fn measure(nodes: usize, seed: u64) -> Figures {
    let began = Instant::now();
    let plan = scale::Plan { nodes, relays: nodes / NODES_PER_RELAY, seed, window: WINDOW };
    let report = scale::run(&plan, &rss);
    let mut figures = Figures::of(&plan, &report);
    figures.set("seconds", began.elapsed().as_secs_f64());
    figures.set("rss", rss().map_or(f64::NAN, |bytes| bytes as f64));
    figures
}

/// What the process holds in memory.
fn rss() -> Option<u64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    statm.split_whitespace().nth(1)?.parse::<u64>().ok().map(|pages| pages * PAGE)
}
