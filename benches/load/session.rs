//! The measurements, in the order in which they are made.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Result, bail, ensure};

use crate::directory::Directory;
use crate::figures::{Figures, Pair, Series, median};
use crate::process::{Memory, Server, cold_start};
use crate::wrk::{self, Load};
use crate::{Options, limit_writes, machine};

/// How many connections ask at once.
pub(crate) const CONNECTIONS: [u32; 3] = [1, 16, 64];
/// Where writing is compared with its limit.
pub(crate) const MANY: u32 = 64;
/// How many starts are timed.
const STARTS: usize = 7;

/// Everything that was measured.
pub(crate) struct Measured {
    /// Reading, beside ready bytes.
    pub(crate) reads: Vec<Series>,
    /// Reading, beside making the JSON each time.
    pub(crate) serialised: Vec<Series>,
    /// Marking emails, with the raw writes beside it at [`MANY`] connections.
    pub(crate) marks: Vec<Series>,
    /// The server's memory after all that.
    pub(crate) memory: Memory,
    /// How long the server takes to its first answer, in milliseconds.
    pub(crate) start_ms: f64,
    /// How long the limit server takes.
    pub(crate) limit_start_ms: f64,
    /// How many runs began although the machine was not quiet.
    pub(crate) noisy: usize,
}

/// The servers and files of a session.
struct Session<'a> {
    options: &'a Options,
    folder: &'a Path,
    directory: Directory,
    server: Server,
    limit: Server,
    noisy: usize,
}

/// Measures everything, with its files in this folder.
pub(crate) fn run(options: &Options, folder: &Path) -> Result<Measured> {
    eprintln!("making the users");
    let directory = Directory::create(folder.join("bonafide.db"))?;
    limit_writes::prepare(&directory.store, &folder.join("limit.db"))?;
    std::fs::write(folder.join("document.json"), &directory.document)?;
    directory.write_reads(&folder.join("reads"), |user_id| format!("/api/users/{user_id}"))?;
    directory.write_reads(&folder.join("serialised"), |user_id| format!("/serialised/{user_id}"))?;

    let mut session = Session {
        server: Server::start(server(&directory.store), &folder.join("server.log"))?,
        limit: Server::start(limit_server(folder)?, &folder.join("limit.log"))?,
        options,
        folder,
        directory,
        noisy: 0,
    };
    session.warm_up()?;
    let (reads, serialised) = session.reads()?;
    let marks = session.marks()?;
    let memory = session.server.memory()?;
    session.server.stop()?;
    session.limit.stop()?;

    let start_ms = starts(&folder.join("server.log"), || Ok(server(&session.directory.store)))?;
    let limit_start_ms = starts(&folder.join("limit.log"), || limit_server(folder))?;
    Ok(Measured { reads, serialised, marks, memory, start_ms, limit_start_ms, noisy: session.noisy })
}

