//! Importing users, beside raw writes of the same rows.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::bench::{Bench, progress};
use crate::figures::{Figures, Series};
use crate::limit_creates;
use crate::people::{Length, newcomer};
use crate::seed::seed;
use crate::session::PROGRAM;

/// How much of the limit it must reach.
const RATIO: f64 = 0.4;
/// How many rows a file has for each second that is measured.
const ROWS: u64 = 10_000;

/// The file of the limit.
const LIMIT: &str = "limit-imports.db";
/// The store that is imported into.
const STORE: &str = "imports.db";

/// Makes the files of the limit and of the store, with as many users.
pub(crate) fn prepare(bench: &Bench, users: u64) -> Result<()> {
    seed(&bench.file(STORE), users, Length::Usual)?;
    limit_creates::prepare(&bench.file(STORE), &bench.file(LIMIT))
}

/// Measures it.
pub(crate) fn measure(bench: &mut Bench) -> Result<()> {
    let mut series = Series::new("import / raw writes", 1);
    let rows = ROWS * u64::from(bench.options.seconds);
    for repetition in 0..bench.options.reps {
        let file = bench.file("import.ndjson");
        write_rows(&file, u64::from(repetition) * rows, rows)?;
        let pair = bench.pair(
            repetition,
            |bench| bench.write_raw("limit-imports", &bench.file(LIMIT)),
            |bench| {
                bench.quiet()?;
                import(&file, &bench.file(STORE), rows)
            },
        );
        series.pairs.push(pair?);
    }
    if let Some(ratio) = series.ratio() {
        let text = format!("import is {ratio:.2} of raw writes, {RATIO} at least");
        bench.report.target(ratio >= RATIO, text);
    }
    bench.report.series.push(series);
    Ok(())
}

/// Writes requests to make users whose digits begin here.
fn write_rows(file: &Path, first: u64, rows: u64) -> Result<()> {
    let mut lines = String::new();
    for number in first..first + rows {
        let new = newcomer(&format!("{number:07}"));
        let mut row = new.claims;
        row.insert("email".to_owned(), json!(new.email));
        row.insert("phone_number".to_owned(), json!(new.phone_number));
        writeln!(lines, "{}", Value::Object(row))?;
    }
    Ok(std::fs::write(file, lines)?)
}

/// Imports a file by the program itself, its start and end counted.
fn import(file: &Path, store: &Path, rows: u64) -> Result<Figures> {
    let url = format!("sqlite:{}", PathBuf::from(store).display());
    let begun = Instant::now();
    let done = Command::new(PROGRAM).env_clear().arg("import").arg(file).args(["--store", &url]).output()?;
    let seconds = begun.elapsed().as_secs_f64();
    let told = String::from_utf8_lossy(&done.stdout);
    let all = format!("imported: users {rows}, groups 0; rows there already 0, refused 0\n");
    ensure!(told == all, "the import told: {told}{}", String::from_utf8_lossy(&done.stderr));
    // It is one thing that is timed.
    let figures = Figures { count: rows, seconds, p50_us: 0, p99_us: 0 };
    progress("import", 1, &figures);
    Ok(figures)
}
