//! The one thread that writes. It takes all changes that wait and commits them in one transaction,
//! so that one sync of the disk serves them all.

use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rusqlite::{Connection, params};
use tokio::sync::{mpsc, oneshot};

use super::super::{
    GroupChange, KeepError, KeptAnswer, KeyChange, MembershipChange, PasswordTry, UserChange,
};
use super::checkpoint::Checkpoints;
use super::keep::keep;
use super::{answers, failure, groups, keys, outbox, person, proofs, requests, rows, secrets};
use crate::directory::event::Event;
use crate::directory::mail::Mail;
use crate::directory::password::PasswordHash;
use crate::directory::settings::Choices;
use crate::error::Error;
use crate::id::{MailId, TenantId, UserId};
use crate::metrics::{Job as BackgroundJob, Lists, Measured, Writing};
use crate::secret::{KeyId, TokenId};
use crate::time::Timestamp;

/// How many changes wait before those who bring more must wait to hand theirs over.
const QUEUE: usize = 4_096;
/// How many changes share a commit at most; more would only make the first ones wait longer.
const BATCH: usize = 256;

/// Something to be written.
pub(super) enum Operation {
    Keep(Box<UserChange>),
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
    /// Shows that the thread lives and the file can be locked for writing.
    Nothing,
}

/// Whether the operation found something to do, or why it was not done.
pub(super) type Outcome = Result<bool, KeepError>;

struct Job {
    operation: Operation,
    done: oneshot::Sender<Outcome>,
}

/// The handle of the writing thread.
pub(super) struct Writer {
    written: Arc<Writing>,
    copied: Arc<BackgroundJob>,
    queue: Mutex<Option<mpsc::Sender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    /// Starts the thread on a connection, beside the one of the checkpoints.
    pub(super) fn start(connection: Connection, checkpoints: Checkpoints) -> std::io::Result<Self> {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let written = Arc::new(Writing::default());
        let (counted, copied) = (written.clone(), checkpoints.copied());
        let thread = std::thread::Builder::new()
            .name("bonafide-writer".to_owned())
            .spawn(move || write_until_closed(connection, jobs, checkpoints, &counted))?;
        Ok(Self { written, copied, queue: Mutex::new(Some(queue)), thread: Mutex::new(Some(thread)) })
    }

