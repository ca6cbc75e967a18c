//! The store for more than one machine: a PostgreSQL server, which any number of our servers use at
//! once.

mod answers;
mod batch;
mod connection;
mod copy;
mod events;
mod explain;
mod export;
mod failure;
mod groups;
mod health;
mod keep;
mod keys;
mod logs;
mod lookups;
mod migrate;
mod newest;
mod opening;
mod options;
mod outbox;
mod person;
mod proofs;
mod requests;
mod rows;
mod secrets;
mod sequencer;
mod snapshot;
mod sql;
#[cfg(test)]
#[path = "../../../tests/postgres/mod.rs"]
pub(crate) mod testing;
mod tls;
mod users;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
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
use connection::{Readers, Server, Values};
pub use copy::PostgresTables;
pub use explain::explain;
use failure::{failure, told};
pub use health::{Health, examine};
use lookups::Lookups;
use opening::reach;
pub use opening::{migrate, steps};
pub use options::Options;
use sequencer::Sequencer;
use snapshot::Snapshots;
pub(crate) use tls::to_anybody;
use writer::{Operation, Writer};

/// How many changes of [`Store::keep_all`] share a transaction. While it lasts, others wait who make or
/// remove users.
const TOGETHER: usize = 32;

/// The store on a PostgreSQL server.
pub struct PostgresStore {
    server: Arc<Server>,
    readers: Arc<Readers>,
    lookups: Lookups,
    snapshots: Snapshots,
    writer: Writer,
    sequencer: Sequencer,
}

impl PostgresStore {
    /// Opens the store in this database, which must be there, and brings its schema up to date.
    ///
    /// # Errors
    /// A sentence naming the server when it cannot be reached, or when the database is another
    /// program's or has a schema newer than this program knows.
    pub async fn open(options: &Options, now: Timestamp) -> anyhow::Result<Self> {
        migrate(options, now).await?;
        Self::start(options)
    }

    /// Opens the store in this database, which must be up to date.
    ///
    /// # Errors
    /// A sentence naming the server when it cannot be reached, or when the database is no store, or
    /// has a schema of another version than this program's.
    pub async fn open_existing(options: &Options) -> anyhow::Result<Self> {
        let server = Server::new(options)?;
        let look = async {
            let (client, _driven) = reach(&server).await?;
            migrate::check_current(&client).await
        };
        look.await.with_context(|| format!("the store {} cannot be used", server.shown()))?;
        Self::start(options)
    }

    /// Connects: a quarter for look-ups, an eighth for changes, the rest for lists. Changes that wait
    /// share a statement, so few connections keep many; each more makes the statements smaller, and
    /// where PostgreSQL has no processor to spare, the rate too.
    fn start(options: &Options) -> anyhow::Result<Self> {
        let server = Arc::new(Server::new(options)?);
        let (lookups, changes) = ((options.connections / 4).max(1), (options.connections / 8).max(1));
        let lists = options.connections.saturating_sub(lookups + changes).max(1);
        let readers = Arc::new(Readers::start(&server, lookups));
        Ok(Self {
            lookups: Lookups::start(&readers, lookups, server.patience()),
            readers,
            snapshots: Snapshots::start(&server, lists),
            writer: Writer::start(&server, changes),
            sequencer: Sequencer::start(server.clone()),
            server,
        })
    }
}

#[async_trait]
impl Store for PostgresStore {
    fn patience(&self) -> Duration {
        self.server.patience_with_a_change()
    }

    async fn user(&self, tenant: &TenantId, user_id: UserId) -> Result<Option<Kept>, Error> {
        self.lookups.user(tenant, user_id).await
    }

    async fn users(&self, tenant: &TenantId, list: List) -> Result<Page, Error> {
        let (snapshot, session) = self.snapshots.begin().await?;
        snapshot.end(users::list(session.client(), tenant, &list)).await
    }

    async fn keep(&self, change: UserChange) -> Result<(), KeepError> {
        self.writer.run(Operation::Keep(Box::new(change))).await.map(|_| ())
    }

