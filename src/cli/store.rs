//! The option `--store`, which every command has.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use clap::Args;

use crate::store::Store;
use crate::store::sqlite::{SqliteStore, path_of_url};
use crate::time::Clock;

/// Where the directory is kept.
#[derive(Args, Clone)]
pub(super) struct StoreOption {
    /// Where the directory is kept: `sqlite:` and the path of a file
    #[arg(long, value_name = "URL", env = "BONAFIDE_STORE", default_value = "sqlite:data/bonafide.db")]
    store: String,
}

impl StoreOption {
    /// Opens the store, and makes it or brings it up to date if need be.
    pub(super) fn open_or_make(&self, clock: &dyn Clock) -> Result<Arc<dyn Store>> {
        Ok(Arc::new(SqliteStore::open(&path_of_url(&self.store)?, clock.now())?))
    }

    /// Opens the store that is there, as it is.
    pub(super) fn open(&self) -> Result<Arc<dyn Store>> {
        Ok(Arc::new(SqliteStore::open_existing(&path_of_url(&self.store)?)?))
    }

    /// The file of the store.
    pub(super) fn file(&self) -> Result<PathBuf> {
        path_of_url(&self.store)
    }

    /// The folder the store lies in, for what is kept beside it.
    pub(super) fn folder(&self) -> Result<PathBuf> {
        let path = path_of_url(&self.store)?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        Ok(folder.unwrap_or(Path::new(".")).to_owned())
    }
}
