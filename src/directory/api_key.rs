//! API keys and what they may do (semantics section 10).

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::event::{Context, Event, EventType, names};
use super::network::{MalformedNetwork, Network};
use super::rate::RateLimit;
use crate::error::{Error, InvalidFields, Refusal};
use crate::id::TenantId;
use crate::secret::{KeyHash, KeyId, PlainKey};
use crate::time::Timestamp;

names! {
    /// A right that a key can hold.
    Scope {
        /// Read users.
        UsersRead = "users:read",
        /// Create, change and delete users; includes verifying and unverifying.
        UsersWrite = "users:write",
        /// Mark emails verified or unverified, and nothing else.
        EmailsVerify = "emails:verify",
        /// Read the record of what happened, with the personal values in it.
        EventsRead = "events:read",
        /// Set, change, reset and remove passwords.
        PasswordsWrite = "passwords:write",
        /// Be given the links and codes by which addresses are proved.
        ProofsRead = "proofs:read",
        /// Read groups, and which a user is in.
        GroupsRead = "groups:read",
        /// Create, change and delete groups, and say who is in them.
        GroupsWrite = "groups:write",
        /// Read the logs, with the personal values in them.
        LogsRead = "logs:read",
        /// Read, create, change and revoke API keys that may do no more than one's own.
        KeysWrite = "keys:write",
        /// Everything.
        Admin = "admin",
    }
}

impl Scope {
    /// Whether a key that holds this scope may do what `needed` allows.
    pub fn includes(self, needed: Self) -> bool {
        self == needed || self == Self::Admin || (self == Self::UsersWrite && needed == Self::EmailsVerify)
    }

    /// Those with these names, each once.
    ///
    /// # Errors
    /// A sentence with all names there are, if one is none.
    pub fn of_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Vec<Self>, String> {
        let scopes: Option<Vec<Self>> = names.into_iter().map(|name| Self::from_name(name.trim())).collect();
        scopes.ok_or_else(|| {
            let all: Vec<&str> = Self::ALL.iter().map(|scope| scope.as_str()).collect();
            format!("the scopes are {}", all.join(", "))
        })
    }
}

impl Serialize for Scope {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::from_name(&text).ok_or_else(|| serde::de::Error::custom("not a scope"))
    }
}

names! {
    /// How a key is.
    KeyState {
        /// It opens what its scopes say.
        Active = "active",
        /// Its time is over.
        Expired = "expired",
        /// It was revoked.
        Revoked = "revoked",
    }
}

/// Within what a key may be used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// How often, if not as often as one likes.
    pub rate_limit: Option<RateLimit>,
    /// From which networks; from everywhere if there are none.
    pub networks: Vec<Network>,
}

/// How many networks a key can have.
const MAX_NETWORKS: usize = 50;

impl Bounds {
    /// Whether the key may be used from there. Where nothing is known of that, only a key that may be used
    /// from everywhere.
    pub fn allow(&self, from: Option<IpAddr>) -> bool {
        self.networks.is_empty()
            || from.is_some_and(|from| self.networks.iter().any(|network| network.contains(from)))
    }

    /// The networks of these texts, each once.
    ///
    /// # Errors
    /// [`InvalidFields`] with what a network is.
    pub fn networks_of<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Vec<Network>, InvalidFields> {
        let mut networks: Vec<Network> = Vec::new();
        for text in texts {
            let network = text.trim().parse().map_err(|error: MalformedNetwork| {
                InvalidFields::one("allowed_networks", format!("One of these is {error}."))
            })?;
            if !networks.contains(&network) {
                networks.push(network);
            }
        }
        Ok(networks)
    }

    /// The bounds as a store keeps them: the limit, and the networks with spaces between, where there
    /// are any.
    pub fn texts(&self) -> (Option<String>, Option<String>) {
        let networks: Vec<String> = self.networks.iter().map(ToString::to_string).collect();
        let networks = (!networks.is_empty()).then(|| networks.join(" "));
        (self.rate_limit.map(|limit| limit.to_string()), networks)
    }

    fn check(&self, invalid: &mut Vec<(String, String)>) {
        if self.networks.len() > MAX_NETWORKS {
            let message = format!("A key has {MAX_NETWORKS} networks at most.");
            invalid.push(("allowed_networks".to_owned(), message));
        }
    }
}

