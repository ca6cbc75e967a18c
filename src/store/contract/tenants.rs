//! Tenants, and the walls between them.

use futures_util::future::join_all;

use super::*;
use crate::directory::settings::{Chosen, Means};

pub(crate) async fn a_tenant_is_made_once(store: &dyn Store) {
    let acme: TenantId = "acme".parse().unwrap();
    assert!(store.create_tenant(&acme, Timestamp(1)).await.unwrap());
    assert!(!store.create_tenant(&acme, Timestamp(2)).await.unwrap());
    let tenants = store.tenants().await.unwrap();
    assert_eq!(tenants.iter().map(|tenant| tenant.id.as_str()).collect::<Vec<_>>(), ["acme", "default"]);
    assert_eq!(tenants[0].created_at, Timestamp(1));
}

pub(crate) async fn tenants_do_not_see_or_block_each_other(store: &dyn Store) {
    let acme: TenantId = "acme".parse().unwrap();
    assert!(store.create_tenant(&acme, Timestamp(1)).await.unwrap());
    let (ours, change) = Maker::new(&default()).with_email("a@example.com", true);
    store.keep(change).await.unwrap();
    let theirs_maker = Maker::new(&acme);
    let (theirs, change) = theirs_maker.with_email("a@example.com", true);
    // The same seed gave both the same id: even then they are two users.
    assert_eq!(theirs.user_id, ours.user_id);
    store.keep(change).await.unwrap();
    store.keep(theirs_maker.delete(&theirs, 1)).await.unwrap();
    assert!(store.user(&default(), ours.user_id).await.unwrap().is_some());
    assert_eq!(store.user(&acme, ours.user_id).await.unwrap(), None);
    assert_eq!(count_events(store).await, 3);
    let all = || sorted(SortKey::CreationTime, true, 0, 10);
    assert_eq!(store.users(&acme, all()).await.unwrap().documents.len(), 0);
    assert_eq!(store.users(&default(), all()).await.unwrap().documents.len(), 1);
}

pub(crate) async fn the_total_counts_creations_and_deletions(store: &dyn Store) {
    let maker = Maker::new(&default());
    let (user, change) = maker.with_email("a@example.com", true);
    store.keep(change).await.unwrap();
    store.keep(maker.with_email("b@example.com", true).1).await.unwrap();
    assert!(store.keep(maker.with_email("b@example.com", true).1).await.is_err());
    store.keep(maker.delete(&user, 1)).await.unwrap();
    let tenants = store.tenants().await.unwrap();
    assert_eq!(tenants.iter().map(|tenant| tenant.users).collect::<Vec<_>>(), [1]);
}

pub(crate) async fn what_a_tenant_has_chosen_is_kept_for_that_tenant(store: &dyn Store) {
    let acme: TenantId = "acme".parse().unwrap();
    let choices = choices(&[("proof_means", "both"), ("display_name", "Ädmin's \"Acme\"")]);
    let mut kept = Chosen::default();
    choices.apply(&mut kept);
    let chosen = Settings::read(&kept);
    assert_eq!((chosen.proof_means, &*chosen.display_name), (Means::Both, "Ädmin's \"Acme\""));
    assert!(!store.choose(&acme, choices.clone()).await.unwrap());
    assert_eq!(store.settings(&acme).await.unwrap(), Settings::default());
    assert!(store.create_tenant(&acme, Timestamp(1)).await.unwrap());
    assert_eq!(store.settings(&acme).await.unwrap(), Settings::default());
    assert!(store.choose(&acme, choices).await.unwrap());
    assert_eq!(store.settings(&acme).await.unwrap(), chosen);
    assert_eq!(store.settings(&default()).await.unwrap(), Settings::default());
}

fn choices(choices: &[(&str, &str)]) -> Choices {
    let choices = choices.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Choices::new(choices.collect()).unwrap()
}

/// Issue 5: who chose at the same time as another took the other's choice back.
pub(crate) async fn of_many_who_choose_at_once_each_choice_is_kept(store: &dyn Store) {
    for value in ["60", "61", "62"] {
        let names = ["link_expiry", "code_expiry", "proofs_per_user_and_hour", "proofs_per_address_and_hour"];
        let chosen =
            join_all(names.map(async |name| store.choose(&default(), choices(&[(name, value)])).await)).await;
        assert!(chosen.into_iter().all(|chosen| chosen.unwrap()));
        let shown = store.settings(&default()).await.unwrap().shown();
        for name in names {
            assert!(shown.contains(&(name, value.to_owned())), "{name}={value}");
        }
    }
}
