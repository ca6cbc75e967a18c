//! Tags of users: which version of a user an answer shows (`ETag`), and which one a request is about
//! (`If-Match`, `If-None-Match`). A tag is the version in quotes.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::{ETAG, HeaderName, IF_MATCH, IF_NONE_MATCH};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::document::Document;
use crate::app::{App, Current, OnlyIf};
use crate::store::Version;

/// The header's value for a version.
pub(super) fn of(version: Version) -> HeaderValue {
    HeaderValue::try_from(format!("\"{}\"", version.0)).expect("digits in quotes fit into a header")
}

/// JSON that shows a version of a user.
pub(super) struct Tagged {
    /// The version.
    pub(super) version: Version,
    /// What is shown of it.
    pub(super) document: Document,
}

impl From<Current> for Tagged {
    /// The whole user.
    fn from(current: Current) -> Self {
        Self { version: current.version, document: Document(current.document) }
    }
}

impl IntoResponse for Tagged {
    fn into_response(self) -> Response {
        ([(ETAG, of(self.version))], self.document).into_response()
    }
}

impl Tagged {
    /// The answer to a client that has these versions already: 304 if this is one of them.
    pub(super) fn unless(self, known: &Known) -> Response {
        if known.0.as_ref().is_some_and(|known| known.has(self.version)) {
            return (StatusCode::NOT_MODIFIED, [(ETAG, of(self.version))]).into_response();
        }
        self.into_response()
    }
}

/// The versions that a client has already, if it says so.
pub(super) struct Known(Option<Tags>);

impl FromRequestParts<Arc<App>> for Known {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, Infallible> {
        Ok(Self(Tags::read(&parts.headers, &IF_NONE_MATCH, weak_or_strong)))
    }
}

/// What must be so for the request to change a user. A weak tag never is.
pub(super) fn only_if(headers: &HeaderMap) -> Option<OnlyIf> {
    Tags::read(headers, &IF_MATCH, |tag| tag).map(|tags| match tags {
        Tags::Any => OnlyIf::Exists,
        Tags::Of(versions) => OnlyIf::Has(versions),
    })
}

/// A tag, also where somebody on the way has made it a weak one.
fn weak_or_strong(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}

/// The tags of a header.
#[derive(Debug, PartialEq, Eq)]
enum Tags {
    /// `*`: whatever is there.
    Any,
    /// Those of these versions. What is no tag of ours is left out: no user has it.
    Of(Vec<Version>),
}

impl Tags {
    /// The tags of a header, if the request has it, each of them read as `strip` leaves it.
    fn read(headers: &HeaderMap, name: &HeaderName, strip: fn(&str) -> &str) -> Option<Self> {
        let mut lines = headers.get_all(name).iter().peekable();
        lines.peek()?;
        let mut versions = Vec::new();
        for line in lines.filter_map(|line| line.to_str().ok()) {
            if line.trim() == "*" {
                return Some(Self::Any);
            }
            // No tag of ours holds a comma, and no part of another's is one of ours.
            versions.extend(line.split(',').filter_map(|tag| version(strip(tag.trim()))));
        }
        Some(Self::Of(versions))
    }

    fn has(&self, version: Version) -> bool {
        match self {
            Self::Any => true,
            Self::Of(versions) => versions.contains(&version),
        }
    }
}

/// The version of a tag that reads as this server writes it.
fn version(tag: &str) -> Option<Version> {
    let digits = tag.strip_prefix('"')?.strip_suffix('"')?;
    let number: i64 = digits.parse().ok()?;
    (number.to_string() == digits).then_some(Version(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[&str]) -> HeaderMap {
        lines.iter().map(|line| (IF_MATCH, HeaderValue::from_str(line).unwrap())).collect()
    }

    #[test]
    fn a_tag_reads_back_as_its_version() {
        for number in [0, 1, 7, i64::MAX] {
            assert_eq!(version(of(Version(number)).to_str().unwrap()), Some(Version(number)));
        }
    }

    #[test]
    fn what_is_no_tag_of_ours_is_no_version() {
        for wrong in ["", "7", "\"7", "7\"", "\"\"", "\"07\"", "\"+7\"", "\" 7\"", "\"seven\"", "W/\"7\""] {
            assert_eq!(version(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_change_is_bound_to_the_versions_that_the_header_names() {
        let has = |numbers: &[i64]| Some(OnlyIf::Has(numbers.iter().copied().map(Version).collect()));
        assert_eq!(only_if(&headers(&[])), None);
        assert_eq!(only_if(&headers(&["*"])), Some(OnlyIf::Exists));
        assert_eq!(only_if(&headers(&["\"7\""])), has(&[7]));
        assert_eq!(only_if(&headers(&["\"7\" , \"8\",\"a,b\"", "\"9\""])), has(&[7, 8, 9]));
        // Whoever sends something else meant to be careful.
        assert_eq!(only_if(&headers(&["7"])), has(&[]));
        assert_eq!(only_if(&headers(&["W/\"7\""])), has(&[]));
    }

    #[test]
    fn a_weak_tag_is_known_as_well() {
        let tags = Tags::read(&headers(&["W/\"7\", \"8\""]), &IF_MATCH, weak_or_strong);
        assert_eq!(tags, Some(Tags::Of(vec![Version(7), Version(8)])));
    }
}
