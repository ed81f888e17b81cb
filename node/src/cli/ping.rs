//! `holloway ping`: replies from inside the tunnel, and which path each took.

use std::time::Duration;

use holloway_dashboard::api::{ApiError, ErrorCode, Ping, PingReply};
use holloway_dashboard::client::Client;
use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval};

use super::context::Context;
use super::duration::milliseconds;
use super::escape::shown;
use super::failure::{Failure, answer_is_no};
use super::output::{Form, Output};
use super::peers::path_words;
use super::signals::StopSignals;

/// Replies kept for the document that `--json` prints; the summary counts them all.
const KEPT_MAX: usize = 10_000;

/// What to ask, how often and how patiently.
#[derive(Clone, Debug)]
pub(crate) struct PingPlan {
    pub(crate) target: String,
    pub(crate) network: Option<String>,
    pub(crate) count: Option<u64>,
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
}

/// One attempt, as `--json` prints it.
#[derive(Clone, Debug, Serialize)]
struct Attempt {
    seq: u64,
    #[serde(flatten)]
    outcome: Outcome,
}

/// What became of an attempt.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
enum Outcome {
    Reply { name: String, address: String, rtt_ms: f64, path: holloway_dashboard::api::PathStatus },
    Lost { error: ApiError },
}

/// What has happened so far, as `--json` prints it at the end.
#[derive(Clone, Debug, Serialize)]
struct Summary {
    schema: u32,
    target: String,
    sent: u64,
    received: u64,
    rtt_min_ms: Option<f64>,
    rtt_avg_ms: Option<f64>,
    rtt_max_ms: Option<f64>,
    replies: Vec<Attempt>,
    #[serde(skip)]
    rtt_sum_ms: f64,
}

/// Asks until the count is reached or somebody stops us, then sums up.
pub(crate) async fn run(context: &Context, plan: PingPlan) -> Result<(), Failure> {
    let client = context.daemon()?;
    let output = context.output();
    let mut summary = Summary::new(&plan.target);
    let mut signals = StopSignals::listen();
    tokio::select! {
        asked = ask(&client, &plan, output, &mut summary) => asked?,
        () = signals.asked() => {}
    }
    output.answer(&summary, |summary, _| summary.text())?;
    if summary.received > 0 { Ok(()) } else { Err(answer_is_no()) }
}

async fn ask(client: &Client, plan: &PingPlan, output: Output, summary: &mut Summary) -> Result<(), Failure> {
    let request = Ping {
        network: plan.network.clone(),
        target: plan.target.clone(),
        timeout_ms: u64::try_from(plan.timeout.as_millis()).unwrap_or(u64::MAX),
    };
    let mut ticks = interval(plan.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while plan.count.is_none_or(|count| summary.sent < count) {
        ticks.tick().await;
        let attempt = summary.record(client.ping(&request).await)?;
        if output.form() == Form::Text {
            output.print(&attempt.text())?;
        }
    }
    Ok(())
}

impl Summary {
    fn new(target: &str) -> Self {
        Self {
            schema: 1,
            target: target.to_owned(),
            sent: 0,
            received: 0,
            rtt_min_ms: None,
            rtt_avg_ms: None,
            rtt_max_ms: None,
            replies: Vec::new(),
            rtt_sum_ms: 0.0,
        }
    }

    /// Counts an attempt. One that another attempt could not mend is the end.
    fn record(&mut self, result: Result<PingReply, ApiError>) -> Result<Attempt, Failure> {
        let outcome = match result {
            Ok(reply) => self.reply(reply),
            Err(error) if is_loss(error.code) => Outcome::Lost { error },
            Err(error) => return Err(error.into()),
        };
        self.sent += 1;
        let attempt = Attempt { seq: self.sent, outcome };
        if self.replies.len() < KEPT_MAX {
            self.replies.push(attempt.clone());
        }
        Ok(attempt)
    }

    fn reply(&mut self, reply: PingReply) -> Outcome {
        let PingReply { schema: _, name, address, rtt_ms, path } = reply;
        self.received += 1;
        self.rtt_sum_ms += rtt_ms;
        self.rtt_min_ms = Some(self.rtt_min_ms.map_or(rtt_ms, |least| least.min(rtt_ms)));
        self.rtt_max_ms = Some(self.rtt_max_ms.map_or(rtt_ms, |most| most.max(rtt_ms)));
        self.rtt_avg_ms = Some(self.rtt_sum_ms / self.received as f64);
        Outcome::Reply { name, address, rtt_ms, path }
    }

    fn text(&self) -> String {
        let lost = self.sent - self.received;
        let percent = (lost * 100).checked_div(self.sent).unwrap_or(0);
        let counts = format!("{} sent, {} received, {percent} % lost", self.sent, self.received);
        let times = match (self.rtt_min_ms, self.rtt_avg_ms, self.rtt_max_ms) {
            (Some(min), Some(avg), Some(max)) => {
                format!("; rtt min {}, avg {}, max {}", milliseconds(min), milliseconds(avg), milliseconds(max))
            }
            _ => String::new(),
        };
        format!("{}: {counts}{times}\n", shown(&self.target))
    }
}

impl Attempt {
    fn text(&self) -> String {
        match &self.outcome {
            Outcome::Reply { name, address, rtt_ms, path } => format!(
                "reply from {} ({}): seq {}, {}, {}\n",
                shown(name),
                shown(address),
                self.seq,
                milliseconds(*rtt_ms),
                shown(&path_words(path))
            ),
            Outcome::Lost { error } => format!("seq {}: {}\n", self.seq, shown(&error.message)),
        }
    }
}

/// Whether the next attempt may succeed where this one did not.
fn is_loss(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::Timeout | ErrorCode::Internal | ErrorCode::Unknown)
}

