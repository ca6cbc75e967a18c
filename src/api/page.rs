//! A page of a list as an answer: a bare array, and a header that tells where in the list it is.

use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;
use serde_json::json;

use super::document::Document;
use super::lists::{Listed, Sort};
use crate::directory::summary::Summary;
use crate::error::Error;
use crate::store::Page;

const PAGINATION_HEADER: HeaderName = HeaderName::from_static("x-pagination");

/// How many bytes of documents are written to an answer right away; more would hold up all that the
/// thread serves.
const SHORT: usize = 64 * 1024;

/// A page of users, each as a row of a list.
pub(super) async fn of_users<Key: Sort>(wanted: &Listed<Key>, page: Page) -> Result<Response, Error> {
    let pagination = pagination(wanted, &page)?;
    let rows = written(page.documents, |documents| Document::of(&rows(documents)?)).await?;
    Ok((pagination, rows).into_response())
}

/// A page of something else, as it is.
pub(super) async fn answer<Key: Sort, T: Serialize + Send + 'static>(
    wanted: &Listed<Key>,
    page: Page<T>,
) -> Result<Response, Error> {
    let pagination = pagination(wanted, &page)?;
    let rows = elsewhere(move || Document::of(&page.documents)).await?;
    Ok((pagination, rows).into_response())
}

/// Users as rows of a list.
pub(super) fn rows(documents: &[Bytes]) -> Result<Vec<Summary<'_>>, Error> {
    documents.iter().map(|document| Summary::of_document(document)).collect()
}

/// What is written of documents, here if they are short.
pub(super) async fn written(
    documents: Vec<Bytes>,
    write: impl FnOnce(&[Bytes]) -> Result<Document, Error> + Send + 'static,
) -> Result<Document, Error> {
    if documents.iter().map(Bytes::len).sum::<usize>() <= SHORT {
        return write(&documents);
    }
    elsewhere(move || write(&documents)).await
}

/// Does work on a thread where it holds up nobody.
async fn elsewhere(
    work: impl FnOnce() -> Result<Document, Error> + Send + 'static,
) -> Result<Document, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Error::Internal(error.to_string()))?
}

/// The header that tells where in the list the page is.
fn pagination<Key: Sort, T>(
    wanted: &Listed<Key>,
    page: &Page<T>,
) -> Result<[(HeaderName, HeaderValue); 1], Error> {
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
    let value =
        HeaderValue::try_from(pagination.to_string()).map_err(|error| Error::Internal(error.to_string()))?;
    Ok([(PAGINATION_HEADER, value)])
}
