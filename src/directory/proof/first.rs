//! The first proof on an account, or the first word of an administrator: what it ends.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{KeptProof, ProofChange};
use crate::directory::event::Event;
use crate::directory::password::Decision;
use crate::id::IdentifierId;
use crate::time::Timestamp;

/// What the first proof on an account has ended, or the first word of an administrator. What was set
/// before by somebody who had proved nothing must not keep working unnoticed: another may have prepared
/// the account for its owner.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Unproven {
    /// Addresses of which proofs were under way: these count no more.
    #[schema(value_type = Vec<uuid::Uuid>)]
    pub ended_proofs: Vec<IdentifierId>,
    /// Whether there was a link to reset the password, which works no more.
    #[serde(default)]
    #[schema(required)]
    pub ended_reset: bool,
    /// What became of a password that the account's own user had set.
    pub password: Option<UnprovenPassword>,
    /// Addresses that nobody had vouched for, and that were dropped.
    #[schema(value_type = Vec<uuid::Uuid>)]
    pub removed_identifiers: Vec<IdentifierId>,
}

/// What became of a password that the account's own user had set before anything was proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnprovenPassword {
    /// Another must be set at the next sign-in, and not by knowing this one.
    ResetRequired,
    /// It was dropped.
    Removed,
}

impl Decision {
    /// Names what ends with the word of an administrator, in the event that tells of the word. These are
    /// the proofs of the user's addresses. Where nothing would end, nothing is said to.
    #[must_use]
    pub fn naming(mut self, proofs: &[KeptProof], now: Timestamp) -> Self {
        let ProofChange::EndOthers(vouched) = self.proof else { return self };
        let others = || proofs.iter().filter(|kept| kept.proof.address.id != vouched && kept.is_open());
        if others().next().is_none() {
            self.proof = ProofChange::Keep;
        }
        let ended_proofs: Vec<IdentifierId> =
            others().filter(|kept| kept.works(now)).map(|kept| kept.proof.address.id).collect();
        if let Some(event) = self.events.last_mut().filter(|_| !ended_proofs.is_empty()) {
            event.details = Some(Unproven { ended_proofs, ..Unproven::default() }.into());
        }
        self
    }
}

/// What it means that whoever holds a key has said of an address that it is the user's, which is the
/// last of these events. If it is the first of which anybody knows, proofs of the others end: they may
/// be what somebody has prepared.
pub(in crate::directory) fn vouched_for(events: Vec<Event>, is_first: bool) -> Decision {
    let id = events.first().and_then(|event| event.identifier_id);
    match id.filter(|_| is_first) {
        Some(id) => Decision { proof: ProofChange::EndOthers(id), ..events.into() },
        None => events.into(),
    }
}
