//! What is kept of one person in many places, and what is left when it is erased.

use super::*;
use crate::directory::event::{Method, Personal};
use crate::directory::person::{Asked, Traces, erased};
use crate::directory::proof::AddressKind;
use crate::directory::settings::Limit;
use crate::id::EventId;

/// The limits under which a request is counted.
fn limits() -> Vec<Limit> {
    crate::directory::settings::Settings::default().limits()
}

/// A user with something in every place where there are addresses, and whose version is 4.
async fn known_everywhere(store: &dyn Store, maker: &Maker, name: &str) -> User {
    let (mut user, change) = maker.with_email(&format!("{name}@{name}.example"), false);
    store.keep(change).await.unwrap();
    let named = maker.change(&mut user, 1, |user, ctx| {
        user.claims.insert("name".to_owned(), format!("Claim of {name}").into());
        user.private_data.insert("note".to_owned(), format!("note on {name}").into());
        vec![ctx.event(EventType::ClaimsChanged, user.user_id, None, None)]
    });
    store.keep(named).await.unwrap();
    store.keep(maker.change(&mut user, 2, verify)).await.unwrap();
    let proof = maker.proof(&user, 0);
    store.keep(maker.start(&user, 3, &proof, &limits())).await.unwrap();
    user
}

/// Makes two users, erases the first of them, and gives texts that were kept of the one and are kept of the
/// other.
pub(crate) async fn erase_one_of_two(store: &dyn Store) -> (Vec<String>, Vec<String>) {
    let maker = Maker::new(&default());
    let user = known_everywhere(store, &maker, "erica").await;
    known_everywhere(store, &maker, "kai").await;
    store.keep(maker.erase(&user, 4)).await.unwrap();
    let texts = |name: &str| {
        vec![format!("{name}@{name}.example"), format!("Claim of {name}"), format!("note on {name}")]
    };
    (texts("erica"), texts("kai"))
}

async fn traces(store: &dyn Store, user: &User) -> Traces {
    store.traces(&default(), user.user_id).await.unwrap()
}

async fn events_of(store: &dyn Store, user: &User) -> Vec<Recorded> {
    let of_user = EventList { user_id: Some(user.user_id), ..EVERYTHING };
    events(store, of_user).await.into_iter().map(|(_, event)| event).collect()
}

pub(crate) async fn what_waits_for_a_user_is_told_of_that_user_alone(store: &dyn Store) {
    let maker = Maker::new(&default());
    let user = known_everywhere(store, &maker, "ada").await;
    let (other, change) = maker.with_email("b@example.com", false);
    store.keep(change).await.unwrap();
    let attempt = PasswordTry { now: Timestamp(1_000), since: Timestamp(0), most: 10 };
    for _ in 0..2 {
        store.count_password_try(&default(), user.user_id, attempt).await.unwrap();
    }
    let due = store.due_mails(Timestamp(1_000), 10).await.unwrap();
    assert_eq!(due.len(), 1);
    let asked = Asked {
        at: Timestamp(1_000),
        kind: AddressKind::Email,
        canonical: "ada@ada.example".to_owned(),
        times: 1,
    };
    let expected = Traces { mails: due, requests: vec![asked], password_tries: vec![(Timestamp(1_000), 2)] };
    assert_eq!(traces(store, &user).await, expected);
    assert_eq!(traces(store, &other).await, Traces::default());
}

pub(crate) async fn nothing_personal_is_left_of_a_user_who_is_erased_and_the_record_stays(store: &dyn Store) {
    let maker = Maker::new(&default());
    let user = known_everywhere(store, &maker, "ada").await;
    let other = known_everywhere(store, &maker, "bo").await;
    let (before, of_other) = (events_of(store, &user).await, events_of(store, &other).await);
    assert!(before.iter().all(|event| event.personal != Personal::default()));
    assert!(matches!(store.keep(maker.erase(&user, 3)).await, Err(KeepError::Conflict)));
    assert_eq!(events_of(store, &user).await, before);

    store.keep(maker.erase(&user, 4)).await.unwrap();
    assert_eq!(store.user(&default(), user.user_id).await.unwrap(), None);
    assert_eq!(traces(store, &user).await, Traces::default());
    let standing = store.standing(&default(), user.user_id).await.unwrap();
    assert!(standing.proofs.is_empty());
    let after = events_of(store, &user).await;
    let (told, receipts) = after.split_at(before.len());
    let without = |event: &Recorded| Recorded { personal: Personal::default(), ..event.clone() };
    assert_eq!(told, before.iter().map(without).collect::<Vec<_>>());
    let kinds: Vec<_> = receipts.iter().map(|event| event.kind.clone()).collect();
    assert_eq!(kinds, [EventType::UserDeleted, EventType::UserErased]);
    assert!(receipts.iter().all(|event| event.personal == Personal::default()));
    let newest = NewestEvents { before: None, limit: 100, user_id: Some(user.user_id), kind: None };
    let newest = store.newest_events(&default(), newest).await.unwrap().events;
    assert!(newest.into_iter().map(|(_, event)| event).rev().eq(after));

    assert_eq!(events_of(store, &other).await, of_other);
    assert_eq!(traces(store, &other).await.mails.len(), 1);
    store.keep(maker.with_email("ada@ada.example", true).1).await.unwrap();
}

