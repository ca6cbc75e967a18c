//! Links in answers: they lead where the server was told that it is reached.

use serde_json::{Value, json};

use super::client::Client;
use super::server::{Home, Server};

async fn link(home: &Home, server: &Server) -> String {
    let client = Client::new(server, &home.key("users:write,passwords:write"));
    let user = client.create("ada@example.com").await;
    let reset = format!("/api/users/{}/password/reset", user.id);
    let answer: Value = client.post(&reset, Some(&json!({}))).await.unwrap().json().await.unwrap();
    answer["link"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_link_leads_to_the_public_url_or_else_to_the_address_bound() {
    let home = Home::new();
    let server = home.serve(&[]);
    let bound = link(&home, &server).await;
    assert!(bound.starts_with(&format!("{}/reset/", server.url)));
    drop(server);
    let server = home.serve(&["--public-url", "https://users.example.com/directory/"]);
    assert!(link(&home, &server).await.starts_with("https://users.example.com/directory/reset/"));
}
