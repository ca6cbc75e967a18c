//! A real mail server on loopback, in a process of its own: `tests/smtp/server.py`.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use mail_parser::MessageParser;
use serde_json::{Value, json};

use super::server::{Text, collect, eventually, text};

/// Where `make test` puts what tests take from PyPI.
const PYTHON: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/../venv/bin/python");
const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/smtp/server.py");

/// A running mail server; it is killed when dropped.
pub(super) struct MailServer {
    process: Child,
    /// The port that it listens on.
    pub(super) port: u16,
    stdout: Text,
    certificates: tempfile::TempDir,
}

/// A mail that it took.
pub(super) struct Taken {
    /// The sender and the one receiver of the envelope, whether the connection was encrypted, whether
    /// there was a login, and whether the addresses were beyond ASCII.
    pub(super) how: Value,
    /// The mail as it came.
    pub(super) mail: String,
}

impl Taken {
    /// The receiver of the envelope.
    pub(super) fn to(&self) -> &str {
        self.how["to"][0].as_str().expect("a receiver")
    }

    /// The text part.
    pub(super) fn text(&self) -> String {
        let parsed = MessageParser::default().parse(&self.mail).expect("a mail can be read");
        parsed.body_text(0).expect("a mail has a text").into_owned()
    }

    /// The HTML part.
    pub(super) fn html(&self) -> String {
        let parsed = MessageParser::default().parse(&self.mail).expect("a mail can be read");
        parsed.body_html(0).expect("a mail has HTML").into_owned()
    }
}

impl MailServer {
    /// A server that behaves as this says; `"certificate": true` is one of its own making.
    pub(super) fn start(mut how: Value) -> Self {
        assert!(Path::new(PYTHON).exists(), "{PYTHON} is not there: `make test` makes it");
        let certificates = tempfile::tempdir().expect("a folder can be made");
        if how["certificate"] == true {
            let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]);
            let made = made.expect("a certificate can be made");
            for (name, pem) in [("certificate", made.cert.pem()), ("key", made.signing_key.serialize_pem())] {
                let path = certificates.path().join(name);
                std::fs::write(&path, pem).expect("a file can be written");
                how[name] = json!(path);
            }
        }
        let started = Command::new(PYTHON)
            .args([PROGRAM, &how.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn();
        let mut process = started.expect("the mail server can be started");
        let stdout = collect(process.stdout.take().expect("standard output is a pipe"));
        let port = eventually("the mail server's port", || {
            let ended = process.try_wait().expect("the process can be asked");
            assert!(ended.is_none(), "the mail server ended at once: {ended:?}");
            text(&stdout).split_once('\n').and_then(|(port, _)| port.parse().ok())
        });
        Self { process, port, stdout, certificates }
    }

    /// The certificate of its own making.
    pub(super) fn certificate(&self) -> std::path::PathBuf {
        self.certificates.path().join("certificate")
    }

    /// The mails that it took so far.
    pub(super) fn taken(&self) -> Vec<Taken> {
        let printed = text(&self.stdout);
        let lines = printed.lines().skip(1);
        let read = |line: &str| {
            let how: Value = serde_json::from_str(line).expect("a line is JSON");
            let mail = BASE64_STANDARD.decode(how["mail"].as_str().expect("a mail")).expect("it is base64");
            Taken { mail: String::from_utf8(mail).expect("our mails are UTF-8"), how }
        };
        lines.map(read).collect()
    }

    /// The newest mail, once it has taken as many as `count`.
    pub(super) fn newest_of(&self, count: usize) -> Taken {
        eventually("the mail", || {
            let mut taken = self.taken();
            assert!(taken.len() <= count, "{} mails came where {count} were to", taken.len());
            if taken.len() == count { taken.pop() } else { None }
        })
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
