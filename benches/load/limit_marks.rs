//! The limit of writing: one thread that does to the same users, on the same disk, what verifying
//! cannot do without, and has no server, no rules and nothing to search by.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rusqlite::{Connection, Transaction, params};

use crate::raw_writes::{self, connect};

/// What the store has, without what only searching and sorting need.
const SCHEMA: &str = "
create table users (
    user_row integer primary key,
    tenant_id text not null,
    user_id text not null,
    version integer not null,
    document text not null
) strict;
create unique index users_id on users (tenant_id, user_id);
create table identifiers (
    tenant_id text not null,
    kind text not null,
    canonical text not null,
    claimant text not null,
    user_id text not null,
    identifier_id blob not null,
    primary key (tenant_id, kind, canonical, claimant)
) strict, without rowid;
create table events (
    tenant_id text not null,
    position integer not null,
    time integer not null,
    user_id text not null,
    identifier_id blob not null,
    details text not null,
    primary key (tenant_id, position)
) strict, without rowid;
";

/// As long as what the store keeps of an event beside the columns above.
const DETAILS: &str = "0123456789abcdef user.email.verified admin_api abcdefghijkl load \
    0123456789abcdef0123456789abcdef {\"address\":\"user.00000@one.example.com\",\"remote_address\":\"127.0.0.1\"}";

/// A user, and the address that is marked.
struct Target {
    tenant_id: String,
    user_id: String,
    identifier_id: Vec<u8>,
    canonical: String,
    document: String,
}

/// Copies the users of a store into a file for [`run`].
pub(crate) fn prepare(store: &Path, file: &Path) -> Result<()> {
    let connection = connect(file)?;
    connection.execute_batch(SCHEMA)?;
    connection.execute("attach ?1 as store", [store.to_str().context("the path is not text")?])?;
    connection.execute_batch(
        "insert into users (tenant_id, user_id, version, document)
             select tenant_id, user_id, version, document from store.users order by user_row;
         insert into identifiers
             select tenant_id, kind, canonical, claimant, user_id, identifier_id from store.identifiers;
         detach store;",
    )?;
    raw_writes::close(connection)
}

/// Marks users for so long and prints the figures as JSON; the times are those of whole batches.
pub(crate) fn run(file: &Path, seconds: u32) -> Result<()> {
    let mut connection = connect(file)?;
    let mut targets = targets(&connection)?;
    ensure!(!targets.is_empty(), "{} has no users", file.display());
    targets.shuffle(&mut StdRng::seed_from_u64(2));
    let mut order = targets.iter().cycle();
    let mut position = connection
        .query_row("select coalesce(max(position), 0) from events", [], |row| row.get::<_, i64>(0))?;

    raw_writes::print(&mut connection, seconds, raw_writes::BATCH, |transaction| {
        let Some(target) = order.next() else { return Ok(false) };
        position += 1;
        mark(transaction, target, position)?;
        Ok(true)
    })
}

/// Every user with the first of their emails.
fn targets(connection: &Connection) -> Result<Vec<Target>> {
    let mut statement = connection.prepare(
        "select tenant_id, user_id, document, identifier_id, canonical
         from users join identifiers using (tenant_id, user_id) where kind = 'email' group by user_row",
    )?;
    let targets = statement.query_map([], |row| {
        Ok(Target {
            tenant_id: row.get(0)?,
            user_id: row.get(1)?,
            document: row.get(2)?,
            identifier_id: row.get(3)?,
            canonical: row.get(4)?,
        })
    })?;
    Ok(targets.collect::<rusqlite::Result<_>>()?)
}

/// Turns the address to the other state, so that every change is one, whatever the last run left.
fn mark(transaction: &Transaction<'_>, target: &Target, position: i64) -> Result<()> {
    let Target { tenant_id, user_id, identifier_id, canonical, document } = target;
    let documents = transaction
        .prepare_cached(
            "update users set version = version + 1, document = ?3 where tenant_id = ?1 and user_id = ?2",
        )?
        .execute(params![tenant_id, user_id, document])?;
    let identifiers = transaction
        .prepare_cached(
            "update identifiers set claimant = case claimant when '' then user_id else '' end \
             where tenant_id = ?1 and kind = 'email' and canonical = ?2 and user_id = ?3",
        )?
        .execute(params![tenant_id, canonical, user_id])?;
    ensure!((documents, identifiers) == (1, 1), "user {user_id} was not found");
    transaction
        .prepare_cached(
            "insert into events (tenant_id, position, time, user_id, identifier_id, details) \
             values (?1, ?2, 0, ?3, ?4, ?5)",
        )?
        .execute(params![tenant_id, position, user_id, identifier_id, DETAILS])?;
    Ok(())
}
