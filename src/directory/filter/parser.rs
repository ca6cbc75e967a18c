//! The grammar, by recursive descent. It descends once for each open parenthesis, and
//! [`MAX_LEVELS`] bounds those.

use std::ops::Bound;

use super::lexer::{Lexer, Operator, Word};
use super::{Clause, Condition, Expression, Field, FilterError, MAX_BYTES, MAX_CLAUSES, MAX_LEVELS};
use super::{Span, Value};

/// What a range looks like, for whoever wrote one otherwise.
const RANGE_FORM: &str = "A range is written [a TO b], and quotation marks make a bracket plain.";

/// Reads a filter; see [`super::parse`].
pub(super) fn parse(text: &str) -> Result<Option<Expression>, FilterError> {
    let beyond = text.char_indices().position(|(byte, next)| byte + next.len_utf8() > MAX_BYTES);
    if let Some(place) = beyond {
        return Err(FilterError::new(place, format!("A filter has at most {MAX_BYTES} bytes.")));
    }
    let mut parser = Parser { lexer: Lexer::new(text), clauses: 0, levels: 0 };
    parser.lexer.skip_white_space();
    if parser.lexer.peek().is_none() {
        return Ok(None);
    }
    let unopened = "Nothing opens this parenthesis; remove it, or put a backslash before it.";
    if parser.lexer.peek() == Some(')') {
        return Err(FilterError::new(parser.lexer.position(), unopened));
    }
    let expression = parser.any(None)?;
    match parser.lexer.peek() {
        None => Ok(Some(expression)),
        Some(_) => Err(FilterError::new(parser.lexer.position(), unopened)),
    }
}

/// A filter that is being read. Its functions take the field that stands before the parentheses
/// they are in, if one does.
struct Parser {
    /// The rest of the text.
    lexer: Lexer,
    /// The clauses so far.
    clauses: usize,
    /// The parentheses and complements that are open.
    levels: usize,
}

impl Parser {
    /// Reads operands to the end or the closing parenthesis, which is next then.
    fn any(&mut self, field: Option<&Field>) -> Result<Expression, FilterError> {
        let mut members = vec![self.all(field, None)?];
        loop {
            let place = self.lexer.position();
            if !self.lexer.take_operator(Operator::Or)? {
                return Ok(Expression::any_of(members));
            }
            members.push(self.all(field, Some(place))?);
        }
    }

    /// Reads operands up to an OR, which is next then. `wanted_by` is the place of the operator
    /// before the first.
    fn all(&mut self, field: Option<&Field>, wanted_by: Option<usize>) -> Result<Expression, FilterError> {
        let mut members = vec![self.operand(field, wanted_by)?];
        loop {
            self.lexer.skip_white_space();
            if matches!(self.lexer.peek(), None | Some(')')) || self.lexer.at_operator(Operator::Or) {
                return Ok(Expression::all_of(members));
            }
            let place = self.lexer.position();
            let wanted_by = self.lexer.take_operator(Operator::And)?.then_some(place);
            members.push(self.operand(field, wanted_by)?);
        }
    }

    /// Reads what operators stand between, with the signs before it.
    fn operand(
        &mut self,
        field: Option<&Field>,
        mut wanted_by: Option<usize>,
    ) -> Result<Expression, FilterError> {
        let outside = self.levels;
        loop {
            self.lexer.skip_white_space();
            let place = self.lexer.position();
            if self.lexer.take_operator(Operator::Not)? {
                self.enter(place)?;
            } else if !self.lexer.take_operator(Operator::Required)? {
                break;
            }
            wanted_by = Some(place);
        }
        let complements = self.levels - outside;
        let operand = self.plain_operand(field, wanted_by)?;
        self.levels = outside;
        Ok((0..complements).fold(operand, |operand, _| Expression::Not(Box::new(operand))))
    }

    /// Reads parentheses or a clause.
    fn plain_operand(
        &mut self,
        field: Option<&Field>,
        wanted_by: Option<usize>,
    ) -> Result<Expression, FilterError> {
        let place = self.lexer.position();
        let operator = self.lexer.at_operator(Operator::And) || self.lexer.at_operator(Operator::Or);
        match (self.lexer.peek(), wanted_by) {
            (Some('('), _) => self.parentheses(field),
            (None | Some(')'), _) => Err(lacks_right(wanted_by.unwrap_or(place))),
            (_, Some(wanted_by)) if operator => Err(lacks_right(wanted_by)),
            (_, None) if operator => Err(FilterError::new(
                place,
                "Put something before this operator, or quotation marks around it if it is a word.",
            )),
            _ => match field {
                Some(field) => {
                    let condition = self.condition(place)?;
                    self.clause(place, Some(field.clone()), condition)
                }
                None => self.bare_or_named(),
            },
        }
    }

