//! Opens a site of a network in the system's browser, never in our window.

use crate::fault::Fault;

/// Longest name (RFC 1035 §2.3.4).
const NAME_LEN_MAX: usize = 253;
/// Longest label.
const LABEL_LEN_MAX: usize = 63;

/// The address of the site at a name under `.alt`; the names come from other machines.
///
/// # Errors
/// The text is not such a name.
pub(crate) fn address(name: &str) -> Result<String, Fault> {
    let labels = name.strip_suffix(".alt").ok_or(Fault::NotASite)?;
    if name.len() > NAME_LEN_MAX || !labels.split('.').all(is_label) {
        return Err(Fault::NotASite);
    }
    Ok(format!("http://{name}/"))
}

fn is_label(label: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=LABEL_LEN_MAX).contains(&label.len())
        && label.bytes().all(inner)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// Hands an address to the browser that the person has chosen.
///
/// # Errors
/// There is no `xdg-open`, or it cannot be started.
pub(crate) fn open(address: &str) -> Result<(), Fault> {
    crate::starting::detached("xdg-open", &[address])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_under_alt_become_addresses() {
        assert_eq!(address("wiki.bob.home.alt").unwrap(), "http://wiki.bob.home.alt/");
        assert_eq!(address("bob.home.alt").unwrap(), "http://bob.home.alt/");
    }

    #[test]
    fn nothing_else_is_opened() {
        for name in [
            "",
            "alt",
            ".alt",
            "example.org",
            "a.alt.example.org",
            "javascript:alert(1)//.alt",
            "user@bob.home.alt",
            "bob.home.alt/path",
            "bob.home.alt:8080",
            "bob home.alt",
            "-bob.home.alt",
            "--help.alt",
            "b..alt",
            "BOB.home.alt",
            "böb.home.alt",
        ] {
            assert!(matches!(address(name), Err(Fault::NotASite)), "{name}");
        }
        assert!(address(&format!("{}.alt", "a".repeat(LABEL_LEN_MAX + 1))).is_err());
    }
}
