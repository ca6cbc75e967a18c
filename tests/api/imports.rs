//! Exporting all users and groups, and importing them, line by line.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use bonafide::directory::api_key::Scope;
use bonafide::directory::event::{EventType, Method as By};
use serde_json::{Value, json};

use super::harness::{Api, email_path};

/// "correct horse" by another implementation of bcrypt, and by Python's PBKDF2.
pub(super) const BCRYPT: &str = "$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e";
const PBKDF2: &str = "$pbkdf2-sha256$i=1000$MDEyMzQ1Njc4OWFiY2RlZg$cBg8D2DungRB9k76szThf5ehfyBz991ay6PT8Srwk4NQEC0GVAwWLSUGWbcye1xU+dO7fZFld1DsscNlAN1uxw";

/// All that is exported, with hashes.
pub(crate) async fn exported(api: &Api) -> String {
    let answer = api.get("/v1/export?with_hashes=true").await;
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, "application/x-ndjson"));
    answer.text().to_owned()
}

/// Imports lines, and gives those of the answer: what was refused, and the summary.
pub(crate) async fn import(api: &Api, query: &str, lines: &str) -> (Vec<Value>, Value) {
    import_as(api, query, "application/x-ndjson", lines).await
}

/// The lines that were refused, with their codes.
pub(super) fn codes(refused: &[Value]) -> Vec<(u64, &str)> {
    refused.iter().map(|row| (row["line"].as_u64().unwrap(), row["code"].as_str().unwrap())).collect()
}

pub(super) fn summary(users: u64, groups: u64, there: u64, refused: u64) -> Value {
    json!({"users": users, "groups": groups, "there": there, "refused": refused, "dry_run": false, "is_complete": true})
}

/// A directory in which there is something of everything.
pub(crate) async fn furnish(api: &Api) {
    api.choose(&[("proof_means", "both")]).await;
    let every = json!({"name": "Everybody", "is_auto_assigned": true, "description": "All\u{0} of them"});
    api.post("/api/groups", every).await.json_of(StatusCode::CREATED);
    let some = api.post("/api/groups", json!({"name": "Some"})).await.json_of(StatusCode::CREATED);
    for number in 0..3 {
        api.user(json!({"email": format!("User.{number}@Example.com"), "email_verified": number == 1})).await;
        api.clock.advance(1);
    }
    let ada = api
        .user(json!({
            "username": "Ada", "email": "ada@example.com", "email_verified": true, "phone_number": "+441514960453",
            "name": "Ada \"Countess\" Lovelace", "picture": "https://example.com/ada.png",
            "password_hash": BCRYPT, "is_temporary_password": false,
        }))
        .await;
    let ada = format!("/api/users/{}", ada["user_id"].as_str().unwrap());
    api.clock.advance(10);
    api.post(&format!("{ada}/emails"), json!({"email": "käthe@bücher.example"})).await.json();
    let data = json!({"private_data": {"score": 0.1, "huge": 1e300, "text": "a\u{0}b\u{1}", "list": [1, null, {"a": []}]}});
    api.call(Method::PATCH, &format!("{ada}/private_data"), data).await.json();
    let group = some["group_id"].as_str().unwrap();
    api.post(&format!("{ada}/groups/{group}"), Value::Null).await.json();
    let bob = api.user(json!({"email": "bob@example.com", "password": "correct horse"})).await;
    let path = email_path(&bob, 0);
    let started = api.post(&format!("/v1{path}/verify/start"), Value::Null).await.json();
    let code = json!({"code": started["code"]});
    api.post(&format!("/v1{path}/verify/check"), code).await.json();
    let bob = format!("/api/users/{}", bob["user_id"].as_str().unwrap());
    api.post(&format!("{bob}/disable"), Value::Null).await.json();
    api.delete(&format!("{bob}/groups/{}", group_named(api, "Everybody").await)).await;
    let gone = api.user(json!({"email": "gone@example.com"})).await;
    api.delete(&format!("/api/users/{}", gone["user_id"].as_str().unwrap())).await;
}

