//! How pages are made: by the templates in `templates/console/`, with what every page has.

use std::sync::Arc;

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use minijinja::{Environment, Output, State, UndefinedBehavior, Value, context};
use serde_json::Map;

use super::assets::HASH;
use super::operator::Operator;
use super::{Console, asked};
use crate::api::{HasOwnBody, detail, status};
use crate::directory::event::{Actor, Details, Recorded, Word};
use crate::directory::text::reaches_beyond;
use crate::directory::user::User;
use crate::error::Error;
use crate::templates::write_value;
use crate::time::Timestamp;

/// Names the files of `templates/console/` and embeds them.
macro_rules! embedded {
    ($($name:literal)+) => {
        [$(($name, include_str!(concat!("../../templates/console/", $name)))),+]
    };
}

/// Every template, by the name of its file. They are no texts for users, and change with the program:
/// operators cannot put others in their place.
const EMBEDDED: [(&str, &str); 26] = embedded! {
    "address.html"
    "bare.html"
    "created_key.html"
    "delete.html"
    "event.html"
    "events.html"
    "failed.html"
    "fault.html"
    "filter_help.html"
    "group.html"
    "groups.html"
    "head.html"
    "history.html"
    "keys.html"
    "layout.html"
    "mails.html"
    "new_user.html"
    "overview.html"
    "pager.html"
    "settings.html"
    "sign_in.html"
    "sign_in_ended.html"
    "sign_in_link.html"
    "user.html"
    "user_data.html"
    "users.html"
};

