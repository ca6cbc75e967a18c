//! `bonafide export`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::Args;
use clap::builder::FalseyValueParser;

use super::store::{StoreOption, must_know};
use crate::app::App;
use crate::app::export::Lines;
use crate::id::{SystemRandom, TenantId};
use crate::secret::ServerSecret;
use crate::time::SystemClock;

#[derive(Args)]
pub(super) struct Options {
    /// Export the hashes of passwords, too: whoever has them can try passwords out
    #[arg(long, env = "BONAFIDE_EXPORT_WITH_HASHES", value_parser = FalseyValueParser::new())]
    with_hashes: bool,
    /// The file to make; there must be none of this name. Standard output if not given
    #[arg(long, value_name = "FILE", env = "BONAFIDE_EXPORT_TO")]
    to: Option<PathBuf>,
    /// The tenant to export
    #[arg(long, env = "BONAFIDE_TENANT", default_value = "default")]
    tenant: TenantId,
    #[command(flatten)]
    store: StoreOption,
}

pub(super) async fn run(options: &Options, clock: Arc<SystemClock>) -> Result<()> {
    let store = options.store.open().await?;
    let exported = async {
        must_know(&*store, &options.tenant).await?;
        let random = Arc::new(SystemRandom);
        // Nothing of an export is made from it.
        let secret = ServerSecret::new(&*random);
        let app = Arc::new(App::new(store.clone(), clock, random, secret));
        let lines = app.export(&options.tenant, options.with_hashes)?;
        match &options.to {
            Some(path) => into_file(path, lines).await,
            None => into_output(lines).await,
        }
    };
    let exported = exported.await;
    store.close().await;
    exported
}

/// Writes to standard output. A reader that has seen enough is no error.
async fn into_output(mut lines: Lines) -> Result<()> {
    while let Some(part) = lines.recv().await {
        match io::stdout().write_all(&part?) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
            written => written?,
        }
    }
    Ok(io::stdout().flush()?)
}

/// Writes a new file, which has its name when it is whole and on the disk. Only its owner can read it.
async fn into_file(path: &Path, lines: Lines) -> Result<()> {
    if path.exists() {
        bail!("{} is there already, and an export never takes the place of another file", path.display());
    }
    let beside = path.with_added_extension(format!("{}.new", std::process::id()));
    let written = write_and_name(&beside, path, lines).await;
    if written.is_err() {
        // It may never have come to be.
        let _ = fs::remove_file(&beside);
    }
    written.with_context(|| format!("{} cannot be written", path.display()))
}

async fn write_and_name(beside: &Path, path: &Path, mut lines: Lines) -> Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(beside)?;
    while let Some(part) = lines.recv().await {
        file.write_all(&part?)?;
    }
    file.sync_all()?;
    fs::rename(beside, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok(File::open(folder)?.sync_all()?)
}
