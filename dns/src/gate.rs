//! The last gate before an upstream server: a question for an enclosed name does not pass.
//!
//! [`Zones`] answers those names before anyone thinks of an upstream. But a resolver asks
//! questions of its own, such as for the target of a CNAME it was sent, so the rule is kept once
//! more where questions leave.

use std::net::IpAddr;
use std::pin::Pin;

use futures::Stream;
use futures::future::BoxFuture;
use futures::stream;
use hickory_proto::op::{DnsRequest, DnsResponse};
use hickory_resolver::config::ConnectionConfig;
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::xfer::{DnsExchange, DnsHandle};
use hickory_resolver::{ConnectionProvider, PoolContext};

use crate::zones::Zones;

/// Makes connections that carry no question for an enclosed name.
#[derive(Clone, Default)]
pub(crate) struct Gate(TokioRuntimeProvider);

/// A connection behind the gate.
#[derive(Clone)]
pub(crate) struct Gated(DnsExchange<TokioRuntimeProvider>);

impl ConnectionProvider for Gate {
    type Conn = Gated;
    type FutureConn = BoxFuture<'static, Result<Gated, NetError>>;
    type RuntimeProvider = TokioRuntimeProvider;

    fn new_connection(
        &self,
        ip: IpAddr,
        config: &ConnectionConfig,
        cx: &PoolContext,
    ) -> Result<Self::FutureConn, NetError> {
        let connecting = self.0.new_connection(ip, config, cx)?;
        Ok(Box::pin(async move { connecting.await.map(Gated) }))
    }

    fn runtime_provider(&self) -> &TokioRuntimeProvider {
        &self.0
    }
}

impl DnsHandle for Gated {
    type Response = Pin<Box<dyn Stream<Item = Result<DnsResponse, NetError>> + Send>>;
    type Runtime = TokioRuntimeProvider;

    fn send(&self, request: DnsRequest) -> Self::Response {
        if request.queries.iter().any(|query| Zones::encloses(query.name())) {
            let refusal = NetError::from("the name is answered on this machine or nowhere");
            return Box::pin(stream::once(std::future::ready(Err(refusal))));
        }
        Box::pin(self.0.send(request))
    }
}
