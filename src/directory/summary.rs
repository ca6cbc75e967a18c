//! A user as a row of a list: without data, and without what identity providers say.

use std::borrow::Cow;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

use super::user::ExternalProvider;
use crate::error::Error;

/// The fields that a row does not have.
const LEFT_OUT: [&str; 2] = ["private_data", "public_data"];
/// The fields that hold claims of identity providers, which a row does not have either.
const PROVIDERS: [&str; 2] = ["external_providers", "idps"];

/// A user as a row of a list. It is cut from the document, because reading all of a user to write nearly
/// all of it again is most of what a list would cost.
pub struct Summary<'a>(Vec<(&'a str, Cow<'a, RawValue>)>);

impl<'a> Summary<'a> {
    /// The row of the user whom a document holds.
    ///
    /// # Errors
    /// [`Error::Internal`] when the document is not one that
    /// [`User::to_document`](super::user::User::to_document) made.
    pub fn of_document(document: &'a [u8]) -> Result<Self, Error> {
        let row = || {
            let Fields(mut fields) = serde_json::from_slice(document)?;
            fields.retain(|(name, _)| !LEFT_OUT.contains(name));
            for (_, value) in fields.iter_mut().filter(|(name, _)| PROVIDERS.contains(name)) {
                *value = Cow::Owned(without_claims(value)?);
            }
            Ok(Self(fields))
        };
        row().map_err(|error: serde_json::Error| {
            // The error's own text may quote a value; its place is enough to find it.
            Error::Internal(format!("a stored user cannot be read at column {}", error.column()))
        })
    }
}

fn without_claims(providers: &RawValue) -> serde_json::Result<Box<RawValue>> {
    let mut providers: Vec<ExternalProvider> = serde_json::from_str(providers.get())?;
    for provider in &mut providers {
        provider.claims = None;
    }
    to_raw_value(&providers)
}

impl Serialize for Summary<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// The fields of an object in their order, each as it is written.
struct Fields<'a>(Vec<(&'a str, Cow<'a, RawValue>)>);

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(InOrder)
    }
}

/// What gathers [`Fields`].
struct InOrder;

impl<'de> Visitor<'de> for InOrder {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut fields = Vec::with_capacity(32);
        while let Some((name, value)) = map.next_entry::<&str, &RawValue>()? {
            fields.push((name, Cow::Borrowed(value)));
        }
        Ok(Fields(fields))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// A document with as much in it as concerns a row.
    fn document() -> Value {
        json!({
            "user_id": "UOtBaOybB6dTpIJNrnkRw",
            "emails": [{"email": "\"a{b\"@example.com", "verified": true}],
            "external_providers": [
                {"authenticator": "google", "provider_user_id": "7", "claims": {"sub": "7"}},
                {"authenticator": "xero", "provider_user_id": "8"},
            ],
            "idps": [{"authenticator": "google", "provider_user_id": "7", "claims": {"sub": "7"}}],
            "claims": {"nickname": "line\nbreak", "private_data": "of a claim"},
            "public_data": {"a": [1, 2.50]},
            "private_data": {"b": {}},
            "last_updated": 1,
        })
    }

    #[test]
    fn a_row_has_neither_data_nor_claims_of_providers_and_all_else_in_its_order() {
        let document = document().to_string();
        let row = serde_json::to_string(&Summary::of_document(document.as_bytes()).unwrap()).unwrap();
        let wanted = json!({
            "user_id": "UOtBaOybB6dTpIJNrnkRw",
            "emails": [{"email": "\"a{b\"@example.com", "verified": true}],
            "external_providers": [
                {"authenticator": "google", "provider_user_id": "7"},
                {"authenticator": "xero", "provider_user_id": "8"},
            ],
            "idps": [{"authenticator": "google", "provider_user_id": "7"}],
            "claims": {"nickname": "line\nbreak", "private_data": "of a claim"},
            "last_updated": 1,
        });
        assert_eq!(row, wanted.to_string());
    }

    #[test]
    fn what_is_no_document_is_an_error_that_quotes_nothing() {
        for wrong in ["", "[]", "{\"secret\": }", "{\"idps\": [\"secret\"]}"] {
            let error = Summary::of_document(wrong.as_bytes()).err().unwrap().to_string();
            assert!(error.contains("column") && !error.contains("secret"), "{error}");
        }
    }
}
