//! `/metrics`: what the server counts, for Prometheus.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;

use crate::app::App;
use crate::metrics;

/// All figures at this moment.
pub(super) async fn serve(State(app): State<Arc<App>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, metrics::CONTENT_TYPE), (CACHE_CONTROL, "no-store")], app.figures().await)
}
