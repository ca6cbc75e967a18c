//! The names of things, each its own type, so that one cannot stand where another is meant.
//!
//! Randomness is passed in as [`Random`], so that a test can foretell every id.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A source of random bytes that nobody can guess, or in tests of bytes that everybody can.
pub trait Random: Send + Sync {
    /// Fills `bytes` with random ones.
    fn fill(&self, bytes: &mut [u8]);
}

/// The random bytes of a running server: cryptographically secure, seeded by the system.
pub struct SystemRandom;

impl Random for SystemRandom {
    #[expect(clippy::disallowed_methods, reason = "this is the one source of randomness")]
    fn fill(&self, bytes: &mut [u8]) {
        rand::rng().fill_bytes(bytes);
    }
}

/// Foreseeable bytes, for tests whose whole answers are compared.
pub struct SeededRandom(Mutex<StdRng>);

impl SeededRandom {
    /// The same `seed` gives the same bytes in the same order.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(StdRng::seed_from_u64(seed)))
    }
}

impl Random for SeededRandom {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.lock().expect("no holder of the generator panics").fill_bytes(bytes);
    }
}

/// `N` characters of an alphabet of at most 256, each as likely as the others.
pub(crate) fn random_text<const N: usize>(random: &dyn Random, alphabet: &[u8]) -> [u8; N] {
    let mut text = [0; N];
    let mut filled = 0;
    // Bytes at or above the largest multiple of the alphabet's size would favour its beginning.
    let fair = 256 - 256 % alphabet.len();
    while filled < N {
        let mut bytes = [0; N];
        random.fill(&mut bytes);
        for byte in bytes.into_iter().map(usize::from).filter(|byte| *byte < fair) {
            if filled < N {
                text[filled] = alphabet[byte % alphabet.len()];
                filled += 1;
            }
        }
    }
    text
}

const USER_ID_ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";

/// The id of a user: 21 characters of `A-Za-z0-9_-`, 126 random bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserId([u8; 21]);

impl UserId {
    /// A new id.
    pub fn new(random: &dyn Random) -> Self {
        Self(random_text(random, USER_ID_ALPHABET))
    }

    /// The id a request's path names. Text of the wrong shape becomes an id that no user bears,
    /// so that it is looked for, and not found, like any other unknown one.
    pub fn from_path(text: &str) -> Self {
        text.parse().unwrap_or(Self([b'?'; 21]))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("an id is ASCII")
    }
}

impl FromStr for UserId {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let bytes: [u8; 21] = text.as_bytes().try_into().map_err(|_| Malformed)?;
        if bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')) {
            Ok(Self(bytes))
        } else {
            Err(Malformed)
        }
    }
}

/// A text that is not an id of the wanted kind.
#[derive(Debug, thiserror::Error)]
#[error("not an id of this kind")]
pub struct Malformed;

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for UserId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for UserId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Declares an id that is a random UUID.
macro_rules! uuid_id {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new id: a UUID of version 4.
            pub fn new(random: &dyn Random) -> Self {
                let mut bytes = [0; 16];
                random.fill(&mut bytes);
                Self(uuid::Builder::from_random_bytes(bytes).into_uuid())
            }

            /// The id a request's path names. Text that is no UUID becomes the nil UUID, which
            /// nothing bears, so that it is looked for, and not found, like any other unknown one.
            pub fn from_path(text: &str) -> Self {
                text.parse().unwrap_or(Self(Uuid::nil()))
            }

            /// The id's 16 bytes.
            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            /// The id of these bytes, as [`Self::as_bytes`] gave them.
            pub fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }
        }

        impl FromStr for $name {
            type Err = Malformed;

            /// Reads the hyphenated form, 36 characters, in any case; no other form of a UUID.
            fn from_str(text: &str) -> Result<Self, Malformed> {
                if text.len() != 36 {
                    return Err(Malformed);
                }
                Uuid::try_parse(text).map(Self).map_err(|_| Malformed)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }
    };
}

