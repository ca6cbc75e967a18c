//! What a page is told by the request for it: the query, the ids of the path, and the form.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use subtle::ConstantTimeEq;
use url::form_urlencoded;

use super::Console;
use super::operator::Operator;
use crate::api::{path_parameter, read_bytes};
use crate::directory::event::checked_reason;
use crate::directory::proof::AddressId;
use crate::error::{Error, InvalidFields};
use crate::id::{GroupId, IdentifierId, UserId};

/// The most that a form may have, in bytes: claims or data of 64 KiB, encoded.
const MAX_FORM_BYTES: usize = 256 * 1024;
/// How many rows a page of a list has.
pub(super) const ROWS: u32 = 25;
/// How many rows are shown of a search, and of the users of a group: each row before a page is passed over, and to
/// find out who is next, others are asked in between.
pub(super) const REACH: u64 = 5_000;

/// The query.
pub(super) struct Asked(HashMap<String, String>);

impl Asked {
    /// The parameter, empty if it is not there.
    pub(super) fn field(&self, name: &str) -> &str {
        self.0.get(name).map_or("", |text| text.trim())
    }

    /// The number of the page, from 1.
    pub(super) fn page(&self) -> u32 {
        self.field("page").parse().ok().filter(|page| *page > 0).unwrap_or(1)
    }

    /// How many rows lie before the page.
    pub(super) fn offset(&self) -> u64 {
        u64::from(self.page() - 1) * u64::from(ROWS)
    }

    /// Refuses a page of which nothing is shown.
    ///
    /// # Errors
    /// [`Error::BadRequest`] beyond [`REACH`].
    pub(super) fn within_reach(&self) -> Result<(), Error> {
        if self.offset() < REACH {
            return Ok(());
        }
        Err(Error::BadRequest(format!("Only the first {REACH} are shown here.")))
    }
}

impl<S: Sync> FromRequestParts<S> for Asked {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let query = parts.uri.query().unwrap_or_default();
        Ok(Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect()))
    }
}

/// A query of these parameters, without those that are empty: `?` and what follows it, or nothing.
pub(super) fn query(parameters: &[(&str, &str)]) -> String {
    let given = parameters.iter().filter(|(_, value)| !value.is_empty());
    let text = form_urlencoded::Serializer::new(String::new()).extend_pairs(given).finish();
    if text.is_empty() { text } else { format!("?{text}") }
}

/// The ids that a path names, each of nothing where the path names none.
pub(super) struct Named {
    pub(super) user_id: UserId,
    pub(super) identifier_id: IdentifierId,
    pub(super) group_id: GroupId,
    /// The last part of a path that names something else.
    pub(super) text: String,
}

impl<S: Sync> FromRequestParts<S> for Named {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self {
            user_id: UserId::from_path(&path_parameter(parts, "user_id")),
            identifier_id: IdentifierId::from_path(&path_parameter(parts, "identifier_id")),
            group_id: GroupId::from_path(&path_parameter(parts, "group_id")),
            text: parts.uri.path().rsplit('/').next().unwrap_or_default().to_owned(),
        })
    }
}

/// The fields of a form, in their order. They may hold secrets, so it has no `Debug`.
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Those of a form that nobody has filled in yet.
    pub(super) fn none() -> Self {
        Self(Vec::new())
    }

    /// The field, empty if it is not there.
    pub(super) fn field(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// Every value of the field.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether the field is there, as boxes are that were ticked.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    /// The identifier that is meant.
    pub(super) fn identifier(&self) -> IdentifierId {
        IdentifierId::from_path(self.field("identifier_id"))
    }

    /// The email that is meant.
    pub(super) fn email(&self) -> AddressId {
        AddressId::email(self.identifier())
    }

    /// Why it is done, if that was said.
    ///
    /// # Errors
    /// [`InvalidFields`] for a reason that is too long.
    pub(super) fn reason(&self) -> Result<Option<String>, InvalidFields> {
        checked_reason(Some(self.field("reason").trim()).filter(|reason| !reason.is_empty()))
    }
}

impl FromRequest<Arc<Console>> for Fields {
    type Rejection = Error;

    async fn from_request(request: Request, _: &Arc<Console>) -> Result<Self, Error> {
        let label = request.headers().get(CONTENT_TYPE).and_then(|label| label.to_str().ok());
        let essence = label.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        let is_form = essence.eq_ignore_ascii_case("application/x-www-form-urlencoded");
        let bytes = read_bytes(request, MAX_FORM_BYTES).await?;
        // What is no form has no fields, and with them not the one that something is done by.
        Ok(Self(if is_form { form_urlencoded::parse(&bytes).into_owned().collect() } else { Vec::new() }))
    }
}

/// The form of a page of ours, filled in by who is signed in. There is no other way to the fields of a
/// request that changes something.
pub(super) struct Filled(Fields);

impl std::ops::Deref for Filled {
    type Target = Fields;

    fn deref(&self) -> &Fields {
        &self.0
    }
}

impl FromRequest<Arc<Console>> for Filled {
    type Rejection = Error;

    async fn from_request(request: Request, console: &Arc<Console>) -> Result<Self, Error> {
        let wanted = Operator::of(&request)?.form.clone();
        let fields = Fields::from_request(request, console).await?;
        if bool::from(fields.field("form").as_bytes().ct_eq(wanted.as_bytes())) {
            return Ok(Self(fields));
        }
        Err(Error::BadRequest(
            "This form is of another session, and nothing was done. Go back, reload the page and try again."
                .to_owned(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::super::page::pager;
    use super::*;

    #[test]
    fn a_query_has_what_is_given_encoded() {
        assert_eq!(query(&[("filter", "a:\"b c\"&d"), ("page", "")]), "?filter=a%3A%22b+c%22%26d");
        assert_eq!(query(&[("filter", "")]), "");
    }

    /// What has links, of the pages of a search that finds a million.
    #[test]
    fn a_search_is_shown_as_far_as_it_is_quick() {
        for (page, is_shown, next, is_cut) in
            [(199, true, true, false), (200, true, false, true), (201, false, false, true)]
        {
            let asked = Asked(HashMap::from([("page".to_owned(), page.to_string())]));
            assert_eq!(asked.within_reach().is_ok(), is_shown, "{page}");
            let rows = if is_shown { 25 } else { 0 };
            let pager = pager("/users", &[("filter", "ada")], &asked, (rows, 1_000_000, true, true), REACH);
            let links = ["next", "previous"].map(|name| !pager.get_attr(name).unwrap().is_none());
            assert_eq!(links, [next, true], "{page}");
            assert_eq!(pager.get_attr("is_cut").unwrap().is_true(), is_cut, "{page}");
        }
        // Of what ends there, nothing is hidden.
        let asked = Asked(HashMap::from([("page".to_owned(), "200".to_owned())]));
        let pager = pager("/users", &[], &asked, (25, REACH, false, false), REACH);
        assert!(!pager.get_attr("is_cut").unwrap().is_true());
    }
}
