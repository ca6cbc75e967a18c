//! One long random sequence of calls to a directory on each store: every answer is the same, and so is
//! everything that is kept in the end, which is also what its documents and rows say of each other.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::Method;
use bonafide::directory::log::WORDINGS;
use bonafide::directory::user::User;
use bonafide::store::IdentifierChange;
use bonafide::store::copy::{Row, TABLES, Value as Stored};
use bonafide::store::index::{identifier_changes, sort_names, terms};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::api_on_postgres::harness::Api as OnPostgres;
use crate::api_on_sqlite::harness::Api as OnSqlite;

/// How many calls there are.
const CALLS: usize = 3_000;
/// "correct horse" by another implementation of bcrypt, at cost 4, where hashing takes no time.
const BCRYPT: &str = "$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e";

/// A user and what is known of them; whoever is gone is still called for.
#[derive(Default)]
struct Known {
    users: Vec<String>,
    identifiers: Vec<(String, &'static str, String)>,
    groups: Vec<String>,
}

impl Known {
    /// Learns the ids of what an answer shows.
    fn learn(&mut self, answer: &Value) {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        if let (Some(user), Some(_)) = (text(&answer["user_id"]), answer.get("emails")) {
            for kind in ["emails", "phone_numbers"] {
                for identifier in answer[kind].as_array().into_iter().flatten() {
                    let path = if kind == "emails" { "emails" } else { "phones" };
                    let known = (user.clone(), path, text(&identifier["id"]).unwrap());
                    if !self.identifiers.contains(&known) {
                        self.identifiers.push(known);
                    }
                }
            }
            if !self.users.contains(&user) {
                self.users.push(user);
            }
        } else if let (Some(group), None) = (text(&answer["group_id"]), answer.get("user_id"))
            && !self.groups.contains(&group)
        {
            self.groups.push(group);
        }
    }
}

/// Few enough of each that they meet each other.
fn email(random: &mut StdRng) -> String {
    let name = ["ada", "Ada", "käthe", "bob"].choose(random).unwrap();
    format!("{name}{}@Example.com", random.random_range(0..6))
}

fn phone(random: &mut StdRng) -> String {
    format!("+4415149604{:02}", random.random_range(0..20))
}

fn word(random: &mut StdRng) -> &'static str {
    ["ada", "Straße", "STRASSE", "Ödön", "o'neil", "x\0y", "z\u{1}", "10", "9", "", "日本 語"]
        .choose(random)
        .unwrap()
}

fn data(random: &mut StdRng) -> Value {
    let value = match random.random_range(0..6) {
        0 => Value::Null,
        1 => json!(random.random_range(-20..20)),
        2 => json!(random.random_bool(0.5)),
        3 => json!({"inner": word(random), "list": [word(random), 1.5]}),
        _ => json!(word(random)),
    };
    json!({ *["plan", "seats", "k\0", "Name"].choose(random).unwrap(): value })
}

fn claims(random: &mut StdRng) -> Value {
    let name = ["name", "given_name", "middle_name", "family_name", "nickname"].choose(random).unwrap();
    json!({ *name: if random.random_bool(0.2) { Value::Null } else { json!(word(random)) } })
}

