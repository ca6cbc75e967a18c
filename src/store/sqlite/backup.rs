//! A copy of a store while servers write to it.

use std::fs::{self, File};
use std::path::Path;

use anyhow::{Context, bail};

use super::file::{look, make_private_file};
use super::migrate;

/// Copies the store in `from` into a new file, as it is at one moment. Servers may go on writing to
/// the store meanwhile: they are not held up, and what they write is not in the copy.
///
/// The copy is on the disk when this returns, and is under its name only when it is whole. It is a
/// store like any other: to use it, a server is started with it.
///
/// # Errors
/// A sentence naming the file when there is no store, or one that this program does not know; when
/// there is something under the copy's name already; and when there is no room for it.
pub fn backup(from: &Path, to: &Path) -> anyhow::Result<()> {
    if !from.exists() {
        bail!("there is no store {}", from.display());
    }
    if to.exists() {
        bail!("{} is there already, and a backup never takes the place of another file", to.display());
    }
    let beside = to.with_added_extension(format!("{}.new", std::process::id()));
    let copied = copy(from, &beside, to);
    if copied.is_err() {
        // It may never have come to be.
        let _ = fs::remove_file(&beside);
    }
    copied.with_context(|| format!("the store {} could not be copied to {}", from.display(), to.display()))
}

fn copy(from: &Path, beside: &Path, to: &Path) -> anyhow::Result<()> {
    let connection = look(from)?;
    migrate::steps_taken(&connection)?;
    // SQLite takes an empty file for one that is not there, and leaves its mode.
    make_private_file(beside)?;
    connection.execute("vacuum into ?1", [beside.to_str().context("the path is not text")?])?;
    File::open(beside)?.sync_all()?;
    fs::rename(beside, to)?;
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok(File::open(folder)?.sync_all()?)
}
