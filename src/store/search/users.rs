//! The fields of users, and how their values compare.

use std::ops::Bound;

use super::{Operand, Range, Search, field};
use crate::directory::email::EmailAddress;
use crate::directory::filter::{Clause, Condition, FilterError, Value};
use crate::directory::text::fold;
use crate::directory::user::User;
use crate::id::{GroupId, UserId};
use crate::store::index::{NUMBERS, WORDS, number_value, terms};

/// The field of the addresses of a user.
const EMAIL: &str = "emails.email";
/// The field of whether each of them is known to be the user's.
const VERIFIED: &str = "emails.verified";

/// A search for users.
pub type UserSearch = Search<UserLeaf>;

/// One condition on a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserLeaf {
    /// The user has a term.
    Term(Lookup),
    /// The user's column is within bounds.
    Column(Column, Range),
    /// The user is in a group. No filter says so: it is what the list of a group's users is about.
    Member(GroupId),
}

impl UserSearch {
    /// The users in a group, all or those who match a filter.
    pub fn members(group_id: GroupId, filter: Option<Self>) -> Self {
        let members = Search::Is(UserLeaf::Member(group_id));
        match filter {
            Some(Search::All) | None => members,
            Some(filter) => Search::And(vec![members, filter]),
        }
    }

    /// The users who have this address, and perhaps others who have one that is typed like it.
    pub fn having(address: &EmailAddress) -> Self {
        term(EMAIL, Range::text(address.canonical()))
    }

    /// The same of those who have any address verified.
    pub fn having_with_trust(address: &EmailAddress) -> Self {
        Search::And(vec![Self::having(address), term(VERIFIED, Range::text("true"))])
    }

    /// Whether the search of a filter finds this user. It is what a store finds, told from the user
    /// alone: so nothing finds anybody by a group.
    pub fn finds(&self, user: &User) -> bool {
        let terms = terms(user);
        self.holds(&|leaf| match leaf {
            UserLeaf::Term(lookup) => {
                terms.iter().any(|term| term.field == lookup.field && lookup.values.holds(&term.value))
            }
            UserLeaf::Column(Column::UserId, range) => range.holds(user.user_id.as_str()),
            UserLeaf::Column(Column::CreationTime, range) => range.holds_number(user.creation_time.0),
            UserLeaf::Column(Column::LastUpdated, range) => range.holds_number(user.last_updated.0),
            UserLeaf::Member(_) => false,
        })
    }
}

/// Terms of one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// The field of the terms.
    pub field: String,
    /// Their values.
    pub values: Range,
}

/// A column of the user's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// The user's id, a text.
    UserId,
    /// When the user came to be.
    CreationTime,
    /// When it was last changed.
    LastUpdated,
}

/// How a field is searched.
enum Kind {
    Email,
    Domain,
    Text,
    /// True or false of the user.
    Flag,
    /// True or false of each address.
    Mark,
    Value,
    Column(Column),
}

/// The fields that have a name of their own; everything below [`OBJECTS`] is searchable too.
const FIELDS: &[(&str, Kind)] = &[
    ("user_id", Kind::Column(Column::UserId)),
    ("creation_time", Kind::Column(Column::CreationTime)),
    ("last_updated", Kind::Column(Column::LastUpdated)),
    ("disabled", Kind::Flag),
    ("has_password", Kind::Flag),
    ("force_password_reset", Kind::Flag),
    ("username.username", Kind::Text),
    (EMAIL, Kind::Email),
    ("emails.domain", Kind::Domain),
    (VERIFIED, Kind::Mark),
    ("phone_numbers.phone", Kind::Text),
    ("phone_numbers.verified", Kind::Mark),
];

/// The objects whose every path is a field.
const OBJECTS: [&str; 3] = ["claims.", "public_data.", "private_data."];

/// Reads a filter; `None` if it asks for nothing.
///
/// # Errors
/// A filter that is malformed, names an unknown field, or compares a field with what it cannot be:
/// each with its place.
pub fn parse(text: &str) -> Result<Option<UserSearch>, FilterError> {
    Search::parse(text, clause)
}

/// What one clause searches for.
fn clause(clause: &Clause) -> Result<UserSearch, FilterError> {
    let Some(field) = &clause.field else { return Ok(bare(&clause.condition)) };
    let name = field.name.as_str();
    let known = FIELDS.iter().find(|(known, _)| *known == name).map(|(_, kind)| kind);
    let kind = match known {
        Some(kind) => kind,
        None if OBJECTS.iter().any(|object| name.starts_with(object) && name.len() > object.len()) => {
            &Kind::Value
        }
        None => {
            let names = FIELDS.iter().map(|(name, _)| *name);
            return Err(field::unknown(
                field,
                names,
                ", and what is below claims, public_data and private_data",
            ));
        }
    };
    Ok(match kind {
        Kind::Column(Column::UserId) => {
            column(Column::UserId, field::texts(&clause.condition, str::to_owned))
        }
        Kind::Column(time) => column(*time, field::times(clause)?),
        Kind::Flag => match field::flag(clause)? {
            // True is a term, and false is the want of it.
            Some(true) => term(name, Range::text("true")),
            Some(false) => Search::Not(Box::new(term(name, Range::text("true")))),
            None => Search::All,
        },
        Kind::Mark => match field::flag(clause)? {
            Some(mark) => term(name, Range::text(mark.to_string())),
            None => term(name, Range::any()),
        },
        Kind::Value => value(&clause.condition, name),
        Kind::Text => term(name, field::texts(&clause.condition, fold)),
        Kind::Email => term(name, addresses(&clause.condition, fold_email)),
        Kind::Domain => term(name, addresses(&clause.condition, fold_domain)),
    })
}

