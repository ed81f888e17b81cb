//! The store behind the API: who may be whom is decided here, and what is not there is told.

use std::sync::Arc;

use async_trait::async_trait;
use holloway_dashboard::api::{
    Account, Accounts, ApiError, Audit, Connections, ErrorCode, Handle, History, HistoryQuery, Overview, PageQuery,
    Password, PutAccount, SchemaVersion, SecurityEvent, SecurityEvents, TotpSecret,
};
use holloway_dashboard::server::{Checked, Console, Grant, NewDeed};
use tokio::sync::Semaphore;

use super::accounts::KeptAccount;
use super::history::{Range, Subject, time_text};
use super::keeper::Watched;
use super::open::ConsoleStore;
use super::passwords;
use crate::clock::unix_seconds as now;

/// Passwords that are checked at once; each takes 19 MiB and a processor.
const CHECKS_MAX: usize = 1;

/// Accounts of one console.
const ACCOUNTS_MAX: usize = 1_000;

/// What an admin can say of an event.
const NOTE_CHARACTERS_MAX: usize = 1_000;

/// The console, for the API.
#[derive(Debug)]
pub(crate) struct ConsoleService {
    watched: Watched,
    checks: Arc<Semaphore>,
}

impl ConsoleService {
    pub(crate) fn new(watched: Watched) -> Self {
        Self { watched, checks: Arc::new(Semaphore::new(CHECKS_MAX)) }
    }

    async fn store(&self) -> Result<ConsoleStore, ApiError> {
        self.watched.store().await.map_err(|reason| {
            ApiError::new(ErrorCode::NotFound, format!("this machine keeps no history: {reason}"))
                .with_hint("see [dashboard] store in holloway.toml")
        })
    }

    /// Runs what takes a processor for a while, no more of it at once than is good for the rest.
    async fn heavy<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
        let failed = |_| ApiError::new(ErrorCode::Internal, "the password could not be checked");
        let _permit = self
            .checks
            .clone()
            .acquire_owned()
            .await
            .map_err(|_| ApiError::new(ErrorCode::DaemonNotRunning, "the daemon is stopping"))?;
        tokio::task::spawn_blocking(work).await.map_err(failed)
    }

    async fn account(&self, store: &ConsoleStore, name: &str) -> Result<KeptAccount, ApiError> {
        store.account(name).await?.ok_or_else(|| unknown_account(name))
    }
}

fn unknown_account(name: &str) -> ApiError {
    ApiError::new(ErrorCode::NotFound, format!("there is no account {name:?}"))
}

fn shown(account: &KeptAccount) -> Account {
    Account {
        name: account.name.clone(),
        role: account.role,
        totp: account.totp.is_some(),
        created: time_text(account.created),
        signed_in: account.signed_in.map(time_text),
    }
}

/// Names of accounts are typed by people and shown to others.
fn judge_name(name: &str) -> Result<(), ApiError> {
    let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    if (1..=32).contains(&name.len()) && name.bytes().all(is_name) {
        return Ok(());
    }
    let message = "an account's name has 1 to 32 lower-case letters, digits, dots, hyphens and underscores";
    Err(ApiError::new(ErrorCode::NameInvalid, message))
}

#[async_trait]
impl Console for ConsoleService {
    async fn overview(&self) -> Result<Overview, ApiError> {
        Ok(self.store().await?.overview(now()).await?)
    }

    async fn history(&self, query: HistoryQuery) -> Result<History, ApiError> {
        let store = self.store().await?;
        let now = now();
        let range = Range::new(query.since, query.until, query.points, now);
        let network = self.watched.network(query.network.as_deref())?;
        let is_own = query.node_id.as_deref().is_none_or(|node| node == network.node);
        let node = query.node_id.unwrap_or(network.node);
        Ok(store.history(Subject { network: &network.id, node: &node, is_own }, range, now).await?)
    }

    async fn connections(&self, query: PageQuery) -> Result<Connections, ApiError> {
        Ok(self.store().await?.connections(&query).await?)
    }

    async fn security_events(&self, query: PageQuery) -> Result<SecurityEvents, ApiError> {
        Ok(self.store().await?.security_events(&query).await?)
    }

    async fn handle(&self, id: u64, handled: Option<(String, Handle)>) -> Result<SecurityEvent, ApiError> {
        let store = self.store().await?;
        if let Some((_, Handle { note })) = &handled
            && note.chars().count() > NOTE_CHARACTERS_MAX
        {
            return Err(ApiError::new(ErrorCode::Usage, "what is said of an event has at most 1,000 characters"));
        }
        let handled = handled.as_ref().map(|(by, Handle { note })| (by.as_str(), note.as_str(), now()));
        let event = store.handle(id, handled).await?;
        event.ok_or_else(|| ApiError::new(ErrorCode::NotFound, format!("there is no event {id}")))
    }

