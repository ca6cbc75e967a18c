//! The wire as real clients use it.

use super::client::Client;
use super::raw::{self, Connection};
use super::server::Home;

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let home = Home::new();
    let server = home.serve(&[]);
    let key = home.key("users:write,users:read");
    let user = Client::new(&server, &key).create("ada@example.com").await;
    let mut connection = Connection::open(&server);
    for action in ["verify", "unverify", "verify"] {
        connection.send(raw::post(&user.path(action), &key) + "\r\n");
        let answer = connection.answer();
        assert_eq!(
            (answer.status, &answer.json()["emails"][0]["verified"]),
            (200, &(action == "verify").into())
        );
    }
}

#[tokio::test]
async fn headers_may_be_written_in_any_case_and_the_key_twice_if_it_is_the_same() {
    let home = Home::new();
    let server = home.serve(&[]);
    let (key, other) = (home.key("users:write"), home.key("users:write"));
    let user = Client::new(&server, &key).create("ada@example.com").await;
    let mut connection = Connection::open(&server);
    let mut status = |headers: &str| {
        connection.send(format!("POST {} HTTP/1.1\r\nhost: a\r\n{headers}\r\n", user.path("verify")));
        connection.answer().status
    };
    assert_eq!(status(&format!("X-API-KEY: {key}\r\n")), 200);
    assert_eq!(status(&format!("x-ApI-kEy: {key}\r\n")), 200);
    assert_eq!(status(&format!("API-Key: {key}\r\n")), 200);
    assert_eq!(status(&format!("x-api-key: {key}\r\napi-key: {key}\r\n")), 200);
    assert_eq!(status(&format!("x-api-key: {key}\r\napi-key: {other}\r\n")), 401);
    assert_eq!(status(&format!("x-api-key: {key}\r\nx-api-key: {other}\r\n")), 401);
    assert_eq!(status(""), 401);
}

#[tokio::test]
async fn a_client_may_announce_json_and_send_nothing() {
    let home = Home::new();
    let server = home.serve(&[]);
    let key = home.key("users:write");
    let user = Client::new(&server, &key).create("ada@example.com").await;
    let mut connection = Connection::open(&server);
    for headers in ["", "content-length: 0\r\n", "transfer-encoding: chunked\r\n"] {
        let end = if headers.starts_with("transfer") { "0\r\n\r\n" } else { "" };
        connection.send(raw::post(&user.path("verify"), &key));
        connection.send(format!("content-type: application/json\r\n{headers}\r\n{end}"));
        assert_eq!(connection.answer().status, 200, "{headers}");
    }
}
