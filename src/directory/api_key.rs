//! API keys and what they may do (semantics section 10).

use super::event::names;
use crate::error::InvalidFields;
use crate::id::TenantId;
use crate::secret::{KeyHash, KeyId};
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
        /// Everything.
        Admin = "admin",
    }
}

impl Scope {
    /// Whether a key that holds this scope may do what `needed` allows.
    pub fn includes(self, needed: Self) -> bool {
        self == needed || self == Self::Admin || (self == Self::UsersWrite && needed == Self::EmailsVerify)
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
}

impl ApiKey {
    /// Whether the key opens anything at this moment.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|expiry| now < expiry)
    }

    /// Whether the key may do what `needed` allows.
    pub fn allows(&self, needed: Scope) -> bool {
        self.scopes.iter().any(|scope| scope.includes(needed))
    }
}

/// The longest name of a key, in characters.
const MAX_NAME_LENGTH: usize = 100;

/// What a new key is made from.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// What its maker calls it.
    pub name: String,
    /// What it may do, in any order.
    pub scopes: Vec<Scope>,
    /// From when on it is refused, if ever.
    pub expires_at: Option<Timestamp>,
}

impl NewKey {
    /// The same without white space around the name, and each scope once.
    ///
    /// # Errors
    /// [`InvalidFields`] for a name that is no line of 1 to 100 characters, and when there is no scope.
    pub fn check(self) -> Result<Self, InvalidFields> {
        let name = self.name.trim().to_owned();
        let mut invalid = Vec::new();
        if !(1..=MAX_NAME_LENGTH).contains(&name.chars().count()) || name.chars().any(char::is_control) {
            invalid.push(("name".to_owned(), "A name is one line of 1 to 100 characters.".to_owned()));
        }
        if self.scopes.is_empty() {
            invalid.push(("scopes".to_owned(), "A key needs one scope at least.".to_owned()));
        }
        if !invalid.is_empty() {
            return Err(InvalidFields(invalid));
        }
        let scopes = Scope::ALL.iter().copied().filter(|scope| self.scopes.contains(scope)).collect();
        Ok(Self { name, scopes, expires_at: self.expires_at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::SeededRandom;
    use crate::secret::PlainKey;

    fn key(scopes: &[Scope]) -> ApiKey {
        let plain = PlainKey::new(&SeededRandom::new(1));
        ApiKey {
            id: plain.id(),
            tenant: TenantId::default_tenant(),
            name: "test".into(),
            hash: plain.hash(),
            scopes: scopes.to_vec(),
            created_at: Timestamp(0),
            expires_at: None,
            revoked_at: None,
            last_used_at: None,
        }
    }

    #[test]
    fn writing_users_includes_verifying_and_not_reading() {
        let writer = key(&[Scope::UsersWrite]);
        assert!(writer.allows(Scope::UsersWrite) && writer.allows(Scope::EmailsVerify));
        assert!(!writer.allows(Scope::UsersRead) && !writer.allows(Scope::Admin));
    }

    #[test]
    fn passwords_are_written_with_their_own_scope_only() {
        for scope in Scope::ALL {
            let allows = matches!(scope, Scope::PasswordsWrite | Scope::Admin);
            assert_eq!(key(&[*scope]).allows(Scope::PasswordsWrite), allows, "{scope}");
        }
        assert!(!key(&[Scope::PasswordsWrite]).allows(Scope::UsersWrite));
    }

    #[test]
    fn verifying_includes_nothing_else_and_admin_everything() {
        let verifier = key(&[Scope::EmailsVerify]);
        let admin = key(&[Scope::Admin]);
        for scope in Scope::ALL {
            assert_eq!(verifier.allows(*scope), *scope == Scope::EmailsVerify);
            assert!(admin.allows(*scope));
        }
        assert!(!key(&[]).allows(Scope::EmailsVerify));
    }

    #[test]
    fn a_key_ends_at_its_expiry_and_when_revoked() {
        let mut key = key(&[Scope::Admin]);
        key.expires_at = Some(Timestamp(100));
        assert!(key.is_valid(Timestamp(99)));
        assert!(!key.is_valid(Timestamp(100)));
        key.expires_at = None;
        key.revoked_at = Some(Timestamp(5));
        assert!(!key.is_valid(Timestamp(6)));
    }

    #[test]
    fn a_new_key_has_a_name_of_one_line_and_each_scope_once() {
        let new = |name: &str, scopes: &[Scope]| {
            NewKey { name: name.to_owned(), scopes: scopes.to_vec(), expires_at: None }.check()
        };
        let made = new(" sign-up ", &[Scope::Admin, Scope::UsersRead, Scope::Admin]).unwrap();
        assert_eq!((made.name.as_str(), made.scopes), ("sign-up", vec![Scope::UsersRead, Scope::Admin]));
        for wrong in ["", " ", "a\nb", &"x".repeat(101)] {
            let InvalidFields(fields) = new(wrong, &[]).unwrap_err();
            assert_eq!(fields.into_iter().map(|(name, _)| name).collect::<Vec<_>>(), ["name", "scopes"]);
        }
    }
}
