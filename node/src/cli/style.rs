//! Colours and signs, where the terminal has them.

use std::io::{self, IsTerminal};

/// What the reader's terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    colours: Colours,
    signs: Signs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Colours {
    Ansi,
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signs {
    Unicode,
    Ascii,
}

impl Style {
    /// No colours; signs beyond ASCII.
    #[cfg(test)]
    pub(crate) const PLAIN: Self = Self { colours: Colours::None, signs: Signs::Unicode };
    /// No colours, and ASCII.
    #[cfg(test)]
    pub(crate) const ASCII: Self = Self { colours: Colours::None, signs: Signs::Ascii };
    /// Colours, and signs beyond ASCII.
    #[cfg(test)]
    pub(crate) const FULL: Self = Self { colours: Colours::Ansi, signs: Signs::Unicode };

    /// What fits standard output.
    pub(crate) fn of_stdout() -> Self {
        Self::of(io::stdout().is_terminal())
    }

    /// What fits standard error.
    pub(crate) fn of_stderr() -> Self {
        Self::of(io::stderr().is_terminal())
    }

    fn of(is_terminal: bool) -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let wanted = variable("NO_COLOR").is_none() && variable("TERM").is_none_or(|term| term != "dumb");
        let colours = if is_terminal && wanted { Colours::Ansi } else { Colours::None };
        Self { colours, signs: signs(["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(variable).as_deref()) }
    }

    /// Whether there are colours.
    pub(crate) fn has_colours(self) -> bool {
        self.colours == Colours::Ansi
    }

    /// Whether there are signs beyond ASCII.
    pub(crate) fn has_signs(self) -> bool {
        self.signs == Signs::Unicode
    }

    /// The same without colours: for text that is painted by other means.
    pub(crate) fn without_colours(self) -> Self {
        Self { colours: Colours::None, ..self }
    }

    /// Something well.
    pub(crate) fn good(self, text: &str) -> String {
        self.coloured("32", text)
    }

    /// Something to look at.
    pub(crate) fn warning(self, text: &str) -> String {
        self.coloured("33", text)
    }

    /// Something wrong.
    pub(crate) fn bad(self, text: &str) -> String {
        self.coloured("31", text)
    }

    /// A heading.
    pub(crate) fn heading(self, text: &str) -> String {
        self.coloured("1", text)
    }

    /// Something of less interest.
    pub(crate) fn faint(self, text: &str) -> String {
        self.coloured("2", text)
    }

    /// The sign of something that holds.
    pub(crate) fn check_mark(self) -> String {
        self.good(match self.signs {
            Signs::Unicode => "✓",
            Signs::Ascii => "ok",
        })
    }

    /// The sign of something that does not hold.
    pub(crate) fn cross(self) -> String {
        self.bad(match self.signs {
            Signs::Unicode => "✗",
            Signs::Ascii => "no",
        })
    }

    fn coloured(self, code: &str, text: &str) -> String {
        match self.colours {
            Colours::Ansi => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            Colours::None => text.to_owned(),
        }
    }
}

/// The first of the locale's variables that is set decides (POSIX.1-2017 §8.2).
fn signs(locale: Option<&str>) -> Signs {
    let locale = locale.unwrap_or_default().to_ascii_lowercase();
    match locale.contains("utf-8") || locale.contains("utf8") {
        true => Signs::Unicode,
        false => Signs::Ascii,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_locale_of_utf_8_gets_signs_beyond_ascii() {
        assert_eq!(signs(Some("de_DE.UTF-8")), Signs::Unicode);
        assert_eq!(signs(Some("C.utf8")), Signs::Unicode);
        assert_eq!(signs(Some("C")), Signs::Ascii);
        assert_eq!(signs(None), Signs::Ascii);
    }

    #[test]
    fn without_a_terminal_there_are_no_escape_sequences() {
        let text = Style::of(false).bad("no");
        assert_eq!(text, "no");
    }
}
