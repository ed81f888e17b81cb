//! `holloway events`: what happened, and what happens.
//!
//! Following outlives the daemon: when it ends the stream, that is said, it is looked for until it is back, and what
//! happened meanwhile is shown before what happens then.

use std::time::Duration;

use holloway_dashboard::api::{Event, Events, EventsQuery, SchemaVersion, Severity};
use holloway_dashboard::client::{Client, Streamed};
use serde_json::json;

use super::context::Context;
use super::escape::shown;
use super::failure::Failure;
use super::meaning::Extent;
use super::output::{Form, Output};
use super::signals::StopSignals;
use super::style::Style;

/// Events asked for at a time: a page stays far below what the client accepts.
const PAGE: u32 = 500;

/// Most events of the past that are listed: a screenful is read, this many are searched.
const PAST_MAX: usize = 10_000;

/// Past events before the present ones, as `tail -f` has it.
const LEAD_IN: usize = 10;

/// From one look for a daemon that has ended to the next.
const RETURN_INTERVAL: Duration = Duration::from_secs(1);

/// Lists events, or follows them until somebody stops us.
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
                followed = follow(context, client) => followed,
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

async fn follow(context: &Context, client: Client) -> Result<(), Failure> {
    let output = context.output();
    let mut follower = Follower { output, last: None };
    follower.go_on(&client).await?;
    loop {
        output.note("the daemon has ended the stream; waiting for it");
        let client = returned(context).await;
        output.note("the daemon is back");
        // It may be gone again already: then it is waited for again.
        if let Err(failure @ (Failure::Closed | Failure::Told(_))) = follower.go_on(&client).await {
            return Err(failure);
        }
    }
}

/// The daemon, once there is one again.
async fn returned(context: &Context) -> Client {
    loop {
        tokio::time::sleep(RETURN_INTERVAL).await;
        if let Ok(client) = context.daemon()
            && client.health().await.is_ok_and(|health| health.live)
        {
            return client;
        }
    }
}

/// Shows every event once.
struct Follower {
    output: Output,
    /// The newest that has been shown; before the first look, none.
    last: Option<u64>,
}

impl Follower {
    /// Follows until the daemon ends the stream, which is opened before the past is read, so that nothing falls between.
    async fn go_on(&mut self, client: &Client) -> Result<(), Failure> {
        let mut stream = client.stream_events().await?;
        self.catch_up(client).await?;
        // A stream that breaks off is one that ended: so it looks when the daemon is killed.
        while let Ok(Some(streamed)) = stream.next().await {
            match streamed {
                Streamed::Event(event) => self.show(&event)?,
                Streamed::Missed(_) => self.catch_up(client).await?,
            }
        }
        Ok(())
    }

    /// Shows what has happened since the last event; at first, the newest.
    async fn catch_up(&mut self, client: &Client) -> Result<(), Failure> {
        let past = past(client, self.last).await?;
        let skipped = if self.last.is_none() { past.events.len().saturating_sub(LEAD_IN) } else { 0 };
        for event in &past.events[skipped..] {
            self.show(event)?;
        }
        self.last = Some(past.next.max(self.last.unwrap_or(0)));
        Ok(())
    }

    fn show(&mut self, event: &Event) -> Result<(), Failure> {
        if self.last.is_some_and(|last| event.id <= last) {
            return Ok(());
        }
        self.last = Some(event.id);
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
