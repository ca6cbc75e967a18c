//! `/v1/users/{user_id}/export`: all that is kept of one person, and whether it is to be erased.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequestParts, State};
use axum::http::request;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use utoipa::{IntoParams, ToSchema};

use super::document::{Document, JSON};
use super::events::{EventAnswer, TrustChange};
use super::exports;
use super::extract::{Caller, UserPath, UsersRead};
use crate::app::App;
use crate::app::person::WholePerson;
use crate::directory::api_key::Scope;
use crate::directory::group::Membership;
use crate::directory::mail::Mail;
use crate::directory::person::{AddressHistory, Asked, Person, pages_of, trust_changed};
use crate::directory::proof::{AddressId, KeptProof};
use crate::directory::user::User;
use crate::error::Error;
use crate::time::Timestamp;

/// How many parts of the answer wait for whoever sends them.
const WAITING: usize = 2;
/// How many bytes a part of the answer has, or little more.
const PART: usize = 64 * 1024;
/// How many changes of addresses are held until those before them are told. Else the record would be read
/// again for each address.
const HELD: usize = 10_000;

/// All that is kept of one person. Nothing in it opens anything: links, codes, passwords and hashes of them
/// are left out.
#[derive(Serialize, ToSchema)]
#[schema(as = PersonExport)]
pub(super) struct PersonAnswer<'a> {
    /// When this was put together.
    exported_at: i64,
    /// The user; `null` where the user was deleted.
    #[schema(value_type = Option<User>)]
    user: Option<&'a RawValue>,
    /// The groups that the user is in, those joined first before others.
    groups: Vec<Membership>,
    /// When an email or phone number of the user was first proved by a link or a code.
    proved_at: Option<i64>,
    /// The password, if there is one.
    password: Option<PasswordAnswer>,
    /// Until when a link to reset the password works, if there is one.
    reset_expires_at: Option<i64>,
    /// When old passwords were tried of late.
    password_tries: Vec<TryAnswer>,
    /// Proofs of emails and phone numbers that are waited for, or were used.
    proofs: Vec<ProofAnswer>,
    /// What was asked to be sent to emails and phone numbers of late.
    requests: Vec<RequestAnswer>,
    /// Mail that waits to be sent.
    mails: Vec<MailAnswer>,
    /// Each email and phone number that the user has, or once had.
    pub(super) addresses: Vec<AddressAnswer>,
    /// What happened to the user, oldest first.
    pub(super) events: Vec<EventAnswer>,
}

impl<'a> PersonAnswer<'a> {
    /// What is not in the record: without addresses, and without events.
    pub(super) fn new(person: &'a Person, now: Timestamp) -> Result<Self, Error> {
        let Person { document, groups, standing, traces } = person;
        let unread = |_| Error::Internal("a stored user is no JSON".to_owned());
        let tries = traces.password_tries.iter().map(|(at, times)| TryAnswer { time: at.0, times: *times });
        Ok(Self {
            exported_at: now.0,
            user: document.as_deref().map(serde_json::from_slice).transpose().map_err(unread)?,
            groups: groups.clone(),
            proved_at: standing.proved_at.map(|time| time.0),
            password: standing.password_set_by.map(|by| PasswordAnswer { set_by: by.as_str() }),
            reset_expires_at: standing.reset_until.map(|time| time.0),
            password_tries: tries.collect(),
            proofs: standing.proofs.iter().map(ProofAnswer::new).collect(),
            requests: traces.requests.iter().cloned().map(RequestAnswer::from).collect(),
            mails: traces.mails.iter().cloned().map(MailAnswer::from).collect(),
            addresses: Vec::new(),
            events: Vec::new(),
        })
    }
}

/// An email or phone number, and its history.
#[derive(Serialize, ToSchema)]
#[schema(as = PersonAddress)]
pub(super) struct AddressAnswer {
    /// `email` or `phone`.
    #[schema(example = "email")]
    kind: &'static str,
    /// Its id.
    identifier_id: String,
    /// It as it was typed; `null` where that was erased.
    address: Option<String>,
    /// Each change of its trust, oldest first.
    pub(super) history: Vec<TrustChange>,
}

impl AddressAnswer {
    /// The address, without its history.
    pub(super) fn new(history: &AddressHistory) -> Self {
        Self {
            kind: history.address.kind.as_str(),
            identifier_id: history.address.id.to_string(),
            address: history.typed.clone(),
            history: Vec::new(),
        }
    }
}

