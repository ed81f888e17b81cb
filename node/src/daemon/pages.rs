//! The pages for browsers. A daemon that cannot serve them does all else, and says why to whoever asks for a link.

use std::net::IpAddr;
use std::sync::Arc;

use holloway_config::{DashboardSettings, StateDir};
use holloway_dashboard::server::{Authorities, Encrypt, Pages, Services, Sessions, serve_browsers};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::pages_tls;

/// Where browsers come in.
pub(super) struct Entrance {
    listener: TcpListener,
    encrypt: Option<Encrypt>,
}

/// The server of the pages while it runs.
pub(super) struct PagesServer {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// Listens for browsers: in clear on this machine alone, by TLS everywhere else.
///
/// # Errors
/// Why not, for people.
pub(super) async fn listen(
    settings: &DashboardSettings,
    state_dir: &StateDir,
    local: &[IpAddr],
) -> Result<(Entrance, Pages), Arc<str>> {
    let address = settings.listen;
    let listener = TcpListener::bind(address).await.map_err(|error| format!("cannot listen on {address}: {error}"))?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    let mut names = settings.names.clone();
    if address.ip().is_unspecified() {
        let is_callable = |ip: &&IpAddr| ip.is_ipv4() || address.is_ipv6();
        names.extend(local.iter().filter(is_callable).map(|ip| match ip {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        }));
    }
    let authorities = Authorities::of(address, &names);
    let is_encrypted = settings.tls.is_some() || !address.ip().is_loopback();
    let (authorities, encrypt, fingerprint) = if is_encrypted {
        let acceptor = pages_tls::acceptor(settings.tls.as_ref(), state_dir, &address, &names)
            .map_err(|error| format!("no TLS for the pages: {error:#}"))?;
        let fingerprint = acceptor.fingerprint.clone();
        (authorities.encrypted(), Some(pages_tls::encrypt(acceptor)), Some(fingerprint))
    } else {
        (authorities, None, None)
    };
    let pages = Pages { authorities, sessions: Arc::new(Sessions::default()), fingerprint };
    Ok((Entrance { listener, encrypt }, pages))
}

impl PagesServer {
    /// Serves them.
    pub(super) fn start(entrance: Entrance, pages: Pages, services: Services) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let Entrance { listener, encrypt } = entrance;
        let task = tokio::spawn(serve_browsers(listener, services, pages, encrypt, async move {
            // A dropped sender means the same.
            let _ = stopped.await;
        }));
        Self { stop, task }
    }

    /// Ends it, after what is being answered.
    pub(super) async fn stop(self) {
        // It may have ended by itself.
        let _ = self.stop.send(());
        let _ = self.task.await;
    }
}
