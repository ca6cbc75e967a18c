//! `/v1/events` and the history of an address: the project's own surface, by its own names.

use std::borrow::Cow;
use std::sync::Arc;

use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::document::Document;
use super::extract::{Caller, EventsRead, IdentifierPath};
use super::lists::within;
use crate::app::App;
use crate::directory::event::{Actor, Details, EventType, Method, Recorded, Word};
use crate::directory::proof::AddressId;
use crate::error::Error;
use crate::id::UserId;
use crate::store::EventList;

/// The most events that one answer holds.
const MAX_EVENTS: u32 = 1000;
/// How many it holds if nothing is said.
const DEFAULT_EVENTS: u32 = 100;

/// The query parameters of a list of events.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "these fields only describe the parameters")]
struct EventListParameters {
    /// Where to go on: `next` of the answer before, or nothing for the beginning.
    #[param(example = "0")]
    after: Option<String>,
    /// How many events to give at most.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
    /// Events of this user only, who need not be there any more.
    #[param(example = "UOtBaOybB6dTpIJNrnkRw")]
    user_id: Option<String>,
    /// Events of this type only.
    #[param(example = "user.email.verified")]
    r#type: Option<String>,
}

/// The events that a request wants.
pub(super) struct WantedEvents(EventList);

impl WantedEvents {
    fn parse(query: &str) -> Result<Self, Error> {
        let mut wanted = EventList { after: 0, limit: DEFAULT_EVENTS, user_id: None, kind: None };
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "after" => {
                    let position = value.parse().ok().filter(|position| *position >= 0);
                    let refused =
                        || Error::BadRequest("after must be `next` of an answer before.".to_owned());
                    wanted.after = position.ok_or_else(refused)?;
                }
                "limit" => wanted.limit = within("limit", &value, MAX_EVENTS)?,
                // An id of the wrong shape is nobody's, and has no events.
                "user_id" => wanted.user_id = Some(UserId::from_path(&value)),
                "type" => {
                    let refused =
                        || Error::BadRequest("type must be the name of a type of event.".to_owned());
                    wanted.kind = Some(EventType::from_name(&value).ok_or_else(refused)?);
                }
                _ => {}
            }
        }
        Ok(Self(wanted))
    }
}

impl FromRequestParts<Arc<App>> for WantedEvents {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, Error> {
        Self::parse(parts.uri.query().unwrap_or_default())
    }
}

impl IntoParams for WantedEvents {
    fn into_params(
        place: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
    ) -> Vec<utoipa::openapi::path::Parameter> {
        EventListParameters::into_params(place)
    }
}

/// Who has done something.
#[derive(Serialize, ToSchema)]
#[schema(as = EventActor)]
struct ActorAnswer {
    /// `key` for whoever holds an API key, `owner` for whoever has what was sent to an address,
    /// `server` for this server itself, or whoever runs its commands.
    #[schema(value_type = String, example = "key")]
    r#type: Cow<'static, str>,
    /// The public part of the key.
    key_id: Option<String>,
    /// The name the key was given.
    key_name: Option<String>,
}

