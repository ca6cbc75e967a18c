//! The embedded store: one SQLite file, one thread that writes, any number that read.

mod answers;
mod backup;
mod checkpoint;
mod copy;
mod events;
mod explain;
mod export;
mod file;
mod groups;
mod health;
mod keep;
mod keys;
mod load;
mod logs;
mod migrate;
mod newest;
mod outbox;
mod person;
mod proofs;
mod reader;
mod recompute;
mod requests;
mod rows;
mod secrets;
mod sql;
mod users;
mod writer;

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, ErrorCode, OptionalExtension, params};
use tokio::sync::mpsc;

use super::search::Search;
use super::search::groups::GroupSearch;
use super::search::logs::LogSearch;
use super::{
    DayCount, Earlier, EventList, EventPage, GroupChange, GroupSortKey, IdentifierKind, KeepError, Kept,
    KeptAnswer, KeyChange, List, LogSortKey, MembershipChange, MembershipSortKey, NewestEvents, Page,
    PasswordTry, Portion, Sorted, Store, Tenant, UserChange, Version,
};
use crate::directory::api_key::ApiKey;
use crate::directory::event::{Event, Recorded};
use crate::directory::group::{Group, Membership};
use crate::directory::log::LogId;
use crate::directory::mail::Mail;
use crate::directory::password::{PasswordHash, ResetToken};
use crate::directory::person::Traces;
use crate::directory::proof::{KeptProof, Standing};
use crate::directory::repeat::NamedRequest;
use crate::directory::settings::{Choices, Settings};
use crate::error::Error;
use crate::id::{GroupId, IdentifierId, MailId, TenantId, UserId};
use crate::metrics::Measured;
use crate::secret::{KeyId, TokenId};
use crate::time::Timestamp;
pub use backup::backup;
use checkpoint::{Checkpoints, Limits};
pub use copy::SqliteTables;
pub use explain::explain;
pub(crate) use file::make_private_folder;
use file::{READER_CACHE_KIB, WRITER_CACHE_KIB, connect, look, made, with_advice};
pub use file::{path_of_url, steps};
pub(in crate::store) use groups::SearchForms;
pub use health::{Check, Health, examine, may_be_written};
pub use load::NewRecord;
use reader::Readers;
pub(in crate::store) use rows::{actor_columns, keyless, personal, personal_json};
use writer::{Operation, Writer};

/// How long a change is waited for in all: another process may hold the file twice on the way.
const PATIENCE: Duration = Duration::from_secs(10);

/// The embedded store.
pub struct SqliteStore {
    readers: Readers,
    writer: Writer,
}

impl SqliteStore {
    /// Opens the store in this file, making it and the folders on the way to it if need be, and
    /// brings its schema up to date.
    ///
    /// # Errors
    /// A sentence naming the file when it cannot be opened, is another program's, or has a schema
    /// newer than this program knows.
    pub fn open(path: &Path, now: Timestamp) -> anyhow::Result<Self> {
        Self::open_with(path, now, Limits::default())
    }

    fn open_with(path: &Path, now: Timestamp, limits: Limits) -> anyhow::Result<Self> {
        use anyhow::Context as _;
        let open = || Self::over(path, made(path, now)?, limits);
        open().map_err(with_advice).with_context(|| format!("the store {} cannot be used", path.display()))
    }

    /// Opens the store in this file, which must be there and up to date.
    ///
    /// # Errors
    /// A sentence naming the file when it is not there, is no store, or has a schema of another
    /// version than this program's.
    pub fn open_existing(path: &Path) -> anyhow::Result<Self> {
        use anyhow::Context as _;
        let shown = path.display();
        if !path.exists() {
            anyhow::bail!("there is no store {shown}; `bonafide serve` makes it");
        }
        let open = || {
            migrate::check_current(&look(path)?)?;
            Self::over(path, connect(path, WRITER_CACHE_KIB)?, Limits::default())
        };
        open().map_err(with_advice).with_context(|| format!("the store {shown} cannot be used"))
    }

    fn over(path: &Path, connection: Connection, limits: Limits) -> anyhow::Result<Self> {
        let checkpoints = Checkpoints::start(connect(path, READER_CACHE_KIB)?, limits)?;
        Ok(Self {
            readers: Readers::new(path.to_owned(), reader::LONGEST),
            writer: Writer::start(connection, checkpoints)?,
        })
    }
}

