//! JSON as an answer.

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;

use crate::error::Error;

/// How JSON is labelled.
pub(super) const JSON: [(HeaderName, HeaderValue); 1] =
    [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];

/// JSON as an answer: a user's document as it is kept, or a value that was made for the answer.
pub(super) struct Document(pub(super) Bytes);

impl Document {
    /// The document of a value that was made for an answer.
    pub(super) fn of(value: &impl Serialize) -> Result<Self, Error> {
        let json = serde_json::to_vec(value).map_err(|error| Error::Internal(error.to_string()))?;
        Ok(Self(json.into()))
    }
}

impl IntoResponse for Document {
    fn into_response(self) -> Response {
        (JSON, self.0).into_response()
    }
}