pub(crate) async fn the_record_of_a_user_who_was_deleted_is_erased_once(store: &dyn Store) {
    let maker = Maker::new(&default());
    let user = known_everywhere(store, &maker, "ada").await;
    let erase = async || {
        let receipt = erased(user.user_id, &maker.context());
        store.erase_record(&default(), user.user_id, receipt).await.unwrap()
    };
    assert!(!erase().await, "the user is there");
    store.keep(maker.delete(&user, 4)).await.unwrap();
    store.keep(maker.with_email("b@example.com", false).1).await.unwrap();
    assert_eq!(traces(store, &user).await.mails.len(), 1);
    assert!(erase().await);
    let after = events_of(store, &user).await;
    assert!(after.iter().all(|event| event.personal == Personal::default()));
    assert_eq!(after.last().unwrap().kind, EventType::UserErased);
    assert_eq!(traces(store, &user).await, Traces::default());
    assert!(!erase().await);
    assert_eq!(events_of(store, &user).await, after);
    let nobody = UserId::new(&SeededRandom::new(99));
    assert!(!store.erase_record(&default(), nobody, erased(nobody, &maker.context())).await.unwrap());
}

/// Whoever was imported has the same id when they are imported again. What was kept of the second life was
/// not found on one store, and not erased.
pub(crate) async fn a_life_after_an_erased_one_is_told_and_erased_like_the_first(store: &dyn Store) {
    let maker = Maker::new(&default());
    let (user, first) = maker.with_email("ada@example.com", true);
    let life = |first: &UserChange| {
        let mut change = first.clone();
        for event in &mut change.events {
            (event.id, event.method) = (EventId::new(&maker.random), Method::Import);
        }
        change
    };
    store.keep(life(&first)).await.unwrap();
    store.keep(maker.erase(&user, 1)).await.unwrap();
    store.keep(life(&first)).await.unwrap();
    store.keep(maker.delete(&user, 1)).await.unwrap();
    let before = events_of(store, &user).await;
    assert_eq!(before.last().unwrap().kind, EventType::UserDeleted);
    assert!(before.iter().any(|event| event.personal != Personal::default()));
    let receipt = erased(user.user_id, &maker.context());
    assert!(store.erase_record(&default(), user.user_id, receipt).await.unwrap());
    let after = events_of(store, &user).await;
    assert_eq!(after.len(), before.len() + 1);
    assert!(after.iter().all(|event| event.personal == Personal::default()));
}

/// A store may give events their places some moments later: also those are erased that are on the way.
pub(crate) async fn events_are_erased_while_they_wait_for_their_places(store: &dyn Store) {
    let maker = Maker::new(&default());
    let mut users = Vec::new();
    for number in 0..40 {
        let (mut user, change) = maker.with_email(&format!("u{number}@example.com"), false);
        store.keep(change).await.unwrap();
        store.keep(maker.change(&mut user, 1, verify)).await.unwrap();
        if number % 2 == 0 {
            store.keep(maker.erase(&user, 2)).await.unwrap();
        } else {
            store.keep(maker.delete(&user, 2)).await.unwrap();
            let receipt = erased(user.user_id, &maker.context());
            assert!(store.erase_record(&default(), user.user_id, receipt).await.unwrap());
        }
        users.push(user);
    }
    for user in users {
        let told = events_of(store, &user).await;
        assert_eq!(told.len(), 5);
        assert!(told.iter().all(|event| event.personal == Personal::default()));
    }
}
