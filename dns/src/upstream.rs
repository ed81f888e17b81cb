//! Somebody else, who is asked about every name that is not ours.
//!
//! A question is put to the operating system's servers, to servers the operator chose, or to the
//! roots downwards. It ends within [`DEADLINE`] whatever the servers do, and at most
//! [`OUTSTANDING_MAX`] are open at a time. Knows nothing of our zones but that enclosed names do
//! not pass the gate.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use hickory_proto::op::{DnsRequest, DnsRequestOptions, Message, Query, ResponseCode};
use hickory_proto::rr::{Record, RecordType};
use hickory_resolver::config::{NameServerConfig, ResolverOpts};
use hickory_resolver::net::xfer::DnsHandle as _;
use hickory_resolver::net::{DnsError as WireError, NetError, NoRecords};
use hickory_resolver::recursor::{DnssecPolicy, Recursor, RecursorError, RecursorOptions};
use hickory_resolver::{NameServerPool, PoolContext, ResponseCache, TlsConfig, TtlConfig};
use thiserror::Error;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::answer::{Answer, ResourceRecord};
use crate::error::DnsError;
use crate::gate::Gate;
use crate::question::Question;
use crate::rebinding::{RebindingFilter, Verdict};
use crate::upstream_server::UpstreamServer;

/// A question has failed after this time: below the 5 s after which a stub resolver (glibc's
/// default) gives up by itself, so that it hears why.
const DEADLINE: Duration = Duration::from_millis(4_200);

/// One attempt: two of them fit into [`DEADLINE`], the second with other servers in front.
const ATTEMPT: Duration = Duration::from_millis(2_000);

/// Attempts per question.
const ATTEMPTS: usize = 2;

/// Most questions open at a time; each may hold two sockets, and 512 of them are half of the
/// usual limit of 1024 open files. Beyond it the newest question fails at once.
const OUTSTANDING_MAX: usize = 256;

/// Most answers kept, about 8 MiB.
const CACHE_ENTRIES_MAX: u64 = 4_096;

/// Longest time an answer is kept, whatever its TTL says (RFC 8767 section 4 suggests a day).
const CACHE_TTL_MAX: Duration = Duration::from_secs(86_400);

/// Most servers asked; resolv.conf(5) knows three, operators may list a few more.
const SERVERS_MAX: usize = 8;

/// The root servers' addresses (<https://www.internic.net/domain/named.root>).
pub const ROOT_HINTS: [IpAddr; 13] = [
    IpAddr::V4(Ipv4Addr::new(198, 41, 0, 4)),
    IpAddr::V4(Ipv4Addr::new(170, 247, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(192, 33, 4, 12)),
    IpAddr::V4(Ipv4Addr::new(199, 7, 91, 13)),
    IpAddr::V4(Ipv4Addr::new(192, 203, 230, 10)),
    IpAddr::V4(Ipv4Addr::new(192, 5, 5, 241)),
    IpAddr::V4(Ipv4Addr::new(192, 112, 36, 4)),
    IpAddr::V4(Ipv4Addr::new(198, 97, 190, 53)),
    IpAddr::V4(Ipv4Addr::new(192, 36, 148, 17)),
    IpAddr::V4(Ipv4Addr::new(192, 58, 128, 30)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0x7fd, 0, 0, 0, 0, 0, 1)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0x500, 0x9f, 0, 0, 0, 0, 0x42)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdc3, 0, 0, 0, 0, 0, 0x35)),
];

/// Who is asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum UpstreamMode {
    /// The operating system's servers, as the caller found them.
    System(Vec<SocketAddr>),
    /// Servers the operator chose.
    Servers(Vec<UpstreamServer>),
    /// The given root servers and whom they refer to. Experimental, as the library behind it is.
    Recursive(Vec<IpAddr>),
}

/// Who is asked, and what of the answers is believed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UpstreamConfig {
    /// Who is asked.
    pub mode: UpstreamMode,
    /// Whether private addresses are removed from the answers for public names.
    pub rebinding: RebindingFilter,
}

/// Why there is no answer from upstream.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum UpstreamError {
    /// No server is known.
    #[error("no upstream server is known")]
    NoServers,
    /// Too many questions are open.
    #[error("too many upstream queries are open")]
    Overloaded,
    /// No server answered in time.
    #[error("upstream timed out")]
    TimedOut,
    /// The servers answered with an error or could not be reached.
    #[error("upstream failed")]
    Failed,
    /// The answer speaks about a name that is ours alone.
    #[error("the upstream answer leads into .alt")]
    Poisoned,
}

