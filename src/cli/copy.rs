//! `bonafide copy`.

use anyhow::{Result, ensure};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::print;
use crate::store::copy::{self, Progress, Table, Tables, Target};
use crate::store::postgres::{self, PostgresTables};
use crate::store::sqlite::{SqliteTables, path_of_url};
use crate::time::Clock;

#[derive(Args)]
pub(super) struct Options {
    /// The store to copy; no server should write to it meanwhile
    #[arg(long, value_name = "URL", env = "BONAFIDE_COPY_FROM", hide_env_values = true)]
    from: String,
    /// The store to copy into: a new one, or one that an interrupted copy has begun
    #[arg(long, value_name = "URL", env = "BONAFIDE_COPY_TO", hide_env_values = true)]
    to: String,
}

pub(super) async fn run(options: Options, clock: &dyn Clock) -> Result<()> {
    ensure!(options.from != options.to, "a store cannot be copied into itself");
    let mut from: Box<dyn Tables> = if postgres::Options::is_url(&options.from) {
        Box::new(PostgresTables::read(&postgres::Options::new(&options.from)).await?)
    } else {
        Box::new(SqliteTables::read(&path_of_url(&options.from)?)?)
    };
    let mut to: Box<dyn Target> = if postgres::Options::is_url(&options.to) {
        Box::new(PostgresTables::write(&postgres::Options::new(&options.to), clock.now()).await?)
    } else {
        Box::new(SqliteTables::write(&path_of_url(&options.to)?, clock.now())?)
    };
    copy::copy(&mut *from, &mut *to, &mut Shown::default()).await?;
    print("the copy is complete\n")
}

/// Shows on standard error how far a copy is: a bar on a terminal, else a line for each table.
#[derive(Default)]
struct Shown(Option<ProgressBar>);

impl Progress for Shown {
    fn begin(&mut self, table: &'static Table, rows: u64, there: u64) {
        self.end();
        let style =
            ProgressStyle::with_template("{msg:<16} {bar:30} {pos}/{len} rows, {per_sec}, {eta} left")
                .expect("the template is well-formed");
        let bar = ProgressBar::new(rows).with_style(style).with_message(table.name);
        bar.set_position(there);
        bar.reset_eta();
        if bar.is_hidden() {
            eprintln!("{}: {rows} rows, of which {there} are there already", table.name);
        }
        self.0 = Some(bar);
    }

    fn advance(&mut self, rows: u64) {
        if let Some(bar) = &self.0 {
            bar.inc(rows);
        }
    }

    fn same(&mut self, table: &'static Table, rows: u64, checksum: &str) {
        self.end();
        eprintln!("{}: {rows} rows are the same on both sides, checksum {checksum}", table.name);
    }
}

impl Shown {
    fn end(&mut self) {
        if let Some(bar) = self.0.take() {
            bar.finish();
        }
    }
}
