//! A record that a host publishes under its own name, parsed from what a person typed.
//!
//! Knows the text form and its limits, not which host publishes it nor what else the zone holds.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use hickory_proto::rr::rdata::{A, AAAA, CNAME, SRV, TXT};
use hickory_proto::rr::{Name, RData};
use thiserror::Error;

use crate::name::{self, NameFault};

/// Most octets of all strings of one TXT record together: the bound of one published object, so
/// that it fits a DHT record.
pub const TXT_BYTES_MAX: usize = 1_000;

/// Most octets of one character string (RFC 1035 section 3.3).
const CHARACTER_STRING_MAX: usize = 255;

/// The types a host may publish.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum RecordKind {
    /// An IPv4 address.
    A,
    /// An IPv6 address.
    Aaaa,
    /// An alias.
    Cname,
    /// Text.
    Txt,
    /// The place of a service (RFC 2782).
    Srv,
}

/// A record under a host's own name, such as `wiki AAAA fd42::1`; always valid.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct PublishedRecord {
    labels: Vec<Vec<u8>>,
    kind: RecordKind,
    data: RData,
    name: String,
    value: String,
}

/// Why a published record is refused.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum RecordError {
    /// The type is not one a host may publish.
    #[error("{0:?} is not a type that can be published; use A, AAAA, CNAME, TXT or SRV")]
    UnknownType(String),
    /// The name or value holds a control character.
    #[error("control characters are not allowed, neither in names nor in values")]
    ControlCharacter,
    /// The name holds a character that names do not have.
    #[error("{0:?} cannot stand in a name; use letters, digits, '-' and '_' (write international names as xn--…)")]
    BadCharacter(char),
    /// A backslash is not followed by three decimal digits below 256 or a character.
    #[error("a backslash in a name needs three decimal digits (\\000 to \\255) or a character behind it")]
    BadEscape,
    /// Two dots follow each other, or the name begins with one.
    #[error("the name has an empty label (a dot too many)")]
    EmptyLabel,
    /// A label is longer than 63 octets.
    #[error("a part of the name is longer than 63 octets")]
    LabelTooLong,
    /// The whole name is longer than 255 octets.
    #[error("the whole name is longer than 255 octets")]
    NameTooLong,
    /// The name ends with a dot, but names are relative to the host.
    #[error("the name is relative to the host: write it without the final dot")]
    NotRelative,
    /// A label begins or ends with a hyphen.
    #[error("a part of the name begins or ends with '-'")]
    Hyphen,
    /// A `*` stands elsewhere than alone in the leftmost label.
    #[error("'*' can only stand alone as the leftmost part of a name")]
    Wildcard,
    /// The value of an A record is no IPv4 address.
    #[error("{0:?} is not an IPv4 address")]
    NotIpv4(String),
    /// The value of an AAAA record is no IPv6 address.
    #[error("{0:?} is not an IPv6 address")]
    NotIpv6(String),
    /// The target of a CNAME or SRV is a single label.
    #[error("{0:?} is not a whole name; write all of it, such as web.bob.home.alt")]
    TargetNotWhole(String),
    /// The value of an SRV record is not priority, weight, port and target.
    #[error("an SRV value is four words: priority weight port target, such as 0 5 8080 web.bob.home.alt")]
    SrvForm,
    /// A TXT value is longer than [`TXT_BYTES_MAX`].
    #[error("the text is {0} bytes long; {TXT_BYTES_MAX} are allowed")]
    TextTooLong(usize),
    /// A CNAME stands, or would stand, beside other records of the same name.
    #[error("a CNAME cannot stand beside other records of the same name (RFC 1034 section 3.6.2)")]
    CnameNotAlone,
}

impl PublishedRecord {
    /// Parses a record as typed.
    ///
    /// `name` is relative to the host: `wiki`, `_http._tcp`, `*`, or empty for the host's own
    /// name; an octet outside letters, digits, `-` and `_` is written as `\DDD`. `value` is an
    /// address, a text, `priority weight port target` for SRV, or a target for CNAME. A target is
    /// always a whole name, with or without the final dot; it is never completed by the host's
    /// name or a search list, and a single label is refused because it would surprise.
    ///
    /// # Errors
    ///
    /// Says which part is wrong and what would be right.
    pub fn parse(name: &str, rtype: &str, value: &str) -> Result<Self, RecordError> {
        let kind = rtype.parse::<RecordKind>()?;
        let labels = relative_labels(name)?;
        let (data, value) = data_of(kind, value)?;
        Ok(Self { labels, kind, data, name: name.to_ascii_lowercase(), value })
    }

    /// Returns the name relative to the host, in lower case; empty for the host's own name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the type.
    pub fn kind(&self) -> RecordKind {
        self.kind
    }

    /// Returns the value in its canonical form; parsing it again gives an equal record.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Checks that this record can stand beside `others` of the same host.
    ///
    /// # Errors
    ///
    /// [`RecordError::CnameNotAlone`] if a CNAME would share its name with another record. That
    /// the host's own name has addresses is for the caller to add as a record.
    pub fn fits_beside(&self, others: &[Self]) -> Result<(), RecordError> {
        let same_name = others.iter().filter(|other| self.has_name_of(other) && *other != self);
        let alias = |record: &Self| record.kind == RecordKind::Cname;
        for other in same_name {
            if alias(self) || alias(other) {
                return Err(RecordError::CnameNotAlone);
            }
        }
        Ok(())
    }

    pub(crate) fn labels(&self) -> impl Iterator<Item = &[u8]> {
        self.labels.iter().map(Vec::as_slice)
    }

    pub(crate) fn data(&self) -> &RData {
        &self.data
    }