fn filter(random: &mut StdRng) -> String {
    let clauses = [
        format!("\"{}\"", word(random)),
        format!("claims.family_name:\"{}\"", word(random)),
        format!("NOT emails.email:{}", email(random)),
        format!("private_data.plan:{}", random.random_range(-20..20)),
        "private_data.seats:[-5 TO 9]".to_owned(),
        "emails.verified:true".to_owned(),
        "emails.verified:false AND NOT disabled:true".to_owned(),
        "claims.name:s*".to_owned(),
        "a* OR private_data.Name:*".to_owned(),
        "creation_time:>1640975500".to_owned(),
    ];
    clauses.choose(random).unwrap().clone()
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn list(random: &mut StdRng, path: &str, keys: &[&str]) -> String {
    let direction = if random.random_bool(0.5) { "1" } else { "-1" };
    let key = keys.choose(random).unwrap();
    let size = random.random_range(1..20);
    let page = random.random_range(1..4);
    let filter =
        if random.random_bool(0.5) { format!("&filter={}", encoded(&filter(random))) } else { String::new() };
    format!("{path}?sort={key}:{direction}&size={size}&page={page}{filter}")
}

const USER_KEYS: [&str; 7] =
    ["creation_time", "last_updated", "name", "given_name", "middle_name", "family_name", "failure_count"];
const LOG_KEYS: [&str; 5] = ["time_stamp", "category", "code", "type", "name"];
const GROUP_KEYS: [&str; 6] =
    ["name", "type", "users_assigned", "last_assigned", "creation_time", "last_updated"];

/// The next call.
fn call(random: &mut StdRng, known: &Known) -> (Method, String, Value) {
    let nobody = "UOtBaOybB6dTpIJNrnkRw".to_owned();
    let no_group = "8c8ee7ee-6c6f-4f3c-9b1c-0a3f5a3f2d11".to_owned();
    let user = known.users.choose(random).unwrap_or(&nobody).clone();
    let group = known.groups.choose(random).unwrap_or(&no_group).clone();
    let (owner, kind, id) = known.identifiers.choose(random).cloned().unwrap_or((nobody, "emails", no_group));
    let flag = random.random_bool(0.5);
    match random.random_range(0..40) {
        0..=2 => {
            let body = json!({
                "email": random.random_bool(0.8).then(|| email(random)),
                "email_verified": random.random_bool(0.3),
                "username": random.random_bool(0.3).then(|| format!("user{}", random.random_range(0..20))),
                "phone_number": random.random_bool(0.3).then(|| phone(random)),
                "phone_number_verified": random.random_bool(0.3),
                "claims": claims(random),
                "private_data": data(random),
                "skip_conformance_checks": true,
            });
            (Method::POST, "/api/users".to_owned(), body)
        }
        3 => (Method::DELETE, format!("/api/users/{user}"), Value::Null),
        4..=5 => {
            let body = json!({"email": email(random), "is_verified": flag});
            (Method::POST, format!("/api/users/{user}/emails"), body)
        }
        6 => {
            let body = json!({"phone_number": phone(random), "is_verified": flag});
            (Method::POST, format!("/api/users/{user}/phones"), body)
        }
        7 => (Method::DELETE, format!("/api/users/{owner}/{kind}/{id}"), Value::Null),
        8 => (Method::POST, format!("/api/users/{owner}/{kind}/{id}/primary"), Value::Null),
        9..=12 => (Method::POST, format!("/api/users/{owner}/{kind}/{id}/verify"), Value::Null),
        13..=15 => (
            Method::POST,
            format!("/api/users/{owner}/{kind}/{id}/unverify"),
            json!({"reason": word(random)}),
        ),
        16 => {
            let body = json!({"username": format!("User{}", random.random_range(0..20))});
            (Method::PUT, format!("/api/users/{user}/username"), body)
        }
        17 => (Method::DELETE, format!("/api/users/{user}/username"), Value::Null),
        18 => (Method::PATCH, format!("/api/users/{user}/claims"), claims(random)),
        19 => (Method::PATCH, format!("/api/users/{user}/private_data"), data(random)),
        20 => (Method::PATCH, format!("/api/users/{user}/public_data"), data(random)),
        21 => {
            let action = if flag { "disable" } else { "enable" };
            (Method::POST, format!("/api/users/{user}/{action}"), Value::Null)
        }
        22 => (Method::POST, format!("/api/users/{user}/password/reset"), json!({})),
        23 => {
            let body = json!({
                "name": format!("{} {}", word(random), random.random_range(0..9)),
                "description": word(random),
                "is_auto_assigned": random.random_bool(0.1),
            });
            (Method::POST, "/api/groups".to_owned(), body)
        }
        24 => (
            Method::PATCH,
            format!("/api/groups/{group}"),
            json!({"name": word(random), "description": word(random)}),
        ),
        25 if random.random_bool(0.3) => (Method::DELETE, format!("/api/groups/{group}"), Value::Null),
        25..=27 => (Method::POST, format!("/api/users/{user}/groups/{group}"), Value::Null),
        28 => (Method::DELETE, format!("/api/users/{user}/groups/{group}"), Value::Null),
        29 => (Method::GET, list(random, "/api/users", &USER_KEYS), Value::Null),
        30 => (
            Method::GET,
            list(random, &format!("/api/users/groups/{group}/assigned"), &USER_KEYS),
            Value::Null,
        ),
        31 => {
            let path = list(random, "/api/groups", &GROUP_KEYS);
            (Method::GET, path.split("&filter").next().unwrap().to_owned(), Value::Null)
        }
        32 => {
            let word = word(random);
            let filter = encoded(&format!("\"{word}\" OR description:\"{word}\""));
            (Method::GET, format!("/api/groups?filter={filter}"), Value::Null)
        }
        33 => (Method::GET, format!("/api/users/{user}/groups?sort=creation_time:1"), Value::Null),
        34 => (Method::GET, logs(random, &user, &group), Value::Null),
        35 => {
            let path = format!("/v1/users?limit={}&after={user}", random.random_range(1..20));
            let filter = if flag { format!("&filter={}", encoded(&filter(random))) } else { String::new() };
            (Method::GET, path + &filter, Value::Null)
        }
        36..=39 => passwords(random, &user),
        other => unreachable!("{other} is beyond the range"),
    }
}

/// A call for a page of logs.
fn logs(random: &mut StdRng, user: &str, group: &str) -> String {
    let path = list(random, "/api/logs", &LOG_KEYS);
    let path = path.split("&filter").next().unwrap_or_default();
    let filters = [
        format!("targets.id:{user}"),
        format!("targets.id:{group} OR code:user_created"),
        "NOT category:users".to_owned(),
        format!("time_stamp:>{}", 1_640_975_400 + random.random_range(0..30_000)),
        "group* AND actor.name:test".to_owned(),
        String::new(),
    ];
    format!("{path}&filter={}", encoded(filters.choose(random).unwrap()))
}

/// A call that is about a password. Few of them hash one, because that is made to take long.
fn passwords(random: &mut StdRng, user: &str) -> (Method, String, Value) {
    let path = format!("/api/users/{user}/password");
    let bcrypt = json!({"password_hash": BCRYPT, "password_hash_algorithm": "bcrypt", "is_temporary_password": random.random_bool(0.3)});
    match random.random_range(0..10) {
        0..=3 => (Method::PUT, path, bcrypt),
        4 => (Method::DELETE, path, Value::Null),
        5..=6 => (Method::POST, format!("{path}/force_reset"), Value::Null),
        7 => (Method::DELETE, format!("{path}/force_reset"), Value::Null),
        8 => {
            let body = json!({"old_password": "wrong horse", "new_password": "battery staple 1"});
            (Method::PUT, format!("{path}/change"), body)
        }
        _ => {
            let body = json!({"old_password": "correct horse", "new_password": "battery staple 2"});
            (Method::PUT, format!("{path}/change"), body)
        }
    }
}

/// The rows of one of the tables that were kept.
fn rows<'a>(kept: &'a [Vec<Row>], table: &str) -> &'a [Row] {
    let mut names = TABLES.iter().map(|table| table.name).filter(|name| *name != "api_keys");
    &kept[names.position(|name| name == table).unwrap()]
}

