//! The record of what happened, and the history of an address.

use axum::http::{Method, StatusCode};
use bonafide::directory::api_key::Scope;
use bonafide::directory::proof::AddressId;
use bonafide::error::{Error, Missing};
use bonafide::id::{IdentifierId, TenantId, UserId};
use serde_json::{Value, json};

use super::harness::{Api, START};

fn email_path(user: &Value) -> String {
    format!(
        "users/{}/emails/{}",
        user["user_id"].as_str().unwrap(),
        user["emails"][0]["id"].as_str().unwrap()
    )
}

fn types(answer: &Value) -> Vec<&str> {
    answer["events"].as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap()).collect()
}

fn types_and_groups(events: &[Value]) -> Vec<(&str, &Value)> {
    events.iter().map(|event| (event["type"].as_str().unwrap(), &event["group_id"])).collect()
}

#[tokio::test]
async fn everything_that_happened_is_told_oldest_first_and_by_pages() {
    let api = Api::new().await;
    let user = api.user(json!({"email": "user@example.com"})).await;
    api.post(&format!("/api/{}/verify", email_path(&user)), json!({"reason": "Called"})).await.json();
    let all = api.get("/v1/events").await.json();
    insta::assert_json_snapshot!(all);
    let first = api.get("/v1/events?limit=2").await.json();
    assert_eq!(types(&first), ["user.created", "user.email.added"]);
    let rest = api.get(&format!("/v1/events?limit=2&after={}", first["next"].as_str().unwrap())).await.json();
    assert_eq!((types(&rest), &rest["next"]), (vec!["user.email.verified"], &json!(null)));
    let last = all["events"][2]["position"].as_i64().unwrap();
    assert_eq!(
        api.get(&format!("/v1/events?after={last}")).await.json(),
        json!({"events": [], "next": null})
    );
}

#[tokio::test]
async fn events_are_told_of_one_user_and_of_one_type() {
    let api = Api::new().await;
    let user = api.user(json!({"email": "one@example.com", "email_verified": true})).await;
    api.user(json!({"email": "two@example.com", "email_verified": true})).await;
    let of_user = format!("/v1/events?user_id={}", user["user_id"].as_str().unwrap());
    let expected = ["user.created", "user.email.added", "user.email.verified"];
    assert_eq!(types(&api.get(&of_user).await.json()), expected);
    let verified = api.get("/v1/events?type=user.email.verified").await.json();
    assert_eq!(types(&verified).len(), 2);
    assert_eq!(types(&api.get(&format!("{of_user}&type=user.email.verified")).await.json()).len(), 1);
    api.delete(&format!("/api/users/{}", user["user_id"].as_str().unwrap())).await;
    assert_eq!(types(&api.get(&of_user).await.json()).last(), Some(&"user.deleted"));
    assert_eq!(api.get("/v1/events?user_id=nobody").await.json()["events"], json!([]));
}