/// What is known of a password.
#[derive(Serialize, ToSchema)]
#[schema(as = PersonPassword)]
struct PasswordAnswer {
    /// Who has set it: `admin`, `owner` for the account's own user, or `untrusted` where that was before
    /// anything was proved.
    #[schema(example = "admin")]
    set_by: &'static str,
}

/// Tries of an old password within one second.
#[derive(Serialize, ToSchema)]
#[schema(as = PersonPasswordTry)]
struct TryAnswer {
    /// When.
    time: i64,
    /// How often.
    times: u32,
}

/// A proof of an email or phone number.
#[derive(Serialize, ToSchema)]
#[schema(as = PersonProof)]
struct ProofAnswer {
    /// `email` or `phone`.
    #[schema(example = "email")]
    kind: &'static str,
    /// The id of the email or phone number.
    identifier_id: String,
    /// It in the form in which it is compared.
    address: String,
    /// When the proof was started.
    started_at: i64,
    /// Until when its link works, if it has one.
    link_expires_at: Option<i64>,
    /// Until when its code works, if it has one.
    code_expires_at: Option<i64>,
    /// When it was used, if it was.
    used_at: Option<i64>,
}

impl ProofAnswer {
    fn new(KeptProof { proof, used_at, .. }: &KeptProof) -> Self {
        Self {
            kind: proof.address.kind.as_str(),
            identifier_id: proof.address.id.to_string(),
            address: proof.canonical.clone(),
            started_at: proof.issued_at.0,
            link_expires_at: proof.link.as_ref().map(|link| link.expires_at.0),
            code_expires_at: proof.code.as_ref().map(|code| code.expires_at.0),
            used_at: used_at.map(|time| time.0),
        }
    }
}

/// That something was asked to be sent to an email or phone number.
#[derive(Serialize, ToSchema)]
#[schema(as = PersonRequest)]
struct RequestAnswer {
    /// When.
    time: i64,
    /// `email` or `phone`.
    #[schema(example = "email")]
    kind: &'static str,
    /// The email or phone number in the form in which it is compared.
    address: String,
    /// How often within that second.
    times: u32,
}

impl From<Asked> for RequestAnswer {
    fn from(Asked { at, kind, canonical, times }: Asked) -> Self {
        Self { time: at.0, kind: kind.as_str(), address: canonical, times }
    }
}

/// A mail that waits to be sent.
#[derive(Serialize, ToSchema)]
#[schema(as = PersonMail)]
struct MailAnswer {
    /// Its id.
    id: String,
    /// `verify` for a proof, `reset` for a link to reset the password.
    #[schema(example = "verify")]
    kind: &'static str,
    /// The id of the email that it goes to.
    identifier_id: String,
    /// Since when it waits.
    created_at: i64,
    /// When it is tried next.
    due_at: i64,
    /// How often it was tried.
    attempts: u32,
}

impl From<Mail> for MailAnswer {
    fn from(mail: Mail) -> Self {
        Self {
            id: mail.id.to_string(),
            kind: mail.kind.as_str(),
            identifier_id: mail.email.to_string(),
            created_at: mail.created_at.0,
            due_at: mail.due_at.0,
            attempts: mail.attempts,
        }
    }
}

/// Export all that is kept of a user
///
/// The user, the groups, the history of each email and phone number, what waits, and all that happened: one
/// JSON object, without anything secret. It can be asked for as long as anything is known, also of a user
/// who was deleted. The key must hold `groups:read` and `events:read`, too.
#[utoipa::path(
    get,
    path = "/v1/users/{user_id}/export",
    operation_id = "exportUser",
    tag = "users",
    params(UserPath),
    responses((status = OK, description = "All that is kept of the user", body = PersonAnswer))
)]
pub(super) async fn export(
    State(app): State<Arc<App>>,
    caller: Caller<UsersRead>,
    path: UserPath,
) -> Result<Response, Error> {
    caller.must_hold(Scope::GroupsRead)?;
    caller.must_hold(Scope::EventsRead)?;
    let whole = app.person(&caller.origin.tenant, path.user_id).await?;
    let (to, parts) = mpsc::channel(WAITING);
    tokio::spawn(async move {
        let mut answer = Parts { to, part: Vec::new() };
        if let Err(error) = write(&app, whole, &mut answer).await {
            // Nobody may be left to be told.
            let _ = answer.to.send(Err(error)).await;
        }
    });
    Ok((JSON, Body::from_stream(exports::rest(parts))).into_response())
}

