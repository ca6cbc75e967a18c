//! Turns: within one process, changes of one user, or of one group, are made one after another, so
//! that many of them at once do not keep overtaking each other.

use std::hash::{BuildHasher, Hash, RandomState};

use tokio::sync::{Mutex, MutexGuard};

use crate::id::TenantId;

/// Two users share a place now and then, and then wait for each other; with this many places and
/// 64 changes at once that is one in sixty-four.
const PLACES: usize = 4_096;

/// Who may change which user or group now.
pub(super) struct Turns {
    hasher: RandomState,
    places: Box<[Mutex<()>]>,
}

impl Default for Turns {
    fn default() -> Self {
        Self { hasher: RandomState::new(), places: (0..PLACES).map(|_| Mutex::new(())).collect() }
    }
}

impl Turns {
    /// Waits until nobody else in this process is changing the user or group of this id.
    pub(super) async fn wait(&self, tenant: &TenantId, id: impl Hash) -> MutexGuard<'_, ()> {
        let hash = self.hasher.hash_one((tenant, id));
        let place = usize::try_from(hash % PLACES as u64).expect("a remainder of 4096 fits");
        self.places[place].lock().await
    }
}
