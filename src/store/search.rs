//! From a filter's tree to what the store looks up: which fields there are, and how their values
//! compare (semantics section 7).

use std::ops::Bound;

use super::index::{NUMBERS, WORDS, number_value};
use crate::directory::email::EmailAddress;
use crate::directory::filter::{self, Clause, Condition, Expression, FilterError, Value};
use crate::directory::text::fold;
use crate::id::UserId;

/// What is searched for, in the store's terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Search {
    /// Everybody.
    All,
    /// Whoever matches each of these.
    And(Vec<Search>),
    /// Whoever matches one of these.
    Or(Vec<Search>),
    /// Whoever does not match this.
    Not(Box<Search>),
    /// Whoever has a term.
    Term(Lookup),
    /// Whoever's column is within bounds.
    Column(Column, Range),
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

/// Values between two bounds, in the order of their bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// From here.
    pub lower: Bound<Operand>,
    /// To here.
    pub upper: Bound<Operand>,
}

/// What a column or a term is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operand {
    /// A text.
    Text(String),
    /// A whole number.
    Number(i64),
}

impl Range {
    /// One value only.
    fn only(operand: Operand) -> Self {
        Self { lower: Bound::Included(operand.clone()), upper: Bound::Included(operand) }
    }

    fn text(text: String) -> Self {
        Self::only(Operand::Text(text))
    }

    /// Every value there is.
    fn any() -> Self {
        Self { lower: Bound::Unbounded, upper: Bound::Unbounded }
    }

    /// Every text that begins so.
    fn prefix(prefix: String) -> Self {
        // No character comes after the last one, so no text that begins so does.
        let end = format!("{prefix}{}", char::MAX);
        Self { lower: Bound::Included(Operand::Text(prefix)), upper: Bound::Included(Operand::Text(end)) }
    }
}

/// How a field is searched.
enum Kind {
    Email,
    Domain,
    Text,
    Flag,
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
    ("emails.email", Kind::Email),
    ("emails.domain", Kind::Domain),
    ("emails.verified", Kind::Flag),
    ("phone_numbers.phone", Kind::Text),
    ("phone_numbers.verified", Kind::Flag),
];

/// The objects whose every path is a field.
const OBJECTS: [&str; 3] = ["claims.", "public_data.", "private_data."];

/// Reads a filter; `None` if it asks for nothing.
///
/// # Errors
/// A filter that is malformed, names an unknown field, or compares a field with what it cannot be:
/// each with its place.
pub fn parse(text: &str) -> Result<Option<Search>, FilterError> {
    filter::parse(text)?.as_ref().map(search).transpose()
}

fn search(expression: &Expression) -> Result<Search, FilterError> {
    let all = |parts: &[Expression]| parts.iter().map(search).collect::<Result<Vec<_>, _>>();
    Ok(match expression {
        Expression::All => Search::All,
        Expression::And(parts) => Search::And(all(parts)?),
        Expression::Or(parts) => Search::Or(all(parts)?),
        Expression::Not(part) => Search::Not(Box::new(search(part)?)),
        Expression::Clause(clause) => clause_search(clause)?,
    })
}

fn clause_search(clause: &Clause) -> Result<Search, FilterError> {
    let Some(field) = &clause.field else { return Ok(bare(&clause.condition)) };
    let name = field.name.as_str();
    let known = FIELDS.iter().find(|(known, _)| *known == name).map(|(_, kind)| kind);
    let kind = match known {
        Some(kind) => kind,
        None if OBJECTS.iter().any(|object| name.starts_with(object) && name.len() > object.len()) => {
            &Kind::Value
        }
        None => {
            let names: Vec<&str> = FIELDS.iter().map(|(name, _)| *name).collect();
            let message = format!(
                "There is no such field. Those there are: {}, and what is below claims, public_data and private_data.",
                names.join(", ")
            );
            return Err(FilterError::new(field.span.start, message));
        }
    };
    match kind {
        Kind::Column(column) => column_search(clause, *column),
        Kind::Flag => flag_search(clause, name),
        Kind::Value => Ok(value_search(&clause.condition, name)),
        Kind::Text => Ok(text_search(&clause.condition, name, fold)),
        Kind::Email => Ok(text_search(&clause.condition, name, fold_email)),
        Kind::Domain => Ok(text_search(&clause.condition, name, fold_domain)),
    }
}

