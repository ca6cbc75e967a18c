//! One connection to the server, made anew whenever it is lost.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, NoTls, Row, Statement};

use super::options::{Address, Options};
use super::{failure, told};
use crate::error::Error;
use crate::metrics::Connections;

/// How long is waited before the server is tried again, at first and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// How much longer than the server works is waited for its answer.
const GRACE: Duration = Duration::from_millis(200);
/// How much longer than for one answer is waited for all that a change asks: so little that nobody
/// waits for two answers that do not come, and enough for the first to be missed.
const GRACE_OF_A_CHANGE: Duration = Duration::from_millis(100);

/// The values that are bound in a statement.
pub(super) type Values<'a> = &'a [&'a (dyn ToSql + Sync)];
/// What a statement gives, or why it failed.
pub(super) type Answer<T> = Result<T, tokio_postgres::Error>;
/// What must be driven for a connection to live; it ends when the connection does.
type Connection = Pin<Box<dyn Future<Output = Answer<()>> + Send>>;

/// How the server is reached, and what is known of it.
pub(super) struct Server {
    address: Address,
    statement_timeout: Duration,
    /// How many connections there are by purpose, and how many there should be.
    counts: [Counts; Purpose::NAMES.len()],
    /// Told when the server does not answer although it would have stopped working by then: all
    /// connections are dropped, so that nobody else waits for it in vain.
    stalled: Notify,
    /// Whether the last who tried to connect could not. The log tells when that begins and when it ends.
    is_away: AtomicBool,
}

/// What a connection is for: that decides how statements are planned on it.
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    /// Lists, each found as the planner thinks best.
    Lists,
    /// Writing and reading by keys. How large the tables are thought to be must not matter: a plan that was made
    /// when there were no users yet is used until the statistics are made anew.
    Keys,
    /// Giving events their places. Whoever does nothing for this long no longer does it.
    Sequence,
}

impl Purpose {
    /// What the purposes are called.
    const NAMES: [&str; 3] = ["lists", "keys", "sequence"];
}

/// How many connections of one purpose there are.
#[derive(Default)]
struct Counts {
    open: AtomicUsize,
    wanted: AtomicUsize,
}

/// One connection more, until this is dropped.
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    fn in_(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Server {
    pub(super) fn new(options: &Options) -> anyhow::Result<Self> {
        Ok(Self {
            address: options.address()?,
            statement_timeout: options.statement_timeout,
            counts: Default::default(),
            stalled: Notify::new(),
            is_away: AtomicBool::new(false),
        })
    }

    /// The server and the database, to name them in a message.
    pub(super) fn shown(&self) -> String {
        self.address.shown()
    }

    /// How many connections there are, and should be, of those that are made anew when they are lost.
    pub(super) fn connections(&self) -> Vec<Connections> {
        let told = Purpose::NAMES.into_iter().zip(&self.counts);
        told.map(|(purpose, counts)| Connections {
            purpose,
            open: counts.open.load(Ordering::Relaxed),
            wanted: counts.wanted.load(Ordering::Relaxed),
        })
        .filter(|counts| counts.wanted > 0)
        .collect()
    }

    /// How long one answer is waited for.
    pub(super) fn patience(&self) -> Duration {
        self.statement_timeout + GRACE
    }

    /// How long all answers that a change needs are waited for, and those who change the same.
    pub(super) fn patience_with_a_change(&self) -> Duration {
        self.patience() + GRACE_OF_A_CHANGE
    }

    /// A new connection with the settings that every one of ours has.
    pub(super) async fn connect(&self, purpose: Purpose) -> Answer<(Client, JoinHandle<()>)> {
        let (client, connection): (Client, Connection) = match &self.address.tls {
            None => {
                let (client, connection) = self.address.config.connect(NoTls).await?;
                (client, Box::pin(connection))
            }
            Some(tls) => {
                let (client, connection) = self.address.config.connect(tls.clone()).await?;
                (client, Box::pin(connection))
            }
        };
        let driven = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error = told(&error), "a connection to PostgreSQL was lost");
            }
        });
        client.batch_execute(&self.settings(purpose)).await?;
        Ok((client, driven))
    }

    fn settings(&self, purpose: Purpose) -> String {
        let timeout = self.statement_timeout.as_millis();
        // A machine that is gone without a word must not hold locks for long. Compiling a statement
        // takes longer than any of ours runs.
        let common = format!(
            "set statement_timeout = {timeout}; set idle_in_transaction_session_timeout = {}; \
             set tcp_keepalives_idle = 1; set tcp_keepalives_interval = 1; set tcp_keepalives_count = 2; \
             set tcp_user_timeout = 3000; set jit = off; set synchronous_commit = on; ",
            2 * timeout
        );
        common
            + match purpose {
                Purpose::Lists => "",
                Purpose::Keys => {
                    // Documents are compressed in a fraction of the time where the server was built with LZ4.
                    "set plan_cache_mode = force_generic_plan; set enable_seqscan = off; \
                     set enable_hashjoin = off; set enable_mergejoin = off; \
                     select set_config(name, 'lz4', false) from pg_settings \
                     where name = 'default_toast_compression' and 'lz4' = any (enumvals)"
                }
                Purpose::Sequence => {
                    "set idle_session_timeout = 3000; set enable_seqscan = off; set enable_nestloop = off"
                }
            }
    }

    /// Notes that a connection could not be made or was given up.
    fn is_missed(&self, reason: &str) {
        if !self.is_away.swap(true, Ordering::Relaxed) {
            tracing::warn!(reason, "there is no connection to PostgreSQL; it is tried until there is one");
        }
    }

    /// Notes that a connection was made.
    fn is_back(&self) {
        if self.is_away.swap(false, Ordering::Relaxed) {
            tracing::info!("there is a connection to PostgreSQL again");
        }
    }

    /// Waits for what the server answers, as long as it is waited for.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when it does not answer; then all connections are made anew.
    pub(super) async fn wait_for<T>(&self, answer: impl Future<Output = T>) -> Result<T, Error> {
        tokio::time::timeout(self.patience(), answer).await.map_err(|_| {
            self.stalled.notify_waiters();
            Error::Unavailable("PostgreSQL does not answer".to_owned())
        })
    }
}

