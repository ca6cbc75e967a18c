//! Values between commas. The header names a field of each column by its path: `email`, `claims.locale`,
//! `public_data.plan`. Of `groups` the names are separated by semicolons.

mod records;

use std::io::BufRead;

use anyhow::{Context, Result, bail};
use csv::StringRecord;
use serde_json::{Map, Value};

use super::lines::MAX_LINE_BYTES;
use crate::app::import::Numbered;
use crate::directory::claims::{self, ADDRESS_PARTS};
use crate::directory::import::{NewRow, Row};
use crate::error::{Error, InvalidFields};
use records::Records;

/// Fields that are texts.
const TEXTS: [&str; 12] = [
    "username",
    "email",
    "phone_number",
    "password",
    "password_hash",
    "password_hash_algorithm",
    "name",
    "given_name",
    "middle_name",
    "family_name",
    "nickname",
    "picture",
];
/// Fields that are true or false.
const FLAGS: [&str; 6] = [
    "email_verified",
    "phone_number_verified",
    "is_temporary_password",
    "skip_password_policy_checks",
    "skip_conformance_checks",
    "disabled",
];
const TIME: &str = "creation_time";
const GROUPS: &str = "groups";

/// What a column holds, and where it goes.
struct Column {
    path: Vec<String>,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Text,
    Flag,
    Number,
    Names,
}

impl Column {
    fn named(name: &str) -> Option<Self> {
        let path: Vec<String> = name.split('.').map(str::to_owned).collect();
        let parts: Vec<&str> = path.iter().map(String::as_str).collect();
        let kind = match parts[..] {
            [field] if TEXTS.contains(&field) => Kind::Text,
            [field] if FLAGS.contains(&field) => Kind::Flag,
            [TIME] => Kind::Number,
            [GROUPS] => Kind::Names,
            ["claims", claim] if claim != "address" && claims::names().any(|known| known == claim) => {
                Kind::Text
            }
            ["claims", "address", part] if ADDRESS_PARTS.contains(&part) => Kind::Text,
            ["public_data" | "private_data", ref rest @ ..]
                if !rest.is_empty() && rest.iter().all(|part| !part.is_empty()) =>
            {
                Kind::Text
            }
            _ => return None,
        };
        Some(Self { path, kind })
    }

    /// The value of a cell that is not empty.
    fn value(&self, text: &str) -> Result<Value, InvalidFields> {
        let wrong = |expected: &str| {
            InvalidFields::one(
                &self.path.join("."),
                format!("This is not of the right type: expected {expected}."),
            )
        };
        Ok(match self.kind {
            Kind::Text => text.into(),
            Kind::Flag => match text.to_ascii_lowercase().as_str() {
                "true" => true.into(),
                "false" => false.into(),
                _ => return Err(wrong("true or false")),
            },
            Kind::Number => text.parse::<i64>().map_err(|_| wrong("a whole number"))?.into(),
            Kind::Names => {
                let names = text.split(';').map(str::trim).filter(|name| !name.is_empty());
                names.map(str::to_owned).collect::<Vec<_>>().into()
            }
        })
    }
}

/// Reads the rows of a file.
///
/// # Errors
/// A sentence for the operator when the header names a field that is not known, and when the file cannot be
/// read.
pub(super) fn read(input: &mut dyn BufRead, take: &mut dyn FnMut(Numbered) -> bool) -> Result<()> {
    let records = Records::new(input);
    let mut reader = csv::ReaderBuilder::new().has_headers(true).flexible(true).from_reader(records);
    let header = reader.headers().context("the header cannot be read")?.clone();
    if reader.get_mut().next().is_some_and(|begun| begun.is_too_long) {
        bail!("the header is longer than {MAX_LINE_BYTES} bytes");
    }
    let columns = columns(&header)?;
    let mut record = StringRecord::new();
    loop {
        let read = reader.read_record(&mut record);
        if matches!(read, Ok(false)) {
            return Ok(());
        }
        let begun = reader.get_mut().next().unwrap_or_default();
        let row = match read {
            _ if begun.is_too_long => Err(Error::BadRequest(format!(
                "The row is longer than {MAX_LINE_BYTES} bytes. Perhaps a quote that opens in it is not closed."
            ))),
            Ok(_) if reader.get_ref().end_is_quoted() => {
                let told =
                    "A quote that opens here is not closed: all that follows it was taken for one value.";
                Err(Error::BadRequest(told.to_owned()))
            }
            Ok(_) => row(&columns, &record),
            Err(error) if matches!(error.kind(), csv::ErrorKind::Utf8 { .. }) => {
                Err(Error::BadRequest("The line cannot be read: it is not UTF-8.".to_owned()))
            }
            Err(error) => return Err(error).context("the file cannot be read"),
        };
        if !take(Numbered { line: begun.line, item: None, row }) {
            return Ok(());
        }
    }
}

