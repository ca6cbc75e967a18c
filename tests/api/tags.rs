//! Tags of users: which version an answer shows, and changes of one version and no other.

use std::collections::BTreeSet;

use axum::http::{Method, StatusCode};
use bonafide::directory::event::{Event, EventType};
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::harness::{Answer, Api, email_path};

/// A call of the admin with one more header.
async fn with(api: &Api, header: (&str, &str), method: Method, path: &str, body: Value) -> Answer {
    api.call_with(&[("x-api-key", &api.admin), header], method, path, body).await
}

fn user_path(user: &Value) -> String {
    format!("/api/users/{}", user["user_id"].as_str().unwrap())
}

#[tokio::test]
async fn an_answer_that_shows_a_user_has_the_tag_of_what_it_shows() {
    let api = Api::new().await;
    let created = api.post("/api/users", json!({"email": "a@example.com"})).await;
    assert_eq!(created.header("etag"), "\"1\"");
    let user = created.json_of(StatusCode::CREATED);
    let path = user_path(&user);
    let email = format!("/api{}", email_path(&user, 0));
    for (method, path, body, tag) in [
        (Method::POST, format!("{email}/verify"), Value::Null, "\"2\""),
        // Nothing is different then.
        (Method::POST, format!("{email}/verify"), Value::Null, "\"2\""),
        (Method::POST, format!("{email}/unverify"), Value::Null, "\"3\""),
        (Method::PUT, format!("{path}/username"), json!({"username": "username"}), "\"4\""),
        (Method::PATCH, format!("{path}/claims"), json!({"name": "A"}), "\"5\""),
        (Method::PATCH, format!("{path}/private_data"), json!({"private_data": {"plan": 1}}), "\"6\""),
        (Method::PATCH, format!("{path}/public_data"), json!({"public_data": {"plan": 1}}), "\"7\""),
        (Method::POST, format!("{path}/disable"), Value::Null, "\"8\""),
        (Method::PUT, format!("{path}/password"), json!({"password": "correct horse 1"}), "\"9\""),
        (Method::POST, format!("{path}/phones"), json!({"phone_number": "+441514960453"}), "\"10\""),
    ] {
        let answer = api.call(method, &path, body).await;
        answer.json();
        assert_eq!(answer.header("etag"), tag, "{path}");
    }
    for path in [path.clone(), format!("{path}/private_data"), format!("{path}/public_data")] {
        assert_eq!(api.get(&path).await.header("etag"), "\"10\"", "{path}");
    }
    // What is no part of the document makes it another version all the same.
    api.choose(&[("proof_means", "code")]).await;
    let proof = format!("/v1{}/verify", email_path(&user, 0));
    let started = api.post(&format!("{proof}/start"), Value::Null).await.json();
    assert_eq!(api.get(&path).await.header("etag"), "\"11\"");
    let proved = api.post(&format!("{proof}/check"), json!({"code": started["code"]})).await;
    assert_eq!(proved.json()["user"], api.get(&path).await.json());
    assert_eq!((proved.header("etag"), api.get(&path).await.header("etag")), ("\"12\"", "\"12\""));
    // Lists and what shows no user have none.
    for path in ["/api/users", "/v1/users", "/api/groups"] {
        assert_eq!(api.get(path).await.header("etag"), "", "{path}");
    }
}

