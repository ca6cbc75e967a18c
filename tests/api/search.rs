//! Searching: the filter language over real users, and walks over all of them.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use url::form_urlencoded::byte_serialize;

use super::harness::Api;

/// Users of all kinds, by the username they are told apart by.
async fn people(api: &Api) {
    for (fields, private, verified) in [
        (
            json!({"username": "ada", "email": "Ada.Lovelace@example.com", "name": "Ada Lovelace", "family_name": "Lovelace", "given_name": "Ada"}),
            json!({"plan": "Gold", "seats": 3, "beta": true, "tags": ["a", "b"]}),
            true,
        ),
        (
            json!({"username": "grace", "email": "grace@navy.example", "name": "Grace Hopper", "family_name": "Hopper", "phone_number": "+15551234567", "phone_number_verified": true}),
            json!({"plan": "gold", "seats": 20, "zip": "02134"}),
            false,
        ),
        (
            json!({"username": "oneil", "email": "shaq@bücher.example", "name": "Shaquille O'Neil", "family_name": "O'Neil", "nickname": "Diesel"}),
            json!({"plan": "none", "seats": -1.5, "beta": false}),
            true,
        ),
        (
            json!({"username": "zoe", "phone_number": "+441514960453", "name": "Zoë", "family_name": "Straße"}),
            json!({"site": "https://example.com/a?b=c"}),
            false,
        ),
    ] {
        api.clock.advance(10);
        let user = api.user(fields).await;
        let path = format!("/api/users/{}", user["user_id"].as_str().unwrap());
        let body = json!({"private_data": private});
        api.call(Method::PATCH, &format!("{path}/private_data"), body).await.json();
        if verified {
            let email = user["emails"][0]["id"].as_str().unwrap();
            api.post(&format!("{path}/emails/{email}/verify"), Value::Null).await.json();
        }
    }
}

fn query(filter: &str) -> String {
    byte_serialize(filter.as_bytes()).collect()
}

