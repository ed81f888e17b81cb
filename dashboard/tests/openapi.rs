//! The description of the API lies in the repository, where the pages' types are made from it.
#![cfg(feature = "server")]
#![allow(clippy::unwrap_used, reason = "test code")]
#![allow(clippy::disallowed_methods, reason = "the file lies beside this one")]

use std::path::Path;

#[test]
fn the_description_in_the_repository_is_that_of_the_server() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    let document: serde_json::Value = serde_json::from_str(&holloway_dashboard::server::openapi_json()).unwrap();
    let now = format!("{document:#}\n");
    if std::env::var_os("HOLLOWAY_WRITE").is_some() {
        std::fs::write(&path, &now).unwrap();
    }
    let held = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(held == now, "openapi.json is not up to date; HOLLOWAY_WRITE=1 cargo test -p holloway-dashboard writes it");
}
