//! What every face of the server is given: the store, the clock, the randomness, and the few ways
//! in which they come together. [`App::change`] is the one way to change a user.

mod admission;
mod call;
mod condition;
#[cfg(test)]
pub(crate) mod contract;
pub mod export;
mod groups;
mod history;
pub mod import;
pub mod keys;
mod logs;
pub mod marking;
pub mod outbox;
mod passwords;
pub mod person;
pub mod proofs;
mod rates;
mod repeats;
mod sweep;
mod turns;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{Notify, Semaphore};

use crate::directory::event::{Context, EventType, Origin};
use crate::directory::group;
use crate::directory::log::LogSystem;
use crate::directory::mail::MailChange;
use crate::directory::password::{Decision, SecretChange, SetBy};
use crate::directory::proof::KeptProof;
use crate::directory::user::{NewUser, User};
use crate::error::{Error, Missing, Refusal};
use crate::id::{Random, TenantId, UserId};
use crate::metrics::{Exposition, Metrics, Verified};
use crate::secret::ServerSecret;
use crate::store::{About, IdentifierKind, KeepError, Kept, List, Page, Store, UserChange, Version};
use crate::time::{Clock, Timestamp};
use admission::Keys;
pub use call::{Call, OnlyIf};
use condition::{Always, Condition, Known};
use passwords::Hashers;
pub use rates::RateStanding;
use rates::Rates;
use repeats::Repeats;
pub use repeats::{Answered, Claim};
use turns::Turns;

/// How often a change is decided anew because something else was changed first.
const MAX_ATTEMPTS: usize = 20;
/// How much may be under way at once of what is done after its answer.
const MAX_BEHIND: u32 = 64;

/// How many mails that wait are counted at most: who asks for figures must not cost much.
const MOST_WAITING: u32 = 10_000;

/// A user as it is now, or was when it was changed.
#[derive(Clone)]
pub struct Current {
    /// Which version this is.
    pub version: Version,
    /// The JSON of the user.
    pub document: Bytes,
}

impl fmt::Debug for Current {
    /// What is known of a person is personal: nothing that prints for debugging shows it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Current({:?})", self.version)
    }
}

/// The directory at work.
pub struct App {
    /// What keeps it.
    pub store: Arc<dyn Store>,
    /// What tells the time.
    pub clock: Arc<dyn Clock>,
    /// Where new ids and keys come from.
    pub random: Arc<dyn Random>,
    /// The URL by which clients and users reach the server, without a slash at its end: what links
    /// are made from.
    pub public_url: String,
    /// What links and codes are derived from.
    pub(crate) secret: ServerSecret,
    /// Tells who sends mail that there is some; `None` where nobody sends any.
    mail: Option<Notify>,
    /// What logs say of the process that tells them.
    system: LogSystem,
    /// What is counted of all that happens.
    pub(crate) metrics: Metrics,
    /// Places for what is done after its answer.
    behind: Arc<Semaphore>,
    /// Places for exports.
    exports: Arc<Semaphore>,
    /// Places for exports of one person.
    person_exports: Arc<Semaphore>,
    keys: Keys,
    rates: Rates,
    turns: Turns,
    hashers: Hashers,
    repeats: Repeats,
}

