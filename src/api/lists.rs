//! Which page of a list a request wants: the query parameters of each list, read and documented.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use utoipa::IntoParams;

use crate::app::App;
use crate::error::Error;
use crate::store::search::logs::{self, LogSearch};
use crate::store::search::users::{self, UserSearch};
use crate::store::{GroupSortKey, List, LogList, LogSortKey, MembershipSortKey, Place, SortKey, Sorted};

/// The query parameters of a list of users.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "these fields only describe the parameters")]
struct UserListParameters {
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
    /// Reserved: this list takes no filter yet, and any value is refused.
    filter: Option<String>,
}

/// The query parameters of a list of the users in a group.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "these fields only describe the parameters")]
pub(super) struct MemberListParameters {
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
    /// Reserved: this list takes no filter yet, and any value is refused.
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

/// What a list can be sorted by.
pub(super) trait Sort: Copy + 'static {
    /// The query parameters of the list, to be documented.
    type Parameters: IntoParams;
    /// All keys there are.
    const ALL: &'static [Self];
    /// The key by which the newest come first.
    const AGE: Self;
    /// The key as it is written.
    fn name(self) -> &'static str;
}

/// Says for the keys of a list with which parameters it is asked for, and by which key the newest
/// come first.
macro_rules! sorts {
    ($($key:ident by $parameters:ident from $age:ident,)+) => {
        $(impl Sort for $key {
            type Parameters = $parameters;
            const ALL: &'static [Self] = Self::ALL;
            const AGE: Self = Self::$age;
            fn name(self) -> &'static str {
                self.as_str()
            }
        })+
    };
}
sorts! {
    SortKey by MemberListParameters from CreationTime,
    GroupSortKey by GroupListParameters from CreationTime,
    MembershipSortKey by MembershipListParameters from CreationTime,
    LogSortKey by LogListParameters from TimeStamp,
}

/// The page of groups that a request wants.
pub(super) type GroupList = Listed<GroupSortKey>;
/// The page of the groups of a user that a request wants.
pub(super) type MembershipList = Listed<MembershipSortKey>;
/// The page of the users in a group that a request wants.
pub(super) type MemberList = Listed<SortKey>;

/// The page of a list that a request wants.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Listed<Key> {
    /// The number of the page, from 1.
    pub(super) page: u32,
    /// How many rows it has.
    pub(super) size: u32,
    sort: Key,
    descending: bool,
}

impl<Key: Sort> Listed<Key> {
    /// The same for the store.
    pub(super) fn sorted(&self) -> Sorted<Key> {
        let offset = u64::from(self.page - 1) * u64::from(self.size);
        Sorted { sort: self.sort, descending: self.descending, offset, limit: self.size }
    }

    /// Reads the page, and hands a filter to `filter`.
    fn parse(query: &str, mut filter: impl FnMut(&str) -> Result<(), Error>) -> Result<Self, Error> {
        let mut list = Self { page: 1, size: 10, sort: Key::AGE, descending: true };
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "page" => list.page = within("page", &value, u32::MAX)?,
                "size" => list.size = within("size", &value, 1000)?,
                "sort" => (list.sort, list.descending) = sort(&value)?,
                "filter" => filter(&value)?,
                _ => {}
            }
        }
        Ok(list)
    }
}

/// The page of users that a request wants, of all or of those that a filter finds.
#[derive(Debug)]
pub(super) struct UserList {
    /// The page.
    pub(super) page: Listed<SortKey>,
    filter: Option<UserSearch>,
}

impl UserList {
    /// The same for the store.
    pub(super) fn list(&self) -> List {
        let Sorted { sort, descending, offset, limit } = self.page.sorted();
        List { filter: self.filter.clone(), place: Place::Sorted { sort, descending, offset }, limit }
    }

    fn parse(query: &str) -> Result<Self, Error> {
        let mut found = None;
        let page = Listed::parse(query, |text| {
            found = filter(text)?;
            Ok(())
        })?;
        Ok(Self { page, filter: found })
    }
}

impl FromRequestParts<Arc<App>> for UserList {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, Error> {
        Self::parse(parts.uri.query().unwrap_or_default())
    }
}

impl IntoParams for UserList {
    fn into_params(
        place: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
    ) -> Vec<utoipa::openapi::path::Parameter> {
        UserListParameters::into_params(place)
    }
}

/// The page of logs that a request wants, of all or of those that a filter finds.
#[derive(Debug)]
pub(super) struct LogPage {
    /// The page.
    pub(super) page: Listed<LogSortKey>,
    filter: Option<LogSearch>,
}

impl LogPage {
    /// The same for the store.
    pub(super) fn list(&self) -> LogList {
        LogList { filter: self.filter.clone(), page: self.page.sorted() }
    }

    fn parse(query: &str) -> Result<Self, Error> {
        let mut found = None;
        let page = Listed::parse(query, |text| {
            found = logs::parse(text).map_err(|error| Error::BadRequest(error.to_string()))?;
            Ok(())
        })?;
        Ok(Self { page, filter: found })
    }
}

impl FromRequestParts<Arc<App>> for LogPage {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, Error> {
        Self::parse(parts.uri.query().unwrap_or_default())
    }
}

impl IntoParams for LogPage {
    fn into_params(
        place: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
    ) -> Vec<utoipa::openapi::path::Parameter> {
        LogListParameters::into_params(place)
    }
}

/// Refuses a filter, unless it is empty.
fn no_filter(text: &str) -> Result<(), Error> {
    if text.is_empty() { Ok(()) } else { Err(Error::BadRequest("This list takes no filter.".to_owned())) }
}

/// Reads a filter.
fn filter(text: &str) -> Result<Option<UserSearch>, Error> {
    users::parse(text).map_err(|error| Error::BadRequest(error.to_string()))
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
                "filter" => list.filter = filter(&value)?,
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
        Self::parse(parts.uri.query().unwrap_or_default(), no_filter)
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
