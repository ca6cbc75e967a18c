//! Who is in a group.

use super::super::search::users::UserSearch;
use super::*;

/// The members of a group among those that a list is about.
fn members(group: &Group, list: List) -> List {
    List { filter: Some(UserSearch::members(group.group_id, list.filter)), ..list }
}

pub(crate) async fn members_are_counted_as_they_come_and_go(store: &dyn Store) {
    let mut maker = Maker::new(&default());
    let (made, change) = maker.group("a", false);
    store.keep_group(change).await.unwrap();
    let mut users = Vec::new();
    for number in 0..20 {
        let (user, change) = maker.with_email(&format!("u{number}@example.com"), false);
        store.keep(change).await.unwrap();
        users.push(user.user_id);
    }
    maker.now = Timestamp(2_000);
    let twice = users.iter().chain(&users).map(|user| maker.membership(*user, made.group_id, true));
    let kept = futures_util::future::join_all(twice.map(|change| store.keep_membership(change))).await;
    assert_eq!(kept.into_iter().filter(|kept| *kept.as_ref().unwrap()).count(), 20);
    let (version, now) = group(store, &made).await.unwrap();
    assert_eq!((version, now.users_assigned, now.last_assigned), (Version(1), 20, Timestamp(2_000)));
    assert_eq!(now.last_updated, made.last_updated);
    maker.now = Timestamp(3_000);
    for expected in [true, false] {
        let change = maker.membership(users[0], made.group_id, false);
        assert_eq!(store.keep_membership(change).await.unwrap(), expected);
    }
    let now = group(store, &made).await.unwrap().1;
    assert_eq!((now.users_assigned, now.last_assigned), (19, Timestamp(2_000)));
    // A change of the group leaves what is counted.
    store.keep_group(maker.rename(&made, 1, "b")).await.unwrap();
    assert_eq!(users_assigned(store, &made).await, 19);
    assert_eq!(count_events(store).await, 1 + 40 + 20 + 1 + 1);
}

pub(crate) async fn a_membership_needs_its_user_and_its_group(store: &dyn Store) {
    let maker = Maker::new(&default());
    let (made, change) = maker.group("a", false);
    let (user, user_change) = maker.with_email("a@example.com", false);
    let joins = maker.membership(user.user_id, made.group_id, true);
    assert!(!store.keep_membership(joins.clone()).await.unwrap());
    store.keep_group(change).await.unwrap();
    assert!(!store.keep_membership(joins.clone()).await.unwrap());
    let recorded = count_events(store).await;
    assert_eq!(users_assigned(store, &made).await, 0);
    store.keep(user_change).await.unwrap();
    assert!(store.keep_membership(joins).await.unwrap());
    let found = store.membership(&default(), user.user_id, made.group_id).await.unwrap().unwrap();
    assert_eq!((found.creation_time, found.group_name), (maker.now, made.name.clone()));
    let all = events(store, EVERYTHING).await;
    assert_eq!(all.len(), recorded + 3);
    let event = &all.last().unwrap().1;
    assert_eq!((event.user_id, event.group_id), (Some(user.user_id), Some(made.group_id)));
}

pub(crate) async fn a_new_user_joins_the_groups_that_take_every_new_user_or_is_not_kept(store: &dyn Store) {
    let maker = Maker::new(&default());
    store.keep_group(maker.group("other", false).1).await.unwrap();
    let mut expected = Vec::new();
    for name in ["a", "b"] {
        let (group, change) = maker.group(name, true);
        store.keep_group(change).await.unwrap();
        expected.push(group);
    }
    expected.sort_unstable_by_key(|group| group.group_id);
    let joined = store.auto_assigned(&default()).await.unwrap();
    assert_eq!(joined, expected.iter().map(|group| group.group_id).collect::<Vec<_>>());
    let (mut user, change) = maker.with_email("a@example.com", true);
    let mut joining =
        |joined| UserChange::create(&default(), &mut user, joined, change.events.clone().into());
    for wrong in [Vec::new(), joined[..1].to_vec()] {
        assert!(matches!(store.keep(joining(wrong)).await, Err(KeepError::Conflict)));
        assert_eq!(store.user(&default(), change.user_id).await.unwrap(), None);
    }
    store.keep(joining(joined)).await.unwrap();
    for group in &expected {
        assert_eq!(users_assigned(store, group).await, 1);
    }
}

