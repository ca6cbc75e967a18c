//! A directory that is measured: a store in a file, and the program that serves it.

use std::collections::HashSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use bonafide::directory::event::EventType;
use bonafide::id::IdentifierId;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rusqlite::{Connection, OpenFlags, params};

use crate::process::Server;
use crate::wrk::Load;

/// What the key that the load bears may do.
const SCOPES: &str = "users:read,users:write";
/// What it may do beside that where passwords are set; an older program does not know it.
pub(crate) const PASSWORD_SCOPE: &str = "passwords:write";

/// A directory in a file.
pub(crate) struct Directory {
    /// The program that serves it.
    pub(crate) program: PathBuf,
    /// The file.
    pub(crate) store: PathBuf,
    /// The key that opens it.
    pub(crate) key: String,
}

impl Directory {
    /// The directory in this file, for this program, which makes the file if need be.
    pub(crate) fn new(program: &Path, store: PathBuf, more_scopes: &[&str]) -> Result<Self> {
        let scopes = [&[SCOPES], more_scopes].concat().join(",");
        let made = Command::new(program)
            .args(["keys", "create", "--name", "load", "--scopes", &scopes, "--store"])
            .arg(format!("sqlite:{}", store.display()))
            .env_clear()
            .output()?;
        ensure!(made.status.success(), "no key was made: {}", String::from_utf8_lossy(&made.stderr));
        let key = String::from_utf8(made.stdout)?.trim().to_owned();
        Ok(Self { program: program.to_owned(), store, key })
    }

    /// Starts the program on it.
    pub(crate) fn serve(self) -> Result<Service> {
        let server = Server::start(self.command(), &self.log())?;
        Ok(Service { directory: self, server })
    }

    /// Where the program's log goes.
    pub(crate) fn log(&self) -> PathBuf {
        self.store.with_extension("log")
    }

    /// The command that starts it.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--store"])
            .arg(format!("sqlite:{}", self.store.display()));
        command
    }

    /// A request for each user, as a file for `wrk`: what makes a line of the user's id.
    pub(crate) fn write_operations(&self, file: &Path, line: impl Fn(&str) -> String) -> Result<()> {
        let users = self.users()?;
        Ok(std::fs::write(file, users.iter().map(|user| line(&user.user_id)).collect::<String>())?)
    }

    /// A request for each user that marks the first email as it is not marked now, and for every
    /// second round the opposite: so every request is a change, whatever the last run left.
    pub(crate) fn write_marks(&self, file: &Path) -> Result<()> {
        let verified: HashSet<[u8; 16]> = self
            .open()?
            .prepare("select identifier_id from identifiers where kind = 'email' and claimant = ''")?
            .query_map([], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        let mut text = String::new();
        for User { user_id, email } in self.users()? {
            let path = format!("/api/users/{user_id}/emails/{}", IdentifierId::from_bytes(email));
            let (now, then) =
                if verified.contains(&email) { ("unverify", "verify") } else { ("verify", "unverify") };
            writeln!(text, "POST\t{path}/{now}\t{path}/{then}")?;
        }
        Ok(std::fs::write(file, text)?)
    }

    /// The document of some user.
    pub(crate) fn any_document(&self) -> Result<Vec<u8>> {
        let sql = "select cast(document as blob) from users limit 1";
        Ok(self.open()?.query_row(sql, [], |row| row.get(0))?)
    }

    /// How long the shortest document is, in bytes.
    pub(crate) fn shortest_document(&self) -> Result<u64> {
        let sql = "select min(octet_length(document)) from users";
        Ok(self.open()?.query_row(sql, [], |row| row.get::<_, i64>(0))?.unsigned_abs())
    }

    /// The position of the newest event.
    pub(crate) fn newest_event(&self) -> Result<i64> {
        let sql = "select coalesce(max(position), 0) from events where tenant_id = 'default'";
        Ok(self.open()?.query_row(sql, [], |row| row.get(0))?)
    }

    /// How many events of these types there are after a position, once no more come.
    pub(crate) fn events_since(&self, position: i64, types: [EventType; 2]) -> Result<u64> {
        let connection = self.open()?;
        let mut statement = connection.prepare(
            "select count(*) from events where tenant_id = 'default' and position > ?1 and type in (?2, ?3)",
        )?;
        let mut count = || -> Result<i64> {
            let [one, other] = types.map(EventType::as_str);
            Ok(statement.query_row(params![position, one, other], |row| row.get(0))?)
        };
        let mut counted = count()?;
        for _ in 0..50 {
            sleep(Duration::from_millis(100));
            let now = count()?;
            if now == counted {
                return Ok(counted.unsigned_abs());
            }
            counted = now;
        }
        bail!("the server keeps writing although nobody asks");
    }

    /// The users with their first emails, in a random order that stays.
    fn users(&self) -> Result<Vec<User>> {
        let mut users: Vec<User> = self
            .open()?
            .prepare(
                "select user_id, identifier_id from identifiers \
                 where kind = 'email' and canonical like '%@one.example.com' order by canonical",
            )?
            .query_map([], |row| Ok(User { user_id: row.get(0)?, email: row.get(1)? }))?
            .collect::<rusqlite::Result<_>>()?;
        users.shuffle(&mut StdRng::seed_from_u64(1));
        Ok(users)
    }

    fn open(&self) -> Result<Connection> {
        Ok(Connection::open_with_flags(&self.store, OpenFlags::SQLITE_OPEN_READ_ONLY)?)
    }
}

/// A directory that is being served.
pub(crate) struct Service {
    /// The directory.
    pub(crate) directory: Directory,
    /// The server.
    pub(crate) server: Server,
}

impl Service {
    /// What one connection asks of it for a second.
    pub(crate) fn load(&self, operations: PathBuf) -> Load {
        Load {
            url: self.server.url().to_owned(),
            key: self.directory.key.clone(),
            operations,
            connections: 1,
            seconds: 1,
            answer_bytes: 1,
            first: 0,
        }
    }

    /// Asks for something once, and gives the head and the body of the answer.
    pub(crate) fn get(&self, path: &str) -> Result<(String, Vec<u8>)> {
        self.server.ask("GET", path, &self.directory.key, "")
    }
}

/// A user, and the email that is marked.
struct User {
    user_id: String,
    email: [u8; 16],
}
