//! Statements that are written as they are needed, with the values bound in them.

use std::fmt::Write as _;

use tokio_postgres::types::{FromSqlOwned, ToSql, Type};
use tokio_postgres::{Client, Row};

use super::super::search::Operand;
use super::super::statement::Statement;
use super::connection::Answer;
use super::rows::storable;
use crate::id::TenantId;

/// A statement that is being written, with the values bound in it. The first is the tenant.
pub(super) struct Sql {
    text: String,
    values: Vec<Value>,
}

/// A value that is bound.
enum Value {
    Text(String),
    Number(i64),
    Bytes(Vec<u8>),
}

impl Value {
    fn typed(&self) -> (&(dyn ToSql + Sync), Type) {
        match self {
            Self::Text(text) => (text, Type::TEXT),
            Self::Number(number) => (number, Type::INT8),
            Self::Bytes(bytes) => (bytes, Type::BYTEA),
        }
    }

    /// The value as it is written in a statement.
    fn literal(&self) -> String {
        match self {
            Self::Text(text) => format!("'{}'", text.replace('\'', "''")),
            Self::Number(number) => number.to_string(),
            Self::Bytes(bytes) => {
                let mut literal = "'\\x".to_owned();
                for byte in bytes {
                    write!(literal, "{byte:02x}").expect("a text takes all that is written");
                }
                literal + "'"
            }
        }
    }
}

impl Statement for Sql {
    fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn bind_operand(&mut self, operand: &Operand) {
        match operand {
            Operand::Text(text) => self.bind_text(text),
            Operand::Number(number) => self.bind_number(*number),
        }
    }
}

impl Sql {
    pub(super) fn new(tenant: &TenantId) -> Self {
        Self { text: String::new(), values: vec![Value::Text(tenant.as_str().to_owned())] }
    }

    fn bind(&mut self, value: Value) {
        self.values.push(value);
        let number = self.values.len();
        self.push(&format!("${number}"));
    }

    /// Writes a place for a text, and binds it there.
    pub(super) fn bind_text(&mut self, text: &str) {
        self.bind(Value::Text(storable(text).into_owned()));
    }

    /// The same for a number.
    pub(super) fn bind_number(&mut self, number: i64) {
        self.bind(Value::Number(number));
    }

    /// The same for bytes.
    pub(super) fn bind_bytes(&mut self, bytes: &[u8]) {
        self.bind(Value::Bytes(bytes.to_vec()));
    }

    /// The rows that the statement gives.
    pub(super) async fn rows<T>(&self, client: &Client, read: impl Fn(&Row) -> Answer<T>) -> Answer<Vec<T>> {
        let values: Vec<_> = self.values.iter().map(Value::typed).collect();
        client.query_typed(&self.text, &values).await?.iter().map(read).collect()
    }

    /// The one value that the statement gives.
    pub(super) async fn value<T: FromSqlOwned + Default>(&self, client: &Client) -> Answer<T> {
        let mut values = self.rows(client, |row| row.try_get(0)).await?;
        Ok(values.pop().unwrap_or_default())
    }

    /// The whole numbers of the one row that the statement gives.
    pub(super) async fn numbers(&self, client: &Client) -> Answer<Vec<i64>> {
        let numbers = |row: &Row| (0..row.len()).map(|column| row.try_get(column)).collect();
        Ok(self.rows(client, numbers).await?.pop().unwrap_or_default())
    }

    /// How the database goes about it, a line a step.
    pub(super) async fn explained(&self, client: &Client) -> Answer<Vec<String>> {
        let explain = format!("explain {}", self.expanded());
        client.query_typed(&explain, &[]).await?.iter().map(|row| row.try_get(0)).collect()
    }

    /// The statement with the values in their places.
    pub(super) fn expanded(&self) -> String {
        let mut parts = self.text.split('$');
        let mut expanded = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let end = part.find(|character: char| !character.is_ascii_digit()).unwrap_or(part.len());
            let (number, rest) = part.split_at(end);
            let place = number.parse::<usize>().expect("a dollar stands before the number of a value only");
            expanded += &self.values[place - 1].literal();
            expanded += rest;
        }
        expanded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_shown_with_its_values() {
        let mut sql = Sql::new(&TenantId::default_tenant());
        sql.push("select $1, ");
        sql.bind_text("$1 o'neil\0");
        sql.push("||");
        sql.bind_number(-7);
        sql.push(", ");
        sql.bind_bytes(&[0, 255]);
        let expected = "select 'default', '$1 o''neil\u{1}\u{1}'||-7, '\\x00ff'";
        assert_eq!(sql.expanded(), expected);
    }
}
