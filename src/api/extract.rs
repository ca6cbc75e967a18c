//! What handlers ask of a request: who calls, which ids the path names, the body, the page wanted.
//! Everything here refuses with an [`Error`].

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
use crate::directory::event::{Actor, Origin};
use crate::error::{Error, InvalidFields};
use crate::id::{GroupId, IdentifierId, RequestId, UserId};
use crate::secret::PlainKey;
use crate::store::search::{self, Search};
use crate::store::{GroupSortKey, List, MembershipSortKey, Place, SortKey, Sorted};

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
        if self.key.allows(needed) { Ok(()) } else { Err(Error::Forbidden { needed }) }
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
        let user_agent = parts.headers.get(USER_AGENT).and_then(|value| value.to_str().ok());
        Ok(Self {
            origin: Origin {
                tenant: key.tenant.clone(),
                actor: Actor { key_id: key.id, key_name: key.name.clone() },
                request_id,
                remote_address: parts.extensions.get::<RemoteAddress>().map(|remote| remote.0),
                user_agent: user_agent.map(|text| text.chars().take(MAX_USER_AGENT).collect()),
                reason: None,
            },
            key,
            permission: PhantomData,
        })
    }
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
fn path_parameter<'a>(parts: &'a Parts, name: &str) -> Cow<'a, str> {
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
    let (parts, body) = request.into_parts();
    if http_body::Body::is_end_stream(&body) {
        return Ok(Vec::new());
    }
    // Before it is asked for: a client that waits for a go-ahead then never sends it.
    if http_body::Body::size_hint(&body).lower() > MAX_BODY_BYTES as u64 {
        return Err(Error::TooLarge { limit: MAX_BODY_BYTES });
    }
    let read = tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, MAX_BODY_BYTES).collect()).await;
    let bytes = match read {
        Ok(Ok(collected)) => collected.to_bytes().to_vec(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            return Err(Error::TooLarge { limit: MAX_BODY_BYTES });
        }
        Ok(Err(_)) => return Err(Error::BadRequest("The body ended early.".to_owned())),
        Err(_) => return Err(Error::Timeout),
    };
    if !bytes.is_empty() && !is_json(&parts.headers) {
        return Err(Error::UnsupportedMediaType);
    }
    Ok(bytes)
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

/// The query parameters of a list of users.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "these fields only describe the parameters")]
struct UserListParameters {
    /// The number of the page, from 1.
    #[param(minimum = 1, default = 1, example = 1)]
    page: Option<u32>,
    /// How many users a page has.
    #[param(minimum = 1, maximum = 1000, default = 10, example = 10)]
    size: Option<u32>,
    /// `key:1` for ascending or `key:-1` for descending order, by `creation_time` or `last_updated`.
    #[param(default = "creation_time:-1", example = "last_updated:-1")]
    sort: Option<String>,
    /// What the users must match, in the filter language.
    #[param(max_length = 4096, example = "emails.domain:example.com AND emails.verified:true")]
    filter: Option<String>,
}

/// The query parameters of a list of groups.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "these fields only describe the parameters")]
pub(super) struct GroupListParameters {
    /// The number of the page, from 1.
    #[param(minimum = 1, default = 1, example = 1)]
    page: Option<u32>,
    /// How many groups a page has.
    #[param(minimum = 1, maximum = 1000, default = 10, example = 10)]
    size: Option<u32>,
    /// `key:1` for ascending or `key:-1` for descending order, by `name`, `type`,
    /// `clients_assigned`, `users_assigned`, `last_assigned`, `creation_time` or `last_updated`.
    #[param(default = "creation_time:-1", example = "name:1")]
    sort: Option<String>,
    /// Reserved: this list takes no filter yet, and any value is refused.
    filter: Option<String>,
}

/// The query parameters of a list of the users in a group.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "these fields only describe the parameters")]
pub(super) struct MemberListParameters {
    /// The number of the page, from 1.
    #[param(minimum = 1, default = 1, example = 1)]
    page: Option<u32>,
    /// How many users a page has.
    #[param(minimum = 1, maximum = 1000, default = 10, example = 10)]
    size: Option<u32>,
    /// `key:1` for ascending or `key:-1` for descending order, by `creation_time` or `last_updated`.
    #[param(default = "creation_time:-1", example = "last_updated:-1")]
    sort: Option<String>,
    /// Reserved: this list takes no filter yet, and any value is refused.
    filter: Option<String>,
}

