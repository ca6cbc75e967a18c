//! The program on PostgreSQL: several servers on one database, and a database that goes away.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::StatusCode;
use serde_json::Value;
use tokio_postgres::NoTls;

use super::client::{Client, User};
use super::server::{Home, Server, until};
use super::way::{Line, Way};
use crate::postgres::{Database, certificate};

/// Within which a request is answered, whatever happens to the database.
pub(super) const AT_ONCE: Duration = Duration::from_secs(2);

/// A key that may do what these tests do, in the store of this URL.
pub(super) fn key(home: &Home, url: &str) -> String {
    let scopes = "users:write,users:read,events:read";
    let made = home.prints(&["keys", "create", "--name", "test", "--scopes", scopes, "--store", url]);
    made.trim_end().to_owned()
}

fn serve(home: &Home, url: &str) -> Server {
    home.serve(&["--store", url, "--secret-file", "secret", "--statement-timeout", "1000"])
}

/// How often the user was marked, as it is told.
async fn marks(client: &Client, user: &User) -> usize {
    let answer = client.get(&format!("/v1/events?limit=1000&user_id={}", user.id)).await.expect("an answer");
    let told: Value = answer.json().await.expect("events");
    let events = told["events"].as_array().expect("events");
    let is_mark = |event: &&Value| {
        ["user.email.verified", "user.email.unverified"].contains(&event["type"].as_str().expect("a type"))
    };
    events.iter().filter(is_mark).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_servers_that_verify_one_address_for_two_users_one_does() {
    let (home, database) = (Home::new(), Database::empty().await);
    // Both find an empty database, and one makes the schema.
    let (one, other) = std::thread::scope(|scope| {
        let one = scope.spawn(|| serve(&home, &database.url));
        let other = serve(&home, &database.url);
        (one.join().expect("a server starts"), other)
    });
    let key = key(&home, &database.url);
    let clients = [Client::new(&one, &key), Client::new(&other, &key)];
    for round in 0..10 {
        let email = format!("user{round}@example.com");
        let users = [clients[0].create(&email).await, clients[1].create(&email).await];
        let (first, second) =
            tokio::join!(clients[0].mark(&users[0], "verify"), clients[1].mark(&users[1], "verify"));
        let mut statuses = [first.expect("an answer"), second.expect("an answer")];
        statuses.sort_unstable();
        assert_eq!(statuses, [StatusCode::OK, StatusCode::UNPROCESSABLE_ENTITY]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_told_by_the_other_server_within_5_seconds_when_one_is_killed_or_stands_still() {
    for signal in ["KILL", "STOP"] {
        let (home, database) = (Home::new(), Database::empty().await);
        // The first to come orders the events.
        let first = serve(&home, &database.url);
        let key = key(&home, &database.url);
        let ada = Client::new(&first, &key).create("ada@example.com").await;
        let second = serve(&home, &database.url);
        let client = Client::new(&second, &key);
        client.verify(&ada).await;
        until(1, async || marks(&client, &ada).await).await;
        first.signal(signal);
        client.mark(&ada, "unverify").await.expect("an answer");
        let told = until(2, async || marks(&client, &ada).await);
        tokio::time::timeout(Duration::from_secs(5), told).await.expect("the events are told in time");
        // So that what stands still can end.
        first.signal("CONT");
    }
}

/// A user, and whether a change may have been kept that was not answered with success.
struct Known {
    user: User,
    changes: usize,
    unsure: usize,
}

async fn a_disturbed_way_is_answered_at_once_and_loses_nothing(disturbance: Line) {
    let (home, database) = (Home::new(), Database::empty().await);
    let way = Way::to(&database).await;
    let server = serve(&home, &way.url);
    let client = Client::new(&server, &key(&home, &database.url));
    let mut known = Vec::new();
    for number in 0..8 {
        let user = client.create(&format!("user{number}@example.com")).await;
        client.verify(&user).await;
        known.push(Known { user, changes: 1, unsure: 0 });
    }
    way.line.send_replace(disturbance);
    for _ in 0..3 {
        let asked = known.iter_mut().map(async |known| {
            let path = known.user.path(if known.changes % 2 == 0 { "verify" } else { "unverify" });
            let answer = tokio::time::timeout(AT_ONCE, client.post(&path, None)).await;
            let answer = answer.expect("an answer at once").expect("an answer");
            assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert!(answer.headers().contains_key("retry-after"));
            let problem: Value = answer.json().await.expect("a problem");
            assert_eq!(problem["status"], 503);
            known.unsure += 1;
        });
        join_all(asked).await;
    }
    way.line.send_replace(Line::Open);
    let path = format!("/api/users/{}", known[0].user.id);
    until(StatusCode::OK, async || client.get(&path).await.expect("an answer").status()).await;
    for Known { user, changes, unsure } in &mut known {
        // What is told and what is kept agree, and nothing that was answered is lost.
        // Each connection that writes comes back by itself, one after the other.
        for action in ["verify", "unverify"] {
            until(StatusCode::OK, async || client.mark(user, action).await.expect("an answer")).await;
        }
        until(false, async || client.is_verified(user).await).await;
        until(0, async || marks(&client, user).await % 2).await;
        let told = marks(&client, user).await;
        assert!((*changes + 1..=*changes + 2 + *unsure).contains(&told), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_stalls_is_answered_at_once_and_loses_nothing() {
    a_disturbed_way_is_answered_at_once_and_loses_nothing(Line::Held).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_gone_is_answered_at_once_and_loses_nothing() {
    a_disturbed_way_is_answered_at_once_and_loses_nothing(Line::Cut).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_others_who_change_the_same_user_is_answered_at_once_too() {
    let (home, database) = (Home::new(), Database::empty().await);
    let server = serve(&home, &database.url);
    let client = Client::new(&server, &key(&home, &database.url));
    let ada = client.create("ada@example.com").await;
    let (other, connection) = tokio_postgres::connect(&database.url, NoTls).await.expect("a connection");
    tokio::spawn(connection);
    // Each change waits for the row as long as a statement may take, one after the other.
    other.batch_execute("begin; select from users for update").await.expect("the row is locked");
    let asked = (0..6).map(async |_| {
        let answer = tokio::time::timeout(AT_ONCE, client.mark(&ada, "verify")).await;
        assert_eq!(answer.expect("an answer at once").expect("an answer"), StatusCode::SERVICE_UNAVAILABLE);
    });
    join_all(asked).await;
    other.batch_execute("rollback").await.expect("the row is free");
    until(StatusCode::OK, async || client.mark(&ada, "verify").await.expect("an answer")).await;
    until(1, async || marks(&client, &ada).await).await;
}

/// Somebody else's connection to the database, which runs these statements.
async fn somebody(database: &Database, sql: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(&database.url, NoTls).await.expect("a connection");
    tokio::spawn(connection);
    client.batch_execute(sql).await.expect("the statements can be run");
    client
}

/// The connections to the database by which changes are kept and users are looked up.
const OTHERS_THAN_FOR_LISTS: &str = "select coalesce(array_agg(pid), '{}') from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() \
     and (query like '%from users%' or query like '%update users%') and query not like '%limit%'";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_that_take_long_are_answered_at_once_and_disturb_nobody_else() {
    let (home, database) = (Home::new(), Database::empty().await);
    let server = serve(&home, &database.url);
    let client = Client::new(&server, &key(&home, &database.url));
    let ada = client.create("ada@example.com").await;
    client.verify(&ada).await;
    let watch = somebody(&database, "").await;
    let others: Vec<i32> = watch.query_one(OTHERS_THAN_FOR_LISTS, &[]).await.expect("an answer").get(0);
    assert!(!others.is_empty(), "nothing has written");
    let list = async || {
        let asked = client.get("/api/users?filter=emails.verified:true");
        let answer =
            tokio::time::timeout(AT_ONCE, asked).await.expect("an answer at once").expect("an answer");
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(answer.headers().contains_key("retry-after"));
        answer.json::<Value>().await.expect("a problem")["detail"].to_string()
    };
    // Each statement of the list waits for less than a statement may take, and both for longer.
    let first = somebody(&database, "begin; lock table index_terms in access exclusive mode").await;
    let second = somebody(&database, "begin; lock table users in access exclusive mode").await;
    let release = async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        first.batch_execute("rollback").await.expect("the first lock is given up");
    };
    let (told, ()) = tokio::join!(list(), release);
    assert!(told.contains("takes too long"), "{told}");
    // More lists than there are connections for them.
    let told = join_all((0..20).map(|_| list())).await;
    assert!(
        told.iter().any(|told| !told.contains("takes too long")),
        "none waited for a connection: {told:?}"
    );
    second.batch_execute("rollback").await.expect("the second lock is given up");
    client.mark(&ada, "unverify").await.expect("an answer");
    client.verify(&ada).await;
    until(StatusCode::OK, async || client.list_status().await).await;
    let still_there = "select count(*) from pg_stat_activity where pid = any($1)";
    let still_there: i64 = watch.query_one(still_there, &[&others]).await.expect("an answer").get(0);
    assert_eq!(
        still_there,
        i64::try_from(others.len()).unwrap(),
        "connections were dropped that were not at fault"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn that_events_get_no_places_is_told_once_and_counted_and_so_is_the_end_of_it() {
    let (home, database) = (Home::new(), Database::empty().await);
    let server = serve(&home, &database.url);
    let client = Client::new(&server, &key(&home, &database.url));
    let failures = async || {
        let answer = client.get("/metrics").await.expect("an answer").text().await.expect("a text");
        let name = "bonafide_job_failures_total{job=\"sequence\"} ";
        let told = answer.lines().find_map(|line| line.strip_prefix(name)).expect("it is counted");
        told.parse::<u32>().expect("a number")
    };
    let lines = |text: &str| server.stderr().lines().filter(|line| line.contains(text)).count();
    let watch = somebody(
        &database,
        "create function refuse() returns trigger language plpgsql as 'begin raise exception ''refused''; end'; \
         create trigger refuse before insert on events for each row execute function refuse()",
    )
    .await;
    let ada = client.create("ada@example.com").await;
    client.verify(&ada).await;
    until(true, async || failures().await >= 3).await;
    assert_eq!((lines("cannot be given positions"), lines("can be given positions from here again")), (1, 0));
    watch.batch_execute("drop trigger refuse on events").await.expect("the trigger can be dropped");
    until(1, async || marks(&client, &ada).await).await;
    until(1, async || lines("can be given positions from here again")).await;
    assert_eq!(lines("cannot be given positions"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn migrate_tells_what_it_would_do_and_does_it_once() {
    let (home, database) = (Home::new(), Database::empty().await);
    for store in [database.url.as_str(), "sqlite:data/bonafide.db"] {
        let migrate = |more: &[&str]| home.prints(&[&["migrate", "--store", store], more].concat());
        for _ in 0..2 {
            assert!(migrate(&["--dry-run"]).starts_with("the schema has version 0 and would get version "));
        }
        assert!(migrate(&[]).starts_with("the schema had version 0 and has version "));
        for more in [&["--dry-run"][..], &[]] {
            assert!(migrate(more).ends_with("the newest: nothing is to be done\n"));
        }
        assert_eq!(home.prints(&["tenants", "list", "--store", store]), "default\t0 users\n");
    }
}

/// Issue 5: the line lacked the secret, without which servers that share a database do not start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_line_of_the_readme_starts_a_server_on_postgresql() {
    let (home, database) = (Home::new(), Database::empty().await);
    let readme = include_str!("../../README.md");
    let lines = readme.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let is_it = |words: &Vec<&str>| {
        words.get(1) == Some(&"serve") && words.iter().any(|word| word.starts_with("'postgres://"))
    };
    let lines: Vec<Vec<&str>> = lines.filter(is_it).collect();
    let [words] = &lines[..] else { panic!("there are {} such lines", lines.len()) };
    let of_this_test =
        |word: &&str| if word.starts_with('\'') { database.url.clone() } else { (*word).to_owned() };
    let arguments: Vec<String> = words[2..].iter().map(of_this_test).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // Once to make what is not there, once to find it.
    for _ in 0..2 {
        let server = home.serve(&arguments);
        let client = Client::new(&server, &key(&home, &database.url));
        until(StatusCode::OK, async || client.list_status().await).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_to_try_out_works_on_postgresql_too() {
    let (home, database) = (Home::new(), Database::empty().await);
    std::fs::write(home.path("root.pem"), certificate()).expect("the file can be written");
    let url = database.url.replace("sslmode=disable", "sslmode=verify-full&sslrootcert=root.pem");
    for _ in 0..2 {
        let server = home.serve(&["--dev", "--store", &url]);
        let key = std::fs::read_to_string(home.path("data/dev-key")).expect("the key is kept");
        let client = Client::new(&server, key.trim());
        until(StatusCode::OK, async || client.list_status().await).await;
    }
    let listed = home.prints(&["keys", "list", "--store", &database.url]);
    assert_eq!(listed.lines().count(), 2, "{listed}");
}