/// A connection that works, with the statements that were prepared on it.
pub(super) struct Session {
    client: Client,
    statements: Mutex<HashMap<&'static str, Statement>>,
    /// Told when the connection must not be used again.
    spoiled: Notify,
}

impl Session {
    fn new(client: Client) -> Self {
        Self { client, statements: Mutex::default(), spoiled: Notify::new() }
    }

    async fn prepared(&self, sql: &'static str) -> Answer<Statement> {
        let known = || self.statements.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(statement) = known().get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(sql).await?;
        known().insert(sql, statement.clone());
        Ok(statement)
    }

    /// The rows that a statement gives, which is prepared when it is first run.
    pub(super) async fn rows(&self, sql: &'static str, values: Values<'_>) -> Answer<Vec<Row>> {
        self.client.query(&self.prepared(sql).await?, values).await
    }

    /// The one row that a statement gives, if any.
    pub(super) async fn row(&self, sql: &'static str, values: Values<'_>) -> Answer<Option<Row>> {
        self.client.query_opt(&self.prepared(sql).await?, values).await
    }

    /// How many rows a statement changed.
    pub(super) async fn execute(&self, sql: &'static str, values: Values<'_>) -> Answer<u64> {
        self.client.execute(&self.prepared(sql).await?, values).await
    }

    /// Runs statements without values.
    pub(super) async fn run(&self, sql: &str) -> Answer<()> {
        self.client.batch_execute(sql).await
    }

    /// The connection itself, for statements that are written as they are needed.
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Gives the connection up: another is made in its place.
    pub(super) fn spoil(&self) {
        self.spoiled.notify_one();
    }
}

/// How it stands with a connection.
enum State {
    /// It is being made.
    Opening,
    /// It works.
    Open(Arc<Session>),
    /// It could not be made, and why; it is tried again.
    Failed(String),
    /// It is closed for good.
    Closed,
}

