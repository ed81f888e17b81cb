//! One function per route of the console, as in `handlers`.

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::StatusCode;

use super::access::Caller;
use super::extract::{Body, Named, Params};
use super::handlers::Shared;
use super::refusal::Refusal;
use crate::api::{
    Account, AccountRemoved, Accounts, ApiError, Audit, ChangePassword, Connections, ErrorCode, ErrorDocument, Handle,
    History, HistoryQuery, Overview, PageQuery, PutAccount, SchemaVersion, SecurityEvent, SecurityEvents, TotpCode,
    TotpSecret,
};

type Answer<T> = Result<Json<T>, Refusal>;

/// What the console knows at a glance.
#[utoipa::path(get, path = "/api/v1/overview", responses((status = 200, body = Overview), (status = "default", body = ErrorDocument)))]
pub(super) async fn overview(State(shared): State<Shared>) -> Answer<Overview> {
    Ok(Json(shared.console.overview().await?))
}

/// Figures over time.
#[utoipa::path(get, path = "/api/v1/history", params(HistoryQuery), responses((status = 200, body = History), (status = "default", body = ErrorDocument)))]
pub(super) async fn history(State(shared): State<Shared>, Params(query): Params<HistoryQuery>) -> Answer<History> {
    Ok(Json(shared.console.history(query).await?))
}

/// A page of connections to members, newest first.
#[utoipa::path(get, path = "/api/v1/connections", params(PageQuery), responses((status = 200, body = Connections), (status = "default", body = ErrorDocument)))]
pub(super) async fn connections(State(shared): State<Shared>, Params(query): Params<PageQuery>) -> Answer<Connections> {
    Ok(Json(shared.console.connections(query).await?))
}

/// A page of security events and how they were handled, newest first.
#[utoipa::path(get, path = "/api/v1/security-events", params(PageQuery), responses((status = 200, body = SecurityEvents), (status = "default", body = ErrorDocument)))]
pub(super) async fn security_events(
    State(shared): State<Shared>,
    Params(query): Params<PageQuery>,
) -> Answer<SecurityEvents> {
    Ok(Json(shared.console.security_events(query).await?))
}

/// Says that an event is handled.
#[utoipa::path(post, path = "/api/v1/security-events/{id}", params(("id" = u64, Path)), request_body = Handle, responses((status = 200, body = SecurityEvent), (status = "default", body = ErrorDocument)))]
pub(super) async fn handle(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Named(id): Named,
    Body(request): Body<Handle>,
) -> Answer<SecurityEvent> {
    Ok(Json(shared.console.handle(number(&id)?, Some((caller.who.to_string(), request))).await?))
}

/// Says that an event is open after all.
#[utoipa::path(delete, path = "/api/v1/security-events/{id}", params(("id" = u64, Path)), responses((status = 200, body = SecurityEvent), (status = "default", body = ErrorDocument)))]
pub(super) async fn reopen(State(shared): State<Shared>, Named(id): Named) -> Answer<SecurityEvent> {
    Ok(Json(shared.console.handle(number(&id)?, None).await?))
}

/// A page of what people have done by this API, newest first.
#[utoipa::path(get, path = "/api/v1/audit", params(PageQuery), responses((status = 200, body = Audit), (status = "default", body = ErrorDocument)))]
pub(super) async fn audit(State(shared): State<Shared>, Params(query): Params<PageQuery>) -> Answer<Audit> {
    Ok(Json(shared.console.audit(query).await?))
}

/// All accounts.
#[utoipa::path(get, path = "/api/v1/accounts", responses((status = 200, body = Accounts), (status = "default", body = ErrorDocument)))]
pub(super) async fn accounts(State(shared): State<Shared>) -> Answer<Accounts> {
    Ok(Json(shared.console.accounts().await?))
}

