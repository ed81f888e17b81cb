//! Takes an invite out of what was pasted, scanned or opened: the text itself or a `holloway:` link around it. Everything
//! else is refused as text; nothing is ever opened or loaded. Whether the invite is good is for the daemon to say.

use crate::fault::Fault;

/// What every invite starts with.
const PREFIX: &str = "holloway1";
/// Links that lead here, in the forms that people and other programs make of them.
const SCHEME: &str = "holloway:";
/// As long as the daemon looks at.
const TEXT_LEN_MAX: usize = 16 * 1024;
/// Shorter than any signature, so that a word in a sentence is not taken for an invite.
const PAYLOAD_LEN_MIN: usize = 64;

/// Reads an invite, in either case and with white space anywhere, as mail and chat programs leave it.
///
/// # Errors
/// The text is something else.
pub(crate) fn read(text: &str) -> Result<String, Fault> {
    if text.len() > TEXT_LEN_MAX {
        return Err(Fault::NotAnInvite);
    }
    let compact: String = text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_ascii_lowercase()).collect();
    let bare = match compact.strip_prefix(SCHEME) {
        Some(link) => {
            let link = link.trim_start_matches('/');
            link.strip_prefix("join/").unwrap_or(link).trim_end_matches('/')
        }
        None => &compact,
    };
    let payload = bare.strip_prefix(PREFIX).ok_or(Fault::NotAnInvite)?;
    let is_base32 = payload.bytes().all(|byte| byte.is_ascii_lowercase() || (b'2'..=b'7').contains(&byte));
    if !is_base32 || payload.len() < PAYLOAD_LEN_MIN {
        return Err(Fault::NotAnInvite);
    }
    Ok(bare.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invite() -> String {
        format!("holloway1{}", "qjmh7kab".repeat(20))
    }

    #[test]
    fn an_invite_is_read_however_it_arrives() {
        let plain = invite();
        for text in [
            plain.clone(),
            format!("  {}\n  {}\r\n", &plain[..40], &plain[40..]),
            plain.to_ascii_uppercase(),
            format!("holloway:{plain}"),
            format!("holloway://{plain}/"),
            format!("holloway://join/{plain}"),
            format!("HOLLOWAY://{plain}"),
        ] {
            assert_eq!(read(&text).unwrap(), plain, "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused_as_text() {
        let plain = invite();
        for text in [
            String::new(),
            "javascript:alert(1)".to_owned(),
            format!("javascript:{plain}"),
            format!("javascript://{plain}"),
            format!("https://example.org/{plain}"),
            format!("data:text/html,{plain}"),
            format!("file:///{plain}"),
            format!("holloway:javascript:{plain}"),
            format!("{plain}<script>"),
            format!("{plain}?x=1"),
            format!("{plain}#x"),
            format!("{plain}/../x"),
            format!("{plain}0"),
            plain.replace("holloway1", "holloway2"),
            plain[..60].to_owned(),
            format!("holloway1{}", "a".repeat(TEXT_LEN_MAX)),
            "--state-dir".to_owned(),
        ] {
            assert!(matches!(read(&text), Err(Fault::NotAnInvite)), "{text}");
        }
    }
}
