//! Whether a request's API key opens anything, and what.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use super::App;
use crate::directory::api_key::ApiKey;
use crate::error::Error;
use crate::secret::{KeyId, PlainKey};

/// How long a key is believed without asking the store: so long a revoked one may still work.
const BELIEVED_FOR: Duration = Duration::from_millis(900);
/// How many keys are remembered at most.
const REMEMBERED: usize = 10_000;
/// How often it is noted that a key was used, in seconds.
const NOTED_EVERY: i64 = 60;

/// The keys that were looked up within the last moment.
#[derive(Default)]
pub(super) struct Keys(RwLock<HashMap<KeyId, Known>>);

#[derive(Clone)]
struct Known {
    key: Arc<ApiKey>,
    until: Duration,
}

impl App {
    /// The key that is kept for this secret.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] when there is none, or it is revoked or expired.
    pub async fn authenticate(&self, presented: &PlainKey) -> Result<Arc<ApiKey>, Error> {
        let known = self.known(presented.id());
        let was_known = known.is_some();
        let key = match known {
            Some(key) => key,
            None => self.look_up(presented.id()).await?,
        };
        if !key.hash.matches(presented) || !key.is_valid(self.clock.now()) {
            return Err(Error::Unauthenticated);
        }
        if !was_known {
            self.note_use(&key);
        }
        Ok(key)
    }

    fn known(&self, id: KeyId) -> Option<Arc<ApiKey>> {
        let keys = self.keys.0.read().unwrap_or_else(PoisonError::into_inner);
        let known = keys.get(&id)?;
        (self.clock.elapsed() < known.until).then(|| known.key.clone())
    }

    async fn look_up(&self, id: KeyId) -> Result<Arc<ApiKey>, Error> {
        let asked_at = self.clock.elapsed();
        let key = Arc::new(self.store.key(id).await?.ok_or(Error::Unauthenticated)?);
        let mut keys = self.keys.0.write().unwrap_or_else(PoisonError::into_inner);
        if keys.len() >= REMEMBERED {
            keys.retain(|_, known| asked_at < known.until);
        }
        // Counted from before the question: the answer may be that old.
        keys.insert(id, Known { key: key.clone(), until: asked_at + BELIEVED_FOR });
        Ok(key)
    }

    /// Notes, now and then and off the request's path, that a key was used.
    fn note_use(&self, key: &ApiKey) {
        let now = self.clock.now();
        if key.last_used_at.is_some_and(|last| now.0 - last.0 < NOTED_EVERY) {
            return;
        }
        let (store, id) = (self.store.clone(), key.id);
        tokio::spawn(async move {
            if let Err(error) = store.touch_key(id, now).await {
                tracing::warn!(key.id = %id, %error, "it could not be noted that the key was used");
            }
        });
    }
}
