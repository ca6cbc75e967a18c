//! What a user is found by: from a user to the rows of `index_terms` and `identifiers`, and what
//! changes in them when the user does.

use std::borrow::Cow;
use std::fmt;

use serde_json::Value;

use super::{Identifier, IdentifierChange, IdentifierKind};
use crate::directory::email::EmailAddress;
use crate::directory::phone::PhoneNumber;
use crate::directory::text::fold;
use crate::directory::user::User;
use crate::directory::username::UserName;
use crate::id::IdentifierId;

/// Longer values are not searchable, in characters.
const MAX_VALUE_LENGTH: usize = 256;
/// Values below this many objects are not searchable.
const MAX_DEPTH: usize = 8;

/// Behind a path, the field of the numbers that are found there: they are compared as numbers and
/// never with texts.
pub const NUMBERS: &str = "#";
/// The field of what a bare word finds: whole names and addresses, and the words of each.
pub const WORDS: &str = "*";
/// The claims that a bare word is looked for in.
const NAMES: [&str; 5] = ["name", "given_name", "middle_name", "family_name", "nickname"];

/// One searchable value of a user: the dotted path of a field, and the value folded as searches
/// fold theirs. `true` is a term and `false` is none; ids and times are found by columns.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Term {
    /// The dotted path.
    pub field: Cow<'static, str>,
    /// The folded value.
    pub value: String,
}

impl fmt::Debug for Term {
    /// Values are personal: only the field is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Term({})", self.field)
    }
}

/// All terms of a user, sorted, each once.
pub fn terms(user: &User) -> Vec<Term> {
    let mut terms = Vec::with_capacity(16);
    let mut add = |field: &'static str, value: String| push(&mut terms, field.into(), value);
    for email in &user.emails {
        let canonical = email.email.canonical();
        let typed = fold(email.email.as_str());
        if let Some((_, domain)) = canonical.rsplit_once('@') {
            add("emails.domain", domain.to_owned());
        }
        if typed != canonical {
            add("emails.email", typed);
        }
        add("emails.email", canonical);
        if email.verified {
            add("emails.verified", "true".to_owned());
        }
    }
    for phone in &user.phone_numbers {
        add("phone_numbers.phone", phone.phone.as_str().to_owned());
        if phone.verified {
            add("phone_numbers.verified", "true".to_owned());
        }
    }
    if let Some(username) = &user.username {
        add("username.username", username.username.canonical());
    }
    for (flag, field) in [
        (user.disabled, "disabled"),
        (user.has_password, "has_password"),
        (user.force_password_reset, "force_password_reset"),
    ] {
        if flag {
            add(field, "true".to_owned());
        }
    }
    for (root, object) in
        [("claims", &user.claims), ("public_data", &user.public_data), ("private_data", &user.private_data)]
    {
        for (key, value) in object {
            push_values(&mut terms, &format!("{root}.{key}"), value, 1);
        }
    }
    push_words(&mut terms, user);
    terms.sort_unstable();
    terms.dedup();
    terms
}

/// Adds what a bare word finds the user by.
fn push_words(terms: &mut Vec<Term>, user: &User) {
    let names = NAMES.iter().filter_map(|name| user.claims.get(*name)?.as_str());
    let addresses = user.emails.iter().map(|email| email.email.as_str());
    let username = user.username.iter().map(|username| username.username.as_str());
    for text in names.chain(addresses).chain(username) {
        let whole = fold(text);
        for word in whole.split(|character: char| !character.is_alphanumeric()) {
            if !word.is_empty() && word.len() < whole.len() {
                push(terms, WORDS.into(), word.to_owned());
            }
        }
        push(terms, WORDS.into(), whole);
    }
    for phone in &user.phone_numbers {
        push(terms, WORDS.into(), phone.phone.as_str().to_owned());
    }
}

/// A number as a text that sorts as the numbers do: the bits of the float, with the sign turned so
/// that negative ones come first.
pub fn number_value(number: f64) -> String {
    // Zero has two signs and is one number.
    let bits = (number + 0.0).to_bits();
    let ordered = if bits >> 63 == 1 { !bits } else { bits | 1 << 63 };
    format!("{ordered:016x}")
}

