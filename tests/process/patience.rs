//! Clients that keep the server waiting. These take as long as the server is patient, so they all
//! wait at once, in one test.

use std::thread;

use super::client::Client;
use super::raw::{self, Connection};
use super::raw_http2;
use super::server::Home;

#[tokio::test(flavor = "multi_thread")]
async fn who_keeps_the_server_waiting_is_let_go() {
    let home = Home::new();
    let server = home.serve(&[]);
    let key = home.key("users:write,users:read");
    let user = Client::new(&server, &key).create("ada@example.com").await;
    let request = raw::post(&user.path("verify"), &key);
    thread::scope(|clients| {
        let started_head = |bytes: &'static str| {
            let mut connection = Connection::open(&server);
            clients.spawn(move || {
                connection.send(bytes);
                connection.wait_for_end();
            });
        };
        started_head("");
        started_head("POST /api/users HTTP/1.1\r\nhost: a\r\n");
        // So begins HTTP/2, too.
        started_head("PRI * HT");
        clients.spawn(|| {
            let mut idle = Connection::open(&server);
            idle.send(format!("{request}\r\n"));
            assert_eq!(idle.answer().status, 200);
            idle.wait_for_end();
        });
        clients.spawn(|| {
            let mut idle = raw_http2::Connection::open(&server);
            idle.ask();
            assert!(idle.wait_for_end(), "the connection was closed without a word");
        });
        clients.spawn(|| {
            let mut deaf = Connection::open(&server);
            deaf.send_until_cut_off("GET /openapi.json HTTP/1.1\r\nhost: a\r\n\r\n");
        });
        for body in ["", "{\"reason\":"] {
            let request = &request;
            let server = &server;
            clients.spawn(move || {
                let mut connection = Connection::open(server);
                connection.send(format!("{request}content-length: 100\r\n\r\n{body}"));
                connection.answer().assert_problem(408);
            });
        }
    });
    assert_eq!(Client::new(&server, &key).list_status().await, 200);
}
