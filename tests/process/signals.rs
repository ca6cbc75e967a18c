//! How the server ends when it is asked to.

use std::net::TcpStream;
use std::time::Duration;

use bonafide::time::{Clock, SystemClock};

use super::client::Client;
use super::raw::{self, Connection};
use super::server::{Home, eventually};

/// Asks the server to end while a request's body is on its way.
async fn ends_in_order_on(signal: &str) {
    let home = Home::new();
    let server = home.serve(&[]);
    let key = home.key("users:write,users:read");
    let user = Client::new(&server, &key).create("ada@example.com").await;
    let mut under_way = Connection::open(&server);
    under_way.send(raw::post(&user.path("verify"), &key));
    under_way.send("content-length: 18\r\nexpect: 100-continue\r\n\r\n");
    // The server asks for the body: so the request is under way.
    assert_eq!(under_way.answer().status, 100);
    under_way.send("{\"reason\":");

    server.signal(signal);
    let address = server.address().to_owned();
    eventually("a refusal", || TcpStream::connect(&address).is_err().then_some(()));
    under_way.send("\"asked\"}");

    let answer = under_way.answer();
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["emails"][0]["verified"], true);
    under_way.wait_for_end();
    assert_eq!(server.wait().code(), Some(0));
    let log = std::fs::metadata(home.path("data/bonafide.db-wal"));
    assert!(log.is_err() || log.is_ok_and(|log| log.len() == 0), "the store was not closed");
    let server = home.serve(&[]);
    assert!(Client::new(&server, &key).is_verified(&user).await);
}

#[tokio::test]
async fn sigterm_lets_requests_finish_and_closes_the_store() {
    ends_in_order_on("TERM").await;
}

#[tokio::test]
async fn sigint_lets_requests_finish_and_closes_the_store() {
    ends_in_order_on("INT").await;
}

#[tokio::test]
async fn an_idle_connection_does_not_hold_up_the_end() {
    let home = Home::new();
    let server = home.serve(&[]);
    let client = Client::new(&server, &home.key("users:read"));
    let mut silent = Connection::open(&server);
    // Connections are taken in their order: when a later one is answered, it has taken the silent one.
    assert_eq!(client.list_status().await, 200);
    server.signal("TERM");
    silent.wait_for_end();
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn connections_that_have_said_nothing_do_not_hold_up_the_end() {
    for (scheme, arguments) in [("http", &[][..]), ("https", &["--tls-self-signed"])] {
        let home = Home::new();
        let server = home.serve(arguments);
        let mut silent: Vec<_> = (0..3).map(|_| Connection::open(&server)).collect();
        // Connections are taken in their order: when a later one is answered, it has taken these.
        let url = format!("{scheme}://{}/healthz", server.address());
        assert!(home.command_of("curl").args(["--silent", "--insecure", &url]).status().unwrap().success());
        let asked = SystemClock::start();
        server.signal("TERM");
        assert_eq!(server.wait().code(), Some(0));
        // Those that have said something are waited for as long as 10 seconds.
        assert!(asked.elapsed() < Duration::from_secs(7), "{scheme}: {:?}", asked.elapsed());
        for connection in &mut silent {
            connection.wait_for_end();
        }
    }
}

#[tokio::test]
async fn half_a_request_does_not_hold_up_the_end() {
    let home = Home::new();
    let server = home.serve(&[]);
    let mut half = Connection::open(&server);
    half.send("POST /api/users HTTP/1.1\r\nhost: a\r\n");
    // Who came first was taken first.
    assert_eq!(Client::new(&server, &home.key("users:read")).list_status().await, 200);
    let asked = SystemClock::start();
    server.signal("TERM");
    half.wait_for_end();
    assert_eq!(server.wait().code(), Some(0));
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
}
