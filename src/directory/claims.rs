//! Claims: what is said of a user beyond their identifiers, by OpenID Connect's names (semantics
//! section 6).

use icu_locale_core::Locale;
use jiff::civil::Date;
use jiff::tz::TimeZoneDatabase;
use serde_json::{Map, Value};

use super::data;
use super::event::{Context, Event, EventType};
use super::user::User;
use crate::error::InvalidFields;

/// What a claim must be.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Url,
    Date,
    Zone,
    Locale,
    Address,
}

/// Every claim there is. Others are left alone.
const CLAIMS: &[(&str, Kind)] = &[
    ("name", Kind::Text),
    ("given_name", Kind::Text),
    ("middle_name", Kind::Text),
    ("family_name", Kind::Text),
    ("nickname", Kind::Text),
    ("picture", Kind::Url),
    ("preferred_username", Kind::Text),
    ("profile", Kind::Url),
    ("birthdate", Kind::Date),
    ("website", Kind::Url),
    ("gender", Kind::Text),
    ("zoneinfo", Kind::Zone),
    ("locale", Kind::Locale),
    ("address", Kind::Address),
];

/// The parts of the claim `address`, all of them texts.
pub const ADDRESS_PARTS: [&str; 6] =
    ["formatted", "street_address", "locality", "region", "postal_code", "country"];

/// The names of all claims.
pub fn names() -> impl Iterator<Item = &'static str> {
    CLAIMS.iter().map(|(name, _)| *name)
}

/// What is said of claims one of which is none: it would be lost without a word. Nothing, where all are.
pub(super) fn unknown(given: &Map<String, Value>) -> Option<String> {
    let unknown = given.keys().find(|name| !names().any(|known| known == *name))?;
    Some(format!("There is no claim {unknown:?}."))
}

/// What is said of a claim, or a part of the address, that should be a text.
const NO_TEXT: &str = "This is not of the right type: expected a string.";

/// Whether claims must be what their names say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checks {
    /// They must.
    Made,
    /// They need only be texts, and the address an object of texts.
    Skipped,
}

/// Applies changes to claims: a claim that is not named stays, `null` removes it, any other value
/// takes the place of the old one whole. Names that are no claims are passed over. Whether anything
/// is different then.
///
/// # Errors
/// [`InvalidFields`] with every claim, or part of the address, that is not what it must be, or on `claims` when they would be
/// larger than [`data::MAX_BYTES`].
pub fn patch(
    claims: &mut Map<String, Value>,
    mut wanted: Map<String, Value>,
    checks: Checks,
) -> Result<bool, InvalidFields> {
    let mut invalid = Vec::new();
    let mut known = Map::new();
    for (name, kind) in CLAIMS {
        let Some(mut value) = wanted.remove(*name) else { continue };
        if let (Value::Object(parts), Kind::Address) = (&mut value, kind) {
            parts.retain(|part, value| ADDRESS_PARTS.contains(&part.as_str()) && !value.is_null());
            let wrong = parts.iter().filter(|(_, value)| !value.is_string());
            invalid.extend(wrong.map(|(part, _)| (format!("{name}.{part}"), NO_TEXT.to_owned())));
        } else if let Err(message) = check(&value, *kind, checks) {
            invalid.push(((*name).to_owned(), message.to_owned()));
        }
        known.insert((*name).to_owned(), value);
    }
    if invalid.is_empty() { data::patch(claims, &known, "claims") } else { Err(InvalidFields(invalid)) }
}

/// Checks a claim's value that is no object of the parts of an address.
fn check(value: &Value, kind: Kind, checks: Checks) -> Result<(), &'static str> {
    let text = match value {
        Value::Null => return Ok(()),
        _ if matches!(kind, Kind::Address) => {
            return Err("This is not of the right type: expected an object.");
        }
        Value::String(text) => text.as_str(),
        _ => return Err(NO_TEXT),
    };
    if checks == Checks::Skipped {
        return Ok(());
    }
    let (is_right, message) = match kind {
        Kind::Text | Kind::Address => (true, ""),
        Kind::Url => (is_web_url(text), "This is not an http or https URL."),
        Kind::Date => (is_date(text), "This is not a date of the form YYYY-MM-DD."),
        Kind::Zone => (is_zone(text), "This is not the name of a time zone, like Europe/London."),
        Kind::Locale => (Locale::try_from_str(text).is_ok(), "This is not a language tag, like en-GB."),
    };
    if is_right { Ok(()) } else { Err(message) }
}

