//! Statements that are written as they are needed, with the values bound in them.

use std::ops::Bound;

use tokio_postgres::types::{FromSqlOwned, ToSql, Type};
use tokio_postgres::{Client, Row};

use super::super::search::{Operand, Range, Search};
use super::connection::Answer;
use super::rows::storable;
use crate::id::TenantId;

/// A statement that is being written, with the values bound in it. The first is the tenant.
pub(super) struct Sql {
    text: String,
    values: Vec<(Box<dyn ToSql + Sync + Send>, Type)>,
}

impl Sql {
    pub(super) fn new(tenant: &TenantId) -> Self {
        Self { text: String::new(), values: vec![(Box::new(tenant.as_str().to_owned()), Type::TEXT)] }
    }

    pub(super) fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn bind(&mut self, value: impl ToSql + Sync + Send + 'static, kind: Type) {
        self.values.push((Box::new(value), kind));
        let number = self.values.len();
        self.push(&format!("${number}"));
    }

    /// Writes a place for a text, and binds it there.
    pub(super) fn bind_text(&mut self, text: &str) {
        self.bind(storable(text).into_owned(), Type::TEXT);
    }

    /// The same for a number.
    pub(super) fn bind_number(&mut self, number: i64) {
        self.bind(number, Type::INT8);
    }

    /// The same for bytes.
    pub(super) fn bind_bytes(&mut self, bytes: &[u8]) {
        self.bind(bytes.to_vec(), Type::BYTEA);
    }

    fn bind_operand(&mut self, operand: &Operand) {
        match operand {
            Operand::Text(text) => self.bind_text(text),
            Operand::Number(number) => self.bind_number(*number),
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
    pub(super) async fn rows<T>(&self, client: &Client, read: impl Fn(&Row) -> Answer<T>) -> Answer<Vec<T>> {
        let values: Vec<(&(dyn ToSql + Sync), Type)> =
            self.values.iter().map(|(value, kind)| (&**value as &(dyn ToSql + Sync), kind.clone())).collect();
        client.query_typed(&self.text, &values).await?.iter().map(read).collect()
    }

    /// The one value that the statement gives.
    pub(super) async fn value<T: FromSqlOwned + Default>(&self, client: &Client) -> Answer<T> {
        let mut values = self.rows(client, |row| row.try_get(0)).await?;
        Ok(values.pop().unwrap_or_default())
    }
}
