//! JSON that comes from outside, read into a type. What would be lost without a word is refused.

use std::collections::HashSet;

use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use crate::error::{Error, InvalidFields};

/// What a text is, as clients are told.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Text {
    /// The body of a request.
    Body,
    /// A line of several.
    Line,
}

impl Text {
    fn name(self) -> &'static str {
        match self {
            Self::Body => "body",
            Self::Line => "line",
        }
    }

    /// Where in it something is.
    fn place(self, error: &serde_json::Error) -> String {
        match self {
            Self::Body => format!("at line {}, column {}", error.line(), error.column()),
            Self::Line => format!("at column {}", error.column()),
        }
    }
}

/// Reads a JSON object into `T`. The inner result is about its fields.
///
/// # Errors
/// [`Error::BadRequest`] with the place of what is wrong.
pub(crate) fn object<T: DeserializeOwned>(
    text: Text,
    bytes: &[u8],
) -> Result<Result<T, InvalidFields>, Error> {
    // All of it first: what comes of a field matters only in a text that can be read.
    serde_json::from_slice::<Sound>(bytes).map_err(|error| {
        let reason = error.to_string();
        let reason = without_place(&reason);
        Error::BadRequest(format!("The {} cannot be read: {reason}, {}.", text.name(), text.place(&error)))
    })?;
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(Error::BadRequest(format!("The {} must be a JSON object.", text.name())));
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    Ok(serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let reason = error.inner().to_string();
        let message = reason.split_once(", expected ").map_or_else(
            || "This is not of the right type.".to_owned(),
            |(_, expected)| format!("This is not of the right type: expected {}.", wire_type(expected)),
        );
        InvalidFields::one(&error.path().to_string(), message)
    }))
}

/// Reads a field that may be `null`, which says what its absence says.
pub(crate) fn or_default<'de, T: Deserialize<'de> + Default, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// What a client calls the type that serde expected.
fn wire_type(expected: &str) -> &str {
    match without_place(expected) {
        "i64" => "a whole number",
        "a map" => "an object",
        "a sequence" => "a list",
        other if other.starts_with("struct ") => "an object",
        other => other,
    }
}

/// An error's text without the line and column that serde puts behind it.
fn without_place(reason: &str) -> &str {
    reason.rsplit_once(" at line ").map_or(reason, |(text, _)| text)
}

/// JSON that can be read, whatever is in it: no object has a key twice, of which one would be lost
/// without a word, and numbers and nesting are within the reader's bounds.
struct Sound;

impl<'de> Deserialize<'de> for Sound {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SoundVisitor)
    }
}

struct SoundVisitor;

impl<'de> Visitor<'de> for SoundVisitor {
    type Value = Sound;

    fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Sound, E> {
        Ok(Sound)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Sound, E> {
        Ok(Sound)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Sound, E> {
        Ok(Sound)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Sound, E> {
        Ok(Sound)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Sound, E> {
        Ok(Sound)
    }

    fn visit_str<E>(self, _: &str) -> Result<Sound, E> {
        Ok(Sound)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Sound, A::Error> {
        while items.next_element::<Sound>()?.is_some() {}
        Ok(Sound)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Sound, A::Error> {
        let mut keys = HashSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            if !keys.insert(key) {
                return Err(A::Error::custom("an object has a key twice"));
            }
            entries.next_value::<Sound>()?;
        }
        Ok(Sound)
    }
}
