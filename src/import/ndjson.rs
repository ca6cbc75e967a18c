//! Lines of an export of ours, and requests to make users.

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::directory::import::{NewRow, Row};
use crate::directory::whole::{WholeGroup, WholeUser};
use crate::error::Error;
use crate::json::{self, Text};

/// What tells a line of an export from a request.
#[derive(Deserialize)]
struct Kind {
    group: Option<IgnoredAny>,
    user: Option<IgnoredAny>,
}

/// A group of an export.
#[derive(Deserialize)]
struct GroupLine {
    group: WholeGroup,
}

/// The row of a line.
pub(crate) fn row(line: &[u8]) -> Result<Row, Error> {
    // What is wrong with the line is told below.
    let kind = serde_json::from_slice(line).unwrap_or(Kind { group: None, user: None });
    if kind.group.is_some() {
        return Ok(Row::Group(json::object::<GroupLine>(Text::Line, line)??.group));
    }
    if kind.user.is_some() {
        return Ok(Row::Whole(Box::new(json::object::<WholeUser>(Text::Line, line)??)));
    }
    let new: NewRow = json::object(Text::Line, line)??;
    Ok(Row::New(Box::new(NewRow { known_by: line.to_vec(), ..new })))
}
