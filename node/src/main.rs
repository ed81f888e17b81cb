//! The program `holloway`: daemon and command line.

mod addresses;
mod cli;
mod clock;
mod console;
mod daemon;
mod demo;
mod doctor;
mod lane;
mod names;
mod portmap;
mod random;
mod routes;
mod service;
mod store;
mod stream;
mod tun;

fn main() -> std::process::ExitCode {
    cli::main()
}
