//! What lies on the disk beside the store: the secret, who may read what, and how much room there is.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use rustix::fs::Access;

use super::Finding;
use crate::cli::config::File;
use crate::cli::store::{Kind, StoreOption};
use crate::cli::{secret, serve};

/// How much room there must be, in bytes: a log that grows while a backup is made needs some.
const LEAST_ROOM: u64 = 512 << 20;

/// The server's secret.
pub(super) fn secret(options: &serve::Options) -> Finding {
    const WHAT: &str = "secret";
    let look = || {
        let path = options.secret.path(&options.store)?;
        if !path.exists() {
            // Folders are made on the way to the store alone.
            file_can_be_made(&path, options.secret.is_beside_store())?;
            return Ok(Finding::not_configured(
                WHAT,
                format!(
                    "{} is not there: `bonafide serve` makes it. If there was one, put it back first: without it codes that were handed out do not work and mail that waits is not sent",
                    path.display()
                ),
            ));
        }
        secret::read(&path)?;
        Ok(Finding::ok(
            WHAT,
            format!("{}; keep a copy of it, apart from copies of the store", path.display()),
        ))
    };
    Finding::or_broken(WHAT, look())
}

/// Whether everybody on the machine can read what only the server should.
pub(super) fn private(options: &serve::Options, file: Option<&File>) -> Finding {
    const WHAT: &str = "private files";
    let settings = file.filter(|file| file.holds_password()).map(|file| file.path().to_owned());
    let mut files = options.private_files();
    if let Ok(Kind::Sqlite(path)) = options.store.kind() {
        files.push(path);
    }
    files.extend(options.secret.path(&options.store).ok().into_iter().chain(settings));
    let open: Vec<String> =
        files.iter().filter(|path| is_open(path)).map(|path| path.display().to_string()).collect();
    if open.is_empty() {
        return Finding::ok(WHAT, "nobody else can read the store, the secret, keys and passwords");
    }
    let open = open.join(" ");
    Finding::broken(WHAT, format!("everybody on this machine can read {open}: chmod o= {open}"))
}

/// Whether everybody can read the file; one that is not there nobody can.
fn is_open(path: &Path) -> bool {
    path.metadata().is_ok_and(|file| file.permissions().mode() & 0o004 != 0)
}

/// The room where the store grows, or where the program runs if the store is elsewhere.
pub(super) fn disk(store: &StoreOption) -> Finding {
    const WHAT: &str = "disk";
    let look = || {
        let (folder, rest) = match store.kind()? {
            Kind::Sqlite(path) => (nearest_folder(&path), ""),
            Kind::Postgres(_) => (PathBuf::from("."), "; PostgreSQL's own disk is to be watched there"),
        };
        let (room, folder) = (room(&folder)?, folder.display());
        let mib = room >> 20;
        Ok(if room < LEAST_ROOM {
            Finding::broken(
                WHAT,
                format!(
                    "only {mib} MiB are free in {folder}, and {} are the least: make room; a server whose disk is full answers 503 to every change{rest}",
                    LEAST_ROOM >> 20
                ),
            )
        } else {
            Finding::ok(WHAT, format!("{mib} MiB are free in {folder}{rest}"))
        })
    };
    Finding::or_broken(WHAT, look())
}

/// Whether this file can be made where none is yet, and, if need be, the folders on the way to it.
///
/// # Errors
/// What keeps it from being made, and what to do.
pub(super) fn file_can_be_made(file: &Path, with_folders: bool) -> Result<()> {
    let file_shown = file.display();
    let is_there = |folder: &&PathBuf| folder.symlink_metadata().is_ok();
    let here = Path::new(".");
    let named =
        |folder: &Path| if folder.as_os_str().is_empty() { PathBuf::from(here) } else { folder.to_owned() };
    let folders: Vec<PathBuf> = file.ancestors().skip(1).map(named).collect();
    let parent = folders.first().map_or(here, PathBuf::as_path);
    let Some(folder) = folders.iter().find(is_there) else { return Ok(()) };
    let shown = folder.display();
    ensure!(
        with_folders || folder.as_path() == parent,
        "{file_shown} is not there and cannot be made, for there is no folder {}: make it, for the user of the server",
        parent.display()
    );
    ensure!(folder.is_dir(), "{file_shown} is not there and cannot be made: {shown} is no folder");
    rustix::fs::access(folder, Access::WRITE_OK | Access::EXEC_OK).with_context(|| {
        format!(
            "{file_shown} is not there and cannot be made: let the user of the server write to {shown}, or name another place"
        )
    })
}

/// The folder that the file is in, or the one that it would be made in.
fn nearest_folder(file: &Path) -> PathBuf {
    let folders = file.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty());
    folders.into_iter().find(|folder| folder.is_dir()).unwrap_or(Path::new(".")).to_owned()
}

/// How many bytes may still be written there.
fn room(folder: &Path) -> Result<u64> {
    let disk = rustix::fs::statvfs(folder)
        .with_context(|| format!("the room in {} cannot be asked for", folder.display()))?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}
