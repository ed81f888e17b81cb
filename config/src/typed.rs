//! Stage one: what was typed, with its place. Knows TOML's shapes, not which keys exist.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::error::{ConfigError, Origin, quoted};

/// What every variable of ours starts with; `session.rotate_after` is `HOLLOWAY_SESSION_ROTATE_AFTER`.
const VARIABLE_PREFIX: &str = "HOLLOWAY_";

/// A value as typed, before anybody asked what it means.
#[derive(Clone, Debug, PartialEq)]
pub enum RawValue {
    /// A TOML string.
    Text(String),
    /// A TOML integer that fits 64 bits.
    Integer(i64),
    /// `true` or `false`.
    Boolean(bool),
    /// A list; each element with its own place.
    List(Vec<Self>),
    /// A flag or a variable: text that may be meant as any of the above, a list separated by commas.
    Untyped(String),
    /// A section, known only to have been opened.
    Table,
    /// Something no key of ours takes (a float, a date, an integer beyond 64 bits), by its TOML name.
    Other(&'static str),
}

impl RawValue {
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::Text(_) => "a string",
            Self::Integer(_) => "an integer",
            Self::Boolean(_) => "a boolean",
            Self::List(_) => "a list",
            Self::Untyped(_) => "text",
            Self::Table => "a table",
            Self::Other(name) => name,
        }
    }
}

/// One decision: its value and where it was written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Given {
    pub(crate) value: RawValue,
    pub(crate) origin: Origin,
}

/// Everything that was typed, by key path; a later, stronger layer replaces an earlier one.
#[derive(Clone, Debug, Default)]
pub struct Typed {
    given: BTreeMap<Vec<String>, Given>,
}

impl Typed {
    /// Reads TOML text; `path` is only for messages.
    ///
    /// # Errors
    /// Refuses what is not TOML, and a key that is written twice.
    pub fn from_toml(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let document = DeTable::parse(text).map_err(|error| syntax_error(path, text, &error))?;
        let mut reader = Reader { path, text, typed: Self::default() };
        reader.table(&mut Vec::new(), document.get_ref());
        Ok(reader.typed)
    }

    /// Lays the value of a command-line flag over whatever was typed for the dotted `key`.
    #[must_use]
    pub fn with_flag(mut self, key: &str, flag: &str, value: impl Into<String>) -> Self {
        self.put(key, value.into(), Origin::Flag(flag.to_owned()));
        self
    }

    /// Lays a variable over the file: `lookup` is asked for `HOLLOWAY_SECTION_KEY` of every settable key.
    /// Call it before [`with_flag`](Self::with_flag): flags win.
    #[must_use]
    pub fn with_environment(mut self, lookup: impl Fn(&str) -> Option<String>) -> Self {
        for key in crate::reader::KEYS {
            let name = variable_name(key);
            if let Some(value) = lookup(&name) {
                self.put(key, value, Origin::Variable(name));
            }
        }
        self
    }

    fn put(&mut self, key: &str, value: String, origin: Origin) {
        let path = key.split('.').map(str::to_owned).collect();
        let value = RawValue::Untyped(value);
        self.given.insert(path, Given { value, origin });
    }

    /// Takes what was typed for a key; what nobody takes is unknown.
    pub(crate) fn take(&mut self, path: &[&str]) -> Option<Given> {
        let path: Vec<String> = path.iter().map(|part| (*part).to_owned()).collect();
        self.given.remove(&path)
    }

    /// The names typed directly under `[section.…]`.
    pub(crate) fn names_under(&self, section: &str) -> Vec<(String, Origin)> {
        let mut names: Vec<(String, Origin)> = Vec::new();
        for (path, given) in &self.given {
            let [first, name, ..] = path.as_slice() else {
                continue;
            };
            let is_new = names.last().is_none_or(|(last, _)| last != name);
            if first == section && is_new {
                names.push((name.clone(), given.origin.clone()));
            }
        }
        names
    }

    /// What is left, weakest order first.
    pub(crate) fn rest(&self) -> impl Iterator<Item = (&Vec<String>, &Given)> {
        self.given.iter()
    }
}

fn variable_name(key: &str) -> String {
    let mut name = String::from(VARIABLE_PREFIX);
    name.extend(key.chars().map(|c| match c {
        '.' => '_',
        other => other.to_ascii_uppercase(),
    }));
    name
}

/// Flattens a parsed document into key paths with lines.
struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    typed: Typed,
}

impl Reader<'_> {
    /// The parser bounds nesting, so recursion here is bounded too.
    fn table(&mut self, prefix: &mut Vec<String>, table: &DeTable<'_>) {
        for (key, value) in table {
            prefix.push(key.get_ref().to_string());
            let origin = self.origin(key.span());
            self.entry(prefix, value, origin);
            prefix.pop();
        }
    }

    fn entry(&mut self, path: &mut Vec<String>, value: &Spanned<DeValue<'_>>, origin: Origin) {
        let raw = raw_value(value.get_ref());
        let given = Given { value: raw, origin };
        self.typed.given.insert(path.clone(), given);
        if let DeValue::Table(table) = value.get_ref() {
            self.table(path, table);
        }
    }

    fn origin(&self, span: Range<usize>) -> Origin {
        Origin::File { path: self.path.to_owned(), line: line_of(self.text, span.start) }
    }
}

fn raw_value(value: &DeValue<'_>) -> RawValue {
    match value {
        DeValue::String(text) => RawValue::Text(text.to_string()),
        DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix())
            .map_or(RawValue::Other("an integer beyond 64 bits"), RawValue::Integer),
        DeValue::Boolean(boolean) => RawValue::Boolean(*boolean),
        DeValue::Array(list) => RawValue::List(list.iter().map(|v| raw_value(v.get_ref())).collect()),
        DeValue::Table(_) => RawValue::Table,
        DeValue::Float(_) => RawValue::Other("a float"),
        DeValue::Datetime(_) => RawValue::Other("a date"),
    }
}

fn syntax_error(path: &Path, text: &str, error: &toml::de::Error) -> ConfigError {
    let span = error.span().unwrap_or(0..0);
    let origin = Origin::File { path: path.to_owned(), line: line_of(text, span.start) };
    if error.message().contains("duplicate key") {
        let key = text.get(span).unwrap_or_default();
        return ConfigError::key(&origin, key, "is written twice; keep one");
    }
    ConfigError::Syntax { origin, fault: format!("not valid TOML: {}", quoted_message(error.message())) }
}

/// Parser messages quote the input only in single characters, but may span lines.
fn quoted_message(message: &str) -> String {
    message.lines().map(quoted).collect::<Vec<_>>().join("; ")
}

fn line_of(text: &str, offset: usize) -> usize {
    let before = &text.as_bytes()[..offset.min(text.len())];
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}
