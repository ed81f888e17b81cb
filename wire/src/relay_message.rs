use std::net::SocketAddr;
use std::time::Duration;

use minicbor::{Decoder, Encoder};

use crate::announcement::HOME_RELAYS_MAX;
use crate::certificate::{MembershipCertificate, decode_certificates, encode_certificates_within, node_id};
use crate::endpoint::{read_socket_addr, write_socket_addr};
use crate::error::DecodeError;
use crate::fields::{FieldReader, FieldWriter, array, bytes, list, put, u8, u64};
use crate::frame::{PROTOCOL_VERSION, is_supported_version};
use crate::keys::NodeId;
use crate::relay_announcement::{Load, RelayState};
use crate::relay_frame::RelayChannel;
use crate::signed::{MessageType, Signed, SignedMessage};

/// Longest relay message: with IPv6 and UDP headers it passes every IPv6 link unfragmented (RFC 8200 §5).
pub const RELAY_MESSAGE_LEN_MAX: usize = 1_200;

/// Length of a challenge.
pub const CHALLENGE_LEN: usize = 32;

pub(crate) const TYPE_RELAY_MESSAGE: u8 = 0x0d;

/// `type u8 | version u8 | 0 u16`, before the message's map.
const HEADER_LEN: usize = 4;

/// A question is made this long, so that no answer to a stranger is longer (no amplification): a challenge with an IPv6
/// address takes 74 bytes.
const QUESTION_LEN: usize = 96;

/// The same for the question for a channel: its answer names the relays that it leads over.
const BIND_LEN: usize = 160;

/// Relays that one path leads over, at most (ARCHITECTURE §5 "Relays").
pub const RELAYS_IN_PATH_MAX: usize = 3;

/// Certificates in an answer: as many as fit beside a signature over 150 bytes.
const CERTIFICATES_LEN_MAX: usize = 900;

/// A relay's stateless challenge to one source address: who answers it gets what is sent there.
pub type Challenge = [u8; CHALLENGE_LEN];

/// Names one registration at a relay. Drawn at random: whoever does not see the member's datagrams cannot know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegistrationId(pub u64);

/// A member's word that it wants to be reached through a relay, at the address where the relay sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayRegistration {
    /// The member.
    pub node: NodeId,
    /// The relay.
    pub relay: NodeId,
    /// The relay's challenge to that address.
    pub challenge: Challenge,
    /// The address, as the relay said.
    pub observed: SocketAddr,
}

impl SignedMessage for RelayRegistration {
    const TYPE: MessageType = MessageType::RelayRegistration;

    fn encode(&self) -> Vec<u8> {
        FieldWriter::new()
            .bytes(1, self.node.as_bytes())
            .bytes(2, self.relay.as_bytes())
            .bytes(3, &self.challenge)
            .field(4, |e| write_socket_addr(e, &self.observed))
            .finish()
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut r = FieldReader::new(bytes)?;
        let registration = Self {
            node: r.required(1, node_id)?,
            relay: r.required(2, node_id)?,
            challenge: r.required(3, array)?,
            observed: r.required(4, read_socket_addr)?,
        };
        r.finish()?;
        Ok(registration)
    }

    fn signer(&self) -> &NodeId {
        &self.node
    }
}

/// What one relay has with another at which it is registered. It does not travel: the member that registers tells the
/// relay on the same machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnLink {
    /// Our registration there.
    pub registration: RegistrationId,
    /// Where it is.
    pub at: SocketAddr,
    /// The round trip.
    pub rtt: Duration,
    /// Whether it is kept in any case, and not for the circuits of the moment only: others may reckon with it.
    pub is_lasting: bool,
}

/// Why a relay does not register a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum RelayRefusal {
    /// It has as many members as it can take.
    Full = 1,
    /// It does not know the asker as a member.
    NotAMember = 2,
    /// It is about to stop.
    Draining = 3,
    /// The member has used up what it may send through this relay this month.
    Quota = 4,
}

impl RelayRefusal {
    fn read(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        match u8(d)? {
            1 => Ok(Self::Full),
            2 => Ok(Self::NotAMember),
            3 => Ok(Self::Draining),
            4 => Ok(Self::Quota),
            _ => Err(DecodeError::Value),
        }
    }
}

