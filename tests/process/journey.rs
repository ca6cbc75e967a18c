//! What the program is for, once from start to end.

use super::client::Client;
use super::server::Home;

#[tokio::test]
async fn a_verified_email_is_still_verified_after_a_crash() {
    let home = Home::new();
    let server = home.serve(&[]);
    let key = home.key("users:write,users:read");
    let client = Client::new(&server, &key);
    let user = client.create("ada@example.com").await;
    assert!(!client.is_verified(&user).await);
    client.verify(&user).await;
    server.kill();

    let server = home.serve(&[]);
    assert!(Client::new(&server, &key).is_verified(&user).await);
}

#[tokio::test]
async fn two_servers_share_a_store() {
    let home = Home::new();
    let (one, other) = (home.serve(&[]), home.serve(&[]));
    let key = home.key("users:write,users:read");
    let (one, other) = (Client::new(&one, &key), Client::new(&other, &key));
    let user = one.create("ada@example.com").await;
    other.verify(&user).await;
    assert!(one.is_verified(&user).await);
}
