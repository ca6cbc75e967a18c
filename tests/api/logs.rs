//! The logs: what happened, in the vocabulary that published clients know.

use std::collections::BTreeSet;

use axum::http::{Method, StatusCode};
use bonafide::app::proofs::{ResetView, Visitor};
use bonafide::directory::api_key::Scope;
use bonafide::directory::event::{EventType, Origin};
use bonafide::directory::log::{LogCode, WORDINGS};
use bonafide::directory::password::Password;
use bonafide::id::{RequestId, TenantId};
use bonafide::secret::PlainKey;
use serde_json::{Value, json};
use url::form_urlencoded::byte_serialize;

use super::compatibility::facts;
use super::harness::{Answer, Api, START};

/// What is wrong with `value` by a type of the vocabulary. Every field must be there, also one that
/// clients could do without.
fn faults(vocabulary: &Value, kind: &str, value: &Value, path: &str) -> Vec<String> {
    if let Some(kind) = kind.strip_suffix(" | null") {
        return if value.is_null() { Vec::new() } else { faults(vocabulary, kind, value, path) };
    }
    if let Some(kind) = kind.strip_suffix("[]") {
        let Some(items) = value.as_array() else { return vec![format!("{path} is no list")] };
        return items.iter().flat_map(|item| faults(vocabulary, kind, item, path)).collect();
    }
    if let Some(fields) = vocabulary["models"][kind].as_object() {
        let of_field = |(name, kind): (&String, &Value)| {
            let name = name.trim_end_matches('?');
            match value.get(name) {
                Some(value) => faults(vocabulary, kind.as_str().unwrap(), value, &format!("{path}.{name}")),
                None => vec![format!("{path}.{name} is missing")],
            }
        };
        return fields.iter().flat_map(of_field).collect();
    }
    let fits = match (kind, vocabulary["enums"][kind].as_array()) {
        (_, Some(values)) => values.contains(value),
        ("string", None) => value.is_string(),
        ("number", None) => value.is_i64(),
        ("object", None) => value.is_object(),
        (other, None) => panic!("{other} is no type of the vocabulary"),
    };
    if fits { Vec::new() } else { vec![format!("{path}: {value} is no {kind}")] }
}

#[track_caller]
fn assert_speaks_the_vocabulary(log: &Value) {
    let faults = faults(&facts(), "Log", log, "log");
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn a_log_beside_the_vocabulary_is_told() {
    for (pointer, wrong) in [
        ("/code", json!("user_password_set")),
        ("/category", json!("passwords")),
        ("/type", json!("done")),
        ("/actor/type", json!("robot")),
        ("/targets/0/type", json!("email")),
        ("/time_stamp", json!(1.5)),
        ("/system/local_ip", Value::Null),
        ("/request/location", json!({})),
    ] {
        let document: Value = serde_json::from_slice(&bonafide::api::openapi_document()).unwrap();
        let mut log =
            document["paths"]["/api/logs/{log_id}"]["get"]["responses"]["200"]["content"]["application/json"]
                ["example"]
                .clone();
        assert_speaks_the_vocabulary(&log);
        *log.pointer_mut(pointer).unwrap() = wrong;
        assert!(!faults(&facts(), "Log", &log, "log").is_empty(), "{pointer}");
    }
}

/// Calls operations, and remembers which.
struct Caller<'a> {
    api: &'a Api,
    user: String,
    group: String,
    called: BTreeSet<(String, String)>,
}

impl Caller<'_> {
    /// Calls the operation of this method and path; `identifier` is what its path names, if any.
    async fn call(&mut self, method: Method, path: &str, identifier: &Value, body: Value) -> Value {
        self.called.insert((method.as_str().to_lowercase(), path.to_owned()));
        let path = path
            .replace("{user_id}", &self.user)
            .replace("{group_id}", &self.group)
            .replace("{identifier_id}", identifier.as_str().unwrap_or_default())
            .replace("{key_id}", identifier.as_str().unwrap_or_default());
        let answer = self.api.call(method, &path, body).await;
        assert!(answer.status.is_success(), "{path}: {}", answer.text());
        serde_json::from_slice(&answer.bytes).unwrap_or_default()
    }
}

/// Makes a user who is blocked, which nothing does yet.
async fn block(api: &Api, user: &str) {
    let origin = Origin::of_key(
        TenantId::default_tenant(),
        PlainKey::new(&*api.app.random).id(),
        "test",
        &*api.app.random,
    );
    let blocked = api.app.change(&origin, user.parse().unwrap(), |user, ctx| {
        user.failure_count = 5;
        Ok(vec![ctx.event(EventType::UserDisabled, user.user_id, None, None)])
    });
    blocked.await.unwrap();
}

