//! What both kinds of store write alike: statements, and parts of those that are written as they are needed.
//!
//! SQLite takes `$1` for a name, and gives names numbers as they come: so in a whole statement the values
//! must first come in the order of their numbers.

use std::ops::Bound;

use super::search::{Operand, Range, Search};

/// A statement that is being written, with the values bound in it.
pub(super) trait Statement: Sized {
    /// Writes this.
    fn push(&mut self, text: &str);

    /// Writes a place for a value, and binds it there.
    fn bind_operand(&mut self, operand: &Operand);

    /// Writes that `expression` is within the range.
    fn push_range(&mut self, expression: &str, range: &Range) {
        if let Some(value) = range.value() {
            self.push(&format!("{expression} = "));
            self.bind_operand(value);
            return;
        }
        let ends = [(&range.lower, ">=", ">"), (&range.upper, "<=", "<")];
        let ends: Vec<_> = ends
            .into_iter()
            .filter_map(|(bound, including, excluding)| match bound {
                Bound::Included(operand) => Some((including, operand)),
                Bound::Excluded(operand) => Some((excluding, operand)),
                Bound::Unbounded => None,
            })
            .collect();
        self.push_joined(&ends, " and ", "true", |sql, (operator, operand)| {
            sql.push(&format!("{expression} {operator} "));
            sql.bind_operand(operand);
        });
    }

    /// Writes that a row matches a search, each leaf of which is written by `leaf`.
    fn push_search<Leaf>(&mut self, search: &Search<Leaf>, leaf: &impl Fn(&mut Self, &Leaf)) {
        match search {
            Search::All => self.push("true"),
            Search::And(parts) => {
                self.push_joined(parts, " and ", "true", |sql, part| sql.push_search(part, leaf));
            }
            Search::Or(parts) => {
                self.push_joined(parts, " or ", "false", |sql, part| sql.push_search(part, leaf));
            }
            Search::Not(part) => {
                self.push("not ");
                self.push_search(part, leaf);
            }
            Search::Is(condition) => leaf(self, condition),
        }
    }

    /// Writes the parts in parentheses with an operator between them, or else what none of them is.
    fn push_joined<T>(&mut self, parts: &[T], operator: &str, none: &str, part: impl Fn(&mut Self, &T)) {
        if parts.is_empty() {
            return self.push(none);
        }
        for (number, each) in parts.iter().enumerate() {
            self.push(if number == 0 { "(" } else { operator });
            part(self, each);
        }
        self.push(")");
    }
}

/// A statement that reads tokens to reset a password: those that were not mailed, and those whose email
/// is what it was then.
macro_rules! open_resets {
    ($columns:literal, $condition:literal) => {
        concat!(
            "select ",
            $columns,
            " from reset_tokens where ",
            $condition,
            " and (identifier_id is null or generation = \
             (select i.generation from identifiers i where i.tenant_id = reset_tokens.tenant_id and i.kind = 'email' \
              and i.canonical = reset_tokens.canonical and i.claimant = '' \
              and i.user_id = reset_tokens.user_id and i.identifier_id = reset_tokens.identifier_id))"
        )
    };
}

pub(super) use open_resets;

/// The columns that an event is read from.
pub(super) const EVENT: &str = "position, event_id, type, time, user_id, identifier_id, method, key_id, key_name, request_id, personal, group_id, actor, details";

/// What was asked to be sent to addresses of a user of late.
pub(super) const ASKED_OF_USER: &str = "select requested_at, kind, canonical, requests from proof_requests \
    where tenant_id = $1 and user_id = $2 order by requested_at, kind, canonical";

/// When old passwords of a user were tried of late, and how often.
pub(super) const TRIES_OF_USER: &str =
    "select tried_at, tries from password_tries where tenant_id = $1 and user_id = $2 order by tried_at";

/// Erases what is kept of a user by address, beside the document and the events.
pub(super) const ERASE_TRACES: [&str; 3] = [
    "delete from outbox where tenant_id = $1 and user_id = $2",
    "delete from proof_requests where tenant_id = $1 and user_id = $2",
    "delete from proofs where tenant_id = $1 and user_id = $2",
];
