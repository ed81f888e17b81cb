//! Opens the store once it is wanted, looks at the daemon for it, and lets old things go.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use holloway_config::ConsoleStoreSetting;
use holloway_dashboard::api::{ApiError, ErrorCode, EventsQuery, InNetwork, Right, Severity, Status};
use holloway_dashboard::server::Daemon;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval, sleep_until, timeout};

use super::error::ConsoleError;
use super::open::ConsoleStore;
use super::record::Recorder;
use crate::clock::unix_seconds as now;

/// From one look at the daemon to the next: the finest step of what is kept.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// The first looks come sooner: whoever founds a network is an admin from then on, and members come soon after.
const FIRST_LOOKS: Duration = Duration::from_secs(2);
/// Old things are let go this often.
const FORGET_EVERY: Duration = Duration::from_secs(3600);
/// A store that takes longer for one look is given up, and opened anew.
const LOOK_MAX: Duration = Duration::from_secs(25);
/// Events that are written down with one look.
const EVENTS_MAX: u32 = 1_000;

/// Whoever asks for a store before there is one has the keeper look at once, and waits for it this long.
const STORE_WAIT: Duration = Duration::from_secs(1);
/// As many may ask for that at once; others take what is known.
const ASKING_MAX: usize = 16;

/// What the keeper has come to, for those who ask.
#[derive(Clone, Debug)]
pub(crate) struct Watched {
    state: Arc<ArcSwap<State>>,
    look_now: mpsc::Sender<Asking>,
}

/// Somebody who waits for a look.
type Asking = oneshot::Sender<()>;

/// The keeper's end of [`Watched`].
#[derive(Debug)]
pub(crate) struct Telling {
    state: Arc<ArcSwap<State>>,
    asking: mpsc::Receiver<Asking>,
}

#[derive(Debug)]
struct State {
    store: Result<ConsoleStore, NoStore>,
    networks: Vec<Named>,
}

/// Why there is no store.
#[derive(Clone, Debug)]
enum NoStore {
    /// None was wanted at the last look.
    NotYet(&'static str),
    /// It fails.
    Fails(Arc<str>),
}

impl NoStore {
    fn reason(self) -> Arc<str> {
        match self {
            Self::NotYet(reason) => reason.into(),
            Self::Fails(reason) => reason,
        }
    }
}

/// A network by which somebody can ask.
#[derive(Clone, Debug)]
pub(super) struct Named {
    pub(super) label: String,
    pub(super) id: String,
    /// This machine in it.
    pub(super) node: String,
}

impl Watched {
    /// What is known before the first look, and the end for the keeper.
    pub(crate) fn new() -> (Self, Telling) {
        let state = State { store: Err(NoStore::NotYet("the daemon has just started")), networks: Vec::new() };
        let state = Arc::new(ArcSwap::from_pointee(state));
        let (look_now, asking) = mpsc::channel(ASKING_MAX);
        (Self { state: state.clone(), look_now }, Telling { state, asking })
    }

    /// The store, or why there is none. Whoever has just founded a network need not wait for the next look.
    pub(super) async fn store(&self) -> Result<ConsoleStore, Arc<str>> {
        let known = self.state.load().store.clone();
        if !matches!(known, Err(NoStore::NotYet(_))) {
            return known.map_err(NoStore::reason);
        }
        let (asking, looked) = oneshot::channel();
        if self.look_now.try_send(asking).is_ok() {
            // However it ends: what is known then is the answer.
            let _ = timeout(STORE_WAIT, looked).await;
        }
        self.state.load().store.clone().map_err(NoStore::reason)
    }

    /// The network of this label; without one the only one.
    pub(super) fn network(&self, label: Option<&str>) -> Result<Named, ApiError> {
        let state = self.state.load();
        let found = match label {
            Some(label) => state.networks.iter().find(|network| network.label == label),
            None => state.networks.first(),
        };
        found.cloned().ok_or_else(|| {
            ApiError::new(ErrorCode::NotFound, "this machine is in no such network").with_hint("holloway status")
        })
    }
}

/// The keeper while it runs.
pub(crate) struct Keeper {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// Where the store is to be.
pub(crate) struct Place {
    /// What the operator decided.
    pub(crate) setting: ConsoleStoreSetting,
    /// The file, where it is one.
    pub(crate) file: PathBuf,
    /// What tells this machine from others.
    pub(crate) machine: String,
}

impl Keeper {
    /// Begins to look.
    pub(crate) fn start(place: Place, daemon: Arc<dyn Daemon>, telling: Telling) -> Self {
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let mut keeping = Keeping { place, daemon, telling, open: None, forgotten: None };
            tokio::select! {
                () = keeping.run() => {}
                // A dropped sender means the same.
                _ = stopped => {}
            }
            keeping.end().await;
        });
        Self { stop, task }
    }

    /// Ends it, and lets go of the store.
    pub(crate) async fn stop(self) {
        // It may have ended by itself.
        let _ = self.stop.send(());
        let _ = self.task.await;
    }
}

