//! Takes a lab down when its owner is interrupted, and so has no time to. It runs as a process of its own, this program
//! with another argument, because a lab may be swept only once its owner is gone.

use std::path::Path;
use std::process::{Command, exit, id};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use holloway_simnet::lab::{Lab, wait_until};
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

/// The argument that makes this program a sweeper.
pub(crate) const ROLE: &str = "sweep-after";

/// The exit status of a program that was interrupted.
const INTERRUPTED: i32 = 130;

/// From here on, an interruption ends this program and has someone sweep after it.
pub(crate) fn sweep_when_interrupted() -> Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let [mut interrupt, mut terminate] = {
        let _inside = runtime.enter();
        [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?]
    };
    thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        });
        // Where not even that works, the next lab sweeps.
        let _ =
            std::env::current_exe().and_then(|program| Command::new(program).args([ROLE, &id().to_string()]).spawn());
        exit(INTERRUPTED)
    });
    Ok(())
}

/// Waits until the owner is gone, then sweeps.
pub(crate) fn run(mut arguments: impl Iterator<Item = String>) -> Result<()> {
    let owner: u32 = arguments.next().context("a process is missing")?.parse()?;
    let is_gone = || (!Path::new(&format!("/proc/{owner}")).exists()).then_some(());
    wait_until(Duration::from_secs(10), "the owner to end", is_gone)?;
    Lab::sweep()
}
