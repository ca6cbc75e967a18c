//! The measurements on PostgreSQL, beside what PostgreSQL itself does, and beside peers.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, anyhow, ensure};
use bonafide::directory::event::EventType;

use crate::bench::{Bench, MANY, progress};
use crate::cluster::Cluster;
use crate::directory::{Directory, Service};
use crate::figures::{Figures, Series, real};
use crate::kept::{self, Kept};
use crate::people::Length;
use crate::pgbench::Limit;
use crate::process::Server;
use crate::report::Report;
use crate::seed::seed;
use crate::session::{PROGRAM, USERS};
use crate::wrk::{self, Load};
use crate::{Options, gets, marks, peers};

/// How many connections ask at once, where it is compared with PostgreSQL itself.
const CONNECTIONS: [u32; 2] = [16, 64];
/// At how many of these reading has its target.
const READERS: u32 = 16;
/// How much of its own `SELECT` reading must reach.
const READS: f64 = 0.35;
/// How much of the same changes by `pgbench` marking must reach.
const MARKS: f64 = 0.8;
/// How much memory a server with [`POOL`] connections to PostgreSQL may keep, in megabytes.
const MEMORY_MB: f64 = 60.0;
/// So many connections.
const POOL: u32 = 64;

/// Measures everything on PostgreSQL, with its files in this folder.
pub(crate) fn run(options: Options, folder: &Path) -> Result<Report> {
    let cluster = Cluster::start(folder)?;
    let url = fill(&cluster, folder)?;
    let kept = Kept::Database(url);
    let limit = Limit::copy(&cluster, "bonafide", USERS, &kept.any_document()?, folder)?;
    let directory = Directory::kept(Path::new(PROGRAM), kept, folder.join("on-postgres"), &[])?;
    let service = directory.serve()?;

    let mut bench = Bench::new(options, folder);
    let warming = gets::load(&bench, &service, CONNECTIONS[0])?;
    wrk::drive(&Load { seconds: 1, ..warming })?;
    compare(
        &mut bench,
        ("GET / pgbench SELECT", READS, &[READERS]),
        |bench, clients| limit.read(bench, clients),
        |bench, connections| gets::read(bench, &service, connections),
    )?;
    compare(
        &mut bench,
        ("verify, unverify / pgbench", MARKS, &CONNECTIONS),
        |bench, clients| limit.mark(bench, clients),
        |bench, connections| marks::mark(bench, &service, connections),
    )?;
    two_servers(&mut bench, &service)?;
    memory(&mut bench, &service)?;
    peers::measure(&mut bench, &cluster, &service)?;
    service.server.stop()?;
    Ok(bench.report)
}

/// Makes a database with users, as whoever moves from SQLite does, and gives its URL.
fn fill(cluster: &Cluster, folder: &Path) -> Result<String> {
    eprintln!("making {USERS} users on PostgreSQL");
    let file = folder.join("to-postgres.db");
    seed(&file, USERS, Length::Long)?;
    let url = cluster.create("bonafide", "template0")?;
    let copied = Command::new(PROGRAM)
        .env_clear()
        .args(["copy", "--from", &Kept::File(file).url(), "--to", &url])
        .output()?;
    ensure!(copied.status.success(), "no users were copied: {}", String::from_utf8_lossy(&copied.stderr));
    kept::run(&url, &["vacuum analyze", "checkpoint"])?;
    Ok(url)
}

/// Measures what PostgreSQL does alone and the server right after each other; what they are called, how much
/// the server must reach, and at how many connections.
fn compare(
    bench: &mut Bench,
    (name, least, bound): (&str, f64, &[u32]),
    limit: impl Fn(&mut Bench, u32) -> Result<Figures>,
    server: impl Fn(&mut Bench, u32) -> Result<Figures>,
) -> Result<()> {
    for connections in CONNECTIONS {
        // Many changes of ours share a commit, of pgbench each has its own.
        let mut series = Series { beside_a_limit: false, ..Series::new(name, connections) };
        for repetition in 0..bench.options.reps {
            let pair = bench.pair(
                repetition,
                |bench| limit(bench, connections),
                |bench| server(bench, connections),
            )?;
            series.pairs.push(pair);
        }
        let ratio = series.ratio().unwrap_or(f64::NAN);
        if bound.contains(&connections) {
            let text = format!("{name} at {connections} connections: {ratio:.2}, {least} at least");
            bench.report.target(ratio >= least, text);
        }
        bench.report.series.push(series);
    }
    Ok(())
}

