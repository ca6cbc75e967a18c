//! Requests that are made again under the same idempotency key.

use std::future::{Future, poll_fn};
use std::task::{Context, Poll};

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use bonafide::directory::api_key::Scope;
use bonafide::directory::event::EventType;
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::harness::{Answer, Api, email_path};
use super::imports;

/// A POST with the admin's key, by this name.
async fn named(api: &Api, name: &str, path: &str, body: Value) -> Answer {
    named_by(api, &api.admin, name, path, body).await
}

async fn named_by(api: &Api, key: &str, name: &str, path: &str, body: Value) -> Answer {
    api.call_with(&[("x-api-key", key), ("idempotency-key", name)], Method::POST, path, body).await
}

/// What the client sees of an answer, but for what belongs to the request alone.
fn shown(answer: &Answer) -> (StatusCode, &[u8], [&str; 3]) {
    let headers = ["content-type", "etag", "location"].map(|name| answer.header(name));
    (answer.status, &answer.bytes, headers)
}

fn is_replayed(answer: &Answer) -> bool {
    answer.header("idempotent-replayed") == "true"
}

/// The path of a user's email, and whether it is verified.
async fn verified(api: &Api, user: &Value) -> Value {
    let user = api.get(&format!("/api/users/{}", user["user_id"].as_str().unwrap())).await.json();
    user["emails"][0]["verified"].clone()
}

/// A path and a body with which an operation does something.
async fn prepared(api: &Api, number: usize, operation: &str, path: &str) -> (String, Value) {
    let phone = format!("+44151496{number:04}");
    let email = format!("user{number}@example.com");
    let user = api.user(json!({"email": email, "phone_number": phone})).await;
    let group = api.post("/api/groups", json!({"name": format!("group {number}")})).await;
    let group = group.json_of(StatusCode::CREATED);
    let kind = if path.contains("/phones/") { "phone_numbers" } else { "emails" };
    let of_user = format!("/users/{}", user["user_id"].as_str().unwrap());
    let path = path
        .replace("{user_id}", user["user_id"].as_str().unwrap())
        .replace("{identifier_id}", user[kind][0]["id"].as_str().unwrap())
        .replace("{group_id}", group["group_id"].as_str().unwrap());
    let body = match operation {
        "createUser" => json!({"email": format!("new{number}@example.com"), "password": "correct horse 1"}),
        "createGroup" => json!({"name": format!("new group {number}")}),
        "addEmail" => json!({"email": format!("more{number}@example.com")}),
        "addPhone" => json!({"phone_number": format!("+33151496{number:04}")}),
        "enableUser" => {
            api.post(&format!("/api{of_user}/disable"), Value::Null).await.json();
            Value::Null
        }
        "setEmailUnverified" | "setPhoneUnverified" => {
            api.post(&path.replace("/unverify", "/verify"), Value::Null).await.json();
            Value::Null
        }
        "checkEmailCode" | "checkPhoneCode" => {
            let started = api.post(&path.replace("/check", "/start"), Value::Null).await.json();
            json!({"code": started["code"]})
        }
        "verifyEmails" => json!({"addresses": [email], "reason": "confirmed"}),
        "unverifyEmails" => {
            api.post("/v1/emails/verify", json!({"addresses": [email]})).await.json();
            json!({"filter": format!("user_id:{}", user["user_id"].as_str().unwrap())})
        }
        "importUsers" => json!({"email": format!("imported{number}@example.com")}),
        "revokeKey" => {
            let key = api.post("/v1/keys", json!({"name": "key", "scopes": ["users:read"]})).await;
            let key = key.json_of(StatusCode::CREATED);
            return (path.replace("{key_id}", key["about"]["key_id"].as_str().unwrap()), Value::Null);
        }
        _ => Value::Null,
    };
    (path, body)
}

