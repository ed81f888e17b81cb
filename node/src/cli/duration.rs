//! Spans of time as people write and read them.

use std::fmt::Write as _;
use std::str::FromStr;
use std::time::Duration;

const MINUTE_S: u64 = 60;
const HOUR_S: u64 = 60 * MINUTE_S;
const DAY_S: u64 = 24 * HOUR_S;
const WEEK_S: u64 = 7 * DAY_S;

/// Longest span that is taken: beyond ten years a typing error is likelier than a plan.
const SPAN_S_MAX: u64 = 3650 * DAY_S;

/// A span such as `7d`, `12h`, `1h30m` or `500ms`: never zero, at most ten years.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) Duration);

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let total = parse(text).ok_or_else(|| format!("write a number and its unit: {UNITS}"))?;
        if total.is_zero() {
            return Err("a span of nothing is no span".to_owned());
        }
        if total > Duration::from_secs(SPAN_S_MAX) {
            return Err("at most ten years (3650d)".to_owned());
        }
        Ok(Self(total))
    }
}

const UNITS: &str = "30s, 15m, 12h, 7d, 2w";

fn parse(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, behind) = rest.split_at(digits);
        let letters = behind.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(behind.len());
        let (unit, next) = behind.split_at(letters);
        total = total.checked_add(amount(number.parse().ok()?, unit)?)?;
        rest = next;
    }
    Some(total)
}

fn amount(number: u64, unit: &str) -> Option<Duration> {
    let unit_s = match unit {
        "ms" => return Some(Duration::from_millis(number)),
        "s" => 1,
        "m" => MINUTE_S,
        "h" => HOUR_S,
        "d" => DAY_S,
        "w" => WEEK_S,
        _ => return None,
    };
    number.checked_mul(unit_s).map(Duration::from_secs)
}

/// A span in its two largest units, such as `3 h 12 min`.
pub(crate) fn coarse(seconds: u64) -> String {
    let units = [("d", DAY_S), ("h", HOUR_S), ("min", MINUTE_S), ("s", 1)];
    let first = units.iter().position(|(_, size)| seconds >= *size).unwrap_or(units.len() - 1);
    let (name, size) = units[first];
    let mut text = format!("{} {name}", seconds / size);
    if let Some((name, smaller)) = units.get(first + 1)
        && seconds % size / smaller != 0
    {
        write!(text, " {} {name}", seconds % size / smaller).expect("a String takes everything");
    }
    text
}

/// A short span with a resolution that fits it, such as `0.2 s`.
pub(crate) fn fine(seconds: f64) -> String {
    if seconds < 10.0 {
        return format!("{:.1} s", seconds.max(0.0));
    }
    coarse(seconds as u64)
}

/// A round trip in milliseconds.
pub(crate) fn milliseconds(value: f64) -> String {
    match value {
        value if value < 10.0 => format!("{value:.2} ms"),
        value if value < 100.0 => format!("{value:.1} ms"),
        value => format!("{value:.0} ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_with_every_unit_and_in_parts() {
        let seconds = |text: &str| text.parse::<Span>().unwrap().0.as_secs();
        assert_eq!(seconds("30s"), 30);
        assert_eq!(seconds("15m"), 900);
        assert_eq!(seconds("12h"), 43_200);
        assert_eq!(seconds("7d"), 604_800);
        assert_eq!(seconds("2w"), 1_209_600);
        assert_eq!(seconds("1h30m"), 5_400);
        assert_eq!("500ms".parse::<Span>().unwrap().0, Duration::from_millis(500));
    }

    #[test]
    fn what_is_no_span_is_refused_and_so_are_nothing_and_eternity() {
        for text in ["", "7", "d", "7x", "-1d", "1.5h", "0s", "3651d", "99999999999999999999d", "18446744073709551615w"]
        {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
        assert!("3650d".parse::<Span>().is_ok());
    }

    #[test]
    fn spans_are_shown_in_their_two_largest_units() {
        assert_eq!(coarse(0), "0 s");
        assert_eq!(coarse(59), "59 s");
        assert_eq!(coarse(60), "1 min");
        assert_eq!(coarse(11_520), "3 h 12 min");
        assert_eq!(coarse(86_400 + 60), "1 d");
        assert_eq!(fine(0.23), "0.2 s");
        assert_eq!(fine(75.0), "1 min 15 s");
        assert_eq!(milliseconds(0.4), "0.40 ms");
        assert_eq!(milliseconds(151.4), "151 ms");
    }
}
