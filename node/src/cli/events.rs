//! `holloway events`: what happened, and what happens.

use holloway_dashboard::api::{Event, Events, EventsQuery, SchemaVersion, Severity};
use holloway_dashboard::client::{Client, EventStream, Streamed};
use serde_json::json;

use super::context::Context;
use super::escape::shown;
use super::failure::Failure;
use super::meaning::Extent;
use super::output::{Form, Output, to_stderr};
use super::signals::StopSignals;
use super::style::Style;

/// Events asked for at a time: a page stays far below what the client accepts.
const PAGE: u32 = 500;

/// Most events of the past that are listed: a screenful is read, this many are searched.
const PAST_MAX: usize = 10_000;

/// Past events before the present ones, as `tail -f` has it.
const LEAD_IN: usize = 10;

/// Lists events, or follows them until the daemon ends or somebody stops us.
pub(crate) async fn run(context: &Context, extent: Extent) -> Result<(), Failure> {
    let (client, output) = (context.daemon()?, context.output());
    match extent {
        Extent::Past => {
            let events = past(&client, None).await?;
            output.answer(&events, |events, style| {
                events.events.iter().map(|event| line(event, style)).collect::<String>()
            })
        }
        Extent::Following => {
            let mut signals = StopSignals::listen();
            tokio::select! {
                followed = follow(&client, output) => followed,
                () = signals.asked() => Ok(()),
            }
        }
    }
}

/// The events after the one with id `after`; the newest, where there are too many.
async fn past(client: &Client, after: Option<u64>) -> Result<Events, Failure> {
    let mut all = Events { schema: SchemaVersion, events: Vec::new(), next: after.unwrap_or(0) };
    let mut after = after;
    loop {
        let page = client.events(&EventsQuery { after, limit: Some(PAGE) }).await?;
        let is_last = page.events.len() < PAGE as usize || page.next <= all.next;
        all.next = page.next.max(all.next);
        all.events.extend(page.events);
        let excess = all.events.len().saturating_sub(PAST_MAX);
        all.events.drain(..excess);
        if is_last {
            return Ok(all);
        }
        after = Some(all.next);
    }
}

/// The stream is opened before the past is read, so that nothing falls between the two.
async fn follow(client: &Client, output: Output) -> Result<(), Failure> {
    let mut stream = client.stream_events().await?;
    let past = past(client, None).await?;
    let mut follower = Follower { output, last: 0 };
    for event in &past.events[past.events.len().saturating_sub(LEAD_IN)..] {
        follower.show(event)?;
    }
    follower.last = past.next.max(follower.last);
    follower.go_on(client, &mut stream).await
}

/// Shows every event once.
struct Follower {
    output: Output,
    last: u64,
}

impl Follower {
    async fn go_on(&mut self, client: &Client, stream: &mut EventStream) -> Result<(), Failure> {
        while let Some(streamed) = stream.next().await? {
            match streamed {
                Streamed::Event(event) => self.show(&event)?,
                Streamed::Missed(_) => {
                    for event in &past(client, Some(self.last)).await?.events {
                        self.show(event)?;
                    }
                }
            }
        }
        to_stderr("the daemon has ended the stream\n");
        Ok(())
    }

    fn show(&mut self, event: &Event) -> Result<(), Failure> {
        if event.id <= self.last {
            return Ok(());
        }
        self.last = event.id;
        match self.output.form() {
            Form::Json => self.output.document(&json!({"schema": 1, "event": event})),
            Form::Text => self.output.print(&line(event, Style::of_stdout())),
        }
    }
}

fn line(event: &Event, style: Style) -> String {
    let severity = match event.severity {
        Severity::Info => style.faint("info    "),
        Severity::Warn => style.warning("warn    "),
        Severity::Security => style.bad("security"),
    };
    let network = event.network.as_deref().map_or_else(String::new, |network| format!("{}: ", shown(network)));
    let fields = event.fields.iter().map(|(name, value)| format!(" {}={}", shown(name), shown(value)));
    let fields = style.faint(&fields.collect::<String>());
    format!("{}  {severity}  {}  {network}{}{fields}\n", shown(&event.time), shown(&event.kind), shown(&event.text))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn event(id: u64) -> Event {
        Event {
            id,
            time: "2026-11-20T20:00:00Z".into(),
            severity: Severity::Security,
            kind: "replay".into(),
            network: Some("home".into()),
            text: "a packet came twice\n\u{1b}[31m".into(),
            fields: BTreeMap::from([("peer".into(), "bob\u{202e}".into())]),
        }
    }

    #[test]
    fn an_event_is_one_line_whatever_it_says() {
        let expected = "2026-11-20T20:00:00Z  security  replay  home: a packet came twice\\u{a}\\u{1b}[31m \
                        peer=bob\\u{202e}\n";
        assert_eq!(line(&event(1), Style::PLAIN), expected);
    }
}
