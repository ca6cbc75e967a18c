//! Which key opens what.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use bonafide::api::RemoteAddress;
use bonafide::directory::api_key::Scope;
use bonafide::id::TenantId;
use bonafide::secret::PlainKey;
use bonafide::time::{Clock, Timestamp};
use serde_json::{Value, json};

use super::harness::{Answer, Api, START};

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
    api.revoke_elsewhere(&revoked).await;
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
    api.revoke_elsewhere(&key).await;
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

/// The key that an answer shows, and what it says of it.
fn shown(answer: &Value) -> (String, String) {
    let key = answer["key"].as_str().unwrap().to_owned();
    assert_eq!(answer["about"]["key_id"].as_str().unwrap(), &key[3..15]);
    (format!("/v1/keys/{}", &key[3..15]), key)
}

async fn status(api: &Api, key: &str) -> StatusCode {
    api.call_as(key, Method::GET, "/api/users", Value::Null).await.status
}

#[tokio::test]
async fn a_key_is_made_shown_once_found_and_revoked() {
    let api = Api::new().await;
    let fields = json!({"name": " sign-up ", "scopes": ["emails:verify", "users:read"], "expiry": 3600});
    let made = api.post("/v1/keys", fields).await;
    let (path, key) = shown(&made.json_of(StatusCode::CREATED));
    assert_eq!(made.header("location"), path);
    assert_eq!(status(&api, &key).await, StatusCode::OK);
    let found = api.get(&path).await;
    assert!(!found.text().contains(&key[16..]));
    let found = found.json();
    assert_eq!(
        (&found["name"], &found["scopes"], &found["state"]),
        (&json!("sign-up"), &json!(["users:read", "emails:verify"]), &json!("active"))
    );
    assert_eq!(
        (&found["created_at"], &found["expires_at"], &found["rotated_at"]),
        (&json!(START.0), &json!(START.0 + 3600), &Value::Null)
    );
    let revoke = format!("{path}/revoke");
    let revoked = api.post(&revoke, Value::Null).await.json();
    assert_eq!((&revoked["state"], &revoked["revoked_at"]), (&json!("revoked"), &json!(START.0)));
    // This server knows at once.
    assert_eq!(status(&api, &key).await, StatusCode::UNAUTHORIZED);
    api.clock.advance(1);
    assert_eq!(api.post(&revoke, Value::Null).await.json()["revoked_at"], START.0);
    let told: Vec<Value> = api.get("/v1/events").await.json()["events"].as_array().unwrap().clone();
    let kinds: Vec<&str> = told.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["key.created", "key.revoked"]);
    assert_eq!(told[0]["actor"]["key_id"], api.admin[3..15]);
    assert_eq!(
        told[0]["details"],
        json!({
            "key_id": &key[3..15], "key_name": "sign-up", "scopes": ["users:read", "emails:verify"],
            "expires_at": START.0 + 3600, "previous_expires_at": null, "rate_limit": null, "allowed_networks": [],
        })
    );
    assert!(!json!(told).to_string().contains(&key[16..]));
}

#[tokio::test]
async fn the_secret_before_works_on_for_as_long_as_was_asked() {
    let api = Api::new().await;
    let fields = json!({"name": "test", "scopes": ["users:read"]});
    let (path, first) = shown(&api.post("/v1/keys", fields).await.json_of(StatusCode::CREATED));
    let rotate = async |body: Value| {
        let answer = api.post(&format!("{path}/rotate"), body).await.json();
        (shown(&answer).1, answer["about"].clone())
    };
    assert_eq!(status(&api, &first).await, StatusCode::OK);
    let (second, about) = rotate(json!({"overlap": 60})).await;
    assert_eq!(second[..16], first[..16]);
    assert_eq!(
        (&about["rotated_at"], &about["previous_expires_at"]),
        (&json!(START.0), &json!(START.0 + 60))
    );
    for key in [&first, &second] {
        assert_eq!(status(&api, key).await, StatusCode::OK);
    }
    api.clock.advance(60);
    assert_eq!(status(&api, &first).await, StatusCode::UNAUTHORIZED);
    assert_eq!(status(&api, &second).await, StatusCode::OK);

    // A day if nothing is said; and there are never more than two that work.
    let (third, about) = rotate(Value::Null).await;
    assert_eq!(about["previous_expires_at"], START.0 + 60 + 86_400);
    let (fourth, _) = rotate(json!({"overlap": 0})).await;
    for (key, wanted) in [(&second, 401), (&third, 401), (&fourth, 200)] {
        assert_eq!(status(&api, key).await, wanted);
    }
    for overlap in [json!(-1), json!(2_592_001), json!("1d")] {
        let answer = api.post(&format!("{path}/rotate"), json!({"overlap": overlap})).await;
        assert_eq!(answer.fields(), ["overlap"]);
    }
    assert_eq!(status(&api, &fourth).await, StatusCode::OK);
    api.post(&format!("{path}/revoke"), Value::Null).await.json();
    assert_eq!(api.post(&format!("{path}/rotate"), Value::Null).await.codes(), ["KeyEnded"]);
    let kinds: Vec<_> = api.events().await.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["key.created", "key.rotated", "key.rotated", "key.rotated", "key.revoked"]);
}

