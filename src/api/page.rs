//! A page of a list as an answer: a bare array, and a header that tells where in the list it is.

use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;

use super::document::Document;
use super::lists::{Listed, Sort};
use crate::error::Error;
use crate::store::Page;

const PAGINATION_HEADER: HeaderName = HeaderName::from_static("x-pagination");

/// What `rows` makes of the page, with the header.
pub(super) async fn answer<Key: Sort, T: Send + 'static, R: Serialize>(
    wanted: &Listed<Key>,
    page: Page<T>,
    rows: impl FnOnce(Vec<T>) -> Result<Vec<R>, Error> + Send + 'static,
) -> Result<Response, Error> {
    let mut pagination = json!({
        "page_size": wanted.size,
        "current_page": wanted.page,
        "total_count": page.total,
        "has_previous": wanted.page > 1,
        "has_next": page.has_next,
    });
    if page.total_is_estimate {
        pagination["total_count_is_estimate"] = json!(true);
    }
    let pagination =
        HeaderValue::try_from(pagination.to_string()).map_err(|error| Error::Internal(error.to_string()))?;
    // Elsewhere: a thousand users of many kilobytes would hold up all that this thread serves.
    let rows = tokio::task::spawn_blocking(move || Document::of(&rows(page.documents)?))
        .await
        .map_err(|error| Error::Internal(error.to_string()))??;
    Ok(([(PAGINATION_HEADER, pagination)], rows).into_response())
}
