//! What a loss of power would leave.
//!
//! `kill -9` proves nothing about it. What a process has written belongs to the system, which keeps
//! it when the process is killed, synced or not; a server that never syncs passes every test with
//! `kill -9`. When the power goes, only what was synced is sure to be there. So these tests watch
//! the server's system calls: which bytes of the write-ahead log were synced when each answer left.
//! Then they cut the log there, as a bad disk would, and look what is left.

use std::collections::HashMap;
use std::fs;

use super::client::Client;
use super::server::{Home, PROGRAM, Server, assert_whole, eventually};

/// How many changes are watched. So few that the log is not copied into the file meanwhile, which
/// the store does every 2,048 changes, and never begins anew.
const CHANGES: u32 = 50;
/// How long the log is at most after them, in bytes: a thousand pages with their headers.
const LOG_LIMIT: u64 = 1000 * (4096 + 24);

/// What the system calls tell.
#[derive(Default)]
struct Trace {
    /// Where the written part of the log ends.
    written: u64,
    /// Where the synced part of it ends.
    synced: u64,
    syncs: u32,
    /// The synced part at each answer with status 200.
    synced_at_answers: Vec<u64>,
    /// Where each open file is written next.
    positions: HashMap<String, u64>,
}

impl Trace {
    /// Reads what `strace -f -y` wrote. A call that another thread interrupts has two lines: it
    /// counts where it is done, but an answer counts where it is begun.
    fn read(text: &str) -> Self {
        let mut trace = Self::default();
        let mut begun: HashMap<&str, String> = HashMap::new();
        for line in text.lines() {
            let (thread, call) = line.split_once(' ').expect("a line begins with its thread");
            let call = call.trim_start();
            if call.contains("HTTP/1.1 200") {
                trace.synced_at_answers.push(trace.synced);
            } else if let Some(call) = call.strip_suffix("<unfinished ...>") {
                begun.insert(thread, call.to_owned());
            } else if let Some((_, end)) = call.split_once(" resumed>") {
                let call = begun.remove(thread).unwrap_or_default() + end;
                trace.call(&call);
            } else {
                trace.call(call);
            }
        }
        trace
    }

    /// Notes a call that is done. One thread alone writes the log, so what was written when a sync
    /// ends was written when it began.
    fn call(&mut self, call: &str) {
        let Some((name, rest)) = call.split_once('(').filter(|_| call.contains(".db-wal>")) else { return };
        let (file, _) = rest.split_once('<').expect("a file is shown by number and name");
        let (arguments, result) = rest.rsplit_once(" = ").expect("a call has a result");
        let Ok(result) = result.parse::<u64>() else { panic!("{call} failed") };
        let position = self.positions.entry(file.to_owned()).or_default();
        match name {
            "lseek" => *position = result,
            "write" => {
                *position += result;
                self.written = self.written.max(*position);
            }
            "pwrite64" => {
                let offset = arguments.trim_end_matches([' ', ')']).rsplit(", ").next();
                let offset: u64 = offset.and_then(|offset| offset.parse().ok()).expect("an offset");
                self.written = self.written.max(offset + result);
            }
            "fsync" | "fdatasync" => {
                self.syncs += 1;
                self.synced = self.written;
            }
            _ => {}
        }
    }
}

/// Verifies and unverifies an email in turn, 50 changes one after another, on a server that is
/// watched, and kills it.
async fn watch_changes(home: &Home) -> Trace {
    let key = home.key("users:write,users:read");
    let found = home.command_of("strace").arg("-V").output();
    assert!(found.is_ok(), "this test needs strace: apt-get install strace");
    let mut command = home.command_of("strace");
    // Not the server but the watcher is the child's child, so that it is the server that is killed.
    command.args(["-D", "-f", "-y", "-s", "12", "-o", "trace"]);
    command.args(["-e", "trace=lseek,write,pwrite64,fsync,fdatasync,writev,sendto,sendmsg"]);
    command.args([PROGRAM, "serve", "--listen", "127.0.0.1:0"]);
    let server = Server::start(command);
    let client = Client::new(&server, &key);
    let user = client.create("ada@example.com").await;
    for number in 0..CHANGES {
        let action = if number % 2 == 0 { "verify" } else { "unverify" };
        assert_eq!(client.mark(&user, action).await.expect("an answer"), 200);
    }
    server.kill();
    let text = eventually("the watcher's end", || {
        let text = fs::read_to_string(home.path("trace")).ok()?;
        let last = text.trim_end().lines().last()?;
        last.contains("+++ killed by SIGKILL").then_some(text)
    });
    let trace = Trace::read(&text);
    assert_eq!(trace.synced_at_answers.len(), CHANGES as usize);
    assert!(trace.written < LOG_LIMIT, "the log may have begun anew, and this test cannot follow it");
    trace
}

#[tokio::test]
async fn every_change_is_synced_before_its_answer_leaves() {
    let trace = watch_changes(&Home::new()).await;
    assert!(trace.syncs >= CHANGES, "{} syncs for {CHANGES} changes", trace.syncs);
    let mut before = 0;
    for synced in trace.synced_at_answers {
        assert!(synced > before, "an answer left before its change was synced");
        before = synced;
    }
}

/// What a store says whose log was cut: how many changes it has, and whether the email is verified,
/// as the document and as the table of addresses have it.
fn left_after_cut(home: &Home, length: u64) -> (u32, Option<bool>, Option<bool>) {
    let copy = tempfile::tempdir().expect("a folder can be made");
    let path = copy.path().join("copy.db");
    fs::copy(home.path("data/bonafide.db"), &path).expect("the file can be copied");
    let log = fs::read(home.path("data/bonafide.db-wal")).expect("the log can be read");
    let synced = &log[..usize::try_from(length).expect("the log fits into memory")];
    fs::write(copy.path().join("copy.db-wal"), synced).expect("the log can be written");
    let database = rusqlite::Connection::open(path).expect("the copy can be opened");
    assert_whole(&database);
    let sql = "select (select count(*) from events where type like 'user.email.%verified'), \
               (select json_extract(document, '$.emails[0].verified') from users), \
               (select claimant = '' from identifiers)";
    database
        .query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .expect("the copy can be read")
}

#[tokio::test]
async fn what_was_answered_is_there_when_only_what_was_synced_is_left() {
    let home = Home::new();
    let trace = watch_changes(&home).await;
    for (number, synced) in (1..).zip(&trace.synced_at_answers) {
        let verified = Some(number % 2 == 1);
        assert_eq!(left_after_cut(&home, *synced), (number, verified, verified));
    }
    // That a cut is noticed at all: one byte less, and the last change is gone.
    let (changes, ..) = left_after_cut(&home, trace.synced - 1);
    assert_eq!(changes, CHANGES - 1);
}
