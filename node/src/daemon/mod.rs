//! The daemon: composition root of everything that runs.
//!
//! An `Engine` owns all networks and is one loop over what comes in: packets that lanes could not place, events of the
//! control planes, answers of the disk, requests of the API, timers. Long procedures - founding, joining - run beside
//! it and hand it their result. No decision about the protocol is made here.

mod api;
mod atlas;
mod engine;
mod explaining;
mod joining;
mod journal;
mod keys;
mod membership;
mod metrics;
mod names;
mod network;
mod opening;
mod pages;
mod pages_tls;
mod port_mapping;
mod relaying;
mod resolving;
mod runtime_dir;
mod status;

pub(crate) use joining::parse_invite;

use std::fs::{File, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::Context;
use holloway_config::{Settings, SocketAccess, StateDir, effective_uid};
use holloway_dashboard::api::ApiError;
use holloway_dashboard::client::Client;
use holloway_dashboard::server::{Access, Daemon, Pages, Services, bind_unix, serve};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinHandle;

use api::Api;
use atlas::Atlas;
use engine::{Call, Engine, INPUTS_MAX, Input};
use journal::Journal;
use membership::Membership;
use names::Names;
use opening::{Extent, internal};
use pages::PagesServer;
use resolving::Resolving;

use crate::clock::Clock;
use crate::console::{ConsoleService, Keeper, Place, Watched};
use crate::store::Store;

/// What a daemon needs to know to start.
pub(crate) struct DaemonOptions {
    /// Where its state is.
    pub(crate) state_dir: StateDir,
    /// What the operator decided.
    pub(crate) settings: Settings,
}

/// A running daemon.
struct Running {
    inputs: mpsc::Sender<Input>,
    engine: JoinHandle<()>,
    server: JoinHandle<()>,
    stop_server: oneshot::Sender<()>,
    pages: Option<PagesServer>,
    keeper: Option<Keeper>,
    journal: JoinHandle<()>,
    store: Store,
    _lock: File,
}

/// Runs the daemon until it is told to stop by a signal or `holloway down`.
///
/// # Errors
/// When it cannot start; nothing is left half-configured then.
pub(crate) async fn run_foreground(options: DaemonOptions) -> anyhow::Result<()> {
    let socket = options.state_dir.api_socket();
    let running = start(&options, &socket.path, socket.access, Extent::Whole).await?;
    tracing::info!(socket = %socket.path.display(), "ready");
    if let Err(error) = crate::service::notify_ready() {
        tracing::warn!(%error, "the service manager could not be told");
    }
    let inputs = running.inputs.clone();
    tokio::spawn(async move {
        wait_for_signal().await;
        if let Err(error) = crate::service::notify_stopping() {
            tracing::warn!(%error, "the service manager could not be told");
        }
        // The engine may have stopped meanwhile.
        let _ = inputs.send(Input::Call(Call::Stop)).await;
    });
    running.wait().await;
    // The socket may have been replaced; then it is not ours to remove.
    let _ = std::fs::remove_file(&socket.path);
    tracing::info!("stopped");
    Ok(())
}

/// A daemon inside a command, for what works without a running one: no interface, no names, a socket of its own.
pub(crate) struct Temporary {
    running: Running,
    socket: std::path::PathBuf,
}

/// Starts a daemon inside a command.
///
/// # Errors
/// When a daemon runs already, or the state cannot be used.
pub(crate) async fn start_temporary(options: DaemonOptions) -> anyhow::Result<Temporary> {
    let socket = options.state_dir.path().join("command.sock");
    let running = start(&options, &socket, SocketAccess::Owner, Extent::Bare).await?;
    Ok(Temporary { running, socket })
}

impl Temporary {
    /// A client of it.
    pub(crate) fn client(&self) -> Client {
        Client::new(&self.socket)
    }

    /// Ends it.
    pub(crate) async fn stop(self) {
        // It may have stopped by itself.
        let _ = self.running.inputs.send(Input::Call(Call::Stop)).await;
        self.running.wait().await;
        let _ = std::fs::remove_file(&self.socket);
    }
}

impl Running {
    async fn wait(self) {
        if let Err(error) = self.engine.await {
            tracing::error!(%error, "the engine ended badly");
        }
        // The server may have ended by itself.
        let _ = self.stop_server.send(());
        let _ = self.server.await;
        if let Some(pages) = self.pages {
            pages.stop().await;
        }
        if let Some(keeper) = self.keeper {
            keeper.stop().await;
        }
        // With the engine and the server its last clones are gone.
        let _ = self.journal.await;
        self.store.close().await;
    }
}

async fn start(
    options: &DaemonOptions,
    socket: &Path,
    access: SocketAccess,
    extent: Extent,
) -> anyhow::Result<Running> {
    // Someone else may have installed the provider; then it is the same one.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    options.state_dir.create()?;
    let lock = lock(&options.state_dir)?;
    let resolving = Resolving::prepare(&options.state_dir, &options.settings.dns, extent);
    let clock = Clock::start();
    let store = open_store(&options.state_dir).await?;
    let local = crate::addresses::reachable().await.unwrap_or_else(|error| {
        tracing::warn!(%error, "this machine's addresses cannot be listed");
        Vec::new()
    });
    let mut dns = options.settings.dns.clone();
    dns.enabled &= extent == Extent::Whole;
    let names = Names::start(dns, resolving).await;
    let (journal, journal_task) = Journal::start(store.clone(), clock);
    let (inputs, queue) = mpsc::channel(INPUTS_MAX);
    let engine = Engine::new(
        clock,
        options.settings.clone(),
        store.clone(),
        inputs.clone(),
        names,
        journal.clone(),
        local.clone(),
    );
    let membership = Membership {
        state_dir: options.state_dir.clone(),
        settings: options.settings.clone(),
        store: store.clone(),
        inputs: inputs.clone(),
        journal: journal.clone(),
        clock,
        extent,
        is_on: AtomicBool::new(store.is_on().await?),
        busy: Mutex::new(None),
    };
    let is_ready = Arc::new(AtomicBool::new(false));
    let api = Api {
        inputs: inputs.clone(),
        membership,
        journal,
        store: store.clone(),
        started: Instant::now(),
        is_ready: is_ready.clone(),
        atlas: options.settings.dashboard.places.as_deref().and_then(open_atlas),
    };
    let engine = open_kept(engine, &api).await?;
    let listening = match extent {
        Extent::Whole => pages::listen(&options.settings.dashboard, &options.state_dir, &local).await,
        Extent::Bare => Err("no daemon runs; start it with: holloway up".into()),
    };
    if let (Err(reason), Extent::Whole) = (&listening, extent) {
        tracing::warn!(%reason, "no pages for browsers");
    }
    let (entrance, pages) =
        listening.map(|(entrance, pages)| (Some(entrance), Ok(pages))).unwrap_or_else(|reason| (None, Err(reason)));
    let api: Arc<dyn Daemon> = Arc::new(api);
    let (watched, telling) = Watched::new();
    let services = Services { daemon: api.clone(), console: Arc::new(ConsoleService::new(watched)) };
    let (server, stop_server) = start_server(services.clone(), socket, access, pages.clone())?;
    let pages = entrance.zip(pages.ok()).map(|(entrance, pages)| PagesServer::start(entrance, pages, services));
    let keeper = match extent {
        Extent::Whole => Some(Keeper::start(console_place(options, &store).await?, api, telling)),
        Extent::Bare => None,
    };
    watch_addresses(inputs.clone());
    is_ready.store(true, Ordering::Release);
    Ok(Running {
        inputs,
        engine: tokio::spawn(engine.run(queue)),
        server,
        stop_server,
        pages,
        keeper,
        journal: journal_task,
        store,
        _lock: lock,
    })
}

/// Opens the store; a new one only where there are no keys of networks either, for an empty block-list is a security
/// failure.
async fn open_store(state_dir: &StateDir) -> anyhow::Result<Store> {
    let has_networks = std::fs::read_dir(state_dir.networks_dir()).is_ok_and(|mut entries| entries.next().is_some());
    let path = state_dir.store_file();
    Ok(if has_networks { Store::open_existing(&path).await? } else { Store::open(&path).await? })
}

/// Without it relays are where their operators say.
fn open_atlas(path: &Path) -> Option<Arc<Atlas>> {
    let opened = Atlas::open(path);
    if let Err(error) = &opened {
        tracing::warn!(path = %path.display(), %error, "[dashboard] places cannot be read");
    }
    opened.ok().map(Arc::new)
}

/// Where the console keeps what it looks back at.
async fn console_place(options: &DaemonOptions, store: &Store) -> anyhow::Result<Place> {
    Ok(Place {
        setting: options.settings.dashboard.store.clone(),
        file: options.state_dir.path().join("console.db"),
        machine: store.machine_key().await?,
    })
}

/// Runs the networks that were kept from before. One that cannot run stops the start, with everything taken down.
async fn open_kept(mut engine: Engine, api: &Api) -> anyhow::Result<Engine> {
    if !api.membership.is_on() {
        return Ok(engine);
    }
    for stored in api.store.networks().await? {
        let label = stored.label.clone();
        let opened = match api.membership.kept(stored) {
            Ok(joining) => engine.open(joining).await.map(drop),
            Err(error) => Err(internal(&error)),
        };
        if let Err(ApiError { code, message, hint }) = opened {
            engine.close_all().await;
            return Err(ApiError { code, message: format!("cannot run the network {label}: {message}"), hint }.into());
        }
    }
    Ok(engine)
}

fn start_server(
    services: Services,
    socket: &Path,
    access: SocketAccess,
    pages: Result<Pages, Arc<str>>,
) -> anyhow::Result<(JoinHandle<()>, oneshot::Sender<()>)> {
    let group = match access {
        SocketAccess::Owner => None,
        SocketAccess::Group => runtime_dir::group_id(),
    };
    if access == SocketAccess::Group {
        runtime_dir::create(socket.parent().unwrap_or(Path::new("/run/holloway")), group)
            .context("cannot make the directory of the API socket")?;
    }
    let listener = bind_unix(socket, access.mode(), group).context("cannot open the API socket")?;
    let (stop, stopped) = oneshot::channel::<()>();
    let access = Access { daemon_uid: effective_uid(), group_gid: group };
    let server = tokio::spawn(serve(listener, services, access, pages, async move {
        // A dropped sender means the same.
        let _ = stopped.await;
    }));
    Ok((server, stop))
}

/// One daemon on one state directory.
fn lock(state_dir: &StateDir) -> anyhow::Result<File> {
    let path = state_dir.lock_file();
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .with_context(|| format!("cannot open {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            anyhow::bail!("another holloway is running on {}; stop it with: holloway down", state_dir.path().display())
        }
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("cannot lock {}", path.display())),
    }
}

fn watch_addresses(inputs: mpsc::Sender<Input>) {
    let (changed, mut changes) = mpsc::channel(1);
    tokio::spawn(async move {
        if let Err(error) = crate::addresses::watch(changed).await {
            tracing::warn!(%error, "changes of this machine's addresses go unnoticed");
        }
    });
    tokio::spawn(async move {
        while changes.recv().await.is_some() {
            let Ok(local) = crate::addresses::reachable().await else {
                continue;
            };
            if inputs.send(Input::AddressesChanged(local)).await.is_err() {
                return;
            }
        }
    });
}

async fn wait_for_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
