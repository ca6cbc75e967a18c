//! What happened: the record every change leaves, in the transaction of the change itself.
//! Semantics sections 3 and 9.

mod recorded;

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::api_key::KeyDetails;
use super::proof::Unproven;
use crate::error::InvalidFields;
use crate::id::{EventId, GroupId, IdentifierId, Random, RequestId, TenantId, UserId};
use crate::secret::KeyId;
use crate::time::Timestamp;
pub use recorded::{Recorded, Word};

/// What is written as one of some fixed names.
pub trait Name: Sized {
    /// The name as it is written.
    fn name(&self) -> &'static str;

    /// What is written so.
    fn named(text: &str) -> Option<Self>;
}

/// Declares a set of names that are written as fixed texts.
macro_rules! names {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$variant_meta])* $variant,)+ }

        impl $name {
            /// Every name there is.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The name as it is written.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// The name that is written so.
            pub fn from_name(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)+ _ => None }
            }
        }

        impl $crate::directory::event::Name for $name {
            fn name(&self) -> &'static str {
                self.as_str()
            }

            fn named(text: &str) -> Option<Self> {
                Self::from_name(text)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(crate) use names;

names! {
    /// What happened.
    EventType {
        /// A user came to be.
        UserCreated = "user.created",
        /// A user was removed, with everything that was theirs.
        UserDeleted = "user.deleted",
        /// What was personal of a user who was removed is erased everywhere. The event holds nothing
        /// personal either.
        UserErased = "user.erased",
        /// A user was kept from signing in.
        UserDisabled = "user.disabled",
        /// A user may sign in again.
        UserEnabled = "user.enabled",
        /// A block by failures to sign in was ended.
        UserUnblocked = "user.unblocked",
        /// A user was given a username, or another one.
        UsernameSet = "user.username.set",
        /// A username was taken from a user.
        UsernameRemoved = "user.username.removed",
        /// Claims of a user were set or removed.
        ClaimsChanged = "user.claims.changed",
        /// Public data of a user were set or removed.
        PublicDataChanged = "user.public_data.changed",
        /// Private data of a user were set or removed.
        PrivateDataChanged = "user.private_data.changed",
        /// A user was given an email.
        EmailAdded = "user.email.added",
        /// An email was taken from a user.
        EmailRemoved = "user.email.removed",
        /// An email became the primary one.
        EmailPrimarySet = "user.email.primary_set",
        /// An email became known to be the user's.
        EmailVerified = "user.email.verified",
        /// An email is no longer known to be the user's.
        EmailUnverified = "user.email.unverified",
        /// A user was given a phone number.
        PhoneAdded = "user.phone.added",
        /// A phone number was taken from a user.
        PhoneRemoved = "user.phone.removed",
        /// A phone number became the primary one.
        PhonePrimarySet = "user.phone.primary_set",
        /// Something was sent to an email, or handed out for it, by which its owner can prove it; what
        /// was sent before counts no more.
        EmailProofStarted = "user.email.proof_started",
        /// What was sent to an email counts no more, although the email stays as it is.
        EmailProofEnded = "user.email.proof_ended",
        /// A mail with a link or a code, by which an email can be proved, was sent to it.
        EmailProofMailSent = "user.email.proof_mail_sent",
        /// A mail could not be sent, and will not be tried again.
        EmailMailGivenUp = "user.email.mail_given_up",
        /// A phone number became known to be the user's.
        PhoneVerified = "user.phone.verified",
        /// A phone number is no longer known to be the user's.
        PhoneUnverified = "user.phone.unverified",
        /// A code was made by which the owner of a phone number can prove it; one made before counts no
        /// more.
        PhoneProofStarted = "user.phone.proof_started",
        /// A code counts no more, although the number stays as it is.
        PhoneProofEnded = "user.phone.proof_ended",
        /// A user was given a password.
        PasswordSet = "user.password.set",
        /// A password was taken from a user.
        PasswordRemoved = "user.password.removed",
        /// A user who has shown the old password was given another one.
        PasswordChanged = "user.password.changed",
        /// A user must set another password at the next sign-in.
        PasswordResetRequired = "user.password.reset_required",
        /// A user need not set another password any more.
        PasswordResetNotRequired = "user.password.reset_not_required",
        /// A link to reset a password was made.
        PasswordResetStarted = "user.password.reset_started",
        /// A mail with a link to reset a password was sent.
        PasswordResetMailSent = "user.password.reset_mail_sent",
        /// A user who has followed a link to reset it was given another password.
        PasswordReset = "user.password.reset",
        /// A user became a member of a group.
        GroupUserAdded = "user.group.added",
        /// A user is no longer a member of a group.
        GroupUserRemoved = "user.group.removed",
        /// A group came to be.
        GroupCreated = "group.created",
        /// A group was given another name or description, or takes every new user, or no longer.
        GroupUpdated = "group.updated",
        /// A group was removed, with its memberships.
        GroupDeleted = "group.deleted",
        /// An API key came to be.
        KeyCreated = "key.created",
        /// An API key was given another secret.
        KeyRotated = "key.rotated",
        /// An API key was given other bounds.
        KeyUpdated = "key.updated",
        /// An API key was revoked.
        KeyRevoked = "key.revoked",
    }
}

names! {
    /// By what means something happened.
    Method {
        /// A call of this API.
        AdminApi = "admin_api",
        /// A link that was sent to an address.
        Link = "link",
        /// A code that was sent to an address.
        Code = "code",
        /// A user was brought along from elsewhere, with all that is vouched for of them.
        Import = "import",
        /// A rule that this server follows by itself.
        Policy = "policy",
        /// A command of this program, by whoever holds the store.
        CommandLine = "command_line",
    }
}

/// How long a reason may be, in characters.
const MAX_REASON_LENGTH: usize = 500;

/// Why something is done, if that was said, as it may be kept with the event.
///
/// # Errors
/// [`InvalidFields`] on `reason` for one that is too long.
pub fn checked_reason(reason: Option<&str>) -> Result<Option<String>, InvalidFields> {
    if reason.is_some_and(|reason| reason.chars().count() > MAX_REASON_LENGTH) {
        return Err(InvalidFields::one("reason", "A reason has at most 500 characters."));
    }
    Ok(reason.map(str::to_owned))
}

/// Who has done something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// Whoever holds an API key.
    Key {
        /// The public part of the key.
        key_id: KeyId,
        /// The name the key was given.
        key_name: String,
    },
    /// The owner of an address: who has what was sent to it.
    Owner,
    /// This server, or whoever runs its commands.
    Server,
}