fn term(field: impl Into<String>, values: Range) -> UserSearch {
    Search::Is(UserLeaf::Term(Lookup { field: field.into(), values }))
}

fn column(column: Column, values: Range) -> UserSearch {
    Search::Is(UserLeaf::Column(column, values))
}

/// A bare word or phrase: whole names and addresses, their words, and the id. An address is meant in
/// any spelling, and the digits of a phone number are its one word.
fn bare(condition: &Condition) -> UserSearch {
    let words = term(WORDS, field::texts(condition, fold));
    let mut others = Vec::new();
    match condition {
        Condition::Equals(value) => {
            if let Ok(address) = EmailAddress::parse(&value.text) {
                others.push(UserSearch::having(&address));
            }
            others.extend(number(&value.text).map(|number| term(WORDS, Range::text(number))));
            if value.text.parse::<UserId>().is_ok() {
                others.push(column(Column::UserId, Range::text(value.text.clone())));
            }
        }
        Condition::Prefix(prefix) => {
            others.extend(number(prefix).map(|number| term(WORDS, Range::prefix(number))));
        }
        Condition::Present | Condition::Range { .. } => {}
    }
    if others.is_empty() { words } else { Search::Or([vec![words], others].concat()) }
}

/// A phone number, or the beginning of one, of which these are the digits.
fn number(digits: &str) -> Option<String> {
    let digits = fold(digits);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| format!("+{digits}"))
}

/// Addresses, or parts of them, in any spelling. The beginning of an address is no address yet.
fn addresses(condition: &Condition, folded: fn(&str) -> String) -> Range {
    match condition {
        Condition::Prefix(_) => field::texts(condition, fold),
        _ => field::texts(condition, folded),
    }
}

/// A value of claims or data: numbers among numbers, texts among texts. What looks like a number
/// and stands without quotes may be either where it is looked for as a whole.
fn value(condition: &Condition, field: &str) -> UserSearch {
    let numbers = |values| term(format!("{field}{NUMBERS}"), values);
    let number_of = |value: &Value| {
        let number = value.text.parse::<f64>().ok().filter(|number| !value.quoted && number.is_finite());
        number.map(|number| Operand::Text(number_value(number)))
    };
    let texts = || term(field, field::texts(condition, fold));
    match condition {
        Condition::Equals(value) => match number_of(value) {
            Some(number) => Search::Or(vec![numbers(Range::only(number)), texts()]),
            None => texts(),
        },
        Condition::Present => Search::Or(vec![texts(), numbers(Range::any())]),
        Condition::Prefix(_) => texts(),
        Condition::Range { lower, upper } => {
            let ends = [lower, upper].map(|end| match end {
                Bound::Included(value) | Bound::Excluded(value) => Some(number_of(value)),
                Bound::Unbounded => None,
            });
            if ends.iter().flatten().all(Option::is_some) {
                let operand = |value: &Value| number_of(value).unwrap_or(Operand::Text(String::new()));
                numbers(Range { lower: lower.as_ref().map(operand), upper: upper.as_ref().map(operand) })
            } else {
                texts()
            }
        }
    }
}

/// The form in which addresses are indexed.
fn fold_email(text: &str) -> String {
    EmailAddress::parse(text).map_or_else(|_| fold(text), |address| address.canonical())
}

fn fold_domain(text: &str) -> String {
    let address = EmailAddress::parse(&format!("x@{text}")).map(|address| address.canonical());
    address.ok().and_then(|address| Some(address.split_once('@')?.1.to_owned())).unwrap_or_else(|| fold(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_field_and_a_value_that_cannot_be_are_pointed_at() {
        for (filter, position) in [
            ("shoe_size:5", 0),
            ("a AND emails.color:red", 6),
            ("claims.:x", 0),
            ("disabled:maybe", 0),
            ("a creation_time:yesterday", 2),
            ("creation_time:12*", 0),
            ("last_updated:[a TO 5]", 0),
        ] {
            assert_eq!(parse(filter).unwrap_err().position, position, "{filter}");
        }
    }

    #[test]
    fn numbers_sort_as_numbers_do() {
        let numbers = [f64::MIN, -1e9, -2.5, -1.0, 0.0, 1e-9, 0.5, 1.0, 2.0, 10.0, 1e300];
        assert!(numbers.map(number_value).is_sorted());
        assert_eq!(number_value(-0.0), number_value(0.0));
    }
}