pub(crate) async fn what_is_deleted_leaves_no_memberships(store: &dyn Store) {
    let maker = Maker::new(&default());
    let (kept, change) = maker.group("kept", false);
    store.keep_group(change).await.unwrap();
    let (deleted, change) = maker.group("deleted", false);
    store.keep_group(change).await.unwrap();
    let mut users = Vec::new();
    for number in 0..3 {
        let (user, change) = maker.with_email(&format!("u{number}@example.com"), false);
        store.keep(change).await.unwrap();
        for group in [&kept, &deleted] {
            assert!(
                store.keep_membership(maker.membership(user.user_id, group.group_id, true)).await.unwrap()
            );
        }
        users.push(user);
    }
    store.keep(maker.delete(&users[0], 1)).await.unwrap();
    assert_eq!((users_assigned(store, &kept).await, users_assigned(store, &deleted).await), (2, 2));
    let gone = maker.group_change(deleted.group_id, GroupKept::Delete, Vec::new());
    store.keep_group(gone).await.unwrap();
    let all = Sorted { sort: MembershipSortKey::CreationTime, descending: true, offset: 0, limit: 10 };
    for (user, groups) in users.iter().zip([0, 1, 1]) {
        let page = store.memberships(&default(), user.user_id, all).await.unwrap();
        assert_eq!((page.total, page.documents.len() as u64), (groups, groups));
    }
    for (group, left) in [(&kept, 2), (&deleted, 0)] {
        let list = sorted(SortKey::CreationTime, true, 0, 10);
        let page = store.users(&default(), members(group, list)).await.unwrap();
        assert_eq!((page.total, page.documents.len() as u64), (left, left));
    }
}

pub(crate) async fn pages_of_members_and_memberships_follow_the_sort(store: &dyn Store) {
    let mut maker = Maker::new(&default());
    let (many, change) = maker.group("many", false);
    store.keep_group(change).await.unwrap();
    let (few, change) = maker.group("few", false);
    store.keep_group(change).await.unwrap();
    let mut made = Vec::new();
    for number in 0..60 {
        maker.now = Timestamp(1_000 + number / 4);
        let (user, change) = maker.with_email(&format!("u{number}@example.com"), false);
        store.keep(change).await.unwrap();
        made.push((user.creation_time, user.user_id));
    }
    // Joined in another order than made; so few and so many that either is found in its own way.
    for (number, (_, user)) in made.iter().enumerate().rev() {
        maker.now = Timestamp(5_000 - number.cast_signed() as i64);
        assert!(store.keep_membership(maker.membership(*user, many.group_id, true)).await.unwrap());
        if number % 10 == 0 {
            assert!(store.keep_membership(maker.membership(*user, few.group_id, true)).await.unwrap());
        }
    }
    let some: Vec<_> = made.iter().copied().step_by(10).collect();
    for (group, mut expected) in [(&many, made.clone()), (&few, some)] {
        expected.sort_unstable();
        for descending in [false, true] {
            let mut listed = Vec::new();
            while listed.len() < expected.len() {
                let list = sorted(SortKey::CreationTime, descending, listed.len() as u64, 5);
                let page = store.users(&default(), members(group, list)).await.unwrap();
                listed.extend(page.documents.iter().map(|user| User::from_document(user).unwrap().user_id));
                assert_eq!(
                    (page.total, page.has_next),
                    (expected.len() as u64, listed.len() < expected.len())
                );
            }
            if descending {
                listed.reverse();
            }
            assert_eq!(listed, expected.iter().map(|(_, id)| *id).collect::<Vec<_>>());
        }
    }
    for descending in [false, true] {
        let list = Sorted { sort: MembershipSortKey::CreationTime, descending, offset: 0, limit: 1 };
        let page = store.memberships(&default(), made[0].1, list).await.unwrap();
        let later = many.group_id.max(few.group_id);
        assert_eq!((page.total, page.has_next), (2, true));
        assert_eq!(page.documents[0].group_id == later, descending);
    }
}