/// A connection that is made anew whenever it is lost. Dropping it closes it.
pub(super) struct Link {
    state: watch::Receiver<State>,
    end: Arc<Notify>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Link {
    /// Begins to connect.
    pub(super) fn start(server: Arc<Server>, purpose: Purpose) -> Self {
        let (state, watched) = watch::channel(State::Opening);
        let end = Arc::new(Notify::new());
        let task = tokio::spawn(stay_connected(server, purpose, state, end.clone()));
        Self { state: watched, end, task: Mutex::new(Some(task)) }
    }

    /// The connection, once it is made. While the server cannot be reached this fails at once: those
    /// who wait for each other must not wait for it one after another.
    pub(super) async fn session(&self) -> Result<Arc<Session>, Error> {
        let mut state = self.state.clone();
        let is_settled = |state: &State| match state {
            State::Opening => false,
            // That it is lost is seen here before it is known there.
            State::Open(session) => !session.client.is_closed(),
            State::Failed(_) | State::Closed => true,
        };
        let settled = state.wait_for(is_settled).await;
        match settled.as_deref() {
            Ok(State::Open(session)) => Ok(session.clone()),
            Ok(State::Failed(reason)) => Err(Error::Unavailable(reason.clone())),
            Ok(State::Opening | State::Closed) | Err(_) => {
                Err(Error::Unavailable("the store is closed".to_owned()))
            }
        }
    }

    /// Ends the connection, and returns when it has ended.
    pub(super) async fn close(&self) {
        self.end.notify_one();
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            // Its panic has been printed already, and there is nobody left to tell.
            let _ = task.await;
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.end.notify_one();
    }
}

async fn stay_connected(
    server: Arc<Server>,
    purpose: Purpose,
    state: watch::Sender<State>,
    end: Arc<Notify>,
) {
    let mut pause = PAUSES.0;
    let counts = &server.counts[purpose as usize];
    let _wanted = Counted::in_(&counts.wanted);
    loop {
        let connected = tokio::select! {
            connected = tokio::time::timeout(server.patience(), server.connect(purpose)) => connected,
            () = end.notified() => break,
        };
        let reason = match connected {
            Ok(Ok((client, mut driven))) => {
                let _open = Counted::in_(&counts.open);
                pause = PAUSES.0;
                server.is_back();
                let session = Arc::new(Session::new(client));
                state.send_replace(State::Open(session.clone()));
                tokio::select! {
                    _ = &mut driven => {
                        state.send_replace(State::Opening);
                        continue;
                    }
                    () = session.spoiled.notified() => {
                        driven.abort();
                        state.send_replace(State::Opening);
                        continue;
                    }
                    () = server.stalled.notified() => {
                        driven.abort();
                        "PostgreSQL does not answer".to_owned()
                    }
                    () = end.notified() => {
                        state.send_replace(State::Closed);
                        drop(session);
                        // What is under way is waited for, as long as anybody would.
                        let _ = tokio::time::timeout(server.patience(), &mut driven).await;
                        driven.abort();
                        return;
                    }
                }
            }
            Ok(Err(error)) => told(&error),
            Err(_) => "PostgreSQL cannot be reached in time".to_owned(),
        };
        server.is_missed(&reason);
        state.send_replace(State::Failed(reason));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = end.notified() => break,
        }
        pause = (2 * pause).min(PAUSES.1);
    }
    state.send_replace(State::Closed);
}

/// Connections that many read on at once: what they ask is sent on without waiting for the answers
/// to those before.
pub(super) struct Readers {
    server: Arc<Server>,
    links: Vec<Link>,
    next: AtomicUsize,
}

impl Readers {
    pub(super) fn start(server: &Arc<Server>, connections: usize) -> Self {
        let links = (0..connections).map(|_| Link::start(server.clone(), Purpose::Keys)).collect();
        Self { server: server.clone(), links, next: AtomicUsize::new(0) }
    }

    fn link(&self) -> &Link {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        &self.links[turn % self.links.len()]
    }

    /// Reads one row by a statement, if there is one.
    pub(super) async fn row(&self, sql: &'static str, values: Values<'_>) -> Result<Option<Row>, Error> {
        let mut rows = self.rows(sql, values).await?;
        Ok(if rows.is_empty() { None } else { Some(rows.swap_remove(0)) })
    }

    /// Reads rows by a statement. If the connection is lost on the way it is asked once more: a
    /// server that was started again has dropped all of them.
    pub(super) async fn rows(&self, sql: &'static str, values: Values<'_>) -> Result<Vec<Row>, Error> {
        let read = async {
            for _ in 0..=self.links.len() {
                let session = self.link().session().await?;
                match session.rows(sql, values).await {
                    Err(error) if error.is_closed() || session.client.is_closed() => {}
                    answer => return answer.map_err(|error| failure(&error)),
                }
            }
            Err(Error::Unavailable("the connection to PostgreSQL was lost".to_owned()))
        };
        self.server.wait_for(read).await?
    }

    pub(super) async fn close(&self) {
        futures_util::future::join_all(self.links.iter().map(Link::close)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Database;
    use super::*;

    #[tokio::test]
    async fn what_is_written_is_compressed_with_lz4_where_the_server_can() {
        let database = Database::empty().await;
        let server = Server::new(&Options::new(&database.url)).unwrap();
        let (client, _driven) = server.connect(Purpose::Keys).await.unwrap();
        client.batch_execute("create temporary table documents (document text)").await.unwrap();
        let insert = "insert into documents values (repeat('verified ', 1000))";
        client.execute(insert, &[]).await.unwrap();
        let row = client.query_one("select pg_column_compression(document) from documents", &[]).await;
        assert_eq!(row.unwrap().get::<_, &str>(0), "lz4");
    }
}
