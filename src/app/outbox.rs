//! Sending the mail that waits. What a mail brings is derived from its public id when it is sent, so
//! whoever reads the store learns no link and no code.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use super::App;
use crate::directory::email::Email;
use crate::directory::event::{Actor, EventType, Method, Origin};
use crate::directory::mail::{Mail, MailChange, MailKind};
use crate::directory::password::Decision;
use crate::error::Error;
use crate::id::RequestId;
use crate::mail::{Expiring, Mailer, Message, ResetMail, SendError, Templates, VerifyMail};
use crate::secret::{PlainCode, PlainToken, Purpose};
use crate::templates::TemplateError;
use crate::time::Timestamp;

/// How many mails are sent at once.
const AT_ONCE: u32 = 8;
/// How often it is looked for mail that is due again, or that another server left behind.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How long sending one may take.
const SENT_WITHIN: Duration = Duration::from_secs(120);
/// For how long other servers leave a mail alone that is being sent: longer than that may take.
const LEASE: Duration = Duration::from_secs(180);

/// Who sends the mail of a directory.
pub struct Outbox {
    app: Arc<App>,
    mailer: Mailer,
    templates: Arc<Templates>,
}

impl Outbox {
    /// Sends the mail of this directory by this mailer.
    pub fn new(app: Arc<App>, mailer: Mailer, templates: Arc<Templates>) -> Self {
        Self { app, mailer, templates }
    }

    /// Sends what is due, now and whenever something is, until it is dropped.
    pub async fn run(&self) {
        loop {
            match self.send_due().await {
                // There may be more.
                Ok(tried) if tried == AT_ONCE as usize => continue,
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "mail that waits could not be read; it is tried again"),
            }
            let woken = async {
                match &self.app.mail {
                    Some(mail) => mail.notified().await,
                    None => std::future::pending().await,
                }
            };
            // It is no matter which it was.
            let _ = tokio::time::timeout(LOOK_EVERY, woken).await;
        }
    }

    /// Tries some of the mails that are due at this moment, and tells how many they were.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn send_due(&self) -> Result<usize, Error> {
        let due = self.app.store.due_mails(self.app.clock.now(), AT_ONCE).await?;
        join_all(due.iter().map(|mail| self.send(mail))).await;
        Ok(due.len())
    }

    /// Tries a mail, if no other server does. Whatever fails is told in the log.
    async fn send(&self, mail: &Mail) {
        if let Err(error) = self.try_one(mail).await {
            tracing::warn!(mail.id = %mail.id, %error, "what became of a mail could not be kept; it may be sent twice");
        }
    }

    async fn try_one(&self, mail: &Mail) -> Result<(), Error> {
        let (store, now) = (&self.app.store, self.app.clock.now());
        if !store.claim_mail(&mail.tenant, mail.id, now, now.after(LEASE)).await? {
            return Ok(());
        }
        let failure = match self.message(mail, now).await? {
            Made::Message(message) => {
                match tokio::time::timeout(SENT_WITHIN, self.mailer.send(mail.id, &message)).await {
                    Ok(Ok(())) => return self.end(mail, mail.kind.sent()).await,
                    Ok(Err(error)) => error,
                    Err(_) => SendError::Temporary(format!("it took longer than {SENT_WITHIN:?}")),
                }
            }
            Made::Nothing => return store.remove_mail(&mail.tenant, mail.id).await,
            Made::NotHere(reason) => SendError::Temporary(reason),
        };
        let next = match &failure {
            SendError::Temporary(_) => mail.next_try(self.app.clock.now()),
            SendError::Permanent(_) => None,
        };
        let attempts = mail.attempts + 1;
        if let Some(due_at) = next {
            tracing::warn!(mail.id = %mail.id, attempts, error = %failure, "a mail was not sent; it is tried again");
            return store.postpone_mail(&mail.tenant, mail.id, due_at).await;
        }
        tracing::error!(mail.id = %mail.id, attempts, error = %failure, "a mail was not sent, and is given up");
        self.end(mail, EventType::EmailMailGivenUp).await
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
        let Some(kept) = app.store.proof(mail.token).await?.filter(|kept| kept.works(now)) else {
            return Ok(Made::Nothing);
        };
        let Some(address) = app.email(tenant, mail.user_id, |email| email.id == mail.email).await? else {
            return Ok(Made::Nothing);
        };
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
        let Some(kept) = app.store.reset_token(mail.token).await?.filter(|kept| now < kept.expires_at) else {
            return Ok(Made::Nothing);
        };
        let is_the_one = |email: &Email| email.id == mail.email && email.primary && email.verified;
        let Some(address) = app.email(tenant, mail.user_id, is_the_one).await? else {
            return Ok(Made::Nothing);
        };
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
        let origin = Origin {
            tenant: mail.tenant.clone(),
            actor: Actor::Server,
            method: Method::Policy,
            request_id: RequestId::new(&*app.random),
            remote_address: None,
            user_agent: None,
            reason: None,
        };
        let ended = app.change(&origin, mail.user_id, |user, ctx| {
            let address = user.emails.iter().find(|email| email.id == mail.email);
            let address = address.map(|email| email.email.as_str());
            let event = ctx.event(kind, mail.user_id, Some(mail.email), address);
            Ok(Decision { mail: MailChange::Remove(mail.id), ..Decision::from(vec![event]) })
        });
        match ended.await {
            Err(Error::NotFound(_)) => app.store.remove_mail(&mail.tenant, mail.id).await,
            ended => ended.map(drop),
        }
    }
}

/// What a mail has come to, when it is to be sent.
enum Made {
    /// This is to be sent.
    Message(Message),
    /// What it would bring does not work any more: there is nothing to be sent.
    Nothing,
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

/// How long it is until a moment.
fn until(moment: Timestamp, now: Timestamp) -> Duration {
    Duration::from_secs((moment.0 - now.0).max(0).unsigned_abs())
}
