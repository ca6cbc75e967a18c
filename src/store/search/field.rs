//! What the fields of all lists have in common: how a condition on a text, a number, a time, a flag
//! or one of a few names is read.

use std::ops::Bound;

use super::{Operand, Range};
use crate::directory::filter::{Clause, Condition, Field, FilterError, Value};
use crate::directory::text::fold;

/// The refusal of a field that is not one of these; `beside` says what else there is, if anything.
pub fn unknown<'a>(field: &Field, names: impl IntoIterator<Item = &'a str>, beside: &str) -> FilterError {
    let names: Vec<&str> = names.into_iter().collect();
    let message = format!("There is no such field. Those there are: {}{beside}.", names.join(", "));
    FilterError::new(field.span.start, message)
}

/// The texts that a condition asks for, each folded as those it is compared with.
pub fn texts(condition: &Condition, folded: impl Fn(&str) -> String) -> Range {
    match condition {
        Condition::Equals(value) => Range::text(folded(&value.text)),
        Condition::Prefix(prefix) => Range::prefix(folded(prefix)),
        Condition::Present => Range::any(),
        Condition::Range { lower, upper } => {
            let operand = |value: &Value| Operand::Text(folded(&value.text));
            Range { lower: lower.as_ref().map(operand), upper: upper.as_ref().map(operand) }
        }
    }
}

/// The whole numbers that a condition asks for.
///
/// # Errors
/// A value that is none.
pub fn numbers(clause: &Clause) -> Result<Range, FilterError> {
    integers(clause, "This is compared with a whole number.")
}

/// The times that a condition asks for, in seconds since the Unix epoch.
///
/// # Errors
/// A value that is none.
pub fn times(clause: &Clause) -> Result<Range, FilterError> {
    integers(clause, "A time is a whole number of seconds since the Unix epoch.")
}

fn integers(clause: &Clause, refusal: &str) -> Result<Range, FilterError> {
    let refused = || FilterError::new(clause.span.start, refusal);
    let operand = |value: &Value| value.text.parse().map(Operand::Number).map_err(|_| refused());
    let end = |bound: &Bound<Value>| {
        Ok(match bound {
            Bound::Included(value) => Bound::Included(operand(value)?),
            Bound::Excluded(value) => Bound::Excluded(operand(value)?),
            Bound::Unbounded => Bound::Unbounded,
        })
    };
    match &clause.condition {
        Condition::Equals(value) => Ok(Range::only(operand(value)?)),
        Condition::Prefix(_) => Err(refused()),
        Condition::Present => Ok(Range::any()),
        Condition::Range { lower, upper } => Ok(Range { lower: end(lower)?, upper: end(upper)? }),
    }
}

/// Whether a condition asks for true or for false; `None` if it asks for either.
///
/// # Errors
/// A value that is neither.
pub fn flag(clause: &Clause) -> Result<Option<bool>, FilterError> {
    match &clause.condition {
        Condition::Equals(value) if value.text == "true" => Ok(Some(true)),
        Condition::Equals(value) if value.text == "false" => Ok(Some(false)),
        Condition::Present => Ok(None),
        _ => Err(FilterError::new(clause.span.start, "This is true or false.")),
    }
}

/// Which of the names that there are a condition asks for.
///
/// # Errors
/// A value that is none of them, and a range: names have no order.
pub fn names(clause: &Clause, all: &[&'static str]) -> Result<Vec<&'static str>, FilterError> {
    let those = |wanted: &dyn Fn(&str) -> bool| all.iter().copied().filter(|name| wanted(name)).collect();
    let found: Vec<_> = match &clause.condition {
        Condition::Equals(value) => those(&|name| fold(&value.text) == name),
        Condition::Prefix(prefix) => those(&|name| name.starts_with(&fold(prefix))),
        Condition::Present => those(&|_| true),
        Condition::Range { .. } => Vec::new(),
    };
    if found.is_empty() {
        return Err(FilterError::new(clause.span.start, format!("This is one of: {}.", all.join(", "))));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::filter::{Expression, parse};

    /// The clause that a filter is.
    fn clause(text: &str) -> Clause {
        let Ok(Some(Expression::Clause(clause))) = parse(text) else { unreachable!("{text} is one clause") };
        clause
    }

    #[test]
    fn a_whole_number_is_one_or_lies_between_two() {
        let range = |lower, upper| Ok(Range { lower, upper });
        let number = Operand::Number;
        assert_eq!(numbers(&clause("n:7")), Ok(Range::only(number(7))));
        assert_eq!(
            times(&clause("n:[-1 TO 7}")),
            range(Bound::Included(number(-1)), Bound::Excluded(number(7)))
        );
        assert_eq!(numbers(&clause("n:>7")), range(Bound::Excluded(number(7)), Bound::Unbounded));
        assert_eq!(times(&clause("n:*")), Ok(Range::any()));
        for wrong in ["n:1.5", "n:x", "n:\"\"", "n:1*", "n:[1 TO x]", "n:9223372036854775808"] {
            assert!(numbers(&clause(wrong)).is_err() && times(&clause(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_flag_is_true_or_false_or_either() {
        for (filter, expected) in [("f:true", Some(true)), ("f:false", Some(false)), ("f:*", None)] {
            assert_eq!(flag(&clause(filter)), Ok(expected));
        }
        for wrong in ["f:yes", "f:tru*", "f:[false TO true]"] {
            assert!(flag(&clause(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_name_is_one_of_those_there_are() {
        const ALL: &[&str] = &["created", "changed", "deleted"];
        assert_eq!(names(&clause("n:Created"), ALL), Ok(vec!["created"]));
        assert_eq!(names(&clause("n:c*"), ALL), Ok(vec!["created", "changed"]));
        assert_eq!(names(&clause("n:*"), ALL), Ok(ALL.to_vec()));
        for wrong in ["n:made", "n:x*", "n:[a TO z]"] {
            assert_eq!(names(&clause(wrong), ALL).unwrap_err().position, 0, "{wrong}");
        }
    }
}
