//! Users who come from elsewhere, many at once: from a row of an import to a user.
//!
//! A row of an export of ours brings a user as they were, with ids and times. Any other brings what a new
//! user is made from. What it says of addresses is vouched for by whoever imports it.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::claims;
use super::event::{Context, Event, EventType};
use super::group::Group;
use super::password::{Given, Password, PasswordHash, Policy, SetBy, Wanted};
use super::user::{NewUser, User};
use super::whole::{WholeGroup, WholeUser};
use crate::error::{Error, InvalidFields};
use crate::json;
use crate::time::Timestamp;

/// What a row brings.
#[derive(Clone, Debug)]
pub enum Row {
    /// A group as it was exported.
    Group(WholeGroup),
    /// A user as they were exported.
    Whole(Box<WholeUser>),
    /// A group of this name, unless there is one.
    GroupNamed(String),
    /// What a user is made from.
    New(Box<NewRow>),
}

/// What an imported user is made from: the fields of `createUser`, and what else other directories know.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct NewRow {
    /// What tells this row from all others, whichever file it is in: the row itself, or what the user is
    /// called elsewhere.
    #[serde(skip)]
    pub known_by: Vec<u8>,
    /// The username.
    pub username: Option<String>,
    /// The first email.
    pub email: Option<String>,
    /// Whether that is vouched for.
    pub email_verified: Option<bool>,
    /// The first phone number.
    pub phone_number: Option<String>,
    /// Whether that is vouched for.
    pub phone_number_verified: Option<bool>,
    /// The password.
    pub password: Option<Password>,
    /// A hash of any kind that [`PasswordHash::parse`] reads.
    pub password_hash: Option<Password>,
    /// Which kind, if it is said.
    pub password_hash_algorithm: Option<String>,
    /// Whether another must be set at the next sign-in.
    pub is_temporary_password: Option<bool>,
    /// The claim `name`, as are the five after it.
    pub name: Option<String>,
    /// The given name.
    pub given_name: Option<String>,
    /// The middle name.
    pub middle_name: Option<String>,
    /// The family name.
    pub family_name: Option<String>,
    /// The nickname.
    pub nickname: Option<String>,
    /// A picture's URL.
    pub picture: Option<String>,
    /// Takes a password that is not what the policy wants.
    pub skip_password_policy_checks: Option<bool>,
    /// Makes a user without any identifier possible.
    pub skip_conformance_checks: Option<bool>,
    /// Other claims by their names.
    #[serde(deserialize_with = "json::or_default")]
    pub claims: Map<String, Value>,
    /// Public data.
    #[serde(deserialize_with = "json::or_default")]
    pub public_data: Map<String, Value>,
    /// Private data.
    #[serde(deserialize_with = "json::or_default")]
    pub private_data: Map<String, Value>,
    /// Whether the user is kept from signing in.
    pub disabled: Option<bool>,
    /// When the user came to be, elsewhere.
    pub creation_time: Option<Timestamp>,
    /// The names of groups that the user is in; those that are not there are made.
    #[serde(deserialize_with = "json::or_default")]
    pub groups: Vec<String>,
}

impl std::fmt::Debug for NewRow {
    /// What is known of a person is personal: nothing that prints for debugging shows it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NewRow(hidden)")
    }
}

impl NewRow {
    /// The password that the row brings, if any.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what is not a hash that can be taken, and for both a password and a hash;
    /// [`Error::Refused`] with all that the policy refuses.
    pub fn wanted(&self) -> Result<Option<Wanted>, Error> {
        const HASH: &str = "password_hash";
        if let Some(text) = &self.password_hash {
            if self.password.is_some() {
                return Err(InvalidFields::one(HASH, "Give a password or a hash of it, not both.").into());
            }
            let algorithm = self.password_hash_algorithm.as_deref();
            let hash = PasswordHash::parse(text, algorithm)
                .map_err(|error| InvalidFields::one(HASH, error.to_string()))?;
            return Ok(Some(Wanted::Hash(hash)));
        }
        let policy =
            if self.skip_password_policy_checks == Some(true) { Policy::NONE } else { Policy::DEFAULT };
        Given { prefix: "", password: self.password.as_ref(), hash: None, algorithm: None }.wanted(&policy)
    }

