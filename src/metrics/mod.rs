//! What the server counts of its work, and how it tells it to Prometheus.
//!
//! All of it is counted by additions that wait for nobody. What stands in the labels is known when the
//! program is built: no id, no address, no name.

mod histogram;
mod jobs;
mod requests;
mod store;
mod text;

use std::sync::atomic::{AtomicU64, Ordering};

use crate::directory::event::{Event, EventType, Method, names};
pub use jobs::Job;
use requests::Requests;
pub use store::{Connections, Lists, Measured, Waiting, Writing};
pub use text::{CONTENT_TYPE, Exposition};

names! {
    /// Why a request's key opened nothing.
    KeyRefusal {
        /// There was none.
        Missing = "missing",
        /// It was no key of ours by its form, or there were two.
        Malformed = "malformed",
        /// Nobody has a key of this id.
        Unknown = "unknown",
        /// Its secret is another.
        Wrong = "wrong",
        /// It is revoked.
        Revoked = "revoked",
        /// Its time is over.
        Expired = "expired",
        /// It lacks the scope.
        Scope = "scope",
        /// It may not be used from where the request came.
        Network = "network",
        /// It was used as often as it may be.
        Rate = "rate",
    }
}

names! {
    /// What came of trying to send a mail.
    MailOutcome {
        /// The mail server has taken it.
        Sent = "sent",
        /// It was not sent, and is tried again.
        Failed = "failed",
        /// It was not sent, and is not tried again.
        GivenUp = "given_up",
    }
}

/// What was verified, as it stands in the labels.
const VERIFIED: [(EventType, &str); 2] =
    [(EventType::EmailVerified, "email"), (EventType::PhoneVerified, "phone")];

/// What was counted since the server started.
pub(crate) struct Metrics {
    pub(crate) requests: Requests,
    refusals: Box<[AtomicU64]>,
    mails: Box<[AtomicU64]>,
    /// By method, and for each by what was verified.
    verifications: Box<[[AtomicU64; VERIFIED.len()]]>,
    /// Looking for mail that is due.
    pub(crate) mail: Job,
    /// Forgetting the requests for proofs and mails that no limit counts.
    pub(crate) old_requests: Job,
    /// Forgetting the answers that are too old for repeats.
    pub(crate) old_answers: Job,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            requests: Requests::default(),
            refusals: KeyRefusal::ALL.iter().map(|_| AtomicU64::default()).collect(),
            mails: MailOutcome::ALL.iter().map(|_| AtomicU64::default()).collect(),
            verifications: Method::ALL.iter().map(|_| Default::default()).collect(),
            mail: Job::named("mail"),
            old_requests: Job::named("forget_requests"),
            old_answers: Job::named("forget_answers"),
        }
    }
}

impl Metrics {
    /// Counts that a key was refused.
    pub(crate) fn key_refused(&self, why: KeyRefusal) {
        self.refusals[why as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts that a mail was tried.
    pub(crate) fn mail_tried(&self, outcome: MailOutcome) {
        self.mails[outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts what was verified.
    pub(crate) fn count(&self, verified: Verified) {
        for (method, place) in verified.0 {
            self.verifications[method as usize][place].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Tells all of it, and what the store has measured.
    pub(crate) fn tell(&self, measured: &Measured<'_>, text: &mut Exposition) {
        text.family("bonafide_build_info", "gauge", "Which version this is; always 1.");
        text.sample("bonafide_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
        self.requests.tell(text);
        let name = "bonafide_key_refusals_total";
        text.family(name, "counter", "Requests whose API key opened nothing.");
        for (why, count) in KeyRefusal::ALL.iter().zip(&self.refusals) {
            text.sample(name, &[("reason", why.as_str())], count.load(Ordering::Relaxed));
        }
        let name = "bonafide_verifications_total";
        text.family(name, "counter", "Addresses that became verified.");
        for (method, counts) in Method::ALL.iter().zip(&self.verifications) {
            for ((_, kind), count) in VERIFIED.iter().zip(counts) {
                let labels = [("kind", *kind), ("method", method.as_str())];
                text.sample(name, &labels, count.load(Ordering::Relaxed));
            }
        }
        let name = "bonafide_mails_total";
        text.family(name, "counter", "Mails that this server tried to send.");
        for (outcome, count) in MailOutcome::ALL.iter().zip(&self.mails) {
            text.sample(name, &[("outcome", outcome.as_str())], count.load(Ordering::Relaxed));
        }
        let own = [&self.mail, &self.old_requests, &self.old_answers];
        let all: Vec<&Job> = own.into_iter().chain(measured.jobs.iter().copied()).collect();
        jobs::tell(&all, text);
        measured.tell(text);
    }
}

/// What a change verifies, to be counted once it is kept.
pub(crate) struct Verified(Vec<(Method, usize)>);

impl Verified {
    pub(crate) fn of(events: &[Event]) -> Self {
        let place = |event: &Event| VERIFIED.iter().position(|(kind, _)| *kind == event.kind);
        Self(events.iter().filter_map(|event| Some((event.method, place(event)?))).collect())
    }
}
