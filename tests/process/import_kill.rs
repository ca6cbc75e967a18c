//! Imports whose program is killed in the middle, and that are begun again.

use std::io::Write;
use std::net::TcpStream;
use std::process::Stdio;

use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};
use tokio_postgres::NoTls;

use super::client::trusting;
use super::server::{Home, assert_whole, until};
use crate::postgres::Database;

/// The store of a home.
const STORE: &str = "sqlite:data/bonafide.db";
/// How many users are imported.
const USERS: i64 = 2_000;
/// How many groups they are in.
const GROUPS: i64 = 2;
/// How many users are there at least when the program is killed, each time.
const KILLED_AT: [i64; 2] = [400, 1_000];

/// An export with hashes: of users with passwords, claims and groups.
fn exported() -> String {
    let home = Home::new();
    let row = |number: i64| {
        let groups: &[&str] = if number % 10 == 0 { &["everybody", "tenth"] } else { &["everybody"] };
        let row = json!({
            "email": format!("user{number}@example.com"),
            "email_verified": number % 2 == 0,
            "claims": {"name": format!("Number {number}")},
            "password_hash": "$2b$10$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e",
            "groups": groups,
        });
        row.to_string() + "\n"
    };
    std::fs::write(home.path("users.ndjson"), (0..USERS).map(row).collect::<String>()).unwrap();
    let done = home.prints(&["import", "users.ndjson"]);
    assert_eq!(done, format!("imported: users {USERS}, groups {GROUPS}; rows there already 0, refused 0\n"));
    home.prints(&["export", "--with-hashes"])
}

/// The lines without the last one. Who is given these waits for more, and so is in the middle when it is killed,
/// however quick it is.
fn all_but_one(lines: &str) -> &str {
    &lines[..=lines.trim_end().rfind('\n').expect("there are several lines")]
}

/// How many users there are, by the table that counts them.
const COUNTED: &str = "select users from tenants where tenant_id = 'default'";

/// How many users there are in the file of a home; none before it is made.
fn in_file(home: &Home) -> i64 {
    let open = Connection::open_with_flags(home.path("data/bonafide.db"), OpenFlags::SQLITE_OPEN_READ_ONLY);
    open.and_then(|file| file.query_row(COUNTED, [], |row| row.get(0))).unwrap_or(0)
}

/// The same in a database.
async fn in_database(client: &tokio_postgres::Client) -> i64 {
    client.query_one(COUNTED, &[]).await.map_or(0, |row| row.get(0))
}

/// Begins to import lines, and kills the program when there are so many users.
async fn import_until(home: &Home, store: &str, lines: &str, at: i64, users: impl AsyncFn() -> i64) {
    let mut command = home.command(&["import", "-", "--store", store, "--secret-file", "secret"]);
    let quiet = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut importing = quiet.spawn().expect("the program can be started");
    let mut input = importing.stdin.take().expect("standard input is a pipe");
    let lines = all_but_one(lines).to_owned();
    // The pipe breaks when the program is killed, and stays open until then.
    let feeding = std::thread::spawn(move || {
        let _ = input.write_all(lines.as_bytes());
        input
    });
    until(true, async || {
        let ended = importing.try_wait().expect("the process can be asked");
        assert!(ended.is_none(), "it did not wait for the last line: {ended:?}");
        users().await >= at
    })
    .await;
    importing.kill().expect("the program can be killed");
    importing.wait().expect("its end can be awaited");
    drop(feeding.join());
}

/// Begins to send lines to a server, and kills it when there are so many users.
async fn send_until(home: &Home, key: &str, lines: &str, at: i64) {
    let server = home.serve(&[]);
    let mut connection = TcpStream::connect(server.address()).expect("the server listens");
    let head = format!(
        "POST /v1/import HTTP/1.1\r\nhost: {}\r\nx-api-key: {key}\r\ncontent-length: {}\r\n\r\n",
        server.address(),
        lines.len()
    );
    let first = head + all_but_one(lines);
    // The connection breaks when the server is killed, and stays open until then.
    let sending = std::thread::spawn(move || {
        let _ = connection.write_all(first.as_bytes());
        connection
    });
    until(true, async || in_file(home) >= at).await;
    server.kill();
    drop(sending.join());
}

/// Ends what others have begun. Some of the users were left, and none of those before is made again.
fn import_the_rest(home: &Home, store: &str, lines: &str, before: i64) {
    assert!((KILLED_AT[1]..USERS).contains(&before), "{before}");
    std::fs::write(home.path("users.ndjson"), lines).unwrap();
    let done = home.prints(&["import", "users.ndjson", "--store", store, "--secret-file", "secret"]);
    let (made, there) = (USERS - before, before + GROUPS);
    assert_eq!(done, format!("imported: users {made}, groups 0; rows there already {there}, refused 0\n"));
    assert!(home.prints(&["export", "--with-hashes", "--store", store]) == lines, "the lines are the same");
}

/// How many events tell of new users, and of how many users.
const MADE: &str = "select count(*), count(distinct user_id) from events where type = 'user.created'";

fn assert_each_was_made_once(home: &Home) {
    let database = home.database();
    let made: (i64, i64) = database.query_row(MADE, [], |row| row.try_into()).expect("events are counted");
    assert_eq!(made, (USERS, USERS));
    assert_whole(&database);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_that_is_killed_goes_on_where_it_was() {
    let (home, lines) = (Home::new(), exported());
    for at in KILLED_AT {
        import_until(&home, STORE, &lines, at, async || in_file(&home)).await;
    }
    import_the_rest(&home, STORE, &lines, in_file(&home));
    assert_each_was_made_once(&home);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_into_postgresql_that_is_killed_goes_on_where_it_was() {
    let (home, lines, database) = (Home::new(), exported(), Database::empty().await);
    let (client, connection) = tokio_postgres::connect(&database.url, NoTls).await.expect("a connection");
    tokio::spawn(connection);
    for at in KILLED_AT {
        import_until(&home, &database.url, &lines, at, async || in_database(&client).await).await;
    }
    import_the_rest(&home, &database.url, &lines, in_database(&client).await);
    let made = client.query_one(MADE, &[]).await.expect("the events can be counted");
    assert_eq!((made.get::<_, i64>(0), made.get::<_, i64>(1)), (USERS, USERS));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_by_a_server_that_is_killed_is_sent_again() {
    let (home, lines) = (Home::new(), exported());
    let key = home.key("admin");
    for at in KILLED_AT {
        send_until(&home, &key, &lines, at).await;
    }
    let before = in_file(&home);
    assert!((KILLED_AT[1]..USERS).contains(&before), "{before}");
    let server = home.serve(&[]);
    let request = trusting([]).build().unwrap().post(format!("{}/v1/import", server.url));
    let answer = request.header("x-api-key", &key).body(lines.clone()).send().await.unwrap();
    let told: Value = serde_json::from_str(&answer.text().await.unwrap()).expect("one line: none is refused");
    let wanted = json!({
        "users": USERS - before, "groups": 0, "there": before + GROUPS, "refused": 0, "dry_run": false,
        "is_complete": true
    });
    assert_eq!(told["summary"], wanted);
    assert!(home.prints(&["export", "--with-hashes"]) == lines, "the lines are the same");
    assert_each_was_made_once(&home);
}
