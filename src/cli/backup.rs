//! `bonafide backup`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use super::print;
use super::store::StoreOption;
use crate::store::sqlite::backup;

#[derive(Args)]
pub(super) struct Options {
    /// The file to make; there must be none of this name
    #[arg(long, value_name = "FILE", env = "BONAFIDE_BACKUP_TO")]
    to: PathBuf,
    #[command(flatten)]
    store: StoreOption,
}

pub(super) fn run(options: &Options) -> Result<()> {
    backup(&options.store.file()?, &options.to)?;
    print(&format!("{}\n", options.to.display()))
}
