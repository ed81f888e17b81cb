//! Text from elsewhere on its way to a terminal. Everything that another machine chose goes through here.

/// Longest text shown in one place: what is longer was not written for a reader.
const CHARS_MAX: usize = 1_000;

/// Makes text harmless: control characters, invisible ones and those that turn the direction of writing become
/// `\u{…}`, and what goes on for ever is cut.
pub(crate) fn shown(text: &str) -> String {
    shortened(text, CHARS_MAX)
}

/// As [`shown`], cut to so many characters of the original.
pub(crate) fn shortened(text: &str, chars_max: usize) -> String {
    let mut chars = text.chars();
    let mut safe = String::with_capacity(text.len().min(chars_max));
    for character in chars.by_ref().take(chars_max) {
        push(&mut safe, character);
    }
    if chars.next().is_some() {
        safe.push('…');
    }
    safe
}

/// As [`shown`], line by line: for our own messages of several lines that quote others.
pub(crate) fn shown_lines(text: &str) -> String {
    text.lines().map(shown).collect::<Vec<_>>().join("\n")
}

/// Escapes what serde leaves in JSON strings although a terminal would act on it. Outside strings JSON has none of it.
pub(crate) fn json(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if is_plain(character) {
            safe.push(character);
        } else {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                safe.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    safe
}

fn push(safe: &mut String, character: char) {
    if is_plain(character) {
        safe.push(character);
    } else {
        safe.extend(character.escape_unicode());
    }
}

/// Whether a character has a shape of its own and no other effect. What `char::escape_debug` escapes beside quotes and
/// backslashes are the Unicode categories of controls, formats, separators, private and unassigned characters, and
/// marks that would attach to what stands before.
fn is_plain(character: char) -> bool {
    matches!(character, '"' | '\'' | '\\') || character.escape_debug().len() == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_act_on_is_shown_as_its_number() {
        assert_eq!(shown("a\nb\r\t\0"), "a\\u{a}b\\u{d}\\u{9}\\u{0}");
        assert_eq!(shown("\u{1b}[31mred"), "\\u{1b}[31mred");
        assert_eq!(shown("\u{9b}31m\u{7f}"), "\\u{9b}31m\\u{7f}");
    }

    #[test]
    fn what_would_mislead_a_reader_is_shown_as_its_number() {
        for hidden in ['\u{202e}', '\u{200f}', '\u{2066}', '\u{200b}', '\u{feff}', '\u{2028}', '\u{e0041}', '\u{301}'] {
            let safe = shown(&format!("x{hidden}y"));
            assert_eq!(safe, format!("x\\u{{{:x}}}y", u32::from(hidden)));
        }
    }

    #[test]
    fn ordinary_text_stays_as_it_is() {
        let text = "it's \"$(id)\" C:\\ – Grüße, 日本 ✓";
        assert_eq!(shown(text), text);
    }

    #[test]
    fn endless_text_is_cut() {
        assert_eq!(shown(&"x".repeat(10_000)).chars().count(), CHARS_MAX + 1);
        assert_eq!(shortened("日本語", 2), "日本…");
        assert_eq!(shortened("日本", 2), "日本");
    }

    #[test]
    fn escaped_json_is_the_same_document() {
        let value = serde_json::json!({"a\u{202e}": "\u{9b}\u{7f}\n\"\\ ü \u{e0041}"});
        let safe = json(&serde_json::to_string(&value).unwrap());
        assert!(!safe.contains(['\u{202e}', '\u{9b}', '\u{7f}', '\u{e0041}']));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).unwrap(), value);
    }
}
