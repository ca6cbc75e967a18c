//! Copying a whole store into another one, of the same kind or the other, row by row.
//!
//! It knows tables, not users: what is there is copied as it is, under the same ids and versions. Rows
//! go in the order of their keys, so a copy that was interrupted goes on where it ended. API keys come
//! last: until all else is there, nobody can use the copy.

mod tables;
#[cfg(test)]
mod tests;

pub use tables::{Column, Kind, TABLES, Table};

use anyhow::{Context, bail, ensure};
use async_trait::async_trait;
use sha2::{Digest, Sha256};

/// How many rows are moved at once.
const BATCH: u32 = 1_000;

/// A value of a column. A flag is a number, 0 or 1.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// None.
    Null,
    /// A whole number, or a flag.
    Integer(i64),
    /// A text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

/// The values of a row, in the order of the table's columns.
pub type Row = Vec<Value>;

/// A store as its tables, for copying.
#[async_trait]
pub trait Tables: Send {
    /// How many rows a table has.
    async fn count(&mut self, table: &'static Table) -> anyhow::Result<u64>;

    /// Rows of a table after one, or from the first, in the order of their keys; all reads are of one
    /// moment.
    async fn rows(
        &mut self,
        table: &'static Table,
        after: Option<&Row>,
        limit: u32,
    ) -> anyhow::Result<Vec<Row>>;
}

/// A store that is copied into.
#[async_trait]
pub trait Target: Tables {
    /// Removes the tenant that every new store has, if there is nothing else in this one.
    async fn clear_if_new(&mut self) -> anyhow::Result<()>;

    /// Adds rows; they are durable when this returns.
    async fn add(&mut self, table: &'static Table, rows: Vec<Row>) -> anyhow::Result<()>;

    /// Sets what this kind of store keeps beside the rows and follows from them.
    async fn finish(&mut self) -> anyhow::Result<()>;
}

/// What is told while a copy goes on.
pub trait Progress: Send {
    /// This table comes next, with so many rows, of which so many were there already.
    fn begin(&mut self, table: &'static Table, rows: u64, there: u64);
    /// So many rows more are copied.
    fn advance(&mut self, rows: u64);
    /// A table was compared and is the same on both sides.
    fn same(&mut self, table: &'static Table, rows: u64, checksum: &str);
}

/// Copies everything, and compares both sides afterwards.
///
/// # Errors
/// A target that has anything but a beginning of what is copied; one that is different in the end,
/// because somebody wrote to either meanwhile; and what either store says.
pub async fn copy(
    from: &mut dyn Tables,
    to: &mut dyn Target,
    progress: &mut dyn Progress,
) -> anyhow::Result<()> {
    to.clear_if_new().await?;
    let mut copied = Vec::new();
    for table in TABLES {
        copied.push(copy_table(from, to, table, progress).await.with_context(|| table.name)?);
    }
    to.finish().await?;
    for (table, expected) in TABLES.iter().zip(copied) {
        let mut found = Checked::default();
        while !found.add(&to.rows(table, found.last.as_ref(), BATCH).await?) {}
        ensure!(
            found.count == expected.count && found.checksum() == expected.checksum(),
            "the table {} is not the same on both sides: {} rows were copied, and {} are there",
            table.name,
            expected.count,
            found.count
        );
        progress.same(table, found.count, &found.checksum());
    }
    Ok(())
}

/// Copies what is missing of a table, and gives all of it, checked.
async fn copy_table(
    from: &mut dyn Tables,
    to: &mut dyn Target,
    table: &'static Table,
    progress: &mut dyn Progress,
) -> anyhow::Result<Checked> {
    let (all, there) = (from.count(table).await?, to.count(table).await?);
    progress.begin(table, all, there);
    let mut checked = Checked::default();
    while checked.count < there {
        let limit = u32::try_from(there - checked.count).unwrap_or(BATCH).min(BATCH);
        let rows = from.rows(table, checked.last.as_ref(), limit).await?;
        if rows != to.rows(table, checked.last.as_ref(), limit).await? {
            bail!(
                "the target has other rows already: copy into a new store, or go on with a copy of this one"
            );
        }
        checked.add(&rows);
    }
    loop {
        let rows = from.rows(table, checked.last.as_ref(), BATCH).await?;
        let is_all = checked.add(&rows);
        if !rows.is_empty() {
            let count = rows.len() as u64;
            to.add(table, rows).await?;
            progress.advance(count);
        }
        if is_all {
            return Ok(checked);
        }
    }
}

/// Rows that were seen, in order.
#[derive(Clone, Default)]
struct Checked {
    count: u64,
    last: Option<Row>,
    hash: Sha256,
}

impl Checked {
    /// Adds rows, and says whether they are the last ones: none.
    fn add(&mut self, rows: &[Row]) -> bool {
        for value in rows.iter().flatten() {
            // With its kind and length, so that no two rows are written alike.
            match value {
                Value::Null => self.hash.update([0]),
                Value::Integer(number) => {
                    self.hash.update([1]);
                    self.hash.update(number.to_be_bytes());
                }
                Value::Text(text) => self.hash_bytes(2, text.as_bytes()),
                Value::Bytes(bytes) => self.hash_bytes(3, bytes),
            }
        }
        self.count += rows.len() as u64;
        if let Some(last) = rows.last() {
            self.last = Some(last.clone());
        }
        rows.is_empty()
    }

    fn hash_bytes(&mut self, kind: u8, bytes: &[u8]) {
        self.hash.update([kind]);
        self.hash.update((bytes.len() as u64).to_be_bytes());
        self.hash.update(bytes);
    }

    /// The SHA-256 of all rows, its first 16 hexadecimal digits.
    fn checksum(&self) -> String {
        let hash = self.hash.clone().finalize();
        let first = hash.first_chunk().copied().map(u64::from_be_bytes).unwrap_or_default();
        format!("{first:016x}")
    }
}
