//! Many who want the same at once.

use futures_util::future::join_all;
use reqwest::StatusCode;

use super::client::Client;
use super::server::Home;

#[tokio::test]
async fn sixty_four_clients_verify_one_email_at_once_and_it_is_one_event() {
    let home = Home::new();
    let server = home.serve(&[]);
    let client = Client::new(&server, &home.key("users:write,users:read"));
    let user = client.create("ada@example.com").await;

    let answers = join_all((0..64).map(|_| client.mark(&user, "verify"))).await;

    assert!(answers.into_iter().all(|answer| answer.expect("an answer") == StatusCode::OK));
    assert!(client.is_verified(&user).await);
    let events: i64 = home
        .database()
        .query_row("select count(*) from events where type = 'user.email.verified'", [], |row| row.get(0))
        .unwrap();
    assert_eq!(events, 1);
}
