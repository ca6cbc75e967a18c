//! What holds of every text that is read as a filter.

use std::fmt::Debug;

use bonafide::directory::filter::{self, Clause, Expression, FilterError, MAX_BYTES};
use bonafide::store::search::{groups, logs, users};

/// A text is a filter, whose canonical text reads back as the same and means the same, or is refused
/// at one of its characters.
pub(crate) fn a_filter_reads_back_or_is_pointed_at(text: &str) {
    let length = text.chars().count();
    let tree = match filter::parse(text) {
        Ok(None) => return assert!(text.trim().is_empty(), "{text:?}"),
        Ok(Some(tree)) => tree,
        Err(error) => return assert!(error.position < length, "{text:?}: {error:?}"),
    };
    for clause in clauses(&tree) {
        let field = clause.field.as_ref().map_or(clause.span, |field| field.span);
        for span in [clause.span, field] {
            assert!(span.start < span.end && span.end <= length, "{span:?} of {text:?}");
        }
    }
    let shown = tree.to_string();
    match filter::parse(&shown) {
        Ok(again) => assert_eq!(again.map(|tree| tree.to_string()), Some(shown.clone()), "{text:?}"),
        // A field is said before each of its conditions, which takes room.
        Err(error) => return assert!(shown.len() > MAX_BYTES, "{text:?} {shown:?}: {error}"),
    }
    means_the_same(users::parse, text, &shown);
    means_the_same(groups::parse, text, &shown);
    means_the_same(logs::parse, text, &shown);
}

/// In one list, a text and its canonical text find the same, or neither is a filter of it.
fn means_the_same<Search: PartialEq + Debug>(
    parse: fn(&str) -> Result<Option<Search>, FilterError>,
    text: &str,
    shown: &str,
) {
    match (parse(shown), parse(text)) {
        (Ok(again), Ok(compiled)) => assert_eq!(again, compiled, "{text:?} {shown:?}"),
        (Err(_), Err(error)) => {
            assert!(error.position < text.chars().count(), "{text:?}: {error:?}");
        }
        (again, compiled) => panic!("{text:?} {shown:?}: {again:?} {compiled:?}"),
    }
}

/// The clauses of a tree.
fn clauses(expression: &Expression) -> Vec<&Clause> {
    match expression {
        Expression::All => Vec::new(),
        Expression::And(members) | Expression::Or(members) => members.iter().flat_map(clauses).collect(),
        Expression::Not(operand) => clauses(operand),
        Expression::Clause(clause) => vec![clause],
    }
}
