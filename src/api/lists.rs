//! Which page of a list a request wants: the query parameters of each list, read and documented.

use std::borrow::Cow;
use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use utoipa::IntoParams;

use crate::app::App;
use crate::directory::filter::FilterError;
use crate::error::Error;
use crate::store::search::groups::{self, GroupSearch};
use crate::store::search::logs::{self, LogSearch};
use crate::store::search::users::{self, UserSearch};
use crate::store::{GroupSortKey, List, LogSortKey, MembershipSortKey, Place, SortKey, Sorted};

/// The query parameters of a list of users.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "these fields only describe the parameters")]
pub(super) struct UserListParameters {
    /// The number of the page, from 1.
    #[param(minimum = 1, default = 1, example = 1)]
    page: Option<u32>,
    /// How many users a page has.
    #[param(minimum = 1, maximum = 1000, default = 10, example = 10)]
    size: Option<u32>,
    /// `key:1` for ascending or `key:-1` for descending order, by `failure_count`,
    /// `last_sign_in_attempt`, `sign_in_attempts_count`, `last_sign_in_success`,
    /// `sign_in_success_count`, `last_activity`, `block_until`, `creation_time`, `last_updated`,
    /// `given_name`, `middle_name`, `family_name` or `name`.
    #[param(default = "creation_time:-1", example = "last_updated:-1")]
    sort: Option<String>,
    /// What the users must match, in the filter language.
    #[param(max_length = 4096, example = "emails.domain:example.com AND emails.verified:true")]
    filter: Option<String>,
}

/// The query parameters of a list of groups.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "these fields only describe the parameters")]
pub(super) struct GroupListParameters {
    /// The number of the page, from 1.
    #[param(minimum = 1, default = 1, example = 1)]
    page: Option<u32>,
    /// How many groups a page has.
    #[param(minimum = 1, maximum = 1000, default = 10, example = 10)]
    size: Option<u32>,
    /// `key:1` for ascending or `key:-1` for descending order, by `name`, `type`,
    /// `clients_assigned`, `users_assigned`, `last_assigned`, `creation_time` or `last_updated`.
    #[param(default = "creation_time:-1", example = "name:1")]
    sort: Option<String>,
    /// What the groups must match, in the filter language.
    #[param(max_length = 4096, example = "is_auto_assigned:true AND users_assigned:>=10")]
    filter: Option<String>,
}

/// The query parameters of a list of the groups that a user is in.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "these fields only describe the parameters")]
pub(super) struct MembershipListParameters {
    /// The number of the page, from 1.
    #[param(minimum = 1, default = 1, example = 1)]
    page: Option<u32>,
    /// How many groups a page has.
    #[param(minimum = 1, maximum = 1000, default = 10, example = 10)]
    size: Option<u32>,
    /// `creation_time:1` for ascending or `creation_time:-1` for descending order.
    #[param(default = "creation_time:-1", example = "creation_time:1")]
    sort: Option<String>,
}

/// The query parameters of a list of logs.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "these fields only describe the parameters")]
pub(super) struct LogListParameters {
    /// The number of the page, from 1.
    #[param(minimum = 1, default = 1, example = 1)]
    page: Option<u32>,
    /// How many logs a page has.
    #[param(minimum = 1, maximum = 1000, default = 10, example = 10)]
    size: Option<u32>,
    /// `key:1` for ascending or `key:-1` for descending order, by `time_stamp`, `category`, `code`,
    /// `type` or `name`.
    #[param(default = "time_stamp:-1", example = "code:1")]
    sort: Option<String>,
    /// What the logs must match, in the filter language.
    #[param(max_length = 4096, example = "category:groups AND time_stamp:>=1640975400")]
    filter: Option<String>,
}

/// What a list can be sorted by, and with it what list it is.
pub(super) trait Sort: Copy + 'static {
    /// The query parameters of the list, to be documented.
    type Parameters: IntoParams;
    /// What its filters are read as.
    type Filter;
    /// All keys there are.
    const ALL: &'static [Self];
    /// The key by which the newest come first.
    const AGE: Self;
    /// The key as it is written.
    fn name(self) -> &'static str;
    /// Reads a filter; `None` if it asks for nothing.
    fn filter(text: &str) -> Result<Option<Self::Filter>, Error>;
}

