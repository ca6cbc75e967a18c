//! What keeps the directory: documents, identifiers, index terms, groups, events and keys. A store
//! knows no rule beyond who owns a verified address or a name, which only it can decide.
//!
//! There is one trait and one contract of tests (`contract/`) that every implementation passes.

#[cfg(test)]
mod alike;
mod answer;
mod bulk;
mod columns;
#[cfg(test)]
pub(crate) mod contract;
pub mod copy;
mod drivers;
pub mod index;
pub mod postgres;
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
use crate::directory::event::{Event, EventType, names};
use crate::directory::group::{Group, Membership};
use crate::directory::log::{LogId, Wording};
use crate::directory::mail::{Mail, MailChange};
use crate::directory::password::{MailedReset, PasswordHash, ResetToken, SecretChange};
use crate::directory::person::Traces;
use crate::directory::proof::{AddressKind, KeptProof, ProofChange, Standing};
use crate::directory::repeat::NamedRequest;
use crate::directory::settings::{Choices, Limit, Settings};
use crate::error::Error;
use crate::id::{GroupId, IdentifierId, MailId, TenantId, UserId};
use crate::metrics::Measured;
use crate::secret::{KeyId, TokenId};
use crate::time::Timestamp;
pub use answer::{About, Answer, Earlier, KeptAnswer};
use index::Term;
use search::groups::GroupSearch;
use search::logs::LogSearch;
use search::users::UserSearch;

pub use bulk::{Arrival, Portion, Record};

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

    /// The events of one address of a user, oldest first; nothing if nothing ever happened to the user.
    async fn identifier_events(
        &self,
        tenant: &TenantId,
        user_id: UserId,
        identifier_id: IdentifierId,
    ) -> Result<Option<Vec<Event>>, Error>;

    /// One page of the tenant's logs: events of a type that has a code, each with its log's id.
    async fn logs(
        &self,
        tenant: &TenantId,
        filter: Option<LogSearch>,
        list: Sorted<LogSortKey>,
    ) -> Result<Page<(LogId, Event)>, Error>;

    /// The event of this log's id, of whatever type.
    async fn log(&self, tenant: &TenantId, id: LogId) -> Result<Option<Event>, Error>;

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

    /// Keeps a change of an API key, with what happened; false if what it was decided on is another by
    /// now, or the tenant of a new key does not exist.
    async fn keep_key(&self, change: KeyChange) -> Result<bool, Error>;

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

/// A change of one user, decided and ready to be kept.
#[derive(Clone, Debug)]
pub struct UserChange {
    /// The tenant.
    pub tenant: TenantId,
    /// The user.
    pub user_id: UserId,
    /// What becomes of the document.
    pub document: DocumentChange,
    /// What becomes of the identifiers.
    pub identifiers: Vec<IdentifierChange>,
    /// Searchable values that the user no longer has.
    pub removed_terms: Vec<Term>,
    /// Searchable values that the user has newly.
    pub added_terms: Vec<Term>,
    /// What becomes of the secrets; those of a user who is removed go with them.
    pub secret: SecretChange,
    /// What becomes of the proofs of the user's addresses; those of a user who is removed go, too.
    pub proof: ProofChange,
    /// What becomes of mail.
    pub mail: MailChange,
    /// What happened.
    pub events: Vec<Event>,
    /// What is answered to who asked for it, where that is to be kept.
    pub answer: Option<Box<KeptAnswer>>,
}

impl UserChange {
    /// The document as the change writes it; empty where it writes none.
    pub fn document(&self) -> Bytes {
        match &self.document {
            DocumentChange::Create(row, ..) | DocumentChange::Replace(_, row, _) => row.document.clone(),
            DocumentChange::Stay(_) | DocumentChange::Delete(_) | DocumentChange::Erase(_) => Bytes::new(),
        }
    }

