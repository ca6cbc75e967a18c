//! The user: one object, everything the directory knows of one person (semantics section 2), and
//! how one comes to be.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::claims::{self, Checks};
use super::email::{Email, EmailAddress};
use super::event::{Context, Event, EventType};
use super::password::NewPassword;
use super::phone::{Phone, PhoneNumber};
use super::unknown::{self, Unknown};
use super::username::{UserName, Username};
use crate::error::{Error, InvalidFields, Refusal};
use crate::id::UserId;
use crate::time::Timestamp;

/// Who brought in or proved something: this server, or an identity provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the variants are the providers' own names")]
pub enum Provider {
    /// This server itself: the wire's word for "native".
    Monocloud,
    Google,
    Apple,
    Facebook,
    Microsoft,
    Github,
    Gitlab,
    Discord,
    Twitter,
    Linkedin,
    Xero,
}

/// Everything that is known of one user. Its JSON is the answer a client gets: what must not leave
/// the server has no place in it.
#[derive(Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct User {
    /// The user's id.
    #[schema(value_type = String, min_length = 21, max_length = 21, pattern = "^[A-Za-z0-9_-]{21}$", example = "UOtBaOybB6dTpIJNrnkRw")]
    pub user_id: UserId,
    /// Whether the user is kept from signing in.
    pub disabled: bool,
    /// The name the user signs in with.
    pub username: Option<Username>,
    /// The user's email addresses, oldest first.
    pub emails: Vec<Email>,
    /// The user's phone numbers, oldest first.
    pub phone_numbers: Vec<Phone>,
    /// The user's passkeys.
    pub passkeys: Vec<Passkey>,
    /// Whether there is a password.
    pub has_password: bool,
    /// Whether a new password must be set at the next sign-in.
    pub force_password_reset: bool,
    /// When the password was last set.
    #[schema(value_type = Option<i64>)]
    pub password_updated_at: Option<Timestamp>,
    /// Where the user is known: here, and at identity providers.
    pub connections: Vec<Connection>,
    /// The user's accounts at identity providers.
    pub external_providers: Vec<ExternalProvider>,
    /// The same as `external_providers`, under its older name.
    #[serde(default, deserialize_with = "unknown::computed")]
    #[schema(required)]
    pub idps: Vec<ExternalProvider>,
    /// What is said of the user, by OpenID Connect's names.
    pub claims: Map<String, Value>,
    /// What an application keeps of the user and the user may see.
    pub public_data: Map<String, Value>,
    /// What an application keeps of the user and the user may not see.
    pub private_data: Map<String, Value>,
    /// Until when sign-in is blocked after failures.
    #[schema(value_type = Option<i64>)]
    pub block_until: Option<Timestamp>,
    /// Failures to sign in since the last success.
    pub failure_count: u32,
    /// All attempts to sign in.
    pub sign_in_attempts_count: u32,
    /// When the last attempt was made.
    #[schema(value_type = Option<i64>)]
    pub last_sign_in_attempt: Option<Timestamp>,
    /// From which address.
    pub last_sign_in_attempt_ip: Option<String>,
    /// All sign-ins.
    pub sign_in_success_count: u32,
    /// When the last one was.
    #[schema(value_type = Option<i64>)]
    pub last_sign_in_success: Option<Timestamp>,
    /// From which address.
    pub last_sign_in_success_ip: Option<String>,
    /// When the user last did anything.
    #[schema(value_type = Option<i64>)]
    pub last_activity: Option<Timestamp>,
    /// In which city the user was last seen.
    pub last_known_city: Option<String>,
    /// In which country.
    pub last_known_country: Option<String>,
    /// In which region.
    pub last_known_region: Option<String>,
    /// When the user came to be.
    #[schema(value_type = i64)]
    pub creation_time: Timestamp,
    /// When anything of this was last changed.
    #[schema(value_type = i64)]
    pub last_updated: Timestamp,
    /// What a newer program keeps of the user.
    #[serde(flatten)]
    #[schema(ignore)]
    pub unknown: Unknown,
}

impl fmt::Debug for User {
    /// What is known of a person is personal: nothing that prints for debugging shows it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "User({})", self.user_id)
    }
}

/// Where a user is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = UserConnection)]
pub struct Connection {
    /// Who knows the user: `monocloud` stands for this server.
    pub idp: Provider,
    /// By which id.
    pub connection_id: String,
}

