//! Proving that an address is the user's: by a link or a code that only who reads its mail, or holds
//! the phone, can know.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::condition::{Always, Known, ProofIsOpen, ProofIsOver};
use super::{Answered, App, Call, Current, settled};
use crate::directory::email::{Email, EmailAddress};
use crate::directory::event::{Actor, Details, Method, Origin};
use crate::directory::proof::{AddressId, AddressKind, KeptProof, MAX_TRIES, Standing, Unproven};
use crate::directory::user::User;
use crate::error::{Error, Refusal};
use crate::id::{RequestId, TenantId, UserId};
use crate::secret::{PlainCode, PlainToken};
use crate::store::UserChange;
use crate::time::Timestamp;

/// How the link and the code get to who is to prove the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// By a mail of this server, if it sends mail and the address is an email.
    pub by_mail: bool,
    /// By whoever asks, who is given them.
    pub in_answer: bool,
}

/// A mail to prove an address that was asked for.
pub struct MailedProof {
    /// Until when the last of what it brings works; now, if there is none.
    pub expires_at: Timestamp,
    /// Whether it is on its way.
    pub email_sent: bool,
}

impl From<StartedProof> for MailedProof {
    fn from(started: StartedProof) -> Self {
        Self { expires_at: started.expires_at, email_sent: started.email_sent }
    }
}

/// A proof that was started.
pub struct StartedProof {
    /// Until when the last of what was made works; now, if nothing was.
    pub expires_at: Timestamp,
    /// Whether a mail is on its way.
    pub email_sent: bool,
    /// The link, a secret, if it was asked for.
    pub link: Option<String>,
    /// The code, a secret, if it was asked for.
    pub code: Option<String>,
}

/// An address that was proved.
pub struct Proved {
    /// The user afterwards.
    pub user: Current,
    /// What has ended, because it was the first proof on the account.
    pub ended: Option<Unproven>,
}

/// Who follows a link: nobody we know by a key.
#[derive(Clone)]
pub struct Visitor {
    /// The request.
    pub request_id: RequestId,
    /// The address it came from.
    pub remote_address: Option<IpAddr>,
    /// What the browser calls itself.
    pub user_agent: Option<String>,
}

impl Visitor {
    /// Where what they do comes from.
    pub(super) fn origin(&self, tenant: &TenantId, method: Method) -> Origin {
        Origin {
            tenant: tenant.clone(),
            actor: Actor::Owner,
            method,
            request_id: self.request_id,
            remote_address: self.remote_address,
            user_agent: self.user_agent.clone(),
            reason: None,
        }
    }
}

/// What the page behind a link shows of an address.
#[derive(Clone)]
pub struct Shown {
    /// In whose name the page speaks.
    pub tenant_name: String,
    /// The address.
    pub address: String,
}

/// What a link to prove an address is good for.
pub enum ProofView {
    /// It can prove this address.
    Live(Shown),
    /// It has proved this address, which is still verified by it.
    DoneByIt(Shown),
    /// Somebody else has this address verified: it cannot be verified here. Only trying tells.
    Taken(Shown),
    /// Nothing: it is expired, used, ended or was never made. Nobody is told which.
    Dead,
}

/// What a link to reset a password is good for.
pub enum ResetView {
    /// Another password can be set with it.
    Live {
        /// In whose name the page speaks.
        tenant_name: String,
    },
    /// Another password was set with it just now.
    Done {
        /// In whose name the page speaks.
        tenant_name: String,
    },
    /// Nothing: it is expired, used, ended or was never made. Nobody is told which.
    Dead,
}

