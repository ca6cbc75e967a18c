//! Claims, data, the username, and whether a user may sign in.

use axum::http::{Method, StatusCode};
use bonafide::directory::event::EventType;
use serde_json::{Value, json};

use super::harness::Api;

fn path(user: &Value, rest: &str) -> String {
    format!("/api/users/{}{rest}", user["user_id"].as_str().unwrap())
}

async fn patch(api: &Api, path: &str, body: Value) -> super::harness::Answer {
    api.call(Method::PATCH, path, body).await
}

#[tokio::test]
async fn claims_stay_go_and_change_by_name() {
    let api = Api::new().await;
    let user = api.user(json!({"email": "user@example.com", "name": "John Doe", "nickname": "jd"})).await;
    let changes = json!({
        "nickname": null, "given_name": "John", "birthdate": "1990-12-31", "locale": "en-GB",
        "zoneinfo": "Europe/London", "address": {"country": "UK", "region": null}, "unknown": 1
    });
    let user = patch(&api, &path(&user, "/claims"), changes.clone()).await.json();
    assert_eq!(
        user["claims"],
        json!({
            "name": "John Doe", "given_name": "John", "birthdate": "1990-12-31", "locale": "en-GB",
            "zoneinfo": "Europe/London", "address": {"country": "UK"}
        })
    );
    let events = api.events().await.len();
    assert_eq!(patch(&api, &path(&user, "/claims"), changes).await.json(), user);
    assert_eq!(api.events().await.len(), events);
    let wrong = json!({"birthdate": "31.12.1990", "picture": "me.png", "name": 5, "address": []});
    let mut fields = patch(&api, &path(&user, "/claims"), wrong).await.fields();
    fields.sort();
    assert_eq!(fields, ["address", "birthdate", "name", "picture"]);
    let unchecked = json!({"birthdate": "1990", "skip_conformance_checks": true});
    assert_eq!(patch(&api, &path(&user, "/claims"), unchecked).await.json()["claims"]["birthdate"], "1990");
    let wrong_flag = json!({"skip_conformance_checks": "yes"});
    assert_eq!(patch(&api, &path(&user, "/claims"), wrong_flag).await.fields(), ["skip_conformance_checks"]);
}

#[tokio::test]
async fn data_is_patched_by_key_and_answered_alone() {
    let api = Api::new().await;
    let user = api.user(json!({"email": "user@example.com"})).await;
    for name in ["private_data", "public_data"] {
        let path = path(&user, &format!("/{name}"));
        assert_eq!(api.get(&path).await.json(), json!({name: {}}));
        let first = json!({name: {"plan": {"seats": 3, "name": "Gold"}, "old": true}});
        assert_eq!(patch(&api, &path, first.clone()).await.json(), first);
        let second = json!({name: {"plan": {"seats": 4}, "old": null, "ключ": "значение"}});
        let after = json!({name: {"plan": {"seats": 4}, "ключ": "значение"}});
        assert_eq!(patch(&api, &path, second).await.json(), after);
        assert_eq!(api.get(&path).await.json(), after);
        for wrong in [json!({}), json!({name: null}), json!({name: []}), json!({name: "x"})] {
            assert_eq!(patch(&api, &path, wrong).await.fields(), [name]);
        }
        let large = json!({name: {"blob": "x".repeat(65_536)}});
        assert_eq!(patch(&api, &path, large).await.fields(), [name]);
        assert_eq!(api.get(&path).await.json(), after);
    }
    let found = api.get(&path(&user, "")).await.json();
    assert_eq!(found["private_data"], found["public_data"]);
    // No value of the data is in the record.
    for event in api.events().await {
        assert!(!format!("{event:?}").contains("Gold"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn patches_at_once_lose_no_key() {
    let api = Api::new().await;
    let user = api.user(json!({"email": "user@example.com"})).await;
    let path = path(&user, "/private_data");
    let patches =
        (0..40).map(|number| patch(&api, &path, json!({"private_data": {format!("key{number}"): number}})));
    for answer in futures_util::future::join_all(patches).await {
        answer.json();
    }
    assert_eq!(api.get(&path).await.json()["private_data"].as_object().unwrap().len(), 40);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_deleted_while_others_change_it_is_gone_whole() {
    let api = Api::new().await;
    for round in 0..10 {
        let user = api.user(json!({"email": "user@example.com", "email_verified": true})).await;
        let path = path(&user, "");
        let changes = (0..8).map(|number| {
            let api = &api;
            let path = &path;
            async move {
                if number == round % 8 {
                    let deleted = api.delete(path).await;
                    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
                } else {
                    let body = json!({"email": format!("more{number}@example.com"), "is_verified": true});
                    let added = api.post(&format!("{path}/emails"), body).await;
                    assert!(matches!(added.status, StatusCode::OK | StatusCode::NOT_FOUND), "{added:?}");
                }
            }
        });
        futures_util::future::join_all(changes).await;
        api.get(&path).await.problem(StatusCode::NOT_FOUND);
        let last = api.events().await.pop().unwrap();
        assert_eq!(last.kind, EventType::UserDeleted);
    }
}

#[tokio::test]
async fn a_username_is_set_respelled_and_removed() {
    let api = Api::new().await;
    let user = api.user(json!({"email": "user@example.com"})).await;
    let other = api.user(json!({"username": "Other"})).await;
    let set = |name: Value| {
        let (api, path) = (&api, path(&user, "/username"));
        async move { api.call(Method::PUT, &path, json!({"username": name})).await }
    };
    let named = set(json!("John")).await.json();
    let respelled = set(json!("JOHN")).await.json();
    assert_eq!(respelled["username"]["username"], "JOHN");
    assert_eq!(respelled["username"]["id"], named["username"]["id"]);
    let renamed = set(json!("johnny")).await.json();
    assert_ne!(renamed["username"]["id"], named["username"]["id"]);
    assert_eq!(set(json!("OTHER")).await.codes(), ["DuplicateUserName"]);
    assert_eq!(set(json!("a@b")).await.codes(), ["InvalidUserName"]);
    assert_eq!(set(json!(null)).await.fields(), ["username"]);
    let removed = api.delete(&path(&user, "/username")).await.json();
    assert_eq!(removed["username"], json!(null));
    assert_eq!(api.delete(&path(&user, "/username")).await.json(), removed);
    // The name is free for another.
    let taken = api.call(Method::PUT, &path(&other, "/username"), json!({"username": "johnny"})).await;
    assert_eq!(taken.json()["username"]["username"], "johnny");
}

#[tokio::test]
async fn a_user_is_disabled_enabled_and_unblocked_once() {
    let api = Api::new().await;
    let user = api.user(json!({"email": "user@example.com"})).await;
    let disabled = api.post(&path(&user, "/disable"), json!({"revoke_sessions": true})).await.json();
    assert_eq!(disabled["disabled"], json!(true));
    assert_eq!(api.post(&path(&user, "/disable"), Value::Null).await.json(), disabled);
    assert_eq!(
        api.post(&path(&user, "/disable"), json!({"revoke_sessions": 1})).await.fields(),
        ["revoke_sessions"]
    );
    let enabled = api.post(&path(&user, "/enable"), Value::Null).await.json();
    assert_eq!(enabled["disabled"], json!(false));
    assert_eq!(api.post(&path(&user, "/unblock"), Value::Null).await.json(), enabled);
    let kinds: Vec<_> = api.events().await.into_iter().skip(2).map(|event| event.kind).collect();
    assert_eq!(kinds, [EventType::UserDisabled, EventType::UserEnabled]);
}
