use minicbor::{Decoder, Encoder};

use crate::canonical;
use crate::error::DecodeError;
use crate::time::UnixTime;

/// Field keys from here on may be unknown: they are carried and ignored (ARCHITECTURE §5).
const FIRST_EXTENSION: u64 = 128;

/// Writes a map with ascending integer keys.
pub(crate) struct FieldWriter {
    body: Encoder<Vec<u8>>,
    fields: u64,
}

impl FieldWriter {
    pub(crate) fn new() -> Self {
        Self { body: Encoder::new(Vec::new()), fields: 0 }
    }

    pub(crate) fn field(mut self, key: u64, write: impl FnOnce(&mut Encoder<Vec<u8>>)) -> Self {
        self.fields += 1;
        put(&mut self.body, |e| e.u64(key));
        write(&mut self.body);
        self
    }

    pub(crate) fn u64(self, key: u64, value: u64) -> Self {
        self.field(key, |e| put(e, |e| e.u64(value)))
    }

    pub(crate) fn bytes(self, key: u64, value: &[u8]) -> Self {
        self.field(key, |e| put(e, |e| e.bytes(value)))
    }

    pub(crate) fn text(self, key: u64, value: &str) -> Self {
        self.field(key, |e| put(e, |e| e.str(value)))
    }

    pub(crate) fn list<T>(self, key: u64, items: &[T], write: impl Fn(&mut Encoder<Vec<u8>>, &T)) -> Self {
        self.field(key, |e| {
            put(e, |e| e.array(items.len() as u64));
            for item in items {
                write(e, item);
            }
        })
    }

    pub(crate) fn optional<T>(self, value: Option<T>, write: impl FnOnce(Self, T) -> Self) -> Self {
        match value {
            Some(value) => write(self, value),
            None => self,
        }
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        let mut out = Encoder::new(Vec::new());
        put(&mut out, |e| e.map(self.fields));
        let mut bytes = out.into_writer();
        bytes.extend_from_slice(&self.body.into_writer());
        bytes
    }
}

/// Writing to a `Vec` cannot fail.
pub(crate) fn put(
    encoder: &mut Encoder<Vec<u8>>,
    write: impl FnOnce(
        &mut Encoder<Vec<u8>>,
    ) -> Result<&mut Encoder<Vec<u8>>, minicbor::encode::Error<std::convert::Infallible>>,
) {
    write(encoder).expect("a Vec takes every byte");
}

/// Reads a map with ascending integer keys whose spelling has been checked.
pub(crate) struct FieldReader<'a> {
    decoder: Decoder<'a>,
    left: u64,
    key: Option<u64>,
}

impl<'a> FieldReader<'a> {
    /// Checks the spelling of all of `bytes` and starts reading its map.
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        canonical::check(bytes)?;
        let mut decoder = Decoder::new(bytes);
        let left = decoder.map()?.ok_or(DecodeError::NotCanonical)?;
        let mut reader = Self { decoder, left, key: None };
        reader.advance()?;
        Ok(reader)
    }

    fn advance(&mut self) -> Result<(), DecodeError> {
        self.key = None;
        if self.left > 0 {
            self.left -= 1;
            self.key = Some(self.decoder.u64()?);
        }
        Ok(())
    }

    pub(crate) fn optional<T>(
        &mut self,
        key: u64,
        read: impl FnOnce(&mut Decoder<'a>) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, DecodeError> {
        if self.key != Some(key) {
            return Ok(None);
        }
        let value = read(&mut self.decoder)?;
        self.advance()?;
        Ok(Some(value))
    }

    pub(crate) fn required<T>(
        &mut self,
        key: u64,
        read: impl FnOnce(&mut Decoder<'a>) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        self.optional(key, read)?.ok_or(DecodeError::Field)
    }

    /// Ends the map: what is left must be extensions, which are skipped.
    pub(crate) fn finish(mut self) -> Result<(), DecodeError> {
        while let Some(key) = self.key {
            if key < FIRST_EXTENSION {
                return Err(DecodeError::Field);
            }
            self.decoder.skip()?;
            self.advance()?;
        }
        Ok(())
    }
}

pub(crate) fn u64(d: &mut Decoder<'_>) -> Result<u64, DecodeError> {
    Ok(d.u64()?)
}

pub(crate) fn u8(d: &mut Decoder<'_>) -> Result<u8, DecodeError> {
    Ok(d.u8()?)
}

/// Reads seconds since 1970, as far as a [`UnixTime`] reaches.
pub(crate) fn seconds(d: &mut Decoder<'_>) -> Result<UnixTime, DecodeError> {
    let seconds = d.u64()?;
    let time = UnixTime::from_secs(seconds);
    if time.as_secs() == seconds { Ok(time) } else { Err(DecodeError::Value) }
}

pub(crate) fn array<const N: usize>(d: &mut Decoder<'_>) -> Result<[u8; N], DecodeError> {
    d.bytes()?.try_into().map_err(|_| DecodeError::Value)
}

pub(crate) fn bytes(max: usize) -> impl Fn(&mut Decoder<'_>) -> Result<Vec<u8>, DecodeError> {
    move |d| {
        let bytes = d.bytes()?;
        if bytes.len() > max { Err(DecodeError::TooLong) } else { Ok(bytes.to_vec()) }
    }
}

pub(crate) fn text(max: usize) -> impl Fn(&mut Decoder<'_>) -> Result<String, DecodeError> {
    move |d| {
        let text = d.str()?;
        if text.len() > max { Err(DecodeError::TooLong) } else { Ok(text.to_owned()) }
    }
}

pub(crate) fn list<'a, T>(
    max: usize,
    read: impl Fn(&mut Decoder<'a>) -> Result<T, DecodeError>,
) -> impl Fn(&mut Decoder<'a>) -> Result<Vec<T>, DecodeError> {
    move |d| {
        let count = tuple_len(d)?;
        if count > max as u64 {
            return Err(DecodeError::TooLong);
        }
        (0..count).map(|_| read(d)).collect()
    }
}

/// Reads the head of an array.
pub(crate) fn tuple_len(d: &mut Decoder<'_>) -> Result<u64, DecodeError> {
    d.array()?.ok_or(DecodeError::NotCanonical)
}

/// Reads the head of an array that must have `count` elements.
pub(crate) fn tuple(d: &mut Decoder<'_>, count: u64) -> Result<(), DecodeError> {
    if tuple_len(d)? == count { Ok(()) } else { Err(DecodeError::Field) }
}
