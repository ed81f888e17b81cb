//! What the operator decided, from `holloway.toml`, the environment and flags to validated [`Settings`].
//!
//! Two stages. [`Typed`] is what was typed: dotted keys, raw values, and where each was written.
//! [`Settings`] is what it means; only this stage reaches other crates. The order is flag, environment,
//! file, default. A value that cannot be meant is refused with its place, its key and what is legal.
//!
//! Beside the settings this crate knows where things live ([`StateDir`], [`api_candidates`]) and how
//! files that hold secrets are created, checked and read ([`create_secret_file`], [`read_secret_file`]).
//!
//! It does not know what a setting does to a session, a socket or a resolver, it keeps no run-time state, and what
//! the program *learned* (ports that were free, members, ledgers) is not its business: that is the store's.

mod error;
mod load;
mod parse;
mod process;
mod reader;
mod secret_file;
mod settings;
mod state_dir;
mod typed;
mod upstream;

pub use error::{ConfigError, Origin};
pub use load::{FILE_BYTES_MAX, load};
pub use process::effective_uid;
pub use secret_file::{
    PermissionError, SECRET_BYTES_MAX, check_private_dir, check_secret_file, create_private_dir, create_secret_file,
    read_secret_file, replace_secret_file,
};
pub use settings::{
    Cipher, ConsoleStoreSetting, DashboardSettings, DatabaseUrl, DataplaneSettings, DnsSettings, Integrate, Lanes,
    ListenOverrides, ListenSettings, Mtu, NetworkOverrides, NetworkSettings, NodeSettings, RelayEnabled, RelaySettings,
    SessionSettings, Settings, TlsFiles, TunOverrides, TunSettings,
};
pub use state_dir::{ApiSocket, Environment, SocketAccess, StateDir, StateDirError, api_candidates};
pub use typed::{RawValue, Typed};
pub use upstream::{DnsServer, DnsTransport, Upstream};