/// What a failure of SQLite means to whoever asked: that trying again may help, or that this
/// program is at fault.
fn failure(error: &rusqlite::Error) -> Error {
    match error.sqlite_error_code() {
        Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::ApiMisuse) | None => {
            Error::Internal(error.to_string())
        }
        Some(_) => Error::Unavailable(error.to_string()),
    }
}

#[async_trait]
impl Store for SqliteStore {
    fn patience(&self) -> Duration {
        PATIENCE
    }

    async fn user(&self, tenant: &TenantId, user_id: UserId) -> Result<Option<Kept>, Error> {
        // On this thread: a lookup by key takes microseconds, handing it to another takes longer.
        self.readers.read(|connection| {
            connection
                .prepare_cached(
                    "select version, document, has_proofs from users where tenant_id = ?1 and user_id = ?2",
                )?
                .query_row(params![tenant.as_str(), user_id.as_str()], rows::kept)
                .optional()
        })
    }

    async fn users(&self, tenant: &TenantId, list: List) -> Result<Page, Error> {
        let tenant = tenant.clone();
        self.readers.read_list(move |connection| users::list(connection, &tenant, &list)).await
    }

    async fn keep(&self, change: UserChange) -> Result<(), KeepError> {
        self.writer.run(Operation::Keep(Box::new(change))).await.map(|_| ())
    }

    async fn owner(
        &self,
        tenant: &TenantId,
        kind: IdentifierKind,
        canonical: &str,
    ) -> Result<Option<UserId>, Error> {
        self.readers.read(|connection| export::owner(connection, tenant, kind, canonical))
    }

    async fn export(
        &self,
        tenant: &TenantId,
        with_hashes: bool,
        to: mpsc::Sender<Portion>,
    ) -> Result<(), Error> {
        let (readers, tenant) = (self.readers.clone(), tenant.clone());
        let read = move || {
            readers.read(|connection| {
                reader::at_one_moment(connection, |connection| {
                    export::export(connection, &tenant, with_hashes, &to)
                })
            })
        };
        tokio::task::spawn_blocking(read)
            .await
            .unwrap_or_else(|error| Err(Error::Internal(format!("an exporting thread failed: {error}"))))
    }

    async fn group(&self, tenant: &TenantId, group_id: GroupId) -> Result<Option<(Version, Group)>, Error> {
        self.readers.read(|connection| groups::group(connection, tenant, group_id))
    }

    async fn groups(
        &self,
        tenant: &TenantId,
        filter: Option<GroupSearch>,
        list: Sorted<GroupSortKey>,
    ) -> Result<Page<Group>, Error> {
        let tenant = tenant.clone();
        let search = filter.unwrap_or(Search::All);
        self.readers.read_list(move |connection| groups::groups(connection, &tenant, &search, list)).await
    }

    async fn auto_assigned(&self, tenant: &TenantId) -> Result<Vec<GroupId>, Error> {
        self.readers.read(|connection| groups::auto_assigned(connection, tenant))
    }

    async fn keep_group(&self, change: GroupChange) -> Result<(), KeepError> {
        self.writer.run(Operation::KeepGroup(Box::new(change))).await.map(|_| ())
    }

    async fn membership(
        &self,
        tenant: &TenantId,
        user_id: UserId,
        group_id: GroupId,
    ) -> Result<Option<Membership>, Error> {
        self.readers.read(|connection| groups::membership(connection, tenant, user_id, group_id))
    }

    async fn memberships(
        &self,
        tenant: &TenantId,
        user_id: UserId,
        list: Sorted<MembershipSortKey>,
    ) -> Result<Page<Membership>, Error> {
        let tenant = tenant.clone();
        self.readers
            .read_list(move |connection| groups::memberships(connection, &tenant, user_id, list))
            .await
    }

    async fn keep_membership(&self, change: MembershipChange) -> Result<bool, KeepError> {
        self.writer.run(Operation::KeepMembership(Box::new(change))).await
    }

    async fn earlier(&self, request: &NamedRequest, since: Timestamp) -> Result<Option<Earlier>, Error> {
        self.readers.read(|connection| answers::find(connection, request, since))
    }

    async fn keep_answer(&self, answer: KeptAnswer) -> Result<(), KeepError> {
        self.writer.run(Operation::KeepAnswer(Box::new(answer))).await.map(|_| ())
    }

