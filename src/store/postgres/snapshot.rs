//! Connections for lists: one list at a time on each, read at one moment.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use super::connection::{Answer, Link, Purpose, Server, Session};
use super::failure;
use crate::error::Error;
use crate::metrics::{Lists, Waiting};

/// Connections that are lent to one reader at a time; who finds none waits for one.
pub(super) struct Snapshots {
    server: Arc<Server>,
    idle: Mutex<Vec<Link>>,
    places: Semaphore,
    connections: usize,
    waiting: Waiting,
}

impl Snapshots {
    pub(super) fn start(server: &Arc<Server>, connections: usize) -> Self {
        let links = (0..connections).map(|_| Link::start(server.clone(), Purpose::Lists)).collect();
        Self {
            server: server.clone(),
            idle: Mutex::new(links),
            places: Semaphore::new(connections),
            connections,
            waiting: Waiting::default(),
        }
    }

    /// Begins to read at one moment: all that is read until [`Snapshot::end`] is of that moment. That this needs
    /// no work tells whether PostgreSQL answers at all.
    pub(super) async fn begin(&self) -> Result<Snapshot<'_>, Error> {
        let closed = || Error::Unavailable("the store is closed".to_owned());
        let waits = self.waiting.one();
        let place = tokio::time::timeout(self.server.patience(), self.places.acquire()).await;
        let place = place.map_err(|_| Error::Unavailable("other long lists are being read".to_owned()))?;
        let place = place.map_err(|_| closed())?;
        drop(waits);
        let link = self.idle().pop().ok_or_else(closed)?;
        let mut snapshot = Snapshot { of: self, link: Some(link), session: None, _place: place };
        let beginning = async {
            let session = snapshot.link().session().await?;
            snapshot.session = Some(session.clone());
            let begun = session.run("begin isolation level repeatable read, read only").await;
            begun.map_err(|error| failure(&error))
        };
        self.server.wait_for(beginning).await??;
        Ok(snapshot)
    }

    /// Waits for what is read in a snapshot. One that takes several statements can take longer than each of them
    /// may: it is broken off, with its own connection, and all others are left in peace.
    ///
    /// # Errors
    /// [`Error::TooCostly`] when it takes too long.
    pub(super) async fn in_time<T>(&self, read: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        tokio::time::timeout(self.server.patience(), read).await.unwrap_or(Err(Error::TooCostly))
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
    link: Option<Link>,
    /// There while the transaction is not known to have ended.
    session: Option<Arc<Session>>,
    _place: SemaphorePermit<'a>,
}

impl Snapshot<'_> {
    fn link(&self) -> &Link {
        self.link.as_ref().expect("the connection is given back when this is dropped")
    }

    /// What reads.
    pub(super) fn client(&self) -> &Client {
        self.session.as_ref().expect("it was set when the transaction began").client()
    }

    /// Ends the transaction and gives what was read in it.
    pub(super) async fn end<T>(mut self, read: Answer<T>) -> Result<T, Error> {
        let answer = read.map_err(|error| match error.code() {
            // The server gave it up after the time that a statement may take.
            Some(code) if *code == SqlState::QUERY_CANCELED => Error::TooCostly,
            _ => failure(&error),
        });
        if let Some(session) = self.session.take()
            && session.run("rollback").await.is_err()
        {
            session.spoil();
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
    use std::time::Duration;

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
        let other = store.snapshots.begin().await.unwrap();
        let snapshot = store.snapshots.begin().await.unwrap();
        let read = async {
            // Each statement takes no longer than one may.
            let mut read = Ok(());
            while read.is_ok() {
                read = snapshot.client().batch_execute("select pg_sleep(0.1)").await;
            }
            snapshot.end(read).await
        };
        let told = store.snapshots.in_time(read).await;
        assert!(matches!(told, Err(Error::TooCostly)), "{told:?}");
        let read = other.client().batch_execute("select 1").await;
        other.end(read).await.unwrap();
        store.close().await;
    }
}
