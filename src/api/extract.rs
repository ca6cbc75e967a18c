//! What handlers ask of a request: who calls, which ids the path names, the body. Which page of a
//! list is wanted is in [`super::lists`]. Everything here refuses with an [`Error`].

use std::borrow::Cow;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequest, FromRequestParts, MatchedPath, Request, State};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_TYPE, HeaderName, USER_AGENT};
use axum::http::request::Parts;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use percent_encoding::percent_decode_str;
use serde::de::{DeserializeOwned, IgnoredAny};
use utoipa::IntoParams;

use super::answer::RemoteAddress;
use crate::app::App;
use crate::directory::api_key::{ApiKey, Scope};
use crate::directory::event::{Actor, Method, Origin};
use crate::error::{Error, InvalidFields};
use crate::id::{GroupId, IdentifierId, RequestId, UserId};
use crate::secret::PlainKey;

/// The most that a body may have, in bytes.
pub(super) const MAX_BODY_BYTES: usize = 1024 * 1024;
/// How much of what a client calls itself is kept with an event, in characters.
const MAX_USER_AGENT: usize = 512;
/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(20);
/// The names of the key's header: one of the documents this API comes from uses the second.
static KEY_HEADERS: [HeaderName; 2] =
    [HeaderName::from_static("x-api-key"), HeaderName::from_static("api-key")];

/// A scope as a type, so that a handler's signature says which it needs.
pub(super) trait Permission: Send + Sync {
    /// The smallest scope that will do.
    const NEEDS: Scope;
}

/// Declares a permission for a scope.
macro_rules! permission {
    ($($name:ident)+) => {
        $(
            #[doc = concat!("Permission by [`Scope::", stringify!($name), "`].")]
            pub(super) struct $name;
            impl Permission for $name {
                const NEEDS: Scope = Scope::$name;
            }
        )+
    };
}
permission! { UsersRead UsersWrite EmailsVerify EventsRead PasswordsWrite GroupsRead GroupsWrite }

/// Who calls: a request whose key was checked and holds the permission.
pub(super) struct Caller<P> {
    /// Where whatever the request changes comes from.
    pub(super) origin: Origin,
    key: Arc<ApiKey>,
    permission: PhantomData<P>,
}

impl<P> Caller<P> {
    /// Checks a scope that only some requests of an operation need beside its own.
    ///
    /// # Errors
    /// [`Error::Forbidden`].
    pub(super) fn must_hold(&self, needed: Scope) -> Result<(), Error> {
        if self.holds(needed) { Ok(()) } else { Err(Error::Forbidden { needed }) }
    }

    /// Whether the key may do what this scope allows.
    pub(super) fn holds(&self, scope: Scope) -> bool {
        self.key.allows(scope)
    }
}

impl<P: Permission> FromRequestParts<Arc<App>> for Caller<P> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Error> {
        let key = app.authenticate(&presented_key(&parts.headers)?).await?;
        if !key.allows(P::NEEDS) {
            return Err(Error::Forbidden { needed: P::NEEDS });
        }
        let request_id = *parts.extensions.get::<RequestId>().expect("every request was given an id");
        Ok(Self {
            origin: Origin {
                tenant: key.tenant.clone(),
                actor: Actor::Key { key_id: key.id, key_name: key.name.clone() },
                method: Method::AdminApi,
                request_id,
                remote_address: parts.extensions.get::<RemoteAddress>().map(|remote| remote.0),
                user_agent: user_agent(&parts.headers),
                reason: None,
            },
            key,
            permission: PhantomData,
        })
    }
}

/// What a client calls itself, as far as it is kept.
pub(crate) fn user_agent(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(USER_AGENT).and_then(|value| value.to_str().ok());
    text.map(|text| text.chars().take(MAX_USER_AGENT).collect())
}

/// The key of a request: in either header, or in both if they agree.
fn presented_key(headers: &HeaderMap) -> Result<PlainKey, Error> {
    let mut presented = KEY_HEADERS.iter().flat_map(|name| headers.get_all(name));
    let key = presented.next().ok_or(Error::Unauthenticated)?;
    if presented.any(|other| other != key) {
        return Err(Error::Unauthenticated);
    }
    let text = key.to_str().map_err(|_| Error::Unauthenticated)?;
    text.trim().parse().map_err(|_| Error::Unauthenticated)
}

/// The arguments of a handler that cannot be called without a key: the app, then a [`Caller`].
pub(super) trait Guarded {
    /// The smallest scope that opens the handler.
    const NEEDS: Scope;
}

/// Implements [`Guarded`] for handlers with these arguments after the caller.
macro_rules! guarded_arguments {
    ($(($($argument:ident)*))+) => {
        $(impl<M, P: Permission, $($argument),*> Guarded for (M, State<Arc<App>>, Caller<P>, $($argument),*) {
            const NEEDS: Scope = P::NEEDS;
        })+
    };
}
guarded_arguments! { (A) (A B) }

/// The path parameter of a user.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct UserPath {
    /// The id of the user.
    #[param(value_type = String, example = "UOtBaOybB6dTpIJNrnkRw")]
    pub(super) user_id: UserId,
}

/// The path parameters of an identifier of a user.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct IdentifierPath {
    /// The id of the user.
    #[param(value_type = String, example = "UOtBaOybB6dTpIJNrnkRw")]
    pub(super) user_id: UserId,
    /// The id of the identifier, which the user must have.
    #[param(value_type = uuid::Uuid, example = "6cec8047-6149-4d9b-8d99-91c83c22a9dc")]
    pub(super) identifier_id: IdentifierId,
}

/// The path parameter of a group.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct GroupPath {
    /// The id of the group.
    #[param(value_type = uuid::Uuid, example = "8c8ee7ee-6c6f-4f3c-9b1c-0a3f5a3f2d11")]
    pub(super) group_id: GroupId,
}