    async fn forget_answers(&self, until: Timestamp) -> Result<bool, Error> {
        self.write(Operation::ForgetAnswers(until)).await
    }

    async fn events(&self, tenant: &TenantId, wanted: EventList) -> Result<EventPage, Error> {
        let tenant = tenant.clone();
        self.readers.read_list(move |connection| events::list(connection, &tenant, wanted)).await
    }

    /// Events get their places with the change.
    async fn wait_for_places(&self, _: &TenantId, _: UserId) -> Result<(), Error> {
        Ok(())
    }

    async fn newest_events(&self, tenant: &TenantId, wanted: NewestEvents) -> Result<EventPage, Error> {
        let tenant = tenant.clone();
        self.readers.read_list(move |connection| newest::list(connection, &tenant, wanted)).await
    }

    async fn events_by_day(&self, tenant: &TenantId, newest: u32) -> Result<Vec<DayCount>, Error> {
        let tenant = tenant.clone();
        self.readers.read_list(move |connection| newest::by_day(connection, &tenant, newest)).await
    }

    async fn identifier_events(
        &self,
        tenant: &TenantId,
        user_id: UserId,
        identifier_id: IdentifierId,
    ) -> Result<Option<Vec<Recorded>>, Error> {
        let tenant = tenant.clone();
        let read =
            move |connection: &Connection| events::of_identifier(connection, &tenant, user_id, identifier_id);
        self.readers.read_list(read).await
    }

    async fn logs(
        &self,
        tenant: &TenantId,
        filter: Option<LogSearch>,
        list: Sorted<LogSortKey>,
    ) -> Result<Page<(LogId, Recorded)>, Error> {
        let (tenant, search) = (tenant.clone(), filter.unwrap_or(Search::All));
        self.readers.read_list(move |connection| logs::list(connection, &tenant, &search, list)).await
    }

    async fn log(&self, tenant: &TenantId, id: LogId) -> Result<Option<Recorded>, Error> {
        self.readers.read(|connection| events::at(connection, tenant, id.position()))
    }

    async fn password(&self, tenant: &TenantId, user_id: UserId) -> Result<Option<PasswordHash>, Error> {
        self.readers.read(|connection| {
            connection
                .prepare_cached("select password_hash from secrets where tenant_id = ?1 and user_id = ?2")?
                .query_row([tenant.as_str(), user_id.as_str()], |row| {
                    row.get(0).map(PasswordHash::from_stored)
                })
                .optional()
        })
    }

    async fn rehash_password(
        &self,
        tenant: &TenantId,
        user_id: UserId,
        from: PasswordHash,
        to: PasswordHash,
    ) -> Result<bool, Error> {
        self.write(Operation::RehashPassword(Box::new((tenant.clone(), user_id, from, to)))).await
    }

    async fn count_password_try(
        &self,
        tenant: &TenantId,
        user_id: UserId,
        attempt: PasswordTry,
    ) -> Result<Option<Timestamp>, Error> {
        if self.write(Operation::CountPasswordTry(tenant.clone(), user_id, attempt)).await? {
            return Ok(None);
        }
        let oldest: Option<i64> = self.readers.read(|connection| {
            connection
                .prepare_cached(
                    "select min(tried_at) from password_tries where tenant_id = ?1 and user_id = ?2 and tried_at > ?3",
                )?
                .query_row(params![tenant.as_str(), user_id.as_str(), attempt.since.0], |row| row.get(0))
        })?;
        // They may have been forgotten in between: then the next try counts.
        Ok(Some(oldest.map_or(attempt.since, Timestamp)))
    }

    async fn reset_token(&self, id: TokenId) -> Result<Option<ResetToken>, Error> {
        self.readers.read(|connection| {
            connection
                .prepare_cached(secrets::RESET_TOKEN)?
                .query_row([id.as_str()], |row| rows::reset_token(id, row))
                .optional()
        })
    }

    async fn proof(&self, id: TokenId) -> Result<Option<KeptProof>, Error> {
        self.readers.read(|connection| proofs::proof(connection, id))
    }

    async fn standing(&self, tenant: &TenantId, user_id: UserId) -> Result<Standing, Error> {
        self.readers.read(|connection| proofs::standing(connection, tenant, user_id))
    }

    async fn count_code_try(&self, id: TokenId, most: u32) -> Result<bool, Error> {
        self.write(Operation::CountCodeTry(id, most)).await
    }

