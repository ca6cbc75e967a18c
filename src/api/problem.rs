//! What a failure is to the client: problem details (RFC 9457) as semantics section 8 has them.
//! This file alone knows which status each [`Error`] has.

use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::error::{Error, Missing};
use crate::id::RequestId;

/// How problems are labelled.
pub(super) const CONTENT_TYPE_PROBLEM: &str = "application/problem+json";

/// After how many seconds a client may try again when the store was away, or a request is being done.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

/// Why a request was not done.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Problem {
    /// What kind of problem it is.
    r#type: String,
    /// The status in words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What happened, and what to do about it.
    detail: String,
    /// The path of the request.
    instance: String,
    /// The id of the request, as in the header `x-request-id` and in the server's log.
    trace_id: String,
    /// With 422: from field to messages for `#validation-error`, a list of code and description for
    /// `#identity-validation-error`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    errors: Option<Value>,
}

/// The status of an error.
pub(crate) fn status(error: &Error) -> StatusCode {
    match error {
        Error::NoRoute | Error::NotFound(_) => StatusCode::NOT_FOUND,
        Error::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Error::Unauthenticated => StatusCode::UNAUTHORIZED,
        Error::Forbidden { .. } | Error::WrongNetwork => StatusCode::FORBIDDEN,
        Error::BadRequest(_) | Error::NotKept => StatusCode::BAD_REQUEST,
        Error::TooLarge { .. } | Error::TooLargeToName { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        Error::Timeout => StatusCode::REQUEST_TIMEOUT,
        Error::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Error::Changed => StatusCode::PRECONDITION_FAILED,
        Error::UnderWay => StatusCode::CONFLICT,
        Error::Invalid(_) | Error::Refused(_) => StatusCode::UNPROCESSABLE_ENTITY,
        Error::Unavailable(_) | Error::Busy | Error::TooCostly => StatusCode::SERVICE_UNAVAILABLE,
        Error::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        Error::TooManyRequests { .. } | Error::RateExceeded { .. } => StatusCode::TOO_MANY_REQUESTS,
    }
}

/// What the client is told.
pub(crate) fn detail(error: &Error) -> String {
    match error {
        Error::NoRoute => "Nothing answers at this path. The reference is at /docs.".into(),
        Error::MethodNotAllowed => {
            "This path does not take this method; the header Allow names those it takes.".into()
        }
        Error::Unauthenticated => "A valid API key is needed in the header X-API-KEY.".into(),
        Error::Forbidden { needed } => format!("The API key needs the scope {needed}."),
        Error::WrongNetwork => "The API key may not be used from this address.".into(),
        Error::RateExceeded { retry_after } => format!(
            "The API key was used as often as it may be. Try again in {retry_after} seconds; the header RateLimit-Policy says how often that is."
        ),
        Error::BadRequest(reason) => reason.clone(),
        Error::TooLarge { limit } => format!("The body is larger than {limit} bytes."),
        Error::TooLargeToName { limit } => format!(
            "An import with an Idempotency-Key has {limit} bytes at most. Leave the header away, because rows that are sent again are found there already; or send them in smaller parts, each with a key of its own."
        ),
        Error::Timeout => "The body did not arrive in time.".into(),
        Error::UnsupportedMediaType => {
            "The body must be JSON, with the Content-Type application/json.".into()
        }
        Error::Changed => {
            "The user's tag is none of those in the header If-Match: it was changed since, and this changed nothing. Find the user again, and decide on what it is now."
                .into()
        }
        Error::NotKept => {
            "The answer to this request is not kept, because it holds a secret: it takes no Idempotency-Key, and nothing was done."
                .into()
        }
        Error::UnderWay => {
            "A request with this Idempotency-Key is being done. Make it again in a moment for its answer.".into()
        }
        Error::NotFound(Missing::User) => "The user was not found.".into(),
        Error::NotFound(Missing::Email) => "The email was not found: the user has none with this id.".into(),
        Error::NotFound(Missing::Phone) => {
            "The phone number was not found: the user has none with this id.".into()
        }
        Error::NotFound(Missing::Group) => "The group was not found.".into(),
        Error::NotFound(Missing::Log) => "The log was not found.".into(),
        Error::NotFound(Missing::Membership) => {
            "The membership was not found: the user is not in this group.".into()
        }
        Error::NotFound(Missing::Answer) => {
            "The request was done, and nothing was done again; its answer is gone with a user it told of.".into()
        }
        Error::NotFound(Missing::Key) => "The API key was not found.".into(),
        Error::Invalid(_) => "Some fields are missing or of the wrong form; errors names them.".into(),
        Error::Refused(refusals) => {
            refusals.iter().map(|refusal| refusal.description()).collect::<Vec<_>>().join(" ")
        }
        Error::Unavailable(_) => {
            "The store is unavailable. If this was a change, look whether it was made; try again in a moment."
                .into()
        }
        Error::Busy => "As many of these are served already as the server does at once. Try again in a moment.".into(),
        Error::TooCostly => {
            "The list takes too long to find. Ask for less: a filter with a condition that few meet, or an earlier page."
                .into()
        }
        Error::Internal(_) => "The server failed. Its log has the reason under this traceId.".into(),
        Error::TooManyRequests { retry_after } => {
            format!("This was tried too often. Try again in {retry_after} seconds.")
        }
    }
}

fn errors(error: &Error) -> Option<Value> {
    match error {
        Error::Invalid(fields) => {
            let mut errors = serde_json::Map::new();
            for (field, message) in &fields.0 {
                let messages = errors.entry(field).or_insert_with(|| json!([]));
                messages.as_array_mut()?.push(json!(message));
            }
            Some(Value::Object(errors))
        }
        Error::Refused(refusals) => {
            let told = refusals
                .iter()
                .map(|refusal| json!({"code": refusal.to_string(), "description": refusal.description()}));
            Some(told.collect())
        }
        _ => None,
    }
}

impl Problem {
    /// The problem that `error` is in answer to a request.
    pub(super) fn new(error: &Error, instance: &str, id: RequestId) -> Self {
        let status = status(error);
        let kind = match error {
            Error::Invalid(_) => "#validation-error",
            Error::Refused(_) => "#identity-validation-error",
            _ => "",
        };
        Self {
            r#type: format!("https://httpstatuses.io/{}{kind}", status.as_u16()),
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: detail(error),
            instance: instance.to_owned(),
            trace_id: id.to_string(),
            errors: errors(error),
        }
    }
}

impl IntoResponse for Error {
    /// Carries the error to `render`, which knows the request.
    fn into_response(self) -> Response {
        let mut response = status(&self).into_response();
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

/// Writes the problem into a failed response. One that no [`Error`] came with, as the reference
/// page's files make them, is told by its status alone.
pub(super) fn render(error: Option<&Error>, response: Response, instance: &str, id: RequestId) -> Response {
    let unnamed = match response.status() {
        StatusCode::NOT_FOUND => Error::NoRoute,
        StatusCode::METHOD_NOT_ALLOWED => Error::MethodNotAllowed,
        other => Error::Internal(format!("an answer without a reason: {other}")),
    };
    let error = error.unwrap_or(&unnamed);
    let (mut parts, _) = response.into_parts();
    parts.status = status(error);
    let problem = Problem::new(error, instance, id);
    let body = serde_json::to_vec(&problem).expect("a problem has string keys and finite numbers only");
    let allow = parts.headers.remove(ALLOW);
    parts.headers.clear();
    parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE_PROBLEM));
    if let Some(allow) = allow {
        parts.headers.insert(ALLOW, allow);
    }
    match error {
        Error::Unauthenticated => {
            parts.headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("ApiKey header=\"X-API-KEY\""));
        }
        Error::Unavailable(_) | Error::Busy | Error::TooCostly | Error::UnderWay => {
            parts.headers.insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
        }
        Error::TooManyRequests { retry_after } | Error::RateExceeded { retry_after } => {
            parts.headers.insert(RETRY_AFTER, HeaderValue::from(*retry_after));
        }
        _ => {}
    }
    Response::from_parts(parts, Body::from(body))
}
