//! Passes on requests that somebody else has written: the pages of the desktop application, which speak HTTP's words but
//! have no socket. Does not know what a request means, nor whether it may be asked.
//!
//! Nothing is sent before the kernel has said that one of the expected users listens: whoever could put another socket
//! in the daemon's place would otherwise be handed invites.

use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::http::uri::PathAndQuery;
use hyper::{Method, StatusCode};
use tokio::net::UnixStream;

use super::connection::{Call, Open, body_of, connect, garbled, send_over, too_slow};
use crate::api::{ApiError, ErrorCode};

/// As large as a response may be: the changes of a large network can be all of it.
const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The way to the daemon at one socket, for requests that are text.
#[derive(Clone, Debug)]
pub struct Passage {
    socket: PathBuf,
    owners: Vec<u32>,
}

/// What the daemon answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: String,
}

/// One message of the daemon's stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What kind: `event`, `changes`, `missed`.
    pub kind: String,
    /// What it carries.
    pub data: String,
}

/// The daemon's stream, message by message.
pub struct Messages {
    open: Open,
    buffer: Vec<u8>,
    /// How much of the buffer has been looked through.
    seen: usize,
}

impl Passage {
    /// The way to the daemon that listens at `socket` and is run by one of these users; nothing is opened yet.
    #[must_use]
    pub fn new(socket: impl Into<PathBuf>, owners: Vec<u32>) -> Self {
        Self { socket: socket.into(), owners }
    }

    /// Where the daemon listens.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Passes a request on; `time_max` of `None` waits without limit. A refusal of the daemon's is an answer.
    ///
    /// # Errors
    /// The daemon was not reached, is not run by whom it should be, or its answer cannot be used.
    pub async fn pass(
        &self,
        method: &str,
        target: &str,
        body: Option<String>,
        time_max: Option<Duration>,
    ) -> Result<Passed, ApiError> {
        let exchange = async {
            let open = self.send(method, target, body).await?;
            let status = open.response.status().as_u16();
            let bytes = body_of(open).await?;
            let body = String::from_utf8(bytes.into()).map_err(|_| garbled("text that is not UTF-8"))?;
            Ok(Passed { status, body })
        };
        match time_max {
            Some(time_max) => tokio::time::timeout(time_max, exchange).await.unwrap_or_else(|_| Err(too_slow())),
            None => exchange.await,
        }
    }

    /// Opens a stream.
    ///
    /// # Errors
    /// As [`Self::pass`], and where the daemon refuses.
    pub async fn follow(&self, target: &str, time_max: Duration) -> Result<Messages, ApiError> {
        let opened = tokio::time::timeout(time_max, self.send("GET", target, None)).await;
        let open = opened.unwrap_or_else(|_| Err(too_slow()))?;
        match open.response.status() {
            StatusCode::OK => Ok(Messages { open, buffer: Vec::new(), seen: 0 }),
            status => Err(garbled(&format!("status {status} in place of a stream"))),
        }
    }

    async fn send(&self, method: &str, target: &str, body: Option<String>) -> Result<Open, ApiError> {
        let not_a_request = || ApiError::new(ErrorCode::Usage, "this is no request");
        let method: Method = method.parse().map_err(|_| not_a_request())?;
        let target = target.parse::<PathAndQuery>().map_err(|_| not_a_request())?.to_string();
        let stream = connect(&self.socket).await?;
        self.check_owner(&stream)?;
        send_over(stream, Call { method, target, body: body.map(String::into_bytes) }).await
    }

    fn check_owner(&self, stream: &UnixStream) -> Result<(), ApiError> {
        let socket = self.socket.display();
        match stream.peer_cred() {
            Ok(peer) if self.owners.contains(&peer.uid()) => Ok(()),
            Ok(peer) => {
                let message = format!("user {} listens at {socket}, not the daemon: nothing was sent", peer.uid());
                Err(ApiError::new(ErrorCode::DaemonNotRunning, message)
                    .with_hint(format!("look at it: ls -l {socket}")))
            }
            Err(error) => Err(garbled(&format!("nobody knows who listens at {socket} ({error})"))),
        }
    }
}

