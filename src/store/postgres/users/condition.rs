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

/// How it is found out which of some users meet a condition on one value.
#[derive(Clone, Copy)]
pub(super) enum Asking {
    /// Each is looked up by its key: they are some thousands at most, and those whom the condition finds
    /// may be nearly everybody.
    Each,
    /// As the planner likes: they are all users there are.
    All,
}

impl Asking {
    /// What ends a condition so that it is asked like this. What has an offset, even one of nothing, is
    /// never made a join.
    fn end(self) -> &'static str {
        match self {
            Self::Each => " offset 0)",
            Self::All => ")",
        }
    }
}

/// Writes that the user `u` meets a condition.
fn push_leaf(sql: &mut Sql, leaf: &UserLeaf, asking: Asking) {
    match leaf {
        UserLeaf::Column(column, range) => sql.push_range(&format!("u.{}", name(*column)), range),
        UserLeaf::Member(group_id) => {
            sql.push("exists (select 1 from memberships m where m.tenant_id = $1 and m.group_id = ");
            sql.bind_bytes(group_id.as_bytes());
            sql.push(" and m.user_id = u.user_id");
            sql.push(asking.end());
        }
        UserLeaf::Term(lookup) if lookup.values.value().is_some() => {
            sql.push("exists (select 1 from index_terms t where ");
            push_lookup(sql, lookup);
            sql.push(" and t.user_id = u.user_id");
            sql.push(asking.end());
        }
        // Of many values, the users who have one are gathered once. That it `is true` keeps the planner
        // from reading them all again for each user.
        UserLeaf::Term(lookup) => {
            sql.push("((u.user_id in (select t.user_id from index_terms t where ");
            push_lookup(sql, lookup);
            sql.push(")) is true)");
        }
    }
}

/// Writes that the user `u` matches a search.
pub(super) fn push_search(sql: &mut Sql, search: &UserSearch, asking: Asking) {
    sql.push_search(search, &|sql: &mut Sql, leaf: &UserLeaf| push_leaf(sql, leaf, asking));
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
