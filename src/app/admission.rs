//! Whether a request's API key opens anything, and what.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use super::rates::Rate;
use super::{App, RateStanding};
use crate::directory::api_key::{ApiKey, KeyState};
use crate::error::Error;
use crate::metrics::KeyRefusal;
use crate::secret::{KeyId, PlainKey};
use crate::time::Timestamp;

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
    /// How often it was used, if it is limited.
    rate: Option<Arc<Rate>>,
    until: Duration,
    /// Whether a use of the key was looked at since then. Not at the look-up: that may have been for
    /// somebody who knows the key's id and not its secret.
    is_noted: Arc<AtomicBool>,
}

/// A key that was let in.
pub struct Admitted {
    /// The key.
    pub key: Arc<ApiKey>,
    rate: Option<Arc<Rate>>,
}

impl App {
    /// The key that is kept for this secret, if it may be used from where it is shown.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] when there is none, or it is revoked or expired, and
    /// [`Error::WrongNetwork`].
    pub async fn authenticate(&self, presented: &PlainKey, from: Option<IpAddr>) -> Result<Admitted, Error> {
        let now = self.clock.now();
        let known = match self.known(presented.id()) {
            Some(known) if known.key.is_shown_by(presented, now) => known,
            // The key may have been given this secret on another server since it was looked up.
            _ => {
                let known = self.look_up(presented.id()).await?;
                if !known.key.is_shown_by(presented, now) {
                    return Err(self.unauthenticated(KeyRefusal::Wrong));
                }
                known
            }
        };
        self.in_force(&known.key, now)?;
        self.within_networks(&known.key, from)?;
        let rate = known.rate.clone();
        Ok(Admitted { key: self.used(known), rate })
    }

    /// Counts a request with a key that was let in; how it stands with its limit, if it has one.
    pub fn count_request(&self, admitted: &Admitted) -> Option<RateStanding> {
        let standing = admitted.rate.as_ref()?.count(self.clock.elapsed());
        if standing.is_exceeded {
            self.metrics.key_refused(KeyRefusal::Rate);
        }
        Some(standing)
    }

    fn within_networks(&self, key: &ApiKey, from: Option<IpAddr>) -> Result<(), Error> {
        if key.bounds.allow(from) {
            return Ok(());
        }
        self.metrics.key_refused(KeyRefusal::Network);
        Err(Error::WrongNetwork)
    }

    fn in_force(&self, key: &ApiKey, now: Timestamp) -> Result<(), Error> {
        match key.state(now) {
            KeyState::Active => Ok(()),
            KeyState::Revoked => Err(self.unauthenticated(KeyRefusal::Revoked)),
            KeyState::Expired => Err(self.unauthenticated(KeyRefusal::Expired)),
        }
    }

    /// Counts why a key is refused. Whoever has shown it is not told.
    pub(crate) fn unauthenticated(&self, why: KeyRefusal) -> Error {
        self.metrics.key_refused(why);
        Error::Unauthenticated
    }

    fn used(&self, known: Known) -> Arc<ApiKey> {
        if !known.is_noted.swap(true, Ordering::Relaxed) {
            self.note_use(&known.key);
        }
        known.key
    }

    /// The key of this public id while it opens anything, for whoever has shown a secret of it at an
    /// earlier moment.
    ///
    /// # Errors
    /// As [`App::authenticate`], also when the secret that was shown works no more.
    pub async fn key_in_force(
        &self,
        id: KeyId,
        shown_at: Timestamp,
        from: Option<IpAddr>,
    ) -> Result<Arc<ApiKey>, Error> {
        let known = match self.known(id) {
            Some(known) => known,
            None => self.look_up(id).await?,
        };
        let now = self.clock.now();
        self.in_force(&known.key, now)?;
        if !known.key.still_stands_for(shown_at, now) {
            return Err(self.unauthenticated(KeyRefusal::Wrong));
        }
        self.within_networks(&known.key, from)?;
        Ok(self.used(known))
    }

    /// Looks the key up anew when it is next shown.
    pub(super) fn forget_key(&self, id: KeyId) {
        self.keys.0.write().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    fn known(&self, id: KeyId) -> Option<Known> {
        let keys = self.keys.0.read().unwrap_or_else(PoisonError::into_inner);
        let known = keys.get(&id)?;
        (self.clock.elapsed() < known.until).then(|| known.clone())
    }

    async fn look_up(&self, id: KeyId) -> Result<Known, Error> {
        let asked_at = self.clock.elapsed();
        let kept = self.store.key(id).await?;
        let key = Arc::new(kept.ok_or_else(|| self.unauthenticated(KeyRefusal::Unknown))?);
        let rate = key.bounds.rate_limit.map(|limit| self.rates.of(id, limit, asked_at));
        let mut keys = self.keys.0.write().unwrap_or_else(PoisonError::into_inner);
        if keys.len() >= REMEMBERED {
            keys.retain(|_, known| asked_at < known.until);
        }
        // Counted from before the question: the answer may be that old.
        let known = Known { key, rate, until: asked_at + BELIEVED_FOR, is_noted: Arc::default() };
        keys.insert(id, known.clone());
        Ok(known)
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
