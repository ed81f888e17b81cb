use std::net::SocketAddr;
use std::time::Duration;

use holloway_wire::Endpoint;
use rand::RngExt;

use super::lanes::{Lanes, Received, Sealed};
use super::{Happening, MachineId, World, log};

/// Datagrams remembered for replaying.
const CAPTURED_MAX: usize = 256;

/// How often lanes report.
const REPORT_EVERY: Duration = Duration::from_millis(100);

impl World {
    /// Sends a datagram into the underlay.
    pub(crate) fn transmit(&mut self, machine: MachineId, to: SocketAddr, datagram: Vec<u8>) {
        if to.ip().is_loopback() {
            return self.send_over_stream(machine, to, datagram);
        }
        let Some(from) = self.underlay.depart(machine, to, self.now) else {
            self.note(|| format!("{machine} may not send to {to} {}", log::datagram(&datagram)));
            return;
        };
        let Some(target) = self.underlay.towards(machine, to) else {
            return;
        };
        self.trace.datagram(self.now, machine, &datagram);
        let weather = self.underlay.weather;
        self.note(|| format!("{machine} -> {target} {} from {from} to {to}", log::datagram(&datagram)));
        if datagram.len() > self.underlay.datagram_max(machine, target) {
            self.note(|| "  too long".into());
            return;
        }
        if !self.underlay.is_open(machine, target) || self.rng.random_bool(weather.loss) {
            self.note(|| "  lost".into());
            return;
        }
        if self.captured.len() >= CAPTURED_MAX {
            self.captured.pop_front();
        }
        self.captured.push_back((from, to, datagram.clone()));
        if self.rng.random_bool(weather.duplicate) {
            self.fly(machine, target, (from, to, datagram.clone()));
        }
        let datagram = if self.rng.random_bool(weather.corrupt) { self.corrupt(datagram) } else { datagram };
        self.fly(machine, target, (from, to, datagram));
    }

    pub(crate) fn fly(&mut self, machine: MachineId, target: MachineId, flight: (SocketAddr, SocketAddr, Vec<u8>)) {
        let jitter = self.underlay.weather.jitter.mul_f64(self.rng.random_range(0.0..1.0));
        let (from, to, datagram) = flight;
        let delay = self.delay(machine, target) + jitter;
        self.file(delay, Happening::Arrives { from, to, datagram });
    }

    pub(crate) fn corrupt(&mut self, mut datagram: Vec<u8>) -> Vec<u8> {
        if !datagram.is_empty() {
            let bit = self.rng.random_range(0..datagram.len() * 8);
            datagram[bit / 8] ^= 1 << (bit % 8);
        }
        datagram
    }

    pub(crate) fn arrives(&mut self, from: SocketAddr, to: SocketAddr, datagram: Vec<u8>) {
        let Some(machine) = self.underlay.arrive(from, to, self.now) else {
            self.note(|| format!("  filtered: {from} to {to} {}", log::datagram(&datagram)));
            return;
        };
        self.received(machine, from, datagram);
    }

    /// A machine has got a datagram, however it came.
    pub(crate) fn received(&mut self, machine: MachineId, from: SocketAddr, datagram: Vec<u8>) {
        let Some(datagram) = self.relayed(machine, from, datagram) else {
            return;
        };
        let now = self.clocks(machine).monotonic;
        let host = &mut self.machines[machine.0];
        let own = host.ip();
        let Some(run) = host.run.as_mut() else {
            return;
        };
        let unplaced = match &mut run.lanes {
            None => datagram,
            Some(lanes) => match lanes.open(from, own, datagram, now) {
                Received::Packet(packet) => {
                    self.delivered(machine, &packet);
                    self.report_soon(machine, REPORT_EVERY);
                    return;
                }
                Received::Done => {
                    self.report_soon(machine, REPORT_EVERY);
                    return;
                }
                Received::Unplaced(datagram) => datagram,
            },
        };
        self.with_node(machine, |node, now| node.handle_datagram(Endpoint::udp(from), unplaced, now));
    }

    /// A packet from a machine's own stack: to the lanes if they know where it goes, else to the node.
    pub(crate) fn tun(&mut self, machine: MachineId, packet: Vec<u8>) {
        let Some(run) = self.machines[machine.0].run.as_mut() else {
            return;
        };
        let packet = match &mut run.lanes {
            None => packet,
            Some(lanes) => match lanes.seal(packet) {
                Sealed::Datagram { to, datagram, wants_rotation } => {
                    self.transmit(machine, to, datagram);
                    self.report_soon(machine, if wants_rotation { Duration::ZERO } else { REPORT_EVERY });
                    return;
                }
                Sealed::Unplaced(packet) => packet,
            },
        };
        self.with_node(machine, |node, now| node.handle_tun(packet, now));
    }

    pub(crate) fn report_soon(&mut self, machine: MachineId, delay: Duration) {
        let Some(run) = self.machines[machine.0].run.as_mut() else {
            return;
        };
        let is_urgent = delay.is_zero();
        if is_urgent || !run.report_due {
            run.report_due |= !is_urgent;
            let incarnation = self.machines[machine.0].incarnation;
            self.file(delay, Happening::Report { machine, incarnation });
        }
    }

    pub(crate) fn report(&mut self, machine: MachineId) {
        let Some(run) = self.machines[machine.0].run.as_mut() else {
            return;
        };
        run.report_due = false;
        if let Some(report) = run.lanes.as_mut().and_then(Lanes::report) {
            self.with_node(machine, |node, now| node.handle_traffic(&report, now));
        }
    }
}
