//! From a filter's tree to what the store looks up (semantics section 7). Each list has a file of
//! its own that says which fields there are and how their values compare.

pub mod field;
pub mod groups;
pub mod logs;
pub mod users;

use std::ops::{Bound, RangeBounds};

use crate::directory::filter::{self, Clause, Expression, FilterError};

/// What is searched for, in the store's terms. A leaf is one condition as the store of that list
/// can look it up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Search<Leaf> {
    /// Everything.
    All,
    /// What matches each of these.
    And(Vec<Self>),
    /// What matches one of these.
    Or(Vec<Self>),
    /// What does not match this.
    Not(Box<Self>),
    /// What meets a condition.
    Is(Leaf),
}

impl<Leaf> Search<Leaf> {
    /// Reads a filter, each clause of it by `clause`; `None` if it asks for nothing.
    ///
    /// # Errors
    /// A filter that is malformed, and what `clause` refuses: each with its place.
    pub fn parse(
        text: &str,
        clause: impl Fn(&Clause) -> Result<Self, FilterError>,
    ) -> Result<Option<Self>, FilterError> {
        filter::parse(text)?.map(|expression| Self::of(&expression, &clause)).transpose()
    }

    /// What an expression searches for, each clause of it read by `clause`.
    ///
    /// # Errors
    /// What `clause` refuses.
    pub fn of(
        expression: &Expression,
        clause: &impl Fn(&Clause) -> Result<Self, FilterError>,
    ) -> Result<Self, FilterError> {
        let all = |parts: &[Expression]| {
            parts.iter().map(|part| Self::of(part, clause)).collect::<Result<Vec<_>, _>>()
        };
        Ok(match expression {
            Expression::All => Self::All,
            Expression::And(parts) => Self::And(all(parts)?),
            Expression::Or(parts) => Self::Or(all(parts)?),
            Expression::Not(part) => match Self::of(part, clause)? {
                // What finds something by itself is not to be hidden in a complement of a complement.
                Self::Not(part) => *part,
                part => Self::Not(Box::new(part)),
            },
            Expression::Clause(leaf) => clause(leaf)?,
        })
    }

    /// Whether that matches of which it is known which conditions it meets.
    pub fn holds(&self, meets: &impl Fn(&Leaf) -> bool) -> bool {
        match self {
            Self::All => true,
            Self::And(parts) => parts.iter().all(|part| part.holds(meets)),
            Self::Or(parts) => parts.iter().any(|part| part.holds(meets)),
            Self::Not(part) => !part.holds(meets),
            Self::Is(leaf) => meets(leaf),
        }
    }

    /// Calls a function for each condition.
    pub fn each<'a>(&'a self, call: &mut impl FnMut(&'a Leaf)) {
        match self {
            Self::All => {}
            Self::And(parts) | Self::Or(parts) => parts.iter().for_each(|part| part.each(call)),
            Self::Not(part) => part.each(call),
            Self::Is(leaf) => call(leaf),
        }
    }
}

/// Values between two bounds, in the order of their bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// From here.
    pub lower: Bound<Operand>,
    /// To here.
    pub upper: Bound<Operand>,
}

/// What a column or a term is compared with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operand {
    /// A text.
    Text(String),
    /// A whole number.
    Number(i64),
}

impl Range {
    /// One value only.
    pub fn only(operand: Operand) -> Self {
        Self { lower: Bound::Included(operand.clone()), upper: Bound::Included(operand) }
    }

    /// One text only.
    pub fn text(text: impl Into<String>) -> Self {
        Self::only(Operand::Text(text.into()))
    }

    /// Every value there is.
    pub fn any() -> Self {
        Self { lower: Bound::Unbounded, upper: Bound::Unbounded }
    }

    /// Every text that begins so.
    pub fn prefix(prefix: String) -> Self {
        // No character comes after the last one, so no text that begins so does.
        let end = format!("{prefix}{}", char::MAX);
        Self { lower: Bound::Included(Operand::Text(prefix)), upper: Bound::Included(Operand::Text(end)) }
    }

    /// Whether a text is within the range.
    pub fn holds(&self, text: &str) -> bool {
        self.holds_operand(&Operand::Text(text.to_owned()))
    }

    /// Whether a whole number is.
    pub fn holds_number(&self, number: i64) -> bool {
        self.holds_operand(&Operand::Number(number))
    }

    fn holds_operand(&self, operand: &Operand) -> bool {
        (self.lower.as_ref(), self.upper.as_ref()).contains(operand)
    }

    /// The one value of the range, if it is of one only.
    pub fn value(&self) -> Option<&Operand> {
        match (&self.lower, &self.upper) {
            (Bound::Included(lower), Bound::Included(upper)) if lower == upper => Some(lower),
            _ => None,
        }
    }
}
