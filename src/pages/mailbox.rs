//! The mailbox of a server for trying out: what it sent, as it lies in files.

use std::sync::Arc;

use axum::extract::{FromRequestParts, State};
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::Site;
use super::page::Page;
use crate::api::{HasOwnBody, path_parameter};
use crate::error::Error;
use crate::mail::{Stored, mail_of, mails_in};

/// How many mails are listed.
const MOST: usize = 100;
/// A mail has its style in its elements, and nothing else of its own.
const MAIL_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; form-action 'none'; base-uri 'none'",
);

/// The newest mails.
pub(super) async fn list(State(site): State<Arc<Site>>) -> Result<Response, Error> {
    let folder = site.mailbox.clone().ok_or(Error::NoRoute)?;
    let mails = read(move || mails_in(&folder, MOST))
        .await?
        .map_err(|error| Error::Internal(format!("{error:#}")))?;
    Ok(site.answer(StatusCode::OK, &Page::Mailbox { mails: &mails }))
}

/// A mail as text, with its links.
pub(super) async fn show(State(site): State<Arc<Site>>, Mail(mail): Mail) -> Response {
    site.answer(StatusCode::OK, &Page::Mail { mail: &mail })
}

/// A mail as its reader sees it.
pub(super) async fn show_html(State(_): State<Arc<Site>>, Mail(mail): Mail) -> Response {
    let mut response = mail.html.into_response();
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, MAIL_POLICY);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response.extensions_mut().insert(HasOwnBody);
    response
}

/// The mail that the path names.
pub(super) struct Mail(Stored);

impl FromRequestParts<Arc<Site>> for Mail {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, site: &Arc<Site>) -> Result<Self, Error> {
        let folder = site.mailbox.clone().ok_or(Error::NoRoute)?;
        let name = path_parameter(parts, "mail").into_owned();
        read(move || mail_of(&folder, &name)).await?.map(Self).ok_or(Error::NoRoute)
    }
}

/// Reads files where nobody waits.
async fn read<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Error::Internal(error.to_string()))
}