impl App {
    /// That a user is there, may be changed by a call, and has this address. What is missing is told in this
    /// order, as changes of the user tell it.
    ///
    /// # Errors
    /// [`crate::error::Missing`], [`Error::Changed`].
    pub async fn check_address<'a>(
        &self,
        call: impl Into<Call<'a>>,
        user_id: UserId,
        address: AddressId,
    ) -> Result<(), Error> {
        let call = call.into();
        let kept = self.kept(&call.origin.tenant, user_id).await?;
        call.check(kept.version)?;
        User::from_document(&kept.document)?.address(address).map(drop)
    }

    /// Makes a link, a code, or both, by which an address of the user can be proved; earlier ones of
    /// this address end. If they would get to nobody, none is made.
    ///
    /// # Errors
    /// [`crate::error::Missing`], [`Error::Changed`], and [`Error::TooManyRequests`].
    pub async fn start_proof<'a>(
        &self,
        call: impl Into<Call<'a>>,
        user_id: UserId,
        address: AddressId,
        expiry: Option<Duration>,
        delivery: Delivery,
    ) -> Result<StartedProof, Error> {
        self.start(call.into(), user_id, address, expiry, delivery).await
    }

    /// The same, by a mail of this server and by nothing else.
    ///
    /// # Errors
    /// As [`App::start_proof`].
    pub async fn mail_proof<'a>(
        &self,
        call: impl Into<Call<'a>>,
        user_id: UserId,
        address: AddressId,
        expiry: Option<Duration>,
    ) -> Result<MailedProof, Error> {
        let delivery = Delivery { by_mail: true, in_answer: false };
        self.start(call.into(), user_id, address, expiry, delivery).await
    }

    async fn start<T: From<StartedProof> + Answered>(
        &self,
        call: Call<'_>,
        user_id: UserId,
        address: AddressId,
        expiry: Option<Duration>,
        delivery: Delivery,
    ) -> Result<T, Error> {
        let by_mail = delivery.by_mail && self.mail.is_some() && address.kind == AddressKind::Email;
        let settings = self.store.settings(&call.origin.tenant).await?;
        let started = self.decide(Always, call, user_id, |kept, user, (), ctx| {
            if !by_mail && !delivery.in_answer {
                user.address(address)?;
                let nothing = StartedProof { expires_at: ctx.now, email_sent: false, link: None, code: None };
                return Ok((None, nothing.into()));
            }
            let made = user.make_proof(address, expiry, &settings, &self.secret, ctx)?;
            let started = StartedProof {
                expires_at: made.expires_at(),
                email_sent: by_mail,
                link: made.token.filter(|_| delivery.in_answer).map(|token| self.proof_link(&token)),
                code: made.code.filter(|_| delivery.in_answer).map(|code| code.reveal()),
            };
            let decision = user.start_proof(made.proof, by_mail, &settings, ctx)?;
            let change = UserChange::beside(&ctx.origin.tenant, kept.version, user_id, decision);
            Ok((change, started.into()))
        });
        let Ok(started) = started.await?;
        Ok(started)
    }

    pub(super) fn proof_link(&self, token: &PlainToken) -> String {
        format!("{}/verify/{}", self.public_url, token.reveal())
    }

    /// Marks an address as not known to be the user's, and ends every proof that is under way for it:
    /// nothing that was made before can verify it afterwards.
    ///
    /// # Errors
    /// [`crate::error::Missing`], [`Error::Changed`], and what `check` finds wrong once the address is found.
    pub async fn unverify<'a>(
        &self,
        call: impl Into<Call<'a>>,
        user_id: UserId,
        address: AddressId,
        check: impl Fn() -> Result<(), Error>,
    ) -> Result<Current, Error> {
        let changed = self.change_if(Known, call.into(), user_id, |user, proofs, ctx| {
            let decision = user.end_trust(address, proofs, ctx)?;
            check()?;
            Ok(decision)
        });
        let Ok(changed) = changed.await?;
        Ok(changed)
    }

    /// Proves an address by the code that was sent to it. A try counts before it is compared.
    ///
    /// # Errors
    /// [`crate::error::Missing`], [`Error::Changed`], [`Refusal::InvalidCode`], and [`Error::Refused`] where
    /// somebody else has the address verified.
    pub async fn check_code<'a>(
        &self,
        call: impl Into<Call<'a>>,
        user_id: UserId,
        address: AddressId,
        code: &str,
    ) -> Result<Proved, Error> {
        let call = call.into();
        let tenant = &call.origin.tenant;
        // Before the try is counted.
        self.check_address(call, user_id, address).await?;
        let Standing { proofs, .. } = self.store.standing(tenant, user_id).await?;
        let wrong = || Error::from(Refusal::InvalidCode);
        let kept = proofs.into_iter().find(|kept| kept.proof.address == address).ok_or_else(wrong)?;
        let Some(check) = &kept.proof.code else { return Err(wrong()) };
        let id = kept.proof.id;
        let given: PlainCode = code.parse().map_err(|_| wrong())?;
        if !self.store.count_code_try(id, MAX_TRIES).await? {
            return Err(wrong());
        }
        if !check.hash.is(&given.hash(&self.secret, tenant, id)) || !kept.code_works(self.clock.now()) {
            return Err(wrong());
        }
        let origin = Origin { method: Method::Code, ..call.origin.clone() };
        self.prove(Call { origin: &origin, ..call }, &kept).await?.map_err(|ProofIsOver| wrong())
    }

    /// Uses a proof, once.
    async fn prove(&self, call: Call<'_>, kept: &KeptProof) -> Result<Result<Proved, ProofIsOver>, Error> {
        let settings = self.store.settings(&call.origin.tenant).await?;
        let condition = ProofIsOpen(kept.proof.id);
        self.decide(condition, call, kept.proof.user_id, |kept, before, (proof, standing), ctx| {
            let mut after = before.clone();
            let decision = after.prove(proof, standing, &settings, ctx)?;
            let first = decision.events.first();
            let ended = first.and_then(|event| event.details.clone()).and_then(Details::unproven);
            let (change, user) = settled(kept, before, after, decision, ctx);
            Ok((change, Proved { user, ended }))
        })
        .await
    }

    /// The proof that this link brings, whatever has become of it.
    async fn proof_of(&self, token: &str) -> Result<Option<KeptProof>, Error> {
        let Ok(token) = token.parse::<PlainToken>() else { return Ok(None) };
        let kept = self.store.proof(token.id()).await?;
        let brings =
            |kept: &KeptProof| kept.proof.link.as_ref().is_some_and(|link| link.hash.matches_token(&token));
        Ok(kept.filter(brings))
    }

    /// What this link is good for: what its page shows. Changes nothing.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn proof_view(&self, token: &str) -> Result<ProofView, Error> {
        let Some(kept) = self.proof_of(token).await? else { return Ok(ProofView::Dead) };
        let is_done = kept.is_bound() && kept.used_at.is_some();
        if !is_done && !kept.link_works(self.clock.now()) {
            return Ok(ProofView::Dead);
        }
        let Some(shown) = self.shown(&kept).await? else { return Ok(ProofView::Dead) };
        Ok(if is_done { ProofView::DoneByIt(shown) } else { ProofView::Live(shown) })
    }

    /// What is shown of the address of a proof, if the user still has it.
    async fn shown(&self, kept: &KeptProof) -> Result<Option<Shown>, Error> {
        let proof = &kept.proof;
        let Some(user) = self.store.user(&proof.tenant, proof.user_id).await? else { return Ok(None) };
        let user = User::from_document(&user.document)?;
        let Ok(address) = user.address(proof.address) else { return Ok(None) };
        let tenant_name = self.tenant_name(&proof.tenant).await?;
        Ok(Some(Shown { tenant_name, address: address.to_owned() }))
    }

    /// In whose name pages and mails speak.
    pub(super) async fn tenant_name(&self, tenant: &TenantId) -> Result<String, Error> {
        let settings = self.store.settings(tenant).await?;
        let name = settings.display_name;
        Ok(if name.is_empty() { self.host().to_owned() } else { name })
    }

    /// Proves the address that this link was sent to, and gives what its page shows then.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn prove_by_link(&self, token: &str, visitor: &Visitor) -> Result<ProofView, Error> {
        let Some(kept) = self.proof_of(token).await? else { return Ok(ProofView::Dead) };
        if kept.link_works(self.clock.now()) {
            let origin = visitor.origin(&kept.proof.tenant, Method::Link);
            match self.prove((&origin).into(), &kept).await {
                Ok(_) | Err(Error::NotFound(_)) => {}
                Err(Error::Refused(_)) => {
                    return Ok(self.shown(&kept).await?.map_or(ProofView::Dead, ProofView::Taken));
                }
                Err(error) => return Err(error),
            }
        }
        self.proof_view(token).await
    }

    /// Sends another mail to the address that this link was sent to, if the link could still prove it
    /// but for its time. Nobody is told whether one is sent, not even by how long this takes: it returns
    /// before that is done.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn ask_again(self: &Arc<Self>, token: &str, visitor: &Visitor) -> Result<(), Error> {
        // Whoever asks needs one, also those for whom nothing is to be done.
        let place = self
            .behind
            .clone()
            .try_acquire_owned()
            .map_err(|_| Error::Unavailable("too many mails are asked for anew at once".to_owned()))?;
        let Some(kept) = self.proof_of(token).await?.filter(KeptProof::is_open) else { return Ok(()) };
        let (app, visitor) = (self.clone(), visitor.clone());
        tokio::spawn(async move {
            let KeptProof { proof, .. } = kept;
            let origin = visitor.origin(&proof.tenant, Method::Link);
            let delivery = Delivery { by_mail: true, in_answer: false };
            match app.start_proof(&origin, proof.user_id, proof.address, None, delivery).await {
                Ok(_) | Err(Error::NotFound(_) | Error::TooManyRequests { .. }) => {}
                Err(error) => {
                    tracing::warn!(request.id = %visitor.request_id, %error, "a mail that was asked for anew is not sent");
                }
            }
            drop(place);
        });
        Ok(())
    }

    /// The address that is wanted of a user's, as it is kept, if there is one.
    pub(super) async fn email(
        &self,
        tenant: &TenantId,
        user_id: UserId,
        wanted: impl Fn(&Email) -> bool,
    ) -> Result<Option<EmailAddress>, Error> {
        let Some(user) = self.store.user(tenant, user_id).await? else { return Ok(None) };
        let user = User::from_document(&user.document)?;
        Ok(user.emails.into_iter().find(wanted).map(|email| email.email))
    }
}
