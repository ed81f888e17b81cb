use holloway_wire::{
    Contact, IdentityKey, InviteToken, Label, MembershipCertificate, NetworkId, NodeId, Now, PassedRedemption,
    RedeemReply, RedeemRequest, Refusal, SealedRequest, SecureRng, Signed, StaticBinding, StaticSecret, is_dialable,
    random_bytes,
};
use thiserror::Error;

use crate::noise::{self, Ephemeral};
use crate::roster::Roster;

/// Binds what is sealed to its purpose and network.
pub(crate) fn sealing_prologue(network: &NetworkId) -> Vec<u8> {
    [b"holloway redeem v1".as_slice(), network.as_bytes()].concat()
}

/// Why joining failed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum JoinError {
    /// The invite's own date is over; the issuer is not even asked.
    #[error("the invite has expired")]
    Expired,
    /// The issuer refused.
    #[error("{refusal}{}", if detail.is_empty() { String::new() } else { format!(" ({detail})") })]
    Refused {
        /// Why.
        refusal: Refusal,
        /// In more words.
        detail: String,
    },
    /// The issuer's answer is not what it should be: another's certificate, or one that does not lead to the root.
    #[error("the issuer answered with a certificate that does not hold")]
    BadCertificate,
    /// The issuer's answer could not be read.
    #[error("the issuer's answer could not be read")]
    BadReply,
}

/// A membership, fresh from the issuer.
pub struct Joined {
    /// The network.
    pub network: NetworkId,
    /// The network's name.
    pub network_label: Label,
    /// Our certificate and its parents, leaf first.
    pub chain: Vec<MembershipCertificate>,
    /// Members beside the issuer that can be dialled.
    pub contacts: Vec<Contact>,
}

/// Turns an invite into a membership: one request, one answer.
pub struct Redeemer {
    token: InviteToken,
    node: NodeId,
    label: Label,
    binding: Signed<StaticBinding>,
}

impl Redeemer {
    /// Starts joining with fresh keys.
    ///
    /// # Errors
    /// [`JoinError::Expired`] when the invite is over by our own clock.
    pub fn new(
        token: InviteToken,
        label: Label,
        key: &IdentityKey,
        static_key: &StaticSecret,
        now: Now,
    ) -> Result<Self, JoinError> {
        if token.body().expires <= now.unix {
            return Err(JoinError::Expired);
        }
        let network = token.body().network;
        let binding = StaticBinding { subject: key.node_id(), key: static_key.public(), sequence: now.unix.as_nanos() };
        Ok(Self { token, node: key.node_id(), label, binding: Signed::sign(binding, key, &network) })
    }

    /// Who must be asked.
    #[must_use]
    pub const fn issuer(&self) -> &NodeId {
        &self.token.body().issuer
    }

    /// The invite.
    #[must_use]
    pub const fn token(&self) -> &InviteToken {
        &self.token
    }

    /// The request; the same each time but for the clock.
    #[must_use]
    pub fn request(&self, now: Now) -> Vec<u8> {
        RedeemRequest {
            time: now.unix,
            secret: self.token.body().secret.clone(),
            label: self.label.clone(),
            binding: self.binding.clone(),
        }
        .encode()
    }

    /// The request for a relay to pass on: sealed, so that the relay cannot redeem the invite itself.
    #[must_use]
    pub fn passed_request(&self, rng: &mut dyn SecureRng, now: Now) -> Option<Vec<u8>> {
        let body = self.token.body();
        let prologue = sealing_prologue(&body.network);
        let ephemeral = Ephemeral(random_bytes(rng));
        let sealed = noise::seal(&body.issuer.sealing_key(), &prologue, ephemeral, &self.request(now)).ok()?;
        Some(PassedRedemption { issuer: body.issuer, sealed: SealedRequest(sealed) }.encode())
    }

    /// Takes the issuer's answer.
    ///
    /// # Errors
    /// [`JoinError`] says who is to blame.
    pub fn handle_reply(&self, reply: &[u8], now: Now) -> Result<Joined, JoinError> {
        match RedeemReply::decode(reply).map_err(|_| JoinError::BadReply)? {
            RedeemReply::Refused { refusal, detail } => Err(JoinError::Refused { refusal, detail }),
            RedeemReply::Granted { chain, contacts } => self.check(chain, contacts, now),
        }
    }

    fn check(
        &self,
        chain: Vec<MembershipCertificate>,
        mut contacts: Vec<Contact>,
        now: Now,
    ) -> Result<Joined, JoinError> {
        let body = self.token.body();
        let is_ours = chain
            .first()
            .is_some_and(|leaf| *leaf.subject() == self.node && *leaf.static_key() == self.binding.value().key);
        let holds = Roster::new(body.network).check_chain(&chain, now).is_ok();
        if !is_ours || !holds {
            return Err(JoinError::BadCertificate);
        }
        for contact in &mut contacts {
            contact.control.retain(|address| is_dialable(address.socket_addr()));
        }
        Ok(Joined { network: body.network, network_label: body.network_label.clone(), chain, contacts })
    }
}
