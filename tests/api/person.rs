//! All that is kept of one person: told, and erased.

use axum::http::{Method, StatusCode};
use bonafide::directory::api_key::Scope;
use serde_json::{Value, json};

use super::harness::Api;

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn path(user: &Value) -> String {
    format!("/api/users/{}", text(&user["user_id"]))
}

fn export_path(user: &Value) -> String {
    format!("/v1/users/{}/export", text(&user["user_id"]))
}

/// A user of whom there is something in every place: data, groups, a password, a link to reset it, tries of
/// it, proofs, mail that waits, and an email that was removed.
async fn known_everywhere(api: &Api) -> Value {
    let group = api.post("/api/groups", json!({"name": "Analysts"})).await.json_of(StatusCode::CREATED);
    let fields = json!({
        "email": "ada@first.example", "username": "ada.l", "phone_number": "+441514960453",
        "name": "Ada Lovelace", "password": "correct horse", "is_temporary_password": false,
    });
    let user = api.user(fields).await;
    let path = path(&user);
    let user = api.post(&format!("{path}/emails"), json!({"email": "ada@second.example"})).await.json();
    let email = |number: usize| format!("{path}/emails/{}", text(&user["emails"][number]["id"]));
    let reason = json!({"reason": "She has shown her passport"});
    api.post(&format!("{}/verify", email(0)), reason).await.json();
    api.post(&format!("{}/unverify", email(0)), Value::Null).await.json();
    api.delete(&email(0)).await.json();
    let private = json!({"private_data": {"notes": "likes engines"}});
    api.call(Method::PATCH, &format!("{path}/private_data"), private).await.json();
    api.post(&format!("{path}/groups/{}", text(&group["group_id"])), Value::Null).await.json();
    api.post(&format!("{}/verify/link", email(1)), Value::Null).await.json();
    let phone =
        format!("/v1/users/{}/phones/{}", text(&user["user_id"]), text(&user["phone_numbers"][0]["id"]));
    api.post(&format!("{phone}/verify/start"), json!({})).await.json();
    let wrong = json!({"old_password": "wrong one", "new_password": "another one"});
    assert_eq!(api.call(Method::PUT, &format!("{path}/password/change"), wrong).await.status, 422);
    api.post(&format!("{path}/password/reset"), json!({})).await.json();
    api.get(&path).await.json()
}

#[tokio::test]
async fn all_that_is_kept_of_a_person_is_told_and_nothing_secret() {
    let api = Api::with_mail().await;
    let user = known_everywhere(&api).await;
    api.user(json!({"email": "other@example.com"})).await;
    let answer = api.get(&export_path(&user)).await;
    let export = answer.json();
    assert_eq!(export["user"], user);
    assert_eq!(export["groups"][0]["group_name"], "Analysts");
    let [first, second, phone] = [0, 1, 2].map(|number| &export["addresses"][number]);
    assert_eq!((&first["kind"], &first["address"]), (&json!("email"), &json!("ada@first.example")));
    assert_eq!([&first["history"][0]["verified"], &first["history"][1]["verified"]], [true, false]);
    assert_eq!(first["history"][0]["reason"], "She has shown her passport");
    assert_eq!((&second["kind"], &second["history"]), (&json!("phone"), &json!([])));
    assert_eq!((&phone["address"], &phone["history"]), (&json!("ada@second.example"), &json!([])));
    assert_eq!(export["password"], json!({"set_by": "admin"}));
    assert!(export["reset_expires_at"].is_i64());
    assert_eq!(export["password_tries"][0]["times"], 1);
    let proofs = export["proofs"].as_array().unwrap();
    let proved: Vec<_> = proofs.iter().map(|proof| text(&proof["address"])).collect();
    assert!(proved.len() == 2 && proved.contains(&"ada@second.example") && proved.contains(&"+441514960453"));
    assert_eq!(export["requests"].as_array().unwrap().len(), 2);
    assert_eq!((&export["mails"][0]["kind"], &export["mails"][0]["attempts"]), (&json!("verify"), &json!(0)));
    assert_eq!(export["mails"].as_array().unwrap().len(), 1);
    let of_user = format!("/v1/events?user_id={}", text(&user["user_id"]));
    assert_eq!(export["events"], api.get(&of_user).await.json()["events"]);
    for secret in ["$argon2", "hash", "token", "\"link\"", "\"code\"", "other@example.com"] {
        assert!(!answer.text().contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn what_is_left_of_a_deleted_user_is_told_too() {
    let api = Api::new().await;
    let user = api.user(json!({"email": "ada@example.com"})).await;
    api.delete(&path(&user)).await;
    let export = api.get(&export_path(&user)).await.json();
    assert_eq!((&export["user"], &export["groups"]), (&Value::Null, &json!([])));
    assert_eq!(export["addresses"][0]["address"], "ada@example.com");
    assert_eq!(export["events"].as_array().unwrap().last().unwrap()["type"], "user.deleted");
    let nobody = api.get("/v1/users/UOtBaOybB6dTpIJNrnkRw/export").await;
    nobody.problem(StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_key_needs_all_three_scopes_to_be_told_everything() {
    let api = Api::new().await;
    let user = api.user(json!({"email": "ada@example.com"})).await;
    let all = [Scope::UsersRead, Scope::GroupsRead, Scope::EventsRead];
    let ask = async |scopes: &[Scope]| {
        let key = api.key(scopes).await;
        api.call_as(&key, Method::GET, &export_path(&user), Value::Null).await
    };
    ask(&all).await.json();
    for (missing, scope) in all.iter().enumerate() {
        let mut held = all.to_vec();
        held.remove(missing);
        let problem = ask(&held).await.problem(StatusCode::FORBIDDEN);
        assert!(text(&problem["detail"]).contains(scope.as_str()));
    }
}

#[tokio::test]
async fn more_events_than_are_read_at_once_are_all_told() {
    let api = Api::new().await;
    let user = api.user(json!({"email": "ada@example.com"})).await;
    let email = format!("{}/emails/{}", path(&user), text(&user["emails"][0]["id"]));
    for _ in 0..520 {
        for action in ["verify", "unverify"] {
            api.post(&format!("{email}/{action}"), Value::Null).await.json();
        }
    }
    let export = api.get(&export_path(&user)).await.json();
    let positions: Vec<_> =
        export["events"].as_array().unwrap().iter().map(|event| &event["position"]).collect();
    assert_eq!(positions.len(), 2 + 2 * 520);
    assert!(positions.is_sorted_by_key(|position| position.as_i64()));
    assert_eq!(export["addresses"][0]["history"].as_array().unwrap().len(), 2 * 520);
}
