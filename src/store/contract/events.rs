//! Events: all of them, and those of a user.

use super::*;
use crate::directory::event::{Actor, Details, Method};
use crate::directory::proof::{Unproven, UnprovenPassword};

pub(crate) async fn events_come_back_whole_in_the_order_they_were_kept(store: &dyn Store) {
    let maker = Maker::new(&default());
    let (mut user, change) = maker.with_email("a@example.com", false);
    let mut expected = recorded(&change.events);
    store.keep(change).await.unwrap();
    for (version, rule) in [(1, verify as fn(&mut User, &Context) -> Vec<Event>), (2, unverify), (3, verify)]
    {
        let change = maker.change(&mut user, version, rule);
        expected.extend(recorded(&change.events));
        store.keep(change).await.unwrap();
    }
    let events = events(store, EVERYTHING).await;
    assert!(events.is_sorted_by(|one, next| one.0 < next.0));
    let rest =
        store.events(&default(), EventList { after: events[1].0, limit: 2, ..EVERYTHING }).await.unwrap();
    assert_eq!((rest.events.as_slice(), rest.next), (&events[2..4], Some(events[3].0)));
    let verified = [&events[2], &events[4]].map(Clone::clone);
    for (after, kind, expected) in [
        (events[2].0, None, &events[3..]),
        (0, Some(EventType::EmailVerified), &verified),
        (events[3].0, Some(EventType::EmailVerified), &verified[1..]),
    ] {
        // Exactly as many as are wanted, and one fewer.
        for limit in [expected.len(), expected.len() - 1].into_iter().filter(|limit| *limit > 0) {
            let wanted = EventList { after, kind, limit: limit.try_into().unwrap(), ..EVERYTHING };
            let page = store.events(&default(), wanted).await.unwrap();
            assert_eq!(page.events, expected[..limit]);
            assert_eq!(page.next.is_some(), limit < expected.len(), "{after} {kind:?} {limit}");
        }
    }
    let events: Vec<_> = events.into_iter().map(|(_, event)| event).collect();
    assert_eq!(events, expected);
    assert_eq!(events[2].personal.reason.as_deref(), Some("to see"));
    assert_eq!(events[2].personal.address.as_deref(), Some("a@example.com"));
}

pub(crate) async fn an_event_tells_who_did_it_how_and_what_else_came_of_it(store: &dyn Store) {
    let mut maker = Maker::new(&default());
    let (mut user, change) = maker.with_email("a@example.com", false);
    store.keep(change).await.unwrap();
    let mut expected = Vec::new();
    let by = [(Actor::Owner, Method::Link), (Actor::Server, Method::Policy), (Actor::Owner, Method::Code)];
    for (number, (actor, method)) in (1..).zip(by) {
        (maker.origin.actor, maker.origin.method) = (actor, method);
        let mut change = maker.change(&mut user, number, |user, ctx| {
            if number % 2 == 1 { verify(user, ctx) } else { unverify(user, ctx) }
        });
        if number == 1 {
            change.events[0].details = Some(Details::Unproven(Unproven {
                ended_proofs: vec![user.emails[0].id],
                ended_reset: true,
                password: Some(UnprovenPassword::Removed),
                removed_identifiers: vec![user.emails[0].id, IdentifierId::new(&maker.random)],
            }));
        }
        expected.extend(recorded(&change.events));
        store.keep(change).await.unwrap();
    }
    let told: Vec<_> = events(store, EVERYTHING).await.into_iter().skip(2).map(|(_, event)| event).collect();
    assert_eq!(told, expected);
}

