use std::future::Future;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::asking::{Lease, ask};
use super::judging::backoff;
use super::way::Way;
use super::{Mapping, Refusal, Standing};

/// How soon after a question another router may be asked, and
const OTHER_ROUTER_AFTER: Duration = Duration::from_secs(5);
/// the same one, when only addresses have changed: containers do that all the time.
const SAME_ROUTER_AFTER: Duration = Duration::from_secs(60);

/// When to look at the way out again if nothing tells of a change.
const LOOK_EVERY: Duration = Duration::from_secs(3600);

/// A lease, and when it ends.
struct Kept {
    lease: Lease,
    until: Instant,
}

/// Keeps one port mapped.
struct Keeper<F> {
    listening: Vec<SocketAddr>,
    tell: F,
    /// The way that was there at the last look.
    way: Option<Way>,
    asked: Option<Instant>,
    kept: Option<Kept>,
    refusals: u32,
}

/// Keeps the port of a data path mapped until `changes` has no sender any more.
pub(super) async fn keep<F, T>(listening: Vec<SocketAddr>, mut changes: mpsc::Receiver<()>, tell: F)
where
    F: Fn(Standing) -> T + Send + Sync,
    T: Future<Output = ()> + Send,
{
    let mut keeper = Keeper { listening, tell, way: None, asked: None, kept: None, refusals: 0 };
    loop {
        let due = keeper.look().await;
        if !keeper.rest(due, &mut changes).await {
            break;
        }
    }
    if let Some(kept) = keeper.kept {
        kept.lease.release().await;
    }
}

impl<F, T> Keeper<F>
where
    F: Fn(Standing) -> T + Send + Sync,
    T: Future<Output = ()> + Send,
{
    /// Waits until it is time to look again; says whether that will be.
    async fn rest(&self, mut due: Instant, changes: &mut mpsc::Receiver<()>) -> bool {
        loop {
            tokio::select! {
                change = changes.recv() => match change {
                    Some(()) => due = due.min(self.due_after_change()),
                    None => return false,
                },
                () = tokio::time::sleep_until(due.into()) => return true,
            }
        }
    }

    fn due_after_change(&self) -> Instant {
        let is_same = Way::find(&self.listening).ok() == self.way;
        let gap = if is_same { SAME_ROUTER_AFTER } else { OTHER_ROUTER_AFTER };
        self.asked.map_or_else(Instant::now, |asked| asked + gap)
    }

    /// Looks who is the router, and asks it. Gives the time of the next look.
    async fn look(&mut self) -> Instant {
        let found = Way::find(&self.listening);
        if self.way != found.as_ref().ok().copied() {
            // A router that is not ours any more does not hear that its mapping is given back.
            (self.kept, self.refusals) = (None, 0);
            self.way = found.as_ref().ok().copied();
        }
        match found {
            Ok(way) => self.ask(way).await,
            Err(standing) => {
                (self.tell)(standing).await;
                Instant::now() + LOOK_EVERY
            }
        }
    }

    async fn ask(&mut self, way: Way) -> Instant {
        self.asked = Some(Instant::now());
        let Some(kept) = self.kept.take() else {
            (self.tell)(Standing::Asking).await;
            return self.ask_anew(way).await;
        };
        match kept.lease.renew().await {
            Ok(lease) => self.granted(lease).await,
            // Perhaps the question was lost: the mapping is still good for a while.
            Err(Refusal::Silent) if kept.until > Instant::now() => {
                self.kept = Some(kept);
                Instant::now() + backoff(1)
            }
            Err(_) => self.ask_anew(way).await,
        }
    }

    async fn ask_anew(&mut self, way: Way) -> Instant {
        match ask(&way).await {
            Ok(lease) => self.granted(lease).await,
            Err(refusals) => {
                self.refusals = self.refusals.saturating_add(1);
                tracing::debug!(router = %way.router, ?refusals, "the router forwards no port");
                (self.tell)(Standing::Refused(refusals)).await;
                Instant::now() + backoff(self.refusals)
            }
        }
    }

    async fn granted(&mut self, lease: Lease) -> Instant {
        let (now, lifetime) = (Instant::now(), lease.lifetime);
        let mapping = Mapping { protocol: lease.protocol, external: lease.external, until: now + lifetime };
        tracing::debug!(protocol = %mapping.protocol, external = %mapping.external, ?lifetime, "the router forwards a port");
        self.refusals = 0;
        self.kept = Some(Kept { lease, until: mapping.until });
        (self.tell)(Standing::Held(mapping)).await;
        now + lifetime / 2
    }
}
