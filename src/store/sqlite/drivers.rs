//! Which conditions of a search find everything that can match, where those find few rows.

use super::super::search::Search;

/// Up to how many rows are fetched and sorted; beyond, the sort's index is walked.
pub(super) const FEW: i64 = 5_000;

/// Lookups that find every row that can match, and how many they find together, if those are few.
/// `probe` gives what finds the rows of a condition and how many there are, counted to a little more
/// than [`FEW`]; nothing where a condition cannot be looked up.
pub(super) fn drivers<'a, Leaf, Lookup>(
    search: &'a Search<Leaf>,
    probe: &impl Fn(&'a Leaf) -> rusqlite::Result<Option<(i64, Lookup)>>,
) -> rusqlite::Result<Option<(i64, Vec<Lookup>)>> {
    match search {
        Search::Is(leaf) => {
            let probed = probe(leaf)?.filter(|(found, _)| *found <= FEW);
            Ok(probed.map(|(found, lookup)| (found, vec![lookup])))
        }
        Search::And(parts) => {
            let mut best: Option<(i64, Vec<Lookup>)> = None;
            for part in parts {
                if let Some((found, lookups)) = drivers(part, probe)?
                    && best.as_ref().is_none_or(|(least, _)| found < *least)
                {
                    best = Some((found, lookups));
                }
            }
            Ok(best)
        }
        Search::Or(parts) => {
            let mut all = (0, Vec::new());
            for part in parts {
                let Some((found, mut lookups)) = drivers(part, probe)? else { return Ok(None) };
                all.0 += found;
                all.1.append(&mut lookups);
            }
            Ok((all.0 <= FEW && !all.1.is_empty()).then_some(all))
        }
        Search::All | Search::Not(_) => Ok(None),
    }
}
