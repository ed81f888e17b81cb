//! A refusal as an HTTP response.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::api::{ApiError, ErrorCode, ErrorDocument};

/// A refusal with its status.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    error: ApiError,
}

impl Refusal {
    /// A refusal with another status than its code's own.
    pub(super) fn with_status(status: StatusCode, code: ErrorCode, message: String) -> Self {
        let error = ApiError::new(code, message);
        Self { status, error }
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
        Self { status, error }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(ErrorDocument::from(self.error))).into_response()
    }
}
