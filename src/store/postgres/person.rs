//! What is kept of one person in many places: reading it, and erasing it.

use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};

use super::super::statement::{ASKED_OF_USER, ERASE_TRACES, TRIES_OF_USER};
use super::connection::{Answer, Session};
use super::rows::{Readable, each};
use super::{events, outbox};
use crate::directory::event::Event;
use crate::directory::person::{Asked, Traces};
use crate::directory::proof::AddressKind;
use crate::id::{TenantId, UserId};
use crate::time::Timestamp;

/// A kind of address, read by its name.
struct Kind(AddressKind);

impl std::str::FromStr for Kind {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        AddressKind::from_name(name).map(Self).ok_or(())
    }
}

/// A count of the table.
fn count(number: i64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

pub(super) async fn traces(client: &Client, tenant: &TenantId, user_id: UserId) -> Answer<Traces> {
    let of: [(&(dyn ToSql + Sync), Type); 3] = [
        (&tenant.as_str(), Type::TEXT),
        (&user_id.as_str(), Type::TEXT),
        (&outbox::known_kinds(), Type::TEXT_ARRAY),
    ];
    let mails = client
        .query_typed(
            "select tenant_id, mail_id, kind, token_id, user_id, identifier_id, created_at, due_at, attempts \
             from outbox where tenant_id = $1 and user_id = $2 and kind = any($3) order by created_at, mail_id",
            &of,
        )
        .await?;
    let requests = client.query_typed(ASKED_OF_USER, &of[..2]).await?;
    let tries = client.query_typed(TRIES_OF_USER, &of[..2]).await?;
    Ok(Traces {
        mails: each(&mails, outbox::mail)?,
        requests: each(&requests, |row| {
            Ok(Asked {
                at: Timestamp(row.try_get(0)?),
                kind: row.try_get::<_, Readable<Kind>>(1)?.0.0,
                canonical: row.try_get(2)?,
                times: count(row.try_get(3)?),
            })
        })?,
        password_tries: each(&tries, |row| Ok((Timestamp(row.try_get(0)?), count(row.try_get(1)?))))?,
    })
}

/// Erases what is personal in a user's events, and what else is kept of the user by address; false if there
/// was nothing.
pub(super) async fn erase(session: &Session, tenant: &TenantId, user_id: UserId) -> Answer<bool> {
    let mut erased = 0;
    for sql in [
        // Those without a position first: one that is being moved meanwhile is waited for, and then seen among
        // the others.
        "update pending_events set personal = null \
         where tenant_id = $1 and user_id = $2 and personal is not null",
        "update events set personal = null where tenant_id = $1 and user_id = $2 and personal is not null",
    ]
    .into_iter()
    .chain(ERASE_TRACES)
    {
        erased += session.execute(sql, &[&tenant.as_str(), &user_id.as_str()]).await?;
    }
    Ok(erased > 0)
}

/// Erases what is left of a user who is not there any more, and adds this event; false if there was nothing,
/// or the user is there.
pub(super) async fn erase_record(
    session: &Session,
    tenant: &TenantId,
    user_id: UserId,
    receipt: &Event,
) -> Answer<bool> {
    let there = "select 1 from users where tenant_id = $1 and user_id = $2";
    let is_there = session.row(there, &[&tenant.as_str(), &user_id.as_str()]).await?.is_some();
    if is_there || !erase(session, tenant, user_id).await? {
        return Ok(false);
    }
    events::append(session, tenant, std::slice::from_ref(receipt)).await?;
    Ok(true)
}
