//! Brings the file's schema up to date. `user_version` counts the steps that have been taken.

use anyhow::bail;
use rusqlite::{Connection, TransactionBehavior};

use crate::id::TenantId;
use crate::time::Timestamp;

/// The steps, in order. One that has shipped is never edited.
const MIGRATIONS: &[&str] = &[
    include_str!("../../../migrations/sqlite/0001_directory.sql"),
    include_str!("../../../migrations/sqlite/0002_groups.sql"),
    include_str!("../../../migrations/sqlite/0003_secrets.sql"),
];

/// Takes the steps that are missing, in one transaction, and makes the default tenant.
pub(super) fn run(connection: &mut Connection, now: Timestamp) -> anyhow::Result<()> {
    // Immediate: of two processes that start at once, the second waits and finds nothing to do.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let taken: u32 = transaction.query_row("pragma user_version", [], |row| row.get(0))?;
    let taken = taken as usize;
    if taken > MIGRATIONS.len() {
        bail!(
            "its schema has version {taken}, and this program knows {} at most: it was written by a newer bonafide, \
             use that one or restore a backup",
            MIGRATIONS.len()
        );
    }
    for migration in &MIGRATIONS[taken..] {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "user_version", MIGRATIONS.len() as u32)?;
    transaction.execute(
        "insert into tenants (tenant_id, created_at) values (?1, ?2) on conflict do nothing",
        (TenantId::default_tenant().as_str(), now.0),
    )?;
    transaction.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::SqliteStore;

    #[test]
    fn a_store_with_a_newer_schema_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("newer.db");
        let connection = Connection::open(&path).unwrap();
        connection.pragma_update(None, "user_version", MIGRATIONS.len() as u32 + 1).unwrap();
        drop(connection);
        let error = format!("{:#}", SqliteStore::open(&path, Timestamp(0)).err().unwrap());
        assert!(error.contains("newer.db") && error.contains("newer bonafide"), "{error}");
    }

    #[test]
    fn a_file_that_is_no_store_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.txt");
        std::fs::write(&path, "dear diary, ".repeat(1000)).unwrap();
        let error = format!("{:#}", SqliteStore::open(&path, Timestamp(0)).err().unwrap());
        assert!(error.contains("notes.txt"), "{error}");
    }

    #[tokio::test]
    async fn a_store_from_before_there_were_groups_keeps_its_events() {
        use crate::store::{EventList, Store as _};
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("older.db");
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch(MIGRATIONS[0]).unwrap();
        connection.pragma_update(None, "user_version", 1).unwrap();
        connection
            .execute(
                "insert into events (tenant_id, position, event_id, type, time, user_id, method, key_id, key_name, request_id) \
                 values ('default', 1, zeroblob(16), 'user.deleted', 5, 'UOtBaOybB6dTpIJNrnkRw', 'admin_api', \
                 '0123456789ab', 'a', '0123456789abcdef0123456789abcdef')",
                [],
            )
            .unwrap();
        drop(connection);
        let store = SqliteStore::open(&path, Timestamp(0)).unwrap();
        let all = EventList { after: 0, limit: 10, user_id: None, kind: None };
        let events = store.events(&TenantId::default_tenant(), all).await.unwrap().events;
        assert_eq!(events[0].1.user_id.unwrap().as_str(), "UOtBaOybB6dTpIJNrnkRw");
        assert_eq!(events[0].1.group_id, None);
    }

    #[test]
    fn a_store_of_the_first_schema_gets_the_missing_steps_and_keeps_what_it_has() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("older.db");
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch(MIGRATIONS[0]).unwrap();
        connection.pragma_update(None, "user_version", 1).unwrap();
        connection.execute("insert into tenants (tenant_id, created_at) values ('acme', 5)", []).unwrap();
        drop(SqliteStore::open(&path, Timestamp(0)).unwrap());
        let tenants: i64 =
            connection.query_row("select count(*) from tenants", [], |row| row.get(0)).unwrap();
        let secrets: i64 =
            connection.query_row("select count(*) from secrets", [], |row| row.get(0)).unwrap();
        assert_eq!((tenants, secrets), (2, 0));
    }

    #[test]
    fn opening_twice_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let schema = || -> Vec<String> {
            drop(SqliteStore::open(&path, Timestamp(0)).unwrap());
            let connection = Connection::open(&path).unwrap();
            let mut statement = connection
                .prepare("select sql from sqlite_schema where sql is not null order by name")
                .unwrap();
            statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
        };
        let first = schema();
        assert!(first.iter().any(|sql| sql.to_lowercase().contains("create table events")));
        assert_eq!(first, schema());
    }
}