    /// What is to be sent to an address of the user, if anything, which is counted.
    pub fn request(&self) -> Option<Request<'_>> {
        if let ProofChange::Start(proof, limits) = &self.proof {
            let (kind, canonical) = (proof.address.kind, &proof.canonical);
            return Some(Request { kind, canonical, at: proof.issued_at, limits });
        }
        let SecretChange::StartReset(_, Some(mailed)) = &self.secret else { return None };
        let MailedReset { canonical, asked_at, limits, .. } = mailed;
        Some(Request { kind: AddressKind::Email, canonical, at: *asked_at, limits })
    }

    /// The version that the user has afterwards; none where the user is removed.
    pub fn version(&self) -> Option<Version> {
        match self.document {
            DocumentChange::Create(..) => Some(Version(1)),
            DocumentChange::Replace(before, ..) => Some(Version(before.0 + 1)),
            DocumentChange::Stay(before) => Some(Version(before.0 + i64::from(self.is_decided_on()))),
            DocumentChange::Delete(_) | DocumentChange::Erase(_) => None,
        }
    }

    /// Whether somebody who decides on the user at this moment must decide anew, although the document
    /// stays.
    pub fn is_decided_on(&self) -> bool {
        !self.events.is_empty()
            || !matches!(self.secret, SecretChange::Keep)
            || !matches!(self.proof, ProofChange::Keep)
    }
}

/// That something is to be sent to an address of a user.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// What kind of address it is.
    pub kind: AddressKind,
    /// The address in the form in which it is compared.
    pub canonical: &'a str,
    /// When it is asked for.
    pub at: Timestamp,
    /// How often it may be.
    pub limits: &'a [Limit],
}

/// What becomes of a user's document.
#[derive(Clone, Debug)]
pub enum DocumentChange {
    /// The user is new. The groups must be there, and the automatic ones all that take every new user.
    Create(Row, SortNames, Arrival),
    /// The user is changed, if it still has the version on which that was decided; the names are
    /// given where they are others now.
    Replace(Version, Row, Option<SortNames>),
    /// The user's document stays as it is, if it still has this version. The version rises all the same
    /// where there are events, or secrets or proofs change.
    Stay(Version),
    /// The user is removed, if it still has the version on which that was decided.
    Delete(Version),
    /// The same, and what is personal in the record of what happened to the user is erased. The events of
    /// the change itself stay as they are.
    Erase(Version),
}

/// A user's document and what it is sorted by.
#[derive(Clone)]
pub struct Row {
    /// The JSON.
    pub document: Bytes,
    /// When the user came to be.
    pub creation_time: Timestamp,
    /// When it was last changed.
    pub last_updated: Timestamp,
}

impl fmt::Debug for Row {
    /// What is known of a person is personal: nothing that prints for debugging shows it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Row(hidden)")
    }
}

/// The names that users are sorted by: claims as they are compared, cut at the length that is
/// searchable, empty where there is none.
#[derive(Clone, PartialEq, Eq)]
pub struct SortNames {
    /// The whole name.
    pub name: String,
    /// The given name.
    pub given_name: String,
    /// The middle name.
    pub middle_name: String,
    /// The family name.
    pub family_name: String,
}

impl fmt::Debug for SortNames {
    /// What is known of a person is personal: nothing that prints for debugging shows it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SortNames(hidden)")
    }
}

names! {
    /// What an identifier is.
    IdentifierKind {
        /// An email address.
        Email = "email",
        /// A phone number.
        Phone = "phone",
        /// A username.
        Username = "username",
    }
}

impl From<AddressKind> for IdentifierKind {
    fn from(kind: AddressKind) -> Self {
        match kind {
            AddressKind::Email => Self::Email,
            AddressKind::Phone => Self::Phone,
        }
    }
}

/// An identifier as the store keeps it.
#[derive(Clone, PartialEq, Eq)]
pub struct Identifier {
    /// Its id.
    pub id: IdentifierId,
    /// What it is.
    pub kind: IdentifierKind,
    /// The form in which it is compared.
    pub canonical: String,
    /// Whether it can be this user's only: a verified address, or a username.
    pub owned: bool,
}

impl fmt::Debug for Identifier {
    /// Addresses are personal: only the id is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identifier({} {})", self.kind, self.id)
    }
}

