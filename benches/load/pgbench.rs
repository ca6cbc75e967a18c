//! The limit of what PostgreSQL does: its own `pgbench`, which runs the statements of the store on the same
//! users, one after another on each connection, and has no server, no rules and no search terms.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::bench::{Bench, progress};
use crate::cluster::Cluster;
use crate::figures::{Figures, real};
use crate::kept;

/// Gives the users ids that follow from their numbers: `pgbench` knows numbers only.
const NUMBER_USERS: [&str; 6] = [
    "create table numbered as select user_id as old, lpad(substr(canonical, 6, 7), 21, '0') as new \
     from identifiers where kind = 'email' and canonical like '%@one.example.com'",
    "update identifiers set user_id = new, claimant = case claimant when '' then '' else new end \
     from numbered where user_id = old",
    "update users set user_id = new from numbered where user_id = old",
    "drop table numbered",
    "vacuum (full, analyze)",
    "checkpoint",
];

/// What the store does for a GET.
const READ: &str = "select version, document from users \
    where tenant_id = 'default' and user_id = lpad(:number::text, 21, '0');";

/// What the store does for a change: the document, the identifier and the event, in one statement, which is
/// one trip and one transaction. The document comes from the client, as it does there.
const MARK: &str = r#"with changed as (
    update users set version = version + 1, shape = 1, document = :document, last_updated = last_updated + 1
    where tenant_id = 'default' and user_id = lpad(:number::text, 21, '0')
    returning user_id
), marked as (
    update identifiers set
        claimant = case identifiers.claimant when '' then identifiers.user_id else '' end,
        generation = identifiers.generation + 1
    from changed
    where tenant_id = 'default' and kind = 'email' and identifiers.user_id = changed.user_id
        and canonical = 'user.' || lpad(:number::text, 7, '0') || '@one.example.com'
    returning identifier_id
)
insert into pending_events (sequence, tenant_id, event_id, type, time, user_id, identifier_id, method, key_id, key_name, request_id, personal)
select nextval('event_sequence'), 'default', identifier_id, 'user.email.verified', 1700000000, user_id, identifier_id,
    'admin_api', 'abcdefghijkl', 'load', '0123456789abcdef0123456789abcdef',
    '{"address":"user.0000000@one.example.com","remote_address":"127.0.0.1"}'
from changed, marked;"#;

/// A database with the users of a directory, for `pgbench`.
pub(crate) struct Limit<'a> {
    cluster: &'a Cluster,
    url: String,
    users: u64,
    document: String,
    folder: PathBuf,
}

impl<'a> Limit<'a> {
    /// Copies a database with so many users, which nobody uses. Files are kept in this folder.
    pub(crate) fn copy(
        cluster: &'a Cluster,
        database: &str,
        users: u64,
        document: &[u8],
        folder: &Path,
    ) -> Result<Self> {
        let url = cluster.create("pgbench", database)?;
        kept::run(&url, &NUMBER_USERS)?;
        for (name, sql) in [("read.sql", READ), ("mark.sql", MARK)] {
            std::fs::write(folder.join(name), format!("\\set number random(0, {})\n{sql}\n", users - 1))?;
        }
        let document = String::from_utf8(document.to_vec())?;
        Ok(Self { cluster, url, users, document, folder: folder.to_owned() })
    }

    /// Reads users by so many clients.
    pub(crate) fn read(&self, bench: &mut Bench, clients: u32) -> Result<Figures> {
        self.run(bench, "read.sql", clients)
    }

    /// Marks users, and makes sure that each time an event was kept.
    pub(crate) fn mark(&self, bench: &mut Bench, clients: u32) -> Result<Figures> {
        kept::run(&self.url, &["truncate pending_events"])?;
        let figures = self.run(bench, "mark.sql", clients)?;
        let events = kept::number(&self.url, "select count(*) from pending_events")?.unsigned_abs();
        ensure!(events == figures.count, "pgbench made {} changes, and {events} were kept", figures.count);
        let marked = "select count(*) from identifiers where kind = 'email' and generation > 0";
        ensure!(kept::number(&self.url, marked)? > 0, "pgbench marked none of {} users", self.users);
        Ok(figures)
    }

    fn run(&self, bench: &mut Bench, script: &str, clients: u32) -> Result<Figures> {
        bench.quiet()?;
        let log = self.folder.join("pgbench-log");
        let mut command: Command = self.cluster.client("pgbench", "pgbench");
        let output = command
            // As on the connections of the store that write; plans by index are right for reading, too.
            .env(
                "PGOPTIONS",
                "-c jit=off -c plan_cache_mode=force_generic_plan -c enable_seqscan=off \
                 -c default_toast_compression=lz4",
            )
            .args(["--no-vacuum", "--protocol=prepared", "--log", "--sampling-rate=0.25"])
            .arg(format!("--log-prefix={}", log.display()))
            .arg(format!("--define=document={}", self.document))
            // Connecting takes of its time, and is not counted in its rate.
            .args([format!("--client={clients}"), format!("--time={}", bench.options.seconds + 1)])
            .arg("--file")
            .arg(self.folder.join(script))
            .output()?;
        let told = String::from_utf8_lossy(&output.stdout);
        ensure!(output.status.success(), "pgbench failed: {told}{}", String::from_utf8_lossy(&output.stderr));
        let value = |name: &str| -> Result<&str> {
            let value = told.lines().find_map(|line| line.strip_prefix(name));
            let value = value.and_then(|value| value.split_whitespace().next());
            value.with_context(|| format!("pgbench does not tell {name}: {told}"))
        };
        let count: u64 = value("number of transactions actually processed: ")?.parse()?;
        ensure!(value("number of failed transactions: ")? == "0", "changes of pgbench failed: {told}");
        let rate: f64 = value("tps = ")?.parse()?;
        let [p50_us, p99_us] = percentiles(&self.folder)?;
        let figures = Figures { count, seconds: real(count) / rate, p50_us, p99_us };
        progress("pgbench", clients, &figures);
        Ok(figures)
    }
}

/// What half of the transactions took at most, and all but one in a hundred, in microseconds, by the logs of
/// a run, which are removed.
fn percentiles(folder: &Path) -> Result<[u64; 2]> {
    let mut times = Vec::new();
    for file in std::fs::read_dir(folder)? {
        let path = file?.path();
        if !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("pgbench-log.")) {
            continue;
        }
        for line in std::fs::read_to_string(&path)?.lines() {
            times.push(line.split(' ').nth(2).context("a log of pgbench has times")?.parse()?);
        }
        std::fs::remove_file(path)?;
    }
    times.sort_unstable();
    ensure!(!times.is_empty(), "pgbench logged no times");
    Ok([times[times.len() / 2], times[times.len() * 99 / 100]])
}
