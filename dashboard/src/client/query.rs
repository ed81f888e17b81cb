//! Writes paths and query strings. Knows RFC 3986, no operation.

/// A request target under construction.
pub(super) struct Target {
    text: String,
    separator: char,
}

impl Target {
    /// A target that starts with this path, which needs no escaping.
    pub(super) fn new(path: &str) -> Self {
        let text = path.to_owned();
        Self { text, separator: '?' }
    }

    /// Appends one path segment, whatever it contains.
    pub(super) fn segment(mut self, segment: &str) -> Self {
        self.text.push('/');
        escape(&mut self.text, segment);
        self
    }

    /// Appends a parameter, if it has a value.
    pub(super) fn parameter(mut self, name: &str, value: Option<impl ToString>) -> Self {
        if let Some(value) = value {
            self.text.push(self.separator);
            self.separator = '&';
            self.text.push_str(name);
            self.text.push('=');
            escape(&mut self.text, &value.to_string());
        }
        self
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }
}

/// Escapes everything but the unreserved characters of RFC 3986 §2.3. A lone `.` or `..` would be a step in the path, so
/// dots are escaped too.
fn escape(text: &mut String, value: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push('%');
            text.push(char::from(HEX[usize::from(byte >> 4)]));
            text.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Target;

    #[test]
    fn whatever_a_name_contains_stays_in_its_place() {
        let target = Target::new("/blocks")
            .segment("../a b/ü?")
            .parameter("network", None::<&str>)
            .parameter("label", Some("x&y=z"))
            .parameter("limit", Some(7));
        assert_eq!(target.into_text(), "/blocks/%2E%2E%2Fa%20b%2F%C3%BC%3F?label=x%26y%3Dz&limit=7");
    }
}
