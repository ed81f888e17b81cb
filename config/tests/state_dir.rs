//! Where things live.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

use std::path::{Path, PathBuf};

use holloway_config::*;

fn user() -> Environment {
    Environment { home: Some("/home/ann".into()), uid: 1000, ..Environment::default() }
}

fn resolved(flag: Option<&str>, environment: &Environment) -> StateDir {
    StateDir::resolve(flag.map(Path::new), environment).unwrap()
}

fn candidates(flag: Option<&str>, environment: &Environment) -> Vec<PathBuf> {
    api_candidates(flag.map(Path::new), environment)
}

#[test]
fn the_order_is_flag_environment_default() {
    let told = Environment { state_dir: Some("/env".into()), ..user() };
    assert_eq!(resolved(Some("/flag"), &told).path(), Path::new("/flag"));
    assert_eq!(resolved(None, &told).path(), Path::new("/env"));
    assert_eq!(resolved(None, &user()).path(), Path::new("/home/ann/.local/state/holloway"));
    let xdg = Environment { xdg_state_home: Some("/xdg".into()), ..user() };
    assert_eq!(resolved(None, &xdg).path(), Path::new("/xdg/holloway"));
    let relative = Environment { xdg_state_home: Some("xdg".into()), ..user() };
    assert_eq!(resolved(None, &relative).path(), Path::new("/home/ann/.local/state/holloway"));
    let root = Environment { uid: 0, ..user() };
    assert_eq!(resolved(None, &root).path(), Path::new("/var/lib/holloway"));
}

#[test]
fn a_user_without_a_home_is_told_what_to_say() {
    let nowhere = Environment { uid: 1000, ..Environment::default() };
    let error = StateDir::resolve(None, &nowhere).unwrap_err();
    assert!(error.to_string().contains("holloway --state-dir DIR"));
}

#[test]
fn the_socket_is_in_the_state_directory_but_for_the_system_daemon() {
    let root = Environment { uid: 0, ..user() };
    let system = resolved(None, &root).api_socket();
    assert_eq!((system.path.as_path(), system.access.mode()), (Path::new("/run/holloway/api.sock"), 0o660));
    let own = resolved(Some("/d"), &root).api_socket();
    assert_eq!((own.path.as_path(), own.access.mode()), (Path::new("/d/api.sock"), 0o600));
}

#[test]
fn clients_look_where_they_are_told_or_else_at_run_and_xdg() {
    let told = Environment { state_dir: Some("/env".into()), ..user() };
    assert_eq!(candidates(Some("/flag"), &told), [PathBuf::from("/flag/api.sock")]);
    assert_eq!(candidates(None, &told), [PathBuf::from("/env/api.sock")]);
    let both = ["/run/holloway/api.sock", "/home/ann/.local/state/holloway/api.sock"];
    assert_eq!(candidates(None, &user()), both.map(PathBuf::from));
}

#[test]
fn files_have_their_documented_names() {
    let dir = resolved(Some("/d"), &user());
    let home = "home".parse().unwrap();
    assert_eq!(dir.config_file(), Path::new("/d/holloway.toml"));
    assert_eq!(dir.store_file(), Path::new("/d/holloway.db"));
    assert_eq!(dir.lock_file(), Path::new("/d/lock"));
    assert_eq!(dir.network_dir(&home), Path::new("/d/networks/home"));
}
