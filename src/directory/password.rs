//! Passwords: what one must be like, how it is hashed and checked, and what setting, changing and
//! removing it does to its user (semantics section 5).
//!
//! Users and stores are only ever given a [`PasswordHash`]. Hashing and checking take long: whoever
//! calls [`Password::hash`] and [`PasswordHash::matches`] sees to it that nobody waits meanwhile.

mod foreign;
mod given;
#[cfg(test)]
mod tests;

pub use foreign::{KeycloakArgon2, KeycloakHash, UnknownHash};
pub use given::{Given, Policy, Wanted, old_password, reset_expiry};

use std::fmt;
use std::time::Duration;

use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::event::{Context, Event, EventType, names};
use super::mail::{Mail, MailChange, MailKind};
use super::proof::ProofChange;
use super::settings::{Limit, Settings};
use super::text::nfkc;
use super::user::User;
use crate::error::{Error, Refusal};
use crate::id::{IdentifierId, TenantId, UserId};
use crate::secret::{KeyHash, PlainToken, TokenId};
use crate::time::Timestamp;

/// The longest password that is taken, in characters.
pub const MAX_LENGTH: usize = 1_024;
/// How often an old password may be tried within [`TRIES_WITHIN`], for one user.
pub const MAX_TRIES: u32 = 10;
/// The span of time in which tries are counted.
pub const TRIES_WITHIN: Duration = Duration::from_secs(3_600);
/// How long a link to reset a password works if nothing is said.
pub const DEFAULT_RESET_EXPIRY: Duration = Duration::from_secs(3_600);

/// Argon2id's work, as OWASP advises it at least: memory in KiB, passes, lanes.
const ARGON2_COST: (u32, u32, u32) = (19_456, 2, 1);
/// Which costs a bcrypt hash may have that is brought along: the lower ones do not exist, and each
/// check of a higher one would take seconds.
const BCRYPT_COSTS: std::ops::RangeInclusive<u32> = 4..=15;
/// For how long a link to reset a password may work, in seconds: a minute to seven days.
const RESET_EXPIRIES: std::ops::RangeInclusive<u64> = 60..=7 * 86_400;

/// A password as its owner types it. It cannot be serialised, its `Debug` shows nothing, and its
/// memory is overwritten when it is dropped.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// The password that this text is.
    pub fn new(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }

    /// The Argon2id hash of the password, in its form NFKC: a character is the same one whichever
    /// keyboard it comes from.
    pub fn hash(&self, salt: [u8; 16]) -> PasswordHash {
        let (memory, passes, lanes) = ARGON2_COST;
        let params = Params::new(memory, passes, lanes, None).expect("the costs are within Argon2's bounds");
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let hash: phc::PasswordHash = argon2
            .hash_password_with_salt(self.normal().as_bytes(), &salt)
            .expect("a password and a salt of these lengths can be hashed");
        PasswordHash(hash.to_string())
    }

    fn normal(&self) -> Zeroizing<String> {
        Zeroizing::new(nfkc(&self.0).into_owned())
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(hidden)")
    }
}

/// What is kept of a password: an Argon2id hash in its PHC form, or a hash of another kind that was brought
/// along. It cannot be serialised, and its `Debug` shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

/// A text that is not a bcrypt hash that can be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "A bcrypt hash begins with $2a$, $2b$ or $2y$, a cost of 04 to 15 and $, and ends with 53 letters, digits, dots and slashes."
)]
pub struct InvalidHash;