/// Says for the keys of a list with which parameters it is asked for, by which
/// key the newest come first, and how its filters are read.
macro_rules! sorts {
    ($($key:ident by $parameters:ident from $age:ident, $filter:ty, $parse:expr;)+) => {
        $(impl Sort for $key {
            type Parameters = $parameters;
            type Filter = $filter;
            const ALL: &'static [Self] = Self::ALL;
            const AGE: Self = Self::$age;
            fn name(self) -> &'static str {
                self.as_str()
            }
            fn filter(text: &str) -> Result<Option<Self::Filter>, Error> {
                $parse(text)
            }
        })+
    };
}
sorts! {
    SortKey by UserListParameters from CreationTime, UserSearch, |text| read(users::parse(text));
    GroupSortKey by GroupListParameters from CreationTime, GroupSearch, |text| read(groups::parse(text));
    MembershipSortKey by MembershipListParameters from CreationTime, Infallible, no_filter;
    LogSortKey by LogListParameters from TimeStamp, LogSearch, |text| read(logs::parse(text));
}

/// The page of users that a request wants.
pub(super) type UserList = Listed<SortKey>;
/// The page of groups that a request wants.
pub(super) type GroupList = Listed<GroupSortKey>;
/// The page of the groups of a user that a request wants.
pub(super) type MembershipList = Listed<MembershipSortKey>;
/// The page of logs that a request wants.
pub(super) type LogList = Listed<LogSortKey>;

/// The page of a list that a request wants.
#[derive(Debug)]
pub(super) struct Listed<Key: Sort> {
    /// The number of the page, from 1.
    pub(super) page: u32,
    /// How many rows it has.
    pub(super) size: u32,
    sort: Key,
    descending: bool,
    /// What the rows must match; all do if there is nothing.
    pub(super) filter: Option<Key::Filter>,
}

impl<Key: Sort> Listed<Key> {
    /// The same for the store, but for the filter.
    pub(super) fn sorted(&self) -> Sorted<Key> {
        let offset = u64::from(self.page - 1) * u64::from(self.size);
        Sorted { sort: self.sort, descending: self.descending, offset, limit: self.size }
    }

    fn parse(query: &str) -> Result<Self, Error> {
        let mut list = Self { page: 1, size: 10, sort: Key::AGE, descending: true, filter: None };
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "page" => list.page = within("page", &value, u32::MAX)?,
                "size" => list.size = within("size", &value, 1000)?,
                "sort" => (list.sort, list.descending) = sort(&value)?,
                "filter" => list.filter = Key::filter(&value)?,
                _ => {}
            }
        }
        Ok(list)
    }
}

impl UserList {
    /// The same for the store.
    pub(super) fn list(&self) -> List {
        let Sorted { sort, descending, offset, limit } = self.sorted();
        List { filter: self.filter.clone(), place: Place::Sorted { sort, descending, offset }, limit }
    }
}

/// Refuses a filter, unless it is empty.
fn no_filter(text: &str) -> Result<Option<Infallible>, Error> {
    if text.is_empty() { Ok(None) } else { Err(Error::BadRequest("This list takes no filter.".to_owned())) }
}

/// A filter that was read, or what is wrong with it for the client.
fn read<Filter>(filter: Result<Filter, FilterError>) -> Result<Filter, Error> {
    filter.map_err(|error| Error::BadRequest(error.to_string()))
}

/// The query parameters of a walk over users.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "these fields only describe the parameters")]
struct UserWalkParameters {
    /// Where to go on: `next` of the answer before, or nothing for the beginning.
    after: Option<String>,
    /// How many users to give at most.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
    /// What the users must match, in the filter language.
    #[param(max_length = 4096, example = "emails.verified:true")]
    filter: Option<String>,
}

/// The stretch of a walk over users that a request wants.
pub(super) struct UserWalk(pub(super) List);

