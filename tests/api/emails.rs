//! A user's emails, and above all whether each is known to be theirs.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use bonafide::directory::event::{Actor, EventType, Method as Means};
use serde_json::{Value, json};

use super::harness::{Api, START};
use super::imports::{exported, import};

fn path(user: &Value, email: usize, action: &str) -> String {
    let user_id = user["user_id"].as_str().expect("a user has an id");
    let email_id = user["emails"][email]["id"].as_str().expect("an email has an id");
    format!("/api/users/{user_id}/emails/{email_id}{action}")
}

fn emails(user: &Value) -> String {
    format!("/api/users/{}/emails", user["user_id"].as_str().expect("a user has an id"))
}

#[tokio::test]
async fn verify_answers_with_the_whole_user_and_unverify_takes_it_back() {
    let api = Api::new().await;
    let user = api
        .user(json!({"email": "user@example.com", "name": "John Doe", "phone_number": "+441514960453", "username": "username"}))
        .await;
    insta::assert_json_snapshot!("an_email_created", user);
    api.clock.advance(5);
    let verified = api.post(&path(&user, 0, "/verify"), Value::Null).await.json();
    insta::assert_json_snapshot!("an_email_verified", verified);
    api.clock.advance(5);
    let unverified = api.post(&path(&user, 0, "/unverify"), Value::Null).await.json();
    insta::assert_json_snapshot!("an_email_unverified", unverified);
    let found = api.get(&format!("/api/users/{}", user["user_id"].as_str().unwrap())).await.json();
    assert_eq!(found, unverified);
}

#[tokio::test]
async fn a_call_that_changes_nothing_changes_no_byte_and_writes_no_event() {
    let api = Api::new().await;
    let user = api.user(json!({"email": "user@example.com"})).await;
    for action in ["/unverify", "/verify", "/verify", "/unverify", "/unverify"] {
        api.clock.advance(10);
        let before = api.get(&format!("/api/users/{}", user["user_id"].as_str().unwrap())).await;
        let events = api.events().await.len();
        let verified = before.json()["emails"][0]["verified"] == json!(true);
        let answer = api.post(&path(&user, 0, action), Value::Null).await;
        answer.json();
        if verified == (action == "/verify") {
            assert_eq!(answer.bytes, before.bytes);
            assert_eq!(api.events().await.len(), events);
        } else {
            assert_ne!(answer.bytes, before.bytes);
            assert_eq!(api.events().await.len(), events + 1);
        }
    }
}

#[tokio::test]
async fn each_change_is_one_event_that_says_who_what_when_and_why() {
    let api = Api::new().await;
    let user = api.user(json!({"email": "user@example.com"})).await;
    api.clock.advance(7);
    let answer = api.post(&path(&user, 0, "/verify"), json!({"reason": "Confirmed by phone"})).await;
    let event = api.events().await.pop().unwrap();
    assert_eq!(event.kind, EventType::EmailVerified);
    assert_eq!(event.method, Means::AdminApi);
    assert_eq!(event.time.0, START.0 + 7);
    assert_eq!(event.user_id.unwrap().as_str(), user["user_id"]);
    assert_eq!(event.identifier_id.unwrap().to_string(), user["emails"][0]["id"].as_str().unwrap());
    let Actor::Key { key_id, key_name } = event.actor else { panic!("{:?}", event.actor) };
    assert_eq!(key_name, "test");
    assert!(api.admin.contains(key_id.as_str()));
    assert_eq!(event.request_id.to_string(), answer.header("x-request-id"));
    assert_eq!(event.personal.address.as_deref(), Some("user@example.com"));
    assert_eq!(event.personal.reason.as_deref(), Some("Confirmed by phone"));
}

#[tokio::test]
async fn an_address_that_another_user_holds_verified_is_refused_and_nothing_changes() {
    let api = Api::new().await;
    api.user(json!({"email": "user@example.com", "email_verified": true})).await;
    let squatter = api.user(json!({"email": "USER@Example.com"})).await;
    let events = api.events().await.len();
    let answer = api.post(&path(&squatter, 0, "/verify"), Value::Null).await;
    assert_eq!(answer.codes(), ["DuplicateEmail"]);
    let found = api.get(&format!("/api/users/{}", squatter["user_id"].as_str().unwrap())).await.json();
    assert_eq!(found, squatter);
    assert_eq!(api.events().await.len(), events);
}