/// What the asker wants of DNSSEC; passed on as it came.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub(crate) struct Dnssec {
    pub(crate) ok: bool,
    pub(crate) checking_disabled: bool,
}

/// An answer from upstream.
#[derive(Debug)]
pub(crate) struct Relayed {
    pub(crate) answer: Answer,
    /// The upstream says that it validated the answer.
    pub(crate) authentic: bool,
    /// Private addresses were removed, and nothing was left.
    pub(crate) emptied: bool,
}

/// Asks upstream servers.
pub struct Upstream {
    route: Route,
    rebinding: RebindingFilter,
    cache: ResponseCache,
    open: Semaphore,
}

enum Route {
    Nowhere,
    Forward(NameServerPool<Gate>),
    Recurse(Box<Recursor<Gate>>),
}

impl Upstream {
    /// Makes an upstream; nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`DnsError::Upstream`] if TLS or the recursor cannot be set up.
    pub fn new(config: UpstreamConfig) -> Result<Self, DnsError> {
        let route = match config.mode {
            UpstreamMode::System(servers) => forward(servers.into_iter().map(UpstreamServer::from))?,
            UpstreamMode::Servers(servers) => forward(servers.into_iter())?,
            UpstreamMode::Recursive(roots) => recurse(&roots)?,
        };
        let mut bounds = ResolverOpts::default();
        bounds.positive_max_ttl = Some(CACHE_TTL_MAX);
        bounds.negative_max_ttl = Some(CACHE_TTL_MAX);
        Ok(Self {
            route,
            rebinding: config.rebinding,
            cache: ResponseCache::new(CACHE_ENTRIES_MAX, TtlConfig::from_opts(&bounds)),
            open: Semaphore::new(OUTSTANDING_MAX),
        })
    }

    /// Asks, and answers within [`DEADLINE`].
    pub(crate) async fn ask(&self, question: &Question, dnssec: Dnssec) -> Result<Relayed, UpstreamError> {
        let query = Query::query(question.name.clone(), question.rtype);
        let cacheable = dnssec == Dnssec::default();
        if cacheable && let Some(cached) = self.cache.get(&query, Instant::now()) {
            return relayed(&query, cached, false);
        }
        let Ok(_permit) = self.open.try_acquire() else {
            return Err(UpstreamError::Overloaded);
        };
        let exchange = timeout(DEADLINE, self.exchange(&query, dnssec)).await;
        let mut result = exchange.map_err(|_| UpstreamError::TimedOut)??;
        let verdict = match &mut result {
            Ok(message) => self.rebinding.apply(&question.name, message),
            Err(_) => Verdict::Usable,
        };
        if verdict == Verdict::Poisoned {
            return Err(UpstreamError::Poisoned);
        }
        if cacheable && verdict == Verdict::Usable {
            self.cache.insert(query.clone(), result.clone(), Instant::now());
        }
        relayed(&query, result, verdict == Verdict::Emptied)
    }

    async fn exchange(&self, query: &Query, dnssec: Dnssec) -> Result<Result<Message, NetError>, UpstreamError> {
        match &self.route {
            Route::Nowhere => Err(UpstreamError::NoServers),
            Route::Forward(pool) => Ok(forwarded(pool, query, dnssec).await),
            Route::Recurse(recursor) => {
                let resolving = recursor.resolve(query.clone(), Instant::now(), dnssec.ok);
                resolving.await.map(Ok).or_else(|error| negative_of(query, error))
            }
        }
    }
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let route = match &self.route {
            Route::Nowhere => "nowhere",
            Route::Forward(_) => "forward",
            Route::Recurse(_) => "recurse",
        };
        f.debug_struct("Upstream").field("route", &route).finish_non_exhaustive()
    }
}

fn forward(servers: impl Iterator<Item = UpstreamServer>) -> Result<Route, DnsError> {
    let servers: Vec<NameServerConfig> = servers.take(SERVERS_MAX).map(|server| server.name_server()).collect();
    if servers.is_empty() {
        return Ok(Route::Nowhere);
    }
    let tls = TlsConfig::new().map_err(|error| DnsError::Upstream(error.to_string()))?;
    let mut options = ResolverOpts::default();
    options.timeout = ATTEMPT;
    options.max_active_requests = OUTSTANDING_MAX;
    let context = Arc::new(PoolContext::new(options, tls));
    Ok(Route::Forward(NameServerPool::from_config(servers, context, Gate::default())))
}

