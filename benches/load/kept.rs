//! Where a directory is kept, to look into it behind the server's back.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use bonafide::directory::event::EventType;
use rusqlite::{Connection, OpenFlags};
use tokio_postgres::{Client, NoTls};

/// The first email of each user, in the order of the addresses.
const EMAILS: &str = "select user_id, identifier_id, claimant = '' from identifiers \
    where kind = 'email' and canonical like '%@one.example.com' order by canonical";

/// A store.
pub(crate) enum Kept {
    /// A file of SQLite.
    File(PathBuf),
    /// A database on PostgreSQL, by its URL.
    Database(String),
}

/// The first email of a user.
pub(crate) struct Email {
    /// Whose it is.
    pub(crate) user_id: String,
    /// Its id.
    pub(crate) id: [u8; 16],
    /// Whether it is verified.
    pub(crate) is_verified: bool,
}

impl Kept {
    /// The store for the program's option.
    pub(crate) fn url(&self) -> String {
        match self {
            Self::File(path) => format!("sqlite:{}", path.display()),
            Self::Database(url) => url.clone(),
        }
    }

    /// The first email of each user.
    pub(crate) fn emails(&self) -> Result<Vec<Email>> {
        let email = |user_id, id: Vec<u8>, is_verified| {
            let id = id.try_into().ok().context("the id of an email has 16 bytes")?;
            Ok(Email { user_id, id, is_verified })
        };
        match self {
            Self::File(path) => {
                let connection = open(path)?;
                let mut statement = connection.prepare(EMAILS)?;
                let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
                rows.map(|row| row.map(|(user_id, id, verified)| email(user_id, id, verified))?).collect()
            }
            Self::Database(url) => {
                let rows = on_database(url, async |client| client.query(EMAILS, &[]).await)?;
                rows.iter().map(|row| email(row.try_get(0)?, row.try_get(1)?, row.try_get(2)?)).collect()
            }
        }
    }

    /// The document of some user.
    pub(crate) fn any_document(&self) -> Result<Vec<u8>> {
        let sql = "select document from users limit 1";
        let text: String = match self {
            Self::File(path) => open(path)?.query_row(sql, [], |row| row.get(0))?,
            Self::Database(url) => {
                on_database(url, async |client| client.query_one(sql, &[]).await)?.try_get(0)?
            }
        };
        Ok(text.into_bytes())
    }

    /// How long the shortest document is, in bytes.
    pub(crate) fn shortest_document(&self) -> Result<u64> {
        Ok(self.number("select cast(min(octet_length(document)) as bigint) from users")?.unsigned_abs())
    }

    /// The position of the newest event.
    pub(crate) fn newest_event(&self) -> Result<i64> {
        self.number("select coalesce(max(position), 0) from events where tenant_id = 'default'")
    }

    /// How many events of these types there are after a position.
    pub(crate) fn events_after(&self, position: i64, types: [EventType; 2]) -> Result<u64> {
        let [one, other] = types.map(EventType::as_str);
        let recorded = format!(
            "select count(*) from events \
             where tenant_id = 'default' and position > {position} and type in ('{one}', '{other}')"
        );
        let sql = match self {
            Self::File(_) => recorded,
            // Some may wait for a position still.
            Self::Database(_) => format!("select ({recorded}) + (select count(*) from pending_events)"),
        };
        Ok(self.number(&sql)?.unsigned_abs())
    }

    /// Whether every event has a position.
    pub(crate) fn is_in_order(&self) -> Result<bool> {
        match self {
            Self::File(_) => Ok(true),
            Self::Database(_) => Ok(self.number("select count(*) from pending_events")? == 0),
        }
    }

    fn number(&self, sql: &str) -> Result<i64> {
        match self {
            Self::File(path) => Ok(open(path)?.query_row(sql, [], |row| row.get(0))?),
            Self::Database(url) => number(url, sql),
        }
    }
}

/// The number that a statement gives on a database.
pub(crate) fn number(url: &str, sql: &str) -> Result<i64> {
    Ok(on_database(url, async |client| client.query_one(sql, &[]).await)?.try_get(0)?)
}

/// Runs statements on a database, one after another.
pub(crate) fn run(url: &str, statements: &[&str]) -> Result<()> {
    on_database(url, async |client| {
        for statement in statements {
            client.batch_execute(statement).await?;
        }
        Ok(())
    })
}

/// Connects to a database, which may be about to start, and asks it something.
fn on_database<T>(
    url: &str,
    ask: impl AsyncFnOnce(&Client) -> Result<T, tokio_postgres::Error>,
) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut tries = 0;
        let (client, connection) = loop {
            match tokio_postgres::connect(url, NoTls).await {
                Ok(connected) => break connected,
                Err(_) if tries < 300 => tokio::time::sleep(Duration::from_millis(100)).await,
                Err(error) => return Err(error.into()),
            }
            tries += 1;
        };
        tokio::spawn(connection);
        Ok(ask(&client).await?)
    })
}

fn open(path: &std::path::Path) -> Result<Connection> {
    Ok(Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?)
}