#[tokio::test]
async fn memberships_are_told_among_a_users_events_even_when_the_user_is_gone() {
    let api = Api::new().await;
    let group = async |fields| api.post("/api/groups", fields).await.json_of(StatusCode::CREATED);
    let auto = group(json!({"name": "auto", "is_auto_assigned": true})).await;
    let other = group(json!({"name": "other"})).await;
    let user = api.user(json!({"email": "user@example.com"})).await;
    let someone = api.user(json!({"email": "someone@example.com"})).await;
    let place = |user: &Value, group: &Value| {
        format!(
            "/api/users/{}/groups/{}",
            user["user_id"].as_str().unwrap(),
            group["group_id"].as_str().unwrap()
        )
    };
    api.post(&place(&user, &other), Value::Null).await.json();
    api.post(&place(&someone, &other), Value::Null).await.json();
    api.post(&format!("/api/{}/verify", email_path(&user)), json!({})).await.json();
    api.delete(&place(&user, &auto)).await;
    api.delete(&format!("/api/groups/{}", other["group_id"].as_str().unwrap())).await;
    api.post(&format!("/api/{}/unverify", email_path(&user)), json!({})).await.json();

    let of_user = format!("/v1/events?user_id={}", user["user_id"].as_str().unwrap());
    let mut expected = vec![
        ("user.created", &Value::Null),
        ("user.email.added", &Value::Null),
        ("user.group.added", &auto["group_id"]),
        ("user.group.added", &other["group_id"]),
        ("user.email.verified", &Value::Null),
        ("user.group.removed", &auto["group_id"]),
        ("user.email.unverified", &Value::Null),
    ];
    let told = async || api.get(&of_user).await.json()["events"].as_array().unwrap().clone();
    let events = told().await;
    assert_eq!(types_and_groups(&events), expected);
    assert!(events.iter().all(|event| event["user_id"] == user["user_id"]));
    assert!(events.is_sorted_by_key(|event| event["position"].as_i64()));
    api.delete(&format!("/api/users/{}", user["user_id"].as_str().unwrap())).await;
    expected.push(("user.deleted", &Value::Null));
    assert_eq!(types_and_groups(&told().await), expected);

    // What happens to a group alone has no user.
    let of_group = api.get("/v1/events?type=group.deleted").await.json()["events"][0].clone();
    assert_eq!((&of_group["user_id"], &of_group["group_id"]), (&Value::Null, &other["group_id"]));
}

