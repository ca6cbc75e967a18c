//! A directory of any size in a new file, loaded as fast as the store can.

use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Instant;

use anyhow::{Context as _, Result};
use bonafide::directory::email::EmailAddress;
use bonafide::directory::event::{Context, Origin};
use bonafide::directory::user::User;
use bonafide::id::{SystemRandom, TenantId};
use bonafide::secret::PlainKey;
use bonafide::store::sqlite::{NewRecord, SqliteStore};
use bonafide::time::{Clock, SystemClock, Timestamp};
use rusqlite::Connection;

use crate::figures::real;
use crate::people::{Length, Person};

/// How many users wait to be loaded at most.
const WAITING: usize = 1_024;

/// What a directory takes.
#[derive(Clone, Copy)]
pub(crate) struct Seeded {
    /// How many users there are.
    pub(crate) users: u64,
    /// How long it took to load them, in seconds.
    pub(crate) seconds: f64,
    /// How long the file is, in bytes.
    file_bytes: u64,
    /// How long all documents are together.
    document_bytes: u64,
}

impl Seeded {
    /// How long the file is beyond the documents, in KB a user.
    pub(crate) fn beyond_documents(&self) -> f64 {
        real(self.file_bytes - self.document_bytes) / real(self.users) / 1e3
    }
}

impl std::fmt::Display for Seeded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} users in {:.1} s, {:.1} MB: a user takes {:.2} KB beyond a document of {:.2} KB",
            self.users,
            self.seconds,
            real(self.file_bytes) / 1e6,
            self.beyond_documents(),
            real(self.document_bytes) / real(self.users) / 1e3
        )
    }
}

/// Loads so many users into a new store.
pub(crate) fn seed(store: &Path, users: u64, length: Length) -> Result<Seeded> {
    let start = Instant::now();
    let now = SystemClock::start().now();
    let (sender, records) = sync_channel(WAITING);
    std::thread::scope(|scope| {
        scope.spawn(move || make_all(users, length, now, &sender));
        SqliteStore::load(store, now, records)
    })?;
    let seconds = start.elapsed().as_secs_f64();

    let document_bytes: i64 =
        Connection::open(store)?
            .query_row("select sum(octet_length(document)) from users", [], |row| row.get(0))?;
    let file_bytes = std::fs::metadata(store)?.len();
    Ok(Seeded { users, seconds, file_bytes, document_bytes: document_bytes.unsigned_abs() })
}

/// Makes the users, one in each second up to now.
fn make_all(users: u64, length: Length, now: Timestamp, sender: &SyncSender<Result<NewRecord>>) {
    let origin = origin();
    for number in 0..users {
        let time = Timestamp(now.0.saturating_sub_unsigned(users - number));
        let record =
            make(Person(number), length, &Context { now: time, random: &SystemRandom, origin: &origin });
        // Whoever loads them has failed, and says why.
        let Ok(()) = sender.send(record) else { return };
    }
}

fn make(person: Person, length: Length, ctx: &Context) -> Result<NewRecord> {
    let (mut user, mut events) = User::create(person.new_user(length), ctx)?;
    if length == Length::Long {
        let second = EmailAddress::parse(&person.second_email()).context("an email of the bench")?;
        events.extend(user.add_email(second, false, ctx)?.events);
    }
    Ok(NewRecord::of(&ctx.origin.tenant, &mut user, events))
}

/// Where the users come from.
pub(crate) fn origin() -> Origin {
    Origin::of_key(TenantId::default_tenant(), PlainKey::new(&SystemRandom).id(), "load", &SystemRandom)
}
