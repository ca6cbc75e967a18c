//! The log: text on a terminal, JSON elsewhere, on standard error.

use std::io::IsTerminal;

use anyhow::{Context, Result};
use tracing_subscriber::EnvFilter;

/// Starts the log for what `directives` let through, such as `info` or `bonafide=debug`.
pub(super) fn start(directives: &str) -> Result<()> {
    let filter =
        EnvFilter::try_new(directives).with_context(|| format!("`{directives}` is not a log level"))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        log.init();
    } else {
        log.json().flatten_event(true).init();
    }
    std::panic::set_hook(Box::new(|panic| {
        // What a panic says may quote a value: only where it happened is told at any level.
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "a panic: a fault of this program");
        tracing::debug!(panic = panic.payload_as_str(), "what the panic says");
    }));
    Ok(())
}
