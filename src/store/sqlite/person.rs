//! What is kept of one person in many places.

use rusqlite::{Connection, params};

use super::outbox;
use super::rows::unknown;
use crate::directory::person::{Asked, Traces};
use crate::directory::proof::AddressKind;
use crate::id::{TenantId, UserId};
use crate::time::Timestamp;

pub(super) fn traces(
    connection: &Connection,
    tenant: &TenantId,
    user_id: UserId,
) -> rusqlite::Result<Traces> {
    let of = [tenant.as_str(), user_id.as_str()];
    let mails = connection
        .prepare_cached(
            "select tenant_id, mail_id, kind, token_id, user_id, identifier_id, created_at, due_at, attempts \
             from outbox where tenant_id = ?1 and user_id = ?2 \
             and kind in (select value from json_each(?3)) order by created_at, mail_id",
        )?
        .query_map(params![of[0], of[1], outbox::known_kinds()], outbox::mail)?
        .collect::<rusqlite::Result<_>>()?;
    let requests = connection
        .prepare_cached(
            "select requested_at, kind, canonical, requests from proof_requests \
             where tenant_id = ?1 and user_id = ?2 order by requested_at, kind, canonical",
        )?
        .query_map(of, |row| {
            let kind = AddressKind::from_name(row.get_ref(1)?.as_str()?);
            Ok(Asked {
                at: Timestamp(row.get(0)?),
                kind: kind.ok_or_else(|| unknown(1))?,
                canonical: row.get(2)?,
                times: row.get(3)?,
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    let password_tries = connection
        .prepare_cached(
            "select tried_at, tries from password_tries where tenant_id = ?1 and user_id = ?2 order by tried_at",
        )?
        .query_map(of, |row| Ok((Timestamp(row.get(0)?), row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Traces { mails, requests, password_tries })
}
