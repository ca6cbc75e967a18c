//! Where the store of a fuzz target is: in a SQLite file.

use std::sync::Arc;

use bonafide::store::Store;
use bonafide::store::sqlite::SqliteStore;

use super::harness::START;

/// The folder of the file; gone with the process.
pub(crate) struct Home {
    _folder: tempfile::TempDir,
}

impl Home {
    /// A new one, with the store in it.
    pub(super) async fn with_a_store() -> (Arc<dyn Store>, Self) {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let store = SqliteStore::open(&folder.path().join("fuzz.db"), START).expect("a store can be made");
        (Arc::new(store), Self { _folder: folder })
    }

    /// Waits until everything is on record that has happened: here it always is.
    pub(super) async fn until_told(&self) {}
}
