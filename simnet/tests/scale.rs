//! A small network of real relays and modelled members: what `make bench-scale` takes for granted.

use std::time::Duration;

use holloway_simnet::scale::{Plan, Report, run};

/// What one node may cost in a minute, in bytes, with everyone told of endpoints: it takes 280,000 at this size.
const BYTES_MAX: f64 = 400_000.0;

const PLAN: Plan = Plan { nodes: 1_000, relays: 10, seed: 1, window: Duration::from_secs(60) };

fn report(plan: Plan) -> Report {
    run(&plan, &|| None)
}

#[test]
fn a_thousand_members_are_registered_bound_and_found_at_a_bounded_price() {
    let Report { registered, bytes, binds, finding, convergence, .. } = report(PLAN);
    assert_eq!(registered, PLAN.nodes, "someone is not registered");
    assert!(binds.asked > 0 && binds.bound == binds.asked, "{binds:?}");
    assert!(binds.circuits > 0 && (2..=3).contains(&binds.relays_max), "{binds:?}");
    assert!(finding.found >= 1.0, "{finding:?}");
    assert!(bytes.total() < BYTES_MAX, "{bytes:?}");
    let failures = [convergence.cut_binds, convergence.death_binds, convergence.heal_binds];
    assert!(failures.iter().all(|times| times.of > 0 && times.done == times.of), "{convergence:?}");
    let orphans = convergence.death_registered;
    assert!(orphans.of > 0 && orphans.done == orphans.of && orphans.max < 25.0, "{orphans:?}");
    assert!(convergence.cut_heard.done == convergence.cut_heard.of, "{convergence:?}");
}

#[test]
fn a_seed_repeats_a_run() {
    let plan = Plan { nodes: 400, relays: 5, ..PLAN };
    let [one, other] = [(); 2].map(|()| format!("{:?}", report(plan)));
    assert_eq!(one, other);
}
