//! A store on a server, as its tables.

use anyhow::Context as _;
use async_trait::async_trait;
use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};

use super::super::copy::{Kind, Row, TABLES, Table, Tables, Target, Value};
use super::connection::Server;
use super::options::Options;
use super::rows::{restored, storable};
use super::{migrate, reach};
use crate::time::Timestamp;

/// The tables of a store on a server.
pub struct PostgresTables(Client);

impl PostgresTables {
    /// Opens the store in this database to be copied. It is read as it is at this moment.
    ///
    /// # Errors
    /// A sentence naming the server when it cannot be reached, when the database is no store, has a
    /// schema of another version than this program's, or has events that have no place yet.
    pub async fn read(options: &Options) -> anyhow::Result<Self> {
        let server = Server::new(options)?;
        let open = async {
            let client = patient(&server).await?;
            migrate::check_current(&client).await?;
            client.batch_execute("begin isolation level repeatable read, read only").await?;
            let row = client.query_one("select count(*) from pending_events", &[]).await?;
            anyhow::ensure!(
                row.get::<_, i64>(0) == 0,
                "some events have no place yet: start a server on it for a moment, and stop it"
            );
            Ok::<_, anyhow::Error>(Self(client))
        };
        open.await.with_context(|| format!("the store {} cannot be copied", server.shown()))
    }

    /// Opens or makes the store in this database to be copied into.
    ///
    /// # Errors
    /// A sentence naming the server when it cannot be reached, or the database is another program's.
    pub async fn write(options: &Options, now: Timestamp) -> anyhow::Result<Self> {
        super::migrate(options, now).await?;
        let server = Server::new(options)?;
        let client = patient(&server).await;
        Ok(Self(client.with_context(|| format!("the store {} cannot be used", server.shown()))?))
    }
}

/// A connection on which statements may take as long as they need.
async fn patient(server: &Server) -> anyhow::Result<Client> {
    let (client, _driven) = reach(server).await?;
    client.batch_execute("set statement_timeout = 0; set idle_in_transaction_session_timeout = 0").await?;
    Ok(client)
}

/// The type of a column.
fn kind(kind: Kind) -> Type {
    match kind {
        Kind::Text => Type::TEXT,
        Kind::Integer => Type::INT8,
        Kind::Flag => Type::BOOL,
        Kind::Bytes => Type::BYTEA,
    }
}

/// A value as it is bound in a statement, in a column of this kind.
fn bound(value: &Value, kind: Kind) -> Box<dyn ToSql + Sync + Send> {
    match (value, kind) {
        (Value::Null, Kind::Text) => Box::new(None::<String>),
        (Value::Null, Kind::Integer) => Box::new(None::<i64>),
        (Value::Null, Kind::Flag) => Box::new(None::<bool>),
        (Value::Null, Kind::Bytes) => Box::new(None::<Vec<u8>>),
        (Value::Integer(number), Kind::Flag) => Box::new(*number != 0),
        (Value::Integer(number), _) => Box::new(*number),
        (Value::Text(text), _) => Box::new(storable(text).into_owned()),
        (Value::Bytes(bytes), _) => Box::new(bytes.clone()),
    }
}

fn value(row: &tokio_postgres::Row, column: usize, kind: Kind) -> anyhow::Result<Value> {
    Ok(match kind {
        Kind::Text => row.try_get::<_, Option<&str>>(column)?.map(|text| Value::Text(restored(text))),
        Kind::Integer => row.try_get::<_, Option<i64>>(column)?.map(Value::Integer),
        Kind::Flag => row.try_get::<_, Option<bool>>(column)?.map(|flag| Value::Integer(flag.into())),
        Kind::Bytes => row.try_get::<_, Option<Vec<u8>>>(column)?.map(Value::Bytes),
    }
    .unwrap_or(Value::Null))
}

/// Places for so many values, after so many others.
fn places(count: usize, after: usize) -> String {
    (after + 1..=after + count).map(|place| format!("${place}")).collect::<Vec<_>>().join(", ")
}

/// The values of some columns of rows, and their types.
type Bound = Vec<(Box<dyn ToSql + Sync + Send>, Type)>;

fn borrowed(values: &Bound) -> Vec<(&(dyn ToSql + Sync), Type)> {
    values.iter().map(|(value, kind)| (&**value as &(dyn ToSql + Sync), kind.clone())).collect()
}

#[async_trait]
impl Tables for PostgresTables {
    async fn count(&mut self, table: &'static Table) -> anyhow::Result<u64> {
        let row = self.0.query_typed_one(&format!("select count(*) from {}", table.name), &[]).await?;
        Ok(row.get::<_, i64>(0).unsigned_abs())
    }

    async fn rows(
        &mut self,
        table: &'static Table,
        after: Option<&Row>,
        limit: u32,
    ) -> anyhow::Result<Vec<Row>> {
        let key = table.key_names();
        let (beyond, values) = match after {
            Some(row) => {
                let values: Bound = row
                    .iter()
                    .zip(&table.columns[..table.key])
                    .map(|(value, column)| (bound(value, column.kind), kind(column.kind)))
                    .collect();
                (format!("where ({key}) > ({})", places(table.key, 0)), values)
            }
            None => (String::new(), Vec::new()),
        };
        let sql =
            format!("select {} from {} {beyond} order by {key} limit {limit}", table.names(), table.name);
        let rows = self.0.query_typed(&sql, &borrowed(&values)).await?;
        rows.iter()
            .map(|row| {
                let columns = table.columns.iter().enumerate();
                columns.map(|(place, column)| value(row, place, column.kind)).collect()
            })
            .collect()
    }
}

#[async_trait]
impl Target for PostgresTables {
    async fn clear_if_new(&mut self) -> anyhow::Result<()> {
        let others = TABLES.iter().filter(|table| table.name != "tenants");
        let others = others.map(|table| format!("not exists (select 1 from {})", table.name));
        let sql = format!(
            "delete from tenants where (select count(*) from tenants) = 1 and {}",
            others.collect::<Vec<_>>().join(" and ")
        );
        Ok(self.0.batch_execute(&sql).await?)
    }

    async fn add(&mut self, table: &'static Table, rows: Vec<Row>) -> anyhow::Result<()> {
        let columns = table.columns.len();
        let all: Vec<String> =
            (0..rows.len()).map(|row| format!("({})", places(columns, row * columns))).collect();
        let sql = format!("insert into {} ({}) values {}", table.name, table.names(), all.join(", "));
        let values: Bound = rows
            .iter()
            .flat_map(|row| row.iter().zip(table.columns))
            .map(|(value, column)| (bound(value, column.kind), kind(column.kind)))
            .collect();
        self.0.execute_typed(&sql, &borrowed(&values)).await?;
        Ok(())
    }

    /// Nothing follows from the rows here.
    async fn finish(&mut self) -> anyhow::Result<()> {
        Ok(self.0.batch_execute("analyze").await?)
    }
}
