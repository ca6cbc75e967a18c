//! `bonafide tenants`.

use anyhow::{Result, bail};
use clap::Subcommand;

use super::print;
use super::store::StoreOption;
use crate::id::TenantId;
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
    /// List the tenants, with how many users each has
    List {
        #[command(flatten)]
        store: StoreOption,
    },
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
        Command::List { store } => {
            let store = store.open().await?;
            let tenants = store.tenants().await;
            store.close().await;
            let lines = tenants?.into_iter().map(|tenant| format!("{}\t{} users\n", tenant.id, tenant.users));
            print(&lines.collect::<String>())
        }
    }
}