#[tokio::test]
async fn who_has_what_is_there_is_told_so_without_a_body() {
    let api = Api::new().await;
    let user = api.user(json!({"email": "a@example.com"})).await;
    let path = user_path(&user);
    api.post(&format!("{path}/disable"), Value::Null).await.json();
    for path in [path.clone(), format!("{path}/private_data"), format!("{path}/public_data")] {
        for known in ["\"2\"", "W/\"2\"", "*", "\"1\", \"2\""] {
            let answer = with(&api, ("if-none-match", known), Method::GET, &path, Value::Null).await;
            assert_eq!(answer.status, StatusCode::NOT_MODIFIED, "{known}");
            assert_eq!((answer.header("etag"), answer.bytes.len()), ("\"2\"", 0));
            assert_eq!(answer.header("x-request-id").len(), 32);
        }
        for known in ["\"1\"", "2", "\"02\"", ""] {
            let answer = with(&api, ("if-none-match", known), Method::GET, &path, Value::Null).await;
            assert_eq!((answer.status, answer.header("etag")), (StatusCode::OK, "\"2\""), "{known}");
        }
    }
    let nobody = with(&api, ("if-none-match", "*"), Method::GET, "/api/users/nobody", Value::Null).await;
    nobody.problem(StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_change_that_is_bound_to_a_version_is_made_of_that_version_only() {
    let api = Api::new().await;
    let user = api.user(json!({"email": "a@example.com"})).await;
    let path = format!("/api{}/verify", email_path(&user, 0));
    api.post(&format!("{}/disable", user_path(&user)), Value::Null).await.json();
    let before = api.get(&user_path(&user)).await;
    let events = api.events().await.len();
    for wrong in ["\"1\"", "\"3\"", "W/\"2\"", "2", "\"02\"", "", "\"*\""] {
        let refused = with(&api, ("if-match", wrong), Method::POST, &path, Value::Null).await;
        refused.problem(StatusCode::PRECONDITION_FAILED);
        assert_eq!(refused.header("etag"), "");
    }
    assert_eq!(api.get(&user_path(&user)).await.bytes, before.bytes);
    assert_eq!(api.events().await.len(), events);
    for (right, tag) in [("\"2\"", "\"3\""), ("*", "\"3\""), ("\"7\", \"3\"", "\"3\"")] {
        let marked = with(&api, ("if-match", right), Method::POST, &path, Value::Null).await;
        assert_eq!(marked.json()["emails"][0]["verified"], true);
        assert_eq!(marked.header("etag"), tag);
    }
    // Whoever is not there has no tag, and is told as always.
    for wanted in ["*", "\"1\""] {
        let path = "/api/users/nobody/disable";
        let refused = with(&api, ("if-match", wanted), Method::POST, path, Value::Null).await;
        refused.problem(StatusCode::NOT_FOUND);
    }
}

/// A body that an operation would take.
fn body_of(operation: &str, group: usize) -> Value {
    match operation {
        "addEmail" => json!({"email": format!("{group}@example.com")}),
        "addPhone" => json!({"phone_number": format!("+44151496{group:04}")}),
        "updateUsername" => json!({"username": format!("user{group}")}),
        "patchClaims" => json!({"name": group.to_string()}),
        "patchPrivateData" => json!({"private_data": {"key": group}}),
        "patchPublicData" => json!({"public_data": {"key": group}}),
        "setPassword" => json!({"password": "correct horse 1"}),
        "changePassword" => json!({"old_password": "correct horse 1", "new_password": "correct horse 2"}),
        "checkEmailCode" | "checkPhoneCode" => json!({"code": "042137"}),
        _ => Value::Null,
    }
}

/// Every operation that can refuse so does, and then changes nothing; and every one that changes users
/// is among them.
#[tokio::test]
async fn every_change_of_a_user_can_be_bound_to_a_version() {
    let api = Api::with_mail().await;
    let document = api.get("/openapi.json").await.json();
    let fields = json!({"email": "a@example.com", "phone_number": "+441514960453", "username": "username", "password": "correct horse 1"});
    let user = api.user(fields).await;
    let before = api.get(&user_path(&user)).await;
    let mut swept = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = operation["operationId"].as_str().unwrap();
            let takes = operation["parameters"]
                .as_array()
                .is_some_and(|all| all.iter().any(|parameter| parameter["name"] == "If-Match"));
            assert_eq!(takes, operation["responses"].get("412").is_some(), "{name}");
            if !takes {
                continue;
            }
            let kind = if path.contains("/phones/") { "phone_numbers" } else { "emails" };
            let path = path
                .replace("{user_id}", user["user_id"].as_str().unwrap())
                .replace("{identifier_id}", user[kind][0]["id"].as_str().unwrap());
            let method: Method = method.to_uppercase().parse().unwrap();
            let body = body_of(name, swept.len());
            let refused = with(&api, ("if-match", "\"9\""), method.clone(), &path, body.clone()).await;
            refused.problem(StatusCode::PRECONDITION_FAILED);
            // Before it is looked for what of the user is named.
            let id = user[kind][0]["id"].as_str().unwrap();
            let unknown = path.replace(id, "9ba7b810-9dad-41d1-80b4-00c04fd430c8");
            let refused = with(&api, ("if-match", "\"9\""), method, &unknown, body).await;
            refused.problem(StatusCode::PRECONDITION_FAILED);
            swept.insert(name.to_owned());
        }
    }
    let after = api.get(&user_path(&user)).await;
    assert_eq!((after.header("etag"), &after.bytes), ("\"1\"", &before.bytes));
    let of_one_user: BTreeSet<_> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(path, _)| path.contains("/users/{user_id}") && !path.ends_with("/{group_id}"))
        .flat_map(|(_, item)| item.as_object().unwrap())
        .filter(|(method, _)| *method != "get")
        .map(|(_, operation)| operation["operationId"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(swept, of_one_user);
    // The tries of the old password and of the code were not counted.
    for _ in 0..12 {
        let path = format!("{}/password/change", user_path(&user));
        let body = body_of("changePassword", 0);
        let refused = with(&api, ("if-match", "\"9\""), Method::PUT, &path, body).await;
        refused.problem(StatusCode::PRECONDITION_FAILED);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_changes_bound_to_one_version_one_is_made() {
    let api = Api::new().await;
    let mut user = api.user(json!({"email": "a@example.com"})).await;
    let path = user_path(&user);
    for round in 1..8 {
        let tag = format!("\"{round}\"");
        let changes = (0..16).map(|number| {
            let (api, tag, path) = (&api, &tag, &path);
            async move {
                let claims = json!({"name": format!("{round} {number}")});
                with(api, ("if-match", tag), Method::PATCH, &format!("{path}/claims"), claims).await
            }
        });
        let answers = join_all(changes).await;
        let (made, refused): (Vec<_>, Vec<_>) =
            answers.into_iter().partition(|answer| answer.status == StatusCode::OK);
        assert_eq!((made.len(), refused.len()), (1, 15));
        for answer in refused {
            answer.problem(StatusCode::PRECONDITION_FAILED);
        }
        user = api.get(&path).await.json();
        assert_eq!(made[0].json(), user);
        assert_eq!(made[0].header("etag"), format!("\"{}\"", round + 1));
    }
    let made = |event: &&Event| event.kind == EventType::ClaimsChanged;
    assert_eq!(api.events().await.iter().filter(made).count(), 7);
}
