//! Parses requests at the door: within bounded size and time, and with refusals in our own form.

use std::time::Duration;

use axum::body::{Bytes, to_bytes};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::refusal::Refusal;
use crate::api::ErrorCode;

/// The largest request is an invite with its longest chain, below 16 KiB.
pub(super) const BODY_BYTES_MAX: usize = 64 * 1024;
/// A local caller that needs longer for 64 KiB is not going to finish.
const BODY_READ_TIME_MAX: Duration = Duration::from_secs(10);

/// A JSON body.
pub(super) struct Body<T>(pub(super) T);

/// Query parameters.
pub(super) struct Params<T>(pub(super) T);

/// The one variable part of a path.
pub(super) struct Named(pub(super) String);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Refusal> {
        let bytes = read(request.into_body()).await?;
        serde_json::from_slice(&bytes)
            .map(Self)
            .map_err(|error| Refusal::usage(format!("the body is not the JSON expected here: {error}")))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let Query(value) =
            Query::<T>::from_request_parts(parts, state).await.map_err(|error| Refusal::usage(error.body_text()))?;
        Ok(Self(value))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let Path(name) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|error| Refusal::usage(error.body_text()))?;
        Ok(Self(name))
    }
}

/// A whole body.
pub(super) async fn read(body: axum::body::Body) -> Result<Bytes, Refusal> {
    let reading = to_bytes(body, BODY_BYTES_MAX);
    tokio::time::timeout(BODY_READ_TIME_MAX, reading).await.map_err(|_| too_slow())?.map_err(|_| too_large())
}

fn too_slow() -> Refusal {
    let message = "the request took too long to arrive".to_owned();
    Refusal::with_status(StatusCode::REQUEST_TIMEOUT, ErrorCode::Timeout, message)
}

/// Also where the caller stopped in the middle; it will not read the answer.
fn too_large() -> Refusal {
    let message = format!("the request is incomplete or larger than {BODY_BYTES_MAX} bytes");
    Refusal::with_status(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::Usage, message)
}
