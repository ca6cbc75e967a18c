//! Faults under load: every answer comes at once, all recovers by itself, and nothing that was answered
//! is lost or half there.
//!
//! Each fault lasts some seconds and comes once; with `TORTURE=long`, as `make torture` sets it, it lasts
//! ten seconds and comes five times.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::{Response, StatusCode};
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio_postgres::NoTls;

use super::client::{Client, User};
use super::own_postgres::{OwnPostgres, Stop};
use super::postgres::{AT_ONCE, key};
use super::server::{Home, Server, until};
use super::way::{Line, Way};
use crate::postgres::Database;

/// How many users are changed at once.
const USERS: usize = 16;
/// How many changes of each user, answered with success, show that all is well.
const ENOUGH: usize = 5;

/// How long and how often something is at fault.
pub(super) struct Measure {
    /// How long each time.
    span: Duration,
    /// How often.
    rounds: usize,
    /// How long PostgreSQL may work on a statement, in milliseconds: as long as is usual where no other
    /// tests want the processors.
    statement_timeout: &'static str,
    /// How often a server on SQLite crashes.
    pub(super) crashes: u32,
}

impl Measure {
    /// The short one, or the one that is asked for.
    pub(super) fn wanted() -> Self {
        match std::env::var("TORTURE").as_deref() {
            Err(std::env::VarError::NotPresent) => {
                Self { span: Duration::from_secs(3), rounds: 1, statement_timeout: "1000", crashes: 20 }
            }
            Ok("long") => {
                Self { span: Duration::from_secs(10), rounds: 5, statement_timeout: "1500", crashes: 200 }
            }
            other => panic!("TORTURE is {other:?}; it can be `long`, or not be set"),
        }
    }
}

fn serve(home: &Home, url: &str) -> Server {
    let timeout = Measure::wanted().statement_timeout;
    home.serve(&["--store", url, "--secret-file", "secret", "--statement-timeout", timeout])
}

/// A user, and what became of the changes that were asked of it.
struct Known {
    user: User,
    /// How many were answered with success.
    answered: AtomicUsize,
    /// How many were answered with 503, or not at all: they may have been kept.
    unsure: AtomicUsize,
}

/// Users who are changed all the time, each by a task of its own.
pub(super) struct Crowd(Vec<Arc<Known>>);

impl Crowd {
    pub(super) async fn gather(client: &Client) -> Self {
        let users = (0..USERS).map(async |number| {
            let user = client.create(&format!("user{number}@example.com")).await;
            Arc::new(Known { user, answered: AtomicUsize::default(), unsure: AtomicUsize::default() })
        });
        Self(join_all(users).await)
    }

    /// Begins to change everybody, each through one of these servers, and through another one when that
    /// is gone.
    pub(super) fn change(&self, clients: &[Client]) -> Load {
        let (end, may_go) = (Arc::new(AtomicBool::default()), Arc::new(AtomicBool::default()));
        let tasks = self.0.iter().enumerate().map(|(number, known)| {
            let mut clients = clients.to_vec();
            let first = number % clients.len();
            clients.rotate_left(first);
            tokio::spawn(change_until(clients, known.clone(), end.clone(), may_go.clone()))
        });
        Load { tasks: tasks.collect(), end, may_go }
    }

    /// How many changes of each were answered with success.
    pub(super) fn answered(&self) -> Vec<usize> {
        self.0.iter().map(|known| known.answered.load(Ordering::Relaxed)).collect()
    }

    fn unsure(&self) -> Vec<usize> {
        self.0.iter().map(|known| known.unsure.load(Ordering::Relaxed)).collect()
    }

    /// Waits until changes of everybody are kept.
    pub(super) async fn is_well(&self) {
        let before = self.answered();
        let is_well =
            async || self.answered().iter().zip(&before).all(|(now, before)| *now >= before + ENOUGH);
        until(true, is_well).await;
    }

