//! Keys and tenants, as a running server knows them.

use std::time::Duration;

use super::client::Client;
use super::server::{Home, until};

#[tokio::test]
async fn a_revoked_key_is_refused_within_a_second() {
    let home = Home::new();
    let server = home.serve(&[]);
    let key = home.key("users:read");
    let client = Client::new(&server, &key);
    // Used before and after, so that the server has every reason to remember it.
    assert_eq!(client.list_status().await, 200);
    home.prints(&["keys", "revoke", &key[3..15]]);
    client.list_status().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(client.list_status().await, 401);
}

#[tokio::test]
async fn a_key_ends_when_its_time_is_over() {
    let home = Home::new();
    let server = home.serve(&[]);
    let key = |expires| {
        let arguments = ["keys", "create", "--name", "test", "--scopes", "admin", "--expires", expires];
        home.prints(&arguments).trim_end().to_owned()
    };
    let (long, short) = (Client::new(&server, &key("1h")), Client::new(&server, &key("1s")));
    until(reqwest::StatusCode::UNAUTHORIZED, || short.list_status()).await;
    assert_eq!(long.list_status().await, 200);
    assert!(home.prints(&["keys", "list"]).contains("\texpired\t"));
}

#[tokio::test]
async fn a_key_does_what_its_scopes_allow_and_no_more() {
    let home = Home::new();
    let server = home.serve(&[]);
    let user = Client::new(&server, &home.key("users:write")).create("ada@example.com").await;
    let client = Client::new(&server, &home.key("emails:verify"));
    client.verify(&user).await;
    let refused = client.get("/api/users").await.unwrap();
    assert_eq!(refused.status(), 403);
    assert!(refused.text().await.unwrap().contains("users:read"));
}

#[tokio::test]
async fn a_tenants_key_does_not_see_another_tenants_users() {
    let home = Home::new();
    let server = home.serve(&[]);
    let here = Client::new(&server, &home.key("users:read,users:write"));
    let user = here.create("ada@example.com").await;
    home.prints(&["tenants", "create", "acme"]);
    let key = home.prints(&["keys", "create", "--name", "test", "--scopes", "admin", "--tenant", "acme"]);
    let there = Client::new(&server, key.trim_end());
    assert_eq!(there.get(&format!("/api/users/{}", user.id)).await.unwrap().status(), 404);
    assert_eq!(there.mark(&user, "verify").await.unwrap(), 404);
    assert_eq!(there.get("/api/users").await.unwrap().text().await.unwrap(), "[]");
    assert!(!here.is_verified(&user).await);
    there.create("ada@example.com").await;
    assert_eq!(home.prints(&["tenants", "list"]), "acme\t1 users\ndefault\t1 users\n");
}
