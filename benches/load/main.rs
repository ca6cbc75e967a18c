//! The load programs of `make bench`: how much of what this machine can do the server reaches.
//!
//! A limit and the server are measured right after each other, again and again, and the ratios of
//! such pairs are what counts: they stay the same where absolute figures do not. The limits are
//! subcommands of this program, and so built alike.

#![expect(clippy::disallowed_methods, reason = "a bench measures time")]

mod bench;
mod bursts;
mod cluster;
mod creates;
mod depth;
mod directory;
mod figures;
mod gets;
mod growth;
mod imports;
mod kept;
mod limit_creates;
mod limit_http;
mod limit_marks;
mod lists;
mod machine;
mod marks;
mod older;
mod on_postgres;
mod peers;
mod people;
mod pgbench;
mod process;
mod raw_writes;
mod report;
mod searches;
mod seed;
mod session;
mod witness;
mod wrk;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

use people::Length;

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
    part: Option<Part>,
}

/// How much is measured, and for how long.
#[derive(Clone, clap::Args)]
struct Options {
    /// The stores that are measured
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "sqlite,postgres")]
    store: Vec<Engine>,
    /// The folder where the peers are installed, to be measured beside the server on PostgreSQL
    #[arg(long, value_name = "FOLDER")]
    peers: Option<PathBuf>,
    /// How long each run takes
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// How often each is repeated
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    reps: u32,
    /// How many users the directories have that lists, searches and new users are measured in
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        default_value = "10000,100000,1000000",
        value_parser = clap::value_parser!(u64).range(1_000..=9_000_000)
    )]
    sizes: Vec<u64>,
    /// An older build of the program, to be measured beside this one
    #[arg(long, value_name = "PROGRAM")]
    old: Option<PathBuf>,
    /// Only see whether it works: small directories, one repetition of one second
    #[arg(long, conflicts_with_all = ["seconds", "reps", "sizes"])]
    quick: bool,
}

/// What keeps a directory.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Engine {
    Sqlite,
    Postgres,
}

/// Parts that can be run alone; the limits are started by the whole itself,
/// and the witness by a script.
#[derive(Subcommand)]
enum Part {
    /// Make a store with users in it, and print what that takes
    Seed {
        /// How many users
        #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..=9_999_999))]
        users: u64,
        /// The new file
        #[arg(long)]
        store: PathBuf,
        /// Give each user a document of about 2 KB
        #[arg(long)]
        long: bool,
    },
    /// Serve answers that are ready, and a document that is serialised each time
    #[command(hide = true)]
    LimitHttp {
        /// The folder of the answers
        #[arg(long)]
        folder: PathBuf,
    },
    /// Write what verifying writes at least, and print how fast
    #[command(hide = true)]
    LimitMarks(RawWrites),
    /// Write what a new user takes at least, and print how fast
    #[command(hide = true)]
    LimitCreates(RawWrites),
    /// The same for a user who is imported
    #[command(hide = true)]
    LimitImports(RawWrites),
    /// Change users while servers or their store fail, and look for all that was answered
    Witness(witness::Options),
}

/// Where and how long a limit writes.
#[derive(clap::Args)]
struct RawWrites {
    /// The file that was prepared for it
    #[arg(long)]
    file: PathBuf,
    /// For how long
    #[arg(long)]
    seconds: u32,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match arguments.part {
        None if cfg!(debug_assertions) => {
            println!("nothing is measured in a build without optimisation: cargo bench --bench load");
            Ok(())
        }
        None => measure(arguments.options),
        Some(Part::Seed { users, store, long }) => {
            let length = if long { Length::Long } else { Length::Usual };
            println!("{}", seed::seed(&store, users, length)?);
            Ok(())
        }
        Some(Part::Witness(options)) => witness::run(options),
        Some(Part::LimitHttp { folder }) => limit_http::run(&folder),
        Some(Part::LimitMarks(RawWrites { file, seconds })) => limit_marks::run(&file, seconds),
        Some(Part::LimitCreates(RawWrites { file, seconds })) => {
            limit_creates::run(&file, seconds, &limit_creates::CREATED)
        }
        Some(Part::LimitImports(RawWrites { file, seconds })) => {
            limit_creates::run(&file, seconds, &limit_creates::IMPORTED)
        }
    }
}

fn measure(mut options: Options) -> Result<()> {
    if options.quick {
        options = Options { seconds: 1, reps: 1, sizes: vec![1_000, 4_000, 16_000], ..options };
    }
    options.sizes.sort_unstable();
    wrk::require()?;
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
    std::fs::create_dir_all(scratch)?;
    machine::require_disk(scratch)?;
    let mut folder = tempfile::Builder::new().prefix("load-").tempdir_in(scratch)?;
    println!("{}; {} x {} s", machine::facts(), options.reps, options.seconds);

    for engine in [Engine::Sqlite, Engine::Postgres] {
        if !options.store.contains(&engine) {
            continue;
        }
        let report = match engine {
            Engine::Sqlite => session::run(options.clone(), folder.path()),
            Engine::Postgres => on_postgres::run(options.clone(), folder.path()),
        };
        // The logs may tell why.
        folder.disable_cleanup(report.is_err());
        report.with_context(|| format!("the run is broken; see {}", folder.path().display()))?.print();
    }
    Ok(())
}
