//! Accounts, in the store.

use holloway_dashboard::api::Role;
use holloway_dashboard::server::Grant;
use sha2::{Digest, Sha256};
use sqlx::Row;
use sqlx::any::AnyRow;

use super::error::ConsoleError;
use super::open::ConsoleStore;

/// An account, as it is kept.
#[derive(Clone, Debug)]
pub(super) struct KeptAccount {
    pub(super) name: String,
    pub(super) role: Role,
    pub(super) password: String,
    /// The secret for codes, if one is asked for.
    pub(super) totp: Option<String>,
    /// One that nobody has confirmed yet.
    pub(super) totp_next: Option<String>,
    /// The step of the last code that was used.
    pub(super) totp_used: u64,
    pub(super) created: i64,
    pub(super) signed_in: Option<i64>,
}

impl KeptAccount {
    /// What its sessions hold on to: another one with another role, and with each password that is set, also with the same.
    pub(super) fn grant(&self) -> Grant {
        let hash = Sha256::new_with_prefix(role_text(self.role)).chain_update([0]).chain_update(&self.password);
        Grant(hash.finalize().into())
    }
}

impl ConsoleStore {
    /// All accounts, by name.
    pub(super) async fn accounts(&self) -> Result<Vec<KeptAccount>, ConsoleError> {
        let rows = sqlx::query("SELECT * FROM account ORDER BY name").fetch_all(&self.readers).await?;
        rows.iter().map(read).collect()
    }

    /// The account of this name.
    pub(super) async fn account(&self, name: &str) -> Result<Option<KeptAccount>, ConsoleError> {
        let row = sqlx::query("SELECT * FROM account WHERE name = $1").bind(name).fetch_optional(&self.readers).await?;
        row.as_ref().map(read).transpose()
    }

    /// Makes an account, or gives one another role and password.
    pub(super) async fn put_account(
        &self,
        name: &str,
        role: Role,
        password: &str,
        now: i64,
    ) -> Result<(), ConsoleError> {
        self.execute(
            sqlx::query(
                "INSERT INTO account (name, role, password, created) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (name) DO UPDATE SET role = excluded.role, password = excluded.password",
            )
            .bind(name.to_owned())
            .bind(role_text(role))
            .bind(password.to_owned())
            .bind(now),
        )
        .await
        .map(drop)
    }

    /// Gives an account another password. False where there is no such account.
    pub(super) async fn set_password(&self, name: &str, password: &str) -> Result<bool, ConsoleError> {
        let query = sqlx::query("UPDATE account SET password = $1 WHERE name = $2");
        self.execute(query.bind(password.to_owned()).bind(name.to_owned())).await
    }

    /// Removes an account. False where there is none.
    pub(super) async fn remove_account(&self, name: &str) -> Result<bool, ConsoleError> {
        self.execute(sqlx::query("DELETE FROM account WHERE name = $1").bind(name.to_owned())).await
    }

    /// Keeps a secret for codes until it is confirmed.
    pub(super) async fn propose_totp(&self, name: &str, secret: &str) -> Result<bool, ConsoleError> {
        let query = sqlx::query("UPDATE account SET totp_next = $1 WHERE name = $2");
        self.execute(query.bind(secret.to_owned()).bind(name.to_owned())).await
    }

    /// From now on codes are asked for, by the secret that was proposed; or none any more.
    pub(super) async fn set_totp(&self, name: &str, secret: Option<&str>) -> Result<bool, ConsoleError> {
        let query = sqlx::query("UPDATE account SET totp = $1, totp_next = NULL WHERE name = $2");
        self.execute(query.bind(secret.map(str::to_owned)).bind(name.to_owned())).await
    }

    /// Uses a code up. False where somebody has used it, or a later one, meanwhile.
    pub(super) async fn use_code(&self, name: &str, step: u64) -> Result<bool, ConsoleError> {
        let step = step.cast_signed();
        let query = sqlx::query("UPDATE account SET totp_used = $1 WHERE name = $2 AND totp_used < $3");
        self.execute(query.bind(step).bind(name.to_owned()).bind(step)).await
    }

    /// Notes that somebody has signed in.
    pub(super) async fn note_sign_in(&self, name: &str, now: i64) -> Result<bool, ConsoleError> {
        let query = sqlx::query("UPDATE account SET signed_in = $1 WHERE name = $2");
        self.execute(query.bind(now).bind(name.to_owned())).await
    }

    /// Runs one statement; whether it has changed anything.
    pub(super) async fn execute(
        &self,
        query: sqlx::query::Query<'_, sqlx::Any, sqlx::any::AnyArguments>,
    ) -> Result<bool, ConsoleError> {
        let mut transaction = self.begin().await?;
        let done = query.execute(transaction.connection()).await?;
        transaction.commit().await?;
        Ok(done.rows_affected() > 0)
    }
}

fn read(row: &AnyRow) -> Result<KeptAccount, ConsoleError> {
    let role: String = row.try_get("role")?;
    Ok(KeptAccount {
        name: row.try_get("name")?,
        role: role_of(&role).ok_or(ConsoleError::Unreadable("an account"))?,
        password: row.try_get("password")?,
        totp: row.try_get("totp")?,
        totp_next: row.try_get("totp_next")?,
        totp_used: row.try_get::<i64, _>("totp_used")?.cast_unsigned(),
        created: row.try_get("created")?,
        signed_in: row.try_get("signed_in")?,
    })
}

/// A role as it is kept.
pub(super) const fn role_text(role: Role) -> &'static str {
    match role {
        Role::Viewer => "viewer",
        Role::Operator => "operator",
        Role::Admin => "admin",
    }
}

/// What is kept, as a role.
pub(super) fn role_of(text: &str) -> Option<Role> {
    [Role::Viewer, Role::Operator, Role::Admin].into_iter().find(|role| role_text(*role) == text)
}
