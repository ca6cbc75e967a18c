//! Addresses and usernames: who owns one.

use super::*;

pub(crate) async fn a_verified_address_belongs_to_one_user_of_a_tenant(store: &dyn Store) {
    let maker = Maker::new(&default());
    store.keep(maker.with_email("a@example.com", true).1).await.unwrap();
    let taken = store.keep(maker.with_email("A@EXAMPLE.com", true).1).await;
    assert!(matches!(taken, Err(KeepError::Taken(IdentifierKind::Email))), "{taken:?}");

    let (mut other, change) = maker.with_email("a@Example.com", false);
    store.keep(change).await.unwrap();
    let kept = store.user(&default(), other.user_id).await.unwrap();
    let events = count_events(store).await;
    let taken = store.keep(maker.change(&mut other, 1, verify)).await;
    assert!(matches!(taken, Err(KeepError::Taken(IdentifierKind::Email))), "{taken:?}");
    assert_eq!(store.user(&default(), other.user_id).await.unwrap(), kept);
    assert_eq!(count_events(store).await, events);
}

pub(crate) async fn unverified_addresses_do_not_block_each_other(store: &dyn Store) {
    let maker = Maker::new(&default());
    for _ in 0..3 {
        store.keep(maker.with_email("a@example.com", false).1).await.unwrap();
    }
    store.keep(maker.with_email("a@example.com", true).1).await.unwrap();
}

pub(crate) async fn a_freed_address_can_be_verified_by_another(store: &dyn Store) {
    let maker = Maker::new(&default());
    let (mut first, change) = maker.with_email("a@example.com", true);
    store.keep(change).await.unwrap();
    let (mut second, change) = maker.with_email("a@example.com", false);
    store.keep(change).await.unwrap();
    store.keep(maker.change(&mut first, 1, unverify)).await.unwrap();
    store.keep(maker.change(&mut second, 1, verify)).await.unwrap();
    let taken = store.keep(maker.change(&mut first, 2, verify)).await;
    assert!(matches!(taken, Err(KeepError::Taken(IdentifierKind::Email))), "{taken:?}");
}

pub(crate) async fn a_username_belongs_to_one_user_of_a_tenant(store: &dyn Store) {
    let maker = Maker::new(&default());
    let named = |name: &str| NewUser { username: Some(name.to_owned()), ..NewUser::default() };
    store.keep(maker.user(named("alice")).1).await.unwrap();
    let taken = store.keep(maker.user(named("ALICE")).1).await;
    assert!(matches!(taken, Err(KeepError::Taken(IdentifierKind::Username))), "{taken:?}");
}
