//! `/v1/keys`: the API keys of the tenant, for who holds one that may look after them.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequestParts, State};
use axum::http::header::LOCATION;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::document::Document;
use super::extract::{Body, Caller, KeyPath, KeysWrite, OptionalBody};
use super::lists::within;
use super::repeats;
use crate::app::keys::{RevokedKey, ShownKey};
use crate::app::{Answered, App};
use crate::directory::api_key::{self, ApiKey, Bounds, NewKey, Scope};
use crate::directory::group::Wanted;
use crate::directory::network::Network;
use crate::directory::rate::{MalformedLimit, RateLimit};
use crate::error::{Error, InvalidFields};
use crate::secret::KeyId;
use crate::store::Answer;
use crate::time::Timestamp;

/// The most keys that one answer holds.
const MAX_KEYS: u32 = 1000;
/// How many it holds if nothing is said.
const DEFAULT_KEYS: u32 = 100;
/// For how many seconds a new key can work.
const EXPIRIES: std::ops::RangeInclusive<u64> = 60..=10 * 365 * 86_400;

/// The query parameters of a list of keys.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "these fields only describe the parameters")]
struct KeyWalkParameters {
    /// Where to go on: `next` of the answer before, or nothing for the beginning.
    after: Option<String>,
    /// How many keys to give at most.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
}

/// The stretch of a walk over keys that a request wants.
pub(super) struct KeyWalk {
    after: Option<KeyId>,
    limit: u32,
}

impl FromRequestParts<Arc<App>> for KeyWalk {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, Error> {
        let mut wanted = Self { after: None, limit: DEFAULT_KEYS };
        for (name, value) in url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()) {
            match &*name {
                "after" => {
                    let refused =
                        |_| Error::BadRequest("after must be `next` of an answer before.".to_owned());
                    wanted.after = Some(value.parse().map_err(refused)?);
                }
                "limit" => wanted.limit = within("limit", &value, MAX_KEYS)?,
                _ => {}
            }
        }
        Ok(wanted)
    }
}

impl IntoParams for KeyWalk {
    fn into_params(
        place: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
    ) -> Vec<utoipa::openapi::path::Parameter> {
        KeyWalkParameters::into_params(place)
    }
}

/// An API key, without its secret.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiKey)]
pub(super) struct KeyAnswer {
    /// The public part: the 12 characters between `bf_` and the next `_`.
    #[schema(value_type = String, example = "aB3dE5gH7jK9")]
    key_id: KeyId,
    /// What its maker calls it.
    #[schema(example = "sign-up service")]
    name: String,
    /// What it may do.
    #[schema(value_type = Vec<String>, example = json!(["users:read", "emails:verify"]))]
    scopes: Vec<Scope>,
    /// `active`, `expired` or `revoked`.
    #[schema(example = "active")]
    state: &'static str,
    /// When it was made.
    #[schema(value_type = i64)]
    created_at: Timestamp,
    /// From when on it is refused, if ever.
    #[schema(value_type = Option<i64>)]
    expires_at: Option<Timestamp>,
    /// Since when it is revoked.
    #[schema(value_type = Option<i64>)]
    revoked_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    #[schema(value_type = Option<i64>)]
    last_used_at: Option<Timestamp>,
    /// When it was last given another secret.
    #[schema(value_type = Option<i64>)]
    rotated_at: Option<Timestamp>,
    /// From when on the secret before is refused, if there was one.
    #[schema(value_type = Option<i64>)]
    previous_expires_at: Option<Timestamp>,
    /// How often it may be used; `null` if it is not limited.
    #[schema(value_type = Option<String>, example = "600/minute")]
    rate_limit: Option<RateLimit>,
    /// From which networks it may be used; from everywhere if there are none.
    #[schema(value_type = Vec<String>, example = json!(["10.0.0.0/8", "2001:db8::/32"]))]
    allowed_networks: Vec<Network>,
}

impl KeyAnswer {
    pub(super) fn new(key: ApiKey, now: Timestamp) -> Self {
        Self {
            state: key.state(now).as_str(),
            key_id: key.id,
            name: key.name,
            scopes: key.scopes,
            created_at: key.created_at,
            expires_at: key.expires_at,
            revoked_at: key.revoked_at,
            last_used_at: key.last_used_at,
            rotated_at: key.previous.as_ref().map(|previous| previous.rotated_at),
            previous_expires_at: key.previous.as_ref().map(|previous| previous.until),
            rate_limit: key.bounds.rate_limit,
            allowed_networks: key.bounds.networks,
        }
    }
}

/// Some API keys, in the order of their ids.
#[derive(Serialize, ToSchema)]
pub(super) struct Keys {
    /// The keys.
    keys: Vec<KeyAnswer>,
    /// What to give as `after` for those that follow; `null` at the end.
    #[schema(value_type = Option<String>)]
    next: Option<KeyId>,
}

/// An API key with its secret, which is shown this once.
#[derive(Serialize, ToSchema)]
pub(super) struct ShownKeyAnswer {
    /// The whole key, as it goes into the header `X-API-KEY`. The server does not keep it.
    #[schema(example = "bf_aB3dE5gH7jK9_...")]
    key: String,
    /// What is known of it.
    about: KeyAnswer,
}

