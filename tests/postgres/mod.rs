//! A PostgreSQL server for the tests of one process: started when it is first asked for, on a free
//! port, with its files in a folder of its own, and gone when the process is, however that ends. Each
//! test has a database of its own.
//!
//! It does not sync to the disk: these tests are not about power that goes away.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OnceCell, mpsc, oneshot};
use tokio_postgres::{Client, NoTls};

/// Where distributions put the programs of the server; a folder for each version is in between.
const PROGRAMS: &str = "/usr/lib/postgresql";
/// How often something is tried that takes the server a moment, and how long is waited in between.
const PATIENCE: (u32, Duration) = (1_000, Duration::from_millis(30));

/// Watches over the server: ends it, and removes its files, when standard input ends, which it does
/// with the process that holds the other end.
const WATCH: &str = r#"
set -eu
trap '' INT TERM
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$1/initdb" -D "$folder/data" -U bonafide --auth=trust --encoding=UTF8 --locale=C --no-sync 2>&1 >/dev/null
echo "made"
read -r port
umask 077
printf '%s' "$CERTIFICATE" >"$folder/server.crt"
printf '%s' "$KEY" >"$folder/server.key"
"$1/postgres" -D "$folder/data" -p "$port" \
    -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=400 \
    -c ssl=on -c ssl_cert_file="$folder/server.crt" -c ssl_key_file="$folder/server.key" \
    -c fsync=off -c full_page_writes=off -c log_min_messages=fatal >"$folder/log" 2>&1 &
server=$!
read -r _ || true
kill -QUIT "$server" 2>/dev/null || true
wait "$server" || true
"#;

/// The server, and what it is asked for.
struct Server {
    port: u16,
    /// The certificate that it shows to who asks for TLS, as PEM.
    certificate: String,
    requests: mpsc::UnboundedSender<Request>,
    /// What watches over it, and the end of the pipe that it reads: never closed before the process
    /// ends.
    _watcher: (Child, ChildStdin),
}

enum Request {
    Create { name: String, template: &'static str, done: oneshot::Sender<()> },
    Drop { name: String },
}

/// A database of its own, removed when this is dropped.
pub(crate) struct Database {
    /// The URL by which it is reached, without TLS.
    pub(crate) url: String,
    name: String,
}

impl Database {
    /// An empty database.
    pub(crate) async fn empty() -> Self {
        Self::made_from("template0").await
    }

    /// A copy of one that `prepare` was given once in this process, by its URL.
    pub(crate) async fn prepared(prepare: impl AsyncFnOnce(&str)) -> Self {
        static PREPARED: OnceCell<()> = OnceCell::const_new();
        PREPARED
            .get_or_init(async || {
                server().create("prepared", "template0").await;
                prepare(&server().url("prepared")).await;
            })
            .await;
        Self::made_from("prepared").await
    }

    async fn made_from(template: &'static str) -> Self {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let name = format!("test{}", MADE.fetch_add(1, Ordering::Relaxed));
        server().create(&name, template).await;
        Self { url: server().url(&name), name }
    }
}

/// The certificate of the server, for the address 127.0.0.1, as PEM.
pub(crate) fn certificate() -> &'static str {
    &server().certificate
}

impl Drop for Database {
    fn drop(&mut self) {
        // The server may be gone already, and the database with it.
        let _ = server().requests.send(Request::Drop { name: self.name.clone() });
    }
}

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(Server::start)
}

