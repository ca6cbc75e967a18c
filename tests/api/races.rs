//! Requests about one user at the same time.

use axum::http::{Method, StatusCode};
use bonafide::directory::event::EventType;
use bonafide::id::TenantId;
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::harness::Api;

fn path(user: &Value, rest: &str) -> String {
    format!("/api/users/{}{rest}", user["user_id"].as_str().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn patches_of_claims_and_data_that_race_lose_no_key() {
    let api = Api::new().await;
    let user = api.user(json!({"email": "user@example.com"})).await;
    let claims = ["name", "given_name", "middle_name", "family_name", "nickname", "gender"];
    let patches = (0..36).map(|number| {
        let key = format!("key{number}");
        let (what, body) = match number % 3 {
            0 => ("claims", json!({claims[number / 3 % claims.len()]: "there"})),
            1 => ("private_data", json!({"private_data": {key: number}})),
            _ => ("public_data", json!({"public_data": {key: number}})),
        };
        let path = path(&user, &format!("/{what}"));
        let api = &api;
        async move { api.call(Method::PATCH, &path, body).await.json() }
    });
    join_all(patches).await;
    let after = api.get(&path(&user, "")).await.json();
    for what in ["private_data", "public_data"] {
        assert_eq!(after[what].as_object().unwrap().len(), 12);
    }
    assert_eq!(after["claims"], claims.into_iter().map(|name| (name, "there")).collect::<Value>());
    // Of those that said the same, one changed something.
    let kinds: Vec<_> = api.events().await.into_iter().map(|event| event.kind).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == EventType::ClaimsChanged).count(), claims.len());
}

/// Whatever comes after the end of the user is told that there is none, and leaves nothing: no
/// membership, no address that nobody has, no password, no term to be found by, no event.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_deleted_while_everything_is_changed_leaves_nothing_behind() {
    let api = Api::new().await;
    let group = api.post("/api/groups", json!({"name": "group"})).await.json_of(StatusCode::CREATED);
    let group = group["group_id"].as_str().unwrap();
    for round in 0..12 {
        let user = api.user(json!({"email": "user@example.com", "email_verified": true})).await;
        let email = user["emails"][0]["id"].as_str().unwrap();
        let changes = [
            (Method::POST, format!("/emails/{email}/unverify"), json!({"reason": "race"})),
            (Method::POST, "/emails".to_owned(), json!({"email": "more@example.com", "is_verified": true})),
            (Method::POST, "/phones".to_owned(), json!({"phone_number": "+4915112345", "is_verified": true})),
            (Method::PUT, "/username".to_owned(), json!({"username": "username"})),
            (Method::PATCH, "/claims".to_owned(), json!({"family_name": "Racer"})),
            (Method::PATCH, "/private_data".to_owned(), json!({"private_data": {"plan": "race"}})),
            (Method::POST, format!("/groups/{group}"), Value::Null),
            (
                Method::PUT,
                "/password".to_owned(),
                json!({"password_hash": "$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e"}),
            ),
            (Method::POST, "/password/reset".to_owned(), Value::Null),
            (Method::POST, "/disable".to_owned(), Value::Null),
        ];
        let (api, user) = (&api, &user);
        let mut requests: Vec<_> =
            changes.into_iter().map(|(method, rest, body)| (method, path(user, &rest), body)).collect();
        requests.insert(round % requests.len(), (Method::DELETE, path(user, ""), Value::Null));
        let answers = join_all(requests.into_iter().map(|(method, path, body)| async move {
            let is_deletion = method == Method::DELETE;
            let answer = api.call(method, &path, body).await;
            if is_deletion {
                assert_eq!(answer.status, StatusCode::NO_CONTENT);
            } else if answer.status != StatusCode::OK {
                let problem = answer.problem(StatusCode::NOT_FOUND);
                assert!(problem["detail"].as_str().unwrap().contains("user"), "{path} {problem}");
            }
        }));
        answers.await;

        api.get(&path(user, "")).await.problem(StatusCode::NOT_FOUND);
        assert_eq!(api.get(&format!("/api/groups/{group}")).await.json()["users_assigned"], 0);
        assert_eq!(api.get(&format!("/api/users/groups/{group}/assigned")).await.json(), json!([]));
        for filter in ["racer", "race", "user@example.com", "private_data.plan:race", "disabled:true", "*"] {
            assert_eq!(api.get(&format!("/api/users?filter={filter}")).await.json(), json!([]), "{filter}");
        }
        let id = user["user_id"].as_str().unwrap().parse().unwrap();
        assert_eq!(api.app.store.password(&TenantId::default_tenant(), id).await.unwrap(), None);
        assert_eq!(api.events().await.pop().unwrap().kind, EventType::UserDeleted);
        // All that was the user's can be another's.
        let heir = json!({
            "username": "username", "email": "more@example.com", "email_verified": true,
            "phone_number": "+4915112345", "phone_number_verified": true
        });
        let heir = api.user(heir).await;
        assert_eq!(api.delete(&path(&heir, "")).await.status, StatusCode::NO_CONTENT);
    }
}
