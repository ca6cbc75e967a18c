//! Reaching a database for the first time, and bringing its schema up to date.

use anyhow::Context as _;

use super::connection::{Purpose, Server};
use super::migrate as schema;
use super::{Options, told};
use crate::time::Timestamp;

/// Brings the schema of this database up to date, and gives how many steps that took.
///
/// # Errors
/// Like [`super::PostgresStore::open`].
pub async fn migrate(options: &Options, now: Timestamp) -> anyhow::Result<usize> {
    let server = Server::new(options)?;
    let run = async {
        let (mut client, _driven) = reach(&server).await?;
        schema::run(&mut client, now).await
    };
    run.await.with_context(|| format!("the store {} cannot be used", server.shown()))
}

/// How many steps the schema of this database has taken, and how many there are.
///
/// # Errors
/// Like [`super::PostgresStore::open`].
pub async fn steps(options: &Options) -> anyhow::Result<(usize, usize)> {
    let server = Server::new(options)?;
    let look = async {
        let (client, _driven) = reach(&server).await?;
        schema::steps(&client).await
    };
    look.await.with_context(|| format!("the store {} cannot be used", server.shown()))
}

/// A connection to begin with, or why there is none.
pub(super) async fn reach(
    server: &Server,
) -> anyhow::Result<(tokio_postgres::Client, tokio::task::JoinHandle<()>)> {
    tokio::time::timeout(server.patience(), server.connect(Purpose::Lists))
        .await
        .context("PostgreSQL cannot be reached in time")?
        .map_err(|error| anyhow::anyhow!(told(&error)))
}
