//! Answers one request: from the zones if the name is ours, else from upstream.

use std::net::IpAddr;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use hickory_proto::op::{Edns, Header, HeaderCounts, LowerQuery, Metadata, ResponseCode};
use hickory_proto::rr::rdata::opt::EdnsOption;
use hickory_proto::rr::{DNSClass, Record, RecordType};
use hickory_server::net::runtime::Time;
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::MessageResponseBuilder;
use tracing::trace;

use crate::answer::{Answer, ResourceRecord};
use crate::metrics::Counters;
use crate::question::Question;
use crate::reply::DATAGRAM_BYTES_MAX;
use crate::upstream::{Dnssec, Relayed, Upstream, UpstreamError};
use crate::zones::{View, Zones};

/// Who is answered at all.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Audience {
    /// This machine: loopback and its own overlay addresses.
    #[default]
    ThisMachine,
    /// Members of the joined networks too; each sees its own network's names and nothing else.
    Members,
}

/// Answers requests; shared by all sockets.
pub(crate) struct Responder {
    pub(crate) zones: ArcSwap<Zones>,
    pub(crate) upstream: ArcSwap<Upstream>,
    pub(crate) audience: Audience,
    pub(crate) counters: Counters,
}

/// An answer and what is known about it.
#[derive(Debug)]
pub(crate) struct Resolution {
    pub(crate) answer: Answer,
    authoritative: bool,
    authentic: bool,
    emptied: bool,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Failure {
    Refused,
    Malformed,
    Version,
    Upstream(UpstreamError),
}

/// Extended DNS errors that we send (RFC 8914 section 4).
#[derive(Clone, Copy)]
enum ExtendedError {
    Other = 0,
    Filtered = 17,
    NoReachableAuthority = 22,
}

impl Responder {
    /// Tells whether `source` is answered.
    pub(crate) fn serves(&self, source: IpAddr) -> bool {
        match self.zones.load().view(source) {
            View::ThisMachine => true,
            View::Network(_) => self.audience == Audience::Members,
            View::Stranger => false,
        }
    }

    /// Counts a message that was rejected by its header or could not be parsed.
    pub(crate) fn count_rejection(&self, code: ResponseCode) {
        match code == ResponseCode::Refused {
            true => self.counters.refused.add_one(),
            false => self.counters.malformed.add_one(),
        }
    }

    /// Resolves a question; only this machine's own questions go upstream.
    pub(crate) async fn resolve(
        &self,
        question: &Question,
        view: View,
        recursion_desired: bool,
        dnssec: Dnssec,
    ) -> Result<Resolution, Failure> {
        refuse_meta_type(question.rtype)?;
        let may_recurse = recursion_desired && view == View::ThisMachine;
        let local = self.zones.load().lookup(question, view);
        match local {
            Some(Answer::Records { records, onward: Some(next) }) if may_recurse => {
                self.counters.alt_answers.add_one();
                let relayed = self.ask(&next, dnssec).await?;
                Ok(Resolution { emptied: relayed.emptied, ..Resolution::ours(relayed.answer.after(records)) })
            }
            Some(answer) => {
                self.counters.alt_answers.add_one();
                Ok(Resolution::ours(answer))
            }
            None if may_recurse => self.ask(question, dnssec).await.map(Resolution::theirs),
            None => Err(Failure::Refused),
        }
    }

    async fn ask(&self, question: &Question, dnssec: Dnssec) -> Result<Relayed, Failure> {
        self.counters.upstream_queries.add_one();
        let upstream = self.upstream.load_full();
        upstream.ask(question, dnssec).await.map_err(|error| {
            self.counters.upstream_failures.add_one();
            trace!(%question, reason = %error, "upstream gave no answer");
            Failure::Upstream(error)
        })
    }

    async fn resolve_request(&self, request: &Request) -> Result<Resolution, Failure> {
        if !self.serves(request.src().ip()) {
            return Err(Failure::Refused);
        }
        let [query] = request.queries.queries() else { return Err(Failure::Malformed) };
        if request.edns.as_ref().is_some_and(|edns| edns.version() > 0) {
            return Err(Failure::Version);
        }
        if query.query_class() != DNSClass::IN {
            return Err(Failure::Refused);
        }
        let question = question_of(query);
        let view = self.zones.load().view(request.src().ip());
        let wanted = request.metadata.recursion_desired;
        self.resolve(&question, view, wanted, dnssec_of(request)).await
    }
}

impl Resolution {
    fn ours(answer: Answer) -> Self {
        Self { answer, authoritative: true, authentic: false, emptied: false }
    }

