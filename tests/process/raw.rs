//! HTTP/1.1 by hand, for what a well-behaved client never does.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use super::server::Server;

/// A connection.
pub(super) struct Connection(BufReader<TcpStream>);

/// An answer, read to its end.
#[derive(Debug)]
pub(super) struct Answer {
    /// The status of the first line.
    pub(super) status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Connection {
    /// A new connection, which waits for an answer longer than the server for anything.
    pub(super) fn open(server: &Server) -> Self {
        let stream = TcpStream::connect(server.address()).expect("the server listens");
        stream.set_read_timeout(Some(Duration::from_secs(90))).expect("a time-out can be set");
        stream.set_write_timeout(Some(Duration::from_secs(90))).expect("a time-out can be set");
        Self(BufReader::new(stream))
    }

    /// Sends these bytes, all of them.
    pub(super) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.get_mut().write_all(bytes.as_ref()).expect("the server takes what is sent");
    }

    /// Sends a request again and again and reads no answer, until the server has had enough.
    pub(super) fn send_until_cut_off(&mut self, request: &str) {
        let requests = request.repeat(1000);
        let error = loop {
            if let Err(error) = self.0.get_mut().write_all(requests.as_bytes()) {
                break error;
            }
        };
        // And not this side, whose patience is longer.
        let cut_off = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
        assert!(cut_off.contains(&error.kind()), "{error}");
    }

    /// Reads one answer.
    pub(super) fn answer(&mut self) -> Answer {
        let status_line = self.line();
        let status = status_line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("`{status_line}` is no status line"));
        let mut headers = Vec::new();
        loop {
            let line = self.line();
            let Some((name, value)) = line.split_once(": ") else { break };
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        let mut answer = Answer { status, headers, body: Vec::new() };
        let length = answer.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        answer.body.resize(length, 0);
        self.0.read_exact(&mut answer.body).expect("the body is as long as it is said to be");
        answer
    }

    /// Sends a request and reads the answer, which may be a refusal; nothing if the connection breaks.
    pub(super) fn try_answer_to(&mut self, request: &str) -> Option<Answer> {
        self.0.get_mut().write_all(request.as_bytes()).ok()?;
        self.0.fill_buf().ok().filter(|bytes| !bytes.is_empty())?;
        Some(self.answer())
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("an answer and no reset");
        line.trim_end().to_owned()
    }

    /// Waits until the server closes the connection. It must send nothing more, and not reset it:
    /// with a reset, an answer that is not read yet may be lost.
    pub(super) fn wait_for_end(&mut self) {
        let read = self.0.read(&mut [0]).expect("an end and no reset");
        assert_eq!(read, 0, "there is more than one answer");
    }
}

impl Answer {
    /// The value of the header with this name, written in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }

    /// Fails unless this is problem details with this status.
    pub(super) fn assert_problem(&self, status: u16) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        assert_eq!(self.json()["status"], status);
    }
}

/// The head of a POST, to which more headers and an empty line are to be added.
pub(super) fn post(path: &str, key: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: bonafide.test\r\nx-api-key: {key}\r\n")
}
