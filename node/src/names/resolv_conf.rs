//! The text of `resolv.conf` (resolv.conf(5)): whose servers it names, and ours in their place. Knows no files.

use std::fs;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::path::Path;

const DNS_PORT: u16 = 53;
/// Servers that are taken over; the C library itself uses three.
const SERVERS_MAX: usize = 8;
/// Domains in a search list that every C library accepts (glibc before 2.26 took no more).
const SEARCH_MAX: usize = 6;
const FIRST_LINE: &str = "# Written by holloway: names under .alt are answered on this machine.";

/// The servers named there, in order, without `own`.
pub(super) fn servers(text: &str, own: IpAddr, sys: &Path) -> Vec<SocketAddr> {
    let named = text.lines().filter_map(|line| values_of(line, "nameserver")?.next());
    let mut servers: Vec<SocketAddr> = Vec::new();
    for server in named.filter_map(|value| server(value, sys)) {
        if server.ip() != own && !servers.contains(&server) {
            servers.push(server);
        }
    }
    servers.truncate(SERVERS_MAX);
    servers
}

/// Whether a daemon of ours wrote this text.
pub(super) fn is_ours(text: &str) -> bool {
    text.starts_with(FIRST_LINE)
}

/// The text with our server in place of all others; search list (ours last) and options as they were.
pub(super) fn with_our_server(original: &str, own: IpAddr, search: &[String], journal: &Path) -> String {
    let journal: String = journal.to_string_lossy().chars().flat_map(char::escape_debug).collect();
    let mut text = format!(
        "{FIRST_LINE}\n# The file as it was is kept in {journal}; put it back with: holloway down\nnameserver {own}\n"
    );
    let is_replaced = |line: &str| {
        let keywords: &[&str] = if search.is_empty() { &["nameserver"] } else { &["nameserver", "search", "domain"] };
        keywords.iter().any(|keyword| values_of(line, keyword).is_some())
    };
    for line in original.lines().filter(|line| !is_replaced(line)) {
        text.push_str(line);
        text.push('\n');
    }
    if !search.is_empty() {
        let merged = merged_search(original, search).join(" ");
        text.push_str(&format!("search {merged}\n"));
    }
    text
}

/// The text of somebody who edited ours, without our lines; with the original servers where no other would be left.
pub(super) fn without_our_lines(edited: &str, own: IpAddr, original: &str) -> Option<String> {
    let is_our_server = |line: &str| {
        values_of(line, "nameserver").and_then(|mut values| values.next()?.parse::<IpAddr>().ok()) == Some(own)
    };
    if !edited.lines().any(is_our_server) {
        return None;
    }
    let is_ours =
        |line: &str| line == FIRST_LINE || line.starts_with("# The file as it was is kept in ") || is_our_server(line);
    let is_server = |line: &&str| values_of(line, "nameserver").is_some();
    let mut lines: Vec<&str> = edited.lines().filter(|line| !is_ours(line)).collect();
    if !lines.iter().any(is_server) {
        lines.splice(0..0, original.lines().filter(is_server));
    }
    Some(lines.iter().flat_map(|line| [line, "\n"]).collect())
}

/// The last `search` or `domain` line counts (resolv.conf(5)); ours come last.
fn merged_search(original: &str, ours: &[String]) -> Vec<String> {
    let mut theirs = original.lines().filter_map(|line| {
        values_of(line, "search")
            .map(|values| values.map(str::to_owned).collect::<Vec<_>>())
            .or_else(|| values_of(line, "domain").map(|values| values.take(1).map(str::to_owned).collect()))
    });
    let mut merged = theirs.next_back().unwrap_or_default();
    merged.truncate(SEARCH_MAX.saturating_sub(ours.len()));
    for domain in ours {
        if !merged.contains(domain) && merged.len() < SEARCH_MAX {
            merged.push(domain.clone());
        }
    }
    merged
}

/// The values of a line that begins with this keyword.
fn values_of<'a>(line: &'a str, keyword: &str) -> Option<impl Iterator<Item = &'a str>> {
    let mut words = line.split_ascii_whitespace();
    (words.next()? == keyword).then_some(words)
}

/// An address, for link-local ones with its interface (`fe80::1%eth0`).
fn server(value: &str, sys: &Path) -> Option<SocketAddr> {
    if let Ok(ip) = value.parse::<IpAddr>() {
        return Some(SocketAddr::new(ip, DNS_PORT));
    }
    let (address, zone) = value.split_once('%')?;
    let address: Ipv6Addr = address.parse().ok()?;
    if zone.contains('/') {
        return None;
    }
    let index = fs::read_to_string(sys.join("class/net").join(zone).join("ifindex")).ok()?;
    Some(SocketAddrV6::new(address, DNS_PORT, 0, index.trim().parse().ok()?).into())
}
