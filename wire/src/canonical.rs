use crate::error::DecodeError;

/// Deepest nesting of any message of ours, with one level to spare.
const DEPTH_MAX: usize = 6;

/// Checks that `bytes` are exactly one CBOR item in the one spelling that we accept: shortest integers and lengths
/// (RFC 8949 §4.2.1), definite lengths, unsigned integers, byte strings, UTF-8 text, arrays, booleans, and maps whose
/// keys are ascending unsigned integers. Needs no memory beyond a fixed stack, whatever the bytes claim.
pub(crate) fn check(bytes: &[u8]) -> Result<(), DecodeError> {
    let mut rest = bytes;
    let mut open: [Level; DEPTH_MAX] = [Level::DONE; DEPTH_MAX];
    let mut depth = 0;
    loop {
        let (item, after) = head(rest)?;
        rest = after;
        if depth > 0 {
            open[depth - 1].take(&item)?;
        }
        if let Some(level) = item.opens(rest.len())? {
            let slot = open.get_mut(depth).ok_or(DecodeError::TooDeep)?;
            *slot = level;
            depth += 1;
        } else {
            rest = item.skip(rest)?;
        }
        while depth > 0 && open[depth - 1].left == 0 {
            depth -= 1;
        }
        if depth == 0 {
            return if rest.is_empty() { Ok(()) } else { Err(DecodeError::Trailing) };
        }
    }
}

/// An array or map that is being read.
#[derive(Clone, Copy)]
struct Level {
    left: u64,
    keys: Keys,
}

/// Where in a map the reader stands.
#[derive(Clone, Copy)]
enum Keys {
    None,
    Expected { above: Option<u64> },
    Value { key: u64 },
}

impl Level {
    const DONE: Self = Self { left: 0, keys: Keys::None };

    fn take(&mut self, item: &Item) -> Result<(), DecodeError> {
        self.left -= 1;
        self.keys = match self.keys {
            Keys::None => Keys::None,
            Keys::Value { key } => Keys::Expected { above: Some(key) },
            Keys::Expected { above } => {
                if item.major != Major::Unsigned || above.is_some_and(|previous| item.argument <= previous) {
                    return Err(DecodeError::NotCanonical);
                }
                Keys::Value { key: item.argument }
            }
        };
        Ok(())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Major {
    Unsigned,
    Bytes,
    Text,
    Array,
    Map,
    Boolean,
}

struct Item {
    major: Major,
    argument: u64,
}

impl Item {
    /// The level that this item opens, if it is a container with anything in it. An item takes at least one byte, so
    /// a count beyond what is left is a lie.
    fn opens(&self, left: usize) -> Result<Option<Level>, DecodeError> {
        let (count, keys) = match self.major {
            Major::Array => (self.argument, Keys::None),
            Major::Map => (self.argument.saturating_mul(2), Keys::Expected { above: None }),
            Major::Unsigned | Major::Bytes | Major::Text | Major::Boolean => return Ok(None),
        };
        if count > left as u64 {
            return Err(DecodeError::Truncated);
        }
        Ok((count > 0).then_some(Level { left: count, keys }))
    }

    fn skip<'a>(&self, rest: &'a [u8]) -> Result<&'a [u8], DecodeError> {
        if !matches!(self.major, Major::Bytes | Major::Text) {
            return Ok(rest);
        }
        let length = usize::try_from(self.argument).map_err(|_| DecodeError::Truncated)?;
        let (content, after) = rest.split_at_checked(length).ok_or(DecodeError::Truncated)?;
        if self.major == Major::Text && std::str::from_utf8(content).is_err() {
            return Err(DecodeError::Value);
        }
        Ok(after)
    }
}

fn head(bytes: &[u8]) -> Result<(Item, &[u8]), DecodeError> {
    let (&first, rest) = bytes.split_first().ok_or(DecodeError::Truncated)?;
    let major = match first >> 5 {
        0 => Major::Unsigned,
        2 => Major::Bytes,
        3 => Major::Text,
        4 => Major::Array,
        5 => Major::Map,
        7 if first == 0xf4 || first == 0xf5 => return Ok((Item { major: Major::Boolean, argument: 0 }, rest)),
        _ => return Err(DecodeError::Value),
    };
    let (argument, least, width) = match first & 0x1f {
        small @ 0..=23 => return Ok((Item { major, argument: u64::from(small) }, rest)),
        24 => (read(rest, 1)?, 24, 1),
        25 => (read(rest, 2)?, 1 << 8, 2),
        26 => (read(rest, 4)?, 1 << 16, 4),
        27 => (read(rest, 8)?, 1 << 32, 8),
        _ => return Err(DecodeError::NotCanonical),
    };
    if argument < least {
        return Err(DecodeError::NotCanonical);
    }
    Ok((Item { major, argument }, &rest[width..]))
}

fn read(bytes: &[u8], width: usize) -> Result<u64, DecodeError> {
    let bytes = bytes.get(..width).ok_or(DecodeError::Truncated)?;
    Ok(bytes.iter().fold(0, |value, &byte| value << 8 | u64::from(byte)))
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::error::DecodeError;

    #[test]
    fn one_spelling_is_accepted() {
        assert_eq!(check(&[0xa2, 0x01, 0x18, 0x18, 0x02, 0x82, 0x41, 0xff, 0x61, 0x61]), Ok(()));
        assert_eq!(check(&[0x18, 0x17]), Err(DecodeError::NotCanonical));
        assert_eq!(check(&[0x19, 0x00, 0xff]), Err(DecodeError::NotCanonical));
        assert_eq!(check(&[0x9f, 0x01, 0xff]), Err(DecodeError::NotCanonical));
        assert_eq!(check(&[0xa2, 0x02, 0x00, 0x01, 0x00]), Err(DecodeError::NotCanonical));
        assert_eq!(check(&[0xa2, 0x01, 0x00, 0x01, 0x00]), Err(DecodeError::NotCanonical));
        assert_eq!(check(&[0x01, 0x01]), Err(DecodeError::Trailing));
        assert_eq!(check(&[0x20]), Err(DecodeError::Value));
        assert_eq!(check(&[0xf6]), Err(DecodeError::Value));
    }

    #[test]
    fn lies_about_size_cost_nothing() {
        assert_eq!(check(&[0xba, 0x00, 0x0f, 0x42, 0x40, 0x01]), Err(DecodeError::Truncated));
        assert_eq!(check(&[0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), Err(DecodeError::Truncated));
        assert_eq!(check(&[0x81; 10_000]), Err(DecodeError::TooDeep));
        assert_eq!(check(&[]), Err(DecodeError::Truncated));
    }
}
