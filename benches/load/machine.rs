//! The machine that is measured on: what it is, and whether it is at rest.

use std::fs;
use std::path::Path;
use std::thread::{available_parallelism, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::figures::real;

/// How long a run waits at most for the machine to be quiet.
const WAIT: Duration = Duration::from_secs(5);
/// How long its work is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// How many busy cores are quiet enough.
const QUIET: f64 = 0.2;

/// One line on the machine.
pub(crate) fn facts() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    format!(
        "{} cores ({}), Linux {}",
        available_parallelism().map_or(0, usize::from),
        model.map_or("unknown", |(_, model)| model),
        read("/proc/sys/kernel/osrelease").trim()
    )
}

/// Refuses a folder that is kept in memory: a sync of it costs nothing.
pub(crate) fn require_disk(folder: &Path) -> Result<()> {
    let folder = folder.canonicalize()?;
    let mounts = fs::read_to_string("/proc/mounts").context("the mounted file systems are unknown")?;
    let kind = mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            let (place, kind) = (fields.next()?, fields.next()?);
            folder.starts_with(place).then_some((place.len(), kind))
        })
        // Of two on the same place, the later one hides the earlier.
        .max_by_key(|(length, _)| *length);
    if let Some((_, kind @ ("tmpfs" | "ramfs"))) = kind {
        bail!("{} is on a {kind}; durable writes can only be measured on a disk", folder.display());
    }
    Ok(())
}

/// Waits, for a bounded time, until others leave the machine alone; how many cores they still keep
/// busy if they do not.
pub(crate) fn wait_until_quiet() -> Result<Option<f64>> {
    let start = Instant::now();
    loop {
        let before = Ticks::now()?;
        sleep(LOOK);
        let busy = Ticks::now()?.busy_since(&before);
        if busy < QUIET {
            return Ok(None);
        }
        if start.elapsed() >= WAIT {
            return Ok(Some(busy));
        }
    }
}

/// The time all cores together have spent so far.
struct Ticks {
    all: u64,
    idle: u64,
}

impl Ticks {
    fn now() -> Result<Self> {
        let stat = fs::read_to_string("/proc/stat").context("/proc/stat cannot be read")?;
        let first = stat.lines().next().unwrap_or_default();
        // The guests' time after the eighth is part of the others.
        let fields: Vec<u64> =
            first.split_whitespace().skip(1).take(8).filter_map(|field| field.parse().ok()).collect();
        let [_, _, _, idle, waiting, ..] = fields[..] else { bail!("/proc/stat begins with {first:?}") };
        Ok(Self { all: fields.iter().sum(), idle: idle + waiting })
    }

    /// How many cores were busy, on average, since then.
    fn busy_since(&self, before: &Self) -> f64 {
        let all = self.all.saturating_sub(before.all).max(1);
        let idle = self.idle.saturating_sub(before.idle);
        let cores = real(available_parallelism().map_or(1, usize::from) as u64);
        cores * (1.0 - real(idle) / real(all))
    }
}
