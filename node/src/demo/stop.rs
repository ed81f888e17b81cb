//! Being stopped, by Ctrl-C for example: a flag that everything that waits looks at, or waits for.

use std::sync::mpsc;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use holloway_simnet::lab::wait_until;
use tokio::runtime::Builder;

use crate::cli::StopSignals;

/// Says whether somebody wants the demo to end. A flag and not a message: it is looked at from wherever something waits.
#[derive(Clone, Debug, Default)]
pub(super) struct Stop {
    flag: Arc<Flag>,
}

#[derive(Debug, Default)]
struct Flag {
    is_up: Mutex<bool>,
    raised: Condvar,
}

impl Stop {
    /// From now on SIGINT, SIGTERM and SIGHUP only raise the flag.
    pub(super) fn listen() -> Result<Self> {
        let stop = Self::default();
        let runtime = Builder::new_current_thread().enable_all().build().context("preparing for signals")?;
        let (ready, is_ready) = mpsc::channel();
        let asked = stop.clone();
        thread::Builder::new().name("signals".to_owned()).spawn(move || {
            runtime.block_on(async {
                let mut signals = StopSignals::listen();
                // Nobody waits any more only when the demo has ended.
                let _ = ready.send(());
                signals.asked().await;
                asked.ask();
                // A second Ctrl-C must not interrupt the taking down.
                std::future::pending::<()>().await;
            });
        })?;
        is_ready.recv().context("preparing for signals")?;
        Ok(stop)
    }

    /// Whether somebody wants the demo to end.
    pub(super) fn is_asked(&self) -> bool {
        *self.is_up()
    }

    /// Waits until somebody does.
    pub(super) fn wait(&self) {
        let is_up = self.flag.raised.wait_while(self.is_up(), |is_up| !*is_up);
        drop(is_up.unwrap_or_else(PoisonError::into_inner));
    }

    fn ask(&self) {
        *self.is_up() = true;
        self.flag.raised.notify_all();
    }

    fn is_up(&self) -> MutexGuard<'_, bool> {
        self.flag.is_up.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `condition` gives a value, fails, `deadline` has passed, or somebody stops us.
    pub(super) fn until<T>(
        &self,
        deadline: Duration,
        what: &str,
        mut condition: impl FnMut() -> Result<Option<T>>,
    ) -> Result<T> {
        wait_until(deadline, what, || {
            if self.is_asked() {
                return Some(Err(anyhow::anyhow!("stopped")));
            }
            condition().transpose()
        })?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_waits_notices_that_it_is_over() {
        let stop = Stop::default();
        let waited = stop.until(Duration::from_secs(60), "nothing", || {
            stop.ask();
            Ok(None::<()>)
        });
        assert_eq!(waited.unwrap_err().to_string(), "stopped");
    }

    #[test]
    fn whoever_only_waits_for_the_end_is_woken_by_it() {
        let stop = Stop::default();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| stop.wait());
            stop.ask();
            waiting.join().unwrap();
        });
        assert!(stop.is_asked());
    }
}
