//! What is kept of one person in many places.

use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};

use super::connection::Answer;
use super::outbox;
use super::rows::{Readable, each};
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
    let requests = client
        .query_typed(
            "select requested_at, kind, canonical, requests from proof_requests \
             where tenant_id = $1 and user_id = $2 order by requested_at, kind, canonical",
            &of[..2],
        )
        .await?;
    let tries = client
        .query_typed(
            "select tried_at, tries from password_tries where tenant_id = $1 and user_id = $2 order by tried_at",
            &of[..2],
        )
        .await?;
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
