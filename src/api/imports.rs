//! `/v1/import`: users and groups from elsewhere, row by row.

use std::borrow::Cow;
use std::io::{self, BufReader, Read};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use clap::ValueEnum as _;
use futures_util::{StreamExt, stream};
use http_body_util::BodyExt;
use serde::Serialize;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use utoipa::IntoParams;

use super::document::Document;
use super::exports::NDJSON;
use super::extract::{Admin, Caller};
use super::lists::{flag, given};
use super::{problem, repeats};
use crate::app::App;
use crate::app::import::{Fault, Outcome, RowResult, TOGETHER, Tally};
use crate::directory::event::{Method, Origin};
use crate::error::Error;
use crate::import::Format;
use crate::store::About;

/// Where it is.
pub(super) const PATH: &str = "/v1/import";
/// How long the next part of the body may take to arrive.
const PART_TIMEOUT: Duration = Duration::from_secs(20);
/// How many parts of the body and of the answer wait for whoever reads them.
const WAITING: usize = 4;

/// The query parameters of an import.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "these fields only describe the parameters")]
struct ImportParameters {
    /// Whether nothing is to be kept, and only told what would become of each row.
    #[param(default = false)]
    dry_run: Option<bool>,
    /// How the body is written: `ndjson`, `csv`, `auth0` or `keycloak`. If nothing is said, it is `csv` where
    /// the `Content-Type` is `text/csv`, else `ndjson`.
    #[param(example = "auth0")]
    format: Option<String>,
}

/// How the rows are to be taken.
pub(super) struct WantedImport {
    dry_run: bool,
    format: Format,
}

impl FromRequestParts<Arc<App>> for WantedImport {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, Error> {
        let query = parts.uri.query();
        let format = given(query, "format").or_else(|| label(parts).map(Cow::Borrowed));
        let format = format.map_or(Ok(Format::Ndjson), |name| {
            let refused = |_| Error::BadRequest("format must be ndjson, csv, auth0 or keycloak.".to_owned());
            Format::from_str(&name, false).map_err(refused)
        })?;
        Ok(Self { dry_run: flag(query, "dry_run")?, format })
    }
}

/// The format that a body is labelled as, where the query names none: `csv` or nothing.
pub(super) fn label(parts: &Parts) -> Option<&'static str> {
    (given(parts.uri.query(), "format").is_none() && is_csv(&parts.headers)).then_some("csv")
}

/// Whether a body is labelled as values between commas.
fn is_csv(headers: &HeaderMap) -> bool {
    let label = headers.get(CONTENT_TYPE).and_then(|label| label.to_str().ok()).unwrap_or_default();
    let media_type = label.split(';').next().unwrap_or_default().trim();
    media_type.eq_ignore_ascii_case("text/csv")
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

/// A row that was refused.
#[derive(Serialize)]
struct RefusedLine<'a> {
    line: u64,
    #[serde(flatten)]
    fault: &'a Fault,
}

/// Import users and groups
///
/// Takes users and groups, in one of the formats that `bonafide import` takes. `ndjson` is a JSON object a
/// line: lines of an export, or what `createUser` takes, with `claims`, `public_data`, `private_data`,
/// `disabled`, `creation_time` and the names of `groups` beside. Each row is kept or refused for itself, in
/// their order. What is there already, the same, is left alone, so that the same rows can be sent again.
///
/// The answer comes while the rows are read: a line `{"line": ..., "code": ..., "reason": ...}` for each that
/// is refused, and in the end one with a `summary`. If that has `is_complete: false`, or is missing, not all
/// rows were looked at.
///
/// An import with an `Idempotency-Key` has 1 MiB at most, and is answered when all is done. A larger one needs
/// no name: sent again, it finds there what the first has brought.
#[utoipa::path(
    post,
    path = "/v1/import",
    operation_id = "importUsers",
    tag = "bulk",
    params(WantedImport),
    request_body(
        description = "Rows of at most 1 MiB, as many as there are, under any label",
        content((String = "application/x-ndjson"), (String = "text/csv"))
    ),
    responses((status = OK, description = "Lines of JSON: what was refused, and the summary", body = String, content_type = "application/x-ndjson"))
)]
pub(super) async fn import(
    State(app): State<Arc<App>>,
    caller: Caller<Admin>,
    wanted: WantedImport,
    body: Streamed,
) -> Result<Response, Error> {
    let WantedImport { dry_run, format } = wanted;
    let telling = Telling::begin(app.clone(), &caller.origin, dry_run, format, body.0);
    if caller.is_named() {
        let (lines, is_complete) = telling.whole().await;
        let lines = Document(lines.into());
        // What was broken off is to be tried anew.
        let lines =
            if is_complete { repeats::kept(&app, &caller, About::Nobody, lines).await? } else { lines };
        return Ok((NDJSON, lines.0).into_response());
    }
    let parts = stream::unfold(Some(telling), |telling| async { telling?.next().await });
    Ok((NDJSON, Body::from_stream(parts.map(Ok::<_, Error>))).into_response())
}

