//! Copies of stores in files.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::app::proofs::Delivery;
use crate::app::{App, Call};
use crate::directory::api_key::{Bounds, DEFAULT_OVERLAP, NewKey, Scope};
use crate::directory::event::Origin;
use crate::directory::group::NewGroup;
use crate::directory::password::{NewPassword, Password, Wanted};
use crate::directory::proof::AddressId;
use crate::directory::repeat::{Fingerprint, NamedRequest};
use crate::directory::settings::Choices;
use crate::directory::user::{NewUser, User};
use crate::id::{SeededRandom, TenantId, UserId};
use crate::secret::{PlainKey, ServerSecret};
use crate::store::postgres::testing::Database;
use crate::store::postgres::{Options, PostgresStore, PostgresTables};
use crate::store::sqlite::{SqliteStore, SqliteTables};
use crate::store::{EventList, Store as _};
use crate::time::{ManualClock, Timestamp};

const NOW: Timestamp = Timestamp(1_640_975_400);
/// Enough for several batches of some tables.
const USERS: usize = 120;

/// Counts what is copied, and says of each table whether it was the same.
#[derive(Default)]
struct Counted {
    copied: u64,
    there: u64,
    same: Vec<&'static str>,
}

impl Progress for Counted {
    fn begin(&mut self, _: &'static Table, _: u64, there: u64) {
        self.there += there;
    }

    fn advance(&mut self, rows: u64) {
        self.copied += rows;
    }

    fn same(&mut self, table: &'static Table, _: u64, _: &str) {
        self.same.push(table.name);
    }
}

/// A target to which something happens.
struct Disturbed {
    tables: SqliteTables,
    /// After so many batches the connection is lost.
    batches_left: usize,
    /// The file in which somebody changes a user before the copy is compared.
    meddled_with: Option<PathBuf>,
}

#[async_trait]
impl Tables for Disturbed {
    async fn count(&mut self, table: &'static Table) -> anyhow::Result<u64> {
        self.tables.count(table).await
    }

    async fn rows(
        &mut self,
        table: &'static Table,
        after: Option<&Row>,
        limit: u32,
    ) -> anyhow::Result<Vec<Row>> {
        self.tables.rows(table, after, limit).await
    }
}

#[async_trait]
impl Target for Disturbed {
    async fn clear_if_new(&mut self) -> anyhow::Result<()> {
        self.tables.clear_if_new().await
    }

    async fn add(&mut self, table: &'static Table, rows: Vec<Row>) -> anyhow::Result<()> {
        self.batches_left = self.batches_left.checked_sub(1).context("the connection is lost")?;
        self.tables.add(table, rows).await
    }

    async fn finish(&mut self) -> anyhow::Result<()> {
        self.tables.finish().await?;
        if let Some(file) = &self.meddled_with {
            let sql = "update users set version = version + 1 where user_row = 5";
            assert_eq!(Connection::open(file)?.execute(sql, [])?, 1);
        }
        Ok(())
    }
}

