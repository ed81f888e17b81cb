//! Browsers over TCP: who signs in, what other sites cannot do, and what a flood does not take away.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use holloway_dashboard::api::Role;

use crate::example_daemon::Running;

/// Longer than anything takes that is answered at all.
const TIME_MAX: Duration = Duration::from_secs(30);

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    /// The value of a header, in lower case its name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// Sends a request as it is and reads until the server closes.
fn exchange(to: SocketAddr, request: &str) -> Answer {
    exchange_over(TcpStream::connect(to).unwrap(), request)
}

/// The same over a connection that is open.
pub(crate) fn exchange_over(mut stream: TcpStream, request: &str) -> Answer {
    stream.set_read_timeout(Some(TIME_MAX)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = Vec::new();
    // A server that refuses may close before it has read everything.
    let _ = stream.read_to_end(&mut text);
    let text = String::from_utf8_lossy(&text).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

/// A request with these lines for a head, besides the first, and what it needs to end.
pub(crate) fn request(method: &str, path: &str, lines: &[&str], body: &str) -> String {
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    format!("{method} {path} HTTP/1.1\r\n{lines}Connection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// A browser that shows our own pages.
pub(crate) struct Browser {
    at: SocketAddr,
    cookie: Option<String>,
}

impl Browser {
    pub(crate) fn new(daemon: &Running) -> Self {
        Self { at: daemon.browsers, cookie: None }
    }

    /// One in which somebody has planted a cookie.
    pub(crate) fn with_cookie(daemon: &Running, cookie: &str) -> Self {
        Self { at: daemon.browsers, cookie: Some(cookie.to_owned()) }
    }

    pub(crate) fn cookie(&self) -> Option<&str> {
        self.cookie.as_deref()
    }

    /// One that somebody has signed in with by a new link.
    async fn signed_in(daemon: &Running) -> Self {
        let mut browser = Self::new(daemon);
        let link = daemon.client().sign_in_link().await.unwrap();
        let answer = browser.sign_in(link.url.split_once("#sign-in=").unwrap().1);
        assert_eq!(answer.status, 200, "{}", answer.body);
        browser
    }

    fn sign_in(&mut self, link: &str) -> Answer {
        self.enter(&format!("{{\"link\":\"{link}\"}}"))
    }

    /// Signs in by whatever is in this body.
    pub(crate) fn enter(&mut self, body: &str) -> Answer {
        let answer = self.send("POST", "/api/v1/session", body);
        let cookie = answer.header("set-cookie").map(|cookie| cookie.split(';').next().unwrap().to_owned());
        self.cookie = cookie.or(self.cookie.take());
        answer
    }

    pub(crate) fn send(&self, method: &str, path: &str, body: &str) -> Answer {
        let origin = format!("http://{}", self.at);
        self.send_from(method, path, body, &[&format!("Origin: {origin}"), "Sec-Fetch-Site: same-origin"])
    }

    /// Opens the stream of events, and gives what goes on to come of it.
    pub(crate) fn stream(&self) -> TcpStream {
        let mut stream = TcpStream::connect(self.at).unwrap();
        stream.set_read_timeout(Some(TIME_MAX)).unwrap();
        let (host, cookie) = (format!("Host: {}", self.at), format!("Cookie: {}", self.cookie.as_ref().unwrap()));
        stream.write_all(request("GET", "/api/v1/stream", &[&host, &cookie], "").as_bytes()).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.extend(byte);
        }
        assert!(head.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&head));
        stream
    }

    fn send_from(&self, method: &str, path: &str, body: &str, more: &[&str]) -> Answer {
        let host = format!("Host: {}", self.at);
        let cookie = self.cookie.as_ref().map(|cookie| format!("Cookie: {cookie}"));
        let mut lines = vec![host.as_str(), "Content-Type: application/json"];
        lines.extend(cookie.as_deref());
        lines.extend(more);
        exchange(self.at, &request(method, path, &lines, body))
    }

    /// Makes an invite, which only an administrator may.
    fn invite(&self, more: &[&str]) -> Answer {
        self.send_from("POST", "/api/v1/invites", "{}", more)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_signs_a_browser_in_once_and_it_may_do_what_its_maker_may() {
    let daemon = Running::start();
    let link = daemon.client().sign_in_link().await.unwrap();
    let secret = link.url.split_once("#sign-in=").unwrap().1.to_owned();
    assert!(link.url.starts_with(&format!("http://{}/#", daemon.browsers)));
    let mut browser = Browser::new(&daemon);
    assert_eq!(browser.send("GET", "/api/v1/status", "").status, 401);
    assert_eq!(browser.send("GET", "/api/v1/session", "").status, 401);
    let answer = browser.sign_in(&secret);
    let cookie = answer.header("set-cookie").unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    assert!(!cookie.contains(&secret), "a session is not its link");
    assert_eq!(browser.send("GET", "/api/v1/status", "").status, 200);
    assert!(browser.send("GET", "/api/v1/session", "").body.contains("\"role\":\"admin\""));
    assert_eq!(browser.send("POST", "/api/v1/invites", "{}").status, 200);
    assert_eq!(Browser::new(&daemon).sign_in(&secret).status, 403, "it was used");

    for path in ["/api/v1/certificates/bob?network=home", "/api/v1/why?name=bob", "/healthz", "/metrics"] {
        assert_eq!(browser.send("GET", path, "").status, 200, "{path}");
    }

    assert_eq!(browser.send("POST", "/api/v1/dashboard", "").status, 404, "links are made over the socket");
    assert_eq!(browser.send("DELETE", "/api/v1/session", "").status, 200);
    assert_eq!(browser.send("GET", "/api/v1/status", "").status, 401, "the cookie is worth nothing any more");
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_role_may_do_what_it_is_for_and_no_more() {
    let daemon = Running::start();
    for (role, may) in
        [(Role::Viewer, [200, 403, 403]), (Role::Operator, [200, 200, 403]), (Role::Admin, [200, 200, 200])]
    {
        let mut browser = Browser::new(&daemon);
        browser.sign_in(&daemon.sessions.link(role).unwrap());
        let asked = [("GET", "/api/v1/status"), ("POST", "/api/v1/down"), ("POST", "/api/v1/invites")];
        let answers = asked.map(|(method, path)| browser.send(method, path, "{}").status);
        assert_eq!(answers, may, "{role:?}");
    }
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_site_in_a_browser_that_has_signed_in_changes_and_reads_nothing() {
    let daemon = Running::start();
    let browser = Browser::signed_in(&daemon).await;
    let ours = format!("Origin: http://{}", daemon.browsers);
    assert_eq!(browser.invite(&[&ours]).status, 200, "a browser that says nothing of sites");
    let strangers: [&[&str]; 7] = [
        &[],
        &["Origin: null"],
        &["Origin: http://evil.test"],
        &["Origin: https://127.0.0.1"],
        &[&ours, "Sec-Fetch-Site: cross-site"],
        &[&ours, "Sec-Fetch-Site: same-site"],
        &[&ours, "Origin: http://evil.test"],
    ];
    for lines in strangers {
        let answer = browser.invite(lines);
        assert_eq!(answer.status, 403, "{lines:?}");
        assert!(!answer.body.contains("holloway1"), "{lines:?}");
    }
    for path in ["/api/v1/status", "/api/v1/stream", "/metrics"] {
        let answer = browser.send_from("GET", path, "", &["Sec-Fetch-Site: cross-site", "Origin: http://evil.test"]);
        assert_eq!(answer.status, 403, "{path}");
    }
    // Without a browser's word there is still no header that lets another origin read the answer.
    let answer = browser.send_from("GET", "/api/v1/status", "", &[]);
    assert_eq!(answer.header("access-control-allow-origin"), None);
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_another_host_is_turned_away_before_anything_else() {
    let daemon = Running::start();
    let browser = Browser::signed_in(&daemon).await;
    let port = daemon.browsers.port();
    let cookie = format!("Cookie: {}", browser.cookie.as_ref().unwrap());
    let hosts = [
        "Host: evil.test".to_owned(),
        "Host: ".to_owned(),
        format!("Host: evil.test:{port}"),
        format!("Host: 127.0.0.1.nip.io:{port}"),
        format!("Host: 0.0.0.0:{port}"),
        format!("Host: [::]:{port}"),
        "X-Nothing: here".to_owned(),
        format!("Host: 127.0.0.1:{port}\r\nHost: evil.test"),
    ];
    for host in &hosts {
        for path in ["/", "/api/v1/status", "/nowhere"] {
            let answer = exchange(daemon.browsers, &request("GET", path, &[host, &cookie], ""));
            assert!([400, 421].contains(&answer.status), "{host} {path}: {}", answer.status);
            assert!(!answer.body.contains("networks"), "{host} {path}");
        }
    }
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_tells_the_browser_what_to_refuse() {
    let daemon = Running::start();
    let browser = Browser::signed_in(&daemon).await;
    for path in ["/", "/api/v1/status", "/api/v1/nothing", "/assets/nothing.js"] {
        let answer = browser.send_from("GET", path, "", &[]);
        let policy = answer.header("content-security-policy").unwrap_or_else(|| panic!("{path}"));
        assert!(policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        for (name, value) in [("x-content-type-options", "nosniff"), ("referrer-policy", "no-referrer")] {
            assert_eq!(answer.header(name), Some(value), "{path}");
        }
    }
    for path in ["/../Cargo.toml", "/%2e%2e/Cargo.toml", "/..%5cCargo.toml", "//etc/passwd.txt", "/a%00.js"] {
        let answer = browser.send_from("GET", path, "", &[]);
        assert!([400, 404].contains(&answer.status), "{path}: {}", answer.status);
    }
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_that_never_finish_their_request_take_nobodys_place() {
    let daemon = Running::start();
    let browser = Browser::signed_in(&daemon).await;
    let mut slow = Vec::new();
    for _ in 0..1000 {
        let mut stream = TcpStream::connect(daemon.browsers).unwrap();
        // Its place may be given to the next one already.
        let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: ");
        slow.push(stream);
    }
    let begun = Instant::now();
    assert_eq!(browser.send("GET", "/api/v1/status", "").status, 200);
    println!("answered among a thousand after {:?}", begun.elapsed());

    let mut huge = TcpStream::connect(daemon.browsers).unwrap();
    let head = format!(
        "POST /api/v1/session HTTP/1.1\r\nHost: {0}\r\nOrigin: http://{0}\r\nContent-Length: 1073741824\r\n\r\n",
        daemon.browsers
    );
    huge.write_all(head.as_bytes()).unwrap();
    let chunk = vec![b' '; 1 << 16];
    let mut taken = 0;
    while taken < 64 << 20 && huge.write_all(&chunk).is_ok() {
        taken += chunk.len();
    }
    assert!(taken < 64 << 20, "a body that is too large is not read to its end");
    assert_eq!(browser.send("GET", "/api/v1/status", "").status, 200);
    daemon.stop().await;
}
