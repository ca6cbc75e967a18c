//! A text that comes in pieces, cut into lines.

use crate::app::import::Numbered;
use crate::directory::import::Row;
use crate::error::Error;

/// How long a line may be, in bytes: as long as the body of a request.
pub(crate) const MAX_LINE_BYTES: usize = 1024 * 1024;

/// Reads a row from a line.
pub(crate) type ReadRow = fn(&[u8]) -> Result<Row, Error>;

/// Cuts a text into lines, and reads a row from each that is not empty.
pub(crate) struct Lines {
    row: ReadRow,
    /// The line that has begun.
    begun: Vec<u8>,
    /// Whether it is too long already: then what comes of it is dropped.
    is_too_long: bool,
    /// How many lines have ended.
    ended: u64,
}

impl Lines {
    pub(crate) fn new(row: ReadRow) -> Self {
        Self { row, begun: Vec::new(), is_too_long: false, ended: 0 }
    }

    /// Takes the next piece, and gives the rows that end in it.
    pub(crate) fn push(&mut self, piece: &[u8]) -> Vec<Numbered> {
        let mut rows = Vec::new();
        let mut parts = piece.split(|byte| *byte == b'\n');
        let last = parts.next_back().unwrap_or_default();
        for part in parts {
            self.add(part);
            rows.extend(self.cut());
        }
        self.add(last);
        rows
    }

    /// The row of the last line, which nothing ends.
    pub(crate) fn end(&mut self) -> Option<Numbered> {
        self.cut()
    }

    fn add(&mut self, part: &[u8]) {
        self.is_too_long |= self.begun.len() + part.len() > MAX_LINE_BYTES;
        if self.is_too_long {
            self.begun.clear();
        } else {
            self.begun.extend_from_slice(part);
        }
    }

    fn cut(&mut self) -> Option<Numbered> {
        self.ended += 1;
        let is_too_long = std::mem::take(&mut self.is_too_long);
        let line = self.begun.trim_ascii();
        // Some programs begin every file with a mark of the byte order.
        let line = if self.ended == 1 { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) } else { line };
        let row = if is_too_long {
            let most = MAX_LINE_BYTES;
            Some(Err(Error::BadRequest(format!("The line is longer than {most} bytes."))))
        } else if line.is_empty() {
            None
        } else {
            Some((self.row)(line))
        };
        self.begun.clear();
        Some(Numbered { line: self.ended, item: None, row: row? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers of the lines, and what is in each or why it is refused.
    fn cut(pieces: &[&[u8]]) -> Vec<(u64, String)> {
        let mut lines = Lines::new(|line| Ok(Row::GroupNamed(String::from_utf8_lossy(line).into_owned())));
        let mut rows: Vec<Numbered> = pieces.iter().flat_map(|piece| lines.push(piece)).collect();
        rows.extend(lines.end());
        let shown = rows.into_iter().map(|Numbered { line, row, .. }| match row {
            Ok(Row::GroupNamed(text)) => (line, text),
            Ok(_) => unreachable!("all rows are made above"),
            Err(error) => (line, error.to_string()),
        });
        shown.collect()
    }

    #[test]
    fn lines_are_the_same_however_the_text_is_cut() {
        let text = b"\xef\xbb\xbfone\r\n\n  two\nthree";
        let whole = cut(&[text]);
        assert_eq!(whole, [(1, "one".to_owned()), (3, "two".to_owned()), (4, "three".to_owned())]);
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(cut(&bytes), whole);
        assert_eq!(cut(&[b"one\n"]), [(1, "one".to_owned())]);
        assert_eq!(cut(&[]), []);
    }

    #[test]
    fn a_line_that_is_too_long_is_refused_and_those_after_it_are_read() {
        let long = vec![b'x'; MAX_LINE_BYTES + 1];
        let rows = cut(&[b"one\n", &long, &long, b"\ntwo\n"]);
        assert_eq!((rows[0].0, rows[1].0, rows[2].0), (1, 2, 3));
        assert!(rows[1].1.contains("longer than 1048576 bytes"), "{}", rows[1].1);
        assert_eq!(rows[2].1, "two");
    }
}
