//! Statements that are written as they are needed, with the values bound in them.

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
    values: Vec<(Box<dyn ToSql + Sync + Send>, Type)>,
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
        Self { text: String::new(), values: vec![(Box::new(tenant.as_str().to_owned()), Type::TEXT)] }
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
