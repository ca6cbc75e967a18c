//! Hashing and checking passwords beside everything else, changing one, and links to reset one.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::condition::{Always, HashIs, HashIsAnother, ResetIsOpen, ResetIsOver};
use super::proofs::{ResetView, Visitor};
use super::{Answered, App, Call, Current};
use crate::directory::event::{Context, Method, Origin};
use crate::directory::mail::MailChange;
use crate::directory::password::{
    Given, MAX_TRIES, Password, PasswordHash, Policy, ResetToken, TRIES_WITHIN, Wanted,
};
use crate::directory::user::{NewUser, User};
use crate::error::{Error, Missing, Refusal};
use crate::id::{TenantId, UserId};
use crate::secret::{PlainToken, Purpose, TokenId};
use crate::store::{PasswordTry, UserChange};
use crate::time::Timestamp;

/// How often a password is checked anew because its hash was replaced meanwhile.
const MAX_CHECKS: usize = 3;

/// Hashing takes a processor for tens of milliseconds, so it is done on threads where nobody waits,
/// and at most half the processors do it at once.
pub(super) struct Hashers(Arc<Semaphore>);

impl Default for Hashers {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self(Arc::new(Semaphore::new((processors / 2).max(1))))
    }
}

impl Hashers {
    /// Does work of this kind when it is its turn.
    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
        let turn = self.0.clone().acquire_owned().await.expect("the semaphore is never closed");
        // The turn ends with the work, also when whoever asked for it has gone away.
        let working = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work()
        });
        working.await.map_err(|error| Error::Internal(format!("a hashing thread failed: {error}")))
    }
}

/// A link by which a user can set another password, once.
pub struct ResetLink {
    /// The link; it is a secret.
    pub link: String,
    /// Until when it works.
    pub expires_at: Timestamp,
    /// Whether a mail with it is on its way.
    pub email_sent: bool,
}

/// It is a secret: no answer with it is kept.
impl Answered for ResetLink {}

impl App {
    /// The hash to keep for a password that is wanted.
    ///
    /// # Errors
    /// [`Error::Internal`] when the hashing itself fails.
    pub async fn hash_password(&self, wanted: Wanted) -> Result<PasswordHash, Error> {
        match wanted {
            Wanted::Hash(hash) => Ok(hash),
            Wanted::Plain(password) => self.hash(password).await,
        }
    }

    async fn hash(&self, password: Password) -> Result<PasswordHash, Error> {
        let mut salt = [0; 16];
        self.random.fill(&mut salt);
        self.hashers.run(move || password.hash(salt)).await
    }

    /// Whether a user can be made from this by this caller, without making one.
    ///
    /// # Errors
    /// As [`App::create`], but for what only the store can say.
    pub fn check_new(&self, origin: &Origin, new: &NewUser) -> Result<(), Error> {
        new.check(&self.context(origin, self.clock.now()))
    }

