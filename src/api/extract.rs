//! What handlers ask of a request: who calls, which ids the path names, the body. Which page of a
//! list is wanted is in [`super::lists`]. Everything here refuses with an [`Error`].

mod body;

use std::borrow::Cow;
use std::marker::PhantomData;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{FromRequestParts, MatchedPath, State};
use axum::http::header::{HeaderName, USER_AGENT};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap};
use percent_encoding::percent_decode_str;
use utoipa::IntoParams;

use super::answer::RemoteAddress;
use super::{rate, repeats, tag};
use crate::app::{App, Call, OnlyIf};
use crate::directory::api_key::{ApiKey, Scope};
use crate::directory::event::{Actor, Method, Origin};
use crate::directory::log::LogId;
use crate::directory::repeat::NamedRequest;
use crate::error::{Error, Missing};
use crate::id::{GroupId, IdentifierId, RequestId, UserId};
use crate::metrics::KeyRefusal;
use crate::secret::{KeyId, PlainKey};

pub(super) use body::{Body, MAX_BODY_BYTES, OptionalBody};
pub(crate) use body::{object, read_bytes};

/// How much of what a client calls itself is kept with an event, in characters.
const MAX_USER_AGENT: usize = 512;
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
permission! { UsersRead UsersWrite EmailsVerify EventsRead PasswordsWrite GroupsRead GroupsWrite LogsRead KeysWrite Admin }

/// Who calls: a request whose key was checked and holds the permission.
pub(super) struct Caller<P> {
    /// Where whatever the request changes comes from.
    pub(super) origin: Origin,
    /// What must be so of the user that it changes.
    only_if: Option<OnlyIf>,
    /// The request, where its answer is to be kept for repeats of it.
    named: Option<Arc<NamedRequest>>,
    key: Arc<ApiKey>,
    permission: PhantomData<P>,
}

impl<'a, P> From<&'a Caller<P>> for Call<'a> {
    fn from(caller: &'a Caller<P>) -> Self {
        Self { origin: &caller.origin, only_if: caller.only_if.as_ref(), named: caller.named.as_deref() }
    }
}

impl<P> Caller<P> {
    /// Whether the answer is to be kept for repeats.
    pub(super) fn is_named(&self) -> bool {
        self.named.is_some()
    }

    /// The key that was shown.
    pub(super) fn key(&self) -> &ApiKey {
        &self.key
    }

    /// The same, for this reason.
    pub(super) fn with_reason(mut self, reason: Option<String>) -> Self {
        self.origin.reason = reason;
        self
    }

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
        let key = match parts.extensions.get::<Admitted>() {
            Some(Admitted(key)) => key.clone(),
            None => admit(&parts.headers, &parts.extensions, app).await?,
        };
        if !key.allows(P::NEEDS) {
            app.metrics.key_refused(KeyRefusal::Scope);
            return Err(Error::Forbidden { needed: P::NEEDS });
        }
        let named = parts.extensions.get::<Arc<NamedRequest>>().cloned();
        if named.is_none() && repeats::is_named(&parts.method, &parts.headers) {
            return Err(Error::NotKept);
        }
        let request_id = *parts.extensions.get::<RequestId>().expect("every request was given an id");
        Ok(Self {
            origin: Origin {
                tenant: key.tenant.clone(),
                actor: Actor::Key { key_id: key.id, key_name: key.name.clone() },
                method: Method::AdminApi,
                request_id,
                remote_address: remote(&parts.extensions),
                user_agent: user_agent(&parts.headers),
                reason: None,
            },
            // Whoever only reads changes nothing that it could be about.
            only_if: if parts.method.is_safe() { None } else { tag::only_if(&parts.headers) },
            named,
            key,
            permission: PhantomData,
        })
    }
}

/// The key of a request that was checked before anything looked for a [`Caller`].
#[derive(Clone)]
pub(super) struct Admitted(pub(super) Arc<ApiKey>);

/// Checks the key of a request. Once for each: what is counted of a key is counted here.
pub(super) async fn admit(
    headers: &HeaderMap,
    extensions: &Extensions,
    app: &App,
) -> Result<Arc<ApiKey>, Error> {
    let presented = presented_key(headers).map_err(|why| app.unauthenticated(why))?;
    let admitted = app.authenticate(&presented, remote(extensions)).await?;
    if let Some(standing) = app.count_request(&admitted) {
        rate::note(standing);
        if standing.is_exceeded {
            return Err(Error::RateExceeded { retry_after: standing.reset });
        }
    }
    Ok(admitted.key)
}

/// Where a request comes from, if that is known.
fn remote(extensions: &Extensions) -> Option<IpAddr> {
    extensions.get::<RemoteAddress>().map(|remote| remote.0)
}

/// What a client calls itself, as far as it is kept.
pub(crate) fn user_agent(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(USER_AGENT).and_then(|value| value.to_str().ok());
    text.map(|text| text.chars().take(MAX_USER_AGENT).collect())
}

/// The key of a request: in either header, or in both if they agree.
fn presented_key(headers: &HeaderMap) -> Result<PlainKey, KeyRefusal> {
    let mut presented = KEY_HEADERS.iter().flat_map(|name| headers.get_all(name));
    let key = presented.next().ok_or(KeyRefusal::Missing)?;
    if presented.any(|other| other != key) {
        return Err(KeyRefusal::Malformed);
    }
    let text = key.to_str().map_err(|_| KeyRefusal::Malformed)?;
    text.trim().parse().map_err(|_| KeyRefusal::Malformed)
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

/// The path parameter of a log.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct LogPath {
    /// The id of the log.
    #[param(value_type = String, example = "0000000000000001")]
    pub(super) log_id: LogId,
}

/// The path parameter of an API key.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct KeyPath {
    /// The public part of the key: the 12 characters between `bf_` and the next `_`.
    #[param(value_type = String, example = "aB3dE5gH7jK9")]
    key_id: Option<KeyId>,
}

impl KeyPath {
    /// The id. One of the wrong shape names nothing.
    pub(super) fn id(&self) -> Result<KeyId, Error> {
        self.key_id.ok_or(Error::NotFound(Missing::Key))
    }
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

impl FromRequestParts<Arc<App>> for LogPath {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, Error> {
        Ok(Self { log_id: LogId::from_path(&path_parameter(parts, "log_id")) })
    }
}

impl FromRequestParts<Arc<App>> for KeyPath {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, Error> {
        Ok(Self { key_id: path_parameter(parts, "key_id").parse().ok() })
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