/// An API key as it is kept: everything but its secret.
#[derive(Clone, Debug)]
pub struct ApiKey {
    /// Its public part.
    pub id: KeyId,
    /// The tenant whose directory it opens.
    pub tenant: TenantId,
    /// What its maker calls it.
    pub name: String,
    /// The hash of its secret.
    pub hash: KeyHash,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is refused.
    pub expires_at: Option<Timestamp>,
    /// Since when it is refused.
    pub revoked_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// The secret that it had before, if it was given another.
    pub previous: Option<PreviousSecret>,
    /// Within what it may be used.
    pub bounds: Bounds,
    /// How often it was changed, the notes of its use not counted. A change states the version that it
    /// was decided on.
    pub version: i64,
}

/// The secret that a key had before the present one.
#[derive(Clone, Debug)]
pub struct PreviousSecret {
    /// Its hash.
    pub hash: KeyHash,
    /// When the present one took its place.
    pub rotated_at: Timestamp,
    /// From when on it is refused.
    pub until: Timestamp,
}

/// What an event tells of the key that it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyDetails {
    /// The key's public part.
    #[schema(value_type = String, example = "aB3dE5gH7jK9")]
    pub key_id: KeyId,
    /// What its maker calls it.
    pub key_name: String,
    /// What it may do.
    #[schema(value_type = Vec<String>)]
    pub scopes: Vec<Scope>,
    /// From when on it is refused, if ever.
    #[schema(value_type = Option<i64>)]
    pub expires_at: Option<Timestamp>,
    /// From when on the secret before is refused, where it was given another.
    #[schema(value_type = Option<i64>)]
    pub previous_expires_at: Option<Timestamp>,
    /// How often it may be used.
    #[schema(value_type = Option<String>)]
    pub rate_limit: Option<RateLimit>,
    /// From which networks it may be used; from everywhere if there are none.
    #[schema(value_type = Vec<String>)]
    pub allowed_networks: Vec<Network>,
}

impl ApiKey {
    /// A new key of this id and hash, with what happened.
    pub fn create(id: KeyId, hash: KeyHash, new: NewKey, ctx: &Context) -> (Self, Event) {
        let key = Self::new(id, hash, new, &ctx.origin.tenant, ctx.now);
        let event = ctx.key_event(EventType::KeyCreated, key.details());
        (key, event)
    }

    /// A key of this id and hash as it is before anything happens to it.
    pub fn new(id: KeyId, hash: KeyHash, new: NewKey, tenant: &TenantId, now: Timestamp) -> Self {
        Self {
            id,
            tenant: tenant.clone(),
            name: new.name,
            hash,
            scopes: new.scopes,
            created_at: now,
            expires_at: new.expires_at,
            revoked_at: None,
            last_used_at: None,
            previous: None,
            bounds: new.bounds,
            version: 0,
        }
    }

    /// Gives the key another secret. The present one works on for a while; the one before it, if there
    /// is any, ends.
    ///
    /// # Errors
    /// [`Refusal::KeyEnded`] for a key that opens nothing any more.
    pub fn rotate(&mut self, hash: KeyHash, overlap: Duration, ctx: &Context) -> Result<Vec<Event>, Error> {
        if !self.is_valid(ctx.now) {
            return Err(Refusal::KeyEnded.into());
        }
        let hash = std::mem::replace(&mut self.hash, hash);
        self.previous = Some(PreviousSecret { hash, rotated_at: ctx.now, until: ctx.now.after(overlap) });
        Ok(vec![ctx.key_event(EventType::KeyRotated, self.details())])
    }

    /// Gives the key other bounds; no events where it has these.
    ///
    /// # Errors
    /// [`InvalidFields`] for bounds that no key can have, and [`Refusal::KeyEnded`].
    pub fn bound(&mut self, bounds: Bounds, ctx: &Context) -> Result<Vec<Event>, Error> {
        let mut invalid = Vec::new();
        bounds.check(&mut invalid);
        if !invalid.is_empty() {
            return Err(InvalidFields(invalid).into());
        }
        if !self.is_valid(ctx.now) {
            return Err(Refusal::KeyEnded.into());
        }
        if self.bounds == bounds {
            return Ok(Vec::new());
        }
        self.bounds = bounds;
        Ok(vec![ctx.key_event(EventType::KeyUpdated, self.details())])
    }

    /// Revokes the key for good; no events where it is revoked already.
    pub fn revoke(&mut self, ctx: &Context) -> Vec<Event> {
        if self.revoked_at.is_some() {
            return Vec::new();
        }
        self.revoked_at = Some(ctx.now);
        vec![ctx.key_event(EventType::KeyRevoked, self.details())]
    }

