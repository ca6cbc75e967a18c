//! `/v1/export`: all users and groups, line by line.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequestParts, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use utoipa::IntoParams;

use super::extract::{Caller, UsersRead};
use super::lists::flag;
use crate::app::App;
use crate::app::export::Lines;
use crate::directory::api_key::Scope;
use crate::error::Error;

/// How lines of JSON are labelled.
pub(super) const NDJSON: [(HeaderName, HeaderValue); 1] =
    [(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"))];

/// The query parameters of an export.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "these fields only describe the parameters")]
struct ExportParameters {
    /// Whether the hashes of passwords are wanted, too. The scope `admin` is needed then.
    #[param(default = false)]
    with_hashes: Option<bool>,
}

/// What of an export is wanted.
pub(super) struct WantedExport {
    with_hashes: bool,
}

impl FromRequestParts<Arc<App>> for WantedExport {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, Error> {
        Ok(Self { with_hashes: flag(parts.uri.query(), "with_hashes")? })
    }
}

impl IntoParams for WantedExport {
    fn into_params(
        place: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
    ) -> Vec<utoipa::openapi::path::Parameter> {
        ExportParameters::into_params(place)
    }
}

/// Export users and groups
///
/// All groups and users as they are at one moment, each a JSON object in a line of its own: first
/// `{"group": ...}`, then `{"user": ..., "groups": ..., "proved_at": ...}`, both in the order of their ids. A
/// user is as `findUserById` shows them. With `with_hashes`, who has a password has `password`, too; without,
/// nobody has a password.
/// `importUsers` takes these lines.
#[utoipa::path(
    get,
    path = "/v1/export",
    operation_id = "exportUsers",
    tag = "bulk",
    params(WantedExport),
    responses((status = OK, description = "Lines of JSON. An answer that is cut off is not whole.", body = String, content_type = "application/x-ndjson"))
)]
pub(super) async fn export(
    State(app): State<Arc<App>>,
    caller: Caller<UsersRead>,
    wanted: WantedExport,
) -> Result<Response, Error> {
    caller.must_hold(Scope::GroupsRead)?;
    if wanted.with_hashes {
        caller.must_hold(Scope::Admin)?;
    }
    let mut lines = app.export(&caller.origin.tenant, wanted.with_hashes)?;
    // What cannot even begin is told by the status.
    let first = lines.recv().await.transpose()?;
    let all = stream::iter(first.map(Ok)).chain(rest(lines));
    Ok((NDJSON, Body::from_stream(all)).into_response())
}

/// The lines that follow. One that fails breaks the answer off, so that nobody takes it for whole.
pub(super) fn rest(lines: Lines) -> impl stream::Stream<Item = Result<bytes::Bytes, Error>> {
    stream::unfold(lines, |mut lines| async {
        let next = lines.recv().await?;
        if let Err(error) = &next {
            tracing::error!(%error, "an export was broken off");
        }
        Some((next, lines))
    })
}
