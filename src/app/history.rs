//! The history of an address, from the record of what happened.

use super::App;
use crate::directory::event::{EventType, Method, Recorded};
use crate::directory::person::came_trusted;
use crate::directory::proof::{AddressId, AddressKind};
use crate::directory::user::User;
use crate::error::{Error, Missing};
use crate::id::{TenantId, UserId};
use crate::store::EventList;

impl App {
    /// Each change of an address's trust, oldest first, whether or not the user still has the address. One that
    /// was vouched for when the user was imported begins with that.
    ///
    /// # Errors
    /// [`Missing::User`] if nothing is known of the user, [`Missing::Email`] or [`Missing::Phone`] if the
    /// user never had the address.
    pub async fn history(
        &self,
        tenant: &TenantId,
        user_id: UserId,
        address: AddressId,
    ) -> Result<Vec<Recorded>, Error> {
        let ([added, removed, verified, unverified], missing) = match address.kind {
            AddressKind::Email => (
                [
                    EventType::EmailAdded,
                    EventType::EmailRemoved,
                    EventType::EmailVerified,
                    EventType::EmailUnverified,
                ],
                Missing::Email,
            ),
            AddressKind::Phone => (
                [
                    EventType::PhoneAdded,
                    EventType::PhoneRemoved,
                    EventType::PhoneVerified,
                    EventType::PhoneUnverified,
                ],
                Missing::Phone,
            ),
        };
        let events = self.store.identifier_events(tenant, user_id, address.id).await?;
        let knows_user = events.is_some();
        let events = events.unwrap_or_default();
        let any =
            |kinds: &[EventType]| events.iter().any(|event| kinds.iter().any(|kind| event.kind == *kind));
        let (was_added, knows_address) = (any(&[added]), any(&[removed, verified, unverified]));
        let is_trust = |event: &Recorded| event.kind == verified || event.kind == unverified;
        let mut history: Vec<Recorded> = events.into_iter().filter(is_trust).collect();
        if was_added {
            return Ok(history);
        }
        // Either it came with the user, or the store does not tell of it yet.
        let is_verified = match self.is_verified(tenant, user_id, address).await {
            Ok(is_verified) => is_verified,
            // It was removed.
            Err(Error::NotFound(_)) if knows_address => false,
            Err(Error::NotFound(_)) if knows_user => return Err(Error::NotFound(missing)),
            Err(error) => return Err(error),
        };
        if came_trusted(history.first().and_then(|event| event.kind.known().copied()), is_verified)
            && let Some(import) = self.import_of(tenant, user_id).await?
        {
            history.insert(0, import);
        }
        Ok(history)
    }

    async fn is_verified(
        &self,
        tenant: &TenantId,
        user_id: UserId,
        address: AddressId,
    ) -> Result<bool, Error> {
        let user = User::from_document(&self.kept(tenant, user_id).await?.document)?;
        user.has_verified(address)
    }

    /// The event by which the user was imported, if they were.
    async fn import_of(&self, tenant: &TenantId, user_id: UserId) -> Result<Option<Recorded>, Error> {
        let created =
            EventList { after: 0, limit: 1, user_id: Some(user_id), kind: Some(EventType::UserCreated) };
        let page = self.store.events(tenant, created).await?;
        let created = page.events.into_iter().map(|(_, event)| event).next();
        Ok(created.filter(|event| event.method == Method::Import))
    }
}