/// The name of a column without what programs put around it.
fn plain(name: &str) -> &str {
    name.trim().trim_start_matches('\u{feff}')
}

/// Whether this could be meant as the name of a field, or of several.
fn is_like_a_name(text: &str) -> bool {
    text.len() <= 100 && text.chars().all(|char| char.is_ascii_alphanumeric() || "_-.; ".contains(char))
}

fn columns(header: &StringRecord) -> Result<Vec<Column>> {
    let mut columns: Vec<Column> = Vec::new();
    let is_header =
        header.iter().flat_map(|name| name.split(';')).any(|name| Column::named(plain(name)).is_some());
    for (place, name) in (1..).zip(header) {
        let name = plain(name);
        let Some(column) = Column::named(name) else {
            // Where the header is missing, this is somebody's address or name, and nothing to be told.
            let told = if is_header && is_like_a_name(name) {
                format!("`{name}`")
            } else {
                format!("something in column {place}")
            };
            bail!(
                "the header names {told}, which is no field; fields are {}, {}, {TIME}, {GROUPS}, and paths below \
                 claims, public_data and private_data",
                TEXTS.join(", "),
                FLAGS.join(", ")
            );
        };
        if let Some(other) = columns.iter().find(|other| is_within(&other.path, &column.path)) {
            bail!("the header names `{name}` beside `{}`: one would hide the other", other.path.join("."));
        }
        columns.push(column);
    }
    Ok(columns)
}

/// Whether one path is the beginning of the other.
fn is_within(one: &[String], other: &[String]) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

