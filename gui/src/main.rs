//! Holloway's desktop application: one window that shows the pages of `dashboard/web` and passes their questions to the
//! daemon on this machine.
//!
//! It runs without privileges and holds no key and no credential: over the daemon's Unix socket the kernel says who asks.
//! It does not know what a network is; the pages do, and this program gives them a socket, a tray, notifications and the
//! few commands of the desktop that pages cannot have.
#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]

mod allowed;
mod app;
mod arguments;
mod autostart;
mod commands;
mod fault;
mod invite;
mod machine;
mod notices;
mod notification;
mod site;
mod socket;
mod starting;
mod stream;
mod tray;
mod window;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match app::run(arguments::Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            use std::io::Write;
            // Nobody reads it where there is no terminal.
            let _ = writeln!(std::io::stderr(), "holloway-gui: {error}");
            ExitCode::FAILURE
        }
    }
}
