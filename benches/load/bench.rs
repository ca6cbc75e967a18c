//! What every measurement has at hand.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Result, ensure};

use crate::figures::{Figures, Pair};
use crate::process::Server;
use crate::report::Report;
use crate::wrk::{self, Load};
use crate::{Options, machine};

/// How many connections ask at once.
pub(crate) const CONNECTIONS: [u32; 3] = [1, 16, 64];
/// Where writing is compared with its limit.
pub(crate) const MANY: u32 = 64;

/// A run of the bench.
pub(crate) struct Bench {
    /// How long is measured.
    pub(crate) options: Options,
    /// Where its files are.
    pub(crate) folder: PathBuf,
    /// What was found so far.
    pub(crate) report: Report,
}

impl Bench {
    /// A run with its files in this folder.
    pub(crate) fn new(options: Options, folder: &Path) -> Self {
        Self { options, folder: folder.to_owned(), report: Report::default() }
    }

    /// The name of a file of the run.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Sends a load when the machine is quiet.
    pub(crate) fn drive(&mut self, name: &str, load: &Load) -> Result<Figures> {
        self.quiet()?;
        let figures = wrk::drive(load)?;
        progress(name, load.connections, &figures);
        Ok(figures)
    }

    /// Asks a limit of reading when the machine is quiet.
    pub(crate) fn drive_limit(
        &mut self,
        limit: &Server,
        name: &str,
        operations: &str,
        connections: u32,
        answer_bytes: u64,
    ) -> Result<Figures> {
        let load = Load {
            url: limit.url().to_owned(),
            key: String::new(),
            operations: self.file(operations),
            connections,
            seconds: self.options.seconds,
            answer_bytes,
            first: 0,
        };
        self.drive(name, &load)
    }

    /// Runs a limit of writing, which is a subcommand of this program, on its file.
    pub(crate) fn write_raw(&mut self, limit: &str, file: &Path) -> Result<Figures> {
        self.quiet()?;
        let seconds = self.options.seconds.to_string();
        let output = Command::new(std::env::current_exe()?)
            .args([limit, "--seconds", &seconds, "--file"])
            .arg(file)
            .output()?;
        let Output { status, stdout, stderr } = output;
        ensure!(status.success(), "{limit} failed: {}", String::from_utf8_lossy(&stderr));
        let figures = serde_json::from_slice(&stdout)?;
        progress("raw writes", MANY, &figures);
        Ok(figures)
    }

    /// Measures the limit and the server right after each other, every second time in the opposite order,
    /// so that what drifts favours neither.
    pub(crate) fn pair(
        &mut self,
        repetition: u32,
        limit: impl FnOnce(&mut Self) -> Result<Figures>,
        server: impl FnOnce(&mut Self) -> Result<Figures>,
    ) -> Result<Pair> {
        if repetition.is_multiple_of(2) {
            let limit = Some(limit(self)?);
            Ok(Pair { limit, server: server(self)? })
        } else {
            let server = server(self)?;
            Ok(Pair { limit: Some(limit(self)?), server })
        }
    }

    /// Waits until the machine is quiet, and notes it if that does not come.
    pub(crate) fn quiet(&mut self) -> Result<()> {
        if let Some(busy) = machine::wait_until_quiet()? {
            self.report.noisy += 1;
            eprintln!("  (others keep {busy:.1} cores busy)");
        }
        Ok(())
    }
}

/// The command that starts the limit of reading, which answers what is in files of this folder.
pub(crate) fn limit_server(folder: &Path) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.env_clear().args(["limit-http", "--folder"]).arg(folder);
    Ok(command)
}

/// Tells of a run.
pub(crate) fn progress(name: &str, connections: u32, figures: &Figures) {
    eprintln!(
        "  {name:<40} {connections:>2} connections  {:>8.0}/s  p50 {} us  p99 {} us",
        figures.rate(),
        figures.p50_us,
        figures.p99_us
    );
}
