//! What was asked to be sent to addresses of late, and whether there can be more.

use super::super::{KeepError, Request, UserChange};
use super::connection::{Answer, Session};
use super::keep::Fault;
use crate::directory::settings::{COUNTED_FOR, Counted, Limit};
use crate::time::Timestamp;

/// Counts what a change asks for, if the limits allow. What is too old to count is forgotten.
pub(super) async fn count(session: &Session, change: &UserChange) -> Result<(), Fault> {
    let Some(request) = change.request() else { return Ok(()) };
    let Request { kind, canonical, at, limits } = request;
    let tenant = change.tenant.as_str();
    // Requests for one address are counted one after another, whichever users claim it.
    let address = format!("{tenant} {kind} {canonical}");
    session.row("select pg_advisory_xact_lock(1651469921, hashtext($1))", &[&address]).await?;
    let mut until = None;
    for limit in limits {
        until = until.max(reached(session, change, request, *limit).await?);
    }
    if let Some(until) = until {
        return Err(KeepError::TooOften(until).into());
    }
    let forget = "delete from proof_requests where tenant_id = $1 and requested_at <= $2";
    session.execute(forget, &[&tenant, &at.before(COUNTED_FOR).0]).await?;
    let count = "insert into proof_requests (tenant_id, requested_at, kind, canonical, user_id, requests) \
                 values ($1, $2, $3, $4, $5, 1) on conflict (tenant_id, requested_at, kind, canonical, user_id) \
                 do update set requests = proof_requests.requests + 1";
    session.execute(count, &[&tenant, &at.0, &kind.as_str(), &canonical, &change.user_id.as_str()]).await?;
    Ok(())
}

/// Until when a limit stands in the way, if it does: until the oldest request that must not count any
/// more does not.
async fn reached(
    session: &Session,
    change: &UserChange,
    request: Request<'_>,
    limit: Limit,
) -> Answer<Option<Timestamp>> {
    let within = limit.within.as_secs().cast_signed();
    let since = request.at.0 - within;
    let tenant = change.tenant.as_str();
    let requests = match limit.of {
        Counted::Address => {
            let sql = "select requested_at, requests from proof_requests \
                       where tenant_id = $1 and kind = $2 and canonical = $3 and requested_at > $4 \
                       order by requested_at desc";
            session.rows(sql, &[&tenant, &request.kind.as_str(), &request.canonical, &since]).await?
        }
        Counted::User => {
            let sql = "select requested_at, requests from proof_requests \
                       where tenant_id = $1 and user_id = $2 and requested_at > $3 order by requested_at desc";
            session.rows(sql, &[&tenant, &change.user_id.as_str(), &since]).await?
        }
    };
    let mut counted = 0;
    for row in requests {
        counted += row.try_get::<_, i64>(1)?;
        if counted >= i64::from(limit.most) {
            return Ok(Some(Timestamp(row.try_get::<_, i64>(0)? + within)));
        }
    }
    Ok(None)
}

/// Forgets what was asked for until this moment.
pub(super) async fn forget(session: &Session, until: Timestamp) -> Answer<bool> {
    let sql = "delete from proof_requests where requested_at <= $1";
    session.execute(sql, &[&until.0]).await.map(|forgotten| forgotten > 0)
}
