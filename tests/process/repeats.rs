//! Named requests that lose their answers to crashes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use tokio_postgres::NoTls;

use super::client::{Client, User};
use super::postgres;
use super::server::{Home, Server, assert_whole, until};
use crate::postgres::Database;

const CLIENTS: usize = 16;
/// After how many answers the server is killed, how often.
const ANSWERS: usize = 150;
const CRASHES: usize = 4;
/// How often at most, where no crash has fallen between a change and its answer.
const MOST_CRASHES: usize = 40;

/// What a client has asked for, by name, and what it was told, if it was.
struct Asked {
    name: String,
    path: String,
    body: Option<Value>,
    told: Option<(StatusCode, String)>,
}

/// A client that asks for one thing after the other, each by a name of its own, and remembers all of it.
struct Asking {
    number: usize,
    user: User,
    asked: Vec<Asked>,
}

async fn told(answer: Response) -> reqwest::Result<(StatusCode, String)> {
    let status = answer.status();
    Ok((status, answer.text().await?))
}

impl Asking {
    /// Marks an email verified and unverified in turn, and makes a user each third time, until the server is
    /// gone. What was asked for last may have been done or not.
    async fn ask_until_gone(mut self, client: Client, answers: Arc<AtomicUsize>) -> Self {
        loop {
            let place = self.asked.len();
            let marks = place - place.div_ceil(3);
            let (path, body) = match place % 3 {
                0 => {
                    let email = format!("made.{}.{place}@example.com", self.number);
                    ("/api/users".to_owned(), Some(json!({"email": email})))
                }
                _ if marks.is_multiple_of(2) => (self.user.path("verify"), None),
                _ => (self.user.path("unverify"), None),
            };
            let name = format!("{}-{place}", self.number);
            let answer = client.post_with(&[("idempotency-key", &name)], &path, body.as_ref()).await;
            let told = match answer {
                Ok(answer) => told(answer).await.ok(),
                Err(_) => None,
            };
            let is_gone = told.is_none();
            self.asked.push(Asked { name, path, body, told });
            if is_gone {
                return self;
            }
            answers.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Asks for all of it again, and gives how much of what was not answered had been done.
    async fn ask_again(&mut self, client: &Client) -> usize {
        let mut done = 0;
        for asked in &mut self.asked {
            let headers = [("idempotency-key", &*asked.name)];
            let answer = client.post_with(&headers, &asked.path, asked.body.as_ref()).await;
            let answer = answer.expect("the server is there again");
            let is_replayed = answer.headers().contains_key("idempotent-replayed");
            let again = told(answer).await.expect("an answer");
            assert!(again.0.is_success(), "{again:?}");
            match &asked.told {
                Some(told) => assert!(is_replayed && *told == again, "{} was answered otherwise", asked.name),
                None => done += usize::from(is_replayed),
            }
            asked.told = Some(again);
        }
        done
    }
}

/// Whatever a client was told or not told before the server was killed: when it asks for all again, each
/// is answered as before, and each was done once.
#[tokio::test]
async fn what_is_asked_for_again_after_a_crash_was_done_once_and_is_answered_as_before() {
    let home = Home::new();
    let key = home.key("users:write,users:read");
    let (serve, counts) = (
        || home.serve(&[]),
        async || {
            let database = home.database();
            assert_whole(&database);
            COUNTED.map(|sql| database.query_row(sql, [], |row| row.get(0)).expect("a number"))
        },
    );
    repeat_after_crashes(&key, serve, counts).await;
}

#[tokio::test]
async fn what_is_asked_for_again_after_a_crash_was_done_once_on_postgresql_too() {
    let (home, database) = (Home::new(), Database::empty().await);
    let url = &*database.url;
    let serve = || home.serve(&["--store", url, "--secret-file", "secret"]);
    // It makes the schema.
    drop(serve());
    let key = postgres::key(&home, url);
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("PostgreSQL answers");
    let connection = tokio::spawn(connection);
    let counts = async || {
        let client = &client;
        let count = |sql| async move {
            let row = client.query_one(sql, &[]).await.expect("a number");
            row.get::<_, i64>(0)
        };
        // Events wait there for their position.
        until(0, async || count("select count(*) from pending_events").await).await;
        let [marks, users, answers] = COUNTED.map(count);
        [marks.await, users.await, answers.await]
    };
    repeat_after_crashes(&key, serve, counts).await;
    drop(client);
    connection.await.expect("the connection is kept up").expect("PostgreSQL stays");
}

/// What is counted: emails that were marked, users, and answers that are kept.
const COUNTED: [&str; 3] = [
    "select count(*) from events where type like 'user.email.%verified'",
    "select count(*) from users",
    "select count(*) from answers",
];

/// Asks a server for much, kills it, and asks another for all of it again, some times.
async fn repeat_after_crashes(key: &str, serve: impl Fn() -> Server, counts: impl AsyncFn() -> [i64; 3]) {
    let mut server = serve();
    let client = Client::new(&server, key);
    let users = (0..CLIENTS).map(|number| {
        let client = &client;
        async move { (number, client.create(&format!("user{number}@example.com")).await) }
    });
    let asking = join_all(users).await.into_iter();
    let mut asking: Vec<_> =
        asking.map(|(number, user)| Asking { number, user, asked: Vec::new() }).collect();
    let mut unanswered = 0;
    for crashes in 1..=MOST_CRASHES {
        asking = crash(server, key, asking).await;
        server = serve();
        let client = Client::new(&server, key);
        let again = join_all(asking.iter_mut().map(|asking| asking.ask_again(&client))).await;
        unanswered += again.into_iter().sum::<usize>();
        let all: usize = asking.iter().map(|asking| asking.asked.len()).sum();
        let made: usize = asking.iter().map(|asking| asking.asked.len().div_ceil(3)).sum();
        let counted = counts().await.map(|number| usize::try_from(number).expect("it counts"));
        assert_eq!(counted, [all - made, CLIENTS + made, all]);
        // Crashes that fall between a commit and its answer are what this is about.
        if crashes >= CRASHES && unanswered > 0 {
            return;
        }
    }
    panic!("every change was answered before each of the crashes");
}

/// Has everybody ask until enough was answered, and kills the server then.
async fn crash(server: Server, key: &str, asking: Vec<Asking>) -> Vec<Asking> {
    let client = Client::new(&server, key);
    let answers = Arc::new(AtomicUsize::new(0));
    let asking: Vec<_> = asking
        .into_iter()
        .map(|asking| tokio::spawn(asking.ask_until_gone(client.clone(), answers.clone())))
        .collect();
    until(true, async || answers.load(Ordering::Relaxed) >= ANSWERS).await;
    server.kill();
    join_all(asking).await.into_iter().map(Result::unwrap).collect()
}
