//! Brings the schema of the database up to date. The table `schema_version` counts the steps that
//! have been taken, and tells our databases from those of others.

use anyhow::{Context, Result, bail};
use tokio_postgres::{Client, Transaction};

use crate::id::TenantId;
use crate::time::Timestamp;

/// The steps, in order. One that has shipped is never edited.
const MIGRATIONS: &[&str] = &[
    include_str!("../../../migrations/postgres/0001_directory.sql"),
    include_str!("../../../migrations/postgres/0002_proofs.sql"),
    include_str!("../../../migrations/postgres/0003_mail_logs.sql"),
    include_str!("../../../migrations/postgres/0004_resets.sql"),
    include_str!("../../../migrations/postgres/0005_keys.sql"),
];

/// The lock under which steps are taken, so that of several servers that start at once one takes
/// them and the others find nothing to do: "bona", and 1.
const LOCK: i64 = 0x626f_6e61_0000_0001;

/// Fails unless the database is a store that needs no steps.
pub(super) async fn check_current(client: &Client) -> Result<()> {
    let taken = steps_taken(client).await?;
    if taken < MIGRATIONS.len() {
        bail!(
            "its schema has version {taken}, and this program needs {}: `bonafide migrate` brings it up to date",
            MIGRATIONS.len()
        );
    }
    Ok(())
}

/// How many steps have been taken, and how many there are.
pub(super) async fn steps(client: &Client) -> Result<(usize, usize)> {
    Ok((steps_taken(client).await?, MIGRATIONS.len()))
}

/// How many steps have been taken. Reads only, so that a database that is not ours stays as it is.
///
/// # Errors
/// A database of another program, or of a newer version of this one.
async fn steps_taken(client: &Client) -> Result<usize> {
    let tables = "select count(*), count(*) filter (where relname = 'schema_version') from pg_class \
                  where relnamespace = current_schema()::regnamespace and relkind in ('r', 'p', 'v')";
    let row = client.query_typed_one(tables, &[]).await?;
    match (row.get::<_, i64>(0), row.get::<_, i64>(1)) {
        (0, _) => return Ok(0),
        (_, 0) => bail!("it is a database of another program"),
        _ => {}
    }
    let row = client.query_typed_one("select coalesce(max(version), 0) from schema_version", &[]).await?;
    let taken = usize::try_from(row.get::<_, i64>(0)).context("its schema has a negative version")?;
    if taken > MIGRATIONS.len() {
        bail!(
            "its schema has version {taken}, and this program knows {} at most: it was written by a newer bonafide, \
             use that one or restore a backup",
            MIGRATIONS.len()
        );
    }
    Ok(taken)
}

