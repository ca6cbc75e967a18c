//! What proves that somebody has signed in: texts that are sealed with the server's secret, so that every
//! server of a store knows them again and none has to keep them.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use sha2::Sha512;
use url::Host;

use crate::directory::api_key::{NewKey, Scope};
use crate::error::InvalidFields;
use crate::id::{Random, TenantId};
use crate::secret::{KeyId, PlainKey, ServerSecret, TokenId};
use crate::time::Timestamp;

/// For how long a session goes on while nothing is done.
const IDLE: Duration = Duration::from_secs(60 * 60);
/// For how long it goes on at most.
const LONGEST: Duration = Duration::from_secs(8 * 60 * 60);
/// After how many seconds of use a session is told to the browser anew.
const RENEWED_AFTER: i64 = 5 * 60;
/// For how long a link to sign in works.
const LINK_LIFETIME: Duration = Duration::from_secs(10 * 60);

/// The name of the cookie.
const COOKIE: &str = "bonafide_console";

/// Seals texts, and knows those that it has sealed.
pub(super) struct Seals(Hmac<Sha512>);

impl Seals {
    pub(super) fn of(secret: &ServerSecret) -> Self {
        Self(secret.for_console())
    }

    fn seal(&self, purpose: &str, text: &str) -> String {
        let mac = self.mac(purpose, text).finalize().into_bytes();
        format!("{text}.{}", BASE64_URL_SAFE_NO_PAD.encode(mac))
    }

    fn open<'a>(&self, purpose: &str, sealed: &'a str) -> Option<&'a str> {
        let (text, mac) = sealed.rsplit_once('.')?;
        let mac = BASE64_URL_SAFE_NO_PAD.decode(mac).ok()?;
        self.mac(purpose, text).verify_slice(&mac).is_ok().then_some(text)
    }

    fn mac(&self, purpose: &str, text: &str) -> Hmac<Sha512> {
        self.0.clone().chain_update(purpose).chain_update([0]).chain_update(text)
    }

    /// The field of all forms of a session: who cannot read its pages does not know it.
    pub(super) fn form(&self, session: &Session) -> String {
        let mac = self.mac("form", session.nonce.as_str()).finalize().into_bytes();
        BASE64_URL_SAFE_NO_PAD.encode(&mac[..32])
    }
}

/// That whoever has the cookie has shown the secret of a key.
#[derive(Clone)]
pub(super) struct Session {
    /// The key.
    pub(super) key: KeyId,
    /// Since when.
    pub(super) since: Timestamp,
    /// Until when, if nothing is done.
    until: Timestamp,
    /// What tells it from all others.
    nonce: TokenId,
}

impl Session {
    /// A new one.
    pub(super) fn begin(key: KeyId, now: Timestamp, random: &dyn Random) -> Self {
        Self { key, since: now, until: now.after(IDLE), nonce: TokenId::new(random) }
    }

    /// The session of a request's header `Cookie`, if it is one of ours and not over.
    pub(super) fn of_cookies(cookies: &str, seals: &Seals, now: Timestamp) -> Option<Self> {
        let value = cookies.split(';').find_map(|cookie| {
            let (name, value) = cookie.trim().split_once('=')?;
            (name == COOKIE).then_some(value)
        })?;
        let mut parts = seals.open("session", value)?.split('.');
        let session = Self {
            key: parts.next()?.parse().ok()?,
            since: Timestamp(parts.next()?.parse().ok()?),
            until: Timestamp(parts.next()?.parse().ok()?),
            nonce: parts.next()?.parse().ok()?,
        };
        (now < session.until && now < session.since.after(LONGEST)).then_some(session)
    }

    /// The same for another while, if enough time has gone by to tell the browser.
    pub(super) fn renewed(&self, now: Timestamp) -> Option<Self> {
        let until = Timestamp(now.after(IDLE).0.min(self.since.after(LONGEST).0));
        (until.0 - self.until.0 >= RENEWED_AFTER).then_some(Self { until, ..self.clone() })
    }