    async fn audit(&self, query: PageQuery) -> Result<Audit, ApiError> {
        Ok(self.store().await?.deeds(&query).await?)
    }

    async fn note_deed(&self, deed: NewDeed) -> Result<(), ApiError> {
        Ok(self.store().await?.note_deed(&deed, now()).await?)
    }

    async fn accounts(&self) -> Result<Accounts, ApiError> {
        let accounts = self.store().await?.accounts().await?;
        Ok(Accounts { schema: SchemaVersion, accounts: accounts.iter().map(shown).collect() })
    }

    async fn put_account(&self, name: String, request: PutAccount) -> Result<Account, ApiError> {
        let store = self.store().await?;
        judge_name(&name)?;
        let password = match request.password {
            Some(Password(password)) => {
                passwords::judge(&password, &name)?;
                self.heavy(move || passwords::hash(&password)).await??
            }
            None => {
                store
                    .account(&name)
                    .await?
                    .ok_or_else(|| ApiError::new(ErrorCode::Usage, "a new account needs a password"))?
                    .password
            }
        };
        if store.accounts().await?.len() >= ACCOUNTS_MAX && store.account(&name).await?.is_none() {
            return Err(ApiError::new(ErrorCode::Usage, "there are 1,000 accounts already; remove one first"));
        }
        store.put_account(&name, request.role, &password, now()).await?;
        Ok(shown(&self.account(&store, &name).await?))
    }

    async fn remove_account(&self, name: String) -> Result<(), ApiError> {
        match self.store().await?.remove_account(&name).await? {
            true => Ok(()),
            false => Err(unknown_account(&name)),
        }
    }

    async fn check(&self, name: String, password: Password, code: Option<Password>) -> Result<Checked, ApiError> {
        let store = self.store().await?;
        let account = store.account(&name).await?;
        let kept = account.as_ref().map(|account| account.password.clone());
        let is_right = self.heavy(move || passwords::is_right(&password.0, kept.as_deref())).await?;
        let Some(account) = account.filter(|_| is_right) else { return Ok(Checked::Wrong) };
        let now = now();
        if let Some(secret) = &account.totp {
            let Some(Password(code)) = code else { return Ok(Checked::CodeMissing) };
            let step = passwords::code_step(secret, &code, now.cast_unsigned(), account.totp_used);
            let Some(step) = step else { return Ok(Checked::Wrong) };
            if !store.use_code(&account.name, step).await? {
                return Ok(Checked::Wrong);
            }
        }
        store.note_sign_in(&account.name, now).await?;
        Ok(Checked::Right(shown(&account), account.grant()))
    }

    async fn grant(&self, name: &str) -> Result<Option<Grant>, ApiError> {
        Ok(self.store().await?.account(name).await?.as_ref().map(KeptAccount::grant))
    }

    async fn change_password(
        &self,
        name: String,
        old: Password,
        new: Password,
    ) -> Result<Option<(Account, Grant)>, ApiError> {
        let store = self.store().await?;
        let account = self.account(&store, &name).await?;
        passwords::judge(&new.0, &name)?;
        let kept = account.password.clone();
        if !self.heavy(move || passwords::is_right(&old.0, Some(&kept))).await? {
            return Ok(None);
        }
        let hash = self.heavy(move || passwords::hash(&new.0)).await??;
        store.set_password(&name, &hash).await?;
        let account = KeptAccount { password: hash, ..account };
        Ok(Some((shown(&account), account.grant())))
    }

    async fn propose_totp(&self, name: String) -> Result<TotpSecret, ApiError> {
        let store = self.store().await?;
        let secret = passwords::totp_secret()?;
        let url = passwords::totp_url(&secret, &name)?;
        if !store.propose_totp(&name, &secret).await? {
            return Err(unknown_account(&name));
        }
        Ok(TotpSecret { schema: SchemaVersion, secret: Password(secret), url: Password(url) })
    }

    async fn set_totp(&self, name: String, code: Password, is_wanted: bool) -> Result<Option<Account>, ApiError> {
        let store = self.store().await?;
        let account = self.account(&store, &name).await?;
        let secret = if is_wanted { &account.totp_next } else { &account.totp };
        let Some(secret) = secret else {
            let message = if is_wanted { "ask for a secret first" } else { "no codes are asked for" };
            return Err(ApiError::new(ErrorCode::Usage, message));
        };
        let step = passwords::code_step(secret, &code.0, now().cast_unsigned(), account.totp_used);
        let Some(step) = step else { return Ok(None) };
        if !store.use_code(&name, step).await? {
            return Ok(None);
        }
        store.set_totp(&name, is_wanted.then_some(secret.as_str())).await?;
        Ok(Some(shown(&self.account(&store, &name).await?)))
    }
}
