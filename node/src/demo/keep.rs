//! `holloway demo --keep`: leaves everything running, and says how to look around.

use super::permission::Ground;
use super::report::Report;
use super::stage::Stage;
use super::stop::Stop;
use super::story::{NETWORK, PAGE_URL};

/// Shows how to look around and waits until somebody stops us.
pub(super) fn look_around(stage: &Stage, ground: Ground, report: &mut Report, stop: &Stop) {
    // A reader that went away does not mind.
    let _ = report.print_document(true);
    report.tell(&directions(stage, ground));
    stop.wait();
}

fn directions(stage: &Stage, ground: Ground) -> String {
    let door = match ground {
        Ground::Machine => String::new(),
        Ground::UserNamespace => {
            format!("nsenter --preserve-credentials -U -m -t {} ", std::process::id())
        }
    };
    let program = std::env::current_exe().map_or("holloway".to_owned(), |path| path.display().to_string());
    let mut text = "\nIt goes on running until Ctrl-C. To look around, from another terminal:\n".to_owned();
    for machine in stage.machines() {
        let (namespace, state_dir) = (machine.host().namespace(), machine.state_dir().display());
        text.push_str(&format!("  {door}ip netns exec {namespace} {program} --state-dir {state_dir} status\n"));
    }
    let carol = stage.carol.host().namespace();
    text.push_str(&format!("  {door}ip netns exec {carol} ping -c 3 bob.{NETWORK}.alt\n"));
    text.push_str(&format!("  {door}ip netns exec {carol} curl {PAGE_URL}\n\n"));
    text
}
