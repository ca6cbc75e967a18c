//! `bonafide keys`.

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use clap::Subcommand;
use clap::builder::NonEmptyStringValueParser;

use super::print;
use super::store::StoreOption;
use crate::directory::api_key::{ApiKey, Bounds, MAX_OVERLAP, NewKey, Scope};
use crate::directory::event::{Context, Event, Method, Origin};
use crate::directory::network::{MalformedNetwork, Network};
use crate::directory::rate::{MalformedLimit, RateLimit};
use crate::error::Error;
use crate::id::{SystemRandom, TenantId};
use crate::secret::{KeyId, PlainKey};
use crate::store::{KeepError, KeyChange, KeyKept, Store};
use crate::time::{Clock, Timestamp};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Create a key and print it; this is the only time it is shown
    Create {
        /// What the key is for, as it will stand beside everything that is done with it
        #[arg(long, env = "BONAFIDE_KEY_NAME", value_parser = NonEmptyStringValueParser::new())]
        name: String,
        /// What it may do, with commas between: users:read, users:write, emails:verify, events:read,
        /// passwords:write, proofs:read, groups:read, groups:write, logs:read, keys:write, admin
        #[arg(long, env = "BONAFIDE_KEY_SCOPES", value_name = "LIST", value_delimiter = ',', required = true, value_parser = scope)]
        scopes: Vec<Scope>,
        /// The tenant whose directory it opens
        #[arg(long, env = "BONAFIDE_TENANT", default_value = "default")]
        tenant: TenantId,
        /// For how long it works, like 12h, 30d or 1y; for ever if not given
        #[arg(long, env = "BONAFIDE_KEY_EXPIRES", value_name = "DURATION", value_parser = lifetime)]
        expires: Option<Duration>,
        /// How often it may be used, like 50/second or 600/minute, counted by each server; as often as one
        /// likes if not given
        #[arg(long, env = "BONAFIDE_KEY_RATE_LIMIT", value_name = "LIMIT")]
        rate_limit: Option<RateLimit>,
        /// From which networks it may be used, with commas between, like `10.0.0.0/8,2001:db8::/32`; from
        /// everywhere if not given
        #[arg(long, env = "BONAFIDE_KEY_ALLOW_FROM", value_name = "LIST", value_delimiter = ',')]
        allow_from: Vec<Network>,
        #[command(flatten)]
        store: StoreOption,
    },
    /// List the keys, never their secrets; dates are in UTC
    List {
        #[command(flatten)]
        store: StoreOption,
    },
    /// Say how often and from where a key may be used; a running server follows within a second
    #[command(group = clap::ArgGroup::new("bounds").required(true).multiple(true))]
    Limit {
        /// The key's id: the 12 characters between `bf_` and the next `_`
        #[arg(env = "BONAFIDE_KEY_ID")]
        id: KeyId,
        /// How often, like 50/second or 600/minute, or none; what is not given stays
        #[arg(long, value_name = "LIMIT", value_parser = limit_or_none, group = "bounds")]
        rate_limit: Option<LimitOrNone>,
        /// From which networks, with commas between, or anywhere; what is not given stays
        #[arg(long, value_name = "LIST", value_parser = networks_or_anywhere, group = "bounds")]
        allow_from: Option<Networks>,
        #[command(flatten)]
        store: StoreOption,
    },
    /// Give a key another secret and print the whole key; the secret before works on for a while
    Rotate {
        /// The key's id: the 12 characters between `bf_` and the next `_`
        #[arg(env = "BONAFIDE_KEY_ID")]
        id: KeyId,
        /// For how long the secret before works on, like 12h or 7d, at most 30d; 0s ends it within a second
        #[arg(long, env = "BONAFIDE_KEY_OVERLAP", value_name = "DURATION", default_value = "1d", value_parser = overlap)]
        overlap: Duration,
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
        Command::Create { name, scopes, tenant, expires, rate_limit, allow_from, store } => {
            let store = store.open_or_make(clock).await?;
            let expires_at = expires.map(|span| clock.now().after(span));
            let bounds = Bounds { rate_limit, networks: allow_from };
            let new = NewKey { name, scopes, expires_at, bounds };
            let created = create(&*store, &tenant, new, clock.now()).await;
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
        Command::Limit { id, rate_limit, allow_from, store } => {
            let store = store.open().await?;
            let limited = change(&*store, id, clock.now(), |key, ctx| {
                let mut bounds = key.bounds.clone();
                if let Some(LimitOrNone(limit)) = rate_limit {
                    bounds.rate_limit = limit;
                }
                if let Some(Networks(networks)) = allow_from {
                    bounds.networks = networks;
                }
                key.bound(bounds, ctx)
            });
            let limited = limited.await;
            store.close().await;
            limited?;
            print(&format!("{id} is changed\n"))
        }
        Command::Rotate { id, overlap, store } => {
            let store = store.open().await?;
            let plain = PlainKey::of(id, &SystemRandom);
            let rotated = change(&*store, id, clock.now(), |key, ctx| key.rotate(plain.hash(), overlap, ctx));
            let rotated = rotated.await;
            store.close().await;
            rotated?;
            print(&format!("{}\n", plain.reveal()))
        }
        Command::Revoke { id, store } => {
            let store = store.open().await?;
            let revoked = change(&*store, id, clock.now(), |key, ctx| Ok(key.revoke(ctx))).await;
            store.close().await;
            revoked?;
            print(&format!("{id} is revoked\n"))
        }
    }
}

