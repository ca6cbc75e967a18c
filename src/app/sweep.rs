//! Forgetting what counts no more, whether or not anybody asks for anything.

use std::time::Duration;

use super::App;
use crate::directory::repeat::KEPT_FOR;
use crate::directory::settings::COUNTED_FOR;
use crate::error::Error;

/// How often it is done.
const EVERY: Duration = Duration::from_secs(3_600);
/// When it is tried again after it could not be done.
const AGAIN: Duration = Duration::from_secs(60);

impl App {
    /// Forgets what counts no more, now and every hour.
    pub async fn keep_swept(&self) {
        loop {
            let pause = match self.sweep().await {
                Ok(()) => EVERY,
                Err(error) => {
                    tracing::warn!(%error, "what counts no more could not be forgotten; it is tried again in a minute");
                    AGAIN
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Forgets the requests for proofs and for mails that no limit counts any more, with the addresses
    /// in them, and the answers that are too old for repeats.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn sweep(&self) -> Result<(), Error> {
        let now = self.clock.now();
        let (requests, answers) = (&self.metrics.old_requests, &self.metrics.old_answers);
        requests.count(self.store.forget_requests(now.before(COUNTED_FOR)).await)?;
        // A few at a time, so that no change waits long for it.
        while answers.count(self.store.forget_answers(now.before(KEPT_FOR)).await)? {}
        Ok(())
    }
}
