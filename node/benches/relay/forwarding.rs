//! What a packet costs the relay, beside a forwarder that does nothing else and beside coturn: all in the same
//! namespaces, in the same run, one after the other in each round.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use anyhow::{Context, Result};
use holloway_simnet::lab::{Host, Lab, Process};

use crate::crowd::ip;
use crate::load::{Flow, Offer, Outcome};
use crate::member::{Network, bind, frame};
use crate::plain::{self, Style};
use crate::stage::{DATA_PORT, Machine, founder};
use crate::{Size, process, turn};

/// Lengths of datagrams at the forwarder's door: frames with their heads, ChannelData with its header.
const LENGTHS: [usize; 2] = [200, 1400];

const OFFERS: [(&str, Offer); 3] =
    [("in trains", Offer::Trains), ("in trains that are cut on the way", Offer::Cut), ("one by one", Offer::Singly)];

/// A member may use all that there is.
const TOML: &str = "[relay]\nmember_mbps = 1000000\ncapacity_mbps = 1000000\n";

/// Against coturn's packets for each second of a processor.
const GOAL: f64 = 2.0;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Forwarder {
    Holloway,
    Plain(Style),
    Coturn,
}

const FORWARDERS: [Forwarder; 4] =
    [Forwarder::Holloway, Forwarder::Plain(Style::Trains), Forwarder::Plain(Style::Singly), Forwarder::Coturn];

impl Forwarder {
    const fn name(self) -> &'static str {
        match self {
            Self::Holloway => "Holloway",
            Self::Plain(Style::Trains) => "plain, GRO and GSO",
            Self::Plain(Style::Singly) => "plain, recv and send",
            Self::Coturn => "coturn",
        }
    }
}

struct Scene {
    sender: Host,
    receiver: Host,
    machine: Machine,
    network: Network,
    coturn: Option<(Process, SocketAddr)>,
    _lab: Lab,
}

/// Measures and prints.
pub(crate) fn measure(size: Size) -> Result<()> {
    let scene = Scene::new()?;
    if scene.coturn.is_none() {
        println!("\ncoturn is not installed (apt-get install coturn): there is nothing to compare with");
    }
    for length in LENGTHS {
        for (offered, offer) in OFFERS {
            println!("\ndatagrams of {length} bytes, offered {offered}; medians of {} rounds\n", size.rounds);
            let mut outcomes = Vec::new();
            for _ in 0..size.rounds {
                for forwarder in FORWARDERS {
                    if forwarder != Forwarder::Coturn || scene.coturn.is_some() {
                        outcomes.push((forwarder, scene.measure(forwarder, length, offer, size)?));
                    }
                }
            }
            table(&outcomes, length);
        }
    }
    Ok(())
}

impl Scene {
    fn new() -> Result<Self> {
        let lab = Lab::new("bench-forwarding")?;
        let [relay, sender, receiver] =
            [lab.public_host("relay")?, lab.public_host("sender")?, lab.public_host("receiver")?];
        let machine = founder(&lab, &relay, TOML);
        let network = Network::of(&machine)?;
        let coturn = turn::start(&lab, &relay)?;
        process::stay_beside()?;
        Ok(Self { sender, receiver, machine, network, coturn, _lab: lab })
    }

    fn measure(&self, forwarder: Forwarder, length: usize, offer: Offer, size: Size) -> Result<Outcome> {
        let [sender, receiver] = [open(&self.sender)?, open(&self.receiver)?];
        let segments = if offer == Offer::Cut { "1" } else { "65535" };
        ip(&self.sender, &["link", "set", "eth0", "gso_max_segs", segments])?;
        let to_receiver = SocketAddr::from((self.receiver.ipv4(), receiver.local_addr()?.port()));
        let relay = self.machine.host();
        let whole = |to: SocketAddr, datagram: Vec<u8>, forwarder| Flow {
            sender: &sender,
            receiver: &receiver,
            to,
            arrives_with: datagram.len(),
            datagram,
            forwarder,
        };
        match forwarder {
            Forwarder::Holloway => {
                let to = SocketAddr::from((relay.ipv4(), DATA_PORT));
                let datagram = self.bound(&sender, &receiver, to, length)?;
                whole(to, datagram, self.machine.daemon_pid()).measure(offer, size.time)
            }
            Forwarder::Plain(style) => {
                let process = plain::start(relay, style, to_receiver)?;
                let to = SocketAddr::from((relay.ipv4(), plain::PORT));
                whole(to, vec![0; length], process.pid()).measure(offer, size.time)
            }
            Forwarder::Coturn => {
                let (process, to) = self.coturn.as_ref().context("coturn is not installed")?;
                sender.connect(to)?;
                turn::open_channel(&sender, to_receiver)?;
                let flow = whole(*to, turn::channel_data(length), process.pid());
                Flow { arrives_with: length - turn::HEADER_BYTES, ..flow }.measure(offer, size.time)
            }
        }
    }

    /// Registers both ends with the relay; gives a frame from one to the other.
    fn bound(&self, sender: &UdpSocket, receiver: &UdpSocket, relay: SocketAddr, length: usize) -> Result<Vec<u8>> {
        let [from, to] = [self.network.member("sender")?, self.network.member("receiver")?];
        sender.connect(relay)?;
        receiver.connect(relay)?;
        to.register(&self.network, receiver)?;
        let registration = from.register(&self.network, sender)?;
        let channel = bind(sender, registration, to.node())?;
        Ok(frame(channel, 0, length))
    }
}

fn open(host: &Host) -> Result<UdpSocket> {
    Ok(host.in_namespace(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)))??)
}

fn table(outcomes: &[(Forwarder, Outcome)], length: usize) {
    let of = |forwarder: Forwarder| {
        let mut own: Vec<Outcome> = outcomes.iter().filter(|(by, _)| *by == forwarder).map(|(_, own)| *own).collect();
        own.sort_by(|one, other| one.per_core().total_cmp(&other.per_core()));
        own.get(own.len() / 2).copied().map(|median| (median, own[0].per_core(), own[own.len() - 1].per_core()))
    };
    let coturn = of(Forwarder::Coturn).map(|(median, ..)| median.per_core());
    let [names, figures] = ["", "  offered  delivered  Gbit/s   CPU  CPU s/million   thousand/s per core  to coturn"];
    println!("{names:<22}{figures}");
    for forwarder in FORWARDERS {
        let Some((median, low, high)) = of(forwarder) else { continue };
        let Outcome { offered, delivered, cpu_seconds, seconds } = median;
        let ratio = coturn.map_or_else(|| "-".into(), |coturn| format!("{:.2}", median.per_core() / coturn));
        let spread = format!("{:.0} ({:.0} to {:.0})", median.per_core() / 1e3, low / 1e3, high / 1e3);
        println!(
            "{:<22}{:>9.0}{:>11.0}{:>8.2}{:>6.2}{:>15.3}{spread:>22}{ratio:>11}",
            forwarder.name(),
            offered / 1e3,
            delivered / 1e3,
            delivered * length as f64 * 8.0 / 1e9,
            cpu_seconds / seconds,
            1e6 / median.per_core(),
        );
    }
    if let (Some((own, ..)), Some(coturn)) = (of(Forwarder::Holloway), coturn) {
        let is_reached = own.per_core() >= GOAL * coturn;
        println!(
            "{}: {GOAL:.0} times coturn's packets for each core",
            if is_reached { "reached" } else { "NOT REACHED" }
        );
    }
}