/// Where a change comes from: the tenant, who makes it, how, and in which request.
#[derive(Clone)]
pub struct Origin {
    /// The tenant within whose walls all of this happens.
    pub tenant: TenantId,
    /// By whom it is done.
    pub actor: Actor,
    /// By what means.
    pub method: Method,
    /// The request that asks for it.
    pub request_id: RequestId,
    /// The address the request came from.
    pub remote_address: Option<IpAddr>,
    /// What the client calls itself.
    pub user_agent: Option<String>,
    /// Why it is done, in the words of who does it.
    pub reason: Option<String>,
}

impl Origin {
    /// Where a change comes from that this server makes by itself, or at a command of whoever runs it: in a
    /// request of its own, and from no address.
    pub fn of_server(tenant: TenantId, method: Method, random: &dyn Random) -> Self {
        Self {
            tenant,
            actor: Actor::Server,
            method,
            request_id: RequestId::new(random),
            remote_address: None,
            user_agent: None,
            reason: None,
        }
    }

    /// Where a change comes from that is made with an API key of this name inside this program: in a
    /// request of its own, and from no address.
    pub fn of_key(tenant: TenantId, key_id: KeyId, key_name: &str, random: &dyn Random) -> Self {
        let actor = Actor::Key { key_id, key_name: key_name.to_owned() };
        Self { actor, ..Self::of_server(tenant, Method::AdminApi, random) }
    }
}

