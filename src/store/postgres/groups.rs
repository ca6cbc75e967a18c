//! Groups and memberships. Whatever adds or removes memberships counts them in the same transaction,
//! and locks first the user, then the group, then the membership.

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

use super::super::search::groups::{Column, GroupLeaf, GroupSearch};
use super::super::sqlite::SearchForms;
use super::super::statement::Statement as _;
use super::super::{
    Arrival, GroupChange, GroupKept, GroupSortKey, KeepError, MembershipChange, MembershipSortKey, Page,
    Sorted, Version,
};
use super::connection::{Answer, Session};
use super::events;
use super::keep::Fault;
use super::rows::{self, each, id, page, parsed, restored, storable};
use super::sql::Sql;
use crate::directory::group::{Group, GroupName, GroupType, Membership};
use crate::id::{GroupId, TenantId, UserId};
use crate::time::Timestamp;

pub(super) const GROUP: &str = "select group_id, name, description, is_auto_assigned, users_assigned, creation_time, last_updated, last_assigned, version \
     from groups where tenant_id = $1 and group_id = $2";
pub(super) const AUTO_ASSIGNED: &str =
    "select group_id from groups where tenant_id = $1 and is_auto_assigned order by group_id";
pub(super) const MEMBERSHIP: &str = "select group_id, user_id, memberships.creation_time, name \
     from memberships join groups using (tenant_id, group_id) \
     where tenant_id = $1 and group_id = $2 and user_id = $3";

fn group(row: &Row) -> Answer<Group> {
    Ok(Group {
        group_id: GroupId::from_bytes(id(row, 0)?),
        r#type: GroupType::Custom,
        name: GroupName::from_stored(row.try_get(1)?),
        description: row.try_get::<_, Option<&str>>(2)?.map(restored),
        is_auto_assigned: row.try_get(3)?,
        users_assigned: row.try_get::<_, i64>(4)?.unsigned_abs(),
        clients_assigned: 0,
        creation_time: Timestamp(row.try_get(5)?),
        last_updated: Timestamp(row.try_get(6)?),
        last_assigned: Timestamp(row.try_get(7)?),
    })
}

pub(super) fn versioned(row: &Row) -> Answer<(Version, Group)> {
    Ok((Version(row.try_get(8)?), group(row)?))
}

pub(super) fn membership(row: &Row) -> Answer<Membership> {
    Ok(Membership {
        group_id: GroupId::from_bytes(id(row, 0)?),
        user_id: parsed(row, 1)?,
        creation_time: Timestamp(row.try_get(2)?),
        group_name: GroupName::from_stored(row.try_get(3)?),
    })
}

fn direction(descending: bool) -> &'static str {
    if descending { "desc" } else { "asc" }
}

/// Writes that the group `g` meets a condition.
fn push_leaf(sql: &mut Sql, leaf: &GroupLeaf) {
    match leaf {
        GroupLeaf::Id(group_id) => {
            sql.push("g.group_id = ");
            sql.bind_bytes(group_id.as_bytes());
        }
        GroupLeaf::Column(column, range) => {
            let name = match column {
                Column::Name => "g.canonical",
                Column::Description => "g.folded_description",
                Column::IsAutoAssigned => "g.is_auto_assigned::integer",
                Column::UsersAssigned => "g.users_assigned",
                Column::CreationTime => "g.creation_time",
                Column::LastUpdated => "g.last_updated",
                Column::LastAssigned => "g.last_assigned",
            };
            // What is not there is not within bounds: without this it would be neither within nor not.
            sql.push(&format!("({name} is not null and "));
            sql.push_range(name, range);
            sql.push(")");
        }
        GroupLeaf::Word(word) => push_between_words(sql, &format!(" {word} ")),
        GroupLeaf::WordPrefix(prefix) => push_between_words(sql, &format!(" {prefix}")),
    }
}

fn push_between_words(sql: &mut Sql, text: &str) {
    sql.push("strpos(g.words, ");
    sql.bind_text(text);
    sql.push(") > 0");
}

/// One page of groups. They are counted each time, and those that a filter is about are looked at one
/// by one, unless it names one: a tenant has few, beside its users.
pub(super) async fn list(
    client: &Client,
    tenant: &TenantId,
    search: &GroupSearch,
    list: Sorted<GroupSortKey>,
) -> Answer<Page<Group>> {
    let direction = direction(list.descending);
    let column = match list.sort {
        GroupSortKey::Name => "canonical",
        GroupSortKey::UsersAssigned => "users_assigned",
        GroupSortKey::LastAssigned => "last_assigned",
        GroupSortKey::CreationTime => "creation_time",
        GroupSortKey::LastUpdated => "last_updated",
        // All groups are equal in these.
        GroupSortKey::Type | GroupSortKey::ClientsAssigned => "tenant_id",
    };
    let wanted = |columns: &str| {
        let mut sql = Sql::new(tenant);
        sql.push(&format!("select {columns} from groups g where g.tenant_id = $1 and "));
        sql.push_search(search, &push_leaf);
        sql
    };
    let mut page_of = wanted(
        "group_id, name, description, is_auto_assigned, users_assigned, creation_time, last_updated, last_assigned",
    );
    page_of.push(&format!(" order by {column} {direction}, group_id {direction} limit "));
    page_of.bind_number(i64::from(list.limit) + 1);
    page_of.push(" offset ");
    page_of.bind_number(list.offset.cast_signed());
    let total = wanted("count(*)").value(client).await?;
    Ok(page(page_of.rows(client, group).await?, list.limit, total))
}

