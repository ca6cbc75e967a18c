//! Servers as processes of their own: started, looked at, stopped.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

/// How long an answer or an end may take before the run counts as broken.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running server. It ends with this value.
pub(crate) struct Server {
    child: Child,
    url: String,
    /// Held open, so that the server can go on printing.
    _stdout: BufReader<ChildStdout>,
}

/// What a process keeps in memory, in bytes.
#[derive(Clone, Copy)]
pub(crate) struct Memory {
    /// All that is resident.
    pub(crate) resident: u64,
    /// What of it is not a mapped file.
    pub(crate) anonymous: u64,
}

impl Server {
    /// Starts a server and waits for the line that tells its address. Its log goes to a file.
    pub(crate) fn start(mut command: Command, log: &Path) -> Result<Self> {
        let log = File::options().create(true).append(true).open(log)?;
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .with_context(|| format!("{} cannot be started", command.get_program().display()))?;
        let mut stdout = BufReader::new(child.stdout.take().context("a server has no output")?);
        let mut line = String::new();
        stdout.read_line(&mut line)?;
        let url = line.trim().strip_prefix("listening on ").unwrap_or_default().to_owned();
        let server = Self { child, url, _stdout: stdout };
        ensure!(!server.url.is_empty(), "a server printed {line:?} where its address was expected");
        Ok(server)
    }

    /// Starts a server that says nothing, and waits until something listens where it is to be reached.
    pub(crate) fn start_silent(mut command: Command, address: &str, log: &Path) -> Result<Self> {
        let log = File::options().create(true).append(true).open(log)?;
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .with_context(|| format!("{} cannot be started", command.get_program().display()))?;
        let stdout = BufReader::new(child.stdout.take().context("a server has no output")?);
        let server = Self { child, url: format!("http://{address}"), _stdout: stdout };
        let start = Instant::now();
        while TcpStream::connect(address).is_err() {
            ensure!(start.elapsed() < PATIENCE, "nothing listens on {address}");
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(server)
    }

    /// Where it is reached.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Sends a request that must succeed, and gives the head and the body of the answer.
    pub(crate) fn ask(&self, method: &str, path: &str, key: &str, body: &str) -> Result<(String, Vec<u8>)> {
        let address = self.url.strip_prefix("http://").context("the address is not of http")?;
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\nx-api-key: {key}\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n");
        let body = answer.split_off(end.context("a server sent no whole answer")? + 4);
        let head = String::from_utf8(answer)?;
        ensure!(head.starts_with("HTTP/1.1 20"), "{method} {path} was answered {head}");
        Ok((head, body))
    }

    /// What it keeps in memory.
    pub(crate) fn memory(&self) -> Result<Memory> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let bytes = |name: &str| -> Result<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            let number = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
            Ok(number.with_context(|| format!("the system does not tell {name}"))? * 1024)
        };
        Ok(Memory { resident: bytes("VmRSS")?, anonymous: bytes("RssAnon")? })
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn stop(mut self) -> Result<()> {
        let asked = Command::new("sh").arg("-c").arg(format!("kill {}", self.child.id())).status()?;
        ensure!(asked.success(), "a server could not be asked to end");
        let start = Instant::now();
        loop {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            if start.elapsed() > PATIENCE {
                bail!("a server that was asked to end did not");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended already after a good run.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How long it takes from starting a server to having its first answer.
pub(crate) fn cold_start(command: Command, log: &Path) -> Result<Duration> {
    let start = Instant::now();
    let server = Server::start(command, log)?;
    server.ask("GET", "/healthz", "", "")?;
    let taken = start.elapsed();
    server.stop()?;
    Ok(taken)
}