/// The query parameters of a list of the groups that a user is in.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "these fields only describe the parameters")]
pub(super) struct MembershipListParameters {
    /// The number of the page, from 1.
    #[param(minimum = 1, default = 1, example = 1)]
    page: Option<u32>,
    /// How many groups a page has.
    #[param(minimum = 1, maximum = 1000, default = 10, example = 10)]
    size: Option<u32>,
    /// `creation_time:1` for ascending or `creation_time:-1` for descending order.
    #[param(default = "creation_time:-1", example = "creation_time:1")]
    sort: Option<String>,
}

/// What a list can be sorted by.
pub(super) trait Sort: Copy + 'static {
    /// The query parameters of the list, to be documented.
    type Parameters: IntoParams;
    /// All keys there are.
    const ALL: &'static [Self];
    /// The key by which the newest come first.
    const AGE: Self;
    /// The key as it is written.
    fn name(self) -> &'static str;
}

/// Says for the keys of a list with which parameters it is asked for.
macro_rules! sorts {
    ($($key:ident by $parameters:ident,)+) => {
        $(impl Sort for $key {
            type Parameters = $parameters;
            const ALL: &'static [Self] = Self::ALL;
            const AGE: Self = Self::CreationTime;
            fn name(self) -> &'static str {
                self.as_str()
            }
        })+
    };
}
sorts! {
    SortKey by MemberListParameters,
    GroupSortKey by GroupListParameters,
    MembershipSortKey by MembershipListParameters,
}

/// The page of groups that a request wants.
pub(super) type GroupList = Listed<GroupSortKey>;
/// The page of the groups of a user that a request wants.
pub(super) type MembershipList = Listed<MembershipSortKey>;
/// The page of the users in a group that a request wants.
pub(super) type MemberList = Listed<SortKey>;

/// The page of a list that a request wants.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Listed<Key> {
    /// The number of the page, from 1.
    pub(super) page: u32,
    /// How many rows it has.
    pub(super) size: u32,
    sort: Key,
    descending: bool,
}

impl<Key: Sort> Listed<Key> {
    /// The same for the store.
    pub(super) fn sorted(&self) -> Sorted<Key> {
        let offset = u64::from(self.page - 1) * u64::from(self.size);
        Sorted { sort: self.sort, descending: self.descending, offset, limit: self.size }
    }

    /// Reads the page, and hands a filter to `filter`.
    fn parse(query: &str, mut filter: impl FnMut(&str) -> Result<(), Error>) -> Result<Self, Error> {
        let mut list = Self { page: 1, size: 10, sort: Key::AGE, descending: true };
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "page" => list.page = within("page", &value, u32::MAX)?,
                "size" => list.size = within("size", &value, 1000)?,
                "sort" => (list.sort, list.descending) = sort(&value)?,
                "filter" => filter(&value)?,
                _ => {}
            }
        }
        Ok(list)
    }
}

/// The page of users that a request wants, of all or of those that a filter finds.
#[derive(Debug)]
pub(super) struct UserList {
    /// The page.
    pub(super) page: Listed<SortKey>,
    filter: Option<Search>,
}

impl UserList {
    /// The same for the store.
    pub(super) fn list(&self) -> List {
        let Sorted { sort, descending, offset, limit } = self.page.sorted();
        List { filter: self.filter.clone(), place: Place::Sorted { sort, descending, offset }, limit }
    }

    fn parse(query: &str) -> Result<Self, Error> {
        let mut found = None;
        let page = Listed::parse(query, |text| {
            found = filter(text)?;
            Ok(())
        })?;
        Ok(Self { page, filter: found })
    }
}

impl FromRequestParts<Arc<App>> for UserList {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, Error> {
        Self::parse(parts.uri.query().unwrap_or_default())
    }
}

impl IntoParams for UserList {
    fn into_params(
        place: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
    ) -> Vec<utoipa::openapi::path::Parameter> {
        UserListParameters::into_params(place)
    }
}

/// Refuses a filter, unless it is empty.
fn no_filter(text: &str) -> Result<(), Error> {
    if text.is_empty() { Ok(()) } else { Err(Error::BadRequest("This list takes no filter.".to_owned())) }
}

