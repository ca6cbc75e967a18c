//! Answers about API keys as the server would make them.

use serde_json::{Value, json};

use super::super::keys::ShownKeyAnswer;
use crate::app::keys::ShownKey;
use crate::directory::api_key::{ApiKey, DEFAULT_OVERLAP, NewKey, Scope};
use crate::directory::event::Context;
use crate::secret::PlainKey;
use crate::time::Timestamp;

/// A key, and what is answered about it.
pub(super) struct KeyExamples {
    shown: Value,
    now: Timestamp,
    /// The path of the key.
    pub(super) path: String,
}

impl KeyExamples {
    pub(super) fn make(ctx: &Context) -> Self {
        let plain = PlainKey::new(ctx.random);
        let new = NewKey {
            name: "sign-up service".to_owned(),
            scopes: vec![Scope::UsersRead, Scope::EmailsVerify],
            ..NewKey::default()
        };
        let (key, _) = ApiKey::create(plain.id(), plain.hash(), new, ctx);
        let path = format!("/v1/keys/{}", key.id);
        let shown = ShownKeyAnswer::new(ShownKey { plain, key }, ctx.now);
        Self { shown: serde_json::to_value(shown).expect("texts and numbers are JSON"), now: ctx.now, path }
    }

    /// The answer of an operation about keys.
    pub(super) fn answer(&self, operation: &str) -> Option<Value> {
        let (mut shown, mut key) = (self.shown.clone(), self.shown["about"].clone());
        Some(match operation {
            "listKeys" => json!({"keys": [key], "next": Value::Null}),
            "findKey" => key,
            "createKey" => shown,
            "patchKey" => {
                key["rate_limit"] = json!("600/minute");
                key["allowed_networks"] = json!(["10.0.0.0/8", "2001:db8::/32"]);
                key
            }
            "rotateKey" => {
                shown["about"]["rotated_at"] = json!(self.now);
                shown["about"]["previous_expires_at"] = json!(self.now.after(DEFAULT_OVERLAP));
                shown
            }
            "revokeKey" => {
                key["state"] = json!("revoked");
                key["revoked_at"] = json!(self.now);
                key
            }
            _ => return None,
        })
    }
}
