//! `/v1/import`: users and groups from elsewhere, line by line.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http_body_util::BodyExt;
use serde::Serialize;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use utoipa::IntoParams;

use super::exports::NDJSON;
use super::extract::{Admin, Caller};
use super::lists::flag;
use super::problem;
use crate::app::App;
use crate::app::import::{Fault, Numbered, Outcome, RowResult, TOGETHER, Tally};
use crate::directory::event::Method;
use crate::error::Error;
use crate::import::lines::Lines;
use crate::import::ndjson_row;

/// How long the next part of the lines may take to arrive.
const PART_TIMEOUT: Duration = Duration::from_secs(20);
/// How many parts of the answer wait for whoever reads it.
const WAITING: usize = 4;

/// The query parameters of an import.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "these fields only describe the parameters")]
struct ImportParameters {
    /// Whether nothing is to be kept, and only told what would become of each line.
    #[param(default = false)]
    dry_run: Option<bool>,
}

/// How the lines are to be taken.
pub(super) struct WantedImport {
    dry_run: bool,
}

impl FromRequestParts<Arc<App>> for WantedImport {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, Error> {
        Ok(Self { dry_run: flag(parts.uri.query(), "dry_run")? })
    }
}

impl IntoParams for WantedImport {
    fn into_params(
        place: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
    ) -> Vec<utoipa::openapi::path::Parameter> {
        ImportParameters::into_params(place)
    }
}

/// A body of any length and any label, which is read as it comes.
pub(super) struct Streamed(Body);

impl FromRequest<Arc<App>> for Streamed {
    type Rejection = Error;

    async fn from_request(request: Request, _: &Arc<App>) -> Result<Self, Error> {
        Ok(Self(request.into_body()))
    }
}

/// A line that was refused.
#[derive(Serialize)]
struct RefusedLine<'a> {
    line: u64,
    #[serde(flatten)]
    fault: &'a Fault,
}

/// Import users and groups
///
/// Takes users and groups, each a JSON object in a line of its own: lines of an export, or what `createUser`
/// takes, with `claims`, `public_data`, `private_data`, `disabled`, `creation_time` and the names of `groups`
/// beside. Each line is kept or refused for itself, in their order. What is there already, the same, is left
/// alone, so that the same lines can be sent again.
///
/// The answer comes while the lines are read: a line `{"line": ..., "code": ..., "reason": ...}` for each that
/// is refused, and in the end one with a `summary`. If that has `is_complete: false`, or is missing, not all
/// lines were looked at.
#[utoipa::path(
    post,
    path = "/v1/import",
    operation_id = "importUsers",
    tag = "bulk",
    params(WantedImport),
    request_body(content = String, content_type = "application/x-ndjson", description = "Lines of at most 1 MiB, as many as there are"),
    responses((status = OK, description = "Lines of JSON: what was refused, and the summary", body = String, content_type = "application/x-ndjson"))
)]
pub(super) async fn import(
    State(app): State<Arc<App>>,
    caller: Caller<Admin>,
    wanted: WantedImport,
    body: Streamed,
) -> Response {
    let (to_rows, rows) = mpsc::channel(TOGETHER);
    let (to_results, results) = mpsc::channel(WAITING);
    let origin = crate::directory::event::Origin { method: Method::Import, ..caller.origin };
    let importing = tokio::spawn(async move { app.import(&origin, wanted.dry_run, rows, to_results).await });
    let reading = tokio::spawn(read(body.0, to_rows));
    let told =
        Telling { results, tally: Tally::default(), dry_run: wanted.dry_run, tasks: [reading, importing] };
    let parts = stream::unfold(Some(told), |telling| async { telling?.next().await });
    (NDJSON, Body::from_stream(parts.map(Ok::<_, Error>))).into_response()
}

/// Reads rows from a body, until it ends or nobody takes them any more.
async fn read(mut body: Body, to: mpsc::Sender<Numbered>) -> Result<(), Error> {
    let mut lines = Lines::new(ndjson_row);
    loop {
        let frame = tokio::time::timeout(PART_TIMEOUT, body.frame()).await.map_err(|_| Error::Timeout)?;
        let rows = match frame {
            Some(Ok(frame)) => frame.into_data().map(|part| lines.push(&part)).unwrap_or_default(),
            Some(Err(_)) => return Err(Error::BadRequest("The body ended early.".to_owned())),
            None => {
                if let Some(last) = lines.end() {
                    // Whoever takes no more has stopped, and says why.
                    let _ = to.send(last).await;
                }
                return Ok(());
            }
        };
        for row in rows {
            if to.send(row).await.is_err() {
                return Ok(());
            }
        }
    }
}

/// The answer to an import, while it is made.
struct Telling {
    results: mpsc::Receiver<Vec<RowResult>>,
    tally: Tally,
    dry_run: bool,
    /// Reading, and keeping what was read.
    tasks: [JoinHandle<Result<(), Error>>; 2],
}

impl Telling {
    /// The next part of the answer, and who tells the rest.
    async fn next(mut self) -> Option<(Bytes, Option<Self>)> {
        let mut lines = Vec::new();
        while lines.is_empty() {
            let Some(results) = self.results.recv().await else { return Some((self.end().await, None)) };
            for row in results {
                self.tally.count(&row);
                if let Outcome::Refused(fault) = &row.outcome {
                    write(&mut lines, &RefusedLine { line: row.line, fault });
                }
            }
        }
        Some((lines.into(), Some(self)))
    }

    /// The last line.
    async fn end(self) -> Bytes {
        let mut summary = json!(self.tally);
        summary["dry_run"] = json!(self.dry_run);
        summary["is_complete"] = json!(true);
        for task in self.tasks {
            let done = task.await.unwrap_or_else(|error| Err(Error::Internal(error.to_string())));
            if let Err(error) = done {
                tracing::error!(%error, "an import was broken off");
                summary["is_complete"] = json!(false);
                summary["detail"] = json!(problem::detail(&error));
            }
        }
        let mut line = Vec::new();
        write(&mut line, &json!({"summary": summary}));
        line.into()
    }
}

fn write(lines: &mut Vec<u8>, value: &impl Serialize) {
    serde_json::to_writer(&mut *lines, value).expect("texts and numbers can be written");
    lines.push(b'\n');
}
