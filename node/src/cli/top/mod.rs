//! `holloway top`: peers, paths and rates as things happen.
//!
//! A task asks the daemon in every interval; a pure model makes rates of what it says and keeps what the reader chose; a
//! pure drawing makes lines of the model; and a loop over keys, answers and signals ties them to the terminal. The
//! daemon may go and come back meanwhile. Where stdout is no terminal, one frame is printed as text; a program gets a
//! document for every interval.

mod document;
mod draw;
mod keys;
mod model;
mod sampler;
mod terminal;

use std::io::{self, IsTerminal};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crossterm::event::{Event, EventStream};
use futures::StreamExt;
use holloway_dashboard::api::{ApiError, InNetwork, WhyQuery};
use holloway_wire::UnixTime;
use tokio::sync::{mpsc, watch};

use super::context::Context;
use super::failure::Failure;
use super::output::Form;
use super::signals::StopSignals;
use super::style::Style;
use crate::clock::rfc3339;
use document::{document, text};
use draw::screen;
use model::{Daemon, Flow, Model};
use sampler::{News, Sampler, trouble};
use terminal::FullScreen;

/// Answers that wait for the screen; the sampler waits when it is slow.
const NEWS_MAX: usize = 4;

/// What is to be watched, and how.
#[derive(Clone, Debug)]
pub(crate) struct TopPlan {
    /// The network; none: all.
    pub(crate) network: InNetwork,
    /// From one look to the next.
    pub(crate) interval: Duration,
    /// For how long.
    pub(crate) extent: Extent,
}

/// For how long to watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// For one interval.
    Once,
    /// Until somebody stops us.
    UntilStopped,
}

/// Watches, in the way that fits whoever reads.
pub(crate) async fn run(context: &Context, plan: TopPlan) -> Result<(), Failure> {
    let mut signals = StopSignals::listen();
    let mut sampler = Sampler::new(context, &plan.network);
    // Where nothing can be asked to begin with, the refusal is the answer.
    let first = sampler.sample().await?;
    let mut model = Model::new(plan.interval);
    model.handle_sample(first);
    let is_screen = io::stdout().is_terminal() && std::env::var("TERM").is_ok_and(|term| term != "dumb");
    let watching = async {
        match (context.output().form(), plan.extent) {
            (Form::Json, extent) => documents(context, sampler, model, extent).await,
            (Form::Text, Extent::UntilStopped) if is_screen => watch_screen(context, sampler, model).await,
            (Form::Text, _) => frame(context, sampler, model).await,
        }
    };
    tokio::select! {
        watched = watching => watched,
        () = signals.asked() => Ok(()),
    }
}

/// One frame, over one interval.
async fn frame(context: &Context, mut sampler: Sampler, mut model: Model) -> Result<(), Failure> {
    tokio::time::sleep(model.interval).await;
    model.handle_sample(sampler.sample().await?);
    let Some(sample) = model.sample() else { return Ok(()) };
    context.output().print(&context.as_typed_here(&text(&model, sample, Style::of_stdout())))
}

/// A document for every interval in which the daemon answered.
async fn documents(context: &Context, mut sampler: Sampler, mut model: Model, extent: Extent) -> Result<(), Failure> {
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + model.interval, model.interval);
    loop {
        ticks.tick().await;
        match (sampler.sample().await, extent) {
            (Err(error), Extent::Once) => return Err(error.into()),
            (Err(error), Extent::UntilStopped) => tell_once(context, &mut model, error),
            (Ok(sample), _) => {
                model.handle_sample(sample);
                if let Some(sample) = model.sample() {
                    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
                    let time = rfc3339(UnixTime::from_nanos(u64::try_from(time).unwrap_or(u64::MAX)));
                    context.output().document(&document(&model, sample, &time))?;
                }
                if extent == Extent::Once {
                    return Ok(());
                }
            }
        }
    }
}

/// Whoever reads the documents learns on stderr why there are none, once until there are some again.
fn tell_once(context: &Context, model: &mut Model, error: ApiError) {
    let trouble = trouble(&error);
    if model.daemon == Daemon::Answers {
        context.output().refusal(&error.into());
    }
    model.handle_trouble(trouble);
}

/// The screen, until a key or the terminal's end.
async fn watch_screen(context: &Context, sampler: Sampler, mut model: Model) -> Result<(), Failure> {
    let style = Style::of_stdout();
    let (wants, wanted) = watch::channel::<Option<WhyQuery>>(None);
    let (news, mut arriving) = mpsc::channel(NEWS_MAX);
    let failed = |error: io::Error| Failure::output(&error);
    let mut full_screen = FullScreen::enter().map_err(failed)?;
    let mut typed = EventStream::new();
    tokio::spawn(sampler.run(model.interval, wanted, news));
    loop {
        let size = full_screen.size().map_err(failed)?;
        let screen = screen(&model, style, size, |command| context.as_typed_here(command));
        full_screen.show(&screen).map_err(failed)?;
        model.scroll_at_most(screen.scroll_last);
        tokio::select! {
            event = typed.next() => match event {
                Some(Ok(Event::Key(key))) => {
                    let flow = keys::meaning(key).map_or(Flow::GoOn, |key| model.handle_key(key));
                    if flow == Flow::Quit {
                        return Ok(());
                    }
                }
                // Anything else is a reason to draw again.
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Ok(()),
            },
            arrived = arriving.recv() => match arrived {
                Some(News::Sample(sample)) => model.handle_sample(*sample),
                Some(News::Why(query, why)) => model.handle_why(&query, *why),
                Some(News::Trouble(daemon)) => model.handle_trouble(daemon),
                None => return Ok(()),
            },
        }
        let query = model.wanted();
        wants.send_if_modified(|now| std::mem::replace(now, query.clone()) != query);
    }
}
