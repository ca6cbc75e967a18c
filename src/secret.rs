//! The secret of an API key: shown once as a [`PlainKey`], kept only as a [`KeyHash`]. Those of a link
//! and a code, which are derived from the server's own secret: a [`PlainToken`] and a [`PlainCode`].

mod derived;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::id::{Random, TenantId, random_text};
pub use derived::{CodeHash, InvalidSecret, MalformedCode, PlainCode, Purpose, ServerSecret};

const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const ID_LENGTH: usize = 12;
/// 43 characters of 62 are a little more than 256 bits.
const SECRET_LENGTH: usize = 43;

/// The public part of an API key, by which it is found, listed and revoked: 12 letters and digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId([u8; ID_LENGTH]);

impl KeyId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("an id is ASCII")
    }
}

impl FromStr for KeyId {
    type Err = MalformedKeyId;

    fn from_str(text: &str) -> Result<Self, MalformedKeyId> {
        let bytes: [u8; ID_LENGTH] = text.as_bytes().try_into().map_err(|_| MalformedKeyId)?;
        if bytes.iter().all(u8::is_ascii_alphanumeric) { Ok(Self(bytes)) } else { Err(MalformedKeyId) }
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for KeyId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for KeyId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is not the id of an API key.
#[derive(Debug, thiserror::Error)]
#[error("not a key's id: it is the 12 letters and digits between `bf_` and the next `_`")]
pub struct MalformedKeyId;

/// A text that is not an API key of ours. It never repeats the text.
#[derive(Debug, thiserror::Error)]
#[error("not an API key: keys look like `bf_`, 12 letters and digits, `_`, 43 letters and digits")]
pub struct MalformedKey;

/// An API key as its holder has it: `bf_`, the public id, `_`, and the secret.
///
/// It has no `Display`, no `Serialize`, and a `Debug` that hides the secret: what prints it must
/// call [`PlainKey::reveal`].
#[derive(Clone)]
pub struct PlainKey {
    id: KeyId,
    secret: [u8; SECRET_LENGTH],
}

impl PlainKey {
    /// A new key, with more than 256 bits of secret.
    pub fn new(random: &dyn Random) -> Self {
        Self { id: KeyId(random_text(random, ALPHABET)), secret: random_text(random, ALPHABET) }
    }

    /// Another secret for a key that has this id.
    pub fn of(id: KeyId, random: &dyn Random) -> Self {
        Self { id, secret: random_text(random, ALPHABET) }
    }

    /// The public part.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// What the server keeps of the key. One round of SHA-256 is enough for a secret of 256 random
    /// bits: there is nothing to guess that a slower hash would protect.
    pub fn hash(&self) -> KeyHash {
        KeyHash(Sha256::digest(self.secret).into())
    }

    /// The whole key, for the one moment in which its holder is told.
    pub fn reveal(&self) -> String {
        let secret = std::str::from_utf8(&self.secret).expect("a secret is ASCII");
        format!("bf_{}_{secret}", self.id)
    }
}

impl fmt::Debug for PlainKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PlainKey({}, secret hidden)", self.id)
    }
}

impl FromStr for PlainKey {
    type Err = MalformedKey;

    fn from_str(text: &str) -> Result<Self, MalformedKey> {
        let (id, secret) =
            text.strip_prefix("bf_").and_then(|rest| rest.split_once('_')).ok_or(MalformedKey)?;
        let secret: [u8; SECRET_LENGTH] = secret.as_bytes().try_into().map_err(|_| MalformedKey)?;
        if secret.iter().all(u8::is_ascii_alphanumeric) {
            Ok(Self { id: id.parse().map_err(|_| MalformedKey)?, secret })
        } else {
            Err(MalformedKey)
        }
    }
}

/// The public part of a token that is sent to a user, by which it is found: 12 letters and digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenId([u8; ID_LENGTH]);

impl TokenId {
    /// A new id.
    pub fn new(random: &dyn Random) -> Self {
        Self(random_text(random, ALPHABET))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("an id is ASCII")
    }
}

impl FromStr for TokenId {
    type Err = MalformedToken;

    fn from_str(text: &str) -> Result<Self, MalformedToken> {
        let bytes: [u8; ID_LENGTH] = text.as_bytes().try_into().map_err(|_| MalformedToken)?;
        if bytes.iter().all(u8::is_ascii_alphanumeric) { Ok(Self(bytes)) } else { Err(MalformedToken) }
    }
}

impl fmt::Debug for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A token as the user has it who may do something once: the public id, `_`, and the secret.
///
/// Like a [`PlainKey`] it shows its secret only when it is told to.
#[derive(Clone)]
pub struct PlainToken {
    id: TokenId,
    secret: [u8; SECRET_LENGTH],
}

