//! `bonafide migrate`.

use anyhow::Result;
use clap::Args;

use super::print;
use super::store::StoreOption;
use crate::time::Clock;

#[derive(Args)]
pub(super) struct Options {
    /// Only tell what would be done
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    store: StoreOption,
}

pub(super) async fn run(options: Options, clock: &dyn Clock) -> Result<()> {
    let (taken, known) = options.store.steps().await?;
    if taken == known {
        return print(&format!("the schema has version {taken}, the newest: nothing is to be done\n"));
    }
    if options.dry_run {
        return print(&format!("the schema has version {taken} and would get version {known}\n"));
    }
    options.store.open_or_make(clock).await?.close().await;
    print(&format!("the schema had version {taken} and has version {known} now\n"))
}