#[tokio::test]
async fn unverified_claims_do_not_block_whoever_proves_the_address() {
    let api = Api::new().await;
    let squatter = api.user(json!({"email": "user@example.com"})).await;
    let owner = api.user(json!({"email": "user@example.com"})).await;
    api.post(&path(&owner, 0, "/verify"), Value::Null).await.json();
    assert_eq!(api.post(&path(&squatter, 0, "/verify"), Value::Null).await.codes(), ["DuplicateEmail"]);
    api.post(&path(&owner, 0, "/unverify"), Value::Null).await.json();
    api.post(&path(&squatter, 0, "/verify"), Value::Null).await.json();
}

#[tokio::test]
async fn what_is_not_found_is_named() {
    let api = Api::new().await;
    let user = api.user(json!({"email": "user@example.com"})).await;
    let other = api.user(json!({"email": "other@example.com"})).await;
    let user_id = user["user_id"].as_str().unwrap();
    let email_id = user["emails"][0]["id"].as_str().unwrap();
    let others = other["emails"][0]["id"].as_str().unwrap();
    let unknown = "6cec8047-6149-4d9b-8d99-91c83c22a9dc";
    for action in ["verify", "unverify", "primary"] {
        for (user_id, email_id, missing) in [
            ("UOtBaOybB6dTpIJNrnkRw", email_id, "user"),
            ("short", email_id, "user"),
            ("%ff%fe", email_id, "user"),
            (user_id, unknown, "email"),
            (user_id, others, "email"),
            (user_id, "no-uuid", "email"),
            (user_id, "%ff", "email"),
            ("short", "no-uuid", "user"),
        ] {
            let answer =
                api.post(&format!("/api/users/{user_id}/emails/{email_id}/{action}"), Value::Null).await;
            let problem = answer.problem(StatusCode::NOT_FOUND);
            let detail = problem["detail"].as_str().unwrap();
            assert!(detail.starts_with(&format!("The {missing} was not found")), "{detail}");
        }
    }
}

#[tokio::test]
async fn no_body_an_empty_one_null_and_an_object_are_all_fine() {
    let api = Api::new().await;
    let user = api.user(json!({"email": "user@example.com"})).await;
    for (label, body) in [
        (None, ""),
        (None, "{}"),
        (None, " null "),
        (Some("application/json"), ""),
        (Some("application/json"), "{}"),
        (Some("Application/JSON; charset=utf-8"), "{\"unknown\": 1}"),
        (Some("text/plain"), ""),
    ] {
        for action in ["/verify", "/unverify"] {
            let mut request = Request::builder()
                .method(Method::POST)
                .uri(path(&user, 0, action))
                .header("api-key", &api.admin);
            if let Some(label) = label {
                request = request.header("content-type", label);
            }
            let answer = api.send(request.body(Body::from(body)).unwrap()).await;
            assert_eq!(
                answer.json()["emails"][0]["verified"],
                json!(action == "/verify"),
                "{label:?} {body}"
            );
        }
    }
}

