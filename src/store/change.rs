//! Changes that are decided and ready to be kept, and why one is not.

use std::fmt;

use bytes::Bytes;

use super::index::Term;
use super::{Arrival, KeptAnswer, Version};
use crate::directory::api_key::ApiKey;
use crate::directory::event::{Event, names};
use crate::directory::group::Group;
use crate::directory::mail::MailChange;
use crate::directory::password::{MailedReset, SecretChange};
use crate::directory::proof::{AddressKind, ProofChange};
use crate::directory::settings::Limit;
use crate::error::Error;
use crate::id::{GroupId, IdentifierId, TenantId, UserId};
use crate::time::Timestamp;

/// A change of one user, decided and ready to be kept.
#[derive(Clone, Debug)]
pub struct UserChange {
    /// The tenant.
    pub tenant: TenantId,
    /// The user.
    pub user_id: UserId,
    /// What becomes of the document.
    pub document: DocumentChange,
    /// What becomes of the identifiers.
    pub identifiers: Vec<IdentifierChange>,
    /// Searchable values that the user no longer has.
    pub removed_terms: Vec<Term>,
    /// Searchable values that the user has newly.
    pub added_terms: Vec<Term>,
    /// What becomes of the secrets; those of a user who is removed go with them.
    pub secret: SecretChange,
    /// What becomes of the proofs of the user's addresses; those of a user who is removed go, too.
    pub proof: ProofChange,
    /// What becomes of mail.
    pub mail: MailChange,
    /// What happened.
    pub events: Vec<Event>,
    /// What is answered to who asked for it, where that is to be kept.
    pub answer: Option<Box<KeptAnswer>>,
}

impl UserChange {
    /// The document as the change writes it; empty where it writes none.
    pub fn document(&self) -> Bytes {
        match &self.document {
            DocumentChange::Create(row, ..) | DocumentChange::Replace(_, row, _) => row.document.clone(),
            DocumentChange::Stay(_) | DocumentChange::Delete(_) | DocumentChange::Erase(_) => Bytes::new(),
        }
    }

    /// What is to be sent to an address of the user, if anything, which is counted.
    pub fn request(&self) -> Option<Request<'_>> {
        if let ProofChange::Start(proof, limits) = &self.proof {
            let (kind, canonical) = (proof.address.kind, &proof.canonical);
            return Some(Request { kind, canonical, at: proof.issued_at, limits });
        }
        let SecretChange::StartReset(_, Some(mailed)) = &self.secret else { return None };
        let MailedReset { canonical, asked_at, limits, .. } = mailed;
        Some(Request { kind: AddressKind::Email, canonical, at: *asked_at, limits })
    }

    /// The version that the user has afterwards; none where the user is removed.
    pub fn version(&self) -> Option<Version> {
        match self.document {
            DocumentChange::Create(..) => Some(Version(1)),
            DocumentChange::Replace(before, ..) => Some(Version(before.0 + 1)),
            DocumentChange::Stay(before) => Some(Version(before.0 + i64::from(self.is_decided_on()))),
            DocumentChange::Delete(_) | DocumentChange::Erase(_) => None,
        }
    }

    /// Whether somebody who decides on the user at this moment must decide anew, although the document
    /// stays.
    pub fn is_decided_on(&self) -> bool {
        !self.events.is_empty()
            || !matches!(self.secret, SecretChange::Keep)
            || !matches!(self.proof, ProofChange::Keep)
    }
}

/// That something is to be sent to an address of a user.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// What kind of address it is.
    pub kind: AddressKind,
    /// The address in the form in which it is compared.
    pub canonical: &'a str,
    /// When it is asked for.
    pub at: Timestamp,
    /// How often it may be.
    pub limits: &'a [Limit],
}

/// What becomes of a user's document.
#[derive(Clone, Debug)]
pub enum DocumentChange {
    /// The user is new. The groups must be there, and the automatic ones all that take every new user.
    Create(Row, SortNames, Arrival),
    /// The user is changed, if it still has the version on which that was decided; the names are
    /// given where they are others now.
    Replace(Version, Row, Option<SortNames>),
    /// The user's document stays as it is, if it still has this version. The version rises all the same
    /// where there are events, or secrets or proofs change.
    Stay(Version),
    /// The user is removed, if it still has the version on which that was decided.
    Delete(Version),
    /// The same, and what is personal in the record of what happened to the user is erased. The events of
    /// the change itself stay as they are.
    Erase(Version),
}

/// A user's document and what it is sorted by.
#[derive(Clone)]
pub struct Row {
    /// The JSON.
    pub document: Bytes,
    /// When the user came to be.
    pub creation_time: Timestamp,
    /// When it was last changed.
    pub last_updated: Timestamp,
}

impl fmt::Debug for Row {
    /// What is known of a person is personal: nothing that prints for debugging shows it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Row(hidden)")
    }
}

