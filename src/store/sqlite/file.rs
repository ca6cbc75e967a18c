//! The file of a store: which it is, making it, and connections to it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::health::look_only;
use super::migrate;
use crate::time::Timestamp;

/// How long a statement waits for another process that holds the file's lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How much of the file a connection keeps in memory at most. Mapping the file instead would save
/// copies while nothing is written, and cost a new mapping for each reader after every commit.
pub(super) const READER_CACHE_KIB: i32 = 8 * 1024;
/// The same for the connection that writes, which alone keeps its pages from one change to the next.
pub(super) const WRITER_CACHE_KIB: i32 = 32 * 1024;

/// Says what to do about a file that SQLite cannot open, for which it has one sentence whatever the
/// reason.
pub(super) fn with_advice(error: anyhow::Error) -> anyhow::Error {
    let code = error.downcast_ref::<rusqlite::Error>().and_then(rusqlite::Error::sqlite_error_code);
    match code {
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            error.context("bonafide must be able to write the file and its folder, also to read")
        }
        Some(ErrorCode::DatabaseCorrupt) => error.context(
            "it is damaged: stop the server, keep the file, and put a backup in its place (docs/OPERATING.md)",
        ),
        _ => error,
    }
}

/// A connection to the store in this file, which is made and brought up to date if need be, and so
/// are the folders on the way to it.
pub(super) fn made(path: &Path, now: Timestamp) -> anyhow::Result<Connection> {
    use anyhow::Context as _;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        make_private_folder(folder)
            .with_context(|| format!("the folder {} cannot be made", folder.display()))?;
    }
    make_private_file(path).context("its file cannot be made")?;
    migrate::steps_taken(&look(path)?)?;
    let mut connection = connect(path, WRITER_CACHE_KIB)?;
    migrate::run(&mut connection, now)?;
    Ok(connection)
}

/// A connection to a file that may be another program's: it changes nothing, not even when closed.
pub(super) fn look(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(connection)
}

/// How many steps the schema of this file has taken, and how many there are.
///
/// # Errors
/// A sentence naming the file when it is no store, or has a schema newer than this program knows.
pub fn steps(path: &Path) -> anyhow::Result<(usize, usize)> {
    use anyhow::Context as _;
    let taken = || {
        if !path.exists() {
            return Ok(0);
        }
        look_only(path, |connection, _| migrate::steps_taken(connection)).map(|(_, taken)| taken)
    };
    let taken = taken()
        .map_err(with_advice)
        .with_context(|| format!("the store {} cannot be used", path.display()))?;
    Ok((taken, migrate::known()))
}

/// Makes a folder that only its owner can enter: the store holds personal data.
pub(crate) fn make_private_folder(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Makes the file, if it is not there, so that only its owner can read it; SQLite gives the files it
/// puts beside it the same mode.
pub(super) fn make_private_file(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    match std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        made => made.map(drop),
    }
}

/// A connection with the settings that every one of ours has.
pub(super) fn connect(path: &Path, cache_kib: i32) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    // A commit returns when the log is on the disk, not when the system has promised to write it.
    connection.pragma_update(None, "synchronous", "full")?;
    // Checkpoints are made beside the writing thread.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "cache_size", -cache_kib)?;
    // Plans do not depend on the values bound: without this, SQLite compiles some statements anew
    // each time they run.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(connection)
}

/// The file that a store's URL names.
///
/// # Errors
/// A sentence for the operator when the URL is not `sqlite:` and a path.
pub fn path_of_url(url: &str) -> anyhow::Result<PathBuf> {
    match url.strip_prefix("sqlite:") {
        Some(path) if !path.is_empty() && path != ":memory:" => Ok(PathBuf::from(path)),
        _ => anyhow::bail!(
            "`{}` is not a store: it is `sqlite:` and the path of a file, like sqlite:data/bonafide.db, or \
             postgres://user@host:port/database",
            without_password(url)
        ),
    }
}

/// A URL as it can be shown: there may be a password before the `@`.
fn without_password(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://...@{rest}"),
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_store_is_told_without_a_password() {
        for wrong in ["mysql://me:hush@host/users", "postgre://hush:hush@host/users", "sqlite:"] {
            let error = path_of_url(wrong).unwrap_err().to_string();
            assert!(!error.contains("hush") && error.contains("sqlite:data/bonafide.db"), "{error}");
        }
    }
}
