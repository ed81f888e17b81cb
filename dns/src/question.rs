//! What is asked: a name and a record type, class IN.

use std::fmt;

use hickory_proto::rr::{Name, RecordType};
use thiserror::Error;

use crate::name::{self, NameFault};

/// A question of class IN: a name, in the letter case it was asked in, and a record type.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Question {
    pub(crate) name: Name,
    pub(crate) rtype: RecordType,
}

/// Why a text is no question.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum QuestionError {
    /// The name is no domain name.
    #[error("{0:?} is not a domain name")]
    Name(String),
    /// The type is neither a known name nor `TYPE` and a number.
    #[error("{0:?} is not a record type; write a name such as AAAA, or TYPE and a number")]
    Type(String),
}

impl Question {
    /// Parses a name, with or without its final dot, and a type such as `AAAA` or `TYPE65`.
    ///
    /// # Errors
    ///
    /// Says which of the two is wrong.
    pub fn parse(name: &str, rtype: &str) -> Result<Self, QuestionError> {
        let bad_name = |_: NameFault| QuestionError::Name(name.to_owned());
        let rtype = record_type(rtype).ok_or_else(|| QuestionError::Type(rtype.to_owned()))?;
        Ok(Self::new(name::parse(name).map_err(bad_name)?, rtype))
    }

    pub(crate) fn new(name: Name, rtype: RecordType) -> Self {
        Self { name, rtype }
    }

    /// Returns the name in presentation form, with its final dot.
    pub fn name(&self) -> String {
        name::presentation(&self.name)
    }

    /// Returns the record type, such as `AAAA` or `TYPE4711`.
    pub fn rtype(&self) -> String {
        type_text(self.rtype)
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name(), self.rtype())
    }
}

pub(crate) fn type_text(rtype: RecordType) -> String {
    if let RecordType::Unknown(number) = rtype {
        return format!("TYPE{number}");
    }
    rtype.to_string()
}

fn record_type(text: &str) -> Option<RecordType> {
    let upper = text.to_ascii_uppercase();
    if let Some(number) = upper.strip_prefix("TYPE") {
        return number.parse::<u16>().ok().map(RecordType::from);
    }
    upper.parse().ok()
}
