//! Conditions on users as SQL.

use super::super::super::columns::name;
use super::super::super::statement::Statement as _;
use super::super::sql::Sql;
use crate::store::search::users::{Column, Lookup, UserLeaf, UserSearch};

/// The index of the order of a column.
pub(super) fn index(column: &str) -> String {
    format!("users_{}", if column == "user_id" { "id" } else { column })
}

/// Writes which rows `t` of `index_terms` a lookup finds.
fn push_lookup(sql: &mut Sql, lookup: &Lookup) {
    sql.push("t.tenant_id = ?1 and t.field = ");
    sql.bind(lookup.field.clone());
    sql.push(" and ");
    sql.push_range("t.value", &lookup.values);
}

/// Writes that the user of this id meets a condition; columns are those of `u`.
fn push_leaf(sql: &mut Sql, leaf: &UserLeaf, user_id: &str) {
    match leaf {
        UserLeaf::Column(Column::UserId, range) => sql.push_range(user_id, range),
        UserLeaf::Column(column, range) => sql.push_range(&format!("u.{}", name(*column)), range),
        UserLeaf::Member(group_id) => {
            sql.push("exists (select 1 from memberships m where m.tenant_id = ?1 and m.group_id = ");
            sql.bind(group_id.as_bytes().to_vec());
            sql.push(&format!(" and m.user_id = {user_id})"));
        }
        // One value is asked of each user by the term's key; of many values, the users who have one
        // are gathered once.
        UserLeaf::Term(lookup) if lookup.values.value().is_some() => {
            sql.push("exists (select 1 from index_terms t where ");
            push_lookup(sql, lookup);
            sql.push(&format!(" and t.user_id = {user_id})"));
        }
        UserLeaf::Term(lookup) => {
            sql.push(&format!("{user_id} in (select t.user_id from index_terms t where "));
            push_lookup(sql, lookup);
            sql.push(")");
        }
    }
}

/// Writes the ids of the users that a condition finds by an index, each once.
pub(super) fn push_driver(sql: &mut Sql, leaf: &UserLeaf) {
    match leaf {
        UserLeaf::Term(lookup) => {
            let distinct = if lookup.values.value().is_some() { "" } else { "distinct " };
            sql.push(&format!("select {distinct}t.user_id from index_terms t where "));
            push_lookup(sql, lookup);
        }
        UserLeaf::Column(column, range) => {
            let column = name(*column);
            let index = index(column);
            sql.push(&format!(
                "select c.user_id from users c indexed by {index} where c.tenant_id = ?1 and "
            ));
            sql.push_range(&format!("c.{column}"), range);
        }
        UserLeaf::Member(group_id) => {
            sql.push("select m.user_id from memberships m where m.tenant_id = ?1 and m.group_id = ");
            sql.bind(group_id.as_bytes().to_vec());
        }
    }
}

/// Writes that the user of this id matches a search; columns are those of `u`.
pub(super) fn push_search(sql: &mut Sql, search: &UserSearch, user_id: &str) {
    sql.push_search(search, &|sql: &mut Sql, leaf: &UserLeaf| push_leaf(sql, leaf, user_id));
}
