//! What a user is found by: from a user to the rows of `index_terms` and `identifiers`, and what
//! changes in them when the user does.

use std::borrow::Cow;
use std::fmt;

use serde_json::Value;

use super::{
    Arrival, DocumentChange, Identifier, IdentifierChange, IdentifierKind, Row, SortNames, UserChange,
    Version,
};
use crate::directory::email::EmailAddress;
use crate::directory::event::Event;
use crate::directory::mail::MailChange;
use crate::directory::password::{Decision, SecretChange};
use crate::directory::phone::PhoneNumber;
use crate::directory::proof::ProofChange;
use crate::directory::text::fold;
use crate::directory::user::User;
use crate::directory::username::UserName;
use crate::id::{GroupId, IdentifierId, TenantId, UserId};

/// Longer values are not searchable, in characters.
const MAX_VALUE_LENGTH: usize = 256;
/// Values below a longer path are not searchable, in bytes: an entry of an index of PostgreSQL has an
/// end.
const MAX_FIELD_LENGTH: usize = 512;
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
/// fold theirs. `true` and `false` are terms, too; but of what is true or false of the user as a whole
/// `true` only, because the others are all the rest. Ids and times are found by columns.
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
    let mut terms = flags(user);
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
    }
    for phone in &user.phone_numbers {
        add("phone_numbers.phone", phone.phone.as_str().to_owned());
    }
    if let Some(username) = &user.username {
        add("username.username", username.username.canonical());
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

/// The terms of what is true of a user, and true or false of their addresses; sorted, each once.
fn flags(user: &User) -> Vec<Term> {
    let of_user = [
        ("disabled", user.disabled),
        ("force_password_reset", user.force_password_reset),
        ("has_password", user.has_password),
    ];
    let set = of_user.into_iter().filter(|(_, is_set)| *is_set);
    let emails = user.emails.iter().map(|email| ("emails.verified", email.verified));
    let phones = user.phone_numbers.iter().map(|phone| ("phone_numbers.verified", phone.verified));
    let flags = set.chain(emails).chain(phones);
    let mut terms: Vec<Term> =
        flags.map(|(field, flag)| Term { field: field.into(), value: flag.to_string() }).collect();
    terms.sort_unstable();
    terms.dedup();
    terms
}

/// Whether the texts of two users, all that terms are made from but flags, are the same.
fn have_same_texts(one: &User, other: &User) -> bool {
    one.emails.iter().map(|email| &email.email).eq(other.emails.iter().map(|email| &email.email))
        && one
            .phone_numbers
            .iter()
            .map(|phone| &phone.phone)
            .eq(other.phone_numbers.iter().map(|phone| &phone.phone))
        && one.username.as_ref().map(|held| &held.username)
            == other.username.as_ref().map(|held| &held.username)
        && one.claims == other.claims
        && one.public_data == other.public_data
        && one.private_data == other.private_data
}

/// Adds what a bare word finds the user by.
fn push_words(terms: &mut Vec<Term>, user: &User) {
    let names = NAMES.iter().filter_map(|name| user.claims.get(*name)?.as_str());
    let addresses = user.emails.iter().map(|email| email.email.as_str());
    let username = user.username.iter().map(|username| username.username.as_str());
    for text in names.chain(addresses).chain(username) {
        let whole = fold(text);
        for word in words(&whole) {
            if word.len() < whole.len() {
                push(terms, WORDS.into(), word.to_owned());
            }
        }
        push(terms, WORDS.into(), whole);
    }
    for phone in &user.phone_numbers {
        push(terms, WORDS.into(), phone.phone.as_str().to_owned());
    }
}

/// The words of a folded text: what is left of it without all that is neither letter nor digit.
pub fn words(folded: &str) -> impl Iterator<Item = &str> {
    folded.split(|character: char| !character.is_alphanumeric()).filter(|word| !word.is_empty())
}

/// A text as searches compare it; `None` if it is too long to be searchable.
pub fn searchable(text: &str) -> Option<String> {
    let folded = fold(text);
    (folded.chars().count() <= MAX_VALUE_LENGTH).then_some(folded)
}

/// The names that a user is sorted by.
pub fn sort_names(user: &User) -> SortNames {
    let name = |claim: &str| {
        let text = user.claims.get(claim).and_then(Value::as_str).unwrap_or_default();
        let folded = fold(text);
        match folded.char_indices().nth(MAX_VALUE_LENGTH) {
            Some((end, _)) => folded[..end].to_owned(),
            None => folded,
        }
    };
    SortNames {
        name: name("name"),
        given_name: name("given_name"),
        middle_name: name("middle_name"),
        family_name: name("family_name"),
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
        Value::Bool(flag) => push(terms, path.to_owned().into(), flag.to_string()),
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
        Value::Null | Value::Object(_) => {}
    }
}

fn push(terms: &mut Vec<Term>, field: Cow<'static, str>, value: String) {
    if field.len() <= MAX_FIELD_LENGTH && value.chars().count() <= MAX_VALUE_LENGTH {
        terms.push(Term { field, value });
    }
}

/// The terms that a user no longer has, and those the user has newly.
pub fn term_changes(before: &User, after: &User) -> (Vec<Term>, Vec<Term>) {
    // Marking an address changes flags alone, and is what is done most.
    if have_same_texts(before, after) {
        difference(&flags(before), &flags(after))
    } else {
        difference(&terms(before), &terms(after))
    }
}

/// The terms that are in `before` only, and those that are in `after` only; both are sorted.
fn difference(before: &[Term], after: &[Term]) -> (Vec<Term>, Vec<Term>) {
    let only = |these: &[Term], those: &[Term]| {
        these.iter().filter(|term| those.binary_search(term).is_err()).cloned().collect()
    };
    (only(before, after), only(after, before))
}

/// What a user is known by, as it is in the document.
#[derive(PartialEq, Eq)]
enum Name<'a> {
    Email(&'a EmailAddress),
    Phone(&'a PhoneNumber),
    Username(&'a UserName),
}

/// An identifier of a user. Its canonical form takes work to find, and is made when it is needed.
struct Known<'a> {
    id: IdentifierId,
    name: Name<'a>,
    owned: bool,
}

impl Known<'_> {
    fn identifier(self) -> Identifier {
        let (kind, canonical) = match self.name {
            Name::Email(address) => (IdentifierKind::Email, address.canonical()),
            Name::Phone(number) => (IdentifierKind::Phone, number.as_str().to_owned()),
            Name::Username(name) => (IdentifierKind::Username, name.canonical()),
        };
        Identifier { id: self.id, kind, canonical, owned: self.owned }
    }
}

/// The identifiers of a user.
fn known(user: &User) -> Vec<Known<'_>> {
    let emails = user.emails.iter().map(|email| Known {
        id: email.id,
        name: Name::Email(&email.email),
        owned: email.verified,
    });
    let phones = user.phone_numbers.iter().map(|phone| Known {
        id: phone.id,
        name: Name::Phone(&phone.phone),
        owned: phone.verified,
    });
    let username = user.username.iter().map(|username| Known {
        id: username.id,
        name: Name::Username(&username.username),
        owned: true,
    });
    emails.chain(phones).chain(username).collect()
}

