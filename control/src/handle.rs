use futures::FutureExt;
use tokio::runtime;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::command::Command;
use crate::error::{Error, SendError};
use crate::event::Event;
use crate::gate::Incarnation;
use crate::limits::{COMMANDS_MAX, COMMANDS_RESERVED, EVENTS_MAX};
use crate::listening::Listening;
use crate::service::Service;
use crate::settings::Settings;
use crate::shell;

/// The owner's end of a running control plane. Dropped, it ends the task too, which nobody
/// then waits for.
#[derive(Debug)]
pub struct Handle {
    commands: mpsc::Sender<Command>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// Starts the control plane of one network: one swarm, driven by one task of the current tokio runtime.
///
/// # Errors
/// When there is no runtime, or an address cannot be listened on.
pub fn spawn(settings: &Settings) -> Result<(Handle, mpsc::Receiver<Event>), Error> {
    let runtime = runtime::Handle::try_current().map_err(|_| Error::Runtime)?;
    let mut incarnation = [0; 8];
    getrandom::fill(&mut incarnation).map_err(|error| Error::Random(error.into()))?;
    let mut swarm = shell::swarm(settings, Incarnation(u64::from_be_bytes(incarnation)))?;
    let listening = Listening::start(&mut swarm, settings)?;
    let (commands, commands_in) = mpsc::channel(COMMANDS_MAX);
    let (events, events_out) = mpsc::channel(EVENTS_MAX);
    let (stop, stopped) = oneshot::channel();
    let service = Service::new(swarm, listening, commands_in, settings);
    let task = runtime.spawn(service.run(events, stopped).boxed());
    Ok((Handle { commands, stop, task }, events_out))
}

impl Handle {
    /// Gives the task a command, without waiting.
    ///
    /// # Errors
    /// The command comes back when the queue is full or the task has ended. Half of the queue is kept for commands
    /// that are owed ([`Command::is_owed`]).
    pub fn send(&self, command: Command) -> Result<(), SendError> {
        if !command.is_owed() && self.commands.capacity() <= COMMANDS_RESERVED {
            return Err(SendError::Full(Box::new(command)));
        }
        self.commands.try_send(command).map_err(|error| match error {
            mpsc::error::TrySendError::Full(command) => SendError::Full(Box::new(command)),
            mpsc::error::TrySendError::Closed(command) => SendError::Closed(Box::new(command)),
        })
    }

    /// Closes all connections, so that the others notice at once, and ends the task.
    pub async fn shutdown(self) {
        // The task may have ended by itself; both ways it is gone afterwards.
        let _ = self.stop.send(());
        let _ = self.task.await;
    }
}
