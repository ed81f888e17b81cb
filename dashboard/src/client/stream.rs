//! Reads server-sent events (WHATWG HTML §9.2, the part that our server writes).

use bytes::Bytes;
use http_body_util::BodyExt;

use super::connection::{Open, garbled};
use crate::api::{ApiError, Event};

/// Longest message: an event with all its fields is below 8 KiB.
const MESSAGE_BYTES_MAX: usize = 256 * 1024;

/// What arrives on a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Streamed {
    /// Something happened.
    Event(Event),
    /// So many events were lost because this end was too slow; `Client::events` still has them.
    Missed(u64),
}

/// Events as they happen.
pub struct EventStream {
    open: Open,
    parser: Parser,
}

impl EventStream {
    pub(super) fn new(open: Open) -> Self {
        let parser = Parser::default();
        Self { open, parser }
    }

    /// Waits for what happens next; `None` when the daemon ends the stream.
    ///
    /// # Errors
    /// The connection broke, or the daemon sent something that is no event.
    pub async fn next(&mut self) -> Result<Option<Streamed>, ApiError> {
        loop {
            if let Some(streamed) = self.parser.next_message()? {
                return Ok(Some(streamed));
            }
            let Some(bytes) = self.read().await? else {
                return Ok(None);
            };
            self.parser.push(&bytes)?;
        }
    }

    async fn read(&mut self) -> Result<Option<Bytes>, ApiError> {
        loop {
            let Some(frame) = self.open.response.frame().await else {
                return Ok(None);
            };
            let frame = frame.map_err(|e| garbled(&format!("a stream that broke off ({e})")))?;
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
    }
}

/// Bytes to messages, however the bytes are cut.
#[derive(Default)]
struct Parser {
    buffer: Vec<u8>,
}

impl Parser {
    fn push(&mut self, bytes: &[u8]) -> Result<(), ApiError> {
        if self.buffer.len() + bytes.len() > MESSAGE_BYTES_MAX {
            return Err(garbled("an event larger than any event"));
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    /// Takes the next complete message that carries something.
    fn next_message(&mut self) -> Result<Option<Streamed>, ApiError> {
        while let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\n\n") {
            let message: Vec<u8> = self.buffer.drain(..end + 2).collect();
            if let Some(streamed) = parse(&message)? {
                return Ok(Some(streamed));
            }
        }
        Ok(None)
    }
}

/// Comments and kinds that this version does not know carry nothing for us.
fn parse(message: &[u8]) -> Result<Option<Streamed>, ApiError> {
    let text = std::str::from_utf8(message).map_err(|_| garbled("an event that is not UTF-8"))?;
    let field = |name: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        Some(value.strip_prefix(' ').unwrap_or(value))
    };
    let data = field("data").unwrap_or_default();
    let not_an_event = |e: serde_json::Error| garbled(&format!("something that is no event ({e})"));
    match field("event") {
        Some("event") => serde_json::from_str(data).map(Streamed::Event).map(Some).map_err(not_an_event),
        Some("missed") => serde_json::from_str(data).map(Streamed::Missed).map(Some).map_err(not_an_event),
        Some(_) | None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_found_however_the_bytes_are_cut() {
        let text = b":\n\nevent: missed\ndata: 3\n\nevent: other\ndata: x\n\nevent: missed\ndata: 4\n\n";
        for cut in 0..text.len() {
            let mut parser = Parser::default();
            let mut found = Vec::new();
            for part in [&text[..cut], &text[cut..]] {
                parser.push(part).unwrap();
                while let Some(streamed) = parser.next_message().unwrap() {
                    found.push(streamed);
                }
            }
            assert_eq!(found, [Streamed::Missed(3), Streamed::Missed(4)]);
        }
    }

    #[test]
    fn endless_or_garbled_messages_are_errors() {
        let mut parser = Parser::default();
        assert!(parser.push(&vec![b'x'; MESSAGE_BYTES_MAX + 1]).is_err());
        assert!(parse(b"event: event\ndata: {\n\n").is_err());
        assert!(parse(b"event: event\ndata: \xff\n\n").is_err());
    }
}
