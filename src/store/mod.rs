//! What keeps the directory: documents, identifiers, index terms, groups, events and keys. A store
//! knows no rule beyond who owns a verified address or a name, which only it can decide.
//!
//! There is one trait and one contract of tests (`contract/`) that every implementation passes. What the
//! trait is told to keep is in `change.rs`, what it is asked for and answers as a list in `list.rs`, and
//! what it reads and writes of many users at once in `bulk.rs`: all of it is named from here.

#[cfg(test)]
mod alike;
mod answer;
mod bulk;
mod change;
mod columns;
#[cfg(test)]
pub(crate) mod contract;
pub mod copy;
mod drivers;
#[cfg(test)]
mod expand;
pub mod index;
mod list;
pub mod postgres;
mod reading;
pub mod search;
pub mod sqlite;
mod statement;
pub mod ways;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::mpsc;

use crate::directory::api_key::ApiKey;
use crate::directory::event::{Event, Recorded};
use crate::directory::group::{Group, Membership};
use crate::directory::log::LogId;
use crate::directory::mail::Mail;
use crate::directory::password::{PasswordHash, ResetToken};
use crate::directory::person::Traces;
use crate::directory::proof::{KeptProof, Standing};
use crate::directory::repeat::NamedRequest;
use crate::directory::settings::{Choices, Settings};
use crate::error::Error;
use crate::id::{GroupId, IdentifierId, MailId, TenantId, UserId};
use crate::metrics::Measured;
use crate::secret::{KeyId, TokenId};
use crate::time::Timestamp;
pub use answer::{About, Answer, Earlier, KeptAnswer};
use search::groups::GroupSearch;
use search::logs::LogSearch;

pub use bulk::{Arrival, Portion, Record};
pub use change::{
    DocumentChange, GroupChange, GroupKept, Identifier, IdentifierChange, IdentifierKind, KeepError,
    KeyChange, KeyKept, MembershipChange, Request, Row, SortNames, UserChange,
};
pub use list::{
    DayCount, EventList, EventPage, GroupSortKey, List, LogSortKey, MembershipSortKey, NewestEvents, Page,
    Place, SortKey, Sorted,
};

/// The shape of the documents that this version of the program writes.
pub const DOCUMENT_SHAPE: i64 = 1;

/// A place that keeps the directory. Everything a method was told to keep is durable when it
/// returns, and everything it returns was durable before.
#[async_trait]
pub trait Store: Send + Sync {
    /// How long whoever changes something waits for all of it: until nobody else changes the same, for
    /// what it is decided on, and until it is kept.
    fn patience(&self) -> Duration;

    /// The user's document and its version.
    async fn user(&self, tenant: &TenantId, user_id: UserId) -> Result<Option<Kept>, Error>;

    /// One page of the tenant's users.
    async fn users(&self, tenant: &TenantId, list: List) -> Result<Page, Error>;

    /// Keeps a change whole: document, identifiers, terms, secrets, proofs, mail, events and the answer to who
    /// asked for it, or nothing.
    async fn keep(&self, change: UserChange) -> Result<(), KeepError>;

    /// Keeps changes in this order, each whole or not at all, and gives what became of each.
    async fn keep_all(&self, changes: Vec<UserChange>) -> Vec<Result<(), KeepError>> {
        futures_util::future::join_all(changes.into_iter().map(|change| self.keep(change))).await
    }

    /// The user whose alone an identifier is, if it is anybody's.
    async fn owner(
        &self,
        tenant: &TenantId,
        kind: IdentifierKind,
        canonical: &str,
    ) -> Result<Option<UserId>, Error>;

    /// Hands over all that the tenant has at one moment, with the hashes of passwords if they are wanted,
    /// until nobody takes it any more. It waits for whoever takes it.
    async fn export(
        &self,
        tenant: &TenantId,
        with_hashes: bool,
        to: mpsc::Sender<Portion>,
    ) -> Result<(), Error>;

    /// The group and its version.
    async fn group(&self, tenant: &TenantId, group_id: GroupId) -> Result<Option<(Version, Group)>, Error>;

    /// One page of the tenant's groups, of all or of those that match a filter.
    async fn groups(
        &self,
        tenant: &TenantId,
        filter: Option<GroupSearch>,
        list: Sorted<GroupSortKey>,
    ) -> Result<Page<Group>, Error>;

    /// The groups that take every new user, by id.
    async fn auto_assigned(&self, tenant: &TenantId) -> Result<Vec<GroupId>, Error>;

