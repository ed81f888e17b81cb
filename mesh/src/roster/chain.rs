use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet};

use holloway_wire::{
    CHAIN_LENGTH_MAX, CertificateHash, MembershipCertificate, NetworkId, NodeId, Revocation, Rights, Signed, UnixTime,
};
use thiserror::Error;

/// Certificates whose signatures have been checked, remembered by hash: two Ed25519 checks each, 0.1 ms. Beyond this
/// many the memory is emptied and filled anew.
const VERIFIED_MAX: usize = 65_536;

/// Why a chain does not make its leaf a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum ChainError {
    #[error("a certificate's issuer is not known here")]
    UnknownIssuer,
    #[error("the chain is longer than {CHAIN_LENGTH_MAX} certificates or runs in a circle")]
    TooLong,
    #[error("a signature does not hold")]
    Signature,
    #[error("an issuer may not issue")]
    NotAnIssuer,
    #[error("a certificate gives more rights than its issuer has")]
    Widened,
    #[error("a certificate holds longer than its issuer's")]
    OutlivesIssuer,
    #[error("a certificate does not hold at this time")]
    NotValidNow,
    #[error("the member or an issuer above it has been revoked")]
    Revoked,
}

/// Checks chains, and remembers which signatures it has seen to hold.
#[derive(Default)]
pub(crate) struct Verifier {
    verified: BTreeSet<[u8; 32]>,
}

/// Who has been revoked, and what each revocation keeps. With several revocations of one key, a certificate is kept
/// only when all of them keep it: the set only grows, so a later one can only take away.
#[derive(Default)]
pub(crate) struct Revoked {
    kept: BTreeMap<NodeId, BTreeSet<CertificateHash>>,
}

impl Revoked {
    pub(crate) fn add(&mut self, revocation: &Revocation) {
        let kept: BTreeSet<CertificateHash> = revocation.kept.iter().copied().collect();
        self.kept
            .entry(revocation.subject)
            .and_modify(|known| *known = known.intersection(&kept).copied().collect())
            .or_insert(kept);
    }

    pub(crate) fn contains(&self, node: &NodeId) -> bool {
        self.kept.contains_key(node)
    }

    /// Whether what `issuer` said in this certificate falls with its revocation.
    fn voids(&self, certificate: &MembershipCertificate) -> bool {
        self.kept.get(&certificate.membership().issuer).is_some_and(|kept| !kept.contains(&certificate.hash()))
    }
}

/// What a chain is judged against.
pub(crate) struct Judgement<'a> {
    pub(crate) network: &'a NetworkId,
    /// `None`: was it ever a member, whoever has been revoked since and whatever the time.
    pub(crate) standing: Option<(&'a Revoked, UnixTime)>,
}

impl Verifier {
    /// Checks the chain of `leaf`; parents come from `parent`. Returns how many certificates are above the leaf.
    ///
    /// The path is collected without looking at signatures, then checked from the root's end; the first failure
    /// stops, so that a long made-up chain costs one check.
    pub(crate) fn verify<'a>(
        &mut self,
        leaf: &'a MembershipCertificate,
        parent: impl Fn(&NodeId) -> Option<&'a MembershipCertificate>,
        judgement: &Judgement<'_>,
    ) -> Result<usize, ChainError> {
        self.verify_path(leaf, parent, judgement).map(|path| path.len() - 1)
    }

    /// The same; returns the certificates that were checked, from the leaf to the one that the root signed.
    pub(crate) fn verify_path<'a>(
        &mut self,
        leaf: &'a MembershipCertificate,
        parent: impl Fn(&NodeId) -> Option<&'a MembershipCertificate>,
        judgement: &Judgement<'_>,
    ) -> Result<Vec<&'a MembershipCertificate>, ChainError> {
        let path = collect(leaf, parent, judgement.network)?;
        let mut rights = Rights::ALL;
        let mut above: Option<&MembershipCertificate> = None;
        for certificate in path.iter().rev() {
            self.check_signatures(certificate, judgement.network)?;
            check_narrowing(certificate, above, rights)?;
            check_standing(certificate, *certificate == leaf, judgement)?;
            rights = certificate.membership().rights;
            above = Some(certificate);
        }
        Ok(path)
    }

    fn check_signatures(&mut self, certificate: &MembershipCertificate, network: &NetworkId) -> Result<(), ChainError> {
        let hash = holloway_wire::Digest::of(holloway_wire::Domain::Certificate, &[&certificate.encode()]).0;
        if self.verified.contains(&hash) {
            return Ok(());
        }
        if !certificate.verify_signatures(network) {
            return Err(ChainError::Signature);
        }
        if self.verified.len() >= VERIFIED_MAX {
            self.verified.clear();
        }
        self.verified.insert(hash);
        Ok(())
    }
}