uuid_id! {
    /// The id of one identifier of a user: an email, a phone number or a username.
    IdentifierId
}

uuid_id! {
    /// The id of an event.
    EventId
}

uuid_id! {
    /// The id of a mail that is to be sent.
    MailId
}

uuid_id! {
    /// The id of a group.
    GroupId
}

/// The id of a request: 128 random bits, written as 32 hexadecimal digits. It is in every log line
/// about the request, in the header `x-request-id` and in a problem's `traceId`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RequestId([u8; 16]);

impl RequestId {
    /// A new id.
    pub fn new(random: &dyn Random) -> Self {
        let mut bytes = [0; 16];
        random.fill(&mut bytes);
        Self(bytes)
    }

    /// The id that is written so.
    pub fn from_hex(text: &str) -> Option<Self> {
        u128::from_str_radix(text, 16)
            .ok()
            .filter(|_| text.len() == 32)
            .map(|number| Self(number.to_be_bytes()))
    }

    /// The id as the 32 ASCII characters it is written with.
    pub fn to_hex(self) -> [u8; 32] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut hex = [0; 32];
        for (pair, byte) in hex.chunks_exact_mut(2).zip(self.0) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        hex
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.to_hex()).expect("hexadecimal digits are ASCII"))
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The name of a tenant, which is also its id: 1 to 64 lower-case letters, digits and hyphens,
/// beginning with a letter or digit. It never changes.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TenantId(Arc<str>);

impl TenantId {
    /// The tenant that exists from the start.
    pub fn default_tenant() -> Self {
        Self("default".into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A text that cannot name a tenant.
#[derive(Debug, thiserror::Error)]
#[error(
    "a tenant's name is 1 to 64 lower-case letters, digits and hyphens, and does not begin with a hyphen"
)]
pub struct InvalidTenantName;

impl FromStr for TenantId {
    type Err = InvalidTenantName;

    fn from_str(text: &str) -> Result<Self, InvalidTenantName> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if (1..=64).contains(&text.len()) && text.bytes().all(allowed) && !text.starts_with('-') {
            Ok(Self(text.into()))
        } else {
            Err(InvalidTenantName)
        }
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_id_is_21_characters_of_its_alphabet_and_reads_back() {
        let random = SeededRandom::new(1);
        for _ in 0..1000 {
            let id = UserId::new(&random);
            assert_eq!(id.as_str().len(), 21);
            assert_eq!(id.as_str().parse::<UserId>().unwrap(), id);
        }
        for wrong in ["", "short", "UOtBaOybB6dTpIJNrnkRw!", "UOtBaOybB6dTpIJNrnkR", "UOtBaOybB6dTpIJNrnk w"]
        {
            assert!(wrong.parse::<UserId>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn an_identifier_id_is_read_in_its_hyphenated_form_only() {
        let id = IdentifierId::new(&SeededRandom::new(1));
        assert_eq!(id.to_string().parse::<IdentifierId>().unwrap(), id);
        assert_eq!(id.to_string().to_uppercase().parse::<IdentifierId>().unwrap(), id);
        for wrong in
            ["", "6cec8047", "6cec804761494d9b8d9991c83c22a9dc", "{6cec8047-6149-4d9b-8d99-91c83c22a9dc}"]
        {
            assert!(wrong.parse::<IdentifierId>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_path_that_is_no_id_names_nothing_that_exists() {
        let random = SeededRandom::new(1);
        assert!(UserId::from_path("x").as_str().parse::<UserId>().is_err());
        assert_ne!(IdentifierId::from_path("x"), IdentifierId::new(&random));
    }

    #[test]
    fn a_tenant_name_is_a_short_lower_case_word() {
        for good in ["default", "a", "7up", "acme-eu", &"x".repeat(64)] {
            assert_eq!(good.parse::<TenantId>().unwrap().as_str(), good);
        }
        for wrong in ["", "-a", "Acme", "a b", "ä", &"x".repeat(65)] {
            assert!(wrong.parse::<TenantId>().is_err(), "{wrong:?}");
        }
    }
}
