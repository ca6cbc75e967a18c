//! What tables hold beside documents and rows, computed from these anew: for steps of the schema
//! that change how it is computed.

use anyhow::Context;
use rusqlite::{Connection, params};

use super::super::index::{sort_names, terms};
use super::groups::SearchForms;
use super::keep::keep_names;
use crate::directory::group::GroupName;
use crate::directory::user::User;

/// How many documents are in memory at once.
const BATCH: i64 = 100;

/// Computes the terms and the sorted names of all users, and what groups are found by.
pub(super) fn search(connection: &Connection) -> anyhow::Result<()> {
    // Terms are gathered as they come and written in the order of their table: one by one they
    // would be written all over it.
    connection.execute_batch(
        "delete from index_terms; \
         create temp table gathered (tenant_id text, field text, value text, user_id text)",
    )?;
    let mut last = 0;
    while let Some(row) = users_after(connection, last)? {
        last = row;
    }
    connection.execute_batch(
        "insert into index_terms (tenant_id, field, value, user_id) \
         select tenant_id, field, value, user_id from gathered order by 1, 2, 3, 4; \
         drop table gathered",
    )?;
    groups(connection)
}

/// Computes those of some users after a row, and tells the row of the last of them, if there is one.
fn users_after(connection: &Connection, row: i64) -> anyhow::Result<Option<i64>> {
    let users: Vec<(i64, String, String, String)> = connection
        .prepare_cached(
            "select user_row, tenant_id, user_id, document from users where user_row > ?1 order by user_row limit ?2",
        )?
        .query_map(params![row, BATCH], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (row, tenant, user_id, document) in &users {
        let user = User::from_document(document.as_bytes()).with_context(|| format!("user {user_id}"))?;
        keep_names(connection, *row, &sort_names(&user))?;
        for term in terms(&user) {
            connection
                .prepare_cached(
                    "insert into gathered (tenant_id, field, value, user_id) values (?1, ?2, ?3, ?4)",
                )?
                .execute([tenant, &*term.field, &term.value, user_id])?;
        }
    }
    Ok(users.last().map(|(row, ..)| *row))
}

/// Computes what all groups are found by. They are few beside users.
fn groups(connection: &Connection) -> anyhow::Result<()> {
    let groups: Vec<(String, [u8; 16], String, Option<String>)> = connection
        .prepare("select tenant_id, group_id, name, description from groups")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (tenant, group_id, name, description) in groups {
        let forms = SearchForms::of(&GroupName::from_stored(name), description.as_deref());
        connection.execute(
            "update groups set canonical = ?3, words = ?4, folded_description = ?5 \
             where tenant_id = ?1 and group_id = ?2",
            params![tenant, group_id, forms.canonical, forms.words, forms.description],
        )?;
    }
    Ok(())
}
