//! Whoever listens at the socket may be anybody: the client takes nothing for granted.

use std::path::PathBuf;
use std::time::Duration;

use holloway_dashboard::api::{ApiError, ErrorCode};
use holloway_dashboard::client::Client;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

/// What a client makes of a server that answers anything with these bytes.
async fn status_from(reply: Vec<u8>) -> ApiError {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("api.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 1024]).await;
        let _ = stream.write_all(&reply).await;
    });
    let error = Client::new(path).status().await.unwrap_err();
    server.await.unwrap();
    error
}

fn response(status: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

#[tokio::test]
async fn a_reply_that_is_not_the_document_is_an_error() {
    for reply in [
        response("200 OK", b"{"),
        response("200 OK", b"\xff\xfe"),
        response("200 OK", b"{\"schema\":2}"),
        response("500 No", b"<html>"),
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}".to_vec(),
        b"SSH-2.0-x\r\n".to_vec(),
        Vec::new(),
    ] {
        let shown = String::from_utf8_lossy(&reply).into_owned();
        assert_eq!(status_from(reply).await.code, ErrorCode::Internal, "{shown}");
    }
}

#[tokio::test]
async fn a_reply_beyond_16_mib_is_given_up() {
    let error = status_from(response("200 OK", &vec![b' '; 16 * 1024 * 1024 + 1])).await;
    assert!(error.message.contains("more than"), "{error}");
}

#[tokio::test]
async fn a_daemon_that_never_answers_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("api.sock");
    let _listener = UnixListener::bind(&path).unwrap();
    let client = Client::new(path).with_time_max(Duration::from_millis(20));
    assert_eq!(client.status().await.unwrap_err().code, ErrorCode::Timeout);
    let opened = client.stream_events().await;
    assert!(opened.is_err_and(|error| error.code == ErrorCode::Timeout));
}

#[tokio::test]
async fn where_nobody_listens_the_daemon_is_not_running() {
    let dir = tempfile::tempdir().unwrap();
    let stale = dir.path().join("stale.sock");
    drop(UnixListener::bind(&stale).unwrap());
    for path in [PathBuf::from("/nonexistent/api.sock"), stale] {
        let error = Client::new(path).status().await.unwrap_err();
        assert_eq!((error.code, error.code.exit_code()), (ErrorCode::DaemonNotRunning, 3));
        assert!(error.hint.unwrap().contains("holloway up"));
    }
}