/// One page of the memberships of a user.
pub(super) async fn memberships(
    client: &Client,
    tenant: &TenantId,
    user_id: UserId,
    list: Sorted<MembershipSortKey>,
) -> Answer<Page<Membership>> {
    let MembershipSortKey::CreationTime = list.sort;
    let direction = direction(list.descending);
    let (tenant, user) = (tenant.as_str(), user_id.as_str());
    let total = client
        .query_typed_one(
            "select count(*) from memberships where tenant_id = $1 and user_id = $2",
            &[(&tenant, Type::TEXT), (&user, Type::TEXT)],
        )
        .await?;
    let sql = format!(
        "select group_id, user_id, memberships.creation_time, name \
         from memberships join groups using (tenant_id, group_id) where tenant_id = $1 and user_id = $2 \
         order by memberships.creation_time {direction}, group_id {direction} limit $3 offset $4"
    );
    let (limit, offset) = (i64::from(list.limit) + 1, list.offset.cast_signed());
    let rows = client
        .query_typed(
            &sql,
            &[(&tenant, Type::TEXT), (&user, Type::TEXT), (&limit, Type::INT8), (&offset, Type::INT8)],
        )
        .await?;
    Ok(page(each(&rows, membership)?, list.limit, total.try_get(0)?))
}

/// Applies a change of a group, within a transaction.
pub(super) async fn keep(session: &Session, change: &GroupChange) -> Result<bool, Fault> {
    match keep_row(session, change).await {
        Ok(true) => {}
        Ok(false) => return Err(KeepError::Conflict.into()),
        Err(error) if rows::violates(&error, "groups_canonical") => return Err(KeepError::NameTaken.into()),
        Err(error) if rows::violates(&error, "groups_pkey") => return Err(KeepError::Exists.into()),
        Err(error) => return Err(error.into()),
    }
    events::append(session, &change.tenant, &change.events).await?;
    Ok(true)
}

/// Whether what the change was decided on was there.
async fn keep_row(session: &Session, change: &GroupChange) -> Answer<bool> {
    let (tenant, id) = (change.tenant.as_str(), change.group_id.as_bytes().as_slice());
    let changed = match &change.kept {
        GroupKept::Create(group) => {
            let forms = SearchForms::of(&group.name, group.description.as_deref());
            let sql = "insert into groups (tenant_id, group_id, version, name, canonical, description, is_auto_assigned, \
                       creation_time, last_updated, last_assigned, words, folded_description) \
                       values ($1, $2, 1, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
            session
                .execute(
                    sql,
                    &[
                        &tenant,
                        &id,
                        &group.name.as_str(),
                        &forms.canonical,
                        &group.description.as_deref().map(storable),
                        &group.is_auto_assigned,
                        &group.creation_time.0,
                        &group.last_updated.0,
                        &group.last_assigned.0,
                        &forms.words,
                        &forms.description.as_deref().map(storable),
                    ],
                )
                .await?
        }
        GroupKept::Replace(version, group) => {
            let forms = SearchForms::of(&group.name, group.description.as_deref());
            let sql = "update groups set version = version + 1, name = $4, canonical = $5, description = $6, \
                       is_auto_assigned = $7, last_updated = $8, words = $9, folded_description = $10 \
                       where tenant_id = $1 and group_id = $2 and version = $3";
            session
                .execute(
                    sql,
                    &[
                        &tenant,
                        &id,
                        &version.0,
                        &group.name.as_str(),
                        &forms.canonical,
                        &group.description.as_deref().map(storable),
                        &group.is_auto_assigned,
                        &group.last_updated.0,
                        &forms.words,
                        &forms.description.as_deref().map(storable),
                    ],
                )
                .await?
        }
        GroupKept::Delete => {
            // Whoever was joining has done so when the row is locked.
            let lock = "select 1 from groups where tenant_id = $1 and group_id = $2 for update";
            if session.row(lock, &[&tenant, &id]).await?.is_none() {
                return Ok(false);
            }
            let members = "delete from memberships where tenant_id = $1 and group_id = $2";
            session.execute(members, &[&tenant, &id]).await?;
            session
                .execute("delete from groups where tenant_id = $1 and group_id = $2", &[&tenant, &id])
                .await?
        }
    };
    Ok(changed == 1)
}

