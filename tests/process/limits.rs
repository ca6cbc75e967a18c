//! How much the server takes, and how it says that it is enough.

use super::raw::{self, Connection};
use super::server::{Home, eventually};

const MIB: usize = 1024 * 1024;

/// How a body is told to the server.
#[derive(Clone, Copy, Debug)]
enum Framing {
    Length,
    Chunks,
}

/// Writes a whole request, reading nothing meanwhile.
fn send(connection: &mut Connection, key: &str, framing: Framing, body: &[u8]) {
    connection.send(raw::post("/api/users", key) + "content-type: application/json\r\n");
    match framing {
        Framing::Length => {
            connection.send(format!("content-length: {}\r\n\r\n", body.len()));
            connection.send(body);
        }
        Framing::Chunks => {
            connection.send("transfer-encoding: chunked\r\n\r\n");
            for chunk in body.chunks(64 * 1024) {
                connection.send(format!("{:x}\r\n", chunk.len()));
                connection.send(chunk);
                connection.send("\r\n");
            }
            connection.send("0\r\n\r\n");
        }
    }
}

#[test]
fn a_body_that_is_too_large_is_refused_even_to_a_client_that_writes_all_before_it_reads() {
    let home = Home::new();
    let server = home.serve(&[]);
    let key = home.key("users:write");
    for framing in [Framing::Length, Framing::Chunks] {
        for size in [MIB + 1, 8 * MIB] {
            for (key, status) in [(key.as_str(), 413), ("bf_wrong", 401)] {
                let mut connection = Connection::open(&server);
                send(&mut connection, key, framing, &vec![b' '; size]);
                connection.answer().assert_problem(status);
            }
        }
    }
}

#[test]
fn a_client_that_asks_first_is_refused_before_it_sends_and_one_that_sends_all_the_same_is_told() {
    let home = Home::new();
    let server = home.serve(&[]);
    let key = home.key("users:write");
    let head = raw::post("/api/users", &key) + "content-type: application/json\r\nexpect: 100-continue\r\n";
    // Told how long the body is, the server gives no go-ahead.
    let mut connection = Connection::open(&server);
    connection.send(format!("{head}content-length: {}\r\n\r\n", 8 * MIB));
    connection.answer().assert_problem(413);
    // Not told, it gives the go-ahead and reads on after its refusal.
    let mut connection = Connection::open(&server);
    connection.send(format!("{head}transfer-encoding: chunked\r\n\r\n"));
    for _ in 0..8 {
        connection.send(format!("{MIB:x}\r\n"));
        connection.send(vec![b' '; MIB]);
        connection.send("\r\n");
    }
    connection.send("0\r\n\r\n");
    assert_eq!(connection.answer().status, 100);
    connection.answer().assert_problem(413);
}

#[test]
fn a_body_of_exactly_one_mebibyte_is_read() {
    let home = Home::new();
    let server = home.serve(&[]);
    let key = home.key("users:write");
    for (framing, email) in [(Framing::Length, "ada@example.com"), (Framing::Chunks, "eve@example.com")] {
        let mut body = format!("{{\"email\": \"{email}\"}}").into_bytes();
        body.resize(MIB, b' ');
        let mut connection = Connection::open(&server);
        send(&mut connection, &key, framing, &body);
        assert_eq!(connection.answer().status, 201, "{framing:?}");
    }
}

#[test]
fn a_connection_too_many_is_told_so_and_may_come_again() {
    let home = Home::new();
    let server = home.serve(&["--max-connections", "2"]);
    let key = home.key("users:read");
    let request = format!("GET /api/users HTTP/1.1\r\nhost: a\r\nx-api-key: {key}\r\n\r\n");
    let mut first_two = [Connection::open(&server), Connection::open(&server)];
    for connection in &mut first_two {
        connection.send(&request);
        assert_eq!(connection.answer().status, 200);
    }

    // Again and again: a refusal that comes as a reset now and then is none.
    for request in ["", request.as_str()].repeat(20) {
        let mut third = Connection::open(&server);
        third.send(request);
        let refusal = third.answer();
        refusal.assert_problem(503);
        assert_eq!(refusal.header("retry-after"), Some("1"));
        third.wait_for_end();
    }

    let [first, mut second] = first_two;
    drop(first);
    eventually("room for another", || {
        Connection::open(&server).try_answer_to(&request).filter(|answer| answer.status == 200)
    });
    second.send(&request);
    assert_eq!(second.answer().status, 200);
}