async fn group_named(api: &Api, name: &str) -> String {
    let groups = api.get("/api/groups").await.json();
    let group = groups.as_array().unwrap().iter().find(|group| group["name"] == name).unwrap();
    group["group_id"].as_str().unwrap().to_owned()
}

/// Sends a body that is written otherwise, and gives the lines of the answer.
async fn import_as(api: &Api, query: &str, label: &str, body: &str) -> (Vec<Value>, Value) {
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("/v1/import{query}"))
        .header("X-API-KEY", &api.admin)
        .header("content-type", label)
        .body(Body::from(body.to_owned()))
        .unwrap();
    let answer = api.send(request).await;
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, "application/x-ndjson"));
    let mut told: Vec<Value> =
        answer.text().lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect();
    let summary = told.pop().expect("there is a summary")["summary"].take();
    (told, summary)
}

#[tokio::test]
async fn what_the_command_imports_can_be_sent_as_well() {
    let api = Api::new().await;
    let csv = "email,email_verified,groups\nada@example.com,true,Ladies\nnobody,,\n";
    let (refused, told) = import_as(&api, "", "text/csv; charset=utf-8", csv).await;
    assert_eq!((codes(&refused), told), (vec![(3, "Invalid")], summary(1, 1, 0, 1)));
    let auth0 = r#"{"user_id":"auth0|1","email":"bob@example.com","email_verified":true}"#;
    let (refused, told) = import_as(&api, "?format=auth0", "application/x-ndjson", auth0).await;
    assert_eq!((codes(&refused), told), (vec![], summary(1, 0, 0, 0)));
    let keycloak =
        r#"{"realm":"acme","users":[{"username":"carol","email":"carol@example.com","emailVerified":true}]}"#;
    let (refused, told) = import_as(&api, "?format=keycloak", "application/json", keycloak).await;
    assert_eq!((codes(&refused), told), (vec![], summary(1, 0, 0, 0)));
    let found = api.get("/api/users?filter=emails.verified:true&sort=creation_time:1").await.json();
    assert_eq!(found.as_array().unwrap().len(), 3);
    let refused = api.post("/v1/import?format=xml", Value::Null).await.problem(StatusCode::BAD_REQUEST);
    assert_eq!(refused["detail"], "format must be ndjson, csv, auth0 or keycloak.");
}

#[tokio::test]
async fn a_body_that_is_not_of_its_format_is_told_to_its_sender_in_the_summary() {
    let api = Api::new().await;
    let (refused, told) = import_as(&api, "?format=csv", "text/csv", "email,shoe\na@example.com,40\n").await;
    assert!(refused.is_empty());
    assert_eq!((&told["is_complete"], &told["users"]), (&json!(false), &json!(0)));
    assert!(told["detail"].as_str().unwrap().contains("`shoe`, which is no field"), "{told}");
}

#[tokio::test]
async fn each_user_who_is_imported_is_one_event_and_its_addresses_are_vouched_for_by_it() {
    let api = Api::new().await;
    let line = json!({"email": "ada@example.com", "email_verified": true, "phone_number": "+441514960453", "groups": ["Ladies"]});
    let (refused, told) = import(&api, "", &line.to_string()).await;
    assert_eq!((refused.len(), told), (0, summary(1, 1, 0, 0)));
    let events = api.events().await;
    let told: Vec<_> = events.iter().map(|event| (event.kind, event.method)).collect();
    assert_eq!(told, [(EventType::GroupCreated, By::Import), (EventType::UserCreated, By::Import)]);
    let user = &api.get("/api/users").await.json()[0];
    assert_eq!(user["emails"][0]["verification_source"], "monocloud");
    let path = email_path(user, 0);
    let history = api.get(&format!("/v1{path}/history")).await.json();
    assert_eq!(history["history"].as_array().unwrap().len(), 1);
    assert_eq!(
        [&history["history"][0]["method"], &history["history"][0]["verified"]],
        [&json!("import"), &json!(true)]
    );
    api.post(&format!("/api{path}/unverify"), Value::Null).await.json();
    api.post(&format!("/api{path}/verify"), Value::Null).await.json();
    let history = api.get(&format!("/v1{path}/history")).await.json();
    let marks: Vec<_> =
        history["history"].as_array().unwrap().iter().map(|change| &change["verified"]).collect();
    assert_eq!(marks, [&json!(true), &json!(false), &json!(true)]);
    let phone = user["phone_numbers"][0]["id"].as_str().unwrap();
    let phone = format!("/v1/users/{}/phones/{phone}/history", user["user_id"].as_str().unwrap());
    assert_eq!(api.get(&phone).await.json()["history"], json!([]));
}

