use std::net::SocketAddr;
use std::time::Duration;

use minicbor::{Decoder, Encoder};

use crate::certificate::{label, node_id};
use crate::endpoint::{ENDPOINTS_MAX, read_socket_addr, write_socket_addr};
use crate::error::DecodeError;
use crate::fields::{FieldReader, FieldWriter, list, put, seconds, tuple, u8, u64};
use crate::hello::plain_text;
use crate::keys::NodeId;
use crate::name::Label;
use crate::signed::{MessageType, SignedMessage};
use crate::time::UnixTime;

/// Where a relay stands, as its operator says, in hundredths of a degree: a kilometre is near enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    latitude: i16,
    longitude: i16,
}

impl Place {
    const LATITUDE_MAX: i16 = 9_000;
    const LONGITUDE_MAX: i16 = 18_000;

    /// A place on the globe; `None` for anything else.
    #[must_use]
    pub const fn new(latitude: i16, longitude: i16) -> Option<Self> {
        if latitude.unsigned_abs() > Self::LATITUDE_MAX.unsigned_abs()
            || longitude.unsigned_abs() > Self::LONGITUDE_MAX.unsigned_abs()
        {
            return None;
        }
        Some(Self { latitude, longitude })
    }

    /// Degrees north of the equator, in hundredths.
    #[must_use]
    pub const fn latitude(self) -> i16 {
        self.latitude
    }

    /// Degrees east of Greenwich, in hundredths.
    #[must_use]
    pub const fn longitude(self) -> i16 {
        self.longitude
    }

    /// Written from the south pole and the date line on: what travels has no negative numbers.
    fn write(self, e: &mut Encoder<Vec<u8>>) {
        let north = self.latitude.abs_diff(-Self::LATITUDE_MAX);
        let east = self.longitude.abs_diff(-Self::LONGITUDE_MAX);
        put(e, |e| e.array(2)?.u16(north)?.u16(east));
    }

    fn read(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        tuple(d, 2)?;
        let (north, east) = (d.u16()?, d.u16()?);
        let latitude = (-Self::LATITUDE_MAX).checked_add_unsigned(north).ok_or(DecodeError::Value)?;
        let longitude = (-Self::LONGITUDE_MAX).checked_add_unsigned(east).ok_or(DecodeError::Value)?;
        Self::new(latitude, longitude).ok_or(DecodeError::Value)
    }
}

/// How much of what it can do a relay is doing, in per cent of its capacity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Load(u8);

impl Load {
    /// Nothing at all.
    pub const NONE: Self = Self(0);

    /// As much as it can.
    pub const FULL: Self = Self(100);

    /// A share in per cent; more than all is all.
    #[must_use]
    pub const fn of_percent(percent: u8) -> Self {
        if percent > Self::FULL.0 { Self::FULL } else { Self(percent) }
    }

    /// The share in per cent.
    #[must_use]
    pub const fn percent(self) -> u8 {
        self.0
    }

    pub(crate) fn read(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        u8(d).and_then(|percent| if percent > Self::FULL.0 { Err(DecodeError::Value) } else { Ok(Self(percent)) })
    }
}

/// Whether a relay takes further members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum RelayState {
    /// It does.
    Open = 0,
    /// It is about to stop: those that are registered should look for another.
    Draining = 1,
}

impl RelayState {
    pub(crate) fn read(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        match u8(d)? {
            0 => Ok(Self::Open),
            1 => Ok(Self::Draining),
            _ => Err(DecodeError::Value),
        }
    }
}

/// Links to other relays that one relay speaks of.
pub const RELAY_LINKS_MAX: usize = 16;

/// How far another relay is from the one that says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RelayLink {
    /// The other relay.
    pub relay: NodeId,
    rtt_micros: u32,
}

impl RelayLink {
    /// A link with a round trip, which is kept in microseconds; one that takes longer than these can say is cut.
    #[must_use]
    pub fn new(relay: NodeId, rtt: Duration) -> Self {
        Self { relay, rtt_micros: u32::try_from(rtt.as_micros()).unwrap_or(u32::MAX) }
    }

