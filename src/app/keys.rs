//! Whether a request's API key opens anything, and what; making and revoking keys.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use super::App;
use crate::directory::api_key::{ApiKey, NewKey};
use crate::error::Error;
use crate::id::TenantId;
use crate::secret::{KeyHash, KeyId, PlainKey};

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
    /// Whether a use of the key was looked at since then. Not at the look-up: that may have been for
    /// somebody who knows the key's id and not its secret.
    is_noted: Arc<AtomicBool>,
}

impl App {
    /// The key that is kept for this secret.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] when there is none, or it is revoked or expired.
    pub async fn authenticate(&self, presented: &PlainKey) -> Result<Arc<ApiKey>, Error> {
        let known = match self.known(presented.id()) {
            Some(known) => known,
            None => self.look_up(presented.id()).await?,
        };
        if !known.key.hash.matches(presented) || !known.key.is_valid(self.clock.now()) {
            return Err(Error::Unauthenticated);
        }
        Ok(self.used(known))
    }

    fn used(&self, known: Known) -> Arc<ApiKey> {
        if !known.is_noted.swap(true, Ordering::Relaxed) {
            self.note_use(&known.key);
        }
        known.key
    }

    /// The key of this public id while it opens anything, for whoever has shown its secret before.
    ///
    /// # Errors
    /// As [`App::authenticate`].
    pub async fn key_in_force(&self, id: KeyId) -> Result<Arc<ApiKey>, Error> {
        let known = match self.known(id) {
            Some(known) => known,
            None => self.look_up(id).await?,
        };
        if known.key.is_valid(self.clock.now()) { Ok(self.used(known)) } else { Err(Error::Unauthenticated) }
    }

    /// Makes a key and keeps its hash.
    ///
    /// # Errors
    /// [`InvalidFields`](crate::error::InvalidFields) as [`NewKey::check`] says.
    pub async fn create_key(&self, tenant: &TenantId, new: NewKey) -> Result<PlainKey, Error> {
        let plain = PlainKey::new(&*self.random);
        self.keep_key(tenant, plain.id(), plain.hash(), new.check()?).await?;
        Ok(plain)
    }

    /// Makes the key of a sign-in by a link: it has the link's id, so that each link makes one only, and
    /// a secret that nobody knows.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] when the link was used before.
    pub async fn create_key_of_link(
        &self,
        tenant: &TenantId,
        id: KeyId,
        new: NewKey,
    ) -> Result<Arc<ApiKey>, Error> {
        if self.store.key(id).await?.is_some() {
            return Err(Error::Unauthenticated);
        }
        let unknown = PlainKey::new(&*self.random).hash();
        if let Err(error) = self.keep_key(tenant, id, unknown, new.check()?).await {
            // Somebody else may have been quicker: ids are kept once.
            let is_used = self.store.key(id).await?.is_some();
            return Err(if is_used { Error::Unauthenticated } else { error });
        }
        self.key_in_force(id).await
    }

    async fn keep_key(&self, tenant: &TenantId, id: KeyId, hash: KeyHash, new: NewKey) -> Result<(), Error> {
        let key = ApiKey {
            id,
            tenant: tenant.clone(),
            name: new.name,
            hash,
            scopes: new.scopes,
            created_at: self.clock.now(),
            expires_at: new.expires_at,
            revoked_at: None,
            last_used_at: None,
        };
        let is_kept = self.store.create_key(key).await?;
        if is_kept { Ok(()) } else { Err(Error::Internal(format!("there is no tenant {tenant}"))) }
    }

    /// The keys of a tenant, the oldest first.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn keys(&self, tenant: &TenantId) -> Result<Vec<ApiKey>, Error> {
        Ok(self.store.keys().await?.into_iter().filter(|key| key.tenant == *tenant).collect())
    }

    /// Revokes a key of a tenant for good; false if the tenant has none of this id. One that was revoked
    /// before stays as it is.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn revoke_key(&self, tenant: &TenantId, id: KeyId) -> Result<bool, Error> {
        let kept = self.store.key(id).await?;
        if kept.is_none_or(|key| key.tenant != *tenant) {
            return Ok(false);
        }
        let is_revoked = self.store.revoke_key(id, self.clock.now()).await?;
        self.keys.0.write().unwrap_or_else(PoisonError::into_inner).remove(&id);
        Ok(is_revoked)
    }

    fn known(&self, id: KeyId) -> Option<Known> {
        let keys = self.keys.0.read().unwrap_or_else(PoisonError::into_inner);
        let known = keys.get(&id)?;
        (self.clock.elapsed() < known.until).then(|| known.clone())
    }

    async fn look_up(&self, id: KeyId) -> Result<Known, Error> {
        let asked_at = self.clock.elapsed();
        let key = Arc::new(self.store.key(id).await?.ok_or(Error::Unauthenticated)?);
        let mut keys = self.keys.0.write().unwrap_or_else(PoisonError::into_inner);
        if keys.len() >= REMEMBERED {
            keys.retain(|_, known| asked_at < known.until);
        }
        // Counted from before the question: the answer may be that old.
        let known = Known { key, until: asked_at + BELIEVED_FOR, is_noted: Arc::default() };
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
