//! The log: text on a terminal, JSON elsewhere, on standard error.

use std::io::IsTerminal;
use std::str::FromStr;

use anyhow::Result;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// What `--log` can be in one word.
const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];

/// What is let through to the log: a level, or a list of directives such as `info,bonafide=debug`.
#[derive(Clone, Debug)]
pub(super) struct Directives(String);

impl Directives {
    /// What the commands beside `serve` log.
    pub(super) fn warnings() -> Self {
        Self("warn".to_owned())
    }
}

impl FromStr for Directives {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // A word that is no level would name a part of the program, and all others would fall silent.
        let is_list = text.contains(['=', ',']);
        if is_list || LEVELS.iter().any(|level| level.eq_ignore_ascii_case(text)) {
            EnvFilter::try_new(text).map(|_| Self(text.to_owned())).map_err(|error| error.to_string())
        } else {
            Err(format!("the levels are {}; a list like info,bonafide=debug works too", LEVELS.join(", ")))
        }
    }
}

/// The part of the program that reads HTTP/2. Below this level it may tell of paths, and with them of
/// tokens of links.
const HTTP2: &str = "h2=info";

/// What `directives` let through, but for what never gets into a log.
fn filter(directives: &Directives) -> Result<EnvFilter> {
    let filter = EnvFilter::try_new(&directives.0)?;
    let shows_more = filter.max_level_hint().is_none_or(|most| most > LevelFilter::INFO);
    Ok(if shows_more { filter.add_directive(HTTP2.parse()?) } else { filter })
}

/// Starts the log for what `directives` let through.
pub(super) fn start(directives: &Directives) -> Result<()> {
    let filter = filter(directives)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_word_must_be_a_level_and_a_list_may_name_parts_of_the_program() {
        for good in ["error", "INFO", "off", "info,bonafide=debug", "bonafide=trace"] {
            assert!(good.parse::<Directives>().is_ok(), "{good}");
        }
        for wrong in ["", "inof", "bonafide", "loud=very"] {
            assert!(wrong.parse::<Directives>().is_err(), "{wrong}");
        }
    }

    /// Issue 5: of a path that it cannot read it told the whole, and with it the token of a link.
    #[test]
    fn what_reads_http2_tells_of_nothing_below_info() {
        for (directives, others) in
            [("debug", true), ("trace", true), ("debug,h2=trace", true), ("info", false), ("off", false)]
        {
            let filter = filter(&directives.parse().unwrap()).unwrap();
            let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::sink).finish();
            tracing::subscriber::with_default(log, || {
                assert!(!tracing::enabled!(target: "h2::server", tracing::Level::DEBUG), "{directives}");
                assert_eq!(
                    tracing::enabled!(target: "bonafide", tracing::Level::DEBUG),
                    others,
                    "{directives}"
                );
                let warns = tracing::enabled!(target: "h2::server", tracing::Level::WARN);
                assert_eq!(warns, directives != "off");
            });
        }
    }
}