    /// Reads parentheses, of which the first is next.
    fn parentheses(&mut self, field: Option<&Field>) -> Result<Expression, FilterError> {
        let open = self.lexer.position();
        self.enter(open)?;
        self.lexer.take('(');
        self.lexer.skip_white_space();
        if self.lexer.peek() == Some(')') {
            return Err(FilterError::new(open, "Put something between these parentheses."));
        }
        let unclosed = || FilterError::new(open, "Close this parenthesis.");
        if self.lexer.peek().is_none() {
            return Err(unclosed());
        }
        let expression = self.any(field)?;
        self.levels -= 1;
        if self.lexer.take(')') { Ok(expression) } else { Err(unclosed()) }
    }

    /// Reads a bare word or phrase, or a field and what is asked of it.
    fn bare_or_named(&mut self) -> Result<Expression, FilterError> {
        let start = self.lexer.position();
        match self.lexer.peek() {
            Some('"') => {
                let value = self.quoted(&[])?;
                return self.clause(start, None, Condition::Equals(value));
            }
            Some('[' | '{' | '<' | '>') => {
                return Err(FilterError::new(
                    start,
                    "Put a field before this range or comparison, as in creation_time:>0, or quotation marks \
                     around a word that begins so.",
                ));
            }
            _ => {}
        }
        let word = self.lexer.word(&[':'])?;
        let colon = self.lexer.position();
        let named = self.lexer.take(':');
        match (word.star, named) {
            (None, false) => {
                let value = Value { text: word.text, quoted: false };
                self.clause(start, None, Condition::Equals(value))
            }
            (Some(_), false) if word.text.is_empty() => self.everything(start),
            (Some(_), false) => self.clause(start, None, Condition::Prefix(word.text)),
            (Some(_), true) if word.text.is_empty() && self.lexer.take_word("*") => self.everything(start),
            (Some(star), true) => Err(FilterError::new(star, "Write the whole name of a field, without *.")),
            (None, true) if word.text.is_empty() => Err(FilterError::new(
                colon,
                "Put a field before this colon, or a backslash if the colon is part of a word.",
            )),
            (None, true) => {
                let field = Field { name: word.text, span: Span { start, end: colon } };
                if self.lexer.peek() == Some('(') {
                    return self.parentheses(Some(&field));
                }
                let condition = self.condition(colon)?;
                self.clause(start, Some(field), condition)
            }
        }
    }

    /// Reads what is asked of a field. `wanted_by` is the place to point at if there is nothing.
    fn condition(&mut self, wanted_by: usize) -> Result<Condition, FilterError> {
        match self.lexer.peek() {
            Some('[' | '{') => return self.range(),
            Some('<' | '>') => return self.comparison(),
            Some('"') => return Ok(Condition::Equals(self.quoted(&[])?)),
            _ if self.lexer.at_end_of_word() => {
                return Err(FilterError::new(
                    wanted_by,
                    "Put a value right after this colon, or * for any value.",
                ));
            }
            _ => {}
        }
        let word = self.lexer.word(&[])?;
        Ok(match word.star {
            None => Condition::Equals(Value { text: word.text, quoted: false }),
            Some(_) if word.text.is_empty() => Condition::Present,
            Some(_) => Condition::Prefix(word.text),
        })
    }

    /// Reads a comparison, of which the sign is next.
    fn comparison(&mut self) -> Result<Condition, FilterError> {
        let place = self.lexer.position();
        let more = self.lexer.take('>');
        if !more {
            self.lexer.take('<');
        }
        let bound = if self.lexer.take('=') { Bound::Included } else { Bound::Excluded };
        let value = if self.lexer.peek() == Some('"') {
            self.quoted(&[])?
        } else if self.lexer.at_end_of_word() {
            return Err(FilterError::new(place, "Put a value right after this comparison."));
        } else {
            whole(self.lexer.word(&[])?)?
        };
        Ok(if more {
            Condition::Range { lower: bound(value), upper: Bound::Unbounded }
        } else {
            Condition::Range { lower: Bound::Unbounded, upper: bound(value) }
        })
    }

