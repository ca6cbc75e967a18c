//! Loading many users into an empty store.
//!
//! Users come in any order, and a tree that grows in any order is read and written all over. So what
//! is ordered by a key waits in temporary tables and goes in sorted, and indexes are made when their
//! rows are there.

use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::super::{KeepError, UserChange};
use super::file::made;
use super::keep;
use super::{SqliteStore, rows};
use crate::directory::password::Decision;
use crate::directory::user::User;
use crate::id::TenantId;
use crate::time::Timestamp;

/// How much memory the pages of the file take at most; sorting takes at most as much again.
const CACHE_KIB: i32 = 128 * 1024;

/// The tables whose rows are in the order of a key.
const SORTED: [&str; 3] = ["identifiers", "index_terms", "secrets"];

/// A user who is to be loaded, with all that is kept of one.
pub struct NewRecord(UserChange);

impl NewRecord {
    /// What [`App::create`](crate::app::App::create) would keep of a new user.
    pub fn of(tenant: &TenantId, user: &mut User, decision: impl Into<Decision>) -> Self {
        // An empty store has no groups to join.
        Self(UserChange::create(tenant, user, Vec::new(), decision.into()))
    }
}

impl SqliteStore {
    /// Loads users into the store in this file, which is made if need be and must be empty but for
    /// tenants and keys, and gives how many they were. The store has then what it would have if they
    /// had been created one by one in this order, and all of it is durable.
    ///
    /// It is one transaction: when it ends in any other way, the store is as empty as before. Until
    /// then nobody else can open it. What waits to be sorted lies in temporary files, in the folder
    /// that `SQLITE_TMPDIR` or `TMPDIR` names; they take about as much room as the store.
    ///
    /// # Errors
    /// A sentence naming the file when it is in use, or has users, groups or events; when there is no
    /// such tenant; when two users have the same id, or claim the same verified address or username,
    /// with their ids; the first error among `users`; and when a disk is full.
    pub fn load(
        path: &Path,
        now: Timestamp,
        users: impl IntoIterator<Item = anyhow::Result<NewRecord>>,
    ) -> anyhow::Result<u64> {
        load(path, now, CACHE_KIB, users)
            .with_context(|| format!("users could not be loaded into the store {}", path.display()))
    }
}

fn load(
    path: &Path,
    now: Timestamp,
    cache_kib: i32,
    users: impl IntoIterator<Item = anyhow::Result<NewRecord>>,
) -> anyhow::Result<u64> {
    let connection = made(path, now)?;
    connection.pragma_update(None, "cache_size", -cache_kib)?;
    // A log would hold every page of the load. A journal holds what was there before: next to nothing.
    let mode: String = connection
        .pragma_update_and_check(None, "journal_mode", "delete", |row| row.get(0))
        .context("it is in use")?;
    ensure!(mode == "delete", "it is in use");
    let transaction = Transaction::new_unchecked(&connection, TransactionBehavior::Exclusive)?;
    let in_it: i64 = connection.query_row(
        "select exists (select 1 from users) + exists (select 1 from events) + exists (select 1 from groups)",
        [],
        |row| row.get(0),
    )?;
    ensure!(in_it == 0, "there are users, groups or events in it already");
    let indexes = drop_indexes(&connection)?;
    make_waiting_tables(&connection)?;
    let loaded = add_all(&connection, users)?;
    sort_waiting(&connection)?;
    for index in indexes {
        connection.execute(&index, [])?;
    }
    transaction.commit()?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.close().map_err(|(_, error)| error)?;
    Ok(loaded)
}

/// Drops the indexes of the tables that are appended to, and gives the statements that make them.
fn drop_indexes(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let found: Vec<(String, String)> = connection
        .prepare(
            "select name, sql from sqlite_schema \
             where type = 'index' and tbl_name in ('users', 'events') and sql is not null",
        )?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (name, _) in &found {
        connection.execute(&format!("drop index {name}"), [])?;
    }
    Ok(found.into_iter().map(|(_, sql)| sql).collect())
}

/// Makes temporary tables without keys for the rows that are to be sorted. Their names hide those of
/// the store's own tables, so that the statements of the writing thread fill them.
fn make_waiting_tables(connection: &Connection) -> rusqlite::Result<()> {
    for table in SORTED {
        let columns: String = connection.query_row(
            "select group_concat(name || coalesce(' default ' || dflt_value, ''), ', ') \
             from pragma_table_info(?1, 'main')",
            [table],
            |row| row.get(0),
        )?;
        connection.execute(&format!("create temp table {table} ({columns})"), [])?;
    }
    Ok(())
}

