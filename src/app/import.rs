//! Bringing users along from elsewhere, many at once: some hundred rows are decided on while those before
//! them are kept. Each row is kept or refused for itself, in the order of the rows.

mod decide;
mod foresee;
mod groups;
mod keep;

use serde::Serialize;
use tokio::sync::mpsc;

use super::App;
use crate::directory::event::Origin;
use crate::directory::import::Row;
use crate::error::{Error, InvalidFields};
use keep::Import;

/// How many rows are kept together: as many as share a commit of the SQLite store.
pub const TOGETHER: usize = 256;

/// A row and where it stands.
pub struct Numbered {
    /// The number of the line where it begins, from 1.
    pub line: u64,
    /// What else it is found by, where many rows can be in a line.
    pub item: Option<Item>,
    /// The row, or why it cannot be read.
    pub row: Result<Row, Error>,
}

/// A place in a list of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// What the list is called there.
    pub list: &'static str,
    /// The place in it, from 1.
    pub place: u64,
}

impl std::fmt::Display for Item {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "number {} of `{}`", self.place, self.list)
    }
}

/// What became of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowResult {
    /// Where it stands.
    pub line: u64,
    /// What became of it.
    pub outcome: Outcome,
    /// How many groups were made because a user is in them.
    pub groups: u64,
}

/// What became of a row, or would.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A user was made.
    User,
    /// A group was made.
    Group,
    /// What it brings was there already, the same.
    There,
    /// It was refused.
    Refused(Fault),
}

/// Why a row is refused. It names no personal value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// A word for programs.
    pub code: String,
    /// A sentence for people.
    pub reason: String,
}

impl Fault {
    fn new(code: &str, reason: impl Into<String>) -> Self {
        Self { code: code.to_owned(), reason: reason.into() }
    }

    /// The same, told of a row that is not alone in its line.
    fn at(self, item: Item) -> Self {
        Self { reason: format!("In {item}: {}", self.reason), ..self }
    }

    /// There is another of the same id.
    fn exists(what: &str) -> Self {
        Self::new("Exists", format!("There is a {what} of this id already, and it is not the same."))
    }

    /// Why this error refuses a row.
    ///
    /// # Errors
    /// The error itself if it is not about the row: the store failed.
    fn of(error: Error) -> Result<Self, Error> {
        match error {
            Error::BadRequest(reason) => Ok(Self::new("Unreadable", reason)),
            Error::Invalid(InvalidFields(fields)) => {
                let reasons: Vec<String> =
                    fields.iter().map(|(field, message)| format!("{field}: {message}")).collect();
                Ok(Self::new("Invalid", reasons.join(" ")))
            }
            Error::Refused(refusals) => {
                let codes: Vec<String> = refusals.iter().map(ToString::to_string).collect();
                let reasons: Vec<&str> = refusals.iter().map(|refusal| refusal.description()).collect();
                Ok(Self::new(&codes.join(","), reasons.join(" ")))
            }
            other => Err(other),
        }
    }
}

/// How many rows came to which end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Users who were made.
    pub users: u64,
    /// Groups that were made.
    pub groups: u64,
    /// What was there already.
    pub there: u64,
    /// Rows that were refused.
    pub refused: u64,
    /// All rows.
    #[serde(skip)]
    pub rows: u64,
}

impl Tally {
    /// Counts what became of a row.
    pub fn count(&mut self, row: &RowResult) {
        self.groups += row.groups;
        self.rows += 1;
        *match row.outcome {
            Outcome::User => &mut self.users,
            Outcome::Group => &mut self.groups,
            Outcome::There => &mut self.there,
            Outcome::Refused(_) => &mut self.refused,
        } += 1;
    }
}

impl App {
    /// Brings along what rows say, until there are no more, and tells what becomes of each, in their order.
    /// A dry run keeps nothing, and tells what would become of them. It ends early when nobody takes the
    /// results any more.
    ///
    /// # Errors
    /// [`Error::Unavailable`] and [`Error::Internal`] when the store fails: then nothing is known of the
    /// rows that have no result yet. The same rows can be imported again: what is there is left alone.
    pub async fn import(
        &self,
        origin: &Origin,
        dry_run: bool,
        mut rows: mpsc::Receiver<Numbered>,
        results: mpsc::Sender<Vec<RowResult>>,
    ) -> Result<(), Error> {
        let mut import = Import::begin(self, origin, dry_run).await?;
        let mut decided = decide::next(self, origin, &mut rows).await?;
        while !decided.is_empty() {
            // The store is at work while the next rows are decided on.
            let next = decide::next(self, origin, &mut rows);
            let ((kept, stopped), next) = tokio::join!(import.keep(decided), next);
            if results.send(kept).await.is_err() {
                return Ok(());
            }
            stopped?;
            decided = next?;
        }
        Ok(())
    }
}
