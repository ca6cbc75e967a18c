//! The log: what is in it, and what must never be.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::client::Client;
use super::server::{Home, eventually};

const PASSWORD: &str = "correct-horse-battery";

/// Does everything that could tempt a log to tell too much, and gives the problems' trace ids.
async fn tempt(client: &Client, stranger: &Client) -> Vec<String> {
    const EMAIL: &str = "ada@example.com";
    let user = client.create(EMAIL).await;
    client.verify(&user).await;
    let other = client.create(EMAIL).await;
    let mut trace_ids = Vec::new();
    let reset = format!("/api/users/{}/password/reset", user.id);
    let link = client.post(&reset, Some(&json!({}))).await.expect("an answer");
    assert_eq!(link.status(), StatusCode::OK);
    let add = format!("/api/users/{}/emails", user.id);
    for (who, path, body, status) in [
        (client, other.path("verify"), json!({"reason": EMAIL}), StatusCode::UNPROCESSABLE_ENTITY),
        (client, add.clone(), json!({"email": EMAIL}), StatusCode::UNPROCESSABLE_ENTITY),
        (client, add, json!({"email": [EMAIL]}), StatusCode::UNPROCESSABLE_ENTITY),
        (client, "/api/users".to_owned(), json!({"password": PASSWORD}), StatusCode::UNPROCESSABLE_ENTITY),
        (client, "/api/users".to_owned(), json!({"password": [PASSWORD]}), StatusCode::UNPROCESSABLE_ENTITY),
        (client, reset.clone(), json!({"expiry": PASSWORD}), StatusCode::UNPROCESSABLE_ENTITY),
        (client, "/api/users".to_owned(), json!(EMAIL), StatusCode::BAD_REQUEST),
        (client, format!("/api/users/{EMAIL}/emails"), json!({"email": EMAIL}), StatusCode::NOT_FOUND),
        (client, format!("/{EMAIL}"), json!({}), StatusCode::NOT_FOUND),
        (stranger, user.path("verify"), json!({"reason": EMAIL}), StatusCode::UNAUTHORIZED),
    ] {
        let answer = who.post(&path, Some(&body)).await.expect("an answer");
        assert_eq!(answer.status(), status, "{path}");
        let problem: Value = answer.json().await.expect("a problem");
        trace_ids.push(problem["traceId"].as_str().expect("an id").to_owned());
    }
    trace_ids
}

async fn assert_discreet(arguments: &[&str]) {
    let home = Home::new();
    let server = home.serve(arguments);
    let key = home.key("users:write,users:read,passwords:write");
    let secret = &key[16..];
    // A known id with a wrong secret, which is a secret of somebody's all the same.
    let wrong = format!("{}{}", &key[..16], secret.chars().rev().collect::<String>());
    let trace_ids = tempt(&Client::new(&server, &key), &Client::new(&server, &wrong)).await;

    let log = eventually("a log line for each problem", || {
        Some(server.stderr()).filter(|log| trace_ids.iter().all(|id| log.contains(id)))
    });
    for line in log.lines() {
        assert!(serde_json::from_str::<Value>(line).is_ok_and(|line| line.is_object()), "{line}");
    }
    let told = |what: &str| log.lines().find(|line| line.contains(what)).map(str::to_owned);
    for secret in [secret, &wrong[16..], "ada@", "example.com", PASSWORD, "argon2", "/reset/"] {
        assert_eq!(told(secret), None);
    }
}

#[tokio::test]
async fn the_log_is_json_with_the_trace_ids_and_without_secrets_or_addresses() {
    assert_discreet(&[]).await;
}

#[tokio::test]
async fn the_same_holds_for_the_log_in_all_detail() {
    assert_discreet(&["--log", "debug"]).await;
}

#[test]
fn a_level_that_does_not_exist_is_told() {
    let home = Home::new();
    let complaint = home.complains(&["serve", "--listen", "127.0.0.1:0", "--log", "loud=very"]);
    assert!(complaint.contains("loud=very"), "{complaint}");
}
