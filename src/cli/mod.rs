//! The command line.

mod addresses;
mod backup;
mod config;
mod console_link;
mod copy;
mod dev;
mod doctor;
mod emails;
mod explain;
mod export;
mod health;
mod import;
mod keys;
mod logging;
mod mail;
mod migrate;
mod secret;
mod serve;
mod store;
mod tenants;
mod tls;

use std::ffi::OsStr;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue};
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};
use config::File;

use crate::time::SystemClock;

/// A self-hosted user directory in which verified means something.
///
/// Begin with `bonafide serve --dev`: it starts a server with a sample user and prints the lines to
/// try it with. Every option can also be given in the environment, by the name shown beside it, and
/// those of `serve` in a file of settings.
#[derive(Parser)]
#[command(name = "bonafide", version, max_term_width = 100)]
struct Arguments {
    /// The file of settings; bonafide.toml, if it is there, if not given
    #[arg(long, global = true, value_name = "FILE", env = "BONAFIDE_CONFIG")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start the server
    Serve(Box<serve::Options>),
    /// Print and check files of settings
    #[command(subcommand)]
    Config(config::Command),
    /// Look at all that a server needs, and say what to do about what is missing or broken
    ///
    /// It takes the options of `serve`, and changes nothing. A line each: `ok`, `not configured` or
    /// `broken`. It ends with 1 if something is broken.
    Doctor(Box<doctor::Options>),
    /// Ask the server that runs whether it can serve; for what looks after containers
    ///
    /// It ends with 0 if the server answers `/readyz` with 200, and else with 1.
    Health(health::Options),
    /// Create, list, limit, rotate and revoke API keys
    #[command(subcommand)]
    Keys(keys::Command),
    /// Create and list tenants, and choose for them
    #[command(subcommand)]
    Tenants(tenants::Command),
    /// Print a link that signs you in to the console, once and within ten minutes
    ConsoleLink(console_link::Options),
    /// Mark the emails of users verified or unverified, as many as a filter means
    #[command(subcommand)]
    Emails(emails::Command),
    /// Look at the mails that are sent
    #[command(subcommand)]
    Mail(mail::Command),
    /// Bring the store's schema up to date; `serve` does so too when it starts
    Migrate(migrate::Options),
    /// Copy the store to a file, also while a server runs
    Backup(backup::Options),
    /// Copy a whole store into a new one, of the same kind or another
    Copy(copy::Options),
    /// Write all users and groups of a tenant as lines of JSON, also while a server runs
    Export(export::Options),
    /// Bring users along from elsewhere, also while a server runs
    ///
    /// A file is an export of bonafide or requests to make users (a JSON object a line), values between commas
    /// with a header, an export of Auth0, or one of a realm of Keycloak. Each row is kept or refused for itself;
    /// refused ones are printed, and the exit code is 1 then. The same file can be imported again: who is there
    /// already is left alone.
    Import(import::Options),
    /// Tell how users are found by a filter, and how many there are
    ///
    /// It reads the store only, also while a server runs. It prints the filter as it is understood, how
    /// many users each condition finds, the way that is taken, the SQL, with the values in it, which may be
    /// personal, and how the database runs it.
    Explain(explain::Options),
    /// Print the OpenAPI document
    Openapi,
}

impl Arguments {
    /// The file of settings that counts for the command.
    fn file(&self) -> Result<Option<File>> {
        match &self.command {
            Command::Openapi | Command::Config(config::Command::Example) => Ok(None),
            Command::Config(command) => File::find(command.file().or(self.config.as_deref())),
            _ => File::find(self.config.as_deref()),
        }
    }
}

/// Runs the command line, and says how it ended.
pub fn main() -> ExitCode {
    match read_and_run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell if standard error is closed.
            let _ = writeln!(std::io::stderr(), "bonafide: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn read_and_run() -> Result<()> {
    let command = without_empty_variables(Arguments::command());
    let words = words_of(command.clone());
    let arguments = Arguments::from_arg_matches(&words).unwrap_or_else(|error| error.exit());
    match arguments.file()? {
        None => run(arguments.command, &words, None),
        Some(file) => {
            let words = words_of(file.under(command));
            let arguments = Arguments::from_arg_matches(&words).unwrap_or_else(|error| error.exit());
            run(arguments.command, &words, Some(&file))
        }
    }
}

/// What the command line says. If it cannot be understood the program ends here, and says why; a URL
/// is not repeated, for there may be a password in it.
fn words_of(command: clap::Command) -> ArgMatches {
    command.try_get_matches().unwrap_or_else(|mut error| {
        let option = error.get(ContextKind::InvalidArg).map(ToString::to_string);
        if option.is_some_and(|option| option.contains("url <")) {
            error.insert(ContextKind::InvalidValue, ContextValue::String("(hidden)".to_owned()));
        }
        error.exit()
    })
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

/// Runs the command; `words` are what it was read from.
fn run(command: Command, words: &ArgMatches, file: Option<&File>) -> Result<()> {
    match &command {
        Command::Openapi => return print(std::str::from_utf8(&crate::api::openapi_document())?),
        Command::Config(command) => {
            return config::run(command, words.subcommand_matches("config").unwrap_or(words), file);
        }
        Command::Serve(options) => logging::start(options.log())?,
        _ => logging::start(&logging::Directives::warnings())?,
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = match &command {
        Command::Serve(options) => options.threads(cores),
        _ => cores,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?;
    let clock = Arc::new(SystemClock::start());
    runtime.block_on(async {
        match command {
            Command::Serve(options) => serve::run(*options, clock).await,
            Command::Keys(command) => keys::run(command, &*clock).await,
            Command::Tenants(command) => tenants::run(command, &*clock).await,
            Command::ConsoleLink(options) => console_link::run(&options, &*clock).await,
            Command::Emails(command) => emails::run(command, clock).await,
            Command::Mail(command) => mail::run(&command),
            Command::Migrate(options) => migrate::run(options, &*clock).await,
            Command::Backup(options) => backup::run(&options),
            Command::Copy(options) => copy::run(options, &*clock).await,
            Command::Explain(options) => explain::run(&options).await,
            Command::Doctor(options) => doctor::run(&options, file, &*clock).await,
            Command::Health(options) => health::run(&options).await,
            Command::Openapi | Command::Config(_) => Ok(()),
            Command::Export(options) => export::run(&options, clock).await,
            Command::Import(options) => import::run(options, clock).await,
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
