//! The pages' files, which are part of the program. A program built without them says how to have them.

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use rust_embed::{Embed, EmbeddedFile};

/// What `dashboard/web` builds.
#[derive(Embed)]
#[folder = "web/dist"]
#[allow_missing = true]
struct Files;

/// The page that all views are in: paths without a file are views.
const PAGE: &str = "index.html";

/// Files here are named after what is in them.
const LASTING: &str = "assets/";

const WITHOUT_PAGES: &str = "This holloway was built without its pages. Build it with: make\n";

/// A file, or the page.
pub(super) fn file(request: &Request) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let path = request.uri().path().trim_start_matches('/');
    let is_view = !path.rsplit('/').next().is_some_and(|name| name.contains('.'));
    let name = if is_view { PAGE } else { path };
    match Files::get(name) {
        Some(file) => answer(request, name, file),
        None if is_view => (StatusCode::NOT_FOUND, WITHOUT_PAGES).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn answer(request: &Request, name: &str, file: EmbeddedFile) -> Response {
    let tag = format!("\"{}\"", hex::encode(&file.metadata.sha256_hash()[..12]));
    let keep = if name.starts_with(LASTING) { "public, max-age=31536000, immutable" } else { "no-cache" };
    let has_it = request.headers().get(IF_NONE_MATCH).is_some_and(|held| held.as_bytes() == tag.as_bytes());
    let head = [(ETAG, tag), (CACHE_CONTROL, keep.to_owned())];
    if has_it {
        return (StatusCode::NOT_MODIFIED, head).into_response();
    }
    let kind = [(CONTENT_TYPE, file.metadata.mimetype().to_owned())];
    (head, kind, Body::from(file.data.into_owned())).into_response()
}
