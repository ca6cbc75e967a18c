//! Brings the file's schema up to date. `user_version` counts the steps that have been taken.

use anyhow::bail;
use rusqlite::{Connection, TransactionBehavior};

use super::recompute;
use crate::id::TenantId;
use crate::time::Timestamp;

/// A step of the schema.
struct Step {
    sql: &'static str,
    /// Fills what the statements have made room for and only code can compute.
    fill: fn(&Connection) -> anyhow::Result<()>,
}

impl Step {
    /// A step that statements take alone.
    const fn of(sql: &'static str) -> Self {
        Self { sql, fill: |_| Ok(()) }
    }
}

/// The steps, in order. One that has shipped is never edited.
const STEPS: &[Step] = &[
    Step::of(include_str!("../../../migrations/sqlite/0001_directory.sql")),
    Step::of(include_str!("../../../migrations/sqlite/0002_groups.sql")),
    Step::of(include_str!("../../../migrations/sqlite/0003_secrets.sql")),
    Step { sql: include_str!("../../../migrations/sqlite/0004_search.sql"), fill: recompute::search },
    Step::of(include_str!("../../../migrations/sqlite/0005_logs.sql")),
    Step::of(include_str!("../../../migrations/sqlite/0006_proofs.sql")),
    Step::of(include_str!("../../../migrations/sqlite/0007_mail_logs.sql")),
    Step::of(include_str!("../../../migrations/sqlite/0008_resets.sql")),
    Step::of(include_str!("../../../migrations/sqlite/0009_keys.sql")),
    Step::of(include_str!("../../../migrations/sqlite/0010_erasing.sql")),
];

/// What `application_id` is in a file of ours: "bona". It tells our files from those of others.
const APPLICATION_ID: i32 = 0x626f_6e61;

/// How many steps there are.
pub(super) fn known() -> usize {
    STEPS.len()
}

/// Fails unless the file is a store that needs no steps.
pub(super) fn check_current(connection: &Connection) -> anyhow::Result<()> {
    let taken = steps_taken(connection)?;
    if taken < STEPS.len() {
        bail!(
            "its schema has version {taken}, and this program needs {}: `bonafide serve` brings it up to date",
            STEPS.len()
        );
    }
    Ok(())
}

/// How many steps have been taken. Reads only, so that a file that is not ours stays as it is.
///
/// # Errors
/// A file of another program, or of a newer version of this one.
pub(super) fn steps_taken(connection: &Connection) -> anyhow::Result<usize> {
    let sql = "select (select application_id from pragma_application_id), \
               (select user_version from pragma_user_version), (select count(*) from sqlite_schema)";
    let found: (i32, u32, u32) =
        connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    match found {
        (0, 0, 0) => Ok(0),
        (APPLICATION_ID, taken, _) if taken as usize <= STEPS.len() => Ok(taken as usize),
        (APPLICATION_ID, taken, _) => bail!(
            "its schema has version {taken}, and this program knows {} at most: it was written by a newer bonafide, \
             use that one or restore a backup",
            STEPS.len()
        ),
        _ => bail!("it is a database of another program"),
    }
}

