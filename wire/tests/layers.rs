//! The layers hold: arrows only point down, the pure crates see no world, files stay small, exceptions say why.
//!
//! Lives with the lowest crate, whose tests need nothing else to be built. `deny.toml` says the same of the whole
//! dependency graph where cargo-deny is at hand.
#![expect(clippy::disallowed_methods, reason = "a test of the source tree runs cargo and reads files")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Which of our crates each of our crates may use (ARCHITECTURE.md, the table of layers).
const ALLOWED: [(&str, &[&str]); 9] = [
    ("holloway-wire", &[]),
    ("holloway-mesh", &["holloway-wire"]),
    ("holloway-relay", &["holloway-wire"]),
    ("holloway-config", &["holloway-wire"]),
    ("holloway-control", &["holloway-wire"]),
    ("holloway-dns", &["holloway-wire"]),
    ("holloway-dashboard", &["holloway-wire"]),
    ("holloway-simnet", &["holloway-mesh", "holloway-relay", "holloway-wire"]),
    (
        "holloway-node",
        &[
            "holloway-config",
            "holloway-control",
            "holloway-dashboard",
            "holloway-dns",
            "holloway-mesh",
            "holloway-relay",
            "holloway-simnet",
            "holloway-wire",
        ],
    ),
];

/// Families of crates that only one of ours may name.
const KEPT_TO_ONE: [(&str, &str); 6] = [
    ("libp2p", "holloway-control"),
    ("hickory", "holloway-dns"),
    ("axum", "holloway-dashboard"),
    ("snow", "holloway-mesh"),
    ("sqlx", "holloway-node"),
    ("tun-rs", "holloway-node"),
];

const PURE: [&str; 3] = ["holloway-wire", "holloway-mesh", "holloway-relay"];

/// Families of crates that no pure crate may reach, however far down: tasks, sockets, clocks, files, generators.
const WORLD: [&str; 24] = [
    "async-std",
    "axum",
    "chrono",
    "clap",
    "futures",
    "hickory",
    "hyper",
    "libp2p",
    "mio",
    "netlink",
    "nix",
    "polling",
    "quinn",
    "rand",
    "rtnetlink",
    "rustls",
    "serde_json",
    "smol",
    "socket2",
    "sqlx",
    "tempfile",
    "time",
    "tokio",
    "tun-rs",
];

/// Families that only mesh may reach, through its cryptography.
const SYSTEM: [&str; 5] = ["aws-lc", "getrandom", "libc", "ring", "snow"];

/// Where a file must be split (not counting its tests).
const FILE_LINES_MAX: usize = 800;

type Names = BTreeSet<String>;

fn is_of_family(name: &str, family: &str) -> bool {
    name.strip_prefix(family).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// Dependencies between our own crates that point up or sideways.
fn forbidden_arrows(dependencies: &BTreeMap<String, Names>) -> Vec<String> {
    let mut found = Vec::new();
    for (name, theirs) in dependencies {
        let Some((_, allowed)) = ALLOWED.iter().find(|(known, _)| known == name) else {
            found.push(format!("{name} is not in the table of layers"));
            continue;
        };
        let ours = theirs.iter().filter(|dependency| dependency.starts_with("holloway-"));
        let beyond = ours.filter(|dependency| !allowed.contains(&dependency.as_str()));
        found.extend(beyond.map(|dependency| format!("{name} may not use {dependency}")));
    }
    found
}

/// Crates of others that are used by another crate of ours than the one that wraps them.
fn strayed(dependencies: &BTreeMap<String, Names>) -> Vec<String> {
    let mut found = Vec::new();
    for (name, theirs) in dependencies {
        for (family, keeper) in KEPT_TO_ONE.iter().filter(|(_, keeper)| keeper != name) {
            let uses = theirs.iter().filter(|dependency| is_of_family(dependency, family));
            found.extend(uses.map(|dependency| format!("{name} uses {dependency}, which is {keeper}'s")));
        }
    }
    found
}

/// What a pure crate reaches and must not.
fn impurities(name: &str, reached: &Names) -> Vec<String> {
    let system = if name == "holloway-mesh" { &[] } else { SYSTEM.as_slice() };
    let banned = WORLD.iter().chain(system);
    let hits = banned.flat_map(|family| reached.iter().filter(|dependency| is_of_family(dependency, family)));
    hits.map(|dependency| format!("{name} reaches {dependency}")).collect()
}

fn is_too_long(source: &str) -> bool {
    let without_tests = source.split("\n#[cfg(test)]\nmod ").next().unwrap_or_default();
    without_tests.lines().count() > FILE_LINES_MAX
}

/// Attributes that silence a lint and do not say why.
fn silent_exceptions(source: &str) -> usize {
    let starts = ["[allow(", "[expect("].into_iter().flat_map(|start| source.match_indices(start));
    let is_silent = |at: usize| {
        let is_attribute = source[..at].ends_with(['#', '!']);
        let end = source[at..].find(")]").map_or(source.len(), |length| at + length);
        is_attribute && !source[at..end].contains("reason")
    };
    starts.filter(|(at, _)| is_silent(*at)).count()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the workspace").to_owned()
}

fn cargo(arguments: &[&str]) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo).args(arguments).current_dir(root()).output().expect("cargo runs");
    assert!(output.status.success(), "cargo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("cargo writes UTF-8")
}

