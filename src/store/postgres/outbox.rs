//! Mail that is to be sent.

use tokio_postgres::Row;

use super::connection::{Answer, Session};
use super::rows::{Readable, id, parsed};
use crate::directory::mail::{Mail, MailChange, MailKind};
use crate::id::{IdentifierId, MailId, TenantId};
use crate::time::Timestamp;

/// What is to be tried at a moment and is tried by nobody, the longest due first. Kinds that this
/// program does not know are those of a later version, whose servers send them.
pub(super) const DUE: &str = "select tenant_id, mail_id, kind, token_id, user_id, identifier_id, created_at, due_at, attempts \
     from outbox where due_at <= $1 and leased_until <= $1 and kind = any($2) order by due_at limit $3";

/// How many mails wait; this many are counted at most.
pub(super) const WAITING: &str = "select count(*) from (select 1 from outbox limit $1) as waiting";

/// The kinds of mail that this program can make.
pub(super) fn known_kinds() -> Vec<&'static str> {
    MailKind::ALL.iter().map(|kind| kind.as_str()).collect()
}

/// A kind of mail, read by its name.
struct Kind(MailKind);

impl std::str::FromStr for Kind {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        MailKind::from_name(name).map(Self).ok_or(())
    }
}

pub(super) fn mail(row: &Row) -> Answer<Mail> {
    Ok(Mail {
        tenant: parsed(row, 0)?,
        id: MailId::from_bytes(id(row, 1)?),
        kind: row.try_get::<_, Readable<Kind>>(2)?.0.0,
        token: parsed(row, 3)?,
        user_id: parsed(row, 4)?,
        email: IdentifierId::from_bytes(id(row, 5)?),
        created_at: Timestamp(row.try_get(6)?),
        due_at: Timestamp(row.try_get(7)?),
        attempts: u32::try_from(row.try_get::<_, i64>(8)?).unwrap_or(u32::MAX),
    })
}

/// Makes mail due that waits for a later moment and is tried by nobody.
pub(super) async fn hurry(session: &Session, now: Timestamp) -> Answer<bool> {
    let sql = "update outbox set due_at = $1 where due_at > $1 and leased_until <= $1";
    Ok(session.execute(sql, &[&now.0]).await? > 0)
}

/// Takes a mail for oneself until a moment, and counts that it is tried; false if another has it, or
/// has tried it since it was read, or it is due later by now, or gone.
pub(super) async fn claim(session: &Session, mail: &Mail, now: Timestamp, until: Timestamp) -> Answer<bool> {
    let sql = "update outbox set leased_until = $5, attempts = attempts + 1 \
               where tenant_id = $1 and mail_id = $2 and attempts = $3 and due_at <= $4 and leased_until <= $4";
    let (tenant, id) = (mail.tenant.as_str(), mail.id.as_bytes().as_slice());
    Ok(session.execute(sql, &[&tenant, &id, &i64::from(mail.attempts), &now.0, &until.0]).await? == 1)
}

/// Keeps a mail until a later moment that one has taken; false if another has taken it since, or it is
/// gone.
pub(super) async fn renew(session: &Session, mail: &Mail, until: Timestamp) -> Answer<bool> {
    let sql = "update outbox set leased_until = $4 where tenant_id = $1 and mail_id = $2 and attempts = $3";
    let (tenant, id) = (mail.tenant.as_str(), mail.id.as_bytes().as_slice());
    let attempts = i64::from(mail.attempts) + 1;
    Ok(session.execute(sql, &[&tenant, &id, &attempts, &until.0]).await? == 1)
}

/// Lets a mail wait until a moment that one has taken; false if another has taken it since, or it is
/// gone.
pub(super) async fn postpone(session: &Session, mail: &Mail, due_at: Timestamp) -> Answer<bool> {
    let sql = "update outbox set due_at = $4, leased_until = 0 \
               where tenant_id = $1 and mail_id = $2 and attempts = $3";
    let (tenant, id) = (mail.tenant.as_str(), mail.id.as_bytes().as_slice());
    let attempts = i64::from(mail.attempts) + 1;
    Ok(session.execute(sql, &[&tenant, &id, &attempts, &due_at.0]).await? == 1)
}

/// Removes a mail that was sent, or need not be any more.
pub(super) async fn remove(session: &Session, tenant: &TenantId, id: MailId) -> Answer<bool> {
    let sql = "delete from outbox where tenant_id = $1 and mail_id = $2";
    Ok(session.execute(sql, &[&tenant.as_str(), &id.as_bytes().as_slice()]).await? == 1)
}

/// Keeps what a change makes of mail: for most changes that is nothing at all.
pub(super) async fn keep(session: &Session, tenant: &TenantId, change: &MailChange) -> Answer<()> {
    match change {
        MailChange::Keep => Ok(()),
        MailChange::Send(mail) => {
            let sql = "insert into outbox (tenant_id, mail_id, kind, token_id, user_id, identifier_id, created_at, due_at) \
                       values ($1, $2, $3, $4, $5, $6, $7, $8)";
            session
                .execute(
                    sql,
                    &[
                        &tenant.as_str(),
                        &mail.id.as_bytes().as_slice(),
                        &mail.kind.as_str(),
                        &mail.token.as_str(),
                        &mail.user_id.as_str(),
                        &mail.email.as_bytes().as_slice(),
                        &mail.created_at.0,
                        &mail.due_at.0,
                    ],
                )
                .await
                .map(drop)
        }
        MailChange::Remove(id) => remove(session, tenant, *id).await.map(drop),
    }
}
