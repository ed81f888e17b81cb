//! `holloway completions`.

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use super::args::Typed;
use super::failure::Failure;
use super::output::Output;

/// Prints the script for a shell.
pub(crate) fn run(shell: Shell, output: Output) -> Result<(), Failure> {
    let mut script = Vec::new();
    generate(shell, &mut Typed::command(), "holloway", &mut script);
    output.print(&String::from_utf8_lossy(&script))
}
