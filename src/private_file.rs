//! Files that only their owner can read: keys, and what belongs to them.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Writes a file that only its owner can read, whatever the mode of one that was there before.
///
/// The text goes into a new file beside it, which then takes its place. So nobody ever sees a part
/// of it, and a mode that let others read has no moment in which it counts.
///
/// # Errors
/// A file that cannot be written, by name.
pub(crate) fn write(path: &Path, text: &str) -> Result<()> {
    let beside = beside(path);
    let written = write_new(&beside, text).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // It may never have come to be.
        let _ = fs::remove_file(&beside);
    }
    written.with_context(|| format!("{} cannot be written", path.display()))
}

/// Makes a file that only its owner can read, unless there is one: then that stays as it is.
///
/// # Errors
/// A file that cannot be written, by name.
pub(crate) fn create(path: &Path, text: &str) -> Result<()> {
    let beside = beside(path);
    let written = write_new(&beside, text).and_then(|()| match fs::hard_link(&beside, path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    });
    // It may never have come to be.
    let _ = fs::remove_file(&beside);
    written.with_context(|| format!("{} cannot be written", path.display()))
}

/// The file that a text is written to at first: another one for each process and thread.
fn beside(path: &Path) -> PathBuf {
    let thread = format!("{:?}", std::thread::current().id());
    let thread: String = thread.chars().filter(char::is_ascii_digit).collect();
    path.with_added_extension(format!("{}.{thread}.new", std::process::id()))
}

fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    // One that a process with this id left behind when it was killed.
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_that_others_could_read_is_private_once_it_is_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(&path, "old and long").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let read_by_others = fs::File::open(&path).unwrap();
        write(&path, "new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        // Who had the old file open does not see the new text.
        assert_eq!(std::io::read_to_string(read_by_others).unwrap(), "old and long");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_cannot_be_written_is_told_by_name_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::create_dir(&path).unwrap();
        assert!(write(&path, "new").unwrap_err().to_string().contains("key"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