/// Makes a store with something in every table, and gives a user of it who has several events.
async fn make_store(path: &Path) -> UserId {
    let store = Arc::new(SqliteStore::open(path, NOW).unwrap());
    let random = Arc::new(SeededRandom::new(1));
    let secret = ServerSecret::new(&*random);
    let app = App::new(store, Arc::new(ManualClock::at(NOW)), random, secret).sending_mail();
    let key = PlainKey::new(&*app.random);
    let tenant = TenantId::default_tenant();
    let origin = Origin {
        user_agent: Some("test".to_owned()),
        ..Origin::of_key(tenant.clone(), key.id(), "test", &*app.random)
    };
    let new = NewKey { name: "test".to_owned(), scopes: vec![Scope::Admin], ..NewKey::default() };
    let limits = Bounds {
        rate_limit: Some("600/minute".parse().unwrap()),
        networks: vec!["10.0.0.0/8".parse().unwrap()],
    };
    let new = NewKey { bounds: limits, ..new };
    let made = app.create_key(&origin, new).await.unwrap();
    app.rotate_key(&origin, made.key.id, |_| Ok(DEFAULT_OVERLAP)).await.unwrap();
    let team = NewGroup { name: Some("Équipe".to_owned()), description: None, is_auto_assigned: true };
    let named = NamedRequest {
        tenant: tenant.clone(),
        key_id: key.id(),
        name: "a name".parse().unwrap(),
        fingerprint: Fingerprint::new(&app.secret, "/api/groups", None, b"{}"),
    };
    let call = Call { named: Some(&named), ..(&origin).into() };
    app.create_group(call, team).await.unwrap();
    let hash = Password::new("correct horse").hash([7; 16]);
    let mut first = None;
    for number in 0..USERS {
        let new = NewUser {
            username: Some(format!("user{number}")),
            email: Some(format!("user{number}@example.com")),
            password: (number == 0).then(|| NewPassword { hash: hash.clone(), is_temporary: false }),
            ..NewUser::default()
        };
        let (user_id, created) = app.create(&origin, new).await.unwrap();
        let email = User::from_document(&created.document).unwrap().emails[0].id;
        app.change(&origin, user_id, |user, ctx| user.verify_email(email, ctx)).await.unwrap();
        first.get_or_insert(user_id);
    }
    let user_id = first.unwrap();
    let twice = Choices::new(vec![("proofs_per_address_and_minute".to_owned(), "2".to_owned())]).unwrap();
    assert!(app.store.choose(&tenant, twice).await.unwrap());
    let expiry = Duration::from_secs(600);
    app.start_password_reset(&origin, user_id, expiry, true).await.unwrap();
    let email = User::from_document(&app.user(&tenant, user_id).await.unwrap()).unwrap().emails[0].id;
    let delivery = Delivery { by_mail: true, in_answer: false };
    app.start_proof(&origin, user_id, AddressId::email(email), None, delivery).await.unwrap();
    let wrong = Password::new("wrong");
    let new = Wanted::Plain(Password::new("another one"));
    assert!(app.change_password(&origin, user_id, &wrong, new).await.is_err());
    app.store.close().await;
    // A newer program has told of something that this one does not know.
    let newer = "update events set type = 'user.moved', method = 'ferry', actor = 'robot', details = '{\"to\":[1]}' \
                 where type = 'group.created'";
    assert_eq!(Connection::open(path).unwrap().execute(newer, []).unwrap(), 1);
    user_id
}

/// Every row of every table, and the columns that a copy derives.
fn contents(path: &Path) -> Vec<String> {
    let connection = Connection::open(path).unwrap();
    let mut all = Vec::new();
    let derived = "select tenant_id, user_id, last_event from users order by 1, 2";
    let chain = "select tenant_id, position, previous from events order by 1, 2";
    let tables = TABLES
        .iter()
        .map(|table| format!("select {} from {} order by {}", table.names(), table.name, table.key_names()));
    for sql in tables.chain([derived.to_owned(), chain.to_owned()]) {
        let mut statement = connection.prepare(&sql).unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let values: Vec<_> = (0..columns).map(|column| row.get_ref(column).unwrap()).collect();
            all.push(format!("{values:?}"));
        }
    }
    all
}

/// A folder with a store in it, and the paths of that and of one that is to be.
async fn a_store_to_copy() -> (TempDir, PathBuf, PathBuf, UserId) {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("from.db"), folder.path().join("to.db"));
    let user_id = make_store(&from).await;
    (folder, from, to, user_id)
}

#[tokio::test]
async fn a_copy_has_every_row_and_is_a_store_of_its_own() {
    let (_folder, from, to, user_id) = a_store_to_copy().await;
    let mut counted = Counted::default();
    let mut target = SqliteTables::write(&to, Timestamp(1)).unwrap();
    copy(&mut SqliteTables::read(&from).unwrap(), &mut target, &mut counted).await.unwrap();
    drop(target);
    assert_eq!(counted.same, TABLES.iter().map(|table| table.name).collect::<Vec<_>>());
    assert!(contents(&from) == contents(&to), "rows or what is derived from them differ");
    for table in TABLES {
        let sql = format!("select count(*) from {}", table.name);
        let rows: i64 = Connection::open(&to).unwrap().query_row(&sql, [], |row| row.get(0)).unwrap();
        assert!(rows > 0, "nothing was in {}, so nothing was seen of it", table.name);
    }

    let [one, other] = [&from, &to].map(|path| SqliteStore::open_existing(path).unwrap());
    let wanted = EventList { after: 0, limit: 100, user_id: Some(user_id), kind: None };
    let tenant = TenantId::default_tenant();
    let events = one.events(&tenant, wanted).await.unwrap();
    assert!(events.events.len() > 2);
    assert_eq!(events, other.events(&tenant, wanted).await.unwrap());
}

