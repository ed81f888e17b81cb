//! Upstream servers as the operator writes them, and upstreams that cannot answer.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::net::SocketAddr;
use std::time::Duration;

use holloway_dns::{
    Audience, QueryError, RebindingFilter, Server, Upstream, UpstreamConfig, UpstreamError, UpstreamMode,
    UpstreamServer, UpstreamServerError, Zones,
};
use tokio::net::TcpListener;

#[test]
fn servers_are_addresses_with_an_optional_port_or_tls_with_a_certificate_name() {
    for (text, shown) in [
        ("1.1.1.1", "1.1.1.1:53"),
        ("1.1.1.1:5353", "1.1.1.1:5353"),
        ("2606:4700::1111", "[2606:4700::1111]:53"),
        ("[2606:4700::1111]", "[2606:4700::1111]:53"),
        ("[2606:4700::1111]:54", "[2606:4700::1111]:54"),
        ("tls://1.1.1.1#cloudflare-dns.com", "tls://1.1.1.1:853#cloudflare-dns.com"),
        ("tls://[2606:4700::1111]:8853#one.one", "tls://[2606:4700::1111]:8853#one.one"),
        ("tls://9.9.9.9", "tls://9.9.9.9:853#9.9.9.9"),
    ] {
        let server: UpstreamServer = text.parse().unwrap();
        assert_eq!(server.to_string(), shown);
        assert_eq!(shown.parse::<UpstreamServer>().unwrap(), server);
    }
}

#[test]
fn a_server_that_cannot_be_asked_is_refused_with_its_own_reason() {
    let refused = |text: &str| text.parse::<UpstreamServer>().unwrap_err();
    for text in ["", "dns.example", "1.1.1.1:70000", "1.1.1", "[::1", "system"] {
        assert_eq!(refused(text), UpstreamServerError::Address(text.to_owned()));
    }
    assert_eq!(refused("https://1.1.1.1"), UpstreamServerError::Scheme("https://".to_owned()));
    assert_eq!(refused("tls://dns.example"), UpstreamServerError::Address("dns.example".to_owned()));
    assert_eq!(refused("tls://1.1.1.1#a b"), UpstreamServerError::CertificateName("a b".to_owned()));
}

#[tokio::test]
async fn a_tls_server_without_a_valid_certificate_is_not_believed() {
    // What listens here speaks no TLS at all: the connection opens and ends.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepting = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            drop(stream);
        }
    });
    let server = format!("tls://{address}#dns.example").parse().unwrap();
    assert_fails(UpstreamMode::Servers(vec![server])).await;
    accepting.abort();
}

#[tokio::test]
async fn unreachable_servers_and_roots_fail_in_time() {
    let refusing = closed_port().await;
    assert_fails(UpstreamMode::System(vec![refusing])).await;
    assert_fails(UpstreamMode::Recursive(vec!["127.0.0.1".parse().unwrap()])).await;
}

#[tokio::test]
async fn no_servers_is_a_reason_of_its_own() {
    let server = server(UpstreamMode::Servers(Vec::new()));
    let failed = server.query("example.com", "A").await;
    assert!(matches!(failed, Err(QueryError::Upstream(UpstreamError::NoServers))));
}

async fn assert_fails(mode: UpstreamMode) {
    let server = server(mode);
    let asking = server.query("example.com", "A");
    let failed = tokio::time::timeout(Duration::from_secs(5), asking).await.expect("in time");
    assert!(matches!(failed, Err(QueryError::Upstream(_))), "{failed:?}");
}

fn server(mode: UpstreamMode) -> Server {
    let config = UpstreamConfig { mode, rebinding: RebindingFilter::On };
    Server::new(Zones::default(), Upstream::new(config).unwrap(), Audience::ThisMachine)
}

/// A port that was free a moment ago.
async fn closed_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}
