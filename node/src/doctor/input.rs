//! What the daemon would bind and what it says of itself, as something to check.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use holloway_config::{Settings, StateDir};
use holloway_dashboard::api::{NetworkStatus, Status};
use holloway_wire::NetworkId;

use super::facts::{DoctorInput, Listen, OverlayNetwork, Transport};

impl DoctorInput {
    /// What there is to check about a daemon with this state directory and these settings, and about what it says where
    /// it runs.
    pub(crate) fn of_daemon(state_dir: &StateDir, settings: &Settings, status: Option<&Status>) -> Self {
        let networks = status.map(|status| status.networks.as_slice()).unwrap_or_default();
        Self {
            listens: listens(settings),
            networks: networks.iter().filter_map(overlay_network).collect(),
            interfaces: networks.iter().map(|network| network.interface.clone()).collect(),
            names: status.map(|status| status.dns.integration.clone()),
            ..Self::of_system(state_dir.path().to_owned(), state_dir.api_socket().path)
        }
    }
}

/// The sockets of the first network and the resolver. Those on any free port have nothing to check.
fn listens(settings: &Settings) -> Vec<Listen> {
    let anywhere = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port);
    let listen = |purpose: &str, transport, address| Listen { purpose: purpose.to_owned(), transport, address };
    let mut listens: Vec<Listen> =
        settings.listen.data.iter().map(|address| listen("data", Transport::Udp, *address)).collect();
    listens.push(listen("control", Transport::Tcp, anywhere(settings.listen.control_tcp)));
    listens.push(listen("control", Transport::Udp, anywhere(settings.listen.control_quic)));
    if settings.dns.enabled {
        let address = SocketAddr::new(settings.dns.listen, settings.dns.port);
        listens.push(listen("names", Transport::Udp, address));
        listens.push(listen("names", Transport::Tcp, address));
    }
    listens.retain(|listen| listen.address.port() != 0);
    listens
}

fn overlay_network(network: &NetworkStatus) -> Option<OverlayNetwork> {
    let id: NetworkId = network.id.parse().ok()?;
    Some(OverlayNetwork { label: network.label.parse().ok()?, prefix: id.prefix() })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use holloway_config::{Environment, ListenSettings};

    use super::*;

    #[test]
    fn fixed_ports_are_checked_and_free_choices_are_not() {
        let state_dir = StateDir::resolve(Some(Path::new("/x")), &Environment::default()).unwrap();
        let texts = |settings: &Settings| {
            let input = DoctorInput::of_daemon(&state_dir, settings, None);
            assert_eq!(input.socket, Path::new("/x/api.sock"));
            input.listens.iter().map(|l| format!("{} {:?} {}", l.purpose, l.transport, l.address)).collect::<Vec<_>>()
        };
        let expected = [
            "data Udp 0.0.0.0:42042",
            "data Udp [::]:42042",
            "control Tcp 0.0.0.0:42042",
            "control Udp 0.0.0.0:42043",
            "names Udp 127.42.0.53:53",
            "names Tcp 127.42.0.53:53",
        ];
        assert_eq!(texts(&Settings::default()), expected);
        let mut settings = Settings::default();
        settings.listen = ListenSettings { control_tcp: 0, control_quic: 0, ..settings.listen };
        settings.dns.enabled = false;
        assert_eq!(texts(&settings), expected[..2]);
    }
}
