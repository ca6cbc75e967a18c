//! Lists and searches in a small directory, beside handlers that answer as much.

use std::path::Path;

use anyhow::Result;

use crate::bench::{Bench, CONNECTIONS};
use crate::directory::Service;
use crate::figures::Series;
use crate::limit_http::{self, ready_path};
use crate::process::Server;
use crate::searches::Search;
use crate::wrk::Load;

/// What is measured, under which name the limit has its answer, and how much of the limit it must reach.
const MEASURED: [(Search, &str, f64); 2] = [(Search::Newest, "list", 0.15), (Search::Email, "search", 0.3)];

/// Puts the answers where the limit finds them, and writes the requests.
pub(crate) fn prepare(folder: &Path, service: &Service, users: u64) -> Result<()> {
    for (search, name, _) in MEASURED {
        limit_http::prepare(folder, name, &search.check(service, users)?)?;
        search.write_operations(&folder.join(name), users)?;
        std::fs::write(folder.join(ready_file(name)), format!("GET\t{}\n", ready_path(name, "any")))?;
    }
    Ok(())
}

/// Measures it.
pub(crate) fn measure(bench: &mut Bench, limit: &Server, service: &Service, users: u64) -> Result<()> {
    for (search, name, least) in MEASURED {
        let mut all = CONNECTIONS
            .map(|connections| Series::new(format!("{} / ready bytes", search.name()), connections));
        let bytes = search.check(service, users)?.len() as u64 * 9 / 10;
        for repetition in 0..bench.options.reps {
            for series in &mut all {
                let (connections, seconds) = (series.connections, bench.options.seconds);
                let load =
                    Load { connections, seconds, answer_bytes: bytes, ..service.load(bench.file(name)) };
                let pair = bench.pair(
                    repetition,
                    |bench| bench.drive_limit(limit, "ready bytes", &ready_file(name), connections, bytes),
                    |bench| bench.drive(search.name(), &load),
                )?;
                series.pairs.push(pair);
            }
        }
        for series in all {
            let ratio = series.ratio().unwrap_or(f64::NAN);
            let text = format!(
                "{} at {} connections and {users} users is {ratio:.2} of ready bytes, {least} at least",
                search.name(),
                series.connections
            );
            bench.report.target(ratio >= least, text);
            bench.report.series.push(series);
        }
    }
    Ok(())
}

fn ready_file(name: &str) -> String {
    format!("ready-{name}")
}
