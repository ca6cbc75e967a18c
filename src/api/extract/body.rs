//! The body of a request: a JSON object, whose fields a handler gets as its own type.

use std::collections::HashSet;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::app::App;
use crate::error::{Error, InvalidFields};

/// The most that a body may have, in bytes.
pub(in crate::api) const MAX_BODY_BYTES: usize = 1024 * 1024;
/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(20);

/// A body that must be there: a JSON object. A field of the wrong type is told when the fields are
/// asked for, so that a handler can first look for what the path names.
pub(in crate::api) struct Body<T>(Result<T, InvalidFields>);

impl<T> Body<T> {
    /// The fields of the body.
    pub(in crate::api) fn fields(&self) -> Result<&T, InvalidFields> {
        self.0.as_ref().map_err(InvalidFields::clone)
    }
}

/// A body that may be left out: nothing, `null` or a JSON object.
pub(in crate::api) struct OptionalBody<T>(Body<T>);

impl<T> Deref for OptionalBody<T> {
    type Target = Body<T>;

    fn deref(&self) -> &Body<T> {
        &self.0
    }
}

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Body<T> {
    type Rejection = Error;

    async fn from_request(request: Request, _: &Arc<App>) -> Result<Self, Error> {
        let bytes = read(request).await?;
        if bytes.is_empty() {
            return Err(Error::BadRequest("A JSON object is needed as the body.".to_owned()));
        }
        parse(&bytes).map(Self)
    }
}

impl<T: DeserializeOwned + Default> FromRequest<Arc<App>> for OptionalBody<T> {
    type Rejection = Error;

    async fn from_request(request: Request, _: &Arc<App>) -> Result<Self, Error> {
        let bytes = read(request).await?;
        let fields =
            if matches!(bytes.trim_ascii(), b"" | b"null") { Ok(T::default()) } else { parse(&bytes)? };
        Ok(Self(Body(fields)))
    }
}

/// The bytes of a body that is said to be JSON, or not said to be anything.
async fn read(request: Request) -> Result<Vec<u8>, Error> {
    let is_json = is_json(request.headers());
    let bytes = read_bytes(request, MAX_BODY_BYTES).await?;
    if bytes.is_empty() || is_json { Ok(bytes) } else { Err(Error::UnsupportedMediaType) }
}

/// The bytes of a body, which has `limit` of them at most and arrives in time.
pub(crate) async fn read_bytes(request: Request, limit: usize) -> Result<Vec<u8>, Error> {
    let body = request.into_body();
    if http_body::Body::is_end_stream(&body) {
        return Ok(Vec::new());
    }
    // Before it is asked for: a client that waits for a go-ahead then never sends it.
    if http_body::Body::size_hint(&body).lower() > limit as u64 {
        return Err(Error::TooLarge { limit });
    }
    let read = tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, limit).collect()).await;
    match read {
        Ok(Ok(collected)) => Ok(collected.to_bytes().to_vec()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Error::TooLarge { limit }),
        Ok(Err(_)) => Err(Error::BadRequest("The body ended early.".to_owned())),
        Err(_) => Err(Error::Timeout),
    }
}

/// Whether a body is labelled as JSON, or not labelled.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(label) = headers.get(CONTENT_TYPE) else { return true };
    let essence = label.to_str().unwrap_or("?").split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// The JSON object that a text is.
///
/// # Errors
/// [`Error::BadRequest`] with the place of what is wrong.
pub(crate) fn object(text: &str) -> Result<Map<String, Value>, Error> {
    Ok(parse(text.as_bytes())??)
}

/// Reads a JSON object into `T`. The inner result is about its fields.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<Result<T, InvalidFields>, Error> {
    // All of it first: what comes of a field matters only in a body that can be read.
    serde_json::from_slice::<Sound>(bytes).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let reason = error.to_string();
        let reason = without_place(&reason);
        Error::BadRequest(format!("The body cannot be read: {reason}, at line {line}, column {column}."))
    })?;
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(Error::BadRequest("The body must be a JSON object.".to_owned()));
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

/// What a client calls the type that serde expected.
fn wire_type(expected: &str) -> &str {
    match without_place(expected) {
        "i64" => "a whole number",
        "a map" => "an object",
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