/// One whose server sends mail, and proves emails by links and codes.
async fn proving_api() -> Api {
    let api = Api::with_mail().await;
    api.choose(&[("proof_means", "both")]).await;
    api
}

/// Calls every operation that changes anything, each so that it does.
async fn everything(api: &Api) -> BTreeSet<(String, String)> {
    let (post, put, patch, delete) = (Method::POST, Method::PUT, Method::PATCH, Method::DELETE);
    let none = Value::Null;
    let mut caller = Caller { api, user: String::new(), group: String::new(), called: BTreeSet::new() };
    let named = json!({"name": "every user", "is_auto_assigned": true});
    caller.call(post.clone(), "/api/groups", &none, named).await;
    let fields = json!({"email": "user@example.com", "phone_number": "+441514960453", "username": "user"});
    let user = caller.call(post.clone(), "/api/users", &none, fields).await;
    caller.user = user["user_id"].as_str().unwrap().to_owned();
    let group = caller.call(post.clone(), "/api/groups", &none, json!({"name": "group"})).await;
    caller.group = group["group_id"].as_str().unwrap().to_owned();
    caller.call(post.clone(), "/v1/import", &none, json!({"email": "brought@example.com"})).await;
    block(api, &caller.user).await;
    for action in ["unblock", "disable", "enable"] {
        caller.call(post.clone(), &format!("/api/users/{{user_id}}/{action}"), &none, json!({})).await;
    }
    for action in ["verify", "unverify"] {
        let all = json!({"filter": "*"});
        caller.call(post.clone(), &format!("/v1/emails/{action}"), &none, all).await;
    }
    for (list, added, first) in [
        ("emails", json!({"email": "other@example.com"}), &user["emails"][0]["id"]),
        ("phones", json!({"phone_number": "+15551234567"}), &user["phone_numbers"][0]["id"]),
    ] {
        let all = format!("/api/users/{{user_id}}/{list}");
        let user = caller.call(post.clone(), &all, &none, added).await;
        let second =
            if list == "emails" { &user["emails"][1]["id"] } else { &user["phone_numbers"][1]["id"] };
        for action in ["verify", "unverify"] {
            caller.call(post.clone(), &format!("{all}/{{identifier_id}}/{action}"), first, json!({})).await;
        }
        prove(&mut caller, list, second).await;
        caller.call(post.clone(), &format!("{all}/{{identifier_id}}/primary"), second, none.clone()).await;
        caller.call(delete.clone(), &format!("{all}/{{identifier_id}}"), first, none.clone()).await;
    }
    let username = "/api/users/{user_id}/username";
    caller.call(put.clone(), username, &none, json!({"username": "other"})).await;
    caller.call(delete.clone(), username, &none, none.clone()).await;
    for (data, body) in [
        ("claims", json!({"given_name": "Ada"})),
        ("public_data", json!({"public_data": {"a": 1}})),
        ("private_data", json!({"private_data": {"a": 1}})),
    ] {
        caller.call(patch.clone(), &format!("/api/users/{{user_id}}/{data}"), &none, body).await;
    }
    let password = "/api/users/{user_id}/password";
    let force = format!("{password}/force_reset");
    caller.call(put.clone(), password, &none, json!({"password": "correct horse"})).await;
    caller.call(post.clone(), &force, &none, none.clone()).await;
    caller.call(delete.clone(), &force, &none, none.clone()).await;
    let change = json!({"old_password": "correct horse", "new_password": "battery staple"});
    caller.call(put, &format!("{password}/change"), &none, change).await;
    let by_mail = json!({"send_email": true});
    let reset = caller.call(post.clone(), &format!("{password}/reset"), &none, by_mail).await;
    assert_eq!(reset["email_sent"], json!(true));
    api.sent().await;
    let token = reset["link"].as_str().unwrap().rsplit_once('/').unwrap().1;
    let visitor =
        Visitor { request_id: RequestId::new(&*api.app.random), remote_address: None, user_agent: None };
    let new = Password::new("staple correct");
    assert!(matches!(api.app.reset_by_link(token, &new, &visitor).await.unwrap(), ResetView::Done { .. }));
    caller.call(delete.clone(), password, &none, none.clone()).await;
    let membership = "/api/users/{user_id}/groups/{group_id}";
    caller.call(post, membership, &none, none.clone()).await;
    caller.call(delete.clone(), membership, &none, none.clone()).await;
    let group = "/api/groups/{group_id}";
    caller.call(patch, group, &none, json!({"name": "another group"})).await;
    caller.call(delete.clone(), group, &none, none.clone()).await;
    caller.call(delete.clone(), "/api/users/{user_id}", &none, none.clone()).await;
    caller.call(delete, "/api/users/{user_id}?erase=true", &none, none.clone()).await;
    look_after_a_key(&mut caller).await;
    caller.called
}

