use std::collections::BTreeMap;

use holloway_dashboard::api::{Event, Severity};
use holloway_mesh::Event as MeshEvent;
use holloway_wire::Label;
use tokio::sync::{broadcast, mpsc};
use tokio::task::JoinHandle;

use super::status::is_stream;
use crate::clock::{Clock, rfc3339};
use crate::store::{self, NewEvent, Store};

/// Events that a slow follower may be behind before it misses some.
const FOLLOWERS_BEHIND_MAX: usize = 256;

/// Events that wait for the disk; beyond it the newest are not kept.
const UNWRITTEN_MAX: usize = 1024;

/// What an operator may want to know later: kept in the store, told to followers.
#[derive(Clone)]
pub(crate) struct Journal {
    clock: Clock,
    queue: mpsc::Sender<NewEvent>,
    followers: broadcast::Sender<Event>,
}

impl Journal {
    /// Starts keeping events. The task ends when the last clone of the journal is gone and everything is kept.
    pub(crate) fn start(store: Store, clock: Clock) -> (Self, JoinHandle<()>) {
        let (queue, mut unwritten) = mpsc::channel::<NewEvent>(UNWRITTEN_MAX);
        let (followers, _) = broadcast::channel(FOLLOWERS_BEHIND_MAX);
        let told = followers.clone();
        let task = tokio::spawn(async move {
            while let Some(event) = unwritten.recv().await {
                match store.record_event(&event).await {
                    // Nobody may be following.
                    Ok(id) => drop(told.send(shown(store::Event { id, what: event }))),
                    Err(error) => tracing::warn!(%error, "an event could not be kept"),
                }
            }
        });
        (Self { clock, queue, followers }, task)
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.followers.subscribe()
    }

    /// Notes what a network's core reports.
    pub(crate) fn network_event(&self, network: &Label, event: MeshEvent) {
        match event {
            MeshEvent::NamesChanged
            | MeshEvent::CaughtUp
            | MeshEvent::CertificateRenewed
            | MeshEvent::MemberJoined { is_new: false, .. }
            | MeshEvent::CommandDone { .. } => {}
            MeshEvent::ApprovalWanted { node, label } => {
                let text = format!("{label} has an invite and waits to be approved");
                self.note(Severity::Warn, "approval_wanted", network, text, &[("node_id", node.to_string())]);
            }
            MeshEvent::MemberJoined { node, label, is_new: true } => {
                self.note(
                    Severity::Info,
                    "member_joined",
                    network,
                    format!("{label} is a member"),
                    &[("node_id", node.to_string())],
                );
            }
            MeshEvent::MemberLeft { node, label, blocked } => {
                let who = label.map_or_else(|| node.short(), |label| label.to_string());
                let text =
                    if blocked { format!("{who} is blocked here") } else { format!("{who} is no longer a member") };
                self.note(Severity::Info, "member_left", network, text, &[("node_id", node.to_string())]);
            }
            MeshEvent::PeerUp { node, label, endpoint } => {
                let by = match (endpoint.is_relayed(), is_stream(&endpoint)) {
                    (false, false) => format!("at {endpoint}"),
                    (true, false) => "through a relay".to_owned(),
                    (false, true) => "over TCP".to_owned(),
                    (true, true) => "through a relay, over TCP".to_owned(),
                };
                let text = format!("{label} is reached {by}");
                let fields = [("node_id", node.to_string()), ("endpoint", endpoint.to_string())];
                self.note(Severity::Info, "peer_up", network, text, &fields);
            }
            MeshEvent::Expelled => {
                let text = "this machine is no longer a member: its certificate was revoked or has ended".into();
                self.note(Severity::Security, "expelled", network, text, &[]);
            }
            MeshEvent::Security { kind, node, detail } => {
                let fields: Vec<(&str, String)> = node.iter().map(|node| ("node_id", node.to_string())).collect();
                self.note(Severity::Security, kind.name(), network, detail, &fields);
            }
        }
    }

    /// Notes something.
    pub(crate) fn note(
        &self,
        severity: Severity,
        kind: &str,
        network: &Label,
        text: String,
        fields: &[(&str, String)],
    ) {
        tracing::info!(network = %network, kind, "{text}");
        let event = NewEvent {
            time: self.clock.now().unix,
            severity,
            kind: kind.to_owned(),
            network: Some(network.to_string()),
            text,
            fields: fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect::<BTreeMap<_, _>>(),
        };
        if self.queue.try_send(event).is_err() {
            tracing::warn!("more events than the disk takes; one is not kept");
        }
    }
}

/// An event as the API shows it.
pub(crate) fn shown(event: store::Event) -> Event {
    let store::Event { id, what } = event;
    Event {
        id,
        time: rfc3339(what.time),
        severity: what.severity,
        kind: what.kind,
        network: what.network,
        text: what.text,
        fields: what.fields,
    }
}