/// Our crates with what each names as a dependency outside of tests.
fn dependencies() -> BTreeMap<String, Names> {
    let text = cargo(&["metadata", "--offline", "--locked", "--no-deps", "--format-version", "1"]);
    let metadata: Value = serde_json::from_str(&text).expect("cargo writes JSON");
    let packages = metadata["packages"].as_array().expect("a list of packages");
    let name = |value: &Value| value["name"].as_str().expect("a name").to_owned();
    let named = |package: &Value| {
        let all = package["dependencies"].as_array().expect("a list of dependencies").iter();
        all.filter(|dependency| dependency["kind"] != "dev").map(name).collect()
    };
    packages.iter().map(|package| (name(package), named(package))).collect()
}

/// Everything that a crate is built from.
fn reached_by(name: &str) -> Names {
    let text = cargo(&[
        "tree",
        "--offline",
        "--locked",
        "--edges",
        "normal",
        "--package",
        name,
        "--prefix",
        "none",
        "--format",
        "{p}",
    ]);
    text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

fn sources() -> Vec<(PathBuf, String)> {
    let crates = ALLOWED.iter().map(|(name, _)| root().join(name.trim_start_matches("holloway-")));
    let mut found = Vec::new();
    for folder in crates {
        collect_sources(&folder.join("src"), &mut found);
    }
    found
}

fn collect_sources(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in std::fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect_sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = std::fs::read_to_string(&path).expect("a source file");
            found.push((path, source));
        }
    }
}

fn names(list: &[&str]) -> Names {
    list.iter().map(ToString::to_string).collect()
}

fn one(name: &str, dependencies: &[&str]) -> BTreeMap<String, Names> {
    BTreeMap::from([(name.to_owned(), names(dependencies))])
}

#[test]
fn our_crates_only_use_those_below_them() {
    assert_eq!(forbidden_arrows(&dependencies()), Vec::<String>::new());
}

#[test]
fn every_crate_of_the_table_exists() {
    let present = dependencies();
    let missing: Vec<_> = ALLOWED.iter().filter(|(name, _)| !present.contains_key(*name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn wrapped_crates_stay_with_the_one_that_wraps_them() {
    assert_eq!(strayed(&dependencies()), Vec::<String>::new());
}

#[test]
fn pure_crates_reach_nothing_of_the_world() {
    for name in PURE {
        let reached = reached_by(name);
        assert!(reached.contains("blake2"), "the tree of {name} was read");
        assert_eq!(impurities(name, &reached), Vec::<String>::new());
    }
}

#[test]
fn files_stay_below_their_limit() {
    let long: Vec<_> = sources().into_iter().filter(|(_, source)| is_too_long(source)).map(|(path, _)| path).collect();
    assert!(long.is_empty(), "over {FILE_LINES_MAX} lines: {long:?}");
}

#[test]
fn exceptions_to_lints_say_why() {
    let silent = sources().into_iter().filter(|(_, source)| silent_exceptions(source) > 0);
    let silent: Vec<_> = silent.map(|(path, _)| path).collect();
    assert!(silent.is_empty(), "without a reason: {silent:?}");
}

#[test]
fn an_arrow_upwards_or_sideways_is_found() {
    assert_eq!(forbidden_arrows(&one("holloway-dns", &["holloway-wire", "tokio"])), Vec::<String>::new());
    assert_eq!(forbidden_arrows(&one("holloway-wire", &["holloway-mesh"])).len(), 1);
    assert_eq!(forbidden_arrows(&one("holloway-dns", &["holloway-control", "holloway-mesh"])).len(), 2);
    assert_eq!(forbidden_arrows(&one("holloway-extra", &[])).len(), 1);
}

#[test]
fn a_strayed_crate_is_found() {
    assert_eq!(strayed(&one("holloway-dns", &["hickory-proto", "hickory-server"])), Vec::<String>::new());
    assert_eq!(strayed(&one("holloway-node", &["libp2p", "hickory-proto", "axum"])).len(), 3);
    assert_eq!(strayed(&one("holloway-control", &["libp2p-kad", "tun-rs"])).len(), 1);
}

#[test]
fn an_impure_dependency_is_found() {
    assert_eq!(impurities("holloway-mesh", &names(&["rand_core", "ring", "snow", "thiserror"])), Vec::<String>::new());
    assert_eq!(impurities("holloway-mesh", &names(&["tokio", "tokio-util", "socket2", "mio"])).len(), 4);
    assert_eq!(impurities("holloway-relay", &names(&["getrandom", "libp2p-core", "rand_core"])).len(), 2);
}

#[test]
fn a_long_file_is_found_and_its_tests_do_not_count() {
    assert!(!is_too_long(&"line\n".repeat(FILE_LINES_MAX)));
    assert!(is_too_long(&"line\n".repeat(FILE_LINES_MAX + 1)));
    let tests = format!("line\n#[cfg(test)]\nmod tests {{\n{}}}\n", "line\n".repeat(FILE_LINES_MAX));
    assert!(!is_too_long(&tests));
}

#[test]
fn an_exception_without_a_reason_is_found() {
    let attribute = |kind: &str, rest: &str| format!("#[{kind}(unused{rest})]\nfn f() {{}}\n");
    assert_eq!(silent_exceptions(&attribute("allow", "")), 1);
    assert_eq!(silent_exceptions(&attribute("expect", "")), 1);
    assert_eq!(silent_exceptions(&attribute("allow", ",\n    reason = \"so\"\n")), 0);
    assert_eq!(silent_exceptions("#![allow(missing_docs)]"), 1);
}
