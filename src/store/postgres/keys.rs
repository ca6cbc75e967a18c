//! API keys and tenants.

use tokio_postgres::Row;

use super::super::Tenant;
use super::connection::{Answer, Session};
use super::rows::{Fixed, Readable, parsed};
use crate::directory::api_key::{ApiKey, Scope};
use crate::directory::settings::{Choices, Settings};
use crate::id::TenantId;
use crate::secret::{KeyHash, KeyId};
use crate::time::Timestamp;

pub(super) const TENANTS: &str = "select tenant_id, created_at, users from tenants order by tenant_id";
pub(super) const KEY: &str = "select key_id, tenant_id, name, secret_hash, scopes, created_at, expires_at, revoked_at, last_used_at \
     from api_keys where key_id = $1";
pub(super) const KEYS: &str = "select key_id, tenant_id, name, secret_hash, scopes, created_at, expires_at, revoked_at, last_used_at \
     from api_keys order by tenant_id, created_at, key_id";

pub(super) const SETTINGS: &str = "select settings from tenants where tenant_id = $1";

/// What the tenant has chosen.
pub(super) fn settings(row: &Row) -> Answer<Option<Settings>> {
    let kept = row.try_get::<_, Option<Readable<Json>>>(0)?;
    Ok(kept.map(|readable| readable.0.0))
}

/// Settings, read from JSON.
struct Json(Settings);

impl std::str::FromStr for Json {
    type Err = serde_json::Error;

    fn from_str(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json).map(Self)
    }
}

/// Keeps what the tenant chooses now beside what it has chosen; false if there is no such tenant.
pub(super) async fn choose(session: &Session, tenant: &TenantId, choices: &Choices) -> Answer<bool> {
    // Who else chooses waits, and leaves this as it is.
    let lock = "select settings from tenants where tenant_id = $1 for no key update";
    let Some(row) = session.row(lock, &[&tenant.as_str()]).await? else { return Ok(false) };
    let mut settings = settings(&row)?.unwrap_or_default();
    choices.apply(&mut settings);
    let json = serde_json::json!(settings).to_string();
    let sql = "update tenants set settings = $2 where tenant_id = $1";
    Ok(session.execute(sql, &[&tenant.as_str(), &json]).await? == 1)
}

pub(super) fn tenant(row: &Row) -> Answer<Tenant> {
    Ok(Tenant {
        id: parsed(row, 0)?,
        created_at: Timestamp(row.try_get(1)?),
        users: row.try_get::<_, i64>(2)?.unsigned_abs(),
    })
}

pub(super) fn key(row: &Row) -> Answer<ApiKey> {
    let time = |column| row.try_get::<_, Option<i64>>(column).map(|time| time.map(Timestamp));
    Ok(ApiKey {
        id: parsed(row, 0)?,
        tenant: parsed(row, 1)?,
        name: row.try_get(2)?,
        hash: KeyHash::from_stored(row.try_get::<_, Fixed<32>>(3)?.0),
        // A scope that only a newer version of this program knows grants nothing here.
        scopes: row.try_get::<_, &str>(4)?.split(' ').filter_map(Scope::from_name).collect(),
        created_at: Timestamp(row.try_get(5)?),
        expires_at: time(6)?,
        revoked_at: time(7)?,
        last_used_at: time(8)?,
    })
}

pub(super) async fn create_tenant(session: &Session, tenant: &TenantId, now: Timestamp) -> Answer<bool> {
    let sql = "insert into tenants (tenant_id, created_at) values ($1, $2) on conflict do nothing";
    session.execute(sql, &[&tenant.as_str(), &now.0]).await.map(|added| added == 1)
}

/// Adds a key; false if its tenant does not exist.
pub(super) async fn create(session: &Session, key: &ApiKey) -> Answer<bool> {
    let scopes: Vec<&str> = key.scopes.iter().map(|scope| scope.as_str()).collect();
    let sql = "insert into api_keys (key_id, tenant_id, name, secret_hash, scopes, created_at, expires_at) \
               select $1, tenant_id, $3, $4, $5, $6, $7 from tenants where tenant_id = $2";
    let added = session
        .execute(
            sql,
            &[
                &key.id.as_str(),
                &key.tenant.as_str(),
                &key.name,
                &key.hash.to_stored().as_slice(),
                &scopes.join(" "),
                &key.created_at.0,
                &key.expires_at.map(|time| time.0),
            ],
        )
        .await?;
    Ok(added == 1)
}

pub(super) async fn revoke(session: &Session, id: KeyId, now: Timestamp) -> Answer<bool> {
    let sql = "update api_keys set revoked_at = coalesce(revoked_at, $2) where key_id = $1";
    session.execute(sql, &[&id.as_str(), &now.0]).await.map(|changed| changed == 1)
}

pub(super) async fn touch(session: &Session, id: KeyId, now: Timestamp) -> Answer<bool> {
    let sql = "update api_keys set last_used_at = greatest(last_used_at, $2) where key_id = $1";
    session.execute(sql, &[&id.as_str(), &now.0]).await.map(|changed| changed == 1)
}
