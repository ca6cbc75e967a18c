//! The log: what is in it, and what must never be.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::client::{Client, trusting};
use super::server::{Home, eventually};

const PASSWORD: &str = "correct-horse-battery";

/// Does everything that could tempt a log to tell too much, and gives the problems' trace ids and the
/// secrets of the links that were made.
async fn tempt(client: &Client, stranger: &Client) -> (Vec<String>, Vec<String>) {
    const EMAIL: &str = "ada@example.com";
    let user = client.create(EMAIL).await;
    client.verify(&user).await;
    let other = client.create(EMAIL).await;
    let mut trace_ids = Vec::new();
    let reset = format!("/api/users/{}/password/reset", user.id);
    let link = client.post(&reset, Some(&json!({}))).await.expect("an answer");
    assert_eq!(link.status(), StatusCode::OK);
    let link: Value = link.json().await.expect("a link");
    let mut secrets = vec![follow(link["link"].as_str().expect("a link")).await];
    let start = other.path("verify/start").replace("/api/", "/v1/");
    let started = client.post(&start, Some(&json!({}))).await.expect("an answer");
    let started: Value = started.json().await.expect("a link");
    secrets.push(follow(started["link"].as_str().expect("a link")).await);
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
    (trace_ids, secrets)
}

/// Follows a link in all ways, and one that is nearly it. Gives its secret.
async fn follow(link: &str) -> String {
    let http = trusting([]).build().expect("a client can be made");
    let page = http.get(link).send().await.expect("an answer").text().await.expect("a page");
    let (_, rest) = page.split_once("name=\"form\" value=\"").expect("the page has a form");
    let field = rest.split_once('"').expect("the field ends").0;
    let form = format!("form={field}&action=verify&password={PASSWORD}&repeated={PASSWORD}");
    for (url, method, body) in [
        (link.to_owned(), Method::POST, "action=verify"),
        (link.to_owned(), Method::DELETE, ""),
        (format!("{link}x"), Method::GET, ""),
        (format!("{link}?next={link}"), Method::GET, ""),
        (format!("{link}/more"), Method::GET, ""),
        (link.to_owned(), Method::POST, form.as_str()),
        (link.to_owned(), Method::GET, ""),
    ] {
        let request = http.request(method, url).header("Content-Type", "application/x-www-form-urlencoded");
        request.body(body.to_owned()).send().await.expect("an answer");
    }
    link.rsplit('_').next().expect("a link has a secret").to_owned()
}

async fn assert_discreet(arguments: &[&str]) {
    let home = Home::new();
    let server = home.serve(arguments);
    let key = home.key("users:write,users:read,passwords:write,emails:verify,proofs:read");
    let secret = &key[16..];
    // A known id with a wrong secret, which is a secret of somebody's all the same.
    let wrong = format!("{}{}", &key[..16], secret.chars().rev().collect::<String>());
    let (trace_ids, secrets) = tempt(&Client::new(&server, &key), &Client::new(&server, &wrong)).await;

    let log = eventually("a log line for each problem", || {
        Some(server.stderr()).filter(|log| trace_ids.iter().all(|id| log.contains(id)))
    });
    for line in log.lines() {
        assert!(serde_json::from_str::<Value>(line).is_ok_and(|line| line.is_object()), "{line}");
    }
    let told = |what: &str| log.lines().find(|line| line.contains(what)).map(str::to_owned);
    assert!(secrets.iter().all(|secret| secret.len() == 43));
    let secrets = secrets.iter().map(String::as_str);
    let private = [secret, &wrong[16..], "ada@", "example.com", PASSWORD, "argon2"];
    for secret in private.into_iter().chain(secrets) {
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

/// What other packages than ours tell at this level, too.
#[tokio::test]
async fn the_same_holds_for_the_log_of_every_step() {
    assert_discreet(&["--log", "trace"]).await;
}

#[test]
fn a_level_that_does_not_exist_is_told() {
    let home = Home::new();
    for wrong in ["loud=very", "inof"] {
        let output = home.run(&["serve", "--listen", "127.0.0.1:0", "--log", wrong]);
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&output.stderr).contains(wrong));
    }
    assert!(home.complains(&["serve", "--log", "inof"]).contains("error, warn, info, debug, trace, off"));
    assert!(!home.path("data").exists());
}
