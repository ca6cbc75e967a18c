//! A user's phone numbers: the same rules as for emails, on another list.

use axum::http::StatusCode;
use bonafide::directory::event::EventType;
use serde_json::{Value, json};

use super::harness::Api;

fn phones(user: &Value) -> String {
    format!("/api/users/{}/phones", user["user_id"].as_str().unwrap())
}

fn path(user: &Value, phone: usize, action: &str) -> String {
    format!("{}/{}{action}", phones(user), user["phone_numbers"][phone]["id"].as_str().unwrap())
}

#[tokio::test]
async fn a_number_is_added_verified_made_primary_and_removed() {
    let api = Api::new().await;
    let user = api.user(json!({"username": "username"})).await;
    let user = api.post(&phones(&user), json!({"phone_number": "+441514960453"})).await.json();
    let user =
        api.post(&phones(&user), json!({"phone_number": "+4915112345", "is_verified": true})).await.json();
    insta::assert_json_snapshot!(user["phone_numbers"]);
    let user = api.post(&path(&user, 0, "/verify"), Value::Null).await.json();
    assert_eq!(user["phone_numbers"][0]["authenticators"], json!(["phone"]));
    let user = api.post(&path(&user, 1, "/primary"), Value::Null).await.json();
    let user = api.post(&path(&user, 1, "/unverify"), Value::Null).await.json();
    assert_eq!(user["phone_numbers"][1]["primary"], json!(true));
    let user = api.delete(&path(&user, 1, "")).await.json();
    assert_eq!(user["phone_numbers"][0]["primary"], json!(true));
    let kinds: Vec<_> = api.events().await.into_iter().skip(1).map(|event| event.kind).collect();
    assert_eq!(
        kinds,
        [
            EventType::PhoneAdded,
            EventType::PhoneAdded,
            EventType::PhoneVerified,
            EventType::PhoneVerified,
            EventType::PhonePrimarySet,
            EventType::PhoneUnverified,
            EventType::PhoneRemoved,
        ]
    );
}

#[tokio::test]
async fn a_verified_number_belongs_to_one_user() {
    let api = Api::new().await;
    let owner = api.user(json!({"phone_number": "+4915112345", "phone_number_verified": true})).await;
    let other = api.user(json!({"phone_number": "+4915112345"})).await;
    assert_eq!(api.post(&path(&other, 0, "/verify"), Value::Null).await.codes(), ["DuplicatePhoneNumber"]);
    let again = json!({"phone_number": " +4915112345"});
    assert_eq!(api.post(&phones(&owner), again).await.codes(), ["DuplicatePhoneNumber"]);
    api.post(&path(&owner, 0, "/unverify"), Value::Null).await.json();
    api.post(&path(&other, 0, "/verify"), Value::Null).await.json();
}

#[tokio::test]
async fn what_is_no_number_is_a_validation_error_and_an_unknown_id_is_not_found() {
    let api = Api::new().await;
    let user = api.user(json!({"email": "user@example.com"})).await;
    for body in [
        json!({}),
        json!({"phone_number": null}),
        json!({"phone_number": 4915}),
        json!({"phone_number": "0151"}),
        json!({"phone_number": "+1234567890123456"}),
    ] {
        assert_eq!(api.post(&phones(&user), body).await.fields(), ["phone_number"]);
    }
    api.post(&phones(&user), json!({"phone_number": "+123456789012345"})).await.json();
    // An email's id is not a phone number's.
    let email = user["emails"][0]["id"].as_str().unwrap();
    for action in ["verify", "unverify", "primary"] {
        let answer = api.post(&format!("{}/{email}/{action}", phones(&user)), Value::Null).await;
        let problem = answer.problem(StatusCode::NOT_FOUND);
        assert!(problem["detail"].as_str().unwrap().starts_with("The phone number was not found"));
    }
}

#[tokio::test]
async fn a_reason_of_500_characters_is_kept_with_the_mark_of_a_number_and_a_longer_one_refused() {
    let api = Api::new().await;
    let user = api.user(json!({"phone_number": "+441514960453"})).await;
    let (user_id, id) = (&user["user_id"], &user["phone_numbers"][0]["id"]);
    let path = format!("/api/users/{}/phones/{}", user_id.as_str().unwrap(), id.as_str().unwrap());
    for action in ["verify", "unverify"] {
        let too_long = json!({"reason": "x".repeat(501)});
        assert_eq!(api.post(&format!("{path}/{action}"), too_long).await.fields(), ["reason"]);
        let reason = "\u{e4}".repeat(500);
        api.post(&format!("{path}/{action}"), json!({"reason": reason})).await.json();
        assert_eq!(api.events().await.pop().unwrap().personal.reason, Some(reason));
    }
}