#[tokio::test]
async fn a_secret_that_was_made_on_another_server_works_here_at_once() {
    let api = Api::new().await;
    let key = api.key(&[Scope::UsersRead]).await;
    assert_eq!(status(&api, &key).await, StatusCode::OK);
    let another = PlainKey::of(key.parse::<PlainKey>().unwrap().id(), &*api.app.random);
    api.change_key_elsewhere(&key, |key| key.hash = another.hash()).await;
    // The old one is believed for a moment, as a revoked one is.
    assert_eq!(status(&api, &another.reveal()).await, StatusCode::OK);
    assert_eq!(status(&api, &key).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_key_makes_and_changes_none_that_may_do_more_than_itself() {
    let api = Api::new().await;
    let keeper = api.key(&[Scope::KeysWrite, Scope::UsersWrite]).await;
    let call = async |path: &str, body: Value| api.call_as(&keeper, Method::POST, path, body).await;
    for scopes in [json!(["users:write", "users:read"]), json!(["admin"])] {
        let refused = call("/v1/keys", json!({"name": "test", "scopes": scopes})).await;
        let problem = refused.problem(StatusCode::FORBIDDEN);
        assert!(problem["detail"].as_str().unwrap().contains("the scope"), "{problem}");
    }
    let within = json!({"name": "test", "scopes": ["emails:verify", "keys:write"]});
    let (path, _) = shown(&call("/v1/keys", within).await.json_of(StatusCode::CREATED));
    call(&format!("{path}/rotate"), Value::Null).await.json();
    call(&format!("{path}/revoke"), Value::Null).await.json();

    let admin = format!("/v1/keys/{}", &api.admin[3..15]);
    for action in ["rotate", "revoke"] {
        call(&format!("{admin}/{action}"), Value::Null).await.problem(StatusCode::FORBIDDEN);
    }
    let limit = json!({"rate_limit": "1/minute"});
    api.call_as(&keeper, Method::PATCH, &admin, limit).await.problem(StatusCode::FORBIDDEN);
    assert_eq!(status(&api, &api.admin).await, StatusCode::OK);
}

#[tokio::test]
async fn keys_of_other_tenants_are_not_there() {
    let api = Api::new().await;
    let acme = "acme".parse().unwrap();
    api.app.store.create_tenant(&acme, api.clock.now()).await.unwrap();
    let foreign = api.key_of(&acme, &[Scope::UsersRead], None).await;
    let path = format!("/v1/keys/{}", &foreign[3..15]);
    api.get(&path).await.problem(StatusCode::NOT_FOUND);
    for action in ["rotate", "revoke"] {
        api.post(&format!("{path}/{action}"), Value::Null).await.problem(StatusCode::NOT_FOUND);
    }
    api.get("/v1/keys/nope").await.problem(StatusCode::NOT_FOUND);
    assert_eq!(status(&api, &foreign).await, StatusCode::OK);
    let mut ids = vec![api.admin[3..15].to_owned()];
    for _ in 0..4 {
        ids.push(api.key(&[Scope::UsersRead]).await[3..15].to_owned());
    }
    ids.sort_unstable();
    let (mut walked, mut after) = (Vec::new(), String::new());
    loop {
        let page = api.get(&format!("/v1/keys?limit=2{after}")).await.json();
        let keys = page["keys"].as_array().unwrap();
        walked.extend(keys.iter().map(|key| key["key_id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    assert_eq!(walked, ids);
    for query in ["limit=0", "limit=1001", "after=x"] {
        api.get(&format!("/v1/keys?{query}")).await.problem(StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn a_key_is_made_from_fields_of_the_right_form_only() {
    let api = Api::new().await;
    for (body, fields) in [
        (json!({}), &["name", "scopes"][..]),
        (json!({"name": "a\nb", "scopes": ["admin"]}), &["name"]),
        (json!({"name": "test", "scopes": ["users:fly"]}), &["scopes"]),
        (json!({"name": "test", "scopes": ["admin"], "expiry": 59}), &["expiry"]),
        (json!({"name": "test", "scopes": ["admin"], "expiry": 315_360_001}), &["expiry"]),
        (json!({"name": "test", "scopes": "admin"}), &["scopes"]),
    ] {
        assert_eq!(api.post("/v1/keys", body.clone()).await.fields(), fields, "{body}");
    }
    assert_eq!(api.get("/v1/keys").await.json()["keys"].as_array().unwrap().len(), 1);
}

/// A call from an address, as the server tells it.
async fn call_from(api: &Api, address: Option<&str>, key: &str) -> Answer {
    let mut request = Request::builder().method(Method::GET).uri("/api/users").header("x-api-key", key);
    if let Some(address) = address {
        request = request.extension(RemoteAddress(address.parse().unwrap()));
    }
    api.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn a_key_is_used_from_its_networks_only() {
    let api = Api::new().await;
    let fields = json!({
        "name": "test", "scopes": ["users:read"],
        "allowed_networks": ["10.0.0.0/8", "2001:db8::/32", "10.0.0.0/8"],
    });
    let answer = api.post("/v1/keys", fields).await.json_of(StatusCode::CREATED);
    assert_eq!(answer["about"]["allowed_networks"], json!(["10.0.0.0/8", "2001:db8::/32"]));
    let (path, key) = shown(&answer);
    for address in ["10.1.2.3", "2001:db8::1", "::ffff:10.1.2.3"] {
        call_from(&api, Some(address), &key).await.json();
    }
    let refused = call_from(&api, Some("192.0.2.1"), &key).await.problem(StatusCode::FORBIDDEN);
    assert_eq!(refused["detail"], "The API key may not be used from this address.");
    // Nobody knows where this comes from.
    call_from(&api, None, &key).await.problem(StatusCode::FORBIDDEN);
    // Who does not know the secret learns nothing of the networks.
    let wrong = format!("{}{}", &key[..16], &api.admin[16..]);
    call_from(&api, Some("192.0.2.1"), &wrong).await.problem(StatusCode::UNAUTHORIZED);

    let patched = api.call(Method::PATCH, &path, json!({"allowed_networks": ["192.0.2.1"]})).await.json();
    assert_eq!(patched["allowed_networks"], json!(["192.0.2.1"]));
    call_from(&api, Some("192.0.2.1"), &key).await.json();
    call_from(&api, Some("10.1.2.3"), &key).await.problem(StatusCode::FORBIDDEN);
    api.call(Method::PATCH, &path, json!({"allowed_networks": null})).await.json();
    call_from(&api, None, &key).await.json();
    for wrong in ["10.1.2.3/8", "example.com", "10.0.0.0/33"] {
        let body = json!({"allowed_networks": [wrong]});
        assert_eq!(api.call(Method::PATCH, &path, body).await.fields(), ["allowed_networks"]);
    }
}

#[tokio::test]
async fn a_key_is_used_as_often_as_it_may_be_and_told_so() {
    let api = Api::new().await;
    let fields = json!({"name": "test", "scopes": ["users:read"], "rate_limit": "3/minute"});
    let (path, key) = shown(&api.post("/v1/keys", fields).await.json_of(StatusCode::CREATED));
    let call = async |path: &str| api.call_as(&key, Method::GET, path, Value::Null).await;
    // The clock stands somewhere in a minute.
    let left = 60 - START.0 % 60;
    let told = |remaining: u32, left: i64| format!("\"key\";r={remaining};t={left}");
    let first = call("/api/users").await;
    first.json();
    assert_eq!(first.header("ratelimit-policy"), "\"key\";q=3;w=60");
    assert_eq!(first.header("ratelimit"), told(2, left));
    // What fails counts, too, and is told.
    let refused = call("/api/groups").await;
    refused.problem(StatusCode::FORBIDDEN);
    assert_eq!(refused.header("ratelimit"), told(1, left));
    // The server looks the key up anew meanwhile.
    api.clock.advance(2);
    assert_eq!(call("/api/users").await.header("ratelimit"), told(0, left - 2));
    for _ in 0..2 {
        let refused = call("/api/users").await;
        refused.problem(StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(refused.header("retry-after"), (left - 2).to_string());
        assert_eq!(refused.header("ratelimit"), told(0, left - 2));
    }
    // Others are not held up by that, and are told of no limit.
    let other = api.get("/api/users").await;
    other.json();
    assert_eq!((other.header("ratelimit"), other.header("ratelimit-policy")), ("", ""));
    // Who does not know the secret uses nothing up.
    api.clock.advance(left - 2);
    let wrong = format!("{}{}", &key[..16], &api.admin[16..]);
    for _ in 0..5 {
        let refused = api.call_as(&wrong, Method::GET, "/api/users", Value::Null).await;
        refused.problem(StatusCode::UNAUTHORIZED);
        assert_eq!(refused.header("ratelimit"), "");
    }
    assert_eq!(call("/api/users").await.header("ratelimit"), told(2, 60));

    let change = async |limit: Value| api.call(Method::PATCH, &path, json!({"rate_limit": limit})).await;
    assert_eq!(change(json!("1/second")).await.json()["rate_limit"], "1/second");
    assert_eq!(call("/api/users").await.header("ratelimit-policy"), "\"key\";q=1;w=1");
    assert_eq!(change(Value::Null).await.json()["rate_limit"], Value::Null);
    assert_eq!(call("/api/users").await.header("ratelimit"), "");
    for wrong in [json!("often"), json!("0/second"), json!(5)] {
        assert_eq!(change(wrong).await.fields(), ["rate_limit"]);
    }
    // Nothing is written where nothing is different.
    let before = api.events().await.len();
    change(Value::Null).await.json();
    api.call(Method::PATCH, &path, json!({})).await.json();
    assert_eq!(api.events().await.len(), before);
    let kinds: Vec<_> = api.events().await.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["key.created", "key.updated", "key.updated"]);
}
