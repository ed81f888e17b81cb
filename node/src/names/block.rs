//! The managed block in the text of `/etc/hosts` (hosts(5)). Knows no files.

use std::net::IpAddr;

const BEGIN: &str = "# BEGIN holloway ";
const END: &str = "# END holloway";
/// Names in the block: as many as a network replicates in full (DNS.md §6.5).
const ENTRIES_MAX: usize = 10_000;
/// Longest name (RFC 1035 §2.3.4).
const NAME_LEN_MAX: usize = 253;

/// One name with one address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HostsEntry {
    /// The full name, without a final dot.
    pub(crate) name: String,
    /// Its address.
    pub(crate) address: IpAddr,
}

/// Takes our block out. `glued` says that the newline before it is ours, too.
pub(super) fn without(text: &str, owner: &str, glued: bool) -> String {
    let Some((before, _, after)) = split(text, owner) else {
        return text.to_owned();
    };
    let before = if glued && after.is_empty() { before.strip_suffix('\n').unwrap_or(before) } else { before };
    format!("{before}{after}")
}

/// Puts our block in, in the place of an earlier one or at the end.
pub(super) fn with(text: &str, owner: &str, entries: &[HostsEntry]) -> String {
    let (before, after) = split(text, owner).map_or((text, ""), |(before, _, after)| (before, after));
    let glue = if needs_glue(before) { "\n" } else { "" };
    format!("{before}{glue}{}{after}", block(owner, entries))
}

/// Whether a newline is missing at the end, so that a block cannot follow.
pub(super) fn needs_glue(text: &str) -> bool {
    !text.is_empty() && !text.ends_with('\n')
}

/// The text before our block, the block, and the text after it. Where somebody cut off the end of the block, it ends
/// with the last line that can be ours.
fn split<'a>(text: &'a str, owner: &str) -> Option<(&'a str, &'a str, &'a str)> {
    let first = begin(owner);
    let (mut position, mut start, mut end) = (0, None, None);
    for line in text.split_inclusive('\n') {
        let next = position + line.len();
        let content = line.trim_end_matches(['\n', '\r']);
        if start.is_none() {
            if content == first {
                (start, end) = (Some(position), Some(next));
            }
        } else if content == END {
            end = Some(next);
            break;
        } else if is_entry(content) {
            end = Some(next);
        } else {
            break;
        }
        position = next;
    }
    let (start, end) = (start?, end?);
    Some((&text[..start], &text[start..end], &text[end..]))
}

fn block(owner: &str, entries: &[HostsEntry]) -> String {
    let mut block = begin(owner);
    block.push('\n');
    for entry in entries.iter().filter(|entry| is_name(&entry.name)).take(ENTRIES_MAX) {
        block.push_str(&format!("{} {}\n", entry.address, entry.name));
    }
    block.push_str(END);
    block.push('\n');
    block
}

/// The owner tells apart the blocks of several daemons.
fn begin(owner: &str) -> String {
    let owner: String = owner.chars().flat_map(char::escape_debug).collect();
    format!("{BEGIN}{owner}: removed by holloway down")
}

fn is_entry(line: &str) -> bool {
    line.split_once(' ').is_some_and(|(address, name)| address.parse::<IpAddr>().is_ok() && is_name(name))
}

/// Names come from other machines; nothing but letters, digits, hyphen, underscore and dot reaches the file.
fn is_name(name: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    !name.is_empty() && name.len() <= NAME_LEN_MAX && name.ends_with(".alt") && name.bytes().all(is_plain)
}
