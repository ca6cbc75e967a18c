//! Where the rows of a file of values begin, and how long they are: the reader of values tells neither.

use std::collections::VecDeque;
use std::io::{self, BufRead, Read};

use crate::import::lines::MAX_LINE_BYTES;

/// A row that has begun.
#[derive(Default)]
pub(super) struct Begun {
    /// The line where it begins, from 1.
    pub(super) line: u64,
    /// Whether it is too long: then what is passed on of it is its beginning.
    pub(super) is_too_long: bool,
}

/// Passes a file on, without what is beyond the bound of a row.
pub(super) struct Records<'a> {
    input: &'a mut dyn BufRead,
    place: Place,
    has_ended: bool,
    /// The line that is read.
    line: u64,
    /// Whether the byte before ended a line, of which the other half may follow.
    is_after_return: bool,
    /// How much of the row was read.
    length: usize,
    /// The rows that have begun, but for those that were asked for.
    begun: VecDeque<Begun>,
}

/// Where in a row one is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before it: lines without anything are none.
    Outside,
    /// Where a value begins: only there a quote opens it.
    Beginning,
    Unquoted,
    Quoted,
    /// Behind a quote, which closes it if no other follows.
    QuoteWithin,
}

impl Place {
    fn after(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Quoted, b'"') => Self::QuoteWithin,
            (Self::Outside | Self::Beginning | Self::QuoteWithin, b'"') | (Self::Quoted, _) => Self::Quoted,
            (_, b',') => Self::Beginning,
            (_, b'\n' | b'\r') => Self::Outside,
            _ => Self::Unquoted,
        }
    }
}

impl<'a> Records<'a> {
    pub(super) fn new(input: &'a mut dyn BufRead) -> Self {
        Self {
            input,
            place: Place::Outside,
            has_ended: false,
            line: 1,
            is_after_return: false,
            length: 0,
            begun: VecDeque::new(),
        }
    }

    /// The next row that has begun.
    pub(super) fn next(&mut self) -> Option<Begun> {
        self.begun.pop_front()
    }

    /// Whether all was read, and a quote is still open.
    pub(super) fn end_is_quoted(&self) -> bool {
        self.has_ended && self.place == Place::Quoted
    }

    /// Takes the next byte, and gives what is passed on for it.
    fn pass(&mut self, byte: u8) -> Option<u8> {
        let before = self.place;
        self.place = before.after(byte);
        if before == Place::Outside && self.place != Place::Outside {
            self.begun.push_back(Begun { line: self.line, is_too_long: false });
            self.length = 0;
        }
        // Lines end in either of two characters, or in both.
        if byte == b'\r' || (byte == b'\n' && !self.is_after_return) {
            self.line += 1;
        }
        self.is_after_return = byte == b'\r';
        if self.place == Place::Outside {
            return Some(byte);
        }
        self.length += 1;
        if self.length <= MAX_LINE_BYTES {
            return Some(byte);
        }
        let is_first = self.length == MAX_LINE_BYTES + 1;
        if is_first && let Some(begun) = self.begun.back_mut() {
            begun.is_too_long = true;
        }
        // The end of the row must not be taken for a part of the value.
        (is_first && before == Place::Quoted).then_some(b'"')
    }
}

impl Read for Records<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.input.read(buffer)?;
            if read == 0 {
                self.has_ended = true;
                return Ok(0);
            }
            let mut passed = 0;
            for at in 0..read {
                if let Some(byte) = self.pass(buffer[at]) {
                    buffer[passed] = byte;
                    passed += 1;
                }
            }
            // Nothing would be the end.
            if passed > 0 {
                return Ok(passed);
            }
        }
    }
}