    /// The user that the row makes. New ids are drawn from the context.
    ///
    /// # Errors
    /// As [`User::create`], and [`Error::Invalid`] for data that is too large and for a moment that has
    /// not come.
    pub fn user(self, has_password: bool, ctx: &Context) -> Result<User, Error> {
        let named = [
            ("name", self.name),
            ("given_name", self.given_name),
            ("middle_name", self.middle_name),
            ("family_name", self.family_name),
            ("nickname", self.nickname),
            ("picture", self.picture),
        ];
        let mut claims = self.claims;
        if let Some(message) = claims::unknown(&claims) {
            return Err(InvalidFields::one("claims", message).into());
        }
        claims.extend(named.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text?.into()))));
        let new = NewUser {
            username: self.username,
            email: self.email,
            email_verified: self.email_verified.unwrap_or(false),
            phone_number: self.phone_number,
            phone_number_verified: self.phone_number_verified.unwrap_or(false),
            password: None,
            claims,
            skip_conformance_checks: self.skip_conformance_checks.unwrap_or(false),
        };
        let (mut user, _) = User::create(new, ctx)?;
        user.patch_public_data(&self.public_data, ctx)?;
        user.patch_private_data(&self.private_data, ctx)?;
        user.disabled = self.disabled.unwrap_or(false);
        if let Some(time) = self.creation_time {
            if !(0..=ctx.now.0).contains(&time.0) {
                let message = "This is a number of seconds since 1970, up to now.";
                return Err(InvalidFields::one("creation_time", message).into());
            }
            user.creation_time = time;
        }
        if has_password {
            user.has_password = true;
            user.password_updated_at = Some(ctx.now);
            user.force_password_reset = self.is_temporary_password.unwrap_or(true);
        }
        Ok(user)
    }
}

impl WholeUser {
    /// The user as they were exported, with what is kept of the password. Without the hash there is no
    /// password any more; and nothing is left that this program does not know.
    ///
    /// # Errors
    /// [`InvalidFields`] for what no user has.
    pub fn restored(self) -> Result<(User, Option<(PasswordHash, SetBy)>), InvalidFields> {
        self.check()?;
        let mut user = self.user;
        // What cannot be checked would be told to everybody, and a program that knows it may not be able to
        // read it.
        user.forget_unknown();
        let password = self.password.map(|password| {
            let hash = PasswordHash::parse(&password.hash, None)
                .map_err(|error| InvalidFields::one("password.hash", error.to_string()))?;
            Ok::<_, InvalidFields>((hash, password.set_by()?))
        });
        let password = password.transpose()?;
        user.has_password = password.is_some();
        if password.is_none() {
            user.forget_password();
        }
        Ok((user, password))
    }
}

/// Whether a row that makes this user has made the one who is there: they differ in nothing but when they
/// were made.
pub fn is_same_but_for_times(made: &User, kept: &User) -> bool {
    let mut made = made.clone();
    made.last_updated = kept.last_updated;
    made.creation_time = kept.creation_time;
    if made.password_updated_at.is_some() && kept.password_updated_at.is_some() {
        made.password_updated_at = kept.password_updated_at;
    }
    made.to_document() == kept.clone().to_document()
}

/// The one event of a user who is imported.
pub fn imported(user: &User, ctx: &Context) -> Event {
    ctx.event(EventType::UserCreated, user.user_id, None, None)
}

/// The one event of a group that is imported.
pub fn imported_group(group: &Group, ctx: &Context) -> Event {
    ctx.group_event(EventType::GroupCreated, group.group_id, None)
}