/// Does to a key what can be done to one.
async fn look_after_a_key(caller: &mut Caller<'_>) {
    let fields = json!({"name": "test", "scopes": ["users:read"]});
    let made = caller.call(Method::POST, "/v1/keys", &Value::Null, fields).await;
    let id = &made["about"]["key_id"];
    let limit = json!({"rate_limit": "600/minute"});
    caller.call(Method::PATCH, "/v1/keys/{key_id}", id, limit).await;
    for action in ["rotate", "revoke"] {
        caller.call(Method::POST, &format!("/v1/keys/{{key_id}}/{action}"), id, Value::Null).await;
    }
}

/// Starts proofs of an address of the caller's user in every way, of which one ends, the mail of one
/// is given up, and one is sent and used.
async fn prove(caller: &mut Caller<'_>, list: &str, address: &Value) {
    let api = caller.api;
    let path = |surface: &str, action: &str| {
        format!("/{surface}/users/{{user_id}}/{list}/{{identifier_id}}/{action}")
    };
    if list == "emails" {
        let week = json!({"expiry": 604_800});
        caller.call(Method::POST, &path("api", "verify/link"), address, week).await;
        api.clock.advance(86_400);
        assert_eq!(api.failing_outbox().send_due().await.unwrap(), 1);
    } else {
        caller.call(Method::POST, &path("v1", "verify/start"), address, json!({})).await;
    }
    caller.call(Method::POST, &path("api", "unverify"), address, json!({})).await;
    api.clock.advance(60);
    let started = caller.call(Method::POST, &path("v1", "verify/start"), address, json!({})).await;
    api.sent().await;
    let code = json!({"code": started["code"]});
    caller.call(Method::POST, &path("v1", "verify/check"), address, code).await;
}

/// All logs, oldest first.
async fn logs(api: &Api) -> Vec<Value> {
    api.get("/api/logs?size=1000&sort=time_stamp:1").await.json().as_array().unwrap().clone()
}

fn query(filter: &str) -> String {
    byte_serialize(filter.as_bytes()).collect()
}

async fn codes(api: &Api, query: &str) -> Vec<String> {
    let answer = api.get(&format!("/api/logs?{query}")).await;
    answer.json().as_array().unwrap().iter().map(|log| log["code"].as_str().unwrap().to_owned()).collect()
}

fn total(answer: &Answer) -> u64 {
    let pagination: Value = serde_json::from_str(answer.header("x-pagination")).unwrap();
    pagination["total_count"].as_u64().unwrap()
}

#[tokio::test]
async fn everything_that_happens_is_told_in_the_vocabulary_or_not_at_all() {
    let api = proving_api().await;
    let called = everything(&api).await;
    let document = api.get("/openapi.json").await.json();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys().filter(|method| *method != "get") {
            assert!(called.contains(&(method.clone(), path.clone())), "{method} {path} is not called");
        }
    }
    let events = api.events().await;
    for kind in EventType::ALL {
        assert!(events.iter().any(|event| event.kind == *kind), "{kind} did not happen");
    }
    let logs = logs(&api).await;
    for log in &logs {
        assert_speaks_the_vocabulary(log);
    }
    let told: Vec<_> =
        logs.iter().map(|log| log["details"]["event_id"].as_str().unwrap().to_owned()).collect();
    let expected: Vec<_> = events
        .iter()
        .filter(|event| WORDINGS.iter().any(|wording| wording.event == event.kind))
        .map(|event| event.id.to_string())
        .collect();
    assert_eq!(told, expected);
    let codes: BTreeSet<_> = logs.iter().map(|log| log["code"].as_str().unwrap()).collect();
    assert_eq!(codes, LogCode::ALL.iter().map(|code| code.as_str()).collect());
}

