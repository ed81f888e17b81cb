//! A refusal as an HTTP response.

use axum::Json;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::api::{ApiError, ErrorCode, ErrorDocument};

/// A refusal with its status.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    error: ApiError,
    /// Seconds.
    retry_after: Option<u64>,
}

impl Refusal {
    /// A refusal with another status than its code's own.
    pub(super) fn with_status(status: StatusCode, code: ErrorCode, message: String) -> Self {
        let error = ApiError::new(code, message);
        Self { status, error, retry_after: None }
    }

    /// What it says to scripts.
    pub(super) fn code(&self) -> ErrorCode {
        self.error.code
    }

    /// The same, with when it is worth to try again.
    pub(super) fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    /// The request cannot be understood.
    pub(super) fn usage(message: String) -> Self {
        Self::from(ApiError::new(ErrorCode::Usage, message))
    }
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        let status =
            StatusCode::from_u16(error.code.http_status()).expect("every code has a status in the valid range");
        Self { status, error, retry_after: None }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let code = self.error.code;
        let mut response = (self.status, Json(ErrorDocument::from(self.error))).into_response();
        // For whoever writes down what came of the request.
        response.extensions_mut().insert(code);
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
