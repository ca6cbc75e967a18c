//! The program as a process of its own, in a folder of its own.

use std::borrow::BorrowMut;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;

/// The program under test.
pub(super) const PROGRAM: &str = env!("CARGO_BIN_EXE_bonafide");
/// How long anything may take: far longer than it needs, because other tests want the processors too.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long is waited before something is asked again.
const PAUSE: Duration = Duration::from_millis(10);

/// Asks until there is an answer.
pub(super) fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    for _ in 0..PATIENCE.as_millis() / PAUSE.as_millis() {
        if let Some(answer) = ask() {
            return answer;
        }
        std::thread::sleep(PAUSE);
    }
    panic!("{what} did not happen within {PATIENCE:?}")
}

/// Waits until an answer is the one that is wanted.
pub(super) async fn until<T: PartialEq + std::fmt::Debug>(wanted: T, mut ask: impl AsyncFnMut() -> T) {
    let asked = async {
        while ask().await != wanted {
            tokio::time::sleep(PAUSE).await;
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, asked).await;
    assert!(in_time.is_ok(), "{wanted:?} was not answered within {PATIENCE:?}");
}

/// A folder to run the program in. Its store is where it is without options, in `data/bonafide.db`.
pub(super) struct Home(TempDir);

impl Home {
    /// A new, empty one; it is removed when dropped.
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder for the test can be made"))
    }

    /// The path of a file of this folder.
    pub(super) fn path(&self, inside: &str) -> PathBuf {
        self.0.path().join(inside)
    }

    /// The program with these arguments, in this folder.
    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.command_of(PROGRAM);
        command.args(arguments);
        command
    }

    /// Any program, in this folder, with no options of ours from this test's own environment.
    pub(super) fn command_of(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.0.path());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("BONAFIDE_") {
                command.env_remove(name);
            }
        }
        command
    }

    /// Runs the program to its end.
    pub(super) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the program can be started")
    }

    /// What the program prints; it must succeed.
    pub(super) fn prints(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("the program prints UTF-8")
    }

    /// What the program complains of; it must fail, and print nothing else.
    pub(super) fn complains(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(!output.status.success(), "{arguments:?} did not fail");
        assert!(
            output.stdout.is_empty(),
            "{arguments:?} printed {}",
            String::from_utf8_lossy(&output.stdout)
        );
        String::from_utf8(output.stderr).expect("the program complains in UTF-8")
    }

    /// A new key with these scopes, made by the command line.
    pub(super) fn key(&self, scopes: &str) -> String {
        self.prints(&["keys", "create", "--name", "test", "--scopes", scopes]).trim_end().to_owned()
    }

    /// A server on a free port.
    pub(super) fn serve(&self, arguments: &[&str]) -> Server {
        let arguments = [&["serve", "--listen", "127.0.0.1:0"], arguments].concat();
        Server::start(self.command(&arguments))
    }

    /// The store's file, to read it behind the server's back.
    pub(super) fn database(&self) -> Connection {
        let path = self.path("data/bonafide.db");
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("the store can be read")
    }
}

/// Fails unless SQLite finds the whole file in order.
pub(super) fn assert_whole(database: &Connection) {
    let found: String =
        database.query_row("pragma integrity_check", [], |row| row.get(0)).expect("the file can be checked");
    assert_eq!(found, "ok");
}

/// A running server; it is killed when dropped.
pub(super) struct Server {
    process: Child,
    /// The URL it printed.
    pub(super) url: String,
    stdout: Text,
    stderr: Text,
}

/// What the program has written so far.
pub(super) type Text = Arc<Mutex<String>>;

impl Server {
    /// Starts it, and waits until it listens.
    pub(super) fn start(mut command: impl BorrowMut<Command>) -> Self {
        let command = command.borrow_mut();
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut process = spawned.unwrap_or_else(|error| panic!("the program cannot be started: {error}"));
        let stdout = collect(process.stdout.take().expect("standard output is a pipe"));
        let stderr = collect(process.stderr.take().expect("standard error is a pipe"));
        let first_line = eventually("the server's first line", || {
            if let Some((line, _)) = text(&stdout).split_once('\n') {
                return Some(line.to_owned());
            }
            let ended = process.try_wait().expect("the process can be asked");
            assert!(ended.is_none(), "the server ended at once: {ended:?} {}", text(&stderr));
            None
        });
        let url = first_line.strip_prefix("listening on ").expect("the first line tells the URL").to_owned();
        Self { process, url, stdout, stderr }
    }

    /// The id of the process.
    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Standard output so far.
    pub(super) fn stdout(&self) -> String {
        text(&self.stdout)
    }

    /// The log so far.
    pub(super) fn stderr(&self) -> String {
        text(&self.stderr)
    }

    /// The URL's host and port.
    pub(super) fn address(&self) -> &str {
        self.url.split_once("://").expect("a URL has a scheme").1
    }

    /// Ends it the hard way: it learns nothing of it and can finish nothing.
    pub(super) fn kill(mut self) {
        self.process.kill().expect("the server can be killed");
        self.process.wait().expect("the server's end can be awaited");
    }

    /// Sends a signal by its name.
    pub(super) fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.process.id());
        let sent = Command::new("sh").args(["-c", &kill]).status().expect("a shell can be started");
        assert!(sent.success());
    }

    /// Waits for its end, and gives its exit status.
    pub(super) fn wait(mut self) -> ExitStatus {
        eventually("the server's end", || self.process.try_wait().expect("the process can be asked"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(super) fn text(text: &Text) -> String {
    text.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Reads a pipe to its end, on a thread of its own, so that the program never waits for a reader.
pub(super) fn collect(pipe: impl Read + Send + 'static) -> Text {
    let collected = Text::default();
    let collecting = collected.clone();
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).into_owned() + "\n";
            collecting.lock().unwrap_or_else(PoisonError::into_inner).push_str(&line);
        }
    });
    collected
}
