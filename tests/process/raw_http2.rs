//! HTTP/2 by hand, for a client that asks once and then only keeps its connection.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::server::Server;

/// What kinds of frames are called on the wire.
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;

/// The flags of frames: an answer to the same frame; of HEADERS, nothing follows, and they are whole.
const ACK: u8 = 0x1;
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;

/// A connection without TLS, whose client knows beforehand that the server speaks HTTP/2.
pub(super) struct Connection(TcpStream);

/// A frame, whole.
struct Frame {
    kind: u8,
    flags: u8,
    payload: Vec<u8>,
}

impl Connection {
    /// A new connection, which waits longer than the server for anything.
    pub(super) fn open(server: &Server) -> Self {
        let mut stream = TcpStream::connect(server.address()).expect("the server listens");
        stream.set_read_timeout(Some(Duration::from_secs(90))).expect("a time-out can be set");
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").expect("the server takes what is sent");
        let mut connection = Self(stream);
        connection.send(SETTINGS, 0, 0, &[]);
        connection
    }

    /// Asks whether the server lives, and reads until the head of the answer.
    pub(super) fn ask(&mut self) {
        // GET and http by their numbers in the table of common headers, then two by their names there.
        let mut headers = vec![0x82, 0x86];
        for (name, value) in [(0x04, "/healthz"), (0x01, "a")] {
            headers.extend([name, u8::try_from(value.len()).expect("it is short")]);
            headers.extend(value.as_bytes());
        }
        self.send(HEADERS, END_STREAM | END_HEADERS, 1, &headers);
        while self.answer_or_end().expect("the server answers before it closes") != HEADERS {}
    }

    /// Answers the server's pings until it closes the connection; whether it said so before.
    pub(super) fn wait_for_end(&mut self) -> bool {
        let mut told = false;
        while let Some(kind) = self.answer_or_end() {
            told |= kind == GOAWAY;
        }
        told
    }

    /// Reads a frame, answers it if it wants an answer, and gives its kind; nothing at the end.
    fn answer_or_end(&mut self) -> Option<u8> {
        let frame = self.frame()?;
        if matches!(frame.kind, PING | SETTINGS) && frame.flags & ACK == 0 {
            let echo = if frame.kind == PING { frame.payload.as_slice() } else { &[] };
            self.send(frame.kind, ACK, 0, echo);
        }
        Some(frame.kind)
    }

    fn frame(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        match self.0.read_exact(&mut head) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return None,
            Err(error) => panic!("an end and no reset: {error}"),
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        self.0.read_exact(&mut payload).expect("a frame is as long as it is said to be");
        Some(Frame { kind: head[3], flags: head[4], payload })
    }

    fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).expect("it is short").to_be_bytes();
        let mut frame = vec![length[1], length[2], length[3], kind, flags];
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        self.0.write_all(&frame).expect("the server takes what is sent");
    }
}