    /// Reads a range, of which the bracket is next.
    fn range(&mut self) -> Result<Condition, FilterError> {
        let open = self.lexer.position();
        let exclusive = self.lexer.take('{');
        if !exclusive {
            self.lexer.take('[');
        }
        let lower_bound = if exclusive { Bound::Excluded } else { Bound::Included };
        let lower = self.end_of_range(open)?;
        if !self.lexer.take_word("TO") {
            return Err(self.wrong_range(open));
        }
        let upper = self.end_of_range(open)?;
        let upper_bound = if self.lexer.take(']') {
            Bound::Included
        } else if self.lexer.take('}') {
            Bound::Excluded
        } else {
            return Err(self.wrong_range(open));
        };
        self.after_value(&[])?;
        Ok(match (lower, upper) {
            (None, None) => Condition::Present,
            (lower, upper) => Condition::Range {
                lower: lower.map_or(Bound::Unbounded, lower_bound),
                upper: upper.map_or(Bound::Unbounded, upper_bound),
            },
        })
    }

    /// Reads one end of a range and the white space around it; an open one is `None`.
    fn end_of_range(&mut self, open: usize) -> Result<Option<Value>, FilterError> {
        const BRACKETS: [char; 2] = [']', '}'];
        self.lexer.skip_white_space();
        let end = if self.lexer.peek() == Some('"') {
            Some(self.quoted(&BRACKETS)?)
        } else if self.lexer.at_end_of_word()
            || self.lexer.peek().is_some_and(|next| BRACKETS.contains(&next))
            || self.lexer.at_word("TO")
        {
            return Err(self.wrong_range(open));
        } else {
            let word = self.lexer.word(&BRACKETS)?;
            let open_end = word.star.is_some() && word.text.is_empty();
            if open_end { None } else { Some(whole(word)?) }
        };
        self.lexer.skip_white_space();
        Ok(end)
    }

    /// The error of a range that goes on otherwise than it must.
    fn wrong_range(&self, open: usize) -> FilterError {
        let place = if self.lexer.peek().is_some() { self.lexer.position() } else { open };
        FilterError::new(place, RANGE_FORM)
    }

    /// Reads a quoted value, which only white space, a parenthesis or one of `ends` may follow.
    fn quoted(&mut self, ends: &[char]) -> Result<Value, FilterError> {
        let text = self.lexer.quoted()?;
        self.after_value(ends)?;
        Ok(Value { text, quoted: true })
    }

    /// Checks that a value that closes itself is not followed by more of it.
    fn after_value(&self, ends: &[char]) -> Result<(), FilterError> {
        if self.lexer.at_end_of_word() || self.lexer.peek().is_some_and(|next| ends.contains(&next)) {
            return Ok(());
        }
        Err(FilterError::new(
            self.lexer.position(),
            "Put a space here: nothing else can follow a closing quotation mark or bracket.",
        ))
    }

    /// The clause that was read from `start` on.
    fn clause(
        &mut self,
        start: usize,
        field: Option<Field>,
        condition: Condition,
    ) -> Result<Expression, FilterError> {
        self.count(start)?;
        let span = Span { start, end: self.lexer.position() };
        Ok(Expression::Clause(Clause { field, condition, span }))
    }

    /// What matches everything, which was read from `start` on.
    fn everything(&mut self, start: usize) -> Result<Expression, FilterError> {
        self.count(start)?;
        Ok(Expression::All)
    }

    /// Counts a clause.
    fn count(&mut self, place: usize) -> Result<(), FilterError> {
        if self.clauses == MAX_CLAUSES {
            return Err(FilterError::new(place, format!("A filter has at most {MAX_CLAUSES} clauses.")));
        }
        self.clauses += 1;
        Ok(())
    }

    /// Opens a level.
    fn enter(&mut self, place: usize) -> Result<(), FilterError> {
        if self.levels == MAX_LEVELS {
            return Err(FilterError::new(
                place,
                format!("A filter has at most {MAX_LEVELS} levels of parentheses and complements."),
            ));
        }
        self.levels += 1;
        Ok(())
    }
}

/// The error of an operator that nothing follows.
fn lacks_right(place: usize) -> FilterError {
    FilterError::new(
        place,
        "Put something after this operator, or quotation marks around it if it is a word.",
    )
}

/// The value that a word is, if it is one without a star.
fn whole(word: Word) -> Result<Value, FilterError> {
    match word.star {
        None => Ok(Value { text: word.text, quoted: false }),
        Some(star) => Err(FilterError::new(
            star,
            "A range or comparison has whole values; put a backslash before a * that is meant as the \
             character.",
        )),
    }
}
