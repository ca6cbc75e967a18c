//! Copying the log into the file, beside the writing thread. A checkpoint syncs the file, which takes
//! tens of milliseconds under load: on the writing thread, every change would wait for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use rusqlite::Connection;

use crate::metrics::Job;

/// When the log is copied.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    /// How many changes are written between two checkpoints.
    changes: usize,
    /// From how many pages on the log is to begin anew.
    long_log: i64,
}

impl Default for Limits {
    /// Those of a running server. A page that changes often is copied once in so many changes; and
    /// the log is long, 128 MiB, because its end holds up the writing thread.
    fn default() -> Self {
        Self { changes: 2_048, long_log: 32_768 }
    }
}

/// How often a long log is copied before the writing thread copies the rest: each time, less was
/// written meanwhile, and less is left for it to wait for.
const ROUNDS: usize = 4;

/// The thread that copies the log, as the writing thread sees it.
pub(super) struct Checkpoints {
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    log_is_long: Arc<AtomicBool>,
    copied: Arc<Job>,
    limits: Limits,
    changes: usize,
}

impl Checkpoints {
    pub(super) fn start(connection: Connection, limits: Limits) -> std::io::Result<Self> {
        let (wake, woken) = sync_channel(1);
        let log_is_long = Arc::new(AtomicBool::new(false));
        let copied = Arc::new(Job::named("checkpoint"));
        let (long, counted) = (log_is_long.clone(), copied.clone());
        let thread = std::thread::Builder::new()
            .name("bonafide-checkpoint".to_owned())
            .spawn(move || checkpoint_when_woken(&connection, limits, &woken, &long, &counted))?;
        Ok(Self { wake: Some(wake), thread: Some(thread), log_is_long, copied, limits, changes: 0 })
    }

    /// How often the log was copied.
    pub(super) fn copied(&self) -> Arc<Job> {
        self.copied.clone()
    }

    /// Is told by the writing thread, between two commits, how many changes the last one held.
    ///
    /// The log begins anew only when all of it is in the file and nobody is writing. Under load the
    /// other thread never sees that moment, so what little is left then is copied here.
    pub(super) fn after_commit(&mut self, connection: &Connection, changes: usize) {
        if self.log_is_long.swap(false, Ordering::Relaxed) {
            checkpoint(connection, &self.copied);
        }
        self.changes += changes;
        if self.changes >= self.limits.changes
            && let Some(wake) = &self.wake
        {
            self.changes = 0;
            // Full: it has been woken and not come to it yet.
            let _ = wake.try_send(());
        }
    }

    /// Ends the thread.
    pub(super) fn stop(mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            // A panic has been reported where it happened; the log is whole without the thread.
            let _ = thread.join();
        }
    }
}

fn checkpoint_when_woken(
    connection: &Connection,
    limits: Limits,
    woken: &Receiver<()>,
    log_is_long: &AtomicBool,
    copied: &Job,
) {
    while woken.recv().is_ok() {
        if (0..ROUNDS).all(|_| checkpoint(connection, copied) > limits.long_log) {
            log_is_long.store(true, Ordering::Relaxed);
        }
    }
}

/// Copies what can be copied without waiting for anybody, and gives the log's length in pages.
fn checkpoint(connection: &Connection, copied: &Job) -> i64 {
    let length = connection
        .prepare_cached("pragma wal_checkpoint(passive)")
        .and_then(|mut statement| statement.query_row([], |row| row.get(1)));
    copied.count(length).unwrap_or_else(|error| {
        // Nothing is lost: the changes are in the log, and the next checkpoint tries again.
        tracing::warn!(%error, "the log could not be copied into the store's file");
        0
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::sync::atomic::AtomicU64;

    use super::super::SqliteStore;
    use super::*;
    use crate::store::Store;
    use crate::time::Timestamp;

    const TASKS: usize = 16;
    const CHANGES_EACH: usize = 500;
    /// How long the log may become, in bytes: half of what these changes write into it.
    const BOUND: u64 = 12_000_000;

    /// How often the log has begun anew, as it says itself.
    fn begun_anew(log: &Path) -> u32 {
        let head = fs::read(log).unwrap();
        u32::from_be_bytes(head[12..16].try_into().unwrap())
    }

    /// Makes tenants on many tasks at once, and gives the longest that the log was meanwhile.
    async fn make_tenants(store: &Arc<SqliteStore>, log: &Path) -> u64 {
        let longest = Arc::new(AtomicU64::new(0));
        let tasks = (0..TASKS).map(|task| {
            let (store, longest, log) = (store.clone(), longest.clone(), log.to_owned());
            tokio::spawn(async move {
                for number in 0..CHANGES_EACH {
                    let name = format!("tenant-{task}-{number}").parse().unwrap();
                    assert!(store.create_tenant(&name, Timestamp(0)).await.unwrap());
                    longest.fetch_max(fs::metadata(&log).unwrap().len(), Ordering::Relaxed);
                }
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
        longest.load(Ordering::Relaxed)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_long_log_begins_anew_while_many_write_and_nothing_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let (path, log) = (folder.path().join("a.db"), folder.path().join("a.db-wal"));
        let limits = Limits { changes: 32, long_log: 16 };
        let store = Arc::new(SqliteStore::open_with(&path, Timestamp(0), limits).unwrap());
        let before = begun_anew(&log);
        let longest = make_tenants(&store, &log).await;
        assert!(begun_anew(&log).wrapping_sub(before) > 5);
        assert!(longest < BOUND, "{longest}");

        // As a crash would leave it: the file and the log, copied beside the open store.
        let left = folder.path().join("left.db");
        fs::copy(&path, &left).unwrap();
        fs::copy(&log, folder.path().join("left.db-wal")).unwrap();
        store.close().await;
        for path in [path, left] {
            let store = SqliteStore::open_existing(&path).unwrap();
            // And the one that every store has.
            assert_eq!(store.tenants().await.unwrap().len(), TASKS * CHANGES_EACH + 1);
            let found: String = Connection::open(&path)
                .unwrap()
                .query_row("pragma integrity_check", [], |row| row.get(0))
                .unwrap();
            assert_eq!(found, "ok");
        }
    }
}
