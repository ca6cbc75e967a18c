//! What only the server may know: password hashes, tries and reset tokens.

use tokio_postgres::Row;

use super::super::statement::open_resets;
use super::super::{IdentifierChange, IdentifierKind, KeepError, PasswordTry, UserChange};
use super::connection::{Answer, Session};
use super::keep::Fault;
use super::rows::{Fixed, parsed};
use crate::directory::password::{MailedReset, PasswordHash, ResetToken, SecretChange};
use crate::error::Error;
use crate::id::{TenantId, UserId};
use crate::secret::{KeyHash, TokenId};
use crate::time::Timestamp;

pub(super) const PASSWORD: &str = "select password_hash from secrets where tenant_id = $1 and user_id = $2";
pub(super) const OLDEST_TRY: &str =
    "select min(tried_at) from password_tries where tenant_id = $1 and user_id = $2 and tried_at > $3";

pub(super) const RESET_TOKEN: &str =
    open_resets!("tenant_id, user_id, secret_hash, expires_at", "token_id = $1");
/// Until when the link of a user works.
pub(super) const RESET_UNTIL: &str = open_resets!("expires_at", "tenant_id = $1 and user_id = $2");

pub(super) fn reset_token(id: TokenId, row: &Row) -> Answer<ResetToken> {
    Ok(ResetToken {
        id,
        tenant: parsed(row, 0)?,
        user_id: parsed(row, 1)?,
        hash: KeyHash::from_stored(row.try_get::<_, Fixed<32>>(2)?.0),
        expires_at: Timestamp(row.try_get(3)?),
    })
}

/// Keeps what a change makes of a user's secrets. The user's row is locked, and the addresses are as they
/// will be.
pub(super) async fn keep(session: &Session, change: &UserChange) -> Result<(), Fault> {
    let (tenant, user) = (change.tenant.as_str(), change.user_id.as_str());
    for identifier in &change.identifiers {
        if let IdentifierChange::Remove(removed) = identifier
            && removed.kind == IdentifierKind::Email
        {
            let sql = "delete from reset_tokens where tenant_id = $1 and user_id = $2 and identifier_id = $3";
            session.execute(sql, &[&tenant, &user, &removed.id.as_bytes().as_slice()]).await?;
        }
    }
    match &change.secret {
        SecretChange::Keep => {}
        SecretChange::Set(hash, by) => {
            let sql = "insert into secrets (tenant_id, user_id, password_hash, set_by) values ($1, $2, $3, $4) \
                       on conflict (tenant_id, user_id) do update \
                       set password_hash = excluded.password_hash, set_by = excluded.set_by";
            session.execute(sql, &[&tenant, &user, &hash.to_stored(), &by.as_str()]).await?;
            forget_tries(session, tenant, user).await?;
            end_reset(session, tenant, user).await?;
        }
        SecretChange::Remove => {
            let sql = "delete from secrets where tenant_id = $1 and user_id = $2";
            session.execute(sql, &[&tenant, &user]).await?;
            forget_tries(session, tenant, user).await?;
            end_reset(session, tenant, user).await?;
        }
        SecretChange::StartReset(token, mailed) => {
            end_reset(session, tenant, user).await?;
            let sql = "insert into reset_tokens (token_id, tenant_id, user_id, secret_hash, expires_at) \
                       values ($1, $2, $3, $4, $5)";
            let hash = token.hash.to_stored();
            session
                .execute(sql, &[&token.id.as_str(), &tenant, &user, &hash.as_slice(), &token.expires_at.0])
                .await?;
            if let Some(mailed) = mailed {
                bind(session, change, token, mailed).await?;
            }
        }
        SecretChange::EndReset => end_reset(session, tenant, user).await?,
        SecretChange::Distrust => {
            let sql = "update secrets set set_by = 'untrusted' where tenant_id = $1 and user_id = $2";
            session.execute(sql, &[&tenant, &user]).await?;
            end_reset(session, tenant, user).await?;
        }
        SecretChange::Vouch => {
            let sql = "update secrets set set_by = 'admin' \
                       where tenant_id = $1 and user_id = $2 and set_by = 'untrusted'";
            session.execute(sql, &[&tenant, &user]).await?;
        }
    }
    Ok(())
}

/// Binds a token to the email that it is mailed to.
async fn bind(
    session: &Session,
    change: &UserChange,
    token: &ResetToken,
    mailed: &MailedReset,
) -> Result<(), Fault> {
    let sql = "update reset_tokens \
               set identifier_id = i.identifier_id, canonical = i.canonical, generation = i.generation \
               from identifiers i where token_id = $1 and i.tenant_id = $2 and i.kind = 'email' and i.canonical = $3 \
               and i.claimant = '' and i.user_id = $4 and i.identifier_id = $5";
    let (tenant, user) = (change.tenant.as_str(), change.user_id.as_str());
    let email = mailed.email.as_bytes().as_slice();
    let bound =
        session.execute(sql, &[&token.id.as_str(), &tenant, &mailed.canonical, &user, &email]).await?;
    if bound == 1 {
        return Ok(());
    }
    let fault = format!("user {user} has a verified email in the document that the table does not have");
    Err(KeepError::Failed(Error::Internal(fault)).into())
}

async fn forget_tries(session: &Session, tenant: &str, user: &str) -> Answer<()> {
    let sql = "delete from password_tries where tenant_id = $1 and user_id = $2";
    session.execute(sql, &[&tenant, &user]).await.map(drop)
}

async fn end_reset(session: &Session, tenant: &str, user: &str) -> Answer<()> {
    let sql = "delete from reset_tokens where tenant_id = $1 and user_id = $2";
    session.execute(sql, &[&tenant, &user]).await.map(drop)
}

/// Puts a hash in the place of another; false if that is no longer the one that is kept.
pub(super) async fn rehash(
    session: &Session,
    (tenant, user_id, from, to): &(TenantId, UserId, PasswordHash, PasswordHash),
) -> Answer<bool> {
    let sql =
        "update secrets set password_hash = $4 where tenant_id = $1 and user_id = $2 and password_hash = $3";
    let changed = session
        .execute(sql, &[&tenant.as_str(), &user_id.as_str(), &from.to_stored(), &to.to_stored()])
        .await?;
    Ok(changed == 1)
}

/// Counts a try; false if there have been too many. What is too old to count is forgotten.
pub(super) async fn count_try(
    session: &Session,
    tenant: &TenantId,
    user_id: UserId,
    attempt: PasswordTry,
) -> Answer<bool> {
    let (tenant, user) = (tenant.as_str(), user_id.as_str());
    // Tries of one user are counted one after another.
    let lock = "select 1 from users where tenant_id = $1 and user_id = $2 for no key update";
    if session.row(lock, &[&tenant, &user]).await?.is_none() {
        return Ok(false);
    }
    let forget = "delete from password_tries where tenant_id = $1 and user_id = $2 and tried_at <= $3";
    session.execute(forget, &[&tenant, &user, &attempt.since.0]).await?;
    let count = "insert into password_tries (tenant_id, user_id, tried_at, tries) \
                 select $1, $2, $3, 1 where (select coalesce(sum(tries), 0) from password_tries \
                 where tenant_id = $1 and user_id = $2) < $4::bigint \
                 on conflict (tenant_id, user_id, tried_at) do update set tries = password_tries.tries + 1";
    let counted = session.execute(count, &[&tenant, &user, &attempt.now.0, &i64::from(attempt.most)]).await?;
    Ok(counted == 1)
}
