//! Every operation goes there and back, with every field.

use holloway_dashboard::api::*;

use crate::example_daemon::{Running, event, network_check, peer, relay, routes, status, why};

fn anywhere() -> InNetwork {
    InNetwork { network: None }
}

fn at_work() -> InNetwork {
    InNetwork { network: Some("work".into()) }
}

#[tokio::test]
async fn status_arrives_whole_and_has_the_documented_form() {
    let server = Running::start();
    assert_eq!(server.client().status().await.unwrap(), status());
    let json = serde_json::to_value(status()).unwrap();
    assert_eq!(json["schema"], 1);
    assert_eq!(json["state"], "ready");
    let network = &json["networks"][0];
    assert_eq!(network["rights"], serde_json::json!(["issue", "admin", "relay"]));
    assert_eq!(network["home_relay"], serde_json::json!({"name": "alice", "rtt_ms": 1.2}));
    assert_eq!(
        network["peers"][0]["path"],
        serde_json::json!({
            "kind": "direct", "mtu": 1440, "endpoint": "203.0.113.7:42042", "relay": null, "stream": false, "rtt_ms": 0.4
        })
    );
}

#[tokio::test]
async fn peers_are_asked_for_by_network() {
    let client = Running::start();
    let peers = client.client().peers(&at_work()).await.unwrap();
    assert_eq!(peers.peers, [PeerInNetwork { network: "work".into(), peer: peer() }]);
}

#[tokio::test]
async fn relays_arrive_whole_and_have_the_documented_form() {
    let server = Running::start();
    let relays = server.client().relays(&at_work()).await.unwrap();
    assert_eq!(relays.relays, [relay("work")]);
    let own = OwnRelay { network: "work".into(), announced: relay("work").announced };
    assert_eq!(relays.own, [own]);
    let json = serde_json::to_value(&relays).unwrap();
    let expected = serde_json::json!({
        "network": "work", "name": "alice", "node_id": "aaaa", "region": "Montréal",
        "place": {"latitude": 45.5, "longitude": -73.57, "source": "operator"}, "load_percent": 3, "members": 12,
        "capacity_mbps": 1000,
        "endpoints": ["198.51.100.1:42042"], "version": "0.1.0", "draining": false,
        "standing": "home", "rtt_ms": 1.2, "endpoint": "198.51.100.1:42042",
        "stream": false, "current": true, "links": [{"node_id": "dddd", "rtt_ms": 7.5}]
    });
    assert_eq!(json["relays"][0], expected);
    assert_eq!(json["own"][0]["members"], 12);
}

#[tokio::test]
async fn a_peer_is_explained_by_name_and_network() {
    let server = Running::start();
    for name in ["bob", "fd42::1%x&network=y"] {
        let query = WhyQuery { name: name.into(), network: Some("work".into()) };
        assert_eq!(server.client().why(&query).await.unwrap(), why(name, "work"));
    }
    let query = WhyQuery { name: "bob".into(), network: None };
    let json = serde_json::to_value(server.client().why(&query).await.unwrap()).unwrap();
    assert_eq!(json["network"], "home");
    assert_eq!(json["tried"][0]["kind"], "announced");
    assert_eq!(json["tried"][0]["relay"], serde_json::Value::Null);
    assert_eq!(json["advice"], serde_json::json!({"what": "nothing", "command": null}));
}

#[tokio::test]
async fn routes_are_asked_for_by_network() {
    let server = Running::start();
    let arrived = server.client().routes(&at_work()).await.unwrap();
    assert_eq!(arrived.routes, routes("work"));
    let json = serde_json::to_value(arrived).unwrap();
    let expected = serde_json::json!({
        "network": "work", "destination": "fd42:1337:beef::b/128", "member": "bob", "via": "relay", "interface": null,
        "endpoint": null, "relay": "alice", "mtu": 1440
    });
    assert_eq!(json["routes"][1], expected);
}