fn recurse(roots: &[IpAddr]) -> Result<Route, DnsError> {
    let options = RecursorOptions::default();
    let policy = DnssecPolicy::SecurityUnaware;
    Recursor::new(roots, policy, None, options, Gate::default())
        .map(|recursor| Route::Recurse(Box::new(recursor)))
        .map_err(|error| DnsError::Upstream(error.to_string()))
}

async fn forwarded(pool: &NameServerPool<Gate>, query: &Query, dnssec: Dnssec) -> Result<Message, NetError> {
    let mut options = DnsRequestOptions::default();
    options.edns_set_dnssec_ok = dnssec.ok;
    let mut request = DnsRequest::from_query(query.clone(), options);
    request.metadata.checking_disabled = dnssec.checking_disabled;
    // Asks to be told whether the answer was validated (RFC 6840 section 5.7).
    request.metadata.authentic_data = true;
    let mut last = NetError::NoConnections;
    for _ in 0..ATTEMPTS {
        match pool.send(request.clone()).next().await {
            Some(Ok(response)) => return Ok(response.into_message()),
            Some(Err(negative @ NetError::Dns(_))) => return Err(negative),
            Some(Err(error)) => last = error,
            None => {}
        }
    }
    Err(last)
}

/// Tells a recursor's "there is nothing" from its failures.
#[expect(clippy::wildcard_enum_match_arm, reason = "all other ways to fail are one to us")]
fn negative_of(query: &Query, error: RecursorError) -> Result<Result<Message, NetError>, UpstreamError> {
    match error {
        RecursorError::Negative(data) => {
            let code = if data.is_nx_domain() { ResponseCode::NXDomain } else { ResponseCode::NoError };
            let mut nothing = NoRecords::new(query.clone(), code);
            nothing.negative_ttl = data.soa.as_ref().map(|soa| soa.ttl.min(soa.data.minimum));
            nothing.soa = data.soa;
            Ok(Err(nothing.into()))
        }
        RecursorError::Net(negative @ NetError::Dns(_)) => Ok(Err(negative)),
        RecursorError::Timeout => Err(UpstreamError::TimedOut),
        _ => Err(UpstreamError::Failed),
    }
}

fn relayed(query: &Query, result: Result<Message, NetError>, emptied: bool) -> Result<Relayed, UpstreamError> {
    match result {
        Ok(message) => Ok(Relayed {
            authentic: message.metadata.authentic_data,
            answer: answer_of(query.query_type(), message)?,
            emptied,
        }),
        Err(NetError::Dns(WireError::NoRecordsFound(nothing))) => {
            let answer = answer_of_nothing(nothing)?;
            Ok(Relayed { answer, authentic: false, emptied: false })
        }
        Err(NetError::Timeout) => Err(UpstreamError::TimedOut),
        Err(_) => Err(UpstreamError::Failed),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "all other codes are failures")]
fn answer_of(rtype: RecordType, message: Message) -> Result<Answer, UpstreamError> {
    let answered = rtype == RecordType::ANY || message.answers.iter().any(|record| record.record_type() == rtype);
    let negative = message.authorities.iter().any(|record| record.record_type() == RecordType::SOA);
    let records = in_section(message.answers);
    let authority = in_section(message.authorities);
    match message.metadata.response_code {
        ResponseCode::NXDomain => Ok(Answer::NxDomain { chain: records, authority }),
        ResponseCode::NoError if !answered && (negative || records.is_empty()) => {
            Ok(Answer::NoData { chain: records, authority })
        }
        ResponseCode::NoError => Ok(Answer::Records { records, onward: None }),
        _ => Err(UpstreamError::Failed),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "all other codes are failures")]
fn answer_of_nothing(nothing: NoRecords) -> Result<Answer, UpstreamError> {
    let chain = Vec::new();
    let soa = nothing.soa.map(|soa| ResourceRecord(soa.into_record_of_rdata()));
    let proofs = nothing.authorities.iter().flat_map(|records| records.iter());
    let proofs = proofs.filter(|record| record.record_type() != RecordType::SOA).cloned();
    let authority: Vec<_> = soa.into_iter().chain(proofs.map(ResourceRecord)).collect();
    match nothing.response_code {
        ResponseCode::NXDomain => Ok(Answer::NxDomain { chain, authority }),
        ResponseCode::NoError => Ok(Answer::NoData { chain, authority }),
        _ => Err(UpstreamError::Failed),
    }
}

fn in_section(records: Vec<Record>) -> Vec<ResourceRecord> {
    records.into_iter().map(ResourceRecord).collect()
}
