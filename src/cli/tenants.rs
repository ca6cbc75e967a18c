//! `bonafide tenants`.

use anyhow::{Result, anyhow, bail};
use clap::Subcommand;

use super::print;
use super::store::StoreOption;
use crate::directory::settings::{Choices, Settings};
use crate::id::TenantId;
use crate::store::Store;
use crate::time::Clock;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Create a tenant: a directory of its own, with its own users and keys
    Create {
        /// Its name: lower-case letters, digits and hyphens
        #[arg(env = "BONAFIDE_TENANT")]
        name: TenantId,
        #[command(flatten)]
        store: StoreOption,
    },
    /// Show what a tenant has chosen
    Show {
        /// Its name
        #[arg(env = "BONAFIDE_TENANT")]
        name: TenantId,
        #[command(flatten)]
        store: StoreOption,
    },
    /// Choose for a tenant; a running server follows at once
    Set {
        /// Its name
        name: TenantId,
        /// What to choose, a setting and a value; `show` lists all there is
        #[arg(value_name = "KEY=VALUE", required = true, value_parser = choice)]
        choices: Vec<(String, String)>,
        #[command(flatten)]
        store: StoreOption,
    },
    /// List the tenants, with how many users each has
    List {
        #[command(flatten)]
        store: StoreOption,
    },
}

fn choice(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("this is a setting, `=` and a value")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// What a tenant that exists has chosen.
async fn existing(store: &dyn Store, name: &TenantId) -> Result<Settings> {
    if !store.tenants().await?.iter().any(|tenant| tenant.id == *name) {
        return Err(no_tenant(name));
    }
    Ok(store.settings(name).await?)
}

/// What to do where there is no such tenant.
fn no_tenant(name: &TenantId) -> anyhow::Error {
    anyhow!("there is no tenant `{name}`; `bonafide tenants create {name}` makes it")
}

/// Keeps all the choices.
async fn choose(store: &dyn Store, name: &TenantId, choices: Choices) -> Result<()> {
    if store.choose(name, choices).await? { Ok(()) } else { Err(no_tenant(name)) }
}

pub(super) async fn run(command: Command, clock: &dyn Clock) -> Result<()> {
    match command {
        Command::Create { name, store } => {
            let store = store.open_or_make(clock).await?;
            let created = store.create_tenant(&name, clock.now()).await;
            store.close().await;
            if !created? {
                bail!("there is a tenant `{name}` already");
            }
            print(&format!("{name}\n"))
        }
        Command::Show { name, store } => {
            let store = store.open().await?;
            let settings = existing(&*store, &name).await;
            store.close().await;
            let lines = settings?.shown().into_iter().map(|(key, value)| format!("{key}={value}\n"));
            print(&lines.collect::<String>())
        }
        Command::Set { name, choices, store } => {
            let choices = Choices::new(choices).map_err(anyhow::Error::msg)?;
            let store = store.open().await?;
            let kept = choose(&*store, &name, choices).await;
            store.close().await;
            kept
        }
        Command::List { store } => {
            let store = store.open().await?;
            let tenants = store.tenants().await;
            store.close().await;
            let lines = tenants?.into_iter().map(|tenant| format!("{}\t{} users\n", tenant.id, tenant.users));
            print(&lines.collect::<String>())
        }
    }
}
