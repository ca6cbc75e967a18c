//! The example of all that is kept of a person.

use serde_json::Value;

use crate::api::person;
use crate::directory::event::{Context, Event};
use crate::directory::group::Membership;
use crate::directory::person::{Person, Traces};
use crate::directory::proof::Standing;
use crate::directory::user::User;

/// What is kept of this user, who is in a group, and to whom this happened.
pub(super) fn example(user: &mut User, membership: Membership, happened: Vec<Event>, ctx: &Context) -> Value {
    let person = Person {
        document: Some(user.to_document().into()),
        groups: vec![membership],
        events: (1..).zip(happened.into_iter().map(Into::into)).collect(),
        standing: Standing::default(),
        traces: Traces::default(),
    };
    let answer = person::answer(person, ctx.now).expect("the example can be read");
    serde_json::from_slice(&answer.0).expect("a document is JSON")
}
