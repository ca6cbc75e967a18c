//! How it stands with a database and its server, for those who look after it. Nothing is changed.

use anyhow::Context as _;

use super::connection::Server;
use super::{Options, reach};
use crate::time::Timestamp;

/// What the server says of itself.
pub struct Health {
    /// Its version, as in `15.4`.
    pub version: String,
    /// The same as a number, 150004.
    pub version_number: i32,
    /// How texts are encoded in the database.
    pub encoding: String,
    /// Whether it takes no changes: it is a standby, or was told so.
    pub is_read_only: bool,
    /// Whether the user may change the tables, if they are there.
    pub may_write: Option<bool>,
    /// Settings that are off, and without which what was answered can be lost or damaged.
    pub unsafe_settings: Vec<String>,
    /// Whether a commit waits for another server to have it.
    pub is_replicated: bool,
    /// How many connections it takes.
    pub connections: i32,
    /// What time it is there.
    pub now: Timestamp,
}

/// Asks the server.
///
/// # Errors
/// A sentence naming the server when it cannot be reached.
pub async fn examine(options: &Options) -> anyhow::Result<Health> {
    let sql = "select current_setting('server_version'), current_setting('server_version_num')::int, \
        (select pg_encoding_to_char(encoding)::text from pg_database where datname = current_database()), \
        pg_is_in_recovery() or current_setting('transaction_read_only')::bool, \
        has_table_privilege(to_regclass('users'), 'insert, update, delete'), \
        array(select name from pg_settings where name in ('fsync', 'full_page_writes') and setting = 'off'), \
        current_setting('synchronous_standby_names') <> '', current_setting('max_connections')::int, \
        extract(epoch from clock_timestamp())::bigint";
    let server = Server::new(options)?;
    let examine = async {
        let (client, _driven) = reach(&server).await?;
        let row = client.query_one(sql, &[]).await?;
        anyhow::Ok(Health {
            version: row.try_get(0)?,
            version_number: row.try_get(1)?,
            encoding: row.try_get(2)?,
            is_read_only: row.try_get(3)?,
            may_write: row.try_get(4)?,
            unsafe_settings: row.try_get(5)?,
            is_replicated: row.try_get(6)?,
            connections: row.try_get(7)?,
            now: Timestamp(row.try_get(8)?),
        })
    };
    examine.await.with_context(|| format!("the store {} cannot be used", server.shown()))
}
