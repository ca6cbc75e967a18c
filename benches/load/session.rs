//! The measurements, in the order in which they are made.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::bench::{Bench, CONNECTIONS, limit_server};
use crate::directory::{Directory, PASSWORD_SCOPE, Service};
use crate::figures::{median, real};
use crate::growth::{self, Sized};
use crate::people::Length;
use crate::process::{Memory, Server, cold_start};
use crate::report::Report;
use crate::seed::{Seeded, seed};
use crate::wrk::{self, Load};
use crate::{Options, bursts, creates, depth, gets, imports, limit_http, lists, machine, marks, older};

/// The program that is measured.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_bonafide");

/// How many users there are whose documents are read and changed.
pub(crate) const USERS: u64 = 10_000;
/// Within how many seconds so many users are to be loaded.
const SEEDED: (u64, f64) = (1_000_000, 600.0);
/// How many KB a user may take beyond the document.
const BEYOND_DOCUMENTS: f64 = 3.0;
/// How much memory the server may keep, in megabytes.
const MEMORY_MB: f64 = 100.0;
/// How many starts are timed.
const STARTS: usize = 7;

/// Measures everything on SQLite, with its files in this folder.
pub(crate) fn run(options: Options, folder: &Path) -> Result<Report> {
    let program = Path::new(PROGRAM);
    let long = folder.join("long.db");
    let (directory, long_users) = make(long.clone(), USERS, Length::Long)?;
    let service = directory.serve()?;
    let mut sizes = Vec::new();
    let mut seeded = Vec::new();
    for users in options.sizes.clone() {
        let (directory, made) = make(file_of(folder, users), users, Length::Usual)?;
        sizes.push(Sized { users, service: directory.serve()? });
        seeded.push(made);
    }
    let smallest = sizes.first().context("no size was given")?;
    limit_http::prepare(folder, "user", &service.directory.kept.any_document()?)?;
    lists::prepare(folder, &smallest.service, smallest.users)?;

    let limit = Server::start(limit_server(folder)?, &folder.join("limit.log"))?;
    let mut bench = Bench::new(options, folder);
    tell_sizes(&mut bench.report, &seeded, &long_users);
    marks::prepare(&bench, &long)?;
    creates::prepare(&bench, &file_of(folder, smallest.users))?;
    imports::prepare(&bench, smallest.users)?;
    let warming = gets::load(&bench, &service, CONNECTIONS[1])?;
    wrk::drive(&Load { seconds: 1, ..warming })?;

    gets::measure(&mut bench, &limit, &service)?;
    marks::measure(&mut bench, &service)?;
    tell_memory(&mut bench.report, service.server.memory()?);
    lists::measure(&mut bench, &limit, &smallest.service, smallest.users)?;
    growth::measure(&mut bench, &sizes)?;
    depth::measure(&mut bench, &sizes)?;
    creates::measure(&mut bench, &sizes)?;
    imports::measure(&mut bench)?;
    bursts::measure(&mut bench, &service)?;
    if let Some(old) = bench.options.old.clone() {
        older::measure(&mut bench, &old, program)?;
    }

    let Bench { mut report, .. } = bench;
    let Service { directory, server } = service;
    [limit, server]
        .into_iter()
        .chain(sizes.into_iter().map(|sized| sized.service.server))
        .try_for_each(Server::stop)?;
    let start_ms = starts(&directory.log(), || Ok(directory.command()))?;
    let limit_start_ms = starts(&folder.join("limit.log"), || limit_server(folder))?;
    report.facts.push(("start to first answer", format!("{start_ms:.1} ms, limit {limit_start_ms:.1} ms")));
    Ok(report)
}

/// The file of the directory with so many users.
fn file_of(folder: &Path, users: u64) -> PathBuf {
    folder.join(format!("{users}.db"))
}

/// Makes a directory with users in it.
fn make(store: PathBuf, users: u64, length: Length) -> Result<(Directory, Seeded)> {
    eprintln!("making {users} users");
    let seeded = seed(&store, users, length)?;
    Ok((Directory::new(Path::new(PROGRAM), store, &[PASSWORD_SCOPE])?, seeded))
}

fn tell_sizes(report: &mut Report, sizes: &[Seeded], long: &Seeded) {
    report.sizes = sizes.iter().map(|seeded| seeded.users).collect();
    let Some(largest) = sizes.last() else { return };
    report.facts.push(("loading", largest.to_string()));
    report.facts.push(("the same, long documents", long.to_string()));
    let (million, most) = SEEDED;
    let seconds = largest.seconds * real(million) / real(largest.users);
    let text = format!("loading takes {seconds:.0} s for a million users, {most:.0} at most");
    report.target(seconds <= most, text);
    let beyond = largest.beyond_documents();
    let text = format!("a user takes {beyond:.2} KB beyond the document, {BEYOND_DOCUMENTS} at most");
    report.target(beyond <= BEYOND_DOCUMENTS, text);
}

fn tell_memory(report: &mut Report, memory: Memory) {
    let [anonymous, resident] = [memory.anonymous, memory.resident].map(|bytes| real(bytes) / 1e6);
    let fact = format!("{anonymous:.1} MB, with mapped files {resident:.1} MB");
    report.facts.push(("memory of the server", fact));
    report.target(anonymous < MEMORY_MB, format!("memory is {anonymous:.0} MB, less than {MEMORY_MB:.0}"));
}

/// The median of several starts, in milliseconds.
fn starts(log: &Path, command: impl Fn() -> Result<Command>) -> Result<f64> {
    machine::wait_until_quiet()?;
    let taken: Result<Vec<_>> = (0..STARTS).map(|_| cold_start(command()?, log)).collect();
    Ok(median(taken?.iter().map(|taken| taken.as_secs_f64() * 1e3)))
}
