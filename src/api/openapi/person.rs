//! The example of all that is kept of a person.

use serde_json::Value;

use crate::api::events::{EventAnswer, TrustChange};
use crate::api::person::{AddressAnswer, PersonAnswer};
use crate::directory::event::{Context, Recorded};
use crate::directory::group::Membership;
use crate::directory::person::{AddressHistory, Gathering, Person, Traces, trust_changed};
use crate::directory::proof::Standing;
use crate::directory::user::User;

/// What is kept of this user, who is in a group, and to whom this happened.
pub(super) fn example(
    user: &mut User,
    membership: Membership,
    happened: &[Recorded],
    ctx: &Context,
) -> Value {
    let person = Person {
        document: Some(user.to_document().into()),
        groups: vec![membership],
        standing: Standing::default(),
        traces: Traces::default(),
    };
    let mut gathering = Gathering::default();
    let events: Vec<(i64, &Recorded)> = (1..).zip(happened).collect();
    for (position, event) in events.iter().rev() {
        gathering.note(0, *position, event);
    }
    let address = |history: &AddressHistory| {
        let changes = happened.iter().filter(|event| trust_changed(event) == Some(history.address));
        let mut answer = AddressAnswer::new(history);
        answer.history.extend(changes.cloned().map(TrustChange::new));
        answer
    };
    let mut answer = PersonAnswer::new(&person, ctx.now).expect("the example can be read");
    answer.addresses.extend(gathering.histories(Some(user)).addresses.iter().map(address));
    let told = events.iter().map(|(position, event)| EventAnswer::new(*position, (*event).clone()));
    answer.events.extend(told);
    serde_json::to_value(answer).expect("an answer is JSON")
}
