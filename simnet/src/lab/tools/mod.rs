//! Small servers and clients that a lab needs inside its hosts, so that no other programs have to be
//! installed. They are functions of blocking sockets; a binary exposes them as hidden subcommands.

mod bulk;
mod page;

pub use bulk::{Throughput, measure_bulk, serve_bulk};
pub use page::{Page, fetch, serve_page};
