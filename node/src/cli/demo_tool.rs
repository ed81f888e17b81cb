//! `holloway demo-tool`: small servers and clients for the machines of the demo, so that nothing else need be installed.

use std::net::SocketAddr;

use clap::{Args, Subcommand};
use holloway_simnet::lab::tools;
use serde_json::json;

use super::duration::Span;
use super::escape;
use super::failure::{Failure, answer_is_no};
use super::output::{Form, Output};

/// `demo-tool`
#[derive(Debug, Args)]
pub(crate) struct DemoToolArgs {
    #[command(subcommand)]
    tool: DemoTool,
}

#[derive(Debug, Subcommand)]
enum DemoTool {
    /// Serve one page by HTTP
    ServePage {
        /// Where
        address: SocketAddr,
        /// Its text
        body: String,
    },
    /// Fetch a page by HTTP
    Fetch {
        /// Which
        url: String,
    },
    /// Receive streams and count them
    ServeBulk {
        /// Where
        address: SocketAddr,
    },
    /// Send a stream and measure it
    MeasureBulk {
        /// To whom: a name or address, and the port
        address: String,
        /// For how long
        #[arg(long, default_value = "3s")]
        duration: Span,
    },
}

/// Runs a tool, servers until the process ends.
pub(crate) fn run(args: DemoToolArgs, output: Output) -> Result<(), Failure> {
    match args.tool {
        DemoTool::ServePage { address, body } => Ok(tools::serve_page(address, &body)?),
        DemoTool::ServeBulk { address } => Ok(tools::serve_bulk(address)?),
        DemoTool::Fetch { url } => fetch(&url, output),
        DemoTool::MeasureBulk { address, duration } => measure(&address, duration, output),
    }
}

fn fetch(url: &str, output: Output) -> Result<(), Failure> {
    let page = tools::fetch(url)?;
    match output.form() {
        Form::Json => {
            let from = page.from.to_string();
            output.document(&json!({"schema": 1, "status": page.status, "from": from, "body": page.body}))?;
        }
        Form::Text => output.print(&format!("{}\n", escape::shown_lines(&page.body)))?,
    }
    if page.status == 200 { Ok(()) } else { Err(answer_is_no()) }
}

fn measure(address: &str, duration: Span, output: Output) -> Result<(), Failure> {
    let throughput = tools::measure_bulk(address, duration.0)?;
    let gbit_s = throughput.gbit_per_second();
    let document = json!({
        "schema": 1, "bytes": throughput.bytes, "elapsed_ms": throughput.elapsed.as_millis() as u64, "gbit_s": gbit_s,
    });
    output.answer(&document, |_, _| format!("{gbit_s:.2} Gbit/s\n"))
}