fn row(columns: &[Column], record: &StringRecord) -> Result<Row, Error> {
    if record.len() != columns.len() {
        let (found, wanted) = (record.len(), columns.len());
        return Err(Error::BadRequest(format!("The line has {found} values; the header names {wanted}.")));
    }
    let mut fields = Map::new();
    for (column, text) in columns.iter().zip(record).filter(|(_, text)| !text.is_empty()) {
        let (last, way) = column.path.split_last().expect("a path has a part");
        let mut object = &mut fields;
        for part in way {
            let inner = object.entry(part).or_insert_with(|| Value::Object(Map::new()));
            object = inner.as_object_mut().expect("no column hides another");
        }
        object.insert(last.clone(), column.value(text)?);
    }
    let fields = Value::Object(fields);
    let known_by = fields.to_string().into_bytes();
    let new: NewRow = serde_json::from_value(fields)
        .map_err(|error| Error::Internal(format!("a line of values cannot be read: {error}")))?;
    Ok(Row::New(Box::new(NewRow { known_by, ..new })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    /// What is read: the lines and rows, or what is wrong with the whole.
    fn rows(text: &str) -> Result<Vec<(u64, Result<NewRow, String>)>> {
        let mut rows = Vec::new();
        read(&mut text.as_bytes(), &mut |Numbered { line, row, .. }| {
            let row = row.map_err(|error| error.to_string()).map(|row| match row {
                Row::New(new) => *new,
                _ => unreachable!("lines of values bring new users only"),
            });
            rows.push((line, row));
            true
        })?;
        Ok(rows)
    }

    #[test]
    fn each_column_goes_where_its_path_leads() {
        let header =
            "\u{feff}email,email_verified, claims.address.locality,private_data.a.b,groups,creation_time";
        let line = "\"ada, countess\"@example.com,TRUE,\"Lon\ndon\",7,One; Two;,1000";
        let read = rows(&format!("{header}\r\n{line}\r\nbob@example.com,,,,,\r\n")).unwrap();
        let (first, second) = (read[0].1.as_ref().unwrap(), read[1].1.as_ref().unwrap());
        assert_eq!((read[0].0, read[1].0), (2, 4));
        assert_eq!(first.email_verified, Some(true));
        assert_eq!(first.claims["address"]["locality"], "Lon\ndon");
        assert_eq!(first.private_data["a"]["b"], "7");
        assert_eq!(
            (first.groups.as_slice(), first.creation_time),
            (&["One".to_owned(), "Two".to_owned()][..], Some(Timestamp(1_000)))
        );
        assert_eq!(
            (second.email.as_deref(), second.email_verified, second.groups.len()),
            (Some("bob@example.com"), None, 0)
        );
        assert_ne!(first.known_by, second.known_by);
    }

    #[test]
    fn what_is_wrong_with_a_line_is_told_of_that_line() {
        let read = rows("email,disabled,creation_time\na@example.com,maybe,\nb@example.com\nc@example.com,,soon\nd@example.com,false,0\n").unwrap();
        let faults: Vec<_> =
            read.iter().map(|(line, row)| (*line, row.as_ref().err().map(String::as_str))).collect();
        assert_eq!(
            faults,
            [
                (2, Some("invalid fields: disabled")),
                (3, Some("The line has 1 values; the header names 3.")),
                (4, Some("invalid fields: creation_time")),
                (5, None)
            ]
        );
    }

    #[test]
    fn a_quote_that_is_not_closed_is_told_where_it_opens() {
        let read = rows("email,name\na@example.com,\"a \"\"b\"\"\"\nb@example.com,5\" x\nc@example.com,\"open\nd@example.com,d\n").unwrap();
        let refused: Vec<_> = read.iter().map(|(line, row)| (*line, row.is_err())).collect();
        assert_eq!(refused, [(2, false), (3, false), (4, true)]);
    }

    #[test]
    fn lines_are_counted_as_they_stand_in_the_file() {
        for end in ["\n", "\r\n", "\r"] {
            let text = "\n\nemail,name\n\n\na@example.com,\"a\n\nb\"\n\nb@example.com,\n\n\nc@example.com,";
            let read = rows(&text.replace('\n', end)).unwrap();
            let lines: Vec<_> = read.iter().map(|(line, row)| (*line, row.is_ok())).collect();
            assert_eq!(lines, [(6, true), (10, true), (13, true)], "{end:?}");
        }
    }

    #[test]
    fn a_row_that_is_too_long_is_refused_and_those_after_it_are_read() {
        let long = "x".repeat(MAX_LINE_BYTES);
        for long in [format!("long@example.com,{long}"), format!("long@example.com,\"{long}\"\"\n,\"")] {
            let text = format!("email,name\na@example.com,a\n{long}\nb@example.com,b\n{long}\n");
            let read = rows(&text).unwrap();
            let refused: Vec<_> = read.iter().map(|(_, row)| row.is_err()).collect();
            assert_eq!(refused, [false, true, false, true]);
            let told = read[1].1.as_ref().unwrap_err();
            assert!(told.starts_with("The row is longer than 1048576 bytes"), "{told}");
        }
        let open = format!("email,name\na@example.com,\"{long}");
        assert!(rows(&open).unwrap()[0].1.as_ref().unwrap_err().contains("not closed"));
        assert!(rows(&format!("email,{long}\n")).unwrap_err().to_string().contains("header is longer"));
    }

    #[test]
    fn a_column_that_is_no_field_is_told_at_once() {
        for (header, told) in [
            ("email,emial", "`emial`, which is no field"),
            ("email,claims.shoe_size", "`claims.shoe_size`, which is no field"),
            ("email,private_data.", "`private_data.`, which is no field"),
            ("email;given_name", "`email;given_name`, which is no field"),
            ("email,email", "`email` beside `email`"),
            ("private_data.a,private_data.a.b", "`private_data.a.b` beside `private_data.a`"),
        ] {
            let error = rows(&format!("{header}\n")).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
    }
    /// Without a header the first row would be quoted, to whoever reads the terminal or the answer.
    #[test]
    fn nothing_personal_is_quoted_where_the_header_is_missing() {
        for (first, place) in [
            ("ada@example.com,true", 1),
            ("email,+441514960453", 2),
            ("441514960453,true", 1),
            ("Ada Lovelace,ada", 1),
            ("[{\"a\":\"b\"}]", 1),
        ] {
            let error = rows(&format!("{first}\n")).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("the header names something in column {place}, which")),
                "{error}"
            );
        }
    }
}