    fn has_name_of(&self, other: &Self) -> bool {
        self.labels.len() == other.labels.len()
            && self.labels.iter().zip(&other.labels).all(|(a, b)| a.eq_ignore_ascii_case(b))
    }
}

impl fmt::Display for PublishedRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.name.is_empty() { "@" } else { &self.name };
        write!(f, "{name} {} {}", self.kind, self.value)
    }
}

impl FromStr for RecordKind {
    type Err = RecordError;

    fn from_str(text: &str) -> Result<Self, RecordError> {
        match text.to_ascii_uppercase().as_str() {
            "A" => Ok(Self::A),
            "AAAA" => Ok(Self::Aaaa),
            "CNAME" => Ok(Self::Cname),
            "TXT" => Ok(Self::Txt),
            "SRV" => Ok(Self::Srv),
            _ => Err(RecordError::UnknownType(text.to_owned())),
        }
    }
}

impl fmt::Display for RecordKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Cname => "CNAME",
            Self::Txt => "TXT",
            Self::Srv => "SRV",
        })
    }
}

impl From<NameFault> for RecordError {
    fn from(fault: NameFault) -> Self {
        match fault {
            NameFault::EmptyLabel => Self::EmptyLabel,
            NameFault::LabelTooLong => Self::LabelTooLong,
            NameFault::NameTooLong => Self::NameTooLong,
            NameFault::ControlCharacter => Self::ControlCharacter,
            NameFault::BadCharacter(character) => Self::BadCharacter(character),
            NameFault::BadEscape => Self::BadEscape,
        }
    }
}

fn relative_labels(name: &str) -> Result<Vec<Vec<u8>>, RecordError> {
    if name.is_empty() {
        return Ok(Vec::new());
    }
    if name.ends_with('.') && !name.ends_with("\\.") {
        return Err(RecordError::NotRelative);
    }
    only_name_characters(name)?;
    let labels = name::labels_of(name)?;
    for (position, label) in labels.iter().enumerate() {
        acceptable_label(label, position)?;
    }
    name::join(labels.iter().map(Vec::as_slice))?;
    Ok(labels)
}

fn only_name_characters(name: &str) -> Result<(), RecordError> {
    let mut characters = name.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => drop(characters.next()),
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' | '.' | '*' => {}
            control if control.is_control() => return Err(RecordError::ControlCharacter),
            other => return Err(RecordError::BadCharacter(other)),
        }
    }
    Ok(())
}

fn acceptable_label(label: &[u8], position: usize) -> Result<(), RecordError> {
    if label.contains(&b'*') && (label != b"*" || position != 0) {
        return Err(RecordError::Wildcard);
    }
    if label.starts_with(b"-") || label.ends_with(b"-") {
        return Err(RecordError::Hyphen);
    }
    if label.iter().any(u8::is_ascii_control) {
        return Err(RecordError::ControlCharacter);
    }
    Ok(())
}

fn data_of(kind: RecordKind, value: &str) -> Result<(RData, String), RecordError> {
    if value.chars().any(char::is_control) {
        return Err(RecordError::ControlCharacter);
    }
    match kind {
        RecordKind::A => ipv4(value.trim()),
        RecordKind::Aaaa => ipv6(value.trim()),
        RecordKind::Cname => cname(value.trim()),
        RecordKind::Txt => txt(value),
        RecordKind::Srv => srv(value),
    }
}

fn ipv4(value: &str) -> Result<(RData, String), RecordError> {
    let address: Ipv4Addr = value.parse().map_err(|_| RecordError::NotIpv4(value.to_owned()))?;
    Ok((RData::A(A(address)), address.to_string()))
}

fn ipv6(value: &str) -> Result<(RData, String), RecordError> {
    let address: Ipv6Addr = value.parse().map_err(|_| RecordError::NotIpv6(value.to_owned()))?;
    Ok((RData::AAAA(AAAA(address)), address.to_string()))
}

fn cname(value: &str) -> Result<(RData, String), RecordError> {
    let target = whole_name(value)?;
    let text = name::presentation(&target);
    Ok((RData::CNAME(CNAME(target)), text))
}

fn txt(value: &str) -> Result<(RData, String), RecordError> {
    if value.len() > TXT_BYTES_MAX {
        return Err(RecordError::TextTooLong(value.len()));
    }
    let mut strings: Vec<&[u8]> = value.as_bytes().chunks(CHARACTER_STRING_MAX).collect();
    if strings.is_empty() {
        strings.push(b"");
    }
    Ok((RData::TXT(TXT::from_bytes(strings)), value.to_owned()))
}

fn srv(value: &str) -> Result<(RData, String), RecordError> {
    let mut words = value.split_ascii_whitespace();
    let mut number = || words.next()?.parse::<u16>().ok();
    let (Some(priority), Some(weight), Some(port)) = (number(), number(), number()) else {
        return Err(RecordError::SrvForm);
    };
    let (Some(target), None) = (words.next(), words.next()) else {
        return Err(RecordError::SrvForm);
    };
    // RFC 2782: a target of "." says that the service is decidedly not available here.
    let target = if target == "." { Name::root() } else { whole_name(target)? };
    let text = format!("{priority} {weight} {port} {}", name::presentation(&target));
    Ok((RData::SRV(SRV::new(priority, weight, port, target)), text))
}

fn whole_name(text: &str) -> Result<Name, RecordError> {
    only_name_characters(text)?;
    let labels = name::labels_of(text)?;
    if labels.len() < 2 {
        return Err(RecordError::TargetNotWhole(text.to_owned()));
    }
    Ok(name::join(labels.iter().map(Vec::as_slice))?.to_lowercase())
}
