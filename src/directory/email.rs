//! Email addresses: how they are read and compared, and the rules for a user's.
//! Semantics sections 3 and 4; RFC 5321 and 6531 for the syntax, UTS #46 for domains.

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::address::{self, Address, EventTypes};
use super::event::{Context, Event, EventType};
use super::password::Decision;
use super::proof::vouched_for;
use super::text::{fold, is_unseen, nfkc};
use super::unknown::{self, Unknown};
use super::user::{Provider, User};
use crate::error::{Error, Missing, Refusal};
use crate::id::IdentifierId;

/// RFC 5321, section 4.5.3.1.1.
const MAX_LOCAL_OCTETS: usize = 64;
/// RFC 5321, section 4.5.3.1.3: a path of 256 octets, less its angle brackets.
const MAX_OCTETS: usize = 254;

/// An email address as its owner types it, without the white space around it. Mail goes to this
/// form; addresses are compared by their [canonical](EmailAddress::canonical) form.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, format = "email", example = "user@example.com")]
pub struct EmailAddress(String);

/// Why a text is not an email address. It does not repeat the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidAddress(&'static str);

impl EmailAddress {
    /// Reads an address.
    ///
    /// # Errors
    /// A sentence for the client when the text is not an address, or has characters that cannot be
    /// seen.
    pub fn parse(text: &str) -> Result<Self, InvalidAddress> {
        let typed = text.trim();
        canonicalise(typed)?;
        Ok(Self(typed.to_owned()))
    }

    /// The address as typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form in which two addresses are the same one: the local part folded, the domain as its
    /// A-labels.
    pub fn canonical(&self) -> String {
        // An address that older tables of Unicode took and new ones refuse must still have a form.
        canonicalise(&self.0).map_or_else(|_| self.0.clone(), |(local, domain)| format!("{local}@{domain}"))
    }
}

impl EmailAddress {
    /// The name and the domain that mail is sent to: as typed, in the form in which the address was
    /// read, with the domain as its A-labels. None: newer tables of Unicode refuse the address.
    pub fn for_mail(&self) -> Option<(String, String)> {
        let (_, domain) = canonicalise(&self.0).ok()?;
        let address = nfkc(&self.0);
        let (local, _) = address.rsplit_once('@')?;
        Some((local.to_owned(), domain))
    }
}

impl std::fmt::Debug for EmailAddress {
    /// Addresses are personal: nothing that prints for debugging shows one.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EmailAddress(hidden)")
    }
}

/// The canonical local part and domain of an address.
fn canonicalise(typed: &str) -> Result<(String, String), InvalidAddress> {
    if typed.len() > MAX_OCTETS {
        return Err(InvalidAddress("An email address has at most 254 octets."));
    }
    if typed.chars().any(is_unseen) {
        return Err(InvalidAddress("An email address has no control or invisible characters."));
    }
    let address = nfkc(typed);
    let (local, domain) = address
        .rsplit_once('@')
        .ok_or(InvalidAddress("An email address has an @ between its name and its domain."))?;
    if local.contains('@') {
        return Err(InvalidAddress("An email address has one @ only."));
    }
    if local.len() > MAX_LOCAL_OCTETS {
        return Err(InvalidAddress("The part before the @ has at most 64 octets."));
    }
    let local = canonical_local(local)?;
    let domain = Uts46::new()
        .to_ascii(domain.as_bytes(), AsciiDenyList::STD3, Hyphens::Check, DnsLength::Verify)
        .map_err(|_| InvalidAddress("The part after the @ is not a domain name."))?;
    if domain.rsplit('.').next().is_none_or(|label| label.bytes().all(|byte| byte.is_ascii_digit())) {
        return Err(InvalidAddress("The part after the @ is a domain name, not a number."));
    }
    if local.len() + 1 + domain.len() > MAX_OCTETS {
        return Err(InvalidAddress("An email address has at most 254 octets."));
    }
    Ok((local, domain.into_owned()))
}

/// The local part as it is compared: folded, and without quotes that it does not need
/// (RFC 5321, section 4.1.2, says that they make no difference).
fn canonical_local(local: &str) -> Result<String, InvalidAddress> {
    const WRONG: InvalidAddress = InvalidAddress("The part before the @ is not a valid mailbox name.");
    let Some(inner) = local.strip_prefix('"') else {
        return if is_dot_string(local) { Ok(fold(local)) } else { Err(WRONG) };
    };
    let inner = inner.strip_suffix('"').ok_or(WRONG)?;
    let mut content = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some(escaped) if escaped.is_ascii() => content.push(escaped),
                _ => return Err(WRONG),
            },
            '"' => return Err(WRONG),
            other => content.push(other),
        }
    }
    let content = fold(&content);
    if is_dot_string(&content) {
        return Ok(content);
    }
    let mut quoted = String::from("\"");
    for character in content.chars() {
        if matches!(character, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push('"');
    Ok(quoted)
}

/// RFC 5321's `Dot-string`, with RFC 6531's wider `atext`.
fn is_dot_string(local: &str) -> bool {
    let is_atext = |character: char| {
        !character.is_ascii()
            || character.is_ascii_alphanumeric()
            || "!#$%&'*+-/=?^_`{|}~".contains(character)
    };
    local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atext))
}

