//! Every seed of the fuzzing corpus, and many changed ones, through every entry: a module of the tests of each crate that
//! has entries. Whoever includes it brings `entries`, and `CASES_SCALE` for how many times proptest's usual number of
//! cases its entries are cheap enough for.

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::CASES_SCALE;
use super::entries::{ENTRIES, Entry};

fn folder(entry: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(entry)
}

fn seeds(entry: &str) -> Vec<Vec<u8>> {
    let files = std::fs::read_dir(folder(entry)).expect("every entry has a folder of seeds");
    files.map(|file| std::fs::read(file.expect("an entry").path()).expect("a seed")).collect()
}

fn all_seeds() -> Vec<(Entry, Vec<u8>)> {
    let of_entry = |(name, entry)| seeds(name).into_iter().map(move |seed| (entry, seed));
    ENTRIES.into_iter().flat_map(of_entry).collect()
}

/// One change to a seed: a byte set, a bit flipped, a piece removed, doubled or cut off.
fn change(bytes: &mut Vec<u8>, (kind, at, byte): (u8, Index, u8)) {
    if bytes.is_empty() {
        bytes.push(byte);
        return;
    }
    let at = at.index(bytes.len());
    let end = (at + usize::from(byte)).min(bytes.len());
    match kind % 6 {
        0 => bytes[at] = byte,
        1 => bytes[at] ^= 1 << (byte % 8),
        2 => drop(bytes.drain(at..end)),
        3 => {
            let piece = bytes[at..end].to_vec();
            bytes.splice(at..at, piece);
        }
        4 => bytes.truncate(at),
        _ => bytes.insert(at, byte),
    }
}

#[test]
fn every_seed_passes_through_every_entry() {
    for (_, seed) in all_seeds() {
        for (_, entry) in ENTRIES {
            entry(&seed);
        }
    }
}

#[test]
fn every_entry_has_a_seed() {
    for (name, _) in ENTRIES {
        assert!(!seeds(name).is_empty(), "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES_SCALE * ProptestConfig::default().cases, ..ProptestConfig::default() })]

    #[test]
    fn changed_seeds_pass_through_their_entry(
        (entry, seed) in select(all_seeds()),
        changes in proptest::collection::vec(any::<(u8, Index, u8)>(), 1..6),
    ) {
        let mut bytes = seed;
        changes.into_iter().for_each(|one| change(&mut bytes, one));
        entry(&bytes);
    }

    #[test]
    fn noise_passes_through_every_entry(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        for (_, entry) in ENTRIES {
            entry(&bytes);
        }
    }
}