    async fn keep_all(&self, changes: Vec<UserChange>) -> Vec<Result<(), KeepError>> {
        let mut outcomes = Vec::with_capacity(changes.len());
        for changes in changes.chunks(TOGETHER) {
            match self.writer.run(Operation::KeepTogether(changes.to_vec())).await {
                Ok(_) => outcomes.extend(changes.iter().map(|_| Ok(()))),
                // Nobody can know what became of them, nor would the next ones fare better.
                Err(KeepError::Failed(Error::Unavailable(reason))) => {
                    let away = || Err(KeepError::Failed(Error::Unavailable(reason.clone())));
                    outcomes.extend(changes.iter().map(|_| away()));
                }
                // One of them is refused: each alone.
                Err(_) => {
                    for change in changes {
                        outcomes.push(self.keep(change.clone()).await);
                    }
                }
            }
        }
        outcomes
    }

    async fn owner(
        &self,
        tenant: &TenantId,
        kind: IdentifierKind,
        canonical: &str,
    ) -> Result<Option<UserId>, Error> {
        let values: connection::Values<'_> = &[&tenant.as_str(), &kind.as_str(), &canonical];
        rows::one(self.readers.row(export::OWNER, values).await?, |row| rows::parsed(row, 0))
    }

    async fn export(
        &self,
        tenant: &TenantId,
        with_hashes: bool,
        to: mpsc::Sender<Portion>,
    ) -> Result<(), Error> {
        export::export(&self.server, tenant, with_hashes, &to).await
    }

    async fn group(&self, tenant: &TenantId, group_id: GroupId) -> Result<Option<(Version, Group)>, Error> {
        let row =
            self.readers.row(groups::GROUP, &[&tenant.as_str(), &group_id.as_bytes().as_slice()]).await?;
        rows::one(row, groups::versioned)
    }

    async fn groups(
        &self,
        tenant: &TenantId,
        filter: Option<GroupSearch>,
        list: Sorted<GroupSortKey>,
    ) -> Result<Page<Group>, Error> {
        let search = filter.unwrap_or(Search::All);
        let (snapshot, session) = self.snapshots.begin().await?;
        snapshot.end(groups::list(session.client(), tenant, &search, list)).await
    }

    async fn auto_assigned(&self, tenant: &TenantId) -> Result<Vec<GroupId>, Error> {
        let rows = self.readers.rows(groups::AUTO_ASSIGNED, &[&tenant.as_str()]).await?;
        rows::all(&rows, |row| rows::id(row, 0).map(GroupId::from_bytes))
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
        let values: connection::Values<'_> =
            &[&tenant.as_str(), &group_id.as_bytes().as_slice(), &user_id.as_str()];
        rows::one(self.readers.row(groups::MEMBERSHIP, values).await?, groups::membership)
    }

    async fn memberships(
        &self,
        tenant: &TenantId,
        user_id: UserId,
        list: Sorted<MembershipSortKey>,
    ) -> Result<Page<Membership>, Error> {
        let (snapshot, session) = self.snapshots.begin().await?;
        snapshot.end(groups::memberships(session.client(), tenant, user_id, list)).await
    }

    async fn keep_membership(&self, change: MembershipChange) -> Result<bool, KeepError> {
        self.writer.run(Operation::KeepMembership(Box::new(change))).await
    }

    async fn earlier(&self, request: &NamedRequest, since: Timestamp) -> Result<Option<Earlier>, Error> {
        let NamedRequest { tenant, key_id, name, .. } = request;
        let values: Values<'_> = &[&tenant.as_str(), &key_id.as_str(), &name.as_str(), &since.0];
        rows::one(self.readers.row(answers::FIND, values).await?, answers::earlier)
    }

    async fn keep_answer(&self, answer: KeptAnswer) -> Result<(), KeepError> {
        self.writer.run(Operation::KeepAnswer(Box::new(answer))).await.map(|_| ())
    }

    async fn forget_answers(&self, until: Timestamp) -> Result<bool, Error> {
        self.write(Operation::ForgetAnswers(until)).await
    }

    async fn events(&self, tenant: &TenantId, wanted: EventList) -> Result<EventPage, Error> {
        let (snapshot, session) = self.snapshots.begin().await?;
        snapshot.end(events::list(session.client(), tenant, wanted)).await
    }

