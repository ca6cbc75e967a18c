//! Conditions on users as SQL.

use super::super::super::columns::name;
use super::super::super::statement::Statement as _;
use super::super::sql::Sql;
use crate::store::search::users::{Lookup, UserLeaf, UserSearch};

/// Writes which rows `t` of `index_terms` a lookup finds.
fn push_lookup(sql: &mut Sql, lookup: &Lookup) {
    sql.push("t.tenant_id = $1 and t.field = ");
    sql.bind_text(&lookup.field);
    sql.push(" and ");
    sql.push_range("t.value", &lookup.values);
}

/// Writes that the user `u` meets a condition. What has an offset, even one of nothing, is asked of
/// each user by its key: without it the planner might gather all whom the condition finds first, and
/// these may be nearly everybody.
fn push_leaf(sql: &mut Sql, leaf: &UserLeaf) {
    match leaf {
        UserLeaf::Column(column, range) => sql.push_range(&format!("u.{}", name(*column)), range),
        UserLeaf::Member(group_id) => {
            sql.push("exists (select 1 from memberships m where m.tenant_id = $1 and m.group_id = ");
            sql.bind_bytes(group_id.as_bytes());
            sql.push(" and m.user_id = u.user_id offset 0)");
        }
        UserLeaf::Term(lookup) if lookup.values.value().is_some() => {
            sql.push("exists (select 1 from index_terms t where ");
            push_lookup(sql, lookup);
            sql.push(" and t.user_id = u.user_id offset 0)");
        }
        // Of many values, the users who have one are gathered once.
        UserLeaf::Term(lookup) => {
            sql.push("u.user_id in (select t.user_id from index_terms t where ");
            push_lookup(sql, lookup);
            sql.push(")");
        }
    }
}

/// Writes that the user `u` matches a search.
pub(super) fn push_search(sql: &mut Sql, search: &UserSearch) {
    sql.push_search(search, &push_leaf);
}

/// Writes the ids of the users that a condition finds by an index, each once.
pub(super) fn push_driver(sql: &mut Sql, leaf: &UserLeaf) {
    let distinct = match leaf {
        UserLeaf::Term(lookup) if lookup.values.value().is_none() => "distinct ",
        _ => "",
    };
    push_found(sql, leaf, &format!("{distinct}user_id"));
}

/// Writes a statement that gives `columns` for each row by which a condition finds users.
pub(super) fn push_found(sql: &mut Sql, leaf: &UserLeaf, columns: &str) {
    sql.push(&format!("select {columns} from "));
    match leaf {
        UserLeaf::Term(lookup) => {
            sql.push("index_terms t where ");
            push_lookup(sql, lookup);
        }
        UserLeaf::Column(column, range) => {
            sql.push("users c where c.tenant_id = $1 and ");
            sql.push_range(&format!("c.{}", name(*column)), range);
        }
        UserLeaf::Member(group_id) => {
            sql.push("memberships m where m.tenant_id = $1 and m.group_id = ");
            sql.bind_bytes(group_id.as_bytes());
        }
    }
}