/// Passes a body on in parts, as they come.
async fn receive(mut body: Body, to: mpsc::Sender<io::Result<Bytes>>) -> Result<(), Error> {
    loop {
        let part = match tokio::time::timeout(PART_TIMEOUT, body.frame()).await {
            Ok(None) => return Ok(()),
            Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
            broken_off => {
                // What has come of the last row must not be taken for all of it.
                let _ = to.send(Err(io::ErrorKind::UnexpectedEof.into())).await;
                return Err(match broken_off {
                    Err(_) => Error::Timeout,
                    Ok(_) => Error::BadRequest("The body ended early.".to_owned()),
                });
            }
        };
        if to.send(Ok(part)).await.is_err() {
            return Ok(());
        }
    }
}

/// A body as it is read like a file, by a thread that can wait for it.
struct Received {
    parts: mpsc::Receiver<io::Result<Bytes>>,
    part: Bytes,
}

impl Read for Received {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.part.is_empty() {
            match self.parts.blocking_recv() {
                Some(part) => self.part = part?,
                None => return Ok(0),
            }
        }
        let most = self.part.len().min(buffer.len());
        buffer[..most].copy_from_slice(&self.part.split_to(most));
        Ok(most)
    }
}

/// The answer to an import, while it is made.
struct Telling {
    results: mpsc::Receiver<Vec<RowResult>>,
    tally: Tally,
    dry_run: bool,
    /// Receiving, reading, and keeping what was read.
    tasks: [JoinHandle<Result<(), Error>>; 3],
}

impl Telling {
    /// Begins to import what comes.
    fn begin(app: Arc<App>, origin: &Origin, dry_run: bool, format: Format, body: Body) -> Self {
        let (to_parts, parts) = mpsc::channel(WAITING);
        let (to_rows, rows) = mpsc::channel(TOGETHER);
        let (to_results, results) = mpsc::channel(WAITING);
        let receiving = tokio::spawn(receive(body, to_parts));
        let reading = tokio::task::spawn_blocking(move || {
            let mut input = BufReader::new(Received { parts, part: Bytes::new() });
            let read = format.read(&mut input, &mut |row| to_rows.blocking_send(row).is_ok());
            read.map_err(|error| Error::BadRequest(format!("The body cannot be read on: {error:#}.")))
        });
        let origin = Origin { method: Method::Import, ..origin.clone() };
        let importing = tokio::spawn(async move { app.import(&origin, dry_run, rows, to_results).await });
        Self { results, tally: Tally::default(), dry_run, tasks: [receiving, reading, importing] }
    }

    /// The next part of the answer, and who tells the rest.
    async fn next(mut self) -> Option<(Bytes, Option<Self>)> {
        Some(match self.lines().await {
            Some(lines) => (lines.into(), Some(self)),
            None => (self.end().await.0.into(), None),
        })
    }

    /// All of the answer at once, and whether all rows were looked at.
    async fn whole(mut self) -> (Vec<u8>, bool) {
        let mut whole = Vec::new();
        while let Some(lines) = self.lines().await {
            whole.extend(lines);
        }
        let (last, is_complete) = self.end().await;
        whole.extend(last);
        (whole, is_complete)
    }

    /// The next lines about rows, if there are more.
    async fn lines(&mut self) -> Option<Vec<u8>> {
        let mut lines = Vec::new();
        while lines.is_empty() {
            for row in self.results.recv().await? {
                self.tally.count(&row);
                if let Outcome::Refused(fault) = &row.outcome {
                    write(&mut lines, &RefusedLine { line: row.line, fault });
                }
            }
        }
        Some(lines)
    }

    /// The last line, and whether all rows were looked at.
    async fn end(self) -> (Vec<u8>, bool) {
        let mut summary = json!(self.tally);
        summary["dry_run"] = json!(self.dry_run);
        let mut broken_off = None;
        for task in self.tasks {
            let done = task.await.unwrap_or_else(|error| Err(Error::Internal(error.to_string())));
            // The others only follow from the first.
            broken_off = broken_off.or(done.err());
        }
        summary["is_complete"] = json!(broken_off.is_none());
        if let Some(error) = &broken_off {
            // What is wrong with the body may quote it.
            if !matches!(error, Error::BadRequest(_)) {
                tracing::error!(%error, "an import was broken off");
            }
            summary["detail"] = json!(problem::detail(error));
        }
        let mut line = Vec::new();
        write(&mut line, &json!({"summary": summary}));
        (line, broken_off.is_none())
    }
}

fn write(lines: &mut Vec<u8>, value: &impl Serialize) {
    serde_json::to_writer(&mut *lines, value).expect("texts and numbers can be written");
    lines.push(b'\n');
}
