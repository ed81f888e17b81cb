//! What a relay bears: how many members, and how many packets for how much of a processor.
//!
//! ```sh
//! cargo bench -p holloway-node --bench relay -- members     # 10,000 members at one relay: about three minutes
//! cargo bench -p holloway-node --bench relay -- forwarding  # beside a plain forwarder and coturn: five minutes
//! ```
//!
//! Without an argument both parts run; `--members N`, `--seconds S` and `--rounds N` make them smaller or larger. The
//! relay is the real program in a namespace of a lab; its members are simulated here, speak the real protocol, and are
//! as many namespaces, addresses and ports away as it takes. Needs root, `ip` and `nft`; takes coturn in where it is
//! installed.
//!
//! Knows nothing of what a daemon does inside, except where it keeps the keys that certify the members.
#![allow(clippy::print_stdout, reason = "the figures are what it is for")]

mod crowd;
mod forwarding;
mod load;
mod member;
mod members;
mod plain;
mod process;
#[path = "../../tests/stage/mod.rs"]
mod stage;
mod sweeper;
mod turn;

use std::env;
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// What to measure, and how long.
struct Plan {
    members: bool,
    forwarding: bool,
    size: Size,
}

/// How much of it.
#[derive(Clone, Copy)]
struct Size {
    members: usize,
    /// How long one measurement takes; members idle for twenty times as long.
    time: Duration,
    rounds: usize,
}

fn main() -> Result<()> {
    let role = env::args().nth(1).unwrap_or_default();
    match role.as_str() {
        plain::ROLE => return plain::run(env::args().skip(2)),
        sweeper::ROLE => return sweeper::run(env::args().skip(2)),
        _ => {}
    }
    let plan = plan(env::args().skip(1))?;
    sweeper::sweep_when_interrupted()?;
    if plan.members {
        members::measure(plan.size)?;
    }
    if plan.forwarding {
        forwarding::measure(plan.size)?;
    }
    Ok(())
}

fn plan(mut arguments: impl Iterator<Item = String>) -> Result<Plan> {
    let mut plan = Plan {
        members: false,
        forwarding: false,
        size: Size { members: 10_000, time: Duration::from_secs(3), rounds: 3 },
    };
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next().and_then(|text| text.parse().ok()).context("a number is missing");
        match argument.as_str() {
            "members" => plan.members = true,
            "forwarding" => plan.forwarding = true,
            "--members" => plan.size.members = number()?,
            "--seconds" => plan.size.time = Duration::from_secs(u64::try_from(number()?)?),
            "--rounds" => plan.size.rounds = number()?.max(1),
            // Cargo's own.
            "--bench" => {}
            other => bail!("{other} is not known; there are: members, forwarding, --members, --seconds, --rounds"),
        }
    }
    if !plan.members && !plan.forwarding {
        (plan.members, plan.forwarding) = (true, true);
    }
    Ok(plan)
}
