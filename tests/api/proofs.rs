//! Proving addresses by links and codes.

use std::net::IpAddr;

use axum::http::{Method, StatusCode};
use bonafide::app::proofs::{ProofView, ResetView, Visitor};
use bonafide::directory::api_key::Scope;
use bonafide::directory::event::{Actor, EventType, Method as Means};
use bonafide::directory::password::Password;
use bonafide::error::Error;
use bonafide::id::{RequestId, TenantId};
use bonafide::secret::PlainToken;
use bonafide::store::copy::{TABLES, Value as Stored};
use serde_json::{Value, json};

use super::harness::{Api, START, email_path, token_in};

const PASSWORD: &str = "correct horse battery";

fn visitor(api: &Api) -> Visitor {
    Visitor {
        request_id: RequestId::new(&*api.app.random),
        remote_address: Some(IpAddr::from([192, 0, 2, 7])),
        user_agent: Some("Browser/1".to_owned()),
    }
}

async fn follow(api: &Api, token: &str) -> ProofView {
    api.app.prove_by_link(token, &visitor(api)).await.unwrap()
}

async fn is_live(api: &Api, token: &str) -> bool {
    matches!(api.app.proof_view(token).await.unwrap(), ProofView::Live(_))
}

/// A token for this email, which ends earlier ones. A minute passes, so that there can be another.
async fn link(api: &Api, path: &str) -> String {
    let started = api.post(&format!("/v1{path}/verify/start"), Value::Null).await.json();
    api.clock.advance(60);
    let link = started["link"].as_str().expect("an admin is shown the link");
    link.strip_prefix("http://localhost/verify/").unwrap().to_owned()
}

async fn code(api: &Api, path: &str) -> String {
    let started = api.post(&format!("/v1{path}/verify/start"), Value::Null).await.json();
    api.clock.advance(60);
    started["code"].as_str().expect("an admin is shown the code").to_owned()
}

async fn check(api: &Api, path: &str, code: &str) -> super::harness::Answer {
    api.post(&format!("/v1{path}/verify/check"), json!({"code": code})).await
}

/// A code that is another one.
fn other_than(code: &str) -> String {
    format!("{:06}", (code.parse::<u32>().unwrap() + 1) % 1_000_000)
}

async fn kinds(api: &Api) -> Vec<&'static str> {
    api.events().await.iter().map(|event| event.kind.as_str()).collect()
}

#[tokio::test]
async fn a_mail_with_a_link_is_sent_and_following_it_verifies_the_email_on_record() {
    let api = Api::with_mail().await;
    let (path, user) = api.user_with_email("User@example.com").await;
    let sent = api.post(&format!("/api{path}/verify/link"), Value::Null).await.json();
    assert_eq!(sent, json!({"expires_at": START.0 + 86_400, "email_sent": true}));
    let mails = api.sent().await;
    assert_eq!(mails.len(), 1);
    assert!(mails[0].contains("User@example.com"), "{}", mails[0]);
    let token = token_in(&mails[0], "verify");
    let ProofView::Live(shown) = api.app.proof_view(&token).await.unwrap() else { panic!("it is dead") };
    assert_eq!((shown.tenant_name.as_str(), shown.address.as_str()), ("localhost", "User@example.com"));

    api.clock.advance(9);
    assert!(matches!(follow(&api, &token).await, ProofView::DoneByIt(_)));
    let after = api.get(&format!("/api/users/{}", user["user_id"].as_str().unwrap())).await.json();
    assert_eq!(after["emails"][0]["verified"], json!(true));
    assert_eq!(after["emails"][0]["verification_source"], json!("monocloud"));
    assert_eq!(after["last_updated"], json!(START.0 + 9));
    let event = api.events().await.pop().unwrap();
    assert_eq!(
        (event.kind, event.method, &event.actor),
        (EventType::EmailVerified, Means::Link, &Actor::Owner)
    );
    let history = api.get(&format!("/v1{path}/history")).await.json();
    insta::assert_json_snapshot!("history_of_a_followed_link", history);
    let told = api.get("/v1/events?type=user.email.verified").await.json();
    assert_eq!(told["events"][0]["actor"], json!({"type": "owner", "key_id": null, "key_name": null}));
}

#[tokio::test]
async fn without_mail_no_token_is_made_and_nothing_changes() {
    let api = Api::new().await;
    let (path, user) = api.user_with_email("user@example.com").await;
    let before = (api.events().await.len(), api.get("/api/users").await.bytes);
    let sent = api.post(&format!("/api{path}/verify/link"), json!({"expiry": 600})).await.json();
    assert_eq!(sent, json!({"expires_at": START.0, "email_sent": false}));
    let verifier = api.key(&[Scope::EmailsVerify]).await;
    let start = format!("/v1{path}/verify/start");
    let started = api.call_as(&verifier, Method::POST, &start, Value::Null).await.json();
    assert_eq!(started, json!({"expires_at": START.0, "email_sent": false, "link": null, "code": null}));
    assert_eq!((api.events().await.len(), api.get("/api/users").await.bytes), before);
    let user_id = user["user_id"].as_str().unwrap().parse().unwrap();
    assert!(api.app.store.standing(&TenantId::default_tenant(), user_id).await.unwrap().proofs.is_empty());
    // Those who send their own mail are given what to send.
    let token = link(&api, &path).await;
    assert!(is_live(&api, &token).await && api.sent().await.is_empty());
}

