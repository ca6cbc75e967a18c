//! A record in which a newer program has written, as while the servers of one store are upgraded one after
//! the other: with types, methods, actors and details that this program does not know.

use axum::http::StatusCode;
use bonafide::store::copy::Value as Stored;
use serde_json::{Value, json};

use super::console::Operator;
use super::harness::Api;
use super::imports;

/// What a newer program would have written, on either store.
const NEWER: [&str; 2] = [
    "update events set type = 'user.email.bounced', actor = 'robot', key_id = '', key_name = '', \
     details = '{\"z\":1,\"a\":[\"b\"]}' where type = 'user.email.unverified'",
    "update events set method = 'passkey', details = '{\"key_id\":7}' \
     where type = 'user.created' or type = 'user.email.verified'",
];

fn types(events: &Value) -> Vec<&str> {
    events.as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap()).collect()
}

/// A user whose email was verified, unverified and verified, as a newer program tells of it; and the path of
/// the email without what is before `/users`.
async fn told_by_a_newer_program(api: &Api) -> (String, String) {
    let (email, user) = api.user_with_email("ada@example.com").await;
    for action in ["verify", "unverify", "verify"] {
        api.post(&format!("/api{email}/{action}"), json!({"reason": "as she asked"})).await.json();
    }
    api.home.until_told().await;
    for sql in NEWER {
        api.execute(sql).await;
    }
    (user["user_id"].as_str().unwrap().to_owned(), email)
}

