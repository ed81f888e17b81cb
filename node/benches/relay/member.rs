//! Members that the founder of a network has certified, and what they say to a relay.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail, ensure};
use holloway_wire::{
    Challenge, FromRelay, IdentityKey, Membership, MembershipCertificate, NetworkId, NodeId, RELAY_FRAME_LEN,
    RegistrationId, RelayChannel, RelayDirection, RelayFrameHeader, RelayRegistration, Rights, Signed, StaticBinding,
    StaticSecret, TRANSPORT_TYPE, ToRelay, UnixTime, Validity,
};

use crate::stage::Machine;

/// How long a relay has for one answer here; then it is asked again.
const PATIENCE: Duration = Duration::from_secs(1);
const ATTEMPTS: usize = 5;

/// A network, with the key of the founder, whose machine is the relay.
pub(crate) struct Network {
    id: NetworkId,
    founder: IdentityKey,
    since: UnixTime,
}

/// A member with its key.
pub(crate) struct Member {
    key: IdentityKey,
    certificate: MembershipCertificate,
}

impl Network {
    /// Reads the keys of the network that a machine has founded.
    pub(crate) fn of(founder: &Machine) -> Result<Self> {
        let keys = founder.state().join("networks").join("home");
        let root = read_key(&keys.join("root.key"))?;
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        Ok(Self {
            id: NetworkId::of_root(&root.node_id()),
            founder: read_key(&keys.join("identity.key"))?,
            since: UnixTime::from_secs(since.as_secs()),
        })
    }

    /// The machine that relays.
    pub(crate) fn relay(&self) -> NodeId {
        self.founder.node_id()
    }

    /// A new member of this name.
    pub(crate) fn member(&self, name: &str) -> Result<Member> {
        let key = IdentityKey::from_bytes(&random()?);
        let subject = key.node_id();
        let binding = StaticBinding { subject, key: StaticSecret::from_bytes(random()?).public(), sequence: 1 };
        let membership = Membership {
            subject,
            label: name.parse().context("a label")?,
            rights: Rights::NONE,
            groups: Vec::new(),
            validity: Validity { not_before: self.since, not_after: None },
            issuer: self.founder.node_id(),
        };
        let binding = Signed::sign(binding, &key, &self.id);
        let certificate = MembershipCertificate::issue(membership, binding, &self.founder, &self.id)?;
        Ok(Member { key, certificate })
    }
}

impl Member {
    pub(crate) fn node(&self) -> NodeId {
        self.key.node_id()
    }

    /// The answer to a relay's challenge.
    pub(crate) fn answer(&self, network: &Network, id: u64, challenge: Challenge, observed: SocketAddr) -> Vec<u8> {
        let registration = RelayRegistration { node: self.node(), relay: network.relay(), challenge, observed };
        let registration = Signed::sign(registration, &self.key, &network.id);
        ToRelay::Answer { id, registration, certificates: vec![self.certificate.clone()] }.encode()
    }

    /// Registers, by a socket that is connected to the relay.
    pub(crate) fn register(&self, network: &Network, socket: &UdpSocket) -> Result<RegistrationId> {
        let question = ToRelay::Register { id: 1 }.encode();
        let FromRelay::Challenge { challenge, observed, .. } = ask(socket, &question)? else {
            bail!("no challenge");
        };
        let answer = ask(socket, &self.answer(network, 2, challenge, observed))?;
        let FromRelay::Registered { registration, .. } = answer else { bail!("not registered: {answer:?}") };
        Ok(registration)
    }
}

/// Asks for a channel to a member, by a socket that is connected to the relay.
pub(crate) fn bind(socket: &UdpSocket, registration: RegistrationId, node: NodeId) -> Result<RelayChannel> {
    let answer = ask(socket, &ToRelay::Bind { registration, id: 3, node, relays: Vec::new() }.encode())?;
    let FromRelay::Bound { channel, .. } = answer else { bail!("not bound: {answer:?}") };
    Ok(channel)
}

/// A frame of this length that looks like transport data to the relay; it begins with its number.
pub(crate) fn frame(channel: RelayChannel, number: u64, length: usize) -> Vec<u8> {
    let mut frame = vec![0; length];
    let head = RelayFrameHeader { direction: RelayDirection::ToRelay, channel }.encode();
    frame[..RELAY_FRAME_LEN].copy_from_slice(&head);
    frame[RELAY_FRAME_LEN] = TRANSPORT_TYPE;
    frame[NUMBER_AT..NUMBER_AT + 8].copy_from_slice(&number.to_le_bytes());
    frame
}

/// The number of a frame.
pub(crate) fn number_of(frame: &[u8]) -> Option<u64> {
    let bytes = frame.get(NUMBER_AT..NUMBER_AT + 8)?;
    RelayFrameHeader::is_frame(frame).then(|| bytes.try_into().map(u64::from_le_bytes).ok())?
}

/// Behind the head and the type, aligned.
const NUMBER_AT: usize = RELAY_FRAME_LEN + 8;

fn ask(socket: &UdpSocket, question: &[u8]) -> Result<FromRelay> {
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut buffer = [0; 2048];
    for _ in 0..ATTEMPTS {
        socket.send(question)?;
        // What else comes meanwhile is left aside: relays send nothing unasked.
        if let Ok(length) = socket.recv(&mut buffer) {
            return Ok(FromRelay::decode(&buffer[..length])?);
        }
    }
    bail!("the relay does not answer")
}

fn read_key(path: &Path) -> Result<IdentityKey> {
    let bytes = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    ensure!(bytes.len() == 32, "{} is not a key", path.display());
    let mut seed = [0; 32];
    seed.copy_from_slice(&bytes);
    Ok(IdentityKey::from_bytes(&seed))
}

fn random() -> Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
    Ok(bytes)
}