#[tokio::test]
async fn links_and_codes_are_shown_only_to_keys_that_may_read_proofs() {
    let api = Api::with_mail().await;
    api.choose(&[("proof_means", "both")]).await;
    let (path, _) = api.user_with_email("user@example.com").await;
    let start = format!("/v1{path}/verify/start");
    let verifier = api.key(&[Scope::EmailsVerify]).await;
    let started = api.call_as(&verifier, Method::POST, &start, Value::Null).await.json();
    assert_eq!(
        started,
        json!({"expires_at": START.0 + 86_400, "email_sent": true, "link": null, "code": null})
    );
    let reader = api.key(&[Scope::EmailsVerify, Scope::ProofsRead]).await;
    api.clock.advance(60);
    let body = json!({"send_email": false});
    let started = api.call_as(&reader, Method::POST, &start, body).await.json();
    assert_eq!(started["email_sent"], json!(false));
    assert!(started["link"].as_str().unwrap().starts_with("http://localhost/verify/"));
    assert_eq!(started["code"].as_str().unwrap().len(), 6);
    // The mail that was asked for first brings what has ended since: it is not sent.
    assert!(api.sent().await.is_empty());
    let only_reader = api.key(&[Scope::ProofsRead]).await;
    for action in ["start", "check"] {
        let path = format!("/v1{path}/verify/{action}");
        let refused = api.call_as(&only_reader, Method::POST, &path, json!({})).await;
        let problem = refused.problem(StatusCode::FORBIDDEN);
        assert!(problem["detail"].as_str().unwrap().contains("emails:verify"), "{problem}");
    }
}

#[tokio::test]
async fn a_code_that_is_brought_back_verifies_the_email_on_behalf_of_its_owner() {
    let api = Api::new().await;
    api.choose(&[("proof_means", "code")]).await;
    let (path, _) = api.user_with_email("user@example.com").await;
    let code = code(&api, &path).await;
    let verifier = api.key(&[Scope::EmailsVerify]).await;
    let checking = format!("/v1{path}/verify/check");
    let spaced = json!({"code": format!(" {} {} ", &code[..3], &code[3..])});
    let checked = api.call_as(&verifier, Method::POST, &checking, spaced).await.json();
    assert_eq!(checked["user"]["emails"][0]["verified"], json!(true));
    assert_eq!(checked["details"], Value::Null);
    let found = api.get(&format!("/api/users/{}", checked["user"]["user_id"].as_str().unwrap())).await;
    assert_eq!(found.json(), checked["user"]);
    let event = api.events().await.pop().unwrap();
    assert_eq!((event.kind, event.method), (EventType::EmailVerified, Means::Code));
    assert!(matches!(event.actor, Actor::Key { .. }));
    assert_eq!(check(&api, &path, &code).await.codes(), ["InvalidCode"]);
    for wrong in [json!({}), json!({"code": null}), json!({"code": 123_456})] {
        assert_eq!(api.post(&checking, wrong).await.fields(), ["code"]);
    }
}

#[tokio::test]
async fn a_code_can_be_tried_five_times_and_a_new_one_ends_it() {
    let api = Api::new().await;
    api.choose(&[("proof_means", "code")]).await;
    let (path, _) = api.user_with_email("user@example.com").await;
    // As alike as what is wrong in any other way.
    assert_eq!(check(&api, &path, "123456").await.codes(), ["InvalidCode"]);
    let first = code(&api, &path).await;
    for wrong in ["12345", "abcdef", ""] {
        assert_eq!(check(&api, &path, wrong).await.codes(), ["InvalidCode"]);
    }
    for _ in 0..5 {
        assert_eq!(check(&api, &path, &other_than(&first)).await.codes(), ["InvalidCode"]);
    }
    assert_eq!(check(&api, &path, &first).await.codes(), ["InvalidCode"]);
    let second = code(&api, &path).await;
    for _ in 0..4 {
        assert_eq!(check(&api, &path, &other_than(&second)).await.codes(), ["InvalidCode"]);
    }
    let third = code(&api, &path).await;
    if second != third {
        assert_eq!(check(&api, &path, &second).await.codes(), ["InvalidCode"]);
    }
    check(&api, &path, &third).await.json();
}

#[tokio::test]
async fn a_code_works_for_ten_minutes_and_a_link_for_as_long_as_was_asked() {
    let api = Api::new().await;
    api.choose(&[("proof_means", "both")]).await;
    let (path, _) = api.user_with_email("user@example.com").await;
    let late = code(&api, &path).await;
    api.clock.advance(540);
    assert_eq!(check(&api, &path, &late).await.codes(), ["InvalidCode"]);
    let started = api.post(&format!("/v1{path}/verify/start"), json!({"expiry": 120})).await.json();
    assert_eq!(started["expires_at"], json!(START.0 + 720));
    let token = started["link"].as_str().unwrap().rsplit_once('/').unwrap().1;
    api.clock.advance(119);
    assert!(is_live(&api, token).await);
    api.clock.advance(1);
    assert!(matches!(follow(&api, token).await, ProofView::Dead));
    for action in ["/api{}/verify/link", "/v1{}/verify/start"] {
        for expiry in [json!(59), json!(604_801), json!("3600"), json!(1.5)] {
            let refused = api.post(&action.replace("{}", &path), json!({"expiry": expiry})).await;
            assert_eq!(refused.fields(), ["expiry"], "{expiry}");
        }
    }
}

