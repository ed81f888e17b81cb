//! Asks the daemon, once in every interval, and explains the peer that is looked at. Knows nothing of what is shown.

use std::time::Duration;

use holloway_dashboard::api::{ApiError, ErrorCode, InNetwork, Why, WhyQuery};
use holloway_dashboard::client::Client;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::super::context::Context;
use super::model::{Daemon, Sample};

/// A daemon on this machine answers in milliseconds; one that does not is to be shown as such.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(5);

/// What comes back from the daemon.
pub(super) enum News {
    Sample(Box<Sample>),
    Why(WhyQuery, Box<Result<Why, String>>),
    Trouble(Daemon),
}

/// Asks the daemon; finds it anew after it was gone.
pub(super) struct Sampler {
    context: Context,
    network: InNetwork,
    started: Instant,
    client: Option<Client>,
}

impl Sampler {
    /// A sampler for one or all networks.
    pub(super) fn new(context: &Context, network: &InNetwork) -> Self {
        Self { context: context.clone(), network: network.clone(), started: Instant::now(), client: None }
    }

    /// What the daemon says now.
    pub(super) async fn sample(&mut self) -> Result<Sample, ApiError> {
        let client = self.client()?;
        let sampled = tokio::try_join!(client.status(), client.relays(&self.network));
        let (mut status, relays) = self.checked(sampled)?;
        if let Some(label) = &self.network.network {
            status.networks.retain(|network| network.label == *label);
        }
        Ok(Sample { status, relays, at: self.started.elapsed() })
    }

    async fn why(&mut self, query: &WhyQuery) -> Result<Why, ApiError> {
        let why = self.client()?.why(query).await;
        self.checked(why)
    }

    /// Sends what there is in every interval, and explains at once whoever is newly looked at; until nobody listens.
    pub(super) async fn run(
        mut self,
        every: Duration,
        mut wanted: watch::Receiver<Option<WhyQuery>>,
        news: mpsc::Sender<News>,
    ) {
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {
                    let sampled = match self.sample().await {
                        Ok(sample) => News::Sample(Box::new(sample)),
                        Err(error) => News::Trouble(trouble(&error)),
                    };
                    if news.send(sampled).await.is_err() {
                        return;
                    }
                }
                changed = wanted.changed() => if changed.is_err() { return },
            }
            let query = wanted.borrow_and_update().clone();
            if let Some(query) = query {
                let why = self.why(&query).await.map_err(|error| error.message);
                if news.send(News::Why(query, Box::new(why))).await.is_err() {
                    return;
                }
            }
        }
    }

    fn client(&mut self) -> Result<Client, ApiError> {
        if self.client.is_none() {
            self.client = Some(self.context.daemon()?.with_time_max(ANSWER_TIME_MAX));
        }
        Ok(self.client.clone().expect("a client was found above"))
    }

    /// After a failure the daemon is looked for again: it may have come back at another socket.
    fn checked<T>(&mut self, outcome: Result<T, ApiError>) -> Result<T, ApiError> {
        if outcome.is_err() {
            self.client = None;
        }
        outcome
    }
}

/// How to show that the daemon did not answer.
pub(super) fn trouble(error: &ApiError) -> Daemon {
    if error.code == ErrorCode::DaemonNotRunning { Daemon::Absent } else { Daemon::Refuses(error.message.clone()) }
}
