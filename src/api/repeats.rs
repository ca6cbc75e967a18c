//! Requests that are made again (`Idempotency-Key`): a repeat changes nothing and gets the answer of the first.

use std::collections::HashSet;
use std::sync::{Arc, LazyLock};

use axum::body::Body;
use axum::extract::{MatchedPath, Request};
use axum::http::header::{ETAG, HeaderName, LOCATION};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::document::Document;
use super::exports::NDJSON;
use super::extract::{Admitted, Caller, MAX_BODY_BYTES, admit, read_bytes};
use super::{imports, openapi, tag};
use crate::app::{Answered, App};
use crate::directory::repeat::{Fingerprint, IdempotencyKey, NamedRequest};
use crate::error::Error;
use crate::store::{About, Answer};

/// The header by which a client names a request.
const NAME: HeaderName = HeaderName::from_static("idempotency-key");
/// The header of an answer that was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// The routes of the operations that can be named.
static NAMEABLE: LazyLock<HashSet<String>> =
    LazyLock::new(|| openapi::nameable(&super::operations().split_for_parts().1));

/// Whether a client has named this request. Only those that are made by POST need a name: of the others, a
/// repeat leaves things as the first has.
pub(super) fn is_named(method: &Method, headers: &HeaderMap) -> bool {
    *method == Method::POST && headers.contains_key(&NAME)
}

/// Answers a named request.
pub(super) async fn answer(app: &App, request: Request, next: Next) -> Response {
    once(app, request, next).await.unwrap_or_else(Error::into_response)
}

/// Has a named request done, unless it was done before.
async fn once(app: &App, request: Request, next: Next) -> Result<Response, Error> {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let Some(route) = route.filter(|route| NAMEABLE.contains(route.as_str())) else {
        // Whoever looks at the API key refuses it, and what nobody needs a key for takes no names.
        return Ok(next.run(request).await);
    };
    let key = admit(request.headers(), request.extensions(), app).await?;
    let name = name(request.headers())?;
    let (mut parts, body) = request.into_parts();
    let is_import = route.as_str() == imports::PATH;
    let body = read_bytes(Request::new(body), MAX_BODY_BYTES).await.map_err(|error| match error {
        Error::TooLarge { limit } if is_import => Error::TooLargeToName { limit },
        other => other,
    })?;
    let path = parts.uri.path_and_query().map_or(parts.uri.path(), |path| path.as_str());
    // Of all operations an import alone reads the same body in another way under another label.
    let label = if is_import { imports::label(&parts) } else { None };
    let fingerprint = Fingerprint::new(&app.secret, path, label, &body);
    let named = Arc::new(NamedRequest { tenant: key.tenant.clone(), key_id: key.id, name, fingerprint });
    let _claim = app.claim(&named)?;
    let replayed = |answer| replayed(&route, answer);
    if let Some(answer) = app.earlier(&named).await? {
        return Ok(replayed(answer));
    }
    parts.extensions.insert(named.clone());
    parts.extensions.insert(Admitted(key));
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    if response.status().is_success() {
        return Ok(response);
    }
    // It may have been done meanwhile: by another server, or by this one for a client that went away.
    Ok(app.earlier(&named).await.ok().flatten().map_or(response, replayed))
}

fn name(headers: &HeaderMap) -> Result<IdempotencyKey, Error> {
    let mut names = headers.get_all(&NAME).iter();
    let name = names.next().filter(|_| names.next().is_none()).and_then(|name| name.to_str().ok());
    let refusal = "The header Idempotency-Key is given once, and has 1 to 255 printable ASCII characters.";
    name.and_then(|name| name.parse().ok()).ok_or_else(|| Error::BadRequest(refusal.to_owned()))
}

fn replayed(route: &MatchedPath, answer: Answer) -> Response {
    let mut response = response(answer);
    if route.as_str() == imports::PATH {
        let [(name, value)] = NDJSON;
        response.headers_mut().insert(name, value);
    }
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

/// An answer as it goes to the client.
fn response(answer: Answer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let mut response = (status, Document(answer.body)).into_response();
    if let Some(version) = answer.version {
        response.headers_mut().insert(ETAG, tag::of(version));
    }
    if let Some(location) = answer.location.and_then(|location| HeaderValue::try_from(location).ok()) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

/// What was done just now as it goes to the client: as it would be kept.
pub(super) fn told(given: &impl Answered) -> Result<Response, Error> {
    given.answer().map(response)
}

/// Keeps the answer of an operation that makes several changes, where its request is named, and gives it.
pub(super) async fn kept<P>(
    app: &App,
    caller: &Caller<P>,
    about: About,
    document: Document,
) -> Result<Document, Error> {
    let answer = untagged(document);
    app.keep_answer(caller.into(), about, &answer).await?;
    Ok(Document(answer.body))
}

/// The answer of an operation that made or did something, without a tag.
pub(super) fn untagged(document: Document) -> Answer {
    Answer { status: StatusCode::OK.as_u16(), location: None, version: None, body: document.0 }
}