/// What a member says to a relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToRelay {
    /// Asks for a [`FromRelay::Challenge`]. Whoever only wants to know how far the relay is, and at which address it is
    /// seen, leaves it at that.
    Register {
        /// For the challenge.
        id: u64,
    },
    /// Answers it.
    Answer {
        /// For the answer.
        id: u64,
        /// The registration that is wanted.
        registration: Signed<RelayRegistration>,
        /// The member's certificate and as many of its parents as fit.
        certificates: Vec<MembershipCertificate>,
    },
    /// Is the registration still there? Keeps it, and the mapping in the NAT.
    Ping {
        /// Which.
        registration: RegistrationId,
        /// For the pong.
        id: u64,
    },
    /// Asks for a channel to a member.
    Bind {
        /// The asker's registration.
        registration: RegistrationId,
        /// For the answer.
        id: u64,
        /// To whom.
        node: NodeId,
        /// Relays at which that member is found, if it is not found here.
        relays: Vec<NodeId>,
    },
    /// A relay, registered as a member, asks the next one for its part of a circuit.
    Extend {
        /// The asking relay's registration.
        registration: RegistrationId,
        /// For the answer.
        id: u64,
        /// Whose circuit it is.
        from: NodeId,
        /// To whom it leads.
        to: NodeId,
        /// The relays that follow; none when the member is to be found here.
        route: Vec<NodeId>,
        /// What comes back is to be sent to the asking relay on this channel.
        channel: RelayChannel,
    },
}

/// What a relay says to a member, or to whoever asks for a challenge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromRelay {
    /// Sign this, and you are registered at this address.
    Challenge {
        /// From the question; 0 where there was none, as for a frame: the member should register anew.
        id: u64,
        /// Bound to the address.
        challenge: Challenge,
        /// The address.
        observed: SocketAddr,
    },
    /// The member is registered.
    Registered {
        /// From the answer.
        id: u64,
        /// Names the registration from here on.
        registration: RegistrationId,
        /// How long it lasts without a sign of life.
        lifetime: Duration,
        /// Whether to look for another relay all the same.
        state: RelayState,
        /// Whether the member was registered until now: then its channels are what they were.
        resumed: bool,
    },
    /// The member is not registered.
    Refused {
        /// From the answer.
        id: u64,
        /// Why.
        refusal: RelayRefusal,
    },
    /// The registration is there.
    Pong {
        /// From the ping; the registration's own where the relay says without being asked that it is about to stop.
        id: u64,
        /// Where the ping came from, or where the member is registered.
        observed: SocketAddr,
        /// How the relay is doing.
        load: Load,
        /// Whether to look for another relay.
        state: RelayState,
    },
    /// The channel to a member.
    Bound {
        /// From the question.
        id: u64,
        /// The member.
        node: NodeId,
        /// The asker's number for it.
        channel: RelayChannel,
        /// The relays that it leads over from this one on; none when the member is registered here.
        route: Vec<NodeId>,
    },
    /// The rest of a circuit is there.
    Extended {
        /// From the question.
        id: u64,
        /// What goes to the circuit's far end is to be sent on this channel.
        channel: RelayChannel,
    },
    /// The member is not registered here.
    Unbound {
        /// From the question.
        id: u64,
        /// The member.
        node: NodeId,
    },
    /// What was sent on a channel did not arrive: there is no such channel, or nobody at its other end any more.
    Gone {
        /// The channel.
        channel: RelayChannel,
    },
}

/// Whether a datagram is a relay message, well-formed or not, and for whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelayMessageKind {
    /// A member's, to a relay.
    ToRelay,
    /// A relay's, to a member.
    FromRelay,
}

/// Relays' words have tags from here on.
const FIRST_FROM_RELAY: u8 = 0x10;

impl RelayMessageKind {
    /// What a datagram is, told by its first bytes.
    #[must_use]
    pub fn of(datagram: &[u8]) -> Option<Self> {
        match datagram {
            // A map whose first key is 0, and its value.
            [TYPE_RELAY_MESSAGE, _, _, _, _, 0, tag, ..] if *tag < FIRST_FROM_RELAY => Some(Self::ToRelay),
            [TYPE_RELAY_MESSAGE, ..] => Some(Self::FromRelay),
            _ => None,
        }
    }
}

