//! Whether the server lives and can serve.

use std::sync::Arc;

use axum::extract::State;
use bytes::Bytes;
use utoipa::ToSchema;

use super::document::Document;
use crate::app::App;
use crate::error::Error;

/// How the server is.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it only describes the answer, which never varies")]
pub(super) struct Health {
    /// Always `ok`: a server that is not well answers a problem.
    #[schema(example = "ok")]
    status: &'static str,
}

const WELL: Document = Document(Bytes::from_static(br#"{"status":"ok"}"#));

/// Whether the process lives
#[utoipa::path(get, path = "/healthz", operation_id = "live", tag = "server", responses((status = OK, description = "The process lives", body = Health)))]
pub(super) async fn live() -> Document {
    WELL
}

/// Whether the store answers
#[utoipa::path(get, path = "/readyz", operation_id = "ready", tag = "server", responses((status = OK, description = "The store answers", body = Health)))]
pub(super) async fn ready(State(app): State<Arc<App>>) -> Result<Document, Error> {
    app.store.ping().await.map(|()| WELL)
}
