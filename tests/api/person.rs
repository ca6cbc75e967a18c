//! All that is kept of one person: told, and erased.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use bonafide::api::RemoteAddress;
use bonafide::directory::api_key::Scope;
use bonafide::directory::event::{EventType, Personal};
use bonafide::id::TenantId;
use bonafide::store::copy::{TABLES, Value as Stored};
use serde_json::{Value, json};

use super::harness::Api;
use super::imports;

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
    let mut verify = Request::post(format!("{}/verify", email(0)))
        .header("x-api-key", &api.admin)
        .header("user-agent", "Desk/1")
        .body(Body::from(json!({"reason": "She has shown her passport"}).to_string()))
        .unwrap();
    verify.extensions_mut().insert(RemoteAddress([192, 0, 2, 7].into()));
    api.send(verify).await.json();
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
async fn addresses_that_were_imported_are_told_with_their_beginning() {
    let api = Api::new().await;
    let lines = json!({
        "email": "ada@first.example", "email_verified": true,
        "phone_number": "+441514960453", "phone_number_verified": true,
    });
    let imported = api.post("/v1/import", lines).await;
    assert!(imported.text().contains("\"users\":1"), "{}", imported.text());
    let user = api.get("/v1/users").await.json()["users"][0].clone();
    let paths = [("emails", 0), ("phone_numbers", 1)].map(|(kind, place)| {
        let segment = if kind == "emails" { "emails" } else { "phones" };
        let id = text(&user[kind][0]["id"]).to_owned();
        (format!("/users/{}/{segment}/{id}", text(&user["user_id"])), place)
    });
    let as_told_elsewhere = async || {
        let addresses = api.get(&export_path(&user)).await.json()["addresses"].clone();
        assert_eq!(addresses.as_array().unwrap().len(), 2);
        for (path, place) in &paths {
            let told = api.get(&format!("/v1{path}/history")).await.json();
            assert_eq!(addresses[place]["history"], told["history"]);
        }
        addresses
    };
    let told = as_told_elsewhere().await;
    assert_eq!(
        (&told[0]["address"], &told[1]["address"]),
        (&json!("ada@first.example"), &json!("+441514960453"))
    );
    assert_eq!(told[0]["history"][0]["method"], "import");
    assert_eq!(told[1]["history"][0]["verified"], true);
    api.post(&format!("/api{}/unverify", paths[0].0), Value::Null).await.json();
    let told = as_told_elsewhere().await;
    assert_eq!([&told[0]["history"][0]["verified"], &told[0]["history"][1]["verified"]], [true, false]);
    let gone = api.call(Method::DELETE, &format!("/api{}", paths[1].0), Value::Null).await;
    assert_eq!(gone.status, StatusCode::OK);
    as_told_elsewhere().await;
}

#[tokio::test]
async fn the_document_shows_an_example_of_all_that_is_kept_of_a_person() {
    let api = Api::new().await;
    let user = api.user(json!({"email": "ada@example.com"})).await;
    let export = api.get(&export_path(&user)).await.json();
    let document = api.get("/openapi.json").await.json();
    let answer = &document["paths"]["/v1/users/{user_id}/export"]["get"]["responses"]["200"];
    let example = answer["content"]["application/json"]["example"].as_object().unwrap();
    assert_eq!(example.keys().collect::<Vec<_>>(), export.as_object().unwrap().keys().collect::<Vec<_>>());
    assert_eq!(example["addresses"][0]["address"], "user@example.com");
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

    // It is read page by page, and what happens in between moves none of them.
    let user_id = text(&user["user_id"]).parse().unwrap();
    let mut whole = api.app.person(&TenantId::default_tenant(), user_id).await.unwrap();
    api.post(&format!("{email}/verify"), Value::Null).await.json();
    let (mut read, mut pages) = (Vec::new(), Vec::new());
    for place in whole.course.places() {
        let page = whole.course.page(&*api.app.store, place).await.unwrap();
        pages.push(page.len());
        read.extend(page.iter().map(|(position, _)| json!(position)));
    }
    assert_eq!(pages, [41, 1_001]);
    assert_eq!(read.iter().collect::<Vec<_>>(), positions);
    let later = api.get(&export_path(&user)).await.json();
    assert_eq!(later["events"].as_array().unwrap().len(), positions.len() + 1);
    assert_eq!(later["addresses"][0]["history"].as_array().unwrap().len(), 2 * 520 + 1);
}