    /// Fails if anything is lost, or half there, in this database.
    pub(super) async fn check(&self, url: &str) {
        let (database, connection) = tokio_postgres::connect(url, NoTls).await.expect("a connection");
        tokio::spawn(connection);
        for known in &self.0 {
            let (answered, unsure) =
                (known.answered.load(Ordering::Relaxed), known.unsure.load(Ordering::Relaxed));
            let kept = database.query_one(KEPT, &[&known.user.id]).await.expect("the user is there");
            let verified: bool = kept.get(0);
            let marks: Vec<&str> = kept.get(4);
            let in_turn = marks
                .iter()
                .enumerate()
                .all(|(place, kind)| *kind == ["user.email.verified", "user.email.unverified"][place % 2]);
            assert!(in_turn, "a change is recorded twice, or not at all: {marks:?}");
            let bounds = answered..=answered + unsure;
            assert!(bounds.contains(&marks.len()), "{bounds:?} changes, and {} are there", marks.len());
            assert_eq!(verified, marks.len() % 2 == 1, "the document says otherwise than the record");
            assert_eq!(kept.get::<_, bool>(1), verified, "the address has another owner than the document");
            assert_eq!(kept.get::<_, Vec<&str>>(2), [verified.to_string()], "other terms than the document");
            assert_eq!(kept.get::<_, i64>(3), 1 + i64::try_from(marks.len()).unwrap(), "another version");
        }
        let waiting = "select count(*) from pending_events";
        until(0_i64, async || database.query_one(waiting, &[]).await.expect("a count").get(0)).await;
    }
}

/// What is kept of a user at one moment: the flag in the document, whether the address is owned, the terms
/// of the flag, the version, and the marks on record, oldest first.
const KEPT: &str = "
    select (document::json -> 'emails' -> 0 ->> 'verified')::boolean,
        (select claimant = '' from identifiers where identifiers.user_id = users.user_id),
        (select array_agg(value) from index_terms
            where index_terms.user_id = users.user_id and field = 'emails.verified'),
        version,
        (select coalesce(array_agg(type order by waits, place), '{}') from (
            select type, false as waits, position as place from events where events.user_id = users.user_id
            union all
            select type, true, sequence from pending_events where pending_events.user_id = users.user_id
        ) as record where type in ('user.email.verified', 'user.email.unverified'))
    from users where user_id = $1";