/// Measures two servers on the database, with half of the connections each, beside one with all.
fn two_servers(bench: &mut Bench, one: &Service) -> Result<()> {
    let other = Server::start(one.directory.command(), &one.directory.log())?;
    for (name, is_change) in [("GET", false), ("verify, unverify", true)] {
        let mut series =
            Series { beside_a_limit: false, ..Series::new(format!("{name}, two servers / one"), MANY) };
        for repetition in 0..bench.options.reps {
            let pair = bench.pair(
                repetition,
                |bench| {
                    if is_change { marks::mark(bench, one, MANY) } else { gets::read(bench, one, MANY) }
                },
                |bench| both(bench, one, &other, is_change),
            )?;
            series.pairs.push(pair);
        }
        let ratio = series.ratio().unwrap_or(f64::NAN);
        let fact = format!("{ratio:.2} times the {name} of one, with half of the connections each");
        bench.report.facts.push(("two servers", fact));
        bench.report.series.push(series);
    }
    other.stop()
}

/// Sends a load to two servers at once, half of it to each.
fn both(bench: &mut Bench, one: &Service, other: &Server, is_change: bool) -> Result<Figures> {
    let files: [PathBuf; 2] = ["first-half", "second-half"].map(|name| bench.file(name));
    if is_change {
        one.directory.write_marks(&files)?;
    } else {
        for file in &files {
            one.directory.write_operations(file, |id| format!("GET\t/api/users/{id}\n"))?;
        }
    }
    let before = one.directory.newest_event()?;
    let half = |url: &str, file: &PathBuf| -> Result<Load> {
        Ok(Load {
            url: url.to_owned(),
            connections: MANY / 2,
            seconds: bench.options.seconds,
            answer_bytes: one.directory.kept.shortest_document()?,
            ..one.load(file.clone())
        })
    };
    let [first, second] = [half(one.server.url(), &files[0])?, half(other.url(), &files[1])?];
    bench.quiet()?;
    let [first, second] = std::thread::scope(|scope| {
        let first = scope.spawn(|| wrk::drive(&first));
        let second = wrk::drive(&second)?;
        anyhow::Ok([first.join().map_err(|_| anyhow!("a load failed"))??, second])
    })?;
    let sum = Figures {
        count: first.count + second.count,
        seconds: f64::midpoint(first.seconds, second.seconds),
        p50_us: first.p50_us.max(second.p50_us),
        p99_us: first.p99_us.max(second.p99_us),
    };
    progress("two servers", MANY, &sum);
    if is_change {
        let types = [EventType::EmailVerified, EventType::EmailUnverified];
        let events = one.directory.events_since(before, types)?;
        ensure!(
            (sum.count..=sum.count + u64::from(MANY)).contains(&events),
            "{} changes were answered by two servers, and {events} events kept",
            sum.count
        );
    }
    Ok(sum)
}

/// Tells how much memory a server keeps that has many connections to PostgreSQL, once all were used.
fn memory(bench: &mut Bench, service: &Service) -> Result<()> {
    let mut command = service.directory.command();
    command.args(["--pool-size", &POOL.to_string()]);
    let server = Server::start(command, &service.directory.log())?;
    let lists = bench.file("newest");
    std::fs::write(&lists, "GET\t/api/users?size=10\n")?;
    let reads = gets::load(bench, service, MANY)?;
    let changes = bench.file("marks");
    service.directory.write_marks(std::slice::from_ref(&changes))?;
    let url = server.url().to_owned();
    for operations in [lists, changes, reads.operations] {
        let load = service.load(operations);
        wrk::drive(&Load { url: url.clone(), connections: MANY, seconds: bench.options.seconds, ..load })?;
    }
    let memory = server.memory()?;
    server.stop()?;
    let [anonymous, resident] = [memory.anonymous, memory.resident].map(|bytes| real(bytes) / 1e6);
    let fact = format!("{anonymous:.1} MB with {POOL} connections, with mapped files {resident:.1} MB");
    bench.report.facts.push(("memory of the server", fact));
    let text = format!("memory with {POOL} connections is {anonymous:.0} MB, less than {MEMORY_MB:.0}");
    bench.report.target(anonymous < MEMORY_MB, text);
    Ok(())
}
