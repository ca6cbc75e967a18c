//! API keys.

use super::*;
use crate::directory::api_key::{Bounds, NewKey, PreviousSecret, Scope};
use crate::directory::event::{Method, Origin};

fn plain(seed: u64) -> PlainKey {
    PlainKey::new(&SeededRandom::new(seed))
}

fn key(tenant: &str, seed: u64) -> ApiKey {
    let new = NewKey {
        name: "a \"name\"".to_owned(),
        scopes: vec![Scope::UsersRead, Scope::EmailsVerify],
        expires_at: Some(Timestamp(6)),
        bounds: Bounds::default(),
    };
    ApiKey::new(plain(seed).id(), plain(seed).hash(), new, &tenant.parse().unwrap(), Timestamp(5))
}

async fn create(store: &dyn Store, key: ApiKey) -> bool {
    store.keep_key(KeyChange { kept: KeyKept::Create(key), events: Vec::new(), answer: None }).await.unwrap()
}

async fn replace(store: &dyn Store, key: ApiKey) -> bool {
    store.keep_key(KeyChange { kept: KeyKept::Replace(key), events: Vec::new(), answer: None }).await.unwrap()
}

pub(crate) async fn a_key_is_found_by_its_id_until_it_is_revoked(store: &dyn Store) {
    let key = key("default", 1);
    assert!(store.key(key.id).await.unwrap().is_none());
    assert!(!replace(store, key.clone()).await);
    assert!(create(store, key.clone()).await);
    let found = store.key(key.id).await.unwrap().unwrap();
    assert!(found.hash.matches(&plain(1)) && found.previous.is_none());
    assert_eq!((&found.name, &found.scopes, &found.bounds), (&key.name, &key.scopes, &key.bounds));
    assert_eq!(
        (found.created_at, found.expires_at, found.revoked_at, found.last_used_at),
        (key.created_at, key.expires_at, None, None)
    );
    store.touch_key(key.id, Timestamp(8)).await.unwrap();
    store.touch_key(key.id, Timestamp(7)).await.unwrap();
    assert!(replace(store, ApiKey { revoked_at: Some(Timestamp(9)), ..found }).await);
    let found = store.key(key.id).await.unwrap().unwrap();
    assert_eq!((found.last_used_at, found.revoked_at), (Some(Timestamp(8)), Some(Timestamp(9))));
    assert_eq!(store.keys().await.unwrap().len(), 1);
}

pub(crate) async fn a_key_has_two_secrets_and_bounds(store: &dyn Store) {
    let mut key = key("default", 1);
    key.bounds =
        Bounds { rate_limit: Some("5/second".parse().unwrap()), networks: vec!["::1".parse().unwrap()] };
    assert!(create(store, key.clone()).await);
    assert_eq!(store.key(key.id).await.unwrap().unwrap().bounds, key.bounds);
    let previous = PreviousSecret { hash: key.hash, rotated_at: Timestamp(2), until: Timestamp(3) };
    let networks = ["10.0.0.0/8", "2001:db8::/32"].map(|network| network.parse().unwrap()).to_vec();
    key.hash = plain(2).hash();
    key.previous = Some(previous);
    key.bounds = Bounds { rate_limit: None, networks };
    assert!(replace(store, key.clone()).await);
    let found = store.key(key.id).await.unwrap().unwrap();
    assert_eq!((found.version, &found.bounds), (1, &key.bounds));
    let previous = found.previous.as_ref().unwrap();
    assert_eq!((previous.rotated_at, previous.until), (Timestamp(2), Timestamp(3)));
    assert!(found.hash.matches(&plain(2)) && previous.hash.matches(&plain(1)));
    // Notes of its use are no changes; what was decided on another version is not kept.
    store.touch_key(key.id, Timestamp(8)).await.unwrap();
    assert!(!replace(store, key.clone()).await);
    assert!(replace(store, found).await);
    let unbound = ApiKey { version: 2, bounds: Bounds::default(), ..key };
    assert!(replace(store, unbound).await);
    assert_eq!(store.keys().await.unwrap()[0].bounds, Bounds::default());
}

pub(crate) async fn a_change_of_a_key_is_kept_with_its_event_or_neither_is(store: &dyn Store) {
    let random = SeededRandom::new(1);
    let origin = Origin::of_server(default(), Method::CommandLine, &random);
    let ctx = Context { now: Timestamp(5), random: &random, origin: &origin };
    let new = || NewKey { name: "test".into(), scopes: vec![Scope::Admin], ..NewKey::default() };
    let (mut key, created) = ApiKey::create(plain(1).id(), plain(1).hash(), new(), &ctx);
    let create =
        KeyChange { kept: KeyKept::Create(key.clone()), events: vec![created.clone()], answer: None };
    assert!(store.keep_key(create.clone()).await.unwrap());
    assert!(store.keep_key(create).await.is_err());
    let revoked = key.revoke(&ctx);
    let revoke = KeyChange { kept: KeyKept::Replace(key), events: revoked.clone(), answer: None };
    assert!(store.keep_key(revoke.clone()).await.unwrap());
    assert!(!store.keep_key(revoke).await.unwrap());
    let told: Vec<_> = events(store, EVERYTHING).await.into_iter().map(|(_, event)| event).collect();
    assert_eq!(told, recorded(&[vec![created], revoked].concat()));
}

pub(crate) async fn a_tenants_keys_are_walked_over_by_their_ids(store: &dyn Store) {
    store.create_tenant(&"acme".parse().unwrap(), Timestamp(1)).await.unwrap();
    let mut ids = Vec::new();
    for seed in 1..=5 {
        let key = key("default", seed);
        ids.push(key.id);
        assert!(create(store, key).await);
    }
    assert!(create(store, key("acme", 6)).await);
    ids.sort_unstable();
    let mut walked = Vec::new();
    for expected in [2, 2, 1, 0] {
        let keys = store.keys_of(&default(), walked.last().copied(), 2).await.unwrap();
        assert_eq!(keys.len(), expected);
        walked.extend(keys.into_iter().map(|key| key.id));
    }
    assert_eq!(walked, ids);
}

pub(crate) async fn a_key_needs_its_tenant(store: &dyn Store) {
    assert!(!create(store, key("nobody", 1)).await);
    assert!(store.keys().await.unwrap().is_empty());
}