pub(crate) async fn a_users_events_are_found_among_all_even_when_the_user_is_gone(store: &dyn Store) {
    let maker = Maker::new(&default());
    let (mut user, change) = maker.with_email("a@example.com", false);
    store.keep(change).await.unwrap();
    for version in 1..=5 {
        store.keep(maker.with_email("b@example.com", false).1).await.unwrap();
        let rule = if version % 2 == 1 { verify } else { unverify };
        store.keep(maker.change(&mut user, version, rule)).await.unwrap();
    }
    let of_user = EventList { user_id: Some(user.user_id), ..EVERYTHING };
    let expected = || async {
        let all = events(store, EVERYTHING).await;
        all.into_iter().filter(|(_, event)| event.user_id == Some(user.user_id)).collect::<Vec<_>>()
    };
    assert_eq!(events(store, of_user).await, expected().await);
    store.keep(maker.delete(&user, 6)).await.unwrap();
    store.keep(maker.with_email("c@example.com", false).1).await.unwrap();
    let expected = expected().await;
    assert_eq!(expected.len(), 8);
    assert_eq!(events(store, of_user).await, expected);

    let mut walked = Vec::new();
    let mut after = Some(0);
    while let Some(position) = after {
        let page =
            store.events(&default(), EventList { after: position, limit: 3, ..of_user }).await.unwrap();
        walked.extend(page.events);
        after = page.next;
    }
    assert_eq!(walked, expected);
    let verified = EventList { kind: Some(EventType::EmailVerified), ..of_user };
    assert_eq!(events(store, verified).await.len(), 3);
    let nobody = EventList { user_id: Some(crate::id::UserId::new(&SeededRandom::new(99))), ..EVERYTHING };
    assert_eq!(events(store, nobody).await, []);
}

pub(crate) async fn the_events_of_an_address_are_found_among_all_of_its_user(store: &dyn Store) {
    let maker = Maker::new(&default());
    let (mut user, change) = maker.with_email("a@example.com", false);
    store.keep(change).await.unwrap();
    for version in 1..=4 {
        let rule = if version % 2 == 1 { verify } else { unverify };
        store.keep(maker.change(&mut user, version, rule)).await.unwrap();
        store.keep(maker.with_email("b@example.com", false).1).await.unwrap();
    }
    let email = user.emails[0].id;
    store.keep(maker.delete(&user, 5)).await.unwrap();
    let all = events(store, EVERYTHING).await.into_iter().map(|(_, event)| event);
    let expected: Vec<_> = all.filter(|event| event.identifier_id == Some(email)).collect();
    assert!(expected.len() >= 4);
    let found = store.identifier_events(&default(), user.user_id, email).await.unwrap();
    assert_eq!(found, Some(expected));
    let other = IdentifierId::new(&SeededRandom::new(98));
    assert_eq!(store.identifier_events(&default(), user.user_id, other).await.unwrap(), Some(Vec::new()));
    let nobody = UserId::new(&SeededRandom::new(99));
    assert_eq!(store.identifier_events(&default(), nobody, email).await.unwrap(), None);
}

pub(crate) async fn memberships_are_among_a_users_events(store: &dyn Store) {
    let maker = Maker::new(&default());
    let (group, change) = maker.group("a", true);
    store.keep_group(change).await.unwrap();
    let (mut user, mut change) = maker.with_email("a@example.com", false);
    let joined = maker.membership(user.user_id, group.group_id, true);
    change.events.push(joined.event.clone());
    let DocumentChange::Create(_, _, arrival) = &mut change.document else { unreachable!() };
    arrival.automatic = Some(vec![group.group_id]);
    store.keep(change).await.unwrap();
    // Changes of the user are decided beside those of memberships: none is in the way of another.
    for (version, rule) in [(1, verify as fn(&mut User, &Context) -> Vec<Event>), (2, unverify)] {
        for joins in [false, true] {
            let change = maker.membership(user.user_id, group.group_id, joins);
            assert!(store.keep_membership(change).await.unwrap());
        }
        // Nothing happens, and nothing is recorded.
        assert!(!store.keep_membership(joined.clone()).await.unwrap());
        store.keep(maker.change(&mut user, version, rule)).await.unwrap();
    }
    store.keep_group(maker.rename(&group, 1, "b")).await.unwrap();
    let of_user = EventList { user_id: Some(user.user_id), ..EVERYTHING };
    let told = async || {
        let all = events(store, EVERYTHING).await;
        let expected: Vec<_> =
            all.into_iter().filter(|(_, event)| event.user_id == Some(user.user_id)).collect();
        assert_eq!(events(store, of_user).await, expected);
        expected.len()
    };
    assert_eq!(told().await, 3 + 2 * 3);
    store.keep(maker.delete(&user, 3)).await.unwrap();
    assert_eq!(told().await, 3 + 2 * 3 + 1);
    assert!(!store.keep_membership(joined).await.unwrap());
}

/// All pages of the newest events, three at a time.
async fn back(store: &dyn Store, wanted: NewestEvents) -> Vec<(i64, Recorded)> {
    let (mut walked, mut before) = (Vec::new(), None);
    loop {
        let page =
            store.newest_events(&default(), NewestEvents { before, limit: 3, ..wanted }).await.unwrap();
        // A page follows only where there is something on it.
        assert!(!page.events.is_empty());
        walked.extend(page.events);
        before = page.next;
        if before.is_none() {
            return walked;
        }
    }
}