impl PlainToken {
    /// The token that this server makes of a public id, always the same: so it need not be kept until
    /// it is sent.
    pub fn derive(secret: &ServerSecret, purpose: Purpose, tenant: &TenantId, id: TokenId) -> Self {
        Self { id, secret: random_text(&secret.stream(purpose, tenant, id), ALPHABET) }
    }

    /// The public part.
    pub fn id(&self) -> TokenId {
        self.id
    }

    /// What the server keeps of the token.
    pub fn hash(&self) -> KeyHash {
        KeyHash(Sha256::digest(self.secret).into())
    }

    /// The whole token, for the link that is made from it.
    pub fn reveal(&self) -> String {
        let secret = std::str::from_utf8(&self.secret).expect("a secret is ASCII");
        format!("{}_{secret}", self.id.as_str())
    }
}

impl fmt::Debug for PlainToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PlainToken({:?}, secret hidden)", self.id)
    }
}

/// A text that is not a token of ours. It never repeats the text.
#[derive(Debug, thiserror::Error)]
#[error("not a token: 12 letters and digits, `_`, 43 letters and digits")]
pub struct MalformedToken;

impl FromStr for PlainToken {
    type Err = MalformedToken;

    fn from_str(text: &str) -> Result<Self, MalformedToken> {
        let (id, secret) = text.split_once('_').ok_or(MalformedToken)?;
        let secret: [u8; SECRET_LENGTH] = secret.as_bytes().try_into().map_err(|_| MalformedToken)?;
        if secret.iter().all(u8::is_ascii_alphanumeric) {
            Ok(Self { id: id.parse()?, secret })
        } else {
            Err(MalformedToken)
        }
    }
}

/// The SHA-256 of a key's or token's secret: all that is kept of it.
///
/// It cannot be serialised, so no answer can hold it, and its `Debug` shows nothing.
#[derive(Clone)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    /// The hash that [`KeyHash::to_stored`] gave.
    pub fn from_stored(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes a store keeps.
    pub fn to_stored(&self) -> [u8; 32] {
        self.0
    }

    /// Whether `key` is the key of this hash, in a time that does not depend on how alike they are.
    pub fn matches(&self, key: &PlainKey) -> bool {
        self.0.ct_eq(&key.hash().0).into()
    }

    /// The same for a token.
    pub fn matches_token(&self, token: &PlainToken) -> bool {
        self.0.ct_eq(&token.hash().0).into()
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::SeededRandom;

    #[test]
    fn a_key_reads_back_and_matches_its_own_hash_only() {
        let random = SeededRandom::new(1);
        let (one, other) = (PlainKey::new(&random), PlainKey::new(&random));
        let read: PlainKey = one.reveal().parse().unwrap();
        assert_eq!(read.id(), one.id());
        assert!(one.hash().matches(&read));
        assert!(!other.hash().matches(&read));
    }

    fn token(seed: u64) -> PlainToken {
        let random = SeededRandom::new(seed);
        let (secret, tenant) = (ServerSecret::new(&random), TenantId::default_tenant());
        PlainToken::derive(&secret, Purpose::Link, &tenant, TokenId::new(&random))
    }

    #[test]
    fn a_token_reads_back_and_matches_its_own_hash_only() {
        let (one, other) = (token(1), token(2));
        let read: PlainToken = one.reveal().parse().unwrap();
        assert_eq!(read.id(), one.id());
        assert!(one.hash().matches_token(&read));
        assert!(!other.hash().matches_token(&read));
        for wrong in [
            "",
            "_",
            &one.reveal()[1..],
            &one.reveal().replace('_', "-"),
            &format!("{}ä", &one.reveal()[..54]),
        ] {
            assert!(wrong.parse::<PlainToken>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_secret_has_at_least_256_bits() {
        assert!(62_f64.log2() * 43.0 >= 256.0);
        assert_eq!((ALPHABET.len(), SECRET_LENGTH), (62, 43));
    }

    #[test]
    fn what_is_no_key_is_refused_without_being_repeated() {
        let key = PlainKey::new(&SeededRandom::new(1)).reveal();
        for wrong in [
            "",
            "bf_",
            "bf_abc_def",
            &key[1..],
            &key[..key.len() - 1],
            &format!("{key}x"),
            &key.replace('_', "-"),
        ] {
            let error = wrong.parse::<PlainKey>().unwrap_err().to_string();
            assert!(wrong.len() < 5 || !error.contains(wrong), "{error}");
        }
    }

    #[test]
    fn no_debug_print_shows_a_secret() {
        let key = PlainKey::new(&SeededRandom::new(1));
        let secret = key.reveal().rsplit_once('_').unwrap().1.to_owned();
        let shown = format!("{key:?} {:?}", key.hash());
        assert!(!shown.contains(&secret), "{shown}");
        let token = token(1);
        let secret = token.reveal().rsplit_once('_').unwrap().1.to_owned();
        let shown_token = format!("{token:?} {:?}", token.hash());
        assert!(!shown_token.contains(&secret), "{shown_token}");
        assert!(shown.contains("hidden"));
    }
}
