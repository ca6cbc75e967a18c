//! What is kept of one person in many places: reading it, and erasing it.

use rusqlite::{Connection, params};

use super::super::statement::{ASKED_OF_USER, ERASE_TRACES, TRIES_OF_USER};
use super::keep::user_row;
use super::rows::{self, unknown};
use super::{events, outbox};
use crate::directory::event::Event;
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
        .prepare_cached(ASKED_OF_USER)?
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
        .prepare_cached(TRIES_OF_USER)?
        .query_map(of, |row| Ok((Timestamp(row.get(0)?), row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Traces { mails, requests, password_tries })
}

/// Erases what is personal in a user's events, of which this is the newest, and what else is kept of the
/// user by address; false if there was nothing.
pub(super) fn erase(
    connection: &Connection,
    tenant: &TenantId,
    user_id: UserId,
    newest: Option<i64>,
) -> rusqlite::Result<bool> {
    let of = [tenant.as_str(), user_id.as_str()];
    // From each event to the one before it: an index on users would be one more page to write for every
    // change.
    let mut erased = connection
        .prepare_cached(
            "with recursive chain (position, previous) as (\
             select position, previous from events where tenant_id = ?1 and position = ?2 \
             union all select e.position, e.previous from chain cross join events e \
             where e.tenant_id = ?1 and e.position = chain.previous) \
             update events set personal = null \
             where tenant_id = ?1 and position in (select position from chain) and personal is not null",
        )?
        .execute(params![tenant.as_str(), newest])?;
    for sql in ERASE_TRACES {
        erased += connection.prepare_cached(sql)?.execute(of)?;
    }
    Ok(erased > 0)
}

/// Erases what is left of a user who is not there any more, and appends this event; false if there was
/// nothing, or the user is there.
pub(super) fn erase_record(
    connection: &Connection,
    tenant: &TenantId,
    user_id: UserId,
    receipt: &Event,
) -> rusqlite::Result<bool> {
    if user_row(connection, tenant, user_id)?.is_some() {
        return Ok(false);
    }
    let newest = events::newest_of_user(connection, tenant, user_id)?;
    if !erase(connection, tenant, user_id, newest)? {
        return Ok(false);
    }
    let position = rows::last_position(connection, tenant)? + 1;
    rows::insert_event(connection, tenant, position, newest, receipt)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use crate::store::contract::{erase_one_of_two, sqlite};
    use crate::store::sqlite::backup;

    /// The file itself may hold what was erased in room that it does not use any more.
    #[tokio::test]
    async fn what_is_erased_is_nowhere_in_a_copy() {
        let (store, folder) = sqlite().await;
        let (erased, kept) = erase_one_of_two(&*store).await;
        let copy = folder.path().join("copy.db");
        backup(&folder.path().join("contract.db"), &copy).unwrap();
        store.close().await;
        let file = std::fs::read(copy).unwrap();
        let holds = |text: &str| file.windows(text.len()).any(|bytes| bytes == text.as_bytes());
        for text in kept {
            assert!(holds(&text), "{text} is not in the copy");
        }
        for text in erased {
            assert!(!holds(&text), "{text} is still in the copy");
        }
    }
}
