//! From one typed value to one meant value. Knows types and ranges, not keys.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use crate::error::{ConfigError, quoted};
use crate::typed::{Given, RawValue};

/// A key with the value typed for it, ready to be understood.
pub(crate) struct Field {
    pub(crate) key: String,
    pub(crate) given: Given,
}

impl Field {
    /// Refuses the value, saying what was typed and what is legal.
    pub(crate) fn refuse(&self, what: impl Display, legal: impl Display) -> ConfigError {
        self.fault(format!("{what}; legal is {legal}"))
    }

    pub(crate) fn fault(&self, fault: String) -> ConfigError {
        ConfigError::key(&self.given.origin, &self.key, fault)
    }

    fn wrong_type(&self, expected: &str) -> ConfigError {
        self.fault(format!("is {}; {expected} is expected", self.given.value.type_name()))
    }

    pub(crate) fn text(&self) -> Result<&str, ConfigError> {
        match &self.given.value {
            RawValue::Text(text) | RawValue::Untyped(text) => Ok(text),
            RawValue::Integer(_) | RawValue::Boolean(_) | RawValue::List(_) | RawValue::Table | RawValue::Other(_) => {
                Err(self.wrong_type("a string"))
            }
        }
    }

    pub(crate) fn boolean(&self) -> Result<bool, ConfigError> {
        match &self.given.value {
            RawValue::Boolean(boolean) => Ok(*boolean),
            RawValue::Untyped(text) => {
                text.parse().map_err(|_| self.refuse(format!("\"{}\"", quoted(text)), "true or false"))
            }
            RawValue::Text(_) | RawValue::Integer(_) | RawValue::List(_) | RawValue::Table | RawValue::Other(_) => {
                Err(self.wrong_type("true or false"))
            }
        }
    }

    pub(crate) fn integer(&self, legal: RangeInclusive<u64>) -> Result<u64, ConfigError> {
        let bounds = format!("an integer from {} to {}", legal.start(), legal.end());
        let number = match &self.given.value {
            RawValue::Integer(number) => u64::try_from(*number).ok(),
            RawValue::Untyped(text) => text.parse().ok(),
            RawValue::Text(_) | RawValue::Boolean(_) | RawValue::List(_) | RawValue::Table | RawValue::Other(_) => {
                return Err(self.wrong_type(&bounds));
            }
        };
        match number {
            Some(number) if legal.contains(&number) => Ok(number),
            Some(_) | None => Err(self.refuse("out of range", bounds)),
        }
    }

    pub(crate) fn port(&self, legal: RangeInclusive<u16>) -> Result<u16, ConfigError> {
        let wide = u64::from(*legal.start())..=u64::from(*legal.end());
        let port = self.integer(wide)?;
        Ok(u16::try_from(port).expect("the legal range was within 16 bits"))
    }

    pub(crate) fn duration(&self, legal: RangeInclusive<Duration>) -> Result<Duration, ConfigError> {
        let bounds = format!("\"{}s\" to \"{}s\" (units ms, s, m, h)", legal.start().as_secs(), legal.end().as_secs());
        let text = self.text()?;
        match parse_duration(text) {
            Some(duration) if legal.contains(&duration) => Ok(duration),
            Some(_) => Err(self.refuse(format!("\"{}\" is out of range", quoted(text)), bounds)),
            None => Err(self.refuse(format!("\"{}\" is not a duration", quoted(text)), bounds)),
        }
    }

    /// Picks one of a few words.
    pub(crate) fn word<T: Copy>(&self, words: &[(&str, T)]) -> Result<T, ConfigError> {
        let text = self.text()?;
        let found = words.iter().find(|(word, _)| *word == text);
        found.map(|(_, meaning)| *meaning).ok_or_else(|| {
            let legal: Vec<String> = words.iter().map(|(w, _)| format!("\"{w}\"")).collect();
            self.refuse(format!("\"{}\"", quoted(text)), legal.join(" or "))
        })
    }

    /// Reads a value that says itself how it is written.
    pub(crate) fn parsed<T: FromStr>(&self, legal: &str) -> Result<T, ConfigError> {
        let text = self.text()?;
        text.parse().map_err(|_| self.refuse(format!("\"{}\"", quoted(text)), legal))
    }

    /// The texts of a string or of a list of strings; a flag or variable separates them by commas.
    pub(crate) fn texts(&self, count_max: usize) -> Result<Vec<String>, ConfigError> {
        let texts = match &self.given.value {
            RawValue::Text(text) => vec![text.clone()],
            RawValue::Untyped(text) => text.split(',').map(|t| t.trim().to_owned()).collect(),
            RawValue::List(list) => list
                .iter()
                .map(|element| match element {
                    RawValue::Text(text) => Ok(text.clone()),
                    RawValue::Integer(_)
                    | RawValue::Boolean(_)
                    | RawValue::List(_)
                    | RawValue::Untyped(_)
                    | RawValue::Table
                    | RawValue::Other(_) => Err(self.wrong_type("a list of strings")),
                })
                .collect::<Result<_, _>>()?,
            RawValue::Integer(_) | RawValue::Boolean(_) | RawValue::Table | RawValue::Other(_) => {
                return Err(self.wrong_type("a string or a list of strings"));
            }
        };
        if texts.is_empty() || texts.len() > count_max {
            let fault = format!("holds {} values", texts.len());
            return Err(self.refuse(fault, format!("1 to {count_max}")));
        }
        Ok(texts)
    }
}

/// Reads `500ms`, `120s`, `2m`, `1h`: a whole number and one unit.
fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        "h" => number.checked_mul(3600).map(Duration::from_secs),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::parse_duration;
    use std::time::Duration;

    #[test]
    fn durations_are_a_number_and_a_unit() {
        assert_eq!(parse_duration("120s"), Some(Duration::from_secs(120)));
        assert_eq!(parse_duration("2m"), Some(Duration::from_secs(120)));
        assert_eq!(parse_duration("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(parse_duration("1h"), Some(Duration::from_secs(3600)));
        for wrong in ["", "s", "12", "1.5s", "-1s", "1 s", "1d", "99999999999999999999s", "18446744073709551615h"] {
            assert_eq!(parse_duration(wrong), None, "{wrong:?}");
        }
    }
}
