//! The connections that read. Readers see the last committed state and never wait for the writer.

use std::ffi::c_int;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use super::failure;
use super::file::{READER_CACHE_KIB, connect};
use crate::error::Error;
use crate::metrics::{Lists, Waiting};

/// How many long reads run at once; more wait for their turn without holding a thread.
const LONG_READS: usize = 4;
/// How long a long read may take: others wait behind it.
pub(super) const LONGEST: Duration = Duration::from_secs(10);
/// After how many steps of SQLite's machine a read is looked at.
const STEPS: c_int = 1_000;
/// How often a read is looked at before it is long: after some tenths of a millisecond.
const LOOKS: u32 = 10;

/// A pool of connections, as many as threads have ever read at once.
#[derive(Clone)]
pub(super) struct Readers(Arc<Pool>);

struct Pool {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    /// Turns of long reads, each held until its read has ended, whether or not anybody waits for it.
    long_reads: Arc<Semaphore>,
    longest: Duration,
    /// Who waits for such a turn.
    waiting: Waiting,
}

impl Readers {
    /// Those of the store in this file, whose long reads take so long at most.
    pub(super) fn new(path: PathBuf, longest: Duration) -> Self {
        let long_reads = Arc::new(Semaphore::new(LONG_READS));
        Self(Arc::new(Pool {
            path,
            idle: Mutex::default(),
            long_reads,
            longest,
            waiting: Waiting::default(),
        }))
    }

    /// Reads on this thread.
    pub(super) fn read<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, Error> {
        let connection = self.connection()?;
        match read(&connection) {
            Ok(value) => {
                self.idle().push(connection);
                Ok(value)
            }
            // A connection that failed is not used again.
            Err(error) => Err(failure(&error)),
        }
    }

    /// Reads what may be a few rows or millions, all of one moment. It is tried on this thread; what takes longer begins
    /// anew on another one, where it holds up nobody. Most lists are short, and handing one over costs
    /// more than reading it.
    ///
    /// # Errors
    /// [`Error::TooCostly`] when it takes longer than a long read may, [`Error::Unavailable`] when others
    /// take so long that it does not come to its turn.
    pub(super) async fn read_list<T: Send + 'static>(
        &self,
        read: impl Fn(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        if let Some(short) = self.try_short(&read)? {
            return Ok(short);
        }
        let end = Instant::now() + self.0.longest;
        let waits = self.0.waiting.one();
        let turn = timeout_at(end, self.0.long_reads.clone().acquire_owned()).await;
        let turn = turn.map_err(|_| Error::Unavailable("other long lists are being read".to_owned()))?;
        let turn = turn.expect("the semaphore is never closed");
        drop(waits);
        let readers = self.clone();
        let long = move || {
            let _turn = turn;
            readers.read_until(move || Instant::now() > end, read)?.ok_or(Error::TooCostly)
        };
        tokio::task::spawn_blocking(long)
            .await
            .unwrap_or_else(|error| Err(Error::Internal(format!("a reading thread failed: {error}"))))
    }

    /// The long reads at this moment.
    pub(super) fn lists(&self) -> Lists {
        let running = LONG_READS.saturating_sub(self.0.long_reads.available_permits());
        Lists { running, waiting: self.0.waiting.count(), most: LONG_READS }
    }

    /// Reads on this thread, or gives nothing if that takes long.
    fn try_short<T>(&self, read: impl Fn(&Connection) -> rusqlite::Result<T>) -> Result<Option<T>, Error> {
        let mut looks = 0;
        let is_long = move || {
            looks += 1;
            looks > LOOKS
        };
        self.read_until(is_long, read)
    }