/// Takes the steps that are missing, in one transaction, and makes the default tenant.
pub(super) fn run(connection: &mut Connection, now: Timestamp) -> anyhow::Result<()> {
    // Immediate: of two processes that start at once, the second waits and finds nothing to do.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let taken = steps_taken(&transaction)?;
    for step in &STEPS[taken..] {
        transaction.execute_batch(step.sql)?;
        (step.fill)(&transaction)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", STEPS.len() as u32)?;
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
        connection.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
        connection.pragma_update(None, "user_version", STEPS.len() as u32 + 1).unwrap();
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

    fn store_of_the_first_schema(path: &std::path::Path) -> Connection {
        let connection = Connection::open(path).unwrap();
        connection.execute_batch(STEPS[0].sql).unwrap();
        connection.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
        connection.pragma_update(None, "user_version", 1).unwrap();
        connection
    }

    #[tokio::test]
    async fn a_store_from_before_there_were_groups_keeps_its_events() {
        use crate::store::{EventList, Store as _};
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("older.db");
        let connection = store_of_the_first_schema(&path);
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
        let connection = store_of_the_first_schema(&path);
        connection.execute("insert into tenants (tenant_id, created_at) values ('acme', 5)", []).unwrap();
        let error = format!("{:#}", SqliteStore::open_existing(&path).err().unwrap());
        assert!(error.contains("older.db") && error.contains("version 1"), "{error}");
        drop(SqliteStore::open(&path, Timestamp(0)).unwrap());
        let tenants: i64 =
            connection.query_row("select count(*) from tenants", [], |row| row.get(0)).unwrap();
        let secrets: i64 =
            connection.query_row("select count(*) from secrets", [], |row| row.get(0)).unwrap();
        assert_eq!((tenants, secrets), (2, 0));
    }

    #[tokio::test]
    async fn the_logs_of_a_store_from_before_there_were_any_are_counted() {
        use crate::store::search::logs::parse;
        use crate::store::{LogSortKey, Sorted, Store as _};
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("older.db");
        let connection = store_of_the_first_schema(&path);
        for tenant in ["acme", "default"] {
            connection
                .execute("insert into tenants (tenant_id, created_at) values (?1, 5)", [tenant])
                .unwrap();
        }
        for (position, kind) in [(1, "user.created"), (2, "user.email.verified"), (3, "user.deleted")] {
            connection
                .execute(
                    "insert into events (tenant_id, position, event_id, type, time, user_id, method, key_id, key_name, request_id) \
                     values ('default', ?1, zeroblob(16), ?2, 5, 'UOtBaOybB6dTpIJNrnkRw', 'admin_api', \
                     '0123456789ab', 'a', '0123456789abcdef0123456789abcdef')",
                    (position, kind),
                )
                .unwrap();
        }
        drop(connection);
        let store = SqliteStore::open(&path, Timestamp(0)).unwrap();
        for (tenant, filter, expected) in
            [("default", "", 2), ("acme", "", 0), ("default", "code:user_deleted", 1)]
        {
            let page = Sorted { sort: LogSortKey::Code, descending: false, offset: 0, limit: 10 };
            let found = store.logs(&tenant.parse().unwrap(), parse(filter).unwrap(), page).await.unwrap();
            assert_eq!((found.total, found.documents.len()), (expected, expected as usize), "{filter}");
        }
    }

    #[tokio::test]
    async fn the_logs_of_a_store_from_before_there_were_those_of_mail_are_counted() {
        use crate::store::search::logs::parse;
        use crate::store::{LogSortKey, Sorted, Store as _};
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("older.db");
        let connection = store_of_the_first_schema(&path);
        for step in &STEPS[1..6] {
            connection.execute_batch(step.sql).unwrap();
        }
        connection.pragma_update(None, "user_version", 6).unwrap();
        connection
            .execute_batch(
                "insert into tenants (tenant_id, created_at, logs) values ('acme', 5, 1); \
                 insert into events (tenant_id, position, event_id, type, time, user_id, method, key_id, key_name, request_id, actor) \
                 select 'acme', column1, zeroblob(16), column2, 5, '', 'policy', '', '', \
                 '0123456789abcdef0123456789abcdef', 'server' from \
                 (values (1, 'user.created'), (2, 'user.email.mail_given_up'), (3, 'user.email.verified'))",
            )
            .unwrap();
        drop(connection);
        let store = SqliteStore::open(&path, Timestamp(0)).unwrap();
        for (filter, expected) in [("", 2), ("actor.type:system", 1)] {
            let page = Sorted { sort: LogSortKey::Code, descending: false, offset: 0, limit: 10 };
            let found = store.logs(&"acme".parse().unwrap(), parse(filter).unwrap(), page).await.unwrap();
            assert_eq!((found.total, found.documents.len()), (expected, expected as usize), "{filter}");
        }
    }

    /// What the code computes of documents is computed anew for those that are there.
    #[test]
    fn users_and_groups_of_an_older_store_are_found_and_sorted_as_new_ones_are() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("older.db");
        let connection = store_of_the_first_schema(&path);
        connection.execute_batch(STEPS[1].sql).unwrap();
        connection.execute_batch(STEPS[2].sql).unwrap();
        connection.pragma_update(None, "user_version", 3).unwrap();
        // More than are in memory at once; every one with a term that nobody has any more.
        let users = 250;
        for number in 0..users {
            let user_id = format!("{number:021}");
            let document = crate::store::contract::document(&user_id, |user| {
                user.claims.insert("family_name".to_owned(), format!("Straße {number}").into());
                user.private_data.insert("beta".to_owned(), false.into());
            });
            connection
                .execute(
                    "insert into users (tenant_id, user_id, version, shape, document, creation_time, last_updated) \
                     values ('default', ?1, 1, 1, ?2, 5, 5)",
                    (&user_id, document),
                )
                .unwrap();
            connection
                .execute("insert into index_terms values ('default', 'emails.color', 'red', ?1)", [user_id])
                .unwrap();
        }
        connection
            .execute(
                "insert into groups (tenant_id, group_id, version, name, canonical, description, is_auto_assigned, \
                 creation_time, last_updated, last_assigned) \
                 values ('default', zeroblob(16), 1, 'R&D Süd', 'r&d süd', 'Straße', 0, 5, 5, 5)",
                [],
            )
            .unwrap();
        drop(SqliteStore::open(&path, Timestamp(0)).unwrap());
        let count = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(count("select count(*) from index_terms where field = 'emails.color'"), 0);
        let terms = "select count(*) from index_terms where tenant_id = 'default' and ";
        assert_eq!(count(&format!("{terms} field = 'private_data.beta' and value = 'false'")), users);
        assert_eq!(count(&format!("{terms} field = 'claims.family_name' and value = 'strasse 249'")), 1);
        assert_eq!(
            count("select count(*) from users where family_name like 'strasse %' and name = ''"),
            users
        );
        let group = "select words || folded_description from groups";
        let forms: String = connection.query_row(group, [], |row| row.get(0)).unwrap();
        assert_eq!(forms, " r d süd strasse");
    }

    #[test]
    fn a_database_of_another_program_is_refused_by_name_and_left_as_it_is() {
        for sql in [
            "create table notes (text text)",
            "pragma user_version = 1",
            "pragma application_id = 7",
            "pragma journal_mode = wal; create table notes (text text)",
        ] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("notes.db");
            Connection::open(&path).unwrap().execute_batch(sql).unwrap();
            let before = std::fs::read(&path).unwrap();
            let opened = [SqliteStore::open(&path, Timestamp(0)), SqliteStore::open_existing(&path)];
            for opened in opened {
                let error = format!("{:#}", opened.err().unwrap());
                assert!(error.contains("notes.db") && error.contains("another program"), "{error}");
            }
            assert!(before == std::fs::read(&path).unwrap(), "{sql}");
        }
    }

    #[test]
    fn an_empty_file_becomes_a_store_only_for_who_may_make_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("empty.db");
        std::fs::write(&path, "").unwrap();
        let error = format!("{:#}", SqliteStore::open_existing(&path).err().unwrap());
        assert!(error.contains("empty.db") && error.contains("`bonafide serve`"), "{error}");
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 0);
        drop(SqliteStore::open(&path, Timestamp(0)).unwrap());
        assert!(SqliteStore::open_existing(&path).is_ok());
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
