//! Which key opens what.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use bonafide::directory::api_key::Scope;
use bonafide::id::TenantId;
use bonafide::secret::PlainKey;
use bonafide::time::{Clock, Timestamp};
use serde_json::{Value, json};

use super::harness::{Api, START};

async fn with_headers(api: &Api, headers: &[(&str, &str)]) -> StatusCode {
    let mut request = Request::builder().method(Method::GET).uri("/api/users");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = api.send(request.body(Body::empty()).unwrap()).await;
    if answer.status != StatusCode::OK {
        answer.problem(StatusCode::UNAUTHORIZED);
    }
    answer.status
}

#[tokio::test]
async fn a_key_is_taken_from_either_header_and_refused_when_they_differ() {
    let api = Api::new().await;
    let other = api.key(&[Scope::Admin]).await;
    let key = api.admin.as_str();
    for headers in [&[("X-API-KEY", key)][..], &[("api-key", key)], &[("x-Api-Key", key), ("API-Key", key)]] {
        assert_eq!(with_headers(&api, headers).await, StatusCode::OK, "{headers:?}");
    }
    for headers in [
        &[][..],
        &[("x-api-key", "")],
        &[("x-api-key", "bf_x")],
        &[("authorization", key)],
        &[("x-api-key", key), ("api-key", &other)],
        &[("x-api-key", key), ("x-api-key", &other)],
    ] {
        assert_eq!(with_headers(&api, headers).await, StatusCode::UNAUTHORIZED, "{headers:?}");
    }
}

#[tokio::test]
async fn all_keys_that_do_not_work_are_refused_alike() {
    let api = Api::new().await;
    let expired =
        api.key_of(&TenantId::default_tenant(), &[Scope::Admin], Some(Timestamp(START.0 + 5))).await;
    let revoked = api.key(&[Scope::Admin]).await;
    let id = revoked.parse::<PlainKey>().unwrap().id();
    api.app.store.revoke_key(id, api.clock.now()).await.unwrap();
    let wrong_secret = format!("{}{}", &api.admin[..16], &expired[16..]);
    let unknown = PlainKey::new(&*api.app.random).reveal();
    assert_eq!(with_headers(&api, &[("x-api-key", &expired)]).await, StatusCode::OK);
    api.clock.advance(5);
    let mut answers = Vec::new();
    for key in [expired.as_str(), &revoked, &wrong_secret, &unknown, "nonsense"] {
        let problem =
            api.call_as(key, Method::GET, "/api/users", Value::Null).await.problem(StatusCode::UNAUTHORIZED);
        answers.push(problem["detail"].clone());
    }
    answers.dedup();
    assert_eq!(answers.len(), 1);
}

#[tokio::test]
async fn a_revoked_key_is_refused_once_the_moment_it_is_believed_for_is_over() {
    let api = Api::new().await;
    let key = api.key(&[Scope::UsersRead]).await;
    assert_eq!(with_headers(&api, &[("x-api-key", &key)]).await, StatusCode::OK);
    let id = key.parse::<PlainKey>().unwrap().id();
    api.app.store.revoke_key(id, api.clock.now()).await.unwrap();
    api.clock.advance(1);
    assert_eq!(with_headers(&api, &[("x-api-key", &key)]).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_scope_opens_its_own_operations_only() {
    let api = Api::new().await;
    let user = api.user(json!({"email": "user@example.com"})).await;
    let path = format!("/api/users/{}", user["user_id"].as_str().unwrap());
    let verify = format!("{path}/emails/{}/verify", user["emails"][0]["id"].as_str().unwrap());
    let verifier = api.key(&[Scope::EmailsVerify]).await;
    let reader = api.key(&[Scope::UsersRead]).await;
    let writer = api.key(&[Scope::UsersWrite]).await;
    api.call_as(&verifier, Method::POST, &verify, Value::Null).await.json();
    api.call_as(&writer, Method::POST, &verify, Value::Null).await.json();
    api.call_as(&reader, Method::GET, &path, Value::Null).await.json();
    for (key, method, path, needed) in [
        (&verifier, Method::GET, path.as_str(), "users:read"),
        (&verifier, Method::DELETE, &path, "users:write"),
        (&reader, Method::POST, &verify, "emails:verify"),
        (&reader, Method::DELETE, &path, "users:write"),
        (&writer, Method::GET, "/api/users", "users:read"),
    ] {
        let problem = api.call_as(key, method, path, Value::Null).await.problem(StatusCode::FORBIDDEN);
        assert!(problem["detail"].as_str().unwrap().contains(needed), "{problem}");
    }
}

#[tokio::test]
async fn a_tenants_key_sees_and_changes_its_own_users_only() {
    let api = Api::new().await;
    let acme: TenantId = "acme".parse().unwrap();
    api.app.store.create_tenant(&acme, START).await.unwrap();
    let theirs = api.key_of(&acme, &[Scope::Admin], None).await;
    let user = api.user(json!({"email": "user@example.com", "email_verified": true})).await;
    let path = format!("/api/users/{}", user["user_id"].as_str().unwrap());
    let email = format!("{path}/emails/{}", user["emails"][0]["id"].as_str().unwrap());
    for (method, path) in [
        (Method::GET, path.clone()),
        (Method::DELETE, path.clone()),
        (Method::POST, format!("{path}/emails")),
        (Method::DELETE, email.clone()),
        (Method::POST, format!("{email}/primary")),
        (Method::POST, format!("{email}/verify")),
        (Method::POST, format!("{email}/unverify")),
    ] {
        let body = if path.ends_with("/emails") { json!({"email": "x@example.com"}) } else { Value::Null };
        api.call_as(&theirs, method, &path, body).await.problem(StatusCode::NOT_FOUND);
    }
    assert_eq!(api.call_as(&theirs, Method::GET, "/api/users", Value::Null).await.json(), json!([]));
    let same = json!({"email": "user@example.com", "email_verified": true});
    api.call_as(&theirs, Method::POST, "/api/users", same).await.json_of(StatusCode::CREATED);
    assert_eq!(api.get(&path).await.json(), user);
}

#[tokio::test]
async fn the_use_of_a_key_is_noted_once_a_minute() {
    let api = Api::new().await;
    let id = api.admin.parse::<PlainKey>().unwrap().id();
    let mut noted = Vec::new();
    for seconds in [0, 30, 40, 10] {
        api.clock.advance(seconds);
        api.get("/api/users").await.json();
        // The note is made off the request's path.
        let wanted = if noted.is_empty() || seconds == 40 {
            api.clock.now()
        } else {
            Timestamp(*noted.last().unwrap())
        };
        for _ in 0..200 {
            if api.app.store.key(id).await.unwrap().unwrap().last_used_at == Some(wanted) {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        noted.push(api.app.store.key(id).await.unwrap().unwrap().last_used_at.unwrap().0);
    }
    assert_eq!(noted, [START.0, START.0, START.0 + 70, START.0 + 70]);
}
