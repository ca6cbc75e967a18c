//! Proofs of addresses: reading them, and what becomes of them with a change.

use tokio_postgres::Row;

use super::super::{IdentifierChange, KeepError, UserChange};
use super::connection::{Answer, Session};
use super::keep::Fault;
use super::rows::{Fixed, id, parsed};
use crate::directory::password::SetBy;
use crate::directory::proof::{AddressId, AddressKind, CodeCheck, KeptProof, LinkCheck, Proof, ProofChange};
use crate::error::Error;
use crate::id::{IdentifierId, TenantId, UserId};
use crate::secret::{CodeHash, KeyHash, TokenId};
use crate::time::Timestamp;

/// Declares a statement that reads proofs with the generations that their addresses have now. An
/// address is claimed or verified, so one of two rows can be its.
macro_rules! proofs {
    ($condition:literal) => {
        concat!(
            "select proof_id, tenant_id, user_id, identifier_id, kind, canonical, generation, \
             link_hash, link_expires_at, code_hash, code_expires_at, issued_at, used_at, \
             (select i.generation from identifiers i where i.tenant_id = proofs.tenant_id and i.kind = proofs.kind \
              and i.canonical = proofs.canonical and i.claimant in ('', proofs.user_id) \
              and i.user_id = proofs.user_id and i.identifier_id = proofs.identifier_id) \
             from proofs where ",
            $condition
        )
    };
}

pub(super) const PROOF: &str = proofs!("proof_id = $1");
pub(super) const OF_USER: &str = proofs!("tenant_id = $1 and user_id = $2");
/// When an address of the user was first proved, and who has set the password.
pub(super) const ACCOUNT: &str = "select users.proved_at, secrets.set_by from users \
    left join secrets on secrets.tenant_id = users.tenant_id and secrets.user_id = users.user_id \
    where users.tenant_id = $1 and users.user_id = $2";

pub(super) fn account(row: &Row) -> Answer<(Option<Timestamp>, Option<SetBy>)> {
    let set_by = row.try_get::<_, Option<&str>>(1)?.and_then(SetBy::from_name);
    Ok((row.try_get::<_, Option<i64>>(0)?.map(Timestamp), set_by))
}

pub(super) fn kept(row: &Row) -> Answer<KeptProof> {
    let kind = if row.try_get::<_, &str>(4)? == AddressKind::Email.as_str() {
        AddressKind::Email
    } else {
        AddressKind::Phone
    };
    let hash = |column| row.try_get::<_, Option<Fixed<32>>>(column).map(|hash| hash.map(|bytes| bytes.0));
    let expires_at = |column| row.try_get::<_, Option<i64>>(column).map(|time| Timestamp(time.unwrap_or(0)));
    let (link_expires_at, code_expires_at) = (expires_at(8)?, expires_at(10)?);
    Ok(KeptProof {
        proof: Proof {
            id: parsed(row, 0)?,
            tenant: parsed(row, 1)?,
            user_id: parsed(row, 2)?,
            address: AddressId { kind, id: IdentifierId::from_bytes(id(row, 3)?) },
            canonical: row.try_get(5)?,
            link: hash(7)?
                .map(|hash| LinkCheck { hash: KeyHash::from_stored(hash), expires_at: link_expires_at }),
            code: hash(9)?
                .map(|hash| CodeCheck { hash: CodeHash::from_stored(hash), expires_at: code_expires_at }),
            issued_at: Timestamp(row.try_get(11)?),
        },
        generation: row.try_get(6)?,
        used_at: row.try_get::<_, Option<i64>>(12)?.map(Timestamp),
        current_generation: row.try_get(13)?,
    })
}

/// Keeps what a change makes of the user's proofs: for most changes that is nothing at all. The user's
/// row is locked, and the addresses are as they will be.
pub(super) async fn keep(session: &Session, change: &UserChange) -> Result<(), Fault> {
    let of = (&change.tenant, change.user_id);
    for identifier in &change.identifiers {
        if let IdentifierChange::Remove(removed) = identifier {
            end(session, of, removed.id).await?;
        }
    }
    match &change.proof {
        ProofChange::Keep => {}
        ProofChange::Start(proof, _) => start(session, proof).await?,
        ProofChange::Use(id) => use_up(session, change, *id).await?,
        ProofChange::UseFirst(id) => {
            use_up(session, change, *id).await?;
            end_all_but(session, of, *id).await?;
        }
        ProofChange::End(identifier) => end(session, of, *identifier).await?,
        ProofChange::EndOthers(identifier) => end_others(session, of, *identifier).await?,
    }
    Ok(())
}

