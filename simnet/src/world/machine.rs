use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use holloway_mesh::{Identity, Node, Settings};
use holloway_relay::Usage;
use holloway_wire::{
    IdentityKey, Instant, InviteId, Label, MembershipCertificate, NameRecord, NetworkId, NodeId, OverlayAddr,
    SessionIndex, StaticSecret,
};
use rand::RngExt;
use rand::rngs::StdRng;

use super::clock::Clock;
use super::disk::Disk;
use super::lanes::Lanes;
use super::relaying::Relaying;

/// One simulated machine: keys and disk that outlive the program, and the program while it runs.
pub(crate) struct Machine {
    key: [u8; 32],
    static_key: [u8; 32],
    pub(crate) id: NodeId,
    pub(crate) label: Label,
    pub(crate) address: OverlayAddr,
    pub(crate) settings: Settings,
    /// Our certificate and its parents; empty while not a member.
    pub(crate) chain: Vec<MembershipCertificate>,
    pub(crate) has_lanes: bool,
    /// It is to relay for others, if it may.
    pub(crate) is_relay: bool,
    /// What members have sent through it, as its disk has it.
    pub(crate) relayed: Vec<Usage>,
    pub(crate) clock: Clock,
    pub(crate) disk: Disk,
    /// When the disk has done all that it was asked for.
    pub(crate) disk_busy_until: Instant,
    pub(crate) run: Option<Run>,
    /// How often the program was started.
    pub(crate) incarnation: u32,
    pub(crate) promised: Promised,
}

/// The program while it runs.
pub(crate) struct Run {
    pub(crate) node: Node,
    pub(crate) lanes: Option<Lanes>,
    pub(crate) relay: Option<Relaying>,
    pub(crate) report_due: bool,
    pub(crate) timer: Option<Instant>,
    pub(crate) fired: (Instant, u32),
    /// Members that the node says may be talked to.
    pub(crate) welcome: BTreeSet<NodeId>,
    /// Sessions that lanes were told of and that are not retired.
    pub(crate) installed: BTreeMap<SessionIndex, NodeId>,
}

/// What the machine's node has acknowledged: it must be there after any crash.
#[derive(Default)]
pub(crate) struct Promised {
    pub(crate) invites: BTreeSet<InviteId>,
    /// Invites whose redemption was acknowledged.
    pub(crate) spent: BTreeSet<InviteId>,
    pub(crate) members: BTreeSet<NodeId>,
    pub(crate) revoked: BTreeSet<NodeId>,
    pub(crate) names: BTreeSet<NameRecord>,
    /// The last acknowledged word on a key; `None` while it is not known whether a newer one counts.
    pub(crate) blocked: BTreeMap<NodeId, Option<bool>>,
}

impl Machine {
    pub(crate) fn new(label: Label, network: &NetworkId, settings: Settings, rng: &mut StdRng) -> Self {
        let key: [u8; 32] = rng.random();
        let id = IdentityKey::from_bytes(&key).node_id();
        Self {
            key,
            static_key: rng.random(),
            id,
            label,
            address: OverlayAddr::of_node(network, &id),
            settings,
            chain: Vec::new(),
            has_lanes: false,
            is_relay: false,
            relayed: Vec::new(),
            clock: Clock::new(std::time::Duration::from_secs(1), 0),
            disk: Disk::default(),
            disk_busy_until: Instant::default(),
            run: None,
            incarnation: 0,
            promised: Promised::default(),
        }
    }

    pub(crate) fn identity_key(&self) -> IdentityKey {
        IdentityKey::from_bytes(&self.key)
    }

    pub(crate) fn static_secret(&self) -> StaticSecret {
        StaticSecret::from_bytes(self.static_key)
    }

    pub(crate) fn identity(&self, network: NetworkId, network_label: Label) -> Identity {
        Identity {
            network,
            network_label,
            key: self.identity_key(),
            static_key: self.static_secret(),
            chain: self.chain.clone(),
        }
    }

    pub(crate) fn ip(&self) -> IpAddr {
        IpAddr::V6(self.address.ip())
    }

    pub(crate) const fn is_member(&self) -> bool {
        !self.chain.is_empty()
    }

    pub(crate) const fn is_running(&self) -> bool {
        self.run.is_some()
    }
}
