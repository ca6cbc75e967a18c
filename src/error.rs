//! Everything that can go wrong, in the directory's words. `api/problem.rs` alone knows which HTTP
//! status each becomes.

use std::fmt;

use crate::directory::api_key::Scope;

/// Why something asked for was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing answers at this path.
    #[error("nothing answers at this path")]
    NoRoute,
    /// The path is known, the method is not.
    #[error("this path does not take this method")]
    MethodNotAllowed,
    /// No key, or one that is malformed, unknown, wrong, revoked or expired: all alike on purpose.
    #[error("no valid API key")]
    Unauthenticated,
    /// The key is good, but does not hold the scope.
    #[error("the key lacks the scope `{needed}`")]
    Forbidden {
        /// The smallest scope that would do.
        needed: Scope,
    },
    /// The key is good, but may not be used from where the request came.
    #[error("the key may not be used from this address")]
    WrongNetwork,
    /// The key is good, but was used as often as it may be.
    #[error("the key was used as often as it may be, for {retry_after} more seconds")]
    RateExceeded {
        /// After how many seconds it can be used again.
        retry_after: u64,
    },
    /// The request cannot be read: not JSON, or a query parameter out of bounds.
    #[error("{0}")]
    BadRequest(String),
    /// The body is larger than the server takes.
    #[error("the body is larger than {limit} bytes")]
    TooLarge {
        /// The most that is taken, in bytes.
        limit: usize,
    },
    /// The body of an import that its client has named is larger than can be told apart from others.
    #[error("the body of a named import is larger than {limit} bytes")]
    TooLargeToName {
        /// The most that is taken, in bytes.
        limit: usize,
    },
    /// The body did not arrive in time.
    #[error("the body did not arrive in time")]
    Timeout,
    /// The body is not said to be JSON.
    #[error("the body is not `application/json`")]
    UnsupportedMediaType,
    /// What was named does not exist here.
    #[error("no such {0}")]
    NotFound(Missing),
    /// The user is another by now than the one that was to be changed.
    #[error("the user is not as the request wants it")]
    Changed,
    /// The request has a name, and its answer cannot be kept: it holds a secret, or tells of many changes.
    #[error("no answer is kept for repeats of this request")]
    NotKept,
    /// A request of the same name, made with the same API key, is being done.
    #[error("a request with the same idempotency key is under way")]
    UnderWay,
    /// Fields of the request are missing or of the wrong form.
    #[error("invalid fields: {0}")]
    Invalid(#[from] InvalidFields),
    /// Rules of the directory refuse, all that do.
    #[error("refused: {}", .0.iter().map(Refusal::to_string).collect::<Vec<_>>().join(", "))]
    Refused(Vec<Refusal>),
    /// The store cannot be reached or cannot keep the change now; trying again may help.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// As many others are served already as may be at once.
    #[error("others are served at the moment")]
    Busy,
    /// A list takes longer to find than a list may.
    #[error("the list takes too long to find")]
    TooCostly,
    /// A fault of the server. The text is for its log alone.
    #[error("internal fault: {0}")]
    Internal(String),
    /// This was tried too often.
    #[error("tried too often, for {retry_after} more seconds")]
    TooManyRequests {
        /// After how many seconds it can be tried again.
        retry_after: u64,
    },
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(vec![refusal])
    }
}

impl Error {
    /// Both faults of one request, where they are of one kind; else the one about its form.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Invalid(mut one), Self::Invalid(other)) => {
                one.0.extend(other.0);
                Self::Invalid(one)
            }
            (Self::Refused(mut one), Self::Refused(other)) => {
                one.extend(other);
                Self::Refused(one)
            }
            (Self::Refused(_), other) => other,
            (one, _) => one,
        }
    }
}