/// The certificates from the leaf up to the one that the root signed.
fn collect<'a>(
    leaf: &'a MembershipCertificate,
    parent: impl Fn(&NodeId) -> Option<&'a MembershipCertificate>,
    network: &NetworkId,
) -> Result<Vec<&'a MembershipCertificate>, ChainError> {
    let mut path = vec![leaf];
    loop {
        let issuer = &path[path.len() - 1].membership().issuer;
        if NetworkId::of_root(issuer) == *network {
            return Ok(path);
        }
        if path.len() >= CHAIN_LENGTH_MAX {
            return Err(ChainError::TooLong);
        }
        path.push(parent(issuer).ok_or(ChainError::UnknownIssuer)?);
    }
}

/// Certificates between a member and the root.
fn depth<'a>(
    leaf: &'a MembershipCertificate,
    parent: impl Fn(&NodeId) -> Option<&'a MembershipCertificate>,
    network: &NetworkId,
) -> usize {
    collect(leaf, parent, network).map_or(usize::MAX, |path| path.len() - 1)
}

/// Whether one certificate of a member replaces another. Whatever the order of arrival, the same one remains.
///
/// The highest sequence wins: the member itself has spoken. With one sequence an issuer may have used the member's
/// public binding without being asked, so what such an issuer can choose decides nothing: the shorter chain wins, then
/// the lower issuer, as with names. Of one issuer the later word counts, and at last the bytes.
pub(crate) fn supersedes<'a>(
    new: &'a MembershipCertificate,
    held: &'a MembershipCertificate,
    parent: impl Fn(&NodeId) -> Option<&'a MembershipCertificate> + Copy,
    network: &NetworkId,
) -> bool {
    let rank = |certificate: &'a MembershipCertificate| {
        let membership = certificate.membership();
        let claim = Reverse((depth(certificate, parent, network), membership.issuer));
        (claim, membership.validity.not_before, certificate.encode())
    };
    match new.sequence().cmp(&held.sequence()) {
        Ordering::Less => false,
        Ordering::Greater => true,
        Ordering::Equal => new != held && rank(new) > rank(held),
    }
}

fn check_narrowing(
    certificate: &MembershipCertificate,
    above: Option<&MembershipCertificate>,
    rights: Rights,
) -> Result<(), ChainError> {
    let Some(above) = above else {
        return Ok(());
    };
    if !rights.contains(Rights::ISSUE) {
        return Err(ChainError::NotAnIssuer);
    }
    if !rights.contains(certificate.membership().rights) {
        return Err(ChainError::Widened);
    }
    if !above.membership().validity.covers(&certificate.membership().validity) {
        return Err(ChainError::OutlivesIssuer);
    }
    Ok(())
}

/// A parent's own revocation voids what it issued unless kept; the leaf's own revocation is final.
fn check_standing(
    certificate: &MembershipCertificate,
    is_leaf: bool,
    judgement: &Judgement<'_>,
) -> Result<(), ChainError> {
    let Some((revoked, now)) = judgement.standing else {
        return Ok(());
    };
    if !certificate.membership().validity.holds_at(now) {
        return Err(ChainError::NotValidNow);
    }
    if (is_leaf && revoked.contains(certificate.subject())) || revoked.voids(certificate) {
        return Err(ChainError::Revoked);
    }
    Ok(())
}

/// Whether a revocation's signer may revoke its subject: the root, anyone with the right to administer, or an issuer
/// above the subject. Standing does not matter, so that every node judges the same set the same way.
pub(crate) fn may_revoke<'a>(
    verifier: &mut Verifier,
    network: &NetworkId,
    revocation: &Signed<Revocation>,
    certificate: impl Fn(&NodeId) -> Option<&'a MembershipCertificate> + Copy,
) -> Result<(), ChainError> {
    let revoker = &revocation.value().revoker;
    if NetworkId::of_root(revoker) == *network {
        return Ok(());
    }
    let own = certificate(revoker).ok_or(ChainError::UnknownIssuer)?;
    verifier.verify(own, certificate, &Judgement { network, standing: None })?;
    if own.membership().rights.contains(Rights::ADMIN) {
        return Ok(());
    }
    let subject = certificate(&revocation.value().subject).ok_or(ChainError::UnknownIssuer)?;
    let is_above = collect(subject, certificate, network)?.iter().any(|c| c.membership().issuer == *revoker);
    if is_above && own.membership().rights.contains(Rights::ISSUE) { Ok(()) } else { Err(ChainError::NotAnIssuer) }
}
