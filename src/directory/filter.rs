//! The language of a list's `filter`: from a text to a tree of clauses, or to an error that points
//! at its place. Semantics section 7. Which fields there are and how their values compare is for
//! the reader of the tree to say.
//!
//! ```text
//! filter   = [ any ]                                      nothing lists everything
//! any      = all { ( "OR" | "||" ) all }
//! all      = operand { [ "AND" | "&&" ] operand }         side by side means AND
//! operand  = { "NOT" | "!" | "-" | "+" } ( "(" any ")" | "*" | "*:*" | clause )
//! clause   = value | value"*"                             a bare word, a bare prefix
//!          | name ":" ( condition | "(" any ")" )         the field of all in the parentheses
//! condition = value | value"*" | "*"                      equals, begins with, is present
//!          | ( ">" | ">=" | "<" | "<=" ) value
//!          | ( "[" | "{" ) end "TO" end ( "]" | "}" )     inclusive, exclusive, or one of each
//! end      = value | "*"                                  `*` is an open end
//! value    = word | '"' any characters '"'
//! ```
//!
//! - A word runs to white space or a parenthesis; a range's ends also to a closing bracket. A
//!   backslash makes the next character plain, in a name as well. Within quotes everything is
//!   plain, and only `\"` and `\\` are escapes.
//! - A field's value is plain from its first character on, but for `"`, brackets and comparisons:
//!   `user_id:-abc` and `claims.website:https://example.com/a?b=c` are what they look like.
//! - Within `name:( ... )` the field is said, so that a colon is plain there, as in a value;
//!   operators and signs are not.
//! - `&&` and `||` are operators where they stand alone, `!`, `-` and `+` where a word or a
//!   parenthesis begins.
//! - `+` asks for what side by side means anyhow, so it changes nothing; before a digit it is no
//!   sign but the beginning of a phone number.
//! - `*` and `"` within a word are refused rather than taken for the plain characters: who writes
//!   them means something else. So are ranges and comparisons without a field.

mod display;
mod lexer;
mod parser;
#[cfg(test)]
mod tests;

use std::ops::Bound;

/// The longest filter, in bytes of UTF-8.
pub const MAX_BYTES: usize = 4096;
/// The most clauses of a filter; one that matches everything counts too.
pub const MAX_CLAUSES: usize = 100;
/// The most parentheses and complements that may be open at one place. It bounds the depth of the
/// tree, and with it every walk of one.
pub const MAX_LEVELS: usize = 32;

/// Reads a filter; `None` if there is nothing but white space.
///
/// # Errors
/// A text that is malformed or beyond the bounds, with the first place that is wrong.
pub fn parse(text: &str) -> Result<Option<Expression>, FilterError> {
    parser::parse(text)
}

/// What a filter asks for. Its `Display` is the canonical text, which reads back as the same tree
/// as long as it fits the bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expression {
    /// Everything: `*` or `*:*`.
    All,
    /// What matches each of these: two or more, none of them an `And`.
    And(Vec<Expression>),
    /// What matches one of these: two or more, none of them an `Or`.
    Or(Vec<Expression>),
    /// What does not match this.
    Not(Box<Expression>),
    /// What meets a condition.
    Clause(Clause),
}

/// One condition and what it is put on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clause {
    /// The field that is looked at. A clause without one is a bare word or phrase: its condition
    /// is `Equals` or `Prefix`.
    pub field: Option<Field>,
    /// What is asked of it.
    pub condition: Condition,
    /// The clause's place, from its field's name to the end of its value; within `name:( ... )`,
    /// the place of the value.
    pub span: Span,
}

/// A field as the filter names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The name, without the backslashes it may be written with.
    pub name: String,
    /// The name's place.
    pub span: Span,
}

/// What is asked of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It is this.
    Equals(Value),
    /// It begins with this, which is not empty.
    Prefix(String),
    /// It is there at all: `field:*`, or a range with two open ends.
    Present,
    /// It is between these, of which one at least is closed. A comparison is such a range.
    Range {
        /// From here.
        lower: Bound<Value>,
        /// To here.
        upper: Bound<Value>,
    },
}

/// A value as the filter writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// The text, without quotes and escapes. It is empty only if it was quoted.
    pub text: String,
    /// Whether it stood in quotes, so that it is a text whatever it looks like.
    pub quoted: bool,
}

/// A place in a filter's text, in characters from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first character.
    pub start: usize,
    /// The character after the last.
    pub end: usize,
}

/// Why a filter is refused, and where. It does not repeat the filter's values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("The filter is wrong at character {}. {message}", .position + 1)]
pub struct FilterError {
    /// A sentence for the client that says what to do.
    pub message: String,
    /// The character of the text, counted from 0; people read it counted from 1. It is always one
    /// that is there: what lacks something, or is never closed, is itself the place.
    pub position: usize,
}

impl FilterError {
    /// The error that `message` describes, at a character counted from 0.
    pub fn new(position: usize, message: impl Into<String>) -> Self {
        Self { message: message.into(), position }
    }
}

impl Expression {
    /// What matches each of these, of which there is at least one.
    fn all_of(members: Vec<Self>) -> Self {
        let open = |member| if let Self::And(inner) = member { inner } else { vec![member] };
        Self::joined(members.into_iter().flat_map(open).collect(), Self::And)
    }

    /// What matches one of these, of which there is at least one.
    fn any_of(members: Vec<Self>) -> Self {
        let open = |member| if let Self::Or(inner) = member { inner } else { vec![member] };
        Self::joined(members.into_iter().flat_map(open).collect(), Self::Or)
    }

    /// The members under a node of their own, unless there is but one.
    fn joined(mut members: Vec<Self>, node: fn(Vec<Self>) -> Self) -> Self {
        if members.len() == 1 { members.remove(0) } else { node(members) }
    }
}