/// Takes the steps that are missing, in one transaction, and makes the default tenant. Gives how
/// many steps it took.
pub(super) async fn run(client: &mut Client, now: Timestamp) -> Result<usize> {
    // A step may take long on large tables, and so may waiting for another server that takes it.
    client.batch_execute("set statement_timeout = 0; set idle_in_transaction_session_timeout = 0").await?;
    // Before anything is written: it may be another program's.
    steps_taken(client).await?;
    let transaction = client.transaction().await?;
    transaction.execute("select pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    let taken = steps_taken(transaction.client()).await?;
    take(&transaction, taken, now).await?;
    transaction.commit().await?;
    Ok(MIGRATIONS.len() - taken)
}

async fn take(transaction: &Transaction<'_>, taken: usize, now: Timestamp) -> Result<()> {
    if taken == 0 {
        let table =
            "create table schema_version (version bigint not null primary key, taken_at bigint not null)";
        transaction.batch_execute(table).await?;
    }
    for (version, migration) in (1_i64..).zip(MIGRATIONS).skip(taken) {
        transaction.batch_execute(migration).await?;
        transaction
            .execute("insert into schema_version (version, taken_at) values ($1, $2)", &[&version, &now.0])
            .await?;
    }
    transaction
        .execute(
            "insert into tenants (tenant_id, created_at) values ($1, $2) on conflict do nothing",
            &[&TenantId::default_tenant().as_str(), &now.0],
        )
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio_postgres::NoTls;

    use super::super::testing::Database;
    use super::super::{Options, PostgresStore, migrate};
    use super::*;

    async fn connect(url: &str) -> Client {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    /// What opening the store in this database complains of.
    async fn complaint(url: &str) -> String {
        format!("{:#}", PostgresStore::open(&Options::new(url), Timestamp(0)).await.err().unwrap())
    }

    async fn number(client: &Client, sql: &str) -> i64 {
        client.query_one(sql, &[]).await.unwrap().get(0)
    }

    #[tokio::test]
    async fn a_store_with_a_newer_schema_is_refused_by_name() {
        let database = Database::empty().await;
        migrate(&Options::new(&database.url), Timestamp(0)).await.unwrap();
        let newer = "insert into schema_version (version, taken_at) values ($1, 0)";
        let version = i64::try_from(MIGRATIONS.len()).unwrap() + 1;
        connect(&database.url).await.execute(newer, &[&version]).await.unwrap();
        let error = complaint(&database.url).await;
        let name = database.url.rsplit(['/', '?']).nth(1).unwrap();
        assert!(error.contains(name) && error.contains("newer bonafide"), "{error}");
    }

    #[tokio::test]
    async fn a_database_of_another_program_is_refused_and_left_as_it_is() {
        let database = Database::empty().await;
        let client = connect(&database.url).await;
        client.batch_execute("create table notes (text text)").await.unwrap();
        let existing = PostgresStore::open_existing(&Options::new(&database.url)).await.err().unwrap();
        for error in [complaint(&database.url).await, format!("{existing:#}")] {
            assert!(error.contains("another program"), "{error}");
        }
        let tables = "select count(*) from pg_tables where schemaname = 'public'";
        assert_eq!(number(&client, tables).await, 1);
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_and_a_database_that_is_not_are_told_by_name() {
        let database = Database::empty().await;
        let nowhere = "postgres://me:hush@127.0.0.1:1/users";
        for url in [nowhere, &database.url.replace("/test", "/no_such_")] {
            let error = complaint(url).await;
            let place = url.split('?').next().unwrap().rsplit('/').next().unwrap();
            assert!(error.contains(place) && !error.contains("hush"), "{error}");
        }
    }

    #[tokio::test]
    async fn an_empty_database_becomes_a_store_only_for_who_may_make_one() {
        let database = Database::empty().await;
        let options = Options::new(&database.url);
        let error = format!("{:#}", PostgresStore::open_existing(&options).await.err().unwrap());
        assert!(error.contains("`bonafide migrate`"), "{error}");
        assert_eq!(migrate(&options, Timestamp(0)).await.unwrap(), MIGRATIONS.len());
        assert_eq!(migrate(&options, Timestamp(0)).await.unwrap(), 0);
        assert!(PostgresStore::open_existing(&options).await.is_ok());
    }

    #[tokio::test]
    async fn the_logs_of_a_store_from_before_there_were_those_of_mail_are_counted() {
        use crate::store::search::logs::parse;
        use crate::store::{LogSortKey, Sorted, Store as _};
        let database = Database::empty().await;
        let client = connect(&database.url).await;
        let table =
            "create table schema_version (version bigint not null primary key, taken_at bigint not null)";
        let events = "insert into schema_version values (1, 0), (2, 0); \
                      insert into tenants (tenant_id, created_at, logs) values ('acme', 5, 1); \
                      insert into events (tenant_id, position, event_id, type, time, user_id, method, key_id, key_name, request_id, actor) \
                      select 'acme', position, decode(repeat('00', 16), 'hex'), type, 5, '', 'policy', '', '', repeat('0', 32), 'server' \
                      from (values (1, 'user.created'), (2, 'user.email.mail_given_up'), (3, 'user.email.verified')) as event (position, type)";
        for sql in [table, MIGRATIONS[0], MIGRATIONS[1], events] {
            client.batch_execute(sql).await.unwrap();
        }
        let options = Options::new(&database.url);
        assert_eq!(migrate(&options, Timestamp(0)).await.unwrap(), MIGRATIONS.len() - 2);
        let store = PostgresStore::open_existing(&options).await.unwrap();
        for (filter, expected) in [("", 2), ("actor.type:system", 1)] {
            let page = Sorted { sort: LogSortKey::Code, descending: false, offset: 0, limit: 10 };
            let found = store.logs(&"acme".parse().unwrap(), parse(filter).unwrap(), page).await.unwrap();
            assert_eq!((found.total, found.documents.len()), (expected, expected as usize), "{filter}");
        }
        store.close().await;
    }

    #[tokio::test]
    async fn servers_that_start_at_once_take_each_step_once() {
        let database = Database::empty().await;
        let options = Options::new(&database.url);
        let patient = Options { statement_timeout: std::time::Duration::from_secs(30), ..options };
        let starts = (0..6).map(|_| migrate(&patient, Timestamp(0)));
        let taken = futures_util::future::join_all(starts).await;
        let taken: usize = taken.into_iter().map(Result::unwrap).sum();
        assert_eq!(taken, MIGRATIONS.len());
        let client = connect(&database.url).await;
        assert_eq!(number(&client, "select count(*) from tenants").await, 1);
    }
}
