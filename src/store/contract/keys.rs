//! API keys.

use super::*;

fn key(tenant: &str, seed: u64) -> ApiKey {
    let plain = PlainKey::new(&SeededRandom::new(seed));
    ApiKey {
        id: plain.id(),
        tenant: tenant.parse().unwrap(),
        name: "a \"name\"".to_owned(),
        hash: plain.hash(),
        scopes: vec![
            crate::directory::api_key::Scope::UsersRead,
            crate::directory::api_key::Scope::EmailsVerify,
        ],
        created_at: Timestamp(5),
        expires_at: Some(Timestamp(6)),
        revoked_at: None,
        last_used_at: None,
    }
}

pub(crate) async fn a_key_is_found_by_its_id_until_it_is_revoked(store: &dyn Store) {
    let key = key("default", 1);
    assert!(store.key(key.id).await.unwrap().is_none());
    assert!(!store.revoke_key(key.id, Timestamp(7)).await.unwrap());
    assert!(store.create_key(key.clone()).await.unwrap());
    let found = store.key(key.id).await.unwrap().unwrap();
    assert!(found.hash.matches(&PlainKey::new(&SeededRandom::new(1))));
    assert_eq!(
        (found.name, found.scopes, found.created_at, found.expires_at, found.revoked_at, found.last_used_at),
        (key.name, key.scopes, key.created_at, key.expires_at, None, None)
    );
    store.touch_key(key.id, Timestamp(8)).await.unwrap();
    store.touch_key(key.id, Timestamp(7)).await.unwrap();
    assert!(store.revoke_key(key.id, Timestamp(9)).await.unwrap());
    assert!(store.revoke_key(key.id, Timestamp(10)).await.unwrap());
    let found = store.key(key.id).await.unwrap().unwrap();
    assert_eq!((found.last_used_at, found.revoked_at), (Some(Timestamp(8)), Some(Timestamp(9))));
    assert_eq!(store.keys().await.unwrap().len(), 1);
}

pub(crate) async fn a_key_needs_its_tenant(store: &dyn Store) {
    assert!(!store.create_key(key("nobody", 1)).await.unwrap());
    assert!(store.keys().await.unwrap().is_empty());
}
