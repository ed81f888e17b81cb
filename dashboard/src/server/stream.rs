//! Server-sent events: everything that happens from now on, to callers that keep up.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Extension, State};
use axum::response::Sse;
use axum::response::sse::{Event as Message, KeepAlive};
use futures::Stream;
use futures::stream::unfold;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tokio::time::{Interval, interval};

use super::access::Caller;
use super::browser::{ASK_EVERY, SessionKey, Sessions};
use super::changes;
use super::connections::{Busy, Connection};
use super::console::Console;
use super::extract::Params;
use super::handlers::Shared;
use crate::api::{Event, StreamQuery};

/// Often enough that a client which waits three times as long may call the stream dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// One subscriber.
struct Subscriber {
    events: broadcast::Receiver<Event>,
    changes: Option<broadcast::Receiver<changes::Message>>,
    stopping: watch::Receiver<bool>,
    session: Option<Session>,
    /// A stream is no idle connection, however quiet.
    _busy: Busy,
}

/// Whose stream it is: it ends with their session, which it keeps in use.
struct Session {
    key: SessionKey,
    sessions: Arc<Sessions>,
    console: Arc<dyn Console>,
    endings: watch::Receiver<()>,
    looks: Interval,
}

/// Events from now on: messages `event` with an event as data, and with `changes=true` messages `changes`, with what is
/// otherwise than a second ago. `missed` has the number of messages lost to a subscriber that fell behind.
#[utoipa::path(get, path = "/api/v1/stream", params(StreamQuery), responses((status = 200, body = Event, content_type = "text/event-stream")))]
pub(super) async fn stream(
    State(shared): State<Shared>,
    Extension(connection): Extension<Arc<Connection>>,
    Extension(caller): Extension<Caller>,
    Params(query): Params<StreamQuery>,
) -> Sse<impl Stream<Item = Result<Message, Infallible>>> {
    let session = caller.session.map(|key| Session {
        key,
        endings: shared.sessions.endings(),
        sessions: shared.sessions,
        console: shared.console,
        looks: interval(ASK_EVERY),
    });
    let subscriber = Subscriber {
        events: shared.daemon.subscribe(),
        changes: query.changes.then(|| shared.changes.subscribe(&shared.daemon)),
        stopping: shared.stopping,
        session,
        _busy: connection.busy(),
    };
    let messages = unfold(subscriber, |mut subscriber| async move {
        let message = subscriber.next().await?;
        Some((Ok(message), subscriber))
    });
    Sse::new(messages).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}

impl Subscriber {
    /// The next message, or `None` when the daemon stops or the session has ended.
    async fn next(&mut self) -> Option<Message> {
        tokio::select! {
            received = self.events.recv() => told(received, |event| message(&event)),
            received = next_change(&mut self.changes) => {
                told(received, |json| Message::default().event("changes").data(json.as_ref()))
            }
            _ = self.stopping.wait_for(|stopping| *stopping) => None,
            () = ended(&mut self.session) => None,
        }
    }
}

/// Comes back when the session has ended; never, where there is none.
async fn ended(session: &mut Option<Session>) {
    match session {
        Some(session) => session.ended().await,
        None => std::future::pending().await,
    }
}

impl Session {
    /// Loses nothing where it is given up for a message.
    async fn ended(&mut self) {
        while self.sessions.used(self.key).is_some() {
            tokio::select! {
                // Whoever ends sessions is there as long as this is.
                _ = self.endings.changed() => {}
                _ = self.looks.tick() => self.look(),
            }
        }
    }

    /// Has the store asked, which may take longer than the next message.
    fn look(&self) {
        let Self { key, sessions, console, .. } = self;
        let (key, sessions, console) = (*key, sessions.clone(), console.clone());
        tokio::spawn(async move { sessions.ask(key, async |account| console.grant(&account).await).await });
    }
}

/// What has changed; never, for those who have not asked.
async fn next_change(
    changes: &mut Option<broadcast::Receiver<changes::Message>>,
) -> Result<changes::Message, RecvError> {
    match changes {
        Some(changes) => changes.recv().await,
        None => std::future::pending().await,
    }
}

/// The message for what was received, or `None` when there is nothing more to come.
fn told<T>(received: Result<T, RecvError>, message: impl FnOnce(T) -> Message) -> Option<Message> {
    match received {
        Ok(news) => Some(message(news)),
        Err(RecvError::Lagged(missed)) => Some(Message::default().event("missed").data(missed.to_string())),
        Err(RecvError::Closed) => None,
    }
}

fn message(event: &Event) -> Message {
    let json = serde_json::to_string(event).expect("an event is strings and numbers");
    Message::default().event("event").id(event.id.to_string()).data(json)
}