/// The value of a column of a row of a table, as a text.
fn of(table: &str, row: &Row, column: &str) -> String {
    let table = TABLES.iter().find(|known| known.name == table).unwrap();
    let place = table.columns.iter().position(|known| known.name == column).unwrap();
    match &row[place] {
        Stored::Null => String::new(),
        Stored::Integer(number) => number.to_string(),
        Stored::Text(text) => text.clone(),
        Stored::Bytes(bytes) => format!("{bytes:02x?}"),
    }
}

/// Whatever is kept of users beside their documents is what it would be if it were found anew.
fn assert_that_users_are_found_by_what_they_are(kept: &[Vec<Row>]) {
    let (mut all_terms, mut all_identifiers) = (BTreeSet::new(), BTreeSet::new());
    for row in rows(kept, "users") {
        let user = User::from_document(of("users", row, "document").as_bytes()).unwrap();
        let user_id = user.user_id.to_string();
        assert_eq!(of("users", row, "user_id"), user_id);
        assert_eq!(of("users", row, "creation_time"), user.creation_time.0.to_string());
        assert_eq!(of("users", row, "last_updated"), user.last_updated.0.to_string());
        let names = sort_names(&user);
        for (column, name) in [
            ("name", &names.name),
            ("given_name", &names.given_name),
            ("middle_name", &names.middle_name),
            ("family_name", &names.family_name),
        ] {
            assert_eq!(of("users", row, column), *name, "{column} of {user_id}");
        }
        for term in terms(&user) {
            all_terms.insert((user_id.clone(), term.field.to_string(), term.value));
        }
        for change in identifier_changes(None, Some(&user)) {
            let IdentifierChange::Add(known) = change else { unreachable!("a new user loses nothing") };
            let claimant = if known.owned { String::new() } else { user_id.clone() };
            let id = format!("{:02x?}", known.id.as_bytes());
            all_identifiers.insert([user_id.clone(), known.kind.to_string(), known.canonical, claimant, id]);
        }
    }
    let kept_terms: BTreeSet<_> = rows(kept, "index_terms")
        .iter()
        .map(|row| {
            let column = |column| of("index_terms", row, column);
            (column("user_id"), column("field"), column("value"))
        })
        .collect();
    assert!(all_terms.len() > 500, "{}", all_terms.len());
    assert_eq!(kept_terms, all_terms);
    let columns = ["user_id", "kind", "canonical", "claimant", "identifier_id"];
    let kept_identifiers: BTreeSet<_> = rows(kept, "identifiers")
        .iter()
        .map(|row| columns.map(|column| of("identifiers", row, column)))
        .collect();
    assert_eq!(kept_identifiers, all_identifiers);
}

