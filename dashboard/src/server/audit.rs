//! Writes down what people do: every request that may change something, with what came of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Extension, Query, Request, State};
use axum::http::{Method, Uri};
use axum::middleware::Next;
use axum::response::Response;
use serde_json::Value;

use super::access::Caller;
use super::console::{Console, NewDeed};
use super::extract::read;
use super::refusal::Refusal;
use crate::api::{ApiError, ErrorCode};

/// What came of it where nothing was refused.
pub(super) const DONE: &str = "done";

/// What is told of a request's body and of its query; the rest may be secret.
const TOLD: [&str; 10] = ["network", "node_id", "name", "label", "id", "type", "value", "role", "on", "rights"];

/// How long an answer waits for a store that is slow to write down the deed.
const PATIENCE: Duration = Duration::from_secs(2);

/// Ways that change nothing although they are not `GET`.
const HARMLESS: [&str; 1] = ["/api/v1/ping"];

/// Lets a request pass and notes what came of it.
pub(super) async fn note(
    State(console): State<Arc<dyn Console>>,
    Extension(caller): Extension<Caller>,
    request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    let is_look = matches!(*request.method(), Method::GET | Method::HEAD);
    if is_look || HARMLESS.contains(&request.uri().path()) {
        return Ok(next.run(request).await);
    }
    let action = format!("{} {}", request.method(), request.uri().path());
    let (parts, body) = request.into_parts();
    let bytes = read(body).await?;
    let mut subject = subject(&bytes);
    subject.extend(asked(&parts.uri));
    let response = next.run(Request::from_parts(parts, Body::from(bytes))).await;
    let deed = NewDeed {
        who: caller.who.to_string(),
        role: caller.standing.role(),
        from: caller.from.map_or_else(|| "socket".to_owned(), |address| address.to_string()),
        action,
        subject,
        outcome: outcome(&response),
    };
    keep(console.as_ref(), deed).await;
    Ok(response)
}

/// Writes a deed down, if there is a store for it.
pub(super) async fn keep(console: &dyn Console, deed: NewDeed) {
    match tokio::time::timeout(PATIENCE, console.note_deed(deed)).await {
        // Without a console nobody looks back.
        Ok(Ok(()) | Err(ApiError { code: ErrorCode::NotFound, .. })) => {}
        Ok(Err(error)) => tracing::warn!(%error, "what somebody did was not written down"),
        Err(_) => tracing::warn!("what somebody did was not written down: the store is slow"),
    }
}

fn outcome(response: &Response) -> String {
    if response.status().is_success() {
        return DONE.to_owned();
    }
    let code = response.extensions().get::<ErrorCode>();
    code.map_or_else(|| response.status().as_u16().to_string(), |code| word(*code))
}

/// A refusal's code as scripts know it.
pub(super) fn word(code: ErrorCode) -> String {
    match serde_json::to_value(code) {
        Ok(Value::String(word)) => word,
        Ok(_) | Err(_) => format!("{code:?}"),
    }
}

/// What a request says in its address.
fn asked(uri: &Uri) -> impl Iterator<Item = (String, String)> + use<> {
    let Query(asked) = Query::<BTreeMap<String, String>>::try_from_uri(uri).unwrap_or_default();
    asked.into_iter().filter(|(name, _)| TOLD.contains(&name.as_str()))
}

fn subject(body: &[u8]) -> BTreeMap<String, String> {
    let Ok(Value::Object(fields)) = serde_json::from_slice(body) else { return BTreeMap::new() };
    let told = fields.into_iter().filter(|(name, value)| TOLD.contains(&name.as_str()) && !value.is_null());
    told.map(|(name, value)| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        (name, text)
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_body_only_what_is_no_secret_is_told() {
        let body = br#"{"name":"bob","password":"hunter2hunter2","invite":"holloway1x","on":false,"network":null}"#;
        let told = subject(body);
        let expected = [("name", "bob"), ("on", "false")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(told, BTreeMap::from(expected));
        assert!(subject(b"[1]").is_empty() && subject(b"").is_empty());
    }
}
