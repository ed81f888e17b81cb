//! Whole networks of real nodes in a simulated world.

use std::time::Instant;

use holloway_simnet::world::{Report, Scenario, Violation};

fn prove(scenario: &Scenario, seeds: impl Iterator<Item = u64>) {
    let begun = Instant::now();
    let results: Vec<Result<Report, Violation>> = seeds.map(|seed| scenario.run(seed)).collect();
    let reports: Vec<&Report> = results.iter().flatten().collect();
    let simulated: f64 = reports.iter().map(|report| report.simulated.as_secs_f64()).sum();
    let datagrams: u64 = reports.iter().map(|report| report.datagrams).sum();
    println!(
        "{} seeds: {simulated:.0} s simulated, {datagrams} datagrams, {:.1} s on the wall",
        reports.len(),
        begun.elapsed().as_secs_f64()
    );
    for violation in results.iter().filter_map(|result| result.as_ref().err()) {
        println!("{violation}");
    }
    assert_eq!(reports.len(), results.len(), "some seeds failed");
}

#[test]
fn twenty_nodes() {
    let from: u64 = std::env::var("FROM").map_or(1, |v| v.parse().unwrap());
    let count: u64 = std::env::var("COUNT").map_or(3, |v| v.parse().unwrap());
    prove(&Scenario::TWENTY_NODES, from..from + count);
}
