//! Places far from the beginning of a large list.

use anyhow::{Context, Result};

use crate::bench::Bench;
use crate::figures::Growth;
use crate::growth::{Sized, back_to_back};
use crate::wrk::Load;

/// The page that is compared with page 2, where there are so many.
const PAGE: u64 = 10_000;
/// How many times as long as page 2 it may take.
const PAGE_FACTOR: f64 = 20.0;
/// How many times as long as at its beginning a walk may take near its end: as long, but for noise.
const WALK_FACTOR: f64 = 1.2;

/// Measures it in the largest directory.
pub(crate) fn measure(bench: &mut Bench, sizes: &[Sized]) -> Result<()> {
    let largest = sizes.last().context("there is no directory")?;
    let page = PAGE.min(largest.users / 10);
    let pages = [2, page].map(|page| format!("/api/users?page={page}&size=10"));
    compare(bench, largest, &format!("page {page} of 10, beside page 2"), &pages, PAGE_FACTOR)?;
    // Ids are random, so nearly all come before the last letter.
    let ends = ["-".repeat(21), "z".to_owned() + &"-".repeat(20)];
    let walk = ends.map(|after| format!("/v1/users?limit=10&after={after}"));
    compare(bench, largest, "10 by the cursor near the end, beside the first", &walk, WALK_FACTOR)
}

/// Measures a place near the beginning and one near the end.
fn compare(bench: &mut Bench, sized: &Sized, name: &str, paths: &[String; 2], most: f64) -> Result<()> {
    let mut growth = Growth::new(name);
    let files = ["near", "far"].map(|name| bench.file(name));
    for (file, path) in files.iter().zip(paths) {
        std::fs::write(file, format!("GET\t{path}\n"))?;
    }
    for repetition in 0..bench.options.reps {
        let run = back_to_back(&files, repetition, |file| {
            let load = sized.service.load(file.clone());
            bench.drive(name, &Load { seconds: bench.options.seconds, answer_bytes: 1_000, ..load })
        });
        growth.runs.push(run?);
    }
    let (factor, p50) = (growth.factor(), growth.p50_ms());
    let text = format!(
        "{name} takes {factor:.2} times as long, {most} at most ({:.2} and {:.2} ms, {} users)",
        p50[1], p50[0], sized.users
    );
    bench.report.target(factor <= most, text);
    Ok(())
}
