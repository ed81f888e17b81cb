//! Opens the store once it is wanted, looks at the daemon for it, and lets old things go.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use holloway_config::ConsoleStoreSetting;
use holloway_dashboard::api::{ApiError, ErrorCode, EventsQuery, InNetwork, Right, Severity, Status};
use holloway_dashboard::server::Daemon;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::error::ConsoleError;
use super::open::ConsoleStore;
use super::record::Recorder;
use crate::clock::unix_seconds as now;

/// From one look at the daemon to the next: the finest step of what is kept.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// The first looks come sooner: whoever founds a network is an admin from then on.
const FIRST_LOOKS: Duration = Duration::from_secs(2);
/// Old things are let go this often.
const FORGET_EVERY: Duration = Duration::from_secs(3600);
/// A store that takes longer for one look is given up, and opened anew.
const LOOK_MAX: Duration = Duration::from_secs(25);
/// Events that are written down with one look.
const EVENTS_MAX: u32 = 1_000;

/// What the keeper has come to, for those who ask.
#[derive(Clone, Debug)]
pub(crate) struct Watched(Arc<ArcSwap<State>>);

#[derive(Debug)]
struct State {
    store: Result<ConsoleStore, Arc<str>>,
    networks: Vec<Named>,
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
    /// The store, or why there is none.
    pub(super) fn store(&self) -> Result<ConsoleStore, Arc<str>> {
        self.0.load().store.clone()
    }

    /// The network of this label; without one the only one.
    pub(super) fn network(&self, label: Option<&str>) -> Result<Named, ApiError> {
        let state = self.0.load();
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
    /// What is known before the first look.
    pub(crate) fn watched() -> Watched {
        let state = State { store: Err("the daemon has just started".into()), networks: Vec::new() };
        Watched(Arc::new(ArcSwap::from_pointee(state)))
    }

    /// Begins to look.
    pub(crate) fn start(place: Place, daemon: Arc<dyn Daemon>, watched: Watched) -> Self {
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let mut keeping = Keeping { place, daemon, watched, open: None, forgotten: None };
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
    watched: Watched,
    open: Option<(ConsoleStore, Recorder)>,
    forgotten: Option<Instant>,
}

impl Keeping {
    async fn run(&mut self) {
        let mut soon = interval(FIRST_LOOKS);
        while self.open.is_none() {
            soon.tick().await;
            self.look().await;
        }
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut events = self.daemon.subscribe();
        loop {
            tokio::select! {
                _ = ticks.tick() => self.look().await,
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
            (Ok(()), None) => Err("only machines with the right admin keep one; see [dashboard] store".into()),
            (Err(error), _) => {
                if self.watched.store().is_ok() || self.open.is_some() {
                    tracing::warn!(%error, "the console's store fails; the networks run on without it");
                }
                self.open = None;
                Err(Arc::from(error))
            }
        };
        let named = |network: &holloway_dashboard::api::NetworkStatus| Named {
            label: network.label.clone(),
            id: network.id.clone(),
            node: network.node_id.clone(),
        };
        let networks = status.networks.iter().map(named).collect();
        self.watched.0.store(Arc::new(State { store, networks }));
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
