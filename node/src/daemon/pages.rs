//! The pages for browsers. A daemon that cannot serve them does all else, and says why to whoever asks for a link.

use std::sync::Arc;

use holloway_config::DashboardSettings;
use holloway_dashboard::server::{Authorities, Daemon, Pages, Sessions, serve_browsers};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The server of the pages while it runs.
pub(super) struct PagesServer {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// Listens for browsers.
///
/// # Errors
/// Why not, for people.
pub(super) async fn listen(settings: &DashboardSettings) -> Result<(TcpListener, Pages), Arc<str>> {
    let address = settings.listen;
    if !address.ip().is_loopback() {
        return Err(format!("{address} is not this machine alone, and there is no TLS yet").into());
    }
    let listener = TcpListener::bind(address).await.map_err(|error| format!("cannot listen on {address}: {error}"))?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    Ok((listener, Pages { authorities: Authorities::of(address, &[]), sessions: Arc::new(Sessions::default()) }))
}

impl PagesServer {
    /// Serves them.
    pub(super) fn start(listener: TcpListener, pages: &Pages, api: Arc<dyn Daemon>) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let Pages { authorities, sessions } = pages.clone();
        let task = tokio::spawn(serve_browsers(listener, api, authorities, sessions, async move {
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
