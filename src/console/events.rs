//! The record of what happened, the newest first.

use axum::extract::State;
use axum::response::Response;
use minijinja::{Value, context};

use super::asked::{Asked, query};
use super::operator::Operator;
use super::page::{Fault, Shared, event, words};
use crate::directory::event::EventType;
use crate::error::Error;
use crate::id::UserId;
use crate::store::{EventPage, NewestEvents};

/// How many events a page has.
const EVENTS: u32 = 50;

/// Lists events.
pub(super) async fn list(
    State(console): Shared,
    operator: Operator,
    asked: Asked,
) -> Result<Response, Error> {
    let (user, kind) = (asked.field("user_id"), asked.field("type"));
    let wanted = NewestEvents {
        before: asked.field("before").parse().ok(),
        limit: EVENTS,
        user_id: (!user.is_empty()).then(|| UserId::from_path(user)),
        kind: EventType::from_name(kind),
    };
    let (page, fault) = if wanted.kind.is_none() && !kind.is_empty() {
        let fault = Fault::of(Error::BadRequest("There is no event of this type.".to_owned()))?;
        (EventPage { events: Vec::new(), next: None }, fault)
    } else {
        (console.app.store.newest_events(operator.tenant(), wanted).await?, Fault::none())
    };
    let older = page.next.map(|position| {
        let before = position.to_string();
        format!("{}/events{}", console.root, query(&[("user_id", user), ("type", kind), ("before", &before)]))
    });
    let kinds =
        EventType::ALL.iter().map(|kind| context! { name => kind.as_str(), words => words(kind.as_str()) });
    let values = context! {
        user_id => user,
        kind,
        kinds => kinds.collect::<Vec<Value>>(),
        faults => fault.sentences,
        events => page.events.iter().map(|(position, told)| event(*position, told)).collect::<Vec<_>>(),
        older,
        is_first => wanted.before.is_none(),
    };
    Ok(console.page(&operator, (fault.status, "events", "events.html"), "", values))
}