impl ShownKeyAnswer {
    pub(super) fn new(shown: ShownKey, now: Timestamp) -> Self {
        Self { key: shown.plain.reveal(), about: KeyAnswer::new(shown.key, now) }
    }
}

/// List API keys
///
/// The keys of the tenant in the order of their ids, revoked and expired ones among them, never a secret.
#[utoipa::path(
    get,
    path = "/v1/keys",
    operation_id = "listKeys",
    tag = "keys",
    params(KeyWalk),
    responses((status = OK, description = "Some keys", body = Keys))
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller<KeysWrite>,
    wanted: KeyWalk,
) -> Result<Document, Error> {
    let mut keys = app.store.keys_of(&caller.origin.tenant, wanted.after, wanted.limit + 1).await?;
    let has_next = keys.len() > wanted.limit as usize;
    keys.truncate(wanted.limit as usize);
    let next = keys.last().filter(|_| has_next).map(|key| key.id);
    let now = app.clock.now();
    Document::of(&Keys { keys: keys.into_iter().map(|key| KeyAnswer::new(key, now)).collect(), next })
}

/// What an API key is made from.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct CreateKeyRequest {
    /// What the key is for, in one line. It stands in every event of a change that is made with the key.
    #[schema(required, nullable = false, max_length = 100, example = "sign-up service")]
    name: Option<String>,
    /// What it may do: one scope at least, and none that the key of this request lacks.
    #[schema(required, nullable = false, example = json!(["users:read", "emails:verify"]))]
    scopes: Option<Vec<String>>,
    /// For how many seconds it works; for ever if nothing is said.
    #[schema(minimum = 60, maximum = 315_360_000, example = 7_776_000)]
    expiry: Option<i64>,
    /// How often it may be used: a number of requests `/second` or `/minute`, counted by each server for itself.
    #[schema(example = "600/minute")]
    rate_limit: Option<String>,
    /// From which networks it may be used, 50 at most; from everywhere if there are none.
    #[schema(example = json!(["10.0.0.0/8", "2001:db8::/32"]))]
    allowed_networks: Option<Vec<String>>,
}

impl CreateKeyRequest {
    fn new_key(&self, now: Timestamp) -> Result<NewKey, InvalidFields> {
        let scopes = self.scopes.iter().flatten().map(String::as_str);
        let scopes = Scope::of_names(scopes)
            .map_err(|names| InvalidFields::one("scopes", format!("One of these is none: {names}.")))?;
        let expires_at = self.expiry.map(|seconds| {
            let seconds = u64::try_from(seconds).ok().filter(|seconds| EXPIRIES.contains(seconds));
            let message =
                || format!("This is a number of seconds from {} to {}.", EXPIRIES.start(), EXPIRIES.end());
            seconds
                .map(|seconds| now.after(Duration::from_secs(seconds)))
                .ok_or_else(|| InvalidFields::one("expiry", message()))
        });
        let name = self.name.clone().unwrap_or_default();
        let bounds = Bounds {
            rate_limit: self.rate_limit.as_deref().map(rate_limit).transpose()?,
            networks: networks(self.allowed_networks.as_deref().unwrap_or_default())?,
        };
        NewKey { name, scopes, expires_at: expires_at.transpose()?, bounds }.check()
    }
}

fn rate_limit(text: &str) -> Result<RateLimit, InvalidFields> {
    text.parse()
        .map_err(|error: MalformedLimit| InvalidFields::one("rate_limit", format!("This is {error}.")))
}

fn networks(texts: &[String]) -> Result<Vec<Network>, InvalidFields> {
    Bounds::networks_of(texts.iter().map(String::as_str))
}

/// Create an API key
///
/// The answer shows the key, this once. It gets no scope that the key of this request lacks: that is 403.
///
/// The answer holds a secret, of which nothing is kept: it takes no `Idempotency-Key`.
#[utoipa::path(
    post,
    path = "/v1/keys",
    operation_id = "createKey",
    tag = "keys",
    request_body = CreateKeyRequest,
    responses((status = CREATED, description = "The key was created", body = ShownKeyAnswer, headers(("location" = String, description = "The path of the key"))))
)]
pub(super) async fn create(
    State(app): State<Arc<App>>,
    caller: Caller<KeysWrite>,
    body: Body<CreateKeyRequest>,
) -> Result<Response, Error> {
    let now = app.clock.now();
    let new = body.fields()?.new_key(now)?;
    caller.key().may_give(&new.scopes)?;
    let shown = app.create_key(&caller.origin, new).await?;
    let location = format!("/v1/keys/{}", shown.key.id);
    let location = HeaderValue::try_from(location).expect("an id fits into a header");
    let answer = Document::of(&ShownKeyAnswer::new(shown, now))?;
    Ok((StatusCode::CREATED, [(LOCATION, location)], answer).into_response())
}