/// One email of a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Email {
    /// The id of this email, for as long as the user has it.
    #[schema(value_type = uuid::Uuid)]
    pub id: IdentifierId,
    /// The address as its owner types it.
    pub email: EmailAddress,
    /// Whether this is the address the user is written to. Exactly one is, where there is any.
    pub primary: bool,
    /// Whether the address is known to be the user's.
    pub verified: bool,
    /// Who brought the address in; `monocloud` stands for this server.
    pub source: Option<Provider>,
    /// Who proved the address; `null` when it is not verified.
    pub verification_source: Option<Provider>,
    /// How the user can sign in with it: `password` when there is one, `email` when it is verified.
    #[serde(default, deserialize_with = "unknown::computed")]
    #[schema(required)]
    pub authenticators: Vec<&'static str>,
    /// `source` and `verification_source`, each once.
    #[serde(default, deserialize_with = "unknown::computed")]
    #[schema(required)]
    pub idps: Vec<Provider>,
    /// What a newer program keeps of the email.
    #[serde(flatten)]
    #[schema(ignore)]
    pub unknown: Unknown,
}

impl Email {
    /// The email `address` under a new id, as this server brings it in.
    fn new(address: EmailAddress, verified: bool, ctx: &Context) -> Self {
        Self {
            id: IdentifierId::new(ctx.random),
            email: address,
            primary: false,
            verified,
            source: Some(Provider::Monocloud),
            verification_source: verified.then_some(Provider::Monocloud),
            authenticators: Vec::new(),
            idps: Vec::new(),
            unknown: Unknown::default(),
        }
    }
}

impl Address for Email {
    const EVENTS: EventTypes = EventTypes {
        added: EventType::EmailAdded,
        removed: EventType::EmailRemoved,
        primary_set: EventType::EmailPrimarySet,
        verified: EventType::EmailVerified,
        unverified: EventType::EmailUnverified,
    };
    const MISSING: Missing = Missing::Email;
    const DUPLICATE: Refusal = Refusal::DuplicateEmail;
    const FIELD: &str = "email";
    const TOO_MANY: &str = "A user has 100 emails at most: remove one first.";

    fn id(&self) -> IdentifierId {
        self.id
    }

    fn text(&self) -> &str {
        self.email.as_str()
    }

    fn canonical(&self) -> String {
        self.email.canonical()
    }

    fn is_primary(&self) -> bool {
        self.primary
    }

    fn set_primary(&mut self, primary: bool) {
        self.primary = primary;
    }

    fn is_verified(&self) -> bool {
        self.verified
    }

    fn set_proved_by(&mut self, provider: Option<Provider>) {
        self.verified = provider.is_some();
        self.verification_source = provider;
    }
}

impl User {
    /// Gives the user another address. The first one becomes primary.
    ///
    /// # Errors
    /// [`Refusal::DuplicateEmail`] when the user has the address in any spelling, [`Error::Invalid`] when they
    /// have as many as a user can. That nobody else has it verified is for the store to say, which alone sees
    /// all users.
    pub fn add_email(
        &mut self,
        address: EmailAddress,
        verified: bool,
        ctx: &Context,
    ) -> Result<Decision, Error> {
        let is_first = !self.has_verified_address();
        let events = address::add(&mut self.emails, Email::new(address, verified, ctx), self.user_id, ctx)?;
        Ok(if verified { vouched_for(events, is_first) } else { events.into() })
    }

    /// Takes an address from the user. If it was the primary one, the oldest verified address
    /// becomes primary, else the oldest.
    ///
    /// # Errors
    /// [`Missing::Email`].
    pub fn remove_email(&mut self, id: IdentifierId, ctx: &Context) -> Result<Vec<Event>, Error> {
        address::remove(&mut self.emails, id, self.user_id, ctx)
    }

    /// Makes an address the primary one, verified or not. No events: it was already.
    ///
    /// # Errors
    /// [`Missing::Email`].
    pub fn set_primary_email(&mut self, id: IdentifierId, ctx: &Context) -> Result<Vec<Event>, Error> {
        address::set_primary(&mut self.emails, id, self.user_id, ctx)
    }

    /// Marks an address as known to be the user's. No events: it was already, and who proved it
    /// stays. Where no address was known to be the user's, proofs of the others that are under way end.
    ///
    /// # Errors
    /// [`Missing::Email`]. That nobody else has it verified is for the store to say.
    pub fn verify_email(&mut self, id: IdentifierId, ctx: &Context) -> Result<Decision, Error> {
        let is_first = !self.has_verified_address();
        Ok(vouched_for(address::verify(&mut self.emails, id, self.user_id, ctx)?, is_first))
    }

