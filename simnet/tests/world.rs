//! Whole networks of real nodes in a simulated world.

use std::time::Instant;

use holloway_simnet::world::Scenario;

#[test]
fn twenty_nodes() {
    let from: u64 = std::env::var("FROM").map_or(1, |v| v.parse().unwrap());
    let count: u64 = std::env::var("COUNT").map_or(3, |v| v.parse().unwrap());
    for seed in from..from+count {
        let begun = Instant::now();
        match Scenario::TWENTY_NODES.run(seed) {
            Ok(report) => println!("ok {report:?} {:?}", begun.elapsed()),
            Err(violation) => { std::fs::write(format!("/tmp/seeds/{seed}"), violation.to_string()).unwrap(); println!("FAIL seed {} at {:?} {}", violation.seed, violation.at, violation.what) },
        }
    }
}
