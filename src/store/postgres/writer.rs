//! The connections that write. Each takes all changes that wait, so that one trip and one commit
//! serve several; while one commits, another gathers.

use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::super::{
    GroupChange, KeepError, KeptAnswer, KeyChange, MembershipChange, PasswordTry, UserChange,
};
use super::connection::{Link, Purpose, Server, Session};
use super::{batch, keep, told};
use crate::directory::event::Event;
use crate::directory::mail::Mail;
use crate::directory::password::PasswordHash;
use crate::directory::settings::Choices;
use crate::error::Error;
use crate::id::{MailId, TenantId, UserId};
use crate::metrics::Writing;
use crate::secret::{KeyId, TokenId};
use crate::time::Timestamp;

/// How many changes wait before those who bring more must wait to hand theirs over.
const QUEUE: usize = 4_096;
/// How many changes share a trip at most; more would only make the first ones wait longer.
const BATCH: usize = 128;

/// Something to be written.
pub(super) enum Operation {
    Keep(Box<UserChange>),
    /// All of them, or none: users who are new, of one tenant.
    KeepTogether(Vec<UserChange>),
    KeepGroup(Box<GroupChange>),
    KeepMembership(Box<MembershipChange>),
    CreateTenant(TenantId, Timestamp),
    KeepAnswer(Box<KeptAnswer>),
    KeepKey(Box<KeyChange>),
    TouchKey(KeyId, Timestamp),
    RehashPassword(Box<(TenantId, UserId, PasswordHash, PasswordHash)>),
    CountPasswordTry(TenantId, UserId, PasswordTry),
    CountCodeTry(TokenId, u32),
    HurryMails(Timestamp),
    ClaimMail(Box<Mail>, Timestamp, Timestamp),
    RenewMail(Box<Mail>, Timestamp),
    PostponeMail(Box<Mail>, Timestamp),
    RemoveMail(TenantId, MailId),
    Choose(TenantId, Choices),
    ForgetRequests(Timestamp),
    ForgetAnswers(Timestamp),
    EraseRecord(TenantId, UserId, Box<Event>),
    /// Shows that the server takes changes.
    Nothing,
}

/// Whether the operation found something to do, or why it was not done.
pub(super) type Outcome = Result<bool, KeepError>;

struct Job {
    operation: Operation,
    done: oneshot::Sender<Outcome>,
}

impl Job {
    /// The change, if it can be kept together with others.
    fn fitting(&self) -> Option<&UserChange> {
        match &self.operation {
            Operation::Keep(change) if batch::fits(change) => Some(change),
            _ => None,
        }
    }

    /// Tells whoever asked, who may have gone away.
    fn tell(self, outcome: Outcome) {
        let _ = self.done.send(outcome);
    }
}

/// The handle of the writing tasks.
pub(super) struct Writer {
    patience: Duration,
    written: Arc<Writing>,
    queue: Mutex<Option<mpsc::Sender<Job>>>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Writer {
    pub(super) fn start(server: &Arc<Server>, connections: usize) -> Self {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let jobs = Arc::new(tokio::sync::Mutex::new(jobs));
        let written = Arc::new(Writing::default());
        let tasks = (0..connections)
            .map(|_| tokio::spawn(write_until_closed(server.clone(), jobs.clone(), written.clone())))
            .collect();
        Self {
            patience: server.patience(),
            written,
            queue: Mutex::new(Some(queue)),
            tasks: Mutex::new(tasks),
        }
    }

    /// How many operations wait.
    pub(super) fn waiting(&self) -> usize {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner).clone();
        queue.map_or(0, |queue| queue.max_capacity() - queue.capacity())
    }

    /// What was written.
    pub(super) fn written(&self) -> &Writing {
        &self.written
    }

    /// Does an operation; it is durable when this returns. Whoever is told that the store is
    /// unavailable cannot know whether it was done.
    pub(super) async fn run(&self, operation: Operation) -> Outcome {
        let unavailable = |reason: &str| KeepError::Failed(Error::Unavailable(reason.to_owned()));
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let queue = queue.ok_or_else(|| unavailable("the store is closed"))?;
        let (done, outcome) = oneshot::channel();
        let asked = async {
            queue.send(Job { operation, done }).await.map_err(|_| unavailable("the store is closed"))?;
            outcome.await.map_err(|_| unavailable("the store is closed"))?
        };
        tokio::time::timeout(self.patience, asked)
            .await
            .unwrap_or_else(|_| Err(unavailable("the change was not kept in time")))
    }

