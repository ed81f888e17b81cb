//! The caller's user and groups decide. As root the tests call as somebody else; as a user they serve somebody else.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use holloway_dashboard::api::{ErrorCode, InNetwork, InviteText, Join};
use holloway_dashboard::server::Access;

use crate::example_daemon::{Running, own_uid};

const NOBODY: u32 = 65534;
const GROUP: u32 = 65533;

/// Status and body of a request made by `nobody` with this group; `None` where there is no curl.
async fn call_as_nobody(path: &Path, gid: u32, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new("curl");
    command.args(["--silent", "--max-time", "20", "--write-out", "%{http_code}", "--unix-socket"]);
    command.arg(path).args(arguments).current_dir("/").uid(NOBODY).gid(gid);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().ok()?;
    Some(String::from_utf8(output.stdout).unwrap())
}

fn open_to_others(server: &Running) {
    std::fs::set_permissions(server.dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn another_user_is_refused_with_the_command_that_mends_it() {
    if own_uid() != 0 {
        println!("skipped: needs root to call as another user");
        return;
    }
    let server = Running::start_with(Access { daemon_uid: 0, group_gid: Some(GROUP) }, 0o666);
    open_to_others(&server);
    for target in ["/api/v1/status", "/healthz", "/no/such/path"] {
        let url = format!("http://localhost{target}");
        let Some(reply) = call_as_nobody(&server.path, NOBODY, &[&url]).await else {
            println!("skipped: needs curl");
            return;
        };
        assert!(reply.ends_with("403"), "{reply}");
        assert!(reply.contains("permission_denied") && reply.contains("usermod -aG holloway USER"));
    }
}

#[tokio::test]
async fn the_group_reads_joins_and_switches_off_and_nothing_else() {
    if own_uid() != 0 {
        println!("skipped: needs root to call as another user");
        return;
    }
    let server = Running::start_with(Access { daemon_uid: 0, group_gid: Some(GROUP) }, 0o666);
    open_to_others(&server);
    let join = r#"{"invite":"holloway1valid"}"#;
    for (status, arguments) in [
        ("200", vec!["http://localhost/api/v1/status"]),
        ("200", vec!["http://localhost/api/v1/why?name=bob"]),
        ("400", vec!["http://localhost/api/v1/why"]),
        ("200", vec!["http://localhost/api/v1/join", "--data", join]),
        ("200", vec!["http://localhost/api/v1/down", "-X", "POST"]),
        ("403", vec!["http://localhost/api/v1/networks", "--data", r#"{"label":"x"}"#]),
        ("403", vec!["http://localhost/api/v1/invites", "--data", "{}"]),
        ("403", vec!["http://localhost/api/v1/blocks/bob", "-X", "DELETE"]),
    ] {
        let Some(reply) = call_as_nobody(&server.path, GROUP, &arguments).await else {
            println!("skipped: needs curl");
            return;
        };
        assert!(reply.ends_with(status), "{arguments:?}: {reply}");
    }
}

#[tokio::test]
async fn a_socket_for_the_owner_cannot_be_opened_by_others() {
    if own_uid() != 0 {
        println!("skipped: needs root to call as another user");
        return;
    }
    let server = Running::start();
    open_to_others(&server);
    if let Some(reply) = call_as_nobody(&server.path, NOBODY, &["http://localhost/healthz"]).await {
        assert_eq!(reply, "000");
    }
}

#[tokio::test]
async fn a_user_whom_the_daemon_does_not_know_is_refused() {
    if own_uid() == 0 {
        println!("skipped: root is known to every daemon");
        return;
    }
    let own_gid = std::fs::metadata("/proc/self").unwrap().gid();
    let stranger = Running::start_with(Access { daemon_uid: 0, group_gid: None }, 0o600);
    let refused = stranger.client().status().await.unwrap_err();
    assert_eq!((refused.code, refused.code.exit_code()), (ErrorCode::PermissionDenied, 4));
    let operator = Running::start_with(Access { daemon_uid: 0, group_gid: Some(own_gid) }, 0o600);
    assert!(operator.client().status().await.is_ok());
    let request = Join { invite: InviteText::new("holloway1valid"), name: None, wait: false };
    assert!(operator.client().join(&request).await.is_ok());
    let refused = operator.client().invites(&InNetwork::default()).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::PermissionDenied);
}
