//! Statements that are written as they are needed, with the values bound in them.

use std::ops::ControlFlow;

use rusqlite::types::{FromSql, Value};
use rusqlite::{Connection, Row, params_from_iter};

use super::super::search::Operand;
use super::super::statement::Statement;
use crate::id::TenantId;

/// A statement that is being written, with the values bound in it. The first is the tenant.
pub(super) struct Sql {
    text: String,
    values: Vec<Value>,
}

impl Statement for Sql {
    fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn bind_operand(&mut self, operand: &Operand) {
        match operand {
            Operand::Text(text) => self.bind(text.clone()),
            Operand::Number(number) => self.bind(*number),
        }
    }
}

impl Sql {
    pub(super) fn new(tenant: &TenantId) -> Self {
        Self { text: String::new(), values: vec![Value::Text(tenant.as_str().to_owned())] }
    }

    /// Writes a place for a value, and binds it there.
    pub(super) fn bind(&mut self, value: impl Into<Value>) {
        let place = self.place(value);
        self.push(&place);
    }

    /// Binds a value, and gives its place as it is written, once or several times.
    pub(super) fn place(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("?{}", self.values.len())
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
