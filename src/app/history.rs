//! The history of an address, from the record of what happened.

use super::App;
use crate::directory::event::{Event, EventType};
use crate::directory::proof::{AddressId, AddressKind};
use crate::error::{Error, Missing};
use crate::id::{TenantId, UserId};

impl App {
    /// Each change of an address's trust, oldest first, whether or not the user still has the address.
    ///
    /// # Errors
    /// [`Missing::User`] if nothing is known of the user, [`Missing::Email`] or [`Missing::Phone`] if the
    /// user never had the address.
    pub async fn history(
        &self,
        tenant: &TenantId,
        user_id: UserId,
        address: AddressId,
    ) -> Result<Vec<Event>, Error> {
        let (added, trust_changes, missing) = match address.kind {
            AddressKind::Email => (
                EventType::EmailAdded,
                [EventType::EmailVerified, EventType::EmailUnverified],
                Missing::Email,
            ),
            AddressKind::Phone => (
                EventType::PhoneAdded,
                [EventType::PhoneVerified, EventType::PhoneUnverified],
                Missing::Phone,
            ),
        };
        let events = self.store.identifier_events(tenant, user_id, address.id).await?;
        let knows_user = events.is_some();
        let of_it: Vec<_> = events
            .into_iter()
            .flatten()
            .filter(|event| event.kind == added || trust_changes.contains(&event.kind))
            .collect();
        let knows_address = !of_it.is_empty();
        let history = of_it.into_iter().filter(|event| event.kind != added).collect();
        if knows_address {
            return Ok(history);
        }
        // A store may tell of what has happened some moments later: what is there was not always told of.
        match self.check_address(tenant, user_id, address).await {
            Ok(_) => Ok(history),
            Err(Error::NotFound(_)) if knows_user => Err(Error::NotFound(missing)),
            Err(error) => Err(error),
        }
    }
}
