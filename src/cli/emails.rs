//! `bonafide emails`.

use std::io::Write;
use std::sync::Arc;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};

use super::print;
use super::store::StoreOption;
use crate::app::App;
use crate::app::marking::Marking;
use crate::directory::event::{Method, Origin, checked_reason};
use crate::directory::marking::{Mark, Outcome};
use crate::error::InvalidFields;
use crate::id::{SystemRandom, TenantId};
use crate::secret::ServerSecret;
use crate::store::Store;
use crate::store::search::users::{self, UserSearch};
use crate::time::Clock;

/// How many users are looked at between two looks for more.
const AT_A_TIME: u32 = 1_000;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Mark the emails verified that a filter means, and print how many were changed
    ///
    /// Of a user whom the filter finds those emails are meant for which it would find the user also if
    /// there were no others. One that another user has verified stays as it is, and is told on standard
    /// error.
    Verify(Options),
    /// Mark the emails unverified that a filter means, and print how many were changed
    ///
    /// Of a user whom the filter finds those emails are meant for which it would find the user also if
    /// there were no others. No link and no code that was made before verifies them afterwards.
    Unverify(Options),
}

#[derive(Args)]
pub(super) struct Options {
    /// Whose emails, in the filter language, like 'emails.domain:example.com AND emails.verified:false'
    #[arg(long, value_name = "FILTER", env = "BONAFIDE_FILTER", allow_hyphen_values = true, value_parser = filter)]
    filter: UserSearch,
    /// Change nothing, and print how many emails would be changed
    #[arg(long)]
    dry_run: bool,
    /// Why it is done: kept with each event, at most 500 characters
    #[arg(long, value_name = "TEXT", env = "BONAFIDE_REASON", value_parser = reason)]
    reason: Option<String>,
    /// The tenant whose users they are
    #[arg(long, env = "BONAFIDE_TENANT", default_value = "default")]
    tenant: TenantId,
    #[command(flatten)]
    store: StoreOption,
}

fn filter(text: &str) -> Result<UserSearch, String> {
    let filter = users::parse(text).map_err(|error| error.to_string())?;
    filter.ok_or_else(|| "it is empty; `*` means the emails of all users".to_owned())
}

fn reason(text: &str) -> Result<String, String> {
    match checked_reason(Some(text)) {
        Ok(_) => Ok(text.to_owned()),
        Err(InvalidFields(fields)) => Err(fields.into_iter().map(|(_, message)| message).collect()),
    }
}

pub(super) async fn run(command: Command, clock: Arc<dyn Clock>) -> Result<()> {
    let (mark, options) = match command {
        Command::Verify(options) => (Mark::Verified, options),
        Command::Unverify(options) => (Mark::Unverified, options),
    };
    let store = options.store.open().await?;
    let marked = run_on(store.clone(), mark, &options, clock).await;
    store.close().await;
    print(&format!("{} addresses\n", marked?))
}

/// Marks the emails, and gives how many are different then.
async fn run_on(
    store: Arc<dyn Store>,
    mark: Mark,
    Options { filter, dry_run, reason, tenant, .. }: &Options,
    clock: Arc<dyn Clock>,
) -> Result<u64> {
    if !store.tenants().await?.iter().any(|known| known.id == *tenant) {
        bail!("there is no tenant `{tenant}`; `bonafide tenants create {tenant}` makes it");
    }
    // No link and no code is made here, so it does not matter which secret they would be made from.
    let app = App::new(store, clock, Arc::new(SystemRandom), ServerSecret::new(&SystemRandom));
    let origin = Origin {
        reason: reason.clone(),
        ..Origin::of_server(tenant.clone(), Method::CommandLine, &SystemRandom)
    };
    let marking = Marking { origin: &origin, mark, dry_run: *dry_run };
    let (mut changed, mut after) = (0, None);
    loop {
        let page = app.mark_found(marking, filter, after, AT_A_TIME).await?;
        for marked in page.marked {
            changed += u64::from(marked.outcome.is_change());
            if let (Outcome::Taken, Some((user_id, id))) = (marked.outcome, marked.place) {
                // Nobody is left to tell if standard error is closed.
                let _ = writeln!(
                    std::io::stderr(),
                    "email {id} of user {user_id} stays as it is: another user has it verified{}",
                    if *dry_run { ", or would have before" } else { "" }
                );
            }
        }
        after = page.next;
        if after.is_none() {
            return Ok(changed);
        }
    }
}