    pub(super) fn measured(&self, lists: Lists) -> Measured<'_> {
        let queue = self.queue.lock().ok().and_then(|queue| queue.clone());
        let waiting = queue.map_or(0, |queue| queue.max_capacity() - queue.capacity());
        Measured { waiting, writing: &self.written, connections: Vec::new(), lists, jobs: vec![&self.copied] }
    }

    /// Does an operation; it is durable when this returns.
    pub(super) async fn run(&self, operation: Operation) -> Outcome {
        let closed = || KeepError::Failed(Error::Unavailable("the store is closed".to_owned()));
        let queue = self.queue.lock().ok().and_then(|queue| queue.clone()).ok_or_else(closed)?;
        let (done, outcome) = oneshot::channel();
        queue.send(Job { operation, done }).await.map_err(|_| closed())?;
        outcome.await.map_err(|_| closed())?
    }

    /// Takes no more operations, and returns when those that wait are done and the file is closed.
    pub(super) async fn close(&self) {
        let queue = self.queue.lock().ok().and_then(|mut queue| queue.take());
        drop(queue);
        let thread = self.thread.lock().ok().and_then(|mut thread| thread.take());
        if let Some(thread) = thread {
            // The thread's panic has been printed already, and there is nobody left to tell.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

fn write_until_closed(
    connection: Connection,
    mut jobs: mpsc::Receiver<Job>,
    mut checkpoints: Checkpoints,
    written: &Writing,
) {
    let mut batch = Vec::with_capacity(BATCH);
    while jobs.blocking_recv_many(&mut batch, BATCH) > 0 {
        let begun = written.begin();
        let outcomes = commit(&connection, &mut batch, &mut jobs);
        let changes = batch.len();
        written.end(begun, changes);
        for (job, outcome) in batch.drain(..).zip(outcomes) {
            // Whoever asked may have gone away; what was asked is done all the same.
            let _ = job.done.send(outcome);
        }
        checkpoints.after_commit(&connection, changes);
    }
    checkpoints.stop();
    if let Err((_, error)) = connection.close() {
        tracing::warn!(%error, "the store's file was not closed cleanly; it will be recovered when next opened");
    }
}

/// Commits operations together, and with them those that come while they are applied. First as if none
/// will fail, which is nearly always so; if one does, all is rolled back and done again with a savepoint
/// around each, so that each fails alone.
fn commit(connection: &Connection, batch: &mut Vec<Job>, jobs: &mut mpsc::Receiver<Job>) -> Vec<Outcome> {
    transaction(connection, || {
        // A conflict is found before anything is written, and so is a limit that is reached, and that there
        // is such a user already.
        let is_clean = |error: &KeepError| {
            matches!(error, KeepError::Conflict | KeepError::TooOften(_) | KeepError::Exists)
        };
        let mut outcomes = Vec::with_capacity(BATCH);
        while let Some(job) = batch.get(outcomes.len()) {
            let outcome = apply(connection, &job.operation);
            if outcome.as_ref().is_err_and(|error| !is_clean(error)) {
                return Ok(None);
            }
            outcomes.push(outcome);
            // Whoever was answered after the last commit has asked again by now: two halves that wait
            // for each other's commits would sync twice as often.
            if outcomes.len() == batch.len() {
                batch.extend(std::iter::from_fn(|| jobs.try_recv().ok()).take(BATCH - outcomes.len()));
            }
        }
        Ok(Some(outcomes))
    })
    .and_then(|outcomes| match outcomes {
        Some(outcomes) => Ok(outcomes),
        None => transaction(connection, || {
            batch
                .iter()
                .map(|job| apply_alone(connection, &job.operation))
                .collect::<rusqlite::Result<Vec<_>>>()
                .map(Some)
        })
        .map(Option::unwrap_or_default),
    })
    .unwrap_or_else(|error| {
        tracing::error!(%error, changes = batch.len(), "changes could not be committed");
        batch.iter().map(|_| Err(KeepError::Failed(failure(&error)))).collect()
    })
}

/// Runs `work` in a transaction that is kept only if `work` gives something.
fn transaction<T>(
    connection: &Connection,
    work: impl FnOnce() -> rusqlite::Result<Option<T>>,
) -> rusqlite::Result<Option<T>> {
    connection.prepare_cached("begin immediate")?.execute([])?;
    let result = work().and_then(|done| {
        if done.is_some() {
            connection.prepare_cached("commit")?.execute([])?;
        }
        Ok(done)
    });
    // Some failures, a full disk among them, have ended the transaction already.
    if !connection.is_autocommit() {
        connection.prepare_cached("rollback")?.execute([])?;
    }
    result
}

/// Applies one operation so that its failure leaves the others of the transaction as they are.
fn apply_alone(connection: &Connection, operation: &Operation) -> rusqlite::Result<Outcome> {
    connection.prepare_cached("savepoint one")?.execute([])?;
    let outcome = apply(connection, operation);
    if outcome.is_err() {
        connection.prepare_cached("rollback to one")?.execute([])?;
    }
    connection.prepare_cached("release one")?.execute([])?;
    Ok(outcome)
}

fn apply(connection: &Connection, operation: &Operation) -> Outcome {
    let done = match operation {
        Operation::Keep(change) => return keep(connection, change),
        Operation::KeepGroup(change) => return groups::keep(connection, change),
        Operation::KeepMembership(change) => return groups::keep_membership(connection, change),
        Operation::CreateTenant(tenant, now) => connection
            .execute(
                "insert into tenants (tenant_id, created_at) values (?1, ?2) on conflict do nothing",
                params![tenant.as_str(), now.0],
            )
            .map(|added| added == 1),
        Operation::KeepAnswer(answer) => return answers::keep(connection, Some(answer)).map(|()| true),
        Operation::KeepKey(change) => return keys::keep(connection, change),
        Operation::TouchKey(id, now) => keys::touch(connection, *id, *now),
        Operation::RehashPassword(change) => secrets::rehash(connection, change),
        Operation::CountPasswordTry(tenant, user_id, attempt) => {
            secrets::count_try(connection, tenant, *user_id, *attempt)
        }
        Operation::CountCodeTry(id, most) => proofs::count_try(connection, *id, *most),
        Operation::HurryMails(now) => outbox::hurry(connection, *now),
        Operation::ClaimMail(mail, now, until) => outbox::claim(connection, mail, *now, *until),
        Operation::RenewMail(mail, until) => outbox::renew(connection, mail, *until),
        Operation::PostponeMail(mail, due_at) => outbox::postpone(connection, mail, *due_at),
        Operation::RemoveMail(tenant, id) => outbox::remove(connection, tenant, *id),
        Operation::Choose(tenant, choices) => rows::choose(connection, tenant, choices),
        Operation::ForgetRequests(until) => requests::forget(connection, *until),
        Operation::ForgetAnswers(until) => answers::forget(connection, *until),
        Operation::EraseRecord(tenant, user_id, receipt) => {
            person::erase_record(connection, tenant, *user_id, receipt)
        }
        Operation::Nothing => Ok(false),
    };
    done.map_err(|error| failed(&error))
}

pub(super) fn failed(error: &rusqlite::Error) -> KeepError {
    KeepError::Failed(failure(error))
}

#[cfg(test)]
mod tests {
    use super::super::file::made;
    use super::*;
    use crate::directory::event::{Context, Method, Origin};
    use crate::directory::proof::AddressId;
    use crate::directory::settings::Settings;
    use crate::directory::user::{NewUser, User};
    use crate::id::SeededRandom;
    use crate::secret::ServerSecret;
    use crate::store::Version;

    /// Commits operations, the first of which is taken before the others come.
    fn commit_all(connection: &Connection, operations: Vec<Operation>) -> Vec<Outcome> {
        let (queue, mut jobs) = mpsc::channel(QUEUE);
        for operation in operations {
            assert!(queue.try_send(Job { operation, done: oneshot::channel().0 }).is_ok());
        }
        commit(connection, &mut vec![jobs.try_recv().unwrap()], &mut jobs)
    }

    /// Each request that came too often made the whole batch be done twice.
    #[test]
    fn a_limit_that_is_reached_does_not_make_the_others_of_its_batch_be_done_again() {
        let folder = tempfile::tempdir().unwrap();
        let connection = made(&folder.path().join("test.db"), Timestamp(0)).unwrap();
        let random = SeededRandom::new(1);
        let origin = Origin::of_server(TenantId::default_tenant(), Method::Policy, &random);
        let ctx = Context { now: Timestamp(1_000), random: &random, origin: &origin };
        let secret = ServerSecret::new(&random);
        let user = |email: &str| {
            let new = NewUser { email: Some(email.to_owned()), ..NewUser::default() };
            let (mut user, events) = User::create(new, &ctx).unwrap();
            let change = UserChange::create(&origin.tenant, &mut user, Vec::new(), events.into());
            commit_all(&connection, vec![Operation::Keep(Box::new(change))]).remove(0).unwrap();
            user
        };
        let start = |user: &User, version| {
            let (address, settings) = (AddressId::email(user.emails[0].id), Settings::default());
            let made = user.make_proof(address, None, &settings, &secret, &ctx).unwrap();
            let decision = user.start_proof(made.proof, true, &settings, &ctx).unwrap();
            let change = UserChange::beside(&origin.tenant, Version(version), user.user_id, decision);
            Operation::Keep(Box::new(change.unwrap()))
        };
        // What is rolled back is counted, too.
        let written = |operations: Vec<Operation>| {
            let total =
                || -> i64 { connection.query_row("select total_changes()", [], |row| row.get(0)).unwrap() };
            let before = total();
            (commit_all(&connection, operations), total() - before)
        };
        let (one, other) = (user("a@example.com"), user("b@example.com"));
        let (outcomes, alone) = written(vec![start(&one, 1)]);
        assert!(matches!(outcomes[..], [Ok(true)]));
        let (outcomes, beside) = written(vec![start(&other, 1), start(&one, 2)]);
        assert!(
            matches!(outcomes[..], [Ok(true), Err(KeepError::TooOften(Timestamp(1_060)))]),
            "{outcomes:?}"
        );
        assert_eq!(beside, alone);
    }
}