#[tokio::test]
async fn each_line_is_refused_for_itself_and_the_rest_goes_on() {
    let api = Api::new().await;
    api.user(json!({"email": "taken@example.com", "email_verified": true})).await;
    let lines = [
        json!({"email": "ada@example.com", "email_verified": true}).to_string(),
        "{".to_owned(),
        json!({"email": "TAKEN@example.com", "email_verified": true}).to_string(),
        String::new(),
        json!({"email": "taken@example.com"}).to_string(),
        json!({"email": "ada@example.com", "email_verified": true, "name": "Another"}).to_string(),
        json!({"email": "nobody"}).to_string(),
        json!({"name": "Nobody"}).to_string(),
        json!({"email": "b@example.com", "password_hash": BCRYPT.replace("$04$", "$31$")}).to_string(),
        json!({"email": "c@example.com", "password_hash": "$pbkdf2-sha256$i=90000000$MDEyMzQ1Njc4OWFiY2RlZg$MDEyMzQ1Njc4OWFiY2RlZg"}).to_string(),
        json!({"email": "d@example.com", "password": "short"}).to_string(),
        "{\"email\":\"a@example.com\",\"email\":\"b@example.com\"}".to_owned(),
        format!("{{\"email\":\"{}\"}}", "x".repeat(1_100_000)),
        json!({"email": 5}).to_string(),
        json!({"email": "e@example.com", "claims": {"shoe_size": "40"}}).to_string(),
        json!({"email": "last@example.com", "claims": {"birthdate": "1815-12-10"}, "private_data": {"plan": "gold"}}).to_string(),
    ];
    let (refused, told) = import(&api, "", &lines.join("\n")).await;
    let expected = [
        (2, "Unreadable"),
        (3, "DuplicateEmail"),
        (6, "DuplicateEmail"),
        (7, "Invalid"),
        (8, "IdentifierRequired"),
        (9, "Invalid"),
        (10, "Invalid"),
        (11, "PasswordTooShort"),
        (12, "Unreadable"),
        (13, "Unreadable"),
        (14, "Invalid"),
        (15, "Invalid"),
    ];
    assert_eq!(codes(&refused), expected, "{refused:?}");
    assert_eq!(told, summary(3, 0, 0, 12));
    assert!(
        refused.iter().all(|row| !row["reason"].as_str().unwrap().contains("example.com")),
        "{refused:?}"
    );
    let last = &api.get("/api/users?filter=private_data.plan:gold").await.json()[0];
    assert_eq!(last["claims"]["birthdate"], "1815-12-10");
}

