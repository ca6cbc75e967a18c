//! What must still be so when a change of a user is decided, and what is to be known for it, beside the
//! document.

use std::convert::Infallible;

use super::App;
use crate::directory::password::{PasswordHash, SetBy};
use crate::directory::proof::{KeptProof, Proof, Standing};
use crate::error::Error;
use crate::id::{TenantId, UserId};
use crate::secret::{PlainToken, TokenId};
use crate::store::Kept;

/// What a change of a user depends on.
pub(super) trait Condition {
    /// What is known if it is so.
    type Met;
    /// How one is told that it is not so.
    type Unmet;

    /// Whether more is looked at than the user as given here, and so at a later moment. Whoever then decides
    /// that nothing is to be changed must make sure that the user is the same still.
    fn looks_beside(kept: &Kept) -> bool;

    /// Whether it is so. It is asked after the user was read, as it is given here: whoever makes it
    /// otherwise from then on raises the user's version, and the change is decided anew.
    async fn check(
        &self,
        app: &App,
        tenant: &TenantId,
        user_id: UserId,
        kept: &Kept,
    ) -> Result<Result<Self::Met, Self::Unmet>, Error>;
}

/// Nothing: the change is made whatever is so.
pub(super) struct Always;

impl Condition for Always {
    type Met = ();
    type Unmet = Infallible;

    fn looks_beside(_: &Kept) -> bool {
        false
    }

    async fn check(
        &self,
        _: &App,
        _: &TenantId,
        _: UserId,
        _: &Kept,
    ) -> Result<Result<(), Infallible>, Error> {
        Ok(Ok(()))
    }
}

/// The hash of the user's password is this one. Then it is known who has set it.
pub(super) struct HashIs<'a>(pub(super) &'a PasswordHash);

/// The password of the user has another hash, or there is none.
pub(super) struct HashIsAnother;

impl Condition for HashIs<'_> {
    type Met = Option<SetBy>;
    type Unmet = HashIsAnother;

    fn looks_beside(_: &Kept) -> bool {
        true
    }

    async fn check(
        &self,
        app: &App,
        tenant: &TenantId,
        user_id: UserId,
        _: &Kept,
    ) -> Result<Result<Option<SetBy>, HashIsAnother>, Error> {
        if app.store.password(tenant, user_id).await?.as_ref() != Some(self.0) {
            return Ok(Err(HashIsAnother));
        }
        Ok(Ok(app.store.standing(tenant, user_id).await?.password_set_by))
    }
}

/// Nothing, but the proofs of the user's addresses are to be known.
pub(super) struct Known;

impl Condition for Known {
    type Met = Vec<KeptProof>;
    type Unmet = Infallible;

    /// Most users have no proofs, and their changes need not wait for another read.
    fn looks_beside(kept: &Kept) -> bool {
        kept.has_proofs
    }

    async fn check(
        &self,
        app: &App,
        tenant: &TenantId,
        user_id: UserId,
        kept: &Kept,
    ) -> Result<Result<Vec<KeptProof>, Infallible>, Error> {
        if !Self::looks_beside(kept) {
            return Ok(Ok(Vec::new()));
        }
        Ok(Ok(app.store.standing(tenant, user_id).await?.proofs))
    }
}

/// This proof is still open.
pub(super) struct ProofIsOpen(pub(super) TokenId);

/// The proof was used, or has ended.
pub(super) struct ProofIsOver;

impl Condition for ProofIsOpen {
    type Met = (Proof, Standing);
    type Unmet = ProofIsOver;

    fn looks_beside(_: &Kept) -> bool {
        true
    }

    async fn check(
        &self,
        app: &App,
        tenant: &TenantId,
        user_id: UserId,
        _: &Kept,
    ) -> Result<Result<Self::Met, ProofIsOver>, Error> {
        let standing = app.store.standing(tenant, user_id).await?;
        let found = standing.proofs.iter().find(|kept| kept.proof.id == self.0 && kept.is_open());
        Ok(found.map(|kept| kept.proof.clone()).map(|proof| (proof, standing)).ok_or(ProofIsOver))
    }
}

/// This link to reset the password has not ended.
pub(super) struct ResetIsOpen<'a>(pub(super) &'a PlainToken);

/// The link was used, or has ended.
pub(super) struct ResetIsOver;

impl Condition for ResetIsOpen<'_> {
    type Met = ();
    type Unmet = ResetIsOver;

    fn looks_beside(_: &Kept) -> bool {
        true
    }

    async fn check(
        &self,
        app: &App,
        _: &TenantId,
        _: UserId,
        _: &Kept,
    ) -> Result<Result<(), ResetIsOver>, Error> {
        Ok(app.open_reset(self.0).await?.map(drop).ok_or(ResetIsOver))
    }
}