    /// The hash of the user's password if `password` is it. An outdated hash is replaced by a new
    /// one of the same password at this occasion. How often this may be asked is not bounded here.
    ///
    /// # Errors
    /// [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn check_password(
        &self,
        tenant: &TenantId,
        user_id: UserId,
        password: &Password,
    ) -> Result<Option<PasswordHash>, Error> {
        let Some(kept) = self.store.password(tenant, user_id).await? else { return Ok(None) };
        let (tried, compared) = (password.clone(), kept.clone());
        if !self.hashers.run(move || compared.matches(&tried)).await?? {
            return Ok(None);
        }
        if !kept.is_outdated() {
            return Ok(Some(kept));
        }
        let new = self.hash(password.clone()).await?;
        let replaced = self.store.rehash_password(tenant, user_id, kept.clone(), new.clone()).await?;
        Ok(Some(if replaced { new } else { kept }))
    }

    /// Gives the user who knows the old password another one, and gives the document.
    ///
    /// # Errors
    /// [`Missing::User`], [`Error::Changed`], [`Refusal::PasswordMismatch`], [`Refusal::PasswordNotTrusted`],
    /// and [`Error::TooManyRequests`] for more than ten tries within an hour.
    pub async fn change_password<'a>(
        &self,
        call: impl Into<Call<'a>>,
        user_id: UserId,
        old: &Password,
        new: Wanted,
    ) -> Result<Current, Error> {
        let call = call.into();
        let tenant = &call.origin.tenant;
        self.count_try(tenant, user_id).await?;
        let mut hash = None;
        for _ in 0..MAX_CHECKS {
            let Some(checked) = self.check_password(tenant, user_id, old).await? else {
                return Err(Refusal::PasswordMismatch.into());
            };
            let new = match hash {
                Some(hash) => hash,
                None => self.hash_password(new.clone()).await?,
            };
            let changed = self
                .change_if(HashIs(&checked), call, user_id, |user, set_by, ctx| {
                    user.change_password(new.clone(), *set_by, ctx)
                })
                .await?;
            match changed {
                Ok(changed) => return Ok(changed),
                Err(HashIsAnother) => hash = Some(new),
            }
        }
        Err(Error::Unavailable("the password keeps being set by others".to_owned()))
    }

    /// Counts a try before it is made, so that many at once are bounded, too. The change that a right
    /// one leads to forgets all tries.
    async fn count_try(&self, tenant: &TenantId, user_id: UserId) -> Result<(), Error> {
        let now = self.clock.now();
        let within = TRIES_WITHIN.as_secs().cast_signed();
        let attempt = PasswordTry { now, since: Timestamp(now.0 - within), most: MAX_TRIES };
        match self.store.count_password_try(tenant, user_id, attempt).await? {
            None => Ok(()),
            // Nothing is counted for a user who has just been deleted.
            Some(_) if self.store.user(tenant, user_id).await?.is_none() => {
                Err(Error::NotFound(Missing::User))
            }
            Some(oldest) => {
                let again = oldest.after(TRIES_WITHIN).0 - now.0;
                Err(Error::TooManyRequests { retry_after: again.max(1).unsigned_abs() })
            }
        }
    }

    /// Makes a link by which the user can set another password; earlier ones end. By mail it goes to the
    /// primary email, if that is verified and there is mail.
    ///
    /// # Errors
    /// [`Missing::User`], [`Error::Changed`], and [`Error::TooManyRequests`] where a mail would be one too
    /// many.
    pub async fn start_password_reset<'a>(
        &self,
        call: impl Into<Call<'a>>,
        user_id: UserId,
        expiry: Duration,
        by_mail: bool,
    ) -> Result<ResetLink, Error> {
        let call = call.into();
        let tenant = &call.origin.tenant;
        let by_mail = by_mail && self.mail.is_some();
        let id = TokenId::new(&*self.random);
        let token = PlainToken::derive(&self.secret, Purpose::Reset, tenant, id);
        let settings = self.store.settings(tenant).await?;
        let started = self.decide(Always, call, user_id, |kept, user, (), ctx| {
            let expires_at = ctx.now.after(expiry);
            let decision = user.start_password_reset(&token, expires_at, by_mail, &settings, ctx);
            let email_sent = matches!(decision.mail, MailChange::Send(_));
            let change = UserChange::beside(tenant, kept.version, user_id, decision);
            Ok((change, ResetLink { link: self.reset_link(&token), expires_at, email_sent }))
        });
        let Ok(link) = started.await?;
        Ok(link)
    }

    pub(super) fn reset_link(&self, token: &PlainToken) -> String {
        format!("{}/reset/{}", self.public_url, token.reveal())
    }

    /// What is kept of a link to reset a password, if it still works.
    pub(super) async fn open_reset(&self, token: &PlainToken) -> Result<Option<ResetToken>, Error> {
        let kept = self.store.reset_token(token.id()).await?;
        let now = self.clock.now();
        Ok(kept.filter(|kept| kept.hash.matches_token(token) && now < kept.expires_at))
    }

    /// What this link is good for: what its page shows. Changes nothing.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn reset_view(&self, token: &str) -> Result<ResetView, Error> {
        let Ok(token) = token.parse::<PlainToken>() else { return Ok(ResetView::Dead) };
        match self.open_reset(&token).await? {
            Some(kept) => Ok(ResetView::Live { tenant_name: self.tenant_name(&kept.tenant).await? }),
            None => Ok(ResetView::Dead),
        }
    }

    /// Gives the user whose link this is another password.
    ///
    /// # Errors
    /// [`Error::Refused`] and [`Error::Invalid`] for a password that cannot be taken: then the link
    /// stays good.
    pub async fn reset_by_link(
        &self,
        token: &str,
        new: &Password,
        visitor: &Visitor,
    ) -> Result<ResetView, Error> {
        let Ok(token) = token.parse::<PlainToken>() else { return Ok(ResetView::Dead) };
        let Some(kept) = self.open_reset(&token).await? else { return Ok(ResetView::Dead) };
        let given = Given { prefix: "", password: Some(new), hash: None, algorithm: None };
        let hash = self.hash_password(given.needed(&Policy::DEFAULT)?).await?;
        let origin = visitor.origin(&kept.tenant, Method::Link);
        let rule = |user: &mut User, (): &(), ctx: &Context| Ok(user.reset_password(hash.clone(), ctx));
        match self.change_if(ResetIsOpen(&token), (&origin).into(), kept.user_id, rule).await {
            Ok(Ok(_)) => Ok(ResetView::Done { tenant_name: self.tenant_name(&kept.tenant).await? }),
            Ok(Err(ResetIsOver)) | Err(Error::NotFound(_)) => Ok(ResetView::Dead),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Condvar, Mutex};

    use futures_util::future::join_all;
    use tokio::sync::mpsc;

    use super::*;

    /// Work that says when it begins and ends when it is told to.
    #[derive(Default)]
    struct Held {
        running: AtomicUsize,
        most: AtomicUsize,
        may_end: Mutex<bool>,
        told: Condvar,
    }

    impl Held {
        fn work(&self, begun: &mpsc::UnboundedSender<()>) {
            let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(running, Ordering::SeqCst);
            begun.send(()).unwrap();
            let may_end = self.may_end.lock().unwrap();
            drop(self.told.wait_while(may_end, |may_end| !*may_end).unwrap());
            self.running.fetch_sub(1, Ordering::SeqCst);
        }

        fn end(&self) {
            *self.may_end.lock().unwrap() = true;
            self.told.notify_all();
        }
    }

    /// There is one async thread here: were it the one that hashes, nobody could tell the work to end.
    #[tokio::test]
    async fn hashing_is_bounded_and_keeps_no_async_thread() {
        let hashers = Hashers::default();
        let bound = hashers.0.available_permits();
        assert!(bound <= std::thread::available_parallelism().unwrap().get());
        let held = Arc::new(Held::default());
        let (begun, mut begins) = mpsc::unbounded_channel();
        let all = join_all((0..bound * 8).map(|_| {
            let (held, begun) = (held.clone(), begun.clone());
            hashers.run(move || held.work(&begun))
        }));
        let told = async {
            for _ in 0..bound {
                begins.recv().await.unwrap();
            }
            assert_eq!(hashers.0.available_permits(), 0);
            held.end();
        };
        let (done, ()) = tokio::join!(all, told);
        assert_eq!(done.into_iter().flatten().count(), bound * 8);
        assert_eq!(held.most.load(Ordering::SeqCst), bound);
    }

    /// Who asks for a hash and goes away must not make room for the next one before its work ends.
    #[tokio::test]
    async fn a_turn_ends_with_the_work_and_not_with_whoever_asked_for_it() {
        let hashers = Arc::new(Hashers(Arc::new(Semaphore::new(1))));
        let held = Arc::new(Held::default());
        let (begun, mut begins) = mpsc::unbounded_channel();
        let asked = tokio::spawn({
            let (hashers, held) = (hashers.clone(), held.clone());
            async move { hashers.run(move || held.work(&begun)).await }
        });
        begins.recv().await.unwrap();
        asked.abort();
        assert!(asked.await.unwrap_err().is_cancelled());
        assert_eq!(hashers.0.available_permits(), 0);
        held.end();
        hashers.run(|| ()).await.unwrap();
    }
}
