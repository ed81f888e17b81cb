//! A terminal that is taken over for a while, and given back as it was on every way out: return, signal or panic.

use std::io::{self, Stdout, stdout};
use std::panic;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::cursor::Show;
use crossterm::execute;
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;

use super::draw::{Screen, Size};

/// Whether the terminal is to be given back; once only, as doing it again would write over what was printed since.
static IS_TAKEN: AtomicBool = AtomicBool::new(false);

/// The whole screen, until it is dropped.
pub(super) struct FullScreen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl FullScreen {
    /// Takes the terminal over.
    pub(super) fn enter() -> io::Result<Self> {
        restore_on_panic();
        enable_raw_mode()?;
        IS_TAKEN.store(true, Ordering::Release);
        let taken = Terminal::new(CrosstermBackend::new(stdout())).and_then(|terminal| {
            execute!(stdout(), EnterAlternateScreen)?;
            Ok(Self { terminal })
        });
        if taken.is_err() {
            restore();
        }
        taken
    }

    /// How large it is now.
    pub(super) fn size(&self) -> io::Result<Size> {
        let size = self.terminal.size()?;
        Ok(Size { width: size.width.into(), height: size.height.into() })
    }

    /// Shows these lines.
    pub(super) fn show(&mut self, screen: &Screen) -> io::Result<()> {
        self.terminal.draw(|frame| put(screen, frame)).map(|_| ())
    }
}

impl Drop for FullScreen {
    fn drop(&mut self) {
        restore();
    }
}

/// Puts lines into a frame, one below the other; what does not fit is left out.
pub(super) fn put(screen: &Screen, frame: &mut ratatui::Frame<'_>) {
    let area = frame.area();
    for (row, line) in area.rows().zip(&screen.lines) {
        frame.render_widget(line, row);
    }
}

/// The message of a panic belongs on the screen that stays.
fn restore_on_panic() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            restore();
            before(panic);
        }));
    });
}

fn restore() {
    if !IS_TAKEN.swap(false, Ordering::AcqRel) {
        return;
    }
    // Where the terminal is gone there is nothing left to restore.
    let _ = disable_raw_mode();
    let _ = execute!(stdout(), LeaveAlternateScreen, Show);
}
