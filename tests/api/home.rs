//! Where the store of a test is: in a SQLite file, or in a database of a PostgreSQL server.

use std::sync::Arc;
use std::time::Duration;

use bonafide::store::Store;
use bonafide::store::copy::{Row, TABLES, Tables};
use bonafide::store::postgres::{self, Options, PostgresStore, PostgresTables};
use bonafide::store::sqlite::{SqliteStore, SqliteTables};
use rusqlite::Connection;
use tokio_postgres::NoTls;

use super::harness::{Api, START};
use crate::postgres::Database;

/// Where a store keeps what it is given; gone with the test.
pub(crate) struct Home {
    place: Place,
    _snapshots: insta::internals::SettingsBindDropGuard,
}

enum Place {
    Sqlite { folder: tempfile::TempDir },
    Postgres { database: Database, watch: Box<tokio_postgres::Client> },
}

impl Home {
    /// A new one, with the store in it.
    pub(super) async fn with_a_store() -> (Arc<dyn Store>, Self) {
        let (store, place) =
            if module_path!().contains("postgres") { on_postgres().await } else { on_sqlite() };
        (store, Self { place, _snapshots: snapshots() })
    }

    /// Waits until everything is on record that has happened: on PostgreSQL events are told of some
    /// moments after the change is answered, when their order is known.
    pub(super) async fn until_told(&self) {
        let Place::Postgres { watch, .. } = &self.place else { return };
        for _ in 0..3_000 {
            let waiting = watch.query_one("select count(*) from pending_events", &[]).await;
            if waiting.expect("the server answers").get::<_, i64>(0) == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("what has happened is not told of");
    }

    async fn tables(&self) -> Box<dyn Tables> {
        match &self.place {
            Place::Sqlite { folder } => {
                Box::new(SqliteTables::read(&folder.path().join("test.db")).expect("the store can be read"))
            }
            Place::Postgres { database, .. } => {
                let tables = PostgresTables::read(&Options::new(&database.url)).await;
                Box::new(tables.expect("the store can be read"))
            }
        }
    }
}

impl Api {
    /// The rows of every table but that of keys, whose use is noted some moments after it.
    pub(crate) async fn kept(&self) -> Vec<Vec<Row>> {
        self.home.until_told().await;
        let mut tables = self.home.tables().await;
        let mut kept = Vec::new();
        for table in TABLES.iter().filter(|table| table.name != "api_keys") {
            kept.push(tables.rows(table, None, u32::MAX).await.expect("the store can be read"));
        }
        kept
    }

    /// Runs statements on the store behind the server's back.
    pub(crate) async fn execute(&self, sql: &str) {
        match &self.home.place {
            Place::Sqlite { folder } => open(folder).execute_batch(sql).expect("the statement can be run"),
            Place::Postgres { watch, .. } => {
                watch.batch_execute(sql).await.expect("the statement can be run");
            }
        }
    }

    /// Has the store refuse to change mail that waits: to "update" or to "delete" it.
    pub(crate) async fn refuse(&self, operation: &str) {
        let does = match &self.home.place {
            Place::Sqlite { .. } => "begin select raise(abort, 'refused'); end",
            Place::Postgres { .. } => {
                let sql = "create function refuse() returns trigger language plpgsql as \
                           'begin raise exception ''refused''; end'";
                self.execute(sql).await;
                "for each row execute function refuse()"
            }
        };
        self.execute(&format!("create trigger refuse before {operation} on outbox {does}")).await;
    }

    /// Ends that.
    pub(crate) async fn refuse_no_more(&self) {
        let sql = match &self.home.place {
            Place::Sqlite { .. } => "drop trigger refuse",
            Place::Postgres { .. } => "drop trigger refuse on outbox",
        };
        self.execute(sql).await;
    }

    /// Does something while no mail can be left in the store: who tries to must wait.
    pub(crate) async fn while_no_mail_can_be_left<T>(&self, work: impl Future<Output = T>) -> T {
        match &self.home.place {
            Place::Sqlite { folder } => {
                let connection = open(folder);
                connection.execute_batch("begin immediate").expect("the file can be locked");
                work.await
            }
            Place::Postgres { watch, .. } => {
                let lock = "begin; lock table outbox in exclusive mode";
                watch.batch_execute(lock).await.expect("the table can be locked");
                let done = work.await;
                watch.batch_execute("rollback").await.expect("the lock can be given up");
                done
            }
        }
    }
}

/// The file of a store, opened beside its server.
fn open(folder: &tempfile::TempDir) -> Connection {
    let connection = Connection::open(folder.path().join("test.db")).expect("the file can be opened");
    connection.busy_timeout(Duration::from_secs(30)).expect("it can be waited for");
    connection
}

fn on_sqlite() -> (Arc<dyn Store>, Place) {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let store = SqliteStore::open(&folder.path().join("test.db"), START).expect("a store can be made");
    (Arc::new(store), Place::Sqlite { folder })
}

async fn on_postgres() -> (Arc<dyn Store>, Place) {
    let options = |url: &str| Options {
        connections: 4,
        // Longer than usual: other tests want the processors too.
        statement_timeout: Duration::from_secs(30),
        ..Options::new(url)
    };
    let prepare = async |url: &str| {
        postgres::migrate(&options(url), START).await.expect("the schema can be made");
    };
    let database = Database::prepared(prepare).await;
    let store = PostgresStore::open(&options(&database.url), START).await.expect("a store can be made");
    let (watch, connection) =
        tokio_postgres::connect(&database.url, NoTls).await.expect("the server answers");
    tokio::spawn(connection);
    (Arc::new(store), Place::Postgres { database, watch: Box::new(watch) })
}

/// Snapshots have the same names on both stores, because the answers are the same.
fn snapshots() -> insta::internals::SettingsBindDropGuard {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.bind_to_scope()
}
