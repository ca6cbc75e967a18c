//! Files that users come from, read row by row: what a row says is for the directory to judge
//! ([`crate::directory::import`]).

mod auth0;
mod csv;
mod keycloak;
pub(crate) mod lines;
mod ndjson;

use std::io::BufRead;

use anyhow::Result;
use clap::ValueEnum;

use crate::app::import::Numbered;
use lines::Lines;

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// An export of bonafide, or requests to make users, a JSON object a line
    Ndjson,
    /// A header and lines with values between commas
    Csv,
    /// What Auth0 exports: a JSON object a line
    Auth0,
    /// What Keycloak exports of a realm: one JSON object
    Keycloak,
}

impl Format {
    /// The format of a file that begins so.
    pub(crate) fn guess(beginning: &[u8]) -> Self {
        let beginning = beginning.strip_prefix(b"\xef\xbb\xbf").unwrap_or(beginning).trim_ascii_start();
        match beginning.first() {
            Some(b'{') => {}
            // A list is none of these. Of what comes by lines, each is told what it must be.
            Some(b'[') => return Self::Ndjson,
            _ => return Self::Csv,
        }
        let first = beginning.split(|byte| *byte == b'\n').next().unwrap_or_default();
        if keycloak::is_like(first) {
            Self::Keycloak
        } else if auth0::is_like(first) {
            Self::Auth0
        } else {
            Self::Ndjson
        }
    }

    /// Reads rows to the end, or until nobody takes them any more: `take` says whether anybody does.
    ///
    /// # Errors
    /// A sentence for the operator when the file cannot be read, or is not of this format as a whole.
    pub(crate) fn read(self, input: &mut dyn BufRead, take: &mut dyn FnMut(Numbered) -> bool) -> Result<()> {
        match self {
            Self::Ndjson => by_lines(input, ndjson::row, take),
            Self::Auth0 => by_lines(input, auth0::row, take),
            Self::Csv => csv::read(input, take),
            Self::Keycloak => keycloak::read(input, take),
        }
    }
}

/// A text, if there is anything in it: where nothing is known, other directories write an empty one.
fn filled(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty())
}

/// Reads a file of which each line is a row.
fn by_lines(
    input: &mut dyn BufRead,
    row: lines::ReadRow,
    take: &mut dyn FnMut(Numbered) -> bool,
) -> Result<()> {
    let mut lines = Lines::new(row);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = input.read(&mut buffer)?;
        let rows = if read == 0 { lines.end().into_iter().collect() } else { lines.push(&buffer[..read]) };
        for row in rows {
            if !take(row) {
                return Ok(());
            }
        }
        if read == 0 {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_told_by_how_a_file_begins() {
        for (beginning, format) in [
            ("email,name\n", Format::Csv),
            ("", Format::Csv),
            ("{\"email\":\"a@example.com\"}\n", Format::Ndjson),
            ("\u{feff}{\"user\":{\"user_id\":\"x\"}}\n", Format::Ndjson),
            ("{\"group\":{}}", Format::Ndjson),
            ("[{\"email\":\"a@example.com\"}]", Format::Ndjson),
            ("{\"user_id\":\"auth0|1\",\"email\":\"a@example.com\"}\n", Format::Auth0),
            (
                "{\"_id\":{\"$oid\":\"1\"},\"email\":\"a@example.com\",\"passwordHash\":\"x\"}\n",
                Format::Auth0,
            ),
            ("{\n  \"realm\" : \"acme\",", Format::Keycloak),
            ("{\"realm\":\"acme\",\"users\":[{\"id\":\"1\"}]}", Format::Keycloak),
            ("{\"id\":\"acme\",\"realm\":\"acme\",\"users\":[{\"id\":\"1", Format::Keycloak),
        ] {
            assert_eq!(Format::guess(beginning.as_bytes()), format, "{beginning}");
        }
    }
}
