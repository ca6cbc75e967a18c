//! What the tenant has chosen, and the mails as they are sent.

use axum::extract::State;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_FRAME_OPTIONS};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use minijinja::{Value, context};

use super::Console;
use super::asked::{Asked, Filled, Named};
use super::operator::Operator;
use super::page::{Fault, Shared};
use crate::api::HasOwnBody;
use crate::directory::settings::{Choices, Means, Settings};
use crate::error::{Error, InvalidFields};
use crate::mail::Message;
use crate::templates::TemplateError;

/// What each setting means. One that is not here is shown by its name alone.
const MEANINGS: [(&str, &str, &str); 8] = [
    (
        "display_name",
        "Display name",
        "The name in which pages and mails speak. The host of the public URL if empty.",
    ),
    ("proof_means", "Proof of emails", "What a verification mail brings."),
    ("link_expiry", "Links work for", "Seconds, from 60 to 604800."),
    ("code_expiry", "Codes work for", "Seconds, from 60 to 604800."),
    (
        "proofs_per_address_and_minute",
        "Proofs a minute",
        "How many can be started for one address, resets by mail among them.",
    ),
    (
        "proofs_per_address_and_hour",
        "Proofs an hour",
        "How many can be started for one address, resets by mail among them.",
    ),
    (
        "proofs_per_user_and_hour",
        "Proofs an hour and user",
        "How many can be started for all addresses of a user, resets by mail among them.",
    ),
    (
        "purge_unproven",
        "Drop what is unproven",
        "Whether the first proof on an account removes what nobody has vouched for, in place of flagging it.",
    ),
];
/// The mails that there are: by name, and in words.
const MAILS: [(&str, &str); 2] = [("verify", "Verification"), ("reset", "Password reset")];
/// A mail has its style in its elements, and nothing else of its own; it is shown in a frame of ours.
const MAIL_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; form-action 'none'; base-uri 'none'; sandbox",
);

/// Shows what is chosen.
pub(super) async fn show(
    State(console): Shared,
    operator: Operator,
    asked: Asked,
) -> Result<Response, Error> {
    let settings = console.app.store.settings(operator.tenant()).await?;
    let shown = settings.shown();
    Ok(console.settings(&operator, asked.field("done"), &shown, Fault::none()))
}

/// Chooses all that the form has, or nothing if one of them cannot be.
pub(super) async fn act(State(console): Shared, operator: Operator, form: Filled) -> Result<Response, Error> {
    let mut shown = console.app.store.settings(operator.tenant()).await?.shown();
    let (mut invalid, mut wanted) = (Vec::new(), Vec::new());
    for (name, value) in shown.iter_mut().filter(|(name, value)| form.has(name) && form.field(name) != value)
    {
        form.field(name).clone_into(value);
        match Settings::default().set(name, value) {
            Ok(()) => wanted.push(((*name).to_owned(), value.clone())),
            Err(reason) => invalid.push(((*name).to_owned(), format!("{reason}."))),
        }
    }
    if !invalid.is_empty() {
        let fault = Fault::of(InvalidFields(invalid).into())?;
        return Ok(console.settings(&operator, "", &shown, fault));
    }
    // What is as it was is not chosen anew: others may choose it at the same time.
    let choices = Choices::new(wanted).map_err(Error::Internal)?;
    console.app.store.choose(operator.tenant(), choices).await?;
    Ok(console.see("/settings?done=saved"))
}

impl Console {
    fn settings(&self, operator: &Operator, done: &str, shown: &[(&str, String)], fault: Fault) -> Response {
        let values = context! {
            settings => shown.iter().map(|(name, value)| field(name, value)).collect::<Vec<_>>(),
            faults => fault.sentences,
        };
        self.page(operator, (fault.status, "settings", "settings.html"), done, values)
    }

    /// A mail as it is sent, with sample values.
    fn sample(&self, name: &str) -> Option<Result<Message, TemplateError>> {
        match name {
            "verify" => Some(self.mails.sample_verify()),
            "reset" => Some(self.mails.sample_reset()),
            _ => None,
        }
    }
}

fn field(name: &str, value: &str) -> Value {
    let known = MEANINGS.iter().find(|(known, ..)| *known == name);
    let (title, help) = known.map_or((name, ""), |(_, title, help)| (*title, *help));
    let choices: Vec<&str> = match name {
        "proof_means" => Means::ALL.iter().map(|means| means.as_str()).collect(),
        "purge_unproven" => vec!["false", "true"],
        _ => Vec::new(),
    };
    context! { name, title, help, value, choices }
}

/// Shows the mails.
pub(super) async fn mails(State(console): Shared, operator: Operator) -> Result<Response, Error> {
    let mut mails = Vec::new();
    for (name, title) in MAILS {
        let sample = console.sample(name).ok_or(Error::NoRoute)?;
        let sample = sample.map_err(|error| Error::Internal(error.to_string()))?;
        mails.push(context! { name, title, subject => sample.subject(), text => sample.text() });
    }
    Ok(console.page(&operator, (StatusCode::OK, "mail", "mails.html"), "", context! { mails }))
}

/// A mail as its reader sees it, for a frame.
pub(super) async fn mail(State(console): Shared, named: Named) -> Result<Response, Error> {
    let sample = console.sample(&named.text).ok_or(Error::NoRoute)?;
    let sample = sample.map_err(|error| Error::Internal(error.to_string()))?;
    let mut response = sample.html().to_owned().into_response();
    for (name, value) in [
        (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (CONTENT_SECURITY_POLICY, MAIL_POLICY),
        (X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN")),
    ] {
        response.headers_mut().insert(name, value);
    }
    response.extensions_mut().insert(HasOwnBody);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_told_in_words() {
        let told: Vec<&str> = MEANINGS.iter().map(|(name, ..)| *name).collect();
        assert_eq!(told, Settings::NAMES);
    }
}
