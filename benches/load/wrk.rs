//! `wrk`, which sends the requests and takes the times.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::figures::Figures;

/// The script that `wrk` takes its requests from.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/load/ops.lua");

/// What a run sends, and to whom.
pub(crate) struct Load {
    /// The server.
    pub(crate) url: String,
    /// The file of requests.
    pub(crate) operations: PathBuf,
    /// The API key that every request bears.
    pub(crate) key: String,
    /// How many connections ask at once, each again as soon as it is answered.
    pub(crate) connections: u32,
    /// For how long.
    pub(crate) seconds: u32,
    /// How many bytes an answer has at least; fewer mean that something else was answered.
    pub(crate) answer_bytes: u64,
    /// The number of the first request, where bodies are numbered.
    pub(crate) first: u64,
}

/// What the script prints at the end.
#[derive(Deserialize)]
struct Output {
    #[serde(flatten)]
    figures: Figures,
    bytes: u64,
    refused: u64,
    broken: u64,
}

/// Fails, with the way to get it, if there is no `wrk`.
pub(crate) fn require() -> Result<()> {
    match Command::new("wrk").arg("--version").output() {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            bail!("`wrk` is needed and is not there: apt-get install wrk")
        }
        Err(error) => Err(error).context("`wrk` cannot be started"),
    }
}

/// Sends the load. A run in which any request failed is no measurement, and an error.
pub(crate) fn drive(load: &Load) -> Result<Figures> {
    let output = Command::new("wrk")
        .args(["-t1", "--latency", "--timeout", "10s"])
        .arg(format!("-c{}", load.connections))
        .arg(format!("-d{}s", load.seconds))
        .args(["-s", SCRIPT, &load.url, "--"])
        .arg(&load.operations)
        .arg(&load.key)
        .arg(load.first.to_string())
        .output()
        .context("`wrk` cannot be started")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().rev().find(|line| line.starts_with('{'));
    let Some(line) = line.filter(|_| output.status.success()) else {
        bail!("`wrk` failed ({}): {text}{}", output.status, String::from_utf8_lossy(&output.stderr));
    };
    let run: Output = serde_json::from_str(line).with_context(|| format!("`wrk` printed {line}"))?;
    if run.refused > 0 || run.broken > 0 {
        bail!(
            "of {} requests to {}, {} were answered with a failure and {} were not answered",
            run.figures.count,
            load.url,
            run.refused,
            run.broken
        );
    }
    if run.figures.count == 0 || run.bytes / run.figures.count < load.answer_bytes {
        bail!("{} gave {} answers of {} bytes in all: too few", load.url, run.figures.count, run.bytes);
    }
    Ok(run.figures)
}