/// Makes an account, or gives one another role or password; then whoever has signed in with it has to do so again.
#[utoipa::path(put, path = "/api/v1/accounts/{name}", params(("name" = String, Path)), request_body = PutAccount, responses((status = 200, body = Account), (status = "default", body = ErrorDocument)))]
pub(super) async fn put_account(
    State(shared): State<Shared>,
    Named(name): Named,
    Body(request): Body<PutAccount>,
) -> Answer<Account> {
    let account = shared.console.put_account(name, request).await?;
    shared.sessions.end_all_of(&account.name, None);
    Ok(Json(account))
}

/// Removes an account, and signs it out everywhere.
#[utoipa::path(delete, path = "/api/v1/accounts/{name}", params(("name" = String, Path)), responses((status = 200, body = AccountRemoved), (status = "default", body = ErrorDocument)))]
pub(super) async fn remove_account(State(shared): State<Shared>, Named(name): Named) -> Answer<AccountRemoved> {
    shared.console.remove_account(name.clone()).await?;
    shared.sessions.end_all_of(&name, None);
    Ok(Json(AccountRemoved { schema: SchemaVersion, name }))
}

/// Changes the password of whoever has signed in; all of its other sessions end.
#[utoipa::path(post, path = "/api/v1/account/password", request_body = ChangePassword, responses((status = 200, body = Account), (status = "default", body = ErrorDocument)))]
pub(super) async fn change_password(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Body(ChangePassword { old, new }): Body<ChangePassword>,
) -> Answer<Account> {
    let name = own_account(&caller)?;
    let guess = shared.guesses.begin(caller.from)?;
    let changed = shared.console.change_password(name.clone(), old, new).await?;
    let (account, grant) = changed.ok_or_else(|| wrong("the old password is wrong"))?;
    guess.was_right();
    shared.sessions.end_all_of(&name, caller.session.map(|own| (own, grant)));
    Ok(Json(account))
}

/// Makes a secret for codes, which holds once it is confirmed.
#[utoipa::path(post, path = "/api/v1/account/totp", responses((status = 200, body = TotpSecret), (status = "default", body = ErrorDocument)))]
pub(super) async fn propose_totp(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
) -> Answer<TotpSecret> {
    Ok(Json(shared.console.propose_totp(own_account(&caller)?).await?))
}

/// Confirms the secret: from now on a code is asked for.
#[utoipa::path(put, path = "/api/v1/account/totp", request_body = TotpCode, responses((status = 200, body = Account), (status = "default", body = ErrorDocument)))]
pub(super) async fn confirm_totp(
    shared: State<Shared>,
    caller: Extension<Caller>,
    Body(request): Body<TotpCode>,
) -> Answer<Account> {
    set_totp(shared, caller, request, true).await
}

/// No code is asked for any more.
#[utoipa::path(delete, path = "/api/v1/account/totp", request_body = TotpCode, responses((status = 200, body = Account), (status = "default", body = ErrorDocument)))]
pub(super) async fn remove_totp(
    shared: State<Shared>,
    caller: Extension<Caller>,
    Body(request): Body<TotpCode>,
) -> Answer<Account> {
    set_totp(shared, caller, request, false).await
}

async fn set_totp(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    TotpCode { code }: TotpCode,
    is_wanted: bool,
) -> Answer<Account> {
    let name = own_account(&caller)?;
    let guess = shared.guesses.begin(caller.from)?;
    let account = shared.console.set_totp(name, code, is_wanted).await?;
    let account = account.ok_or_else(|| wrong("the code is wrong, or was used before; wait for the next one"))?;
    guess.was_right();
    Ok(Json(account))
}

fn own_account(caller: &Caller) -> Result<String, ApiError> {
    caller.account.as_deref().map(str::to_owned).ok_or_else(|| {
        ApiError::new(ErrorCode::NotFound, "whoever signed in by a link has no account")
            .with_hint("sign in by name and password")
    })
}

fn wrong(message: &str) -> Refusal {
    Refusal::with_status(StatusCode::FORBIDDEN, ErrorCode::PermissionDenied, message.to_owned())
}

fn number(text: &str) -> Result<u64, ApiError> {
    text.parse().map_err(|_| ApiError::new(ErrorCode::NotFound, format!("there is no event {text:?}")))
}
