//! Writes down which commands the pages may call; `capabilities/` grants them one by one.

fn main() {
    let commands = &[
        "api",
        "follow",
        "notices",
        "machine",
        "read_invite",
        "open_site",
        "start_daemon",
        "set_autostart",
        "show_tray",
        "notify",
    ];
    let manifest = tauri_build::AppManifest::new().commands(commands);
    tauri_build::try_build(tauri_build::Attributes::new().app_manifest(manifest)).expect("tauri.conf.json is in order");
}
