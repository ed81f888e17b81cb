//! Files and directories that hold secrets.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use holloway_config::*;
use tempfile::TempDir;

fn private_dir() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keys");
    create_private_dir(&path).unwrap();
    (dir, path)
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn names(dir: &Path) -> Vec<String> {
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    fs::read_dir(dir).unwrap().map(name).collect()
}

#[test]
fn a_secret_is_written_0600_and_read_back() {
    let (_dir, keys) = private_dir();
    let path = keys.join("identity.key");
    create_secret_file(&path, b"secret").unwrap();
    assert_eq!((mode(&path), mode(&keys)), (0o600, 0o700));
    check_secret_file(&path).unwrap();
    assert_eq!(read_secret_file(&path).unwrap().as_slice(), b"secret");
    replace_secret_file(&path, b"other").unwrap();
    assert_eq!(read_secret_file(&path).unwrap().as_slice(), b"other");
    assert_eq!(names(&keys), ["identity.key"]);
}

#[test]
fn a_secret_is_never_overwritten_by_creating_it() {
    let (_dir, keys) = private_dir();
    let path = keys.join("root.key");
    create_secret_file(&path, b"first").unwrap();
    let error = create_secret_file(&path, b"second").unwrap_err();
    assert!(matches!(error, PermissionError::Exists { .. }), "{error}");
    assert_eq!(read_secret_file(&path).unwrap().as_slice(), b"first");
    assert_eq!(names(&keys), ["root.key"]);
}

#[test]
fn a_file_open_to_others_is_refused_with_the_chmod_that_mends_it() {
    let (_dir, keys) = private_dir();
    let path = keys.join("identity.key");
    create_secret_file(&path, b"secret").unwrap();
    for open in [0o644, 0o640, 0o601, 0o660] {
        set_mode(&path, open);
        let message = check_secret_file(&path).unwrap_err().to_string();
        assert!(message.ends_with(&format!("run: chmod 600 {}", path.display())), "{message}");
        assert!(read_secret_file(&path).is_err());
    }
    set_mode(&path, 0o400);
    check_secret_file(&path).unwrap();
}

#[test]
fn the_mending_command_survives_a_path_with_spaces_and_quotes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("it's a key");
    fs::write(&path, "x").unwrap();
    set_mode(&path, 0o644);
    let message = check_secret_file(&path).unwrap_err().to_string();
    let (_, command) = message.split_once("run: ").unwrap();
    let mended = std::process::Command::new("sh").args(["-c", command]).status().unwrap();
    assert!(mended.success());
    check_secret_file(&path).unwrap();
}

#[test]
fn a_file_of_another_user_is_refused_with_the_chown_that_mends_it() {
    if effective_uid() != 0 {
        let message = check_secret_file(Path::new("/etc/passwd")).unwrap_err().to_string();
        assert!(message.contains(&format!("run: chown {} /etc/passwd", effective_uid())), "{message}");
        return;
    }
    let (_dir, keys) = private_dir();
    let path = keys.join("identity.key");
    create_secret_file(&path, b"secret").unwrap();
    chown(&path, Some(65534), None).unwrap();
    let message = check_secret_file(&path).unwrap_err().to_string();
    assert!(message.ends_with(&format!("run: chown 0 {}", path.display())), "{message}");
    assert!(read_secret_file(&path).is_err());
}

#[test]
fn a_directory_open_to_others_is_refused_with_the_chmod_that_mends_it() {
    let (_dir, keys) = private_dir();
    set_mode(&keys, 0o755);
    for result in [check_private_dir(&keys), create_private_dir(&keys), create_secret_file(&keys.join("k"), b"")] {
        let message = result.unwrap_err().to_string();
        assert!(message.ends_with(&format!("run: chmod 700 {}", keys.display())), "{message}");
    }
    assert!(names(&keys).is_empty());
}

#[test]
fn directories_are_private_from_the_first_one_created() {
    let dir = tempfile::tempdir().unwrap();
    let deep = dir.path().join("a/b/c");
    create_private_dir(&deep).unwrap();
    create_private_dir(&deep).unwrap();
    for path in ["a", "a/b", "a/b/c"] {
        assert_eq!(mode(&dir.path().join(path)), 0o700);
    }
}

#[test]
fn a_planted_symbolic_link_is_not_followed() {
    let (dir, keys) = private_dir();
    let victim = dir.path().join("victim");
    fs::write(&victim, "kept").unwrap();
    set_mode(&victim, 0o600);
    let path = keys.join("identity.key");
    symlink(&victim, &path).unwrap();
    assert!(matches!(check_secret_file(&path), Err(PermissionError::Kind { .. })));
    assert!(read_secret_file(&path).is_err());
    assert!(matches!(create_secret_file(&path, b"x"), Err(PermissionError::Exists { .. })));
    replace_secret_file(&path, b"secret").unwrap();
    assert!(!path.is_symlink());
    assert_eq!(fs::read_to_string(&victim).unwrap(), "kept");
    let dangling = keys.join("root.key");
    symlink(dir.path().join("new"), &dangling).unwrap();
    assert!(create_secret_file(&dangling, b"x").is_err());
    assert!(!dir.path().join("new").exists());
}

#[test]
fn a_planted_hard_link_is_replaced_not_written_through() {
    let (dir, keys) = private_dir();
    let victim = dir.path().join("victim");
    fs::write(&victim, "kept").unwrap();
    let path = keys.join("identity.key");
    fs::hard_link(&victim, &path).unwrap();
    replace_secret_file(&path, b"secret").unwrap();
    assert_eq!(fs::read_to_string(&victim).unwrap(), "kept");
    assert_eq!((mode(&path), fs::metadata(&path).unwrap().nlink()), (0o600, 1));
}

#[test]
fn a_directory_reached_through_a_link_is_refused() {
    let (dir, keys) = private_dir();
    let link = dir.path().join("link");
    symlink(&keys, &link).unwrap();
    assert!(matches!(create_private_dir(&link), Err(PermissionError::Kind { .. })));
    assert!(matches!(create_secret_file(&link.join("k"), b"x"), Err(PermissionError::Kind { .. })));
}

#[test]
fn what_is_no_file_or_too_large_is_refused_without_waiting() {
    let (_dir, keys) = private_dir();
    let fifo = keys.join("fifo");
    let made = std::process::Command::new("mkfifo").args(["-m", "600"]).arg(&fifo).status().unwrap();
    assert!(made.success());
    assert!(matches!(read_secret_file(&fifo), Err(PermissionError::Kind { .. })));
    assert!(matches!(read_secret_file(&keys), Err(PermissionError::Kind { .. })));
    let large = keys.join("large");
    create_secret_file(&large, &vec![0; 4097]).unwrap();
    assert!(matches!(read_secret_file(&large), Err(PermissionError::TooLarge { .. })));
}
