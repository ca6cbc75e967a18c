//! A PostgreSQL server for the run: on a free port, with its files in a folder of its own. It syncs every
//! commit to the disk.

use std::fs::File;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::{kept, machine};

/// Prints where the programs of the server are, and installs them if need be.
const FIND: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/postgres-folder");
/// What is not PostgreSQL's own choice: room for the connections of all who are measured, and for a table
/// to stay in memory. `fsync` and `synchronous_commit` are on already, and are said for the reader.
const SETTINGS: [&str; 8] = [
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "max_connections=300",
    "shared_buffers=512MB",
    "max_wal_size=4GB",
    "fsync=on",
    "synchronous_commit=on",
    "full_page_writes=on",
];

/// The running server; it ends with this value.
pub(crate) struct Cluster {
    child: Child,
    programs: PathBuf,
    /// The port it listens on.
    pub(crate) port: u16,
    _folder: TempDir,
}

impl Cluster {
    /// Starts a new one. Its log goes to a file of this folder.
    pub(crate) fn start(scratch: &Path) -> Result<Self> {
        let found = Command::new(FIND).stderr(Stdio::inherit()).output()?;
        ensure!(found.status.success(), "there is no PostgreSQL server");
        let programs = PathBuf::from(String::from_utf8(found.stdout)?.trim());
        let folder = folder(scratch)?;
        let data = folder.path().join("data");
        let made = as_somebody_else_than_root(&programs.join("initdb"))
            .args(["-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "-D"])
            .arg(&data)
            .current_dir("/")
            .output()?;
        ensure!(made.status.success(), "no database was made: {}", String::from_utf8_lossy(&made.stderr));
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let log = File::create(scratch.join("postgres.log"))?;
        let mut command = as_somebody_else_than_root(&programs.join("postgres"));
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        let child = command
            .args(["-p", &port.to_string(), "-D"])
            .arg(&data)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("PostgreSQL cannot be started")?;
        Ok(Self { child, programs, port, _folder: folder })
    }

    /// The URL of one of its databases.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}?sslmode=disable", self.port)
    }

    /// Makes a database as a copy of another one, which nobody uses.
    pub(crate) fn create(&self, name: &str, template: &str) -> Result<String> {
        kept::run(&self.url("postgres"), &[&format!("create database {name} template {template}")])?;
        Ok(self.url(name))
    }

    /// A program of the server's package, that is to ask one of its databases.
    pub(crate) fn client(&self, program: &str, database: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.env("PGHOST", "127.0.0.1").env("PGPORT", self.port.to_string());
        command.env("PGUSER", "postgres").env("PGDATABASE", database);
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // In a hurry, but in order: SIGINT drops connections and writes all to the files.
        let _ = Command::new("sh").arg("-c").arg(format!("kill -INT {}", self.child.id())).status();
        let _ = self.child.wait();
    }
}

/// A folder on a disk that whoever runs the server may use.
fn folder(scratch: &Path) -> Result<TempDir> {
    if !is_root()? {
        return Ok(tempfile::Builder::new().prefix("postgres-").tempdir_in(scratch)?);
    }
    // What belongs to root may be closed to others.
    let folder = tempfile::Builder::new().prefix("load-postgres-").tempdir()?;
    machine::require_disk(folder.path()).context("TMPDIR can name another folder")?;
    let given = Command::new("chown").arg("postgres").arg(folder.path()).status()?;
    ensure!(given.success(), "the folder of PostgreSQL could not be given to its user");
    Ok(folder)
}

/// The server refuses to run as root.
fn as_somebody_else_than_root(program: &Path) -> Command {
    if !is_root().unwrap_or_default() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(program);
    command
}

fn is_root() -> Result<bool> {
    Ok(std::fs::metadata("/proc/self")?.uid() == 0)
}