impl App {
    /// A directory over this store, by servers that share this secret. Nobody sends mail.
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        secret: ServerSecret,
    ) -> Self {
        Self {
            store,
            clock,
            random,
            public_url: "http://localhost".to_owned(),
            secret,
            mail: None,
            system: LogSystem::new(std::process::id(), Ipv4Addr::LOCALHOST.into()),
            metrics: Metrics::default(),
            behind: Arc::new(Semaphore::new(MAX_BEHIND as usize)),
            exports: Arc::new(Semaphore::new(export::MAX_EXPORTS)),
            person_exports: Arc::new(Semaphore::new(person::MAX_EXPORTS)),
            keys: Keys::default(),
            rates: Rates::default(),
            turns: Turns::default(),
            hashers: Hashers::default(),
            repeats: Repeats::default(),
        }
    }

    /// The same, reached by this URL.
    #[must_use]
    pub fn reached_by(self, public_url: &str) -> Self {
        Self { public_url: public_url.trim_end_matches('/').to_owned(), ..self }
    }

    /// The host of the URL by which users reach the server.
    pub(crate) fn host(&self) -> &str {
        let (_, rest) = self.public_url.split_once("://").unwrap_or(("", &self.public_url));
        let authority = rest.split('/').next().unwrap_or_default();
        match authority.rsplit_once(':') {
            // Not a colon within the brackets of an IPv6 address.
            Some((host, port)) if !port.contains(']') => host,
            _ => authority,
        }
    }

    /// Whether somebody sends mail.
    pub(crate) fn sends_mail(&self) -> bool {
        self.mail.is_some()
    }

    /// The same, with somebody who sends its mail: see [`outbox::Outbox`].
    #[must_use]
    pub fn sending_mail(self) -> Self {
        Self { mail: Some(Notify::new()), ..self }
    }

    /// The same, listening on this address.
    #[must_use]
    pub fn listening_on(self, address: IpAddr) -> Self {
        Self { system: LogSystem::new(std::process::id(), address), ..self }
    }

    /// Waits until everything is done that is done after its answer.
    pub async fn finish(&self) {
        // Nobody closes it, which would be the one failure.
        let _ = self.behind.acquire_many(MAX_BEHIND).await;
    }

    /// What there is to tell Prometheus. Where the store does not answer, what only it knows is left out.
    pub(crate) async fn figures(&self) -> String {
        let mut text = Exposition::default();
        self.metrics.tell(&self.store.measured(), &mut text);
        if let Ok(waiting) = self.store.waiting_mails(MOST_WAITING).await {
            let name = "bonafide_mails_waiting";
            text.family(
                name,
                "gauge",
                "Mails in the outbox, of all tenants and for all servers; 10000 at most are counted.",
            );
            text.sample(name, &[], waiting);
        }
        text.into_text()
    }

    /// The user's document.
    ///
    /// # Errors
    /// [`Missing::User`].
    pub async fn user(&self, tenant: &TenantId, user_id: UserId) -> Result<Bytes, Error> {
        Ok(self.current(tenant, user_id).await?.document)
    }

    /// The user's document, and its version.
    ///
    /// # Errors
    /// [`Missing::User`].
    pub async fn current(&self, tenant: &TenantId, user_id: UserId) -> Result<Current, Error> {
        let kept = self.kept(tenant, user_id).await?;
        Ok(Current { version: kept.version, document: kept.document })
    }

    /// That a user is there, and may be changed by a call.
    ///
    /// # Errors
    /// [`Missing::User`], [`Error::Changed`].
    pub async fn check_user<'a>(&self, call: impl Into<Call<'a>>, user_id: UserId) -> Result<(), Error> {
        let call = call.into();
        call.check(self.kept(&call.origin.tenant, user_id).await?.version)
    }

    /// A page of the tenant's users.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn users(&self, tenant: &TenantId, list: List) -> Result<Page, Error> {
        self.store.users(tenant, list).await
    }

    /// Makes a user, and gives the document.
    ///
    /// # Errors
    /// What [`User::create`] refuses, and [`Error::Refused`] where an identifier is another user's.
    pub async fn create<'a>(
        &self,
        call: impl Into<Call<'a>>,
        new: NewUser,
    ) -> Result<(UserId, Current), Error> {
        let call = call.into();
        let origin = call.origin;
        let secret =
            new.password.as_ref().map(|password| SecretChange::Set(password.hash.clone(), SetBy::Admin));
        let ctx = self.context(origin, self.clock.now());
        let (mut user, created) = User::create(new, &ctx)?;
        self.in_time(async {
            for _ in 0..MAX_ATTEMPTS {
                let groups = self.store.auto_assigned(&origin.tenant).await?;
                let joined = group::joined(user.user_id, &groups, &ctx);
                let decision = Decision {
                    events: created.iter().cloned().chain(joined).collect(),
                    secret: secret.clone().unwrap_or_default(),
                    ..Decision::default()
                };
                let mut change = UserChange::create(&origin.tenant, &mut user, groups, decision);
                let current = Current { version: Version(1), document: change.document() };
                let created = (user.user_id, current);
                change.answer = call.answered(&created, About::User(user.user_id), ctx.now)?;
                if self.keep(change).await? {
                    return Ok(created);
                }
            }
            Err(Error::Unavailable("the groups that take every new user keep changing".to_owned()))
        })
        .await
    }

    /// Changes a user by a rule, and gives the document as it is afterwards. Where the rule leaves the
    /// user as it was, or names no events, the document stays, and no more is kept than what the rule
    /// says of all else.
    ///
    /// The rule is decided on a document read without a lock, and kept only if nobody has changed
    /// the user in between; else it is decided anew.
    ///
    /// # Errors
    /// [`Missing::User`], [`Error::Changed`] where the call does not want this user changed, what the rule
    /// refuses, and [`Error::Refused`] where an identifier is another user's.
    pub async fn change<'a, D: Into<Decision>>(
        &self,
        call: impl Into<Call<'a>>,
        user_id: UserId,
        rule: impl Fn(&mut User, &Context) -> Result<D, Error>,
    ) -> Result<Current, Error> {
        let Ok(changed) =
            self.change_if(Always, call.into(), user_id, |user, (), ctx| rule(user, ctx)).await?;
        Ok(changed)
    }

    /// The same, by a rule that may say of an address that it is the user's. What ends with that is named
    /// in the event.
    ///
    /// # Errors
    /// As [`App::change`].
    pub async fn vouch<'a>(
        &self,
        call: impl Into<Call<'a>>,
        user_id: UserId,
        rule: impl Fn(&mut User, &Context) -> Result<Decision, Error>,
    ) -> Result<Current, Error> {
        let rule = |user: &mut User, proofs: &Vec<KeptProof>, ctx: &Context| {
            Ok(rule(user, ctx)?.naming(proofs, ctx.now))
        };
        let Ok(changed) = self.change_if(Known, call.into(), user_id, rule).await?;
        Ok(changed)
    }

    /// As [`App::change`], but only while something is so.
    async fn change_if<C: Condition, D: Into<Decision>>(
        &self,
        condition: C,
        call: Call<'_>,
        user_id: UserId,
        rule: impl Fn(&mut User, &C::Met, &Context) -> Result<D, Error>,
    ) -> Result<Result<Current, C::Unmet>, Error> {
        self.decide(condition, call, user_id, |kept, before, met, ctx| {
            let mut after = before.clone();
            let decision = rule(&mut after, met, ctx)?.into();
            Ok(settled(kept, before, after, decision, ctx))
        })
        .await
    }

    /// Removes a user and everything that is theirs.
    ///
    /// # Errors
    /// [`Missing::User`], [`Error::Changed`].
    pub async fn delete<'a>(&self, call: impl Into<Call<'a>>, user_id: UserId) -> Result<(), Error> {
        let deleted = self.decide(Always, call.into(), user_id, |kept, user, (), ctx| {
            let events = vec![ctx.event(EventType::UserDeleted, user_id, None, None)];
            Ok((Some(UserChange::delete(&ctx.origin.tenant, kept.version, user, events)), ()))
        });
        let Ok(()) = deleted.await?;
        Ok(())
    }

    /// Decides what becomes of a user, keeps it, and gives what was decided to give; decides anew when
    /// another process has changed the user in between, also where nothing is to be changed. Nothing is
    /// decided where the condition is not met, or the call does not want this user changed. Where what is
    /// given is to be kept for repeats of the call, it is kept with the change, also with one that changes
    /// nothing.
    async fn decide<C: Condition, T: Answered>(
        &self,
        condition: C,
        call: Call<'_>,
        user_id: UserId,
        decision: impl Fn(&Kept, &User, &C::Met, &Context) -> Result<(Option<UserChange>, T), Error>,
    ) -> Result<Result<T, C::Unmet>, Error> {
        let origin = call.origin;
        self.in_time(async {
            let _turn = self.turns.wait(&origin.tenant, user_id).await;
            for _ in 0..MAX_ATTEMPTS {
                let kept = self.kept(&origin.tenant, user_id).await?;
                call.check(kept.version)?;
                let met = match condition.check(self, &origin.tenant, user_id, &kept).await? {
                    Ok(met) => met,
                    Err(unmet) => return Ok(Err(unmet)),
                };
                let user = User::from_document(&kept.document)?;
                let ctx = self.context(origin, self.clock.now());
                let (change, given) = decision(&kept, &user, &met, &ctx)?;
                let answer = call.answered(&given, About::User(user_id), ctx.now)?;
                let change = if answer.is_some() {
                    let nothing = || UserChange::nothing(&origin.tenant, kept.version, user_id);
                    Some(UserChange { answer, ..change.unwrap_or_else(nothing) })
                } else {
                    change
                };
                let is_kept = match change {
                    Some(change) => self.keep(change).await?,
                    None if C::looks_beside(&kept) => {
                        self.kept(&origin.tenant, user_id).await?.version == kept.version
                    }
                    None => true,
                };
                if is_kept {
                    return Ok(Ok(given));
                }
            }
            Err(Error::Unavailable("other processes keep changing this user".to_owned()))
        })
        .await
    }

    /// Waits for a change as long as the store has patience, all waiting counted: for its turn, for what
    /// it is decided on, and until it is kept.
    ///
    /// # Errors
    /// Those of the change, and [`Error::Unavailable`] when it takes longer. Then it may have been kept
    /// or not.
    async fn in_time<T>(&self, change: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        tokio::time::timeout(self.store.patience(), change)
            .await
            .unwrap_or_else(|_| Err(Error::Unavailable("the change was not kept in time".to_owned())))
    }

    /// Keeps a change; false if what it was decided on is another by now.
    async fn keep(&self, change: UserChange) -> Result<bool, Error> {
        let sends_mail = matches!(change.mail, MailChange::Send(_));
        let verified = Verified::of(&change.events);
        match self.store.keep(change).await {
            Ok(()) => {
                self.metrics.count(verified);
                if let Some(mail) = self.mail.as_ref().filter(|_| sends_mail) {
                    mail.notify_one();
                }
                Ok(true)
            }
            Err(KeepError::Conflict) => Ok(false),
            Err(KeepError::TooOften(until)) => {
                let again = until.0 - self.clock.now().0;
                Err(Error::TooManyRequests { retry_after: again.max(1).unsigned_abs() })
            }
            Err(error) => Err(refused(error)),
        }
    }

    async fn kept(&self, tenant: &TenantId, user_id: UserId) -> Result<Kept, Error> {
        self.store.user(tenant, user_id).await?.ok_or(Error::NotFound(Missing::User))
    }

    fn context<'a>(&'a self, origin: &'a Origin, now: Timestamp) -> Context<'a> {
        Context { now, random: &*self.random, origin }
    }
}

