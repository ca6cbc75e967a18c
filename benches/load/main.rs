//! The load programs of `make bench`: how much of what this machine can do the server reaches.
//!
//! A limit and the server are measured right after each other, again and again, and the ratios of
//! such pairs are what counts: they stay the same where absolute figures do not. The limits are
//! subcommands of this program, and so built alike.

#![expect(clippy::disallowed_methods, reason = "a bench measures time")]

mod directory;
mod figures;
mod limit_http;
mod limit_writes;
mod machine;
mod process;
mod report;
mod session;
mod witness;
mod wrk;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

/// Measure the server beside the limits of this machine.
#[derive(Parser)]
#[command(name = "load", args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(flatten)]
    options: Options,
    /// Cargo adds it.
    #[arg(long, hide = true, global = true)]
    bench: bool,
    #[command(subcommand)]
    limit: Option<Limit>,
}

/// How long is measured.
#[derive(clap::Args)]
struct Options {
    /// How long each run takes
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// How often each is repeated
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    reps: u32,
    /// Only see whether it works: one repetition of one second
    #[arg(long, conflicts_with_all = ["seconds", "reps"])]
    quick: bool,
}

/// The limits, which this program starts by itself, and the witness, which a script starts.
#[derive(Subcommand)]
enum Limit {
    /// Serve a document that is ready, and one that is serialised each time
    LimitHttp {
        /// The file of the document
        #[arg(long)]
        document: PathBuf,
    },
    /// Write what verifying writes at least, and print how fast
    LimitWrites {
        /// The file that was prepared for it
        #[arg(long)]
        file: PathBuf,
        /// For how long
        #[arg(long)]
        seconds: u32,
    },
    /// Change users while servers or their store fail, and look for all that was answered
    Witness(witness::Options),
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match arguments.limit {
        Some(Limit::LimitHttp { document }) => limit_http::run(document),
        Some(Limit::LimitWrites { file, seconds }) => limit_writes::run(&file, seconds),
        Some(Limit::Witness(options)) => witness::run(options),
        None if cfg!(debug_assertions) => {
            println!("nothing is measured in a build without optimisation: cargo bench --bench load");
            Ok(())
        }
        None => measure(arguments.options),
    }
}

fn measure(options: Options) -> Result<()> {
    let options = if options.quick { Options { seconds: 1, reps: 1, ..options } } else { options };
    wrk::require()?;
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
    std::fs::create_dir_all(scratch)?;
    machine::require_disk(scratch)?;
    let mut folder = tempfile::Builder::new().prefix("load-").tempdir_in(scratch)?;
    println!("{}; {} x {} s", machine::facts(), options.reps, options.seconds);

    let measured = session::run(&options, folder.path());
    // The logs may tell why.
    folder.disable_cleanup(measured.is_err());
    report::print(&measured.with_context(|| format!("the run is broken; see {}", folder.path().display()))?);
    Ok(())
}
