//! Whatever comes in whatever order: what a roster makes of it piece by piece is what judging everybody anew gives.

use std::time::Duration;

use holloway_wire::{IdentityKey, Instant, Membership, StaticBinding, StaticSecret, Validity};
use proptest::prelude::*;

use super::*;

/// Who there is besides the root, which is the number after them.
const NODES: usize = 7;
const ROOT: usize = NODES;

/// When the network was founded.
const START: u64 = 1_700_000_000;

/// What happens to a roster.
#[derive(Debug, Clone)]
enum Step {
    Certify(Certify),
    /// Several at once, in any order.
    CertifyAll(Vec<Certify>),
    Revoke {
        revoker: usize,
        subject: usize,
        /// Whose certificates remain.
        kept: Vec<usize>,
    },
    /// The clock shows this many seconds after the start, which may be earlier than before.
    Clock(u64),
    /// The clock shows it, and something comes before the roster is told the time.
    ClockThen(u64, Certify),
    Block(usize, bool),
}

#[derive(Debug, Clone)]
struct Certify {
    issuer: usize,
    subject: usize,
    label: Name,
    may_issue: bool,
    validity: (u64, Option<u64>),
    /// Of the binding; with another comes another key.
    sequence: u64,
}

/// Few names, so that many are called the same.
#[derive(Debug, Clone)]
enum Name {
    Plain(u8),
    /// What a node of the first name goes by when another has the better claim.
    Suffixed(usize, usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let clock = 0..100u64;
    let certify = || certify().boxed();
    let revoke = (0..=ROOT, 0..=ROOT, prop::collection::vec(0..NODES, 0..3));
    let step = prop_oneof![
        8 => certify().prop_map(Step::Certify),
        2 => prop::collection::vec(certify(), 2..6).prop_map(Step::CertifyAll),
        1 => revoke.prop_map(|(revoker, subject, kept)| Step::Revoke { revoker, subject, kept }),
        2 => clock.clone().prop_map(Step::Clock),
        1 => (clock, certify()).prop_map(|(at, certify)| Step::ClockThen(at, certify)),
        1 => (0..NODES, any::<bool>()).prop_map(|(node, blocked)| Step::Block(node, blocked)),
    ];
    prop::collection::vec(step, 1..40)
}

fn certify() -> impl Strategy<Value = Certify> {
    let issuer = prop_oneof![2 => Just(ROOT), 3 => 0..NODES];
    let label = prop_oneof![
        4 => (0..4u8).prop_map(Name::Plain),
        1 => (0..NODES, SUFFIX_LEN..=SUFFIX_LEN + 1).prop_map(|(node, length)| Name::Suffixed(node, length)),
    ];
    let validity = prop_oneof![
        3 => Just((0, None)),
        1 => (0..60u64, prop::option::of(20..100u64)),
    ];
    (issuer, 0..NODES, label, prop::bool::weighted(0.7), validity, 0..6u64).prop_map(
        |(issuer, subject, label, may_issue, validity, sequence)| Certify {
            issuer,
            subject,
            label,
            may_issue,
            validity,
            sequence,
        },
    )
}

/// A roster beside one that judges everybody anew whenever anything comes.
struct Bench {
    roster: Roster,
    keys: Vec<IdentityKey>,
    now: Now,
    /// What the other one holds.
    members: BTreeMap<NodeId, Member>,
    next_expiry: Option<UnixTime>,
    verifier: Verifier,
}

impl Bench {
    fn new() -> Self {
        let keys: Vec<IdentityKey> = (1..=NODES + 1).map(|seed| IdentityKey::from_bytes(&[seed as u8; 32])).collect();
        Self {
            roster: Roster::new(NetworkId::of_root(&keys[ROOT].node_id())),
            keys,
            now: at(0),
            members: BTreeMap::new(),
            next_expiry: None,
            verifier: Verifier::default(),
        }
    }

    fn node(&self, number: usize) -> NodeId {
        self.keys[number].node_id()
    }

    fn label(&self, name: &Name) -> Label {
        let plain = |number: u8| -> Label { format!("host{number}").parse().expect("a label") };
        match name {
            Name::Plain(number) => plain(*number),
            Name::Suffixed(node, length) => plain(0).with_suffix(&self.node(*node).to_string()[..*length]),
        }
    }

    fn certificate(&self, certify: &Certify) -> Publication {
        let subject = self.node(certify.subject);
        let rights = if certify.may_issue { Rights::ISSUE } else { Rights::NONE };
        let second = |seconds| UnixTime::from_secs(START + seconds);
        let (not_before, not_after) = certify.validity;
        let validity = Validity { not_before: second(not_before), not_after: not_after.map(second) };
        let issuer = &self.keys[certify.issuer];
        let label = self.label(&certify.label);
        let membership = Membership { subject, label, rights, groups: Vec::new(), validity, issuer: issuer.node_id() };
        let key = StaticSecret::from_bytes([1 + certify.sequence as u8; 32]).public();
        let binding = StaticBinding { subject, key, sequence: certify.sequence };
        let binding = Signed::sign(binding, &self.keys[certify.subject], self.roster.network());
        let certificate = MembershipCertificate::issue(membership, binding, issuer, self.roster.network());
        Publication::Certificate(certificate.expect("within all limits"))
    }