impl Session<'_> {
    /// Lets both servers open what they open once.
    fn warm_up(&self) -> Result<()> {
        for url in [self.server.url(), self.limit.url()] {
            wrk::drive(&Load { seconds: 1, ..self.load(url, &self.folder.join("reads"), 16) })?;
        }
        Ok(())
    }

    fn reads(&mut self) -> Result<(Vec<Series>, Vec<Series>)> {
        let mut reads = CONNECTIONS.map(|connections| Series::new("GET / ready bytes", connections));
        let mut serialised = CONNECTIONS.map(|connections| Series::new("GET / serialised", connections));
        for repetition in 0..self.options.reps {
            for (beside_ready, beside_serialised) in reads.iter_mut().zip(&mut serialised) {
                let [bytes, server, json] = self.read_all(beside_ready.connections, repetition)?;
                beside_ready.pairs.push(Pair { limit: Some(bytes), server });
                beside_serialised.pairs.push(Pair { limit: Some(json), server });
            }
        }
        Ok((reads.into(), serialised.into()))
    }

    /// Reads ready bytes, from the server, and what is serialised each time, right after each other; every
    /// second time the other way round, so that what drifts favours neither.
    fn read_all(&mut self, connections: u32, repetition: u32) -> Result<[Figures; 3]> {
        let mut order = [0, 1, 2];
        if repetition % 2 == 1 {
            order.reverse();
        }
        let mut all = [Figures::default(); 3];
        for place in order {
            self.quiet()?;
            let (name, server, operations) = [
                ("ready bytes", &self.limit, "reads"),
                ("GET", &self.server, "reads"),
                ("serialised", &self.limit, "serialised"),
            ][place];
            let operations = self.folder.join(operations);
            all[place] = wrk::drive(&self.load(server.url(), &operations, connections))?;
            progress(name, connections, &all[place]);
        }
        Ok(all)
    }

    fn marks(&mut self) -> Result<Vec<Series>> {
        let mut all =
            CONNECTIONS.map(|connections| Series::new("verify, unverify / raw writes", connections));
        for repetition in 0..self.options.reps {
            for series in &mut all {
                let connections = series.connections;
                let pair = if connections != MANY {
                    Pair { limit: None, server: self.mark(connections)? }
                } else if repetition % 2 == 0 {
                    let limit = Some(self.raw_writes()?);
                    Pair { limit, server: self.mark(connections)? }
                } else {
                    let server = self.mark(connections)?;
                    Pair { limit: Some(self.raw_writes()?), server }
                };
                series.pairs.push(pair);
            }
        }
        Ok(all.into())
    }

    /// Marks emails, and makes sure that the store holds an event for each answer.
    fn mark(&mut self, connections: u32) -> Result<Figures> {
        let operations = self.folder.join("marks");
        self.directory.write_marks(&operations)?;
        self.quiet()?;
        let before = self.directory.marks()?;
        let figures = wrk::drive(&self.load(self.server.url(), &operations, connections))?;
        let events = self.settled_marks()? - before;
        // What was under way when wrk stopped is not in its count.
        ensure!(
            (figures.count..=figures.count + u64::from(connections)).contains(&events),
            "{} requests to mark an email were answered, by {connections} connections, and {events} events kept",
            figures.count
        );
        progress("verify, unverify", connections, &figures);
        Ok(figures)
    }

    /// How many marks there are once no more come.
    fn settled_marks(&self) -> Result<u64> {
        let mut marks = self.directory.marks()?;
        for _ in 0..50 {
            sleep(Duration::from_millis(100));
            let now = self.directory.marks()?;
            if now == marks {
                return Ok(marks);
            }
            marks = now;
        }
        bail!("the server keeps writing although nobody asks");
    }

    fn raw_writes(&mut self) -> Result<Figures> {
        self.quiet()?;
        let seconds = self.options.seconds.to_string();
        let output = Command::new(std::env::current_exe()?)
            .args(["limit-writes", "--seconds", &seconds, "--file"])
            .arg(self.folder.join("limit.db"))
            .output()?;
        let Output { status, stdout, stderr } = output;
        ensure!(status.success(), "the raw writes failed: {}", String::from_utf8_lossy(&stderr));
        let figures = serde_json::from_slice(&stdout)?;
        progress("raw writes", MANY, &figures);
        Ok(figures)
    }

    fn load<'a>(&'a self, url: &'a str, operations: &'a Path, connections: u32) -> Load<'a> {
        let answer_bytes = self.directory.document.len() as u64;
        let seconds = self.options.seconds;
        Load { url, operations, key: &self.directory.key, connections, seconds, answer_bytes }
    }

    fn quiet(&mut self) -> Result<()> {
        if let Some(busy) = machine::wait_until_quiet()? {
            self.noisy += 1;
            eprintln!("  (others keep {busy:.1} cores busy)");
        }
        Ok(())
    }
}

fn server(store: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bonafide"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--store"]).arg(format!("sqlite:{}", store.display()));
    command
}

fn limit_server(folder: &Path) -> Result<Command> {
    let document: PathBuf = folder.join("document.json");
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["limit-http", "--document"]).arg(document);
    Ok(command)
}

/// The median of several starts, in milliseconds.
fn starts(log: &Path, command: impl Fn() -> Result<Command>) -> Result<f64> {
    machine::wait_until_quiet()?;
    let taken: Result<Vec<_>> = (0..STARTS).map(|_| cold_start(command()?, log)).collect();
    Ok(median(taken?.iter().map(|taken| taken.as_secs_f64() * 1e3)))
}

fn progress(name: &str, connections: u32, figures: &Figures) {
    eprintln!(
        "  {name:<17} {connections:>2} connections  {:>8.0}/s  p50 {} us  p99 {} us",
        figures.rate(),
        figures.p50_us,
        figures.p99_us
    );
}