/// The usernames of the users a filter finds, oldest first.
async fn found(api: &Api, filter: &str) -> Vec<String> {
    let answer = api.get(&format!("/api/users?sort=creation_time:1&filter={}", query(filter))).await;
    let users = answer.json();
    let pagination: Value = serde_json::from_str(answer.header("x-pagination")).unwrap();
    assert_eq!(pagination["total_count"], users.as_array().unwrap().len(), "{filter}");
    users
        .as_array()
        .unwrap()
        .iter()
        .map(|user| user["username"]["username"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_filter_finds_whom_it_describes() {
    let api = Api::new().await;
    people(&api).await;
    let everybody: &[&str] = &["ada", "grace", "oneil", "zoe"];
    for (filter, expected) in [
        ("", everybody),
        ("*", everybody),
        // Bare words: whole values and their words, folded, no substrings.
        ("lovelace", &["ada"]),
        ("LOVELACE", &["ada"]),
        ("love", &[]),
        ("love*", &["ada"]),
        ("\"ada lovelace\"", &["ada"]),
        ("ada.lovelace@example.com", &["ada"]),
        ("ADA.Lovelace@EXAMPLE.com", &["ada"]),
        ("shaq@bücher.example", &["oneil"]),
        ("shaq@xn--bcher-kva.example", &["oneil"]),
        ("NOT shaq@xn--bcher-kva.example", &["ada", "grace", "zoe"]),
        ("shaq@xn--bcher*", &[]),
        ("navy", &["grace"]),
        ("O'Neil", &["oneil"]),
        ("zoe", &["zoe"]),
        ("zoë", &["zoe"]),
        ("+15551234567", &["grace"]),
        ("15551234567", &["grace"]),
        ("\"15551234567\"", &["grace"]),
        ("1555*", &["grace"]),
        ("1555", &[]),
        ("5551234567", &[]),
        // Addresses in any spelling.
        ("emails.email:ADA.lovelace@EXAMPLE.com", &["ada"]),
        ("emails.email:shaq@xn--bcher-kva.example", &["oneil"]),
        ("emails.email:shaq@bücher.example", &["oneil"]),
        ("emails.domain:bücher.example", &["oneil"]),
        ("emails.domain:example.com", &["ada"]),
        ("emails.email:a*", &["ada"]),
        ("phone_numbers.phone:+4415*", &["zoe"]),
        // Flags.
        ("emails.verified:true", &["ada", "oneil"]),
        ("emails.verified:false", &["grace"]),
        ("emails.verified:*", &["ada", "grace", "oneil"]),
        ("phone_numbers.verified:true", &["grace"]),
        ("phone_numbers.verified:false", &["zoe"]),
        ("disabled:false", everybody),
        ("private_data.beta:true", &["ada"]),
        ("private_data.beta:false", &["oneil"]),
        ("private_data.beta:*", &["ada", "oneil"]),
        // Texts compare folded, and accents count.
        ("claims.family_name:STRASSE", &["zoe"]),
        ("claims.family_name:o'neil", &["oneil"]),
        ("private_data.plan:gold", &["ada", "grace"]),
        ("private_data.tags:B", &["ada"]),
        ("private_data.site:https://example.com/a?b=c", &["zoe"]),
        // Numbers compare as numbers and texts as texts.
        ("private_data.seats:3", &["ada"]),
        ("private_data.seats:>=3", &["ada", "grace"]),
        ("private_data.seats:{3 TO *]", &["grace"]),
        ("private_data.seats:<0", &["oneil"]),
        ("private_data.seats:\"3\"", &[]),
        ("private_data.zip:02134", &["grace"]),
        ("claims.family_name:[hopper TO lovelace]", &["ada", "grace"]),
        // Presence.
        ("private_data.seats:*", &["ada", "grace", "oneil"]),
        ("claims.nickname:*", &["oneil"]),
        ("emails.email:*", &["ada", "grace", "oneil"]),
        // Times.
        ("creation_time:<=1640975420", &["ada", "grace"]),
        ("creation_time:[1640975420 TO 1640975430]", &["grace", "oneil"]),
        // Combinations.
        ("NOT emails.verified:true", &["grace", "zoe"]),
        ("gold OR claims.family_name:hopper", &["grace"]),
        ("private_data.plan:gold emails.verified:true", &["ada"]),
        ("private_data.plan:(gold OR none) -emails.verified:true", &["grace"]),
        ("emails.verified:true AND NOT (ada OR grace)", &["oneil"]),
        ("NOT *", &[]),
        // What looks like SQL is a word.
        ("'; drop table users;", &[]),
        ("claims.name:\"x' OR '1'='1\"", &[]),
        ("claims.name:\"\\\"\"", &[]),
    ] {
        assert_eq!(found(&api, filter).await, expected, "{filter}");
    }
}

#[tokio::test]
async fn what_was_just_written_is_found_at_once_and_what_is_gone_is_not() {
    let api = Api::new().await;
    let user = api.user(json!({"username": "ada", "email": "ada@example.com"})).await;
    let email = format!(
        "/api/users/{}/emails/{}",
        user["user_id"].as_str().unwrap(),
        user["emails"][0]["id"].as_str().unwrap()
    );
    for (action, expected) in [("verify", &["ada"][..]), ("unverify", &[])] {
        api.post(&format!("{email}/{action}"), Value::Null).await.json();
        assert_eq!(found(&api, "emails.verified:true").await, expected);
    }
    assert_eq!(found(&api, "ada@example.com").await, ["ada"]);
    api.delete(&email).await.json();
    assert_eq!(found(&api, "ada@example.com").await.len(), 0);
    api.delete(&format!("/api/users/{}", user["user_id"].as_str().unwrap())).await;
    assert_eq!(found(&api, "ada").await.len(), 0);
}

#[tokio::test]
async fn a_filter_that_cannot_be_read_is_pointed_at() {
    let api = Api::new().await;
    let too_many = vec!["a"; 101].join(" ");
    for (filter, place) in [
        ("(a", 1),
        ("a AND", 3),
        ("emails.verified:", 16),
        ("shoe_size:9", 1),
        ("a disabled:maybe", 3),
        (&"(".repeat(4_000), 33),
        (&"a".repeat(4_097), 4_097),
        (too_many.as_str(), 201),
    ] {
        let problem =
            api.get(&format!("/api/users?filter={}", query(filter))).await.problem(StatusCode::BAD_REQUEST);
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(&format!("at character {place}.")), "{filter:.20} {detail}");
    }
    api.get("/api/users").await.json();
}

#[tokio::test]
async fn pages_of_a_filter_follow_each_other() {
    let api = Api::new().await;
    for number in 0..7 {
        api.clock.advance(1);
        api.user(json!({"username": format!("user{number}"), "family_name": "Doe"})).await;
    }
    let mut seen = Vec::new();
    for page in 1..=4 {
        let answer = api.get(&format!("/api/users?filter=claims.family_name:doe&size=2&page={page}")).await;
        let pagination: Value = serde_json::from_str(answer.header("x-pagination")).unwrap();
        assert_eq!(pagination["total_count"], 7);
        assert_eq!(pagination["has_next"], json!(page < 4));
        seen.extend(
            answer.json().as_array().unwrap().iter().map(|user| user["username"]["username"].clone()),
        );
    }
    assert_eq!(seen, ["user6", "user5", "user4", "user3", "user2", "user1", "user0"]);
}

#[tokio::test]
async fn values_that_are_too_long_or_too_deep_are_not_searchable() {
    let api = Api::new().await;
    let user = api.user(json!({"username": "ada"})).await;
    let mut data = json!({"fits": "x".repeat(256), "long": "x".repeat(257)});
    data["a"] = json!({"b": {"c": {"d": {"e": {"f": {"g": {"h": 1, "i": {"j": 1}}}}}}}});
    let path = format!("/api/users/{}/private_data", user["user_id"].as_str().unwrap());
    api.call(Method::PATCH, &path, json!({"private_data": data})).await.json();
    for (filter, expected) in [
        (format!("private_data.fits:{}", "X".repeat(256)), 1),
        (format!("private_data.long:{}", "x".repeat(257)), 0),
        ("private_data.long:*".to_owned(), 0),
        ("private_data.a.b.c.d.e.f.g.h:1".to_owned(), 1),
        ("private_data.a.b.c.d.e.f.g.i.j:1".to_owned(), 0),
    ] {
        assert_eq!(found(&api, &filter).await.len(), expected, "{filter}");
    }
}

#[tokio::test]
async fn users_sort_by_names_and_by_what_no_sign_in_has_told_apart() {
    let api = Api::new().await;
    people(&api).await;
    let sorted = async |sort: &str| {
        let users = api.get(&format!("/api/users?sort={sort}")).await.json();
        let name = |user: &Value| user["username"]["username"].as_str().unwrap().to_owned();
        users.as_array().unwrap().iter().map(name).collect::<Vec<_>>()
    };
    assert_eq!(sorted("family_name:1").await, ["grace", "ada", "oneil", "zoe"]);
    assert_eq!(sorted("name:-1").await, ["zoe", "oneil", "grace", "ada"]);
    // Who has none comes first.
    assert_eq!(sorted("given_name:-1").await[0], "ada");
    let by_id = sorted("failure_count:1").await;
    for key in ["last_sign_in_attempt", "sign_in_attempts_count", "last_sign_in_success", "block_until"] {
        assert_eq!(sorted(&format!("{key}:1")).await, by_id);
        assert!(sorted(&format!("{key}:-1")).await.iter().rev().eq(&by_id));
    }
}

#[tokio::test]
async fn a_walk_meets_every_user_once() {
    let api = Api::new().await;
    for number in 0..12 {
        let family = if number % 3 == 0 { "Doe" } else { "Roe" };
        api.user(json!({"username": format!("user{number}"), "family_name": family})).await;
    }
    for (filter, expected) in [("", 12), ("&filter=claims.family_name:doe", 4)] {
        let mut ids = Vec::new();
        let mut after = String::new();
        loop {
            let answer = api.get(&format!("/v1/users?limit=5{filter}{after}")).await.json();
            for user in answer["users"].as_array().unwrap() {
                assert!(user.get("private_data").is_none());
                ids.push(user["user_id"].as_str().unwrap().to_owned());
            }
            let Some(next) = answer["next"].as_str() else { break };
            after = format!("&after={next}");
        }
        assert_eq!(ids.len(), expected);
        assert!(ids.is_sorted_by(|one, next| one < next));
    }
    api.get("/v1/users?after=nobody").await.problem(StatusCode::BAD_REQUEST);
    api.get("/v1/users?limit=0").await.problem(StatusCode::BAD_REQUEST);
}

/// The examples of a table of the guide, by the head of its first column.
fn examples(head: &str) -> Vec<String> {
    let design = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/API-DESIGN.md")).unwrap();
    let table = design.lines().skip_while(|line| !line.starts_with(&format!("| {head} |"))).skip(2);
    table
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_start_matches("| `").split("` |").next().unwrap().replace("\\|", "|"))
        .collect()
}

/// Every example of the guide is one that works.
#[tokio::test]
async fn the_examples_of_the_api_design_are_filters() {
    let api = Api::new().await;
    people(&api).await;
    let of_users = examples("Filter of users");
    assert!(of_users.len() >= 19, "{of_users:?}");
    for filter in of_users {
        found(&api, &filter).await;
    }
    let of_groups = examples("Filter of groups");
    assert!(of_groups.len() >= 6, "{of_groups:?}");
    for filter in of_groups {
        api.get(&format!("/api/groups?filter={}", query(&filter))).await.json();
    }
    let of_logs = examples("Filter of logs");
    assert!(of_logs.len() >= 6, "{of_logs:?}");
    for filter in of_logs {
        api.get(&format!("/api/logs?filter={}", query(&filter))).await.json();
    }
}