/// Reads a filter.
fn filter(text: &str) -> Result<Option<Search>, Error> {
    search::parse(text).map_err(|error| Error::BadRequest(error.to_string()))
}

/// The query parameters of a walk over users.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "these fields only describe the parameters")]
struct UserWalkParameters {
    /// Where to go on: `next` of the answer before, or nothing for the beginning.
    after: Option<String>,
    /// How many users to give at most.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
    /// What the users must match, in the filter language.
    #[param(max_length = 4096, example = "emails.verified:true")]
    filter: Option<String>,
}

/// The stretch of a walk over users that a request wants.
pub(super) struct UserWalk(pub(super) List);

impl UserWalk {
    fn parse(query: &str) -> Result<Self, Error> {
        let mut list = List { filter: None, place: Place::ById { after: None }, limit: 100 };
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "after" => {
                    let refused =
                        |_| Error::BadRequest("after must be `next` of an answer before.".to_owned());
                    list.place = Place::ById { after: Some(value.parse().map_err(refused)?) };
                }
                "limit" => list.limit = within("limit", &value, 1000)?,
                "filter" => list.filter = filter(&value)?,
                _ => {}
            }
        }
        Ok(Self(list))
    }
}

impl FromRequestParts<Arc<App>> for UserWalk {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, Error> {
        Self::parse(parts.uri.query().unwrap_or_default())
    }
}

impl IntoParams for UserWalk {
    fn into_params(
        place: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
    ) -> Vec<utoipa::openapi::path::Parameter> {
        UserWalkParameters::into_params(place)
    }
}

/// A number of the query that must be from 1 to `most`.
pub(super) fn within(name: &str, value: &str, most: u32) -> Result<u32, Error> {
    match value.parse() {
        Ok(number) if (1..=most).contains(&number) => Ok(number),
        _ => Err(Error::BadRequest(format!("{name} must be a whole number from 1 to {most}."))),
    }
}

fn sort<Key: Sort>(value: &str) -> Result<(Key, bool), Error> {
    let parsed = value.split_once(':').and_then(|(key, direction)| {
        let descending = match direction {
            "1" => false,
            "-1" => true,
            _ => return None,
        };
        Some((Key::ALL.iter().copied().find(|known| known.name() == key)?, descending))
    });
    parsed.ok_or_else(|| {
        let keys: Vec<&str> = Key::ALL.iter().map(|key| key.name()).collect();
        Error::BadRequest(format!(
            "sort must be a key and a direction, like creation_time:-1; the keys are {}.",
            keys.join(", ")
        ))
    })
}

impl<Key: Sort> FromRequestParts<Arc<App>> for Listed<Key> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, Error> {
        Self::parse(parts.uri.query().unwrap_or_default(), no_filter)
    }
}

impl<Key: Sort> IntoParams for Listed<Key> {
    fn into_params(
        place: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
    ) -> Vec<utoipa::openapi::path::Parameter> {
        Key::Parameters::into_params(place)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_list_begins_at_page_one_with_the_ten_newest() {
        let place = |sort, descending, offset| Place::Sorted { sort, descending, offset };
        let list = UserList::parse("").unwrap().list();
        assert_eq!((list.place, list.limit), (place(SortKey::CreationTime, true, 0), 10));
        let list = UserList::parse("page=3&size=20&sort=last_updated:1&filter=").unwrap().list();
        assert_eq!((list.place, list.limit), (place(SortKey::LastUpdated, false, 40), 20));
        assert_eq!(list.filter, None);
    }

    #[test]
    fn what_is_out_of_bounds_is_a_bad_request() {
        for wrong in [
            "page=0",
            "page=-1",
            "page=x",
            "page=",
            "page=4294967296",
            "size=0",
            "size=1001",
            "size=1.5",
            "sort=name",
            "sort=creation_time",
            "sort=creation_time:2",
            "sort=nothing:1",
            "sort=:1",
            "filter=(",
        ] {
            assert!(matches!(UserList::parse(wrong), Err(Error::BadRequest(_))), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_query_breaks_the_parser(query in "\\PC{0,60}") {
            let _ = UserList::parse(&query);
        }

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
