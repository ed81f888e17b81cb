//! Signing in and out, and who one is.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, Request, State};
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{AppendHeaders, IntoResponse, Response};

use super::super::access::{Caller, Permission, Standing};
use super::super::audit;
use super::super::console::{Checked, Console, Grant, NewDeed};
use super::super::extract::Body;
use super::super::handlers::Shared;
use super::super::refusal::Refusal;
use super::guesses::Guesses;
use super::sessions::{LINK_LIFETIME, Sessions, Signed};
use crate::api::{
    Account, ApiError, ErrorCode, ErrorDocument, Password, Role, SchemaVersion, Session, SignIn, SignInLink, SignedOut,
};

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
    let url = format!("{}#sign-in={secret}", pages.authorities.address());
    let fingerprint = pages.fingerprint.clone();
    Ok(Json(SignInLink { schema: SchemaVersion, url, role, expires_s: LINK_LIFETIME.as_secs(), fingerprint }))
}

/// What signing in and out needs.
#[derive(Clone)]
pub(crate) struct Entrance {
    pub(super) sessions: Arc<Sessions>,
    pub(super) guesses: Arc<Guesses>,
    pub(super) console: Arc<dyn Console>,
    /// Whether browsers come by TLS.
    pub(super) is_encrypted: bool,
}

/// Signs in a browser, by a link or by name and password.
#[utoipa::path(post, path = "/api/v1/session", request_body = SignIn, responses((status = 200, body = Session), (status = "default", body = ErrorDocument)))]
pub(crate) async fn sign_in(
    State(entrance): State<Entrance>,
    Extension(caller): Extension<Caller>,
    Body(request): Body<SignIn>,
) -> Result<Response, Refusal> {
    let SignIn { link, name, password, code } = request;
    let (secret, role, account, totp) = match (link, name.zip(password)) {
        (Some(link), None) => {
            let (secret, role) = entrance.sessions.sign_in(&link).ok_or_else(link_is_over)?;
            (secret, role, None, false)
        }
        (None, Some((name, password))) => {
            let checked = check(&entrance, &caller, name.clone(), password, code).await;
            let outcome =
                checked.as_ref().map_or_else(|refusal| audit::word(refusal.code()), |_| audit::DONE.to_owned());
            note(&entrance, &caller, name, checked.as_ref().ok().map(|(account, _)| account.role), outcome).await;
            let (account, grant) = checked?;
            let name: Arc<str> = account.name.into();
            let secret =
                entrance.sessions.begin(account.role, Some((name.clone(), grant))).ok_or_else(no_randomness)?;
            (secret, account.role, Some(name.to_string()), account.totp)
        }
        (Some(_), Some(_)) | (None, None) => {
            return Err(Refusal::usage("sign in by a link, or by name and password".to_owned()));
        }
    };
    let cookie = [(SET_COOKIE, set_cookie(&secret, entrance.is_encrypted))];
    Ok((AppendHeaders(cookie), Json(Session { schema: SchemaVersion, role, account, totp })).into_response())
}

async fn check(
    entrance: &Entrance,
    caller: &Caller,
    name: String,
    password: Password,
    code: Option<Password>,
) -> Result<(Account, Grant), Refusal> {
    let guess = entrance.guesses.begin(caller.from)?;
    match entrance.console.check(name, password, code).await? {
        Checked::Right(account, grant) => {
            guess.was_right();
            Ok((account, grant))
        }
        Checked::CodeMissing => {
            guess.was_right();
            let message = "the code of the account's device is asked for, too".to_owned();
            Err(Refusal::with_status(StatusCode::UNAUTHORIZED, ErrorCode::CodeRequired, message))
        }
        Checked::Wrong => {
            let message = "the name, the password or the code is wrong".to_owned();
            Err(Refusal::with_status(StatusCode::UNAUTHORIZED, ErrorCode::PermissionDenied, message))
        }
    }
}

/// Who has signed in with a password, and who has tried to.
async fn note(entrance: &Entrance, caller: &Caller, name: String, role: Option<Role>, outcome: String) {
    let from = caller.from.map_or_else(|| "socket".to_owned(), |address| address.to_string());
    let action = format!("POST {PATH}");
    let deed = NewDeed { who: name, role, from, action, subject: BTreeMap::new(), outcome };
    audit::keep(entrance.console.as_ref(), deed).await;
}

fn link_is_over() -> Refusal {
    let message = "this link was used before, or its time is over";
    ApiError::new(ErrorCode::PermissionDenied, message).with_hint("a new one comes from: holloway dashboard").into()
}

fn no_randomness() -> Refusal {
    ApiError::new(ErrorCode::Internal, "the system has no randomness").into()
}

/// Says who has signed in with this browser.
#[utoipa::path(get, path = "/api/v1/session", responses((status = 200, body = Session), (status = "default", body = ErrorDocument)))]
pub(crate) async fn session(State(entrance): State<Entrance>, headers: HeaderMap) -> Result<Json<Session>, Refusal> {
    let signed = signed(&entrance.sessions, entrance.console.as_ref(), &headers).await?;
    let account = signed.account.map(|account| account.to_string());
    // Without the store nobody changes it either.
    let known = if account.is_some() { entrance.console.accounts().await.ok() } else { None };
    let is_own = |known: &Account| Some(&known.name) == account.as_ref();
    let totp = known.is_some_and(|known| known.accounts.iter().any(|known| is_own(known) && known.totp));
    Ok(Json(Session { schema: SchemaVersion, role: signed.role, account, totp }))
}

/// Signs this browser out. Harmless for one that is.
#[utoipa::path(delete, path = "/api/v1/session", responses((status = 200, body = SignedOut)))]
pub(crate) async fn sign_out(State(entrance): State<Entrance>, headers: HeaderMap) -> Response {
    if let Some(secret) = secret(&headers) {
        entrance.sessions.sign_out(secret);
    }
    let cookie = [(SET_COOKIE, format!("{COOKIE_NAME}=; Max-Age=0; {}", attributes(entrance.is_encrypted)))];
    (AppendHeaders(cookie), Json(SignedOut { schema: SchemaVersion, signed_out: true })).into_response()
}

/// Who has signed in with the browser that sent this.
async fn signed(sessions: &Sessions, console: &dyn Console, headers: &HeaderMap) -> Result<Signed, Refusal> {
    let signed = secret(headers).and_then(|secret| sessions.who(secret)).ok_or_else(signed_out)?;
    sessions.ask(signed.key, async |account| console.grant(&account).await).await;
    sessions.used(signed.key).ok_or_else(signed_out)
}

/// Lets those who have signed in pass, as what they may.
pub(super) async fn signed_in(
    State((sessions, console)): State<(Arc<Sessions>, Arc<dyn Console>)>,
    Extension(caller): Extension<Caller>,
    mut request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    let Signed { role, account, key } = signed(&sessions, console.as_ref(), request.headers()).await?;
    let who = account.clone().unwrap_or_else(|| "a link".into());
    let caller = Caller { standing: role.into(), who, account, session: Some(key), ..caller };
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

fn set_cookie(secret: &str, is_encrypted: bool) -> String {
    format!("{COOKIE_NAME}={secret}; {}", attributes(is_encrypted))
}

/// No script reads it and no other site's request carries it; it goes with the browser's window.
const fn attributes(is_encrypted: bool) -> &'static str {
    if is_encrypted { "Path=/; HttpOnly; SameSite=Strict; Secure" } else { "Path=/; HttpOnly; SameSite=Strict" }
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
