//! All that is kept of one person.

use super::App;
use crate::directory::event::Event;
use crate::directory::group::Membership;
use crate::directory::person::Person;
use crate::error::{Error, Missing};
use crate::id::{TenantId, UserId};
use crate::store::{MembershipSortKey, NewestEvents, Sorted};

/// How much is read at a time of what may be long.
const AT_A_TIME: u32 = 1_000;

impl App {
    /// All that is kept of a user, also of one who was deleted. What changes while it is read may be told
    /// as it was or as it is.
    ///
    /// # Errors
    /// [`Missing::User`] if nothing is known of the user.
    pub async fn person(&self, tenant: &TenantId, user_id: UserId) -> Result<Person, Error> {
        let document = self.store.user(tenant, user_id).await?.map(|kept| kept.document);
        let events = self.events_of(tenant, user_id).await?;
        if document.is_none() && events.is_empty() {
            return Err(Error::NotFound(Missing::User));
        }
        Ok(Person {
            document,
            groups: self.groups_of(tenant, user_id).await?,
            events,
            standing: self.store.standing(tenant, user_id).await?,
            traces: self.store.traces(tenant, user_id).await?,
        })
    }

    /// All events of a user, oldest first.
    async fn events_of(&self, tenant: &TenantId, user_id: UserId) -> Result<Vec<(i64, Event)>, Error> {
        // From the newest on: that way leads along a user's events on every store.
        let (mut events, mut before) = (Vec::new(), None);
        loop {
            let wanted = NewestEvents { before, limit: AT_A_TIME, user_id: Some(user_id), kind: None };
            let page = self.store.newest_events(tenant, wanted).await?;
            events.extend(page.events);
            before = page.next;
            if before.is_none() {
                events.reverse();
                return Ok(events);
            }
        }
    }

    /// All groups that a user is in, those joined first before others.
    async fn groups_of(&self, tenant: &TenantId, user_id: UserId) -> Result<Vec<Membership>, Error> {
        let mut groups = Vec::new();
        loop {
            let list = Sorted {
                sort: MembershipSortKey::CreationTime,
                descending: false,
                offset: groups.len() as u64,
                limit: AT_A_TIME,
            };
            let page = self.store.memberships(tenant, user_id, list).await?;
            groups.extend(page.documents);
            if !page.has_next {
                return Ok(groups);
            }
        }
    }
}
