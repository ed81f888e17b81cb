//! The log: lines on stderr, as many as were asked for.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::failure::Failure;

/// What a daemon says by itself.
pub(crate) const DAEMON: LevelFilter = LevelFilter::INFO;

/// What a daemon says that lives for one command only.
pub(crate) const QUIET: LevelFilter = LevelFilter::WARN;

/// Libraries whose life events are not ours: a peer that hangs up is an error to them. A target covers all that start
/// with it. They speak at the operator's level only when that is `trace`.
const LIBRARIES: [&str; 11] = [
    "hickory",
    "libp2p",
    "multistream_select",
    "netlink",
    "rtnetlink",
    "rustls",
    "sqlx",
    "tun_rs",
    "yamux",
    "hyper",
    "h2",
];

/// Warns of every packet that a network without a route does not take.
const TALKATIVE: &str = "quinn";

/// Starts the log with the level that was `asked` for, else with `default`. The first call in a process counts.
pub(crate) fn start(asked: Option<&str>, default: LevelFilter) -> Result<(), Failure> {
    let filter = filter(asked, default)?;
    // A reader that went away must not turn into a panic of the subscriber's own complaint.
    let lines = fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .with_target(false)
        .log_internal_errors(false);
    // Fails only where a log runs already, which is then the one that counts.
    let _ = tracing_subscriber::registry().with(filter).with(lines).try_init();
    Ok(())
}

fn filter(asked: Option<&str>, default: LevelFilter) -> Result<EnvFilter, Failure> {
    let Some(text) = asked else {
        return Ok(capped(default));
    };
    if let Ok(level) = text.trim().parse::<LevelFilter>() {
        return Ok(capped(level));
    }
    // A single word would be a filter too, for a target of that name.
    let filter = if text.contains('=') { EnvFilter::try_new(text).ok() } else { None };
    filter.ok_or_else(|| {
        let message = format!("{text:?} is no log level");
        Failure::usage(message, "write for example: --log debug (off, error, warn, info, debug, trace)")
    })
}

fn capped(level: LevelFilter) -> EnvFilter {
    EnvFilter::new(directives(level))
}

fn directives(level: LevelFilter) -> String {
    let libraries = match level {
        LevelFilter::TRACE => return level.to_string(),
        LevelFilter::DEBUG | LevelFilter::INFO => LevelFilter::WARN,
        level => level.min(LevelFilter::ERROR),
    };
    let talkative = libraries.min(LevelFilter::ERROR);
    let start = format!("{level},{TALKATIVE}={talkative}");
    LIBRARIES.iter().fold(start, |text, library| format!("{text},{library}={libraries}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_stay_at_warnings_until_everything_is_asked_for() {
        assert!(directives(LevelFilter::INFO).starts_with("info,quinn=error,hickory=warn,libp2p=warn,"));
        assert!(directives(LevelFilter::DEBUG).contains(",sqlx=warn,"));
        assert!(directives(LevelFilter::ERROR).contains(",libp2p=error,"));
        assert!(directives(LevelFilter::WARN).contains(",libp2p=error,"));
        assert!(directives(LevelFilter::OFF).contains(",libp2p=off,"));
        assert_eq!(directives(LevelFilter::TRACE), "trace");
    }

    #[test]
    fn levels_and_filters_are_taken_and_anything_else_is_refused() {
        for text in ["off", "warn", "DEBUG", "holloway=debug,libp2p=info"] {
            assert!(filter(Some(text), DAEMON).is_ok(), "{text}");
        }
        for text in ["a=b=c", "loud"] {
            assert!(filter(Some(text), DAEMON).is_err(), "{text}");
        }
    }
}
