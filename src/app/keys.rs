//! API keys: making, rotating, bounding and revoking them. Which opens what is in `app/admission.rs`.

use std::time::Duration;

use super::{Answered, App, Call, MAX_ATTEMPTS, refused};
use crate::directory::api_key::{ApiKey, Bounds, NewKey};
use crate::directory::event::{Context, Event, Method, Origin};
use crate::error::{Error, Missing};
use crate::id::TenantId;
use crate::secret::{KeyHash, KeyId, PlainKey};
use crate::store::{About, KeyChange, KeyKept};

/// A key with its secret, for the one moment in which its holder is told.
#[derive(Debug)]
pub struct ShownKey {
    /// The secret.
    pub plain: PlainKey,
    /// The key as it is kept.
    pub key: ApiKey,
}

/// A key that is revoked.
#[derive(Debug)]
pub struct RevokedKey(pub ApiKey);

impl From<ApiKey> for RevokedKey {
    fn from(key: ApiKey) -> Self {
        Self(key)
    }
}

/// A key that was given another secret or other bounds, of which nothing is kept for repeats.
impl Answered for ApiKey {}

impl App {
    /// The key of this public id, if it is the tenant's.
    ///
    /// # Errors
    /// [`Missing::Key`].
    pub async fn key(&self, tenant: &TenantId, id: KeyId) -> Result<ApiKey, Error> {
        let kept = self.store.key(id).await?.filter(|key| key.tenant == *tenant);
        kept.ok_or(Error::NotFound(Missing::Key))
    }

    /// The keys of a tenant, the oldest first.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn keys(&self, tenant: &TenantId) -> Result<Vec<ApiKey>, Error> {
        Ok(self.store.keys().await?.into_iter().filter(|key| key.tenant == *tenant).collect())
    }

    /// Makes a key and keeps its hash.
    ///
    /// # Errors
    /// [`InvalidFields`](crate::error::InvalidFields) as [`NewKey::check`] says.
    pub async fn create_key(&self, origin: &Origin, new: NewKey) -> Result<ShownKey, Error> {
        let plain = PlainKey::new(&*self.random);
        let key = self.keep_new_key(origin, plain.id(), plain.hash(), new).await?;
        Ok(ShownKey { plain, key })
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
    ) -> Result<ApiKey, Error> {
        if self.store.key(id).await?.is_some() {
            return Err(Error::Unauthenticated);
        }
        let unknown = PlainKey::new(&*self.random).hash();
        let origin = Origin::of_server(tenant.clone(), Method::CommandLine, &*self.random);
        match self.keep_new_key(&origin, id, unknown, new).await {
            Ok(key) => Ok(key),
            // Somebody else may have been quicker: ids are kept once.
            Err(_) if self.store.key(id).await?.is_some() => Err(Error::Unauthenticated),
            Err(error) => Err(error),
        }
    }

    async fn keep_new_key(
        &self,
        origin: &Origin,
        id: KeyId,
        hash: KeyHash,
        new: NewKey,
    ) -> Result<ApiKey, Error> {
        let (key, event) = ApiKey::create(id, hash, new.check()?, &self.context(origin, self.clock.now()));
        let change = KeyChange { kept: KeyKept::Create(key.clone()), events: vec![event], answer: None };
        let is_kept = self.store.keep_key(change).await.map_err(refused)?;
        if is_kept { Ok(key) } else { Err(Error::Internal(format!("there is no tenant {}", origin.tenant))) }
    }

    /// Gives a key of the tenant another secret. The present one works on for as long as `overlap` says.
    ///
    /// # Errors
    /// [`Missing::Key`], [`Refusal::KeyEnded`](crate::error::Refusal::KeyEnded), and what `overlap` says
    /// of the key.
    pub async fn rotate_key(
        &self,
        origin: &Origin,
        id: KeyId,
        overlap: impl Fn(&ApiKey) -> Result<Duration, Error>,
    ) -> Result<ShownKey, Error> {
        let plain = PlainKey::of(id, &*self.random);
        let rotated =
            self.change_key(origin.into(), id, |key, ctx| key.rotate(plain.hash(), overlap(key)?, ctx));
        let key = rotated.await?;
        Ok(ShownKey { plain, key })
    }

    /// Gives a key of the tenant other bounds: those that `wanted` makes of the present ones.
    ///
    /// # Errors
    /// As [`ApiKey::bound`], [`Missing::Key`], and what `wanted` says of the key.
    pub async fn bound_key(
        &self,
        origin: &Origin,
        id: KeyId,
        wanted: impl Fn(&ApiKey) -> Result<Bounds, Error>,
    ) -> Result<ApiKey, Error> {
        self.change_key(origin.into(), id, |key, ctx| key.bound(wanted(key)?, ctx)).await
    }

    /// Revokes a key of the tenant for good. One that was revoked before stays as it is.
    ///
    /// # Errors
    /// [`Missing::Key`], and what `guard` says of the key.
    pub async fn revoke_key<'a>(
        &self,
        call: impl Into<Call<'a>>,
        id: KeyId,
        guard: impl Fn(&ApiKey) -> Result<(), Error>,
    ) -> Result<RevokedKey, Error> {
        self.change_key(call.into(), id, |key, ctx| {
            guard(key)?;
            Ok(key.revoke(ctx))
        })
        .await
    }

    /// Changes a key by a rule, and gives it as it is afterwards. A rule that names no events changes
    /// nothing: then no more is kept than the answer to who asked for it, if that is to be kept.
    async fn change_key<T: From<ApiKey> + Answered>(
        &self,
        call: Call<'_>,
        id: KeyId,
        rule: impl Fn(&mut ApiKey, &Context) -> Result<Vec<Event>, Error>,
    ) -> Result<T, Error> {
        self.in_time(async {
            for _ in 0..MAX_ATTEMPTS {
                let mut key = self.key(&call.origin.tenant, id).await?;
                let ctx = self.context(call.origin, self.clock.now());
                let events = rule(&mut key, &ctx)?;
                let given = T::from(key.clone());
                if events.is_empty() {
                    self.keep_answer(call, About::Nobody, &given).await?;
                    return Ok(given);
                }
                let answer = call.answered(&given, About::Nobody, ctx.now)?;
                let change = KeyChange { kept: KeyKept::Replace(key), events, answer };
                let kept = self.store.keep_key(change).await;
                // It may be kept also where that could not be told.
                self.forget_key(id);
                if kept.map_err(refused)? {
                    return Ok(given);
                }
            }
            Err(Error::Unavailable("others keep changing this key".to_owned()))
        })
        .await
    }
}
