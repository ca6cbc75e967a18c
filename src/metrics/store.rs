//! What a store tells of its work.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::Job;
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
    /// The lists that are read.
    pub lists: Lists,
    /// What it does without anybody asking for it.
    pub jobs: Vec<&'a Job>,
}

/// The lists that are read, each in a place of which there are so many.
#[derive(Default)]
pub struct Lists {
    /// How many are read.
    pub running: usize,
    /// How many wait for a place.
    pub waiting: usize,
    /// How many are read at once at most.
    pub most: usize,
}

/// How many wait for something.
#[derive(Default)]
pub struct Waiting(AtomicUsize);

impl Waiting {
    /// Counts one more, until what this gives is dropped.
    pub fn one(&self) -> OneWaiting<'_> {
        self.0.fetch_add(1, Ordering::Relaxed);
        OneWaiting(self)
    }

    /// How many wait.
    pub fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// One who waits.
pub struct OneWaiting<'a>(&'a Waiting);

impl Drop for OneWaiting<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
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
        for (name, count, help) in [
            (
                "bonafide_store_lists_running",
                self.lists.running,
                "Lists that are read, each in a place of its own.",
            ),
            ("bonafide_store_lists_waiting", self.lists.waiting, "Lists that wait for a place."),
            ("bonafide_store_lists_places", self.lists.most, "How many lists are read at once at most."),
        ] {
            text.family(name, "gauge", help);
            text.sample(name, &[], count);
        }
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