/// The change that leaves a user so, if there is any, and the user then.
fn settled(
    kept: &Kept,
    before: &User,
    mut after: User,
    decision: Decision,
    ctx: &Context,
) -> (Option<UserChange>, Current) {
    let tenant = &ctx.origin.tenant;
    if decision.events.is_empty() || after == *before {
        let change = UserChange::beside(tenant, kept.version, before.user_id, decision);
        let version = change.as_ref().and_then(UserChange::version).unwrap_or(kept.version);
        return (change, Current { version, document: kept.document.clone() });
    }
    after.last_updated = ctx.now;
    let change = UserChange::replace(tenant, kept.version, before, &mut after, decision);
    let version = change.version().unwrap_or(kept.version);
    let document = change.document();
    (Some(change), Current { version, document })
}

/// What it means for a client that a change was not kept.
fn refused(error: KeepError) -> Error {
    let refusal = match error {
        KeepError::Taken(IdentifierKind::Email) => Refusal::DuplicateEmail,
        KeepError::Taken(IdentifierKind::Phone) => Refusal::DuplicatePhoneNumber,
        KeepError::Taken(IdentifierKind::Username) => Refusal::DuplicateUserName,
        KeepError::NameTaken => Refusal::DuplicateGroupName,
        // It was, a moment ago.
        KeepError::Repeated => return Error::UnderWay,
        KeepError::Conflict | KeepError::Exists | KeepError::TooOften(_) => {
            return Error::Internal("what is new conflicts with another".to_owned());
        }
        KeepError::Failed(error) => return error,
    };
    refusal.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::SeededRandom;
    use crate::time::ManualClock;

    #[tokio::test]
    async fn the_host_is_that_of_the_url_without_its_port() {
        let (store, _kept) = crate::store::contract::sqlite().await;
        for (url, host) in [
            ("https://users.example.com", "users.example.com"),
            ("https://example.com:8443/users/", "example.com"),
            ("http://127.0.0.1:8080", "127.0.0.1"),
            ("http://[::1]:8080/", "[::1]"),
            ("http://[::1]", "[::1]"),
        ] {
            let random = Arc::new(SeededRandom::new(1));
            let secret = ServerSecret::new(&*random);
            let clock = Arc::new(ManualClock::at(Timestamp(0)));
            let app = App::new(store.clone(), clock, random, secret).reached_by(url);
            assert_eq!(app.host(), host);
        }
        store.close().await;
    }
}
