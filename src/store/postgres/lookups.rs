//! Looking users up: who is asked for while others are looked up is looked up together with all who
//! wait by then, so that one trip serves several.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio_postgres::Row;

use super::super::Kept;
use super::connection::{Answer, Readers};
use super::{failure, rows};
use crate::error::Error;
use crate::id::{TenantId, UserId};

/// How many share a trip at most.
const BATCH: usize = 128;
/// How many are worth a trip of their own while another is under way. Fewer wait for it: a trip costs
/// the database more than a user does.
const ENOUGH: usize = 16;

const ONE: &str = "select version, document, has_proofs from users where tenant_id = $1 and user_id = $2";

/// Each beside the number of who was asked for; whoever is not there has no row.
const SEVERAL: &str = "select users.version, users.document, users.has_proofs, wanted.number
from unnest($1::text[], $2::text[]) with ordinality as wanted (tenant_id, user_id, number)
    join users on users.tenant_id = wanted.tenant_id and users.user_id = wanted.user_id";

/// Somebody who is asked for.
struct Wanted {
    tenant: TenantId,
    user_id: UserId,
    found: oneshot::Sender<Result<Option<Kept>, Error>>,
}

/// Those who wait to be looked up.
#[derive(Default)]
struct Line {
    waiting: Mutex<Waiting>,
    /// Told when there may be a trip to make, or nobody comes any more.
    changed: Notify,
}

#[derive(Default)]
struct Waiting {
    wanted: Vec<Wanted>,
    /// How many trips are under way.
    trips: usize,
    is_closed: bool,
}

impl Waiting {
    /// Whether those who wait are looked up now.
    fn are_enough(&self) -> bool {
        !self.wanted.is_empty() && (self.trips == 0 || self.wanted.len() >= ENOUGH)
    }
}

impl Line {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts somebody at the end, unless the line is closed.
    fn join(&self, wanted: Wanted) {
        let mut waiting = self.waiting();
        if !waiting.is_closed {
            waiting.wanted.push(wanted);
            if waiting.are_enough() {
                self.changed.notify_one();
            }
        }
    }

    /// Those of the next trip, once there is one to make; nobody where the line is closed and others see to
    /// all who wait.
    async fn begin_trip(&self) -> Option<Vec<Wanted>> {
        loop {
            let changed = self.changed.notified();
            {
                let mut waiting = self.waiting();
                if waiting.are_enough() {
                    waiting.trips += 1;
                    let first = waiting.wanted.len().min(BATCH);
                    return Some(waiting.wanted.drain(..first).collect());
                }
                if waiting.is_closed {
                    return None;
                }
            }
            changed.await;
        }
    }

    fn end_trip(&self) {
        self.waiting().trips -= 1;
    }

    /// Lets nobody else in.
    fn close(&self) {
        self.waiting().is_closed = true;
        self.changed.notify_waiters();
    }
}