/// The record is gone through once for many addresses.
#[tokio::test]
async fn each_address_has_its_own_history_however_they_were_changed_by_turns() {
    let api = Api::new().await;
    let mut user = api.user(json!({"email": "first@example.com", "email_verified": true})).await;
    for name in ["second", "third"] {
        user = api
            .post(&format!("{}/emails", path(&user)), json!({"email": format!("{name}@example.com")}))
            .await
            .json();
    }
    let emails: Vec<String> = (0..3)
        .map(|number| {
            format!("users/{}/emails/{}", text(&user["user_id"]), text(&user["emails"][number]["id"]))
        })
        .collect();
    for round in 0..6 {
        let action = if round % 2 == 0 { "unverify" } else { "verify" };
        for email in emails.iter().skip(round % 3) {
            api.post(&format!("/api/{email}/{action}"), Value::Null).await.json();
        }
    }
    let addresses = api.get(&export_path(&user)).await.json()["addresses"].clone();
    let mut changes = 0;
    for (address, email) in addresses.as_array().unwrap().iter().zip(&emails) {
        let history = api.get(&format!("/v1/{email}/history")).await.json()["history"].clone();
        assert_eq!(address["history"], history);
        changes += history.as_array().unwrap().len();
    }
    assert!(changes > 8, "{addresses}");
}

#[tokio::test]
async fn only_some_are_exported_at_once_and_others_are_told_to_come_again() {
    let api = Api::new().await;
    let user = api.user(json!({"email": "ada@example.com"})).await;
    let user_id = text(&user["user_id"]).parse().unwrap();
    let mut others = Vec::new();
    for _ in 0..4 {
        others.push(api.app.person(&TenantId::default_tenant(), user_id).await.unwrap());
    }
    let refused = api.get(&export_path(&user)).await;
    assert_eq!(refused.header("retry-after"), "1");
    let problem = refused.problem(StatusCode::SERVICE_UNAVAILABLE);
    assert!(text(&problem["detail"]).contains("at once"), "{problem}");
    others.pop();
    // One after another has its place when the one before was told whole.
    for _ in 0..3 {
        api.get(&export_path(&user)).await.json();
    }
}

/// A removed address has its place in the order in which they came, beside those that came with the user.
#[tokio::test]
async fn addresses_are_told_in_the_order_in_which_they_came() {
    let api = Api::new().await;
    imports::import(&api, "", &json!({"email": "first@example.com"}).to_string()).await;
    let user = api.get("/v1/users").await.json()["users"][0].clone();
    let mut user = json!({"user_id": user["user_id"]});
    for name in ["second", "third", "fourth"] {
        let email = json!({"email": format!("{name}@example.com"), "is_verified": name == "fourth"});
        user = api.post(&format!("{}/emails", path(&user)), email).await.json();
    }
    api.delete(&format!("{}/emails/{}", path(&user), text(&user["emails"][1]["id"]))).await.json();
    let export = api.get(&export_path(&user)).await;
    assert_eq!(export.header("content-type"), "application/json");
    let addresses = export.json()["addresses"].clone();
    let told: Vec<_> = addresses.as_array().unwrap().iter().map(|told| text(&told["address"])).collect();
    assert_eq!(told, ["first@example.com", "second@example.com", "third@example.com", "fourth@example.com"]);
    let histories = [0, 1, 2, 3].map(|place| addresses[place]["history"].as_array().unwrap().len());
    assert_eq!(histories, [0, 0, 0, 1]);
}

/// Every value of the tables that holds one of these texts, as the table it is in.
async fn holding(api: &Api, texts: &[String]) -> Vec<&'static str> {
    let holds = |value: &Stored| {
        let held = match value {
            Stored::Text(text) => text.to_lowercase(),
            Stored::Bytes(bytes) => String::from_utf8_lossy(bytes).to_lowercase(),
            Stored::Null | Stored::Integer(_) => return false,
        };
        texts.iter().any(|text| held.contains(&text.to_lowercase()))
    };
    let tables = TABLES.iter().filter(|table| table.name != "api_keys");
    let kept = api.kept().await;
    let found = tables.zip(&kept).filter(|(_, rows)| rows.iter().flatten().any(holds));
    found.map(|(table, _)| table.name).collect()
}

/// What is personal of the user of `known_everywhere`.
fn values() -> Vec<String> {
    [
        "ada@first.example",
        "ada@second.example",
        "first.example",
        "ada.l",
        "441514960453",
        "lovelace",
        "likes engines",
        "passport",
        "192.0.2.7",
        "desk/1",
    ]
    .map(str::to_owned)
    .to_vec()
}