    /// The value of the header `Set-Cookie`.
    pub(super) fn cookie(&self, seals: &Seals, root: &str, transport: Transport) -> String {
        let text = format!("{}.{}.{}.{}", self.key, self.since, self.until, self.nonce.as_str());
        format!("{COOKIE}={}; {}", seals.seal("session", &text), attributes(root, transport))
    }

    /// The value by which a browser forgets the cookie.
    pub(super) fn end(root: &str, transport: Transport) -> String {
        format!("{COOKIE}=; Max-Age=0; {}", attributes(root, transport))
    }
}

fn attributes(root: &str, transport: Transport) -> String {
    let secure = if transport == Transport::Secure { "; Secure" } else { "" };
    format!("Path={root}; HttpOnly; SameSite=Strict{secure}")
}

/// How browsers reach the server, by its public URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// By https.
    Secure,
    /// By http that does not leave the machine.
    Loopback,
    /// By http across a network: nobody may sign in, because others could read along.
    Open,
}

impl Transport {
    pub(crate) fn of(public_url: &str) -> Self {
        let Ok(url) = url::Url::parse(public_url) else { return Self::Open };
        let is_here = match url.host() {
            Some(Host::Ipv4(address)) => address.is_loopback() || address.is_unspecified(),
            Some(Host::Ipv6(address)) => address.is_loopback() || address.is_unspecified(),
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            None => false,
        };
        match url.scheme() {
            "https" => Self::Secure,
            _ if is_here => Self::Loopback,
            _ => Self::Open,
        }
    }
}

/// What a link is good for by which somebody signs in once, whom the machine's operator trusts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SignInLink {
    /// The id of the key that the sign-in makes: the second use of a link finds it taken.
    pub(crate) id: KeyId,
    /// The tenant.
    pub(crate) tenant: TenantId,
    /// Who is to sign in, as it will stand beside everything that is done.
    pub(crate) name: String,
    /// Until when the link works.
    until: Timestamp,
}