struct Keeping {
    place: Place,
    daemon: Arc<dyn Daemon>,
    telling: Telling,
    open: Option<(ConsoleStore, Recorder)>,
    forgotten: Option<Instant>,
}

impl Keeping {
    async fn run(&mut self) {
        let mut soon = interval(FIRST_LOOKS);
        while self.open.is_none() {
            let asking = tokio::select! {
                _ = soon.tick() => None,
                Some(asking) = self.telling.asking.recv() => Some(asking),
            };
            self.look().await;
            // They hear of it by its end.
            drop(asking);
        }
        let mut pause = FIRST_LOOKS;
        let mut next = Instant::now() + pause;
        let mut events = self.daemon.subscribe();
        loop {
            tokio::select! {
                () = sleep_until(next) => {
                    self.look().await;
                    pause = (pause * 2).min(LOOK_EVERY);
                    next = Instant::now() + pause;
                }
                // It was opened meanwhile.
                Some(asking) = self.telling.asking.recv() => drop(asking),
                event = events.recv() => match event {
                    // Whoever sees it on a page looks here for more.
                    Ok(event) if event.severity > Severity::Info => self.note_events().await,
                    // Those that were missed are read with the next look.
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                },
            }
        }
    }

    async fn look(&mut self) {
        let Ok(status) = self.daemon.status().await else { return };
        let looked = match timeout(LOOK_MAX, self.look_at(&status)).await {
            Ok(looked) => looked.map_err(|error| error.to_string()),
            Err(_) => Err(format!("the store takes longer than {} s", LOOK_MAX.as_secs())),
        };
        let store = match (looked, &self.open) {
            (Ok(()), Some((store, _))) => Ok(store.clone()),
            (Ok(()), None) => {
                Err(NoStore::NotYet("only machines with the right admin keep one; see [dashboard] store"))
            }
            (Err(error), _) => {
                if self.telling.state.load().store.is_ok() || self.open.is_some() {
                    tracing::warn!(%error, "the console's store fails; the networks run on without it");
                }
                self.open = None;
                Err(NoStore::Fails(error.into()))
            }
        };
        let named = |network: &holloway_dashboard::api::NetworkStatus| Named {
            label: network.label.clone(),
            id: network.id.clone(),
            node: network.node_id.clone(),
        };
        let networks = status.networks.iter().map(named).collect();
        self.telling.state.store(Arc::new(State { store, networks }));
    }

    async fn look_at(&mut self, status: &Status) -> Result<(), ConsoleError> {
        if self.open.is_none() {
            let Some(store) = self.place.open(status).await? else { return Ok(()) };
            let recorder = Recorder::begin(store.clone()).await?;
            self.open = Some((store, recorder));
        }
        let Some((store, recorder)) = &mut self.open else { return Ok(()) };
        let Ok(relays) = self.daemon.relays(InNetwork::default()).await else { return Ok(()) };
        let now = now();
        recorder.look(status, &relays, now).await?;
        catch_up(recorder, self.daemon.as_ref(), now).await?;
        if self.forgotten.is_none_or(|at| at.elapsed() >= FORGET_EVERY) {
            store.forget(now).await?;
            self.forgotten = Some(Instant::now());
        }
        Ok(())
    }

    async fn note_events(&mut self) {
        let Some((_, recorder)) = &self.open else { return };
        let noted = timeout(LOOK_MAX, catch_up(recorder, self.daemon.as_ref(), now())).await;
        if !matches!(noted, Ok(Ok(()))) {
            tracing::debug!("events are written down with the next look");
        }
    }

    async fn end(mut self) {
        if let Some((store, _)) = self.open.take() {
            store.close().await;
        }
    }
}

impl Place {
    /// The store, if this machine shall keep one.
    async fn open(&self, status: &Status) -> Result<Option<ConsoleStore>, ConsoleError> {
        let is_admin = status.networks.iter().any(|network| network.rights.contains(&Right::Admin));
        match &self.setting {
            ConsoleStoreSetting::Auto if !is_admin => Ok(None),
            ConsoleStoreSetting::Off => Ok(None),
            ConsoleStoreSetting::Auto | ConsoleStoreSetting::Sqlite => {
                ConsoleStore::open_file(&self.file, &self.machine).await.map(Some)
            }
            ConsoleStoreSetting::Postgres(url) => {
                ConsoleStore::open_server(url.expose(), &self.machine).await.map(Some)
            }
        }
    }
}

/// Writes down the events that have happened since.
async fn catch_up(recorder: &Recorder, daemon: &dyn Daemon, now: i64) -> Result<(), ConsoleError> {
    loop {
        let query = EventsQuery { after: Some(recorder.events_seen().await?), limit: Some(EVENTS_MAX) };
        let Ok(page) = daemon.events(query).await else { return Ok(()) };
        if page.events.is_empty() {
            return Ok(());
        }
        recorder.events(&page.events, now).await?;
    }
}