#[tokio::test]
async fn a_log_is_found_by_its_id_and_nothing_else_is_one() {
    let api = Api::new().await;
    let user = api.user(json!({"email": "user@example.com"})).await;
    let created = api.get("/api/logs").await;
    assert_eq!(total(&created), 1);
    let created = created.json()[0].clone();
    let request = &created["request"];
    let expected = json!({
        "id": "0000000000000001",
        "time_stamp": START.0,
        "category": "users",
        "name": "User created",
        "description": "A user was created.",
        "type": "success",
        "code": "user_created",
        "message": null,
        "system": {
            "activity_id": null,
            "process_id": std::process::id(),
            "local_ip": {"ip": "127.0.0.1", "version": "IPv4"}
        },
        "request": {
            "trace_id": request["trace_id"], "user_agent": null, "remote_ip": null,
            "location": {
                "region": null, "region_code": null, "city": null, "country": null, "continent": null,
                "latitude": null, "longitude": null, "time_zone": null, "zip_code": null
            }
        },
        "source": null,
        "actor": {
            "type": "api_key", "id": created["actor"]["id"], "name": "test", "identifier": null,
            "session_id": null
        },
        "targets": [{"type": "user", "id": user["user_id"], "name": null, "identifier": null}],
        "client": null,
        "details": {
            "event_id": created["details"]["event_id"], "event_type": "user.created",
            "method": "admin_api", "reason": null
        }
    });
    assert_eq!(created, expected);
    assert!(api.admin.starts_with(&format!("bf_{}_", created["actor"]["id"].as_str().unwrap())));
    assert_eq!(request["trace_id"], api.get("/v1/events").await.json()["events"][0]["request_id"]);
    assert_eq!(api.get("/api/logs/0000000000000001").await.json(), created);
    // The second event is that of the email, for which there is no code.
    assert_eq!(api.events().await[1].kind, EventType::EmailAdded);
    for id in ["0000000000000002", "0000000000000003", "1", "0000000000000000", "x", "ffffffffffffffff"] {
        let problem = api.get(&format!("/api/logs/{id}")).await.problem(StatusCode::NOT_FOUND);
        assert_eq!(problem["detail"], "The log was not found.", "{id}");
    }
}

#[tokio::test]
async fn logs_have_pages_in_every_order() {
    let api = Api::new().await;
    let path = |group: &Value| format!("/api/groups/{}", group["group_id"].as_str().unwrap());
    let mut made = Vec::new();
    for number in 0..3 {
        api.clock.advance(1);
        let name = json!({"name": format!("group{number}")});
        made.push(api.post("/api/groups", name).await.json_of(StatusCode::CREATED));
        api.user(json!({"username": format!("user{number}")})).await;
    }
    api.delete(&path(&made[0])).await;
    let newest = ["group_deleted", "user_created", "group_created", "user_created", "group_created"];
    assert_eq!(codes(&api, "size=5").await, newest);
    let answer = api.get("/api/logs?size=5&page=2").await;
    assert_eq!(
        answer.header("x-pagination"),
        r#"{"page_size":5,"current_page":2,"total_count":7,"has_previous":true,"has_next":false}"#
    );
    assert_eq!(codes(&api, "size=5&page=2").await, ["user_created", "group_created"]);
    let by_code = ["group_created", "group_created", "group_created", "group_deleted", "user_created"];
    for key in ["code", "name"] {
        assert_eq!(codes(&api, &format!("sort={key}:1&size=5")).await, by_code);
    }
    let by_category = ["group_created", "group_created", "group_created", "group_deleted", "user_created"];
    assert_eq!(codes(&api, "sort=category:1&size=5").await, by_category);
    assert_eq!(codes(&api, "sort=type:-1&size=5").await, newest);
    for wrong in ["sort=id:1", "sort=code", "size=0", "filter=shoe_size:9", "filter=(", "filter=id:0*"] {
        api.get(&format!("/api/logs?{wrong}")).await.problem(StatusCode::BAD_REQUEST);
    }
    let wrong = api.get("/api/logs?sort=x:1").await.problem(StatusCode::BAD_REQUEST);
    assert!(wrong["detail"].as_str().unwrap().contains("like time_stamp:-1"), "{wrong}");
}

