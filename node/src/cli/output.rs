//! The way out: documents and text on stdout, everything else on stderr; nothing here panics when nobody listens.

use std::io::{self, IsTerminal, Write};

use holloway_dashboard::api::ErrorDocument;
use serde::Serialize;

use super::escape;
use super::failure::Failure;
use super::style::Style;

/// How this run of the program speaks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    form: Form,
}

/// For whom the output is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A person.
    Text,
    /// A program: one document.
    Json,
}

impl Output {
    /// Speaks in this form.
    pub(crate) fn new(form: Form) -> Self {
        Self { form }
    }

    /// For whom it is.
    pub(crate) fn form(self) -> Form {
        self.form
    }

    /// Prints the answer to a command: the document itself, or what a person wants to know of it.
    pub(crate) fn answer<T: Serialize>(
        self,
        document: &T,
        text: impl FnOnce(&T, Style) -> String,
    ) -> Result<(), Failure> {
        match self.form {
            Form::Json => self.document(document),
            Form::Text => self.print(&text(document, Style::of_stdout())),
        }
    }

    /// Prints a document on a line of its own.
    pub(crate) fn document(self, document: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(document).expect("documents are strings, numbers, lists and maps");
        self.print(&format!("{}\n", escape::json(&text)))
    }

    /// Prints text as it is.
    pub(crate) fn print(self, text: &str) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
        written.map_err(|error| Failure::output(&error))
    }

    /// Tells a person something beside the answer; a program is told nothing.
    pub(crate) fn note(self, text: &str) {
        match self.form {
            Form::Text => to_stderr(&format!("{text}\n")),
            Form::Json => {}
        }
    }

    /// Tells why a command was refused.
    pub(crate) fn refusal(self, document: &ErrorDocument) {
        to_stderr(&match self.form {
            Form::Json => {
                let text = serde_json::to_string(document).expect("documents are strings, numbers, lists and maps");
                format!("{}\n", escape::json(&text))
            }
            Form::Text => refusal_text(document, Style::of_stderr()),
        });
    }
}

/// Whether a person sits at both ends and can be asked.
pub(crate) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Writes to stderr; there is nobody to tell when that fails.
pub(crate) fn to_stderr(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

fn refusal_text(document: &ErrorDocument, style: Style) -> String {
    let error = &document.error;
    let mut text = format!("{} {}\n", style.bad("holloway:"), escape::shown_lines(&error.message));
    if let Some(hint) = &error.hint {
        text.push_str(&format!("  {}\n", escape::shown_lines(hint)));
    }
    text
}

#[cfg(test)]
mod tests {
    use holloway_dashboard::api::{ApiError, ErrorCode};

    use super::*;

    #[test]
    fn a_refusal_says_what_happened_and_below_it_what_to_do() {
        let error = ApiError::new(ErrorCode::InviteExpired, "the invite has expired").with_hint("run: holloway invite");
        let text = refusal_text(&error.into(), Style::PLAIN);
        assert_eq!(text, "holloway: the invite has expired\n  run: holloway invite\n");
    }

    #[test]
    fn what_others_put_into_a_refusal_cannot_reach_the_terminal() {
        let error = ApiError::new(ErrorCode::NameTaken, "the name \u{1b}[2J\u{202e}bob is taken");
        let text = refusal_text(&error.into(), Style::PLAIN);
        assert!(!text.contains(['\u{1b}', '\u{202e}']));
    }
}