impl fmt::Debug for Origin {
    /// Leaves out what is personal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Origin({} {:?} {})", self.tenant, self.actor, self.request_id)
    }
}

/// All that a rule may know beside the user it changes.
pub struct Context<'a> {
    /// The moment of the change.
    pub now: Timestamp,
    /// Where new ids come from.
    pub random: &'a dyn Random,
    /// Where the change comes from.
    pub origin: &'a Origin,
}

impl Context<'_> {
    /// The event that `kind` happened to a user, and to which address of theirs.
    pub fn event(
        &self,
        kind: EventType,
        user_id: UserId,
        identifier_id: Option<IdentifierId>,
        address: Option<&str>,
    ) -> Event {
        let mut event = self.happened(kind);
        event.user_id = Some(user_id);
        event.identifier_id = identifier_id;
        event.personal.address = address.map(str::to_owned);
        event
    }

    /// The event that `kind` happened to a group, and to which user by that.
    pub fn group_event(&self, kind: EventType, group_id: GroupId, user_id: Option<UserId>) -> Event {
        Event { user_id, group_id: Some(group_id), ..self.happened(kind) }
    }

    /// The event that `kind` happened to an API key, which is so by now.
    pub fn key_event(&self, kind: EventType, key: KeyDetails) -> Event {
        Event { details: Some(Details::Key(key)), ..self.happened(kind) }
    }

    fn happened(&self, kind: EventType) -> Event {
        Event {
            id: EventId::new(self.random),
            kind,
            time: self.now,
            user_id: None,
            identifier_id: None,
            group_id: None,
            method: self.origin.method,
            actor: self.origin.actor.clone(),
            request_id: self.origin.request_id,
            details: None,
            personal: Personal {
                address: None,
                remote_address: self.origin.remote_address,
                user_agent: self.origin.user_agent.clone(),
                reason: self.origin.reason.clone(),
            },
        }
    }
}

/// One thing that happened. It names users, addresses and groups by id; what is personal is in
/// [`Event::personal`], so that it can be erased and the record stay whole. What is read from the record is
/// [`Recorded`], which may have words that this program does not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event<What = EventType, How = Method, Who = Actor, More = Details> {
    /// The event's own id.
    pub id: EventId,
    /// What happened.
    pub kind: What,
    /// When.
    pub time: Timestamp,
    /// To whom, if to a user.
    pub user_id: Option<UserId>,
    /// To which of their identifiers.
    pub identifier_id: Option<IdentifierId>,
    /// To which group, or with which.
    pub group_id: Option<GroupId>,
    /// By what means.
    pub method: How,
    /// By whom.
    pub actor: Who,
    /// In which request.
    pub request_id: RequestId,
    /// What else there is to tell.
    pub details: Option<More>,
    /// The part that can be erased.
    pub personal: Personal,
}

/// What else there is to tell of what happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = EventDetails)]
#[serde(untagged)]
pub enum Details {
    /// The API key that it happened to.
    Key(KeyDetails),
    /// What came of it, where an address of an account was the first that was proved, or vouched for.
    Unproven(Unproven),
}

impl Details {
    /// What these tell, as they are kept; nothing if this program does not know.
    pub fn read(kept: &serde_json::Value) -> Option<Self> {
        Self::deserialize(kept).ok()
    }

    /// What ended with the first proof on an account, if that is what they tell.
    pub fn unproven(self) -> Option<Unproven> {
        match self {
            Self::Unproven(unproven) => Some(unproven),
            Self::Key(_) => None,
        }
    }
}

impl From<Unproven> for Details {
    fn from(unproven: Unproven) -> Self {
        Self::Unproven(unproven)
    }
}

/// The personal values of an event.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Personal {
    /// The email address or phone number it is about.
    pub address: Option<String>,
    /// The address the request came from.
    pub remote_address: Option<IpAddr>,
    /// What the client called itself.
    pub user_agent: Option<String>,
    /// Why it was done.
    pub reason: Option<String>,
}

impl fmt::Debug for Personal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Personal(hidden)")
    }
}
