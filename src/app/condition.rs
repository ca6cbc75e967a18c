//! What must still be so when a change of a user is decided, beside what the rule asks itself.

use std::convert::Infallible;

use super::App;
use crate::directory::password::PasswordHash;
use crate::error::Error;
use crate::id::{TenantId, UserId};

/// What a change of a user depends on.
pub(super) trait Condition {
    /// How one is told that it is not so.
    type Unmet;

    /// Whether it is so. It is asked after the document was read: whoever makes it otherwise from
    /// then on raises the document's version, and the change is decided anew.
    async fn check(
        &self,
        app: &App,
        tenant: &TenantId,
        user_id: UserId,
    ) -> Result<Result<(), Self::Unmet>, Error>;
}

/// Nothing: the change is made whatever is so.
pub(super) struct Always;

impl Condition for Always {
    type Unmet = Infallible;

    async fn check(&self, _: &App, _: &TenantId, _: UserId) -> Result<Result<(), Infallible>, Error> {
        Ok(Ok(()))
    }
}

/// The hash of the user's password is this one.
pub(super) struct HashIs<'a>(pub(super) &'a PasswordHash);

/// The password of the user has another hash, or there is none.
pub(super) struct HashIsAnother;

impl Condition for HashIs<'_> {
    type Unmet = HashIsAnother;

    async fn check(
        &self,
        app: &App,
        tenant: &TenantId,
        user_id: UserId,
    ) -> Result<Result<(), HashIsAnother>, Error> {
        let kept = app.store.password(tenant, user_id).await?;
        Ok(if kept.as_ref() == Some(self.0) { Ok(()) } else { Err(HashIsAnother) })
    }
}
