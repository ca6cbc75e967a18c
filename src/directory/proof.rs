//! Proof of address: a link or a code that was sent to an address and comes back shows that whoever
//! brings it reads what is sent there.
//!
//! A proof is bound to its tenant, its user, the id of the address, its canonical form and its
//! generation, which rises whenever the address loses its trust. There is one proof of an address at
//! most. What ends one: its time, its use, the next one, unverifying or removing the address, and the
//! first proof of another address of a user of whom nothing was proved before.

mod first;
#[cfg(test)]
mod tests;

use std::time::Duration;

use super::address::{self, Address};
use super::event::{Context, Event, EventType, names};
use super::mail::{Mail, MailChange, MailKind};
use super::password::{Decision, SecretChange, SetBy};
use super::settings::{EXPIRIES, Limit, Settings};
use super::user::{Provider, User};
use crate::error::{Error, InvalidFields};
use crate::id::{IdentifierId, TenantId, UserId};
use crate::secret::{CodeHash, KeyHash, PlainCode, PlainToken, Purpose, ServerSecret, TokenId};
use crate::time::Timestamp;
pub(super) use first::vouched_for;
pub use first::{Unproven, UnprovenPassword};

/// How often a code can be tried.
pub const MAX_TRIES: u32 = 5;

names! {
    /// What kind of address it is.
    AddressKind {
        /// An email address.
        Email = "email",
        /// A phone number.
        Phone = "phone",
    }
}

/// Which address of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AddressId {
    /// What kind it is.
    pub kind: AddressKind,
    /// Its id.
    pub id: IdentifierId,
}

impl AddressId {
    /// The email of this id.
    pub fn email(id: IdentifierId) -> Self {
        Self { kind: AddressKind::Email, id }
    }

    /// The phone number of this id.
    pub fn phone(id: IdentifierId) -> Self {
        Self { kind: AddressKind::Phone, id }
    }
}

/// What checks the secret of a link.
#[derive(Clone, Debug)]
pub struct LinkCheck {
    /// The hash of the secret.
    pub hash: KeyHash,
    /// From when on the link is refused.
    pub expires_at: Timestamp,
}

/// What checks a code.
#[derive(Clone, Debug)]
pub struct CodeCheck {
    /// The hash of the code.
    pub hash: CodeHash,
    /// From when on the code is refused.
    pub expires_at: Timestamp,
}

/// A proof that is waited for. It has a link, a code, or both.
#[derive(Clone)]
pub struct Proof {
    /// Its public id, which begins the link.
    pub id: TokenId,
    /// The tenant of its user.
    pub tenant: TenantId,
    /// Whose address it proves.
    pub user_id: UserId,
    /// Which of them.
    pub address: AddressId,
    /// The address in the form in which it is compared.
    pub canonical: String,
    /// What checks the link.
    pub link: Option<LinkCheck>,
    /// What checks the code.
    pub code: Option<CodeCheck>,
    /// When it was started.
    pub issued_at: Timestamp,
}

impl std::fmt::Debug for Proof {
    /// Leaves out what is personal.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Proof({:?} of {} of {})", self.id, self.address.id, self.user_id)
    }
}

/// A proof as it is kept, and what has become of it.
#[derive(Clone, Debug)]
pub struct KeptProof {
    /// The proof.
    pub proof: Proof,
    /// The generation of the address for which it was started.
    pub generation: i64,
    /// The generation that the address has now, if the user still has it under this id and in this
    /// form.
    pub current_generation: Option<i64>,
    /// When it was used.
    pub used_at: Option<Timestamp>,
}

impl KeptProof {
    /// Whether the address is still what it was when the proof was started. A used proof of which this
    /// is so is what the address is verified by.
    pub fn is_bound(&self) -> bool {
        self.current_generation == Some(self.generation)
    }

    /// Whether it could prove its address, but for its time.
    pub fn is_open(&self) -> bool {
        self.is_bound() && self.used_at.is_none()
    }