impl Messages {
    /// Waits for the next message; `None` when the daemon ends the stream.
    ///
    /// # Errors
    /// The connection broke, or what arrived is no stream of messages.
    pub async fn next(&mut self) -> Result<Option<Message>, ApiError> {
        loop {
            while let Some(message) = take_message(&mut self.buffer, &mut self.seen)? {
                if !message.kind.is_empty() {
                    return Ok(Some(message));
                }
            }
            let Some(frame) = self.open.response.frame().await else {
                return Ok(None);
            };
            let frame = frame.map_err(|error| garbled(&format!("a stream that broke off ({error})")))?;
            if let Ok(data) = frame.into_data() {
                if self.buffer.len() + data.len() > MESSAGE_BYTES_MAX {
                    return Err(garbled("a message larger than any message"));
                }
                self.buffer.extend_from_slice(&data);
            }
        }
    }
}

/// Takes the first complete message out of what has arrived (WHATWG HTML §9.2, the part that our server writes). One
/// without a kind is a comment, which says that the stream lives.
fn take_message(buffer: &mut Vec<u8>, seen: &mut usize) -> Result<Option<Message>, ApiError> {
    let Some(end) = buffer[*seen..].windows(2).position(|pair| pair == b"\n\n") else {
        *seen = buffer.len().saturating_sub(1);
        return Ok(None);
    };
    let message: Vec<u8> = buffer.drain(..*seen + end + 2).collect();
    *seen = 0;
    let text = String::from_utf8(message).map_err(|_| garbled("a message that is not UTF-8"))?;
    let field = |name: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap_or_default();
        value.strip_prefix(' ').unwrap_or(value).to_owned()
    };
    Ok(Some(Message { kind: field("event"), data: field("data") }))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixListener;

    use super::*;

    fn own_uid() -> u32 {
        UnixStream::pair().unwrap().0.peer_cred().unwrap().uid()
    }

    #[test]
    fn messages_are_found_however_the_bytes_are_cut() {
        let text = b":\n\nevent: changes\ndata: {\"a\":1}\n\nevent: missed\ndata: 4\n\n";
        for cut in 0..text.len() {
            let (mut buffer, mut seen, mut found) = (Vec::new(), 0, Vec::new());
            for part in [&text[..cut], &text[cut..]] {
                buffer.extend_from_slice(part);
                while let Some(message) = take_message(&mut buffer, &mut seen).unwrap() {
                    found.push((message.kind, message.data));
                }
            }
            let told = |kind: &str, data: &str| (kind.to_owned(), data.to_owned());
            assert_eq!(found, [told("", ""), told("changes", "{\"a\":1}"), told("missed", "4")], "cut at {cut}");
        }
    }

    #[tokio::test]
    async fn nothing_is_sent_to_another_user_who_listens_in_the_daemons_place() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("api.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let passage = Passage::new(&socket, vec![own_uid() + 1]);
        let refused = passage.pass("POST", "/api/v1/join", Some("secret".to_owned()), None).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::DaemonNotRunning);
        let mut heard = Vec::new();
        listener.accept().await.unwrap().0.read_to_end(&mut heard).await.unwrap();
        assert!(heard.is_empty());
    }

    #[tokio::test]
    async fn a_refusal_is_an_answer_and_garbage_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("api.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let passage = Passage::new(&socket, vec![own_uid()]);
        for (reply, expected) in [("HTTP/1.1 404 x\r\ncontent-length: 2\r\n\r\nno", Some(404)), ("{}", None)] {
            let answer = async {
                let mut stream = listener.accept().await.unwrap().0;
                let _ = stream.read(&mut [0; 1024]).await.unwrap();
                stream.write_all(reply.as_bytes()).await.unwrap();
            };
            let (passed, ()) = tokio::join!(passage.pass("GET", "/api/v1/status", None, None), answer);
            assert_eq!(passed.ok().map(|passed| passed.status), expected);
        }
        assert!(passage.pass("GET", "no target", None, None).await.is_err());
    }
}