    /// Keeps a change of a group whole.
    async fn keep_group(&self, change: GroupChange) -> Result<(), KeepError>;

    /// The membership of a user in a group.
    async fn membership(
        &self,
        tenant: &TenantId,
        user_id: UserId,
        group_id: GroupId,
    ) -> Result<Option<Membership>, Error>;

    /// One page of the memberships of a user.
    async fn memberships(
        &self,
        tenant: &TenantId,
        user_id: UserId,
        list: Sorted<MembershipSortKey>,
    ) -> Result<Page<Membership>, Error>;

    /// Keeps that a user joins or leaves a group, with its event; false if nothing is different
    /// then, because it was so already, or the user or the group is not there.
    async fn keep_membership(&self, change: MembershipChange) -> Result<bool, KeepError>;

    /// What is kept since this moment of a request of the same name, made with the same API key.
    async fn earlier(&self, request: &NamedRequest, since: Timestamp) -> Result<Option<Earlier>, Error>;

    /// Keeps an answer by itself: that of a request that was done in several changes.
    async fn keep_answer(&self, answer: KeptAnswer) -> Result<(), KeepError>;

    /// Forgets some of the answers that were kept until this moment; false if there were none.
    async fn forget_answers(&self, until: Timestamp) -> Result<bool, Error>;

    /// Events of the tenant, oldest first.
    async fn events(&self, tenant: &TenantId, wanted: EventList) -> Result<EventPage, Error>;

    /// The tenant's newest events, newest first.
    async fn newest_events(&self, tenant: &TenantId, wanted: NewestEvents) -> Result<EventPage, Error>;

    /// How many of the tenant's newest events there were on each day, a number for each type.
    async fn events_by_day(&self, tenant: &TenantId, newest: u32) -> Result<Vec<DayCount>, Error>;

    /// Waits until all that has happened to a user has its place among the tenant's events, and so is told by
    /// all that reads them.
    async fn wait_for_places(&self, tenant: &TenantId, user_id: UserId) -> Result<(), Error>;

    /// The events of one address of a user, oldest first; nothing if nothing ever happened to the user.
    async fn identifier_events(
        &self,
        tenant: &TenantId,
        user_id: UserId,
        identifier_id: IdentifierId,
    ) -> Result<Option<Vec<Recorded>>, Error>;

    /// One page of the tenant's logs: events of a type that has a code, each with its log's id.
    async fn logs(
        &self,
        tenant: &TenantId,
        filter: Option<LogSearch>,
        list: Sorted<LogSortKey>,
    ) -> Result<Page<(LogId, Recorded)>, Error>;

    /// The event of this log's id, of whatever type.
    async fn log(&self, tenant: &TenantId, id: LogId) -> Result<Option<Recorded>, Error>;

    /// The hash of the user's password.
    async fn password(&self, tenant: &TenantId, user_id: UserId) -> Result<Option<PasswordHash>, Error>;

    /// Puts one hash of a password in the place of another of the same; false if that is no longer
    /// the one that is kept.
    async fn rehash_password(
        &self,
        tenant: &TenantId,
        user_id: UserId,
        from: PasswordHash,
        to: PasswordHash,
    ) -> Result<bool, Error>;

    /// Counts a try of the user's password, whose right outcome is a change that sets it. If `most`
    /// were counted after the moment `since`, it is not, and the oldest of these is given.
    async fn count_password_try(
        &self,
        tenant: &TenantId,
        user_id: UserId,
        attempt: PasswordTry,
    ) -> Result<Option<Timestamp>, Error>;

    /// The token of this public id, whatever its tenant. One that was mailed is there while the email is
    /// still known to be the user's and was so all the time.
    async fn reset_token(&self, id: TokenId) -> Result<Option<ResetToken>, Error>;

    /// The proof of this public id, whatever its tenant.
    async fn proof(&self, id: TokenId) -> Result<Option<KeptProof>, Error>;

    /// What is known of an account when an address of it is proved.
    async fn standing(&self, tenant: &TenantId, user_id: UserId) -> Result<Standing, Error>;

    /// Counts that the code of a proof is tried; false if it was tried so often already, or there is
    /// no such proof any more.
    async fn count_code_try(&self, id: TokenId, most: u32) -> Result<bool, Error>;

    /// Forgets what was asked for until this moment, which no limit counts any more.
    async fn forget_requests(&self, until: Timestamp) -> Result<(), Error>;

    /// Mail of all tenants that is to be tried at this moment and is tried by nobody, the longest due
    /// first. Mail of a kind that this program does not know is left to those that do.
    async fn due_mails(&self, now: Timestamp, limit: u32) -> Result<Vec<Mail>, Error>;

