//! `bonafide console-link`.

use anyhow::Result;
use clap::Args;

use super::print;
use super::secret::SecretOption;
use super::store::{StoreOption, must_know};
use crate::console::SignInLink;
use crate::id::{SystemRandom, TenantId};
use crate::time::Clock;

#[derive(Args)]
pub(super) struct Options {
    /// Who is to sign in, as it will stand beside everything that is done there
    #[arg(long, env = "BONAFIDE_CONSOLE_NAME", default_value = "console")]
    name: String,
    /// The tenant to look after
    #[arg(long, env = "BONAFIDE_TENANT", default_value = "default")]
    tenant: TenantId,
    /// The URL by which browsers reach the server
    #[arg(long, value_name = "URL", env = "BONAFIDE_PUBLIC_URL", default_value = "http://127.0.0.1:8080")]
    public_url: url::Url,
    #[command(flatten)]
    secret: SecretOption,
    #[command(flatten)]
    store: StoreOption,
}

pub(super) async fn run(options: &Options, clock: &dyn Clock) -> Result<()> {
    let Options { name, tenant, public_url, secret, store } = options;
    let kept = store.open().await?;
    let known = must_know(&*kept, tenant).await;
    kept.close().await;
    known?;
    let secret = secret.read_or_make(store, false, &SystemRandom)?;
    let link = SignInLink::new(tenant.clone(), name, clock.now(), &SystemRandom)?;
    print(&format!("{}\n", link.url(&secret, public_url.as_str())))
}
