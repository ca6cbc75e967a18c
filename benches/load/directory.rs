//! A directory that is measured: a store, and the program that serves it.

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

use crate::kept::{Email, Kept};
use crate::process::Server;
use crate::wrk::Load;

/// What the key that the load bears may do.
const SCOPES: &str = "users:read,users:write";
/// What it may do beside that where passwords are set; an older program does not know it.
pub(crate) const PASSWORD_SCOPE: &str = "passwords:write";

/// How often something is looked at that is about to come to rest, and how long is waited in between.
const PATIENCE: u32 = 100;
const PAUSE: Duration = Duration::from_millis(100);

/// A directory.
pub(crate) struct Directory {
    /// The program that serves it.
    program: PathBuf,
    /// Where it is kept.
    pub(crate) kept: Kept,
    /// The key that opens it.
    pub(crate) key: String,
    /// Where the program's log and its secret go.
    files: PathBuf,
}

impl Directory {
    /// The directory in this file, for this program, which makes the file if need be.
    pub(crate) fn new(program: &Path, store: PathBuf, more_scopes: &[&str]) -> Result<Self> {
        Self::kept(program, Kept::File(store.clone()), store, more_scopes)
    }

    /// The directory that is kept so, for this program, with files beside it of this name.
    pub(crate) fn kept(program: &Path, kept: Kept, files: PathBuf, more_scopes: &[&str]) -> Result<Self> {
        let scopes = [&[SCOPES], more_scopes].concat().join(",");
        let made = Command::new(program)
            .args(["keys", "create", "--name", "load", "--scopes", &scopes, "--store"])
            .arg(kept.url())
            .env_clear()
            .output()?;
        ensure!(made.status.success(), "no key was made: {}", String::from_utf8_lossy(&made.stderr));
        let key = String::from_utf8(made.stdout)?.trim().to_owned();
        Ok(Self { program: program.to_owned(), kept, key, files })
    }

    /// Starts the program on it.
    pub(crate) fn serve(self) -> Result<Service> {
        let server = Server::start(self.command(), &self.log())?;
        Ok(Service { directory: self, server })
    }

    /// Where the program's log goes.
    pub(crate) fn log(&self) -> PathBuf {
        self.files.with_extension("log")
    }

    /// The command that starts it.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.env_clear().args(["serve", "--listen", "127.0.0.1:0", "--store", &self.kept.url()]);
        if let Kept::Database(_) = self.kept {
            command.arg("--secret-file").arg(self.files.with_extension("secret"));
        }
        command
    }

    /// A request for each user, as a file for `wrk`: what makes a line of the user's id.
    pub(crate) fn write_operations(&self, file: &Path, line: impl Fn(&str) -> String) -> Result<()> {
        let users = self.shuffled()?;
        Ok(std::fs::write(file, users.iter().map(|email| line(&email.user_id)).collect::<String>())?)
    }

    /// A request for each user that marks the first email as it is not marked now, and for every
    /// second round the opposite: so every request is a change, whatever the last run left. The users
    /// are shared out among so many files.
    pub(crate) fn write_marks(&self, files: &[PathBuf]) -> Result<()> {
        let mut texts = vec![String::new(); files.len()];
        for (number, Email { user_id, id, is_verified }) in self.shuffled()?.into_iter().enumerate() {
            let path = format!("/api/users/{user_id}/emails/{}", IdentifierId::from_bytes(id));
            let (now, then) = if is_verified { ("unverify", "verify") } else { ("verify", "unverify") };
            writeln!(texts[number % files.len()], "POST\t{path}/{now}\t{path}/{then}")?;
        }
        Ok(files.iter().zip(texts).try_for_each(|(file, text)| std::fs::write(file, text))?)
    }

    /// The position of the newest event, once all have one.
    pub(crate) fn newest_event(&self) -> Result<i64> {
        for _ in 0..PATIENCE {
            if self.kept.is_in_order()? {
                return self.kept.newest_event();
            }
            sleep(PAUSE);
        }
        bail!("the server gives events no positions");
    }

    /// How many events of these types there are after a position, once no more come.
    pub(crate) fn events_since(&self, position: i64, types: [EventType; 2]) -> Result<u64> {
        let mut counted = self.kept.events_after(position, types)?;
        for _ in 0..PATIENCE {
            sleep(PAUSE);
            let now = self.kept.events_after(position, types)?;
            if now == counted {
                return Ok(counted);
            }
            counted = now;
        }
        bail!("the server keeps writing although nobody asks");
    }

    /// The users with their first emails, in a random order that stays.
    fn shuffled(&self) -> Result<Vec<Email>> {
        let mut emails = self.kept.emails()?;
        emails.shuffle(&mut StdRng::seed_from_u64(1));
        Ok(emails)
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
