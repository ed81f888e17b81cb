//! Every input of a relay; the first byte chooses.
#![no_main]

use holloway_fuzz::relay::ENTRIES;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&first, rest)) = data.split_first() else { return };
    let (_, entry) = ENTRIES[usize::from(first) % ENTRIES.len()];
    entry(rest);
});
