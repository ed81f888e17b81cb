//! Cutting and gathering, packet by packet and in bulk: whatever comes out is what a plain sender would have sent.
//!
//! `HOLLOWAY_PROVE_SCALE` multiplies the number of random cases; 500 makes it ten million.
#![expect(clippy::print_stdout, reason = "a proof says which seeds it tried")]

mod malformed;
mod records;
mod reference;
mod round_trip;
mod rules;
mod stream;
mod too_big;

/// Random cases without `HOLLOWAY_PROVE_SCALE`.
const CASES: u64 = 20_000;

/// How many random cases are wanted.
#[expect(clippy::disallowed_methods, reason = "how long a proof may take is told by the environment")]
fn cases() -> u64 {
    CASES * std::env::var("HOLLOWAY_PROVE_SCALE").map_or(1, |scale| scale.parse::<u64>().expect("a number"))
}

/// Runs one case per seed; a failure names its seed.
fn prove(name: &str, mut case: impl FnMut(u64)) {
    struct Seed<'a>(&'a str, u64);
    impl Drop for Seed<'_> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                println!("{} fails with seed {}", self.0, self.1);
            }
        }
    }
    let mut seed = Seed(name, 0);
    for number in 0..cases() {
        seed.1 = number;
        case(number);
    }
    println!("{name}: {} cases hold, seeds 0 to {}", cases(), cases() - 1);
}