fn is_web_url(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

fn is_date(text: &str) -> bool {
    // The form first: the parser reads others too.
    let form = text.len() == 10
        && text.bytes().enumerate().all(|(place, byte)| match place {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    form && text.parse::<Date>().is_ok()
}

fn is_zone(text: &str) -> bool {
    TimeZoneDatabase::bundled().get(text).is_ok_and(|zone| zone.iana_name() == Some(text))
}

impl User {
    /// Changes the user's claims. No events: they were so already.
    ///
    /// # Errors
    /// [`InvalidFields`] as [`patch`] says.
    pub fn patch_claims(
        &mut self,
        wanted: Map<String, Value>,
        checks: Checks,
        ctx: &Context,
    ) -> Result<Vec<Event>, InvalidFields> {
        let changed = patch(&mut self.claims, wanted, checks)?;
        Ok(self.changed_if(changed, EventType::ClaimsChanged, ctx))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn patched(changes: Value) -> Result<Map<String, Value>, Vec<String>> {
        let mut claims = Map::new();
        let Value::Object(changes) = changes else { panic!("an object is needed") };
        match patch(&mut claims, changes, Checks::Made) {
            Ok(_) => Ok(claims),
            Err(InvalidFields(fields)) => Err(fields.into_iter().map(|(name, _)| name).collect()),
        }
    }

    #[test]
    fn claims_are_what_their_names_say() {
        for good in [
            json!({"picture": "https://example.com/a.png", "profile": "http://example.com", "website": "https://x.example/"}),
            json!({"birthdate": "2000-02-29", "zoneinfo": "Europe/London", "locale": "de-AT"}),
            json!({"zoneinfo": "UTC", "locale": "zh-Hant-TW", "gender": "", "name": "名前"}),
            json!({"address": {"country": "UK", "region": null, "planet": 3}}),
        ] {
            assert!(patched(good.clone()).is_ok(), "{good}");
        }
        for wrong in [
            json!({"picture": "example.com/a.png"}),
            json!({"picture": "javascript:alert(1)"}),
            json!({"picture": "https://"}),
            json!({"profile": "ftp://example.com"}),
            json!({"website": ""}),
            json!({"birthdate": "2001-02-29"}),
            json!({"birthdate": "1.2.2000"}),
            json!({"birthdate": "20000229"}),
            json!({"birthdate": "2000-2-9"}),
            json!({"zoneinfo": "Europe/Atlantis"}),
            json!({"zoneinfo": "europe/london"}),
            json!({"zoneinfo": "GMT+1"}),
            json!({"locale": "x_y_z"}),
            json!({"locale": ""}),
            json!({"locale": "english language"}),
            json!({"name": 5}),
            json!({"name": ["a"]}),
            json!({"address": "London"}),
        ] {
            let field = wrong.as_object().unwrap().keys().next().unwrap().clone();
            assert_eq!(patched(wrong.clone()), Err(vec![field]), "{wrong}");
        }
    }

    #[test]
    fn a_part_of_an_address_that_is_no_text_is_named() {
        let wrong = json!({"address": {"country": 44, "planet": 3, "region": ["x"], "locality": "London"}});
        assert_eq!(patched(wrong), Err(vec!["address.country".to_owned(), "address.region".to_owned()]));
    }

    #[test]
    fn an_address_keeps_the_parts_it_was_given_and_names_that_are_no_claims_are_passed_over() {
        let claims =
            patched(json!({"address": {"country": "UK", "region": null, "planet": 3}, "sub": "x"})).unwrap();
        assert_eq!(Value::Object(claims), json!({"address": {"country": "UK"}}));
    }

    #[test]
    fn without_checks_a_claim_need_only_be_a_text() {
        let mut claims = Map::new();
        let Value::Object(changes) = json!({"birthdate": "May 1970", "picture": "me.png"}) else {
            unreachable!()
        };
        assert_eq!(patch(&mut claims, changes, Checks::Skipped), Ok(true));
        let Value::Object(changes) = json!({"birthdate": 1970}) else { unreachable!() };
        assert!(patch(&mut claims, changes, Checks::Skipped).is_err());
    }
}