impl UserWalk {
    fn parse(query: &str) -> Result<Self, Error> {
        let mut list = List { filter: None, place: Place::ById { after: None }, limit: 100 };
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "after" => {
                    let refused =
                        |_| Error::BadRequest("after must be `next` of an answer before.".to_owned());
                    list.place = Place::ById { after: Some(value.parse().map_err(refused)?) };
                }
                "limit" => list.limit = within("limit", &value, 1000)?,
                "filter" => list.filter = SortKey::filter(&value)?,
                _ => {}
            }
        }
        Ok(Self(list))
    }
}

impl FromRequestParts<Arc<App>> for UserWalk {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, Error> {
        Self::parse(parts.uri.query().unwrap_or_default())
    }
}

impl IntoParams for UserWalk {
    fn into_params(
        place: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
    ) -> Vec<utoipa::openapi::path::Parameter> {
        UserWalkParameters::into_params(place)
    }
}

/// Whether a parameter of the query that is true or false is true.
pub(super) fn flag(query: Option<&str>, name: &str) -> Result<bool, Error> {
    match given(query, name).as_deref() {
        Some("true") => Ok(true),
        Some("false") | None => Ok(false),
        Some(_) => Err(Error::BadRequest(format!("{name} must be true or false."))),
    }
}

/// The value of a query parameter; of several, the last.
pub(super) fn given<'a>(query: Option<&'a str>, name: &str) -> Option<Cow<'a, str>> {
    let pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    pairs.filter(|(known, _)| known == name).map(|(_, value)| value).last()
}

/// A number of the query that must be from 1 to `most`.
pub(super) fn within(name: &str, value: &str, most: u32) -> Result<u32, Error> {
    match value.parse() {
        Ok(number) if (1..=most).contains(&number) => Ok(number),
        _ => Err(Error::BadRequest(format!("{name} must be a whole number from 1 to {most}."))),
    }
}

fn sort<Key: Sort>(value: &str) -> Result<(Key, bool), Error> {
    let parsed = value.split_once(':').and_then(|(key, direction)| {
        let descending = match direction {
            "1" => false,
            "-1" => true,
            _ => return None,
        };
        Some((Key::ALL.iter().copied().find(|known| known.name() == key)?, descending))
    });
    parsed.ok_or_else(|| {
        let keys: Vec<&str> = Key::ALL.iter().map(|key| key.name()).collect();
        Error::BadRequest(format!(
            "sort must be a key and a direction, like {}:-1; the keys are {}.",
            Key::AGE.name(),
            keys.join(", ")
        ))
    })
}

impl<Key: Sort> FromRequestParts<Arc<App>> for Listed<Key> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, Error> {
        Self::parse(parts.uri.query().unwrap_or_default())
    }
}

impl<Key: Sort> IntoParams for Listed<Key> {
    fn into_params(
        place: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
    ) -> Vec<utoipa::openapi::path::Parameter> {
        Key::Parameters::into_params(place)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_list_begins_at_page_one_with_the_ten_newest() {
        let place = |sort, descending, offset| Place::Sorted { sort, descending, offset };
        let list = UserList::parse("").unwrap().list();
        assert_eq!((list.place, list.limit), (place(SortKey::CreationTime, true, 0), 10));
        let list = UserList::parse("page=3&size=20&sort=last_updated:1&filter=").unwrap().list();
        assert_eq!((list.place, list.limit), (place(SortKey::LastUpdated, false, 40), 20));
        assert_eq!(list.filter, None);
    }

    #[test]
    fn what_is_out_of_bounds_is_a_bad_request() {
        for wrong in [
            "page=0",
            "page=-1",
            "page=x",
            "page=",
            "page=4294967296",
            "size=0",
            "size=1001",
            "size=1.5",
            "sort=name",
            "sort=creation_time",
            "sort=creation_time:2",
            "sort=nothing:1",
            "sort=:1",
            "filter=(",
        ] {
            assert!(matches!(UserList::parse(wrong), Err(Error::BadRequest(_))), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_query_breaks_the_parser(query in "\\PC{0,60}") {
            let _ = UserList::parse(&query);
        }
    }
}
