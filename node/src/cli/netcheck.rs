//! `holloway netcheck`: what the networks below let through, and what that means for direct paths.

use holloway_dashboard::api::{
    FamilyCheck, FamilyState, InNetwork, Netcheck, NetworkCheck, PortMappingCheck, RelayStatus, UdpState,
};

use super::context::Context;
use super::duration::coarse;
use super::escape::shown;
use super::failure::Failure;
use super::relays::table;
use super::style::Style;

/// Shows what is known of the underlay.
pub(crate) async fn show(context: &Context, network: &InNetwork) -> Result<(), Failure> {
    let checked = context.daemon()?.netcheck(network).await?;
    context.output().answer(&checked, text)
}

fn text(checked: &Netcheck, style: Style) -> String {
    if checked.networks.is_empty() {
        return "nothing is known: this machine is in no network; holloway create <network>, or holloway join <invite>\n"
            .to_owned();
    }
    let networks: Vec<String> = checked.networks.iter().map(|network| network_text(network, style)).collect();
    networks.join("\n")
}

fn network_text(network: &NetworkCheck, style: Style) -> String {
    let heading = format!("{}: {}", shown(&network.network), shown(&network.summary));
    let mut text = format!("{}\n", style.heading(&heading));
    let lines = [
        ("UDP", udp_words(network.udp, style)),
        ("IPv4", family_words(&network.ipv4, style)),
        ("IPv6", family_words(&network.ipv6, style)),
        ("NAT", shown(&network.nat.words)),
        ("port mapping", port_mapping_words(&network.port_mapping)),
    ];
    for (name, value) in lines {
        text.push_str(&format!("  {name:<13} {value}\n"));
    }
    let relays: Vec<&RelayStatus> = network.relays.iter().collect();
    match relays.is_empty() {
        true => text.push_str("  relays        none is known; invite one: holloway invite --right relay\n"),
        false => text.push_str(&format!("\n{}", table(&relays, style))),
    }
    text
}

fn udp_words(udp: UdpState, style: Style) -> String {
    match udp {
        UdpState::Works => style.good("gets through"),
        UdpState::Blocked => style.bad("blocked: relays answer over TCP, and to no datagram"),
        UdpState::Unknown => style.warning("unknown: nobody on the internet has answered to a datagram so far"),
    }
}

fn family_words(family: &FamilyCheck, style: Style) -> String {
    let addresses: Vec<String> = family.addresses.iter().map(|address| shown(address)).collect();
    let addresses = addresses.join(", ");
    match family.state {
        FamilyState::Works => format!("{}, {addresses}", style.good("works")),
        FamilyState::Unproven => format!("{addresses}; nobody on the internet has answered over it so far"),
        FamilyState::Absent => style.faint("this machine has no address"),
    }
}

fn port_mapping_words(mapping: &PortMappingCheck) -> String {
    let rest = mapping.expires_in_s.map_or_else(String::new, |left| format!(", for another {} at least", coarse(left)));
    format!("{}{rest}", shown(&mapping.words))
}

#[cfg(test)]
mod tests {
    use holloway_dashboard::api::{DirectPaths, NatCheck, NatMapping, PortMappingState, SchemaVersion};

    use super::*;

    fn home() -> NetworkCheck {
        NetworkCheck {
            network: "home".into(),
            udp: UdpState::Works,
            ipv4: FamilyCheck { state: FamilyState::Works, addresses: vec!["192.168.10.2".into()] },
            ipv6: FamilyCheck { state: FamilyState::Absent, addresses: vec![] },
            nat: NatCheck { mapping: NatMapping::Unknown, seen: vec![], words: "one outside address".into() },
            port_mapping: PortMappingCheck {
                state: PortMappingState::Held,
                protocol: Some("PCP".into()),
                external: Some("198.51.100.10:42042".into()),
                expires_in_s: Some(3540),
                words: "the router forwards it".into(),
            },
            relays: vec![],
            direct: DirectPaths::Anyone,
            summary: "Others can reach this machine directly.".into(),
        }
    }

    fn of(networks: Vec<NetworkCheck>) -> String {
        text(&Netcheck { schema: SchemaVersion, networks }, Style::PLAIN)
    }

    #[test]
    fn what_it_means_comes_first_and_every_finding_has_its_line() {
        let expected = "\
home: Others can reach this machine directly.
  UDP           gets through
  IPv4          works, 192.168.10.2
  IPv6          this machine has no address
  NAT           one outside address
  port mapping  the router forwards it, for another 59 min at least
  relays        none is known; invite one: holloway invite --right relay
";
        assert_eq!(of(vec![home()]), expected);
    }

    #[test]
    fn without_a_network_the_commands_that_help_are_named() {
        assert!(of(vec![]).contains("holloway join"));
    }

    #[test]
    fn what_a_router_or_a_peer_says_cannot_reach_the_terminal() {
        let evil = "\u{1b}[2J\n\u{202e}".to_owned();
        let mut network = home();
        network.summary.clone_from(&evil);
        network.nat.words.clone_from(&evil);
        network.port_mapping.words.clone_from(&evil);
        network.ipv4.addresses = vec![evil.clone()];
        network.network = evil;
        let text = of(vec![network]);
        assert_eq!(text.lines().count(), 7);
        assert!(!text.contains(['\u{1b}', '\u{202e}']));
    }
}