#[tokio::test]
async fn the_underlay_is_asked_for_by_network() {
    let server = Running::start();
    let arrived = server.client().netcheck(&at_work()).await.unwrap();
    assert_eq!(arrived.networks, [network_check("work")]);
    let json = serde_json::to_value(&arrived.networks[0]).unwrap();
    assert_eq!((&json["udp"], &json["direct"]), (&"works".into(), &"anyone".into()));
    assert_eq!(json["nat"]["mapping"], "endpoint_independent");
    assert_eq!((&json["port_mapping"]["state"], &json["port_mapping"]["expires_in_s"]), (&"held".into(), &3600.into()));
}

#[tokio::test]
async fn events_come_in_pages() {
    let server = Running::start();
    let query = EventsQuery { after: Some(5), limit: Some(2) };
    let page = server.client().events(&query).await.unwrap();
    assert_eq!((page.events, page.next), (vec![event(6), event(7)], 7));
}

#[tokio::test]
async fn networks_are_founded_joined_and_left() {
    let server = Running::start();
    let client = server.client();
    let request = CreateNetwork { label: "home".into(), name: Some("dave".into()) };
    let created = client.create_network(&request).await.unwrap();
    assert_eq!(created.fqdn, "dave.home.alt");
    for wait in [false, true] {
        let invite = InviteText::new("holloway1valid");
        let request = Join { invite, name: Some("erin".into()), wait };
        let joined = client.join(&request).await.unwrap();
        assert_eq!((joined.name.as_str(), joined.elapsed_ms), ("erin", u64::from(wait)));
    }
    assert_eq!(client.leave("home").await.unwrap().label, "home");
}

#[tokio::test]
async fn invites_are_made_listed_and_withdrawn() {
    let server = Running::start();
    let client = server.client();
    let request = CreateInvite {
        network: Some("work".into()),
        name: Some("bob".into()),
        rights: vec![Right::Relay, Right::Exit],
        groups: vec!["family".into()],
        expires_s: Some(60),
        approval: true,
        bootstrap: vec!["203.0.113.7".into()],
    };
    let created = client.create_invite(&request).await.unwrap();
    assert_eq!(created.token.expose(), "holloway1valid");
    assert_eq!((created.network, created.name), ("work".into(), Some("bob".into())));
    assert_eq!((created.rights, created.groups), (request.rights, request.groups));
    assert!(created.approval);
    assert_eq!((created.expires, created.bootstrap), (Some("60".into()), request.bootstrap));
    let listed = client.invites(&at_work()).await.unwrap();
    assert_eq!((listed.invites[0].network.as_str(), listed.invites[0].state), ("work", InviteState::Spent));
    let id = "../i 1/ü";
    assert_eq!(client.revoke_invite(id, &anywhere()).await.unwrap().id, id);
    let refused = client.revoke_invite("i1", &at_work()).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::InviteSpent);
    assert!(refused.hint.unwrap().contains("work"));
    let waiting = listed.invites[0].applicant.clone().unwrap();
    let approval =
        |network: Option<&str>| Approve { network: network.map(Into::into), node_id: waiting.node_id.clone() };
    let approved = client.approve(id, &approval(None)).await.unwrap();
    assert_eq!((approved.id.as_str(), approved.node_id.as_str()), (id, "bbbb"));
    assert_eq!(client.approve(id, &approval(Some("work"))).await.unwrap_err().code, ErrorCode::NotFound);
}

#[tokio::test]
async fn members_are_revoked_blocked_unblocked_and_shown() {
    let server = Running::start();
    let client = server.client();
    let revoke = Revoke { network: None, name: "bob".into() };
    assert_eq!(client.revoke(&revoke).await.unwrap().also, ["carol"]);
    let block = Block { network: Some("work".into()), name: "bob".into() };
    assert_eq!(client.block(&block).await.unwrap().name, "bob");
    assert_eq!(client.blocks(&at_work()).await.unwrap().blocks[0].network, "work");
    let unblocked = client.unblock("fd42::1%x", &at_work()).await.unwrap();
    assert_eq!((unblocked.name.as_str(), unblocked.node_id.as_str()), ("fd42::1%x", "work"));
    let own = client.certificate(None, &anywhere()).await.unwrap();
    assert_eq!((own.certificate.name.as_str(), own.chain.len()), ("alice", 1));
    let other = client.certificate(Some("bob"), &at_work()).await.unwrap();
    assert_eq!((other.certificate.name.as_str(), other.network.as_str()), ("bob", "work"));
}