#[cfg(test)]
mod tests {
    use holloway_dashboard::api::SchemaVersion;

    use super::super::peers::examples::bob;
    use super::*;

    fn reply(rtt_ms: f64) -> Result<PingReply, ApiError> {
        let (name, address) = ("bob.home.alt".into(), "fd42::b".into());
        Ok(PingReply { schema: SchemaVersion, name, address, rtt_ms, path: bob().path })
    }

    fn timeout() -> Result<PingReply, ApiError> {
        Err(ApiError::new(ErrorCode::Timeout, "no reply within 2 s"))
    }

    #[test]
    fn each_reply_shows_its_time_and_the_path_it_took() {
        let mut summary = Summary::new("bob");
        let attempt = summary.record(reply(0.4)).unwrap();
        let expected = "reply from bob.home.alt (fd42::b): seq 1, 0.40 ms, direct 203.0.113.7:42042\n";
        assert_eq!(attempt.text(), expected);
        assert_eq!(summary.record(timeout()).unwrap().text(), "seq 2: no reply within 2 s\n");
    }

    #[test]
    fn the_summary_counts_what_was_lost() {
        let mut summary = Summary::new("bob");
        for result in [reply(1.0), timeout(), reply(3.0), timeout()] {
            summary.record(result).unwrap();
        }
        let expected = "bob: 4 sent, 2 received, 50 % lost; rtt min 1.00 ms, avg 2.00 ms, max 3.00 ms\n";
        assert_eq!(summary.text(), expected);
        assert_eq!(Summary::new("bob").text(), "bob: 0 sent, 0 received, 0 % lost\n");
    }

    #[test]
    fn the_document_has_every_attempt_and_the_times() {
        let mut summary = Summary::new("bob");
        summary.record(reply(1.0)).unwrap();
        summary.record(timeout()).unwrap();
        let value = serde_json::to_value(&summary).unwrap();
        assert_eq!(value["schema"], 1);
        assert_eq!((&value["sent"], &value["received"]), (&2.into(), &1.into()));
        assert_eq!(value["replies"][0]["path"]["kind"], "direct");
        assert_eq!(value["replies"][1]["error"]["code"], "timeout");
    }

    #[test]
    fn what_no_further_attempt_can_mend_ends_it() {
        let mut summary = Summary::new("nobody");
        let error = ApiError::new(ErrorCode::NotFound, "there is no nobody");
        assert!(summary.record(Err(error)).is_err());
    }
}
