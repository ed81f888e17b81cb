//! Making the socket: stale ones are replaced, living ones and planted links never.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use holloway_dashboard::server::{BindError, bind_unix};

use crate::example_daemon::Running;

#[tokio::test]
async fn the_socket_has_its_mode_whatever_the_umask() {
    let dir = tempfile::tempdir().unwrap();
    for mode in [0o600, 0o660] {
        let path = dir.path().join(format!("{mode:o}.sock"));
        let _listener = bind_unix(&path, mode, None).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o7777, mode);
    }
}

#[tokio::test]
async fn a_group_is_given_the_socket() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("api.sock");
    let own = std::fs::metadata("/proc/self").unwrap().gid();
    let _listener = bind_unix(&path, 0o660, Some(own)).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().gid(), own);
}

#[tokio::test]
async fn a_stale_socket_is_replaced_and_a_living_one_left_alone() {
    let server = Running::start();
    let error = bind_unix(&server.path, 0o600, None).unwrap_err();
    assert!(matches!(error, BindError::InUse(_)), "{error}");
    assert!(server.client().status().await.is_ok());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("api.sock");
    drop(bind_unix(&path, 0o600, None).unwrap());
    assert!(path.exists());
    bind_unix(&path, 0o600, None).unwrap();
}

#[tokio::test]
async fn what_is_not_a_socket_is_neither_followed_nor_removed() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("target");
    let path = dir.path().join("api.sock");
    symlink(&target, &path).unwrap();
    assert!(matches!(bind_unix(&path, 0o600, None), Err(BindError::NotASocket { .. })));
    assert!(!target.exists() && path.is_symlink());
    let living = Running::start();
    std::fs::remove_file(&path).unwrap();
    symlink(&living.path, &path).unwrap();
    assert!(matches!(bind_unix(&path, 0o600, None), Err(BindError::NotASocket { .. })));
    let file = dir.path().join("file.sock");
    std::fs::write(&file, "kept").unwrap();
    assert!(matches!(bind_unix(&file, 0o600, None), Err(BindError::NotASocket { .. })));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "kept");
}

#[tokio::test]
async fn a_directory_that_others_can_write_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let error = bind_unix(&dir.path().join("api.sock"), 0o600, None).unwrap_err();
    assert!(error.to_string().contains("chmod go-w"), "{error}");
}
