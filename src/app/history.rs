//! The history of an address, from the record of what happened.

use super::App;
use crate::directory::event::{Event, EventType};
use crate::error::{Error, Missing};
use crate::id::{IdentifierId, TenantId, UserId};
use crate::store::EventList;

/// How many events are asked for at a time.
const AT_A_TIME: u32 = 1000;

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
        let mut history = Vec::new();
        let (mut knows_user, mut knows_email) = (false, false);
        let mut after = Some(0);
        while let Some(position) = after {
            let wanted = EventList { after: position, limit: AT_A_TIME, user_id: Some(user_id), kind: None };
            let page = self.store.events(tenant, wanted).await?;
            knows_user |= !page.events.is_empty();
            for (_, event) in page.events {
                if event.identifier_id != Some(email) {
                    continue;
                }
                match event.kind {
                    EventType::EmailVerified | EventType::EmailUnverified => history.push(event),
                    EventType::EmailAdded => knows_email = true,
                    _ => {}
                }
            }
            after = page.next;
        }
        match (knows_user, knows_email || !history.is_empty()) {
            (false, _) => Err(Error::NotFound(Missing::User)),
            (true, false) => Err(Error::NotFound(Missing::Email)),
            (true, true) => Ok(history),
        }
    }
}
