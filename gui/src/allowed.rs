//! What the pages may ask the daemon: a list, so that what is not on it is decided here and not by whoever gets a script
//! into the pages. Does not know what the daemon permits its callers.

/// Longest target: a name, a network and an id.
const TARGET_LEN_MAX: usize = 1024;

/// Methods and paths under `/api/v1/`; `*` is one segment, whatever it is. Stopping the daemon and links that sign in a
/// browser are missing on purpose.
const ALLOWED: &[(&str, &str)] = &[
    ("GET", "status"),
    ("GET", "peers"),
    ("GET", "relays"),
    ("GET", "routes"),
    ("GET", "events"),
    ("GET", "netcheck"),
    ("GET", "why"),
    ("GET", "names"),
    ("GET", "dns"),
    ("POST", "dns"),
    ("DELETE", "dns"),
    ("GET", "dns/query"),
    ("GET", "certificates"),
    ("GET", "certificates/*"),
    ("GET", "invites"),
    ("POST", "invites"),
    ("DELETE", "invites/*"),
    ("POST", "revocations"),
    ("GET", "blocks"),
    ("POST", "blocks"),
    ("DELETE", "blocks/*"),
    ("POST", "ping"),
    ("POST", "networks"),
    ("DELETE", "networks/*"),
    ("POST", "join"),
    ("POST", "switch"),
    ("GET", "overview"),
    ("GET", "history"),
    ("GET", "connections"),
    ("GET", "security-events"),
    ("POST", "security-events/*"),
    ("DELETE", "security-events/*"),
    ("GET", "audit"),
    ("GET", "accounts"),
    ("PUT", "accounts/*"),
    ("DELETE", "accounts/*"),
];

/// Says whether the pages may ask this: `path` is what follows `/api/v1/`, with its query.
pub(crate) fn is_allowed(method: &str, path: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_~/?&=%+:".contains(&byte) || byte == b'.';
    if path.len() > TARGET_LEN_MAX || !path.bytes().all(plain) {
        return false;
    }
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    ALLOWED.iter().any(|(known, pattern)| *known == method && matches(pattern, path))
}

fn matches(pattern: &str, path: &str) -> bool {
    let mut wanted = pattern.split('/');
    let mut given = path.split('/');
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some("*"), Some(segment)) if is_one_segment(segment) => {}
            (Some(word), Some(segment)) if word == segment => {}
            (Some(_) | None, Some(_) | None) => return false,
        }
    }
}

/// Nothing that a router could read as a step in the path, escaped or not.
fn is_one_segment(segment: &str) -> bool {
    let lower = segment.to_ascii_lowercase();
    let unescaped = lower.replace("%2e", ".");
    !segment.is_empty()
        && unescaped != "."
        && unescaped != ".."
        && !["%2f", "%5c", "%00"].iter().any(|s| lower.contains(s))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_pages_ask_for_is_allowed() {
        for (method, path) in [
            ("GET", "status"),
            ("GET", "events?after=7&limit=500"),
            ("GET", "why?name=bob&network=home"),
            ("GET", "certificates/b%C3%B6b?network=home"),
            ("DELETE", "invites/qkuupmqgqhxcr66e"),
            ("POST", "join"),
            ("POST", "switch"),
        ] {
            assert!(is_allowed(method, path), "{method} {path}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for (method, path) in [
            ("POST", "down"),
            ("POST", "dashboard"),
            ("GET", "session"),
            ("GET", "stream"),
            ("GET", ""),
            ("POST", "status"),
            ("get", "status"),
            ("GET", "/status"),
            ("GET", "status/"),
            ("GET", "status/x"),
            ("GET", "../../metrics"),
            ("GET", "certificates/.."),
            ("GET", "certificates/%2E%2e"),
            ("GET", "certificates/a%2Fb"),
            ("GET", "certificates/a%5cb"),
            ("GET", "certificates/"),
            ("GET", "status HTTP/1.1\r\nhost: x"),
            ("GET", "status#x"),
            ("GET", "http://example.org/"),
        ] {
            assert!(!is_allowed(method, path), "{method} {path}");
        }
        assert!(!is_allowed("GET", &format!("certificates/{}", "a".repeat(TARGET_LEN_MAX))));
    }
}
