use std::collections::BTreeMap;

use anyhow::{Context, Result};
use holloway_simnet::scale::{Kind, Plan, Report, Times};

/// The figures of one size, by name: they go from process to process as JSON.
pub(crate) struct Figures(BTreeMap<String, f64>);

impl Figures {
    pub(crate) fn of(plan: &Plan, report: &Report) -> Self {
        let mut figures = Self(BTreeMap::new());
        let Report { gossip, finding, binds, convergence, memory, .. } = report;
        for kind in Kind::ALL {
            figures.set(kind.name(), report.bytes[kind]);
        }
        let single = [
            ("nodes", plan.nodes as f64),
            ("relays", plan.relays as f64),
            ("registered", report.registered as f64),
            ("bytes", report.bytes.total()),
            ("quiet", report.quiet.total()),
            ("registering once", report.registering_bytes),
            ("announced alone", gossip.alone_per_minute),
            ("announced", gossip.watched_per_minute),
            ("announcement bytes", gossip.bytes),
            ("duplicates", gossip.duplicates),
            ("gossip p95", gossip.reached.0),
            ("gossip max", gossip.reached.1),
            ("table", finding.table),
            ("hops", finding.hops.0),
            ("hops max", finding.hops.1),
            ("asked to find", finding.asked.0),
            ("asked to put", finding.asked.1),
            ("found", finding.found),
            ("record bytes", finding.record_bytes),
            ("asks", binds.asked as f64),
            ("bound", binds.bound as f64),
            ("circuits", binds.circuits as f64),
            ("relays in path", binds.relays_max as f64),
            ("bind p95", binds.p95),
            ("links each", binds.links),
            ("memory relay", memory.relay),
            ("memory registration", memory.registration),
        ];
        single.into_iter().for_each(|(name, figure)| figures.set(name, figure));
        figures.times("cut heard", convergence.cut_heard);
        figures.times("cut binds", convergence.cut_binds);
        figures.times("death heard", convergence.death_heard);
        figures.times("death binds", convergence.death_binds);
        figures.times("death registered", convergence.death_registered);
        figures.times("heal binds", convergence.heal_binds);
        figures
    }

    fn times(&mut self, name: &str, times: Times) {
        self.set(&format!("{name} of"), times.of as f64);
        self.set(&format!("{name} done"), times.done as f64);
        self.set(&format!("{name} p95"), times.p95);
        self.set(&format!("{name} max"), times.max);
    }

    pub(crate) fn set(&mut self, name: &str, figure: f64) {
        self.0.insert(name.to_owned(), figure);
    }

    pub(crate) fn get(&self, name: &str) -> f64 {
        self.0.get(name).copied().unwrap_or(f64::NAN)
    }

    /// What is not a number is left out.
    pub(crate) fn to_json(&self) -> String {
        let finite: BTreeMap<&String, f64> =
            self.0.iter().filter(|(_, figure)| figure.is_finite()).map(|(name, figure)| (name, *figure)).collect();
        serde_json::json!(finite).to_string()
    }

    pub(crate) fn from_json(text: &str) -> Result<Self> {
        serde_json::from_str(text).map(Self).context("these are no figures")
    }
}