    /// Takes no more operations, and returns when those that wait are done and the connections are
    /// closed.
    pub(super) async fn close(&self) {
        drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        // A task's panic has been printed already, and there is nobody left to tell.
        futures_util::future::join_all(tasks).await;
    }
}

async fn write_until_closed(
    server: Arc<Server>,
    jobs: Arc<tokio::sync::Mutex<mpsc::Receiver<Job>>>,
    written: Arc<Writing>,
) {
    let link = Link::start(server.clone(), Purpose::Keys);
    let mut taken = Vec::with_capacity(BATCH);
    while jobs.lock().await.recv_many(&mut taken, BATCH).await > 0 {
        match link.session().await {
            Ok(session) => write(&server, &session, std::mem::take(&mut taken), &written).await,
            Err(error) => fail(taken.drain(..), &error.to_string()),
        }
    }
    link.close().await;
}

fn fail(jobs: impl Iterator<Item = Job>, reason: &str) {
    for job in jobs {
        job.tell(Err(KeepError::Failed(Error::Unavailable(reason.to_owned()))));
    }
}

/// Does what was taken: first what fits together, then the rest one by one.
async fn write(server: &Server, session: &Session, jobs: Vec<Job>, written: &Writing) {
    // Whoever has waited too long was told so.
    let asked = jobs.into_iter().filter(|job| !job.done.is_closed());
    let (mut together, mut alone): (Vec<Job>, Vec<Job>) = asked.partition(|job| job.fitting().is_some());
    if !together.is_empty() {
        let (begun, changes) = (written.begin(), together.len());
        alone.splice(0..0, write_together(server, session, &mut together).await);
        written.end(begun, changes);
    }
    for job in alone.into_iter().filter(|job| !job.done.is_closed()) {
        let begun = written.begin();
        let done = tokio::time::timeout(server.patience(), keep::alone(session, &job.operation)).await;
        written.end(begun, 1);
        job.tell(done.unwrap_or_else(|_| {
            session.spoil();
            Err(KeepError::Failed(Error::Unavailable("the change was not kept in time".to_owned())))
        }));
    }
}

/// Keeps changes in one statement. Gives back what is to be tried alone: all of them if that failed as a
/// whole and nothing was kept, else those that may end proofs.
async fn write_together(server: &Server, session: &Session, jobs: &mut Vec<Job>) -> Vec<Job> {
    // All lock users in the same order, so that no two wait for each other.
    jobs.sort_by(|one, other| place(one).cmp(&place(other)));
    let changes: Vec<&UserChange> = jobs.iter().filter_map(Job::fitting).collect();
    let kept = server.wait_for(batch::keep(session, &changes)).await;
    let jobs = jobs.drain(..);
    match kept {
        Ok(Ok(kept)) => {
            let (kept, left): (Vec<_>, Vec<_>) = jobs.zip(kept).partition(|(_, kept)| *kept);
            for (job, _) in kept {
                job.tell(Ok(true));
            }
            let (again, conflicts): (Vec<_>, Vec<_>) = left
                .into_iter()
                .map(|(job, _)| job)
                .partition(|job| job.fitting().is_some_and(batch::ends_proofs));
            for job in conflicts {
                job.tell(Err(KeepError::Conflict));
            }
            return again;
        }
        Ok(Err(error)) if error.as_db_error().is_some() => return jobs.collect(),
        Ok(Err(error)) => {
            session.spoil();
            fail(jobs, &told(&error));
        }
        Err(error) => fail(jobs, &error.to_string()),
    }
    Vec::new()
}

fn place(job: &Job) -> Option<(&TenantId, UserId)> {
    job.fitting().map(|change| (&change.tenant, change.user_id))
}

/// How long is waited before something is tried once more that others stood in the way of: some
/// milliseconds, and others than those others wait.
pub(super) fn jitter(attempt: u32) -> Duration {
    let bound = 10_u64 << attempt.min(6);
    Duration::from_millis(1 + std::hash::RandomState::new().hash_one(attempt) % bound)
}