/// Makes a key and keeps its hash.
async fn create(store: &dyn Store, tenant: &TenantId, new: NewKey, now: Timestamp) -> Result<PlainKey> {
    let (random, plain) = (SystemRandom, PlainKey::new(&SystemRandom));
    let origin = Origin::of_server(tenant.clone(), Method::CommandLine, &random);
    let ctx = Context { now, random: &random, origin: &origin };
    let new = new.check().map_err(|error| told(error.into()))?;
    let (key, event) = ApiKey::create(plain.id(), plain.hash(), new, &ctx);
    let change = KeyChange { kept: KeyKept::Create(key), events: vec![event], answer: None };
    let is_kept = store.keep_key(change).await.map_err(KeepError::unexpected);
    if !is_kept.context("the key was not created")? {
        bail!("there is no tenant `{tenant}`; `bonafide tenants create {tenant}` makes it");
    }
    Ok(plain)
}

/// Changes a key by a rule. A rule that names no events changes nothing.
async fn change(
    store: &dyn Store,
    id: KeyId,
    now: Timestamp,
    rule: impl FnOnce(&mut ApiKey, &Context) -> Result<Vec<Event>, Error>,
) -> Result<()> {
    let Some(mut key) = store.key(id).await? else {
        bail!("there is no key `{id}`; `bonafide keys list` shows those there are");
    };
    let origin = Origin::of_server(key.tenant.clone(), Method::CommandLine, &SystemRandom);
    let ctx = Context { now, random: &SystemRandom, origin: &origin };
    let events = rule(&mut key, &ctx).map_err(told)?;
    if events.is_empty() {
        return Ok(());
    }
    let change = KeyChange { kept: KeyKept::Replace(key), events, answer: None };
    if !store.keep_key(change).await.map_err(KeepError::unexpected)? {
        bail!("somebody else has changed the key `{id}` in the same moment, and nothing was done: try again");
    }
    Ok(())
}

/// What was refused, in the words for people.
fn told(error: Error) -> anyhow::Error {
    match error {
        Error::Invalid(fields) => {
            let messages: Vec<String> = fields.0.into_iter().map(|(_, message)| message).collect();
            anyhow!(messages.join(" "))
        }
        Error::Refused(refusals) => {
            let sentences: Vec<&str> = refusals.iter().map(|refusal| refusal.description()).collect();
            anyhow!(sentences.join(" "))
        }
        error => error.into(),
    }
}

/// What stands above the lines of keys.
const HEADER: &str = "ID\tTENANT\tSTATE\tSCOPES\tNAME\tCREATED\tEXPIRES\tLAST USED\tLIMIT\tFROM\n";

fn line(key: &ApiKey, now: Timestamp) -> String {
    let state = key.state(now);
    let scopes: Vec<&str> = key.scopes.iter().map(|scope| scope.as_str()).collect();
    let [expires, used] =
        [key.expires_at, key.last_used_at].map(|time| time.map_or("never".to_owned(), date));
    let limit = key.bounds.rate_limit.map_or("none".to_owned(), |limit| limit.to_string());
    let networks: Vec<String> = key.bounds.networks.iter().map(ToString::to_string).collect();
    let networks = if networks.is_empty() { "anywhere".to_owned() } else { networks.join(",") };
    format!(
        // A name is whatever its maker typed, line breaks among it.
        "{}\t{}\t{state}\t{}\t{:?}\t{}\t{expires}\t{used}\t{limit}\t{networks}\n",
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
    Scope::of_names([text]).map(|scopes| scopes[0])
}

/// How often a key may be used, where it was said.
#[derive(Clone)]
pub(super) struct LimitOrNone(Option<RateLimit>);

fn limit_or_none(text: &str) -> Result<LimitOrNone, MalformedLimit> {
    if text == "none" { Ok(LimitOrNone(None)) } else { text.parse().map(Some).map(LimitOrNone) }
}

/// From which networks a key may be used, where it was said.
#[derive(Clone)]
pub(super) struct Networks(Vec<Network>);

fn networks_or_anywhere(text: &str) -> Result<Networks, MalformedNetwork> {
    if text == "anywhere" {
        return Ok(Networks(Vec::new()));
    }
    text.split(',').map(str::parse).collect::<Result<_, _>>().map(Networks)
}

/// For how long a key works: some time.
fn lifetime(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("a key that expires at once is of no use".to_owned()),
        lifetime => Ok(lifetime),
    }
}

/// For how long the secret before works on.
fn overlap(text: &str) -> Result<Duration, String> {
    let overlap = duration(text)?;
    if overlap <= MAX_OVERLAP { Ok(overlap) } else { Err("it is 30d at most".to_owned()) }
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
        assert_eq!(lifetime("30d"), Ok(Duration::from_secs(30 * 86_400)));
        assert_eq!(lifetime("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(lifetime("1y"), Ok(Duration::from_secs(365 * 86_400)));
        for wrong in ["", "d", "30", "30x", "-1d", "0d", "1.5h", "99999999999y", "3ß"] {
            assert!(lifetime(wrong).is_err(), "{wrong}");
        }
        assert_eq!(overlap("0s"), Ok(Duration::ZERO));
        assert_eq!(overlap("30d"), Ok(MAX_OVERLAP));
        assert!(overlap("31d").is_err() && overlap("1").is_err());
    }
}
