//! Mail that waits: when it is tried, and what becomes of it.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use bonafide::app::App;
use bonafide::app::outbox::Outbox;
use bonafide::directory::event::{Actor, EventType};
use bonafide::directory::mail::Mail;
use bonafide::id::{Random, SeededRandom};
use bonafide::mail::{Mailer, Templates};
use bonafide::secret::ServerSecret;
use bonafide::time::{Clock, Timestamp};
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::harness::{Api, START, mails_in, token_in};

async fn ask(api: &Api, path: &str) {
    let sent = api.post(&format!("/api{path}/verify/link"), json!({"expiry": 604_800})).await.json();
    assert_eq!(sent["email_sent"], json!(true));
}

/// How long anything may take: far longer than it needs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until a mail lies in the folder.
async fn until_sent(api: &Api) {
    while mails_in(&api.folder().join("mail")).is_empty() {
        tokio::task::yield_now().await;
    }
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
    for ending in ["unverify", "next", "removal"] {
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
            _ => drop(api.delete(&format!("/api{path}")).await.json()),
        }
        let told = api.events().await.len() - before;
        assert!(api.sent().await.is_empty() && waiting(&api).await.is_empty(), "{ending}");
        assert_eq!(api.events().await.len() - before, told, "{ending}");
    }
}

#[tokio::test]
async fn a_mail_that_could_not_be_sent_before_what_it_brings_expired_is_given_up_with_an_event() {
    let api = Api::with_mail().await;
    let (path, user) = api.user_with_email("user@example.com").await;
    let user_path = format!("/api/users/{}", user["user_id"].as_str().unwrap());
    for kind in ["verify", "reset"] {
        let before = api.events().await.len();
        if kind == "verify" {
            ask(&api, &path).await;
        } else {
            api.post(&format!("/api{path}/verify"), Value::Null).await.json();
            let sent = api.post(&format!("{user_path}/password/reset"), json!({"send_email": true})).await;
            assert_eq!(sent.json()["email_sent"], json!(true));
        }
        assert_eq!(api.failing_outbox().send_due().await.unwrap(), 1);
        api.clock.advance(604_800);
        assert!(api.sent().await.is_empty() && waiting(&api).await.is_empty(), "{kind}");
        let events = api.events().await;
        let given_up = events[before..].iter().filter(|event| event.kind == EventType::EmailMailGivenUp);
        assert_eq!(given_up.count(), 1, "{kind}");
    }
}

/// Tries a mail, which cannot be made, until it is tried no more; gives how often it was.
async fn tried_in_vain(api: &Api) -> usize {
    let outbox = api.outbox();
    let mut tries = 0;
    while let Some(mail) = waiting(api).await.pop() {
        api.clock.advance((mail.due_at.0 - api.clock.now().0).max(0));
        tries += outbox.send_due().await.unwrap();
    }
    let tried_for = api.clock.now().0 - START.0;
    assert!((72_000..=86_400).contains(&tried_for), "{tried_for}");
    tries
}

#[tokio::test]
async fn a_mail_that_cannot_be_made_is_tried_as_one_that_cannot_be_sent_and_given_up_with_an_event() {
    let api = Api::with_mail().await;
    let (path, _) = api.user_with_email("user@example.com").await;
    ask(&api, &path).await;
    api.execute("update tenants set settings = '{'").await;
    assert_eq!(api.outbox().send_due().await.unwrap(), 1);
    assert_eq!(waiting(&api).await[0].due_at, Timestamp(START.0 + 5));
    assert!((10..20).contains(&tried_in_vain(&api).await));
    assert_eq!(api.events().await.pop().unwrap().kind, EventType::EmailMailGivenUp);
}

#[tokio::test]
async fn a_mail_whose_user_cannot_be_read_is_not_tried_for_ever() {
    let api = Api::with_mail().await;
    let (path, _) = api.user_with_email("user@example.com").await;
    ask(&api, &path).await;
    api.execute("update users set document = '{}'").await;
    assert!((10..20).contains(&tried_in_vain(&api).await));
}

/// Randomness that never comes.
struct NoRandom;

impl Random for NoRandom {
    fn fill(&self, _: &mut [u8]) {
        panic!("there is no randomness");
    }
}

#[tokio::test]
async fn a_mail_whose_sending_panics_is_tried_again_as_one_that_cannot_be_sent() {
    let api = Api::with_mail().await;
    let (path, _) = api.user_with_email("user@example.com").await;
    ask(&api, &path).await;
    let (folder, from) = (api.folder().join("mail"), "no-reply@localhost".parse().unwrap());
    let mailer = Mailer::folder(folder, from, api.clock.clone(), Arc::new(NoRandom));
    let outbox = Outbox::new(api.app.clone(), mailer, Arc::new(Templates::embedded()));
    assert_eq!(outbox.send_due().await.unwrap(), 1);
    let mail = waiting(&api).await.remove(0);
    assert_eq!((mail.attempts, mail.due_at), (1, Timestamp(START.0 + 5)));
    api.clock.advance(5);
    assert_eq!(api.sent().await.len(), 1);
}