#[tokio::test]
async fn a_store_goes_to_postgresql_and_back_and_is_as_it_was() {
    let (_folder, from, to, user_id) = a_store_to_copy().await;
    // A text that PostgreSQL cannot have.
    let odd = "insert into index_terms values ('default', 'claims.k\0', '\0\u{1}', 'x')";
    Connection::open(&from).unwrap().execute_batch(&odd.replace('\0', "' || char(0) || '")).unwrap();
    let database = Database::empty().await;
    let options = Options::new(&database.url);
    let mut there = Counted::default();
    let mut target = PostgresTables::write(&options, Timestamp(1)).await.unwrap();
    copy(&mut SqliteTables::read(&from).unwrap(), &mut target, &mut there).await.unwrap();
    assert_eq!(there.same.len(), TABLES.len());

    let one = SqliteStore::open_existing(&from).unwrap();
    let other = PostgresStore::open_existing(&options).await.unwrap();
    let wanted = EventList { after: 0, limit: 100, user_id: Some(user_id), kind: None };
    let tenant = TenantId::default_tenant();
    assert_eq!(one.events(&tenant, wanted).await.unwrap(), other.events(&tenant, wanted).await.unwrap());
    other.close().await;

    let mut back = SqliteTables::write(&to, Timestamp(2)).unwrap();
    let mut source = PostgresTables::read(&options).await.unwrap();
    copy(&mut source, &mut back, &mut Counted::default()).await.unwrap();
    drop(back);
    assert!(contents(&from) == contents(&to), "rows or what is derived from them differ");
}

#[tokio::test]
async fn a_copy_that_was_interrupted_goes_on_where_it_ended() {
    let (_folder, from, to, _) = a_store_to_copy().await;
    let tables = SqliteTables::write(&to, Timestamp(1)).unwrap();
    let mut lost = Disturbed { tables, batches_left: 4, meddled_with: None };
    let mut before = Counted::default();
    let error = copy(&mut SqliteTables::read(&from).unwrap(), &mut lost, &mut before).await.unwrap_err();
    assert!(format!("{error:#}").contains("the connection is lost"));
    drop(lost);
    let mut after = Counted::default();
    let mut target = SqliteTables::write(&to, Timestamp(2)).unwrap();
    copy(&mut SqliteTables::read(&from).unwrap(), &mut target, &mut after).await.unwrap();
    assert!(before.copied > 0 && after.there == before.copied, "what was there was not copied again");
    drop(target);
    assert!(contents(&from) == contents(&to));
}

#[tokio::test]
async fn a_store_that_has_something_else_is_not_copied_into_and_stays_as_it_is() {
    let (folder, from, to, _) = a_store_to_copy().await;
    let other = folder.path().join("other.db");
    let store = SqliteStore::open(&other, NOW).unwrap();
    let tenant = "somebody".parse().unwrap();
    assert!(store.create_tenant(&tenant, NOW).await.unwrap());
    store.close().await;
    let before = contents(&other);
    let mut target = SqliteTables::write(&other, Timestamp(1)).unwrap();
    let error = copy(&mut SqliteTables::read(&from).unwrap(), &mut target, &mut Counted::default())
        .await
        .unwrap_err();
    assert!(format!("{error:#}").contains("copy into a new store"), "{error:#}");
    drop(target);
    assert!(contents(&other) == before);
    assert!(!to.exists());
}

#[tokio::test]
async fn what_another_writes_into_the_copy_is_found_at_the_end() {
    let (_folder, from, to, _) = a_store_to_copy().await;
    let tables = SqliteTables::write(&to, NOW).unwrap();
    let mut target = Disturbed { tables, batches_left: usize::MAX, meddled_with: Some(to) };
    let error = copy(&mut SqliteTables::read(&from).unwrap(), &mut target, &mut Counted::default())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("users is not the same on both sides"), "{error}");
}

#[test]
fn every_table_and_column_of_the_schema_is_copied_or_derived() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    drop(SqliteTables::write(&path, NOW).unwrap());
    let connection = Connection::open(&path).unwrap();
    let mut statement = connection
        .prepare(
            "select tables.name, columns.name, columns.pk from pragma_table_list as tables \
             join pragma_table_info(tables.name) as columns \
             where tables.schema = 'main' and tables.name not like 'sqlite%' order by 1, 2",
        )
        .unwrap();
    let found: Vec<(String, String, i64)> = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let derived = [("users", "user_row"), ("users", "last_event"), ("events", "previous")];
    let schema: Vec<_> = found
        .iter()
        .map(|(table, column, _)| (table.as_str(), column.as_str()))
        .filter(|column| !derived.contains(column))
        .collect();
    let mut copied: Vec<_> = TABLES
        .iter()
        .flat_map(|table| table.columns.iter().map(|column| (table.name, column.name)))
        .collect();
    copied.sort_unstable();
    assert_eq!(schema, copied);
    for table in TABLES.iter().filter(|table| table.name != "users") {
        let keys = found.iter().filter(|(name, _, key)| name == table.name && *key > 0).count();
        assert_eq!(keys, table.key, "{}", table.name);
    }
}
