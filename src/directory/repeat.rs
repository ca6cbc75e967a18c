//! Requests that are made again because their answers got lost. A client names each by an idempotency key:
//! then a repeat changes nothing, and gets the answer of the first.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use hmac::Mac;

use crate::id::TenantId;
use crate::secret::{KeyId, ServerSecret};

/// For how long an answer is kept.
pub const KEPT_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// How many characters an idempotency key may have.
const MAX_LENGTH: usize = 255;

/// What a client calls a request by: 1 to 255 printable ASCII characters.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

/// A text that no request can be called by.
#[derive(Debug, thiserror::Error)]
#[error("an idempotency key has 1 to 255 printable ASCII characters")]
pub struct InvalidIdempotencyKey;

impl IdempotencyKey {
    /// The key as a text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for IdempotencyKey {
    type Err = InvalidIdempotencyKey;

    fn from_str(text: &str) -> Result<Self, InvalidIdempotencyKey> {
        let is_printable = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
        if (1..=MAX_LENGTH).contains(&text.len()) && text.bytes().all(is_printable) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidIdempotencyKey)
        }
    }
}

impl fmt::Debug for IdempotencyKey {
    /// Somebody may have put anything into it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdempotencyKey(hidden)")
    }
}

/// What tells requests apart that have the same name: made from the path, the body, and what the body is
/// labelled as where it is read by that. A bare hash of a body
/// that holds a password would be a way to guess it, so it is made with the server's secret.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// That of a request with this body to this path, with its query. The label is what else decides how the
    /// body is read, if anything does.
    pub fn new(secret: &ServerSecret, path: &str, label: Option<&str>, body: &[u8]) -> Self {
        // No path holds a space or a zero, and no label a zero, so no two requests read the same.
        let mut mac = secret.for_requests().chain_update(path);
        if let Some(label) = label {
            mac = mac.chain_update(" ").chain_update(label);
        }
        let mac = mac.chain_update([0]).chain_update(body);
        Self(mac.finalize().into_bytes()[..32].try_into().expect("it has 64 bytes"))
    }

    /// The fingerprint that [`Fingerprint::to_stored`] gave.
    pub fn from_stored(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes a store keeps.
    pub fn to_stored(&self) -> [u8; 32] {
        self.0
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprint(hidden)")
    }
}

/// A request that its client has named.
#[derive(Clone, Debug)]
pub struct NamedRequest {
    /// The tenant of the API key.
    pub tenant: TenantId,
    /// The API key it was made with: names of one are none of another.
    pub key_id: KeyId,
    /// The name.
    pub name: IdempotencyKey,
    /// What else it is known by.
    pub fingerprint: Fingerprint,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::SeededRandom;

    #[test]
    fn a_name_has_1_to_255_printable_ascii_characters() {
        for right in
            ["a", "8e03978e-40d5-43dd-bc93-6894a57f9324", "\"quoted\" ~ and spaced", &"x".repeat(255)]
        {
            assert_eq!(right.parse::<IdempotencyKey>().unwrap().as_str(), right);
        }
        for wrong in ["", &"x".repeat(256), "tab\t", "line\n", "zero\0", "ä", "\u{7f}"] {
            assert!(wrong.parse::<IdempotencyKey>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn requests_are_told_apart_by_path_label_and_body_and_by_nobody_without_the_secret() {
        let secret = |seed| ServerSecret::new(&SeededRandom::new(seed));
        let first = Fingerprint::new(&secret(1), "/a", None, b"{}");
        assert!(first == Fingerprint::new(&secret(1), "/a", None, b"{}"));
        assert!(first == Fingerprint::from_stored(first.to_stored()));
        for (seed, path, label, body) in [
            (2, "/a", None, "{}"),
            (1, "/b", None, "{}"),
            (1, "/a", Some("csv"), "{}"),
            (1, "/a", None, "{ }"),
            (1, "/a", None, ""),
            (1, "/a{}", None, ""),
        ] {
            let other = Fingerprint::new(&secret(seed), path, label, body.as_bytes());
            assert!(first != other, "{seed} {path} {label:?} {body}");
        }
    }

    #[test]
    fn no_debug_print_of_a_request_shows_what_a_client_may_have_put_into_it() {
        let random = SeededRandom::new(1);
        let request = NamedRequest {
            tenant: TenantId::default_tenant(),
            key_id: crate::secret::PlainKey::new(&random).id(),
            name: "user@example.com".parse().unwrap(),
            fingerprint: Fingerprint::new(&ServerSecret::new(&random), "/a", None, b"{}"),
        };
        let shown = format!("{request:?}");
        assert!(shown.contains(request.key_id.as_str()) && !shown.contains("example"), "{shown}");
    }
}
