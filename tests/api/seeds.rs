//! The example answers of the two documents this API comes from, kept in `tests/api/seeds/`:
//! everything they show is in our answers, by the same name and of the same JSON type.

use bonafide::directory::user::User;
use serde_json::{Value, json};

use super::harness::Api;

const OLDER: &str = include_str!("seeds/verify.json");
const NEWER: &str = include_str!("seeds/unverify.json");

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Checks that `ours` has all that `theirs` has. Where `may_be_absent`, a `null` and an empty list
/// of ours will do: the server that makes the answer knows less than the example does.
fn assert_covers(path: &str, theirs: &Value, ours: &Value, may_be_absent: bool) {
    if may_be_absent && ours.is_null() {
        return;
    }
    assert_eq!(kind(ours), kind(theirs), "{path}");
    match (theirs, ours) {
        (Value::Object(theirs), Value::Object(ours)) => {
            // What is within claims and data is the user's own.
            if path.ends_with("claims") || path.ends_with("_data") {
                return;
            }
            for (name, value) in theirs {
                let path = format!("{path}.{name}");
                let our_value = ours.get(name).unwrap_or_else(|| panic!("{path} is missing"));
                assert_covers(&path, value, our_value, may_be_absent);
            }
        }
        (Value::Array(theirs), Value::Array(ours)) => {
            for (number, (one, our_one)) in theirs.iter().zip(ours).enumerate() {
                assert_covers(&format!("{path}[{number}]"), one, our_one, may_be_absent);
            }
            assert!(may_be_absent || ours.len() >= theirs.len(), "{path}");
        }
        _ => {}
    }
}

#[tokio::test]
async fn an_answer_has_every_field_of_both_examples() {
    let api = Api::new().await;
    let user = api
        .user(json!({
            "username": "username", "email": "user@example.com", "phone_number": "+441514960453",
            "phone_number_verified": true, "name": "John Doe", "given_name": "John", "family_name": "Doe"
        }))
        .await;
    let path = format!(
        "/api/users/{}/emails/{}",
        user["user_id"].as_str().unwrap(),
        user["emails"][0]["id"].as_str().unwrap()
    );
    let verified = api.post(&format!("{path}/verify"), Value::Null).await.json();
    assert_covers("verify", &serde_json::from_str(OLDER).unwrap(), &verified, true);
    assert_covers("unverify", &serde_json::from_str(NEWER).unwrap(), &verified, true);
    let unverified = api.post(&format!("{path}/unverify"), Value::Null).await.json();
    assert_covers("unverify", &serde_json::from_str(NEWER).unwrap(), &unverified, true);
}

/// A user who has all that the examples show: passkeys, providers and sign-ins, which this server
/// does not make yet, keep their names and types through it.
#[test]
fn a_user_with_everything_the_examples_show_is_answered_whole() {
    let older: Value = serde_json::from_str(OLDER).unwrap();
    let mut whole: Value = serde_json::from_str(NEWER).unwrap();
    whole["creation_time"] = older["creation_time"].clone();
    let mut user = User::from_document(whole.to_string().as_bytes()).unwrap();
    let answer: Value = serde_json::from_slice(&user.to_document()).unwrap();
    assert_covers("unverify", &whole, &answer, false);
    for field in ["passkeys", "idps", "emails", "phone_numbers", "username", "private_data", "public_data"] {
        assert_covers(field, &older[field], &answer[field], field != "passkeys");
    }
    assert_eq!(answer["passkeys"], older["passkeys"]);
    assert_eq!(answer["private_data"], older["private_data"]);
    assert_eq!(answer["emails"][0]["authenticators"], older["emails"][0]["authenticators"]);
    assert_eq!(answer["phone_numbers"][0]["authenticators"], older["phone_numbers"][0]["authenticators"]);
    assert_eq!(answer["username"]["authenticators"], older["username"]["authenticators"]);
}