#[tokio::test]
async fn a_mail_that_was_sent_and_cannot_be_removed_at_once_is_not_sent_again() {
    let api = Api::with_mail().await;
    let (path, _) = api.user_with_email("user@example.com").await;
    ask(&api, &path).await;
    api.refuse("delete").await;
    let outbox = api.outbox();
    let sending = tokio::spawn(async move { outbox.send_due().await.unwrap() });
    until_sent(&api).await;
    // What is asked of the store after that is answered after it, so the removal has failed by then.
    for _ in 0..50 {
        api.app.store.ping().await.unwrap();
    }
    assert_eq!(waiting(&api).await.len(), 1);
    api.refuse_no_more().await;
    assert_eq!(sending.await.unwrap(), 1);
    api.clock.advance(100_000);
    assert!(waiting(&api).await.is_empty());
    assert_eq!(api.sent().await.len(), 1);
}

#[tokio::test]
async fn mail_of_a_kind_that_only_a_later_version_knows_is_left_to_it_and_holds_up_no_other() {
    let api = Api::with_mail().await;
    for number in 0..9 {
        let (path, _) = api.user_with_email(&format!("user{number}@example.com")).await;
        ask(&api, &path).await;
        if number == 7 {
            api.execute("update outbox set kind = 'of a later version'").await;
            api.clock.advance(1);
        }
    }
    assert_eq!(api.sent().await.len(), 1);
    api.execute("update outbox set kind = 'verify'").await;
    assert_eq!(api.sent().await.len(), 9);
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
    assert!(api.app.store.claim_mail(&mail, now, Timestamp(now.0 + 180)).await.unwrap());
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
    let running = tokio::spawn(Arc::new(api.outbox()).run(pending()));
    // By then it has found nothing and waits.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    ask(&api, &path).await;
    // Far sooner than it looks by itself.
    timeout(Duration::from_secs(4), until_sent(&api)).await.unwrap();
    running.abort();
}

#[tokio::test]
async fn a_mail_that_waits_to_be_tried_again_is_tried_at_once_by_a_server_that_starts() {
    let api = Api::with_mail().await;
    let (path, _) = api.user_with_email("user@example.com").await;
    ask(&api, &path).await;
    assert_eq!(api.failing_outbox().send_due().await.unwrap(), 1);
    // The clock stands still, so that what waits is not due for ever.
    let running = tokio::spawn(Arc::new(api.outbox()).run(pending()));
    timeout(PATIENCE, until_sent(&api)).await.unwrap();
    running.abort();
}

/// A clock that stands still, counts how often it is asked, and can be broken.
#[derive(Default)]
struct AskedClock {
    asked: AtomicUsize,
    /// How often it panics before it works.
    panics: usize,
}

impl Clock for AskedClock {
    fn now(&self) -> Timestamp {
        let before = self.asked.fetch_add(1, SeqCst);
        assert!(before >= self.panics, "the clock is broken");
        START
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}

/// Who sends the mail of this directory by this clock.
fn outbox_by(api: &Api, clock: Arc<AskedClock>) -> Arc<Outbox> {
    let (random, secret) = (Arc::new(SeededRandom::new(5)), ServerSecret::new(&SeededRandom::new(2)));
    let app = App::new(api.app.store.clone(), clock, random, secret).sending_mail();
    Arc::new(api.outbox_into(Arc::new(app), api.folder().join("mail")))
}

#[tokio::test]
async fn while_the_store_keeps_no_changes_mail_is_looked_for_now_and_then_only() {
    let api = Api::with_mail().await;
    for number in 0..8 {
        let (path, _) = api.user_with_email(&format!("user{number}@example.com")).await;
        ask(&api, &path).await;
    }
    api.refuse("update").await;
    let clock = Arc::new(AskedClock::default());
    let running = tokio::spawn(outbox_by(&api, clock.clone()).run(pending()));
    let looked = async {
        while clock.asked.load(SeqCst) < 2 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, looked).await.unwrap();
    // Time for many looks.
    for _ in 0..500 {
        api.app.store.ping().await.unwrap();
    }
    assert!(clock.asked.load(SeqCst) < 10);
    running.abort();
    api.refuse_no_more().await;
    assert_eq!(api.sent().await.len(), 8);
}

#[tokio::test]
async fn who_sends_begins_anew_after_a_panic() {
    let api = Api::with_mail().await;
    let (path, _) = api.user_with_email("user@example.com").await;
    ask(&api, &path).await;
    let clock = Arc::new(AskedClock { panics: 1, ..AskedClock::default() });
    let running = tokio::spawn(outbox_by(&api, clock).run(pending()));
    timeout(PATIENCE, until_sent(&api)).await.unwrap();
    running.abort();
}

#[tokio::test]
async fn when_the_server_ends_nothing_more_is_begun_and_what_is_being_sent_is_finished() {
    let api = Api::with_mail().await;
    let (path, _) = api.user_with_email("user@example.com").await;
    ask(&api, &path).await;
    let (end, ends) = oneshot::channel::<()>();
    let running = tokio::spawn(Arc::new(api.outbox()).run(async { drop(ends.await) }));
    until_sent(&api).await;
    drop(end);
    timeout(PATIENCE, running).await.unwrap().unwrap();
    assert!(waiting(&api).await.is_empty());
    let (path, _) = api.user_with_email("other@example.com").await;
    ask(&api, &path).await;
    assert_eq!(waiting(&api).await[0].attempts, 0);
}