#[tokio::test]
async fn nothing_personal_of_an_erased_user_is_in_any_table() {
    let api = Api::with_mail().await;
    let user = known_everywhere(&api).await;
    let other = api.user(json!({"email": "other@example.com"})).await;
    let in_all = ["users", "identifiers", "index_terms", "events", "proofs", "proof_requests"];
    assert_eq!(holding(&api, &values()).await, in_all);
    let before = api.events().await;
    let erased = api.delete(&format!("{}?erase=true", path(&user))).await;
    assert_eq!((erased.status, erased.bytes.len()), (StatusCode::NO_CONTENT, 0));
    assert_eq!(holding(&api, &values()).await, [""; 0]);
    assert!(!holding(&api, &["other@example.com".to_owned()]).await.is_empty());
    // Of what has only ids nothing waits either.
    let id = text(&user["user_id"]).to_owned();
    assert_eq!(holding(&api, &[id]).await, ["events"]);
    assert!(api.sent().await.is_empty());

    api.get(&path(&user)).await.problem(StatusCode::NOT_FOUND);
    let after = api.events().await;
    assert_eq!(after.len(), before.len() + 2);
    let receipt = after.last().unwrap();
    assert_eq!(receipt.kind, EventType::UserErased);
    assert_eq!(receipt.personal, Personal::default());
    assert_eq!(receipt.request_id.to_string(), erased.header("x-request-id"));
    let export = api.get(&export_path(&user)).await.json();
    assert!(export["addresses"].as_array().unwrap().iter().all(|address| address["address"].is_null()));
    assert_eq!(api.get(&path(&other)).await.json(), other);
    // The address is free for whoever comes.
    api.user(json!({"email": "ada@second.example", "email_verified": true, "username": "ada.l"})).await;
}

#[tokio::test]
async fn a_user_who_was_deleted_before_can_be_erased_once() {
    let api = Api::with_mail().await;
    let user = known_everywhere(&api).await;
    assert_eq!(api.delete(&path(&user)).await.status, StatusCode::NO_CONTENT);
    assert_eq!(holding(&api, &values()).await, ["events", "proof_requests"]);
    let erase = format!("{}?erase=true", path(&user));
    assert_eq!(api.delete(&erase).await.status, StatusCode::NO_CONTENT);
    assert_eq!(holding(&api, &values()).await, [""; 0]);
    api.delete(&erase).await.problem(StatusCode::NOT_FOUND);
    let events = api.events().await;
    assert_eq!(events.iter().filter(|event| event.kind == EventType::UserErased).count(), 1);
    api.delete("/api/users/UOtBaOybB6dTpIJNrnkRw?erase=true").await.problem(StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn deleting_erases_only_where_that_is_said_and_by_whom_may_delete() {
    let api = Api::new().await;
    let user = api.user(json!({"email": "ada@example.com"})).await;
    let reader = api.key(&[Scope::UsersRead]).await;
    let erase = format!("{}?erase=true", path(&user));
    api.call_as(&reader, Method::DELETE, &erase, Value::Null).await.problem(StatusCode::FORBIDDEN);
    for wrong in ["", "1", "yes", "TRUE"] {
        let answer = api.delete(&format!("{}?erase={wrong}", path(&user))).await;
        assert!(text(&answer.problem(StatusCode::BAD_REQUEST)["detail"]).contains("true or false"));
    }
    assert_eq!(api.get(&path(&user)).await.json(), user);
    assert_eq!(api.delete(&format!("{}?erase=false", path(&user))).await.status, StatusCode::NO_CONTENT);
    assert_eq!(holding(&api, &["ada@example.com".to_owned()]).await, ["events"]);
}

#[tokio::test]
async fn who_was_imported_deleted_and_imported_again_is_one_person() {
    let api = Api::new().await;
    let line = json!({"email": "twice@again.example", "email_verified": true}).to_string();
    imports::import(&api, "", &line).await;
    let first = api.get("/api/users").await.json()[0].clone();
    let email = format!("{}/emails/{}", path(&first), text(&first["emails"][0]["id"]));
    api.post(&format!("{email}/unverify"), json!({"reason": "Said in the first life"})).await.json();
    assert_eq!(api.delete(&path(&first)).await.status, 204);
    imports::import(&api, "", &line).await;
    assert_eq!(api.get("/api/users").await.json()[0]["user_id"], first["user_id"]);
    let told = api.get(&export_path(&first)).await;
    assert!(told.text().contains("Said in the first life"));

    assert_eq!(api.delete(&format!("{}?erase=true", path(&first))).await.status, 204);
    let events = api.get("/v1/events?limit=100").await;
    assert!(!events.text().contains("Said in the first life") && !events.text().contains("again.example"));
}
