//! What would become of users: in what is there, and after the rows before.

use std::collections::HashMap;

use futures_util::future::try_join_all;
use sha2::{Digest, Sha256};

use super::decide::Arriving;
use super::keep::{Import, Placed, compared};
use super::{Fault, Outcome, RowResult};
use crate::app::refused;
use crate::error::Error;
use crate::id::UserId;
use crate::store::{Identifier, IdentifierChange, IdentifierKind, KeepError, Kept};
use crate::time::Timestamp;

/// Who would have been made by the rows before, and what would be theirs alone, each with its line.
#[derive(Default)]
pub(super) struct Seen {
    users: HashMap<UserId, (u64, Sha256Hash)>,
    identifiers: HashMap<(IdentifierKind, String), u64>,
}

type Sha256Hash = [u8; 32];

/// What is there that stands in the way of a user.
pub(super) struct InTheWay {
    /// The user of the same id.
    user: Option<Kept>,
    /// The first identifier that is another's alone.
    taken: Option<IdentifierKind>,
}

impl Import<'_> {
    /// Tells what would become of users, and keeps none.
    pub(super) async fn foresee(
        &mut self,
        users: Vec<Placed>,
        results: &mut Vec<RowResult>,
    ) -> Result<(), Error> {
        let arriving = users.iter().filter_map(|placed| placed.user.as_ref().ok());
        let mut in_the_way = try_join_all(arriving.map(|arriving| self.look_at(arriving))).await?.into_iter();
        let seen = self.seen.as_mut().expect("this is a dry run");
        for Placed { line, user, groups } in users {
            let outcome = match user {
                Err(fault) => Outcome::Refused(fault),
                Ok(arriving) => {
                    let in_the_way = in_the_way.next().expect("each user was looked at");
                    seen.foresee(line, &arriving, &in_the_way)?
                }
            };
            results.push(RowResult { line, outcome, groups });
        }
        Ok(())
    }

    /// What is there that stands in the way of a user.
    pub(super) async fn look_at(&self, arriving: &Arriving) -> Result<InTheWay, Error> {
        let (store, tenant) = (&self.app.store, &self.origin.tenant);
        let user = store.user(tenant, arriving.user.user_id).await?;
        for Identifier { kind, canonical, .. } in owned(arriving) {
            if store.owner(tenant, *kind, canonical).await?.is_some() {
                return Ok(InTheWay { user, taken: Some(*kind) });
            }
        }
        Ok(InTheWay { user, taken: None })
    }
}

/// The identifiers that would be the user's alone.
fn owned(arriving: &Arriving) -> impl Iterator<Item = &Identifier> {
    arriving.change.identifiers.iter().filter_map(|change| match change {
        IdentifierChange::Add(identifier) if identifier.owned => Some(identifier),
        _ => None,
    })
}

impl Seen {
    /// What would become of a user.
    pub(super) fn foresee(
        &mut self,
        line: u64,
        arriving: &Arriving,
        there: &InTheWay,
    ) -> Result<Outcome, Error> {
        if let Some(kept) = &there.user {
            return compared(arriving, kept);
        }
        let (user_id, hash) = (arriving.user.user_id, hash_of(arriving));
        if let Some((before, other)) = self.users.get(&user_id) {
            let fault = Fault::new("Exists", format!("The user of line {before} has the same id."));
            return Ok(if *other == hash { Outcome::There } else { Outcome::Refused(fault) });
        }
        if let Some(kind) = there.taken {
            return Ok(Outcome::Refused(taken(kind)?));
        }
        for Identifier { kind, canonical, .. } in owned(arriving) {
            if let Some(before) = self.identifiers.get(&(*kind, canonical.clone())) {
                let Fault { code, reason } = taken(*kind)?;
                let reason = format!("{reason} Line {before} has it.");
                return Ok(Outcome::Refused(Fault { code, reason }));
            }
        }
        for Identifier { kind, canonical, .. } in owned(arriving) {
            self.identifiers.insert((*kind, canonical.clone()), line);
        }
        self.users.insert(user_id, (line, hash));
        Ok(Outcome::User)
    }
}

/// What a user is told by who is the same: without times, where these are of the import.
fn hash_of(arriving: &Arriving) -> Sha256Hash {
    if arriving.is_whole() {
        return Sha256::digest(arriving.change.document()).into();
    }
    let mut user = arriving.user.clone();
    (user.creation_time, user.last_updated) = (Timestamp(0), Timestamp(0));
    user.password_updated_at = user.password_updated_at.map(|_| Timestamp(0));
    Sha256::digest(user.to_document()).into()
}

fn taken(kind: IdentifierKind) -> Result<Fault, Error> {
    Fault::of(refused(KeepError::Taken(kind)))
}
