//! That the two stores are alike: the same tables and columns.

use std::collections::BTreeSet;

use super::contract::{postgres, sqlite};

/// Columns, as `table.column type`, with one word for each kind of value.
type Columns = BTreeSet<String>;

/// What only SQLite has, and why.
const SQLITE_ONLY: [&str; 3] = [
    // A user's events lead from one to the one before it. PostgreSQL has an index, because a position
    // is not known yet when the user's row is written.
    "events.previous number",
    "users.last_event number",
    // A tree ordered by a text key would take twice the room there.
    "users.user_row number",
];

/// What only PostgreSQL has, and why.
const POSTGRES_ONLY: [&str; 1] = [
    // Drawn while a user is locked; one writer needs no such number.
    "pending_events.sequence number",
];

/// Tables that only PostgreSQL has: the steps taken, which SQLite counts in `user_version`, and events
/// without a position, which one writer gives at once.
const POSTGRES_TABLES: [&str; 2] = ["schema_version", "pending_events"];

fn columns_of_sqlite(path: &std::path::Path) -> Columns {
    let connection = rusqlite::Connection::open(path).unwrap();
    let sql = "select t.name, c.name, lower(c.type) from sqlite_schema t join pragma_table_info(t.name) c \
               where t.type = 'table' and t.name not like 'sqlite_%'";
    let mut statement = connection.prepare(sql).unwrap();
    let columns = statement.query_map([], |row| {
        Ok(column(&row.get::<_, String>(0)?, &row.get::<_, String>(1)?, &row.get::<_, String>(2)?))
    });
    columns.unwrap().map(Result::unwrap).collect()
}

async fn columns_of_postgres(url: &str) -> Columns {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let sql = "select table_name::text, column_name::text, data_type::text from information_schema.columns \
               where table_schema = 'public'";
    let rows = client.query(sql, &[]).await.unwrap();
    rows.iter().map(|row| column(row.get(0), row.get(1), row.get(2))).collect()
}

fn column(table: &str, column: &str, kind: &str) -> String {
    let kind = match kind {
        "integer" | "bigint" | "boolean" => "number",
        "blob" | "bytea" => "bytes",
        other => other,
    };
    format!("{table}.{column} {kind}")
}

#[tokio::test]
async fn both_stores_have_the_same_tables_and_columns() {
    let (store, folder) = sqlite().await;
    store.close().await;
    let sqlite = columns_of_sqlite(&folder.path().join("contract.db"));
    let (store, database) = postgres().await;
    store.close().await;
    let mut postgres = columns_of_postgres(&database.url).await;

    // Events wait with the same columns that they have later, but for their place.
    let pending = |column: &String| column.starts_with("pending_events.");
    let waiting: Columns = postgres.iter().filter(|column| pending(column)).cloned().collect();
    let recorded = postgres.iter().filter_map(|column| column.strip_prefix("events."));
    let expected: Columns = recorded
        .filter(|column| *column != "position number")
        .map(|column| format!("pending_events.{column}"))
        .chain(POSTGRES_ONLY.map(str::to_owned))
        .collect();
    assert_eq!(waiting, expected);

    postgres.retain(|column| !POSTGRES_TABLES.iter().any(|table| column.split('.').next() == Some(table)));
    let only_sqlite: Vec<&String> = sqlite.difference(&postgres).collect();
    assert_eq!(only_sqlite, SQLITE_ONLY);
    assert_eq!(postgres.difference(&sqlite).collect::<Vec<_>>(), Vec::<&String>::new());
}
