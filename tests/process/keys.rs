//! Keys and tenants, as a running server knows them.

use std::time::Duration;

use super::client::{Client, trusting};
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

#[tokio::test]
async fn a_key_that_is_rotated_has_two_secrets_for_a_while() {
    let home = Home::new();
    let server = home.serve(&[]);
    let key = home.key("users:read");
    let old = Client::new(&server, &key);
    assert_eq!(old.list_status().await, 200);
    let printed = home.prints(&["keys", "rotate", &key[3..15]]);
    let new = Client::new(&server, printed.trim_end());
    for client in [&old, &new] {
        assert_eq!(client.list_status().await, 200);
    }
    let printed = home.prints(&["keys", "rotate", &key[3..15], "--overlap", "0s"]);
    let newest = Client::new(&server, printed.trim_end());
    assert_eq!(newest.list_status().await, 200);
    for ended in [&old, &new] {
        until(reqwest::StatusCode::UNAUTHORIZED, || ended.list_status()).await;
    }
    assert_eq!(newest.list_status().await, 200);

    let list = home.prints(&["keys", "list"]);
    assert_eq!(list.lines().count(), 2, "{list}");
    let told = home.complains(&["keys", "rotate", "AAAAAAAAAAAA"]);
    assert!(told.contains("bonafide keys list"), "{told}");
    home.prints(&["keys", "revoke", &key[3..15]]);
    let told = home.complains(&["keys", "rotate", &key[3..15]]);
    assert!(told.contains("revoked or expired"), "{told}");
}

#[tokio::test]
async fn what_commands_do_to_keys_is_on_record() {
    let home = Home::new();
    let server = home.serve(&[]);
    let key = home.key("events:read");
    home.prints(&["keys", "rotate", &key[3..15]]);
    let other = home.key("users:read");
    for _ in 0..2 {
        home.prints(&["keys", "revoke", &other[3..15]]);
    }
    let events = Client::new(&server, &key).get("/v1/events").await.unwrap().text().await.unwrap();
    let told: serde_json::Value = serde_json::from_str(&events).unwrap();
    let told = told["events"].as_array().unwrap();
    let about = |event: &serde_json::Value| {
        let part = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        [&event["type"], &event["details"]["key_id"], &event["actor"]["type"], &event["method"]].map(part)
    };
    let wanted = |kind: &str, key: &str| [kind, &key[3..15], "server", "command_line"].map(str::to_owned);
    assert_eq!(
        told.iter().map(about).collect::<Vec<_>>(),
        [
            wanted("key.created", &key),
            wanted("key.rotated", &key),
            wanted("key.created", &other),
            wanted("key.revoked", &other)
        ]
    );
    assert!(!events.contains(&key[16..]) && !events.contains(&other[16..]));
}

#[tokio::test]
async fn a_key_is_limited_to_networks_and_to_a_rate() {
    let home = Home::new();
    let server = home.serve(&["--client-address-header", "X-Forwarded-For"]);
    let create = ["keys", "create", "--name", "test", "--scopes", "users:read"];
    let key = home.prints(&[&create[..], &["--allow-from", "10.0.0.0/8,2001:db8::/32"]].concat());
    let key = key.trim_end();
    let http = trusting([]).build().unwrap();
    let status = async |from: Option<&str>| {
        let mut request = http.get(format!("{}/api/users", server.url)).header("x-api-key", key);
        if let Some(from) = from {
            request = request.header("x-forwarded-for", from);
        }
        request.send().await.unwrap().status()
    };
    assert_eq!(status(Some("192.0.2.1, 10.1.2.3")).await, 200);
    assert_eq!(status(Some("10.1.2.3, 192.0.2.1")).await, 403);
    assert_eq!(status(None).await, 403);
    home.prints(&["keys", "limit", &key[3..15], "--allow-from", "127.0.0.1", "--rate-limit", "2/minute"]);
    let client = Client::new(&server, key);
    until(reqwest::StatusCode::OK, || client.list_status()).await;
    until(reqwest::StatusCode::TOO_MANY_REQUESTS, || client.list_status()).await;
    let list = home.prints(&["keys", "list"]);
    assert!(list.contains("\t2/minute\t127.0.0.1\n"), "{list}");
    home.prints(&["keys", "limit", &key[3..15], "--rate-limit", "none"]);
    until(reqwest::StatusCode::OK, || client.list_status()).await;
    assert!(home.prints(&["keys", "list"]).contains("\tnone\t127.0.0.1\n"));

    let complaint = home.complains(&["keys", "limit", &key[3..15]]);
    assert!(complaint.contains("--rate-limit") && complaint.contains("--allow-from"), "{complaint}");
    let complaint = home.complains(&[&create[..], &["--allow-from", "10.1.2.3/8"]].concat());
    assert!(complaint.contains("10.0.0.0/8"), "{complaint}");
    let complaint = home.complains(&["keys", "limit", &key[3..15], "--rate-limit", "often"]);
    assert!(complaint.contains("600/minute"), "{complaint}");
}