/// The parts of an answer, for whoever sends them. It waits while some are there to be sent.
struct Parts {
    to: mpsc::Sender<Result<Bytes, Error>>,
    /// What was written since the last one.
    part: Vec<u8>,
}

impl Parts {
    fn text(&mut self, text: &str) {
        self.part.extend_from_slice(text.as_bytes());
    }

    /// Begins an object of which the last field is a list: up to the place of its first item. As many such
    /// lists as `ends` says are left out, with what follows.
    fn begin(&mut self, object: &impl Serialize, ends: &str) -> Result<(), Error> {
        let json = Document::of(object)?.0;
        let begun = json.strip_suffix(ends.as_bytes());
        self.part.extend_from_slice(begun.ok_or_else(|| Error::Internal("no list comes last".to_owned()))?);
        Ok(())
    }

    /// Writes an item of a list, and what stands before it.
    async fn item(&mut self, before: &mut &str, item: &impl Serialize) -> Result<(), Error> {
        self.text(std::mem::replace(before, ","));
        self.part.extend_from_slice(&Document::of(item)?.0);
        if self.part.len() < PART { Ok(()) } else { self.send().await }
    }

    /// Hands over what was written.
    async fn send(&mut self) -> Result<(), Error> {
        let part = std::mem::take(&mut self.part).into();
        self.to.send(Ok(part)).await.map_err(|_| Error::Unavailable("nobody takes the answer".to_owned()))
    }
}

/// Writes all that is kept of a person. The record is read page by page.
async fn write(app: &App, mut whole: WholePerson, answer: &mut Parts) -> Result<(), Error> {
    // All of it stays here until the end, and with it the place among those that are served.
    let WholePerson { person, histories, course, .. } = &mut whole;
    answer.begin(&PersonAnswer::new(person, app.clock.now())?, "],\"events\":[]}")?;
    let mut between_addresses = "";
    for together in histories.together(HELD) {
        let import = |history: &AddressHistory| {
            histories.import.as_ref().filter(|_| history.begins_with_import).cloned().map(TrustChange::new)
        };
        let Some((first, others)) = together.split_first() else { continue };
        answer.text(std::mem::replace(&mut between_addresses, ","));
        answer.begin(&AddressAnswer::new(first), "]}")?;
        let mut between = "";
        if let Some(import) = import(first) {
            answer.item(&mut between, &import).await?;
        }
        let mut held: HashMap<AddressId, Vec<TrustChange>> =
            others.iter().map(|history| (history.address, import(history).into_iter().collect())).collect();
        for place in pages_of(together) {
            for (_, event) in course.page(&*app.store, place).await? {
                let Some(address) = trust_changed(event) else { continue };
                if address == first.address {
                    answer.item(&mut between, &TrustChange::new(event.clone())).await?;
                } else if let Some(held) = held.get_mut(&address) {
                    held.push(TrustChange::new(event.clone()));
                }
            }
        }
        answer.text("]}");
        for history in others {
            answer.text(",");
            answer.begin(&AddressAnswer::new(history), "]}")?;
            let mut between = "";
            for change in held.remove(&history.address).unwrap_or_default() {
                answer.item(&mut between, &change).await?;
            }
            answer.text("]}");
        }
    }
    answer.text("],\"events\":[");
    let mut between = "";
    for place in course.places() {
        for (position, event) in course.page(&*app.store, place).await? {
            answer.item(&mut between, &EventAnswer::new(*position, event.clone())).await?;
        }
    }
    answer.text("]}");
    answer.send().await
}

/// The query parameters of deleting a user.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "these fields only describe the parameters")]
struct ErasingParameters {
    /// Whether to erase what is personal in the record of what happened, too.
    #[param(default = false)]
    erase: Option<bool>,
}

/// Whether a user is to be erased, and not only deleted.
pub(super) struct Erasing(pub(super) bool);

impl FromRequestParts<Arc<App>> for Erasing {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut request::Parts, _: &Arc<App>) -> Result<Self, Error> {
        let mut erase = false;
        for (name, value) in url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()) {
            if name == "erase" {
                let refused = |_| Error::BadRequest("erase must be true or false.".to_owned());
                erase = value.parse().map_err(refused)?;
            }
        }
        Ok(Self(erase))
    }
}

impl IntoParams for Erasing {
    fn into_params(
        place: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
    ) -> Vec<utoipa::openapi::path::Parameter> {
        ErasingParameters::into_params(place)
    }
}
