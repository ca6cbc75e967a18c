//! API keys and tenants.

use tokio_postgres::Row;

use super::super::{KeyChange, KeyKept, Tenant};
use super::connection::{Answer, Session, Values};
use super::keep::Fault;
use super::rows::{Fixed, Readable, parsed};
use super::{answers, events};
use crate::directory::api_key::{ApiKey, Bounds, PreviousSecret, Scope};
use crate::directory::network::{MalformedNetwork, Network};
use crate::directory::rate::RateLimit;
use crate::directory::settings::{self, Choices, Settings};
use crate::id::TenantId;
use crate::secret::{KeyHash, KeyId};
use crate::time::Timestamp;

pub(super) const TENANTS: &str = "select tenant_id, created_at, users from tenants order by tenant_id";

/// A statement that reads keys.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "select key_id, tenant_id, name, secret_hash, scopes, created_at, expires_at, revoked_at, last_used_at, \
             version, rotated_at, previous_hash, previous_until, rate_limit, networks from api_keys ",
            $rest
        )
    };
}

pub(super) const KEY: &str = select!("where key_id = $1");
pub(super) const KEYS: &str = select!("order by tenant_id, created_at, key_id");
pub(super) const KEYS_OF_TENANT: &str =
    select!("where tenant_id = $1 and key_id > $2 order by key_id limit $3");

pub(super) const SETTINGS: &str = "select settings from tenants where tenant_id = $1";

/// What the tenant has chosen.
pub(super) fn settings(row: &Row) -> Answer<Settings> {
    kept_settings(row).map(|kept| Settings::read(&kept))
}

/// What the tenant has chosen, as it is kept.
fn kept_settings(row: &Row) -> Answer<settings::Chosen> {
    let kept = row.try_get::<_, Option<Readable<settings::Chosen>>>(0)?;
    Ok(kept.map(|readable| readable.0).unwrap_or_default())
}

/// Keeps what the tenant chooses now beside what it has chosen; false if there is no such tenant.
pub(super) async fn choose(session: &Session, tenant: &TenantId, choices: &Choices) -> Answer<bool> {
    // Who else chooses waits, and leaves this as it is.
    let lock = "select settings from tenants where tenant_id = $1 for no key update";
    let Some(row) = session.row(lock, &[&tenant.as_str()]).await? else { return Ok(false) };
    let mut kept = kept_settings(&row)?;
    choices.apply(&mut kept);
    let sql = "update tenants set settings = $2 where tenant_id = $1";
    Ok(session.execute(sql, &[&tenant.as_str(), &kept.to_string()]).await? == 1)
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
    let previous = match (time(10)?, row.try_get::<_, Option<Fixed<32>>>(11)?, time(12)?) {
        (Some(rotated_at), Some(hash), Some(until)) => {
            Some(PreviousSecret { hash: KeyHash::from_stored(hash.0), rotated_at, until })
        }
        _ => None,
    };
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
        version: row.try_get(9)?,
        previous,
        bounds: Bounds {
            rate_limit: row.try_get::<_, Option<Readable<RateLimit>>>(13)?.map(|limit| limit.0),
            networks: row.try_get::<_, Option<Readable<Networks>>>(14)?.map_or_else(Vec::new, |all| all.0.0),
        },
    })
}

/// The networks of a key, with spaces between. What cannot be read would let the key be used from
/// anywhere, so it is no key then.
struct Networks(Vec<Network>);

impl std::str::FromStr for Networks {
    type Err = MalformedNetwork;

    fn from_str(text: &str) -> Result<Self, MalformedNetwork> {
        text.split_whitespace().map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

pub(super) async fn create_tenant(session: &Session, tenant: &TenantId, now: Timestamp) -> Answer<bool> {
    let sql = "insert into tenants (tenant_id, created_at) values ($1, $2) on conflict do nothing";
    session.execute(sql, &[&tenant.as_str(), &now.0]).await.map(|added| added == 1)
}

/// Applies a change of a key; false if what it was decided on is another by now, or its tenant does not
/// exist.
pub(super) async fn keep(session: &Session, change: &KeyChange) -> Result<bool, Fault> {
    let (key, is_kept) = match &change.kept {
        KeyKept::Create(key) => (key, insert(session, key).await?),
        KeyKept::Replace(key) => (key, replace(session, key).await?),
    };
    if is_kept {
        events::append(session, &key.tenant, &change.events).await?;
        answers::keep(session, change.answer.as_deref()).await?;
    }
    Ok(is_kept)
}

async fn insert(session: &Session, key: &ApiKey) -> Answer<bool> {
    let scopes: Vec<&str> = key.scopes.iter().map(|scope| scope.as_str()).collect();
    let (hash, (rate_limit, networks)) = (key.hash.to_stored(), key.bounds.texts());
    let sql = "insert into api_keys (key_id, tenant_id, name, secret_hash, scopes, created_at, expires_at, rate_limit, networks) \
               select $1, tenant_id, $3, $4, $5, $6, $7, $8, $9 from tenants where tenant_id = $2";
    let values: Values<'_> = &[
        &key.id.as_str(),
        &key.tenant.as_str(),
        &key.name,
        &hash.as_slice(),
        &scopes.join(" "),
        &key.created_at.0,
        &key.expires_at.map(|time| time.0),
        &rate_limit,
        &networks,
    ];
    session.execute(sql, values).await.map(|added| added == 1)
}

async fn replace(session: &Session, key: &ApiKey) -> Answer<bool> {
    let previous = key.previous.as_ref();
    let previous_hash = previous.map(|previous| previous.hash.to_stored());
    let (hash, (rate_limit, networks)) = (key.hash.to_stored(), key.bounds.texts());
    let sql = "update api_keys set version = version + 1, secret_hash = $3, rotated_at = $4, previous_hash = $5, \
               previous_until = $6, revoked_at = $7, rate_limit = $8, networks = $9 where key_id = $1 and version = $2";
    let values: Values<'_> = &[
        &key.id.as_str(),
        &key.version,
        &hash.as_slice(),
        &previous.map(|previous| previous.rotated_at.0),
        &previous_hash.as_ref().map(<[u8; 32]>::as_slice),
        &previous.map(|previous| previous.until.0),
        &key.revoked_at.map(|time| time.0),
        &rate_limit,
        &networks,
    ];
    session.execute(sql, values).await.map(|changed| changed == 1)
}

pub(super) async fn touch(session: &Session, id: KeyId, now: Timestamp) -> Answer<bool> {
    let sql = "update api_keys set last_used_at = greatest(last_used_at, $2) where key_id = $1";
    session.execute(sql, &[&id.as_str(), &now.0]).await.map(|changed| changed == 1)
}
