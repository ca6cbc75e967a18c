//! Lines of an export that are imported: whoever comes by them is who they were.

use axum::http::Method;
use serde_json::{Value, json};

use super::harness::Api;
use super::imports::{BCRYPT, codes, exported, furnish, import, summary};

#[tokio::test]
async fn an_export_that_is_imported_is_exported_as_the_same_bytes() {
    let (one, other) = (Api::new().await, Api::new().await);
    furnish(&one).await;
    let lines = exported(&one).await;
    assert_eq!(lines.lines().count(), 2 + 5);
    assert!(lines.contains("$argon2id$") && lines.contains("\"set_by\":\"admin\""), "{lines}");
    other.clock.advance(1_000_000);
    assert_eq!(import(&other, "", &lines).await, (vec![], summary(5, 2, 0, 0)));
    assert_eq!(exported(&other).await, lines);

    // Found by what they are, counted, and with their passwords.
    let found = other.get("/api/users?filter=emails.domain:xn--bcher-kva.example").await.json();
    assert_eq!(found[0]["username"]["username"], "Ada");
    let groups = other.get("/api/groups?sort=name:1").await.json();
    assert_eq!([&groups[0]["users_assigned"], &groups[1]["users_assigned"]], [&json!(4), &json!(1)]);
    let change = json!({"old_password": "correct horse", "new_password": "battery staple"});
    let path = format!("/api/users/{}/password/change", found[0]["user_id"].as_str().unwrap());
    other.call(Method::PUT, &path, change).await.json();

    // Again, nothing is new.
    let before = other.events().await.len();
    let (refused, told) = import(&other, "", &lines).await;
    assert_eq!((refused.len(), &refused[0]["code"]), (1, &json!("Exists")), "Ada has changed: {refused:?}");
    assert_eq!(told, summary(0, 0, 6, 1));
    assert_eq!(other.events().await.len(), before);
}

#[tokio::test]
async fn an_export_without_hashes_says_nothing_of_passwords_and_is_exported_as_the_same_bytes() {
    let (one, other) = (Api::new().await, Api::new().await);
    furnish(&one).await;
    let lines = one.get("/v1/export").await.text().to_owned();
    assert!(!lines.contains("\"has_password\":true") && !lines.contains("\"password\""), "{lines}");
    assert_eq!(import(&other, "", &lines).await, (vec![], summary(5, 2, 0, 0)));
    assert_eq!(other.get("/v1/export").await.text(), lines);
    // Where they came from, they are there, and keep their passwords.
    let before = exported(&one).await;
    for query in ["?dry_run=true", ""] {
        let (refused, told) = import(&one, query, &lines).await;
        assert_eq!((refused.len(), &told["there"]), (0, &json!(7)), "{told}");
    }
    assert_eq!(exported(&one).await, before);
}

#[tokio::test]
async fn whoever_is_there_with_other_groups_or_another_proof_is_not_the_same() {
    let api = Api::new().await;
    furnish(&api).await;
    let lines = exported(&api).await;
    let user: Value = serde_json::from_str(lines.lines().find(|line| line.contains("Ada")).unwrap()).unwrap();
    for (field, value, told) in [
        ("groups", json!([]), "groups"),
        ("proved_at", json!(7), "proved_at"),
        ("password", json!({"hash": BCRYPT, "set_by": "owner"}), "password.set_by"),
    ] {
        let mut changed = user.clone();
        changed[field] = value;
        for query in ["?dry_run=true", ""] {
            let (refused, _) = import(&api, query, &changed.to_string()).await;
            assert_eq!(codes(&refused), [(1, "Exists")], "{field}");
            let reason = refused[0]["reason"].as_str().unwrap();
            assert!(reason.ends_with(&format!("of these: {told}.")), "{reason}");
        }
    }
    assert_eq!(exported(&api).await, lines);
}

#[tokio::test]
async fn a_whole_line_is_refused_with_times_beyond_the_calendar_or_a_group_twice() {
    let (api, other) = (Api::new().await, Api::new().await);
    furnish(&api).await;
    let lines = exported(&api).await;
    let groups: Vec<&str> = lines.lines().filter(|line| line.starts_with("{\"group\"")).collect();
    import(&other, "", &groups.join("\n")).await;
    let user: Value = serde_json::from_str(lines.lines().find(|line| line.contains("Ada")).unwrap()).unwrap();
    let twice = json!([user["groups"][0], user["groups"][0]]);
    let late = json!([{"group_id": user["groups"][0]["group_id"], "creation_time": -1}]);
    for (path, value, field) in [
        ("/groups", twice, "groups"),
        ("/groups", late, "groups"),
        ("/proved_at", json!(i64::MAX), "proved_at"),
        ("/user/last_activity", json!(-1), "user.last_activity"),
        ("/user/password_updated_at", json!(253_402_300_800_i64), "user.password_updated_at"),
    ] {
        let mut changed = user.clone();
        *changed.pointer_mut(path).unwrap() = value;
        let (refused, _) = import(&other, "", &changed.to_string()).await;
        assert_eq!(codes(&refused), [(1, "Invalid")], "{path}");
        assert!(refused[0]["reason"].as_str().unwrap().starts_with(&format!("{field}: ")), "{refused:?}");
    }
    let (refused, _) = import(&other, "", &user.to_string()).await;
    assert_eq!(refused, Vec::<Value>::new());
}
