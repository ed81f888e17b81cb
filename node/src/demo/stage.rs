//! Where the story plays: an internet, alice on it, bob and carol behind a home router each.

use anyhow::{Context, Result};
use holloway_simnet::lab::{Lab, Nat, NatKind};

use super::machine::Machine;

/// The machines and the lab that holds them. Declared first and dropped first: daemons end before their network does.
pub(super) struct Stage {
    /// Public; founds the network.
    pub(super) alice: Machine,
    /// Behind a router.
    pub(super) bob: Machine,
    /// Behind another one.
    pub(super) carol: Machine,
    /// Carol's.
    pub(super) router: Nat,
    lab: Lab,
}

impl Stage {
    /// Builds it, and says what was built.
    pub(super) fn build() -> Result<(String, Self)> {
        let program = std::env::current_exe().context("finding this program")?;
        let lab = Lab::new("demo")?;
        let alice = lab.public_host("alice")?;
        let (bobs, carols) = (lab.nat(NatKind::Home, "bobs-router")?, lab.nat(NatKind::Home, "carols-router")?);
        let (bob, carol) = (bobs.host("bob")?, carols.host("carol")?);
        let detail = format!(
            "alice at {}, bob at {} behind {}, carol at {} behind {}",
            alice.ipv4(),
            bob.ipv4(),
            bobs.public_ipv4(),
            carol.ipv4(),
            carols.public_ipv4()
        );
        let machine = |host| Machine::new(host, &program, lab.directory());
        let (alice, bob, carol) = (machine(&alice), machine(&bob), machine(&carol));
        Ok((detail, Self { alice, bob, carol, router: carols, lab }))
    }

    /// All machines.
    pub(super) fn machines(&self) -> [&Machine; 3] {
        [&self.alice, &self.bob, &self.carol]
    }

    /// The ends of all logs.
    pub(super) fn log_tails(&self) -> String {
        self.lab.log_tails()
    }

    /// Stops the daemons cleanly and removes everything, also when a daemon does not stop.
    pub(super) fn take_down(mut self) -> Result<(String, ())> {
        let machines = [&mut self.alice, &mut self.bob, &mut self.carol];
        let stopped = machines.map(Machine::stop).into_iter().collect::<Result<()>>();
        let closed = self.lab.close();
        stopped.and(closed)?;
        Ok(("daemons, namespaces and files are gone".to_owned(), ()))
    }
}
