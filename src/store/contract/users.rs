//! Users: reading, changing, deleting and listing them.

use super::*;
use crate::directory::email::EmailAddress;

pub(crate) async fn a_user_is_read_as_it_was_kept(store: &dyn Store) {
    let (mut user, change) = Maker::new(&default()).with_email("Käthe@example.com", true);
    assert_eq!(store.user(&default(), user.user_id).await.unwrap(), None);
    store.keep(change).await.unwrap();
    let kept = store.user(&default(), user.user_id).await.unwrap().unwrap();
    assert_eq!(kept.version, Version(1));
    assert_eq!(kept.document, user.to_document());
    assert_eq!(User::from_document(&kept.document).unwrap().to_document(), kept.document);
}

pub(crate) async fn of_many_who_are_read_at_once_each_gets_the_user_asked_for(store: &dyn Store) {
    let maker = Maker::new(&default());
    let mut users = Vec::new();
    for number in 0..10 {
        let (user, change) = maker.with_email(&format!("{number}@example.com"), false);
        store.keep(change).await.unwrap();
        users.push(user);
    }
    let (nobody, _) = maker.with_email("nobody@example.com", false);
    let elsewhere: TenantId = "elsewhere".parse().unwrap();
    let asked = (0..300).map(|number| {
        let (user, tenant) = match number % 12 {
            10 => (&nobody, default()),
            11 => (&users[0], elsewhere.clone()),
            place => (&users[place], default()),
        };
        async move { (number % 12, store.user(&tenant, user.user_id).await.unwrap()) }
    });
    for (place, found) in futures_util::future::join_all(asked).await {
        let expected = users.get(place).map(|user| user.clone().to_document().into());
        assert_eq!(found.map(|kept| kept.document), expected);
    }
}

pub(crate) async fn a_change_on_an_old_version_conflicts_and_keeps_nothing(store: &dyn Store) {
    let maker = Maker::new(&default());
    let (mut user, change) = maker.with_email("a@example.com", false);
    store.keep(change).await.unwrap();
    store.keep(maker.change(&mut user.clone(), 1, verify)).await.unwrap();
    let kept = store.user(&default(), user.user_id).await.unwrap().unwrap();
    let events = count_events(store).await;

    let late = maker.change(&mut user, 1, |user, ctx| {
        user.add_email(EmailAddress::parse("b@example.com").unwrap(), true, ctx).unwrap()
    });
    assert!(matches!(store.keep(late).await, Err(KeepError::Conflict)));
    assert_eq!(store.user(&default(), user.user_id).await.unwrap().unwrap(), kept);
    assert_eq!(count_events(store).await, events);
    let (_, other) = maker.with_email("b@example.com", true);
    store.keep(other).await.unwrap();
}

pub(crate) async fn a_deleted_user_is_gone_and_can_neither_be_changed_nor_deleted(store: &dyn Store) {
    let maker = Maker::new(&default());
    let (mut user, change) = maker.with_email("a@example.com", true);
    store.keep(change).await.unwrap();
    store.keep(maker.delete(&user, 1)).await.unwrap();
    assert_eq!(store.user(&default(), user.user_id).await.unwrap(), None);
    assert!(matches!(store.keep(maker.delete(&user, 1)).await, Err(KeepError::Conflict)));
    let late = maker.change(&mut user, 1, unverify);
    assert!(matches!(store.keep(late).await, Err(KeepError::Conflict)));
    // Its address is free again.
    store.keep(maker.with_email("a@example.com", true).1).await.unwrap();
}

pub(crate) async fn what_fails_beside_others_fails_alone(store: &dyn Store) {
    let maker = Maker::new(&default());
    store.keep(maker.with_email("taken@example.com", true).1).await.unwrap();
    let changes: Vec<_> = (0..40)
        .map(|number| match number % 4 {
            0 => maker.with_email("taken@example.com", true).1,
            _ => maker.with_email(&format!("free{number}@example.com"), true).1,
        })
        .collect();
    let users: Vec<_> = changes.iter().map(|change| change.user_id).collect();
    let kept = futures_util::future::join_all(changes.into_iter().map(|change| store.keep(change))).await;
    for (number, (user_id, kept)) in users.into_iter().zip(kept).enumerate() {
        let found = store.user(&default(), user_id).await.unwrap();
        if number % 4 == 0 {
            assert!(matches!(kept, Err(KeepError::Taken(IdentifierKind::Email))), "{kept:?}");
            assert_eq!(found, None);
        } else {
            kept.unwrap();
            assert!(found.is_some());
        }
    }
    let all = || sorted(SortKey::CreationTime, true, 0, 100);
    assert_eq!(store.users(&default(), all()).await.unwrap().total, 31);
}

