//! All that is kept of one person, and erasing it.

use tokio::sync::OwnedSemaphorePermit;

use super::condition::Always;
use super::{App, Call};
use crate::directory::event::{Origin, Recorded};
use crate::directory::group::Membership;
use crate::directory::person::{Gathering, Histories, Person, erased, removed_and_erased};
use crate::directory::user::User;
use crate::error::{Error, Missing};
use crate::id::{TenantId, UserId};
use crate::store::{MembershipSortKey, NewestEvents, Sorted, Store, UserChange};

/// How much is read at a time of what may be long.
const AT_A_TIME: u32 = 1_000;
/// How many persons are exported at once: each holds a page of events and as many changes of addresses as
/// [`Histories::together`] is asked for, and reads on and on.
pub(super) const MAX_EXPORTS: usize = 4;

/// All that is kept of a person.
pub struct WholePerson {
    /// What is not in the record.
    pub person: Person,
    /// What the record tells of addresses.
    pub histories: Histories,
    /// The record.
    pub course: Course,
    /// Kept until all is told.
    _place: OwnedSemaphorePermit,
}

/// What had happened to a user when it was first looked at. It is read page by page, and one page of it is held.
pub struct Course {
    tenant: TenantId,
    user_id: UserId,
    /// What happened last: all pages are before it, so that what happens since moves none of them.
    last: Option<(i64, Recorded)>,
    /// Before which event each page ends, the newest first.
    pages: Vec<i64>,
    /// Which page was read last, and its events, oldest first.
    held: Option<(usize, Vec<(i64, Recorded)>)>,
}

impl Course {
    /// Looks through all that has happened to a user, and gives what that tells of addresses, too.
    async fn begin(
        store: &dyn Store,
        tenant: &TenantId,
        user_id: UserId,
    ) -> Result<(Self, Gathering), Error> {
        let newest = NewestEvents { before: None, limit: 1, user_id: Some(user_id), kind: None };
        let last = store.newest_events(tenant, newest).await?.events.pop();
        let mut next = last.as_ref().map(|(position, _)| *position);
        let mut course = Self { tenant: tenant.clone(), user_id, last, pages: Vec::new(), held: None };
        let mut gathering = Gathering::default();
        while let Some(before) = next {
            let place = course.pages.len();
            course.pages.push(before);
            let (events, older) = course.read(store, place).await?;
            for (position, event) in events.iter().rev() {
                gathering.note(place, *position, event);
            }
            (course.held, next) = (Some((place, events)), older);
        }
        Ok((course, gathering))
    }

    /// Whether nothing has ever happened.
    fn is_empty(&self) -> bool {
        self.last.is_none()
    }

    /// Which pages there are, the oldest first.
    pub fn places(&self) -> impl Iterator<Item = usize> + use<> {
        (0..self.pages.len()).rev()
    }

    /// The events of a page with their positions, oldest first.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn page(&mut self, store: &dyn Store, place: usize) -> Result<&[(i64, Recorded)], Error> {
        let held = match self.held.take() {
            Some(held) if held.0 == place => held,
            _ => (place, self.read(store, place).await?.0),
        };
        Ok(&self.held.insert(held).1)
    }

    /// Reads a page, and tells before which event the next older one ends, if there is one.
    async fn read(
        &self,
        store: &dyn Store,
        place: usize,
    ) -> Result<(Vec<(i64, Recorded)>, Option<i64>), Error> {
        // From the newest on: that way leads along a user's events on every store.
        let before = Some(self.pages[place]);
        let wanted = NewestEvents { before, limit: AT_A_TIME, user_id: Some(self.user_id), kind: None };
        let mut page = store.newest_events(&self.tenant, wanted).await?;
        page.events.reverse();
        if place == 0 {
            page.events.extend(self.last.clone());
        }
        Ok((page.events, page.next))
    }
}

impl App {
    /// All that is kept of a user, also of one who was deleted. What changes while it is read may be told
    /// as it was or as it is; what happens meanwhile is not told.
    ///
    /// # Errors
    /// [`Missing::User`] if nothing is known of the user, [`Error::Busy`] while others are exported.
    pub async fn person(&self, tenant: &TenantId, user_id: UserId) -> Result<WholePerson, Error> {
        let place = self.person_exports.clone().try_acquire_owned().map_err(|_| Error::Busy)?;
        self.store.wait_for_places(tenant, user_id).await?;
        let document = self.store.user(tenant, user_id).await?.map(|kept| kept.document);
        let (course, gathering) = Course::begin(&*self.store, tenant, user_id).await?;
        if document.is_none() && course.is_empty() {
            return Err(Error::NotFound(Missing::User));
        }
        let user = document.as_deref().map(User::from_document).transpose()?;
        let person = Person {
            document,
            groups: self.groups_of(tenant, user_id).await?,
            standing: self.store.standing(tenant, user_id).await?,
            traces: self.store.traces(tenant, user_id).await?,
        };
        Ok(WholePerson { person, histories: gathering.histories(user.as_ref()), course, _place: place })
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