/// What pages are made from.
pub(super) struct Pages(Environment<'static>);

impl Pages {
    pub(super) fn embedded() -> Self {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_formatter(write);
        environment.add_filter("moment", moment);
        for (name, text) in EMBEDDED {
            environment.add_template(name, text).expect("a test looks at every page");
        }
        environment.add_global("htmx", HTMX_SETTINGS);
        Self(environment)
    }
}

/// htmx exchanges pages and does nothing else: no styles, no evaluated texts, no history of pages kept
/// in the browser, and pages that tell of a fault are shown like all others.
const HTMX_SETTINGS: &str = r#"{"includeIndicatorStyles":false,"allowEval":false,"allowScriptTags":false,"historyCacheSize":0,"refreshOnHistoryMiss":true,"selfRequestsOnly":true,"scrollBehavior":"auto","responseHandling":[{"code":"204","swap":false},{"code":"...","swap":true}]}"#;

/// Writes a value as text that stays where it is: without characters that would reach beyond it, but
/// for the lines of texts that have several.
fn write(out: &mut Output, state: &mut State, value: &Value) -> Result<(), minijinja::Error> {
    let reaches = |character: char| character != '\n' && reaches_beyond(character);
    match value.as_str() {
        Some(text) if !value.is_safe() && text.contains(reaches) => {
            write_value(out, state, &text.replace(reaches, "").into())
        }
        _ => write_value(out, state, value),
    }
}

/// A moment in UTC, to the second.
fn moment(seconds: i64) -> String {
    let time = jiff::Timestamp::from_second(seconds);
    time.map_or_else(|_| seconds.to_string(), |time| time.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

/// A day in UTC.
pub(super) fn date(time: Timestamp) -> String {
    moment(time.0).split(' ').next().unwrap_or_default().to_owned()
}

/// What was done, by the word for it in the address of a page.
fn told(done: &str) -> &'static str {
    match done {
        "created" => "The user was created.",
        "verified" => "The address is verified.",
        "unverified" => "The address is not verified any more.",
        "primary" => "The address is the primary one.",
        "added" => "It was added.",
        "removed" => "It was removed.",
        "sent" => "A mail is on its way.",
        "not-sent" => "No mail was sent: this server sends none. See --mail.",
        "enabled" => "The user can sign in again.",
        "disabled" => "The user cannot sign in any more.",
        "unblocked" => "The user is not blocked any more.",
        "saved" => "It was saved.",
        "deleted" => "It was deleted.",
        "revoked" => "The key is revoked.",
        _ => "",
    }
}

impl Console {
    /// A page for who is signed in: `section` says which of the navigation.
    pub(super) fn page(
        &self,
        operator: &Operator,
        (status, section, template): (StatusCode, &str, &str),
        done: &str,
        values: Value,
    ) -> Response {
        let common = context! {
            section,
            tenant => operator.tenant().as_str(),
            operator => operator.name.as_str(),
            form => operator.form.as_str(),
            done => told(done),
        };
        self.bare(status, template, context! { ..values, ..common })
    }

    /// A page for who need not be signed in.
    pub(super) fn bare(&self, status: StatusCode, template: &str, values: Value) -> Response {
        let common = context! {
            root => self.root.as_str(),
            assets => format!("{}/assets/{}", self.root, *HASH),
        };
        let made = self.pages.0.get_template(template);
        let made = made.and_then(|template| template.render(context! { ..values, ..common }));
        let mut response = match made {
            Ok(html) => (status, html).into_response(),
            Err(error) => {
                // The error's own text may hold a value.
                let (kind, line) = (error.kind(), error.line().unwrap_or(0));
                tracing::error!(template, %kind, line, "a page of the console could not be made");
                (StatusCode::INTERNAL_SERVER_ERROR, "This did not work.").into_response()
            }
        };
        let html = HeaderValue::from_static("text/html; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, html);
        response.extensions_mut().insert(HasOwnBody);
        response
    }
}

/// Why something was not done, for who has asked for it on a page.
pub(super) struct Fault {
    /// The status of the page that tells it.
    pub(super) status: StatusCode,
    /// What is wrong, in sentences.
    pub(super) sentences: Vec<String>,
}

impl Fault {
    /// What an error is on the page that it was made on.
    ///
    /// # Errors
    /// The error, if it is nothing that who asked can mend.
    pub(super) fn of(error: Error) -> Result<Self, Error> {
        let status = status(&error);
        let sentences = match error {
            Error::Invalid(fields) => {
                let sentence = |(name, message): (String, String)| {
                    if name.is_empty() { message } else { format!("{name}: {message}") }
                };
                fields.0.into_iter().map(sentence).collect()
            }
            Error::Refused(refusals) => {
                refusals.iter().map(|refusal| refusal.description().to_owned()).collect()
            }
            Error::BadRequest(_) | Error::NotFound(_) | Error::TooManyRequests { .. } => vec![detail(&error)],
            error => return Err(error),
        };
        Ok(Self { status, sentences })
    }

    /// No fault.
    pub(super) fn none() -> Self {
        Self { status: StatusCode::OK, sentences: Vec::new() }
    }
}

/// By what name a user is shown: a claim, the username, an address, or else the id.
pub(super) fn name_of(user: &User) -> String {
    let claim = |name: &str| user.claims.get(name).and_then(|value| value.as_str()).unwrap_or_default();
    let whole = [claim("given_name"), claim("family_name")].join(" ");
    let primary = user.emails.iter().find(|email| email.primary).map(|email| email.email.as_str());
    let names = [
        claim("name"),
        whole.trim(),
        user.username.as_ref().map_or("", |name| name.username.as_str()),
        primary.unwrap_or_default(),
        user.user_id.as_str(),
    ];
    names.into_iter().find(|name| !name.trim().is_empty()).unwrap_or_default().to_owned()
}

/// An object as JSON to be read and changed by people, in which no character hides.
pub(super) fn json(object: &Map<String, serde_json::Value>) -> String {
    let text = serde_json::to_string_pretty(object).expect("an object has string keys and finite numbers");
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        if character != '\n' && reaches_beyond(character) {
            plain.extend(format!("\\u{:04x}", u32::from(character)).chars());
        } else {
            plain.push(character);
        }
    }
    plain
}

/// What happened, in words: the type without its dots, and without `user.` where more follows.
pub(super) fn words(name: &str) -> String {
    let name = name.strip_prefix("user.").filter(|rest| rest.contains('.')).unwrap_or(name);
    let mut words = name.replace(['.', '_'], " ");
    if let Some(first) = words.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    words
}

/// An event as pages show it.
pub(super) fn event(position: i64, event: &Recorded) -> Value {
    let (by, key) = match &event.actor {
        Word::Known(Actor::Key { key_id, key_name }) => (key_name.clone(), key_id.to_string()),
        Word::Known(Actor::Owner) => ("the owner".to_owned(), String::new()),
        Word::Known(Actor::Server) => ("this server".to_owned(), String::new()),
        Word::Unknown(word) => (word.clone(), String::new()),
    };
    let about_key = match event.details.as_ref().and_then(Details::read) {
        Some(Details::Key(key)) => {
            Some(context! { name => key.key_name.as_str(), id => key.key_id.as_str() })
        }
        Some(Details::Unproven(_)) | None => None,
    };
    let personal = &event.personal;
    context! {
        position,
        time => event.time.0,
        kind => event.kind.as_str(),
        words => words(event.kind.as_str()),
        method => event.method.as_str(),
        about_key,
        by,
        key,
        address => personal.address.clone().unwrap_or_default(),
        reason => personal.reason.clone().unwrap_or_default(),
        remote => personal.remote_address.map(|address| address.to_string()).unwrap_or_default(),
        agent => personal.user_agent.clone().unwrap_or_default(),
        user_id => event.user_id.map(|id| id.to_string()).unwrap_or_default(),
        group_id => event.group_id.map(|id| id.to_string()).unwrap_or_default(),
        request_id => event.request_id.to_string(),
    }
}

/// Where in a list a page is, and the addresses of those beside it. Of longer lists, so many rows are within
/// reach.
pub(super) fn pager(
    path: &str,
    parameters: &[(&str, &str)],
    asked: &asked::Asked,
    (rows, total, is_estimate, has_next): (usize, u64, bool, bool),
    reach: u64,
) -> Value {
    let page = asked.page();
    let last = asked.offset() + rows as u64;
    let link = |page: u32| {
        let number = page.to_string();
        let all: Vec<_> = parameters.iter().copied().chain([("page", number.as_str())]).collect();
        format!("{path}{}", asked::query(&all))
    };
    context! {
        first => if rows == 0 { 0 } else { asked.offset() + 1 },
        last,
        total,
        is_estimate,
        previous => (page > 1).then(|| link(page - 1)),
        next => (has_next && last < reach).then(|| link(page + 1)),
        is_cut => has_next && last >= reach,
    }
}

/// What pages are given that show a shared console.
pub(super) type Shared = axum::extract::State<Arc<Console>>;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;
    use crate::directory::event::EventType;

    #[test]
    fn every_template_of_the_folder_is_embedded_and_can_be_read() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/console");
        let names = std::fs::read_dir(folder).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
        let pages: BTreeSet<String> = names.filter(|name| name.contains(".html")).collect();
        assert_eq!(pages, EMBEDDED.iter().map(|(name, _)| (*name).to_owned()).collect());
        Pages::embedded();
    }

    #[test]
    fn what_happened_is_told_in_words() {
        for (kind, said) in [
            (EventType::UserCreated, "User created"),
            (EventType::EmailVerified, "Email verified"),
            (EventType::PasswordResetNotRequired, "Password reset not required"),
            (EventType::GroupUserAdded, "Group added"),
            (EventType::GroupCreated, "Group created"),
        ] {
            assert_eq!(words(kind.as_str()), said);
        }
    }

    #[test]
    fn json_for_people_hides_no_character_and_says_the_same() {
        let object = json!({"a": "x\u{202e}y", "b": [1, {"c": "line\nline"}]});
        let text = json(object.as_object().unwrap());
        assert!(text.contains("\\u202e") && !text.contains('\u{202e}'), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), object);
    }

    #[test]
    fn moments_are_in_utc() {
        assert_eq!(moment(1_795_355_978), "2026-11-22 13:59:38");
        assert_eq!(date(Timestamp(1_795_355_978)), "2026-11-22");
        assert_eq!(moment(i64::MAX), i64::MAX.to_string());
    }
}
