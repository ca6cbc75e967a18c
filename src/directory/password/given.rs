//! What a request brings: a password or a hash of one, what it must be like, and for how long a link to
//! reset one is to work.

use std::collections::HashSet;
use std::time::Duration;

use super::{DEFAULT_RESET_EXPIRY, MAX_LENGTH, Password, PasswordHash, RESET_EXPIRIES};
use crate::error::{Error, InvalidFields, Refusal};

/// What a password must be like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The fewest characters.
    pub min_length: usize,
    /// Whether one of them must be neither a letter nor a digit.
    pub needs_non_alphanumeric: bool,
    /// Whether one must be a digit.
    pub needs_digit: bool,
    /// Whether one must be a lower-case letter.
    pub needs_lower: bool,
    /// Whether one must be an upper-case letter.
    pub needs_upper: bool,
    /// The fewest different characters.
    pub min_unique: usize,
}

impl Policy {
    /// Eight characters, whatever they are.
    pub const DEFAULT: Self = Self {
        min_length: 8,
        needs_non_alphanumeric: false,
        needs_digit: false,
        needs_lower: false,
        needs_upper: false,
        min_unique: 0,
    };

    /// Any password at all.
    pub const NONE: Self = Self { min_length: 1, ..Self::DEFAULT };

    /// All that the password is not and must be.
    pub fn refusals(&self, password: &Password) -> Vec<Refusal> {
        let text = password.0.as_str();
        let has = |wanted: fn(char) -> bool| text.chars().any(wanted);
        let unique = text.chars().collect::<HashSet<_>>().len();
        [
            (text.chars().count() < self.min_length, Refusal::PasswordTooShort),
            (
                self.needs_non_alphanumeric && !has(|character| !character.is_alphanumeric()),
                Refusal::PasswordRequiresNonAlphanumeric,
            ),
            (self.needs_digit && !has(char::is_numeric), Refusal::PasswordRequiresDigit),
            (self.needs_lower && !has(char::is_lowercase), Refusal::PasswordRequiresLower),
            (self.needs_upper && !has(char::is_uppercase), Refusal::PasswordRequiresUpper),
            (unique < self.min_unique, Refusal::PasswordRequiresUniqueChars),
        ]
        .into_iter()
        .filter_map(|(refused, refusal)| refused.then_some(refusal))
        .collect()
    }
}

/// A password that is to be a user's: itself, or a hash of it from elsewhere.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// The password, to be hashed.
    Plain(Password),
    /// Its hash, to be kept as it is.
    Hash(PasswordHash),
}

/// The three fields of a request that bring a password: their names begin with `prefix`.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a> {
    /// Empty, or `new_`.
    pub prefix: &'static str,
    /// The password.
    pub password: Option<&'a Password>,
    /// Or a hash of it.
    pub hash: Option<&'a Password>,
    /// And how that was made; bcrypt if nothing is said.
    pub algorithm: Option<&'a str>,
}

impl Given<'_> {
    /// Whether there is a password or a hash.
    pub fn is_any(&self) -> bool {
        self.password.is_some() || self.hash.is_some()
    }

    /// The password that these fields bring, if any.
    ///
    /// # Errors
    /// [`Error::Invalid`] for both a password and a hash, and for what is not a hash, an algorithm
    /// or a password that could be one; [`Error::Refused`] with all that the policy refuses.
    pub fn wanted(&self, policy: &Policy) -> Result<Option<Wanted>, Error> {
        let prefix = self.prefix;
        let mut invalid = Vec::new();
        let mut note = |field: &str, message: String| invalid.push((format!("{prefix}{field}"), message));
        if self.algorithm.is_some_and(|name| !matches!(name, "bcrypt" | "b_crypt")) {
            note(
                "password_hash_algorithm",
                "The one algorithm of hashes that is known is bcrypt.".to_owned(),
            );
        }
        let hash = self.hash.and_then(|text| {
            PasswordHash::parse_bcrypt(&text.0).map_err(|error| note("password_hash", error.to_string())).ok()
        });
        if self.password.is_some() && self.hash.is_some() {
            note("password_hash", "Give a password or a hash of it, not both.".to_owned());
        }
        if let Some(message) = self.password.and_then(unusable) {
            note("password", message);
        }
        if !invalid.is_empty() {
            return Err(InvalidFields(invalid).into());
        }
        let Some(password) = self.password else { return Ok(hash.map(Wanted::Hash)) };
        let refusals = policy.refusals(password);
        if refusals.is_empty() {
            Ok(Some(Wanted::Plain(password.clone())))
        } else {
            Err(Error::Refused(refusals))
        }
    }

    /// The password that these fields bring; there must be one.
    ///
    /// # Errors
    /// As [`Given::wanted`], and [`Error::Invalid`] when there is none.
    pub fn needed(&self, policy: &Policy) -> Result<Wanted, Error> {
        self.wanted(policy)?.ok_or_else(|| {
            let prefix = self.prefix;
            let message = format!("This field is needed, or {prefix}password_hash.");
            InvalidFields::one(&format!("{prefix}password"), message).into()
        })
    }
}

/// What keeps a text from being anybody's password, whatever the policy.
fn unusable(password: &Password) -> Option<String> {
    (password.0.chars().count() > MAX_LENGTH)
        .then(|| format!("A password has at most {MAX_LENGTH} characters."))
}

/// The password that is to be compared with the one that is kept.
///
/// # Errors
/// [`InvalidFields`] when there is none, or it is longer than any that is kept.
pub fn old_password(given: Option<&Password>) -> Result<&Password, InvalidFields> {
    const FIELD: &str = "old_password";
    let password = given.ok_or_else(|| InvalidFields::needed(FIELD))?;
    unusable(password).map_or(Ok(password), |message| Err(InvalidFields::one(FIELD, message)))
}

/// For how long a link to reset a password is to work.
///
/// # Errors
/// [`InvalidFields`] for less than a minute or more than seven days.
pub fn reset_expiry(seconds: Option<i64>) -> Result<Duration, InvalidFields> {
    let Some(seconds) = seconds else { return Ok(DEFAULT_RESET_EXPIRY) };
    match u64::try_from(seconds) {
        Ok(seconds) if RESET_EXPIRIES.contains(&seconds) => Ok(Duration::from_secs(seconds)),
        _ => {
            let (least, most) = RESET_EXPIRIES.into_inner();
            Err(InvalidFields::one("expiry", format!("This is a number of seconds from {least} to {most}.")))
        }
    }
}