/// What becomes of one identifier of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentifierChange {
    /// The user has it newly.
    Add(Identifier),
    /// The user no longer has it; it was so before.
    Remove(Identifier),
    /// It became the user's alone; it is so now.
    Own(Identifier),
    /// It is no longer known to be the user's: its generation rises, so that no earlier proof of it
    /// counts. It is so now.
    Disown(Identifier),
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

/// Why a change was not kept. Nothing of it was.
#[derive(Debug)]
pub enum KeepError {
    /// What the change was decided on is another by now, or gone: load it and decide again.
    Conflict,
    /// Another user has a verified address, or a username, that this change claims.
    Taken(IdentifierKind),
    /// Another group has the name that this change claims.
    NameTaken,
    /// There is a user, or a group, of the id that this change gives a new one.
    Exists,
    /// Limits stand in the way of sending something, all of them until this moment.
    TooOften(Timestamp),
    /// A request of the same name has changed something already, and its answer is kept.
    Repeated,
    /// The store could not.
    Failed(Error),
}

impl KeepError {
    /// What it is where nothing can stand in the way of what was to be kept.
    fn unexpected(self) -> Error {
        match self {
            Self::Failed(error) => error,
            Self::Conflict
            | Self::Taken(_)
            | Self::NameTaken
            | Self::Exists
            | Self::TooOften(_)
            | Self::Repeated => {
                Error::Internal("an operation that nothing can stand in the way of was refused".to_owned())
            }
        }
    }
}

/// Which users, in which order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// What they must match; all if there is nothing.
    pub filter: Option<UserSearch>,
    /// Which of them.
    pub place: Place,
    /// How many to give at most.
    pub limit: u32,
}

/// A place in a list of users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the order of a key; users equal in it are sorted by id, in the same direction.
    Sorted {
        /// The key.
        sort: SortKey,
        /// Whether the largest come first.
        descending: bool,
        /// How many to pass over.
        offset: u64,
    },
    /// In the order of ids, for walks of any length.
    ById {
        /// Those after this one, who need not be there any more.
        after: Option<UserId>,
    },
}

/// Which page of a list, in which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sorted<Key> {
    /// What it is sorted by; what is equal in this is sorted by id, in the same direction.
    pub sort: Key,
    /// Whether the largest come first.
    pub descending: bool,
    /// How many to pass over.
    pub offset: u64,
    /// How many to give at most.
    pub limit: u32,
}

/// Which events, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventList {
    /// Those after this position.
    pub after: i64,
    /// How many to give at most.
    pub limit: u32,
    /// Those of this user only, who need not be there any more.
    pub user_id: Option<UserId>,
    /// Those of this type only.
    pub kind: Option<EventType>,
}

/// Which events, newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewestEvents {
    /// Those before this position; from the newest on if there is none.
    pub before: Option<i64>,
    /// How many to give at most.
    pub limit: u32,
    /// Those of this user only, who need not be there any more. Then `before` is the position of an
    /// event of theirs.
    pub user_id: Option<UserId>,
    /// Those of this type only.
    pub kind: Option<EventType>,
}

/// How many events of one type there were on one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DayCount {
    /// The day in UTC, counted from the first one of 1970.
    pub day: i64,
    /// The type.
    pub kind: EventType,
    /// How many.
    pub count: u64,
}

/// Some events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventPage {
    /// The events with their positions.
    pub events: Vec<(i64, Event)>,
    /// The position to go on after, or before where the newest come first, if there may be more.
    pub next: Option<i64>,
}

names! {
    /// What users can be sorted by. Nobody signs in yet, so all users are equal in the first seven.
    SortKey {
        /// How often signing in failed since it last did not.
        FailureCount = "failure_count",
        /// When somebody last tried to sign in as them.
        LastSignInAttempt = "last_sign_in_attempt",
        /// How often.
        SignInAttemptsCount = "sign_in_attempts_count",
        /// When they last signed in.
        LastSignInSuccess = "last_sign_in_success",
        /// How often they did.
        SignInSuccessCount = "sign_in_success_count",
        /// When they last did anything.
        LastActivity = "last_activity",
        /// Until when signing in is blocked.
        BlockUntil = "block_until",
        /// When they came to be.
        CreationTime = "creation_time",
        /// When they were last changed.
        LastUpdated = "last_updated",
        /// The claim of this name, as are the next three. Those who have none come before all others.
        GivenName = "given_name",
        /// The middle name.
        MiddleName = "middle_name",
        /// The family name.
        FamilyName = "family_name",
        /// The whole name.
        Name = "name",
    }
}

