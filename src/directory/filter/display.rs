//! The canonical text of a filter: operators as words, parentheses only where they matter, a field
//! before each of its conditions, and backslashes where a character would not be plain.

use std::fmt::{self, Display, Formatter, Write};
use std::ops::Bound;

use super::lexer::Operator;
use super::{Clause, Condition, Expression, Value};

impl Display for Expression {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*:*"),
            Self::And(members) => {
                write_joined(f, members, " AND ", |member| matches!(member, Self::And(_) | Self::Or(_)))
            }
            Self::Or(members) => write_joined(f, members, " OR ", |member| matches!(member, Self::Or(_))),
            Self::Not(operand) => {
                f.write_str("NOT ")?;
                write_operand(f, operand, matches!(**operand, Self::And(_) | Self::Or(_)))
            }
            Self::Clause(clause) => clause.fmt(f),
        }
    }
}

/// Writes the members with an operator between them, in parentheses those that `binds_less` is
/// true of.
fn write_joined(
    f: &mut Formatter<'_>,
    members: &[Expression],
    operator: &str,
    binds_less: fn(&Expression) -> bool,
) -> fmt::Result {
    for (index, member) in members.iter().enumerate() {
        if index > 0 {
            f.write_str(operator)?;
        }
        write_operand(f, member, binds_less(member))?;
    }
    Ok(())
}

/// Writes an operand, in parentheses or not.
fn write_operand(f: &mut Formatter<'_>, operand: &Expression, parentheses: bool) -> fmt::Result {
    if parentheses { write!(f, "({operand})") } else { operand.fmt(f) }
}

impl Display for Clause {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut place = Place::Bare;
        if let Some(field) = &self.field {
            write_word(f, &field.name, Place::Bare)?;
            f.write_char(':')?;
            place = Place::Value;
        }
        match &self.condition {
            Condition::Equals(value) => write_value(f, value, place),
            Condition::Prefix(text) => {
                write_word(f, text, place)?;
                f.write_char('*')
            }
            Condition::Present => f.write_char('*'),
            Condition::Range { lower, upper } => write_range(f, lower, upper),
        }
    }
}

/// Writes a range: as a comparison if one end is open.
fn write_range(f: &mut Formatter<'_>, lower: &Bound<Value>, upper: &Bound<Value>) -> fmt::Result {
    let (sign, value) = match (lower, upper) {
        (Bound::Excluded(value), Bound::Unbounded) => (">", value),
        (Bound::Included(value), Bound::Unbounded) => (">=", value),
        (Bound::Unbounded, Bound::Excluded(value)) => ("<", value),
        (Bound::Unbounded, Bound::Included(value)) => ("<=", value),
        _ => {
            f.write_char(if matches!(lower, Bound::Excluded(_)) { '{' } else { '[' })?;
            write_end(f, lower)?;
            f.write_str(" TO ")?;
            write_end(f, upper)?;
            return f.write_char(if matches!(upper, Bound::Excluded(_)) { '}' } else { ']' });
        }
    };
    f.write_str(sign)?;
    write_value(f, value, Place::Compared)
}

/// Writes one end of a range.
fn write_end(f: &mut Formatter<'_>, end: &Bound<Value>) -> fmt::Result {
    match end {
        Bound::Included(value) | Bound::Excluded(value) => write_value(f, value, Place::EndOfRange),
        Bound::Unbounded => f.write_char('*'),
    }
}

/// Writes a value, in quotes if it was in quotes.
fn write_value(f: &mut Formatter<'_>, value: &Value, place: Place) -> fmt::Result {
    if !value.quoted && !value.text.is_empty() {
        return write_word(f, &value.text, place);
    }
    f.write_char('"')?;
    for character in value.text.chars() {
        if matches!(character, '"' | '\\') {
            f.write_char('\\')?;
        }
        f.write_char(character)?;
    }
    f.write_char('"')
}

/// Where a word stands, which decides on the characters that are not plain in it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Where an operand begins: a bare word, or a field's name.
    Bare,
    /// After a field's colon.
    Value,
    /// After a comparison.
    Compared,
    /// In a range.
    EndOfRange,
}

/// Writes a word so that it reads back as these characters.
fn write_word(f: &mut Formatter<'_>, text: &str, place: Place) -> fmt::Result {
    for (index, character) in text.chars().enumerate() {
        if is_special(character, place) || (index == 0 && begins_otherwise(text, place)) {
            f.write_char('\\')?;
        }
        f.write_char(character)?;
    }
    Ok(())
}

/// Whether the character is not plain wherever it stands in a word.
fn is_special(character: char, place: Place) -> bool {
    character.is_whitespace()
        || matches!(character, '(' | ')' | '\\' | '*' | '"')
        || (place == Place::Bare && character == ':')
        || (place == Place::EndOfRange && matches!(character, ']' | '}'))
}

/// Whether the word's beginning would be read as something else than a word.
fn begins_otherwise(text: &str, place: Place) -> bool {
    let brackets = ['[', '{', '<', '>'];
    match place {
        Place::Bare => {
            let required = text
                .strip_prefix('+')
                .is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_digit()));
            required || text.starts_with(['-', '!']) || text.starts_with(brackets) || Operator::is_word(text)
        }
        Place::Value => text.starts_with(brackets),
        Place::Compared => text.starts_with('='),
        Place::EndOfRange => text == "TO",
    }
}
