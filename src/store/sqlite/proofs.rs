//! Proofs of addresses: reading them, and what becomes of them on the writing thread.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::super::{IdentifierChange, KeepError, UserChange};
use super::keep::UserRow;
use super::rows::parsed;
use super::secrets;
use super::writer::failed;
use crate::directory::password::SetBy;
use crate::directory::proof::{
    AddressId, AddressKind, CodeCheck, KeptProof, LinkCheck, Proof, ProofChange, Standing,
};
use crate::error::Error;
use crate::id::{IdentifierId, TenantId, UserId};
use crate::secret::{CodeHash, KeyHash, TokenId};
use crate::time::Timestamp;

/// A proof with the generation that its address has now. An address is claimed or verified, so one of
/// two rows of the tree can be its.
const PROOF: &str = "select proof_id, tenant_id, user_id, identifier_id, kind, canonical, generation, \
    link_hash, link_expires_at, code_hash, code_expires_at, issued_at, used_at, \
    (select i.generation from identifiers i where i.tenant_id = proofs.tenant_id and i.kind = proofs.kind \
     and i.canonical = proofs.canonical and i.claimant in ('', proofs.user_id) \
     and i.user_id = proofs.user_id and i.identifier_id = proofs.identifier_id) \
    from proofs";

pub(super) fn proof(connection: &Connection, id: TokenId) -> rusqlite::Result<Option<KeptProof>> {
    connection
        .prepare_cached(&format!("{PROOF} where proof_id = ?1"))?
        .query_row([id.as_str()], kept)
        .optional()
}

pub(super) fn standing(
    connection: &Connection,
    tenant: &TenantId,
    user_id: UserId,
) -> rusqlite::Result<Standing> {
    let of = [tenant.as_str(), user_id.as_str()];
    let proved_at: Option<Option<i64>> = connection
        .prepare_cached("select proved_at from users where tenant_id = ?1 and user_id = ?2")?
        .query_row(of, |row| row.get(0))
        .optional()?;
    let reset_until: Option<i64> =
        connection.prepare_cached(secrets::RESET_UNTIL)?.query_row(of, |row| row.get(0)).optional()?;
    let password_set_by: Option<String> = connection
        .prepare_cached("select set_by from secrets where tenant_id = ?1 and user_id = ?2")?
        .query_row(of, |row| row.get(0))
        .optional()?;
    let proofs = connection
        .prepare_cached(&format!("{PROOF} where tenant_id = ?1 and user_id = ?2"))?
        .query_map(of, kept)?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Standing {
        proved_at: proved_at.flatten().map(Timestamp),
        password_set_by: password_set_by.as_deref().and_then(SetBy::from_name),
        reset_until: reset_until.map(Timestamp),
        proofs,
    })
}

fn kept(row: &Row<'_>) -> rusqlite::Result<KeptProof> {
    let kind = if row.get_ref(4)?.as_str()? == AddressKind::Email.as_str() {
        AddressKind::Email
    } else {
        AddressKind::Phone
    };
    let link: Option<[u8; 32]> = row.get(7)?;
    let code: Option<[u8; 32]> = row.get(9)?;
    let expires_at = |column| row.get::<_, Option<i64>>(column).map(|time| Timestamp(time.unwrap_or(0)));
    let (link_expires_at, code_expires_at) = (expires_at(8)?, expires_at(10)?);
    Ok(KeptProof {
        proof: Proof {
            id: parsed(row, 0)?,
            tenant: parsed(row, 1)?,
            user_id: parsed(row, 2)?,
            address: AddressId { kind, id: IdentifierId::from_bytes(row.get(3)?) },
            canonical: row.get(5)?,
            link: link
                .map(|hash| LinkCheck { hash: KeyHash::from_stored(hash), expires_at: link_expires_at }),
            code: code
                .map(|hash| CodeCheck { hash: CodeHash::from_stored(hash), expires_at: code_expires_at }),
            issued_at: Timestamp(row.get(11)?),
        },
        generation: row.get(6)?,
        used_at: row.get::<_, Option<i64>>(12)?.map(Timestamp),
        current_generation: row.get(13)?,
    })
}

/// Uses the proof that a change uses, if it uses one: once, and only while its address is what it was.
pub(super) fn use_up(connection: &Connection, change: &UserChange) -> Result<(), KeepError> {
    let (ProofChange::Use(id) | ProofChange::UseFirst(id)) = &change.proof else { return Ok(()) };
    let used_at = change.events.first().map_or(0, |event| event.time.0);
    let used = connection
        .prepare_cached(
            "update proofs set used_at = ?2 where proof_id = ?1 and used_at is null and generation = \
             (select i.generation from identifiers i where i.tenant_id = proofs.tenant_id and i.kind = proofs.kind \
              and i.canonical = proofs.canonical and i.claimant in ('', proofs.user_id) \
              and i.user_id = proofs.user_id and i.identifier_id = proofs.identifier_id)",
        )
        .and_then(|mut statement| statement.execute(params![id.as_str(), used_at]))
        .map_err(|error| failed(&error))?;
    if used == 1 { Ok(()) } else { Err(KeepError::Conflict) }
}

