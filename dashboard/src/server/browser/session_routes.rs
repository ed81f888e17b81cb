//! Signing in and out, and who one is.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, Request, State};
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{AppendHeaders, IntoResponse, Response};

use super::super::access::{Caller, Door, Permission, Standing};
use super::super::extract::Body;
use super::super::handlers::Shared;
use super::super::refusal::Refusal;
use super::sessions::{LINK_LIFETIME, Sessions};
use crate::api::{ApiError, ErrorCode, ErrorDocument, Role, SchemaVersion, Session, SignIn, SignInLink, SignedOut};

/// The cookie that a session is.
const COOKIE_NAME: &str = "holloway_session";

/// The path of the routes here, which are there for those who have not signed in, too.
pub(crate) const PATH: &str = "/api/v1/session";

/// Makes a link to the pages for whoever asks over the socket; it may do what they may.
#[utoipa::path(post, path = "/api/v1/dashboard", responses((status = 200, body = SignInLink), (status = "default", body = ErrorDocument)))]
pub(crate) async fn sign_in_link(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<SignInLink>, Refusal> {
    let pages = shared.pages.as_ref().map_err(|reason| {
        let hint = "another address is set by [dashboard] listen in holloway.toml";
        ApiError::new(ErrorCode::NotFound, format!("this daemon serves no pages: {reason}")).with_hint(hint)
    })?;
    let role = match caller.standing {
        Standing::Administrator => Role::Admin,
        Standing::Operator => Role::Operator,
        Standing::Viewer | Standing::Stranger => Role::Viewer,
    };
    let secret = pages.sessions.link(role).map_err(|error| {
        Refusal::from(ApiError::new(ErrorCode::Internal, format!("the system has no randomness: {error}")))
    })?;
    // Browsers keep what follows the number sign to themselves: it is in no log and in no header.
    let url = format!("http://{}/#sign-in={secret}", pages.authorities.first());
    Ok(Json(SignInLink { schema: SchemaVersion, url, role, expires_s: LINK_LIFETIME.as_secs() }))
}

/// Signs in a browser.
#[utoipa::path(post, path = "/api/v1/session", request_body = SignIn, responses((status = 200, body = Session), (status = "default", body = ErrorDocument)))]
pub(crate) async fn sign_in(
    State(sessions): State<Arc<Sessions>>,
    Body(SignIn { link }): Body<SignIn>,
) -> Result<Response, Refusal> {
    let Some((secret, role)) = sessions.sign_in(&link) else {
        let error = ApiError::new(ErrorCode::PermissionDenied, "this link was used before, or its time is over")
            .with_hint("a new one comes from: holloway dashboard");
        return Err(error.into());
    };
    let cookie = [(SET_COOKIE, set_cookie(&secret))];
    Ok((AppendHeaders(cookie), Json(Session { schema: SchemaVersion, role })).into_response())
}

/// Says who has signed in with this browser.
#[utoipa::path(get, path = "/api/v1/session", responses((status = 200, body = Session), (status = "default", body = ErrorDocument)))]
pub(crate) async fn session(
    State(sessions): State<Arc<Sessions>>,
    headers: HeaderMap,
) -> Result<Json<Session>, Refusal> {
    let role = secret(&headers).and_then(|secret| sessions.role(secret)).ok_or_else(signed_out)?;
    Ok(Json(Session { schema: SchemaVersion, role }))
}

/// Signs this browser out. Harmless for one that is.
#[utoipa::path(delete, path = "/api/v1/session", responses((status = 200, body = SignedOut)))]
pub(crate) async fn sign_out(State(sessions): State<Arc<Sessions>>, headers: HeaderMap) -> Response {
    if let Some(secret) = secret(&headers) {
        sessions.sign_out(secret);
    }
    let cookie = [(SET_COOKIE, format!("{COOKIE_NAME}=; Max-Age=0; {}", attributes()))];
    (AppendHeaders(cookie), Json(SignedOut { schema: SchemaVersion, signed_out: true })).into_response()
}

/// Lets those who have signed in pass, as what they may.
pub(super) async fn signed_in(
    State(sessions): State<Arc<Sessions>>,
    mut request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    let role = secret(request.headers()).and_then(|secret| sessions.role(secret)).ok_or_else(signed_out)?;
    let standing = match role {
        Role::Viewer => Standing::Viewer,
        Role::Operator => Standing::Operator,
        Role::Admin => Standing::Administrator,
    };
    let caller = Caller { standing, door: Door::Browser };
    caller.permit(Permission::Read)?;
    request.extensions_mut().insert(caller);
    Ok(next.run(request).await)
}

fn signed_out() -> Refusal {
    let message = "sign in first, by the link that this command prints: holloway dashboard".to_owned();
    Refusal::with_status(StatusCode::UNAUTHORIZED, ErrorCode::PermissionDenied, message)
}

/// The session's secret, where the request has exactly one.
fn secret(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut ours = pairs.filter(|(name, _)| *name == COOKIE_NAME).map(|(_, secret)| secret);
    let first = ours.next()?;
    ours.next().is_none().then_some(first)
}

fn set_cookie(secret: &str) -> String {
    format!("{COOKIE_NAME}={secret}; {}", attributes())
}

/// No script reads it and no other site's request carries it; it goes with the browser's window.
const fn attributes() -> &'static str {
    "Path=/; HttpOnly; SameSite=Strict"
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn the_one_session_among_other_cookies_is_found_and_of_two_none() {
        let secret_of = |lines: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(COOKIE, HeaderValue::from_static(line));
            }
            secret(&headers).map(str::to_owned)
        };
        assert_eq!(secret_of(&["a=b; holloway_session=s1"]), Some("s1".into()));
        assert_eq!(secret_of(&["a=b", "holloway_session=s1"]), Some("s1".into()));
        assert_eq!(secret_of(&["holloway_session=s1; holloway_session=s2"]), None, "one of them was planted");
        assert_eq!(secret_of(&["xholloway_session=s1"]), None);
    }
}