/// Every operation that takes a name: the repeat is answered with the same bytes and changes nothing, and
/// another request by this name is refused.
#[tokio::test]
async fn a_repeat_of_every_operation_gets_the_same_answer_and_changes_nothing() {
    let api = Api::with_mail().await;
    api.choose(&[("proof_means", "code"), ("proofs_per_user_and_hour", "100")]).await;
    let reader = api.key(&[Scope::EmailsVerify]).await;
    let document = api.get("/openapi.json").await.json();
    let (mut swept, mut others) = (Vec::new(), Vec::new());
    for (path, item) in document["paths"].as_object().unwrap() {
        let Some(operation) = item.get("post") else { continue };
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let takes = parameters.into_iter().any(|parameter| parameter["name"] == "Idempotency-Key");
        let said = operation["description"].as_str().unwrap_or_default();
        assert_eq!(takes, !said.contains("holds a secret, of which nothing is kept"), "{path}");
        assert_eq!(takes, operation["responses"].get("409").is_some(), "{path}");
        let name = operation["operationId"].as_str().unwrap();
        if !takes {
            others.push(name);
            continue;
        }
        let (path, body) = prepared(&api, swept.len(), name, path).await;
        // The admin would be told secrets, of which nothing is kept.
        let key = if name == "startEmailProof" { &reader } else { &api.admin };
        let first = named_by(&api, key, name, &path, body.clone()).await;
        assert!(first.status.is_success() && !is_replayed(&first), "{name}: {}", first.text());
        let events = api.events().await.len();
        api.clock.advance(10);
        let repeat = named_by(&api, key, name, &path, body.clone()).await;
        assert!(is_replayed(&repeat), "{name}");
        assert_eq!(shown(&repeat), shown(&first), "{name}");
        assert_ne!(repeat.header("x-request-id"), first.header("x-request-id"));
        assert_eq!(api.events().await.len(), events, "{name}");
        for (path, body) in [(&*path, json!({"other": 1})), (&*format!("{path}?other=1"), body)] {
            let other = named_by(&api, key, name, path, body).await;
            assert_eq!(other.fields(), ["Idempotency-Key"], "{name}");
        }
        assert_eq!(api.events().await.len(), events, "{name}");
        swept.push(name.to_owned());
    }
    swept.sort_unstable();
    let expected = [
        "addEmail",
        "addPhone",
        "assignUserToGroup",
        "checkEmailCode",
        "checkPhoneCode",
        "createGroup",
        "createUser",
        "disableUser",
        "enableUser",
        "importUsers",
        "revokeKey",
        "setEmailUnverified",
        "setEmailVerified",
        "setPasswordResetRequired",
        "setPhoneUnverified",
        "setPhoneVerified",
        "setPrimaryEmail",
        "setPrimaryPhone",
        "startEmailProof",
        "unblockUser",
        "unverifyEmails",
        "verifyEmail",
        "verifyEmails",
    ];
    assert_eq!(swept, expected);
    // The answers of the others hold a link, a code or a key.
    others.sort_unstable();
    assert_eq!(others, ["createKey", "resetPassword", "rotateKey", "startPhoneProof"]);
}

/// A repeat that comes late must not do again what was taken back since.
#[tokio::test]
async fn a_repeat_does_not_do_again_what_others_have_changed_since() {
    let api = Api::new().await;
    let user = api.user(json!({"email": "a@example.com"})).await;
    let email = format!("/api{}", email_path(&user, 0));
    // The second of these changes nothing, and is kept all the same.
    for name in ["first", "second"] {
        named(&api, name, &format!("{email}/verify"), Value::Null).await.json();
    }
    api.post(&format!("{email}/unverify"), Value::Null).await.json();
    for name in ["first", "second"] {
        let repeat = named(&api, name, &format!("{email}/verify"), Value::Null).await;
        assert!(is_replayed(&repeat) && repeat.json()["emails"][0]["verified"] == true);
        assert_eq!(verified(&api, &user).await, false);
    }
    // So with a membership that was there already, and is not any more.
    let group = api.post("/api/groups", json!({"name": "group"})).await.json_of(StatusCode::CREATED);
    let [user_id, group_id] = [&user["user_id"], &group["group_id"]].map(|id| id.as_str().unwrap());
    let membership = format!("/api/users/{user_id}/groups/{group_id}");
    let joined = api.post(&membership, Value::Null).await;
    assert_eq!(named(&api, "joined", &membership, Value::Null).await.bytes, joined.bytes);
    api.delete(&membership).await;
    let repeat = named(&api, "joined", &membership, Value::Null).await;
    assert!(is_replayed(&repeat) && repeat.bytes == joined.bytes);
    api.get(&membership).await.problem(StatusCode::NOT_FOUND);
}

/// What was refused has changed nothing, so it can be tried again by the same name.
#[tokio::test]
async fn what_failed_is_not_kept() {
    let api = Api::new().await;
    let other = api.user(json!({"email": "a@example.com", "email_verified": true})).await;
    let body = json!({"email": "a@example.com", "email_verified": true});
    let refused = named(&api, "name", "/api/users", body.clone()).await;
    assert_eq!(refused.codes(), ["DuplicateEmail"]);
    api.delete(&format!("/api/users/{}", other["user_id"].as_str().unwrap())).await;
    let created = named(&api, "name", "/api/users", body.clone()).await;
    created.json_of(StatusCode::CREATED);
    assert!(!is_replayed(&created));
    assert!(is_replayed(&named(&api, "name", "/api/users", body).await));
}