/// What has become of a user's identifiers; `None` stands for a user who is not there yet, or no
/// longer. Removals come first, so that what was given up can be taken again.
pub fn identifier_changes(before: Option<&User>, after: Option<&User>) -> Vec<IdentifierChange> {
    let mut gone = before.map(known).unwrap_or_default();
    let mut changes = Vec::new();
    for now in after.map(known).unwrap_or_default() {
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

impl UserChange {
    /// A new user, who joins these groups: all that take every new user.
    pub fn create(tenant: &TenantId, user: &mut User, joined: Vec<GroupId>, decision: Decision) -> Self {
        let arrival = Arrival { automatic: Some(joined), ..Arrival::default() };
        Self::arrive(tenant, user, arrival, decision)
    }

    /// A new user, of whom more is known than that they are new.
    pub fn arrive(tenant: &TenantId, user: &mut User, arrival: Arrival, decision: Decision) -> Self {
        Self {
            tenant: tenant.clone(),
            user_id: user.user_id,
            identifiers: identifier_changes(None, Some(user)),
            removed_terms: Vec::new(),
            added_terms: terms(user),
            document: DocumentChange::Create(row(user), sort_names(user), arrival),
            secret: decision.secret,
            proof: decision.proof,
            mail: decision.mail,
            events: decision.events,
        }
    }

    /// What became of a user, decided on the version that `before` has.
    pub fn replace(
        tenant: &TenantId,
        version: Version,
        before: &User,
        after: &mut User,
        decision: Decision,
    ) -> Self {
        let (removed_terms, added_terms) = term_changes(before, after);
        let others = |names: &SortNames| *names != sort_names(before);
        let names = if before.claims == after.claims { None } else { Some(sort_names(after)).filter(others) };
        Self {
            tenant: tenant.clone(),
            user_id: after.user_id,
            identifiers: identifier_changes(Some(before), Some(after)),
            removed_terms,
            added_terms,
            document: DocumentChange::Replace(version, row(after), names),
            secret: decision.secret,
            proof: decision.proof,
            mail: decision.mail,
            events: decision.events,
        }
    }

    /// What becomes of all that is not in the document of a user, which stays the same, decided on this
    /// version; nothing if that stays, too.
    pub fn beside(tenant: &TenantId, version: Version, user_id: UserId, decision: Decision) -> Option<Self> {
        if decision.is_nothing() {
            return None;
        }
        Some(Self {
            tenant: tenant.clone(),
            user_id,
            document: DocumentChange::Stay(version),
            identifiers: Vec::new(),
            removed_terms: Vec::new(),
            added_terms: Vec::new(),
            secret: decision.secret,
            proof: decision.proof,
            mail: decision.mail,
            events: decision.events,
        })
    }

    /// The end of a user, decided on this version.
    pub fn delete(tenant: &TenantId, version: Version, user: &User, events: Vec<Event>) -> Self {
        Self {
            tenant: tenant.clone(),
            user_id: user.user_id,
            document: DocumentChange::Delete(version),
            identifiers: identifier_changes(Some(user), None),
            removed_terms: terms(user),
            added_terms: Vec::new(),
            secret: SecretChange::Remove,
            proof: ProofChange::Keep,
            mail: MailChange::Keep,
            events,
        }
    }

    /// The end of a user, and of what is personal in the record of them, decided on this version.
    pub fn erase(tenant: &TenantId, version: Version, user: &User, events: Vec<Event>) -> Self {
        Self { document: DocumentChange::Erase(version), ..Self::delete(tenant, version, user, events) }
    }
}

/// The user as the store keeps it.
fn row(user: &mut User) -> Row {
    Row {
        document: user.to_document().into(),
        creation_time: user.creation_time,
        last_updated: user.last_updated,
    }
}
