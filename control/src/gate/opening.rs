use std::io;
use std::iter;

use futures::future::BoxFuture;
use futures::{AsyncReadExt, AsyncWriteExt, FutureExt};
use libp2p::core::UpgradeInfo;
use libp2p::core::upgrade::{InboundUpgrade, OutboundUpgrade};
use libp2p::swarm::{Stream, StreamProtocol};

/// "I have admitted you, and this is the process that says so."
const PROTOCOL: StreamProtocol = StreamProtocol::new("/holloway/open/1");

/// Which run of a node's process is speaking: drawn at random at every start. It tells a second connection of the
/// same process from the first connection of its successor, whose predecessor's connections are dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Incarnation(pub(crate) u64);

/// The announcement a node makes on a connection once it has admitted the other end: its own incarnation, eight
/// bytes, and the end of the stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Opening(pub(crate) Incarnation);

impl UpgradeInfo for Opening {
    type Info = StreamProtocol;
    type InfoIter = iter::Once<StreamProtocol>;

    fn protocol_info(&self) -> Self::InfoIter {
        iter::once(PROTOCOL)
    }
}

impl InboundUpgrade<Stream> for Opening {
    type Output = Incarnation;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Incarnation>>;

    fn upgrade_inbound(self, mut stream: Stream, _: StreamProtocol) -> Self::Future {
        async move {
            let mut bytes = [0; 8];
            stream.read_exact(&mut bytes).await?;
            stream.close().await?;
            Ok(Incarnation(u64::from_be_bytes(bytes)))
        }
        .boxed()
    }
}

impl OutboundUpgrade<Stream> for Opening {
    type Output = ();
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<()>>;

    fn upgrade_outbound(self, mut stream: Stream, _: StreamProtocol) -> Self::Future {
        async move {
            stream.write_all(&self.0.0.to_be_bytes()).await?;
            stream.close().await
        }
        .boxed()
    }
}
