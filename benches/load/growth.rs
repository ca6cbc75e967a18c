//! Lists and searches in directories of several sizes.

use anyhow::Result;

use crate::bench::Bench;
use crate::directory::Service;
use crate::figures::{Figures, Growth};
use crate::searches::Search;
use crate::wrk::Load;

/// How many times as long it may take in the largest directory as in the smallest.
const FACTOR: f64 = 2.0;

/// A directory of one of the sizes.
pub(crate) struct Sized {
    /// How many users it has when the run begins.
    pub(crate) users: u64,
    /// The directory.
    pub(crate) service: Service,
}

/// Measures it.
pub(crate) fn measure(bench: &mut Bench, sizes: &[Sized]) -> Result<()> {
    for search in Search::ALL {
        let mut growth = Growth::new(search.name());
        for Sized { users, service } in sizes {
            search.check(service, *users)?;
            search.write_operations(&operations(bench, *users), *users)?;
        }
        for repetition in 0..bench.options.reps {
            let run = back_to_back(sizes, repetition, |Sized { users, service }| {
                let load = service.load(operations(bench, *users));
                bench.drive(search.name(), &Load { seconds: bench.options.seconds, ..load })
            });
            growth.runs.push(run?);
        }
        let factor = growth.factor();
        let text = format!(
            "{} takes {factor:.2} times as long in the largest directory, {FACTOR} at most",
            growth.name
        );
        bench.report.target(factor <= FACTOR, text);
        bench.report.growths.push(growth);
    }
    Ok(())
}

/// Measures in each place right after each other, every second time in the opposite order, so that what
/// drifts favours none.
pub(crate) fn back_to_back<T>(
    places: &[T],
    repetition: u32,
    mut measure: impl FnMut(&T) -> Result<Figures>,
) -> Result<Vec<Figures>> {
    if repetition.is_multiple_of(2) {
        places.iter().map(measure).collect()
    } else {
        let mut figures: Vec<_> = places.iter().rev().map(&mut measure).collect::<Result<_>>()?;
        figures.reverse();
        Ok(figures)
    }
}

fn operations(bench: &Bench, users: u64) -> std::path::PathBuf {
    bench.file(&format!("searches-{users}"))
}