/// Whatever is counted beside the rows is how many rows there are.
fn assert_that_counts_are_right(kept: &[Vec<Row>]) {
    let mut members = BTreeMap::<String, usize>::new();
    let users: BTreeSet<_> = rows(kept, "users").iter().map(|row| of("users", row, "user_id")).collect();
    for row in rows(kept, "memberships") {
        assert!(users.contains(&of("memberships", row, "user_id")));
        *members.entry(of("memberships", row, "group_id")).or_default() += 1;
    }
    assert!(!members.is_empty());
    for row in rows(kept, "groups") {
        let counted = members.remove(&of("groups", row, "group_id")).unwrap_or_default();
        assert_eq!(of("groups", row, "users_assigned"), counted.to_string());
    }
    assert!(members.is_empty(), "somebody is in a group that is not there");
    let is_logged = |kind: &str| WORDINGS.iter().any(|wording| wording.event.as_str() == kind);
    let logs = rows(kept, "events").iter().filter(|row| is_logged(&of("events", row, "type"))).count();
    let [tenant] = rows(kept, "tenants") else { panic!("there is one tenant") };
    assert_eq!(of("tenants", tenant, "users"), users.len().to_string());
    assert_eq!(of("tenants", tenant, "logs"), logs.to_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_calls_have_the_same_answers_and_the_same_end_on_both_stores() {
    let (one, other) = (OnSqlite::new().await, OnPostgres::new().await);
    let mut random = StdRng::seed_from_u64(2_024);
    let mut known = Known::default();
    let (mut done, mut refused) = (0, 0);
    for number in 0..CALLS {
        if random.random_bool(0.2) {
            let seconds = random.random_range(1..100);
            one.clock.advance(seconds);
            other.clock.advance(seconds);
        }
        let (method, path, body) = call(&mut random, &known);
        let answer = one.call(method.clone(), &path, body.clone()).await;
        let same = other.call(method.clone(), &path, body.clone()).await;
        let shown = format!("call {number}: {method} {path} {body}");
        assert_eq!(answer.text(), same.text(), "{shown}");
        assert_eq!((answer.status, &answer.headers), (same.status, &same.headers), "{shown}");
        assert!(!answer.status.is_server_error(), "{shown}: {}", answer.text());
        if answer.status.is_success() {
            done += 1;
            if let Ok(answer) = serde_json::from_slice(&answer.bytes) {
                known.learn(&answer);
            }
        } else {
            refused += 1;
        }
    }
    assert!(done > CALLS / 2 && refused > CALLS / 20, "{done} calls were done and {refused} refused");
    let (mut after, mut happened) = (0, 0);
    loop {
        let path = format!("/v1/events?limit=1000&after={after}");
        let (events, same) = (one.get(&path).await.json(), other.get(&path).await.json());
        assert_eq!(events, same);
        happened += events["events"].as_array().unwrap().len();
        match events["next"].as_str() {
            Some(next) => after = next.parse().unwrap(),
            None => break,
        }
    }
    assert!(happened > CALLS / 4, "few events: {happened}");
    let kept = one.kept().await;
    for (table, (rows, same)) in kept.iter().zip(other.kept().await).enumerate() {
        assert_eq!(rows.len(), same.len(), "table {table}");
        assert!(*rows == same, "the rows of table {table} differ");
    }
    assert_that_users_are_found_by_what_they_are(&kept);
    assert_that_counts_are_right(&kept);
}