#[tokio::test]
async fn lines_that_were_imported_before_are_left_alone_whatever_they_have() {
    let api = Api::new().await;
    let lines = [
        json!({"email": "ada@example.com", "email_verified": true}),
        json!({"email": "claim@example.com"}),
        json!({"username": "bob", "password": "correct horse"}),
        json!({"name": "Nobody", "skip_conformance_checks": true}),
    ];
    let text = lines.map(|line| line.to_string()).join("\n");
    assert_eq!(import(&api, "", &text).await.1, summary(4, 0, 0, 0));
    let before = exported(&api).await;
    api.clock.advance(100);
    // Also when they are in another order, and twice.
    let again = text.lines().rev().chain(text.lines()).collect::<Vec<_>>().join("\n");
    assert_eq!(import(&api, "", &again).await, (vec![], summary(0, 0, 8, 0)));
    assert_eq!(exported(&api).await, before);
    let (_, told) = import(&api, "", &text.replace("ada@", "eve@")).await;
    assert_eq!(told, summary(1, 0, 3, 0));
}

#[tokio::test]
async fn a_dry_run_tells_what_an_import_would_and_keeps_nothing() {
    let (one, other) = (Api::new().await, Api::new().await);
    furnish(&one).await;
    let mut lines = exported(&one).await;
    other.user(json!({"username": "ada"})).await;
    other.user(json!({"email": "user.1@example.com", "email_verified": true})).await;
    other.post("/api/groups", json!({"name": "some"})).await.json_of(StatusCode::CREATED);
    for line in [
        json!({"email": "new@example.com", "email_verified": true}),
        json!({"email": "NEW@example.com", "email_verified": true}),
        json!({"email": "new@example.com", "email_verified": true}),
        json!({"email": "new@example.com", "groups": ["SOME", "Others"]}),
        json!({"email": "other@example.com", "groups": [""]}),
        json!({"username": "ADA"}),
    ] {
        lines.push_str(&line.to_string());
        lines.push('\n');
    }
    let before = (exported(&other).await, other.events().await.len());
    let (refused, mut told) = import(&other, "?dry_run=true", &lines).await;
    assert_eq!((exported(&other).await, other.events().await.len()), before);
    assert_eq!(told["dry_run"], true);
    told["dry_run"] = json!(false);
    let named = |rows: &[Value], line: u64| {
        rows.iter().find(|row| row["line"] == line).unwrap()["reason"].as_str().unwrap().to_owned()
    };
    assert!(named(&refused, 9).contains("Line 8 has it."), "{refused:?}");
    assert!(named(&refused, 12).starts_with("groups: "), "{refused:?}");

    let (really, told_really) = import(&other, "", &lines).await;
    assert_eq!(codes(&refused), codes(&really));
    assert_eq!(told, told_really);
    assert!(codes(&really).contains(&(9, "DuplicateEmail")), "{really:?}");
    assert!(codes(&really).iter().any(|(_, code)| *code == "DuplicateUserName"), "{really:?}");
    assert!(codes(&really).iter().any(|(_, code)| *code == "DuplicateGroupName"), "{really:?}");
    assert!(codes(&really).iter().any(|(_, code)| *code == "UnknownGroup"), "{really:?}");
}

#[tokio::test]
async fn a_line_that_no_export_has_is_refused() {
    let (one, other) = (Api::new().await, Api::new().await);
    let user = one.user(json!({"email": "ada@example.com", "email_verified": true, "username": "ada"})).await;
    let with = |path: &str, value: Value| {
        let mut user = user.clone();
        *user.pointer_mut(path).unwrap() = value;
        json!({"user": user}).to_string()
    };
    let twice = json!([user["emails"][0], user["emails"][0]]);
    let lines = [
        with("/user_id", json!("short")),
        with("/emails/0/email", json!("nobody")),
        with("/emails/0/email", json!(" ada@example.com")),
        with("/emails/0/primary", json!(false)),
        with("/emails/0/verification_source", Value::Null),
        with("/emails", twice),
        with("/username/username", json!("a b")),
        with("/claims", json!({"shoe_size": "9"})),
        with("/private_data", json!({"a": "x".repeat(70_000)})),
        with("/creation_time", json!(-1)),
        json!({"user": user, "groups": [{"group_id": "8c8ee7ee-6c6f-4f3c-9b1c-0a3f5a3f2d11", "creation_time": 1}]})
            .to_string(),
        json!({"user": user, "password": {"hash": BCRYPT, "set_by": "nobody"}}).to_string(),
        json!({"user": user, "password": {"hash": "secret", "set_by": "admin"}}).to_string(),
        json!({"user": {}}).to_string(),
        json!({"group": {"name": "x"}}).to_string(),
    ];
    let (refused, told) = import(&other, "", &lines.join("\n")).await;
    assert_eq!(told, summary(0, 0, 0, lines.len() as u64), "{refused:?}");
    assert!(
        codes(&refused)
            .iter()
            .all(|(line, code)| *code == if *line == 11 { "UnknownGroup" } else { "Invalid" }),
        "{refused:?}"
    );
}

