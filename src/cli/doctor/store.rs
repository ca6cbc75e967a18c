//! The store: whether it is there, can be written, is whole, and has the schema that is needed.

use std::path::Path;

use anyhow::{Result, ensure};

use super::Finding;
use super::clock::Seen;
use super::files::file_can_be_made;
use crate::cli::store::{Kind, StoreOption};
use crate::store::postgres::{self, Options};
use crate::store::sqlite::{self, Check};

const WHAT: &str = "store";
/// The oldest version of PostgreSQL that will do.
const POSTGRES: i32 = 150_000;

/// Looks at the store, a file by SQLite's full check if it is to be `thorough`. Gives the times that were
/// seen there, too.
pub(super) async fn look(option: &StoreOption, thorough: bool) -> (Vec<Finding>, Vec<Seen>) {
    let mut findings = Vec::new();
    let mut seen = Vec::new();
    let looked = match option.kind() {
        Ok(Kind::Sqlite(path)) => file(&path, thorough, &mut findings, &mut seen),
        Ok(Kind::Postgres(options)) => database(&options, &mut findings, &mut seen).await,
        Err(error) => Err(error),
    };
    if let Err(error) = looked {
        findings.push(Finding::broken(WHAT, format!("{error:#}")));
    }
    (findings, seen)
}

fn file(path: &Path, thorough: bool, findings: &mut Vec<Finding>, seen: &mut Vec<Seen>) -> Result<()> {
    let shown = path.display();
    if !path.exists() {
        file_can_be_made(path, true)?;
        findings.push(Finding::not_configured(
            WHAT,
            format!("there is no {shown} yet: `bonafide serve` makes it"),
        ));
        return Ok(());
    }
    let (taken, known) = sqlite::steps(path)?;
    if taken == 0 {
        sqlite::may_be_written(path)?;
        findings.push(Finding::not_configured(
            WHAT,
            format!("{shown} is empty: `bonafide serve` makes it a store"),
        ));
        return Ok(());
    }
    let check = if thorough { Check::Full } else { Check::Quick };
    let health = sqlite::examine(path, check)?;
    findings.push(Finding::ok(
        WHAT,
        if health.is_in_use {
            format!("{shown} can be read and written")
        } else {
            format!("{shown} can be read and written; nobody has it open, and nothing was made beside it")
        },
    ));
    findings.push(schema(taken, known));
    findings.push(if health.damage.is_empty() {
        Finding::ok(
            "integrity",
            match check {
                Check::Quick => "SQLite's quick_check finds the whole file in order; --thorough compares the indexes with the tables, too",
                Check::Full => "SQLite's integrity_check finds the whole file in order, and the indexes as the tables say",
            },
        )
    } else {
        Finding::broken(
            "integrity",
            format!(
                "the file is damaged ({}): stop the server, keep the file, and put a backup in its place; see docs/OPERATING.md",
                health.damage.join("; ").replace('\n', " ")
            ),
        )
    });
    if let Some(time) = health.newest_event {
        seen.push(Seen { whose: "the newest event of the store", time, is_now: false });
    }
    if let Some(time) = health.modified {
        seen.push(Seen { whose: "the last change of the store's file", time, is_now: false });
    }
    Ok(())
}

async fn database(options: &Options, findings: &mut Vec<Finding>, seen: &mut Vec<Seen>) -> Result<()> {
    let shown = options.shown()?;
    let health = postgres::examine(options).await?;
    seen.push(Seen { whose: "PostgreSQL's clock", time: health.now, is_now: true });
    let wanted = i32::try_from(options.connections + 1).unwrap_or(i32::MAX);
    ensure!(
        health.version_number >= POSTGRES,
        "{shown} has version {}: 15 is the oldest that will do",
        health.version
    );
    ensure!(
        health.encoding == "UTF8",
        "{shown} has the encoding {}: make a database with UTF8",
        health.encoding
    );
    ensure!(
        !health.is_read_only,
        "{shown} takes no changes: name the primary, or several hosts with target_session_attrs=read-write"
    );
    ensure!(
        health.may_write != Some(false),
        "the user of {shown} may not change its tables: let the user own the database"
    );
    ensure!(
        health.connections >= wanted,
        "{shown} takes {} connections, and this server wants {wanted}: raise max_connections or lower --pool-size",
        health.connections
    );
    let (taken, known) = postgres::steps(options).await?;
    findings.push(Finding::ok(WHAT, format!("{shown}, version {}, can be read and written", health.version)));
    findings.push(if taken == 0 {
        Finding::not_configured(
            "schema",
            "the database is empty: `bonafide serve` or `bonafide migrate` makes it a store",
        )
    } else {
        schema(taken, known)
    });
    findings.push(if health.unsafe_settings.is_empty() {
        durability(health.is_replicated)
    } else {
        let off = health.unsafe_settings.join(" and ");
        Finding::broken(
            "durability",
            format!(
                "{off} is off in PostgreSQL: what was answered is lost when its machine fails; put it on"
            ),
        )
    });
    Ok(())
}

fn durability(is_replicated: bool) -> Finding {
    const WHAT: &str = "durability";
    if is_replicated {
        return Finding::ok(WHAT, "a change is on the disks of two PostgreSQL servers before it is answered");
    }
    Finding::not_configured(
        WHAT,
        "a change is on the disk of one PostgreSQL server only: with synchronous_standby_names another has it, too; see docs/SCALING.md",
    )
}

fn schema(taken: usize, known: usize) -> Finding {
    const WHAT: &str = "schema";
    if taken == known {
        return Finding::ok(WHAT, format!("it has version {known}, the newest"));
    }
    Finding::broken(
        WHAT,
        format!(
            "it has version {taken} and needs {known}: `bonafide migrate` brings it up to date, and so does the next start of a server"
        ),
    )
}