names! {
    /// What groups can be sorted by.
    GroupSortKey {
        /// What they are called, whatever the case.
        Name = "name",
        /// Where they come from.
        Type = "type",
        /// How many applications they are assigned to.
        ClientsAssigned = "clients_assigned",
        /// How many members they have.
        UsersAssigned = "users_assigned",
        /// When they last got a member.
        LastAssigned = "last_assigned",
        /// When they came to be.
        CreationTime = "creation_time",
        /// When they were last changed.
        LastUpdated = "last_updated",
    }
}

names! {
    /// What the memberships of a user can be sorted by.
    MembershipSortKey {
        /// When they came to be.
        CreationTime = "creation_time",
    }
}

names! {
    /// What logs can be sorted by.
    LogSortKey {
        /// When it happened.
        TimeStamp = "time_stamp",
        /// What they are about.
        Category = "category",
        /// What happened.
        Code = "code",
        /// How it ended.
        Type = "type",
        /// What happened, in plain words.
        Name = "name",
    }
}

impl LogSortKey {
    /// What the logs of events of one type are all sorted by; nothing for the time, which is each
    /// log's own.
    pub fn text(self, wording: &Wording) -> Option<&'static str> {
        match self {
            Self::TimeStamp => None,
            Self::Category => Some(wording.category.as_str()),
            Self::Code => Some(wording.code.as_str()),
            Self::Type => Some(wording.r#type.as_str()),
            Self::Name => Some(wording.name),
        }
    }
}

/// A change of one group, decided and ready to be kept.
#[derive(Clone, Debug)]
pub struct GroupChange {
    /// The tenant.
    pub tenant: TenantId,
    /// The group.
    pub group_id: GroupId,
    /// What becomes of it.
    pub kept: GroupKept,
    /// What happened.
    pub events: Vec<Event>,
    /// What is answered to who asked for it, where that is to be kept.
    pub answer: Option<Box<KeptAnswer>>,
}

/// What becomes of a group.
#[derive(Clone, Debug)]
pub enum GroupKept {
    /// It is new, and has no members.
    Create(Group),
    /// It is changed, if it still has the version on which that was decided; its members stay, and
    /// what is counted of them.
    Replace(Version, Group),
    /// It is removed, with its memberships.
    Delete,
}

/// That a user joins or leaves a group.
#[derive(Clone, Debug)]
pub struct MembershipChange {
    /// The tenant.
    pub tenant: TenantId,
    /// The user.
    pub user_id: UserId,
    /// The group.
    pub group_id: GroupId,
    /// Whether the user joins, or else leaves.
    pub joins: bool,
    /// What happened, and when.
    pub event: Event,
    /// What is answered to who asked for it, where that is to be kept.
    pub answer: Option<Box<KeptAnswer>>,
}

/// A change of one API key, decided and ready to be kept.
#[derive(Clone, Debug)]
pub struct KeyChange {
    /// What becomes of it.
    pub kept: KeyKept,
    /// What happened.
    pub events: Vec<Event>,
}

/// What becomes of an API key.
#[derive(Clone, Debug)]
pub enum KeyKept {
    /// It is new.
    Create(ApiKey),
    /// It is changed, if it still has the version that is given with it. Its name, its scopes, and when it
    /// was made, ends and was used stay.
    Replace(ApiKey),
}

/// A page of a list.
#[derive(Clone)]
pub struct Page<T = Bytes> {
    /// What is on it: of users the JSON, of others the whole.
    pub documents: Vec<T>,
    /// How many there are on all pages.
    pub total: u64,
    /// Whether that is only about right, because there are too many to count.
    pub total_is_estimate: bool,
    /// Whether there are any after these.
    pub has_next: bool,
}

impl<T> fmt::Debug for Page<T> {
    /// What is known of a person is personal: nothing that prints for debugging shows it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Page({} of {})", self.documents.len(), self.total)
    }
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