    /// Whether the link proves the address at this moment.
    pub fn link_works(&self, now: Timestamp) -> bool {
        self.is_open() && self.proof.link.as_ref().is_some_and(|link| now < link.expires_at)
    }

    /// Whether the code does, if it is the right one.
    pub fn code_works(&self, now: Timestamp) -> bool {
        self.is_open() && self.proof.code.as_ref().is_some_and(|code| now < code.expires_at)
    }

    /// Whether anything of it works at this moment.
    pub fn works(&self, now: Timestamp) -> bool {
        self.link_works(now) || self.code_works(now)
    }
}

/// What is known of an account beside its document, when an address of it is proved.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// When an address was first proved by a link or a code.
    pub proved_at: Option<Timestamp>,
    /// Who has set the password, if there is one.
    pub password_set_by: Option<SetBy>,
    /// Until when a link to reset the password works, if there is one.
    pub reset_until: Option<Timestamp>,
    /// The proofs of the user's addresses.
    pub proofs: Vec<KeptProof>,
}

/// What becomes of the proofs of a user's addresses with a change. The proof of an address that is
/// removed ends with it.
#[derive(Clone, Debug, Default)]
pub enum ProofChange {
    /// They stay as they are.
    #[default]
    Keep,
    /// This one is started, if these limits allow, and one of the same address before it ends.
    Start(Box<Proof>, Vec<Limit>),
    /// This one is used, if it still can be.
    Use(TokenId),
    /// This one is used, if it still can be, and all others of the user end: it is the first.
    UseFirst(TokenId),
    /// That of this address ends.
    End(IdentifierId),
    /// Those of all other addresses end.
    EndOthers(IdentifierId),
}

/// For how long a link or a code is to work, where a request says it.
///
/// # Errors
/// [`InvalidFields`] for less than a minute or more than seven days.
pub fn expiry(seconds: Option<i64>) -> Result<Option<Duration>, InvalidFields> {
    let Some(seconds) = seconds else { return Ok(None) };
    match u64::try_from(seconds) {
        Ok(seconds) if EXPIRIES.contains(&seconds) => Ok(Some(Duration::from_secs(seconds))),
        _ => {
            let (least, most) = EXPIRIES.into_inner();
            Err(InvalidFields::one("expiry", format!("This is a number of seconds from {least} to {most}.")))
        }
    }
}

/// A link and a code that were just made, and the proof that is kept of them.
pub struct Made {
    /// What is kept.
    pub proof: Proof,
    /// The token of the link.
    pub token: Option<PlainToken>,
    /// The code.
    pub code: Option<PlainCode>,
}

impl Made {
    /// Until when the last of them works.
    pub fn expires_at(&self) -> Timestamp {
        let link = self.proof.link.as_ref().map(|link| link.expires_at);
        let code = self.proof.code.as_ref().map(|code| code.expires_at);
        link.max(code).expect("there is a link or a code")
    }
}

impl User {
    /// The address of this id as it is typed.
    ///
    /// # Errors
    /// [`crate::error::Missing`].
    pub fn address(&self, address: AddressId) -> Result<&str, Error> {
        self.typed_and_canonical(address).map(|(typed, _)| typed)
    }

    /// Whether the address of this id is known to be the user's.
    ///
    /// # Errors
    /// [`crate::error::Missing`].
    pub fn has_verified(&self, address: AddressId) -> Result<bool, Error> {
        Ok(match address.kind {
            AddressKind::Email => self.emails[address::position(&self.emails, address.id)?].verified,
            AddressKind::Phone => {
                self.phone_numbers[address::position(&self.phone_numbers, address.id)?].verified
            }
        })
    }

    fn typed_and_canonical(&self, address: AddressId) -> Result<(&str, String), Error> {
        fn of<A: Address>(list: &[A], id: IdentifierId) -> Result<(&str, String), Error> {
            let found = &list[address::position(list, id)?];
            Ok((found.text(), found.canonical()))
        }
        match address.kind {
            AddressKind::Email => of(&self.emails, address.id),
            AddressKind::Phone => of(&self.phone_numbers, address.id),
        }
    }

