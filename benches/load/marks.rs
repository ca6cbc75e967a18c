//! Marking emails verified and unverified, beside raw writes.

use std::path::Path;

use anyhow::{Result, ensure};
use bonafide::directory::event::EventType;

use crate::bench::{Bench, CONNECTIONS, MANY};
use crate::directory::Service;
use crate::figures::{Figures, Pair, Series};
use crate::limit_marks;
use crate::wrk::Load;

/// How much of the limit marking must reach.
const RATIO: f64 = 0.6;
/// How much longer than usual the slow ones may take.
const TAIL: f64 = 4.0;

/// The file of the limit.
const LIMIT: &str = "limit-marks.db";

/// Makes the file of the limit, with the users of this store.
pub(crate) fn prepare(bench: &Bench, store: &Path) -> Result<()> {
    limit_marks::prepare(store, &bench.file(LIMIT))
}

/// Measures it.
pub(crate) fn measure(bench: &mut Bench, service: &Service) -> Result<()> {
    let mut all = CONNECTIONS.map(|connections| Series::new("verify, unverify / raw writes", connections));
    for repetition in 0..bench.options.reps {
        for series in &mut all {
            let connections = series.connections;
            let mark = |bench: &mut Bench| mark(bench, service, connections);
            let pair = if connections == MANY {
                bench.pair(repetition, |bench| bench.write_raw("limit-marks", &bench.file(LIMIT)), mark)?
            } else {
                Pair { limit: None, server: mark(bench)? }
            };
            series.pairs.push(pair);
        }
    }
    for series in all {
        if series.connections == MANY {
            let ratio = series.ratio().unwrap_or(f64::NAN);
            let text = format!("verify at {MANY} connections is {ratio:.2} of raw writes, {RATIO} at least");
            bench.report.target(ratio >= RATIO, text);
            let tail = series.server(Figures::tail);
            let text = format!(
                "verify at {MANY} connections has a p99 of {tail:.1} times the p50, {TAIL:.0} at most"
            );
            bench.report.target(tail <= TAIL, text);
        }
        bench.report.series.push(series);
    }
    Ok(())
}

/// Marks emails, and makes sure that the store holds an event for each answer.
pub(crate) fn mark(bench: &mut Bench, service: &Service, connections: u32) -> Result<Figures> {
    let operations = bench.file("marks");
    service.directory.write_marks(std::slice::from_ref(&operations))?;
    let (seconds, answer_bytes) = (bench.options.seconds, service.directory.kept.shortest_document()?);
    let before = service.directory.newest_event()?;
    let load = Load { connections, seconds, answer_bytes, ..service.load(operations) };
    let figures = bench.drive("verify, unverify", &load)?;
    let events =
        service.directory.events_since(before, [EventType::EmailVerified, EventType::EmailUnverified])?;
    // What was under way when wrk stopped is not in its count.
    ensure!(
        (figures.count..=figures.count + u64::from(connections)).contains(&events),
        "{} requests to mark an email were answered, by {connections} connections, and {events} events kept",
        figures.count
    );
    Ok(figures)
}
