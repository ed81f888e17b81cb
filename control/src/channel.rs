use std::fmt;
use std::io;
use std::time::Duration;

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::StreamProtocol;
use libp2p::request_response::{self, Codec, ProtocolSupport};

use crate::limits::{
    MEMBER_REQUEST_TIMEOUT, MESSAGE_BYTES_MAX, STRANGER_MESSAGE_BYTES_MAX, STRANGER_REQUEST_TIMEOUT,
    STREAMS_PER_MEMBER_MAX, STREAMS_PER_STRANGER_MAX,
};

/// A question-and-answer protocol of the control plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// `/holloway/hello/1`: showing each other who one is. Open to strangers.
    Hello,
    /// `/holloway/redeem/1`: asking the issuer of an invite for a certificate. Open to strangers.
    Redeem,
    /// `/holloway/sync/1`: catching up with what was missed. Members only.
    Sync,
    /// `/holloway/member/1`: everything else that one member asks another. Members only.
    Member,
}

impl Channel {
    /// Whether peers that are not admitted may speak it.
    #[must_use]
    pub const fn is_for_strangers(self) -> bool {
        match self {
            Self::Hello | Self::Redeem => true,
            Self::Sync | Self::Member => false,
        }
    }

    /// The largest body, of a request and of a response.
    #[must_use]
    pub const fn bytes_max(self) -> usize {
        if self.is_for_strangers() { STRANGER_MESSAGE_BYTES_MAX } else { MESSAGE_BYTES_MAX }
    }

    /// How long an exchange may take.
    #[must_use]
    pub const fn timeout(self) -> Duration {
        if self.is_for_strangers() { STRANGER_REQUEST_TIMEOUT } else { MEMBER_REQUEST_TIMEOUT }
    }

    pub(crate) const fn protocol(self) -> StreamProtocol {
        StreamProtocol::new(match self {
            Self::Hello => "/holloway/hello/1",
            Self::Redeem => "/holloway/redeem/1",
            Self::Sync => "/holloway/sync/1",
            Self::Member => "/holloway/member/1",
        })
    }

    const fn streams_max(self) -> usize {
        if self.is_for_strangers() { STREAMS_PER_STRANGER_MAX } else { STREAMS_PER_MEMBER_MAX }
    }

    /// Our own requests to one node that may wait for an answer: half of the streams, the others are for answers.
    pub(crate) const fn requests_max(self) -> usize {
        self.streams_max() / 2
    }

    pub(crate) fn behaviour(self) -> Exchange {
        let config = request_response::Config::default()
            .with_request_timeout(self.timeout())
            .with_max_concurrent_streams(self.streams_max());
        let codec = Bytes { bytes_max: self.bytes_max() };
        request_response::Behaviour::with_codec(codec, [(self.protocol(), ProtocolSupport::Full)], config)
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hello => "hello",
            Self::Redeem => "redeem",
            Self::Sync => "sync",
            Self::Member => "member",
        })
    }
}

/// The behaviour of one channel.
pub(crate) type Exchange = request_response::Behaviour<Bytes>;

/// What the behaviour of a channel reports.
pub(crate) type ExchangeEvent = request_response::Event<Vec<u8>, Reply>;

/// What comes back: one byte, then the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    /// `0`: the owner's answer.
    Body(Vec<u8>),
    /// `1`: over a limit; nobody looked at the request.
    Busy,
}

const BODY: u8 = 0;
const BUSY: u8 = 1;

/// Messages as they are, to the end of the stream, up to a limit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bytes {
    bytes_max: usize,
}

impl Codec for Bytes {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Reply;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        read_to_end(io, self.bytes_max).await
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Reply>
    where
        T: AsyncRead + Unpin + Send,
    {
        let mut body = read_to_end(io, self.bytes_max + 1).await?;
        match body.first() {
            Some(&BODY) => {
                body.remove(0);
                Ok(Reply::Body(body))
            }
            Some(&BUSY) if body.len() == 1 => Ok(Reply::Busy),
            Some(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "an unknown kind of answer")),
            None => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "no answer")),
        }
    }

    async fn write_request<T>(&mut self, _: &StreamProtocol, io: &mut T, body: Vec<u8>) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        io.write_all(&body).await
    }

    async fn write_response<T>(&mut self, _: &StreamProtocol, io: &mut T, reply: Reply) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        match reply {
            Reply::Body(body) => {
                io.write_all(&[BODY]).await?;
                io.write_all(&body).await
            }
            Reply::Busy => io.write_all(&[BUSY]).await,
        }
    }
}

async fn read_to_end<T: AsyncRead + Unpin + Send>(io: &mut T, bytes_max: usize) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    io.take(bytes_max as u64 + 1).read_to_end(&mut body).await?;
    if body.len() > bytes_max {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "message too large"));
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;
    use futures::io::Cursor;

    use super::*;

    fn codec() -> Bytes {
        Bytes { bytes_max: 4 }
    }

    #[test]
    fn a_request_of_the_limit_is_read_and_one_byte_more_is_refused() {
        let protocol = Channel::Hello.protocol();
        let read = |bytes: &'static [u8]| block_on(codec().read_request(&protocol, &mut Cursor::new(bytes)));
        assert_eq!(read(b"1234").unwrap(), b"1234");
        assert_eq!(read(b"12345").unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn replies_survive_the_wire() {
        let protocol = Channel::Hello.protocol();
        for reply in [Reply::Busy, Reply::Body(Vec::new()), Reply::Body(vec![1, 2, 3, 4])] {
            let mut wire = Vec::new();
            block_on(codec().write_response(&protocol, &mut wire, reply.clone())).unwrap();
            assert_eq!(block_on(codec().read_response(&protocol, &mut Cursor::new(wire))).unwrap(), reply);
        }
    }

    #[test]
    fn a_reply_without_its_kind_is_refused() {
        let protocol = Channel::Hello.protocol();
        for wire in [&[][..], &[2], &[BUSY, 0], &[BODY, 1, 2, 3, 4, 5]] {
            assert!(block_on(codec().read_response(&protocol, &mut Cursor::new(wire))).is_err(), "{wire:?}");
        }
    }
}