/// A user's account at an identity provider.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = UserExternalProvider)]
pub struct ExternalProvider {
    /// The provider.
    pub authenticator: Provider,
    /// The provider's id of the user.
    pub provider_user_id: String,
    /// What the provider says of the user; left out of lists.
    #[schema(required, nullable = false)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claims: Option<Map<String, Value>>,
}

/// A passkey of a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = UserPasskey)]
pub struct Passkey {
    /// The credential's id.
    pub passkey_id: String,
    /// What the user calls it.
    pub name: Option<String>,
    /// The public key.
    pub public_key: String,
    /// The kind of authenticator.
    pub aa_guid: String,
    /// Whether the credential is backed up.
    pub backup_state: bool,
    /// Whether it can be.
    pub backup_eligibility: bool,
    /// Whether the user was present when it was made.
    pub user_present: bool,
    /// Whether the user was verified then.
    pub user_verified: bool,
    /// The browser it was made in.
    pub user_agent: String,
}

/// What a new user is made from; the texts are as they came.
#[derive(Clone, Default)]
pub struct NewUser {
    /// The username, if any.
    pub username: Option<String>,
    /// The first email, if any.
    pub email: Option<String>,
    /// Whether that email is known to be the user's.
    pub email_verified: bool,
    /// The first phone number, if any.
    pub phone_number: Option<String>,
    /// Whether that number is known to be the user's.
    pub phone_number_verified: bool,
    /// The password, if any.
    pub password: Option<NewPassword>,
    /// Claims by name, those given only.
    pub claims: Map<String, Value>,
    /// Whether a user may be made who has no identifier at all.
    pub skip_conformance_checks: bool,
}

impl fmt::Debug for NewUser {
    /// What is known of a person is personal: nothing that prints for debugging shows it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewUser(hidden)")
    }
}

impl NewUser {
    /// Whether a user can be made from this, without making one.
    ///
    /// # Errors
    /// As [`User::create`].
    pub fn check(&self, ctx: &Context) -> Result<(), Error> {
        User::create(self.clone(), ctx).map(drop)
    }
}

impl User {
    /// Makes a user. What the fields are checked for is in [`EmailAddress::parse`],
    /// [`PhoneNumber::parse`], [`UserName::parse`] and [`claims`].
    ///
    /// # Errors
    /// [`Error::Invalid`] with every field that is of the wrong form; [`Error::Refused`] for a
    /// username of the wrong form and for a user without identifiers. That the identifiers are
    /// free is for the store to say, which alone sees all users.
    pub fn create(new: NewUser, ctx: &Context) -> Result<(Self, Vec<Event>), Error> {
        let mut invalid = Vec::new();
        let mut note = |field: &str, message: String| invalid.push((field.to_owned(), message));
        let email = new.email.and_then(|text| {
            EmailAddress::parse(&text).map_err(|error| note("email", error.to_string())).ok()
        });
        let phone_number = new.phone_number.and_then(|text| {
            PhoneNumber::parse(&text).map_err(|error| note("phone_number", error.to_string())).ok()
        });
        let mut given = Map::new();
        if let Err(InvalidFields(fields)) = claims::patch(&mut given, new.claims, Checks::Made) {
            for (field, message) in fields {
                note(&field, message);
            }
        }
        if !invalid.is_empty() {
            return Err(Error::Invalid(InvalidFields(invalid)));
        }
        let username = new.username.as_deref().map(UserName::parse).transpose()?;
        let identified = email.is_some() || phone_number.is_some() || username.is_some();
        if !identified && !new.skip_conformance_checks {
            return Err(Refusal::IdentifierRequired.into());
        }

        let mut user = Self::empty(ctx);
        user.claims = given;
        let mut events = vec![ctx.event(EventType::UserCreated, user.user_id, None, None)];
        user.username = username.map(|name| Username::new(name, ctx));
        if let Some(address) = email {
            events.append(&mut user.add_email(address, new.email_verified, ctx)?.events);
        }
        if let Some(number) = phone_number {
            events.append(&mut user.add_phone(number, new.phone_number_verified, ctx)?.events);
        }
        if let Some(NewPassword { hash, is_temporary }) = new.password {
            events.append(&mut user.set_password(hash, is_temporary, ctx).events);
        }
        Ok((user, events))
    }

