//! `bonafide import`.

use std::env;
use std::fs::{self, DirBuilder, File};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use clap::builder::FalseyValueParser;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::mpsc;

use super::print;
use super::secret::SecretOption;
use super::store::{StoreOption, must_know};
use crate::app::App;
use crate::app::import::{Numbered, Outcome, RowResult, TOGETHER, Tally};
use crate::directory::event::{Method, Origin};
use crate::id::{RequestId, SystemRandom, TenantId};
use crate::import::Format;
use crate::import::lines::MAX_LINE_BYTES;
use crate::store::Store;
use crate::store::sqlite::SqliteStore;
use crate::time::{Clock, SystemClock};

/// How often it is told how far an import is, where there is no terminal.
const TOLD_EVERY: Duration = Duration::from_secs(10);

#[derive(Args)]
pub(super) struct Options {
    /// The file, or - for standard input
    #[arg(env = "BONAFIDE_IMPORT_FILE")]
    file: PathBuf,
    /// How it is written; told by how it begins if not given
    #[arg(long, env = "BONAFIDE_IMPORT_FORMAT")]
    format: Option<Format>,
    /// Keep nothing, and tell what would become of each row
    #[arg(long, env = "BONAFIDE_IMPORT_DRY_RUN", value_parser = FalseyValueParser::new())]
    dry_run: bool,
    /// The tenant whose users they become
    #[arg(long, env = "BONAFIDE_TENANT", default_value = "default")]
    tenant: TenantId,
    #[command(flatten)]
    secret: SecretOption,
    #[command(flatten)]
    store: StoreOption,
}

pub(super) async fn run(options: Options, clock: Arc<SystemClock>) -> Result<()> {
    let Options { file, format, dry_run, tenant, secret, store } = options;
    let input = Input::open(&file)?;
    let (kept, _scratch) =
        if dry_run { to_look_at(&store, &*clock).await? } else { (store.open_or_make(&*clock).await?, None) };
    let imported = async {
        must_know(&*kept, &tenant).await?;
        let random = Arc::new(SystemRandom);
        let secret = if dry_run {
            secret.read_or_invent(&store, &*random)?
        } else {
            secret.read_or_make(&store, false, &*random)?
        };
        let origin = Origin::of_server(tenant, Method::Import, &*random);
        let app = App::new(kept.clone(), clock.clone(), random, secret);
        import(&app, &origin, dry_run, input, format, Shown::new(clock)).await
    };
    let imported = imported.await;
    kept.close().await;
    let tally = imported.with_context(|| format!("{} was not imported to its end", file.display()))?;
    print(&summary(tally, dry_run))?;
    if tally.refused > 0 {
        bail!("{} of {} rows of {} were refused", tally.refused, tally.rows, file.display());
    }
    Ok(())
}

/// The store as it is, or where there is none, an empty one that ends with what is given beside it: a dry run
/// changes nothing.
async fn to_look_at(option: &StoreOption, clock: &dyn Clock) -> Result<(Arc<dyn Store>, Option<Scratch>)> {
    let (taken, _) = option.steps().await?;
    if taken > 0 {
        return Ok((option.open().await?, None));
    }
    eprintln!("there is no store yet: this is what would become of the rows in an empty one");
    let scratch = Scratch::make()?;
    let store = SqliteStore::open(&scratch.0.join("bonafide.db"), clock.now())?;
    Ok((Arc::new(store), Some(scratch)))
}

/// A folder that only its owner can enter, and that is there for a while.
struct Scratch(PathBuf);

