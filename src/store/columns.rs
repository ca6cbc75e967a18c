//! The columns of users that lists are sorted and bounded by. Both stores name them alike.

use super::SortKey;
use super::search::users::{Column, UserLeaf, UserSearch};
use super::search::{Range, Search};

/// The column that users are sorted by.
pub(super) fn sorted_by(sort: SortKey) -> &'static str {
    match sort {
        SortKey::CreationTime => "creation_time",
        SortKey::LastUpdated => "last_updated",
        SortKey::GivenName => "given_name",
        SortKey::MiddleName => "middle_name",
        SortKey::FamilyName => "family_name",
        SortKey::Name => "name",
        // All users are equal in these while nobody can sign in, so what is left is the order of ids.
        SortKey::FailureCount
        | SortKey::LastSignInAttempt
        | SortKey::SignInAttemptsCount
        | SortKey::LastSignInSuccess
        | SortKey::SignInSuccessCount
        | SortKey::LastActivity
        | SortKey::BlockUntil => "user_id",
    }
}

pub(super) fn name(column: Column) -> &'static str {
    match column {
        Column::UserId => "user_id",
        Column::CreationTime => "creation_time",
        Column::LastUpdated => "last_updated",
    }
}

/// The order of a column of a table, and of the user's id among those who are equal in it.
pub(super) fn order(table: &str, column: &str, user_id: &str, direction: &str) -> String {
    match column {
        "user_id" => format!("{user_id} {direction}"),
        _ => format!("{table}.{column} {direction}, {user_id} {direction}"),
    }
}

/// The columns that a search and an order look at, and the id.
pub(super) fn looked_at<'a>(search: &UserSearch, order: &'a str) -> Vec<&'a str> {
    let mut columns = vec!["user_id", order];
    search.each(&mut |leaf| {
        if let UserLeaf::Column(column, _) = leaf {
            columns.push(name(*column));
        }
    });
    columns.sort_unstable();
    columns.dedup();
    columns
}

/// The ranges of a column that every user who matches is in.
pub(super) fn ranges<'a>(search: &'a UserSearch, of: &str) -> Vec<&'a Range> {
    match search {
        Search::Is(UserLeaf::Column(column, range)) if name(*column) == of => vec![range],
        Search::And(parts) => parts.iter().flat_map(|part| ranges(part, of)).collect(),
        _ => Vec::new(),
    }
}