    /// The round trip.
    #[must_use]
    pub const fn rtt(&self) -> Duration {
        Duration::from_micros(self.rtt_micros as u64)
    }

    fn write(e: &mut Encoder<Vec<u8>>, link: &Self) {
        put(e, |e| e.array(2)?.bytes(link.relay.as_bytes())?.u32(link.rtt_micros));
    }

    fn read(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        tuple(d, 2)?;
        Ok(Self { relay: node_id(d)?, rtt_micros: d.u32()? })
    }
}

/// A relay says that it is there, where, and how it is doing. The highest sequence wins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayAnnouncement {
    /// The relay: a member with the `relay` right.
    pub node: NodeId,
    /// Grows with each announcement: the wall clock in nanoseconds, or one more than the last.
    pub sequence: u64,
    /// Not there any more from here on, if nothing newer is heard.
    pub expires: UnixTime,
    /// Its name.
    pub name: Label,
    /// Where it stands, in its operator's words; may be empty.
    pub region: String,
    /// Where it stands on the globe, if its operator says so.
    pub place: Option<Place>,
    /// What it can pass on, in megabits a second.
    pub capacity_mbps: u32,
    /// How much of that it does.
    pub load: Load,
    /// Members registered with it.
    pub members: u32,
    /// The program's version, for people.
    pub software: String,
    /// Where it takes datagrams.
    pub endpoints: Vec<SocketAddr>,
    /// The TCP port where it takes the same in a stream, for those from whom UDP is kept.
    pub stream_port: Option<u16>,
    /// Whether it takes further members.
    pub state: RelayState,
    /// The relays that it reaches by itself.
    pub links: Vec<RelayLink>,
}

impl SignedMessage for RelayAnnouncement {
    const TYPE: MessageType = MessageType::RelayAnnouncement;

    fn encode(&self) -> Vec<u8> {
        FieldWriter::new()
            .bytes(1, self.node.as_bytes())
            .u64(2, self.sequence)
            .u64(3, self.expires.as_secs())
            .text(4, self.name.as_str())
            .text(5, &self.region)
            .optional(self.place, |w, place| w.field(6, |e| place.write(e)))
            .u64(7, self.capacity_mbps.into())
            .u64(8, self.load.percent().into())
            .u64(9, self.members.into())
            .text(10, &self.software)
            .list(11, &self.endpoints, write_socket_addr)
            .optional(self.stream_port, |w, port| w.u64(12, port.into()))
            .u64(13, self.state as u64)
            .list(14, &self.links, RelayLink::write)
            .finish()
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut r = FieldReader::new(bytes)?;
        let announcement = Self {
            node: r.required(1, node_id)?,
            sequence: r.required(2, u64)?,
            expires: r.required(3, seconds)?,
            name: r.required(4, label)?,
            region: r.required(5, plain_text)?,
            place: r.optional(6, Place::read)?,
            capacity_mbps: r.required(7, u32)?,
            load: r.required(8, Load::read)?,
            members: r.required(9, u32)?,
            software: r.required(10, plain_text)?,
            endpoints: r.required(11, list(ENDPOINTS_MAX, read_socket_addr))?,
            stream_port: r.optional(12, port)?,
            state: r.required(13, RelayState::read)?,
            links: r.required(14, list(RELAY_LINKS_MAX, RelayLink::read))?,
        };
        r.finish()?;
        Ok(announcement)
    }

    fn signer(&self) -> &NodeId {
        &self.node
    }
}

fn u32(d: &mut Decoder<'_>) -> Result<u32, DecodeError> {
    Ok(d.u32()?)
}

/// A port that can be connected to.
fn port(d: &mut Decoder<'_>) -> Result<u16, DecodeError> {
    match d.u16()? {
        0 => Err(DecodeError::Value),
        port => Ok(port),
    }
}
