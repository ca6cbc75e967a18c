//! Usernames: unique in a tenant whatever their case (semantics section 4).

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::event::{Context, Event, EventType};
use super::text::{fold, is_unseen};
use super::unknown::{self, Unknown};
use super::user::{Provider, User};
use crate::error::{Error, Refusal};
use crate::id::IdentifierId;

/// A name by which a user is known: 3 to 64 letters, digits, dots, underscores and hyphens. An
/// email address or a phone number never has this shape, for want of `@` and `+`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, example = "username")]
pub struct UserName(String);

impl fmt::Debug for UserName {
    /// Names are personal: nothing that prints for debugging shows one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserName(hidden)")
    }
}

impl UserName {
    /// Reads a name.
    ///
    /// # Errors
    /// [`Refusal::InvalidUserName`] for a wrong length or character.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let folded = fold(text);
        let allowed = |character: char| character.is_alphanumeric() || matches!(character, '.' | '_' | '-');
        let shaped = (3..=64).contains(&folded.chars().count())
            && folded.chars().all(allowed)
            && !text.chars().any(is_unseen);
        if shaped { Ok(Self(text.to_owned())) } else { Err(Refusal::InvalidUserName.into()) }
    }

    /// The name as typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form in which two names are the same one.
    pub fn canonical(&self) -> String {
        fold(&self.0)
    }
}

/// The username of a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Username {
    /// The id of this username.
    #[schema(value_type = uuid::Uuid)]
    pub id: IdentifierId,
    /// The name as typed.
    pub username: UserName,
    /// Who brought the name in; `monocloud` stands for this server.
    pub source: Option<Provider>,
    /// How the user can sign in with it: `password` when there is one.
    #[serde(default, deserialize_with = "unknown::computed")]
    #[schema(required)]
    pub authenticators: Vec<&'static str>,
    /// `source`.
    #[serde(default, deserialize_with = "unknown::computed")]
    #[schema(required)]
    pub idps: Vec<Provider>,
    /// What a newer program keeps of the username.
    #[serde(flatten)]
    #[schema(ignore)]
    pub unknown: Unknown,
}

impl Username {
    /// The name under a new id, as this server brings it in.
    pub(super) fn new(name: UserName, ctx: &Context) -> Self {
        Self {
            id: IdentifierId::new(ctx.random),
            username: name,
            source: Some(Provider::Monocloud),
            authenticators: Vec::new(),
            idps: Vec::new(),
            unknown: Unknown::default(),
        }
    }
}

impl User {
    /// Gives the user this name in place of any other; a name that only differs in its spelling
    /// keeps its id. No events: the user has just this name.
    ///
    /// That nobody else has the name is for the store to say, which alone sees all users.
    pub fn set_username(&mut self, name: UserName, ctx: &Context) -> Vec<Event> {
        match &mut self.username {
            Some(held) if held.username == name => return Vec::new(),
            Some(held) if held.username.canonical() == name.canonical() => held.username = name,
            other => *other = Some(Username::new(name, ctx)),
        }
        self.username_event(EventType::UsernameSet, ctx)
    }

    /// Takes the name from the user. No events: the user has none.
    pub fn remove_username(&mut self, ctx: &Context) -> Vec<Event> {
        let events = self.username_event(EventType::UsernameRemoved, ctx);
        self.username = None;
        events
    }

    fn username_event(&self, kind: EventType, ctx: &Context) -> Vec<Event> {
        let event =
            |held: &Username| ctx.event(kind, self.user_id, Some(held.id), Some(held.username.as_str()));
        self.username.iter().map(event).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_username_is_compared_whatever_its_case() {
        assert_eq!(
            UserName::parse("Alice").unwrap().canonical(),
            UserName::parse("ALICE").unwrap().canonical()
        );
        assert_eq!(
            UserName::parse("Алиса").unwrap().canonical(),
            UserName::parse("алиса").unwrap().canonical()
        );
    }

    #[test]
    fn a_username_is_never_shaped_like_an_address_or_a_number() {
        for wrong in [
            "ab",
            "",
            &"x".repeat(65),
            "a b c",
            "user@example.com",
            "+441514960453",
            "user\u{200b}name",
            "user/name",
            "ｕ＠x.de",
        ] {
            assert!(UserName::parse(wrong).is_err(), "{wrong:?}");
        }
        for good in ["abc", "a.b_c-1", "Ünal", "中文名", &"x".repeat(64)] {
            assert!(UserName::parse(good).is_ok(), "{good:?}");
        }
    }
}