/// A bare word or phrase: whole names and addresses, their words, and the id.
fn bare(condition: &Condition) -> Search {
    let words = |values| Search::Term(Lookup { field: WORDS.to_owned(), values });
    match condition {
        Condition::Equals(value) => {
            let mut found = vec![words(Range::text(fold(&value.text)))];
            if value.text.parse::<UserId>().is_ok() {
                found.push(Search::Column(Column::UserId, Range::text(value.text.clone())));
            }
            Search::Or(found)
        }
        Condition::Prefix(prefix) => words(Range::prefix(fold(prefix))),
        // The grammar has no bare ranges.
        Condition::Present | Condition::Range { .. } => Search::All,
    }
}

fn text_search(condition: &Condition, field: &str, folded: fn(&str) -> String) -> Search {
    let values = match condition {
        Condition::Equals(value) => Range::text(folded(&value.text)),
        // The beginning of an address is no address yet.
        Condition::Prefix(prefix) => Range::prefix(fold(prefix)),
        Condition::Present => Range::any(),
        Condition::Range { lower, upper } => {
            let operand = |value: &Value| Operand::Text(folded(&value.text));
            Range { lower: lower.as_ref().map(operand), upper: upper.as_ref().map(operand) }
        }
    };
    Search::Term(Lookup { field: field.to_owned(), values })
}

/// A value of claims or data: numbers among numbers, texts among texts. What looks like a number
/// and stands without quotes may be either where it is looked for as a whole.
fn value_search(condition: &Condition, field: &str) -> Search {
    let numbers = |values| Search::Term(Lookup { field: format!("{field}{NUMBERS}"), values });
    let number_of = |value: &Value| {
        let number = value.text.parse::<f64>().ok().filter(|number| !value.quoted && number.is_finite());
        number.map(|number| Operand::Text(number_value(number)))
    };
    let texts = || text_search(condition, field, fold);
    match condition {
        Condition::Equals(value) if !value.quoted && value.text == "false" => {
            // False is not indexed; what is not true, and is neither text nor number, is taken for it.
            Search::Not(Box::new(Search::Or(vec![
                Search::Term(Lookup { field: field.to_owned(), values: Range::any() }),
                numbers(Range::any()),
            ])))
        }
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

/// A flag: true is a term, and false is the want of it.
fn flag_search(clause: &Clause, field: &str) -> Result<Search, FilterError> {
    let is_set = Search::Term(Lookup { field: field.to_owned(), values: Range::text("true".to_owned()) });
    match &clause.condition {
        Condition::Equals(value) if value.text == "true" => Ok(is_set),
        Condition::Equals(value) if value.text == "false" => Ok(Search::Not(Box::new(is_set))),
        Condition::Present => Ok(Search::All),
        _ => Err(FilterError::new(clause.span.start, format!("{field} is true or false."))),
    }
}

fn column_search(clause: &Clause, column: Column) -> Result<Search, FilterError> {
    let operand = |value: &Value| match column {
        Column::UserId => Ok(Operand::Text(value.text.clone())),
        Column::CreationTime | Column::LastUpdated => value.text.parse().map(Operand::Number).map_err(|_| {
            FilterError::new(clause.span.start, "A time is a whole number of seconds since the Unix epoch.")
        }),
    };
    let end = |bound: &Bound<Value>| {
        Ok(match bound {
            Bound::Included(value) => Bound::Included(operand(value)?),
            Bound::Excluded(value) => Bound::Excluded(operand(value)?),
            Bound::Unbounded => Bound::Unbounded,
        })
    };
    match &clause.condition {
        Condition::Equals(value) => Ok(Search::Column(column, Range::only(operand(value)?))),
        Condition::Prefix(prefix) if column == Column::UserId => {
            Ok(Search::Column(column, Range::prefix(prefix.clone())))
        }
        Condition::Prefix(_) => {
            Err(FilterError::new(clause.span.start, "A time has no beginning to look for."))
        }
        Condition::Present => Ok(Search::All),
        Condition::Range { lower, upper } => {
            Ok(Search::Column(column, Range { lower: end(lower)?, upper: end(upper)? }))
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