/// Changes under way.
pub(super) struct Load {
    end: Arc<AtomicBool>,
    /// Whether a server may be gone.
    pub(super) may_go: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Load {
    pub(super) async fn end(self) {
        self.end.store(true, Ordering::Relaxed);
        for ended in join_all(self.tasks).await {
            ended.expect("every answer was as it must be");
        }
    }
}

/// Verifies and unverifies in turn until the end. Whoever is told that the store is away looks, until there
/// is an answer, how it stands.
async fn change_until(
    mut clients: Vec<Client>,
    known: Arc<Known>,
    end: Arc<AtomicBool>,
    may_go: Arc<AtomicBool>,
) {
    let mut verified = None;
    while !end.load(Ordering::Relaxed) {
        let client = &clients[0];
        let path = match verified {
            None => format!("/api/users/{}", known.user.id),
            Some(true) => known.user.path("unverify"),
            Some(false) => known.user.path("verify"),
        };
        let asked = async {
            let answer =
                if verified.is_none() { client.get(&path).await? } else { client.post(&path, None).await? };
            read(answer).await
        };
        let told = tokio::time::timeout(AT_ONCE, asked).await.expect("an answer at once");
        let is_change = verified.is_some();
        match told {
            Ok(Some(is_verified)) => {
                assert!(verified != Some(is_verified), "a change was answered and not made");
                verified = Some(is_verified);
                known.answered.fetch_add(usize::from(is_change), Ordering::Relaxed);
            }
            Ok(None) => {
                verified = None;
                known.unsure.fetch_add(usize::from(is_change), Ordering::Relaxed);
                // As a client does that is told to try again, only sooner.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(error) => {
                assert!(may_go.load(Ordering::Relaxed), "a server is gone: {error}");
                verified = None;
                known.unsure.fetch_add(usize::from(is_change), Ordering::Relaxed);
                clients.rotate_left(1);
            }
        }
    }
}

/// Whether the user of an answer is verified; `None` if the store is away, which must be said properly.
async fn read(answer: Response) -> reqwest::Result<Option<bool>> {
    let (status, headers) = (answer.status(), answer.headers().clone());
    let body: Value = answer.json().await?;
    if status == StatusCode::OK {
        return Ok(Some(body["emails"][0]["verified"].as_bool().expect("a flag")));
    }
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{body}");
    assert!(headers.contains_key("retry-after"));
    assert_eq!(headers["content-type"], "application/problem+json");
    assert_eq!(body["status"], 503);
    Ok(None)
}

/// Has a fault begin and end under load. The servers reach the store by one URL, and by the other it is
/// looked at what is in it.
async fn a_fault_is_answered_at_once_and_loses_nothing(
    [url, behind]: [&str; 2],
    begin: impl Fn(),
    end: impl Fn(),
) {
    let home = Home::new();
    let server = serve(&home, url);
    let client = Client::new(&server, &key(&home, behind));
    let crowd = Crowd::gather(&client).await;
    let measure = Measure::wanted();
    for _ in 0..measure.rounds {
        let load = crowd.change(std::slice::from_ref(&client));
        crowd.is_well().await;
        let before = crowd.unsure();
        begin();
        tokio::time::sleep(measure.span).await;
        let refused = crowd.unsure().iter().zip(before).all(|(now, before)| *now > before);
        end();
        assert!(refused, "the fault was none");
        crowd.is_well().await;
        load.end().await;
        crowd.check(behind).await;
    }
}

/// A PostgreSQL of its own that answers.
async fn own_postgres() -> OwnPostgres {
    let own = OwnPostgres::start();
    until(true, async || tokio_postgres::connect(&own.url, NoTls).await.is_ok()).await;
    own
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_stands_still_under_load_is_answered_at_once_and_loses_nothing() {
    let own = own_postgres().await;
    let urls = [own.url.as_str(); 2];
    a_fault_is_answered_at_once_and_loses_nothing(urls, || own.freeze(), || own.thaw()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_stopped_under_load_is_answered_at_once_and_loses_nothing() {
    for how in [Stop::InOrder, Stop::AtOnce] {
        let own = own_postgres().await;
        let urls = [own.url.as_str(); 2];
        a_fault_is_answered_at_once_and_loses_nothing(urls, || own.stop(how), || own.start_again()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_stalls_or_breaks_under_load_is_answered_at_once_and_loses_nothing() {
    for line in [Line::Held, Line::Cut] {
        let database = Database::empty().await;
        let way = Way::to(&database).await;
        let disturb = |line| {
            way.line.send_replace(line);
        };
        let urls = [way.url.as_str(), &database.url];
        a_fault_is_answered_at_once_and_loses_nothing(urls, || disturb(line), || disturb(Line::Open)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_servers_under_load_one_goes_on_when_the_other_is_killed_and_nothing_is_lost() {
    let (home, database) = (Home::new(), Database::empty().await);
    let mut servers = [serve(&home, &database.url), serve(&home, &database.url)];
    let key = key(&home, &database.url);
    let crowd = Crowd::gather(&Client::new(&servers[0], &key)).await;
    for _ in 0..Measure::wanted().rounds {
        let load = crowd.change(&servers.each_ref().map(|server| Client::new(server, &key)));
        crowd.is_well().await;
        let [dies, stays] = servers;
        load.may_go.store(true, Ordering::Relaxed);
        dies.kill();
        crowd.is_well().await;
        load.end().await;
        crowd.check(&database.url).await;
        servers = [stays, serve(&home, &database.url)];
    }
}