    /// Reads what the store held at one moment, or gives nothing if it is to be broken off: `is_over` is
    /// asked now and then.
    fn read_until<T>(
        &self,
        is_over: impl FnMut() -> bool + Send + 'static,
        read: impl Fn(&Connection) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, Error> {
        let mut connection = self.connection()?;
        let tried = begin(&connection).and_then(|()| {
            connection.progress_handler(STEPS, Some(is_over))?;
            let found = read(&connection);
            // Before the transaction ends: its end must not be cut short.
            connection.progress_handler(0, None::<fn() -> bool>)?;
            end(&connection, found)
        });
        let found = match tried {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => None,
            // A connection that failed is not used again.
            tried => Some(tried.map_err(|error| failure(&error))?),
        };
        self.idle().push(connection);
        Ok(found)
    }

    fn connection(&self) -> Result<Connection, Error> {
        let idle = self.idle().pop();
        idle.map_or_else(|| self.open().map_err(|error| failure(&error)), Ok)
    }

    pub(super) fn close(&self) {
        self.idle().clear();
    }

    fn open(&self) -> rusqlite::Result<Connection> {
        let connection = connect(&self.0.path, READER_CACHE_KIB)?;
        connection.pragma_update(None, "query_only", true)?;
        Ok(connection)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.0.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads by several statements what the store held at one moment.
pub(super) fn at_one_moment<T>(
    connection: &Connection,
    read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    begin(connection)?;
    end(connection, read(connection))
}

fn begin(connection: &Connection) -> rusqlite::Result<()> {
    connection.prepare_cached("begin")?.execute([]).map(drop)
}

/// Ends a transaction that only read. Whatever broke the reading off may have ended it already, and
/// says more.
fn end<T>(connection: &Connection, found: rusqlite::Result<T>) -> rusqlite::Result<T> {
    let ended = connection.prepare_cached("rollback")?.execute([]);
    found.and_then(|found| ended.map(|_| found))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread::{self, ThreadId};

    use super::*;
    use crate::store::sqlite::SqliteStore;
    use crate::time::Timestamp;

    /// Counts so far in a statement, and notes on which threads that was tried.
    fn count(
        to: i64,
        threads: &Arc<Mutex<Vec<ThreadId>>>,
    ) -> impl Fn(&Connection) -> rusqlite::Result<i64> + Send + use<> {
        let threads = threads.clone();
        move |connection| {
            threads.lock().unwrap().push(thread::current().id());
            let sql = "with recursive n(n) as (values (1) union all select n + 1 from n where n < ?1) \
                       select count(*) from n";
            connection.query_row(sql, [to], |row| row.get(0))
        }
    }

    #[tokio::test]
    async fn only_what_takes_long_is_read_on_another_thread() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let store = SqliteStore::open(&path, Timestamp(0)).unwrap();
        let readers = Readers::new(path, LONGEST);
        let (threads, here) = (Arc::new(Mutex::default()), thread::current().id());
        for _ in 0..100 {
            assert_eq!(readers.read_list(count(10, &threads)).await.unwrap(), 10);
        }
        assert_eq!(*threads.lock().unwrap(), [here; 100]);

        threads.lock().unwrap().clear();
        assert_eq!(readers.read_list(count(1_000_000, &threads)).await.unwrap(), 1_000_000);
        let tried = threads.lock().unwrap().clone();
        assert_eq!((tried.len(), tried[0] == here, tried[1] == here), (2, true, false));

        // Nor is the end of its transaction cut short, wherever in it a read becomes long.
        for to in (500..3_000).step_by(3) {
            assert_eq!(readers.read_list(count(to, &threads)).await.unwrap(), to);
        }

        // Other reads on the same connection are not cut short.
        assert_eq!(readers.read(count(1_000_000, &threads)).unwrap(), 1_000_000);
        readers.close();
        crate::store::Store::close(&store).await;
    }

    #[tokio::test]
    async fn what_takes_too_long_is_broken_off_and_others_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let store = SqliteStore::open(&path, Timestamp(0)).unwrap();
        let readers = Readers::new(path, Duration::from_millis(50));
        let threads = Arc::new(Mutex::default());
        for _ in 0..=LONG_READS {
            let endless = readers.read_list(count(i64::MAX, &threads)).await;
            assert!(matches!(endless, Err(Error::TooCostly)), "{endless:?}");
        }
        assert_eq!(readers.0.long_reads.available_permits(), LONG_READS);

        // Whoever does not come to a turn in time is told so, and does not wait for all before.
        let turns = readers.0.long_reads.clone().acquire_many_owned(LONG_READS as u32).await.unwrap();
        let waited = readers.read_list(count(i64::MAX, &threads)).await;
        assert!(matches!(waited, Err(Error::Unavailable(_))), "{waited:?}");
        assert_eq!(readers.read_list(count(10, &threads)).await.unwrap(), 10);
        drop(turns);
        assert_eq!(readers.read_list(count(10, &threads)).await.unwrap(), 10);
        readers.close();
        crate::store::Store::close(&store).await;
    }
}
