//! What holds of the whole directory whatever is asked of it, and in whatever order.

use std::collections::HashSet;

use axum::http::{Method, StatusCode};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use super::harness::Api;

const USERS: usize = 3;

#[derive(Clone, Debug)]
struct Step {
    user: usize,
    action: &'static str,
    /// Which of the user's emails, or which of a few addresses to add.
    which: usize,
    verified: bool,
}

fn step() -> impl Strategy<Value = Step> {
    let action = prop::sample::select(vec!["add", "remove", "primary", "verify", "unverify"]);
    (0..USERS, action, 0..4_usize, any::<bool>()).prop_map(|(user, action, which, verified)| Step {
        user,
        action,
        which,
        verified,
    })
}

async fn take(api: &Api, path: &str, user: &Value, step: &Step) -> StatusCode {
    if step.action == "add" {
        let address = ["a@example.com", "B@example.com", "b@Example.com", "c@example.com"][step.which];
        let body = json!({"email": address, "is_verified": step.verified});
        return api.post(&format!("{path}/emails"), body).await.status;
    }
    let id = user["emails"][step.which]["id"].as_str().unwrap_or("6cec8047-6149-4d9b-8d99-91c83c22a9dc");
    match step.action {
        "remove" => api.delete(&format!("{path}/emails/{id}")).await.status,
        action => api.call(Method::POST, &format!("{path}/emails/{id}/{action}"), Value::Null).await.status,
    }
}

#[test]
fn any_sequence_of_calls_keeps_the_directory_whole() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let steps = prop::collection::vec(step(), 1..30);
    TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(32) })
        .run(&steps, |steps| {
            runtime.block_on(check(&steps));
            Ok(())
        })
        .unwrap();
}

async fn check(steps: &[Step]) {
    let api = Api::new().await;
    let mut paths = Vec::new();
    for _ in 0..USERS {
        let user = api.user(json!({"skip_conformance_checks": true})).await;
        paths.push(format!("/api/users/{}", user["user_id"].as_str().unwrap()));
    }
    for step in steps {
        api.clock.advance(1);
        let mut before = Vec::new();
        for path in &paths {
            before.push(api.get(path).await.json());
        }
        let events_before = api.events().await.len();
        let status = take(&api, &paths[step.user], &before[step.user], step).await;
        let mut owned = HashSet::new();
        for (number, path) in paths.iter().enumerate() {
            let user = api.get(path).await.json();
            let emails = user["emails"].as_array().unwrap();
            let primaries = emails.iter().filter(|email| email["primary"] == json!(true)).count();
            assert_eq!(primaries, usize::from(!emails.is_empty()), "exactly one primary where there is any");
            for email in emails.iter().filter(|email| email["verified"] == json!(true)) {
                let address = email["email"].as_str().unwrap().to_lowercase();
                assert!(owned.insert(address), "a verified address has one owner");
            }
            let unchanged =
                number != step.user || status != StatusCode::OK || api.events().await.len() == events_before;
            assert_eq!(unchanged, user == before[number], "{step:?} {status}");
        }
    }
}
