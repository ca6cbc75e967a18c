//! All that is kept of one person, and erasing it.

use super::condition::Always;
use super::{App, Call};
use crate::directory::event::{Origin, Recorded};
use crate::directory::group::Membership;
use crate::directory::person::{Person, erased, removed_and_erased};
use crate::error::{Error, Missing};
use crate::id::{TenantId, UserId};
use crate::store::{MembershipSortKey, NewestEvents, Sorted, UserChange};

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

    /// Removes a user and everything that was theirs, and erases what is personal in the record of what
    /// happened to them. Of a user who was removed before, the record is erased.
    ///
    /// # Errors
    /// [`Missing::User`] if nothing is left to be erased, [`Error::Changed`].
    pub async fn erase<'a>(&self, call: impl Into<Call<'a>>, user_id: UserId) -> Result<(), Error> {
        let call = call.into();
        let removed = self.decide(Always, call, user_id, |kept, user, (), ctx| {
            let events = removed_and_erased(user_id, ctx);
            Ok((Some(UserChange::erase(&ctx.origin.tenant, kept.version, user, events)), ()))
        });
        match removed.await {
            Ok(Ok(())) => Ok(()),
            // Whoever wants a user of some version means one that is there.
            Err(Error::NotFound(Missing::User)) if call.only_if.is_none() => {
                self.erase_record(call.origin, user_id).await
            }
            Err(error) => Err(error),
        }
    }

    async fn erase_record(&self, origin: &Origin, user_id: UserId) -> Result<(), Error> {
        let receipt = erased(user_id, &self.context(origin, self.clock.now()));
        let is_erased = self.in_time(self.store.erase_record(&origin.tenant, user_id, receipt)).await?;
        if is_erased { Ok(()) } else { Err(Error::NotFound(Missing::User)) }
    }

    /// All events of a user, oldest first.
    async fn events_of(&self, tenant: &TenantId, user_id: UserId) -> Result<Vec<(i64, Recorded)>, Error> {
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
