//! Reading the record of what happened from its end: for those who look at it, not those who follow it.

use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::super::{DayCount, EventPage, NewestEvents};
use super::connection::Answer;
use super::events::{COLUMNS, LOOKED_AT, page};
use super::rows::{each, parsed};
use crate::directory::event::EventType;
use crate::id::{TenantId, UserId};

pub(super) async fn list(client: &Client, tenant: &TenantId, wanted: NewestEvents) -> Answer<EventPage> {
    match wanted.user_id {
        Some(user_id) => of_user(client, tenant, user_id, wanted).await,
        None => of_all(client, tenant, wanted).await,
    }
}

/// Walks the record back from the wanted position.
async fn of_all(client: &Client, tenant: &TenantId, wanted: NewestEvents) -> Answer<EventPage> {
    let (tenant, limit) = (tenant.as_str(), i64::from(wanted.limit));
    let before = wanted.before.unwrap_or(i64::MAX);
    let kind = wanted.kind.map_or("", EventType::as_str);
    // Where to stop, and one more if there is one.
    let ends = client
        .query_typed(
            "select position from events where tenant_id = $1 and position < $2 order by position desc limit 2 offset $3",
            &[(&tenant, Type::TEXT), (&before, Type::INT8), (&(LOOKED_AT - 1), Type::INT8)],
        )
        .await?;
    let end: Option<i64> = match ends.as_slice() {
        [end, _] => Some(end.try_get(0)?),
        _ => None,
    };
    let rows = client
        .query_typed(
            &format!(
                "select {COLUMNS} from events where tenant_id = $1 and position < $2 and position >= $3 \
                 and ($4 = '' or type = $4) order by position desc limit $5"
            ),
            &[
                (&tenant, Type::TEXT),
                (&before, Type::INT8),
                (&end.unwrap_or(i64::MIN), Type::INT8),
                (&kind, Type::TEXT),
                (&(limit + 1), Type::INT8),
            ],
        )
        .await?;
    page(&rows, wanted.limit, end)
}

async fn of_user(
    client: &Client,
    tenant: &TenantId,
    user_id: UserId,
    wanted: NewestEvents,
) -> Answer<EventPage> {
    let kind = wanted.kind.map_or("", EventType::as_str);
    let rows = client
        .query_typed(
            &format!(
                "select {COLUMNS} from events where tenant_id = $1 and user_id = $2 and position < $3 \
                 and ($4 = '' or type = $4) order by position desc limit $5"
            ),
            &[
                (&tenant.as_str(), Type::TEXT),
                (&user_id.as_str(), Type::TEXT),
                (&wanted.before.unwrap_or(i64::MAX), Type::INT8),
                (&kind, Type::TEXT),
                (&(i64::from(wanted.limit) + 1), Type::INT8),
            ],
        )
        .await?;
    page(&rows, wanted.limit, None)
}

/// Counts the newest events by day and type, in that order.
pub(super) async fn by_day(client: &Client, tenant: &TenantId, newest: u32) -> Answer<Vec<DayCount>> {
    let rows = client
        .query_typed(
            "select time / 86400, type, count(*) from \
             (select time, type from events where tenant_id = $1 order by position desc limit $2) as newest \
             group by 1, 2",
            &[(&tenant.as_str(), Type::TEXT), (&i64::from(newest), Type::INT8)],
        )
        .await?;
    let mut counts = each(&rows, |row| {
        Ok(DayCount {
            day: row.try_get(0)?,
            kind: parsed(row, 1)?,
            count: row.try_get::<_, i64>(2)?.unsigned_abs(),
        })
    })?;
    counts.sort_unstable();
    Ok(counts)
}