    /// Makes mail due at this moment that waits for a later one and is tried by nobody.
    async fn hurry_mails(&self, now: Timestamp) -> Result<(), Error>;

    /// How many mails of all tenants wait to be sent; this many are counted at most.
    async fn waiting_mails(&self, most: u32) -> Result<u64, Error>;

    /// Takes a mail for oneself until a moment, and counts that it is tried; false if another has it,
    /// or has tried it since it was read, or it is due later by now, or gone.
    async fn claim_mail(&self, mail: &Mail, now: Timestamp, until: Timestamp) -> Result<bool, Error>;

    /// Keeps a mail until a later moment that one has taken; false if another has taken it since, or
    /// it is gone. `mail` is as it was read before it was taken.
    async fn renew_mail(&self, mail: &Mail, until: Timestamp) -> Result<bool, Error>;

    /// Lets a mail wait until a moment that one has taken, unless another has taken it since. `mail` is
    /// as it was read before it was taken.
    async fn postpone_mail(&self, mail: &Mail, due_at: Timestamp) -> Result<(), Error>;

    /// Removes a mail that was sent, or need not be any more.
    async fn remove_mail(&self, tenant: &TenantId, id: MailId) -> Result<(), Error>;

    /// What is kept of a user beside the document, the secrets, the proofs and the record.
    async fn traces(&self, tenant: &TenantId, user_id: UserId) -> Result<Traces, Error>;

    /// Erases what is personal in the record of a user who is not there any more, and what else is left of
    /// them, and appends this event; false if there was nothing to erase, or the user is there.
    async fn erase_record(&self, tenant: &TenantId, user_id: UserId, receipt: Event) -> Result<bool, Error>;

    /// What the tenant has chosen.
    async fn settings(&self, tenant: &TenantId) -> Result<Settings, Error>;

    /// Keeps what the tenant chooses now, and leaves all that was chosen before, also by others at the
    /// same time; false if there is no such tenant.
    async fn choose(&self, tenant: &TenantId, choices: Choices) -> Result<bool, Error>;

    /// Makes a tenant; false if there is one of this name.
    async fn create_tenant(&self, tenant: &TenantId, now: Timestamp) -> Result<bool, Error>;

    /// All tenants, by name.
    async fn tenants(&self) -> Result<Vec<Tenant>, Error>;

    /// Keeps a change of an API key, with what happened and the answer to who asked for it; false if what it
    /// was decided on is another by now, or the tenant of a new key does not exist.
    async fn keep_key(&self, change: KeyChange) -> Result<bool, KeepError>;

    /// The key of this public id, whatever its tenant.
    async fn key(&self, id: KeyId) -> Result<Option<ApiKey>, Error>;

    /// All keys, by tenant and age.
    async fn keys(&self) -> Result<Vec<ApiKey>, Error>;

    /// Keys of a tenant in the order of their ids, those after this one, which need not be there.
    async fn keys_of(
        &self,
        tenant: &TenantId,
        after: Option<KeyId>,
        limit: u32,
    ) -> Result<Vec<ApiKey>, Error>;

    /// Notes that a key was used.
    async fn touch_key(&self, id: KeyId, now: Timestamp) -> Result<(), Error>;

    /// What the store has to tell of its work.
    fn measured(&self) -> Measured<'_>;

    /// Whether the store answers, and what writes to it lives.
    async fn ping(&self) -> Result<(), Error>;

    /// Finishes what is under way and closes the store.
    async fn close(&self);
}

/// How often a user was changed. Clients know it as the tag of a user: as long as it is the same, so are
/// the bytes of the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version(pub i64);

/// A user as it is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct Kept {
    /// The version to state in a change that is decided on this document.
    pub version: Version,
    /// The JSON of the user.
    pub document: Bytes,
    /// Whether there may be proofs of the user's addresses.
    pub has_proofs: bool,
}

impl fmt::Debug for Kept {
    /// What is known of a person is personal: nothing that prints for debugging shows it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kept({:?})", self.version)
    }
}

/// A try of a password, and how many of them there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordTry {
    /// When it is made.
    pub now: Timestamp,
    /// Earlier ones, and those of this moment, do not count any more.
    pub since: Timestamp,
    /// How many may count.
    pub most: u32,
}

/// A tenant as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Its name.
    pub id: TenantId,
    /// When it was made.
    pub created_at: Timestamp,
    /// How many users it has.
    pub users: u64,
}
