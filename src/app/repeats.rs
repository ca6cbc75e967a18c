//! Requests that are made again: one that its client has named is done once, and each repeat gets the answer
//! of the first. The answer is kept in the transaction of the change; that is what makes it once, whichever
//! server does it. What is remembered here only spares most of those who come at the same time the work.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{App, Call, refused};
use crate::directory::marking::Outcome;
use crate::directory::repeat::{Fingerprint, IdempotencyKey, KEPT_FOR, NamedRequest};
use crate::error::{Error, InvalidFields, Missing};
use crate::secret::KeyId;
use crate::store::{About, Answer};

/// What an operation gives, as it is answered.
pub trait Answered {
    /// The answer, for what can be kept of one. If nothing is said, none can.
    ///
    /// # Errors
    /// [`Error::NotKept`], also for one that holds a secret.
    fn answer(&self) -> Result<Answer, Error> {
        Err(Error::NotKept)
    }
}

/// What is answered already.
impl Answered for Answer {
    fn answer(&self) -> Result<Answer, Error> {
        Ok(self.clone())
    }
}

/// Nothing, as after a user was deleted.
impl Answered for () {}

/// What became of one of many emails.
impl Answered for Outcome {}

/// The named requests that this process is doing.
#[derive(Default)]
pub(super) struct Repeats(Mutex<HashMap<(KeyId, IdempotencyKey), Fingerprint>>);

impl Repeats {
    fn under_way(&self) -> MutexGuard<'_, HashMap<(KeyId, IdempotencyKey), Fingerprint>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to do a named request in this process. It ends when it is dropped.
pub struct Claim<'a> {
    repeats: &'a Repeats,
    name: (KeyId, IdempotencyKey),
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.repeats.under_way().remove(&self.name);
    }
}

impl App {
    /// Claims a named request for oneself.
    ///
    /// # Errors
    /// [`Error::UnderWay`] while it is being done, [`Error::Invalid`] while another of this name is.
    pub fn claim(&self, request: &NamedRequest) -> Result<Claim<'_>, Error> {
        let name = (request.key_id, request.name.clone());
        match self.repeats.under_way().entry(name.clone()) {
            Entry::Occupied(other) if *other.get() == request.fingerprint => Err(Error::UnderWay),
            Entry::Occupied(_) => Err(used_for_another()),
            Entry::Vacant(place) => {
                place.insert(request.fingerprint);
                Ok(Claim { repeats: &self.repeats, name })
            }
        }
    }

    /// The answer of this request, if it was made before.
    ///
    /// # Errors
    /// [`Error::Invalid`] if another request was made by this name, [`Missing::Answer`] if a user that the
    /// answer told of was removed since, and the answer with it.
    pub async fn earlier(&self, request: &NamedRequest) -> Result<Option<Answer>, Error> {
        let since = self.clock.now().before(KEPT_FOR);
        let Some(earlier) = self.store.earlier(request, since).await? else { return Ok(None) };
        if earlier.fingerprint != request.fingerprint {
            return Err(used_for_another());
        }
        earlier.answer.map(Some).ok_or(Error::NotFound(Missing::Answer))
    }

    /// Keeps the answer to a named request that was done in several changes, now that all of them are kept.
    ///
    /// # Errors
    /// [`Error::UnderWay`] if it was done elsewhere meanwhile, [`Error::Unavailable`] when it was not kept.
    pub async fn keep_answer(
        &self,
        call: Call<'_>,
        about: About,
        given: &impl Answered,
    ) -> Result<(), Error> {
        match call.answered(given, about, self.clock.now())? {
            Some(answer) => self.store.keep_answer(*answer).await.map_err(refused),
            None => Ok(()),
        }
    }
}

fn used_for_another() -> Error {
    let message =
        "This key was used for another request within the last 24 hours: give each request one of its own.";
    InvalidFields::one("Idempotency-Key", message).into()
}
