//! The body of a request: a JSON object, whose fields a handler gets as its own type.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::app::App;
use crate::error::{Error, InvalidFields};
use crate::json::{self, Text};

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
        json::object(Text::Body, &bytes).map(Self)
    }
}

impl<T: DeserializeOwned + Default> FromRequest<Arc<App>> for OptionalBody<T> {
    type Rejection = Error;

    async fn from_request(request: Request, _: &Arc<App>) -> Result<Self, Error> {
        let bytes = read(request).await?;
        let fields = if matches!(bytes.trim_ascii(), b"" | b"null") {
            Ok(T::default())
        } else {
            json::object(Text::Body, &bytes)?
        };
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
    Ok(json::object(Text::Body, text.as_bytes())??)
}
