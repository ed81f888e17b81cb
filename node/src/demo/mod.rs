//! `holloway demo`: a whole small network on one machine, of real parts.
//!
//! Three machines are network namespaces: alice on a public address, bob and carol behind a home router each. On each
//! runs this very program as a daemon; alice founds a network, the others join by invite, and every step that a user
//! would take afterwards is taken, checked and timed. Everything is taken down at the end, also after a failure or when
//! somebody stops it; what a killed run left behind, the next one removes.
//!
//! The demo knows the command line and nothing else of the product: what it shows, a user can do.

mod document;
mod keep;
mod machine;
mod permission;
mod report;
mod stage;
mod stop;
mod story;

use crate::cli::{DemoArgs, Failure, Output};

use permission::Ground;
use report::Report;
use stage::Stage;
use stop::Stop;

/// Runs the demo. The process must have one thread only: an ordinary user's moves into a user namespace.
///
/// # Errors
/// When a step did not hold, or the machine does not allow it.
pub(crate) fn run(args: DemoArgs, output: Output) -> Result<(), Failure> {
    let ground = permission::obtain()?;
    let stop = Stop::listen()?;
    let mut report = Report::new(output);
    let told = report
        .step("three machines, two of them behind routers of their own", Stage::build)
        .and_then(|stage| play(stage, ground, args, &mut report, &stop));
    report.print_document(told.is_ok())?;
    match told {
        Ok(()) => {
            report.conclude();
            Ok(())
        }
        Err(error) => Err(report.verdict(&error, &stop)),
    }
}

/// Plays the story and takes the stage down, however the story ends.
fn play(mut stage: Stage, ground: Ground, args: DemoArgs, report: &mut Report, stop: &Stop) -> anyhow::Result<()> {
    let told = story::tell(&mut stage, report, stop);
    match &told {
        Ok(_server) if args.keep => keep::look_around(&stage, ground, report, stop),
        Ok(_server) => {}
        Err(_) => report.show_logs(&stage.log_tails(), stop),
    }
    let down = report.step("everything taken down", || stage.take_down());
    told.map(drop).and(down)
}
