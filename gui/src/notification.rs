//! Notifications of the desktop. Their words come from the pages, and in part from other machines.

use crate::fault::Fault;

/// Longer texts are cut: no desktop shows them.
const TEXT_CHARS_MAX: usize = 300;

/// Shows one.
///
/// # Errors
/// The desktop has no notifications.
pub(crate) fn show(title: &str, body: &str) -> Result<(), Fault> {
    let mut notification = notify_rust::Notification::new();
    notification.appname("Holloway").icon("holloway-gui").summary(&plain(title)).body(&without_markup(&plain(body)));
    notification.show().map_err(|error| Fault::Program { program: "notifications", said: error.to_string() })?;
    Ok(())
}

/// One line of bounded length.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(TEXT_CHARS_MAX).collect()
}

/// Bodies may hold markup (Desktop Notifications Specification §4); ours never do.
fn without_markup(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_other_machines_stay_text() {
        assert_eq!(without_markup(&plain("<a href='x'>b</a>\u{1b}[31m\n&")), "&lt;a href='x'&gt;b&lt;/a&gt;[31m&amp;");
        assert_eq!(plain(&"a".repeat(TEXT_CHARS_MAX + 1)).len(), TEXT_CHARS_MAX);
    }
}
