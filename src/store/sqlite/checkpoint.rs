//! Copying the log into the file, beside the writing thread. A checkpoint syncs the file, which takes
//! tens of milliseconds under load: on the writing thread, every change would wait for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use rusqlite::Connection;

/// How many changes are written between two checkpoints.
const CHANGES: usize = 2_048;
/// From how many pages on the log is to begin anew: 128 MiB.
const LONG_LOG: i64 = 32_768;
/// How often a long log is copied before the writing thread copies the rest: each time, less was
/// written meanwhile, and less is left for it to wait for.
const ROUNDS: usize = 4;

/// The thread that copies the log, as the writing thread sees it.
pub(super) struct Checkpoints {
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    log_is_long: Arc<AtomicBool>,
    changes: usize,
}

impl Checkpoints {
    pub(super) fn start(connection: Connection) -> std::io::Result<Self> {
        let (wake, woken) = sync_channel(1);
        let log_is_long = Arc::new(AtomicBool::new(false));
        let long = log_is_long.clone();
        let thread = std::thread::Builder::new()
            .name("bonafide-checkpoint".to_owned())
            .spawn(move || checkpoint_when_woken(&connection, &woken, &long))?;
        Ok(Self { wake: Some(wake), thread: Some(thread), log_is_long, changes: 0 })
    }

    /// Is told by the writing thread, between two commits, how many changes the last one held.
    ///
    /// The log begins anew only when all of it is in the file and nobody is writing. Under load the
    /// other thread never sees that moment, so what little is left then is copied here.
    pub(super) fn after_commit(&mut self, connection: &Connection, changes: usize) {
        if self.log_is_long.swap(false, Ordering::Relaxed) {
            checkpoint(connection);
        }
        self.changes += changes;
        if self.changes >= CHANGES
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

fn checkpoint_when_woken(connection: &Connection, woken: &Receiver<()>, log_is_long: &AtomicBool) {
    while woken.recv().is_ok() {
        if (0..ROUNDS).all(|_| checkpoint(connection) > LONG_LOG) {
            log_is_long.store(true, Ordering::Relaxed);
        }
    }
}

/// Copies what can be copied without waiting for anybody, and gives the log's length in pages.
fn checkpoint(connection: &Connection) -> i64 {
    let length = connection
        .prepare_cached("pragma wal_checkpoint(passive)")
        .and_then(|mut statement| statement.query_row([], |row| row.get(1)));
    length.unwrap_or_else(|error| {
        // Nothing is lost: the changes are in the log, and the next checkpoint tries again.
        tracing::warn!(%error, "the log could not be copied into the store's file");
        0
    })
}