    async fn newest_events(&self, tenant: &TenantId, wanted: NewestEvents) -> Result<EventPage, Error> {
        let (snapshot, session) = self.snapshots.begin().await?;
        snapshot.end(newest::list(session.client(), tenant, wanted)).await
    }

    async fn wait_for_places(&self, tenant: &TenantId, user_id: UserId) -> Result<(), Error> {
        let waiting = events::wait_for_places(&self.readers, tenant, user_id);
        // PostgreSQL may answer well, and no server of ours give events their places.
        tokio::time::timeout(self.server.patience(), waiting).await.unwrap_or_else(|_| {
            Err(Error::Unavailable("events were not given their places in time".to_owned()))
        })
    }

    async fn events_by_day(&self, tenant: &TenantId, newest: u32) -> Result<Vec<DayCount>, Error> {
        let (snapshot, session) = self.snapshots.begin().await?;
        snapshot.end(newest::by_day(session.client(), tenant, newest)).await
    }

    async fn identifier_events(
        &self,
        tenant: &TenantId,
        user_id: UserId,
        identifier_id: IdentifierId,
    ) -> Result<Option<Vec<Recorded>>, Error> {
        let (snapshot, session) = self.snapshots.begin().await?;
        snapshot.end(events::of_identifier(session.client(), tenant, user_id, identifier_id)).await
    }

    async fn logs(
        &self,
        tenant: &TenantId,
        filter: Option<LogSearch>,
        list: Sorted<LogSortKey>,
    ) -> Result<Page<(LogId, Recorded)>, Error> {
        let search = filter.unwrap_or(Search::All);
        let (snapshot, session) = self.snapshots.begin().await?;
        snapshot.end(logs::list(session.client(), tenant, &search, list)).await
    }

    async fn log(&self, tenant: &TenantId, id: LogId) -> Result<Option<Recorded>, Error> {
        let row = self.readers.row(events::AT, &[&tenant.as_str(), &id.position()]).await?;
        rows::one(row, |row| events::event(row).map(|(_, event)| event))
    }

    async fn password(&self, tenant: &TenantId, user_id: UserId) -> Result<Option<PasswordHash>, Error> {
        let row = self.readers.row(secrets::PASSWORD, &[&tenant.as_str(), &user_id.as_str()]).await?;
        rows::one(row, |row| row.try_get(0).map(PasswordHash::from_stored))
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
        let values: connection::Values<'_> = &[&tenant.as_str(), &user_id.as_str(), &attempt.since.0];
        let row = self.readers.row(secrets::OLDEST_TRY, values).await?;
        let oldest: Option<i64> = rows::one(row, |row| row.try_get(0))?.flatten();
        // They may have been forgotten in between: then the next try counts.
        Ok(Some(oldest.map_or(attempt.since, Timestamp)))
    }

    async fn reset_token(&self, id: TokenId) -> Result<Option<ResetToken>, Error> {
        let row = self.readers.row(secrets::RESET_TOKEN, &[&id.as_str()]).await?;
        rows::one(row, |row| secrets::reset_token(id, row))
    }

    async fn proof(&self, id: TokenId) -> Result<Option<KeptProof>, Error> {
        rows::one(self.readers.row(proofs::PROOF, &[&id.as_str()]).await?, proofs::kept)
    }

    async fn standing(&self, tenant: &TenantId, user_id: UserId) -> Result<Standing, Error> {
        let of: connection::Values<'_> = &[&tenant.as_str(), &user_id.as_str()];
        let account = rows::one(self.readers.row(proofs::ACCOUNT, of).await?, proofs::account)?;
        let (proved_at, password_set_by) = account.unwrap_or_default();
        let reset_until = self.readers.row(secrets::RESET_UNTIL, of).await?;
        let reset_until = rows::one(reset_until, |row| row.try_get(0))?.map(Timestamp);
        let proofs = rows::all(&self.readers.rows(proofs::OF_USER, of).await?, proofs::kept)?;
        Ok(Standing { proved_at, password_set_by, reset_until, proofs })
    }