#[tokio::test]
async fn a_repeat_is_answered_before_anything_else_is_looked_at() {
    let api = Api::new().await;
    let user = api.user(json!({"email": "a@example.com"})).await;
    let path = format!("/api{}/verify", email_path(&user, 0));
    let headers = [("x-api-key", &*api.admin), ("idempotency-key", "name"), ("if-match", "\"1\"")];
    let first = api.call_with(&headers, Method::POST, &path, Value::Null).await;
    assert_eq!(first.json()["emails"][0]["verified"], true);
    // The tag is another by now, and that is because of this very request.
    let repeat = api.call_with(&headers, Method::POST, &path, Value::Null).await;
    assert!(is_replayed(&repeat));
    assert_eq!(shown(&repeat), shown(&first));
}

#[tokio::test]
async fn a_name_is_free_again_after_a_day() {
    let api = Api::new().await;
    let group = json!({"name": "group"});
    let created = named(&api, "name", "/api/groups", group.clone()).await;
    api.clock.advance(24 * 60 * 60 - 1);
    assert!(is_replayed(&named(&api, "name", "/api/groups", group.clone()).await));
    api.clock.advance(1);
    assert_eq!(named(&api, "name", "/api/groups", group.clone()).await.codes(), ["DuplicateGroupName"]);
    let another = named(&api, "name", "/api/groups", json!({"name": "another"})).await;
    assert_ne!(another.json_of(StatusCode::CREATED), created.json_of(StatusCode::CREATED));
    api.app.sweep().await.unwrap();
    assert!(is_replayed(&named(&api, "name", "/api/groups", json!({"name": "another"})).await));
    api.clock.advance(24 * 60 * 60);
    api.app.sweep().await.unwrap();
    assert_eq!(named(&api, "name", "/api/groups", group).await.codes(), ["DuplicateGroupName"]);
}