impl Server {
    fn start() -> Self {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]);
        let made = made.expect("a certificate can be made");
        let certificate = made.cert.pem();
        let mut watcher = as_somebody_else_than_root("sh")
            .args(["-c", WATCH, "watch"])
            .arg(programs())
            .env("CERTIFICATE", &certificate)
            .env("KEY", made.signing_key.serialize_pem())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .current_dir("/")
            .spawn()
            .expect("a shell can be started");
        let mut alive = watcher.stdin.take().expect("it is a pipe");
        let mut told = BufReader::new(watcher.stdout.take().expect("it is a pipe"));
        let mut first = String::new();
        told.read_line(&mut first).expect("the watcher tells how it went");
        if first.trim() != "made" {
            told.read_to_string(&mut first).expect("the watcher tells what went wrong");
            panic!("PostgreSQL's files could not be made: {first}");
        }
        let port = free_port();
        writeln!(alive, "{port}").expect("the watcher listens");
        let (requests, asked) = mpsc::unbounded_channel();
        std::thread::spawn(move || administer(port, asked));
        Self { port, certificate, requests, _watcher: (watcher, alive) }
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://bonafide@127.0.0.1:{}/{database}?sslmode=disable", self.port)
    }

    async fn create(&self, name: &str, template: &'static str) {
        let (done, made) = oneshot::channel();
        let request = Request::Create { name: name.to_owned(), template, done };
        assert!(self.requests.send(request).is_ok(), "PostgreSQL is there");
        made.await.expect("PostgreSQL makes the database");
    }
}

/// The folder of the server's programs, of the newest version there is.
pub(crate) fn programs() -> PathBuf {
    let folders = std::fs::read_dir(PROGRAMS).into_iter().flatten().flatten();
    let versions = folders.filter_map(|entry| {
        let version: u32 = entry.file_name().to_str()?.parse().ok()?;
        Some((version, entry.path().join("bin")))
    });
    let newest = versions.filter(|(_, folder)| folder.join("postgres").exists()).max();
    let Some((_, folder)) = newest else {
        panic!(
            "these tests need a PostgreSQL server and there is none in {PROGRAMS}: install it \
             (`apt-get install postgresql` on Debian), or run `make test`, which says so or does it"
        )
    };
    folder
}

/// A program to be started. The server refuses to run as root.
pub(crate) fn as_somebody_else_than_root(program: &str) -> Command {
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    if !is_root {
        return Command::new(program);
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let user = if users.lines().any(|line| line.starts_with("postgres:")) { "postgres" } else { "nobody" };
    let mut command = Command::new("setpriv");
    command.args(["--reuid", user, "--clear-groups", "--", program]);
    command
}

/// A port that nobody listens on, below those that the system gives to outgoing connections; each time
/// another one, because nobody may listen on it yet.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = u16::try_from(std::process::id() % 10_000).expect("it is below 10,000");
    std::iter::repeat_with(|| NEXT.fetch_add(1, Ordering::Relaxed) % 10_000)
        .take(10_000)
        .map(|step| 20_000 + (first + step) % 10_000)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("one of ten thousand ports is free")
}

/// Makes and removes databases, one after another, until the process ends.
fn administer(port: u16, mut asked: mpsc::UnboundedReceiver<Request>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime can be made").block_on(async {
        let client = reach(&format!("postgres://bonafide@127.0.0.1:{port}/postgres")).await;
        while let Some(request) = asked.recv().await {
            match request {
                Request::Create { name, template, done } => {
                    run(&client, &format!("create database {name} template {template}")).await;
                    // Whoever asked may have failed meanwhile.
                    let _ = done.send(());
                }
                Request::Drop { name } => run(&client, &format!("drop database {name} with (force)")).await,
            }
        }
    });
}

async fn reach(url: &str) -> Client {
    for _ in 0..PATIENCE.0 {
        if let Ok((client, connection)) = tokio_postgres::connect(url, NoTls).await {
            tokio::spawn(connection);
            return client;
        }
        tokio::time::sleep(PATIENCE.1).await;
    }
    panic!("PostgreSQL was started and does not answer")
}

/// Runs a statement; a database that is copied or removed may be in use for a moment still.
async fn run(client: &Client, sql: &str) {
    let mut last = None;
    for _ in 0..PATIENCE.0 {
        match client.batch_execute(sql).await {
            Ok(()) => return,
            Err(error) => last = Some(error),
        }
        tokio::time::sleep(PATIENCE.1).await;
    }
    panic!("{sql}: {last:?}")
}