impl Scratch {
    fn make() -> Result<Self> {
        let path = env::temp_dir().join(format!("bonafide-{}", RequestId::new(&SystemRandom)));
        let made = DirBuilder::new().mode(0o700).create(&path);
        made.with_context(|| format!("{} cannot be made", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left of it holds no user.
        let _ = fs::remove_dir_all(&self.0);
    }
}

async fn import(
    app: &App,
    origin: &Origin,
    dry_run: bool,
    input: Input,
    format: Option<Format>,
    mut shown: Shown,
) -> Result<Tally> {
    let (to_rows, rows) = mpsc::channel::<Numbered>(TOGETHER);
    let (to_results, mut results) = mpsc::channel::<Vec<RowResult>>(1);
    shown.begin(&input);
    let reading = tokio::task::spawn_blocking(move || {
        let mut input = BufReader::with_capacity(64 * 1024, input);
        let mut first = Vec::new();
        let format = if let Some(format) = format {
            format
        } else {
            // A line can come in pieces, and its beginning looks like another format.
            (&mut input).take(MAX_LINE_BYTES as u64).read_until(b'\n', &mut first)?;
            Format::guess(&first)
        };
        format.read(&mut first.chain(input), &mut |row| to_rows.blocking_send(row).is_ok())
    });
    let importing = app.import(origin, dry_run, rows, to_results);
    let telling = async {
        while let Some(results) = results.recv().await {
            shown.tell(&results)?;
        }
        Ok::<_, anyhow::Error>(())
    };
    let (imported, told) = tokio::join!(importing, telling);
    shown.end();
    imported.context("import it again to go on")?;
    told?;
    reading.await.context("a reading thread failed")??;
    Ok(shown.tally)
}

/// What came of it, in a line.
fn summary(tally: Tally, dry_run: bool) -> String {
    let Tally { users, groups, there, refused, .. } = tally;
    let done = if dry_run { "would be imported" } else { "imported" };
    format!("{done}: users {users}, groups {groups}; rows there already {there}, refused {refused}\n")
}

/// A file that is read, which counts its bytes.
struct Input {
    reader: Box<dyn Read + Send>,
    read: Arc<AtomicU64>,
    length: Option<u64>,
}

impl Input {
    fn open(path: &Path) -> Result<Self> {
        let (reader, length): (Box<dyn Read + Send>, _) = if path == Path::new("-") {
            (Box::new(io::stdin()), None)
        } else {
            let open = || {
                let file = File::open(path)?;
                let length = file.metadata()?.len();
                Ok::<_, io::Error>((file, length))
            };
            let (file, length) = open().with_context(|| format!("{} cannot be read", path.display()))?;
            (Box::new(file), Some(length))
        };
        Ok(Self { reader, read: Arc::default(), length })
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// Shows on standard error how far an import is: a bar on a terminal, else a line now and then. Rows that are
/// refused go to standard output.
struct Shown {
    clock: Arc<SystemClock>,
    bar: ProgressBar,
    read: Arc<AtomicU64>,
    tally: Tally,
    begun: Duration,
    told: Duration,
}

impl Shown {
    fn new(clock: Arc<SystemClock>) -> Self {
        let now = clock.elapsed();
        let (bar, tally) = (ProgressBar::hidden(), Tally::default());
        Self { clock, bar, read: Arc::default(), tally, begun: now, told: now }
    }

    fn begin(&mut self, input: &Input) {
        let template = match input.length {
            Some(_) => "{bar:30} {bytes}/{total_bytes}, {msg}, {eta} left",
            None => "{spinner} {bytes}, {msg}",
        };
        let style = ProgressStyle::with_template(template).expect("the template is well-formed");
        let bar = input.length.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        self.bar = bar.with_style(style).with_message("0 rows");
        self.read = input.read.clone();
    }

    fn tell(&mut self, results: &[RowResult]) -> Result<()> {
        for row in results {
            self.tally.count(row);
            if let Outcome::Refused(fault) = &row.outcome {
                let told = format!("line {}: {}: {}\n", row.line, fault.code, fault.reason);
                self.bar.suspend(|| print(&told))?;
            }
        }
        let now = self.clock.elapsed();
        let rows = self.tally.rows;
        let seconds = now.saturating_sub(self.begun).as_secs().max(1);
        let so_far = format!("{rows} rows, {} a second", rows / seconds);
        if self.bar.is_hidden() {
            if now.saturating_sub(self.told) >= TOLD_EVERY {
                self.told = now;
                eprintln!("{so_far}");
            }
        } else {
            self.bar.set_position(self.read.load(Ordering::Relaxed));
            self.bar.set_message(so_far);
        }
        Ok(())
    }

    fn end(&self) {
        self.bar.finish_and_clear();
    }
}