/// What a request named that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The user of the path.
    User,
    /// The email of the path; its user is there.
    Email,
    /// The phone number of the path; its user is there.
    Phone,
    /// The group of the path.
    Group,
    /// The log of the path.
    Log,
    /// The user and the group of the path are there, and the one is not in the other.
    Membership,
    /// The API key of the path.
    Key,
    /// The answer to a request that was made before.
    Answer,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::User => "user",
            Self::Email => "email",
            Self::Phone => "phone number",
            Self::Group => "group",
            Self::Log => "log",
            Self::Membership => "membership",
            Self::Key => "API key",
            Self::Answer => "answer",
        })
    }
}

/// Fields of a request and what is wrong with each, in the order found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct InvalidFields(pub Vec<(String, String)>);

impl InvalidFields {
    /// One field, and what is wrong with it as a sentence for the client.
    pub fn one(field: &str, message: impl Into<String>) -> Self {
        Self(vec![(field.to_owned(), message.into())])
    }

    /// One field that is absent and must not be.
    pub fn needed(field: &str) -> Self {
        Self::one(field, "This field is needed.")
    }
}

impl fmt::Display for InvalidFields {
    /// Names the fields only: messages may describe what a person typed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.0.iter().map(|(name, _)| name.as_str()).collect();
        f.write_str(&names.join(", "))
    }
}

/// A rule of the directory that refuses a well-formed request. The variants' names are the `code`s
/// of the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The address is on this user already, or verified for another one.
    DuplicateEmail,
    /// The number is on this user already, or verified for another one.
    DuplicatePhoneNumber,
    /// The username is taken, whatever its case.
    DuplicateUserName,
    /// The username is too short, too long, or has characters that usernames cannot have.
    InvalidUserName,
    /// A user needs at least one of email, phone number and username.
    IdentifierRequired,
    /// The password has fewer characters than one must have.
    PasswordTooShort,
    /// The password has letters and digits only.
    PasswordRequiresNonAlphanumeric,
    /// The password has no digit.
    PasswordRequiresDigit,
    /// The password has no lower-case letter.
    PasswordRequiresLower,
    /// The password has no upper-case letter.
    PasswordRequiresUpper,
    /// The password has too few different characters.
    PasswordRequiresUniqueChars,
    /// The password is not the one that the user has.
    PasswordMismatch,
    /// The password was set by somebody who had proved nothing, and does not help to set another one.
    PasswordNotTrusted,
    /// The code is not the one that was sent, or that one does not work any more.
    InvalidCode,
    /// Another group has this name, whatever its case.
    DuplicateGroupName,
    /// The API key is revoked or expired.
    KeyEnded,
}

impl Refusal {
    /// The sentence for the client: what the rule is.
    pub fn description(self) -> &'static str {
        match self {
            Self::DuplicateEmail => "This email address is already taken.",
            Self::DuplicatePhoneNumber => "This phone number is already taken.",
            Self::DuplicateUserName => "This username is already taken.",
            Self::InvalidUserName => {
                "A username has 3 to 64 characters: letters, digits, dots, underscores and hyphens."
            }
            Self::IdentifierRequired => {
                "A user needs at least one of email, phone number and username, unless skip_conformance_checks is true."
            }
            Self::PasswordTooShort => "A password has at least 8 characters.",
            Self::PasswordRequiresNonAlphanumeric => {
                "A password needs a character that is neither a letter nor a digit."
            }
            Self::PasswordRequiresDigit => "A password needs a digit.",
            Self::PasswordRequiresLower => "A password needs a lower-case letter.",
            Self::PasswordRequiresUpper => "A password needs an upper-case letter.",
            Self::PasswordRequiresUniqueChars => "A password needs more characters that differ.",
            Self::PasswordMismatch => "The old password is not the user's password.",
            Self::PasswordNotTrusted => {
                "This password was set before any address of the user was proved, so knowing it does not show whose it is: set another one by a link to reset it."
            }
            Self::InvalidCode => {
                "This code is not the one that was sent, or it does not work any more: ask for another one."
            }
            Self::DuplicateGroupName => "Another group has this name already.",
            Self::KeyEnded => "This API key is revoked or expired: make another one.",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
