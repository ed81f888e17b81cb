//! A console that knows two accounts, notes what is done, and keeps nothing else.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use holloway_dashboard::api::*;
use holloway_dashboard::server::{Checked, Console, Grant, NewDeed};

/// The account's password, and the code that it asks for, if it does.
const KNOWN: [(&str, Role, &str, Option<&str>); 2] = [
    ("ada", Role::Admin, "correct horse battery", None),
    ("grace", Role::Viewer, "staple paper engine", Some("123456")),
];

/// Nothing of the accounts ever changes.
const GRANT: Grant = Grant([0; 32]);

#[derive(Default)]
pub(crate) struct ExampleConsole {
    pub(crate) deeds: Mutex<Vec<NewDeed>>,
    pub(crate) checks: Mutex<u32>,
}

impl ExampleConsole {
    /// Who did what, and what came of it.
    pub(crate) fn told(&self) -> Vec<(String, String, String)> {
        let deeds = self.deeds.lock().unwrap();
        deeds.iter().map(|deed| (deed.who.clone(), deed.action.clone(), deed.outcome.clone())).collect()
    }
}

fn account(name: &str, role: Role) -> Account {
    Account { name: name.into(), role, totp: false, created: "2026-11-20T20:00:00Z".into(), signed_in: None }
}

fn nothing<T>() -> Result<T, ApiError> {
    Err(ApiError::new(ErrorCode::NotFound, "this machine keeps no history: it is an example"))
}

#[async_trait]
impl Console for ExampleConsole {
    async fn overview(&self) -> Result<Overview, ApiError> {
        nothing()
    }

    async fn history(&self, _query: HistoryQuery) -> Result<History, ApiError> {
        nothing()
    }

    async fn connections(&self, _query: PageQuery) -> Result<Connections, ApiError> {
        nothing()
    }

    async fn security_events(&self, _query: PageQuery) -> Result<SecurityEvents, ApiError> {
        nothing()
    }

    async fn handle(&self, id: u64, handled: Option<(String, Handle)>) -> Result<SecurityEvent, ApiError> {
        let event = Event {
            id,
            time: "2026-11-20T20:00:00Z".into(),
            severity: Severity::Security,
            kind: "replayed".into(),
            network: None,
            text: "an example".into(),
            fields: BTreeMap::new(),
        };
        let handled = handled.map(|(by, Handle { note })| Handled { time: event.time.clone(), by, note });
        Ok(SecurityEvent { event, observer: "alice".into(), handled })
    }

    async fn audit(&self, _query: PageQuery) -> Result<Audit, ApiError> {
        Ok(Audit { schema: SchemaVersion, deeds: Vec::new(), next: None })
    }

    async fn note_deed(&self, deed: NewDeed) -> Result<(), ApiError> {
        self.deeds.lock().unwrap().push(deed);
        Ok(())
    }

    async fn accounts(&self) -> Result<Accounts, ApiError> {
        let accounts = KNOWN.iter().map(|(name, role, ..)| account(name, *role)).collect();
        Ok(Accounts { schema: SchemaVersion, accounts })
    }

    async fn put_account(&self, name: String, request: PutAccount) -> Result<Account, ApiError> {
        Ok(account(&name, request.role))
    }

    async fn remove_account(&self, _name: String) -> Result<(), ApiError> {
        Ok(())
    }

    async fn check(&self, name: String, password: Password, code: Option<Password>) -> Result<Checked, ApiError> {
        *self.checks.lock().unwrap() += 1;
        let known = KNOWN.iter().find(|(known, _, right, _)| *known == name && *right == password.0);
        Ok(match known {
            Some((name, role, _, None)) => Checked::Right(account(name, *role), GRANT),
            Some((_, _, _, Some(_))) if code.is_none() => Checked::CodeMissing,
            Some((name, role, _, Some(right))) if code.is_some_and(|code| code.0 == *right) => {
                Checked::Right(account(name, *role), GRANT)
            }
            Some(_) | None => Checked::Wrong,
        })
    }

    async fn grant(&self, _name: &str) -> Result<Option<Grant>, ApiError> {
        Ok(Some(GRANT))
    }

    async fn change_password(
        &self,
        name: String,
        old: Password,
        _new: Password,
    ) -> Result<Option<(Account, Grant)>, ApiError> {
        let known = KNOWN.iter().find(|(known, _, right, _)| *known == name && *right == old.0);
        Ok(known.map(|(name, role, ..)| (account(name, *role), GRANT)))
    }

    async fn propose_totp(&self, _name: String) -> Result<TotpSecret, ApiError> {
        nothing()
    }

    async fn set_totp(&self, _name: String, _code: Password, _is_wanted: bool) -> Result<Option<Account>, ApiError> {
        nothing()
    }
}