/// Keeps what else a change makes of the user's proofs: for most changes that is nothing at all.
pub(super) fn keep(connection: &Connection, change: &UserChange, user: &UserRow) -> Result<(), KeepError> {
    let of = (&change.tenant, change.user_id);
    if user.has_proofs {
        for identifier in &change.identifiers {
            if let IdentifierChange::Remove(removed) = identifier {
                end(connection, of, removed.id).map_err(|error| failed(&error))?;
            }
        }
    }
    let done = match &change.proof {
        ProofChange::Keep => Ok(()),
        ProofChange::Start(proof, _) => return start(connection, proof, user),
        ProofChange::Use(_) => note_proved(connection, change, user),
        ProofChange::UseFirst(id) => {
            note_proved(connection, change, user).and_then(|()| end_all_but(connection, of, *id))
        }
        ProofChange::End(identifier) => end(connection, of, *identifier),
        ProofChange::EndOthers(_) if !user.has_proofs => Ok(()),
        ProofChange::EndOthers(identifier) => end_others(connection, of, *identifier),
    };
    done.map_err(|error| failed(&error))
}

/// The tenant and the user whose proofs they are.
type Of<'a> = (&'a TenantId, UserId);

fn note_proved(connection: &Connection, change: &UserChange, user: &UserRow) -> rusqlite::Result<()> {
    let proved_at = change.events.first().map(|event| event.time.0);
    connection
        .prepare_cached("update users set proved_at = coalesce(proved_at, ?2) where user_row = ?1")?
        .execute(params![user.row, proved_at])
        .map(drop)
}

/// Ends the proof of an address.
fn end(connection: &Connection, of: Of, identifier: IdentifierId) -> rusqlite::Result<()> {
    connection
        .prepare_cached("delete from proofs where tenant_id = ?1 and user_id = ?2 and identifier_id = ?3")?
        .execute(params![of.0.as_str(), of.1.as_str(), identifier.as_bytes()])
        .map(drop)
}

fn end_others(connection: &Connection, of: Of, identifier: IdentifierId) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "delete from proofs where tenant_id = ?1 and user_id = ?2 and identifier_id <> ?3 and used_at is null",
        )?
        .execute(params![of.0.as_str(), of.1.as_str(), identifier.as_bytes()])
        .map(drop)
}

fn end_all_but(connection: &Connection, of: Of, id: TokenId) -> rusqlite::Result<()> {
    connection
        .prepare_cached("delete from proofs where tenant_id = ?1 and user_id = ?2 and proof_id <> ?3")?
        .execute(params![of.0.as_str(), of.1.as_str(), id.as_str()])
        .map(drop)
}

/// Starts a proof in place of any other of its address.
fn start(connection: &Connection, proof: &Proof, user: &UserRow) -> Result<(), KeepError> {
    let sql = |error| failed(&error);
    end(connection, (&proof.tenant, proof.user_id), proof.address.id).map_err(sql)?;
    if insert(connection, proof).map_err(sql)? != 1 {
        let fault =
            format!("user {} has an address in the document that the table does not have", proof.user_id);
        return Err(KeepError::Failed(Error::Internal(fault)));
    }
    connection
        .prepare_cached("update users set has_proofs = 1 where user_row = ?1")
        .and_then(|mut statement| statement.execute([user.row]))
        .map(drop)
        .map_err(sql)
}

fn insert(connection: &Connection, proof: &Proof) -> rusqlite::Result<usize> {
    let AddressId { kind, id } = proof.address;
    connection
        .prepare_cached(
            "insert into proofs (proof_id, tenant_id, user_id, identifier_id, kind, canonical, generation, \
             link_hash, link_expires_at, code_hash, code_expires_at, issued_at) \
             select ?1, tenant_id, user_id, identifier_id, kind, canonical, generation, ?7, ?8, ?9, ?10, ?11 \
             from identifiers where tenant_id = ?2 and kind = ?5 and canonical = ?6 and claimant in ('', ?3) \
             and user_id = ?3 and identifier_id = ?4",
        )?
        .execute(params![
            proof.id.as_str(),
            proof.tenant.as_str(),
            proof.user_id.as_str(),
            id.as_bytes(),
            kind.as_str(),
            proof.canonical,
            proof.link.as_ref().map(|link| link.hash.to_stored()),
            proof.link.as_ref().map(|link| link.expires_at.0),
            proof.code.as_ref().map(|code| code.hash.to_stored()),
            proof.code.as_ref().map(|code| code.expires_at.0),
            proof.issued_at.0,
        ])
}

/// Counts that the code of a proof is tried; false if it was tried too often.
pub(super) fn count_try(connection: &Connection, id: TokenId, most: u32) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "update proofs set tries = tries + 1 where proof_id = ?1 and used_at is null and tries < ?2",
        )?
        .execute(params![id.as_str(), most])
        .map(|counted| counted == 1)
}
