//! Signing in by name and password, and what is written down of what people do.

use std::io::Read;
use std::net::{IpAddr, Ipv4Addr};

use tokio::net::TcpSocket;

use super::browsers::{Answer, Browser, exchange_over, request};
use super::example_daemon::{Running, event};

const ADA: &str = r#"{"name":"ada","password":"correct horse battery"}"#;

/// A try to sign in from another address of this machine.
async fn try_from(source: [u8; 4], daemon: &Running, body: &str) -> Answer {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((IpAddr::from(Ipv4Addr::from(source)), 0).into()).unwrap();
    let stream = socket.connect(daemon.browsers).await.unwrap().into_std().unwrap();
    stream.set_nonblocking(false).unwrap();
    let (host, origin) = (format!("Host: {}", daemon.browsers), format!("Origin: http://{}", daemon.browsers));
    exchange_over(stream, &request("POST", "/api/v1/session", &[&host, &origin], body))
}

fn checks(daemon: &Running) -> u32 {
    *daemon.console.checks.lock().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_with_an_account_signs_in_by_name_password_and_code() {
    let daemon = Running::start();
    let mut browser = Browser::new(&daemon);
    assert_eq!(browser.enter(ADA).status, 200);
    let session = browser.send("GET", "/api/v1/session", "").body;
    assert!(session.contains(r#""role":"admin","account":"ada""#), "{session}");
    let mut grace = Browser::new(&daemon);
    let asked = grace.enter(r#"{"name":"grace","password":"staple paper engine"}"#);
    assert_eq!((asked.status, asked.body.contains("code_required")), (401, true), "{}", asked.body);
    assert_eq!(grace.send("GET", "/api/v1/status", "").status, 401);
    assert_eq!(grace.enter(r#"{"name":"grace","password":"staple paper engine","code":"123456"}"#).status, 200);
    assert_eq!(grace.send("GET", "/api/v1/status", "").status, 200);
    for path in ["/api/v1/accounts", "/api/v1/audit"] {
        assert_eq!(grace.send("GET", path, "").status, 403, "{path}");
        assert_eq!(browser.send("GET", path, "").status, 200, "{path}");
    }
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_name_password_or_code_is_refused_in_the_same_words() {
    let daemon = Running::start();
    let refusals = [
        r#"{"name":"nobody","password":"correct horse battery"}"#,
        r#"{"name":"ada","password":"wrong horse battery"}"#,
        r#"{"name":"grace","password":"staple paper engine","code":"000000"}"#,
    ]
    .map(|body| Browser::new(&daemon).enter(body));
    for refused in &refusals {
        assert_eq!((refused.status, &refused.body), (401, &refusals[0].body));
        assert_eq!(refused.header("set-cookie"), None);
    }
    for nonsense in ["{}", r#"{"name":"ada"}"#, r#"{"link":"x","name":"ada","password":"y"}"#] {
        assert_eq!(Browser::new(&daemon).enter(nonsense).status, 400, "{nonsense}");
    }
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_wrong_passwords_are_ten_guesses_for_each_source_and_lock_nobody_out() {
    let daemon = Running::start();
    let wrong = r#"{"name":"ada","password":"wrong horse battery"}"#;
    for _ in 0..1000 {
        let answer = try_from([127, 0, 0, 2], &daemon, wrong).await;
        assert!([401, 429].contains(&answer.status));
    }
    assert_eq!(checks(&daemon), 10);
    let refused = try_from([127, 0, 0, 2], &daemon, ADA).await;
    assert_eq!(refused.status, 429, "not even the right one: it would be known as right");
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait));
    assert_eq!(try_from([127, 0, 0, 3], &daemon, ADA).await.status, 200);
    for source in 0..100 {
        for _ in 0..10 {
            try_from([127, 0, 1, source], &daemon, wrong).await;
        }
    }
    assert_eq!(try_from([127, 0, 0, 3], &daemon, ADA).await.status, 200, "an admin from elsewhere");
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_password_or_role_ends_sessions_and_a_session_is_new_with_each_sign_in() {
    let daemon = Running::start();
    let mut browsers = [Browser::new(&daemon), Browser::new(&daemon)];
    for browser in &mut browsers {
        assert_eq!(browser.enter(ADA).status, 200);
    }
    let [here, there] = &browsers;
    assert_ne!(here.cookie(), there.cookie());
    let change = r#"{"old":"wrong horse battery","new":"another horse battery"}"#;
    assert_eq!(here.send("POST", "/api/v1/account/password", change).status, 403);
    let change = r#"{"old":"correct horse battery","new":"another horse battery"}"#;
    assert_eq!(here.send("POST", "/api/v1/account/password", change).status, 200);
    assert_eq!(here.send("GET", "/api/v1/status", "").status, 200);
    assert_eq!(there.send("GET", "/api/v1/status", "").status, 401);
    assert_eq!(here.send("PUT", "/api/v1/accounts/ada", r#"{"role":"viewer"}"#).status, 200);
    assert_eq!(here.send("GET", "/api/v1/status", "").status, 401, "signs in anew, as a viewer");
    // A cookie that was planted before stays worth nothing.
    let planted = "holloway_session=0123456789abcdef";
    let mut fixed = Browser::with_cookie(&daemon, planted);
    assert_eq!(fixed.enter(ADA).status, 200);
    assert_ne!(fixed.cookie(), Some(planted));
    assert_eq!(Browser::with_cookie(&daemon, planted).send("GET", "/api/v1/status", "").status, 401);
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_the_session_that_asked_for_it_and_no_other_does() {
    let daemon = Running::start();
    let mut browsers = [Browser::new(&daemon), Browser::new(&daemon), Browser::new(&daemon)];
    for browser in &mut browsers {
        assert_eq!(browser.enter(ADA).status, 200);
    }
    let mut streams = browsers.each_ref().map(Browser::stream);
    let [here, there, elsewhere] = &browsers;
    let mut rest = Vec::new();
    assert_eq!(there.send("DELETE", "/api/v1/session", "").status, 200);
    streams[1].read_to_end(&mut rest).unwrap();
    let change = r#"{"old":"correct horse battery","new":"another horse battery"}"#;
    assert_eq!(here.send("POST", "/api/v1/account/password", change).status, 200);
    streams[2].read_to_end(&mut rest).unwrap();
    assert_eq!(elsewhere.send("GET", "/api/v1/status", "").status, 401);
    daemon.events.send(event(1)).unwrap();
    let mut told = [0; 5];
    streams[0].read_exact(&mut told).unwrap();
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_do_is_written_down_with_what_came_of_it_and_no_secret() {
    let daemon = Running::start();
    let mut grace = Browser::new(&daemon);
    grace.enter(r#"{"name":"grace","password":"staple paper engine","code":"123456"}"#);
    grace.send("POST", "/api/v1/revocations", r#"{"name":"bob"}"#);
    grace.send("GET", "/api/v1/status", "");
    grace.send("POST", "/api/v1/ping", r#"{"target":"bob","timeout_ms":5}"#);
    let mut ada = Browser::new(&daemon);
    ada.enter(ADA);
    ada.send("POST", "/api/v1/revocations", r#"{"name":"<img src=x onerror=alert(1)>"}"#);
    ada.send("PUT", "/api/v1/accounts/eve", r#"{"role":"admin","password":"eves very own secret"}"#);
    let told = daemon.console.told();
    let told: Vec<_> =
        told.iter().map(|(who, what, outcome)| (who.as_str(), what.as_str(), outcome.as_str())).collect();
    let expected = [
        ("grace", "POST /api/v1/session", "done"),
        ("grace", "POST /api/v1/revocations", "permission_denied"),
        ("ada", "POST /api/v1/session", "done"),
        ("ada", "POST /api/v1/revocations", "done"),
        ("ada", "PUT /api/v1/accounts/eve", "done"),
    ];
    assert_eq!(told, expected);
    let written = format!("{:?}", daemon.console.deeds.lock().unwrap());
    assert!(!written.contains("secret") && !written.contains("horse"), "{written}");
    assert!(written.contains("onerror"), "as it was sent: whoever shows it makes it harmless");
    daemon.stop().await;
}
