//! How things are, at a glance, and the switch, in the desktop's tray. Its words come from the pages.

use serde::Deserialize;
use tauri::image::Image;
use tauri::menu::{Menu, MenuEvent, MenuItem};
use tauri::tray::TrayIconBuilder;
use tauri::{AppHandle, Manager, Wry};

use crate::notices::{Notice, Notices};
use crate::window;

const ID: &str = "main";
const OPEN: &str = "open";
const SWITCH: &str = "switch";
const QUIT: &str = "quit";

/// How things are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Standing {
    /// On, and all is well.
    On,
    /// Switched off, or in no network.
    Off,
    /// On, and something wants the person.
    Attention,
    /// There is no daemon.
    Missing,
}

/// What the tray shows.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Glance {
    standing: Standing,
    /// One line.
    text: String,
    open: String,
    /// The switch's words; absent where there is nothing to switch.
    switch: Option<String>,
    quit: String,
}

/// The items whose words change.
struct Items {
    open: MenuItem<Wry>,
    switch: MenuItem<Wry>,
    quit: MenuItem<Wry>,
}

/// Puts the icon there. Its menu has English words until the pages say theirs.
///
/// # Errors
/// The desktop's toolkit refused.
pub(crate) fn create(app: &AppHandle) -> tauri::Result<()> {
    let item = |id: &str, text: &str, enabled: bool| MenuItem::with_id(app, id, text, enabled, None::<&str>);
    let items = Items {
        open: item(OPEN, "Holloway", true)?,
        switch: item(SWITCH, "…", false)?,
        quit: item(QUIT, "Quit", true)?,
    };
    let menu = Menu::with_items(app, &[&items.open, &items.switch, &items.quit])?;
    TrayIconBuilder::with_id(ID).icon(icon(Standing::Off)).menu(&menu).on_menu_event(chosen).build(app)?;
    app.manage(items);
    Ok(())
}

/// Shows how things are; without a tray there is nowhere to show it.
pub(crate) fn show(app: &AppHandle, glance: &Glance) {
    let (Some(tray), Some(items)) = (app.tray_by_id(ID), app.try_state::<Items>()) else {
        return;
    };
    // A tray that went away with the desktop's panel refuses; it will be told again.
    let _ = tray.set_icon(Some(icon(glance.standing)));
    let _ = tray.set_tooltip(Some(&glance.text));
    let _ = tray.set_title(Some(&glance.text));
    let _ = items.open.set_text(&glance.open);
    let _ = items.quit.set_text(&glance.quit);
    let _ = items.switch.set_enabled(glance.switch.is_some());
    let _ = items.switch.set_text(glance.switch.as_deref().unwrap_or(&glance.text));
}

#[expect(clippy::needless_pass_by_value, reason = "the toolkit calls it like this")]
fn chosen(app: &AppHandle, event: MenuEvent) {
    match event.id().as_ref() {
        OPEN => window::show(app),
        SWITCH => app.state::<Notices>().tell(Notice::Switch),
        QUIT => app.exit(0),
        _ => {}
    }
}

fn icon(standing: Standing) -> Image<'static> {
    match standing {
        Standing::On => tauri::include_image!("icons/tray-on.png"),
        Standing::Off => tauri::include_image!("icons/tray-off.png"),
        Standing::Attention => tauri::include_image!("icons/tray-attention.png"),
        Standing::Missing => tauri::include_image!("icons/tray-missing.png"),
    }
}