    async fn forget_requests(&self, until: Timestamp) -> Result<(), Error> {
        self.write(Operation::ForgetRequests(until)).await.map(drop)
    }

    async fn due_mails(&self, now: Timestamp, limit: u32) -> Result<Vec<Mail>, Error> {
        self.readers.read(|connection| outbox::due(connection, now, limit))
    }

    async fn waiting_mails(&self, most: u32) -> Result<u64, Error> {
        self.readers.read(|connection| outbox::waiting(connection, most))
    }

    async fn hurry_mails(&self, now: Timestamp) -> Result<(), Error> {
        self.write(Operation::HurryMails(now)).await.map(drop)
    }

    async fn claim_mail(&self, mail: &Mail, now: Timestamp, until: Timestamp) -> Result<bool, Error> {
        self.write(Operation::ClaimMail(Box::new(mail.clone()), now, until)).await
    }

    async fn renew_mail(&self, mail: &Mail, until: Timestamp) -> Result<bool, Error> {
        self.write(Operation::RenewMail(Box::new(mail.clone()), until)).await
    }

    async fn postpone_mail(&self, mail: &Mail, due_at: Timestamp) -> Result<(), Error> {
        self.write(Operation::PostponeMail(Box::new(mail.clone()), due_at)).await.map(drop)
    }

    async fn remove_mail(&self, tenant: &TenantId, id: MailId) -> Result<(), Error> {
        self.write(Operation::RemoveMail(tenant.clone(), id)).await.map(drop)
    }

    async fn traces(&self, tenant: &TenantId, user_id: UserId) -> Result<Traces, Error> {
        let tenant = tenant.clone();
        self.readers.read_list(move |connection| person::traces(connection, &tenant, user_id)).await
    }

    async fn erase_record(&self, tenant: &TenantId, user_id: UserId, receipt: Event) -> Result<bool, Error> {
        self.write(Operation::EraseRecord(tenant.clone(), user_id, Box::new(receipt))).await
    }

    async fn settings(&self, tenant: &TenantId) -> Result<Settings, Error> {
        self.readers.read(|connection| rows::settings(connection, tenant))
    }

    async fn choose(&self, tenant: &TenantId, choices: Choices) -> Result<bool, Error> {
        self.write(Operation::Choose(tenant.clone(), choices)).await
    }

    async fn create_tenant(&self, tenant: &TenantId, now: Timestamp) -> Result<bool, Error> {
        self.write(Operation::CreateTenant(tenant.clone(), now)).await
    }

    async fn tenants(&self) -> Result<Vec<Tenant>, Error> {
        self.readers.read(|connection| {
            connection
                .prepare("select tenant_id, created_at, users from tenants order by tenant_id")?
                .query_map([], rows::tenant)?
                .collect()
        })
    }

    async fn keep_key(&self, change: KeyChange) -> Result<bool, KeepError> {
        self.writer.run(Operation::KeepKey(Box::new(change))).await
    }

    async fn key(&self, id: KeyId) -> Result<Option<ApiKey>, Error> {
        self.readers.read(|connection| keys::key(connection, id))
    }

    async fn keys(&self) -> Result<Vec<ApiKey>, Error> {
        self.readers.read(keys::all)
    }

    async fn keys_of(
        &self,
        tenant: &TenantId,
        after: Option<KeyId>,
        limit: u32,
    ) -> Result<Vec<ApiKey>, Error> {
        self.readers.read(|connection| keys::of_tenant(connection, tenant, after, limit))
    }

    async fn touch_key(&self, id: KeyId, now: Timestamp) -> Result<(), Error> {
        self.write(Operation::TouchKey(id, now)).await.map(|_| ())
    }

    fn measured(&self) -> Measured<'_> {
        self.writer.measured(self.readers.lists())
    }

    async fn ping(&self) -> Result<(), Error> {
        self.readers
            .read(|connection| connection.query_row("select 1 from tenants limit 1", [], |_| Ok(())))?;
        self.write(Operation::Nothing).await.map(drop)
    }

    async fn close(&self) {
        self.writer.close().await;
        self.readers.close();
    }
}

impl SqliteStore {
    /// Runs an operation that nothing can stand in the way of.
    async fn write(&self, operation: Operation) -> Result<bool, Error> {
        self.writer.run(operation).await.map_err(KeepError::unexpected)
    }
}
