//! Groups and memberships: what reads them, and what the writing thread does to them. Whatever adds
//! or removes memberships counts them in the same transaction.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::super::index;
use super::super::search::groups::{Column, GroupLeaf, GroupSearch};
use super::super::statement::Statement as _;
use super::super::{
    Arrival, GroupChange, GroupKept, GroupSortKey, KeepError, MembershipChange, MembershipSortKey, Page,
    Sorted, Version,
};
use super::keep::{is_taken, user_row, violates_index};
use super::sql::Sql;
use super::writer::failed;
use super::{answers, rows};
use crate::directory::group::{Group, GroupName, GroupType, Membership};
use crate::id::{GroupId, TenantId, UserId};
use crate::time::Timestamp;

const GROUP_COLUMNS: &str = "group_id, name, description, is_auto_assigned, users_assigned, creation_time, last_updated, last_assigned, version";

fn group_of(row: &Row<'_>) -> rusqlite::Result<Group> {
    Ok(Group {
        group_id: GroupId::from_bytes(row.get(0)?),
        r#type: GroupType::Custom,
        name: GroupName::from_stored(row.get(1)?),
        description: row.get(2)?,
        is_auto_assigned: row.get(3)?,
        users_assigned: row.get::<_, i64>(4)?.unsigned_abs(),
        clients_assigned: 0,
        creation_time: Timestamp(row.get(5)?),
        last_updated: Timestamp(row.get(6)?),
        last_assigned: Timestamp(row.get(7)?),
    })
}

fn membership_of(row: &Row<'_>) -> rusqlite::Result<Membership> {
    Ok(Membership {
        group_id: GroupId::from_bytes(row.get(0)?),
        user_id: rows::parsed(row, 1)?,
        creation_time: Timestamp(row.get(2)?),
        group_name: GroupName::from_stored(row.get(3)?),
    })
}

fn direction(descending: bool) -> &'static str {
    if descending { "desc" } else { "asc" }
}

/// The page that these make, of which there may be one more than are wanted.
fn page<T>(mut documents: Vec<T>, limit: u32, total: i64) -> Page<T> {
    let has_next = documents.len() > limit as usize;
    documents.truncate(limit as usize);
    Page { documents, total: total.unsigned_abs(), total_is_estimate: false, has_next }
}

pub(super) fn group(
    connection: &Connection,
    tenant: &TenantId,
    group_id: GroupId,
) -> rusqlite::Result<Option<(Version, Group)>> {
    connection
        .prepare_cached(&format!(
            "select {GROUP_COLUMNS} from groups where tenant_id = ?1 and group_id = ?2"
        ))?
        .query_row(params![tenant.as_str(), group_id.as_bytes()], |row| {
            Ok((Version(row.get(8)?), group_of(row)?))
        })
        .optional()
}

