//! Callers that send nonsense, too much, or nothing at all.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use crate::example_daemon::{Running, connect};

/// Sends bytes and reads until the server closes.
async fn send(server: &Running, request: impl Into<Vec<u8>>) -> (u16, serde_json::Value) {
    let (mut stream, request) = (connect(&server.path), request.into());
    tokio::task::spawn_blocking(move || {
        // The server may refuse and close before it has read everything.
        let _ = stream.write_all(&request);
        let mut reply = String::new();
        let _ = stream.read_to_string(&mut reply);
        let status = reply.split(' ').nth(1).unwrap_or("0").parse().unwrap();
        let body = reply.split("\r\n\r\n").nth(1).unwrap_or_default();
        (status, serde_json::from_str(body).unwrap_or_default())
    })
    .await
    .unwrap()
}

fn request(line: &str, body: &str) -> String {
    let length = body.len();
    format!("{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}")
}

#[tokio::test]
async fn malformed_json_is_refused_in_our_own_form() {
    let server = Running::start();
    let deep = "[".repeat(10_000);
    for body in ["", "{", "null", "[]", "{\"label\":1}", "{\"label\":\"x\",\"lable\":1}", "{\"label\":\"x\"} y", &deep]
    {
        let (status, json) = send(&server, request("POST /api/v1/networks", body)).await;
        assert_eq!((status, json["error"]["code"].as_str()), (400, Some("usage")), "{body:.40}");
        assert_eq!(json["schema"], 1);
    }
}

#[tokio::test]
async fn wrong_parameters_are_refused_in_our_own_form() {
    let server = Running::start();
    for target in
        ["/api/v1/events?after=x", "/api/v1/peers?networ=home", "/api/v1/dns/query", "/api/v1/certificates/%FF"]
    {
        let (status, json) = send(&server, request(&format!("GET {target}"), "")).await;
        assert_eq!((status, json["error"]["code"].as_str()), (400, Some("usage")), "{target}");
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_are_refused_in_our_own_form() {
    let server = Running::start();
    for target in ["/", "/api/v1/statuss", "/api/v1/../../etc/passwd", "/%2e%2e%2f", "/api/v1/status/"] {
        let (status, json) = send(&server, request(&format!("GET {target}"), "")).await;
        assert_eq!((status, json["error"]["code"].as_str()), (404, Some("not_found")), "{target}");
    }
    for line in ["PUT /api/v1/status", "DELETE /api/v1/networks", "GET /api/v1/join", "POST /api/v1/stream"] {
        let (status, json) = send(&server, request(line, "")).await;
        assert_eq!((status, json["error"]["code"].as_str()), (405, Some("usage")), "{line}");
    }
}

#[tokio::test]
async fn every_route_of_the_description_is_served() {
    let server = Running::start();
    let description = server.client().openapi().await.unwrap();
    let description: serde_json::Value = serde_json::from_str(&description).unwrap();
    for (path, item) in description["paths"].as_object().unwrap() {
        // One never ends, and the other is there for browsers only.
        let is_asked = !["/api/v1/stream", "/api/v1/session"].contains(&path.as_str());
        for method in item.as_object().unwrap().keys().filter(|_| is_asked) {
            let target = path.replace(['{', '}'], "");
            let line = format!("{} {target}", method.to_uppercase());
            let (status, json) = send(&server, request(&line, "")).await;
            // What is there may say that something of its own is not.
            let is_known = !json["error"]["message"].as_str().is_some_and(|message| message.contains("no path"));
            assert!(status != 0 && status != 405 && is_known, "{line}: {status} {json}");
        }
    }
}

#[tokio::test]
async fn a_body_of_64_kib_is_read_and_a_larger_one_refused() {
    let server = Running::start();
    let body = |size: usize| format!("{{\"label\":\"{}\"}}", "x".repeat(size - 12));
    let (status, _) = send(&server, request("POST /api/v1/networks", &body(64 * 1024))).await;
    assert_eq!(status, 200);
    let (status, json) = send(&server, request("POST /api/v1/networks", &body(64 * 1024 + 1))).await;
    assert_eq!((status, json["error"]["code"].as_str()), (413, Some("usage")));
    let declared =
        "POST /api/v1/networks HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1073741824\r\n\r\n";
    let endless = [declared.as_bytes(), &vec![b' '; 128 * 1024]].concat();
    assert_eq!(send(&server, endless).await.0, 413);
}

#[tokio::test]
async fn endless_heads_and_ambiguous_lengths_are_refused() {
    let server = Running::start();
    let many: String = (0..1000).map(|n| format!("X-{n}: y\r\n")).collect();
    let (status, _) = send(&server, format!("GET /healthz HTTP/1.1\r\n{many}\r\n")).await;
    assert_eq!(status, 431);
    let long = "y".repeat(100_000);
    let (status, _) = send(&server, format!("GET /healthz HTTP/1.1\r\nX: {long}\r\n\r\n")).await;
    assert_eq!(status, 431);
    let two = "POST /api/v1/down HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n";
    assert_eq!(send(&server, two).await.0, 400);
    assert!(server.client().status().await.is_ok());
}

#[tokio::test]
async fn a_thousand_idle_connections_do_not_keep_an_administrator_out() {
    let server = Running::start();
    let path = server.path.clone();
    let idle = tokio::task::spawn_blocking(move || {
        let open = |number: usize| {
            let mut stream = connect(&path);
            if number.is_multiple_of(2) {
                // The connection may have had to make room already.
                let _ = stream.write_all(b"GET /api/v1/status HTTP/1.1\r\nX: ");
            }
            stream
        };
        (0..1000).map(open).collect::<Vec<UnixStream>>()
    })
    .await
    .unwrap();
    let client = server.client();
    for _ in 0..10 {
        client.status().await.unwrap();
    }
    // The oldest have made room: the server has closed them.
    let mut oldest = idle.into_iter().next().unwrap();
    let closed = tokio::task::spawn_blocking(move || oldest.read(&mut [0; 1024]));
    assert!(matches!(closed.await.unwrap(), Ok(0) | Err(_)));
}
