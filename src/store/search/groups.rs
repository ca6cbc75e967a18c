//! The fields of groups, and how their values compare.

use std::ops::RangeBounds;

use super::{Operand, Range, Search, field};
use crate::directory::filter::{Clause, Condition, FilterError};
use crate::directory::text::fold;
use crate::id::GroupId;
use crate::store::index::words;

/// A search for groups.
pub type GroupSearch = Search<GroupLeaf>;

/// One condition on a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupLeaf {
    /// It is this one.
    Id(GroupId),
    /// Its column is there, and within bounds.
    Column(Column, Range),
    /// This is a word of its name.
    Word(String),
    /// A word of its name begins so.
    WordPrefix(String),
}

/// A column of the group's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// The name, folded.
    Name,
    /// The description, folded; none is not there.
    Description,
    /// Whether it takes every new user: 1 or 0.
    IsAutoAssigned,
    /// How many members it has.
    UsersAssigned,
    /// When it came to be.
    CreationTime,
    /// When it was last changed.
    LastUpdated,
    /// When it last got a member.
    LastAssigned,
}

/// What a field is.
enum Kind {
    Id,
    /// Every group is of this type.
    Type,
    /// How many applications there are: none.
    None,
    Text(Column),
    Flag(Column),
    Number(Column),
    Time(Column),
}

const FIELDS: &[(&str, Kind)] = &[
    ("group_id", Kind::Id),
    ("name", Kind::Text(Column::Name)),
    ("description", Kind::Text(Column::Description)),
    ("type", Kind::Type),
    ("is_auto_assigned", Kind::Flag(Column::IsAutoAssigned)),
    ("users_assigned", Kind::Number(Column::UsersAssigned)),
    ("clients_assigned", Kind::None),
    ("creation_time", Kind::Time(Column::CreationTime)),
    ("last_updated", Kind::Time(Column::LastUpdated)),
    ("last_assigned", Kind::Time(Column::LastAssigned)),
];

/// Reads a filter; `None` if it asks for nothing.
///
/// # Errors
/// A filter that is malformed, names an unknown field, or compares a field with what it cannot be:
/// each with its place.
pub fn parse(text: &str) -> Result<Option<GroupSearch>, FilterError> {
    Search::parse(text, clause)
}

/// What one clause searches for.
fn clause(clause: &Clause) -> Result<GroupSearch, FilterError> {
    let Some(field) = &clause.field else { return Ok(bare(&clause.condition)) };
    let Some((_, kind)) = FIELDS.iter().find(|(known, _)| *known == field.name) else {
        return Err(field::unknown(field, FIELDS.iter().map(|(name, _)| *name), ""));
    };
    Ok(match kind {
        Kind::Id => match &clause.condition {
            Condition::Equals(value) => {
                value.text.parse().map_or(nothing(), |id| Search::Is(GroupLeaf::Id(id)))
            }
            Condition::Present => Search::All,
            Condition::Prefix(_) | Condition::Range { .. } => {
                return Err(FilterError::new(
                    clause.span.start,
                    "The id of a group is looked for as a whole.",
                ));
            }
        },
        Kind::Type => field::names(clause, &["custom"]).map(|_| Search::All)?,
        Kind::None => {
            let Range { lower, upper } = field::numbers(clause)?;
            let holds_none = (lower.as_ref(), upper.as_ref()).contains(&Operand::Number(0));
            if holds_none { Search::All } else { nothing() }
        }
        Kind::Text(text) => column(*text, field::texts(&clause.condition, fold)),
        Kind::Flag(flag) => match field::flag(clause)? {
            Some(is_set) => column(*flag, Range::only(Operand::Number(is_set.into()))),
            None => Search::All,
        },
        Kind::Number(number) => column(*number, field::numbers(clause)?),
        Kind::Time(time) => column(*time, field::times(clause)?),
    })
}

fn column(column: Column, values: Range) -> GroupSearch {
    Search::Is(GroupLeaf::Column(column, values))
}

fn nothing() -> GroupSearch {
    Search::Or(Vec::new())
}

/// A bare word or phrase: a whole name, a word of one, and the id.
fn bare(condition: &Condition) -> GroupSearch {
    let mut found = vec![column(Column::Name, field::texts(condition, fold))];
    match condition {
        Condition::Equals(value) => {
            found.extend(one_word(&value.text).map(|word| Search::Is(GroupLeaf::Word(word))));
            found.extend(value.text.parse().ok().map(|id| Search::Is(GroupLeaf::Id(id))));
        }
        Condition::Prefix(prefix) => {
            found.extend(one_word(prefix).map(|word| Search::Is(GroupLeaf::WordPrefix(word))));
        }
        // The grammar has neither without a field.
        Condition::Present | Condition::Range { .. } => {}
    }
    Search::Or(found)
}

/// The folded text, if it is one word and nothing else.
fn one_word(text: &str) -> Option<String> {
    let folded = fold(text);
    words(&folded).eq([folded.as_str()]).then_some(folded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_field_and_a_value_that_cannot_be_are_pointed_at() {
        for (filter, position) in [
            ("a emails.email:x", 2),
            ("group_id:a*", 0),
            ("type:built_in", 0),
            ("is_auto_assigned:1", 0),
            ("a users_assigned:many", 2),
            ("clients_assigned:x", 0),
            ("last_assigned:today", 0),
        ] {
            assert_eq!(parse(filter).unwrap_err().position, position, "{filter}");
        }
    }

    #[test]
    fn what_all_groups_have_alike_is_known_without_looking() {
        for filter in ["type:custom", "type:c*", "clients_assigned:0", "clients_assigned:<5", "group_id:*"] {
            assert_eq!(parse(filter), Ok(Some(Search::All)), "{filter}");
        }
        for filter in ["clients_assigned:1", "clients_assigned:>0", "group_id:nobody"] {
            assert_eq!(parse(filter), Ok(Some(nothing())), "{filter}");
        }
    }
}