    async fn count_code_try(&self, id: TokenId, most: u32) -> Result<bool, Error> {
        self.write(Operation::CountCodeTry(id, most)).await
    }

    async fn forget_requests(&self, until: Timestamp) -> Result<(), Error> {
        self.write(Operation::ForgetRequests(until)).await.map(drop)
    }

    async fn due_mails(&self, now: Timestamp, limit: u32) -> Result<Vec<Mail>, Error> {
        let kinds = outbox::known_kinds();
        let rows = self.readers.rows(outbox::DUE, &[&now.0, &kinds, &i64::from(limit)]).await?;
        rows::all(&rows, outbox::mail)
    }

    async fn waiting_mails(&self, most: u32) -> Result<u64, Error> {
        let row = self.readers.row(outbox::WAITING, &[&i64::from(most)]).await?;
        Ok(rows::one(row, |row| row.try_get::<_, i64>(0))?.unwrap_or_default().unsigned_abs())
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
        let (snapshot, session) = self.snapshots.begin().await?;
        snapshot.end(person::traces(session.client(), tenant, user_id)).await
    }

    async fn erase_record(&self, tenant: &TenantId, user_id: UserId, receipt: Event) -> Result<bool, Error> {
        self.write(Operation::EraseRecord(tenant.clone(), user_id, Box::new(receipt))).await
    }

    async fn settings(&self, tenant: &TenantId) -> Result<Settings, Error> {
        let row = self.readers.row(keys::SETTINGS, &[&tenant.as_str()]).await?;
        Ok(rows::one(row, keys::settings)?.unwrap_or_default())
    }

    async fn choose(&self, tenant: &TenantId, choices: Choices) -> Result<bool, Error> {
        self.write(Operation::Choose(tenant.clone(), choices)).await
    }

    async fn create_tenant(&self, tenant: &TenantId, now: Timestamp) -> Result<bool, Error> {
        self.write(Operation::CreateTenant(tenant.clone(), now)).await
    }

    async fn tenants(&self) -> Result<Vec<Tenant>, Error> {
        rows::all(&self.readers.rows(keys::TENANTS, &[]).await?, keys::tenant)
    }

    async fn keep_key(&self, change: KeyChange) -> Result<bool, KeepError> {
        self.writer.run(Operation::KeepKey(Box::new(change))).await
    }

    async fn key(&self, id: KeyId) -> Result<Option<ApiKey>, Error> {
        rows::one(self.readers.row(keys::KEY, &[&id.as_str()]).await?, keys::key)
    }

    async fn keys(&self) -> Result<Vec<ApiKey>, Error> {
        rows::all(&self.readers.rows(keys::KEYS, &[]).await?, keys::key)
    }

    async fn keys_of(
        &self,
        tenant: &TenantId,
        after: Option<KeyId>,
        limit: u32,
    ) -> Result<Vec<ApiKey>, Error> {
        let after = after.as_ref().map_or("", KeyId::as_str);
        let values: Values<'_> = &[&tenant.as_str(), &after, &i64::from(limit)];
        rows::all(&self.readers.rows(keys::KEYS_OF_TENANT, values).await?, keys::key)
    }

    async fn touch_key(&self, id: KeyId, now: Timestamp) -> Result<(), Error> {
        self.write(Operation::TouchKey(id, now)).await.map(|_| ())
    }

    fn measured(&self) -> Measured<'_> {
        Measured {
            waiting: self.writer.waiting(),
            writing: self.writer.written(),
            connections: self.server.connections(),
            lists: self.snapshots.lists(),
            jobs: vec![self.sequencer.moved()],
        }
    }

    async fn ping(&self) -> Result<(), Error> {
        self.readers.row("select 1 from tenants limit 1", &[]).await?;
        self.write(Operation::Nothing).await.map(drop)
    }

    async fn close(&self) {
        self.writer.close().await;
        self.sequencer.close().await;
        self.lookups.close().await;
        tokio::join!(self.readers.close(), self.snapshots.close());
    }
}

impl PostgresStore {
    /// Runs an operation that nothing can stand in the way of.
    async fn write(&self, operation: Operation) -> Result<bool, Error> {
        self.writer.run(operation).await.map_err(KeepError::unexpected)
    }
}
