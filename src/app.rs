//! What every face of the server is given: the store, the clock, the randomness, and the few ways
//! in which they come together. [`App::change`] is the one way to change a user.

mod groups;
mod keys;
mod turns;

use std::sync::Arc;

use bytes::Bytes;

use crate::directory::event::{Context, Event, EventType, Origin};
use crate::directory::group;
use crate::directory::user::{NewUser, User};
use crate::error::{Error, Missing, Refusal};
use crate::id::{Random, TenantId, UserId};
use crate::store::index::{self, Identifiers};
use crate::store::{DocumentChange, IdentifierKind, KeepError, Kept, List, Page, Row, Store, UserChange};
use crate::time::{Clock, Timestamp};
use keys::Keys;
use turns::Turns;

/// How often a change is decided anew because something else was changed first.
const MAX_ATTEMPTS: usize = 20;

/// The directory at work.
pub struct App {
    /// What keeps it.
    pub store: Arc<dyn Store>,
    /// What tells the time.
    pub clock: Arc<dyn Clock>,
    /// Where new ids and keys come from.
    pub random: Arc<dyn Random>,
    keys: Keys,
    turns: Turns,
}

impl App {
    /// A directory over this store.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self { store, clock, random, keys: Keys::default(), turns: Turns::default() }
    }

    /// The user's document.
    ///
    /// # Errors
    /// [`Missing::User`].
    pub async fn user(&self, tenant: &TenantId, user_id: UserId) -> Result<Bytes, Error> {
        Ok(self.kept(tenant, user_id).await?.document)
    }

    /// A page of the tenant's users.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn users(&self, tenant: &TenantId, list: List) -> Result<Page, Error> {
        self.store.users(tenant, list).await
    }

    /// Makes a user, and gives the document.
    ///
    /// # Errors
    /// What [`User::create`] refuses, and [`Error::Refused`] where an identifier is another user's.
    pub async fn create(&self, origin: &Origin, new: NewUser) -> Result<(UserId, Bytes), Error> {
        let now = self.clock.now();
        let (mut user, events) = User::create(new, &self.context(origin, now))?;
        let user_id = user.user_id;
        let row = row(&mut user);
        for _ in 0..MAX_ATTEMPTS {
            let joined = self.store.auto_assigned(&origin.tenant).await?;
            let joins = group::joined(user_id, &joined, &self.context(origin, now));
            let change = UserChange {
                tenant: origin.tenant.clone(),
                user_id,
                identifiers: Identifiers::none().changes(Identifiers::of(&user)),
                removed_terms: Vec::new(),
                added_terms: index::terms(&user),
                document: DocumentChange::Create(row.clone(), joined),
                events: events.iter().cloned().chain(joins).collect(),
            };
            match self.store.keep(change).await {
                Ok(()) => return Ok((user_id, row.document)),
                // The groups that take every new user are others by now.
                Err(KeepError::Conflict) => {}
                Err(error) => return Err(refused(error)),
            }
        }
        Err(Error::Unavailable("the groups that take every new user keep changing".to_owned()))
    }

    /// Changes a user by a rule, and gives the document as it is afterwards. A rule that names no
    /// events changes nothing: then nothing is written.
    ///
    /// The rule is decided on a document read without a lock, and kept only if nobody has changed
    /// the user in between; else it is decided anew.
    ///
    /// # Errors
    /// [`Missing::User`], what the rule refuses, and [`Error::Refused`] where an identifier is
    /// another user's.
    pub async fn change(
        &self,
        origin: &Origin,
        user_id: UserId,
        rule: impl Fn(&mut User, &Context) -> Result<Vec<Event>, Error>,
    ) -> Result<Bytes, Error> {
        let _turn = self.turns.wait(&origin.tenant, user_id).await;
        for _ in 0..MAX_ATTEMPTS {
            let kept = self.kept(&origin.tenant, user_id).await?;
            let mut user = User::from_document(&kept.document)?;
            let (identifiers, terms) = (Identifiers::of(&user), index::terms(&user));
            let now = self.clock.now();
            let events = rule(&mut user, &self.context(origin, now))?;
            if events.is_empty() {
                return Ok(kept.document);
            }
            user.last_updated = now;
            let (removed_terms, added_terms) = index::difference(&terms, &index::terms(&user));
            let row = row(&mut user);
            let document = row.document.clone();
            let change = UserChange {
                tenant: origin.tenant.clone(),
                user_id,
                document: DocumentChange::Replace(kept.version, row),
                identifiers: identifiers.changes(Identifiers::of(&user)),
                removed_terms,
                added_terms,
                events,
            };
            match self.store.keep(change).await {
                Ok(()) => return Ok(document),
                Err(KeepError::Conflict) => {}
                Err(error) => return Err(refused(error)),
            }
        }
        Err(Error::Unavailable("other processes keep changing this user".to_owned()))
    }

    /// Removes a user and everything that is theirs.
    ///
    /// # Errors
    /// [`Missing::User`].
    pub async fn delete(&self, origin: &Origin, user_id: UserId) -> Result<(), Error> {
        let _turn = self.turns.wait(&origin.tenant, user_id).await;
        for _ in 0..MAX_ATTEMPTS {
            let kept = self.kept(&origin.tenant, user_id).await?;
            let user = User::from_document(&kept.document)?;
            let now = self.clock.now();
            let change = UserChange {
                tenant: origin.tenant.clone(),
                user_id,
                document: DocumentChange::Delete(kept.version),
                identifiers: Identifiers::of(&user).changes(Identifiers::none()),
                removed_terms: index::terms(&user),
                added_terms: Vec::new(),
                events: vec![self.context(origin, now).event(EventType::UserDeleted, user_id, None, None)],
            };
            match self.store.keep(change).await {
                Ok(()) => return Ok(()),
                Err(KeepError::Conflict) => {}
                Err(error) => return Err(refused(error)),
            }
        }
        Err(Error::Unavailable("other processes keep changing this user".to_owned()))
    }

    async fn kept(&self, tenant: &TenantId, user_id: UserId) -> Result<Kept, Error> {
        self.store.user(tenant, user_id).await?.ok_or(Error::NotFound(Missing::User))
    }

    fn context<'a>(&'a self, origin: &'a Origin, now: Timestamp) -> Context<'a> {
        Context { now, random: &*self.random, origin }
    }
}

/// The user as the store keeps it.
fn row(user: &mut User) -> Row {
    Row {
        document: user.to_document().into(),
        creation_time: user.creation_time,
        last_updated: user.last_updated,
    }
}

/// What it means for a client that a change was not kept.
fn refused(error: KeepError) -> Error {
    Error::Refused(match error {
        KeepError::Taken(IdentifierKind::Email) => Refusal::DuplicateEmail,
        KeepError::Taken(IdentifierKind::Phone) => Refusal::DuplicatePhoneNumber,
        KeepError::Taken(IdentifierKind::Username) => Refusal::DuplicateUserName,
        KeepError::NameTaken => Refusal::DuplicateGroupName,
        KeepError::Conflict => return Error::Internal("what is new conflicts with another".to_owned()),
        KeepError::Failed(error) => return error,
    })
}
