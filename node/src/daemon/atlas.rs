//! Where on the globe relays are that do not say so themselves: by their addresses, after a database in the MaxMind DB
//! format that the operator supplies.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use holloway_dashboard::api::{AnnouncedRelay, Place, PlaceSource};
use maxminddb::{MaxMindDbError, Reader, path};

/// The database, in memory.
#[derive(Debug)]
pub(super) struct Atlas(Reader<Vec<u8>>);

impl Atlas {
    /// Reads a database.
    ///
    /// # Errors
    /// Where there is none, or it is something else.
    pub(super) fn open(path: &Path) -> Result<Self, MaxMindDbError> {
        Reader::open_readfile(path).map(Self)
    }

    /// Adds the place of a relay that does not tell its own, by the first of its addresses that is known.
    pub(super) fn add_place(&self, relay: &mut AnnouncedRelay) {
        if relay.place.is_none() {
            let addresses = relay.endpoints.iter().filter_map(|endpoint| endpoint.parse::<SocketAddr>().ok());
            relay.place = addresses.map(|endpoint| endpoint.ip()).find_map(|address| self.place(address));
        }
    }

    /// A database that cannot be read at this address knows nothing of it.
    fn place(&self, address: IpAddr) -> Option<Place> {
        let found = self.0.lookup(address).ok()?;
        let degrees = |which: &str| found.decode_path::<f64>(&path!["location", which]).ok().flatten();
        let (latitude, longitude) = (degrees("latitude")?, degrees("longitude")?);
        let is_on_the_globe = latitude.abs() <= 90.0 && longitude.abs() <= 180.0;
        is_on_the_globe.then_some(Place { latitude, longitude, source: PlaceSource::Address })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn atlas() -> Atlas {
        Atlas::open(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/places.mmdb"))).unwrap()
    }

    fn relay(endpoints: &[&str], place: Option<Place>) -> AnnouncedRelay {
        AnnouncedRelay {
            name: "relay".into(),
            node_id: "rrrr".into(),
            region: String::new(),
            place,
            load_percent: 0,
            members: 0,
            capacity_mbps: 0,
            endpoints: endpoints.iter().map(|&endpoint| endpoint.into()).collect(),
            version: String::new(),
            draining: false,
            links: Vec::new(),
        }
    }

    #[test]
    fn a_relay_is_where_the_first_known_of_its_addresses_is() {
        let erfurt = Place { latitude: 50.98, longitude: 11.03, source: PlaceSource::Address };
        let auckland = Place { latitude: -36.85, longitude: 174.76, source: PlaceSource::Address };
        for (endpoints, place) in [
            (&["198.51.100.10:42042", "[2001:db8::10]:42042"][..], Some(erfurt)),
            (&["192.0.2.1:1", "[2001:db8::10]:42042"][..], Some(auckland)),
            // Known without a place; with one that is nowhere; not known; no address at all.
            (&["203.0.113.1:1"][..], None),
            (&["203.0.113.200:1"][..], None),
            (&["10.0.0.1:1"][..], None),
            (&["relay.example"][..], None),
        ] {
            let mut relay = relay(endpoints, None);
            atlas().add_place(&mut relay);
            assert_eq!(relay.place, place, "{endpoints:?}");
        }
    }

    #[test]
    fn what_an_operator_says_stays() {
        let said = Place { latitude: 1.0, longitude: 2.0, source: PlaceSource::Operator };
        let mut relay = relay(&["198.51.100.10:42042"], Some(said));
        atlas().add_place(&mut relay);
        assert_eq!(relay.place, Some(said));
    }

    #[test]
    fn what_is_no_database_is_refused_and_a_damaged_one_knows_nothing_or_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("places.mmdb");
        assert!(Atlas::open(&path).is_err());
        std::fs::write(&path, b"no database").unwrap();
        assert!(Atlas::open(&path).is_err());
        let whole = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/places.mmdb")).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0xff;
            std::fs::write(&path, damaged).unwrap();
            if let Ok(atlas) = Atlas::open(&path) {
                atlas.add_place(&mut relay(&["198.51.100.10:1", "[2001:db8::10]:1", "203.0.113.1:1"], None));
            }
        }
    }
}
