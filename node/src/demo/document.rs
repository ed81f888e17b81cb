//! What `holloway demo --json` prints.

use serde::Serialize;

/// All of it.
#[derive(Debug, Serialize)]
pub(super) struct Document<'a> {
    pub(super) schema: u32,
    /// Whether every step held.
    pub(super) ok: bool,
    pub(super) network: &'static str,
    pub(super) steps: &'a [Step],
    #[serde(flatten)]
    pub(super) facts: &'a Facts,
}

/// One step of the story.
#[derive(Debug, Serialize)]
pub(super) struct Step {
    pub(super) what: String,
    pub(super) ok: bool,
    pub(super) elapsed_ms: u64,
    /// What came of it; why it did not hold.
    pub(super) detail: String,
}

/// What was found out on the way.
#[derive(Debug, Default, Serialize)]
pub(super) struct Facts {
    pub(super) machines: Vec<MachineFacts>,
    /// From the start of carol's `join` to the first reply of bob.
    pub(super) join_to_ping_ms: Option<u64>,
    /// From when carol's router lets no UDP through to when bob is reached through the relay.
    pub(super) udp_lost_ms: Option<u64>,
    /// From carol to bob through the mesh.
    pub(super) gbit_s: Option<f64>,
    /// From carol to alice over the same cables without it.
    pub(super) plain_gbit_s: Option<f64>,
}

/// One machine at the end of the story.
#[derive(Debug, Serialize)]
pub(super) struct MachineFacts {
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) state_dir: String,
    pub(super) memory_kib: u64,
}