#[tokio::test]
async fn using_the_link_ends_the_code_and_using_the_code_ends_the_link() {
    let api = Api::new().await;
    api.choose(&[("proof_means", "both")]).await;
    for by_code in [false, true] {
        let (path, user) = api.user_with_email(&format!("{by_code}@example.com")).await;
        let started = api.post(&format!("/v1{path}/verify/start"), Value::Null).await.json();
        let token = started["link"].as_str().unwrap().rsplit_once('/').unwrap().1;
        let code = started["code"].as_str().unwrap();
        if by_code {
            check(&api, &path, code).await.json();
            assert!(!is_live(&api, token).await);
        } else {
            follow(&api, token).await;
            assert_eq!(check(&api, &path, code).await.codes(), ["InvalidCode"]);
        }
        let of_user = format!("/v1/events?user_id={}", user["user_id"].as_str().unwrap());
        let events = api.get(&of_user).await.json();
        let verified = events["events"].as_array().unwrap();
        let verified = verified.iter().filter(|event| event["type"] == "user.email.verified");
        assert_eq!(verified.count(), 1);
    }
}

#[tokio::test]
async fn looking_at_a_link_changes_nothing() {
    let api = Api::new().await;
    let (path, _) = api.user_with_email("user@example.com").await;
    let token = link(&api, &path).await;
    let state = async || (api.events().await.len(), api.get("/api/users").await.bytes);
    let before = state().await;
    for _ in 0..3 {
        assert!(is_live(&api, &token).await);
    }
    assert_eq!(state().await, before);
    for wrong in ["", "x", &token[1..], &format!("{}x", &token[..token.len() - 1]), &token.replace('_', "-")]
    {
        assert!(matches!(api.app.proof_view(wrong).await.unwrap(), ProofView::Dead));
        assert!(matches!(follow(&api, wrong).await, ProofView::Dead));
    }
    assert_eq!(state().await, before);
}

#[tokio::test]
async fn unverifying_removing_and_asking_anew_each_end_a_link_for_good() {
    let api = Api::new().await;
    for (number, ending) in
        ["unverify", "verify and unverify", "start", "remove", "delete"].into_iter().enumerate()
    {
        let address = format!("user{number}@example.com");
        let (path, user) = api.user_with_email(&address).await;
        let user_path = format!("/api/users/{}", user["user_id"].as_str().unwrap());
        let token = link(&api, &path).await;
        assert!(is_live(&api, &token).await);
        match ending {
            "unverify" => {
                let before = api.get(&user_path).await.bytes;
                let events = api.events().await.len();
                for ended in [1, 1] {
                    let answer = api.post(&format!("/api{path}/unverify"), Value::Null).await;
                    assert_eq!(answer.bytes, before);
                    assert_eq!(api.events().await.len(), events + ended);
                }
                assert_eq!(kinds(&api).await.last(), Some(&"user.email.proof_ended"));
            }
            "verify and unverify" => {
                api.post(&format!("/api{path}/verify"), Value::Null).await.json();
                api.post(&format!("/api{path}/unverify"), Value::Null).await.json();
            }
            "start" => {
                let next = link(&api, &path).await;
                assert!(is_live(&api, &next).await);
            }
            "remove" => {
                api.delete(&format!("/api{path}")).await.json();
                api.post(&format!("{user_path}/emails"), json!({"email": address})).await.json();
            }
            _ => assert_eq!(api.delete(&user_path).await.status, StatusCode::NO_CONTENT),
        }
        assert!(!is_live(&api, &token).await, "{ending}");
        let events = api.events().await.len();
        assert!(matches!(follow(&api, &token).await, ProofView::Dead), "{ending}");
        assert_eq!(api.events().await.len(), events, "{ending}");
    }
}

#[tokio::test]
async fn a_used_link_says_so_while_its_address_is_verified_by_it_and_then_nothing() {
    let api = Api::new().await;
    let (path, _) = api.user_with_email("user@example.com").await;
    let token = link(&api, &path).await;
    for _ in 0..2 {
        let ProofView::DoneByIt(shown) = follow(&api, &token).await else { panic!("it is dead") };
        assert_eq!(shown.address, "user@example.com");
    }
    // A day later, too.
    api.clock.advance(100_000);
    assert!(matches!(api.app.proof_view(&token).await.unwrap(), ProofView::DoneByIt(_)));
    api.post(&format!("/api{path}/unverify"), Value::Null).await.json();
    assert!(matches!(api.app.proof_view(&token).await.unwrap(), ProofView::Dead));
    api.post(&format!("/api{path}/verify"), Value::Null).await.json();
    assert!(matches!(api.app.proof_view(&token).await.unwrap(), ProofView::Dead));
}

#[tokio::test]
async fn an_address_that_someone_else_has_verified_meanwhile_cannot_be_verified_and_nothing_changes() {
    let api = Api::new().await;
    api.choose(&[("proof_means", "both")]).await;
    let (path, user) = api.user_with_email("user@example.com").await;
    let (owners, _) = api.user_with_email("USER@example.com").await;
    let started = api.post(&format!("/v1{path}/verify/start"), Value::Null).await.json();
    let (link, code) = (started["link"].as_str().unwrap(), started["code"].as_str().unwrap());
    let token = link.rsplit_once('/').unwrap().1;
    api.post(&format!("/api{owners}/verify"), Value::Null).await.json();
    let user_path = format!("/api/users/{}", user["user_id"].as_str().unwrap());
    let before = (api.events().await.len(), api.get(&user_path).await.bytes);
    let ProofView::Taken(shown) = follow(&api, token).await else { panic!("it was not refused") };
    assert_eq!(shown.address, "user@example.com");
    assert_eq!(check(&api, &path, code).await.codes(), ["DuplicateEmail"]);
    assert_eq!((api.events().await.len(), api.get(&user_path).await.bytes), before);
    // The owner gives it up: then whoever reads the mail may have it.
    api.post(&format!("/api{owners}/unverify"), Value::Null).await.json();
    assert!(matches!(follow(&api, token).await, ProofView::DoneByIt(_)));
}

