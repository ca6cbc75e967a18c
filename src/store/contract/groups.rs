//! Groups: reading, changing and listing them.

use super::*;

pub(crate) async fn a_group_is_read_as_it_was_kept(store: &dyn Store) {
    let maker = Maker::new(&default());
    let (made, change) = maker.group("Käthes Gruppe", true);
    assert_eq!(group(store, &made).await, None);
    let expected = recorded(&change.events);
    store.keep_group(change).await.unwrap();
    assert_eq!(group(store, &made).await, Some((Version(1), made)));
    let kept = events(store, EVERYTHING).await.into_iter().map(|(_, event)| event);
    assert_eq!(kept.collect::<Vec<_>>(), expected);
}

pub(crate) async fn a_change_of_a_group_on_an_old_version_conflicts(store: &dyn Store) {
    let maker = Maker::new(&default());
    let (made, change) = maker.group("a", false);
    let gone = maker.group_change(made.group_id, GroupKept::Delete, Vec::new());
    assert!(matches!(store.keep_group(gone.clone()).await, Err(KeepError::Conflict)));
    store.keep_group(change).await.unwrap();
    store.keep_group(maker.rename(&made, 1, "b")).await.unwrap();
    let kept = group(store, &made).await;
    let events = count_events(store).await;
    let late = store.keep_group(maker.rename(&made, 1, "c")).await;
    assert!(matches!(late, Err(KeepError::Conflict)), "{late:?}");
    assert_eq!(group(store, &made).await, kept);
    assert_eq!(count_events(store).await, events);
    store.keep_group(gone).await.unwrap();
    assert_eq!(group(store, &made).await, None);
    assert!(matches!(store.keep_group(maker.rename(&made, 2, "c")).await, Err(KeepError::Conflict)));
}

pub(crate) async fn a_name_belongs_to_one_group_of_a_tenant(store: &dyn Store) {
    let maker = Maker::new(&default());
    let (first, change) = maker.group("Straße", false);
    store.keep_group(change).await.unwrap();
    let taken = store.keep_group(maker.group("STRASSE", false).1).await;
    assert!(matches!(taken, Err(KeepError::NameTaken)), "{taken:?}");
    let (other, change) = maker.group("b", false);
    store.keep_group(change).await.unwrap();
    let events = count_events(store).await;
    let taken = store.keep_group(maker.rename(&other, 1, "strasse")).await;
    assert!(matches!(taken, Err(KeepError::NameTaken)), "{taken:?}");
    assert_eq!(count_events(store).await, events);
    store.keep_group(maker.rename(&first, 1, "STRASSE")).await.unwrap();
    store.keep_group(maker.rename(&first, 2, "c")).await.unwrap();
    store.keep_group(maker.rename(&other, 1, "Straße")).await.unwrap();
}

pub(crate) async fn pages_of_groups_follow_each_sort(store: &dyn Store) {
    let mut maker = Maker::new(&default());
    let (user, change) = maker.with_email("a@example.com", false);
    store.keep(change).await.unwrap();
    let mut groups = Vec::new();
    for (number, name) in ["b", "D", "a", "C", "é", "e"].into_iter().enumerate() {
        maker.now = Timestamp(1_000 + number.cast_signed() as i64 / 2);
        let (group, change) = maker.group(name, false);
        store.keep_group(change).await.unwrap();
        if number % 3 == 0 {
            assert!(
                store.keep_membership(maker.membership(user.user_id, group.group_id, true)).await.unwrap()
            );
        }
        groups.push(group.group_id);
    }
    let mut kept = Vec::new();
    for id in groups {
        kept.push(store.group(&default(), id).await.unwrap().unwrap().1);
    }
    for key in GroupSortKey::ALL {
        let place = |group: &Group| match key {
            GroupSortKey::Name => (group.name.canonical(), 0),
            GroupSortKey::UsersAssigned => (String::new(), group.users_assigned.cast_signed()),
            GroupSortKey::LastAssigned => (String::new(), group.last_assigned.0),
            GroupSortKey::CreationTime => (String::new(), group.creation_time.0),
            GroupSortKey::LastUpdated => (String::new(), group.last_updated.0),
            GroupSortKey::Type | GroupSortKey::ClientsAssigned => (String::new(), 0),
        };
        kept.sort_by_key(|group| (place(group), group.group_id));
        for descending in [false, true] {
            let mut listed = Vec::new();
            for page in 0..2 {
                let list = Sorted { sort: *key, descending, offset: page * 4, limit: 4 };
                let page = store.groups(&default(), None, list).await.unwrap();
                listed.extend(page.documents);
                assert_eq!((page.total, page.has_next), (6, listed.len() < 6), "{key}");
            }
            if descending {
                listed.reverse();
            }
            assert_eq!(listed, kept, "{key}");
        }
    }
}

pub(crate) async fn groups_of_tenants_do_not_see_or_block_each_other(store: &dyn Store) {
    let acme: TenantId = "acme".parse().unwrap();
    assert!(store.create_tenant(&acme, Timestamp(1)).await.unwrap());
    let (ours, theirs) = (Maker::new(&default()), Maker::new(&acme));
    let (group, change) = ours.group("a", true);
    store.keep_group(change).await.unwrap();
    let (same, change) = theirs.group("A", false);
    // The same seed gave both the same id: even then they are two groups.
    assert_eq!(same.group_id, group.group_id);
    store.keep_group(change).await.unwrap();
    assert_eq!(store.auto_assigned(&acme).await.unwrap(), []);
    let (user, change) = theirs.with_email("a@example.com", false);
    store.keep(change).await.unwrap();
    // Their user is not ours, whatever the group.
    assert!(!store.keep_membership(ours.membership(user.user_id, group.group_id, true)).await.unwrap());
    assert!(store.keep_membership(theirs.membership(user.user_id, group.group_id, true)).await.unwrap());
    assert_eq!(users_assigned(store, &group).await, 0);
    assert_eq!(store.membership(&default(), user.user_id, group.group_id).await.unwrap(), None);
    let gone = ours.group_change(group.group_id, GroupKept::Delete, Vec::new());
    store.keep_group(gone).await.unwrap();
    assert!(store.membership(&acme, user.user_id, group.group_id).await.unwrap().is_some());
    let all = Sorted { sort: GroupSortKey::Name, descending: false, offset: 0, limit: 10 };
    assert_eq!(store.groups(&default(), None, all).await.unwrap().total, 0);
    assert_eq!(store.groups(&acme, None, all).await.unwrap().total, 1);
}