impl ToRelay {
    /// Encodes the message, without the parents that do not fit. Questions that a stranger can ask are as long as the
    /// longest answer to a stranger.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let w = FieldWriter::new();
        match self {
            Self::Register { id } => {
                padded(QUESTION_LEN, |padding| FieldWriter::new().u64(0, 1).u64(1, *id).bytes(2, padding))
            }
            Self::Answer { id, registration, certificates } => datagram(
                w.u64(0, 2)
                    .u64(1, *id)
                    .field(2, |e| registration.write(e))
                    .bytes(3, &encode_certificates_within(certificates, CERTIFICATES_LEN_MAX)),
            ),
            Self::Ping { registration, id } => padded(QUESTION_LEN, |padding| {
                FieldWriter::new().u64(0, 3).u64(1, registration.0).u64(2, *id).bytes(3, padding)
            }),
            Self::Bind { registration, id, node, relays } => padded(BIND_LEN, |padding| {
                FieldWriter::new()
                    .u64(0, 4)
                    .u64(1, registration.0)
                    .u64(2, *id)
                    .bytes(3, node.as_bytes())
                    .list(4, relays, write_node)
                    .bytes(5, padding)
            }),
            Self::Extend { registration, id, from, to, route, channel } => datagram(
                w.u64(0, 5)
                    .u64(1, registration.0)
                    .u64(2, *id)
                    .bytes(3, from.as_bytes())
                    .bytes(4, to.as_bytes())
                    .list(5, route, write_node)
                    .u64(6, channel.0.into()),
            ),
        }
    }

    /// Reads a message.
    ///
    /// # Errors
    /// [`DecodeError`] when the form is not right, a question shorter than its answer included.
    pub fn decode(datagram: &[u8]) -> Result<Self, DecodeError> {
        let mut r = open(datagram)?;
        let message = match r.required(0, u8)? {
            1 => {
                let id = r.required(1, u64)?;
                r.required(2, padding)?;
                Self::Register { id }
            }
            2 => Self::Answer {
                id: r.required(1, u64)?,
                registration: r.required(2, Signed::read)?,
                certificates: decode_certificates(&r.required(3, bytes(CERTIFICATES_LEN_MAX))?)?,
            },
            3 => {
                let (registration, id) = (RegistrationId(r.required(1, u64)?), r.required(2, u64)?);
                r.required(3, padding)?;
                Self::Ping { registration, id }
            }
            4 => {
                let (registration, id) = (RegistrationId(r.required(1, u64)?), r.required(2, u64)?);
                let node = r.required(3, node_id)?;
                let relays = r.required(4, list(HOME_RELAYS_MAX, node_id))?;
                r.required(5, padding)?;
                Self::Bind { registration, id, node, relays }
            }
            5 => Self::Extend {
                registration: RegistrationId(r.required(1, u64)?),
                id: r.required(2, u64)?,
                from: r.required(3, node_id)?,
                to: r.required(4, node_id)?,
                route: r.required(5, list(RELAYS_IN_PATH_MAX - 2, node_id))?,
                channel: r.required(6, channel)?,
            },
            _ => return Err(DecodeError::Value),
        };
        r.finish()?;
        match &message {
            Self::Answer { certificates, .. } if certificates.is_empty() => Err(DecodeError::Field),
            Self::Answer { .. } | Self::Extend { .. } => Ok(message),
            Self::Register { .. } | Self::Ping { .. } if datagram.len() < QUESTION_LEN => Err(DecodeError::Truncated),
            Self::Bind { .. } if datagram.len() < BIND_LEN => Err(DecodeError::Truncated),
            Self::Register { .. } | Self::Ping { .. } | Self::Bind { .. } => Ok(message),
        }
    }
}

