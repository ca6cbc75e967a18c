//! A PostgreSQL server that belongs to one test, which may stop it. It is gone when the process of the
//! test is, however that ends. It syncs to the disk.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::{Mutex, PoisonError};

use crate::postgres::{as_somebody_else_than_root, free_port, programs};

/// Makes the files, and obeys commands on standard input, a line each; it answers each with a line when
/// it is done. When the input ends, so does the server, also one that stands still. Each process of the
/// server is in a group of its own.
const WATCH: &str = r#"
set -eu
trap '' INT TERM
folder=$(mktemp -d)
server=
others() { cat "/proc/$server/task/$server/children"; }
finish() {
    [ -z "$server" ] || kill -KILL "$server" $(others) 2>/dev/null || true
    rm -rf "$folder"
}
trap finish EXIT
"$1/initdb" -D "$folder/data" -U bonafide --auth=trust --encoding=UTF8 --locale=C --no-sync >"$folder/log" 2>&1
echo made
while read -r command; do
    case $command in
    start)
        "$1/postgres" -D "$folder/data" -p "$2" -c listen_addresses=127.0.0.1 \
            -c unix_socket_directories= -c max_connections=60 >>"$folder/log" 2>&1 &
        server=$!
        ;;
    INT | QUIT)
        kill "-$command" "$server"
        wait "$server" || true
        server=
        ;;
    STOP) kill -STOP "$server" && kill -STOP $(others) ;;
    CONT) kill -CONT $(others) "$server" ;;
    esac
    echo done
done
"#;

/// How the server is stopped.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stop {
    /// It ends what is under way, writes all to its files, and drops its connections.
    InOrder,
    /// It drops everything at once, and finds what was kept in its log when it is started.
    AtOnce,
}

/// A server with one database.
pub(super) struct OwnPostgres {
    /// The URL of the database.
    pub(super) url: String,
    watcher: Mutex<Watcher>,
}

struct Watcher {
    _process: Child,
    commands: ChildStdin,
    told: BufReader<ChildStdout>,
}

impl OwnPostgres {
    /// Starts a new one. It may take a moment until it answers.
    pub(super) fn start() -> Self {
        let port = free_port();
        let mut process = as_somebody_else_than_root("sh")
            .args(["-c", WATCH, "watch"])
            .arg(programs())
            .arg(port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .current_dir("/")
            .spawn()
            .expect("a shell can be started");
        let commands = process.stdin.take().expect("it is a pipe");
        let told = BufReader::new(process.stdout.take().expect("it is a pipe"));
        let mut watcher = Watcher { _process: process, commands, told };
        watcher.hear("made");
        let url = format!("postgres://bonafide@127.0.0.1:{port}/postgres?sslmode=disable");
        let own = Self { url, watcher: Mutex::new(watcher) };
        own.start_again();
        own
    }

    /// Starts it after [`OwnPostgres::stop`].
    pub(super) fn start_again(&self) {
        self.command("start");
    }

    /// Ends all its processes.
    pub(super) fn stop(&self, how: Stop) {
        self.command(match how {
            Stop::InOrder => "INT",
            Stop::AtOnce => "QUIT",
        });
    }

    /// Lets all its processes stand still. Connections to it are still made, by the system, and nothing
    /// answers on them.
    pub(super) fn freeze(&self) {
        self.command("STOP");
    }

    /// Lets all its processes go on.
    pub(super) fn thaw(&self) {
        self.command("CONT");
    }

    fn command(&self, command: &str) {
        let mut watcher = self.watcher.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(watcher.commands, "{command}").expect("the watcher listens");
        watcher.hear("done");
    }
}

impl Watcher {
    fn hear(&mut self, expected: &str) {
        let mut line = String::new();
        self.told.read_line(&mut line).expect("the watcher tells how it went");
        assert_eq!(line.trim(), expected, "the PostgreSQL of this test could not be handled");
    }
}
