//! A page of a list as an answer: a bare array, and a header that tells where in the list it is.

use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;

use super::extract::Listed;
use super::users::Document;
use crate::error::Error;
use crate::store::Page;

const PAGINATION_HEADER: HeaderName = HeaderName::from_static("x-pagination");

/// The rows of a page, with the header.
pub(super) fn answer<Key, T, R: Serialize>(
    wanted: &Listed<Key>,
    page: &Page<T>,
    rows: &[R],
) -> Result<Response, Error> {
    let body = serde_json::to_vec(rows).map_err(|error| Error::Internal(error.to_string()))?;
    let pagination = json!({
        "page_size": wanted.size,
        "current_page": wanted.page,
        "total_count": page.total,
        "has_previous": wanted.page > 1,
        "has_next": page.has_next,
    });
    let pagination =
        HeaderValue::try_from(pagination.to_string()).map_err(|error| Error::Internal(error.to_string()))?;
    Ok(([(PAGINATION_HEADER, pagination)], Document(body.into())).into_response())
}
