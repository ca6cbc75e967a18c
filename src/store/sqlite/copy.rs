//! A store in a file, as its tables.

use std::path::Path;

use anyhow::Context as _;
use async_trait::async_trait;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, Statement, ToSql, params_from_iter};

use super::super::copy::{Row, TABLES, Table, Tables, Target, Value};
use super::file::{look, made};
use super::migrate;
use crate::time::Timestamp;

/// The tables of a store in a file.
pub struct SqliteTables(Connection);

impl SqliteTables {
    /// Opens the store in this file to be copied. It is read as it is at this moment.
    ///
    /// # Errors
    /// A sentence naming the file when it is not there, is no store, or has a schema of another
    /// version than this program's.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let open = || {
            let connection = look(path)?;
            migrate::check_current(&connection)?;
            connection.execute_batch("begin")?;
            Ok::<_, anyhow::Error>(Self(connection))
        };
        open().with_context(|| format!("the store {} cannot be copied", path.display()))
    }

    /// Opens or makes the store in this file to be copied into.
    ///
    /// # Errors
    /// A sentence naming the file when it cannot be made or is no store.
    pub fn write(path: &Path, now: Timestamp) -> anyhow::Result<Self> {
        let connection =
            made(path, now).with_context(|| format!("the store {} cannot be used", path.display()))?;
        // In place of the thread that a server has for it.
        connection.pragma_update(None, "wal_autocheckpoint", 4_096)?;
        Ok(Self(connection))
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

fn value(value: ValueRef<'_>) -> anyhow::Result<Value> {
    Ok(match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Text(_) => Value::Text(value.as_str()?.to_owned()),
        ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
        ValueRef::Real(_) => anyhow::bail!("a column has a number that is not whole"),
    })
}

fn places(count: usize) -> String {
    (1..=count).map(|place| format!("?{place}")).collect::<Vec<_>>().join(", ")
}

fn read(mut statement: Statement<'_>, values: &[Value]) -> anyhow::Result<Vec<Row>> {
    let columns = statement.column_count();
    let mut found = Vec::new();
    let mut rows = statement.query(params_from_iter(values))?;
    while let Some(row) = rows.next()? {
        found.push((0..columns).map(|column| value(row.get_ref(column)?)).collect::<anyhow::Result<_>>()?);
    }
    Ok(found)
}

#[async_trait]
impl Tables for SqliteTables {
    async fn count(&mut self, table: &'static Table) -> anyhow::Result<u64> {
        let sql = format!("select count(*) from {}", table.name);
        Ok(self.0.query_row(&sql, [], |row| row.get::<_, i64>(0))?.unsigned_abs())
    }

    async fn rows(
        &mut self,
        table: &'static Table,
        after: Option<&Row>,
        limit: u32,
    ) -> anyhow::Result<Vec<Row>> {
        let key = table.key_names();
        let beyond = match after {
            Some(_) => format!("where ({key}) > ({})", places(table.key)),
            None => String::new(),
        };
        let sql =
            format!("select {} from {} {beyond} order by {key} limit {limit}", table.names(), table.name);
        let statement = self.0.prepare(&sql)?;
        read(statement, after.map_or(&[], |row| &row[..table.key]))
    }
}

#[async_trait]
impl Target for SqliteTables {
    async fn clear_if_new(&mut self) -> anyhow::Result<()> {
        let others = TABLES.iter().filter(|table| table.name != "tenants");
        let others = others.map(|table| format!("not exists (select 1 from {})", table.name));
        let sql = format!(
            "delete from tenants where (select count(*) from tenants) = 1 and {}",
            others.collect::<Vec<_>>().join(" and ")
        );
        self.0.execute(&sql, [])?;
        Ok(())
    }

    async fn add(&mut self, table: &'static Table, rows: Vec<Row>) -> anyhow::Result<()> {
        let sql = format!(
            "insert into {} ({}) values ({})",
            table.name,
            table.names(),
            places(table.columns.len())
        );
        let transaction = self.0.transaction()?;
        {
            let mut insert = transaction.prepare(&sql)?;
            for row in rows {
                insert.execute(params_from_iter(row))?;
            }
        }
        Ok(transaction.commit()?)
    }

    async fn finish(&mut self) -> anyhow::Result<()> {
        let transaction = self.0.transaction()?;
        // The chain of each user's events.
        transaction.execute_batch(
            "update events set previous = chained.previous \
             from (select tenant_id, position, lag(position) over (partition by tenant_id, user_id order by position) as previous \
                   from events where user_id <> '') as chained \
             where events.tenant_id = chained.tenant_id and events.position = chained.position; \
             update users set last_event = newest.position \
             from (select tenant_id, user_id, max(position) as position from events where user_id <> '' group by 1, 2) as newest \
             where users.tenant_id = newest.tenant_id and users.user_id = newest.user_id",
        )?;
        Ok(transaction.commit()?)
    }
}
