//! Many emails marked from the command line.

use serde_json::Value;

use super::client::Client;
use super::server::{Home, until};
use crate::postgres::Database;

#[tokio::test(flavor = "multi_thread")]
async fn emails_that_a_filter_means_are_marked_beside_a_running_server() {
    let home = Home::new();
    let server = home.serve(&[]);
    let client = Client::new(&server, &home.key("admin"));
    let run = |arguments: &[&str]| {
        tokio::task::block_in_place(|| home.prints(&[&["emails"][..], arguments].concat()))
    };
    marked(&client, run).await;

    let complains = |arguments: &[&str]| {
        tokio::task::block_in_place(|| home.complains(&[&["emails", "verify"][..], arguments].concat()))
    };
    let field = complains(&["--filter", "shoe_size:5"]);
    assert!(field.contains("no such field"), "{field}");
    let empty = complains(&["--filter", ""]);
    assert!(empty.contains("`*` means the emails of all users"), "{empty}");
    let reason = complains(&["--filter", "*", "--reason", &"x".repeat(501)]);
    assert!(reason.contains("at most 500 characters"), "{reason}");
    let tenant = complains(&["--filter", "*", "--tenant", "nobody"]);
    assert!(tenant.contains("bonafide tenants create nobody"), "{tenant}");
}

#[tokio::test(flavor = "multi_thread")]
async fn emails_that_a_filter_means_are_marked_on_postgresql() {
    let (home, database) = (Home::new(), Database::empty().await);
    let server = home.serve(&["--store", &database.url, "--secret-file", "secret"]);
    let store = ["--store", &database.url];
    let create = ["keys", "create", "--name", "test", "--scopes", "admin"];
    let key = tokio::task::block_in_place(|| home.prints(&[&create[..], &store].concat()));
    let client = Client::new(&server, key.trim_end());
    let run = |arguments: &[&str]| {
        tokio::task::block_in_place(|| home.prints(&[&["emails"][..], arguments, &store].concat()))
    };
    marked(&client, run).await;
}

/// Marks emails by commands, and looks at what becomes of them.
async fn marked(client: &Client, run: impl Fn(&[&str]) -> String) {
    let ada = client.create("ada@x.example").await;
    let bo = client.create("bo@x.example").await;
    client.create("eve@y.example").await;
    let filter = ["--filter", "emails.domain:x.example AND emails.verified:false"];
    let verify = |more: &[&str]| run(&[&["verify"][..], &filter, more].concat());
    assert_eq!(verify(&["--dry-run"]), "2 addresses\n");
    assert!(!client.is_verified(&ada).await);
    assert_eq!(verify(&["--reason", "Moved here"]), "2 addresses\n");
    assert!(client.is_verified(&ada).await && client.is_verified(&bo).await);
    assert_eq!(verify(&[]), "0 addresses\n");
    assert_eq!(run(&["unverify", "--filter", "bo"]), "1 addresses\n");
    assert!(client.is_verified(&ada).await && !client.is_verified(&bo).await);
    assert_eq!(run(&["verify", "--filter", "-emails.domain:x.example"]), "1 addresses\n");

    let history = format!("/v1/users/{}/emails/{}/history", ada.id, ada.email_id);
    let told = async || {
        let told: Value = client.get(&history).await.unwrap().json().await.unwrap();
        let change = &told["history"][0];
        [&change["method"], &change["actor"]["type"], &change["reason"]].map(Clone::clone)
    };
    until(["command_line", "server", "Moved here"].map(Value::from), told).await;
}
