//! What is printed at the end.

use crate::figures::{Figures, Series, real};
use crate::session::{MANY, Measured};

/// How much of the limit reading must reach, and is meant to.
const READ_RATIO: (f64, f64) = (0.4, 0.6);
/// How much of the limit marking must reach.
const MARK_RATIO: f64 = 0.6;
/// How much longer than usual the slow ones may take.
const TAIL: f64 = 4.0;
/// How much memory the server may keep, in megabytes.
const MEMORY_MB: f64 = 100.0;

/// Prints the figures, and which targets are met.
pub(crate) fn print(measured: &Measured) {
    println!(
        "\n{:<30} {:>5} | {:>9} {:>8} {:>8} | {:>9} {:>8} {:>8} | {:>5}",
        "server / limit", "conns", "limit/s", "p50 ms", "p99 ms", "server/s", "p50 ms", "p99 ms", "ratio"
    );
    for series in [&measured.reads, &measured.serialised, &measured.marks].into_iter().flatten() {
        print_series(series);
    }
    println!("(raw writes: the times are those of a commit of {MANY} changes)\n");
    println!(
        "memory of the server     {:.1} MB, with mapped files {:.1} MB",
        megabytes(measured.memory.anonymous),
        megabytes(measured.memory.resident)
    );
    println!("start to first answer    {:.1} ms, limit {:.1} ms", measured.start_ms, measured.limit_start_ms);
    if measured.noisy > 0 {
        println!("runs on a busy machine   {}: the figures are worth less", measured.noisy);
    }
    let all = [&measured.reads, &measured.serialised, &measured.marks].into_iter().flatten();
    if all.filter_map(Series::ratio).any(|ratio| ratio > 1.0) {
        // Nothing outdoes its limit: the machine did something else meanwhile.
        println!("a ratio is above 1        its pairs were not measured alike; measure again");
    }
    println!();
    print_targets(measured);
}

fn print_series(series: &Series) {
    let optional = |value: Option<f64>, digits: usize| {
        value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
    };
    println!(
        "{:<30} {:>5} | {:>9} {:>8} {:>8} | {:>9.0} {:>8.2} {:>8.2} | {:>5}",
        series.name,
        series.connections,
        optional(series.limit(Figures::rate), 0),
        optional(series.limit(p50_ms), 2),
        optional(series.limit(p99_ms), 2),
        series.server(Figures::rate),
        series.server(p50_ms),
        series.server(p99_ms),
        optional(series.ratio(), 2)
    );
}

fn print_targets(measured: &Measured) {
    for series in &measured.reads {
        let ratio = series.ratio().unwrap_or(f64::NAN);
        let (least, aim) = READ_RATIO;
        let more = if ratio >= aim { ", and the aim of" } else { "; the aim is" };
        print_target(
            ratio >= least,
            &format!(
                "GET at {} is {ratio:.2} of ready bytes, {least} at least{more} {aim}",
                series.connections
            ),
        );
    }
    for series in measured.marks.iter().filter(|series| series.connections == MANY) {
        let ratio = series.ratio().unwrap_or(f64::NAN);
        let of = format!("verify at {MANY} is {ratio:.2} of raw writes, {MARK_RATIO} at least");
        print_target(ratio >= MARK_RATIO, &of);
        let tail = series.server(Figures::tail);
        let of = format!("verify at {MANY} has a p99 of {tail:.1} times the p50, {TAIL:.0} at most");
        print_target(tail <= TAIL, &of);
    }
    let memory = megabytes(measured.memory.anonymous);
    print_target(memory < MEMORY_MB, &format!("memory is {memory:.0} MB, less than {MEMORY_MB:.0}"));
}

fn print_target(met: bool, text: &str) {
    println!("{} {text}", if met { "met   " } else { "MISSED" });
}

fn p50_ms(figures: &Figures) -> f64 {
    real(figures.p50_us) / 1e3
}

fn p99_ms(figures: &Figures) -> f64 {
    real(figures.p99_us) / 1e3
}

fn megabytes(bytes: u64) -> f64 {
    real(bytes) / 1e6
}
