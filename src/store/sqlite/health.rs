//! How it stands with a store in a file, for those who look after it. Nothing is changed.

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::Context as _;
use rusqlite::{Connection, ErrorCode};

use super::file::{look, with_advice};
use crate::time::Timestamp;

/// How much of what is damaged is told.
const MOST_DAMAGE: u32 = 3;

/// What was found out about a store.
pub struct Health {
    /// What SQLite finds damaged in the file; empty if it is whole.
    pub damage: Vec<String>,
    /// When the newest of all events happened, if there is one and the file is whole.
    pub newest_event: Option<Timestamp>,
    /// When the file or its log was last written to, as the system says.
    pub modified: Option<Timestamp>,
}

/// Looks through the whole file, which must be a store whose schema is up to date, and takes the lock
/// that writers take, to see that it can be had. Servers may go on meanwhile.
///
/// # Errors
/// A sentence naming the file when it cannot be read or written.
pub fn examine(path: &Path) -> anyhow::Result<Health> {
    let examine = || {
        let connection = look(path)?;
        connection.execute_batch("begin immediate; rollback")?;
        let damage = damage(&connection)?;
        let newest_event = if damage.is_empty() { newest_event(&connection)? } else { None };
        Ok(Health { damage, newest_event, modified: modified(path) })
    };
    examine().map_err(with_advice).with_context(|| format!("the store {} cannot be used", path.display()))
}

fn damage(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let check = || {
        let mut statement = connection.prepare(&format!("pragma quick_check({MOST_DAMAGE})"))?;
        statement.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()
    };
    match check() {
        Ok(found) if found == ["ok"] => Ok(Vec::new()),
        // Some damage ends the check.
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt) => {
            Ok(vec![error.to_string()])
        }
        found => found,
    }
}

/// Each tenant's last event is found by the key: times have no index.
fn newest_event(connection: &Connection) -> rusqlite::Result<Option<Timestamp>> {
    let sql = "select max((select time from events where events.tenant_id = tenants.tenant_id \
               order by position desc limit 1)) from tenants";
    connection.query_row(sql, [], |row| row.get::<_, Option<i64>>(0)).map(|time| time.map(Timestamp))
}

fn modified(path: &Path) -> Option<Timestamp> {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let files = [path.to_owned(), PathBuf::from(log)];
    let times = files.iter().filter_map(|file| file.metadata().and_then(|file| file.modified()).ok());
    let newest = times.max()?.duration_since(UNIX_EPOCH).ok()?;
    Some(Timestamp(0).after(newest))
}
