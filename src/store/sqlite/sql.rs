//! Statements that are written as they are needed, with the values bound in them.

use std::ops::{Bound, ControlFlow};

use rusqlite::types::{FromSql, Value};
use rusqlite::{Connection, Row, params_from_iter};

use super::super::search::{Operand, Range, Search};
use crate::id::TenantId;

/// A statement that is being written, with the values bound in it. The first is the tenant.
pub(super) struct Sql {
    text: String,
    values: Vec<Value>,
}

impl Sql {
    pub(super) fn new(tenant: &TenantId) -> Self {
        Self { text: String::new(), values: vec![Value::Text(tenant.as_str().to_owned())] }
    }

    pub(super) fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Writes a place for a value, and binds it there.
    pub(super) fn bind(&mut self, value: impl Into<Value>) {
        self.values.push(value.into());
        let number = self.values.len();
        self.push(&format!("?{number}"));
    }

    fn bind_operand(&mut self, operand: &Operand) {
        match operand {
            Operand::Text(text) => self.bind(text.clone()),
            Operand::Number(number) => self.bind(*number),
        }
    }

    /// Writes that `expression` is within the range.
    pub(super) fn push_range(&mut self, expression: &str, range: &Range) {
        if let Some(value) = range.value() {
            self.push(&format!("{expression} = "));
            self.bind_operand(value);
            return;
        }
        let ends = [(&range.lower, ">=", ">"), (&range.upper, "<=", "<")];
        let ends: Vec<_> = ends
            .into_iter()
            .filter_map(|(bound, including, excluding)| match bound {
                Bound::Included(operand) => Some((including, operand)),
                Bound::Excluded(operand) => Some((excluding, operand)),
                Bound::Unbounded => None,
            })
            .collect();
        self.push_joined(&ends, " and ", "true", |sql, (operator, operand)| {
            sql.push(&format!("{expression} {operator} "));
            sql.bind_operand(operand);
        });
    }

    /// Writes that a row matches a search, each leaf of which is written by `leaf`.
    pub(super) fn push_search<Leaf>(&mut self, search: &Search<Leaf>, leaf: &impl Fn(&mut Self, &Leaf)) {
        match search {
            Search::All => self.push("true"),
            Search::And(parts) => {
                self.push_joined(parts, " and ", "true", |sql, part| sql.push_search(part, leaf));
            }
            Search::Or(parts) => {
                self.push_joined(parts, " or ", "false", |sql, part| sql.push_search(part, leaf));
            }
            Search::Not(part) => {
                self.push("not ");
                self.push_search(part, leaf);
            }
            Search::Is(condition) => leaf(self, condition),
        }
    }

    /// Writes the parts in parentheses with an operator between them, or else what none of them is.
    pub(super) fn push_joined<T>(
        &mut self,
        parts: &[T],
        operator: &str,
        none: &str,
        part: impl Fn(&mut Self, &T),
    ) {
        if parts.is_empty() {
            return self.push(none);
        }
        for (number, each) in parts.iter().enumerate() {
            self.push(if number == 0 { "(" } else { operator });
            part(self, each);
        }
        self.push(")");
    }

    /// The rows that the statement gives.
    pub(super) fn rows<T>(
        &self,
        connection: &Connection,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Vec<T>> {
        connection.prepare_cached(&self.text)?.query_map(params_from_iter(&self.values), read)?.collect()
    }

    /// Hands the rows that the statement gives to `read`, one after the other, until it breaks off.
    pub(super) fn walk(
        &self,
        connection: &Connection,
        mut read: impl FnMut(&Row<'_>) -> rusqlite::Result<ControlFlow<()>>,
    ) -> rusqlite::Result<()> {
        let mut statement = connection.prepare_cached(&self.text)?;
        let mut rows = statement.query(params_from_iter(&self.values))?;
        while let Some(row) = rows.next()? {
            if read(row)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// How the database goes about it, a line a step.
    #[cfg(test)]
    pub(super) fn explained(&self, connection: &Connection) -> rusqlite::Result<Vec<String>> {
        connection
            .prepare(&format!("explain query plan {}", self.text))?
            .query_map(params_from_iter(&self.values), |row| row.get("detail"))?
            .collect()
    }

    /// The one value that the statement gives.
    pub(super) fn value<T: FromSql>(&self, connection: &Connection) -> rusqlite::Result<T> {
        connection.prepare_cached(&self.text)?.query_row(params_from_iter(&self.values), |row| row.get(0))
    }

    /// The statement with the values in their places.
    pub(super) fn expanded(&self, connection: &Connection) -> rusqlite::Result<String> {
        let mut statement = connection.prepare(&self.text)?;
        for (number, value) in self.values.iter().enumerate() {
            statement.raw_bind_parameter(number + 1, value)?;
        }
        Ok(statement.expanded_sql().unwrap_or_default())
    }
}