pub(crate) async fn all_that_happened_to_a_user_is_told_once_its_places_were_waited_for(store: &dyn Store) {
    let maker = Maker::new(&default());
    for number in 0..10 {
        let (mut user, change) = maker.with_email(&format!("u{number}@example.com"), false);
        let mut expected = recorded(&change.events);
        store.keep(change).await.unwrap();
        let change = maker.change(&mut user, 1, verify);
        expected.extend(recorded(&change.events));
        store.keep(change).await.unwrap();
        store.wait_for_places(&default(), user.user_id).await.unwrap();
        let newest = NewestEvents { before: None, limit: 10, user_id: Some(user.user_id), kind: None };
        let told = store.newest_events(&default(), newest).await.unwrap().events;
        let told: Vec<Recorded> = told.into_iter().rev().map(|(_, event)| event).collect();
        assert_eq!(told, expected);
    }
    let nobody = UserId::new(&SeededRandom::new(99));
    store.wait_for_places(&default(), nobody).await.unwrap();
}

pub(crate) async fn the_newest_events_come_first_and_pages_lead_back_to_the_oldest(store: &dyn Store) {
    let maker = Maker::new(&default());
    let (mut user, change) = maker.with_email("a@example.com", false);
    store.keep(change).await.unwrap();
    for version in 1..=4 {
        store.keep(maker.with_email("b@example.com", false).1).await.unwrap();
        let rule = if version % 2 == 1 { verify } else { unverify };
        store.keep(maker.change(&mut user, version, rule)).await.unwrap();
    }
    let all = NewestEvents { before: None, limit: 3, user_id: None, kind: None };
    let of_user = NewestEvents { user_id: Some(user.user_id), ..all };
    let verified = NewestEvents { kind: Some(EventType::EmailVerified), ..all };
    for is_deleted in [false, true] {
        if is_deleted {
            store.keep(maker.delete(&user, 5)).await.unwrap();
        }
        let mut expected = events(store, EVERYTHING).await;
        expected.reverse();
        let those = |wanted: fn(&Recorded, &User) -> bool| {
            expected.iter().filter(|(_, event)| wanted(event, &user)).cloned().collect::<Vec<_>>()
        };
        assert_eq!(back(store, all).await, expected);
        let theirs = |event: &Recorded, user: &User| event.user_id == Some(user.user_id);
        assert_eq!(back(store, of_user).await, those(theirs));
        assert_eq!(back(store, verified).await, those(|event, _| event.kind == EventType::EmailVerified));
        let both = NewestEvents { user_id: Some(user.user_id), ..verified };
        assert_eq!(back(store, both).await.len(), 2);
    }
    let nowhere = "nowhere".parse().unwrap();
    assert_eq!(store.newest_events(&nowhere, all).await.unwrap().events, []);
}

pub(crate) async fn the_newest_events_are_counted_by_day_and_type(store: &dyn Store) {
    let mut maker = Maker::new(&default());
    let (mut user, change) = maker.with_email("a@example.com", false);
    store.keep(change).await.unwrap();
    for (version, now) in (1..).zip([86_399, 86_400, 90_000, 200_000]) {
        maker.now = Timestamp(now);
        let rule = if version % 2 == 1 { verify } else { unverify };
        store.keep(maker.change(&mut user, version, rule)).await.unwrap();
    }
    // All of them are on record by now.
    assert_eq!(count_events(store).await, 6);
    let count = |day, kind, count| DayCount { day, kind: Word::Known(kind), count };
    let mut expected = vec![
        count(0, EventType::UserCreated, 1),
        count(0, EventType::EmailAdded, 1),
        count(0, EventType::EmailVerified, 1),
        count(1, EventType::EmailVerified, 1),
        count(1, EventType::EmailUnverified, 1),
        count(2, EventType::EmailUnverified, 1),
    ];
    assert_eq!(store.events_by_day(&default(), 100).await.unwrap(), expected);
    expected.drain(..3);
    assert_eq!(store.events_by_day(&default(), 3).await.unwrap(), expected);
    assert_eq!(store.events_by_day(&"nowhere".parse().unwrap(), 100).await.unwrap(), []);
}
