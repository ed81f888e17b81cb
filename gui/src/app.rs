//! Puts the application together.

use clap::Parser;
use tauri::{AppHandle, Manager};
use tauri_plugin_autostart::MacosLauncher;

use crate::arguments::Arguments;
use crate::notices::{Notice, Notices};
use crate::socket::{Homes, Sockets};
use crate::stream::Streams;
use crate::{commands, invite, tray, window};

/// Runs until somebody quits.
///
/// # Errors
/// There is no display, or the desktop's toolkit refused.
pub(crate) fn run(arguments: Arguments) -> tauri::Result<()> {
    let sockets = Sockets::new(arguments.state_dir.as_deref(), &Homes::of_process());
    tauri::Builder::default()
        // First, so that a second instance does nothing but hand over what it was started with.
        .plugin(tauri_plugin_single_instance::init(|app, words, _| started_again(app, &words)))
        .plugin(tauri_plugin_autostart::init(MacosLauncher::LaunchAgent, Some(vec!["--hidden"])))
        .manage(sockets)
        .manage(Streams::default())
        .manage(Notices::default())
        .invoke_handler(tauri::generate_handler![
            commands::api,
            commands::follow,
            commands::notices,
            commands::machine,
            commands::read_invite,
            commands::open_site,
            commands::start_daemon,
            commands::set_autostart,
            commands::show_tray,
            commands::notify,
        ])
        .setup(move |app| {
            let app = app.handle();
            tray::create(app)?;
            window::create(app, arguments.hidden && arguments.invite.is_none())?;
            tell_invite(app, arguments.invite.as_deref());
            Ok(())
        })
        .run(tauri::generate_context!())
}

/// What a second instance was started with. What cannot be read still shows that the application is there.
fn started_again(app: &AppHandle, words: &[String]) {
    if let Ok(arguments) = Arguments::try_parse_from(words) {
        tell_invite(app, arguments.invite.as_deref());
    }
    window::show(app);
}

fn tell_invite(app: &AppHandle, text: Option<&str>) {
    let Some(text) = text else {
        return;
    };
    let notice = invite::read(text).map_or(Notice::NotAnInvite, |invite| Notice::Invite { invite });
    app.state::<Notices>().tell(notice);
}
