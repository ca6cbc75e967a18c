//! Reading while passwords are set, which takes a processor for tens of milliseconds each.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Result, anyhow};

use crate::bench::{Bench, progress};
use crate::directory::Service;
use crate::figures::{median, real};
use crate::gets;
use crate::wrk::{self, Load};

/// By how many connections is read.
const READERS: u32 = 16;
/// How many passwords are set at once, all the while.
const SETTERS: u32 = 50;
/// How many times as long as when it is quiet the slow reads may take.
const FACTOR: f64 = 3.0;

/// The file of requests.
const PASSWORDS: &str = "passwords";

/// Measures it: quiet, with the burst, quiet.
pub(crate) fn measure(bench: &mut Bench, service: &Service) -> Result<()> {
    service.directory.write_operations(&bench.file(PASSWORDS), |id| {
        format!("PUT\t/api/users/{id}/password\t\t{{\"password\":\"correct horse {id}\"}}\n")
    })?;
    let (mut factors, mut quiet_ms, mut burst_ms, mut rates) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..bench.options.reps {
        let before = gets::read(bench, service, READERS)?;
        let load = Load {
            connections: SETTERS,
            // It begins before the reads and ends after them.
            seconds: bench.options.seconds + 2,
            answer_bytes: service.directory.kept.shortest_document()?,
            ..service.load(bench.file(PASSWORDS))
        };
        let reads = gets::load(bench, service, READERS)?;
        let (sets, during) = std::thread::scope(|scope| {
            let sets = scope.spawn(|| wrk::drive(&load));
            sleep(Duration::from_secs(1));
            let during = wrk::drive(&reads)?;
            progress("GET while passwords are set", READERS, &during);
            anyhow::Ok((sets.join().map_err(|_| anyhow!("the burst failed"))??, during))
        })?;
        let after = gets::read(bench, service, READERS)?;
        let quiet = f64::midpoint(real(before.p99_us), real(after.p99_us));
        factors.push(real(during.p99_us) / quiet);
        quiet_ms.push(quiet / 1e3);
        burst_ms.push(real(during.p99_us) / 1e3);
        rates.push(sets.rate());
    }
    let [factor, quiet, burst, rate] =
        [factors, quiet_ms, burst_ms, rates].map(|all| median(all.into_iter()));
    let fact = format!("p99 of GET at {READERS} {burst:.2} ms, quiet {quiet:.2} ms; {rate:.0} passwords/s");
    bench.report.facts.push(("while passwords are set", fact));
    let text = format!(
        "while {SETTERS} passwords are set at once, the p99 of GET is {factor:.1} times the quiet one, {FACTOR:.0} at most"
    );
    bench.report.target(factor <= FACTOR, text);
    Ok(())
}