#[tokio::test]
async fn a_body_that_cannot_be_read_changes_nothing() {
    let api = Api::new().await;
    let user = api.user(json!({"email": "user@example.com"})).await;
    for (label, body, status) in [
        ("application/json", "{", StatusCode::BAD_REQUEST),
        ("application/json", "[]", StatusCode::BAD_REQUEST),
        ("application/json", "\"yes\"", StatusCode::BAD_REQUEST),
        ("application/json", "{} {}", StatusCode::BAD_REQUEST),
        ("text/plain", "{}", StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ("application/json", "{\"reason\": 5}", StatusCode::UNPROCESSABLE_ENTITY),
    ] {
        let request = Request::builder()
            .method(Method::POST)
            .uri(path(&user, 0, "/verify"))
            .header("x-api-key", &api.admin)
            .header("content-type", label);
        api.send(request.body(Body::from(body)).unwrap()).await.problem(status);
    }
    let long = api.post(&path(&user, 0, "/verify"), json!({"reason": "x".repeat(501)})).await;
    assert_eq!(long.fields(), ["reason"]);
    let found = api.get(&format!("/api/users/{}", user["user_id"].as_str().unwrap())).await.json();
    assert_eq!(found, user);
}

#[tokio::test]
async fn the_body_is_judged_before_the_user_and_its_fields_after() {
    let api = Api::new().await;
    let nobody = "/api/users/UOtBaOybB6dTpIJNrnkRw/emails";
    let broken = Request::builder().method(Method::POST).uri(nobody).header("x-api-key", &api.admin);
    api.send(broken.body(Body::from("{")).unwrap()).await.problem(StatusCode::BAD_REQUEST);
    api.post(nobody, json!({"email": 5})).await.problem(StatusCode::NOT_FOUND);
    api.post(nobody, json!({"email": "no address"})).await.problem(StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_first_address_becomes_primary_and_later_ones_do_not() {
    let api = Api::new().await;
    let user = api.user(json!({"username": "username"})).await;
    let user = api.post(&emails(&user), json!({"email": "one@example.com"})).await.json();
    let user =
        api.post(&emails(&user), json!({"email": "two@example.com", "is_verified": true})).await.json();
    let listed: Vec<_> = user["emails"]
        .as_array()
        .unwrap()
        .iter()
        .map(|email| (&email["email"], &email["primary"], &email["verified"]))
        .collect();
    assert_eq!(
        listed,
        [
            (&json!("one@example.com"), &json!(true), &json!(false)),
            (&json!("two@example.com"), &json!(false), &json!(true))
        ]
    );
}

#[tokio::test]
async fn the_primary_role_goes_to_the_oldest_verified_address_when_its_holder_is_removed() {
    let api = Api::new().await;
    let user = api.user(json!({"email": "one@example.com"})).await;
    for (address, verified) in
        [("two@example.com", false), ("three@example.com", true), ("four@example.com", true)]
    {
        api.post(&emails(&user), json!({"email": address, "is_verified": verified})).await.json();
    }
    let mut primaries = Vec::new();
    let mut user = api.get(&format!("/api/users/{}", user["user_id"].as_str().unwrap())).await.json();
    while let Some(primary) =
        user["emails"].as_array().unwrap().iter().position(|email| email["primary"] == json!(true))
    {
        primaries.push(user["emails"][primary]["email"].as_str().unwrap().to_owned());
        user = api.delete(&path(&user, primary, "")).await.json();
    }
    assert_eq!(primaries, ["one@example.com", "three@example.com", "four@example.com", "two@example.com"]);
    assert_eq!(user["emails"], json!([]));
}

#[tokio::test]
async fn an_unverified_address_may_be_primary_and_stays_so_when_unverified() {
    let api = Api::new().await;
    let user = api.user(json!({"email": "one@example.com", "email_verified": true})).await;
    let user = api.post(&emails(&user), json!({"email": "two@example.com"})).await.json();
    let user = api.post(&path(&user, 1, "/primary"), Value::Null).await.json();
    assert_eq!((&user["emails"][0]["primary"], &user["emails"][1]["primary"]), (&json!(false), &json!(true)));
    api.post(&path(&user, 1, "/verify"), Value::Null).await.json();
    let user = api.post(&path(&user, 1, "/unverify"), Value::Null).await.json();
    assert_eq!(user["emails"][1]["primary"], json!(true));
}

#[tokio::test]
async fn an_address_is_added_once_whatever_its_spelling() {
    let api = Api::new().await;
    let user = api.user(json!({"email": "user@bücher.example"})).await;
    for spelling in ["USER@bücher.example", "user@xn--bcher-kva.example", "user@BÜCHER.example"] {
        assert_eq!(api.post(&emails(&user), json!({"email": spelling})).await.codes(), ["DuplicateEmail"]);
    }
    api.user(json!({"email": "taken@example.com", "email_verified": true})).await;
    let taken = json!({"email": "Taken@example.com", "is_verified": true});
    assert_eq!(api.post(&emails(&user), taken).await.codes(), ["DuplicateEmail"]);
    api.post(&emails(&user), json!({"email": "Taken@example.com"})).await.json();
}

#[tokio::test]
async fn what_is_no_address_is_a_validation_error_on_email() {
    let api = Api::new().await;
    let user = api.user(json!({"username": "username"})).await;
    for body in [
        json!({}),
        json!({"email": null}),
        json!({"email": ""}),
        json!({"email": "a@b@c.example"}),
        json!({"email": 5}),
        json!({"email": ["a@b.example"]}),
    ] {
        assert_eq!(api.post(&emails(&user), body).await.fields(), ["email"]);
    }
    let wrong_flag = api.post(&emails(&user), json!({"email": "a@b.example", "is_verified": "yes"})).await;
    assert_eq!(wrong_flag.fields(), ["is_verified"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_who_verify_one_address_at_once_all_succeed_with_one_event() {
    let api = Api::new().await;
    let user = api.user(json!({"email": "user@example.com"})).await;
    let path = path(&user, 0, "/verify");
    let answers = futures_util::future::join_all((0..64).map(|_| api.post(&path, Value::Null))).await;
    let first = answers[0].json();
    assert!(answers.iter().all(|answer| answer.json() == first));
    let verified = api.events().await.into_iter().filter(|event| event.kind == EventType::EmailVerified);
    assert_eq!(verified.count(), 1);
}

/// Answers about many users are bounded by their number, so what one user has is bounded, too.
#[tokio::test]
async fn a_user_has_a_hundred_emails_and_as_many_phone_numbers_at_most() {
    let api = Api::new().await;
    let user = api.user(json!({"email": "0@example.com", "phone_number": "+44151496000"})).await;
    let phones = emails(&user).replace("/emails", "/phones");
    for number in 1..100 {
        api.post(&emails(&user), json!({"email": format!("{number}@example.com")})).await.json();
        api.post(&phones, json!({"phone_number": format!("+44151496{number:03}")})).await.json();
    }
    let path_of_user = format!("/api/users/{}", user["user_id"].as_str().unwrap());
    let full = api.get(&path_of_user).await.json();
    assert_eq!(["emails", "phone_numbers"].map(|kind| full[kind].as_array().unwrap().len()), [100, 100]);
    let refused = api.post(&emails(&user), json!({"email": "100@example.com"})).await;
    assert_eq!(refused.fields(), ["email"]);
    assert!(refused.text().contains("A user has 100 emails at most"), "{}", refused.text());
    let refused = api.post(&phones, json!({"phone_number": "+44151496100"})).await;
    assert_eq!(refused.fields(), ["phone_number"]);
    // What is there is told before that there is no room for it.
    assert_eq!(api.post(&emails(&user), json!({"email": "7@example.com"})).await.codes(), ["DuplicateEmail"]);
    assert_eq!(api.get(&path_of_user).await.json(), full);

    // Whoever got more before there was a bound keeps them when the directory is moved, and gets no more there.
    let mut line: Value = serde_json::from_str(&exported(&api).await).unwrap();
    let more = json!({"email": "100@example.com", "id": "ec283d5d-b61c-402a-bb24-74bce6e2cd8f"});
    let mut one = full["emails"][1].clone();
    one.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    line["user"]["emails"].as_array_mut().unwrap().push(one);
    let other = Api::new().await;
    assert_eq!(import(&other, "", &format!("{line}\n")).await.1["users"], 1);
    let moved = other.get(&path_of_user).await.json();
    assert_eq!(moved["emails"].as_array().unwrap().len(), 101);
    other.post(&path(&user, 0, "/verify"), Value::Null).await.json();
    assert_eq!(other.post(&emails(&user), json!({"email": "new@example.com"})).await.fields(), ["email"]);

    api.delete(&path(&user, 0, "")).await.json();
    api.post(&emails(&user), json!({"email": "100@example.com"})).await.json();
}