#[tokio::test]
async fn what_this_program_does_not_know_is_told_among_the_events_as_it_is_kept() {
    let api = Api::new().await;
    let (user_id, _) = told_by_a_newer_program(&api).await;
    let expected = [
        "user.created",
        "user.email.added",
        "user.email.verified",
        "user.email.bounced",
        "user.email.verified",
    ];
    let all = api.get("/v1/events").await.json();
    assert_eq!(types(&all["events"]), expected);
    let bounced = &all["events"][3];
    assert_eq!(bounced["actor"], json!({"type": "robot", "key_id": null, "key_name": null}));
    assert_eq!(bounced["details"].to_string(), r#"{"z":1,"a":["b"]}"#);
    assert_eq!((&bounced["method"], &bounced["reason"]), (&json!("admin_api"), &json!("as she asked")));
    assert_eq!((&bounced["address"], &bounced["user_id"]), (&json!("ada@example.com"), &json!(user_id)));
    assert_eq!(
        (&all["events"][0]["method"], &all["events"][0]["actor"]["type"]),
        (&json!("passkey"), &json!("key"))
    );
    // By pages, of a user, and of a type.
    let mut walked = Vec::new();
    let mut next = json!("0");
    while let Some(after) = next.as_str() {
        let page = api.get(&format!("/v1/events?limit=2&user_id={user_id}&after={after}")).await.json();
        walked.extend(page["events"].as_array().unwrap().clone());
        next = page["next"].clone();
    }
    assert_eq!(json!(walked), all["events"]);
    let verified = api.get("/v1/events?type=user.email.verified").await.json();
    assert_eq!(types(&verified["events"]).len(), 2);
    let person = api.get(&format!("/v1/users/{user_id}/export")).await.json();
    assert_eq!(person["events"], all["events"]);
    assert_eq!(person["addresses"][0]["history"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_known_type_counts_for_what_it_is_also_where_the_means_are_unknown() {
    let api = Api::new().await;
    let (_, email) = told_by_a_newer_program(&api).await;
    let history = api.get(&format!("/v1{email}/history")).await.json();
    let told: Vec<_> =
        history["history"].as_array().unwrap().iter().map(|change| &change["method"]).collect();
    assert_eq!(told, ["passkey", "passkey"]);
    let logs = api.get("/api/logs").await;
    assert!(logs.header("x-pagination").contains(r#""total_count":1,"#));
    let logs = logs.json();
    assert_eq!(
        (&logs[0]["code"], &logs[0]["details"]["method"]),
        (&json!("user_created"), &json!("passkey"))
    );
    assert_eq!(api.get("/api/logs/0000000000000004").await.status, StatusCode::NOT_FOUND);
    assert_eq!(api.get(&format!("/api/logs/{}", logs[0]["id"].as_str().unwrap())).await.json(), logs[0]);
    // It goes on as before.
    assert_eq!(
        api.post(&format!("/api{email}/unverify"), Value::Null).await.json()["emails"][0]["verified"],
        false
    );
}

#[tokio::test]
async fn the_console_shows_what_it_does_not_know_by_its_name() {
    let api = Api::new().await;
    let (user_id, email) = told_by_a_newer_program(&api).await;
    let operator = Operator::of(&api).await;
    for page in ["/events".to_owned(), format!("/users/{user_id}")] {
        let page = operator.look(&page).await;
        assert!(
            page.contains("Email bounced") && page.contains("robot") && page.contains("by passkey"),
            "{page}"
        );
    }
    let history = operator.look(&email).await;
    assert!(history.contains("by passkey") && !history.contains("bounced"), "{history}");
    operator.look("").await;
}

#[tokio::test]
async fn what_is_personal_is_erased_also_of_events_that_are_not_known() {
    let api = Api::new().await;
    let (user_id, _) = told_by_a_newer_program(&api).await;
    assert_eq!(api.delete(&format!("/api/users/{user_id}?erase=true")).await.status, StatusCode::NO_CONTENT);
    api.home.until_told().await;
    let all = api.get(&format!("/v1/events?user_id={user_id}")).await.json();
    let events = all["events"].as_array().unwrap();
    assert_eq!((events.len(), &events[3]["type"]), (7, &json!("user.email.bounced")));
    for event in events {
        assert_eq!((&event["address"], &event["reason"]), (&Value::Null, &Value::Null), "{event}");
    }
}

#[tokio::test]
async fn who_changes_a_user_leaves_what_a_newer_program_keeps_of_them() {
    let api = Api::new().await;
    let fields = json!({"email": "ada@example.com", "phone_number": "+41446681800", "username": "ada"});
    let user = api.user(fields).await;
    let (path, known) = (format!("/api/users/{}", user["user_id"].as_str().unwrap()), user.clone());
    // The first name in each part that is followed by another.
    for (before, newer) in [
        ("{\"user_id\":", "\"newer\":{\"of\":[\"user\"]}"),
        ("\"email\":", "\"newer\":\"of email\""),
        ("\"phone\":", "\"newer\":5"),
        ("\"username\":\"", "\"newer\":null"),
    ] {
        let before_it = before.trim_start_matches('{');
        let open = &before[..before.len() - before_it.len()];
        api.execute(&format!(
            "update users set document = replace(document, '{before}', '{open}{newer},{before_it}')"
        ))
        .await;
    }
    let kept = api.get(&path).await.json();
    for pointer in ["", "/emails/0", "/phone_numbers/0", "/username"] {
        assert!(kept.pointer(pointer).unwrap().get("newer").is_some(), "{pointer} of {kept}");
    }
    let email = super::harness::email_path(&user, 0);
    let changed = api.post(&format!("/api{email}/verify"), Value::Null).await.json();
    assert_eq!(changed["emails"][0]["verified"], true);
    let after = api.post(&format!("/api{email}/unverify"), Value::Null).await.json();
    assert_eq!(after, api.get(&path).await.json());
    let without_time = |mut user: Value| {
        user["last_updated"] = Value::Null;
        user
    };
    assert_eq!(without_time(after), without_time(kept));
    assert_ne!(known, api.get(&path).await.json());

    // What nobody here can check is not taken from a file; and it makes nobody another user.
    let lines = api.get("/v1/export").await.text().to_owned();
    assert!(lines.contains("of email"));
    let (refused, done) = imports::import(&api, "", &lines).await;
    assert_eq!((refused.as_slice(), done), (&[] as &[Value], imports::summary(0, 0, 1, 0)));
    let elsewhere = Api::new().await;
    let (refused, done) = imports::import(&elsewhere, "", &lines).await;
    assert_eq!((refused.as_slice(), done), (&[] as &[Value], imports::summary(1, 0, 0, 0)));
    let user = elsewhere.get(&path).await;
    assert!(user.text().contains("ada@example.com") && !user.text().contains("newer"), "{}", user.text());
}

#[tokio::test]
async fn who_chooses_a_setting_leaves_what_a_newer_program_has_chosen() {
    let api = Api::new().await;
    let operator = Operator::of(&api).await;
    // Also a value that this program does not know: it goes on with the default.
    api.execute(
        "update tenants set settings = '{\"display_name\":\"Acme\",\"newer\":{\"z\":1,\"a\":[2]},\"proof_means\":\"pigeon\"}'",
    )
    .await;
    let page = operator.look("/settings").await;
    assert!(page.contains("Acme") && !page.contains("newer") && !page.contains("pigeon"), "{page}");
    api.choose(&[("code_expiry", "60")]).await;
    let kept = api.kept().await.concat().concat().into_iter().filter_map(|value| match value {
        Stored::Text(text) if text.contains("newer") => serde_json::from_str::<Value>(&text).ok(),
        _ => None,
    });
    let expected = json!({"display_name": "Acme", "newer": {"z": 1, "a": [2]}, "proof_means": "pigeon", "code_expiry": 60});
    assert_eq!(kept.collect::<Vec<_>>(), [expected]);
    let (email, _) = api.user_with_email("ada@example.com").await;
    api.post(&format!("/v1{email}/verify/start"), Value::Null).await.json();
}