#[tokio::test]
async fn proofs_can_be_asked_for_once_a_minute_and_five_times_an_hour() {
    let api = Api::with_mail().await;
    let (path, _) = api.user_with_email("user@example.com").await;
    let (others, _) = api.user_with_email("USER@example.com").await;
    let send = format!("/api{path}/verify/link");
    api.post(&send, Value::Null).await.json();
    api.clock.advance(59);
    // Of the same address, whoever claims it.
    for path in [&path, &others] {
        let refused = api.post(&format!("/v1{path}/verify/start"), Value::Null).await;
        refused.problem(StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(refused.header("retry-after"), "1");
    }
    for _ in 0..4 {
        api.clock.advance(60);
        api.post(&send, Value::Null).await.json();
    }
    api.clock.advance(60);
    let before = api.events().await.len();
    let refused = api.post(&send, Value::Null).await;
    refused.problem(StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.header("retry-after"), (3_600 - 59 - 300).to_string());
    // The mail that was sent last still brings a link that works.
    assert_eq!(api.events().await.len(), before);
    assert!(is_live(&api, &token_in(&api.sent().await[0], "verify")).await);
    api.choose(&[("proofs_per_address_and_hour", "6")]).await;
    api.post(&send, Value::Null).await.json();
}

#[tokio::test]
async fn proofs_of_one_user_can_be_asked_for_ten_times_an_hour() {
    let api = Api::new().await;
    let mut user = api.user(json!({"email": "user0@example.com"})).await;
    let emails = format!("/api/users/{}/emails", user["user_id"].as_str().unwrap());
    for number in 1..11 {
        user = api.post(&emails, json!({"email": format!("user{number}@example.com")})).await.json();
    }
    let start =
        async |email| api.post(&format!("/v1{}/verify/start", email_path(&user, email)), Value::Null).await;
    for email in 0..10 {
        start(email).await.json();
    }
    let refused = start(10).await;
    refused.problem(StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.header("retry-after"), "3600");
    api.clock.advance(3_600);
    start(10).await.json();
}

#[tokio::test]
async fn a_phone_number_is_proved_by_a_code_that_the_caller_sends() {
    let api = Api::with_mail().await;
    let path_of = |user: &Value| {
        let (user_id, id) = (&user["user_id"], &user["phone_numbers"][0]["id"]);
        format!("/users/{}/phones/{}", user_id.as_str().unwrap(), id.as_str().unwrap())
    };
    let user = api.user(json!({"phone_number": "+441514960453"})).await;
    let path = path_of(&user);
    let writer = api.key(&[Scope::UsersWrite]).await;
    let start = format!("/v1{path}/verify/start");
    let problem =
        api.call_as(&writer, Method::POST, &start, Value::Null).await.problem(StatusCode::FORBIDDEN);
    assert!(problem["detail"].as_str().unwrap().contains("proofs:read"), "{problem}");
    let both = api.key(&[Scope::UsersWrite, Scope::ProofsRead]).await;
    let started = api.call_as(&both, Method::POST, &start, Value::Null).await.json();
    assert_eq!(
        (&started["expires_at"], &started["link"], &started["email_sent"]),
        (&json!(START.0 + 600), &Value::Null, &json!(false))
    );
    assert!(api.sent().await.is_empty());
    let code = started["code"].as_str().unwrap();
    assert_eq!(check(&api, &path, &other_than(code)).await.codes(), ["InvalidCode"]);
    let other = api.user(json!({"phone_number": "+441514960453", "phone_number_verified": true})).await;
    assert_eq!(check(&api, &path, code).await.codes(), ["DuplicatePhoneNumber"]);
    api.post(&format!("/api{}/unverify", path_of(&other)), Value::Null).await.json();
    let checking = format!("/v1{path}/verify/check");
    let checked = api.call_as(&writer, Method::POST, &checking, json!({"code": code})).await.json();
    assert_eq!(checked["user"]["phone_numbers"][0]["verified"], json!(true));
    assert_eq!(kinds(&api).await.last(), Some(&"user.phone.verified"));

    // A code that is under way ends with an unverify.
    api.clock.advance(60);
    let later = self::code(&api, &path).await;
    api.post(&format!("/api{path}/unverify"), Value::Null).await.json();
    assert_eq!(check(&api, &path, &later).await.codes(), ["InvalidCode"]);
    let last = self::code(&api, &path).await;
    api.post(&format!("/api{path}/unverify"), Value::Null).await.json();
    assert_eq!(kinds(&api).await.last(), Some(&"user.phone.proof_ended"));
    assert_eq!(check(&api, &path, &last).await.codes(), ["InvalidCode"]);
}

#[tokio::test]
async fn what_is_not_found_is_told_before_what_is_wrong_with_the_fields() {
    let api = Api::with_mail().await;
    let (path, user) = api.user_with_email("user@example.com").await;
    let (user_id, email) = (user["user_id"].as_str().unwrap(), user["emails"][0]["id"].as_str().unwrap());
    let unknown = "6cec8047-6149-4d9b-8d99-91c83c22a9dc";
    for (path, missing) in [
        (format!("/users/UOtBaOybB6dTpIJNrnkRw/emails/{email}"), "user"),
        (format!("/users/{user_id}/emails/{unknown}"), "email"),
        (path.replace("emails", "phones"), "phone number"),
    ] {
        let actions = ["/v1{}/verify/start", "/v1{}/verify/check", "/api{}/verify/link"];
        for action in
            actions.into_iter().filter(|action| missing != "phone number" || !action.ends_with("link"))
        {
            let answer = api.post(&action.replace("{}", &path), json!({"expiry": 5, "code": 5})).await;
            let problem = answer.problem(StatusCode::NOT_FOUND);
            let detail = problem["detail"].as_str().unwrap();
            assert!(detail.starts_with(&format!("The {missing} was not found")), "{detail}");
        }
    }
}

#[tokio::test]
async fn another_tenants_addresses_cannot_be_proved() {
    let api = Api::with_mail().await;
    let acme: TenantId = "acme".parse().unwrap();
    api.app.store.create_tenant(&acme, START).await.unwrap();
    let theirs = api.key_of(&acme, &[Scope::Admin], None).await;
    api.choose(&[("proof_means", "code")]).await;
    let (path, _) = api.user_with_email("user@example.com").await;
    let code = code(&api, &path).await;
    for (action, body) in [("start", Value::Null), ("check", json!({"code": code}))] {
        let answer = api.call_as(&theirs, Method::POST, &format!("/v1{path}/verify/{action}"), body).await;
        answer.problem(StatusCode::NOT_FOUND);
    }
    check(&api, &path, &code).await.json();
}

/// Sudhodanan and Paverd, USENIX Security 2022: the attacker signs up with the victim's address before
/// the victim does, and waits.
#[tokio::test]
async fn the_first_proof_on_a_prepared_account_says_what_it_has_ended() {
    let api = Api::new().await;
    api.choose(&[("proof_means", "both")]).await;
    let user = api.user(json!({"email": "victim@example.com", "password": "set at sign-up"})).await;
    let user_path = format!("/api/users/{}", user["user_id"].as_str().unwrap());
    let change = json!({"old_password": "set at sign-up", "new_password": PASSWORD});
    api.call(Method::PUT, &format!("{user_path}/password/change"), change).await.json();
    // An unexpired change of the address, to the attacker's.
    let user =
        api.post(&format!("{user_path}/emails"), json!({"email": "attacker@example.org"})).await.json();
    let attackers = link(&api, &email_path(&user, 1)).await;
    let code = code(&api, &email_path(&user, 0)).await;
    let checked = check(&api, &email_path(&user, 0), &code).await.json();
    assert_eq!(
        checked["details"],
        json!({
            "ended_proofs": [user["emails"][1]["id"]],
            "ended_reset": false,
            "password": "reset_required",
            "removed_identifiers": [],
        })
    );
    assert_eq!(checked["user"]["force_password_reset"], json!(true));
    assert!(matches!(follow(&api, &attackers).await, ProofView::Dead));
    let told = api.get("/v1/events?type=user.email.verified").await.json();
    assert_eq!(told["events"][0]["details"], checked["details"]);
    assert_eq!(kinds(&api).await.last(), Some(&"user.password.reset_required"));

    // From now on the account is its owner's.
    let second = self::code(&api, &email_path(&user, 1)).await;
    let checked = check(&api, &email_path(&user, 1), &second).await.json();
    assert_eq!(checked["details"], Value::Null);
}

#[tokio::test]
async fn a_tenant_that_purges_drops_what_nobody_has_vouched_for() {
    let api = Api::new().await;
    api.choose(&[("proof_means", "code"), ("purge_unproven", "true")]).await;
    let user = api.user(json!({"email": "attacker@example.org", "password": "set at sign-up"})).await;
    let user_path = format!("/api/users/{}", user["user_id"].as_str().unwrap());
    let change = json!({"old_password": "set at sign-up", "new_password": PASSWORD});
    api.call(Method::PUT, &format!("{user_path}/password/change"), change).await.json();
    let user = api.post(&format!("{user_path}/emails"), json!({"email": "victim@example.com"})).await.json();
    let code = code(&api, &email_path(&user, 1)).await;
    let checked = check(&api, &email_path(&user, 1), &code).await.json();
    assert_eq!(
        checked["details"],
        json!({
            "ended_proofs": [],
            "ended_reset": false,
            "password": "removed",
            "removed_identifiers": [user["emails"][0]["id"]],
        })
    );
    assert_eq!(checked["user"]["has_password"], json!(false));
    let emails = checked["user"]["emails"].as_array().unwrap();
    assert_eq!((emails.len(), &emails[0]["email"]), (1, &json!("victim@example.com")));
    assert_eq!(emails[0]["primary"], json!(true));
    let user_id = user["user_id"].as_str().unwrap().parse().unwrap();
    assert!(api.app.store.password(&TenantId::default_tenant(), user_id).await.unwrap().is_none());
}

#[tokio::test]
async fn an_administrators_verify_on_a_prepared_account_ends_what_is_under_way_for_its_other_addresses() {
    let api = Api::new().await;
    let user = api.user(json!({"email": "victim@example.com"})).await;
    let user_path = format!("/api/users/{}", user["user_id"].as_str().unwrap());
    let user =
        api.post(&format!("{user_path}/emails"), json!({"email": "attacker@example.org"})).await.json();
    let [victims, attackers] =
        [link(&api, &email_path(&user, 0)).await, link(&api, &email_path(&user, 1)).await];
    api.post(&format!("/api{}/verify", email_path(&user, 0)), Value::Null).await.json();
    let told = api.get("/v1/events?type=user.email.verified").await.json();
    assert_eq!(
        told["events"][0]["details"],
        json!({
            "ended_proofs": [user["emails"][1]["id"]],
            "ended_reset": false,
            "password": null,
            "removed_identifiers": [],
        })
    );
    assert!(matches!(follow(&api, &attackers).await, ProofView::Dead));
    // The owner of the verified address can still prove it: that is on record, and nothing else changes.
    let before = api.get(&user_path).await.bytes;
    assert!(matches!(follow(&api, &victims).await, ProofView::DoneByIt(_)));
    assert_eq!(api.get(&user_path).await.bytes, before);
    assert_eq!(api.events().await.pop().unwrap().method, Means::Link);
    // What is asked for from then on counts.
    let asked = link(&api, &email_path(&user, 1)).await;
    assert!(matches!(follow(&api, &asked).await, ProofView::DoneByIt(_)));
}

#[tokio::test]
async fn a_new_mail_can_be_asked_for_with_a_link_that_is_only_too_old() {
    let api = Api::with_mail().await;
    let (path, _) = api.user_with_email("user@example.com").await;
    let token = link(&api, &path).await;
    api.clock.advance(86_400);
    assert!(!is_live(&api, &token).await);
    let again = async |token: &str| {
        let before = api.events().await.len();
        api.app.ask_again(token, &visitor(&api)).await.unwrap();
        api.app.finish().await;
        api.events().await.len() - before
    };
    for wrong in ["", "x", &format!("{}x", &token[..token.len() - 1])] {
        assert_eq!(again(wrong).await, 0);
    }
    let mails = api.sent().await.len();
    assert_eq!(again(&token).await, 1);
    let event = api.events().await.pop().unwrap();
    assert_eq!((event.kind, event.actor), (EventType::EmailProofStarted, Actor::Owner));
    // By this the first one has ended, and there is no more to be had by it.
    assert_eq!(again(&token).await, 0);
    let sent = api.sent().await;
    assert_eq!(sent.len(), mails + 1);
    let tokens: Vec<String> = sent.iter().map(|mail| token_in(mail, "verify")).collect();
    let mut next = None;
    for token in tokens {
        if is_live(&api, &token).await {
            next = Some(token);
        }
    }
    let next = next.expect("the new mail brings a link that works");
    // At once is too often, and nobody is told.
    assert_eq!(again(&next).await, 0);
    api.clock.advance(60);
    api.post(&format!("/api{path}/unverify"), Value::Null).await.json();
    assert_eq!(again(&next).await, 0);
}

fn reset_path(user: &Value) -> String {
    format!("/api/users/{}/password/reset", user["user_id"].as_str().unwrap())
}

#[tokio::test]
async fn a_link_to_reset_a_password_is_mailed_to_the_primary_email_if_that_is_verified() {
    let api = Api::with_mail().await;
    let user = api.user(json!({"email": "user@example.com", "password": "set at sign-up"})).await;
    let by_mail = json!({"send_email": true});
    let unverified = api.post(&reset_path(&user), by_mail.clone()).await.json();
    assert_eq!(unverified["email_sent"], json!(false));
    assert!(api.sent().await.is_empty());
    api.post(&format!("/api{}/verify", email_path(&user, 0)), Value::Null).await.json();
    let unasked = api.post(&reset_path(&user), Value::Null).await.json();
    assert_eq!(unasked["email_sent"], json!(false));
    assert!(api.sent().await.is_empty());
    let sent = api.post(&reset_path(&user), by_mail.clone()).await.json();
    assert_eq!(sent["email_sent"], json!(true));
    let mails = api.sent().await;
    let token = token_in(&mails[0], "reset");
    assert_eq!(
        (mails.len(), sent["link"].as_str().unwrap()),
        (1, &*format!("http://localhost/reset/{token}"))
    );
    // One for an address that has lost its trust by then is not sent, nor one whose link has ended.
    api.clock.advance(60);
    api.post(&reset_path(&user), by_mail.clone()).await.json();
    api.post(&format!("/api{}/unverify", email_path(&user, 0)), Value::Null).await.json();
    assert_eq!(api.sent().await.len(), 1);
    api.post(&format!("/api{}/verify", email_path(&user, 0)), Value::Null).await.json();
    api.clock.advance(60);
    api.post(&reset_path(&user), by_mail).await.json();
    api.delete(&reset_path(&user).replace("/reset", "")).await;
    assert_eq!(api.sent().await.len(), 1);
}

#[tokio::test]
async fn a_link_to_reset_a_password_sets_another_one_once() {
    let api = Api::new().await;
    let user = api.user(json!({"email": "user@example.com", "password": "set at sign-up"})).await;
    let started = api.post(&reset_path(&user), json!({"expiry": 600})).await.json();
    let token = started["link"].as_str().unwrap().rsplit_once('/').unwrap().1;
    let reset = async |token: &str, password: &str| {
        api.app.reset_by_link(token, &Password::new(password), &visitor(&api)).await
    };
    assert!(matches!(api.app.reset_view(token).await.unwrap(), ResetView::Live { .. }));
    assert!(matches!(reset(token, "short").await, Err(Error::Refused(_))));
    assert!(matches!(reset(token, &"x".repeat(1_025)).await, Err(Error::Invalid(_))));
    assert!(matches!(api.app.reset_view("x").await.unwrap(), ResetView::Dead));
    let both = futures_util::future::join(reset(token, PASSWORD), reset(token, PASSWORD)).await;
    let done = [both.0.unwrap(), both.1.unwrap()];
    assert_eq!(done.iter().filter(|view| matches!(view, ResetView::Done { .. })).count(), 1);
    let event = api.events().await.pop().unwrap();
    assert_eq!(
        (event.kind, event.method, &event.actor),
        (EventType::PasswordReset, Means::Link, &Actor::Owner)
    );
    let found = api.get(&format!("/api/users/{}", user["user_id"].as_str().unwrap())).await.json();
    assert_eq!(found["force_password_reset"], json!(false));
    assert!(matches!(reset(token, PASSWORD).await.unwrap(), ResetView::Dead));
    let user_id = user["user_id"].as_str().unwrap().parse().unwrap();
    let tenant = TenantId::default_tenant();
    let password = Password::new(PASSWORD);
    assert!(api.app.check_password(&tenant, user_id, &password).await.unwrap().is_some());
    let started = api.post(&reset_path(&user), json!({"expiry": 600})).await.json();
    api.clock.advance(600);
    let token = started["link"].as_str().unwrap().rsplit_once('/').unwrap().1;
    assert!(matches!(api.app.reset_view(token).await.unwrap(), ResetView::Dead));
    assert!(matches!(reset(token, PASSWORD).await.unwrap(), ResetView::Dead));
}

/// A user whose email is verified and who has a password.
async fn user_to_reset(api: &Api) -> Value {
    api.user(json!({"email": "user@example.com", "email_verified": true, "password": "set at sign-up"})).await
}

/// The token of a link to reset the password that is mailed. A minute passes, so that there can be
/// another.
async fn mailed_reset(api: &Api, user: &Value) -> String {
    let started = api.post(&reset_path(user), json!({"send_email": true, "expiry": 604_800})).await.json();
    assert_eq!(started["email_sent"], json!(true));
    api.clock.advance(60);
    started["link"].as_str().unwrap().rsplit_once('/').unwrap().1.to_owned()
}

async fn resets(api: &Api, token: &str) -> bool {
    let view = api.app.reset_by_link(token, &Password::new(PASSWORD), &visitor(api)).await.unwrap();
    let live = matches!(view, ResetView::Done { .. });
    assert_eq!(live, !matches!(view, ResetView::Dead));
    live
}

#[tokio::test]
async fn mails_to_reset_a_password_are_bounded_and_counted_with_those_that_prove_the_address() {
    let api = Api::with_mail().await;
    let user = user_to_reset(&api).await;
    let by_mail = json!({"send_email": true});
    let mail = async || api.post(&reset_path(&user), by_mail.clone()).await;
    let refused = async |seconds: &str| {
        let before = api.events().await.len();
        let answer = mail().await;
        answer.problem(StatusCode::TOO_MANY_REQUESTS);
        assert_eq!((answer.header("retry-after"), api.events().await.len()), (seconds, before));
    };
    let first = mail().await.json();
    let token = first["link"].as_str().unwrap().rsplit_once('/').unwrap().1.to_owned();
    refused("60").await;
    // What is refused leaves the link that was mailed.
    assert!(matches!(api.app.reset_view(&token).await.unwrap(), ResetView::Live { .. }));
    // Who sends the link by other means is not bounded, but ends it.
    assert_eq!(api.post(&reset_path(&user), Value::Null).await.json()["email_sent"], json!(false));
    let verify = format!("/api{}/verify/link", email_path(&user, 0));
    api.post(&verify, Value::Null).await.problem(StatusCode::TOO_MANY_REQUESTS);
    for minute in 1..5 {
        api.clock.advance(60);
        if minute == 2 {
            assert_eq!(api.post(&verify, Value::Null).await.json()["email_sent"], json!(true));
            refused("60").await;
        } else {
            mail().await.json();
        }
    }
    // Of two limits that stand in the way, the later end is told.
    refused("3360").await;
    api.clock.advance(3_360);
    mail().await.json();
}

/// Issue 5: a link that was mailed worked for seven days at an address that was nobody's any more.
#[tokio::test]
async fn a_mailed_link_to_reset_a_password_ends_when_its_email_is_unverified_or_removed() {
    let api = Api::with_mail().await;
    let user = user_to_reset(&api).await;
    let path = format!("/api{}", email_path(&user, 0));
    let emails = format!("/api/users/{}/emails", user["user_id"].as_str().unwrap());
    let token = mailed_reset(&api, &user).await;
    api.post(&format!("{path}/unverify"), Value::Null).await.json();
    assert!(matches!(api.app.reset_view(&token).await.unwrap(), ResetView::Dead));
    assert!(!resets(&api, &token).await);
    // For good.
    api.post(&format!("{path}/verify"), Value::Null).await.json();
    assert!(!resets(&api, &token).await);
    let token = mailed_reset(&api, &user).await;
    api.delete(&path).await.json();
    assert!(!resets(&api, &token).await);
    let again = json!({"email": "user@example.com", "is_verified": true});
    let user = api.post(&emails, again).await.json();
    assert!(!resets(&api, &token).await);
    // One that the caller hands over is bound to no address, and what happens to another ends none.
    let handed = api.post(&reset_path(&user), Value::Null).await.json();
    api.post(&format!("/api{}/unverify", email_path(&user, 0)), Value::Null).await.json();
    assert!(resets(&api, handed["link"].as_str().unwrap().rsplit_once('/').unwrap().1).await);
    api.post(&format!("/api{}/verify", email_path(&user, 0)), Value::Null).await.json();
    let user = api.post(&emails, json!({"email": "other@example.com", "is_verified": true})).await.json();
    let token = mailed_reset(&api, &user).await;
    api.post(&format!("/api{}/unverify", email_path(&user, 1)), Value::Null).await.json();
    assert!(resets(&api, &token).await);
}

/// Whoever prepared the account may have asked for the link.
#[tokio::test]
async fn the_first_proof_on_an_account_ends_a_link_to_reset_its_password_and_says_so() {
    let api = Api::new().await;
    api.choose(&[("proof_means", "code")]).await;
    let user = api.user(json!({"email": "victim@example.com", "password": "set at sign-up"})).await;
    let started = api.post(&reset_path(&user), json!({"expiry": 604_800})).await.json();
    let token = started["link"].as_str().unwrap().rsplit_once('/').unwrap().1;
    let path = email_path(&user, 0);
    let code = self::code(&api, &path).await;
    let checked = check(&api, &path, &code).await.json();
    assert_eq!(
        checked["details"],
        json!({"ended_proofs": [], "ended_reset": true, "password": null, "removed_identifiers": []})
    );
    assert!(!resets(&api, token).await);
    // A later proof is by the owner, and leaves what the owner has asked for.
    let started = api.post(&reset_path(&user), Value::Null).await.json();
    let code = self::code(&api, &path).await;
    assert_eq!(check(&api, &path, &code).await.json()["details"], Value::Null);
    assert!(resets(&api, started["link"].as_str().unwrap().rsplit_once('/').unwrap().1).await);
}

/// Issue 5: whoever knew the password that somebody had prepared could keep the account by it.
#[tokio::test]
async fn a_password_that_is_not_trusted_sets_no_other_until_a_link_or_an_administrator_ends_that() {
    let api = Api::new().await;
    api.choose(&[("proof_means", "code")]).await;
    for (number, ending) in ["reset", "set", "vouch"].into_iter().enumerate() {
        let email = format!("victim{number}@example.com");
        let user = api.user(json!({"email": email, "password": "set at sign-up"})).await;
        let password = format!("/api/users/{}/password", user["user_id"].as_str().unwrap());
        let change = async |old: &str, new: &str| {
            let body = json!({"old_password": old, "new_password": new});
            api.call(Method::PUT, &format!("{password}/change"), body).await
        };
        change("set at sign-up", "the attacker's").await.json();
        let code = self::code(&api, &email_path(&user, 0)).await;
        let checked = check(&api, &email_path(&user, 0), &code).await.json();
        assert_eq!(checked["user"]["force_password_reset"], json!(true));
        let before = kinds(&api).await;
        assert_eq!(change("the attacker's", PASSWORD).await.codes(), ["PasswordNotTrusted"]);
        assert_eq!(change("another", PASSWORD).await.codes(), ["PasswordMismatch"]);
        let found = api.get(&format!("/api/users/{}", user["user_id"].as_str().unwrap())).await.json();
        assert_eq!((&found["force_password_reset"], kinds(&api).await), (&json!(true), before));
        match ending {
            "reset" => {
                let started = api.post(&reset_path(&user), Value::Null).await.json();
                assert!(resets(&api, started["link"].as_str().unwrap().rsplit_once('/').unwrap().1).await);
                change(PASSWORD, "the owner's own").await.json();
            }
            "set" => {
                let body = json!({"password": PASSWORD});
                api.call(Method::PUT, &password, body).await.json();
                change(PASSWORD, "the owner's own").await.json();
            }
            _ => {
                api.delete(&format!("{password}/force_reset")).await.json();
                change("the attacker's", "the owner's own").await.json();
            }
        }
    }
}

/// What was asked for holds addresses: they go when nothing counts them any more, whoever asks.
#[tokio::test]
async fn addresses_of_who_is_gone_are_forgotten_when_their_requests_count_no_more() {
    let api = Api::with_mail().await;
    let (path, user) = api.user_with_email("gone@example.com").await;
    api.post(&format!("/api{path}/verify/link"), Value::Null).await.json();
    api.delete(&format!("/api/users/{}", user["user_id"].as_str().unwrap())).await;
    let requests = TABLES.iter().filter(|table| table.name != "api_keys");
    let requests = requests.clone().position(|table| table.name == "proof_requests").unwrap();
    let kept = async || api.kept().await[requests].len();
    api.clock.advance(3_599);
    api.app.sweep().await.unwrap();
    assert_eq!(kept().await, 1);
    api.clock.advance(1);
    api.app.sweep().await.unwrap();
    assert_eq!(kept().await, 0);
}

/// The store's own rows, too: whoever reads them learns no link and no code.
#[tokio::test]
async fn no_link_and_no_code_is_kept_or_shown_to_who_did_not_ask_for_it() {
    let api = Api::with_mail().await;
    api.choose(&[("proof_means", "both")]).await;
    let (path, user) = api.user_with_email("user@example.com").await;
    let started = api.post(&format!("/v1{path}/verify/start"), Value::Null).await.json();
    api.post(&format!("/api{path}/verify"), Value::Null).await.json();
    api.clock.advance(60);
    let reset = api.post(&reset_path(&user), json!({"send_email": true})).await.json();
    let secrets = [&started["link"], &reset["link"]].map(|link| {
        let token: PlainToken = link.as_str().unwrap().rsplit_once('/').unwrap().1.parse().unwrap();
        token.reveal().split_once('_').unwrap().1.to_owned()
    });
    // The values of every row.
    let kept: Vec<u8> = api
        .kept()
        .await
        .into_iter()
        .flatten()
        .flatten()
        .flat_map(|value| match value {
            Stored::Text(text) => text.into_bytes(),
            Stored::Bytes(bytes) => bytes,
            Stored::Null | Stored::Integer(_) => Vec::new(),
        })
        .collect();
    let holds = |bytes: &[u8], text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds(&kept, "user@example.com"));
    let code = started["code"].as_str().unwrap();
    let mut said = api.get("/v1/events").await.text().to_owned();
    said += api.get(&format!("/v1{path}/history")).await.text();
    said += api.get("/api/users").await.text();
    for secret in &secrets {
        assert!(!holds(&kept, secret) && !said.contains(secret.as_str()));
    }
    // Six digits may be found by chance within others, but not as the text of a value.
    assert!(!holds(&kept, &format!("\"{code}\"")) && !said.contains(&format!("\"{code}\"")));
}