#[tokio::test]
async fn each_api_key_has_names_of_its_own() {
    let api = Api::new().await;
    let other = api.key(&[Scope::GroupsWrite]).await;
    let [first, second] = ["first", "second"].map(|name| json!({"name": name}));
    named(&api, "name", "/api/groups", first.clone()).await.json_of(StatusCode::CREATED);
    let created = named_by(&api, &other, "name", "/api/groups", second.clone()).await;
    assert_eq!(created.json_of(StatusCode::CREATED)["name"], "second");
    let repeat = named(&api, "name", "/api/groups", first).await;
    assert_eq!(repeat.json_of(StatusCode::CREATED)["name"], "first");
    // Whoever has no key, or one that may not, is told so first.
    let nobody = named_by(&api, "none", "name", "/api/groups", second.clone()).await;
    nobody.problem(StatusCode::UNAUTHORIZED);
    let powerless = api.key(&[]).await;
    let refused = named_by(&api, &powerless, "name", "/api/groups", second).await;
    refused.problem(StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_name_that_is_none_is_refused() {
    let api = Api::new().await;
    let long = "x".repeat(256);
    for wrong in ["", &long, "a\tb"] {
        let refused = named(&api, wrong, "/api/groups", json!({"name": "group"})).await;
        refused.problem(StatusCode::BAD_REQUEST);
    }
    let twice = [("x-api-key", &*api.admin), ("idempotency-key", "a"), ("idempotency-key", "a")];
    let refused = api.call_with(&twice, Method::POST, "/api/groups", json!({"name": "group"})).await;
    refused.problem(StatusCode::BAD_REQUEST);
    assert!(api.get("/api/groups").await.json().as_array().unwrap().is_empty());
    let longest = "x".repeat(255);
    named(&api, &longest, "/api/groups", json!({"name": "group"})).await.json_of(StatusCode::CREATED);
}

/// Nothing of a secret is kept, and nobody is left to believe that a repeat would be harmless.
#[tokio::test]
async fn a_request_whose_answer_holds_a_secret_takes_no_name() {
    let api = Api::new().await;
    let user = api.user(json!({"email": "a@example.com", "phone_number": "+441514960453"})).await;
    let user_id = user["user_id"].as_str().unwrap();
    let phone_id = user["phone_numbers"][0]["id"].as_str().unwrap();
    let before = api.get(&format!("/api/users/{user_id}")).await;
    let events = api.events().await.len();
    for path in [
        format!("/api/users/{user_id}/password/reset"),
        format!("/v1{}/verify/start", email_path(&user, 0)),
        format!("/v1/users/{user_id}/phones/{phone_id}/verify/start"),
    ] {
        let refused = named(&api, "name", &path, Value::Null).await;
        let problem = refused.problem(StatusCode::BAD_REQUEST);
        assert!(problem["detail"].as_str().unwrap().contains("Idempotency-Key"), "{problem}");
    }
    let after = api.get(&format!("/api/users/{user_id}")).await;
    assert_eq!(shown(&after), shown(&before));
    assert_eq!(api.events().await.len(), events);
    // The name is free: nothing was kept by it.
    named(&api, "name", "/api/groups", json!({"name": "group"})).await.json_of(StatusCode::CREATED);
}

/// Only those that are made by POST have names: whatever else is made again leaves things as they are.
#[tokio::test]
async fn a_name_means_nothing_to_other_methods() {
    let api = Api::new().await;
    let user = api.user(json!({"email": "a@example.com"})).await;
    let path = format!("/api/users/{}/username", user["user_id"].as_str().unwrap());
    let headers = [("x-api-key", &*api.admin), ("idempotency-key", "name")];
    for username in ["one", "two"] {
        let answer = api.call_with(&headers, Method::PUT, &path, json!({"username": username})).await;
        assert_eq!(answer.json()["username"]["username"], username);
    }
}

#[tokio::test]
async fn what_was_answered_of_a_user_goes_with_the_user() {
    let api = Api::new().await;
    let body = json!({"email": "a@example.com"});
    let user = named(&api, "name", "/api/users", body.clone()).await.json_of(StatusCode::CREATED);
    api.delete(&format!("/api/users/{}", user["user_id"].as_str().unwrap())).await;
    named(&api, "name", "/api/users", body).await.problem(StatusCode::NOT_FOUND);
    // It was not made a second time either.
    assert!(api.get("/api/users").await.json().as_array().unwrap().is_empty());
}

/// Nobody has noted down whom such an answer names, so it goes with whoever does.
#[tokio::test]
async fn what_was_answered_of_many_emails_goes_with_any_user() {
    let api = Api::new().await;
    let [one, other] = ["one@example.com", "other@example.com"];
    api.user(json!({"email": one})).await;
    let gone = api.user(json!({"email": other})).await;
    let body = json!({"addresses": [one]});
    named(&api, "name", "/v1/emails/verify", body.clone()).await.json();
    let imported = named(&api, "import", "/v1/import", json!({"email": "new@example.com"})).await;
    assert_eq!(imported.status, StatusCode::OK);
    api.delete(&format!("/api/users/{}", gone["user_id"].as_str().unwrap())).await;
    let events = api.events().await.len();
    let problem = named(&api, "name", "/v1/emails/verify", body).await.problem(StatusCode::NOT_FOUND);
    assert!(problem["detail"].as_str().unwrap().contains("nothing was done again"), "{problem}");
    // That of an import names nobody.
    let kept = named(&api, "import", "/v1/import", json!({"email": "new@example.com"})).await;
    assert!(is_replayed(&kept));
    assert_eq!(api.events().await.len(), events);
}

/// A POST of these rows with this label, by a name.
async fn named_import(api: &Api, query: &str, label: &str, rows: String) -> Answer {
    let request = Request::builder().method(Method::POST).uri(format!("/v1/import{query}"));
    let request = request.header("x-api-key", &api.admin).header("idempotency-key", "name");
    api.send(request.header("content-type", label).body(Body::from(rows)).unwrap()).await
}

/// The same bytes are other rows in another format, whichever way that is said.
#[tokio::test]
async fn the_same_rows_in_another_format_are_another_import() {
    let api = Api::new().await;
    let rows = || "email\na@example.com\n".to_owned();
    let first = named_import(&api, "", "text/csv", rows()).await;
    assert!(first.text().contains("\"users\":1"), "{}", first.text());
    for (query, label) in [
        ("", "application/x-ndjson"),
        ("?format=csv", "text/csv"),
        ("?format=ndjson", "text/csv"),
        ("?dry_run=true", "text/csv"),
    ] {
        let other = named_import(&api, query, label, rows()).await;
        assert_eq!(other.fields(), ["Idempotency-Key"], "{query} {label}");
    }
    // One label in two spellings says the same.
    let repeat = named_import(&api, "", "Text/CSV; charset=utf-8", rows()).await;
    assert!(is_replayed(&repeat) && repeat.bytes == first.bytes);
}

#[tokio::test]
async fn an_import_that_is_too_large_for_a_name_is_told_what_to_do() {
    let api = Api::new().await;
    let rows = || format!("{{\"email\": \"a@example.com\"}}\n{}", "\n".repeat(1024 * 1024));
    let refused = named_import(&api, "", "application/x-ndjson", rows()).await;
    let problem = refused.problem(StatusCode::PAYLOAD_TOO_LARGE);
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("Leave the header away") && detail.contains("smaller parts"), "{detail}");
    let whole = imports::import(&api, "", &rows()).await;
    assert_eq!(whole.1["users"], 1);
}

/// Whoever sends it again has to get through with it.
#[tokio::test]
async fn an_import_that_is_broken_off_is_not_kept() {
    let api = Api::new().await;
    let rows = json!({"realm": "acme", "users": 7});
    for _ in 0..2 {
        let told = named(&api, "name", "/v1/import?format=keycloak", rows.clone()).await;
        assert!(!is_replayed(&told) && told.text().contains("\"is_complete\":false"), "{}", told.text());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_of_one_name_at_once_one_is_done_and_the_others_are_told_the_same_or_to_wait() {
    let api = Api::new().await;
    for round in 0..10 {
        let name = format!("name {round}");
        let body = json!({"email": format!("{round}@example.com")});
        let calls = (0..16).map(|_| named(&api, &name, "/api/users", body.clone()));
        let answers = join_all(calls).await;
        let (done, waiting): (Vec<_>, Vec<_>) =
            answers.iter().partition(|answer| answer.status == StatusCode::CREATED);
        assert!(!done.is_empty());
        for answer in &done {
            assert_eq!(shown(answer), shown(done[0]));
        }
        assert_eq!(done.iter().filter(|answer| !is_replayed(answer)).count(), 1);
        for answer in waiting {
            answer.problem(StatusCode::CONFLICT);
            assert_eq!(answer.header("retry-after"), "1");
        }
    }
    let created = api.events().await;
    assert_eq!(created.iter().filter(|event| event.kind == EventType::UserCreated).count(), 10);
}

/// Whoever goes away before the answer comes finds it when coming back, wherever the request was by then.
#[tokio::test]
async fn a_request_whose_client_went_away_is_done_once() {
    let api = Api::new().await;
    for polls in 1..40 {
        let (path, user) = api.user_with_email(&format!("{polls}@example.com")).await;
        let (path, name) = (format!("/api{path}/verify"), format!("name {polls}"));
        {
            let mut call = Box::pin(named(&api, &name, &path, Value::Null));
            for _ in 0..polls {
                let poll = |context: &mut Context| Poll::Ready(call.as_mut().poll(context).is_ready());
                if poll_fn(poll).await {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        let answer = named(&api, &name, &path, Value::Null).await;
        assert_eq!(answer.json()["emails"][0]["verified"], true);
        let again = named(&api, &name, &path, Value::Null).await;
        assert!(is_replayed(&again));
        assert_eq!(shown(&again), shown(&answer));
        let events = api.events().await;
        let user_id = user["user_id"].as_str().unwrap().parse().unwrap();
        let of_it = |kind| {
            events.iter().filter(move |event| event.user_id == Some(user_id) && event.kind == kind).count()
        };
        assert_eq!(of_it(EventType::EmailVerified), 1);
    }
}

/// A body that is too large, or no JSON, is refused as without a name; and pages for people take none.
#[tokio::test]
async fn a_name_changes_nothing_of_what_is_refused() {
    let api = Api::new().await;
    let request = |path: &str, body: String| {
        let request = Request::builder().method(Method::POST).uri(path);
        let request = request.header("x-api-key", &api.admin).header("idempotency-key", "name");
        request.body(Body::from(body)).unwrap()
    };
    for (path, body, status) in [
        ("/api/users", "x".repeat(1024 * 1024 + 1), StatusCode::PAYLOAD_TOO_LARGE),
        ("/api/users", "{".to_owned(), StatusCode::BAD_REQUEST),
        ("/api/users/nobody/enable", String::new(), StatusCode::NOT_FOUND),
        ("/api/users/nobody", String::new(), StatusCode::METHOD_NOT_ALLOWED),
        ("/api/nothing", String::new(), StatusCode::NOT_FOUND),
    ] {
        api.send(request(path, body)).await.problem(status);
    }
}