    /// Marks an address as not known to be the user's. It stays primary if it is. No events: it
    /// was unverified already.
    ///
    /// # Errors
    /// [`Missing::Email`].
    pub fn unverify_email(&mut self, id: IdentifierId, ctx: &Context) -> Result<Vec<Event>, Error> {
        address::unverify(&mut self.emails, id, self.user_id, ctx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> Result<String, InvalidAddress> {
        EmailAddress::parse(text).map(|address| address.canonical())
    }

    #[test]
    fn an_address_is_kept_as_typed_and_compared_by_its_canonical_form() {
        let address = EmailAddress::parse("  Alice.Smith+news@EXAMPLE.com \n").unwrap();
        assert_eq!(address.as_str(), "Alice.Smith+news@EXAMPLE.com");
        assert_eq!(address.canonical(), "alice.smith+news@example.com");
    }

    #[test]
    fn addresses_that_differ_by_case_or_form_are_the_same() {
        for (one, other) in [
            ("USER@Example.COM", "user@example.com"),
            ("straße@example.com", "STRASSE@example.com"),
            ("user@bücher.example", "user@xn--bcher-kva.example"),
            ("user@BÜCHER.example", "user@bücher.example"),
            ("ｕｓｅｒ＠example。com", "user@example.com"),
            ("e\u{301}ve@example.com", "Éve@example.com"),
            ("\"john.doe\"@example.com", "john.doe@example.com"),
            ("\"john\\ doe\"@example.com", "\"john doe\"@example.com"),
        ] {
            assert_eq!(canonical(one).unwrap(), canonical(other).unwrap(), "{one} {other}");
        }
    }

    #[test]
    fn addresses_that_only_look_alike_are_different() {
        for (one, other) in [
            ("user@faß.example", "user@fass.example"),
            ("pаypal@example.com", "paypal@example.com"),
            ("user.name@example.com", "username@example.com"),
            ("user+tag@example.com", "user@example.com"),
            ("é@example.com", "e@example.com"),
        ] {
            assert_ne!(canonical(one).unwrap(), canonical(other).unwrap(), "{one} {other}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for wrong in [
            "",
            " ",
            "@",
            "user",
            "user@",
            "@example.com",
            "a@b@example.com",
            "\"a@b\"@example.com",
            ".user@example.com",
            "user.@example.com",
            "us..er@example.com",
            "us er@example.com",
            "user@exa mple.com",
            "user@-example.com",
            "user@example-.com",
            "user@ab--cd.com",
            "user@exam_ple.com",
            "user@example..com",
            "user@.example.com",
            "user@example.com.",
            "user@[127.0.0.1]",
            "user@127.0.0.1",
            "user(comment)@example.com",
            "<user@example.com>",
            "\"unclosed@example.com",
            "\"a\"b\"@example.com",
            "user@xn--a.example",
            "a＠b@example.com",
        ] {
            assert!(EmailAddress::parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn characters_that_cannot_be_seen_are_refused() {
        for wrong in [
            "us\0er@example.com",
            "us\ner@example.com",
            "us\u{200b}er@example.com",
            "us\u{202e}er@example.com",
            "us\u{feff}er@example.com",
            "user@exa\u{200d}mple.com",
            "us\u{ad}er@example.com",
            "us\u{a0}er@example.com",
            "\"us\ter\"@example.com",
            "us\u{3164}er@example.com",
        ] {
            assert!(EmailAddress::parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn mail_goes_to_the_name_as_typed_at_the_domain_as_the_net_knows_it() {
        for (typed, local, domain) in [
            ("Ada.Lovelace+news@Example.COM", "Ada.Lovelace+news", "example.com"),
            ("straße@bücher.example", "straße", "xn--bcher-kva.example"),
            ("ｕｓｅｒ＠example。com", "user", "example.com"),
            ("\"john doe\"@example.com", "\"john doe\"", "example.com"),
        ] {
            let address = EmailAddress::parse(typed).unwrap();
            assert_eq!(address.for_mail().unwrap(), (local.to_owned(), domain.to_owned()), "{typed}");
        }
    }

    #[test]
    fn lengths_are_counted_in_octets_of_both_forms() {
        let domain = |length: usize| {
            let mut domain = format!("{}.", "d".repeat(60)).repeat(length / 61);
            domain.push_str(&"e".repeat(length - domain.len()));
            domain
        };
        assert!(EmailAddress::parse(&format!("{}@{}", "a".repeat(64), domain(189))).is_ok());
        assert!(EmailAddress::parse(&format!("{}@{}", "a".repeat(64), domain(190))).is_err());
        assert!(EmailAddress::parse(&format!("{}@example.com", "a".repeat(65))).is_err());
        assert!(EmailAddress::parse(&format!("{}@example.com", "é".repeat(33))).is_err());
        // Short as typed, too long as A-labels.
        let labels = |count: usize| vec!["ü"; count].join(".");
        assert!(EmailAddress::parse(&format!("a@{}", labels(20))).is_ok());
        assert!(labels(40).len() < 150);
        assert!(EmailAddress::parse(&format!("a@{}", labels(40))).is_err());
    }

    #[test]
    fn no_debug_print_shows_an_address() {
        let address = EmailAddress::parse("alice@example.com").unwrap();
        assert!(!format!("{address:?}").contains("alice"));
    }
}
