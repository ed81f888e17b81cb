//! Tells the story: each step with the time that it took, as it happens, or all at the end as one document.

use std::io::{self, IsTerminal};
use std::time::Instant;

use anyhow::{Result, anyhow};
use holloway_dashboard::api::{ApiError, ErrorCode};

use super::document::{Document, Facts, Step};
use super::stop::Stop;
use super::story::NETWORK;
use crate::cli::{Failure, Form, Output, Style, shown_lines, to_stderr};

/// What has been told so far.
pub(super) struct Report {
    output: Output,
    style: Style,
    steps: Vec<Step>,
    start: Instant,
    closed: bool,
    printed: bool,
    /// What was found out on the way.
    pub(super) facts: Facts,
}

impl Report {
    /// Nothing has been told yet.
    pub(super) fn new(output: Output) -> Self {
        let (style, facts) = (Style::of_stdout(), Facts::default());
        Self { output, style, steps: Vec::new(), start: Instant::now(), closed: false, printed: false, facts }
    }

    /// Takes a step and tells how it went. `work` gives what came of it, for the reader and for the next step.
    pub(super) fn step<T>(&mut self, what: &str, work: impl FnOnce() -> Result<(String, T)>) -> Result<T> {
        self.announce(what);
        let start = Instant::now();
        let outcome = work();
        let elapsed_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (detail, result) = match outcome {
            Ok((detail, value)) => (detail, Ok(value)),
            Err(error) => (format!("{error:#}"), Err(error)),
        };
        let step = Step { what: what.to_owned(), ok: result.is_ok(), elapsed_ms, detail };
        self.tell(&line(&step, self.style));
        self.steps.push(step);
        if self.closed { Err(anyhow!("nobody reads on")) } else { result }
    }

    /// Tells something that is no step.
    pub(super) fn tell(&mut self, text: &str) {
        if self.output.form() == Form::Text && !self.closed {
            let erase = if self.is_live() { "\r\u{1b}[K" } else { "" };
            self.closed = self.output.print(&format!("{erase}{text}")).is_err();
        }
    }

    /// Shows what the daemons said when a step did not hold.
    pub(super) fn show_logs(&self, log_tails: &str, stop: &Stop) {
        if self.output.form() == Form::Text && !stop.is_asked() && !self.closed {
            to_stderr(&format!("{}\n", shown_lines(log_tails)));
        }
    }

    /// Prints everything as one document, once, where that is wanted.
    pub(super) fn print_document(&mut self, ok: bool) -> Result<(), Failure> {
        if self.output.form() == Form::Text || self.printed {
            return Ok(());
        }
        self.printed = true;
        self.output.document(&self.document(ok))
    }

    /// The last line of a story in which every step held.
    pub(super) fn conclude(&self) {
        let seconds = self.start.elapsed().as_secs_f64();
        self.output.note(&format!("{} every step held, {seconds:.1} s in all", self.style.check_mark()));
    }

    /// How a story ends in which a step did not hold.
    pub(super) fn verdict(&self, error: &anyhow::Error, stop: &Stop) -> Failure {
        // Nobody reads why, but a script must not take an unfinished story for one that held.
        if self.closed {
            return Failure::Told(ErrorCode::Internal.exit_code());
        }
        if stop.is_asked() {
            self.output.note("stopped; everything was taken down");
            return Failure::Told(ErrorCode::Internal.exit_code());
        }
        let refusal = ApiError::new(ErrorCode::Internal, format!("the demo failed: {error:#}"));
        Failure::Refused(refusal.with_hint("run: holloway doctor"))
    }

    fn document(&self, ok: bool) -> Document<'_> {
        Document { schema: 1, ok, network: NETWORK, steps: &self.steps, facts: &self.facts }
    }

    fn announce(&mut self, what: &str) {
        if self.is_live() && self.output.form() == Form::Text {
            self.tell(&format!("          {what} ..."));
        }
    }

    /// Whether a line can be written over.
    fn is_live(&self) -> bool {
        io::stdout().is_terminal() && std::env::var_os("TERM").is_some_and(|term| term != "dumb")
    }
}

fn line(step: &Step, style: Style) -> String {
    let sign = if step.ok { style.check_mark() } else { style.cross() };
    let seconds = step.elapsed_ms as f64 / 1_000.0;
    let detail = shown_lines(&step.detail);
    format!("{sign} {seconds:>6.2} s  {}\n            {}\n", style.heading(&step.what), style.faint(&detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(ok: bool) -> Step {
        Step { what: "bob joins".into(), ok, elapsed_ms: 430, detail: "fd42::b\u{1b}".into() }
    }

    #[test]
    fn a_step_shows_whether_it_held_how_long_it_took_and_what_came_of_it() {
        assert_eq!(line(&step(true), Style::PLAIN), "✓   0.43 s  bob joins\n            fd42::b\\u{1b}\n");
        assert!(line(&step(false), Style::PLAIN).starts_with('✗'));
    }

    #[test]
    fn the_document_keeps_the_failed_step() {
        let mut report = Report::new(Output::new(Form::Json));
        assert!(report.step("one", || Ok((String::new(), ()))).is_ok());
        assert!(report.step("two", || Err::<(String, ()), _>(anyhow!("no way"))).is_err());
        let value = serde_json::to_value(report.document(false)).unwrap();
        assert_eq!(value["schema"], 1);
        assert_eq!(value["steps"][0]["ok"], true);
        assert_eq!(value["steps"][1]["detail"], "no way");
    }
}