/// The names that users are sorted by: claims as they are compared, cut at the length that is
/// searchable, empty where there is none.
#[derive(Clone, PartialEq, Eq)]
pub struct SortNames {
    /// The whole name.
    pub name: String,
    /// The given name.
    pub given_name: String,
    /// The middle name.
    pub middle_name: String,
    /// The family name.
    pub family_name: String,
}

impl fmt::Debug for SortNames {
    /// What is known of a person is personal: nothing that prints for debugging shows it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SortNames(hidden)")
    }
}

names! {
    /// What an identifier is.
    IdentifierKind {
        /// An email address.
        Email = "email",
        /// A phone number.
        Phone = "phone",
        /// A username.
        Username = "username",
    }
}

impl From<AddressKind> for IdentifierKind {
    fn from(kind: AddressKind) -> Self {
        match kind {
            AddressKind::Email => Self::Email,
            AddressKind::Phone => Self::Phone,
        }
    }
}

/// An identifier as the store keeps it.
#[derive(Clone, PartialEq, Eq)]
pub struct Identifier {
    /// Its id.
    pub id: IdentifierId,
    /// What it is.
    pub kind: IdentifierKind,
    /// The form in which it is compared.
    pub canonical: String,
    /// Whether it can be this user's only: a verified address, or a username.
    pub owned: bool,
}

impl fmt::Debug for Identifier {
    /// Addresses are personal: only the id is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identifier({} {})", self.kind, self.id)
    }
}

/// What becomes of one identifier of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentifierChange {
    /// The user has it newly.
    Add(Identifier),
    /// The user no longer has it; it was so before.
    Remove(Identifier),
    /// It became the user's alone; it is so now.
    Own(Identifier),
    /// It is no longer known to be the user's: its generation rises, so that no earlier proof of it
    /// counts. It is so now.
    Disown(Identifier),
}

/// A change of one group, decided and ready to be kept.
#[derive(Clone, Debug)]
pub struct GroupChange {
    /// The tenant.
    pub tenant: TenantId,
    /// The group.
    pub group_id: GroupId,
    /// What becomes of it.
    pub kept: GroupKept,
    /// What happened.
    pub events: Vec<Event>,
    /// What is answered to who asked for it, where that is to be kept.
    pub answer: Option<Box<KeptAnswer>>,
}

/// What becomes of a group.
#[derive(Clone, Debug)]
pub enum GroupKept {
    /// It is new, and has no members.
    Create(Group),
    /// It is changed, if it still has the version on which that was decided; its members stay, and
    /// what is counted of them.
    Replace(Version, Group),
    /// It is removed, with its memberships.
    Delete,
}

/// That a user joins or leaves a group.
#[derive(Clone, Debug)]
pub struct MembershipChange {
    /// The tenant.
    pub tenant: TenantId,
    /// The user.
    pub user_id: UserId,
    /// The group.
    pub group_id: GroupId,
    /// Whether the user joins, or else leaves.
    pub joins: bool,
    /// What happened, and when.
    pub event: Event,
    /// What is answered to who asked for it, where that is to be kept.
    pub answer: Option<Box<KeptAnswer>>,
}

/// A change of one API key, decided and ready to be kept.
#[derive(Clone, Debug)]
pub struct KeyChange {
    /// What becomes of it.
    pub kept: KeyKept,
    /// What happened.
    pub events: Vec<Event>,
    /// What is answered to who asked for it, where that is to be kept.
    pub answer: Option<Box<KeptAnswer>>,
}

/// What becomes of an API key.
#[derive(Clone, Debug)]
pub enum KeyKept {
    /// It is new.
    Create(ApiKey),
    /// It is changed, if it still has the version that is given with it. Its name, its scopes, and when it
    /// was made, ends and was used stay.
    Replace(ApiKey),
}

/// Why a change was not kept. Nothing of it was.
#[derive(Debug)]
pub enum KeepError {
    /// What the change was decided on is another by now, or gone: load it and decide again.
    Conflict,
    /// Another user has a verified address, or a username, that this change claims.
    Taken(IdentifierKind),
    /// Another group has the name that this change claims.
    NameTaken,
    /// There is a user, or a group, of the id that this change gives a new one.
    Exists,
    /// Limits stand in the way of sending something, all of them until this moment.
    TooOften(Timestamp),
    /// A request of the same name has changed something already, and its answer is kept.
    Repeated,
    /// The store could not.
    Failed(Error),
}

impl KeepError {
    /// What it is where nothing can stand in the way of what was to be kept.
    pub fn unexpected(self) -> Error {
        match self {
            Self::Failed(error) => error,
            Self::Conflict
            | Self::Taken(_)
            | Self::NameTaken
            | Self::Exists
            | Self::TooOften(_)
            | Self::Repeated => {
                Error::Internal("an operation that nothing can stand in the way of was refused".to_owned())
            }
        }
    }
}