impl SignInLink {
    /// A new one.
    ///
    /// # Errors
    /// [`InvalidFields`] for a name that no key can have.
    pub(crate) fn new(
        tenant: TenantId,
        name: &str,
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<Self, InvalidFields> {
        let id = PlainKey::new(random).id();
        let link = Self { id, tenant, name: name.to_owned(), until: now.after(LINK_LIFETIME) };
        link.new_key(now).check()?;
        Ok(link)
    }

    /// The key that the sign-in makes at this moment.
    pub(super) fn new_key(&self, now: Timestamp) -> NewKey {
        let expires_at = Some(now.after(LONGEST));
        NewKey { name: self.name.clone(), scopes: vec![Scope::Admin], expires_at, ..NewKey::default() }
    }

    /// The URL for the browser; it is a secret.
    pub(crate) fn url(&self, secret: &ServerSecret, public_url: &str) -> String {
        let name = BASE64_URL_SAFE_NO_PAD.encode(&self.name);
        let text = format!("{}.{}.{}.{name}", self.id, self.tenant, self.until);
        let sealed = Seals::of(secret).seal("link", &text);
        format!("{}{}/sign-in/{sealed}", public_url.trim_end_matches('/'), super::PATH)
    }

    /// The link of a URL's last part, if it is one of ours and not too old.
    pub(super) fn open(sealed: &str, seals: &Seals, now: Timestamp) -> Option<Self> {
        let mut parts = seals.open("link", sealed)?.split('.');
        let link = Self {
            id: parts.next()?.parse().ok()?,
            tenant: parts.next()?.parse().ok()?,
            until: Timestamp(parts.next()?.parse().ok()?),
            name: String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(parts.next()?).ok()?).ok()?,
        };
        (now < link.until).then_some(link)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::SeededRandom;

    const NOW: Timestamp = Timestamp(1_640_975_400);

    fn seals(seed: u64) -> Seals {
        Seals::of(&ServerSecret::new(&SeededRandom::new(seed)))
    }

    fn session() -> Session {
        let random = SeededRandom::new(3);
        Session::begin(PlainKey::new(&random).id(), NOW, &random)
    }

    fn cookie(session: &Session) -> String {
        let set = session.cookie(&seals(1), "/console", Transport::Secure);
        set.split(';').next().unwrap().to_owned()
    }

    #[test]
    fn a_session_is_known_by_its_servers_for_an_hour_of_nothing() {
        let session = session();
        let cookies = format!("other=1; {}", cookie(&session));
        let at = |seconds| Session::of_cookies(&cookies, &seals(1), Timestamp(NOW.0 + seconds));
        assert_eq!(at(3599).map(|found| found.key), Some(session.key));
        assert!(at(3600).is_none());
        assert!(Session::of_cookies(&cookies, &seals(2), NOW).is_none());
        for wrong in ["", "bonafide_console", "bonafide_console=", &cookies.replace('a', "b")] {
            assert!(Session::of_cookies(wrong, &seals(1), NOW).is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_session_that_is_used_goes_on_for_eight_hours_and_no_longer() {
        let mut session = session();
        assert!(session.renewed(Timestamp(NOW.0 + 299)).is_none());
        for minute in (5..8 * 60).step_by(5) {
            let now = Timestamp(NOW.0 + minute * 60);
            session = session.renewed(now).unwrap_or(session);
            assert!(Session::of_cookies(&cookie(&session), &seals(1), now).is_some(), "{minute}");
        }
        let end = Timestamp(NOW.0 + 8 * 3600);
        assert!(Session::of_cookies(&cookie(&session), &seals(1), end).is_none());
        assert!(session.renewed(end).is_none());
    }

    #[test]
    fn the_cookie_is_kept_from_scripts_other_sites_and_open_networks() {
        let set = session().cookie(&seals(1), "/console", Transport::Secure);
        assert!(set.ends_with("; Path=/console; HttpOnly; SameSite=Strict; Secure"), "{set}");
        for (url, transport) in [
            ("https://users.example.com", Transport::Secure),
            ("http://127.0.0.1:8080", Transport::Loopback),
            ("http://[::1]:8080", Transport::Loopback),
            ("http://localhost", Transport::Loopback),
            ("http://0.0.0.0:8080", Transport::Loopback),
            ("http://users.example.com", Transport::Open),
            ("http://192.0.2.1", Transport::Open),
        ] {
            assert_eq!(Transport::of(url), transport, "{url}");
        }
    }

    #[test]
    fn a_form_is_of_one_session() {
        let (one, other) = (session(), Session { nonce: TokenId::new(&SeededRandom::new(9)), ..session() });
        assert_ne!(seals(1).form(&one), seals(1).form(&other));
        assert_ne!(seals(1).form(&one), seals(2).form(&one));
        let renewed = one.renewed(Timestamp(NOW.0 + 600)).unwrap();
        assert_eq!(seals(1).form(&one), seals(1).form(&renewed));
    }

    #[test]
    fn a_link_is_known_for_ten_minutes_and_is_no_session() {
        let secret = ServerSecret::new(&SeededRandom::new(1));
        let link = SignInLink::new(TenantId::default_tenant(), "Ada Ö.", NOW, &SeededRandom::new(5)).unwrap();
        let url = link.url(&secret, "https://users.example.com/");
        let sealed = url.strip_prefix("https://users.example.com/console/sign-in/").unwrap();
        assert_eq!(SignInLink::open(sealed, &seals(1), Timestamp(NOW.0 + 599)), Some(link));
        assert_eq!(SignInLink::open(sealed, &seals(1), Timestamp(NOW.0 + 600)), None);
        assert_eq!(SignInLink::open(sealed, &seals(2), NOW), None);
        assert_eq!(SignInLink::open(&sealed[1..], &seals(1), NOW), None);
        let cookies = format!("bonafide_console={sealed}");
        assert!(Session::of_cookies(&cookies, &seals(1), NOW).is_none());
    }
}