    fn theirs(relayed: Relayed) -> Self {
        let Relayed { answer, authentic, emptied } = relayed;
        Self { answer, authoritative: false, authentic, emptied }
    }
}

#[async_trait]
impl RequestHandler for Responder {
    async fn handle_request<R: ResponseHandler, T: Time>(
        &self,
        request: &Request,
        mut response_handle: R,
    ) -> ResponseInfo {
        self.counters.queries.add_one();
        let outcome = self.resolve_request(request).await;
        if outcome.as_ref().err() == Some(&Failure::Refused) {
            self.counters.refused.add_one();
        }
        let mut metadata = metadata_of(request, &outcome);
        let view = self.zones.load().view(request.src().ip());
        metadata.recursion_available = view == View::ThisMachine;
        let edns = request.edns.as_ref().map(|asked| edns_of(asked, &outcome));
        let (records, authority) = match &outcome {
            Ok(resolution) => (resolution.answer.records(), resolution.answer.authority()),
            Err(_) => (&[][..], &[][..]),
        };
        let mut builder = MessageResponseBuilder::from_message_request(request);
        if let Some(edns) = &edns {
            builder.edns(edns);
        }
        let response = builder.build(metadata, wire(records), wire(authority), [], []);
        let unsent = ResponseInfo::from(Header { metadata, counts: HeaderCounts::default() });
        response_handle.send_response(response).await.unwrap_or(unsent)
    }
}

fn wire(records: &[ResourceRecord]) -> impl Iterator<Item = &Record> {
    records.iter().map(|record| &record.0)
}

fn question_of(query: &LowerQuery) -> Question {
    Question::new(query.original().name().clone(), query.query_type())
}

fn dnssec_of(request: &Request) -> Dnssec {
    Dnssec {
        ok: request.edns.as_ref().is_some_and(|edns| edns.flags().dnssec_ok),
        checking_disabled: request.metadata.checking_disabled,
    }
}

/// Refuses the types that are no types of records (RFC 6895 section 3.1).
fn refuse_meta_type(rtype: RecordType) -> Result<(), Failure> {
    /// TKEY, IXFR, AXFR, MAILB and MAILA, in this order.
    const TRANSACTIONS: [u16; 5] = [249, 251, 252, 253, 254];
    if matches!(rtype, RecordType::OPT | RecordType::TSIG | RecordType::ZERO) {
        return Err(Failure::Malformed);
    }
    if TRANSACTIONS.contains(&rtype.into()) {
        return Err(Failure::Refused);
    }
    Ok(())
}

fn metadata_of(request: &Request, outcome: &Result<Resolution, Failure>) -> Metadata {
    let mut metadata = Metadata::response_from_request(&request.metadata);
    metadata.response_code = response_code(outcome);
    if let Ok(resolution) = outcome {
        let asked = request.metadata.authentic_data || dnssec_of(request).ok;
        metadata.authoritative = resolution.authoritative;
        metadata.authentic_data = resolution.authentic && asked;
    }
    metadata
}

fn response_code(outcome: &Result<Resolution, Failure>) -> ResponseCode {
    match outcome {
        Ok(Resolution { answer: Answer::NxDomain { .. }, .. }) => ResponseCode::NXDomain,
        Ok(_) => ResponseCode::NoError,
        Err(Failure::Refused) => ResponseCode::Refused,
        Err(Failure::Malformed) => ResponseCode::FormErr,
        Err(Failure::Version) => ResponseCode::BADVERS,
        Err(Failure::Upstream(_)) => ResponseCode::ServFail,
    }
}

fn edns_of(asked: &Edns, outcome: &Result<Resolution, Failure>) -> Edns {
    let mut edns = Edns::new();
    edns.set_max_payload(DATAGRAM_BYTES_MAX).set_dnssec_ok(asked.flags().dnssec_ok);
    if let Some((error, text)) = extended_error(outcome) {
        let mut option = (error as u16).to_be_bytes().to_vec();
        option.extend_from_slice(text.as_bytes());
        edns.options_mut().insert(EdnsOption::Unknown(EXTENDED_ERROR_OPTION, option));
    }
    edns
}

/// The option code of an extended DNS error (RFC 8914 section 2).
const EXTENDED_ERROR_OPTION: u16 = 15;

fn extended_error(outcome: &Result<Resolution, Failure>) -> Option<(ExtendedError, String)> {
    match outcome {
        Ok(resolution) if resolution.emptied => {
            let text = "private addresses were removed from the answer for a public name";
            Some((ExtendedError::Filtered, text.to_owned()))
        }
        Ok(_) => None,
        Err(Failure::Upstream(error)) => Some((severity(*error), error.to_string())),
        Err(Failure::Refused | Failure::Malformed | Failure::Version) => None,
    }
}

fn severity(error: UpstreamError) -> ExtendedError {
    match error {
        UpstreamError::TimedOut | UpstreamError::NoServers => ExtendedError::NoReachableAuthority,
        UpstreamError::Overloaded | UpstreamError::Failed => ExtendedError::Other,
        UpstreamError::Poisoned => ExtendedError::Filtered,
    }
}
