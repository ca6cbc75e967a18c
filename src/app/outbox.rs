//! Sending the mail that waits. What a mail brings is derived from its public id when it is sent, so
//! whoever reads the store learns no link and no code.

use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::App;
use crate::directory::email::Email;
use crate::directory::event::{EventType, Method, Origin};
use crate::directory::mail::{Mail, MailChange, MailKind};
use crate::directory::password::Decision;
use crate::directory::proof::KeptProof;
use crate::error::Error;
use crate::mail::{Expiring, Mailer, Message, ResetMail, SendError, Templates, VerifyMail};
use crate::metrics::MailOutcome;
use crate::secret::{PlainCode, PlainToken, Purpose};
use crate::templates::TemplateError;
use crate::time::Timestamp;

/// How many mails are sent at once.
const AT_ONCE: usize = 8;
/// How often it is looked for mail that is due again, or that another server left behind.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How long sending one may take.
const SENT_WITHIN: Duration = Duration::from_secs(120);
/// For how long other servers leave a mail alone that is being sent, unless it is said anew.
const LEASE: Duration = Duration::from_secs(30);
/// How often it is said anew.
const RENEW_EVERY: Duration = Duration::from_secs(10);
/// How long is waited for what is being sent when the server ends.
const GRACE: Duration = Duration::from_secs(5);
/// The first pause before it is tried again to remove a mail that was sent; each is twice as long as
/// the one before.
const END_AGAIN: Duration = Duration::from_millis(100);
/// How often that is tried: within the time for which the mail is left alone.
const END_TRIES: u32 = 8;

/// Who sends the mail of a directory.
pub struct Outbox {
    app: Arc<App>,
    mailer: Mailer,
    templates: Arc<Templates>,
    /// Whether what is being sent is to be broken off, because the server ends.
    breaks_off: watch::Sender<bool>,
}

impl Outbox {
    /// Sends the mail of this directory by this mailer.
    pub fn new(app: Arc<App>, mailer: Mailer, templates: Arc<Templates>) -> Self {
        Self { app, mailer, templates, breaks_off: watch::Sender::new(false) }
    }

    /// Sends what waits, and what comes, until `end` completes. Then nothing more is begun. What is
    /// being sent has some seconds; what takes longer waits for the next server, which sends it at once.
    pub async fn run(self: Arc<Self>, end: impl Future<Output = ()>) {
        let mut end = pin!(end);
        let (mut sending, mut hurried) = (JoinSet::new(), false);
        loop {
            let sent_until = self.send_until(end.as_mut(), &mut sending, &mut hurried);
            if AssertUnwindSafe(sent_until).catch_unwind().await.is_ok() {
                break;
            }
            // What the panic says has gone to the log by the panic hook.
            tracing::error!("who sends mail panicked, and begins anew");
            if timeout(LOOK_EVERY, end.as_mut()).await.is_ok() {
                break;
            }
        }
        if timeout(GRACE, all_of(&mut sending)).await.is_err() {
            self.breaks_off.send_replace(true);
            if timeout(GRACE, all_of(&mut sending)).await.is_err() {
                let mails = sending.len();
                tracing::warn!(mails, "the server ends while it sends mail; it may be sent twice");
            }
        }
    }