/// Makes a user join or leave a group, with the event of it; false if nothing was to do: then what
/// was done on the way is to be undone. The user's version stays: no document is decided on
/// memberships.
pub(super) async fn keep_membership(session: &Session, change: &MembershipChange) -> Answer<bool> {
    let MembershipChange { tenant, user_id, group_id, joins, event } = change;
    let (name, user, group) = (tenant.as_str(), user_id.as_str(), group_id.as_bytes().as_slice());
    let lock = "select 1 from users where tenant_id = $1 and user_id = $2 for no key update";
    if session.row(lock, &[&name, &user]).await?.is_none() {
        return Ok(false);
    }
    let changed = if *joins {
        let count = "update groups set users_assigned = users_assigned + 1, last_assigned = greatest(last_assigned, $3) \
                     where tenant_id = $1 and group_id = $2";
        let join = "insert into memberships (tenant_id, group_id, user_id, creation_time) values ($1, $2, $3, $4) \
                    on conflict do nothing";
        session.execute(count, &[&name, &group, &event.time.0]).await? == 1
            && session.execute(join, &[&name, &group, &user, &event.time.0]).await? == 1
    } else {
        let count =
            "update groups set users_assigned = users_assigned - 1 where tenant_id = $1 and group_id = $2";
        let leave = "delete from memberships where tenant_id = $1 and group_id = $2 and user_id = $3";
        session.execute(count, &[&name, &group]).await? == 1
            && session.execute(leave, &[&name, &group, &user]).await? == 1
    };
    if changed {
        events::append(session, tenant, std::slice::from_ref(event)).await?;
    }
    Ok(changed)
}

/// Makes a new user join the groups they are to join; false if the automatic ones are not all that take
/// every new user, or one of the others is not there.
pub(super) async fn join(
    session: &Session,
    tenant: &TenantId,
    user_id: UserId,
    arrival: &Arrival,
    now: Timestamp,
) -> Answer<bool> {
    let (tenant, user) = (tenant.as_str(), user_id.as_str());
    let ids = |rows: &[Row]| each(rows, |row| id(row, 0).map(GroupId::from_bytes));
    if let Some(automatic) = &arrival.automatic {
        // In the order of their ids, as everybody locks them.
        let wanted = session
            .rows(
                "select group_id from groups where tenant_id = $1 and is_auto_assigned order by group_id for no key update",
                &[&tenant],
            )
            .await?;
        if ids(&wanted)? != *automatic {
            return Ok(false);
        }
    }
    let memberships = arrival.memberships(now);
    if memberships.is_empty() {
        return Ok(true);
    }
    let groups: Vec<&[u8]> = memberships.iter().map(|(group, _)| group.as_bytes().as_slice()).collect();
    let times: Vec<i64> = memberships.iter().map(|(_, since)| since.0).collect();
    if !arrival.groups.is_empty() {
        let lock = "select group_id from groups where tenant_id = $1 and group_id = any($2) \
                    order by group_id for no key update";
        if session.rows(lock, &[&tenant, &groups]).await?.len() != groups.len() {
            return Ok(false);
        }
    }
    let count = "update groups set users_assigned = users_assigned + 1, last_assigned = greatest(last_assigned, since) \
                 from unnest($2::bytea[], $3::bigint[]) as joined (joined_id, since) \
                 where tenant_id = $1 and group_id = joined_id";
    session.execute(count, &[&tenant, &groups, &times]).await?;
    let join = "insert into memberships (tenant_id, group_id, user_id, creation_time) \
                select $1, joined_id, $4, since from unnest($2::bytea[], $3::bigint[]) as joined (joined_id, since)";
    session.execute(join, &[&tenant, &groups, &times, &user]).await?;
    Ok(true)
}

/// Makes a user who was removed leave all groups.
pub(super) async fn leave_all(session: &Session, tenant: &TenantId, user_id: UserId) -> Answer<()> {
    let (tenant, user) = (tenant.as_str(), user_id.as_str());
    let lock = "select group_id from groups where tenant_id = $1 and group_id in \
                (select group_id from memberships where tenant_id = $1 and user_id = $2) \
                order by group_id for no key update";
    if session.rows(lock, &[&tenant, &user]).await?.is_empty() {
        return Ok(());
    }
    let leave = "with gone as (delete from memberships where tenant_id = $1 and user_id = $2 returning group_id) \
                 update groups set users_assigned = users_assigned - 1 \
                 from gone where groups.tenant_id = $1 and groups.group_id = gone.group_id";
    session.execute(leave, &[&tenant, &user]).await.map(drop)
}
