//! Is this request meant for us, and does it come from our own pages?

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;

use super::super::refusal::Refusal;
use crate::api::ErrorCode;

/// What browsers say of where a request comes from, which no script can forge.
const FETCH_SITE: &str = "sec-fetch-site";

/// The names and ports by which browsers may call this server. A name that is none of these belongs to somebody else, also
/// when it resolves to this machine (DNS rebinding).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorities {
    /// What comes before `://`.
    scheme: &'static str,
    names: Arc<[String]>,
}

impl Authorities {
    /// Those of a server that listens here; further host names with the same port.
    #[must_use]
    pub fn of(listen: SocketAddr, further: &[String]) -> Self {
        let port = listen.port();
        let mut names = Vec::new();
        // Nobody calls a server by the address that stands for all addresses.
        if !listen.ip().is_unspecified() {
            names.push(listen.to_string());
        }
        if listen.ip().is_loopback() {
            names.push(format!("localhost:{port}"));
        }
        names.extend(further.iter().map(|name| format!("{}:{port}", name.to_ascii_lowercase())));
        Self { scheme: "http", names: names.into() }
    }

    /// The same for a server that speaks TLS.
    #[must_use]
    pub fn encrypted(self) -> Self {
        Self { scheme: "https", ..self }
    }

    /// Whether it speaks TLS.
    pub(super) fn is_encrypted(&self) -> bool {
        self.scheme == "https"
    }

    /// The address of the first page, by the first name.
    #[must_use]
    pub fn address(&self) -> String {
        format!("{}://{}/", self.scheme, self.names.first().map_or("", String::as_str))
    }

    fn has(&self, authority: &str) -> bool {
        self.names.iter().any(|name| name.eq_ignore_ascii_case(authority))
    }

    fn is_ours(&self, origin: &str) -> bool {
        let authority = origin.strip_prefix(self.scheme).and_then(|rest| rest.strip_prefix("://"));
        authority.is_some_and(|authority| self.has(authority))
    }

    /// Whether a request is for this server: one `Host`, and a request line that says nothing else.
    fn is_meant(&self, request: &Request) -> bool {
        let is_same = |authority: &axum::http::uri::Authority| self.has(authority.as_str());
        sole(request.headers(), HOST.as_str()).is_some_and(|host| self.has(host))
            && request.uri().authority().is_none_or(is_same)
    }

    /// Whether a request comes from our own pages, or from the person in front of the browser. What changes something has
    /// to say where it comes from.
    fn is_from_ours(&self, request: &Request) -> bool {
        let headers = request.headers();
        let is_safe = matches!(*request.method(), Method::GET | Method::HEAD);
        let is_near = match sole(headers, FETCH_SITE) {
            Some(site) => site == "same-origin" || (site == "none" && is_safe),
            None => !headers.contains_key(FETCH_SITE),
        };
        let is_page = is_safe && !request.uri().path().starts_with("/api/");
        let origin_fits = match sole(headers, ORIGIN.as_str()) {
            Some(origin) => self.is_ours(origin),
            None => is_safe && !headers.contains_key(ORIGIN),
        };
        // Whoever follows a link to a page comes from elsewhere; the page tells nothing and changes nothing.
        (is_page || is_near) && origin_fits
    }
}

/// The value of a header that is there exactly once.
fn sole<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(first)
}

/// Lets only what is meant for us and comes from our pages pass.
pub(super) async fn guard(
    State(authorities): State<Authorities>,
    request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    if !authorities.is_meant(&request) {
        let message = format!("this is not who was asked for; the pages are at {}", authorities.address());
        return Err(Refusal::with_status(StatusCode::MISDIRECTED_REQUEST, ErrorCode::PermissionDenied, message));
    }
    if !authorities.is_from_ours(&request) {
        let message = "a page of another site asked for this".to_owned();
        return Err(Refusal::with_status(StatusCode::FORBIDDEN, ErrorCode::PermissionDenied, message));
    }
    Ok(next.run(request).await)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn authorities() -> Authorities {
        Authorities::of("127.0.0.1:42080".parse().unwrap(), &[])
    }

    fn request(method: Method, path: &str, headers: &[(&str, &str)]) -> Request {
        let mut builder = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        builder.body(Body::empty()).unwrap()
    }

    #[test]
    fn only_our_own_names_and_port_are_meant() {
        let is_meant = |hosts: &[&str]| {
            let headers: Vec<_> = hosts.iter().map(|host| ("host", *host)).collect();
            authorities().is_meant(&request(Method::GET, "/", &headers))
        };
        assert!(is_meant(&["127.0.0.1:42080"]) && is_meant(&["LOCALHOST:42080"]));
        let others: [&[&str]; 9] = [
            &[],
            &[""],
            &["evil.test"],
            &["evil.test:42080"],
            &["127.0.0.1"],
            &["127.0.0.1.nip.io:42080"],
            &["0.0.0.0:42080"],
            &["[::]:42080"],
            &["127.0.0.1:42080", "evil.test"],
        ];
        for hosts in others {
            assert!(!is_meant(hosts), "{hosts:?}");
        }
        let absolute = request(Method::GET, "http://evil.test/", &[("host", "127.0.0.1:42080")]);
        assert!(!authorities().is_meant(&absolute));
    }

    #[test]
    fn what_changes_something_comes_from_our_pages_only() {
        const OURS: &str = "http://127.0.0.1:42080";
        let may = |method: Method, path: &str, headers: &[(&str, &str)]| {
            authorities().is_from_ours(&request(method, path, headers))
        };
        assert!(may(Method::POST, "/api/v1/invites", &[("origin", OURS), (FETCH_SITE, "same-origin")]));
        assert!(may(Method::POST, "/api/v1/invites", &[("origin", OURS)]));
        let strange: [&[(&str, &str)]; 6] = [
            &[],
            &[("origin", "null")],
            &[("origin", "http://evil.test")],
            &[("origin", "http://127.0.0.1:42081")],
            &[("origin", OURS), (FETCH_SITE, "cross-site")],
            &[("origin", OURS), ("origin", "http://evil.test")],
        ];
        for headers in strange {
            assert!(!may(Method::POST, "/api/v1/invites", headers), "{headers:?}");
        }
    }

    #[test]
    fn the_api_is_not_read_from_other_sites_and_a_link_to_a_page_may_be_followed() {
        let may =
            |path: &str, site: &str| authorities().is_from_ours(&request(Method::GET, path, &[(FETCH_SITE, site)]));
        assert!(may("/api/v1/status", "same-origin") && may("/api/v1/status", "none"));
        assert!(!may("/api/v1/status", "cross-site") && !may("/api/v1/stream", "same-site"));
        assert!(may("/", "cross-site"));
    }
}
