//! What can go wrong, and who erred.

use std::io;
use std::net::SocketAddr;

use thiserror::Error;

use crate::question::QuestionError;
use crate::upstream::UpstreamError;

/// A zone, server or upstream that cannot be set up.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DnsError {
    /// The caller's network label or id is no label of a domain name.
    #[error("{0:?} cannot be the name of a network: letters, digits and inner hyphens only, at most 63")]
    Network(String),
    /// The operating system refuses the address.
    #[error("cannot answer DNS on {address}: {source}")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// The operator's upstream servers cannot be used.
    #[error("the upstream servers cannot be used: {0}")]
    Upstream(String),
}

/// Why [`Server::query`](crate::Server::query) has no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum QueryError {
    /// The caller asked something that is no question.
    #[error(transparent)]
    Question(#[from] QuestionError),
    /// The type is one that no resolver answers, such as AXFR.
    #[error("questions of type {0} are not answered")]
    Refused(String),
    /// The upstream servers gave no usable answer.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
}
