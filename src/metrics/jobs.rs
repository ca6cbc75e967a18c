//! What is done again and again without anybody asking for it.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use super::text::Exposition;
use crate::time::{Clock, SystemClock};

/// Something that is done again and again.
pub struct Job {
    name: &'static str,
    runs: AtomicU64,
    failures: AtomicU64,
    /// When it was last done without a failure, in seconds since 1970; 0 if it never was.
    last: AtomicI64,
    /// The time of the machine, by which it is looked at from elsewhere, also where tests pass in another.
    clock: SystemClock,
}

impl Job {
    /// One of this name that was not done yet.
    pub fn named(name: &'static str) -> Self {
        Self {
            name,
            runs: AtomicU64::default(),
            failures: AtomicU64::default(),
            last: AtomicI64::default(),
            clock: SystemClock::start(),
        }
    }

    /// Counts that it was done, or tried, and gives what came of it.
    ///
    /// # Errors
    /// What it is given.
    pub fn count<T, E>(&self, outcome: Result<T, E>) -> Result<T, E> {
        self.runs.fetch_add(1, Ordering::Relaxed);
        if outcome.is_ok() {
            self.last.store(self.clock.now().0, Ordering::Relaxed);
        } else {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        outcome
    }
}

/// Tells of all jobs.
pub(super) fn tell(jobs: &[&Job], text: &mut Exposition) {
    let (runs, failures, last) = (
        "bonafide_job_runs_total",
        "bonafide_job_failures_total",
        "bonafide_job_last_success_timestamp_seconds",
    );
    text.family(runs, "counter", "How often a job in the background was done or tried.");
    for job in jobs {
        text.sample(runs, &[("job", job.name)], job.runs.load(Ordering::Relaxed));
    }
    text.family(failures, "counter", "How often a job in the background failed.");
    for job in jobs {
        text.sample(failures, &[("job", job.name)], job.failures.load(Ordering::Relaxed));
    }
    text.family(
        last,
        "gauge",
        "When a job in the background was last done, 0 if it was not since the start.",
    );
    for job in jobs {
        text.sample(last, &[("job", job.name)], job.last.load(Ordering::Relaxed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_fails_is_counted_and_its_last_success_stays() {
        let told = |job: &Job| {
            let mut text = Exposition::default();
            tell(&[job], &mut text);
            text.into_text()
        };
        let job = Job::named("sweep");
        assert_eq!(job.count::<(), _>(Err("no")), Err("no"));
        let text = told(&job);
        assert!(text.contains("bonafide_job_last_success_timestamp_seconds{job=\"sweep\"} 0\n"), "{text}");
        assert_eq!(job.count::<_, ()>(Ok(7)), Ok(7));
        let text = told(&job);
        for line in ["runs_total{job=\"sweep\"} 2\n", "failures_total{job=\"sweep\"} 1\n"] {
            assert!(text.contains(&format!("bonafide_job_{line}")), "{text}");
        }
        assert!(!text.contains("{job=\"sweep\"} 0\n"), "{text}");
    }
}
