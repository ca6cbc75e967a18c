//! Many emails marked in one call.

use axum::http::StatusCode;
use bonafide::directory::api_key::Scope;
use bonafide::directory::event::EventType;
use bonafide::id::TenantId;
use serde_json::{Value, json};

use super::harness::{Api, START, email_path};

const VERIFY: &str = "/v1/emails/verify";
const UNVERIFY: &str = "/v1/emails/unverify";

/// Each email of an answer with what became of it.
fn outcomes(answer: &Value) -> Vec<(&str, &str)> {
    let results = answer["results"].as_array().unwrap();
    results.iter().map(|result| (text(&result["email"]), text(&result["outcome"]))).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// The same without an order: users come in the order of their ids.
fn sorted(answer: &Value) -> Vec<(&str, &str)> {
    let mut outcomes = outcomes(answer);
    outcomes.sort_unstable();
    outcomes
}

/// How often something has happened.
async fn count(api: &Api, kind: EventType) -> usize {
    api.events().await.iter().filter(|event| event.kind == kind).count()
}

/// A user with two emails, the first of which is verified.
async fn user_with_two(api: &Api, first: &str, second: &str) -> Value {
    let user = api.user(json!({"email": first, "email_verified": true})).await;
    let path = format!("/api/users/{}/emails", text(&user["user_id"]));
    api.post(&path, json!({"email": second})).await.json()
}

#[tokio::test]
async fn a_filter_means_the_email_for_which_all_its_conditions_hold_and_not_its_neighbour() {
    let api = Api::new().await;
    let ada = user_with_two(&api, "ada@y.example", "ada@x.example").await;
    // One of her emails is of the domain and another is unverified, but none is both.
    let bo = user_with_two(&api, "bo@x.example", "bo@y.example").await;
    let filter = json!({"filter": "emails.domain:x.example AND emails.verified:false"});
    let answer = api.post(VERIFY, filter.clone()).await.json();
    let expected = json!({
        "dry_run": false,
        "results": [{
            "email": "ada@x.example", "user_id": ada["user_id"], "identifier_id": ada["emails"][1]["id"],
            "outcome": "verified",
        }],
        "next": null,
    });
    assert_eq!(answer, expected);
    let found = api.get(&format!("/api/users/{}", text(&bo["user_id"]))).await.json();
    assert_eq!(found, bo);
    assert_eq!(api.post(VERIFY, filter).await.json()["results"], json!([]));

    let unverify = json!({"filter": "emails.domain:x.example AND emails.verified:true"});
    let answer = api.post(UNVERIFY, unverify).await.json();
    assert_eq!(sorted(&answer), [("ada@x.example", "unverified"), ("bo@x.example", "unverified")]);
    let found = api.get(&format!("/api/users/{}", text(&ada["user_id"]))).await.json();
    assert_eq!(found["emails"][0]["verified"], true, "her other email stays as it is");
}

#[tokio::test]
async fn each_email_is_one_event_with_the_reason_and_the_request() {
    let api = Api::new().await;
    for number in 0..3 {
        api.user(json!({"email": format!("u{number}@example.com")})).await;
    }
    let before = api.events().await.len();
    let body = json!({"filter": "emails.verified:false", "reason": "The old system had proved them"});
    let answer = api.post(VERIFY, body).await;
    let answered = answer.json();
    let events = api.events().await.split_off(before);
    assert_eq!(events.len(), 3);
    for event in events {
        assert_eq!(event.kind, EventType::EmailVerified);
        assert_eq!(event.personal.reason.as_deref(), Some("The old system had proved them"));
        assert_eq!(event.request_id.to_string(), answer.header("x-request-id"));
        let place = (event.user_id.unwrap().to_string(), event.identifier_id.unwrap().to_string());
        let is_told =
            |told: &Value| (text(&told["user_id"]), text(&told["identifier_id"])) == (&place.0, &place.1);
        assert!(answered["results"].as_array().unwrap().iter().any(is_told));
    }
}

#[tokio::test]
async fn a_dry_run_tells_what_would_become_of_each_and_changes_nothing() {
    let api = Api::new().await;
    api.user(json!({"email": "owned@example.com", "email_verified": true})).await;
    api.user(json!({"email": "Owned@example.com"})).await;
    api.user(json!({"email": "free@example.com"})).await;
    let filter = json!({"filter": "emails.domain:example.com"});
    let mut dry = filter.clone();
    dry["dry_run"] = json!(true);
    let kept = api.kept().await;
    let expected = [
        ("Owned@example.com", "taken"),
        ("free@example.com", "verified"),
        ("owned@example.com", "unchanged"),
    ];
    let told = api.post(VERIFY, dry.clone()).await.json();
    assert_eq!((sorted(&told).as_slice(), &told["dry_run"]), (&expected[..], &json!(true)));
    assert_eq!(sorted(&api.post(UNVERIFY, dry).await.json())[2], ("owned@example.com", "unverified"));
    let listed = json!({"addresses": ["free@example.com"], "dry_run": true});
    assert_eq!(outcomes(&api.post(VERIFY, listed).await.json()), [("free@example.com", "verified")]);
    assert!(api.kept().await == kept);
    assert_eq!(sorted(&api.post(VERIFY, filter).await.json()), expected);
}

#[tokio::test]
async fn addresses_are_found_in_any_spelling_and_each_is_told_of_in_its_order() {
    let api = Api::new().await;
    api.user(json!({"email": "Free@Example.com"})).await;
    api.user(json!({"email": "owned@example.com"})).await;
    api.user(json!({"email": "owned@example.com", "email_verified": true})).await;
    for _ in 0..2 {
        api.user(json!({"email": "claimed@example.com"})).await;
    }
    // Typed, it looks as the folded domain of another does.
    api.user(json!({"email": "a@faß.example"})).await;
    let addresses = [
        "nobody@example.com",
        "free@example.com",
        "FREE@example.com",
        "owned@example.com",
        "no address",
        "claimed@example.com",
        "a@fass.example",
    ];
    let answer = api.post(VERIFY, json!({"addresses": addresses})).await.json();
    let expected = [
        ("nobody@example.com", "not_found"),
        ("Free@Example.com", "verified"),
        ("owned@example.com", "unchanged"),
        ("no address", "invalid"),
        ("claimed@example.com", "ambiguous"),
        ("a@fass.example", "not_found"),
    ];
    assert_eq!(outcomes(&answer), expected);
    assert!(answer["results"][0]["user_id"].is_null() && answer["results"][4]["identifier_id"].is_null());
    assert_eq!(count(&api, EventType::EmailVerified).await, 2);

    let answer = api.post(UNVERIFY, json!({"addresses": ["OWNED@example.com"]})).await.json();
    assert_eq!(outcomes(&answer), [("owned@example.com", "unverified")]);
    assert_eq!(count(&api, EventType::EmailUnverified).await, 1);
}

#[tokio::test]
async fn unverifying_ends_proofs_that_are_under_way() {
    let api = Api::new().await;
    let (path, _) = api.user_with_email("user@example.com").await;
    let started = api.post(&format!("/v1{path}/verify/start"), Value::Null).await.json();
    assert!(started["link"].is_string());
    let both = json!({"addresses": ["user@example.com"]});
    assert_eq!(outcomes(&api.post(UNVERIFY, both.clone()).await.json())[0].1, "proof_ended");
    assert_eq!(outcomes(&api.post(UNVERIFY, both).await.json())[0].1, "unchanged");
    assert_eq!(count(&api, EventType::EmailProofEnded).await, 1);
}

#[tokio::test]
async fn of_several_who_claim_one_email_a_filter_verifies_one() {
    let api = Api::new().await;
    for _ in 0..5 {
        api.user(json!({"email": "claimed@example.com"})).await;
    }
    let answer = api.post(VERIFY, json!({"filter": "claimed@example.com"})).await.json();
    let told: Vec<_> = sorted(&answer).into_iter().map(|(_, outcome)| outcome).collect();
    assert_eq!(told, ["taken", "taken", "taken", "taken", "verified"]);
}

#[tokio::test]
async fn a_dry_run_counts_an_email_that_several_claim_once_as_a_run_does() {
    let api = Api::new().await;
    for number in 0..5 {
        api.user(json!({"email": "claimed@example.com", "username": format!("user{number}")})).await;
    }
    let told = async |filter: &str, limit: usize, dry_run: bool| {
        let (mut told, mut after) = (Vec::new(), Value::Null);
        loop {
            let body = json!({"filter": filter, "limit": limit, "after": after, "dry_run": dry_run});
            let answer = api.post(VERIFY, body).await.json();
            told.extend(sorted(&answer).into_iter().map(|(_, outcome)| outcome.to_owned()));
            after = answer["next"].clone();
            if after.is_null() {
                told.sort_unstable();
                return told;
            }
        }
    };
    // A claim that is not meant stands in nobody's way.
    assert_eq!(told("username.username:user3", 100, true).await, ["verified"]);
    let foreseen = told("emails.verified:false", 100, true).await;
    assert_eq!(foreseen, ["taken", "taken", "taken", "taken", "verified"]);
    assert_eq!(told("emails.verified:false", 2, true).await, foreseen);
    assert_eq!(told("emails.verified:false", 100, false).await, foreseen);
}

#[tokio::test]
async fn pages_of_a_filter_lead_over_all_users_although_they_change_on_the_way() {
    let api = Api::new().await;
    for number in 0..70 {
        api.user(json!({"email": format!("u{number}@example.com")})).await;
    }
    let (mut marked, mut after) = (0, Value::Null);
    loop {
        let body = json!({"filter": "emails.verified:false", "limit": 40, "after": after});
        let answer = api.post(VERIFY, body).await.json();
        let page = outcomes(&answer).len();
        assert!(page <= 40 && outcomes(&answer).iter().all(|(_, outcome)| *outcome == "verified"));
        marked += page;
        after = answer["next"].clone();
        if after.is_null() {
            break;
        }
    }
    assert_eq!(marked, 70);
    assert_eq!(count(&api, EventType::EmailVerified).await, 70);
}

#[tokio::test]
async fn all_emails_of_a_user_can_be_meant() {
    let api = Api::new().await;
    let user = api.user(json!({"email": "a@example.com"})).await;
    let path = format!("/api/users/{}/emails", text(&user["user_id"]));
    api.post(&path, json!({"email": "b@example.com"})).await.json();
    // The first that is verified does not keep the filter from meaning the second.
    let answer = api.post(VERIFY, json!({"filter": "NOT emails.verified:true"})).await.json();
    assert_eq!(sorted(&answer), [("a@example.com", "verified"), ("b@example.com", "verified")]);
}

#[tokio::test]
async fn what_is_asked_for_must_be_clear() {
    let api = Api::new().await;
    let many = vec!["user@example.com"; 1_001];
    for (body, field) in [
        (json!({}), "addresses"),
        (json!({"addresses": many}), "addresses"),
        (json!({"addresses": "user@example.com"}), "addresses"),
        (json!({"addresses": [], "filter": "*"}), "filter"),
        (json!({"filter": ""}), "filter"),
        (json!({"filter": "shoe_size:5"}), "filter"),
        (json!({"filter": "*", "limit": 0}), "limit"),
        (json!({"filter": "*", "limit": 1_001}), "limit"),
        (json!({"filter": "*", "after": "nobody"}), "after"),
        (json!({"filter": "*", "reason": "x".repeat(501)}), "reason"),
    ] {
        for path in [VERIFY, UNVERIFY] {
            assert_eq!(api.post(path, body.clone()).await.fields(), [field], "{body}");
        }
    }
    let wrong = api.post(VERIFY, json!({"filter": "a AND shoe_size:5"})).await;
    assert!(
        wrong.problem(StatusCode::UNPROCESSABLE_ENTITY)["errors"]["filter"][0]
            .as_str()
            .unwrap()
            .contains("at character 7")
    );
    let none = api.post(VERIFY, json!({"addresses": []})).await.json();
    assert_eq!(none, json!({"dry_run": false, "results": [], "next": null}));
}

#[tokio::test]
async fn a_key_that_may_verify_may_verify_many_and_only_those_of_its_tenant() {
    let api = Api::new().await;
    let (path, _) = api.user_with_email("user@example.com").await;
    let there: TenantId = "there".parse().unwrap();
    api.app.store.create_tenant(&there, START).await.unwrap();
    let stranger = api.key_of(&there, &[Scope::EmailsVerify], None).await;
    let (reader, verifier) = (api.key(&[Scope::UsersRead]).await, api.key(&[Scope::EmailsVerify]).await);
    let post = axum::http::Method::POST;
    for body in [json!({"filter": "*"}), json!({"addresses": ["user@example.com"]})] {
        let refused = api.call_as(&reader, post.clone(), VERIFY, body.clone()).await;
        let problem = refused.problem(StatusCode::FORBIDDEN);
        assert!(text(&problem["detail"]).contains("emails:verify"));
        let nothing = api.call_as(&stranger, post.clone(), VERIFY, body.clone()).await.json();
        assert!(outcomes(&nothing).iter().all(|(_, outcome)| *outcome == "not_found"));
    }
    let body = json!({"addresses": ["user@example.com"]});
    let done = api.call_as(&verifier, post, VERIFY, body).await.json();
    assert_eq!(outcomes(&done), [("user@example.com", "verified")]);
    let user = api.get(&format!("/api{}", path.split("/emails").next().unwrap())).await.json();
    assert_eq!(user["emails"][0]["verified"], json!(true));
    assert_eq!(email_path(&user, 0), path);
}