impl PasswordHash {
    /// Reads a bcrypt hash.
    ///
    /// # Errors
    /// [`InvalidHash`] for any other text, and for a cost that is out of bounds.
    pub fn parse_bcrypt(text: &str) -> Result<Self, InvalidHash> {
        let known = ["$2a$", "$2b$", "$2y$"].iter().any(|prefix| text.starts_with(prefix));
        let parts: bcrypt::HashParts = text.parse().map_err(|_| InvalidHash)?;
        // The library reads `+4` as a cost, too.
        let digits = text.as_bytes()[4..6].iter().all(u8::is_ascii_digit);
        if known && digits && BCRYPT_COSTS.contains(&parts.get_cost()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidHash)
        }
    }

    /// The hash that [`PasswordHash::to_stored`] gave.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The text a store keeps.
    pub fn to_stored(&self) -> &str {
        &self.0
    }

    /// Whether this is the hash of `password`.
    ///
    /// # Errors
    /// [`Error::Internal`] when the hash is of no known kind.
    pub fn matches(&self, password: &Password) -> Result<bool, Error> {
        let typed = password.0.as_bytes();
        let unreadable = || Error::Internal("a stored password hash cannot be read".to_owned());
        if self.0.starts_with("$2") {
            // As it came: those who made the hash did not normalise.
            return bcrypt::verify(typed, &self.0).map_err(|_| unreadable());
        }
        let hash = foreign::Phc::read(&self.0).map_err(|_| unreadable())?;
        let normal = password.normal();
        // As this server makes them; one of others may look the same.
        if hash.is_argon2() && hash.is_of(normal.as_bytes()) {
            return Ok(true);
        }
        let is_new = !hash.is_argon2() || normal.as_bytes() != typed;
        Ok(is_new && hash.is_of(typed))
    }

    /// Whether the hash is to be replaced by one that is made here when its password is next seen.
    pub fn is_outdated(&self) -> bool {
        let (memory, passes, lanes) = ARGON2_COST;
        !self.0.starts_with(&format!("$argon2id$v=19$m={memory},t={passes},p={lanes}$"))
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(hidden)")
    }
}

/// The password of a new user.
#[derive(Clone, Debug)]
pub struct NewPassword {
    /// Its hash.
    pub hash: PasswordHash,
    /// Whether another must be set at the next sign-in.
    pub is_temporary: bool,
}

/// A token to reset a password as it is kept: everything but its secret.
#[derive(Clone, Debug)]
pub struct ResetToken {
    /// Its public part.
    pub id: TokenId,
    /// The tenant of its user.
    pub tenant: TenantId,
    /// Whose password it resets.
    pub user_id: UserId,
    /// The hash of its secret.
    pub hash: KeyHash,
    /// From when on it is refused.
    pub expires_at: Timestamp,
}

/// That a link to reset a password is mailed. The link is bound to the email: it ends when that is no
/// longer known to be the user's.
#[derive(Clone)]
pub struct MailedReset {
    /// The email it goes to.
    pub email: IdentifierId,
    /// The address in the form in which it is compared.
    pub canonical: String,
    /// When it was asked for.
    pub asked_at: Timestamp,
    /// How often something may be sent to the address.
    pub limits: Vec<Limit>,
}

impl fmt::Debug for MailedReset {
    /// Leaves out what is personal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MailedReset(to {})", self.email)
    }
}

names! {
    /// Who has set a password.
    SetBy {
        /// Whoever holds an API key, as themselves or from elsewhere: they vouch for it.
        Admin = "admin",
        /// The account's own user, by the old password or by a link.
        Owner = "owner",
        /// Whoever used the account before anything of it was proved. Knowing it shows nothing.
        Untrusted = "untrusted",
    }
}

/// What becomes of a user's secrets with a change. All but [`SecretChange::Keep`] and
/// [`SecretChange::Vouch`] end the links that were made for the user before.
#[derive(Clone, Debug, Default)]
pub enum SecretChange {
    /// They stay as they are.
    #[default]
    Keep,
    /// This is the hash of the user's password from now on, set by one of these.
    Set(PasswordHash, SetBy),
    /// The user has none any more.
    Remove,
    /// The password stays, and can be reset with this token, which may be mailed.
    StartReset(ResetToken, Option<MailedReset>),
    /// The password stays, and cannot be reset with any token that was made before.
    EndReset,
    /// The password stays, and counts as [`SetBy::Untrusted`].
    Distrust,
    /// The password stays. One that is not trusted counts as [`SetBy::Admin`] from now on.
    Vouch,
}

/// What a rule has decided: what happened, and what becomes of all that is not in the document. A rule
/// that has nothing to do with that gives the events alone. Without events the user stays the same, but
/// the secrets may change.
#[derive(Clone, Debug, Default)]
pub struct Decision {
    /// What happened.
    pub events: Vec<Event>,
    /// What becomes of the secrets.
    pub secret: SecretChange,
    /// What becomes of the proofs of addresses that are under way.
    pub proof: ProofChange,
    /// What becomes of mail.
    pub mail: MailChange,
}

impl Decision {
    /// Whether there is nothing to keep.
    pub fn is_nothing(&self) -> bool {
        self.events.is_empty()
            && matches!(self.secret, SecretChange::Keep)
            && matches!(self.proof, ProofChange::Keep)
            && matches!(self.mail, MailChange::Keep)
    }
}

impl From<Vec<Event>> for Decision {
    fn from(events: Vec<Event>) -> Self {
        Self { events, ..Self::default() }
    }
}

