//! The command line.

mod backup;
mod console_link;
mod copy;
mod dev;
mod explain;
mod keys;
mod logging;
mod mail;
mod migrate;
mod secret;
mod serve;
mod store;
mod tenants;

use std::ffi::OsStr;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use clap::builder::Resettable;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::time::SystemClock;

/// A self-hosted user directory in which verified means something.
///
/// Begin with `bonafide serve --dev`: it starts a server with a sample user and prints the lines to
/// try it with. Every option can also be given in the environment, by the name shown beside it.
#[derive(Parser)]
#[command(name = "bonafide", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start the server
    Serve(Box<serve::Options>),
    /// Create, list, limit, rotate and revoke API keys
    #[command(subcommand)]
    Keys(keys::Command),
    /// Create and list tenants, and choose for them
    #[command(subcommand)]
    Tenants(tenants::Command),
    /// Print a link that signs you in to the console, once and within ten minutes
    ConsoleLink(console_link::Options),
    /// Look at the mails that are sent
    #[command(subcommand)]
    Mail(mail::Command),
    /// Bring the store's schema up to date; `serve` does so too when it starts
    Migrate(migrate::Options),
    /// Copy the store to a file, also while a server runs
    Backup(backup::Options),
    /// Copy a whole store into a new one, of the same kind or another
    Copy(copy::Options),
    /// Tell how users are found by a filter, and how many there are
    ///
    /// It reads the store only, also while a server runs. It prints the filter as it is understood, how
    /// many users each condition finds, the way that is taken, the SQL, with the values in it, which may be
    /// personal, and how the database runs it.
    Explain(explain::Options),
    /// Print the OpenAPI document
    Openapi,
}

/// Runs the command line, and says how it ended.
pub fn main() -> ExitCode {
    let matches = without_empty_variables(Arguments::command()).get_matches();
    let arguments = Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    match run(arguments.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell if standard error is closed.
            let _ = writeln!(std::io::stderr(), "bonafide: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Takes variables of the environment that are empty for unset, as files of settings leave them.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    let is_empty = |name: &OsStr| std::env::var_os(name).is_some_and(|value| value.is_empty());
    command
        .mut_args(|argument| {
            if argument.get_env().is_some_and(is_empty) { argument.env(Resettable::Reset) } else { argument }
        })
        .mut_subcommands(without_empty_variables)
}

fn run(command: Command) -> Result<()> {
    if let Command::Openapi = command {
        return print(std::str::from_utf8(&crate::api::openapi_document())?);
    }
    match &command {
        Command::Serve(options) => logging::start(options.log())?,
        _ => logging::start(&logging::Directives::warnings())?,
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let clock = Arc::new(SystemClock::start());
    runtime.block_on(async {
        match command {
            Command::Serve(options) => serve::run(*options, clock).await,
            Command::Keys(command) => keys::run(command, &*clock).await,
            Command::Tenants(command) => tenants::run(command, &*clock).await,
            Command::ConsoleLink(options) => console_link::run(&options, &*clock).await,
            Command::Mail(command) => mail::run(&command),
            Command::Migrate(options) => migrate::run(options, &*clock).await,
            Command::Backup(options) => backup::run(&options),
            Command::Copy(options) => copy::run(options, &*clock).await,
            Command::Explain(options) => explain::run(&options).await,
            Command::Openapi => Ok(()),
        }
    })
}

/// Writes to standard output. A reader that has seen enough (`bonafide openapi | head`) is no error.
fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        done => Ok(done?),
    }
}