    /// Makes what proves this address once it comes back: for an email by the means the tenant has
    /// chosen, for a phone number a code.
    ///
    /// # Errors
    /// [`crate::error::Missing`].
    pub fn make_proof(
        &self,
        address: AddressId,
        expiry: Option<Duration>,
        settings: &Settings,
        secret: &ServerSecret,
        ctx: &Context,
    ) -> Result<Made, Error> {
        let (_, canonical) = self.typed_and_canonical(address)?;
        let (id, tenant) = (TokenId::new(ctx.random), &ctx.origin.tenant);
        let until = |default| ctx.now.after(expiry.unwrap_or(Duration::from_secs(default)));
        let is_email = address.kind == AddressKind::Email;
        let token = (is_email && settings.proof_means.has_link())
            .then(|| PlainToken::derive(secret, Purpose::Link, tenant, id));
        let code =
            (!is_email || settings.proof_means.has_code()).then(|| PlainCode::derive(secret, tenant, id));
        let proof = Proof {
            id,
            tenant: tenant.clone(),
            user_id: self.user_id,
            address,
            canonical,
            link: token
                .as_ref()
                .map(|token| LinkCheck { hash: token.hash(), expires_at: until(settings.link_expiry) }),
            code: code.as_ref().map(|code| CodeCheck {
                hash: code.hash(secret, tenant, id),
                expires_at: until(settings.code_expiry),
            }),
            issued_at: ctx.now,
        };
        Ok(Made { proof, token, code })
    }

    /// Waits for this proof, and for none of the same address that was started before. The mail, if
    /// there is to be one, goes to the address itself.
    ///
    /// # Errors
    /// [`crate::error::Missing`].
    pub fn start_proof(
        &self,
        proof: Proof,
        by_mail: bool,
        settings: &Settings,
        ctx: &Context,
    ) -> Result<Decision, Error> {
        let address = proof.address;
        let kind = match address.kind {
            AddressKind::Email => EventType::EmailProofStarted,
            AddressKind::Phone => EventType::PhoneProofStarted,
        };
        let event = ctx.event(kind, self.user_id, Some(address.id), Some(self.address(address)?));
        let mail = if by_mail {
            MailChange::Send(Mail::new(MailKind::Verify, proof.id, self.user_id, address.id, ctx))
        } else {
            MailChange::Keep
        };
        let proof = ProofChange::Start(Box::new(proof), settings.limits());
        Ok(Decision { proof, mail, ..Decision::from(vec![event]) })
    }