impl User {
    /// Gives the user a password, in place of any other. A temporary one must be changed at the next
    /// sign-in.
    pub fn set_password(&mut self, hash: PasswordHash, is_temporary: bool, ctx: &Context) -> Decision {
        self.keep_password(SecretChange::Set(hash, SetBy::Admin), is_temporary, EventType::PasswordSet, ctx)
    }

    /// Gives the user who has shown the old password, set by one of these, another one, which is not
    /// temporary.
    ///
    /// # Errors
    /// [`Refusal::PasswordNotTrusted`]: who knows such a password has shown nothing by it.
    pub fn change_password(
        &mut self,
        hash: PasswordHash,
        old_set_by: Option<SetBy>,
        ctx: &Context,
    ) -> Result<Decision, Error> {
        if old_set_by == Some(SetBy::Untrusted) {
            return Err(Refusal::PasswordNotTrusted.into());
        }
        let secret = SecretChange::Set(hash, SetBy::Owner);
        Ok(self.keep_password(secret, false, EventType::PasswordChanged, ctx))
    }

    /// Gives the user who has followed a link to reset it another password, which is not temporary.
    pub fn reset_password(&mut self, hash: PasswordHash, ctx: &Context) -> Decision {
        self.keep_password(SecretChange::Set(hash, SetBy::Owner), false, EventType::PasswordReset, ctx)
    }

    fn keep_password(
        &mut self,
        secret: SecretChange,
        is_temporary: bool,
        kind: EventType,
        ctx: &Context,
    ) -> Decision {
        self.has_password = true;
        self.password_updated_at = Some(ctx.now);
        self.force_password_reset = is_temporary;
        Decision { secret, ..self.password_event(kind, ctx) }
    }

    /// Takes the password from the user, and with it the need to set another. No events: there is
    /// none. A link to reset it ends all the same: whoever removes passwords wants none to be set.
    pub fn remove_password(&mut self, ctx: &Context) -> Decision {
        if !self.has_password {
            return Decision { secret: SecretChange::Remove, ..Decision::default() };
        }
        self.has_password = false;
        self.password_updated_at = None;
        self.force_password_reset = false;
        Decision { secret: SecretChange::Remove, ..self.password_event(EventType::PasswordRemoved, ctx) }
    }

    /// Says whether another password must be set at the next sign-in. No events: it was so already.
    /// Whoever says that the password may stay vouches for one that was not trusted.
    pub fn set_password_reset_required(&mut self, required: bool, ctx: &Context) -> Decision {
        if self.force_password_reset == required {
            return Decision::default();
        }
        self.force_password_reset = required;
        if required {
            return self.password_event(EventType::PasswordResetRequired, ctx);
        }
        Decision {
            secret: SecretChange::Vouch,
            ..self.password_event(EventType::PasswordResetNotRequired, ctx)
        }
    }

    /// Takes the trust from a password that was set before anything was proved: another must be set at
    /// the next sign-in, and not by knowing this one.
    pub(super) fn distrust_password(&mut self, ctx: &Context) -> Decision {
        Decision { secret: SecretChange::Distrust, ..self.set_password_reset_required(true, ctx) }
    }

    /// Makes it possible to reset the password with this token until it expires, and with no earlier
    /// one. It can be sent by mail to the primary email, if that is known to be the user's; then it
    /// also ends when that is no longer so.
    pub fn start_password_reset(
        &self,
        token: &PlainToken,
        expires_at: Timestamp,
        by_mail: bool,
        settings: &Settings,
        ctx: &Context,
    ) -> Decision {
        let primary = self.emails.iter().find(|email| email.primary && email.verified);
        let to = primary.filter(|_| by_mail);
        let mail = to.map_or(MailChange::Keep, |email| {
            MailChange::Send(Mail::new(MailKind::Reset, token.id(), self.user_id, email.id, ctx))
        });
        let mailed = to.map(|email| MailedReset {
            email: email.id,
            canonical: email.email.canonical(),
            asked_at: ctx.now,
            limits: settings.limits(),
        });
        let token = ResetToken {
            id: token.id(),
            tenant: ctx.origin.tenant.clone(),
            user_id: self.user_id,
            hash: token.hash(),
            expires_at,
        };
        Decision {
            secret: SecretChange::StartReset(token, mailed),
            mail,
            ..self.password_event(EventType::PasswordResetStarted, ctx)
        }
    }

    fn password_event(&self, kind: EventType, ctx: &Context) -> Decision {
        vec![ctx.event(kind, self.user_id, None, None)].into()
    }
}