    /// A user of whom nothing is known but that this server made them.
    fn empty(ctx: &Context) -> Self {
        let user_id = UserId::new(ctx.random);
        Self {
            user_id,
            disabled: false,
            username: None,
            emails: Vec::new(),
            phone_numbers: Vec::new(),
            passkeys: Vec::new(),
            has_password: false,
            force_password_reset: false,
            password_updated_at: None,
            connections: vec![Connection { idp: Provider::Monocloud, connection_id: user_id.to_string() }],
            external_providers: Vec::new(),
            idps: Vec::new(),
            claims: Map::new(),
            public_data: Map::new(),
            private_data: Map::new(),
            block_until: None,
            failure_count: 0,
            sign_in_attempts_count: 0,
            last_sign_in_attempt: None,
            last_sign_in_attempt_ip: None,
            sign_in_success_count: 0,
            last_sign_in_success: None,
            last_sign_in_success_ip: None,
            last_activity: None,
            last_known_city: None,
            last_known_country: None,
            last_known_region: None,
            creation_time: ctx.now,
            last_updated: ctx.now,
            unknown: Unknown::default(),
        }
    }

    /// Keeps the user from signing in. No events: it was kept already.
    pub fn disable(&mut self, ctx: &Context) -> Vec<Event> {
        self.set_disabled(true, EventType::UserDisabled, ctx)
    }

    /// Lets the user sign in again. No events: it was never kept from it.
    pub fn enable(&mut self, ctx: &Context) -> Vec<Event> {
        self.set_disabled(false, EventType::UserEnabled, ctx)
    }

    fn set_disabled(&mut self, disabled: bool, kind: EventType, ctx: &Context) -> Vec<Event> {
        if self.disabled == disabled {
            return Vec::new();
        }
        self.disabled = disabled;
        vec![ctx.event(kind, self.user_id, None, None)]
    }

    /// Ends the block that failures to sign in have brought, and forgets them. No events: there was
    /// none.
    pub fn unblock(&mut self, ctx: &Context) -> Vec<Event> {
        if self.block_until.is_none() && self.failure_count == 0 {
            return Vec::new();
        }
        self.block_until = None;
        self.failure_count = 0;
        vec![ctx.event(EventType::UserUnblocked, self.user_id, None, None)]
    }

    /// The user as JSON: what is kept, and what every answer about the user is.
    pub fn to_document(&mut self) -> Vec<u8> {
        self.derive_fields();
        serde_json::to_vec(self).expect("a user has string keys and finite numbers only")
    }

    /// The user a document holds.
    ///
    /// # Errors
    /// [`Error::Internal`] when the document is not one that [`User::to_document`] made.
    pub fn from_document(document: &[u8]) -> Result<Self, Error> {
        serde_json::from_slice(document).map_err(|error| {
            // The error's own text may quote a value; its place is enough to find it.
            Error::Internal(format!("a stored user cannot be read at column {}", error.column()))
        })
    }

    /// Leaves the user without a password, as one who never had any.
    pub fn forget_password(&mut self) {
        self.has_password = false;
        self.force_password_reset = false;
        self.password_updated_at = None;
    }

    /// Leaves out what this program does not know.
    pub fn forget_unknown(&mut self) {
        self.unknown = Unknown::default();
        self.emails.iter_mut().for_each(|email| email.unknown = Unknown::default());
        self.phone_numbers.iter_mut().for_each(|phone| phone.unknown = Unknown::default());
        self.username.iter_mut().for_each(|username| username.unknown = Unknown::default());
    }

    /// Fills the fields that follow from others, as both generations of the object have them.
    fn derive_fields(&mut self) {
        let distinct = |source: Option<Provider>, verification: Option<Provider>| {
            let mut idps: Vec<Provider> = source.into_iter().collect();
            idps.extend(verification.filter(|provider| source != Some(*provider)));
            idps
        };
        let password = self.has_password.then_some("password");
        for email in &mut self.emails {
            email.authenticators = password.into_iter().chain(email.verified.then_some("email")).collect();
            email.idps = distinct(email.source, email.verification_source);
        }
        for phone in &mut self.phone_numbers {
            phone.authenticators = password.into_iter().chain(phone.verified.then_some("phone")).collect();
            phone.idps = distinct(phone.source, phone.verification_source);
        }
        if let Some(username) = &mut self.username {
            username.authenticators = password.into_iter().collect();
            username.idps = distinct(username.source, None);
        }
        self.idps.clone_from(&self.external_providers);
    }
}
