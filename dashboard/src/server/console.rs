//! The seam to the console's store: history, audit, accounts. The other side is the node, or a test.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::api::{
    Account, Accounts, ApiError, Audit, Connections, Handle, History, HistoryQuery, Overview, PageQuery, Password,
    PutAccount, Role, SecurityEvent, SecurityEvents, TotpSecret,
};

/// What keeps what admins look back at, and who they are.
///
/// Every method may fail for as long as the store is not there; nothing else of the API depends on it.
#[async_trait]
pub trait Console: Send + Sync + 'static {
    /// Everything at a glance.
    async fn overview(&self) -> Result<Overview, ApiError>;
    /// Figures over time.
    async fn history(&self, query: HistoryQuery) -> Result<History, ApiError>;
    /// A page of connections.
    async fn connections(&self, query: PageQuery) -> Result<Connections, ApiError>;
    /// A page of security events.
    async fn security_events(&self, query: PageQuery) -> Result<SecurityEvents, ApiError>;
    /// Says who has handled an event and what they say of it; or, with nothing, that it is open.
    async fn handle(&self, id: u64, handled: Option<(String, Handle)>) -> Result<SecurityEvent, ApiError>;
    /// A page of what people have done.
    async fn audit(&self, query: PageQuery) -> Result<Audit, ApiError>;
    /// Writes down what somebody has done.
    async fn note_deed(&self, deed: NewDeed) -> Result<(), ApiError>;
    /// All accounts.
    async fn accounts(&self) -> Result<Accounts, ApiError>;
    /// Makes an account, or gives one another role or password.
    async fn put_account(&self, name: String, request: PutAccount) -> Result<Account, ApiError>;
    /// Removes an account.
    async fn remove_account(&self, name: String) -> Result<(), ApiError>;
    /// Whether somebody may sign in with this.
    async fn check(&self, name: String, password: Password, code: Option<Password>) -> Result<Checked, ApiError>;
    /// What an account's sessions hold on to; nothing where there is no such account any more.
    async fn grant(&self, name: &str) -> Result<Option<Grant>, ApiError>;
    /// Gives an account another password, if the old one is right; and with it what its sessions hold on to.
    async fn change_password(
        &self,
        name: String,
        old: Password,
        new: Password,
    ) -> Result<Option<(Account, Grant)>, ApiError>;
    /// A secret for codes, for the account to confirm.
    async fn propose_totp(&self, name: String) -> Result<TotpSecret, ApiError>;
    /// Codes are asked for from now on, or no more, if the code is right.
    async fn set_totp(&self, name: String, code: Password, is_wanted: bool) -> Result<Option<Account>, ApiError>;
}

/// What the sessions of an account hold on to: they end when it is another one, as it is with another password or role.
/// It tells neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant(pub [u8; 32]);

/// What came of a try to sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Checked {
    /// It is them, and this is what their session holds on to.
    Right(Account, Grant),
    /// The password is right; a code is asked for beside it.
    CodeMissing,
    /// The name, the password or the code is wrong; which one is not told.
    Wrong,
}

/// Something that somebody did, or tried to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDeed {
    /// The account, or the user of the socket.
    pub who: String,
    /// What they may do.
    pub role: Option<Role>,
    /// Where they were: an address, or `socket`.
    pub from: String,
    /// The method and path.
    pub action: String,
    /// What it was about.
    pub subject: BTreeMap<String, String>,
    /// `done`, or the code of the refusal.
    pub outcome: String,
}
