//! `/api/logs`: what happened, in the compatible vocabulary.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::document::Document;
use super::extract::{Caller, LogPath, LogsRead};
use super::lists::LogList;
use super::page;
use crate::app::App;
use crate::directory::log::Log;
use crate::error::Error;

/// List logs
///
/// A page of what happened, newest first unless asked otherwise. There is a log of every event whose
/// type the vocabulary of this API has a code for; `/v1/events` has the others, too.
#[utoipa::path(
    get,
    path = "/api/logs",
    operation_id = "getAllLogs",
    tag = "logs",
    params(LogList),
    responses((status = OK, description = "A page of logs", body = [Log], headers(("x-pagination" = String, description = "JSON: page_size, current_page, total_count, has_previous, has_next"))))
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller<LogsRead>,
    wanted: LogList,
) -> Result<Response, Error> {
    let page = app.logs(&caller.origin.tenant, wanted.filter.clone(), wanted.sorted()).await?;
    page::answer(&wanted, page).await
}

/// Find a log
#[utoipa::path(
    get,
    path = "/api/logs/{log_id}",
    operation_id = "findLogById",
    tag = "logs",
    params(LogPath),
    responses((status = OK, description = "The log", body = Log))
)]
pub(super) async fn find(
    State(app): State<Arc<App>>,
    caller: Caller<LogsRead>,
    path: LogPath,
) -> Result<Document, Error> {
    Document::of(&app.log(&caller.origin.tenant, path.log_id).await?)
}
