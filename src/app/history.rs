//! The history of an address, from the record of what happened.

use super::App;
use crate::directory::event::{Event, EventType};
use crate::error::{Error, Missing};
use crate::id::{IdentifierId, TenantId, UserId};

impl App {
    /// Each change of an email's trust, oldest first, whether or not the user still has the email.
    ///
    /// # Errors
    /// [`Missing::User`] if nothing is known of the user, [`Missing::Email`] if the user never had the
    /// email.
    pub async fn email_history(
        &self,
        tenant: &TenantId,
        user_id: UserId,
        email: IdentifierId,
    ) -> Result<Vec<Event>, Error> {
        let Some(events) = self.store.identifier_events(tenant, user_id, email).await? else {
            return Err(Error::NotFound(Missing::User));
        };
        let is_of_email = |event: &Event| {
            matches!(
                event.kind,
                EventType::EmailAdded | EventType::EmailVerified | EventType::EmailUnverified
            )
        };
        if !events.iter().any(is_of_email) {
            return Err(Error::NotFound(Missing::Email));
        }
        let is_change =
            |event: &Event| matches!(event.kind, EventType::EmailVerified | EventType::EmailUnverified);
        Ok(events.into_iter().filter(is_change).collect())
    }
}