/// Find an API key
#[utoipa::path(
    get,
    path = "/v1/keys/{key_id}",
    operation_id = "findKey",
    tag = "keys",
    params(KeyPath),
    responses((status = OK, description = "The key", body = KeyAnswer))
)]
pub(super) async fn find(
    State(app): State<Arc<App>>,
    caller: Caller<KeysWrite>,
    path: KeyPath,
) -> Result<Document, Error> {
    let key = app.key(&caller.origin.tenant, path.id()?).await?;
    Document::of(&KeyAnswer::new(key, app.clock.now()))
}

/// What may be said with rotating a key; nothing needs to be.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct RotateKeyRequest {
    /// For how many seconds the present secret works on.
    #[schema(minimum = 0, maximum = 2_592_000, default = 86_400)]
    overlap: Option<i64>,
}

/// Rotate an API key
///
/// Gives the key another secret, which the answer shows this once. The present one works on for `overlap`
/// seconds, and the one before it ends at once. A key that holds a scope which the key of this request
/// lacks cannot be rotated: that is 403.
///
/// The answer holds a secret, of which nothing is kept: it takes no `Idempotency-Key`.
#[utoipa::path(
    post,
    path = "/v1/keys/{key_id}/rotate",
    operation_id = "rotateKey",
    tag = "keys",
    params(KeyPath),
    request_body = Option<RotateKeyRequest>,
    responses((status = OK, description = "The key with its new secret", body = ShownKeyAnswer))
)]
pub(super) async fn rotate(
    State(app): State<Arc<App>>,
    caller: Caller<KeysWrite>,
    path: KeyPath,
    body: OptionalBody<RotateKeyRequest>,
) -> Result<Document, Error> {
    let rotated = app.rotate_key(&caller.origin, path.id()?, |key| {
        caller.key().may_give(&key.scopes)?;
        Ok(api_key::overlap(body.fields()?.overlap)?)
    });
    let shown = rotated.await?;
    Document::of(&ShownKeyAnswer::new(shown, app.clock.now()))
}

/// Revoke an API key
///
/// For good, and with both of its secrets. Every server refuses it within a second. A key that is revoked
/// already stays as it is. A key that holds a scope which the key of this request lacks cannot be revoked:
/// that is 403.
#[utoipa::path(
    post,
    path = "/v1/keys/{key_id}/revoke",
    operation_id = "revokeKey",
    tag = "keys",
    params(KeyPath),
    responses((status = OK, description = "The revoked key", body = KeyAnswer))
)]
pub(super) async fn revoke(
    State(app): State<Arc<App>>,
    caller: Caller<KeysWrite>,
    path: KeyPath,
) -> Result<Response, Error> {
    let guard = |key: &ApiKey| caller.key().may_give(&key.scopes);
    let revoked = app.revoke_key(&caller, path.id()?, guard).await?;
    repeats::told(&revoked)
}

impl Answered for RevokedKey {
    /// The key, whose state is the same at any moment.
    fn answer(&self) -> Result<Answer, Error> {
        let Self(key) = self;
        let told = KeyAnswer::new(key.clone(), key.revoked_at.unwrap_or(key.created_at));
        Document::of(&told).map(repeats::untagged)
    }
}

/// What is to change of a key; a field that is not named stays.
#[derive(Deserialize, ToSchema)]
pub(super) struct PatchKeyRequest {
    /// How often it may be used: a number of requests `/second` or `/minute`; `null` ends the limit.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "600/minute")]
    rate_limit: Wanted<String>,
    /// From which networks it may be used, 50 at most; `null` and `[]` let it be used from everywhere.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>, example = json!(["10.0.0.0/8", "2001:db8::/32"]))]
    allowed_networks: Wanted<Vec<String>>,
}

impl PatchKeyRequest {
    fn bounds(&self, before: &Bounds) -> Result<Bounds, InvalidFields> {
        let Bounds { rate_limit: limit_before, networks: networks_before } = before.clone();
        Ok(Bounds {
            rate_limit: match &self.rate_limit {
                Wanted::Unchanged => limit_before,
                Wanted::Removed => None,
                Wanted::Set(text) => Some(rate_limit(text)?),
            },
            networks: match &self.allowed_networks {
                Wanted::Unchanged => networks_before,
                Wanted::Removed => Vec::new(),
                Wanted::Set(texts) => networks(texts)?,
            },
        })
    }
}

/// Change an API key
///
/// How often and from where it may be used; a field that is not named stays. Every server follows within a
/// second. A key that holds a scope which the key of this request lacks cannot be changed: that is 403.
#[utoipa::path(
    patch,
    path = "/v1/keys/{key_id}",
    operation_id = "patchKey",
    tag = "keys",
    params(KeyPath),
    request_body = PatchKeyRequest,
    responses((status = OK, description = "The changed key", body = KeyAnswer))
)]
pub(super) async fn patch(
    State(app): State<Arc<App>>,
    caller: Caller<KeysWrite>,
    path: KeyPath,
    body: Body<PatchKeyRequest>,
) -> Result<Document, Error> {
    let changed = app.bound_key(&caller.origin, path.id()?, |key| {
        caller.key().may_give(&key.scopes)?;
        Ok(body.fields()?.bounds(&key.bounds)?)
    });
    let key = changed.await?;
    Document::of(&KeyAnswer::new(key, app.clock.now()))
}
