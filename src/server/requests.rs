//! Which requests of a connection are under way, to tell when it is of no use any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How often is looked whether a connection is idle: so much longer than it may, it can be at most.
const STEP: Duration = Duration::from_secs(5);

/// The requests of one connection, counted.
#[derive(Default)]
pub(super) struct Requests {
    begun: AtomicU64,
    answered: AtomicU64,
}

impl Requests {
    /// Notes that a request's head is there; the request is under way until what this gives is
    /// dropped.
    pub(super) fn begin(self: &Arc<Self>) -> UnderWay {
        self.begun.fetch_add(1, Ordering::Relaxed);
        UnderWay(self.clone())
    }

    /// Whether there has been a request.
    pub(super) fn any_begun(&self) -> bool {
        self.begun.load(Ordering::Relaxed) > 0
    }

    /// Waits until no request has been under way for this long.
    pub(super) async fn idle_for(&self, span: Duration) {
        let mut idle = Duration::ZERO;
        let mut seen = 0;
        while idle < span {
            tokio::time::sleep(STEP).await;
            let answered = self.answered.load(Ordering::Relaxed);
            let begun = self.begun.load(Ordering::Relaxed);
            idle = if begun == answered && begun == seen { idle + STEP } else { Duration::ZERO };
            seen = begun;
        }
    }
}

/// A request that is under way.
pub(super) struct UnderWay(Arc<Requests>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.answered.fetch_add(1, Ordering::Relaxed);
    }
}
