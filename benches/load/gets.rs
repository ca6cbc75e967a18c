//! Reading one user, beside handlers that answer as much.

use anyhow::Result;

use crate::bench::{Bench, CONNECTIONS};
use crate::directory::Service;
use crate::figures::{Figures, Pair, Series};
use crate::limit_http::{ready_path, serialised_path};
use crate::process::Server;
use crate::wrk::Load;

/// How much of the limit reading must reach, and is meant to.
const RATIO: (f64, f64) = (0.4, 0.6);

/// The file of requests for the limit.
const READY: &str = "ready";
/// The same for the limit that makes the JSON each time.
const SERIALISED: &str = "serialised";

/// What reads each user in turn.
pub(crate) fn load(bench: &Bench, service: &Service, connections: u32) -> Result<Load> {
    let operations = bench.file("reads");
    service.directory.write_operations(&operations, |id| format!("GET\t/api/users/{id}\n"))?;
    let answer_bytes = service.directory.kept.shortest_document()?;
    Ok(Load { connections, seconds: bench.options.seconds, answer_bytes, ..service.load(operations) })
}

/// Reads users.
pub(crate) fn read(bench: &mut Bench, service: &Service, connections: u32) -> Result<Figures> {
    let load = load(bench, service, connections)?;
    bench.drive("GET", &load)
}

/// Measures it.
pub(crate) fn measure(bench: &mut Bench, limit: &Server, service: &Service) -> Result<()> {
    let Service { directory, .. } = service;
    directory.write_operations(&bench.file(READY), |id| format!("GET\t{}\n", ready_path("user", id)))?;
    directory.write_operations(&bench.file(SERIALISED), |id| format!("GET\t{}\n", serialised_path(id)))?;
    let mut beside_ready = CONNECTIONS.map(|connections| Series::new("GET / ready bytes", connections));
    let mut beside_serialised = CONNECTIONS.map(|connections| Series::new("GET / serialised", connections));
    for repetition in 0..bench.options.reps {
        for (ready, serialised) in beside_ready.iter_mut().zip(&mut beside_serialised) {
            let [bytes, server, json] = read_all(bench, limit, service, ready.connections, repetition)?;
            ready.pairs.push(Pair { limit: Some(bytes), server });
            serialised.pairs.push(Pair { limit: Some(json), server });
        }
    }
    for series in &beside_ready {
        let ratio = series.ratio().unwrap_or(f64::NAN);
        let (least, aim) = RATIO;
        let more = if ratio >= aim { ", and the aim of" } else { "; the aim is" };
        let text = format!(
            "GET at {} connections is {ratio:.2} of ready bytes, {least} at least{more} {aim}",
            series.connections
        );
        bench.report.target(ratio >= least, text);
    }
    bench.report.series.extend(beside_ready.into_iter().chain(beside_serialised));
    Ok(())
}

/// Reads ready bytes, from the server, and what is serialised each time, right after each other; every
/// second time the other way round, so that what drifts favours neither.
fn read_all(
    bench: &mut Bench,
    limit: &Server,
    service: &Service,
    connections: u32,
    repetition: u32,
) -> Result<[Figures; 3]> {
    let mut order = [0, 1, 2];
    if repetition % 2 == 1 {
        order.reverse();
    }
    let bytes = service.directory.kept.shortest_document()?;
    let mut all = [Figures::default(); 3];
    for place in order {
        all[place] = match place {
            0 => bench.drive_limit(limit, "ready bytes", READY, connections, bytes)?,
            1 => read(bench, service, connections)?,
            _ => bench.drive_limit(limit, "serialised", SERIALISED, connections, bytes)?,
        };
    }
    Ok(all)
}