/// The handle of the tasks that look up, each a batch at a time.
pub(super) struct Lookups {
    patience: Duration,
    line: Arc<Line>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Lookups {
    /// So many batches are under way at once at most.
    pub(super) fn start(readers: &Arc<Readers>, at_once: usize, patience: Duration) -> Self {
        let line = Arc::new(Line::default());
        let tasks =
            (0..at_once).map(|_| tokio::spawn(look_up_until_closed(readers.clone(), line.clone()))).collect();
        Self { patience, line, tasks: Mutex::new(tasks) }
    }

    /// Looks a user up, as of some moment since this was called.
    pub(super) async fn user(&self, tenant: &TenantId, user_id: UserId) -> Result<Option<Kept>, Error> {
        let unavailable = |reason: &str| Error::Unavailable(reason.to_owned());
        let (found, answer) = oneshot::channel();
        self.line.join(Wanted { tenant: tenant.clone(), user_id, found });
        match tokio::time::timeout(self.patience, answer).await {
            Ok(Ok(found)) => found,
            Ok(Err(_)) => Err(unavailable("the store is closed")),
            Err(_) => Err(unavailable("the user was not looked up in time")),
        }
    }

    /// Takes nobody else, and returns when all were told.
    pub(super) async fn close(&self) {
        self.line.close();
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        // A task's panic has been printed already, and there is nobody left to tell.
        futures_util::future::join_all(tasks).await;
    }
}

async fn look_up_until_closed(readers: Arc<Readers>, line: Arc<Line>) {
    while let Some(mut wanted) = line.begin_trip().await {
        // Whoever has waited too long was told so.
        wanted.retain(|wanted| !wanted.found.is_closed());
        match wanted.len() {
            0 => {}
            1 => look_up_one(&readers, wanted.remove(0)).await,
            _ => look_up_several(&readers, wanted).await,
        }
        line.end_trip();
    }
}

async fn look_up_one(readers: &Readers, wanted: Wanted) {
    let row = readers.row(ONE, &[&wanted.tenant.as_str(), &wanted.user_id.as_str()]).await;
    // Whoever asked may have gone away.
    let _ = wanted.found.send(row.and_then(|row| rows::one(row, rows::kept)));
}

async fn look_up_several(readers: &Readers, wanted: Vec<Wanted>) {
    let tenants: Vec<&str> = wanted.iter().map(|wanted| wanted.tenant.as_str()).collect();
    let ids: Vec<&str> = wanted.iter().map(|wanted| wanted.user_id.as_str()).collect();
    let found = match readers.rows(SEVERAL, &[&tenants, &ids]).await {
        Ok(rows) => numbered(&rows, wanted.len()).map_err(|error| failure(&error)),
        Err(error) => Err(error),
    };
    match found {
        Ok(found) => {
            for (wanted, found) in wanted.into_iter().zip(found) {
                let _ = wanted.found.send(Ok(found));
            }
        }
        Err(error) => {
            for wanted in wanted {
                let _ = wanted.found.send(Err(again(&error)));
            }
        }
    }
}

/// The users of these rows at the places of those who were asked for, who are so many.
fn numbered(rows: &[Row], wanted: usize) -> Answer<Vec<Option<Kept>>> {
    let mut found: Vec<Option<Kept>> = (0..wanted).map(|_| None).collect();
    for row in rows {
        let number: i64 = row.try_get(3)?;
        let place = usize::try_from(number - 1).expect("numbers begin with 1");
        found[place] = Some(rows::kept(row)?);
    }
    Ok(found)
}

/// The same error for one more of those whom it hit.
fn again(error: &Error) -> Error {
    match error {
        Error::Unavailable(reason) => Error::Unavailable(reason.clone()),
        Error::Internal(fault) => Error::Internal(fault.clone()),
        other => Error::Internal(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn join(line: &Line, people: usize) {
        for _ in 0..people {
            let wanted = Wanted {
                tenant: TenantId::default_tenant(),
                user_id: UserId::from_path("aaaaaaaaaaaaaaaaaaaaa"),
                found: oneshot::channel().0,
            };
            line.join(wanted);
        }
    }

    /// How many go on a trip now, if there is one to make.
    fn begin_trip(line: &Line) -> Option<usize> {
        line.begin_trip().now_or_never().map(|trip| trip.map_or(0, |trip| trip.len()))
    }

    #[test]
    fn whoever_is_alone_is_looked_up_at_once_and_a_few_more_together_with_the_next_trip() {
        let line = Line::default();
        assert_eq!(begin_trip(&line), None);
        join(&line, 1);
        assert_eq!(begin_trip(&line), Some(1));
        join(&line, ENOUGH - 1);
        assert_eq!(begin_trip(&line), None);
        line.end_trip();
        assert_eq!(begin_trip(&line), Some(ENOUGH - 1));
    }

    #[test]
    fn many_do_not_wait_for_a_trip_that_is_under_way() {
        let line = Line::default();
        join(&line, BATCH + ENOUGH);
        assert_eq!([begin_trip(&line), begin_trip(&line)], [Some(BATCH), Some(ENOUGH)]);
    }

    #[test]
    fn those_who_wait_when_the_line_is_closed_are_looked_up_and_nobody_after_them() {
        let line = Line::default();
        join(&line, 2);
        line.close();
        join(&line, 1);
        assert_eq!([begin_trip(&line), begin_trip(&line)], [Some(2), Some(0)]);
    }
}
