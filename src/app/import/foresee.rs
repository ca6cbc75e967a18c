//! What would become of users: in what is there, and after the rows before.

use std::collections::HashMap;

use futures_util::future::try_join_all;
use sha2::{Digest, Sha256};

use super::decide::{Arriving, Joining};
use super::keep::{Import, Placed};
use super::{Fault, Outcome, RowResult};
use crate::app::refused;
use crate::error::Error;
use crate::id::UserId;
use crate::store::{Arrival, Identifier, IdentifierChange, IdentifierKind, KeepError};
use crate::time::Timestamp;

/// Who would have been made by the rows before, and what would be theirs alone, each with its line.
#[derive(Default)]
pub(super) struct Seen {
    users: HashMap<UserId, (u64, Sha256Hash)>,
    identifiers: HashMap<(IdentifierKind, String), u64>,
}

type Sha256Hash = [u8; 32];

/// What is there that stands in the way of a user.
struct InTheWay {
    /// What becomes of the user where there is one of the same id.
    there: Option<Outcome>,
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
                Ok(arriving) => match in_the_way.next().expect("each user was looked at") {
                    InTheWay { there: Some(outcome), .. } => outcome,
                    InTheWay { taken, .. } => seen.foresee(line, &arriving, taken)?,
                },
            };
            results.push(RowResult { line, outcome, groups });
        }
        Ok(())
    }

    async fn look_at(&self, arriving: &Arriving) -> Result<InTheWay, Error> {
        let (store, tenant) = (&self.app.store, &self.origin.tenant);
        if let Some(kept) = store.user(tenant, arriving.user.user_id).await? {
            return Ok(InTheWay { there: Some(self.compared(arriving, &kept).await?), taken: None });
        }
        for Identifier { kind, canonical, .. } in owned(arriving) {
            if store.owner(tenant, *kind, canonical).await?.is_some() {
                return Ok(InTheWay { there: None, taken: Some(*kind) });
            }
        }
        Ok(InTheWay { there: None, taken: None })
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
    fn foresee(
        &mut self,
        line: u64,
        arriving: &Arriving,
        taken_there: Option<IdentifierKind>,
    ) -> Result<Outcome, Error> {
        let (user_id, hash) = (arriving.user.user_id, hash_of(arriving));
        if let Some((before, other)) = self.users.get(&user_id) {
            let fault = Fault::new("Exists", format!("The user of line {before} has the same id."));
            return Ok(if *other == hash { Outcome::There } else { Outcome::Refused(fault) });
        }
        if let Some(kind) = taken_there {
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
    if let Joining::Exactly(Arrival { groups, proved_at, .. }) = &arriving.groups {
        let beside = format!("{groups:?} {proved_at:?}");
        return Sha256::new().chain_update(arriving.change.document()).chain_update(beside).finalize().into();
    }
    let mut user = arriving.user.clone();
    (user.creation_time, user.last_updated) = (Timestamp(0), Timestamp(0));
    user.password_updated_at = user.password_updated_at.map(|_| Timestamp(0));
    Sha256::digest(user.to_document()).into()
}

fn taken(kind: IdentifierKind) -> Result<Fault, Error> {
    Fault::of(refused(KeepError::Taken(kind)))
}