impl FromRelay {
    /// Encodes the message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let w = FieldWriter::new();
        datagram(match self {
            Self::Challenge { id, challenge, observed } => {
                w.u64(0, 0x10).u64(1, *id).bytes(2, challenge).field(3, |e| write_socket_addr(e, observed))
            }
            Self::Registered { id, registration, lifetime, state, resumed } => w
                .u64(0, 0x11)
                .u64(1, *id)
                .u64(2, registration.0)
                .u64(3, lifetime.as_secs())
                .u64(4, *state as u64)
                .u64(5, u64::from(*resumed)),
            Self::Refused { id, refusal } => w.u64(0, 0x12).u64(1, *id).u64(2, *refusal as u64),
            Self::Pong { id, observed, load, state } => w
                .u64(0, 0x13)
                .u64(1, *id)
                .field(2, |e| write_socket_addr(e, observed))
                .u64(3, load.percent().into())
                .u64(4, *state as u64),
            Self::Bound { id, node, channel, route } => {
                w.u64(0, 0x14).u64(1, *id).bytes(2, node.as_bytes()).u64(3, channel.0.into()).list(4, route, write_node)
            }
            Self::Unbound { id, node } => w.u64(0, 0x15).u64(1, *id).bytes(2, node.as_bytes()),
            Self::Gone { channel } => w.u64(0, 0x16).u64(1, channel.0.into()),
            Self::Extended { id, channel } => w.u64(0, 0x17).u64(1, *id).u64(2, channel.0.into()),
        })
    }

    /// Reads a message.
    ///
    /// # Errors
    /// [`DecodeError`] when the form is not right.
    pub fn decode(datagram: &[u8]) -> Result<Self, DecodeError> {
        let mut r = open(datagram)?;
        let message = match r.required(0, u8)? {
            0x10 => Self::Challenge {
                id: r.required(1, u64)?,
                challenge: r.required(2, array)?,
                observed: r.required(3, read_socket_addr)?,
            },
            0x11 => Self::Registered {
                id: r.required(1, u64)?,
                registration: RegistrationId(r.required(2, u64)?),
                lifetime: Duration::from_secs(r.required(3, u16)?.into()),
                state: r.required(4, RelayState::read)?,
                resumed: r.required(5, flag)?,
            },
            0x12 => Self::Refused { id: r.required(1, u64)?, refusal: r.required(2, RelayRefusal::read)? },
            0x13 => Self::Pong {
                id: r.required(1, u64)?,
                observed: r.required(2, read_socket_addr)?,
                load: r.required(3, Load::read)?,
                state: r.required(4, RelayState::read)?,
            },
            0x14 => Self::Bound {
                id: r.required(1, u64)?,
                node: r.required(2, node_id)?,
                channel: r.required(3, channel)?,
                route: r.required(4, list(RELAYS_IN_PATH_MAX - 1, node_id))?,
            },
            0x15 => Self::Unbound { id: r.required(1, u64)?, node: r.required(2, node_id)? },
            0x16 => Self::Gone { channel: r.required(1, channel)? },
            0x17 => Self::Extended { id: r.required(1, u64)?, channel: r.required(2, channel)? },
            _ => return Err(DecodeError::Value),
        };
        r.finish()?;
        Ok(message)
    }
}

fn datagram(w: FieldWriter) -> Vec<u8> {
    let mut datagram = vec![TYPE_RELAY_MESSAGE, PROTOCOL_VERSION, 0, 0];
    datagram.extend(w.finish());
    datagram
}

/// A question, as long as its answer at least.
fn padded(length: usize, with: impl Fn(&[u8]) -> FieldWriter) -> Vec<u8> {
    let short = datagram(with(&[]));
    datagram(with(&vec![0; length.saturating_sub(short.len())]))
}

fn open(datagram: &[u8]) -> Result<FieldReader<'_>, DecodeError> {
    if datagram.len() > RELAY_MESSAGE_LEN_MAX {
        return Err(DecodeError::TooLong);
    }
    match datagram.split_first_chunk::<HEADER_LEN>() {
        Some(([TYPE_RELAY_MESSAGE, version, 0, 0], body)) if is_supported_version(*version) => FieldReader::new(body),
        Some(([TYPE_RELAY_MESSAGE, version, 0, 0], _)) => Err(DecodeError::Version(*version)),
        Some(_) => Err(DecodeError::Value),
        None => Err(DecodeError::Truncated),
    }
}

/// Zeros: nothing travels in a padding.
fn padding(d: &mut Decoder<'_>) -> Result<(), DecodeError> {
    let padding = bytes(BIND_LEN)(d)?;
    if padding.iter().any(|byte| *byte != 0) { Err(DecodeError::Value) } else { Ok(()) }
}

fn u16(d: &mut Decoder<'_>) -> Result<u16, DecodeError> {
    Ok(d.u16()?)
}

/// Yes or no.
fn flag(d: &mut Decoder<'_>) -> Result<bool, DecodeError> {
    match u8(d)? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(DecodeError::Value),
    }
}

fn write_node(e: &mut Encoder<Vec<u8>>, node: &NodeId) {
    put(e, |e| e.bytes(node.as_bytes()));
}

fn channel(d: &mut Decoder<'_>) -> Result<RelayChannel, DecodeError> {
    Ok(RelayChannel(d.u32()?))
}
