//! Joining: an [`Issuer`] hands out invites and redeems each for one member; a [`Redeemer`] turns an invite into a
//! membership.
//!
//! One redeemer decides: the node that issued the invite. Its ledger binds an invite to the first key that redeems
//! it; the same key may ask again and gets the same certificate, any other key is refused. An answer that grants a
//! membership leaves only after the ledger is on disk, so that an acknowledged member is one after any crash. Who
//! does not know the secret learns nothing, not even whether an invite existed.
//!
//! Where an invite asks for approval, the first key that redeems it waits, and is told so whenever it asks, until somebody at
//! the issuer approves of it. The invite is then for this key and the name that was seen, and for nobody else.
//!
//! Neither side knows how requests travel.

mod issuer;
mod redeemer;

pub use issuer::{Applicant, Invite, InviteState};
pub(crate) use issuer::{CreateInvite, Granted, Issuer, Redemption, backdated};
pub(crate) use redeemer::sealing_prologue;
pub use redeemer::{JoinError, Joined, Redeemer};
