//! The connections that read. Readers see the last committed state and never wait for the writer.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::{READER_CACHE_KIB, connect, failure};
use crate::error::Error;

/// How many long reads run at once; more wait for their turn without holding a thread.
const LONG_READS: usize = 4;

/// A pool of connections, as many as threads have ever read at once.
#[derive(Clone)]
pub(super) struct Readers(Arc<Pool>);

struct Pool {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    long_reads: Semaphore,
}

impl Readers {
    pub(super) fn new(path: PathBuf) -> Self {
        Self(Arc::new(Pool { path, idle: Mutex::default(), long_reads: Semaphore::new(LONG_READS) }))
    }

    /// Reads on this thread.
    pub(super) fn read<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, Error> {
        let idle = self.idle().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.open().map_err(|error| failure(&error))?,
        };
        match read(&connection) {
            Ok(value) => {
                self.idle().push(connection);
                Ok(value)
            }
            // A connection that failed is not used again.
            Err(error) => Err(failure(&error)),
        }
    }

    /// Reads on a thread where it holds up nobody, however long it takes.
    pub(super) async fn read_elsewhere<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let _turn = self.0.long_reads.acquire().await.expect("the semaphore is never closed");
        let readers = self.clone();
        tokio::task::spawn_blocking(move || readers.read(read))
            .await
            .unwrap_or_else(|error| Err(Error::Internal(format!("a reading thread failed: {error}"))))
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
