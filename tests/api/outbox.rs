//! Mail that waits: when it is tried, and what becomes of it.

use std::sync::Arc;

use bonafide::app::App;
use bonafide::directory::event::{Actor, EventType};
use bonafide::directory::mail::Mail;
use bonafide::id::SeededRandom;
use bonafide::secret::ServerSecret;
use bonafide::time::{Clock, Timestamp};
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::harness::{Api, START, mails_in, token_in};

async fn ask(api: &Api, path: &str) {
    let sent = api.post(&format!("/api{path}/verify/link"), json!({"expiry": 604_800})).await.json();
    assert_eq!(sent["email_sent"], json!(true));
}

/// All that waits, due or not.
async fn waiting(api: &Api) -> Vec<Mail> {
    api.app.store.due_mails(Timestamp(START.0 + 10_000_000), 100).await.unwrap()
}

#[tokio::test]
async fn a_mail_that_cannot_be_sent_is_tried_after_5_15_and_60_seconds_and_then_gets_through() {
    let api = Api::with_mail().await;
    let (path, _) = api.user_with_email("user@example.com").await;
    let failing = api.failing_outbox();
    ask(&api, &path).await;
    for pause in [5, 15, 60] {
        assert_eq!(failing.send_due().await.unwrap(), 1);
        assert_eq!(failing.send_due().await.unwrap(), 0);
        api.clock.advance(pause - 1);
        assert_eq!(failing.send_due().await.unwrap(), 0);
        api.clock.advance(1);
    }
    assert_eq!(api.sent().await.len(), 1);
    assert!(waiting(&api).await.is_empty());
    api.clock.advance(100_000);
    assert_eq!(api.sent().await.len(), 1);
}

#[tokio::test]
async fn a_mail_that_cannot_be_sent_for_a_day_is_given_up_with_an_event() {
    let api = Api::with_mail().await;
    let (path, user) = api.user_with_email("user@example.com").await;
    let failing = api.failing_outbox();
    ask(&api, &path).await;
    let mut tries = 0;
    while let Some(mail) = waiting(&api).await.pop() {
        let pause = mail.due_at.0 - api.clock.now().0;
        api.clock.advance(pause.max(0));
        tries += failing.send_due().await.unwrap();
    }
    assert!((10..20).contains(&tries), "{tries}");
    let tried_for = api.clock.now().0 - START.0;
    assert!((72_000..=86_400).contains(&tried_for), "{tried_for}");
    let event = api.events().await.pop().unwrap();
    assert_eq!((event.kind, event.actor), (EventType::EmailMailGivenUp, Actor::Server));
    assert_eq!(event.identifier_id.unwrap().to_string(), user["emails"][0]["id"].as_str().unwrap());
    assert!(api.sent().await.is_empty());
}

#[tokio::test]
async fn the_mail_of_a_user_who_is_gone_is_dropped() {
    let api = Api::with_mail().await;
    let (path, user) = api.user_with_email("user@example.com").await;
    ask(&api, &path).await;
    api.delete(&format!("/api/users/{}", user["user_id"].as_str().unwrap())).await;
    assert!(api.sent().await.is_empty() && waiting(&api).await.is_empty());
}

#[tokio::test]
async fn the_mail_of_a_proof_that_has_ended_is_dropped() {
    let api = Api::with_mail().await;
    for ending in ["unverify", "next", "expiry", "removal"] {
        let (path, _) = api.user_with_email(&format!("{ending}@example.com")).await;
        ask(&api, &path).await;
        let before = api.events().await.len();
        match ending {
            "unverify" => drop(api.post(&format!("/api{path}/unverify"), Value::Null).await.json()),
            "next" => {
                api.clock.advance(60);
                let body = json!({"send_email": false});
                api.post(&format!("/v1{path}/verify/start"), body).await.json();
            }
            "removal" => drop(api.delete(&format!("/api{path}")).await.json()),
            _ => api.clock.advance(604_800),
        }
        let told = api.events().await.len() - before;
        assert!(api.sent().await.is_empty() && waiting(&api).await.is_empty(), "{ending}");
        assert_eq!(api.events().await.len() - before, told, "{ending}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_several_who_send_at_once_one_sends_a_given_mail() {
    let api = Api::with_mail().await;
    for number in 0..20 {
        let (path, _) = api.user_with_email(&format!("user{number}@example.com")).await;
        ask(&api, &path).await;
    }
    let workers = (0..4).map(|_| {
        let outbox = api.outbox();
        tokio::spawn(async move { while outbox.send_due().await.unwrap() > 0 {} })
    });
    for worker in join_all(workers).await {
        worker.unwrap();
    }
    let mails = api.sent().await;
    assert_eq!(mails.len(), 20);
    let tokens: std::collections::HashSet<String> =
        mails.iter().map(|mail| token_in(mail, "verify")).collect();
    assert_eq!(tokens.len(), 20);
}

#[tokio::test]
async fn a_mail_of_a_server_that_died_while_it_sent_is_sent_by_another() {
    let api = Api::with_mail().await;
    let (path, _) = api.user_with_email("user@example.com").await;
    ask(&api, &path).await;
    let (mail, now) = (waiting(&api).await.remove(0), api.clock.now());
    assert!(api.app.store.claim_mail(&mail.tenant, mail.id, now, Timestamp(now.0 + 180)).await.unwrap());
    api.clock.advance(179);
    assert!(api.sent().await.is_empty());
    api.clock.advance(1);
    assert_eq!(api.sent().await.len(), 1);
}

#[tokio::test]
async fn a_server_with_another_secret_sends_nothing_and_leaves_it_to_who_can() {
    let api = Api::with_mail().await;
    let (path, _) = api.user_with_email("user@example.com").await;
    ask(&api, &path).await;
    let stranger = App::new(
        api.app.store.clone(),
        api.clock.clone(),
        Arc::new(SeededRandom::new(5)),
        ServerSecret::new(&SeededRandom::new(6)),
    );
    let folder = api.folder().join("strange");
    let outbox = api.outbox_into(Arc::new(stranger), folder.clone());
    assert_eq!(outbox.send_due().await.unwrap(), 1);
    assert!(mails_in(&folder).is_empty());
    api.clock.advance(5);
    assert_eq!(api.sent().await.len(), 1);
}

#[tokio::test]
async fn a_request_wakes_who_sends() {
    let api = Api::with_mail().await;
    let (path, _) = api.user_with_email("user@example.com").await;
    let outbox = api.outbox();
    let running = tokio::spawn(async move { outbox.run().await });
    // By then it has found nothing and waits.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    ask(&api, &path).await;
    let sent = async {
        while mails_in(&api.folder().join("mail")).is_empty() {
            tokio::task::yield_now().await;
        }
    };
    // Far sooner than it looks by itself.
    tokio::time::timeout(std::time::Duration::from_secs(4), sent).await.unwrap();
    running.abort();
}
