//! How it stands with a store in a file, for those who look after it. Nothing is changed.

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::Context as _;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use rustix::fs::{Access, access};

use super::file::{look, with_advice};
use crate::time::Timestamp;

/// How much of what is damaged is told.
const MOST_DAMAGE: u32 = 3;

/// How closely a file is looked through.
#[derive(Clone, Copy)]
pub enum Check {
    /// By `quick_check`: every page and every row.
    Quick,
    /// By `integrity_check`: also whether the indexes say what the tables say, which takes much longer.
    Full,
}

/// What was found out about a store.
pub struct Health {
    /// What SQLite finds damaged in the file; empty if it is whole.
    pub damage: Vec<String>,
    /// Whether somebody has the file open, or had it open and died.
    pub is_in_use: bool,
    /// When the newest of all events happened, if there is one and the file is whole.
    pub newest_event: Option<Timestamp>,
    /// When the file or its log was last written to, as the system says.
    pub modified: Option<Timestamp>,
}

/// Looks through the whole file, which must be a store whose schema is up to date. Servers may go on
/// meanwhile: if there are any, the lock is taken that writers take, to see that it can be had. Nothing is
/// left beside the file that was not there before.
///
/// # Errors
/// A sentence naming the file when it cannot be read or written.
pub fn examine(path: &Path, check: Check) -> anyhow::Result<Health> {
    let examine = || {
        may_be_written(path)?;
        let modified = modified(path);
        let (is_in_use, (damage, newest_event)) = look_only(path, |connection, is_in_use| {
            if is_in_use {
                connection.execute_batch("begin immediate; rollback")?;
            }
            let damage = damage(connection, check)?;
            let newest_event = if damage.is_empty() { newest_event(connection)? } else { None };
            Ok((damage, newest_event))
        })?;
        Ok(Health { damage, is_in_use, newest_event, modified })
    };
    examine().map_err(with_advice).with_context(|| format!("the store {} cannot be used", path.display()))
}

/// Whether this file and its folder may be written, which SQLite needs also to read.
///
/// # Errors
/// Which of the two may not, and what to do.
pub fn may_be_written(path: &Path) -> anyhow::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    for (path, rights) in [(path, Access::WRITE_OK), (folder, Access::WRITE_OK | Access::EXEC_OK)] {
        access(path, rights)
            .with_context(|| format!("{} cannot be written", path.display()))
            .context("bonafide must be able to write the file and its folder, also to read")?;
    }
    Ok(())
}

/// What a look at the file gives, and whether somebody else may have it open. SQLite puts two files beside
/// one that it opens, and here they would stay. So they are left out where nobody else needs them, as
/// with a copy that is looked at.
pub(super) fn look_only<T>(
    path: &Path,
    mut look_at: impl FnMut(&Connection, bool) -> anyhow::Result<T>,
) -> anyhow::Result<(bool, T)> {
    let is_there = |ending: &str| beside(path, ending).exists();
    // Whoever has the file open has a log, and a server that ends removes it.
    let lies_still = || !is_there("-wal") && !is_there("-journal");
    if lies_still() {
        let found = look_at(&still(path)?, false);
        // A server that began meanwhile changes what was taken to lie still.
        if lies_still() {
            return found.map(|found| (false, found));
        }
    }
    let connection = look(path)?;
    if !is_there("-shm") {
        // A log that was copied along, or left by a machine that failed: whoever uses it has the other
        // file, too. It is read as well by one who has the file alone, and needs none.
        connection.pragma_update(None, "locking_mode", "exclusive")?;
        return look_at(&connection, false).map(|found| (false, found));
    }
    look_at(&connection, true).map(|found| (true, found))
}

/// A connection to a file that nobody changes.
fn still(path: &Path) -> rusqlite::Result<Connection> {
    use std::os::unix::ffi::OsStrExt;
    const KEPT: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC.remove(b'/');
    let path = percent_encoding::percent_encode(path.as_os_str().as_bytes(), KEPT);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    Connection::open_with_flags(format!("file:{path}?immutable=1"), flags)
}

/// A file beside the store, by the ending of its name.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

fn damage(connection: &Connection, check: Check) -> rusqlite::Result<Vec<String>> {
    let pragma = match check {
        Check::Quick => "quick_check",
        Check::Full => "integrity_check",
    };
    let check = || {
        let mut statement = connection.prepare(&format!("pragma {pragma}({MOST_DAMAGE})"))?;
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
    let files = [path.to_owned(), beside(path, "-wal")];
    let times = files.iter().filter_map(|file| file.metadata().and_then(|file| file.modified()).ok());
    let newest = times.max()?.duration_since(UNIX_EPOCH).ok()?;
    Some(Timestamp(0).after(newest))
}