fn add_all(
    connection: &Connection,
    users: impl IntoIterator<Item = anyhow::Result<NewRecord>>,
) -> anyhow::Result<u64> {
    let tenants: Vec<TenantId> = connection
        .prepare("select tenant_id from tenants")?
        .query_map([], |row| rows::parsed(row, 0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut loaded = 0;
    for user in users {
        let NewRecord(change) = user?;
        ensure!(tenants.contains(&change.tenant), "there is no tenant {}", change.tenant);
        match keep::keep(connection, &change) {
            Ok(_) => loaded += 1,
            Err(KeepError::Failed(error)) => return Err(error.into()),
            Err(other) => bail!("user {} was refused: {other:?}", change.user_id),
        }
    }
    Ok(loaded)
}

/// Moves what waits to where it belongs, in the order of its key.
fn sort_waiting(connection: &Connection) -> anyhow::Result<()> {
    for table in SORTED {
        let key: String = connection.query_row(
            "select group_concat(name, ', ') \
             from (select name from pragma_table_info(?1, 'main') where pk > 0 order by pk)",
            [table],
            |row| row.get(0),
        )?;
        let sorted = format!("insert into main.{table} select * from temp.{table} order by {key}");
        if let Err(error) = connection.execute(&sorted, []) {
            let twice = format!(
                "select min(user_id), max(user_id) from temp.{table} group by {key} having count(*) > 1"
            );
            let (one, other): (String, String) =
                connection.query_row(&twice, [], |row| Ok((row.get(0)?, row.get(1)?))).map_err(|_| error)?;
            ensure!(one == other, "users {one} and {other} have the same verified address or username");
            bail!("user {one} is there twice");
        }
        connection.execute(&format!("drop table temp.{table}"), [])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;

    use rusqlite::types::Value;

    use super::*;
    use crate::app::App;
    use crate::directory::event::{Context, Origin};
    use crate::directory::password::{NewPassword, PasswordHash, SecretChange, SetBy};
    use crate::directory::user::NewUser;
    use crate::id::SeededRandom;
    use crate::secret::{PlainKey, ServerSecret};
    use crate::store::Store;
    use crate::time::ManualClock;

    const NOW: Timestamp = Timestamp(1_640_975_400);

    fn origin() -> Origin {
        let random = SeededRandom::new(2);
        Origin::of_key(TenantId::default_tenant(), PlainKey::new(&random).id(), "load", &random)
    }

    fn app(store: Arc<dyn Store>, seed: u64) -> App {
        let random = SeededRandom::new(seed);
        let secret = ServerSecret::new(&SeededRandom::new(9));
        App::new(store, Arc::new(ManualClock::at(NOW)), Arc::new(random), secret)
    }

    /// Somebody, with every third address verified and a number that everybody has.
    fn somebody(number: usize) -> NewUser {
        let claims = serde_json::json!({"name": format!("Sample {number}"), "family_name": "Sample"});
        NewUser {
            email: Some(format!("User.{number}@example.com")),
            email_verified: number.is_multiple_of(3),
            phone_number: Some("+441514960453".to_owned()),
            username: number.is_multiple_of(2).then(|| format!("user.{number}")),
            claims: claims.as_object().unwrap().clone(),
            ..NewUser::default()
        }
    }

    fn records(users: Vec<NewUser>) -> impl Iterator<Item = anyhow::Result<NewRecord>> {
        let (origin, random) = (origin(), SeededRandom::new(1));
        users.into_iter().map(move |new| {
            let secret =
                new.password.as_ref().map(|password| SecretChange::Set(password.hash.clone(), SetBy::Admin));
            let ctx = Context { now: NOW, random: &random, origin: &origin };
            let (mut user, events) = User::create(new, &ctx)?;
            let decision = Decision { secret: secret.unwrap_or_default(), ..Decision::from(events) };
            Ok(NewRecord::of(&origin.tenant, &mut user, decision))
        })
    }

    /// Every row of every table, in the order in which they are kept, and the whole schema.
    fn content(path: &Path) -> Vec<(String, Vec<Vec<Value>>)> {
        let connection = Connection::open(path).unwrap();
        let rows = |sql: &str| -> Vec<Vec<Value>> {
            let mut statement = connection.prepare(sql).unwrap();
            let width = statement.column_count();
            let rows = statement.query_map([], |row| (0..width).map(|column| row.get(column)).collect());
            rows.unwrap().map(Result::unwrap).collect()
        };
        let tables = rows("select name from sqlite_schema where type = 'table' order by name");
        let mut content: Vec<_> = tables
            .into_iter()
            .map(|row| {
                let [Value::Text(name)] = &row[..] else { panic!("{row:?}") };
                (name.clone(), rows(&format!("select * from {name}")))
            })
            .collect();
        content.push((
            "the schema".to_owned(),
            rows("select type, name, tbl_name, sql from sqlite_schema order by 2"),
        ));
        content
    }

    /// A folder and the file of a store in it.
    fn place() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        (folder, path)
    }

    #[tokio::test]
    async fn a_loaded_store_is_that_of_users_created_one_by_one() {
        let ((_folder, loaded), (_other, created)) = (place(), place());
        let mut users: Vec<_> = (0..50).map(somebody).collect();
        let hash = PasswordHash::from_stored("a hash".to_owned());
        users[7].password = Some(NewPassword { hash, is_temporary: true });

        assert_eq!(SqliteStore::load(&loaded, NOW, records(users.clone())).unwrap(), 50);

        let store = Arc::new(SqliteStore::open(&created, NOW).unwrap());
        let app = app(store.clone(), 1);
        for user in users {
            app.create(&origin(), user).await.unwrap();
        }
        store.close().await;

        for (loaded, created) in content(&loaded).into_iter().zip(content(&created)) {
            assert_eq!(loaded, created);
        }
    }

    #[tokio::test]
    async fn a_loaded_store_works_like_any_other() {
        let (_folder, path) = place();
        SqliteStore::load(&path, NOW, records((0..20).map(somebody).collect())).unwrap();
        let store = Arc::new(SqliteStore::open_existing(&path).unwrap());
        assert_eq!(store.tenants().await.unwrap()[0].users, 20);
        let app = app(store.clone(), 3);
        app.create(&origin(), somebody(20)).await.unwrap();
        let taken = app.create(&origin(), somebody(0)).await.unwrap_err();
        assert!(taken.to_string().contains("DuplicateEmail"), "{taken}");
        store.close().await;
    }

    #[test]
    fn a_load_that_fails_leaves_an_empty_store() {
        let (_folder, path) = place();
        let failing = records((0..20).map(somebody).collect()).chain([Err(anyhow::anyhow!("no more"))]);
        let error = format!("{:#}", SqliteStore::load(&path, NOW, failing).unwrap_err());
        assert!(error.contains("a.db") && error.contains("no more"), "{error}");

        let (_other, empty) = place();
        drop(SqliteStore::open(&empty, NOW).unwrap());
        assert_eq!(content(&path), content(&empty));
    }

    #[test]
    fn a_load_that_is_cut_off_leaves_an_empty_store() {
        let ((_folder, path), (_other, left)) = (place(), place());
        // As a crash would leave it: the file and its journal, copied while there is more to come.
        let copied = std::iter::once_with(|| {
            assert!(std::fs::metadata(&path)?.len() > 1_000_000, "nothing of the load is in the file yet");
            std::fs::copy(&path, &left)?;
            std::fs::copy(path.with_file_name("a.db-journal"), left.with_file_name("a.db-journal"))?;
            anyhow::bail!("that is all")
        });
        // With next to no memory, so that pages go to the file before the end.
        let users = records((0..1_000).map(somebody).collect()).chain(copied);
        let error = load(&path, NOW, 64, users).unwrap_err();
        assert_eq!(error.to_string(), "that is all");

        let (_third, empty) = place();
        drop(SqliteStore::open(&empty, NOW).unwrap());
        drop(SqliteStore::open_existing(&left).unwrap());
        assert_eq!(content(&left), content(&empty));
    }

    #[tokio::test]
    async fn only_an_empty_store_that_nobody_uses_is_loaded_into() {
        let (_folder, path) = place();
        let store = SqliteStore::open(&path, NOW).unwrap();
        let error = format!("{:#}", SqliteStore::load(&path, NOW, records(vec![somebody(1)])).unwrap_err());
        assert!(error.contains("a.db") && error.contains("in use"), "{error}");
        store.close().await;
        SqliteStore::load(&path, NOW, records(vec![somebody(1)])).unwrap();
        let before = content(&path);
        let error = format!("{:#}", SqliteStore::load(&path, NOW, records(vec![somebody(2)])).unwrap_err());
        assert!(error.contains("a.db") && error.contains("already"), "{error}");
        assert_eq!(content(&path), before);
    }

    #[test]
    fn users_who_claim_the_same_are_named() {
        let (_folder, path) = place();
        let mut users: Vec<_> = (0..4).map(somebody).collect();
        users[3].email = Some("USER.0@example.com".to_owned());
        let error = format!("{:#}", SqliteStore::load(&path, NOW, records(users)).unwrap_err());
        assert!(error.contains("the same verified address"), "{error}");
        assert!(!error.contains('@'), "{error}");
    }

    #[test]
    fn users_of_a_tenant_that_is_not_there_are_refused() {
        let (_folder, path) = place();
        let (origin, random) = (origin(), SeededRandom::new(1));
        let ctx = Context { now: NOW, random: &random, origin: &origin };
        let (mut user, events) = User::create(somebody(1), &ctx).unwrap();
        let record = NewRecord::of(&"elsewhere".parse().unwrap(), &mut user, events);
        let error = format!("{:#}", SqliteStore::load(&path, NOW, [Ok(record)]).unwrap_err());
        assert!(error.contains("elsewhere"), "{error}");
    }
}