#[tokio::test]
async fn a_list_of_events_refuses_what_it_does_not_know() {
    let api = Api::new().await;
    for query in ["after=x", "after=-1", "limit=0", "limit=1001", "type=user.email", "type="] {
        api.get(&format!("/v1/events?{query}")).await.problem(StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn an_address_tells_each_change_of_its_trust_even_when_it_is_gone() {
    let api = Api::new().await;
    let user = api.user(json!({"email": "user@example.com", "email_verified": true})).await;
    let path = email_path(&user);
    for (action, reason) in [("unverify", Some("Bounced")), ("unverify", None), ("verify", None)] {
        api.clock.advance(10);
        api.post(&format!("/api/{path}/{action}"), json!({"reason": reason})).await.json();
    }
    let history = api.get(&format!("/v1/{path}/history")).await.json();
    let told: Vec<_> = history["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| (&change["time"], &change["verified"], &change["reason"]))
        .collect();
    assert_eq!(
        told,
        [
            (&json!(START.0), &json!(true), &json!(null)),
            (&json!(START.0 + 10), &json!(false), &json!("Bounced")),
            (&json!(START.0 + 30), &json!(true), &json!(null)),
        ]
    );
    assert_eq!(history["history"][1]["actor"]["key_name"], "test");
    api.delete(&format!("/api/{path}")).await.json();
    assert_eq!(api.get(&format!("/v1/{path}/history")).await.json(), history);
    api.delete(&format!("/api/users/{}", user["user_id"].as_str().unwrap())).await;
    assert_eq!(api.get(&format!("/v1/{path}/history")).await.json(), history);
}

#[tokio::test]
async fn a_history_is_of_an_email_that_the_user_has_had() {
    let api = Api::new().await;
    let user = api.user(json!({"email": "user@example.com"})).await;
    let other = api.user(json!({"email": "other@example.com"})).await;
    assert_eq!(api.get(&format!("/v1/{}/history", email_path(&user))).await.json(), json!({"history": []}));
    let user_id = user["user_id"].as_str().unwrap();
    let others = other["emails"][0]["id"].as_str().unwrap();
    let problem =
        api.get(&format!("/v1/users/{user_id}/emails/{others}/history")).await.problem(StatusCode::NOT_FOUND);
    assert!(problem["detail"].as_str().unwrap().starts_with("The email was not found"));
    let problem =
        api.get(&format!("/v1/users/nobody/emails/{others}/history")).await.problem(StatusCode::NOT_FOUND);
    assert!(problem["detail"].as_str().unwrap().starts_with("The user was not found"));
}

#[tokio::test]
async fn a_phone_number_has_a_history_by_the_same_rules() {
    let api = Api::new().await;
    let user = api.user(json!({"phone_number": "+441514960453"})).await;
    let user_id = user["user_id"].as_str().unwrap();
    let path = format!("users/{user_id}/phones/{}", user["phone_numbers"][0]["id"].as_str().unwrap());
    assert_eq!(api.get(&format!("/v1/{path}/history")).await.json(), json!({"history": []}));
    for (action, reason) in [("verify", json!("Called back")), ("unverify", json!("Number was given away"))] {
        api.clock.advance(10);
        api.post(&format!("/api/{path}/{action}"), json!({"reason": reason})).await.json();
    }
    let history = api.get(&format!("/v1/{path}/history")).await.json();
    let told: Vec<_> = history["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| (&change["time"], &change["verified"], &change["reason"]))
        .collect();
    assert_eq!(
        told,
        [
            (&json!(START.0 + 10), &json!(true), &json!("Called back")),
            (&json!(START.0 + 20), &json!(false), &json!("Number was given away")),
        ]
    );
    api.delete(&format!("/api/users/{user_id}")).await;
    assert_eq!(api.get(&format!("/v1/{path}/history")).await.json(), history);
    let as_email = format!("/v1/{}/history", path.replace("phones", "emails"));
    let problem = api.get(&as_email).await.problem(StatusCode::NOT_FOUND);
    assert!(problem["detail"].as_str().unwrap().starts_with("The email was not found"));
    let unknown = "6cec8047-6149-4d9b-8d99-91c83c22a9dc";
    let of_another = format!("/v1/users/{user_id}/phones/{unknown}/history");
    let problem = api.get(&of_another).await.problem(StatusCode::NOT_FOUND);
    assert!(problem["detail"].as_str().unwrap().starts_with("The phone number was not found"));
}

/// Issue 5: on PostgreSQL the user was not found until the order of the events was known. Nothing is
/// waited for here.
#[tokio::test]
async fn the_history_of_what_was_made_just_now_is_found_although_its_events_are_not_told_yet() {
    let api = Api::new().await;
    let tenant = TenantId::default_tenant();
    for number in 0..20 {
        let email = format!("user{number}@example.com");
        let user = api.user(json!({"email": email, "phone_number": format!("+4415149604{number:02}")})).await;
        let user_id: UserId = user["user_id"].as_str().unwrap().parse().unwrap();
        let id = |value: &Value| -> IdentifierId { value.as_str().unwrap().parse().unwrap() };
        let (email, phone) = (id(&user["emails"][0]["id"]), id(&user["phone_numbers"][0]["id"]));
        for address in [AddressId::email(email), AddressId::phone(phone)] {
            assert_eq!(api.app.history(&tenant, user_id, address).await.unwrap(), []);
        }
        let swapped = api.app.history(&tenant, user_id, AddressId::phone(email)).await;
        assert!(matches!(swapped, Err(Error::NotFound(Missing::Phone))), "{swapped:?}");
    }
}

#[tokio::test]
async fn another_tenants_events_are_not_told() {
    let api = Api::new().await;
    let acme: TenantId = "acme".parse().unwrap();
    api.app.store.create_tenant(&acme, START).await.unwrap();
    let theirs = api.key_of(&acme, &[Scope::EventsRead], None).await;
    let user = api.user(json!({"email": "user@example.com", "email_verified": true})).await;
    let user_id = user["user_id"].as_str().unwrap();
    for path in ["/v1/events".to_owned(), format!("/v1/events?user_id={user_id}")] {
        assert_eq!(api.call_as(&theirs, Method::GET, &path, Value::Null).await.json()["events"], json!([]));
    }
    let history = format!("/v1/{}/history", email_path(&user));
    api.call_as(&theirs, Method::GET, &history, Value::Null).await.problem(StatusCode::NOT_FOUND);
}
