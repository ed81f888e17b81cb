//! What may come in: decided by the header alone, before anything is parsed or allocated.
//!
//! A response is never answered, so that two servers cannot be set to talk to each other; whoever
//! may not ask gets twelve octets, which is never more than was sent.

use hickory_proto::op::{Header, HeaderCounts, MessageType, Metadata, OpCode, ResponseCode};
use hickory_proto::serialize::binary::{BinDecodable as _, BinDecoder, BinEncodable as _, BinEncoder};

/// Longest query taken: a question, a few options and a signature fit many times over.
pub(crate) const QUERY_BYTES_MAX: usize = 4_096;

/// Octets of a header (RFC 1035 section 4.1.1).
const HEADER_BYTES: usize = 12;

/// Most additional records of a query: OPT and TSIG, and as many again of what nobody has
/// thought of yet.
const ADDITIONAL_MAX: u16 = 4;

/// What becomes of a message.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Admission {
    /// It is dropped without a word.
    Drop,
    /// It is answered with nothing but a header.
    Reject(ResponseCode),
    /// It looks like a question.
    Admit,
}

/// Decides about a message by its header.
pub(crate) fn admit(message: &[u8], asker_is_served: bool) -> Admission {
    let Some(Header { metadata, counts }) = header_of(message) else {
        return Admission::Drop;
    };
    if metadata.message_type == MessageType::Response {
        Admission::Drop
    } else if !asker_is_served {
        Admission::Reject(ResponseCode::Refused)
    } else if metadata.op_code != OpCode::Query {
        Admission::Reject(ResponseCode::NotImp)
    } else if !is_question(counts) {
        Admission::Reject(ResponseCode::FormErr)
    } else {
        Admission::Admit
    }
}

/// Returns the reply to a rejected message: its own header, turned round.
pub(crate) fn rejection(message: &[u8], code: ResponseCode) -> Option<Vec<u8>> {
    let request = header_of(message)?;
    let mut metadata = Metadata::response_from_request(&request.metadata);
    metadata.response_code = code;
    let mut reply = Vec::with_capacity(HEADER_BYTES);
    let header = Header { metadata, counts: HeaderCounts::default() };
    header.emit(&mut BinEncoder::new(&mut reply)).ok()?;
    Some(reply)
}

fn header_of(message: &[u8]) -> Option<Header> {
    Header::read(&mut BinDecoder::new(message)).ok()
}

fn is_question(counts: HeaderCounts) -> bool {
    // An authority record is the SOA of an IXFR (RFC 1995), which deserves its own refusal.
    counts.queries == 1 && counts.answers == 0 && counts.authorities <= 1 && counts.additionals <= ADDITIONAL_MAX
}