/// Adds the terms of a value of claims or data, and of all within it.
fn push_values(terms: &mut Vec<Term>, path: &str, value: &Value, depth: usize) {
    match value {
        Value::Bool(true) => push(terms, path.to_owned().into(), "true".to_owned()),
        Value::Number(number) => {
            if let Some(number) = number.as_f64() {
                push(terms, format!("{path}{NUMBERS}").into(), number_value(number));
            }
        }
        Value::String(text) => push(terms, path.to_owned().into(), fold(text)),
        Value::Array(items) => {
            for item in items {
                push_values(terms, path, item, depth);
            }
        }
        Value::Object(object) if depth < MAX_DEPTH => {
            for (key, value) in object {
                push_values(terms, &format!("{path}.{key}"), value, depth + 1);
            }
        }
        Value::Null | Value::Bool(false) | Value::Object(_) => {}
    }
}

fn push(terms: &mut Vec<Term>, field: Cow<'static, str>, value: String) {
    if value.chars().count() <= MAX_VALUE_LENGTH {
        terms.push(Term { field, value });
    }
}

/// The terms that are in `before` only, and those that are in `after` only; both are sorted.
pub fn difference(before: &[Term], after: &[Term]) -> (Vec<Term>, Vec<Term>) {
    let only = |these: &[Term], those: &[Term]| {
        these.iter().filter(|term| those.binary_search(term).is_err()).cloned().collect()
    };
    (only(before, after), only(after, before))
}

/// What a user is known by, as it is in the document.
#[derive(Clone, PartialEq, Eq)]
enum Name {
    Email(EmailAddress),
    Phone(PhoneNumber),
    Username(UserName),
}

/// An identifier of a user. Its canonical form takes work to find, and is made when it is needed.
struct Known {
    id: IdentifierId,
    name: Name,
    owned: bool,
}

impl Known {
    fn identifier(self) -> Identifier {
        let (kind, canonical) = match self.name {
            Name::Email(address) => (IdentifierKind::Email, address.canonical()),
            Name::Phone(number) => (IdentifierKind::Phone, number.as_str().to_owned()),
            Name::Username(name) => (IdentifierKind::Username, name.canonical()),
        };
        Identifier { id: self.id, kind, canonical, owned: self.owned }
    }
}

/// The identifiers of a user at one moment, to compare those of another with.
pub struct Identifiers(Vec<Known>);

impl Identifiers {
    /// Those that a user has now.
    pub fn of(user: &User) -> Self {
        let emails = user.emails.iter().map(|email| Known {
            id: email.id,
            name: Name::Email(email.email.clone()),
            owned: email.verified,
        });
        let phones = user.phone_numbers.iter().map(|phone| Known {
            id: phone.id,
            name: Name::Phone(phone.phone.clone()),
            owned: phone.verified,
        });
        let username = user.username.iter().map(|username| Known {
            id: username.id,
            name: Name::Username(username.username.clone()),
            owned: true,
        });
        Self(emails.chain(phones).chain(username).collect())
    }

    /// Those of a user who is not there yet, or no longer.
    pub fn none() -> Self {
        Self(Vec::new())
    }

    /// What has changed when `after` is what became of these. Removals come first, so that what was
    /// given up can be taken again.
    pub fn changes(self, after: Self) -> Vec<IdentifierChange> {
        let mut gone = self.0;
        let mut changes = Vec::new();
        for now in after.0 {
            let same = gone.iter().position(|then| then.id == now.id && then.name == now.name);
            match same.map(|position| gone.swap_remove(position).owned) {
                Some(owned) if owned == now.owned => {}
                Some(_) if now.owned => changes.push(IdentifierChange::Own(now.identifier())),
                Some(_) => changes.push(IdentifierChange::Disown(now.identifier())),
                None => changes.push(IdentifierChange::Add(now.identifier())),
            }
        }
        let removals = gone.into_iter().map(|then| IdentifierChange::Remove(then.identifier()));
        removals.chain(changes).collect()
    }
}
