//! The list of users, searched with the filter language.

use axum::response::Response;
use minijinja::{Value, context};

use super::asked::{Asked, REACH, ROWS};
use super::operator::Operator;
use super::page::{Fault, Shared, name_of, pager};
use crate::directory::user::User;
use crate::error::Error;
use crate::store::search::users;
use crate::store::{List, Page, Place, SortKey};

/// How many addresses of a user a row shows.
const SHOWN_ADDRESSES: usize = 3;
/// The orders that are offered: as the API writes them, and in words.
const ORDERS: [(&str, &str); 5] = [
    ("creation_time:-1", "Newest first"),
    ("creation_time:1", "Oldest first"),
    ("last_updated:-1", "Last changed first"),
    ("name:1", "By name"),
    ("family_name:1", "By family name"),
];

/// Lists users.
pub(super) async fn list(
    axum::extract::State(console): Shared,
    operator: Operator,
    asked: Asked,
) -> Result<Response, Error> {
    let filter = asked.field("filter");
    let sort = ORDERS.iter().map(|(sort, _)| *sort).find(|sort| *sort == asked.field("sort"));
    let sort = sort.unwrap_or(ORDERS[0].0);
    let search = users::parse(filter).map_err(|error| Error::BadRequest(error.to_string()));
    let search = search.and_then(|search| {
        search.as_ref().map_or(Ok(()), |_| asked.within_reach())?;
        Ok(search)
    });
    let (page, reach, fault) = match search {
        Ok(search) => {
            let reach = if search.is_some() { REACH } else { u64::MAX };
            let list = List { filter: search, place: place(sort, asked.offset()), limit: ROWS };
            (console.app.users(operator.tenant(), list).await?, reach, Fault::none())
        }
        Err(error) => (nobody(), REACH, Fault::of(error)?),
    };
    let rows = rows(&page)?;
    let counts = (rows.len(), page.total, page.total_is_estimate, page.has_next);
    let path = format!("{}/users", console.root);
    let orders: Vec<Value> =
        ORDERS.iter().map(|(name, words)| context! { name => *name, words => *words }).collect();
    let values = context! {
        filter,
        sort,
        orders,
        faults => fault.sentences,
        pager => pager(&path, &[("filter", filter), ("sort", sort)], &asked, counts, reach),
        users => rows,
    };
    Ok(console.page(&operator, (fault.status, "users", "users.html"), asked.field("done"), values))
}

/// The users of a page as rows of a table.
pub(super) fn rows(page: &Page) -> Result<Vec<Value>, Error> {
    page.documents.iter().map(|document| Ok(row(&User::from_document(document)?))).collect()
}

fn row(user: &User) -> Value {
    let emails = user.emails.iter().map(|email| (email.email.as_str(), email.verified, email.primary));
    let phones = user.phone_numbers.iter().map(|phone| (phone.phone.as_str(), phone.verified, false));
    let addresses: Vec<Value> = emails
        .chain(phones)
        .take(SHOWN_ADDRESSES)
        .map(|(text, verified, primary)| context! { text, verified, primary })
        .collect();
    let more = (user.emails.len() + user.phone_numbers.len()).saturating_sub(SHOWN_ADDRESSES);
    context! {
        user_id => user.user_id.as_str(),
        name => name_of(user),
        disabled => user.disabled,
        created => user.creation_time.0,
        addresses,
        more,
    }
}

fn place(sort: &str, offset: u64) -> Place {
    let (key, direction) = sort.split_once(':').unwrap_or((sort, "1"));
    let sort = SortKey::from_name(key).unwrap_or(SortKey::CreationTime);
    Place::Sorted { sort, descending: direction == "-1", offset }
}

/// A page of nobody.
pub(super) fn nobody() -> Page {
    Page { documents: Vec::new(), total: 0, total_is_estimate: false, has_next: false }
}

/// The first users in an order, as many as a page has.
pub(super) fn newest(offset: u64) -> List {
    List { filter: None, place: place(ORDERS[0].0, offset), limit: ROWS }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_order_that_is_offered_is_one_of_the_stores() {
        for (sort, _) in ORDERS {
            let Place::Sorted { sort: key, descending, .. } = place(sort, 0) else { panic!("it is sorted") };
            assert_eq!(sort, format!("{key}:{}", if descending { -1 } else { 1 }));
        }
    }
}
