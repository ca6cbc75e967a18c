//! What the limits of writing share: the file, and how they are timed.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rusqlite::{Connection, Transaction};

use crate::figures::Figures;

/// How many changes share a commit: as many as there are connections where it is compared.
pub(crate) const BATCH: usize = 64;

/// Opens a file with the settings of the server's own writing connection.
pub(crate) fn connect(file: &Path) -> Result<Connection> {
    let connection = Connection::open(file)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "cache_size", -32 * 1024)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Closes a file that is ready: what is still in its log would be written during the first run.
pub(crate) fn close(connection: Connection) -> Result<()> {
    connection.query_row("pragma wal_checkpoint(truncate)", [], |_| Ok(()))?;
    connection.close().map_err(|(_, error)| error.into())
}

/// Makes changes for so long, or until there are no more, so many in a commit, and prints the figures as JSON; the times are
/// those of whole batches.
pub(crate) fn print(
    connection: &mut Connection,
    seconds: u32,
    together: usize,
    mut change: impl FnMut(&Transaction<'_>) -> Result<bool>,
) -> Result<()> {
    let mut batches = Vec::new();
    let span = Duration::from_secs(seconds.into());
    let start = Instant::now();
    'all: while start.elapsed() < span {
        let begun = Instant::now();
        let transaction = connection.transaction()?;
        for _ in 0..together {
            if !change(&transaction)? {
                break 'all;
            }
        }
        transaction.commit()?;
        batches.push(u64::try_from(begun.elapsed().as_micros())?);
    }
    let taken = start.elapsed();

    ensure!(!batches.is_empty(), "nothing was changed");
    batches.sort_unstable();
    let figures = Figures {
        count: (batches.len() * together) as u64,
        seconds: taken.as_secs_f64(),
        p50_us: batches[batches.len() / 2],
        p99_us: batches[batches.len() * 99 / 100],
    };
    println!("{}", serde_json::to_string(&figures)?);
    Ok(())
}
