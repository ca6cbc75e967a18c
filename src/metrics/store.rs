//! What a store tells of its work.

use std::time::Duration;

use super::histogram::{DURATIONS, Histogram, SIZES};
use super::text::Exposition;
use crate::time::{Clock, SystemClock};

/// What was written.
pub struct Writing {
    /// How many changes shared a transaction.
    batches: Histogram,
    /// How long a transaction took.
    commits: Histogram,
    /// The time of the machine, which is what is measured, also where tests pass in another.
    clock: SystemClock,
}

impl Default for Writing {
    fn default() -> Self {
        Self {
            batches: Histogram::new(SIZES),
            commits: Histogram::new(DURATIONS),
            clock: SystemClock::start(),
        }
    }
}

impl Writing {
    /// Notes that a transaction begins.
    pub fn begin(&self) -> Duration {
        self.clock.elapsed()
    }

    /// Counts a transaction that began then and has ended now, in which so many changes were written.
    pub fn end(&self, begun: Duration, changes: usize) {
        self.batches.add(changes as u64);
        self.commits.add_duration(self.clock.elapsed().saturating_sub(begun));
    }
}

/// What a store tells at one moment.
pub struct Measured<'a> {
    /// How many changes wait to be written.
    pub waiting: usize,
    /// What was written.
    pub writing: &'a Writing,
    /// Its connections to another server, if it has any.
    pub connections: Vec<Connections>,
}

/// Connections of one purpose.
pub struct Connections {
    /// What they are for.
    pub purpose: &'static str,
    /// How many there are.
    pub open: usize,
    /// How many there should be.
    pub wanted: usize,
}

impl Measured<'_> {
    /// Tells all of it.
    pub(crate) fn tell(&self, text: &mut Exposition) {
        let name = "bonafide_store_queue_length";
        text.family(name, "gauge", "Changes that wait to be written.");
        text.sample(name, &[], self.waiting);
        let name = "bonafide_store_batch_size";
        text.family(name, "histogram", "How many changes shared a transaction.");
        self.writing.batches.tell(text, name, &[]);
        let name = "bonafide_store_commit_seconds";
        text.family(
            name,
            "histogram",
            "How long a transaction took, from its beginning to the end of its commit.",
        );
        self.writing.commits.tell(text, name, &[]);
        if self.connections.is_empty() {
            return;
        }
        let (open, wanted) = ("bonafide_store_connections", "bonafide_store_connections_wanted");
        text.family(open, "gauge", "Connections to PostgreSQL that there are.");
        for connections in &self.connections {
            text.sample(open, &[("purpose", connections.purpose)], connections.open);
        }
        text.family(wanted, "gauge", "Connections to PostgreSQL that there should be.");
        for connections in &self.connections {
            text.sample(wanted, &[("purpose", connections.purpose)], connections.wanted);
        }
    }
}