#[tokio::test]
async fn groups_are_made_only_with_a_user_who_is_kept() {
    let api = Api::new().await;
    api.user(json!({"email": "ada@example.com", "email_verified": true})).await;
    let lines = [
        json!({"email": "ADA@example.com", "email_verified": true, "groups": ["Of Ada"]}),
        json!({"email": "bob@example.com", "email_verified": true}),
        json!({"email": "Bob@example.com", "email_verified": true, "groups": ["Of another Bob"]}),
        json!({"email": "carl@example.com", "groups": ["Of Carl", ""]}),
        json!({"email": "carl@example.com", "email_verified": true, "groups": ["Staff", "STAFF", "Others"]}),
        json!({"email": "dora@example.com", "groups": ["staff"]}),
    ];
    let lines = lines.map(|line| line.to_string()).join("\n");
    let expected = summary(3, 2, 0, 3);
    let (refused, mut foreseen) = import(&api, "?dry_run=true", &lines).await;
    let codes_of_all = [(1, "DuplicateEmail"), (3, "DuplicateEmail"), (4, "Invalid")];
    assert_eq!(codes(&refused), codes_of_all);
    foreseen["dry_run"] = json!(false);
    assert_eq!(foreseen, expected);
    let (refused, told) = import(&api, "", &lines).await;
    assert_eq!((codes(&refused).as_slice(), told), (&codes_of_all[..], expected));
    let groups = api.get("/api/groups?sort=name:1").await.json();
    let named: Vec<_> =
        groups.as_array().unwrap().iter().map(|group| (&group["name"], &group["users_assigned"])).collect();
    assert_eq!(named, [(&json!("Others"), &json!(1)), (&json!("Staff"), &json!(2))]);
    assert_eq!(import(&api, "", &lines).await.1, summary(0, 0, 3, 3));
}

#[tokio::test]
async fn what_is_null_is_not_there() {
    let api = Api::new().await;
    let line = json!({
        "username": "ada", "claims": null, "public_data": null, "private_data": null, "groups": null,
        "email": null, "disabled": null, "creation_time": null,
    });
    let other = json!({"username": "bob", "claims": {"locale": null}});
    assert_eq!(import(&api, "", &format!("{line}\n{other}")).await, (vec![], summary(2, 0, 0, 0)));
}

#[tokio::test]
async fn hashes_of_other_directories_work_until_their_password_is_next_seen() {
    let api = Api::new().await;
    let line = json!({"username": "ada", "password_hash": PBKDF2, "is_temporary_password": false});
    assert_eq!(import(&api, "", &line.to_string()).await.1, summary(1, 0, 0, 0));
    assert!(exported(&api).await.contains("$pbkdf2-sha256$"));
    let user = &api.get("/api/users").await.json()[0];
    assert_eq!((&user["has_password"], &user["force_password_reset"]), (&json!(true), &json!(false)));
    let path = format!("/api/users/{}/password/change", user["user_id"].as_str().unwrap());
    let change = |old: &str| json!({"old_password": old, "new_password": "battery staple"});
    assert_eq!(api.call(Method::PUT, &path, change("wrong horse")).await.codes(), ["PasswordMismatch"]);
    api.call(Method::PUT, &path, change("correct horse")).await.json();
    assert!(exported(&api).await.contains("$argon2id$"));
}

