//! Looking users up: who is asked for while others are looked up is looked up together with all who
//! wait by then, so that one trip serves several.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_postgres::Row;

use super::super::Kept;
use super::connection::{Answer, Readers};
use super::{failure, rows};
use crate::error::Error;
use crate::id::{TenantId, UserId};

/// How many wait before those who bring more must wait to hand theirs over.
const QUEUE: usize = 4_096;
/// How many share a trip at most.
const BATCH: usize = 128;

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

/// The handle of the tasks that look up, each a batch at a time.
pub(super) struct Lookups {
    patience: Duration,
    queue: Mutex<Option<mpsc::Sender<Wanted>>>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Lookups {
    /// So many batches are under way at once at most.
    pub(super) fn start(readers: &Arc<Readers>, at_once: usize, patience: Duration) -> Self {
        let (queue, wanted) = mpsc::channel(QUEUE);
        let wanted = Arc::new(tokio::sync::Mutex::new(wanted));
        let tasks = (0..at_once)
            .map(|_| tokio::spawn(look_up_until_closed(readers.clone(), wanted.clone())))
            .collect();
        Self { patience, queue: Mutex::new(Some(queue)), tasks: Mutex::new(tasks) }
    }

    /// Looks a user up, as of some moment since this was called.
    pub(super) async fn user(&self, tenant: &TenantId, user_id: UserId) -> Result<Option<Kept>, Error> {
        let unavailable = |reason: &str| Error::Unavailable(reason.to_owned());
        let closed = || unavailable("the store is closed");
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner).clone().ok_or_else(closed)?;
        let (found, answer) = oneshot::channel();
        let asked = async {
            queue.send(Wanted { tenant: tenant.clone(), user_id, found }).await.map_err(|_| closed())?;
            answer.await.map_err(|_| closed())?
        };
        tokio::time::timeout(self.patience, asked)
            .await
            .unwrap_or_else(|_| Err(unavailable("the user was not looked up in time")))
    }

    /// Takes nobody else, and returns when all were told.
    pub(super) async fn close(&self) {
        drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        // A task's panic has been printed already, and there is nobody left to tell.
        futures_util::future::join_all(tasks).await;
    }
}

async fn look_up_until_closed(readers: Arc<Readers>, queue: Arc<tokio::sync::Mutex<mpsc::Receiver<Wanted>>>) {
    let mut wanted = Vec::with_capacity(BATCH);
    while queue.lock().await.recv_many(&mut wanted, BATCH).await > 0 {
        // Whoever has waited too long was told so.
        wanted.retain(|wanted| !wanted.found.is_closed());
        match wanted.len() {
            0 => {}
            1 => look_up_one(&readers, wanted.remove(0)).await,
            _ => look_up_several(&readers, std::mem::take(&mut wanted)).await,
        }
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
