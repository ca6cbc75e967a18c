//! Reading all that a tenant has, on a connection of its own.

use std::collections::HashMap;

use tokio::sync::mpsc;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::super::search::Search;
use super::super::{GroupSortKey, Portion, Record, Sorted};
use super::connection::{Answer, Purpose, Server};
use super::rows::{self, each, id};
use super::{failure, groups};
use crate::directory::password::{PasswordHash, SetBy};
use crate::error::Error;
use crate::id::{GroupId, TenantId};
use crate::time::Timestamp;

/// How many users, or groups, are read at once.
const PORTION: u32 = 500;

/// The user whose alone an identifier is.
pub(super) const OWNER: &str = "select user_id from identifiers \
     where tenant_id = $1 and kind = $2 and canonical = $3 and claimant = ''";

/// Hands over all that the tenant has at one moment, until nobody takes it any more.
pub(super) async fn export(
    server: &Server,
    tenant: &TenantId,
    with_hashes: bool,
    to: &mpsc::Sender<Portion>,
) -> Result<(), Error> {
    let (client, driven) =
        server.wait_for(server.connect(Purpose::Lists)).await?.map_err(|error| failure(&error))?;
    let exported = hand_over(&client, tenant, with_hashes, to).await;
    driven.abort();
    exported.map_err(|error| failure(&error))
}

async fn hand_over(
    client: &Client,
    tenant: &TenantId,
    with_hashes: bool,
    to: &mpsc::Sender<Portion>,
) -> Answer<()> {
    // Whoever takes it may be slow.
    client
        .batch_execute(
            "set idle_in_transaction_session_timeout = 0; begin isolation level repeatable read, read only",
        )
        .await?;
    let mut offset = 0;
    loop {
        // Groups that are equal in what they are sorted by are sorted by their ids.
        let list = Sorted { sort: GroupSortKey::Type, descending: false, offset, limit: PORTION };
        let page = groups::list(client, tenant, &Search::All, list).await?;
        offset += page.documents.len() as u64;
        if !page.documents.is_empty() && to.send(Portion::Groups(page.documents)).await.is_err() {
            return Ok(());
        }
        if !page.has_next {
            break;
        }
    }
    // No id is as short as this.
    let mut last = String::new();
    loop {
        let users = users_after(client, tenant, &last).await?;
        let (Some((first, _)), Some((end, _))) = (users.first(), users.last()) else { return Ok(()) };
        let (first, end) = (first.clone(), end.clone());
        let users = with_the_rest(client, tenant, (&first, &end), users, with_hashes).await?;
        last = end;
        if to.send(Portion::Users(users)).await.is_err() {
            return Ok(());
        }
    }
}

/// The next users in the order of their ids, each with the id.
async fn users_after(client: &Client, tenant: &TenantId, last: &str) -> Answer<Vec<(String, Record)>> {
    let sql = "select document, user_id, proved_at from users \
               where tenant_id = $1 and user_id > $2 order by user_id limit $3";
    let found = client
        .query_typed(
            sql,
            &[(&tenant.as_str(), Type::TEXT), (&last, Type::TEXT), (&i64::from(PORTION), Type::INT8)],
        )
        .await?;
    each(&found, |row| {
        let proved_at = row.try_get::<_, Option<i64>>(2)?.map(Timestamp);
        let document = rows::document(row, 0)?;
        Ok((row.try_get(1)?, Record { document, proved_at, groups: Vec::new(), password: None }))
    })
}

/// The same users, whose ids are from one to another, with what is in other tables.
async fn with_the_rest(
    client: &Client,
    tenant: &TenantId,
    (first, last): (&str, &str),
    users: Vec<(String, Record)>,
    with_hashes: bool,
) -> Answer<Vec<Record>> {
    let tenant = tenant.as_str();
    let between: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 3] =
        [(&tenant, Type::TEXT), (&first, Type::TEXT), (&last, Type::TEXT)];
    let sql = "select user_id, group_id, creation_time from memberships \
               where tenant_id = $1 and user_id between $2 and $3 order by user_id, group_id";
    let mut groups: HashMap<String, Vec<(GroupId, Timestamp)>> = HashMap::new();
    for row in &client.query_typed(sql, &between).await? {
        let membership = (GroupId::from_bytes(id(row, 1)?), Timestamp(row.try_get(2)?));
        groups.entry(row.try_get(0)?).or_default().push(membership);
    }
    let mut passwords = HashMap::new();
    if with_hashes {
        let sql = "select user_id, password_hash, set_by from secrets \
                   where tenant_id = $1 and user_id between $2 and $3";
        for row in &client.query_typed(sql, &between).await? {
            let hash = PasswordHash::from_stored(row.try_get(1)?);
            // A word that only a newer version of this program knows is trusted by nobody here.
            let set_by = SetBy::from_name(row.try_get(2)?).unwrap_or(SetBy::Untrusted);
            passwords.insert(row.try_get::<_, String>(0)?, (hash, set_by));
        }
    }
    let whole = users.into_iter().map(|(user_id, record)| Record {
        groups: groups.remove(&user_id).unwrap_or_default(),
        password: passwords.remove(&user_id),
        ..record
    });
    Ok(whole.collect())
}
