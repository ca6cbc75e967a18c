//! The option `--store`, which every command has, and what belongs to it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use clap::Args;

use super::secret::password_in;
use crate::id::TenantId;
use crate::store::postgres::{self, Options, PostgresStore};
use crate::store::search::users::UserSearch;
use crate::store::sqlite::{self, SqliteStore, path_of_url};
use crate::store::ways::Explanation;
use crate::store::{List, Store};
use crate::time::Clock;

/// Where files lie that are kept beside the store, if the store is no file itself.
const FOLDER: &str = "data";

/// Where the directory is kept.
#[derive(Args, Clone)]
#[command(next_help_heading = "The store")]
pub(super) struct StoreOption {
    /// Where the directory is kept: `sqlite:` and the path of a file, or
    /// `postgres://user@host:port/database`
    #[arg(
        long,
        value_name = "URL",
        env = "BONAFIDE_STORE",
        hide_env_values = true,
        default_value = "sqlite:data/bonafide.db"
    )]
    store: String,
    /// A file with the password of the user in --store, for PostgreSQL, so that it stands in no command line
    #[arg(long, value_name = "FILE", env = "BONAFIDE_STORE_PASSWORD_FILE")]
    store_password_file: Option<PathBuf>,
    /// How many connections to PostgreSQL there are; one more puts events in order
    #[arg(long, value_name = "N", env = "BONAFIDE_POOL_SIZE", default_value_t = 8, value_parser = clap::value_parser!(u16).range(4..))]
    pool_size: u16,
    /// How long PostgreSQL may work on a statement, in milliseconds; beyond, requests get 503
    #[arg(long, value_name = "MS", env = "BONAFIDE_STATEMENT_TIMEOUT", default_value_t = 1_500, value_parser = clap::value_parser!(u64).range(100..))]
    statement_timeout: u64,
}

/// A store that the program knows.
pub(super) enum Kind {
    /// A file.
    Sqlite(PathBuf),
    /// A database.
    Postgres(Options),
}

impl StoreOption {
    /// Which store it is.
    ///
    /// # Errors
    /// A URL that is not understood, and a password's file that cannot be read.
    pub(super) fn kind(&self) -> Result<Kind> {
        if Options::is_url(&self.store) {
            return Ok(Kind::Postgres(Options {
                url: self.store.clone(),
                password: self.store_password_file.as_deref().map(password_in).transpose()?,
                connections: usize::from(self.pool_size),
                statement_timeout: Duration::from_millis(self.statement_timeout),
            }));
        }
        path_of_url(&self.store).map(Kind::Sqlite)
    }

    /// Whether the URL and what belongs to it can be understood.
    pub(super) fn check(&self) -> Result<()> {
        match self.kind()? {
            Kind::Sqlite(_) => Ok(()),
            Kind::Postgres(options) => options.shown().map(drop),
        }
    }

    /// Whether the store is a database whose server runs on this machine.
    pub(super) fn is_database_on_this_machine(&self) -> bool {
        // A fault of the URL is told when the store is opened.
        Options::is_url(&self.store) && Options::new(&self.store).is_on_this_machine().unwrap_or(false)
    }

    /// The URL without user and password, if it is understood.
    pub(super) fn shown(&self) -> Option<String> {
        if Options::is_url(&self.store) {
            return Options::new(&self.store).shown().ok();
        }
        path_of_url(&self.store).ok().map(|path| format!("sqlite:{}", path.display()))
    }

    /// Opens the store, and makes it or brings it up to date if need be.
    pub(super) async fn open_or_make(&self, clock: &dyn Clock) -> Result<Arc<dyn Store>> {
        Ok(match self.kind()? {
            Kind::Sqlite(path) => Arc::new(SqliteStore::open(&path, clock.now())?),
            Kind::Postgres(options) => Arc::new(PostgresStore::open(&options, clock.now()).await?),
        })
    }

    /// Opens the store that is there, as it is.
    pub(super) async fn open(&self) -> Result<Arc<dyn Store>> {
        Ok(match self.kind()? {
            Kind::Sqlite(path) => Arc::new(SqliteStore::open_existing(&path)?),
            Kind::Postgres(options) => Arc::new(PostgresStore::open_existing(&options).await?),
        })
    }

    /// How many steps the store's schema has taken, and how many there are.
    pub(super) async fn steps(&self) -> Result<(usize, usize)> {
        match self.kind()? {
            Kind::Sqlite(path) => sqlite::steps(&path),
            Kind::Postgres(options) => postgres::steps(&options).await,
        }
    }

    /// Finds a list of users, and tells how, and how many users each of the parts finds by itself.
    pub(super) async fn explain(
        &self,
        tenant: &TenantId,
        list: &List,
        parts: &[UserSearch],
    ) -> Result<Explanation> {
        match self.kind()? {
            Kind::Sqlite(path) => sqlite::explain(&path, tenant, list, parts),
            Kind::Postgres(options) => postgres::explain(&options, tenant, list, parts).await,
        }
    }

    /// The file of the store, which must be one.
    pub(super) fn file(&self) -> Result<PathBuf> {
        match self.kind()? {
            Kind::Sqlite(path) => Ok(path),
            Kind::Postgres(_) => {
                bail!("this is for a store in a file; PostgreSQL has tools of its own, such as pg_dump")
            }
        }
    }

    /// Whether the store is a file: else servers on several machines may share it.
    pub(super) fn is_file(&self) -> Result<bool> {
        if Options::is_url(&self.store) {
            return Ok(false);
        }
        path_of_url(&self.store).map(|_| true)
    }

    /// The folder for what is kept beside the store, which is made if the store is no file itself.
    pub(super) fn folder(&self) -> Result<PathBuf> {
        let folder = self.beside()?;
        if !self.is_file()? {
            sqlite::make_private_folder(&folder)?;
        }
        Ok(folder)
    }

    /// Where that folder is, or would be.
    pub(super) fn beside(&self) -> Result<PathBuf> {
        if !self.is_file()? {
            return Ok(PathBuf::from(FOLDER));
        }
        let path = path_of_url(&self.store)?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        Ok(folder.unwrap_or(Path::new(".")).to_owned())
    }

    /// The file that holds the password, if one is named.
    pub(super) fn password_file(&self) -> Option<&Path> {
        self.store_password_file.as_deref()
    }
}

/// Makes sure that there is a tenant.
///
/// # Errors
/// A sentence for the operator where there is none of this name.
pub(super) async fn must_know(store: &dyn Store, tenant: &TenantId) -> Result<()> {
    let tenants = store.tenants().await?;
    ensure!(
        tenants.iter().any(|known| known.id == *tenant),
        "there is no tenant `{tenant}`; `bonafide tenants create {tenant}` makes it"
    );
    Ok(())
}
