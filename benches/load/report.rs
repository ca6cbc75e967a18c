//! What was found, and how it is printed at the end.

use crate::figures::{Figures, Growth, Series, real};

/// Everything that was found.
#[derive(Default)]
pub(crate) struct Report {
    /// What was measured, beside its limit where there is one.
    pub(crate) series: Vec<Series>,
    /// How many users the directories have that growths are over.
    pub(crate) sizes: Vec<u64>,
    /// What was measured at each of these sizes.
    pub(crate) growths: Vec<Growth>,
    /// Other facts, each with what it is about.
    pub(crate) facts: Vec<(&'static str, String)>,
    /// What was to be reached.
    pub(crate) targets: Vec<Target>,
    /// How many runs began although the machine was not quiet.
    pub(crate) noisy: usize,
}

/// Something that was to be reached.
pub(crate) struct Target {
    is_met: bool,
    text: String,
}

impl Report {
    /// Notes that something was to be reached, and whether it was.
    pub(crate) fn target(&mut self, is_met: bool, text: String) {
        self.targets.push(Target { is_met, text });
    }

    /// Prints the figures, and which targets are met.
    pub(crate) fn print(&self) {
        println!(
            "\n{:<40} {:>5} | {:>9} {:>8} {:>8} | {:>9} {:>8} {:>8} | {:>5}",
            "server / limit", "conns", "limit/s", "p50 ms", "p99 ms", "server/s", "p50 ms", "p99 ms", "ratio"
        );
        self.series.iter().for_each(print_series);
        println!("(raw writes: the times are those of a commit of many changes)\n");
        self.print_growths();
        for (about, fact) in &self.facts {
            println!("{about:<24} {fact}");
        }
        if self.noisy > 0 {
            println!("runs on a busy machine   {}: the figures are worth less", self.noisy);
        }
        let mut limited = self.series.iter().filter(|series| series.beside_a_limit).filter_map(Series::ratio);
        if limited.any(|ratio| ratio > 1.0) {
            // Nothing outdoes its limit: the machine did something else meanwhile.
            println!("a ratio is above 1       its pairs were not measured alike; measure again");
        }
        println!();
        for target in &self.targets {
            println!("{} {}", if target.is_met { "met   " } else { "MISSED" }, target.text);
        }
    }

    fn print_growths(&self) {
        if self.growths.is_empty() {
            return;
        }
        print!("{:<40}", "p50 in ms, 1 connection; users:");
        self.sizes.iter().for_each(|size| print!(" {size:>9}"));
        println!(" | {:>6}", "growth");
        for growth in &self.growths {
            print!("{:<40}", growth.name);
            growth.p50_ms().iter().for_each(|p50| print!(" {p50:>9.3}"));
            println!(" | {:>6.2}", growth.factor());
        }
        println!();
    }
}

fn print_series(series: &Series) {
    let optional = |value: Option<f64>, digits: usize| {
        value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
    };
    println!(
        "{:<40} {:>5} | {:>9} {:>8} {:>8} | {:>9.0} {:>8.2} {:>8.2} | {:>5}",
        series.name,
        series.connections,
        optional(series.limit(Figures::rate), 0),
        optional(series.limit(p50_ms), 2),
        optional(series.limit(p99_ms), 2),
        series.server(Figures::rate),
        series.server(p50_ms),
        series.server(p99_ms),
        optional(series.ratio(), 2)
    );
}

fn p50_ms(figures: &Figures) -> f64 {
    real(figures.p50_us) / 1e3
}

fn p99_ms(figures: &Figures) -> f64 {
    real(figures.p99_us) / 1e3
}
