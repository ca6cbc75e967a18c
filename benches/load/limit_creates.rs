//! The limit of making users: one thread that writes, on the same disk, the rows that the store keeps of
//! the same new users, and has no server, no rules and nothing to sort by.

use std::path::Path;

use anyhow::{Context as _, Result};
use bonafide::directory::event::{Actor, Context};
use bonafide::directory::user::User;
use bonafide::id::{IdentifierId, SystemRandom};
use bonafide::store::{DocumentChange, IdentifierChange, UserChange};
use bonafide::time::{Clock, SystemClock};
use rusqlite::{Connection, Transaction, params};

use crate::people::newcomer;
use crate::raw_writes::{self, connect};
use crate::seed::origin;

/// More users than are written in a second; if they are fewer, the run ends before its time.
const A_SECOND: u64 = 20_000;

/// How new users are written.
pub(crate) struct Way {
    /// How many events each of them is.
    events: usize,
    /// How many share a commit.
    together: usize,
}

/// Users who are made one by one, by as many connections.
pub(crate) const CREATED: Way = Way { events: usize::MAX, together: raw_writes::BATCH };
/// Users who are imported.
pub(crate) const IMPORTED: Way = Way { events: 1, together: bonafide::app::import::TOGETHER };

/// What the store has, without what only sorting needs.
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
create table index_terms (
    tenant_id text not null,
    field text not null,
    value text not null,
    user_id text not null,
    primary key (tenant_id, field, value, user_id)
) strict, without rowid;
create table events (
    tenant_id text not null,
    position integer not null,
    event_id blob not null,
    type text not null,
    time integer not null,
    user_id text not null,
    identifier_id blob,
    method text not null,
    key_id text not null,
    key_name text not null,
    request_id text not null,
    personal text,
    previous integer,
    primary key (tenant_id, position)
) strict, without rowid;
";

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
         insert into index_terms select tenant_id, field, value, user_id from store.index_terms;
         insert into events
             select tenant_id, position, event_id, type, time, user_id, identifier_id, method, key_id, key_name,
                    request_id, personal, previous from store.events;
         detach store;",
    )?;
    raw_writes::close(connection)
}

/// Writes new users for so long and prints the figures as JSON; the times are those of whole batches.
pub(crate) fn run(file: &Path, seconds: u32, way: &Way) -> Result<()> {
    let mut connection = connect(file)?;
    let mut position = newest_event(&connection)?;
    // Everybody who was ever written here has an event, so these digits are nobody's.
    let first = position.unsigned_abs();
    let changes: Vec<UserChange> = (first..first + A_SECOND * u64::from(seconds))
        .map(|number| change(number, way))
        .collect::<Result<_>>()?;
    let mut changes = changes.iter();
    raw_writes::print(&mut connection, seconds, way.together, |transaction| {
        let Some(change) = changes.next() else { return Ok(false) };
        write(transaction, change, &mut position)?;
        Ok(true)
    })
}

fn newest_event(connection: &Connection) -> Result<i64> {
    Ok(connection.query_row("select coalesce(max(position), 0) from events", [], |row| row.get(0))?)
}

/// What the store would keep of a new user.
fn change(number: u64, way: &Way) -> Result<UserChange> {
    let origin = origin();
    let ctx = Context { now: SystemClock::start().now(), random: &SystemRandom, origin: &origin };
    let (mut user, mut events) = User::create(newcomer(&format!("{number:07}")), &ctx)?;
    events.truncate(way.events);
    Ok(UserChange::create(&origin.tenant, &mut user, Vec::new(), events.into()))
}

fn write(transaction: &Transaction<'_>, change: &UserChange, position: &mut i64) -> Result<()> {
    let (tenant, user) = (change.tenant.as_str(), change.user_id.as_str());
    let DocumentChange::Create(row, ..) = &change.document else { unreachable!("all of them are new") };
    transaction
        .prepare_cached("insert into users (tenant_id, user_id, version, document) values (?1, ?2, 1, ?3)")?
        .execute(params![tenant, user, std::str::from_utf8(&row.document)?])?;
    for identifier in &change.identifiers {
        let IdentifierChange::Add(identifier) = identifier else { unreachable!("all of them are new") };
        let claimant = if identifier.owned { "" } else { user };
        transaction.prepare_cached("insert into identifiers values (?1, ?2, ?3, ?4, ?5, ?6)")?.execute(
            params![
                tenant,
                identifier.kind.as_str(),
                identifier.canonical,
                claimant,
                user,
                identifier.id.as_bytes()
            ],
        )?;
    }
    for term in &change.added_terms {
        transaction
            .prepare_cached("insert into index_terms values (?1, ?2, ?3, ?4)")?
            .execute(params![tenant, term.field, term.value, user])?;
    }
    for event in &change.events {
        let Actor::Key { key_id, key_name } = &event.actor else {
            unreachable!("all of them are made with a key")
        };
        let address = event.personal.address.as_ref().map(|address| format!("{{\"address\":\"{address}\"}}"));
        *position += 1;
        transaction
            .prepare_cached(
                "insert into events values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, null)",
            )?
            .execute(params![
                tenant,
                *position,
                event.id.as_bytes(),
                event.kind.as_str(),
                event.time.0,
                user,
                event.identifier_id.as_ref().map(IdentifierId::as_bytes),
                event.method.as_str(),
                key_id.as_str(),
                key_name,
                event.request_id.to_string(),
                address
            ])?;
    }
    Ok(())
}
