//! Domain names as the zone sorts and shows them.
//!
//! Knows labels and their canonical order (RFC 4034 section 6.1), nothing of zones.

use std::fmt::Write as _;

use hickory_proto::rr::Name;

/// Most labels a name can have: 255 octets, two for each label, one for the root (RFC 1035, 3.1).
const LABELS_MAX: usize = 127;

/// Room for a canonical key: every octet of a name may need an escape (see [`NameKey`]).
const KEY_BYTES_MAX: usize = 512;

/// A name as a sortable key: labels from the root downwards, in lower case.
///
/// Each label ends with a zero octet; 0 and 1 inside a label are escaped, so that comparing keys
/// octet by octet is comparing names in canonical order, and the key of an ancestor is a prefix
/// of the keys below it. It lives on the stack: a lookup allocates nothing for it.
#[derive(Clone)]
pub(crate) struct NameKey {
    bytes: [u8; KEY_BYTES_MAX],
    ends: [u16; LABELS_MAX + 1],
    labels: usize,
}

impl NameKey {
    pub(crate) fn of(name: &Name) -> Self {
        let mut key = Self { bytes: [0; KEY_BYTES_MAX], ends: [0; LABELS_MAX + 1], labels: 0 };
        for label in name.iter().rev() {
            key.push(label);
        }
        key
    }

    /// Returns the number of labels, the root not counted.
    pub(crate) fn labels(&self) -> usize {
        self.labels
    }

    /// Returns the key of the ancestor with `labels` labels.
    pub(crate) fn ancestor(&self, labels: usize) -> &[u8] {
        &self.bytes[..usize::from(self.ends[labels])]
    }

    /// Returns the whole key.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.ancestor(self.labels)
    }

    /// Returns the key of `*` directly under the ancestor with `labels` labels.
    pub(crate) fn wildcard_under(&self, labels: usize) -> Self {
        let mut key = self.clone();
        key.labels = labels;
        key.push(b"*");
        key
    }

    fn push(&mut self, label: &[u8]) {
        let mut end = usize::from(self.ends[self.labels]);
        for octet in label {
            match octet.to_ascii_lowercase() {
                escaped @ (0 | 1) => {
                    self.bytes[end] = 1;
                    self.bytes[end + 1] = escaped + 1;
                    end += 2;
                }
                plain => {
                    self.bytes[end] = plain;
                    end += 1;
                }
            }
        }
        self.bytes[end] = 0;
        self.labels += 1;
        self.ends[self.labels] = u16::try_from(end + 1).expect("a name has at most 255 octets, doubled at most");
    }
}

/// Returns the name in presentation form with its final dot (RFC 1035 section 5.1).
pub(crate) fn presentation(name: &Name) -> String {
    if name.is_root() {
        return ".".to_owned();
    }
    let mut text = String::with_capacity(name.len() + 1);
    for label in name.iter() {
        for &octet in label {
            push_octet(&mut text, octet);
        }
        text.push('.');
    }
    text
}

fn push_octet(text: &mut String, octet: u8) {
    match octet {
        b'.' | b'\\' | b'"' | b'(' | b')' | b';' | b'@' | b'$' => {
            text.push('\\');
            text.push(char::from(octet));
        }
        0x21..=0x7e => text.push(char::from(octet)),
        other => {
            write!(text, "\\{other:03}").expect("writing to a String cannot fail");
        }
    }
}

/// Why a text is no domain name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum NameFault {
    EmptyLabel,
    LabelTooLong,
    NameTooLong,
    ControlCharacter,
    BadCharacter(char),
    BadEscape,
}

/// Most octets of one label (RFC 1035 section 2.3.4).
const LABEL_OCTETS_MAX: usize = 63;

/// Splits presentation text into labels, undoing escapes; a final dot is allowed, `.` is no label.
pub(crate) fn labels_of(text: &str) -> Result<Vec<Vec<u8>>, NameFault> {
    let mut labels = Vec::new();
    let mut label = Vec::new();
    let mut rest = text.strip_suffix('.').filter(|_| !text.ends_with("\\.")).unwrap_or(text).chars();
    if rest.as_str().is_empty() {
        return Ok(labels);
    }
    while let Some(character) = rest.next() {
        match character {
            '.' => labels.push(finish_label(std::mem::take(&mut label))?),
            '\\' => label.push(unescape(&mut rest)?),
            control if control.is_control() => return Err(NameFault::ControlCharacter),
            '!'..='~' => label.push(u8::try_from(character).expect("the arm is ASCII")),
            other => return Err(NameFault::BadCharacter(other)),
        }
    }
    labels.push(finish_label(label)?);
    Ok(labels)
}

fn finish_label(label: Vec<u8>) -> Result<Vec<u8>, NameFault> {
    match label.len() {
        0 => Err(NameFault::EmptyLabel),
        1..=LABEL_OCTETS_MAX => Ok(label),
        _ => Err(NameFault::LabelTooLong),
    }
}

fn unescape(rest: &mut std::str::Chars<'_>) -> Result<u8, NameFault> {
    let text = rest.as_str();
    let decimal = text.get(..3).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()));
    if let Some(octet) = decimal.and_then(|digits| digits.parse::<u8>().ok()) {
        *rest = text[3..].chars();
        return Ok(octet);
    }
    match rest.next() {
        Some(plain @ '!'..='~') if !plain.is_ascii_digit() => Ok(u8::try_from(plain).expect("the arm is ASCII")),
        _ => Err(NameFault::BadEscape),
    }
}

/// Joins labels into a fully qualified name.
pub(crate) fn join<'l>(labels: impl IntoIterator<Item = &'l [u8]>) -> Result<Name, NameFault> {
    Name::from_labels(labels).map_err(|_| NameFault::NameTooLong)
}

/// Parses presentation text as a fully qualified name, with or without the final dot.
pub(crate) fn parse(text: &str) -> Result<Name, NameFault> {
    join(labels_of(text)?.iter().map(Vec::as_slice))
}

/// Tells whether a name is `domain`, written without its final dot, or lies below it.
pub(crate) fn is_under(name: &Name, domain: &str) -> bool {
    let mut labels = name.iter().rev();
    domain.rsplit('.').all(|wanted| labels.next().is_some_and(|label| label.eq_ignore_ascii_case(wanted.as_bytes())))
}
