//! The history of an address, from the record of what happened.

use super::App;
use crate::directory::event::{Event, EventType};
use crate::directory::proof::{AddressId, AddressKind};
use crate::error::{Error, Missing};
use crate::id::{TenantId, UserId};
use crate::store::EventList;

/// How many events are asked for at a time.
const AT_A_TIME: u32 = 1000;

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
        let mut history = Vec::new();
        let (mut knows_user, mut knows_address) = (false, false);
        let mut after = Some(0);
        while let Some(position) = after {
            let wanted = EventList { after: position, limit: AT_A_TIME, user_id: Some(user_id), kind: None };
            let page = self.store.events(tenant, wanted).await?;
            knows_user |= !page.events.is_empty();
            let of_it = page.events.into_iter().map(|(_, event)| event);
            for event in of_it.filter(|event| event.identifier_id == Some(address.id)) {
                knows_address |= event.kind == added;
                if trust_changes.contains(&event.kind) {
                    history.push(event);
                }
            }
            after = page.next;
        }
        if knows_address || !history.is_empty() {
            return Ok(history);
        }
        // A store may tell of what has happened some moments later: what is there was not always told of.
        match self.check_address(tenant, user_id, address).await {
            Ok(()) => Ok(history),
            Err(Error::NotFound(_)) if knows_user => Err(Error::NotFound(missing)),
            Err(error) => Err(error),
        }
    }
}