pub(crate) async fn pages_follow_the_sort_and_never_overlap(store: &dyn Store) {
    let mut maker = Maker::new(&default());
    let mut made = Vec::new();
    for number in 0..25 {
        // Several of each second, so that ids must break ties.
        maker.now = Timestamp(1_000 + number / 4);
        let (user, change) = maker.with_email(&format!("u{number}@example.com"), false);
        store.keep(change).await.unwrap();
        made.push((user.creation_time, user.user_id));
    }
    // The first of them is changed last.
    maker.now = Timestamp(9_000);
    let first = made[0].1;
    let mut user =
        User::from_document(&store.user(&default(), first).await.unwrap().unwrap().document).unwrap();
    store.keep(maker.change(&mut user, 1, verify)).await.unwrap();

    made.sort_unstable();
    for descending in [false, true] {
        let mut listed = Vec::new();
        for page in 0..4 {
            let list = sorted(SortKey::CreationTime, descending, page * 7, 7);
            let page = store.users(&default(), list).await.unwrap();
            assert_eq!(page.total, 25);
            listed
                .extend(page.documents.iter().map(|document| User::from_document(document).unwrap().user_id));
            assert_eq!(page.has_next, listed.len() < 25);
        }
        let mut expected: Vec<_> = made.iter().map(|(_, id)| *id).collect();
        if descending {
            expected.reverse();
        }
        assert_eq!(listed, expected);
    }
    let list = sorted(SortKey::LastUpdated, true, 0, 1);
    let newest = &store.users(&default(), list).await.unwrap().documents[0];
    assert_eq!(User::from_document(newest).unwrap().user_id, first);
    let beyond = sorted(SortKey::LastUpdated, true, 1_000, 10);
    let beyond = store.users(&default(), beyond).await.unwrap();
    assert!(beyond.documents.is_empty() && !beyond.has_next);
}

/// Also those with a character that PostgreSQL has no texts with, and names longer than an entry of
/// an index can be.
pub(crate) async fn texts_of_any_kind_are_kept_and_found(store: &dyn Store) {
    let maker = Maker::new(&default());
    let long = "x".repeat(30_000);
    let (mut user, change) = maker.with_claims(&[("family_name", "a\0\u{1}b"), (&long, &long)]);
    store.keep(change).await.unwrap();
    let data = |value: &str| serde_json::json!({"k\0": value}).as_object().unwrap().clone();
    for (version, value) in [(1, "\0"), (2, "\u{1}\0")] {
        let change = maker.change(&mut user, version, |user, ctx| {
            user.private_data = data(value);
            vec![ctx.event(EventType::PrivateDataChanged, user.user_id, None, None)]
        });
        store.keep(change).await.unwrap();
    }
    let kept = store.user(&default(), user.user_id).await.unwrap().unwrap();
    assert_eq!(kept.document, user.to_document());
    let found = async |filter: &str| {
        let filter = crate::store::search::users::parse(filter).unwrap();
        let list = List { filter, ..sorted(SortKey::FamilyName, false, 0, 10) };
        store.users(&default(), list).await.unwrap().documents.len()
    };
    assert_eq!(found("claims.family_name:\"a\0\u{1}b\"").await, 1);
    assert_eq!(found("claims.family_name:\"a\u{1}\u{1}b\"").await, 0);
    assert_eq!(found("private_data.k\0:\"\u{1}\0\"").await, 1);
    assert_eq!(found("private_data.k\0:\"\0\"").await, 0);

    let (mut group, _) = maker.group("a", false);
    group.description = Some("one\0two\u{1}".to_owned());
    let change = maker.group_change(group.group_id, GroupKept::Create(group.clone()), Vec::new());
    store.keep_group(change).await.unwrap();
    assert_eq!(store.group(&default(), group.group_id).await.unwrap().unwrap().1, group);
}

pub(crate) async fn a_closed_store_refuses_changes(store: &dyn Store) {
    store.ping().await.unwrap();
    store.close().await;
    let (_, change) = Maker::new(&default()).with_email("a@example.com", true);
    assert!(matches!(store.keep(change).await, Err(KeepError::Failed(Error::Unavailable(_)))));
}
