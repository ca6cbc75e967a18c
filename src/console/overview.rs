//! The front page: the figures that matter.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use minijinja::{Value, context};

use super::chart::bars;
use super::operator::Operator;
use super::page::{Shared, date};
use crate::directory::figures::{Addresses, Counted, beginning, last_days};
use crate::directory::user::User;
use crate::error::Error;
use crate::store::{DayCount, GroupSortKey, List, Place, Sorted};

/// How many users are looked at to tell the share of verified addresses. Ids are random, so the first
/// of them are a fair sample.
const SAMPLE: u32 = 1_000;
/// How many events are counted at most.
const COUNTED: u32 = 50_000;

/// Shows the figures.
pub(super) async fn show(State(console): Shared, operator: Operator) -> Result<Response, Error> {
    let tenant = operator.tenant();
    let sample = List { filter: None, place: Place::ById { after: None }, limit: SAMPLE };
    let reading = async {
        let users = console.app.users(tenant, sample).await?;
        let documents = users.documents.clone();
        let reading = tokio::task::spawn_blocking(move || {
            let users = documents.iter().map(|document| User::from_document(document));
            users.collect::<Result<Vec<_>, _>>().map(|users| Addresses::emails(&users))
        });
        let addresses = reading.await.map_err(|error| Error::Internal(error.to_string()))??;
        Ok((users, addresses))
    };
    let first = Sorted { sort: GroupSortKey::Name, descending: false, offset: 0, limit: 1 };
    let ((users, addresses), groups, counts) = tokio::try_join!(
        reading,
        console.app.groups(tenant, None, first),
        console.app.store.events_by_day(tenant, COUNTED)
    )?;
    let is_sample = users.has_next;

    let days = last_days(console.app.clock.now());
    // What lies before the oldest event that was counted is not known.
    let all: u64 = counts.iter().map(|count| count.count).sum();
    let oldest = counts.iter().map(|count| count.day).min();
    let cut_at = oldest.filter(|oldest| all >= u64::from(COUNTED) && *oldest >= days[0]);
    let charts = Counted::ALL.iter().map(|counted| chart(*counted, &days, &counts));
    let values = context! {
        users => users.total,
        users_is_estimate => users.total_is_estimate,
        groups => groups.total,
        percent => addresses.percent(),
        addresses => addresses.all,
        verified => addresses.verified,
        is_sample,
        sample => SAMPLE,
        counted => COUNTED,
        cut_at => cut_at.map(|day| date(beginning(day))),
        charts => charts.collect::<Vec<Value>>(),
    };
    Ok(console.page(&operator, (StatusCode::OK, "overview", "overview.html"), "", values))
}

fn chart(counted: Counted, days: &[i64], counts: &[DayCount]) -> Value {
    let number = |day: &i64| {
        let those = counts.iter().filter(|count| {
            count.day == *day && count.kind.known().is_some_and(|kind| counted.counts(*kind))
        });
        (date(beginning(*day)), those.map(|count| count.count).sum())
    };
    let numbers: Vec<(String, u64)> = days.iter().map(number).collect();
    let (name, title) = match counted {
        Counted::Verifications => ("verifications", "Addresses verified"),
        Counted::Failures => ("failures", "Mails that failed"),
        Counted::ProofsStarted => ("proofs", "Proofs started"),
        Counted::NewUsers => ("users", "New users"),
    };
    context! {
        name,
        title,
        today => numbers.last().map(|(_, number)| *number),
        total => numbers.iter().map(|(_, number)| *number).sum::<u64>(),
        first_day => numbers.first().map(|(day, _)| day.clone()),
        last_day => numbers.last().map(|(day, _)| day.clone()),
        picture => bars(&numbers),
    }
}