/// Writes that the group `g` meets a condition.
fn push_leaf(sql: &mut Sql, leaf: &GroupLeaf) {
    match leaf {
        GroupLeaf::Id(group_id) => {
            sql.push("g.group_id = ");
            sql.bind(group_id.as_bytes().to_vec());
        }
        GroupLeaf::Column(column, range) => {
            let name = match column {
                Column::Name => "g.canonical",
                Column::Description => "g.folded_description",
                Column::IsAutoAssigned => "g.is_auto_assigned",
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
        GroupLeaf::Word(word) => push_between_words(sql, format!(" {word} ")),
        GroupLeaf::WordPrefix(prefix) => push_between_words(sql, format!(" {prefix}")),
    }
}

fn push_between_words(sql: &mut Sql, text: String) {
    sql.push("instr(g.words, ");
    sql.bind(text);
    sql.push(") > 0");
}

/// One page of groups. They are counted each time, and those that a filter is about are looked at one
/// by one, unless it names one: a tenant has few, beside its users.
pub(super) fn groups(
    connection: &Connection,
    tenant: &TenantId,
    search: &GroupSearch,
    list: Sorted<GroupSortKey>,
) -> rusqlite::Result<Page<Group>> {
    let total = matching("count(*)", tenant, search).value(connection)?;
    let groups = page_of(tenant, search, list).rows(connection, group_of)?;
    Ok(page(groups, list.limit, total))
}

/// What is asked for of all groups that match.
fn matching(columns: &str, tenant: &TenantId, search: &GroupSearch) -> Sql {
    let mut sql = Sql::new(tenant);
    sql.push(&format!("select {columns} from groups g where g.tenant_id = ?1 and "));
    sql.push_search(search, &push_leaf);
    sql
}

/// The groups of a page, and one more if there is one.
fn page_of(tenant: &TenantId, search: &GroupSearch, list: Sorted<GroupSortKey>) -> Sql {
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
    let mut sql = matching(GROUP_COLUMNS, tenant, search);
    sql.push(&format!(" order by {column} {direction}, group_id {direction} limit "));
    sql.bind(i64::from(list.limit) + 1);
    sql.push(" offset ");
    sql.bind(list.offset.cast_signed());
    sql
}

pub(super) fn auto_assigned(connection: &Connection, tenant: &TenantId) -> rusqlite::Result<Vec<GroupId>> {
    connection
        .prepare_cached(
            // The planner would rather pass over all groups in their own order.
            "select group_id from groups indexed by groups_auto_assigned \
             where tenant_id = ?1 and is_auto_assigned = 1 order by group_id",
        )?
        .query_map([tenant.as_str()], |row| row.get(0).map(GroupId::from_bytes))?
        .collect()
}

pub(super) fn membership(
    connection: &Connection,
    tenant: &TenantId,
    user_id: UserId,
    group_id: GroupId,
) -> rusqlite::Result<Option<Membership>> {
    connection
        .prepare_cached(
            "select group_id, user_id, memberships.creation_time, name \
             from memberships join groups using (tenant_id, group_id) \
             where tenant_id = ?1 and group_id = ?2 and user_id = ?3",
        )?
        .query_row(params![tenant.as_str(), group_id.as_bytes(), user_id.as_str()], membership_of)
        .optional()
}

pub(super) fn memberships(
    connection: &Connection,
    tenant: &TenantId,
    user_id: UserId,
    list: Sorted<MembershipSortKey>,
) -> rusqlite::Result<Page<Membership>> {
    let MembershipSortKey::CreationTime = list.sort;
    let direction = direction(list.descending);
    let total = connection
        .prepare_cached("select count(*) from memberships where tenant_id = ?1 and user_id = ?2")?
        .query_row([tenant.as_str(), user_id.as_str()], |row| row.get(0))?;
    let memberships = connection
        .prepare_cached(&format!(
            "select group_id, user_id, memberships.creation_time, name \
             from memberships cross join groups using (tenant_id, group_id) \
             where tenant_id = ?1 and user_id = ?2 \
             order by memberships.creation_time {direction}, group_id {direction} limit ?3 offset ?4"
        ))?
        .query_map(
            params![tenant.as_str(), user_id.as_str(), i64::from(list.limit) + 1, list.offset.cast_signed()],
            membership_of,
        )?
        .collect::<rusqlite::Result<_>>()?;
    Ok(page(memberships, list.limit, total))
}

/// What a group's row has beside what the group says of itself: the forms it is found by.
pub(in crate::store) struct SearchForms {
    pub(in crate::store) canonical: String,
    pub(in crate::store) words: String,
    pub(in crate::store) description: Option<String>,
}

impl SearchForms {
    pub(in crate::store) fn of(name: &GroupName, description: Option<&str>) -> Self {
        let canonical = name.canonical();
        let mut between = " ".to_owned();
        for word in index::words(&canonical) {
            between.push_str(word);
            between.push(' ');
        }
        Self { words: between, canonical, description: description.and_then(index::searchable) }
    }
}

/// Applies a change of a group. Nothing is written when what it was decided on has moved on.
pub(super) fn keep(connection: &Connection, change: &GroupChange) -> Result<bool, KeepError> {
    match keep_row(connection, change) {
        Ok(true) => {}
        Ok(false) => return Err(KeepError::Conflict),
        Err(error) if violates_index(&error) => return Err(KeepError::NameTaken),
        Err(error) if is_taken(&error) => return Err(KeepError::Exists),
        Err(error) => return Err(failed(&error)),
    }
    append_events(connection, change).map_err(|error| failed(&error))?;
    answers::keep(connection, change.answer.as_deref())?;
    Ok(true)
}

/// The events of a group are in the record alone, and in no user's chain.
fn append_events(connection: &Connection, change: &GroupChange) -> rusqlite::Result<()> {
    let first = rows::last_position(connection, &change.tenant)? + 1;
    for (position, event) in (first..).zip(&change.events) {
        rows::insert_event(connection, &change.tenant, position, None, event)?;
    }
    Ok(())
}

/// Whether what the change was decided on was there.
fn keep_row(connection: &Connection, change: &GroupChange) -> rusqlite::Result<bool> {
    let tenant = change.tenant.as_str();
    let id = change.group_id.as_bytes();
    let forms = |group: &Group| SearchForms::of(&group.name, group.description.as_deref());
    match &change.kept {
        GroupKept::Create(group) => {
            let SearchForms { canonical, words, description } = forms(group);
            connection
                .prepare_cached(
                    "insert into groups (tenant_id, group_id, version, name, canonical, words, description, \
                     folded_description, is_auto_assigned, creation_time, last_updated, last_assigned) \
                     values (?1, ?2, 1, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
                )?
                .execute(params![
                    tenant,
                    id,
                    group.name.as_str(),
                    canonical,
                    words,
                    group.description,
                    description,
                    group.is_auto_assigned,
                    group.creation_time.0,
                    group.last_updated.0,
                    group.last_assigned.0
                ])
        }
        GroupKept::Replace(version, group) => {
            let SearchForms { canonical, words, description } = forms(group);
            connection
                .prepare_cached(
                    "update groups set version = version + 1, name = ?4, canonical = ?5, words = ?6, \
                     description = ?7, folded_description = ?8, is_auto_assigned = ?9, last_updated = ?10 \
                     where tenant_id = ?1 and group_id = ?2 and version = ?3",
                )?
                .execute(params![
                    tenant,
                    id,
                    version.0,
                    group.name.as_str(),
                    canonical,
                    words,
                    group.description,
                    description,
                    group.is_auto_assigned,
                    group.last_updated.0
                ])
        }
        GroupKept::Delete => {
            connection
                .prepare_cached("delete from memberships where tenant_id = ?1 and group_id = ?2")?
                .execute(params![tenant, id])?;
            connection
                .prepare_cached("delete from groups where tenant_id = ?1 and group_id = ?2")?
                .execute(params![tenant, id])
        }
    }
    .map(|changed| changed == 1)
}

/// Makes a user join or leave a group, with the event of it, which becomes the newest of the user's;
/// false if nothing was to do. The user's version stays: no document is decided on memberships.
pub(super) fn keep_membership(connection: &Connection, change: &MembershipChange) -> Result<bool, KeepError> {
    let changed = change_membership(connection, change).map_err(|error| failed(&error))?;
    if changed {
        answers::keep(connection, change.answer.as_deref())?;
    }
    Ok(changed)
}

fn change_membership(connection: &Connection, change: &MembershipChange) -> rusqlite::Result<bool> {
    let MembershipChange { tenant, user_id, group_id, joins, event, .. } = change;
    let Some(user) = user_row(connection, tenant, *user_id)? else { return Ok(false) };
    let changed = if *joins {
        is_there(connection, tenant, *group_id)?
            && insert(connection, tenant, *user_id, *group_id, event.time)?
    } else {
        remove(connection, tenant, *user_id, *group_id)?
    };
    if changed {
        let position = rows::last_position(connection, tenant)? + 1;
        rows::insert_event(connection, tenant, position, user.last_event, event)?;
        connection
            .prepare_cached("update users set last_event = ?2 where user_row = ?1")?
            .execute([user.row, position])?;
    }
    Ok(changed)
}

fn is_there(connection: &Connection, tenant: &TenantId, group_id: GroupId) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("select 1 from groups where tenant_id = ?1 and group_id = ?2")?
        .exists(params![tenant.as_str(), group_id.as_bytes()])
}

/// Whether a new user can join the groups they are to join: whether the automatic ones are still all that
/// take every new user, and the others are there.
pub(super) fn can_join(
    connection: &Connection,
    tenant: &TenantId,
    arrival: &Arrival,
) -> rusqlite::Result<bool> {
    if let Some(automatic) = &arrival.automatic
        && auto_assigned(connection, tenant)? != *automatic
    {
        return Ok(false);
    }
    for (group_id, _) in &arrival.groups {
        if !is_there(connection, tenant, *group_id)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Makes a new user join groups, each since its moment.
pub(super) fn join(
    connection: &Connection,
    tenant: &TenantId,
    user_id: UserId,
    groups: &[(GroupId, Timestamp)],
) -> rusqlite::Result<()> {
    for (group_id, since) in groups {
        insert(connection, tenant, user_id, *group_id, *since)?;
    }
    Ok(())
}

/// Makes a user who is removed leave all groups.
pub(super) fn leave_all(connection: &Connection, tenant: &TenantId, user_id: UserId) -> rusqlite::Result<()> {
    let groups: Vec<GroupId> = connection
        .prepare_cached("select group_id from memberships where tenant_id = ?1 and user_id = ?2")?
        .query_map([tenant.as_str(), user_id.as_str()], |row| row.get(0).map(GroupId::from_bytes))?
        .collect::<rusqlite::Result<_>>()?;
    for group_id in groups {
        remove(connection, tenant, user_id, group_id)?;
    }
    Ok(())
}

/// Adds a membership and counts it; false if it is there. The user and the group must be.
fn insert(
    connection: &Connection,
    tenant: &TenantId,
    user_id: UserId,
    group_id: GroupId,
    now: Timestamp,
) -> rusqlite::Result<bool> {
    let added = connection
        .prepare_cached(
            "insert into memberships (tenant_id, group_id, user_id, creation_time) values (?1, ?2, ?3, ?4) \
             on conflict do nothing",
        )?
        .execute(params![tenant.as_str(), group_id.as_bytes(), user_id.as_str(), now.0])?;
    if added == 1 {
        connection
            .prepare_cached(
                "update groups set users_assigned = users_assigned + 1, last_assigned = max(last_assigned, ?3) \
                 where tenant_id = ?1 and group_id = ?2",
            )?
            .execute(params![tenant.as_str(), group_id.as_bytes(), now.0])?;
    }
    Ok(added == 1)
}

/// Removes a membership and counts that; false if there is none.
fn remove(
    connection: &Connection,
    tenant: &TenantId,
    user_id: UserId,
    group_id: GroupId,
) -> rusqlite::Result<bool> {
    let removed = connection
        .prepare_cached("delete from memberships where tenant_id = ?1 and group_id = ?2 and user_id = ?3")?
        .execute(params![tenant.as_str(), group_id.as_bytes(), user_id.as_str()])?;
    if removed == 1 {
        connection
            .prepare_cached(
                "update groups set users_assigned = users_assigned - 1 where tenant_id = ?1 and group_id = ?2",
            )?
            .execute(params![tenant.as_str(), group_id.as_bytes()])?;
    }
    Ok(removed == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::search::groups::parse;
    use crate::store::sqlite::SqliteStore;

    #[test]
    fn a_group_that_is_named_is_found_by_its_index() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("groups.db");
        drop(SqliteStore::open(&path, Timestamp(0)).unwrap());
        let connection = Connection::open(path).unwrap();
        for (filter, index) in [
            ("name:Administrators", "groups_canonical (tenant_id=? AND canonical=?)"),
            ("name:a users_assigned:>0", "groups_canonical (tenant_id=? AND canonical=?)"),
            ("group_id:8c8ee7ee-6c6f-4f3c-9b1c-0a3f5a3f2d11", "PRIMARY KEY (tenant_id=? AND group_id=?)"),
        ] {
            let list = Sorted { sort: GroupSortKey::CreationTime, descending: true, offset: 0, limit: 10 };
            let statement = page_of(&TenantId::default_tenant(), &parse(filter).unwrap().unwrap(), list);
            let steps = statement.explained(&connection).unwrap();
            assert!(steps[0].ends_with(index), "{filter}: {steps:?}");
        }
    }
}
