//! Which conditions of a search find everything that can match, and how many rows these are.

use super::search::Search;

/// Conditions that together find every row that can match.
pub(super) struct Drivers<'a, Leaf> {
    /// The conditions: what matches meets one of them.
    pub(super) leaves: Vec<&'a Leaf>,
    /// How many rows they find, one that meets several of them counted for each.
    pub(super) count: i64,
    /// The part of the search that holds for every row they find, if there is one: it need not be
    /// asked again.
    holds: Option<&'a Search<Leaf>>,
}

impl<Leaf: Clone> Drivers<'_, Leaf> {
    /// What is left to ask of the rows that the conditions find.
    pub(super) fn rest(&self, search: &Search<Leaf>) -> Search<Leaf> {
        match search {
            part if self.holds.is_some_and(|holds| std::ptr::eq(holds, part)) => Search::All,
            Search::And(parts) => Search::And(parts.iter().map(|part| self.rest(part)).collect()),
            // What holds is never within these: it would hold for some of their rows only.
            other => other.clone(),
        }
    }
}

/// The drivers of a search that find the fewest rows, if they are `most` at most. `count` counts the
/// rows that meet a condition, up to one more than a bound; nothing where they cannot be looked up.
pub(super) fn drivers<'a, Leaf, E>(
    search: &'a Search<Leaf>,
    most: i64,
    count: &impl Fn(&'a Leaf, i64) -> Result<Option<i64>, E>,
) -> Result<Option<Drivers<'a, Leaf>>, E> {
    match search {
        Search::Is(leaf) => {
            let counted = count(leaf, most)?.filter(|found| *found <= most);
            Ok(counted.map(|count| Drivers { leaves: vec![leaf], count, holds: Some(search) }))
        }
        Search::And(parts) => {
            let mut best: Option<Drivers<'_, Leaf>> = None;
            for part in parts {
                // Only what finds fewer rows is better.
                let most = best.as_ref().map_or(most, |best| best.count - 1);
                best = drivers(part, most, count)?.or(best);
            }
            Ok(best)
        }
        Search::Or(parts) => {
            let mut all = Drivers { leaves: Vec::new(), count: 0, holds: Some(search) };
            for part in parts {
                let Some(found) = drivers(part, most - all.count, count)? else { return Ok(None) };
                all.leaves.extend(found.leaves);
                all.count += found.count;
                all.holds = all.holds.filter(|_| found.holds.is_some_and(|holds| std::ptr::eq(holds, part)));
            }
            Ok((!all.leaves.is_empty()).then_some(all))
        }
        Search::All | Search::Not(_) => Ok(None),
    }
}

/// Whether indexes can find everything that can match, however much that is.
pub(super) fn can_be_looked_up<Leaf>(search: &Search<Leaf>) -> bool {
    match search {
        Search::Is(_) => true,
        Search::And(parts) => parts.iter().any(can_be_looked_up),
        Search::Or(parts) => !parts.is_empty() && parts.iter().all(can_be_looked_up),
        Search::All | Search::Not(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use Search::{All, And, Is, Not, Or};

    /// The drivers of a search whose conditions are how many rows they find, and what is left.
    fn chosen(search: &Search<i64>, most: i64) -> Option<(Vec<i64>, Search<i64>)> {
        let count = |leaf: &i64, most: i64| {
            Ok::<_, Infallible>(Some(*leaf).filter(|found| *found >= 0).map(|found| found.min(most + 1)))
        };
        let Ok(drivers) = drivers(search, most, &count);
        let drivers = drivers?;
        Some((drivers.leaves.iter().map(|leaf| **leaf).collect(), drivers.rest(search)))
    }

    #[test]
    fn the_condition_that_finds_the_fewest_drives() {
        let search = And(vec![Is(7), Not(Box::new(Is(1))), Is(3), Is(3), Is(5)]);
        let rest = And(vec![Is(7), Not(Box::new(Is(1))), All, Is(3), Is(5)]);
        assert_eq!(chosen(&search, 10), Some((vec![3], rest)));
        assert_eq!(chosen(&search, 2), None);
        assert_eq!(chosen(&Is(3), 3), Some((vec![3], All)));
        for no_driver in [All, Not(Box::new(Is(1))), Or(vec![Is(1), All]), Or(Vec::new())] {
            assert!(!can_be_looked_up(&no_driver), "{no_driver:?}");
        }
        assert!(can_be_looked_up(&And(vec![All, Or(vec![Is(9), Is(7)])])));
        for no_driver in [All, Not(Box::new(Is(1))), Is(-1), Or(vec![Is(1), All]), Or(vec![Is(1), Is(-1)])] {
            assert_eq!(chosen(&no_driver, 10), None, "{no_driver:?}");
        }
    }

    #[test]
    fn alternatives_drive_together_if_they_are_few_together() {
        let search = And(vec![Or(vec![Is(2), Is(3)]), Is(9)]);
        assert_eq!(chosen(&search, 10), Some((vec![2, 3], And(vec![All, Is(9)]))));
        assert_eq!(chosen(&search, 4), None);
        let search = And(vec![Or(vec![Is(2), Is(3)]), Is(4)]);
        assert_eq!(chosen(&search, 10), Some((vec![4], And(vec![Or(vec![Is(2), Is(3)]), All]))));
        // What drives an alternative holds for the rows of that one only.
        let search = Or(vec![And(vec![Is(2), Is(8)]), Is(3)]);
        assert_eq!(chosen(&search, 10), Some((vec![2, 3], search.clone())));
    }
}
