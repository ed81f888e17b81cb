//! The pages' end: the same API for browsers, over TCP, for those who have signed in; and the pages themselves.
//!
//! Any site that a browser shows may send requests here. So each passes three gates, in this order: it names this server
//! as its host and comes from its own pages ([`guard`](mod@guard)); it is from somebody who has signed in, if it is for the API
//! ([`sessions`]); and the route's own permission, as over the socket. A session is a random cookie that no script reads and
//! no other site's request carries. It begins with a link for one use, which the command line gets over the socket, and may
//! do what whoever asked for the link may; or with an account's name, password and perhaps a code ([`guesses`]).

mod assets;
mod guard;
mod guesses;
mod headers;
mod serve;
pub(super) mod session_routes;
mod sessions;

pub use guard::Authorities;
pub(super) use guesses::Guesses;
pub use serve::{Clear, Encrypt, Encrypted, serve_browsers};
pub use sessions::Sessions;
pub(super) use sessions::{ASK_EVERY, SessionKey};

use std::sync::Arc;

/// Where the pages are, and who may see them: what makes links to them.
#[derive(Clone, Debug)]
pub struct Pages {
    /// The names of the server.
    pub authorities: Authorities,
    /// Who has signed in.
    pub sessions: Arc<Sessions>,
    /// SHA-256 of the certificate that browsers are shown, where they come by TLS.
    pub fingerprint: Option<String>,
}

pub(super) use session_routes::sign_in_link;
