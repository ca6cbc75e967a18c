//! Rows of the tables as values, and values as rows.

use std::borrow::Cow;
use std::str::FromStr;

use bytes::Bytes;
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;

use super::super::{Kept, Page, Version};
use super::connection::Answer;
use super::failure;
use crate::error::Error;

/// The value of a row that may be there.
pub(super) fn one<T>(row: Option<Row>, read: impl Fn(&Row) -> Answer<T>) -> Result<Option<T>, Error> {
    row.map(|row| read(&row)).transpose().map_err(|error| failure(&error))
}

/// The values of rows.
pub(super) fn all<T>(rows: &[Row], read: impl Fn(&Row) -> Answer<T>) -> Result<Vec<T>, Error> {
    each(rows, read).map_err(|error| failure(&error))
}

/// The same where the error is still the database's.
pub(super) fn each<T>(rows: &[Row], read: impl Fn(&Row) -> Answer<T>) -> Answer<Vec<T>> {
    rows.iter().map(read).collect()
}

/// The text of a column.
pub(super) fn text_of(row: &Row, column: usize) -> Answer<&str> {
    row.try_get(column)
}

/// The text of a column as a type that reads itself from text.
pub(super) fn parsed<T: FromStr>(row: &Row, column: usize) -> Answer<T> {
    row.try_get::<_, Readable<T>>(column).map(|readable| readable.0)
}

/// What is read from a text by its own rules.
pub(super) struct Readable<T>(pub(super) T);

impl<'a, T: FromStr> tokio_postgres::types::FromSql<'a> for Readable<T> {
    fn from_sql(
        kind: &tokio_postgres::types::Type,
        raw: &'a [u8],
    ) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        let text = <&str as tokio_postgres::types::FromSql>::from_sql(kind, raw)?;
        // What is wrong with it is not repeated, because it may be personal.
        text.parse().map(Self).map_err(|_| "a text that this program does not write".into())
    }

    fn accepts(kind: &tokio_postgres::types::Type) -> bool {
        <&str as tokio_postgres::types::FromSql>::accepts(kind)
    }
}

/// The 16 bytes of an id.
pub(super) fn id(row: &Row, column: usize) -> Answer<[u8; 16]> {
    row.try_get::<_, Fixed<16>>(column).map(|bytes| bytes.0)
}

/// Bytes of a known number.
pub(super) struct Fixed<const N: usize>(pub(super) [u8; N]);

impl<'a, const N: usize> tokio_postgres::types::FromSql<'a> for Fixed<N> {
    fn from_sql(
        _: &tokio_postgres::types::Type,
        raw: &'a [u8],
    ) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(raw.try_into()?))
    }

    fn accepts(kind: &tokio_postgres::types::Type) -> bool {
        *kind == tokio_postgres::types::Type::BYTEA
    }
}

/// Whether this is the refusal of a unique key. Where tables are spread over several servers, the
/// name of the key has the number of a part behind it.
pub(super) fn violates(error: &tokio_postgres::Error, key: &str) -> bool {
    error.as_db_error().is_some_and(|error| {
        *error.code() == SqlState::UNIQUE_VIOLATION
            && error.constraint().is_some_and(|constraint| constraint.starts_with(key))
    })
}

pub(super) fn kept(row: &Row) -> Answer<Kept> {
    Ok(Kept { version: Version(row.try_get(0)?), document: document(row, 1)?, has_proofs: row.try_get(2)? })
}

/// The JSON in this column.
pub(super) fn document(row: &Row, column: usize) -> Answer<Bytes> {
    row.try_get::<_, &str>(column).map(|text| Bytes::copy_from_slice(text.as_bytes()))
}

/// The page that these make, of which there may be one more than are wanted.
pub(super) fn page<T>(mut documents: Vec<T>, limit: u32, total: i64) -> Page<T> {
    let has_next = documents.len() > limit as usize;
    documents.truncate(limit as usize);
    Page { documents, total: total.unsigned_abs(), total_is_estimate: false, has_next }
}

/// A text as it is kept: PostgreSQL has no texts with the character of number 0, so it and the one
/// after it are written with two. The order of texts stays.
pub(super) fn storable(text: &str) -> Cow<'_, str> {
    if text.contains(['\0', '\u{1}']) {
        Cow::Owned(text.replace('\u{1}', "\u{1}\u{2}").replace('\0', "\u{1}\u{1}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// The text that [`storable`] was given.
pub(super) fn restored(text: &str) -> String {
    text.replace("\u{1}\u{1}", "\0").replace("\u{1}\u{2}", "\u{1}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_comes_back_as_it_was_and_in_the_same_order() {
        let mut texts =
            ["", "\0", "\0\0", "\0\u{1}", "\u{1}", "\u{1}\0", "\u{1}\u{2}", "\u{2}", "a", "a\0b", "ä"];
        texts.sort_unstable();
        for text in texts {
            assert!(!storable(text).contains('\0'));
            assert_eq!(restored(&storable(text)), text);
        }
        assert!(texts.map(storable).is_sorted());
    }
}