    fn revocation(&self, revoker: usize, subject: usize, kept: &[usize]) -> Publication {
        let held = kept.iter().filter_map(|node| self.roster.certificate(&self.node(*node)));
        let revocation = Revocation {
            subject: self.node(subject),
            revoker: self.node(revoker),
            at: self.now.unix,
            kept: held.map(MembershipCertificate::hash).collect::<BTreeSet<_>>().into_iter().collect(),
        };
        Publication::Revocation(Signed::sign(revocation, &self.keys[revoker], self.roster.network()))
    }

    /// Does it to both, and compares.
    fn step(&mut self, step: &Step) {
        match step {
            Step::Certify(certify) => self.offer(vec![self.certificate(certify)]),
            Step::CertifyAll(all) => self.offer(all.iter().map(|certify| self.certificate(certify)).collect()),
            Step::Revoke { revoker, subject, kept } => self.offer(vec![self.revocation(*revoker, *subject, kept)]),
            Step::Clock(seconds) => {
                let is_due =
                    at(*seconds).unix < self.now.unix || self.next_expiry.is_some_and(|due| due <= at(*seconds).unix);
                self.now = at(*seconds);
                self.roster.handle_time(self.now);
                self.compare(is_due);
            }
            Step::ClockThen(seconds, certify) => {
                self.now = at(*seconds.max(&(self.now.unix.as_secs() - START)));
                self.offer(vec![self.certificate(certify)]);
                self.roster.handle_time(self.now);
                self.compare(self.next_expiry.is_some_and(|due| due <= self.now.unix));
            }
            Step::Block(node, blocked) => {
                self.roster.set_blocked(self.node(*node), *blocked);
                while self.roster.poll_change().is_some() {}
            }
        }
    }

    fn offer(&mut self, publications: Vec<Publication>) {
        let results = self.roster.offer_all(publications, self.now);
        self.compare(results.iter().any(|(_, result)| *result == Ok(Accepted::New)));
    }

    /// Compares with the other one, for which it is time to judge or not.
    fn compare(&mut self, judges: bool) {
        let before = self.members.clone();
        if judges {
            self.judge();
        }
        assert_eq!(self.roster.members, self.members);
        assert_eq!(self.roster.next_expiry(), self.next_expiry);
        let changes: Vec<RosterChange> = std::iter::from_fn(|| self.roster.poll_change())
            .filter(|change| !matches!(change, RosterChange::Keep(..) | RosterChange::Revocations))
            .collect();
        assert_eq!(changes, differences(&before, &self.members));
    }

    /// Judges everybody.
    fn judge(&mut self) {
        let certificates = &self.roster.certificates;
        let standing = Some((&self.roster.revoked, self.now.unix));
        let judgement = Judgement { network: &self.roster.network, standing };
        self.members.clear();
        self.next_expiry = None;
        for certificate in certificates.nodes().filter_map(|node| certificates.get(node)) {
            let validity = certificate.membership().validity;
            let turns = [Some(validity.not_before), validity.not_after].into_iter().flatten();
            let ahead = turns.filter(|at| *at > self.now.unix);
            self.next_expiry = self.next_expiry.into_iter().chain(ahead).min();
            if let Ok(depth) = self.verifier.verify(certificate, |node| certificates.get(node), &judgement) {
                let member = Member::of(certificate, &self.roster.network, depth);
                self.members.insert(member.node, member);
            }
        }
        settle_labels(&mut self.members);
    }
}

fn at(seconds: u64) -> Now {
    let since = Duration::from_secs(seconds);
    Now { monotonic: Instant::from_nanos(0) + since, unix: UnixTime::from_secs(START) + since }
}

const SUFFIX_LEN: usize = 4;

/// Those with the best claim keep their label, then the others in turn get the shortest suffix that is free.
fn settle_labels(members: &mut BTreeMap<NodeId, Member>) {
    let mut claims: Vec<(usize, NodeId)> = members.values().map(|member| (member.depth, member.node)).collect();
    claims.sort();
    let mut taken = BTreeSet::new();
    claims.retain(|(_, node)| !taken.insert(members[node].claim.clone()));
    for (_, node) in claims {
        let key = node.to_string();
        let claim = &members[&node].claim;
        let mut suffixed = (SUFFIX_LEN..key.len()).map(|length| claim.with_suffix(&key[..length]));
        if let Some(label) = suffixed.find(|label| taken.insert(label.clone())) {
            members.get_mut(&node).expect("it claims something").label = label;
        }
    }
}

/// What the roster says when these become those.
fn differences(before: &BTreeMap<NodeId, Member>, after: &BTreeMap<NodeId, Member>) -> Vec<RosterChange> {
    let left = before.keys().filter(|node| !after.contains_key(node)).map(|node| RosterChange::Left(*node));
    let is_new = |member: &&Member| before.get(&member.node).is_none_or(|old| old.static_key != member.static_key);
    let joined = after.values().filter(is_new).map(|member| RosterChange::Joined(member.node));
    left.chain(joined).chain((before != after).then_some(RosterChange::Names)).collect()
}

proptest! {
    #[test]
    fn judging_whom_it_concerns_is_judging_everybody(steps in steps()) {
        let mut bench = Bench::new();
        for step in &steps {
            bench.step(step);
        }
    }
}