    /// Marks an address as known to be the user's, because what was sent to it has come back. The
    /// address may be verified already: then it is on record that its owner has proved it, too.
    ///
    /// If nothing was ever proved on this account, what somebody may have prepared who had proved
    /// nothing is ended: proofs under way, a link to reset the password, and the trust in a password that
    /// the account's own user has set. With `purge_unproven` this password is dropped, and so are the
    /// other addresses that are unverified.
    ///
    /// # Errors
    /// [`crate::error::Missing`]. That nobody else has the address verified is for the
    /// store to say.
    pub fn prove(
        &mut self,
        proof: &Proof,
        standing: &Standing,
        settings: &Settings,
        ctx: &Context,
    ) -> Result<Decision, Error> {
        let (user_id, id) = (self.user_id, proof.address.id);
        let event = match proof.address.kind {
            AddressKind::Email => prove(&mut self.emails, id, user_id, ctx),
            AddressKind::Phone => prove(&mut self.phone_numbers, id, user_id, ctx),
        }?;
        if standing.proved_at.is_some() {
            return Ok(Decision { proof: ProofChange::Use(proof.id), ..Decision::from(vec![event]) });
        }
        let mut decision = Decision { proof: ProofChange::UseFirst(proof.id), ..Decision::from(vec![event]) };
        let others =
            standing.proofs.iter().filter(|other| other.proof.id != proof.id && other.works(ctx.now));
        let mut unproven = Unproven {
            ended_proofs: others.map(|other| other.proof.address.id).collect(),
            ended_reset: standing.reset_until.is_some_and(|until| ctx.now < until),
            ..Unproven::default()
        };
        if unproven.ended_reset {
            decision.secret = SecretChange::EndReset;
        }
        if standing.password_set_by == Some(SetBy::Owner) {
            let (dropped, kind) = if settings.purge_unproven {
                (self.remove_password(ctx), UnprovenPassword::Removed)
            } else {
                (self.distrust_password(ctx), UnprovenPassword::ResetRequired)
            };
            decision.events.extend(dropped.events);
            decision.secret = dropped.secret;
            unproven.password = Some(kind);
        }
        if settings.purge_unproven {
            for address in self.unverified_addresses() {
                let events = match address.kind {
                    AddressKind::Email => self.remove_email(address.id, ctx),
                    AddressKind::Phone => self.remove_phone(address.id, ctx),
                }?;
                decision.events.extend(events);
                unproven.removed_identifiers.push(address.id);
            }
        }
        if unproven != Unproven::default() {
            decision.events[0].details = Some(unproven.into());
        }
        Ok(decision)
    }

    fn unverified_addresses(&self) -> Vec<AddressId> {
        let emails = self.emails.iter().filter(|email| !email.verified);
        let phones = self.phone_numbers.iter().filter(|phone| !phone.verified);
        emails
            .map(|email| AddressId::email(email.id))
            .chain(phones.map(|phone| AddressId::phone(phone.id)))
            .collect()
    }

    /// Marks an address as not known to be the user's, and ends the proof of it that is under way. No
    /// events: it was unverified already, and there is none.
    ///
    /// # Errors
    /// [`crate::error::Missing`].
    pub fn end_trust(
        &mut self,
        address: AddressId,
        proofs: &[KeptProof],
        ctx: &Context,
    ) -> Result<Decision, Error> {
        let events = match address.kind {
            AddressKind::Email => self.unverify_email(address.id, ctx),
            AddressKind::Phone => self.unverify_phone(address.id, ctx),
        }?;
        // Where it was verified, every proof of it ends with its generation.
        if events.is_empty() { self.end_proof(address, proofs, ctx) } else { Ok(events.into()) }
    }

    /// Ends the proof of an address that is under way. No events: there is none.
    ///
    /// # Errors
    /// [`crate::error::Missing`].
    pub fn end_proof(
        &self,
        address: AddressId,
        proofs: &[KeptProof],
        ctx: &Context,
    ) -> Result<Decision, Error> {
        let text = self.address(address)?;
        if !proofs.iter().any(|kept| kept.proof.address == address && kept.is_open()) {
            return Ok(Decision::default());
        }
        let kind = match address.kind {
            AddressKind::Email => EventType::EmailProofEnded,
            AddressKind::Phone => EventType::PhoneProofEnded,
        };
        let event = ctx.event(kind, self.user_id, Some(address.id), Some(text));
        Ok(Decision { proof: ProofChange::End(address.id), ..Decision::from(vec![event]) })
    }

    /// Whether any address is known to be the user's.
    pub(super) fn has_verified_address(&self) -> bool {
        self.emails.iter().any(|email| email.verified)
            || self.phone_numbers.iter().any(|phone| phone.verified)
    }
}

/// Notes that an address of a list is proved, unless somebody has proved it before: that stays.
fn prove<A: Address>(
    list: &mut [A],
    id: IdentifierId,
    user_id: UserId,
    ctx: &Context,
) -> Result<Event, Error> {
    let position = address::position(list, id)?;
    let address = &mut list[position];
    if !address.is_verified() {
        address.set_proved_by(Some(Provider::Monocloud));
    }
    Ok(address.event(A::EVENTS.verified, user_id, ctx))
}