#[tokio::test]
async fn a_line_whose_hash_was_taken_out_makes_a_user_without_a_password() {
    let (one, other) = (Api::new().await, Api::new().await);
    one.user(json!({"username": "ada", "password": "correct horse"})).await;
    let mut line: Value = serde_json::from_str(&exported(&one).await).unwrap();
    assert_eq!(line["user"]["has_password"], true);
    line.as_object_mut().unwrap().remove("password").unwrap();
    assert_eq!(import(&other, "", &line.to_string()).await.1, summary(1, 0, 0, 0));
    let user = &other.get("/api/users").await.json()[0];
    assert_eq!((&user["has_password"], &user["password_updated_at"]), (&json!(false), &Value::Null));
}

#[tokio::test]
async fn exports_and_imports_need_their_scopes_and_stay_within_the_tenant() {
    let api = Api::new().await;
    api.user(json!({"username": "ada"})).await;
    let as_key = async |scopes: &[Scope], method: Method, path: &str| {
        let key = api.key(scopes).await;
        api.call_as(&key, method, path, Value::Null).await.status
    };
    let (read, groups) = (Scope::UsersRead, Scope::GroupsRead);
    assert_eq!(as_key(&[read], Method::GET, "/v1/export").await, StatusCode::FORBIDDEN);
    assert_eq!(as_key(&[groups], Method::GET, "/v1/export").await, StatusCode::FORBIDDEN);
    assert_eq!(as_key(&[read, groups], Method::GET, "/v1/export").await, StatusCode::OK);
    let hashes = "/v1/export?with_hashes=true";
    assert_eq!(as_key(&[read, groups], Method::GET, hashes).await, StatusCode::FORBIDDEN);
    assert_eq!(as_key(&[Scope::UsersWrite, read], Method::POST, "/v1/import").await, StatusCode::FORBIDDEN);
    api.get("/v1/export?with_hashes=yes").await.problem(StatusCode::BAD_REQUEST);
    api.post("/v1/import?dry_run=1", Value::Null).await.problem(StatusCode::BAD_REQUEST);

    let acme: bonafide::id::TenantId = "acme".parse().unwrap();
    assert!(api.app.store.create_tenant(&acme, super::harness::START).await.unwrap());
    let theirs = api.key_of(&acme, &[Scope::Admin], None).await;
    let nothing = api.call_as(&theirs, Method::GET, "/v1/export", Value::Null).await;
    assert_eq!((nothing.status, nothing.text()), (StatusCode::OK, ""));
    assert_eq!(import(&api, "", "").await, (vec![], summary(0, 0, 0, 0)));
}

#[tokio::test]
async fn many_are_exported_and_imported_in_their_order() {
    let (one, other) = (Api::new().await, Api::new().await);
    let lines: Vec<String> = (0..1_300)
        .map(|number| {
            let email = format!("user{}@example.com", number % 1_200);
            json!({"email": email, "email_verified": true, "groups": [format!("g{}", number % 3)], "name": number.to_string()})
                .to_string()
        })
        .collect();
    let (refused, told) = import(&one, "", &lines.join("\n")).await;
    assert_eq!((told, refused.len()), (summary(1_200, 3, 0, 100), 100));
    let expected: Vec<(u64, &str)> = (1_201..=1_300).map(|line| (line, "DuplicateEmail")).collect();
    assert_eq!(codes(&refused), expected);
    let lines = exported(&one).await;
    assert_eq!(lines.lines().count(), 1_203);
    assert_eq!(import(&other, "", &lines).await, (vec![], summary(1_200, 3, 0, 0)));
    assert_eq!(exported(&other).await, lines);
    let groups = other.get("/api/groups").await.json();
    assert!(groups.as_array().unwrap().iter().all(|group| group["users_assigned"] == 400), "{groups}");
}