    /// How it is at this moment.
    pub fn state(&self, now: Timestamp) -> KeyState {
        match self.revoked_at {
            Some(_) => KeyState::Revoked,
            None if self.is_valid(now) => KeyState::Active,
            None => KeyState::Expired,
        }
    }

    /// Whether the key opens anything at this moment.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|expiry| now < expiry)
    }

    /// Whether this is a secret of the key that works at this moment: the present one, or the one
    /// before it while that works on.
    pub fn is_shown_by(&self, presented: &PlainKey, now: Timestamp) -> bool {
        self.hash.matches(presented)
            || self
                .previous
                .as_ref()
                .is_some_and(|previous| now < previous.until && previous.hash.matches(presented))
    }

    /// Whether a secret that somebody has shown at an earlier moment can still be one that works. It is
    /// not known which it was: one that was shown before the key was rotated may have been the one before.
    pub fn still_stands_for(&self, shown_at: Timestamp, now: Timestamp) -> bool {
        self.previous.as_ref().is_none_or(|previous| now < previous.until || shown_at >= previous.rotated_at)
    }

    /// Whether the key may do what `needed` allows.
    pub fn allows(&self, needed: Scope) -> bool {
        self.scopes.iter().any(|scope| scope.includes(needed))
    }

    /// That who holds this key may give these scopes to another one, or look after one that has them:
    /// else somebody could make a key that may do more than their own.
    ///
    /// # Errors
    /// [`Error::Forbidden`] with the first scope that this key lacks.
    pub fn may_give(&self, scopes: &[Scope]) -> Result<(), Error> {
        match scopes.iter().find(|scope| !self.allows(**scope)) {
            None => Ok(()),
            Some(lacking) => Err(Error::Forbidden { needed: *lacking }),
        }
    }

    fn details(&self) -> KeyDetails {
        KeyDetails {
            key_id: self.id,
            key_name: self.name.clone(),
            scopes: self.scopes.clone(),
            expires_at: self.expires_at,
            previous_expires_at: self.previous.as_ref().map(|previous| previous.until),
            rate_limit: self.bounds.rate_limit,
            allowed_networks: self.bounds.networks.clone(),
        }
    }
}

/// For how long the secret before works on, if nothing is said.
pub const DEFAULT_OVERLAP: Duration = Duration::from_secs(24 * 60 * 60);
/// For how long it can work on at most.
pub const MAX_OVERLAP: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// For how long the secret before is to work on, by what a request says of it in seconds.
///
/// # Errors
/// [`InvalidFields`] for what is not 0 to 2,592,000 seconds.
pub fn overlap(seconds: Option<i64>) -> Result<Duration, InvalidFields> {
    let wanted = seconds.map_or(Ok(DEFAULT_OVERLAP), |seconds| {
        u64::try_from(seconds).map(Duration::from_secs).map_err(|_| ())
    });
    wanted.ok().filter(|overlap| *overlap <= MAX_OVERLAP).ok_or_else(|| {
        let message = format!("This is a number of seconds from 0 to {}.", MAX_OVERLAP.as_secs());
        InvalidFields::one("overlap", message)
    })
}

/// The longest name of a key, in characters.
const MAX_NAME_LENGTH: usize = 100;

/// What a new key is made from.
#[derive(Clone, Debug, Default)]
pub struct NewKey {
    /// What its maker calls it.
    pub name: String,
    /// What it may do, in any order.
    pub scopes: Vec<Scope>,
    /// From when on it is refused, if ever.
    pub expires_at: Option<Timestamp>,
    /// Within what it may be used.
    pub bounds: Bounds,
}

impl NewKey {
    /// The same without white space around the name, and each scope once.
    ///
    /// # Errors
    /// [`InvalidFields`] for a name that is no line of 1 to 100 characters, when there is no scope, and
    /// for bounds that no key can have.
    pub fn check(self) -> Result<Self, InvalidFields> {
        let name = self.name.trim().to_owned();
        let mut invalid = Vec::new();
        if !(1..=MAX_NAME_LENGTH).contains(&name.chars().count()) || name.chars().any(char::is_control) {
            invalid.push(("name".to_owned(), "A name is one line of 1 to 100 characters.".to_owned()));
        }
        if self.scopes.is_empty() {
            invalid.push(("scopes".to_owned(), "A key needs one scope at least.".to_owned()));
        }
        self.bounds.check(&mut invalid);
        if !invalid.is_empty() {
            return Err(InvalidFields(invalid));
        }
        let scopes = Scope::ALL.iter().copied().filter(|scope| self.scopes.contains(scope)).collect();
        Ok(Self { name, scopes, ..self })
    }
}
