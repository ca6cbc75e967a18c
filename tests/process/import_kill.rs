//! Imports whose program is killed in the middle, and that are begun again.

use std::io::Write;
use std::net::TcpStream;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio_postgres::NoTls;

use super::client::trusting;
use super::server::{Home, assert_whole, eventually};
use crate::postgres::Database;

/// The store of a home.
const STORE: &str = "sqlite:data/bonafide.db";
/// How many users are imported.
const USERS: usize = 3_000;
/// How many users are there at least when the program is killed, each time.
const KILLED_AT: [usize; 2] = [600, 1_500];

/// An export with hashes: of users with passwords, claims and groups.
fn exported() -> String {
    let home = Home::new();
    let row = |number: usize| {
        let groups: &[&str] =
            if number.is_multiple_of(10) { &["everybody", "tenth"] } else { &["everybody"] };
        let row = json!({
            "email": format!("user{number}@example.com"),
            "email_verified": number.is_multiple_of(2),
            "claims": {"name": format!("Number {number}")},
            "password_hash": "$2b$10$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e",
            "groups": groups,
        });
        row.to_string() + "\n"
    };
    std::fs::write(home.path("users.ndjson"), (0..USERS).map(row).collect::<String>()).unwrap();
    let done = home.prints(&["import", "users.ndjson"]);
    assert_eq!(done, format!("imported: users {USERS}, groups 2; rows there already 0, refused 0\n"));
    home.prints(&["export", "--with-hashes"])
}

/// The lines without the last one. Who is given these waits for more, and so is in the middle when it is killed,
/// however quick it is.
fn all_but_one(lines: &str) -> &str {
    &lines[..=lines.trim_end().rfind('\n').expect("there are several lines")]
}

/// How many users there are, as the program tells it.
fn users(home: &Home, store: &str) -> usize {
    let listed = home.run(&["tenants", "list", "--store", store]);
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let count = listed.strip_prefix("default\t").and_then(|rest| rest.strip_suffix(" users\n"));
    // At first there is no store.
    count.map_or(0, |count| count.parse().expect("a number of users"))
}

/// Begins to import lines, and kills the program when so many users are there.
fn import_until(home: &Home, store: &str, lines: &str, at: usize) {
    let mut command = home.command(&["import", "-", "--store", store]);
    let quiet = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut importing = quiet.spawn().expect("the program can be started");
    let mut input = importing.stdin.take().expect("standard input is a pipe");
    let lines = all_but_one(lines).to_owned();
    // The pipe breaks when the program is killed, and stays open until then.
    let feeding = std::thread::spawn(move || {
        let _ = input.write_all(lines.as_bytes());
        input
    });
    eventually("so many users", || (users(home, store) >= at).then_some(()));
    importing.kill().expect("the program can be killed");
    importing.wait().expect("its end can be awaited");
    drop(feeding.join());
}

/// Begins to send lines to a server, and kills it when so many users are there.
fn send_until(home: &Home, key: &str, lines: &str, at: usize) {
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
    eventually("so many users", || (users(home, STORE) >= at).then_some(()));
    server.kill();
    drop(sending.join());
}

/// What the program says of the import that ends what others have begun: some users were left, and none of
/// those before was made again.
fn import_the_rest(home: &Home, store: &str, lines: &str) {
    let before = users(home, store);
    assert!((KILLED_AT[1]..USERS).contains(&before), "{before}");
    std::fs::write(home.path("users.ndjson"), lines).unwrap();
    let done = home.prints(&["import", "users.ndjson", "--store", store]);
    let (made, there) = (USERS - before, before + 2);
    assert_eq!(done, format!("imported: users {made}, groups 0; rows there already {there}, refused 0\n"));
    assert!(home.prints(&["export", "--with-hashes", "--store", store]) == lines, "the lines are the same");
}

/// How many events tell of new users, and of how many users.
const MADE: &str = "select count(*), count(distinct user_id) from events where type = 'user.created'";

#[test]
fn an_import_that_is_killed_goes_on_where_it_was() {
    let (home, lines) = (Home::new(), exported());
    for at in KILLED_AT {
        import_until(&home, STORE, &lines, at);
    }
    import_the_rest(&home, STORE, &lines);
    assert_each_was_made_once(&home);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_into_postgresql_that_is_killed_goes_on_where_it_was() {
    let (home, lines, database) = (Home::new(), exported(), Database::empty().await);
    for at in KILLED_AT {
        import_until(&home, &database.url, &lines, at);
    }
    import_the_rest(&home, &database.url, &lines);
    let (client, connection) = tokio_postgres::connect(&database.url, NoTls).await.expect("a connection");
    tokio::spawn(connection);
    let made = client.query_one(MADE, &[]).await.expect("the events can be counted");
    assert_eq!((made.get::<_, i64>(0), made.get::<_, i64>(1)), (USERS as i64, USERS as i64));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_by_a_server_that_is_killed_is_sent_again() {
    let (home, lines) = (Home::new(), exported());
    let key = home.key("admin");
    for at in KILLED_AT {
        send_until(&home, &key, &lines, at);
    }
    let before = users(&home, STORE);
    assert!((KILLED_AT[1]..USERS).contains(&before), "{before}");
    let server = home.serve(&[]);
    let request = trusting([]).build().unwrap().post(format!("{}/v1/import", server.url));
    let answer = request.header("x-api-key", &key).body(lines.clone()).send().await.unwrap();
    let told: Value = serde_json::from_str(&answer.text().await.unwrap()).expect("one line: none is refused");
    let wanted = json!({
        "users": USERS - before, "groups": 0, "there": before + 2, "refused": 0, "dry_run": false,
        "is_complete": true
    });
    assert_eq!(told["summary"], wanted);
    assert!(home.prints(&["export", "--with-hashes"]) == lines, "the lines are the same");
    assert_each_was_made_once(&home);
}

fn assert_each_was_made_once(home: &Home) {
    let database = home.database();
    let made: (i64, i64) = database.query_row(MADE, [], |row| row.try_into()).expect("events are counted");
    assert_eq!(made, (USERS as i64, USERS as i64));
    assert_whole(&database);
}
