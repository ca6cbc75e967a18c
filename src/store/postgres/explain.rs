//! How a list of users is found, for an operator who wants to know why it takes as long as it does.

use anyhow::{Context as _, bail};
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::super::List;
use super::super::search::users::UserSearch;
use super::super::ways::Explanation;
use super::connection::Server;
use super::{Options, migrate, reach, told, users};
use crate::id::TenantId;

/// Finds a list of users in the store in this database, and tells how, and how many users each of the
/// parts finds by itself. It only reads, also while servers run.
///
/// # Errors
/// A sentence naming the server when it cannot be reached, or when the database is no store that is up
/// to date, or naming the tenant when there is none.
pub async fn explain(
    options: &Options,
    tenant: &TenantId,
    list: &List,
    parts: &[UserSearch],
) -> anyhow::Result<Explanation> {
    let server = Server::new(options)?;
    let open = async {
        let (client, _driven) = reach(&server).await?;
        migrate::check_current(&client).await?;
        anyhow::Ok(client)
    };
    let client = open.await.with_context(|| format!("the store {} cannot be used", server.shown()))?;
    let found = read(&client, tenant, list, parts).await.map_err(|error| anyhow::anyhow!(told(&error)))?;
    let Some(explanation) = found else {
        bail!("there is no tenant `{tenant}`; `bonafide tenants list` shows those there are");
    };
    Ok(explanation)
}

/// Reads it all at one moment; nothing if there is no such tenant.
async fn read(
    client: &Client,
    tenant: &TenantId,
    list: &List,
    parts: &[UserSearch],
) -> Result<Option<Explanation>, tokio_postgres::Error> {
    client.batch_execute("begin isolation level repeatable read, read only").await?;
    let there = "select 1 from tenants where tenant_id = $1";
    if client.query_typed_opt(there, &[(&tenant.as_str(), Type::TEXT)]).await?.is_none() {
        return Ok(None);
    }
    users::explain(client, tenant, list, parts).await.map(Some)
}
