//! Users: create, find, list, delete.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::harness::Api;

fn id(user: &Value) -> &str {
    user["user_id"].as_str().expect("a user has an id")
}

#[tokio::test]
async fn a_created_user_is_found_by_its_location() {
    let api = Api::new().await;
    let answer = api
        .post(
            "/api/users",
            json!({
                "email": " User@Example.com ", "email_verified": true, "phone_number": "+441514960453",
                "phone_number_verified": true, "username": "User.Name", "name": "John Doe", "given_name": "John",
                "middle_name": "M", "family_name": "Doe", "nickname": "jd", "picture": "https://example.com/a.png",
                "skip_identifier_restriction_checks": true, "unknown_field": [1, 2]
            }),
        )
        .await;
    let user = answer.json_of(StatusCode::CREATED);
    insta::assert_json_snapshot!(user);
    assert_eq!(answer.header("location"), format!("/api/users/{}", id(&user)));
    let found = api.get(answer.header("location")).await;
    assert_eq!(found.bytes, answer.bytes);
    let kinds: Vec<_> = api.events().await.into_iter().map(|event| event.kind.as_str()).collect();
    let expected = [
        "user.created",
        "user.email.added",
        "user.email.verified",
        "user.phone.added",
        "user.phone.verified",
    ];
    assert_eq!(kinds, expected);
}

#[tokio::test]
async fn a_user_needs_an_identifier_unless_told_otherwise() {
    let api = Api::new().await;
    let nameless = api.post("/api/users", json!({"name": "John Doe"})).await;
    assert_eq!(nameless.codes(), ["IdentifierRequired"]);
    let null = api.post("/api/users", json!({"email": null, "username": null})).await;
    assert_eq!(null.codes(), ["IdentifierRequired"]);
    let user = api.user(json!({"skip_conformance_checks": true})).await;
    assert_eq!(
        (&user["emails"], &user["phone_numbers"], &user["username"]),
        (&json!([]), &json!([]), &json!(null))
    );
}

#[tokio::test]
async fn every_field_of_the_wrong_form_is_named_at_once() {
    let api = Api::new().await;
    let wrong = json!({"email": "no address", "phone_number": "0151", "picture": "not a url"});
    assert_eq!(api.post("/api/users", wrong).await.fields(), ["email", "phone_number", "picture"]);
    assert_eq!(api.post("/api/users", json!({"email": true})).await.fields(), ["email"]);
    assert_eq!(
        api.post("/api/users", json!({"email": "a@b.example", "name": "x".repeat(70_000)})).await.fields(),
        ["claims"]
    );
    assert_eq!(api.post("/api/users", json!({"username": "a b"})).await.codes(), ["InvalidUserName"]);
}

#[tokio::test]
async fn faults_of_a_password_are_named_with_those_of_other_fields() {
    let api = Api::new().await;
    let wrong = json!({"email": "no address", "password": "correct horse", "password_hash": "x", "password_hash_algorithm": "md5"});
    let answer = api.post("/api/users", wrong).await;
    assert_eq!(answer.fields(), ["email", "password_hash_algorithm", "password_hash"]);
    assert!(!answer.text().contains("correct horse"));
    let refused = api.post("/api/users", json!({"password": "short"})).await;
    assert_eq!(refused.codes(), ["IdentifierRequired", "PasswordTooShort"]);
    let both = api.post("/api/users", json!({"email": "no address", "password": "short"})).await;
    assert_eq!(both.fields(), ["email"]);
    // Without a password, what is said of one has no effect.
    let user = api.user(json!({"email": "user@example.com", "is_temporary_password": true, "skip_password_policy_checks": true, "password": null})).await;
    assert_eq!((&user["has_password"], &user["force_password_reset"]), (&json!(false), &json!(false)));
}

#[tokio::test]
async fn identifiers_that_are_another_users_are_refused() {
    let api = Api::new().await;
    api.user(json!({"username": "username", "email": "a@example.com", "email_verified": true, "phone_number": "+4915112345", "phone_number_verified": true})).await;
    for (fields, code) in [
        (json!({"username": "USERNAME"}), "DuplicateUserName"),
        (json!({"email": "A@example.com", "email_verified": true}), "DuplicateEmail"),
        (json!({"phone_number": "+4915112345", "phone_number_verified": true}), "DuplicatePhoneNumber"),
    ] {
        assert_eq!(api.post("/api/users", fields).await.codes(), [code]);
    }
    api.user(json!({"email": "A@example.com", "phone_number": "+4915112345"})).await;
}

#[tokio::test]
async fn a_deleted_user_is_gone_and_its_addresses_are_free() {
    let api = Api::new().await;
    let fields = json!({"username": "username", "email": "user@example.com", "email_verified": true});
    let user = api.user(fields.clone()).await;
    let path = format!("/api/users/{}", id(&user));
    let deleted = api.delete(&path).await;
    assert_eq!((deleted.status, deleted.bytes.len()), (StatusCode::NO_CONTENT, 0));
    api.get(&path).await.problem(StatusCode::NOT_FOUND);
    api.delete(&path).await.problem(StatusCode::NOT_FOUND);
    api.user(fields).await;
}

#[tokio::test]
async fn a_list_has_pages_with_a_header_that_tells_where_one_is() {
    let api = Api::new().await;
    for number in 0..5 {
        api.clock.advance(1);
        api.user(json!({"email": format!("user{number}@example.com")})).await;
    }
    let page = api.get("/api/users?page=2&size=2").await;
    insta::assert_json_snapshot!(page.json());
    let pagination: Value = serde_json::from_str(page.header("x-pagination")).unwrap();
    assert_eq!(
        pagination,
        json!({"page_size": 2, "current_page": 2, "total_count": 5, "has_previous": true, "has_next": true})
    );
    let addresses = |answer: &Value| -> Vec<String> {
        answer
            .as_array()
            .unwrap()
            .iter()
            .map(|user| user["emails"][0]["email"].as_str().unwrap()[4..5].to_owned())
            .collect()
    };
    assert_eq!(addresses(&api.get("/api/users").await.json()), ["4", "3", "2", "1", "0"]);
    assert_eq!(addresses(&api.get("/api/users?sort=creation_time:1&size=3").await.json()), ["0", "1", "2"]);
    let last = api.get("/api/users?page=3&size=2").await;
    assert!(last.header("x-pagination").contains("\"has_next\":false"));
    let empty = api.get("/api/users?page=4&size=2").await;
    assert_eq!(empty.json(), json!([]));
}

#[tokio::test]
async fn rows_of_a_list_carry_no_data() {
    let api = Api::new().await;
    let user = api.user(json!({"email": "user@example.com"})).await;
    let rows = api.get("/api/users").await.json();
    let mut expected = user.clone();
    for left_out in ["private_data", "public_data"] {
        expected.as_object_mut().unwrap().shift_remove(left_out);
    }
    assert_eq!(rows, json!([expected]));
}

#[tokio::test]
async fn a_list_refuses_what_it_does_not_know() {
    let api = Api::new().await;
    for query in ["page=0", "size=1001", "size=abc", "sort=shoe_size:1", "sort=creation_time", "filter=(john"]
    {
        api.get(&format!("/api/users?{query}")).await.problem(StatusCode::BAD_REQUEST);
    }
}
