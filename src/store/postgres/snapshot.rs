//! Connections for lists: one list at a time on each, read at one moment.

use std::sync::{Arc, Mutex, PoisonError};

use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};
use tokio_postgres::error::SqlState;

use super::connection::{Answer, Link, Purpose, Server, Session};
use super::failure;
use crate::error::Error;
use crate::metrics::{Lists, Waiting};

/// Connections that are lent to one reader at a time; who finds none waits for one.
pub(super) struct Snapshots {
    idle: Mutex<Vec<Link>>,
    places: Semaphore,
    connections: usize,
    waiting: Waiting,
    /// How long all that a list needs is waited for.
    patience: Duration,
}

impl Snapshots {
    pub(super) fn start(server: &Arc<Server>, connections: usize) -> Self {
        let links = (0..connections).map(|_| Link::start(server.clone(), Purpose::Lists)).collect();
        Self {
            idle: Mutex::new(links),
            places: Semaphore::new(connections),
            connections,
            waiting: Waiting::default(),
            patience: server.patience(),
        }
    }

    /// Begins to read at one moment: all that is read on this session until [`Snapshot::end`] is of that
    /// moment. From here on a list has its time, whatever it waits for.
    ///
    /// # Errors
    /// [`Error::Unavailable`], also where others have all connections until the time is over.
    pub(super) async fn begin(&self) -> Result<(Snapshot<'_>, Arc<Session>), Error> {
        let until = Instant::now() + self.patience;
        let late = |_| Error::Unavailable("no connection for lists was free in time".to_owned());
        timeout_at(until, self.begin_until(until)).await.map_err(late)?
    }

    async fn begin_until(&self, until: Instant) -> Result<(Snapshot<'_>, Arc<Session>), Error> {
        let closed = || Error::Unavailable("the store is closed".to_owned());
        let waits = self.waiting.one();
        let place = self.places.acquire().await.map_err(|_| closed())?;
        drop(waits);
        let link = self.idle().pop().ok_or_else(closed)?;
        let mut snapshot = Snapshot { of: self, until, link: Some(link), session: None, _place: place };
        let session = snapshot.link().session().await?;
        snapshot.session = Some(session.clone());
        let begun = session.run("begin isolation level repeatable read, read only").await;
        begun.map_err(|error| failure(&error))?;
        Ok((snapshot, session))
    }

    /// How many connections are lent, and to how many more some would be.
    pub(super) fn lists(&self) -> Lists {
        let running = self.connections.saturating_sub(self.places.available_permits());
        Lists { running, waiting: self.waiting.count(), most: self.connections }
    }

    pub(super) async fn close(&self) {
        self.places.close();
        let links = std::mem::take(&mut *self.idle());
        futures_util::future::join_all(links.iter().map(Link::close)).await;
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Link>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A moment that is read, on a connection of its own.
pub(super) struct Snapshot<'a> {
    of: &'a Snapshots,
    /// When the list has taken too long.
    until: Instant,
    link: Option<Link>,
    /// There while the transaction is not known to have ended.
    session: Option<Arc<Session>>,
    _place: SemaphorePermit<'a>,
}

impl Snapshot<'_> {
    fn link(&self) -> &Link {
        self.link.as_ref().expect("the connection is given back when this is dropped")
    }

    /// Ends the transaction when this was read in it, and gives that.
    ///
    /// # Errors
    /// [`Error::TooCostly`] when it takes too long. The server answers, but not soon enough with all of it: so this
    /// connection alone is given up, and nobody else is disturbed.
    pub(super) async fn end<T>(mut self, read: impl Future<Output = Answer<T>>) -> Result<T, Error> {
        let read = timeout_at(self.until, read).await.map_err(|_| Error::TooCostly)?;
        let answer = read.map_err(|error| match error.code() {
            // The server gave it up after the time that a statement may take.
            Some(code) if *code == SqlState::QUERY_CANCELED => Error::TooCostly,
            _ => failure(&error),
        });
        if let Some(session) = &self.session
            && let Ok(Ok(())) = timeout_at(self.until, session.run("rollback")).await
        {
            self.session = None;
        }
        answer
    }
}

impl Drop for Snapshot<'_> {
    fn drop(&mut self) {
        // Whoever asked may have gone away in the middle.
        if let Some(session) = self.session.take() {
            session.spoil();
        }
        if let Some(link) = self.link.take() {
            self.of.idle().push(link);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Database;
    use super::super::{Options, PostgresStore};
    use super::*;
    use crate::store::Store;
    use crate::time::Timestamp;

    /// One costly search would else be felt by everybody, each time it is asked.
    #[tokio::test]
    async fn a_list_that_takes_too_long_is_broken_off_and_others_are_left_in_peace() {
        let database = Database::empty().await;
        let options = Options { statement_timeout: Duration::from_secs(1), ..Options::new(&database.url) };
        let store = PostgresStore::open(&options, Timestamp(0)).await.unwrap();
        let (other, others) = store.snapshots.begin().await.unwrap();
        let (snapshot, session) = store.snapshots.begin().await.unwrap();
        let read = async {
            // Each statement takes no longer than one may.
            let mut read = Ok(());
            while read.is_ok() {
                read = session.run("select pg_sleep(0.1)").await;
            }
            read
        };
        let told = snapshot.end(read).await;
        assert!(matches!(told, Err(Error::TooCostly)), "{told:?}");
        others.run("select 1").await.unwrap();
        drop(other);
        store.close().await;
    }
}