#[tokio::test]
async fn records_are_listed_published_withdrawn_and_asked_for() {
    let server = Running::start();
    let client = server.client();
    assert_eq!(client.dns_list(&at_work()).await.unwrap().records[0].network, "work");
    let add =
        DnsAdd { network: None, label: "wiki".into(), record_type: "TXT".into(), value: "\"a; b\" \"ü\"".into() };
    let added = client.dns_add(&add).await.unwrap().record;
    assert_eq!((added.record_type, added.value), (add.record_type, add.value));
    let all = DnsRemove { label: "wiki".into(), ..DnsRemove::default() };
    assert_eq!(client.dns_remove(&all).await.unwrap().removed, 2);
    let one = DnsRemove { record_type: Some("TXT".into()), value: Some("a&b=c d".into()), ..all };
    let refused = client.dns_remove(&one).await.unwrap_err();
    assert!(refused.hint.unwrap().contains("a&b=c d"));
    let query = DnsQuery { name: "bob.home.alt".into(), record_type: Some("TXT".into()) };
    let reply = client.dns_query(&query).await.unwrap();
    assert_eq!((reply.name, reply.answers[0].record_type.as_str()), (query.name, "TXT"));
}

#[tokio::test]
async fn ping_down_health_metrics_and_description_arrive() {
    let server = Running::start();
    let client = server.client();
    let ping = Ping { network: None, target: "bob".into(), timeout_ms: 1000 };
    assert_eq!(client.ping(&ping).await.unwrap().name, "bob");
    assert!(client.down().await.unwrap().stopping);
    let health = client.health().await.unwrap();
    assert_eq!((health.live, health.ready, health.reasons), (true, false, vec!["no network".into()]));
    assert_eq!(client.metrics().await.unwrap(), "holloway_peers 1\n");
    let described: serde_json::Value = serde_json::from_str(&client.openapi().await.unwrap()).unwrap();
    assert!(described["paths"]["/api/v1/status"]["get"].is_object());
    assert!(described["components"]["schemas"]["Status"].is_object());
}

#[tokio::test]
async fn a_refusal_keeps_its_code_and_hides_the_invite() {
    let server = Running::start();
    let invite = InviteText::new("holloway1secret");
    let request = Join { invite, name: None, wait: false };
    let refused = server.client().join(&request).await.unwrap_err();
    assert_eq!((refused.code, refused.code.exit_code()), (ErrorCode::InviteExpired, 1));
    assert!(!refused.hint.unwrap().contains("secret"));
    let json = serde_json::to_value(ErrorDocument::from(ApiError::new(ErrorCode::InviteExpired, "m"))).unwrap();
    assert_eq!(json, serde_json::json!({"schema": 1, "error": {"code": "invite_expired", "message": "m"}}));
}

#[tokio::test]
async fn an_operation_that_panics_is_an_internal_error_and_the_daemon_serves_on() {
    let server = Running::start();
    let request = Join { invite: InviteText::new("panic"), name: None, wait: false };
    let refused = server.client().join(&request).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::Internal);
    assert!(server.client().status().await.is_ok());
}

#[test]
fn exit_codes_are_those_of_the_interface() {
    assert_eq!(ErrorCode::Usage.exit_code(), 2);
    assert_eq!(ErrorCode::NetworkRequired.exit_code(), 2);
    assert_eq!(ErrorCode::DaemonNotRunning.exit_code(), 3);
    assert_eq!(ErrorCode::PermissionDenied.exit_code(), 4);
    assert_eq!(ErrorCode::Internal.exit_code(), 1);
}

#[test]
fn a_code_of_a_later_version_is_unknown_not_an_error() {
    let document = r#"{"schema":1,"error":{"code":"moon_phase","message":"m"}}"#;
    let parsed: ErrorDocument = serde_json::from_str(document).unwrap();
    assert_eq!(parsed.error.code, ErrorCode::Unknown);
}