impl From<Word<Actor>> for ActorAnswer {
    fn from(actor: Word<Actor>) -> Self {
        let (r#type, key) = match actor {
            Word::Known(Actor::Key { key_id, key_name }) => {
                (Cow::Borrowed("key"), Some((key_id.to_string(), key_name)))
            }
            Word::Known(Actor::Owner) => (Cow::Borrowed("owner"), None),
            Word::Known(Actor::Server) => (Cow::Borrowed("server"), None),
            Word::Unknown(word) => (Cow::Owned(word), None),
        };
        let (key_id, key_name) = key.unzip();
        Self { r#type, key_id, key_name }
    }
}

/// Something that happened. What is personal is `null` where it was not known or has been erased.
#[derive(Serialize, ToSchema)]
#[schema(as = Event)]
pub(super) struct EventAnswer {
    /// The event's id.
    id: String,
    /// Its place in the order of all events.
    position: i64,
    /// What happened. There will be more types than there are: pass over those that you do not know.
    #[schema(value_type = String, example = "user.email.verified")]
    r#type: Word<EventType>,
    /// When.
    time: i64,
    /// To which user, if to one.
    user_id: Option<String>,
    /// To which of their identifiers.
    identifier_id: Option<String>,
    /// To which group, or with which.
    group_id: Option<String>,
    /// By what means.
    #[schema(value_type = String, example = "admin_api")]
    method: Word<Method>,
    /// By whom.
    actor: ActorAnswer,
    /// In which request.
    request_id: String,
    /// What else there is to tell: what the first proof on an account has ended, or the first verify; or
    /// the API key that it happened to.
    #[schema(value_type = Option<Details>)]
    details: Option<serde_json::Value>,
    /// The address or name it is about.
    address: Option<String>,
    /// The address the request came from.
    remote_address: Option<String>,
    /// What the client called itself.
    user_agent: Option<String>,
    /// Why it was done.
    reason: Option<String>,
}

impl EventAnswer {
    pub(super) fn new(position: i64, event: Recorded) -> Self {
        Self {
            id: event.id.to_string(),
            position,
            r#type: event.kind,
            time: event.time.0,
            user_id: event.user_id.map(|id| id.to_string()),
            identifier_id: event.identifier_id.map(|id| id.to_string()),
            group_id: event.group_id.map(|id| id.to_string()),
            method: event.method,
            actor: event.actor.into(),
            request_id: event.request_id.to_string(),
            details: event.details,
            address: event.personal.address,
            remote_address: event.personal.remote_address.map(|address| address.to_string()),
            user_agent: event.personal.user_agent,
            reason: event.personal.reason,
        }
    }
}

/// Some events, oldest first.
#[derive(Serialize, ToSchema)]
pub(super) struct Events {
    /// The events.
    events: Vec<EventAnswer>,
    /// What to give as `after` for those that follow; `null` when there are none yet.
    next: Option<String>,
}

/// List events
///
/// Everything that has happened, oldest first. To follow along, ask again after the position of the
/// last event seen. With `type`, an answer may hold few events or none and still have a `next`.
#[utoipa::path(
    get,
    path = "/v1/events",
    operation_id = "listEvents",
    tag = "events",
    params(WantedEvents),
    responses((status = OK, description = "Some events", body = Events))
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller<EventsRead>,
    WantedEvents(wanted): WantedEvents,
) -> Result<Document, Error> {
    let page = app.store.events(&caller.origin.tenant, wanted).await?;
    let events = page.events.into_iter().map(|(position, event)| EventAnswer::new(position, event)).collect();
    Document::of(&Events { events, next: page.next.map(|position| position.to_string()) })
}

/// How an address came to be trusted or not, oldest first.
#[derive(Serialize, ToSchema)]
pub(super) struct History {
    /// Each change of its trust.
    history: Vec<TrustChange>,
}

/// One change of an address's trust.
#[derive(Serialize, ToSchema)]
pub(super) struct TrustChange {
    /// When.
    time: i64,
    /// Whether it became verified, or is no longer.
    verified: bool,
    /// By what means.
    #[schema(value_type = String, example = "admin_api")]
    method: Word<Method>,
    /// By whom.
    actor: ActorAnswer,
    /// In which request.
    request_id: String,
    /// The address the request came from.
    remote_address: Option<String>,
    /// What the client called itself: with a link, the browser in which it was followed.
    user_agent: Option<String>,
    /// Why.
    reason: Option<String>,
    /// The event's id.
    event_id: String,
}

impl TrustChange {
    pub(super) fn new(event: Recorded) -> Self {
        Self {
            time: event.time.0,
            verified: !matches!(
                event.kind,
                Word::Known(EventType::EmailUnverified | EventType::PhoneUnverified)
            ),
            method: event.method,
            actor: event.actor.into(),
            request_id: event.request_id.to_string(),
            remote_address: event.personal.remote_address.map(|address| address.to_string()),
            user_agent: event.personal.user_agent,
            reason: event.personal.reason,
            event_id: event.id.to_string(),
        }
    }
}

/// The history of an email
///
/// Each change of the email's trust: when, verified or not, by what means, by whom, and why. It
/// outlives the email and the user.
#[utoipa::path(
    get,
    path = "/v1/users/{user_id}/emails/{identifier_id}/history",
    operation_id = "emailHistory",
    tag = "events",
    params(IdentifierPath),
    responses((status = OK, description = "The history", body = History))
)]
pub(super) async fn email_history(
    State(app): State<Arc<App>>,
    caller: Caller<EventsRead>,
    path: IdentifierPath,
) -> Result<Document, Error> {
    history(&app, &caller, &path, AddressId::email(path.identifier_id)).await
}

/// The history of a phone number
///
/// Each change of the number's trust: when, verified or not, by what means, by whom, and why. It
/// outlives the number and the user.
#[utoipa::path(
    get,
    path = "/v1/users/{user_id}/phones/{identifier_id}/history",
    operation_id = "phoneHistory",
    tag = "events",
    params(IdentifierPath),
    responses((status = OK, description = "The history", body = History))
)]
pub(super) async fn phone_history(
    State(app): State<Arc<App>>,
    caller: Caller<EventsRead>,
    path: IdentifierPath,
) -> Result<Document, Error> {
    history(&app, &caller, &path, AddressId::phone(path.identifier_id)).await
}

async fn history(
    app: &App,
    caller: &Caller<EventsRead>,
    path: &IdentifierPath,
    address: AddressId,
) -> Result<Document, Error> {
    let events = app.history(&caller.origin.tenant, path.user_id, address).await?;
    Document::of(&History { history: events.into_iter().map(TrustChange::new).collect() })
}