    /// Sends what is due whenever something is, some at once. `hurried` tells whether what waits was
    /// made due, as it is once after the start: what kept it from being sent may be over.
    async fn send_until(
        self: &Arc<Self>,
        mut end: Pin<&mut impl Future<Output = ()>>,
        sending: &mut JoinSet<()>,
        hurried: &mut bool,
    ) {
        loop {
            let taken = async {
                if !*hurried {
                    self.app.store.hurry_mails(self.app.clock.now()).await?;
                    *hurried = true;
                }
                self.take(AT_ONCE - sending.len()).await
            };
            match self.app.metrics.mail.count(taken.await) {
                Ok(taken) => taken.into_iter().for_each(|mail| {
                    let outbox = self.clone();
                    sending.spawn(async move { outbox.send(&mail).await });
                }),
                Err(error) => {
                    tracing::warn!(%error, "mail that waits could not be read; it is tried again");
                }
            }
            // It is no matter which it was. If all that there was room for was taken, there may be more,
            // but no room before one of these is done.
            tokio::select! {
                // Once the end has come nothing more is begun, whatever else is ready.
                biased;
                () = &mut end => return,
                Some(_) = sending.join_next() => {}
                () = self.woken(), if sending.len() < AT_ONCE => {}
                () = sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// Completes when a request has left mail.
    async fn woken(&self) {
        match &self.app.mail {
            Some(mail) => mail.notified().await,
            None => std::future::pending().await,
        }
    }

    /// Tries some of the mails that are due at this moment, and tells how many they were.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn send_due(&self) -> Result<usize, Error> {
        let taken = self.take(AT_ONCE).await?;
        join_all(taken.iter().map(|mail| self.send(mail))).await;
        Ok(taken.len())
    }

    /// Takes so many of the mails that are due that no other server has. One that cannot be taken is
    /// told in the log.
    async fn take(&self, most: usize) -> Result<Vec<Mail>, Error> {
        if most == 0 {
            return Ok(Vec::new());
        }
        let (store, now) = (&self.app.store, self.app.clock.now());
        let due = store.due_mails(now, u32::try_from(most).unwrap_or(u32::MAX)).await?;
        let claims = join_all(due.iter().map(|mail| store.claim_mail(mail, now, now.after(LEASE)))).await;
        let (mut taken, mut failed) = (Vec::new(), Vec::new());
        for (mail, claim) in due.into_iter().zip(claims) {
            match claim {
                Ok(true) => taken.push(mail),
                Ok(false) => {}
                Err(error) => failed.push(error),
            }
        }
        if let Some(error) = failed.first() {
            let mails = failed.len();
            tracing::warn!(mails, %error, "mail that is due could not be taken, and so was not sent; it is tried again");
        }
        Ok(taken)
    }

    /// Tries a mail that was taken. Whatever fails is told in the log.
    async fn send(&self, mail: &Mail) {
        if let Err(error) = self.try_one(mail).await {
            tracing::warn!(mail.id = %mail.id, %error, "what became of a mail could not be kept; it may be sent twice");
        }
    }

    async fn try_one(&self, mail: &Mail) -> Result<(), Error> {
        let store = &self.app.store;
        let tried = AssertUnwindSafe(self.tried(mail)).catch_unwind().await;
        // One that always ends so is given up in the end, as is one that cannot be sent.
        let failed = |_| Tried::Failed(SendError::Temporary("making or sending it panicked".to_owned()));
        let failure = match tried.unwrap_or_else(failed) {
            Tried::Sent => {
                self.app.metrics.mail_tried(MailOutcome::Sent);
                return self.end_sent(mail).await;
            }
            Tried::Failed(failure) => failure,
            Tried::Ended => {
                tracing::info!(mail.id = %mail.id, "a mail was not sent, because what it would bring has ended");
                return store.remove_mail(&mail.tenant, mail.id).await;
            }
            Tried::Expired => {
                self.app.metrics.mail_tried(MailOutcome::GivenUp);
                tracing::error!(mail.id = %mail.id, "a mail was not sent before what it would bring expired, and is given up");
                return self.end(mail, EventType::EmailMailGivenUp).await;
            }
            Tried::BrokenOff => return store.postpone_mail(mail, self.app.clock.now()).await,
            Tried::Lost => {
                tracing::warn!(mail.id = %mail.id, "a mail was taken by another server while it was being sent; it may be sent twice");
                return Ok(());
            }
        };
        let next = match &failure {
            SendError::Temporary(_) => mail.next_try(self.app.clock.now()),
            SendError::Permanent(_) => None,
        };
        let attempts = mail.attempts + 1;
        if let Some(due_at) = next {
            self.app.metrics.mail_tried(MailOutcome::Failed);
            tracing::warn!(mail.id = %mail.id, attempts, error = %failure, "a mail was not sent; it is tried again");
            return store.postpone_mail(mail, due_at).await;
        }
        self.app.metrics.mail_tried(MailOutcome::GivenUp);
        tracing::error!(mail.id = %mail.id, attempts, error = %failure, "a mail was not sent, and is given up");
        self.end(mail, EventType::EmailMailGivenUp).await
    }

    /// Makes a mail and sends it, and keeps it for this server meanwhile.
    async fn tried(&self, mail: &Mail) -> Tried {
        let sent = async {
            let message = match self.message(mail, self.app.clock.now()).await {
                Ok(Made::Message(message)) => message,
                Ok(Made::Ended) => return Tried::Ended,
                Ok(Made::Expired) => return Tried::Expired,
                Ok(Made::NotHere(reason)) => return Tried::Failed(SendError::Temporary(reason)),
                Err(error) => return Tried::Failed(SendError::Temporary(error.to_string())),
            };
            match timeout(SENT_WITHIN, self.mailer.send(mail.id, &message)).await {
                Ok(Ok(())) => Tried::Sent,
                Ok(Err(failure)) => Tried::Failed(failure),
                Err(_) => Tried::Failed(SendError::Temporary(format!("it took longer than {SENT_WITHIN:?}"))),
            }
        };
        let mut breaks_off = self.breaks_off.subscribe();
        tokio::select! {
            // What is sent is sent, whatever else happens in the same moment.
            biased;
            sent = sent => sent,
            () = self.keep_for_this_server(mail) => Tried::Lost,
            _ = breaks_off.wait_for(|breaks_off| *breaks_off) => Tried::BrokenOff,
        }
    }

    /// Says again and again that this server sends a mail. Completes when it is another's, or gone.
    async fn keep_for_this_server(&self, mail: &Mail) {
        loop {
            sleep(RENEW_EVERY).await;
            match self.app.store.renew_mail(mail, self.app.clock.now().after(LEASE)).await {
                Ok(true) => {}
                Ok(false) => return,
                // It is this server's for some time yet.
                Err(error) => {
                    tracing::warn!(mail.id = %mail.id, %error, "other servers could not be told that a mail is being sent");
                }
            }
        }
    }

    /// Removes a mail that was sent. One that stays would be sent twice, so this is tried again, and the
    /// mail is kept for this server meanwhile.
    async fn end_sent(&self, mail: &Mail) -> Result<(), Error> {
        let ended = async {
            let mut pause = END_AGAIN;
            for _ in 1..END_TRIES {
                if self.end(mail, mail.kind.sent()).await.is_ok() {
                    return Ok(());
                }
                sleep(pause).await;
                pause *= 2;
            }
            self.end(mail, mail.kind.sent()).await
        };
        tokio::select! {
            biased;
            ended = ended => ended,
            // It is gone, by a try whose answer was lost, or another server has taken it.
            () = self.keep_for_this_server(mail) => Ok(()),
        }
    }

    /// What a mail says at this moment.
    async fn message(&self, mail: &Mail, now: Timestamp) -> Result<Made, Error> {
        match mail.kind {
            MailKind::Verify => self.verify_message(mail, now).await,
            MailKind::Reset => self.reset_message(mail, now).await,
        }
    }

    async fn verify_message(&self, mail: &Mail, now: Timestamp) -> Result<Made, Error> {
        let (app, tenant) = (&*self.app, &mail.tenant);
        let Some(kept) = app.store.proof(mail.token).await?.filter(KeptProof::is_open) else {
            return Ok(Made::Ended);
        };
        let Some(address) = app.email(tenant, mail.user_id, |email| email.id == mail.email).await? else {
            return Ok(Made::Ended);
        };
        if !kept.works(now) {
            return Ok(Made::Expired);
        }
        let (mut link, mut code) = (None, None);
        if let Some(check) = kept.proof.link.as_ref().filter(|_| kept.link_works(now)) {
            let token = PlainToken::derive(&app.secret, Purpose::Link, tenant, mail.token);
            if !check.hash.matches_token(&token) {
                return Ok(Made::of_another_secret());
            }
            link = Some((app.proof_link(&token), until(check.expires_at, now)));
        }
        if let Some(check) = kept.proof.code.as_ref().filter(|_| kept.code_works(now)) {
            let derived = PlainCode::derive(&app.secret, tenant, mail.token);
            if !check.hash.is(&derived.hash(&app.secret, tenant, mail.token)) {
                return Ok(Made::of_another_secret());
            }
            code = Some((derived.reveal(), until(check.expires_at, now)));
        }
        let tenant_name = app.tenant_name(tenant).await?;
        let made = self.templates.verify(&VerifyMail {
            tenant_name: &tenant_name,
            address: &address,
            link: link.as_ref().map(|(text, expires_in)| Expiring { text, expires_in: *expires_in }),
            code: code.as_ref().map(|(text, expires_in)| Expiring { text, expires_in: *expires_in }),
        });
        Ok(Made::of(made))
    }

    async fn reset_message(&self, mail: &Mail, now: Timestamp) -> Result<Made, Error> {
        let (app, tenant) = (&*self.app, &mail.tenant);
        let Some(kept) = app.store.reset_token(mail.token).await? else { return Ok(Made::Ended) };
        let is_the_one = |email: &Email| email.id == mail.email && email.primary && email.verified;
        let Some(address) = app.email(tenant, mail.user_id, is_the_one).await? else {
            return Ok(Made::Ended);
        };
        if kept.expires_at <= now {
            return Ok(Made::Expired);
        }
        let token = PlainToken::derive(&app.secret, Purpose::Reset, tenant, mail.token);
        if !kept.hash.matches_token(&token) {
            return Ok(Made::of_another_secret());
        }
        let (link, tenant_name) = (app.reset_link(&token), app.tenant_name(tenant).await?);
        let made = self.templates.reset(&ResetMail {
            tenant_name: &tenant_name,
            address: &address,
            link: Expiring { text: &link, expires_in: until(kept.expires_at, now) },
        });
        Ok(Made::of(made))
    }

    /// Removes a mail that was sent or is given up, with the event that says so if its user is still
    /// there.
    async fn end(&self, mail: &Mail, kind: EventType) -> Result<(), Error> {
        let app = &*self.app;
        let origin = Origin::of_server(mail.tenant.clone(), Method::Policy, &*app.random);
        let ended = app.change(&origin, mail.user_id, |user, ctx| {
            let address = user.emails.iter().find(|email| email.id == mail.email);
            let address = address.map(|email| email.email.as_str());
            let event = ctx.event(kind, mail.user_id, Some(mail.email), address);
            Ok(Decision { mail: MailChange::Remove(mail.id), ..Decision::from(vec![event]) })
        });
        match ended.await {
            Err(Error::NotFound(_)) => app.store.remove_mail(&mail.tenant, mail.id).await,
            // Nor will it work the next time, and no mail is tried for ever, nor one sent again and again.
            Err(Error::Internal(error)) => {
                tracing::error!(mail.id = %mail.id, error, event = kind.as_str(), "what became of a mail could not be put on record");
                app.store.remove_mail(&mail.tenant, mail.id).await
            }
            ended => ended.map(drop),
        }
    }
}

/// What came of trying a mail.
enum Tried {
    /// It is another's to deliver now.
    Sent,
    /// It could not be sent.
    Failed(SendError),
    /// What it would bring was ended, by its use or by a change.
    Ended,
    /// What it would bring has ended with its time.
    Expired,
    /// The server ends before it was sent.
    BrokenOff,
    /// Another server has taken it meanwhile, or it is gone.
    Lost,
}

/// What a mail has come to, when it is to be sent.
enum Made {
    /// This is to be sent.
    Message(Message),
    /// What it would bring was ended, by its use or by a change: there is nothing to be sent.
    Ended,
    /// What it would bring has ended with its time, before it could be sent.
    Expired,
    /// This server cannot make it, for this reason.
    NotHere(String),
}

impl Made {
    fn of(made: Result<Message, TemplateError>) -> Self {
        match made {
            Ok(message) => Self::Message(message),
            Err(error) => Self::NotHere(format!("its text cannot be made: {error}")),
        }
    }

    fn of_another_secret() -> Self {
        Self::NotHere(
            "it was asked for under another secret: give every server of this store the same --secret-file"
                .to_owned(),
        )
    }
}

/// Waits until all of these are done.
async fn all_of(sending: &mut JoinSet<()>) {
    while sending.join_next().await.is_some() {}
}

/// How long it is until a moment.
fn until(moment: Timestamp, now: Timestamp) -> Duration {
    Duration::from_secs((moment.0 - now.0).max(0).unsigned_abs())
}