/// Uses a proof: once, and only while its address is what it was.
async fn use_up(session: &Session, change: &UserChange, id: TokenId) -> Result<(), Fault> {
    let sql = "update proofs set used_at = $2 where proof_id = $1 and used_at is null and generation = \
               (select i.generation from identifiers i where i.tenant_id = proofs.tenant_id and i.kind = proofs.kind \
                and i.canonical = proofs.canonical and i.claimant in ('', proofs.user_id) \
                and i.user_id = proofs.user_id and i.identifier_id = proofs.identifier_id)";
    let used_at = change.events.first().map_or(0, |event| event.time.0);
    if session.execute(sql, &[&id.as_str(), &used_at]).await? != 1 {
        return Err(KeepError::Conflict.into());
    }
    let note = "update users set proved_at = coalesce(proved_at, $3) where tenant_id = $1 and user_id = $2";
    session.execute(note, &[&change.tenant.as_str(), &change.user_id.as_str(), &used_at]).await?;
    Ok(())
}

/// The tenant and the user whose proofs they are.
type Of<'a> = (&'a TenantId, UserId);

/// Ends the proof of an address.
async fn end(session: &Session, of: Of<'_>, identifier: IdentifierId) -> Answer<()> {
    let sql = "delete from proofs where tenant_id = $1 and user_id = $2 and identifier_id = $3";
    let identifier = identifier.as_bytes().as_slice();
    session.execute(sql, &[&of.0.as_str(), &of.1.as_str(), &identifier]).await.map(drop)
}

async fn end_others(session: &Session, of: Of<'_>, identifier: IdentifierId) -> Answer<()> {
    let sql = "delete from proofs \
               where tenant_id = $1 and user_id = $2 and identifier_id <> $3 and used_at is null";
    let identifier = identifier.as_bytes().as_slice();
    session.execute(sql, &[&of.0.as_str(), &of.1.as_str(), &identifier]).await.map(drop)
}

async fn end_all_but(session: &Session, of: Of<'_>, id: TokenId) -> Answer<()> {
    let sql = "delete from proofs where tenant_id = $1 and user_id = $2 and proof_id <> $3";
    session.execute(sql, &[&of.0.as_str(), &of.1.as_str(), &id.as_str()]).await.map(drop)
}

/// Starts a proof in place of any other of its address.
async fn start(session: &Session, proof: &Proof) -> Result<(), Fault> {
    let (tenant, user) = (proof.tenant.as_str(), proof.user_id.as_str());
    end(session, (&proof.tenant, proof.user_id), proof.address.id).await?;
    if insert(session, proof).await? != 1 {
        let fault = format!("user {user} has an address in the document that the table does not have");
        return Err(KeepError::Failed(Error::Internal(fault)).into());
    }
    let note = "update users set has_proofs = true where tenant_id = $1 and user_id = $2";
    session.execute(note, &[&tenant, &user]).await?;
    Ok(())
}

async fn insert(session: &Session, proof: &Proof) -> Answer<u64> {
    let sql = "insert into proofs (proof_id, tenant_id, user_id, identifier_id, kind, canonical, generation, \
               link_hash, link_expires_at, code_hash, code_expires_at, issued_at) \
               select $1, tenant_id, user_id, identifier_id, kind, canonical, generation, $7, $8, $9, $10, $11 \
               from identifiers where tenant_id = $2 and kind = $5 and canonical = $6 and claimant in ('', $3) \
               and user_id = $3 and identifier_id = $4";
    let AddressId { kind, id } = proof.address;
    let link_hash = proof.link.as_ref().map(|link| link.hash.to_stored().to_vec());
    let code_hash = proof.code.as_ref().map(|code| code.hash.to_stored().to_vec());
    session
        .execute(
            sql,
            &[
                &proof.id.as_str(),
                &proof.tenant.as_str(),
                &proof.user_id.as_str(),
                &id.as_bytes().as_slice(),
                &kind.as_str(),
                &proof.canonical,
                &link_hash,
                &proof.link.as_ref().map(|link| link.expires_at.0),
                &code_hash,
                &proof.code.as_ref().map(|code| code.expires_at.0),
                &proof.issued_at.0,
            ],
        )
        .await
}

/// Counts that the code of a proof is tried; false if it was tried too often.
pub(super) async fn count_try(session: &Session, id: TokenId, most: u32) -> Answer<bool> {
    let sql = "update proofs set tries = tries + 1 where proof_id = $1 and used_at is null and tries < $2";
    Ok(session.execute(sql, &[&id.as_str(), &i64::from(most)]).await? == 1)
}