#[tokio::test]
async fn the_fields_of_a_log_find_it() {
    let api = proving_api().await;
    everything(&api).await;
    let logs = logs(&api).await;
    let removed = logs.iter().find(|log| log["code"] == "user_removed_from_group").unwrap();
    let field = |pointer: &str| {
        let value = removed.pointer(pointer).unwrap();
        value.as_str().map_or_else(|| value.to_string(), |text| format!("\"{text}\""))
    };
    let mut filters: Vec<String> = [
        ("id", "/id"),
        ("time_stamp", "/time_stamp"),
        ("category", "/category"),
        ("code", "/code"),
        ("type", "/type"),
        ("name", "/name"),
        ("actor.id", "/actor/id"),
        ("actor.name", "/actor/name"),
        ("actor.type", "/actor/type"),
        ("targets.id", "/targets/0/id"),
        ("targets.id", "/targets/1/id"),
        ("targets.type", "/targets/0/type"),
        ("targets.type", "/targets/1/type"),
        ("request.trace_id", "/request/trace_id"),
    ]
    .into_iter()
    .map(|(name, pointer)| format!("{name}:{}", field(pointer)))
    .collect();
    let bare =
        ["/code", "/name", "/actor/id", "/actor/name", "/targets/0/id", "/targets/1/id", "/request/trace_id"];
    filters.extend(bare.map(field));
    for filter in &filters {
        let found = api.get(&format!("/api/logs?size=1000&filter={}", query(filter))).await;
        let others = api.get(&format!("/api/logs?filter={}", query(&format!("NOT {filter}")))).await;
        assert!(found.json().as_array().unwrap().contains(removed), "{filter}");
        assert_eq!(total(&found) + total(&others), logs.len() as u64, "{filter}");
    }
    let all = api.get(&format!("/api/logs?filter={}", query(&filters.join(" AND ")))).await;
    assert_eq!(all.json(), json!([removed]));
    for nothing in ["removed", "\"\"", "actor.id:x", "actor.name:nobody", "code:user_sign_in_succeeded"] {
        let answer = api.get(&format!("/api/logs?filter={}", query(nothing))).await;
        assert_eq!((answer.json(), total(&answer)), (json!([]), 0), "{nothing}");
    }
}

#[tokio::test]
async fn what_the_owner_and_the_server_do_is_told_as_theirs() {
    let api = proving_api().await;
    everything(&api).await;
    let mut others = 0;
    for (code, category, kind, actor) in [
        ("email_sending_failed", "notifications", "failure", "system"),
        ("password_reset_email_sending_succeeded", "notifications", "success", "system"),
        ("user_password_reset_succeeded", "users", "success", "user"),
        ("verification_email_sending_succeeded", "notifications", "success", "system"),
    ] {
        let filter = format!("code:{code} category:{category} type:{kind} actor.type:{actor}");
        let found = api.get(&format!("/api/logs?filter={}", query(&filter))).await;
        let (logs, count) = (found.json(), total(&found));
        let expected = json!({
            "type": actor, "id": null, "name": null, "identifier": null, "session_id": null
        });
        for log in logs.as_array().unwrap() {
            assert_eq!((&log["code"], &log["actor"]), (&json!(code), &expected));
        }
        assert_eq!(logs.as_array().unwrap().len() as u64, count, "{code}");
        assert!(count > 0, "{code}");
        others += count;
    }
    for filter in ["NOT actor.type:api_key", "NOT actor.id:*", "NOT actor.name:*", "NOT actor.name:test"] {
        let found = api.get(&format!("/api/logs?filter={}", query(filter))).await;
        assert_eq!(
            (found.json().as_array().unwrap().len() as u64, total(&found)),
            (others, others),
            "{filter}"
        );
    }
}

#[tokio::test]
async fn logs_are_read_with_their_own_scope_and_within_the_tenant() {
    let api = Api::new().await;
    api.user(json!({"email": "user@example.com"})).await;
    let acme: TenantId = "acme".parse().unwrap();
    api.app.store.create_tenant(&acme, START).await.unwrap();
    let ours = api.key(&[Scope::LogsRead]).await;
    let theirs = api.key_of(&acme, &[Scope::LogsRead], None).await;
    let other = api.key(&[Scope::EventsRead, Scope::UsersRead]).await;
    for path in ["/api/logs", "/api/logs/0000000000000001"] {
        api.call_as(&ours, Method::GET, path, Value::Null).await.json();
        let refused =
            api.call_as(&other, Method::GET, path, Value::Null).await.problem(StatusCode::FORBIDDEN);
        assert!(refused["detail"].as_str().unwrap().contains("logs:read"), "{refused}");
    }
    let answer = api.call_as(&theirs, Method::GET, "/api/logs", Value::Null).await;
    assert_eq!((answer.json(), total(&answer)), (json!([]), 0));
    let one = api.call_as(&theirs, Method::GET, "/api/logs/0000000000000001", Value::Null).await;
    one.problem(StatusCode::NOT_FOUND);
}