/// The path parameters of a user and a group.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct UserGroupPath {
    /// The id of the user.
    #[param(value_type = String, example = "UOtBaOybB6dTpIJNrnkRw")]
    pub(super) user_id: UserId,
    /// The id of the group.
    #[param(value_type = uuid::Uuid, example = "8c8ee7ee-6c6f-4f3c-9b1c-0a3f5a3f2d11")]
    pub(super) group_id: GroupId,
}

/// The segment of the path that stands where the route has `{name}`. Bytes that are not UTF-8 become
/// a character that no id has.
pub(crate) fn path_parameter<'a>(parts: &'a Parts, name: &str) -> Cow<'a, str> {
    let route = parts.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let mut segments = route.split('/').zip(parts.uri.path().split('/'));
    let wanted = |place: &str| {
        place.strip_prefix('{').and_then(|place| place.strip_suffix('}')).is_some_and(|place| place == name)
    };
    let segment = segments.find(|(place, _)| wanted(place)).map_or("", |(_, segment)| segment);
    percent_decode_str(segment).decode_utf8_lossy()
}

impl FromRequestParts<Arc<App>> for UserPath {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, Error> {
        Ok(Self { user_id: UserId::from_path(&path_parameter(parts, "user_id")) })
    }
}

impl FromRequestParts<Arc<App>> for IdentifierPath {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, Error> {
        Ok(Self {
            user_id: UserId::from_path(&path_parameter(parts, "user_id")),
            identifier_id: IdentifierId::from_path(&path_parameter(parts, "identifier_id")),
        })
    }
}

impl FromRequestParts<Arc<App>> for GroupPath {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, Error> {
        Ok(Self { group_id: GroupId::from_path(&path_parameter(parts, "group_id")) })
    }
}

impl FromRequestParts<Arc<App>> for UserGroupPath {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, Error> {
        Ok(Self {
            user_id: UserId::from_path(&path_parameter(parts, "user_id")),
            group_id: GroupId::from_path(&path_parameter(parts, "group_id")),
        })
    }
}

/// A body that must be there: a JSON object. A field of the wrong type is told when the fields are
/// asked for, so that a handler can first look for what the path names.
pub(super) struct Body<T>(Result<T, InvalidFields>);

impl<T> Body<T> {
    /// The fields of the body.
    pub(super) fn fields(&self) -> Result<&T, InvalidFields> {
        self.0.as_ref().map_err(InvalidFields::clone)
    }
}

/// A body that may be left out: nothing, `null` or a JSON object.
pub(super) struct OptionalBody<T>(Result<T, InvalidFields>);

impl<T> OptionalBody<T> {
    /// The fields of the body.
    pub(super) fn fields(&self) -> Result<&T, InvalidFields> {
        self.0.as_ref().map_err(InvalidFields::clone)
    }
}

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Body<T> {
    type Rejection = Error;

    async fn from_request(request: Request, _: &Arc<App>) -> Result<Self, Error> {
        let bytes = read_body(request).await?;
        if bytes.is_empty() {
            return Err(Error::BadRequest("A JSON object is needed as the body.".to_owned()));
        }
        parse_object(&bytes).map(Self)
    }
}

impl<T: DeserializeOwned + Default> FromRequest<Arc<App>> for OptionalBody<T> {
    type Rejection = Error;

    async fn from_request(request: Request, _: &Arc<App>) -> Result<Self, Error> {
        let bytes = read_body(request).await?;
        if matches!(bytes.trim_ascii(), b"" | b"null") {
            return Ok(Self(Ok(T::default())));
        }
        parse_object(&bytes).map(Self)
    }
}

/// The bytes of a body that is said to be JSON, or not said to be anything.
async fn read_body(request: Request) -> Result<Vec<u8>, Error> {
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

/// Reads a JSON object into `T`. The inner result is about its fields.
fn parse_object<T: DeserializeOwned>(bytes: &[u8]) -> Result<Result<T, InvalidFields>, Error> {
    // The whole syntax first: what comes of a field matters only in a body that is JSON.
    if let Err(error) = serde_json::from_slice::<IgnoredAny>(bytes) {
        let place = format!("line {}, column {}", error.line(), error.column());
        return Err(Error::BadRequest(format!("The body is not JSON: the fault is at {place}.")));
    }
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(Error::BadRequest("The body must be a JSON object.".to_owned()));
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let error = match serde_path_to_error::deserialize(&mut reader) {
        Ok(fields) => return Ok(Ok(fields)),
        Err(error) => error,
    };
    let field = error.path().to_string();
    let reason = error.inner().to_string();
    // A syntax error after a syntax check is nesting deeper than the reader follows.
    if field == "." || error.inner().is_syntax() {
        return Err(Error::BadRequest(format!("The body cannot be read: {}.", without_place(&reason))));
    }
    let message = match reason.split_once(", expected ") {
        Some((_, expected)) => {
            format!("This is not of the right type: expected {}.", without_place(expected))
        }
        None => "This is not of the right type.".to_owned(),
    };
    Ok(Err(InvalidFields::one(&field, message)))
}

/// An error's text without the line and column that serde puts behind it.
fn without_place(reason: &str) -> &str {
    reason.rsplit_once(" at line ").map_or(reason, |(text, _)| text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_body_breaks_the_parser(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse_object::<serde_json::Map<String, serde_json::Value>>(&body);
        }
    }

    #[test]
    fn deep_nesting_is_a_bad_request() {
        let body = format!("{{\"a\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(matches!(parse_object::<serde_json::Value>(body.as_bytes()), Err(Error::BadRequest(_))));
    }
}
