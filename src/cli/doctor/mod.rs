//! `bonafide doctor`: a look at all that a server needs.

mod clock;
mod files;
mod network;
mod store;

use anyhow::{Result, ensure};
use clap::Args;

use super::config::File;
use super::{print, serve};
use crate::time::Clock;

// The group that clap makes of this name would meet that of `serve`.
#[derive(Args)]
#[group(skip)]
pub(super) struct Options {
    /// Compare every index of a store in a file with its table, too, which takes much longer than the
    /// quick check that is made else; PostgreSQL has `pg_amcheck` for that
    #[arg(long)]
    thorough: bool,
    #[command(flatten)]
    serve: serve::Options,
}

/// How it stands with one thing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Ok,
    /// It works without, and whoever needs it can have it.
    NotConfigured,
    /// It does not work, or will not for long.
    Broken,
}

impl State {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NotConfigured => "not configured",
            Self::Broken => "broken",
        }
    }
}

/// What was found out about one thing, and what to do about it.
struct Finding {
    state: State,
    what: &'static str,
    told: String,
}

impl Finding {
    fn ok(what: &'static str, told: impl Into<String>) -> Self {
        Self { state: State::Ok, what, told: told.into() }
    }

    fn not_configured(what: &'static str, told: impl Into<String>) -> Self {
        Self { state: State::NotConfigured, what, told: told.into() }
    }

    fn broken(what: &'static str, told: impl Into<String>) -> Self {
        Self { state: State::Broken, what, told: told.into() }
    }

    /// What fails is broken, and says itself what to do.
    fn or_broken(what: &'static str, found: Result<Self>) -> Self {
        found.unwrap_or_else(|error| Self::broken(what, format!("{error:#}")))
    }
}

/// Looks at one thing after the other, and prints a line for each.
pub(super) async fn run(options: &Options, file: Option<&File>, clock: &dyn Clock) -> Result<()> {
    let Options { thorough, serve: options } = options;
    let watch = clock::Watch::start(clock);
    let mut broken = 0;
    let mut tell = |findings: Vec<Finding>| -> Result<()> {
        for Finding { state, what, told } in findings {
            broken += u32::from(state == State::Broken);
            print(&format!("{:<15} {what:<14} {told}\n", state.as_str()))?;
        }
        Ok(())
    };
    let (findings, faulty) = settings(options, file);
    tell(findings)?;
    let is_in_order = |key: &str| !faulty.contains(&key);
    let mut seen = Vec::new();
    if is_in_order("store") {
        let (findings, times) = store::look(&options.store, *thorough).await;
        seen = times;
        tell(findings)?;
        tell(vec![files::disk(&options.store)])?;
    }
    if is_in_order("secret_file") && is_in_order("store") {
        tell(vec![files::secret(options)])?;
    }
    tell(vec![files::private(options, file)])?;
    if is_in_order("mail") {
        tell(vec![network::mail(options).await])?;
    }
    if is_in_order("tls_cert") {
        tell(vec![network::tls(options, clock.now())])?;
    }
    if is_in_order("public_url") {
        tell(vec![network::public_url(options)])?;
    }
    tell(vec![watch.compare(clock, &seen)])?;
    ensure!(broken == 0, "{broken} of these {} broken", if broken == 1 { "is" } else { "are" });
    Ok(())
}

/// The settings by themselves, and the keys of those that cannot be used.
fn settings(options: &serve::Options, file: Option<&File>) -> (Vec<Finding>, Vec<&'static str>) {
    let faults = options.faults();
    if faults.is_empty() {
        let from = match file {
            Some(file) => format!("from {}", file.path().display()),
            None => "from options and the environment; there is no file of settings".to_owned(),
        };
        return (vec![Finding::ok("settings", from)], Vec::new());
    }
    let tell = |(key, reason): &(_, anyhow::Error)| Finding::broken("settings", format!("{key}: {reason:#}"));
    (faults.iter().map(tell).collect(), faults.iter().map(|(key, _)| *key).collect())
}
