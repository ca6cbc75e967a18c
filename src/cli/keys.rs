//! `bonafide keys`.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use clap::builder::NonEmptyStringValueParser;

use super::print;
use super::store::StoreOption;
use crate::directory::api_key::{ApiKey, Scope};
use crate::id::{Random, SystemRandom, TenantId};
use crate::secret::{KeyId, PlainKey};
use crate::store::Store;
use crate::time::{Clock, Timestamp};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Create a key and print it; this is the only time it is shown
    Create {
        /// What the key is for, as it will stand beside everything that is done with it
        #[arg(long, env = "BONAFIDE_KEY_NAME", value_parser = NonEmptyStringValueParser::new())]
        name: String,
        /// What it may do, with commas between: users:read, users:write, emails:verify, events:read,
        /// passwords:write, proofs:read, groups:read, groups:write, logs:read, admin
        #[arg(long, env = "BONAFIDE_KEY_SCOPES", value_name = "LIST", value_delimiter = ',', required = true, value_parser = scope)]
        scopes: Vec<Scope>,
        /// The tenant whose directory it opens
        #[arg(long, env = "BONAFIDE_TENANT", default_value = "default")]
        tenant: TenantId,
        /// For how long it works, like 12h, 30d or 1y; for ever if not given
        #[arg(long, env = "BONAFIDE_KEY_EXPIRES", value_name = "DURATION", value_parser = duration)]
        expires: Option<Duration>,
        #[command(flatten)]
        store: StoreOption,
    },
    /// List the keys, never their secrets; dates are in UTC
    List {
        #[command(flatten)]
        store: StoreOption,
    },
    /// Revoke a key for good; a running server refuses it within a second
    Revoke {
        /// The key's id: the 12 characters between `bf_` and the next `_`
        #[arg(env = "BONAFIDE_KEY_ID")]
        id: KeyId,
        #[command(flatten)]
        store: StoreOption,
    },
}

pub(super) async fn run(command: Command, clock: &dyn Clock) -> Result<()> {
    match command {
        Command::Create { name, scopes, tenant, expires, store } => {
            let store = store.open_or_make(clock).await?;
            // Each once, however often it was given.
            let scopes = Scope::ALL.iter().copied().filter(|scope| scopes.contains(scope)).collect();
            let expires_at = expires.map(|span| clock.now().after(span));
            let created =
                create(&*store, &SystemRandom, clock, NewKey { name, scopes, tenant, expires_at }).await;
            store.close().await;
            print(&format!("{}\n", created?.reveal()))
        }
        Command::List { store } => {
            let store = store.open().await?;
            let keys = store.keys().await;
            store.close().await;
            let now = clock.now();
            print(&keys?.iter().fold(HEADER.to_owned(), |list, key| list + &line(key, now)))
        }
        Command::Revoke { id, store } => {
            let store = store.open().await?;
            let revoked = store.revoke_key(id, clock.now()).await;
            store.close().await;
            if !revoked? {
                bail!("there is no key `{id}`; `bonafide keys list` shows those there are");
            }
            print(&format!("{id} is revoked\n"))
        }
    }
}

/// What a key is made from.
pub(super) struct NewKey {
    pub(super) name: String,
    pub(super) scopes: Vec<Scope>,
    pub(super) tenant: TenantId,
    pub(super) expires_at: Option<Timestamp>,
}

/// Makes a key and keeps its hash.
pub(super) async fn create(
    store: &dyn Store,
    random: &dyn Random,
    clock: &dyn Clock,
    new: NewKey,
) -> Result<PlainKey> {
    let plain = PlainKey::new(random);
    let tenant = new.tenant.clone();
    let key = ApiKey {
        id: plain.id(),
        tenant: new.tenant,
        name: new.name,
        hash: plain.hash(),
        scopes: new.scopes,
        created_at: clock.now(),
        expires_at: new.expires_at,
        revoked_at: None,
        last_used_at: None,
    };
    if !store.create_key(key).await.context("the key was not created")? {
        bail!("there is no tenant `{tenant}`; `bonafide tenants create {tenant}` makes it");
    }
    Ok(plain)
}

/// What stands above the lines of keys.
const HEADER: &str = "ID\tTENANT\tSTATE\tSCOPES\tNAME\tCREATED\tEXPIRES\tLAST USED\n";

fn line(key: &ApiKey, now: Timestamp) -> String {
    let state = match (key.revoked_at, key.expires_at) {
        (Some(_), _) => "revoked",
        (None, Some(expiry)) if expiry <= now => "expired",
        _ => "active",
    };
    let scopes: Vec<&str> = key.scopes.iter().map(|scope| scope.as_str()).collect();
    let [expires, used] =
        [key.expires_at, key.last_used_at].map(|time| time.map_or("never".to_owned(), date));
    format!(
        // A name is whatever its maker typed, line breaks among it.
        "{}\t{}\t{state}\t{}\t{:?}\t{}\t{expires}\t{used}\n",
        key.id,
        key.tenant,
        scopes.join(","),
        key.name,
        date(key.created_at),
    )
}

/// A moment as RFC 3339 has it, in UTC; beyond the year 9999 only its seconds.
fn date(time: Timestamp) -> String {
    jiff::Timestamp::from_second(time.0).map_or_else(|_| time.to_string(), |time| time.to_string())
}

fn scope(text: &str) -> Result<Scope, String> {
    Scope::from_name(text.trim()).ok_or_else(|| {
        let scopes: Vec<&str> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
        format!("the scopes are {}", scopes.join(", "))
    })
}

/// Reads a number and a unit: `s`, `m`, `h`, `d`, `w` or `y` of 365 days.
fn duration(text: &str) -> Result<Duration, String> {
    const HINT: &str = "a duration is a number and a unit (s, m, h, d, w, y), like 30d";
    let unit = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3_600,
        Some('d') => 86_400,
        Some('w') => 7 * 86_400,
        Some('y') => 365 * 86_400,
        _ => return Err(HINT.to_owned()),
    };
    let number: u32 = text[..text.len() - 1].parse().map_err(|_| HINT.to_owned())?;
    if number == 0 {
        return Err("a key that expires at once is of no use".to_owned());
    }
    Ok(Duration::from_secs(u64::from(number) * unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_as_rfc_3339_has_them() {
        assert_eq!(date(Timestamp(1_795_355_978)), "2026-11-22T13:59:38Z");
        assert_eq!(date(Timestamp(i64::MAX)), i64::MAX.to_string());
    }

    #[test]
    fn a_duration_is_a_number_and_a_unit() {
        assert_eq!(duration("30d"), Ok(Duration::from_secs(30 * 86_400)));
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("1y"), Ok(Duration::from_secs(365 * 86_400)));
        for wrong in ["", "d", "30", "30x", "-1d", "0d", "1.5h", "99999999999y", "3ß"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
