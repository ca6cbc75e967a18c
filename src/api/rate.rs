//! What an answer tells of the limit on its key: the headers `RateLimit` and `RateLimit-Policy` of
//! draft-ietf-httpapi-ratelimit-headers-10.

use std::cell::Cell;

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::app::RateStanding;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

tokio::task_local! {
    /// How it stands with the limit of the request's key. What finds the key has no way to the answer but
    /// this, which costs nothing where there is no limit.
    static STANDING: Cell<Option<RateStanding>>;
}

/// Notes how it stands with the key of the request that is being answered.
pub(super) fn note(standing: RateStanding) {
    // Outside of [`noted`] nobody wants to know.
    let _ = STANDING.try_with(|noted| noted.set(Some(standing)));
}

/// Gives what work gives, and what it has noted.
pub(super) async fn noted<T>(work: impl Future<Output = T>) -> (T, Option<RateStanding>) {
    STANDING.scope(Cell::new(None), async { (work.await, STANDING.with(Cell::get)) }).await
}

/// Tells it in the headers of an answer.
pub(super) fn tell(standing: &RateStanding, headers: &mut HeaderMap) {
    let RateStanding { limit, remaining, reset, .. } = standing;
    let policy = format!("\"key\";q={};w={}", limit.requests(), limit.per().seconds());
    let state = format!("\"key\";r={remaining};t={reset}");
    for (name, value) in [(RATE_LIMIT_POLICY, policy), (RATE_LIMIT, state)] {
        headers.insert(name, HeaderValue::try_from(value).expect("numbers fit into a header"));
    }
}
