//! Crashes under load.

use std::fs;
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::StatusCode;
use rusqlite::Connection;

use super::client::{Client, User};
use super::server::{Home, Server, assert_whole, until};
use super::torture::Measure;

const CLIENTS: u8 = 32;

/// What a client knows of its user: how many changes were answered.
struct Known {
    user: User,
    answered: i64,
}

/// Verifies and unverifies in turn, as fast as it goes, until the server is gone. One change more
/// than were answered may be under way then.
async fn change_until_gone(client: Client, known: Known) -> Known {
    let Known { user, mut answered } = known;
    loop {
        let action = if answered % 2 == 0 { "verify" } else { "unverify" };
        match client.mark(&user, action).await {
            Ok(status) => assert_eq!(status, StatusCode::OK),
            Err(_) => return Known { user, answered },
        }
        answered += 1;
    }
}

/// Moments that look random and are the same in every run.
struct Moments(u64);

impl Moments {
    fn next(&mut self) -> Duration {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Duration::from_millis(30 + (self.0 >> 33) % 300)
    }
}

/// How many changes of the user are on record, and whether the table of addresses has it verified. The
/// version and the terms must agree with both.
fn kept(database: &Connection, user: &User) -> (i64, bool) {
    let sql = "select (select count(*) from events where user_id = ?1 and type like 'user.email.%verified'), \
               (select claimant = '' from identifiers where user_id = ?1), \
               (select version from users where user_id = ?1), \
               (select group_concat(value) from index_terms where user_id = ?1 and field = 'emails.verified')";
    let (changes, verified, version, terms): (i64, bool, i64, String) =
        database.query_row(sql, [&user.id], |row| row.try_into()).expect("the user is in the store");
    assert_eq!(version, 1 + changes);
    assert_eq!(terms, verified.to_string());
    (changes, verified)
}

/// Users, each with a client that changes it.
struct Crowd {
    home: Home,
    server: Server,
    key: String,
    known: Vec<Known>,
}

impl Crowd {
    async fn gather() -> Self {
        let home = Home::new();
        let server = home.serve(&[]);
        let key = home.key("users:write,users:read");
        let client = Client::new(&server, &key);
        let users = (0..CLIENTS).map(async |number| {
            let user = client.create(&format!("user{number}@example.com")).await;
            Known { user, answered: 0 }
        });
        Self { known: join_all(users).await, home, server, key }
    }

    /// Has all users changed until `moment` comes, kills the server then, starts it again, and fails
    /// if anything is not as it was answered.
    async fn crash_at(mut self, moment: impl Future<Output = ()>) -> Self {
        let client = Client::new(&self.server, &self.key);
        let clients: Vec<_> = self
            .known
            .drain(..)
            .map(|known| tokio::spawn(change_until_gone(client.clone(), known)))
            .collect();
        moment.await;
        self.server.kill();
        let answered = join_all(clients).await;

        self.server = self.home.serve(&[]);
        let client = Client::new(&self.server, &self.key);
        let database = self.home.database();
        for Known { user, answered } in answered.into_iter().map(Result::unwrap) {
            let (changes, verified) = kept(&database, &user);
            let lost_nothing = changes == answered || changes == answered + 1;
            assert!(lost_nothing, "{answered} changes were answered, {changes} are there");
            assert_eq!(verified, changes % 2 == 1);
            assert_eq!(client.is_verified(&user).await, verified);
            self.known.push(Known { user, answered: changes });
        }
        assert_whole(&database);
        self
    }

    fn changes(&self) -> i64 {
        self.known.iter().map(|known| known.answered).sum()
    }
}

#[tokio::test]
async fn every_answered_change_survives_crashes_under_load() {
    let crashes = Measure::wanted().crashes;
    let mut crowd = Crowd::gather().await;
    let mut moments = Moments(2024);
    for _ in 0..crashes {
        crowd = crowd.crash_at(tokio::time::sleep(moments.next())).await;
    }
    let changes = crowd.changes();
    assert!(
        changes > i64::from(CLIENTS) * i64::from(crashes) / 4,
        "only {changes} changes: the load was none"
    );
}

#[tokio::test]
async fn every_answered_change_survives_a_crash_while_the_log_is_copied() {
    let crowd = Crowd::gather().await;
    // The file itself is written by nothing else than a copy of the log.
    let file = crowd.home.path("data/bonafide.db");
    let written = move || fs::metadata(&file).and_then(|file| file.modified()).expect("the file is there");
    let before = written();
    let copying = until(true, async || written() != before);
    let crowd = crowd.crash_at(copying).await;
    let changes = crowd.changes();
    assert!(changes > 2_000, "only {changes} changes: it was not the copy of the log that was seen");
}
