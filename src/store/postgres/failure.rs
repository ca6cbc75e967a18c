//! What is told of a failure of PostgreSQL, and what it means.

use tokio_postgres::error::SqlState;

use crate::error::Error;

/// An error in words that can be logged. What the server says of values is left out: they may be
/// personal.
pub(super) fn told(error: &tokio_postgres::Error) -> String {
    use std::error::Error as _;
    match error.as_db_error() {
        Some(error) if names_values(error.code()) => {
            let place = error.constraint().or(error.column()).or(error.table()).unwrap_or("a statement");
            format!("PostgreSQL refused {place} ({})", error.code().code())
        }
        Some(error) => format!("PostgreSQL: {} ({})", error.message(), error.code().code()),
        None => match error.source() {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        },
    }
}

/// Whether errors of this kind are about values (22), rules about them (23) or statements (42).
fn names_values(code: &SqlState) -> bool {
    matches!(code.code().get(..2), Some("22" | "23" | "42"))
}

/// What a failure of PostgreSQL means to whoever asked: that trying again may help, or that this
/// program is at fault.
pub(super) fn failure(error: &tokio_postgres::Error) -> Error {
    use std::error::Error as _;
    let is_ours = match error.as_db_error() {
        Some(error) => names_values(error.code()),
        // An answer that could not be read, or a value that could not be written.
        None => !error.is_closed() && error.source().is_none_or(|cause| !cause.is::<std::io::Error>()),
    };
    if is_ours { Error::Internal(told(error)) } else { Error::Unavailable(told(error)) }
}
