//! Gives events their positions. Of all servers on one database one does so, which holds a lock; the
//! others try to take the lock, and get it when that one is gone.
//!
//! Changes are committed in another order than they were begun, so none can know the position of its
//! events. The sequencer moves what it sees of `pending_events` to the end of `events`: a reader who
//! has seen a position has seen all before it.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_postgres::Client;

use super::connection::{Answer, Purpose, Server};
use super::logs::is_logged;
use super::told;
use crate::metrics::Job;

/// The lock that one server holds: "bona", and 2.
const LOCK: i64 = 0x626f_6e61_0000_0002;
/// How often it is looked for events that have no position yet. Those that came in between are moved
/// by one statement and one commit: more often, that takes from the changes what it costs.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How often a server that does not hold the lock tries to take it, or to reach the database.
const TRY_EVERY: Duration = Duration::from_millis(500);
/// How many events are moved at a time.
const AT_A_TIME: i64 = 2_000;
/// After how many moved events the room they took is cleared. Waiting until the database does so by
/// itself would leave much to be passed over with every look.
const CLEAR_AFTER: i64 = 20_000;

/// Numbers the events on from each tenant's last position, in the order in which they were drawn: so
/// those of one user stay in theirs. Those that there are logs of are counted.
///
/// The database plans this when it last saw nothing waiting, and expects one row. So what is asked for
/// once is written such that it can be done once only: how far to go, and where each tenant's events end.
fn moving() -> String {
    let is_logged = is_logged();
    format!(
        "with taken as ( \
             delete from pending_events \
             where sequence <= (select max(sequence) from (select sequence from pending_events order by sequence limit {AT_A_TIME}) as first) \
             returning * \
         ), last as materialized ( \
             select tenant_id, coalesce((select max(position) from events where events.tenant_id = tenant.tenant_id), 0) as position \
             from (select distinct tenant_id from taken) as tenant \
         ), moved as ( \
             insert into events (tenant_id, position, event_id, type, time, user_id, identifier_id, method, key_id, key_name, request_id, personal, group_id, actor, details) \
             select taken.tenant_id, last.position + row_number() over (partition by taken.tenant_id order by taken.sequence), \
                 event_id, type, time, user_id, identifier_id, method, key_id, key_name, request_id, personal, group_id, actor, details \
             from taken join last on last.tenant_id = taken.tenant_id \
             returning tenant_id, type \
         ), counted as ( \
             update tenants set logs = tenants.logs + added.logs \
             from (select tenant_id, count(*) as logs from moved where {is_logged} group by tenant_id) as added \
             where tenants.tenant_id = added.tenant_id \
         ) \
         select count(*) from moved"
    )
}

/// The handle of the task.
pub(super) struct Sequencer {
    end: Arc<Notify>,
    moved: Arc<Job>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Sequencer {
    pub(super) fn start(server: Arc<Server>) -> Self {
        let end = Arc::new(Notify::new());
        let moved = Arc::new(Job::named("sequence"));
        let (ended, counted) = (end.clone(), moved.clone());
        let task = tokio::spawn(async move {
            tokio::select! {
                () = stand_for_election(&server, &counted) => {}
                () = ended.notified() => {}
            }
        });
        Self { end, moved, task: Mutex::new(Some(task)) }
    }

    /// How often it was looked for events without a position, by the server that holds the lock, and how
    /// often it could not be stood for the lock.
    pub(super) fn moved(&self) -> &Job {
        &self.moved
    }

    /// Ends it, and with its connection the lock.
    pub(super) async fn close(&self) {
        self.end.notify_one();
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            // Its panic has been printed already, and there is nobody left to tell.
            let _ = task.await;
        }
    }
}

impl Drop for Sequencer {
    fn drop(&mut self) {
        self.end.notify_one();
    }
}

async fn stand_for_election(server: &Server, moved: &Job) {
    let mut fails = false;
    loop {
        let Err(reason) = moved.count(serve_once(server, moved, &mut fails).await);
        // It is tried twice a second: what goes on is told once.
        if !std::mem::replace(&mut fails, true) {
            tracing::warn!(reason, "events cannot be given positions from here; it is tried again");
        }
        tokio::time::sleep(TRY_EVERY).await;
    }
}

/// Waits for the lock, and does the work while it is held. All is done on the one connection that
/// holds it: when that is lost, so is the lock, and nothing more can come of it.
/// `fails` is whether it failed the last time; that it does no more is told.
async fn serve_once(server: &Server, counted: &Job, fails: &mut bool) -> Result<Infallible, String> {
    let mut works = || {
        if std::mem::take(fails) {
            tracing::info!("events can be given positions from here again");
        }
    };
    let in_time = "PostgreSQL does not answer in time";
    let (client, _driven) = tokio::time::timeout(server.patience(), server.connect(Purpose::Sequence))
        .await
        .map_err(|_| in_time.to_owned())?
        .map_err(|error| told(&error))?;
    loop {
        let held = tokio::time::timeout(server.patience(), take_lock(&client));
        if held.await.map_err(|_| in_time.to_owned())?.map_err(|error| told(&error))? {
            break;
        }
        // Another server does the work.
        works();
        tokio::time::sleep(TRY_EVERY).await;
    }
    let sql = moving();
    let moving = tokio::time::timeout(server.patience(), client.prepare(&sql));
    let moving = moving.await.map_err(|_| in_time.to_owned())?.map_err(|error| told(&error))?;
    let mut moved_since = 0;
    loop {
        let moved = tokio::time::timeout(server.patience(), client.query_one(&moving, &[]));
        let moved = moved.await.map_err(|_| in_time.to_owned())?.map_err(|error| told(&error))?;
        let moved: i64 = moved.try_get(0).map_err(|error| told(&error))?;
        // A failure is counted by who gets it.
        let _ = counted.count(Ok::<_, Infallible>(()));
        works();
        moved_since += moved;
        if moved_since >= CLEAR_AFTER {
            moved_since = 0;
            let cleared = client.batch_execute("vacuum (truncate false) pending_events");
            cleared.await.map_err(|error| told(&error))?;
        }
        if moved < AT_A_TIME {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

async fn take_lock(client: &Client) -> Answer<bool> {
    client.query_one("select pg_try_advisory_lock($1)", &[&LOCK]).await?.try_get(0)
}

#[cfg(test)]
mod tests {
    use tokio_postgres::SimpleQueryMessage;

    use super::super::testing::Database;
    use super::super::{Options, PostgresStore, Store, migrate};
    use super::*;
    use crate::error::Error;
    use crate::id::{SeededRandom, TenantId, UserId};
    use crate::time::Timestamp;

    /// How many pages a statement looks at, each time that it does.
    async fn pages(client: &Client, sql: &str) -> u64 {
        let explain = format!("explain (analyze, buffers, format json) {sql}");
        let told = client.simple_query(&explain).await.unwrap();
        let SimpleQueryMessage::Row(told) = &told[1] else { panic!("no plan in {told:?}") };
        let told: serde_json::Value = serde_json::from_str(told.get(0).unwrap()).unwrap();
        let plan = &told[0]["Plan"];
        plan["Shared Hit Blocks"].as_u64().unwrap() + plan["Shared Read Blocks"].as_u64().unwrap()
    }

    #[tokio::test]
    async fn moving_many_events_is_as_much_work_for_each_although_none_were_expected() {
        let database = Database::empty().await;
        let options = Options::new(&database.url);
        migrate(&options, Timestamp(0)).await.unwrap();
        let server = Server::new(&options).unwrap();
        let (client, _driven) = server.connect(Purpose::Sequence).await.unwrap();
        let sql = moving();
        let mut for_each = Vec::new();
        for (events, tenants) in [(20, 2), (AT_A_TIME, 200)] {
            let add = format!(
                "insert into pending_events (sequence, tenant_id, event_id, type, time, user_id, method, key_id, \
                 key_name, request_id) select nextval('event_sequence'), number % {tenants}, '', \
                 'user.email.verified', 0, number, '', '', '', '' from generate_series(1, {events}) as number"
            );
            client.batch_execute(&add).await.unwrap();
            for_each.push(pages(&client, &sql).await / events.unsigned_abs());
            client.batch_execute("vacuum (analyze, truncate false)").await.unwrap();
        }
        assert_eq!(
            client.query_one("select count(*) from pending_events", &[]).await.unwrap().get::<_, i64>(0),
            0
        );
        assert!(for_each[1] <= for_each[0] * 2, "pages for each of few and of many events: {for_each:?}");
    }

    #[tokio::test]
    async fn while_no_server_gives_events_their_places_whoever_waits_for_them_is_told_in_time() {
        let database = Database::empty().await;
        let options =
            Options { statement_timeout: Duration::from_millis(200), ..Options::new(&database.url) };
        migrate(&options, Timestamp(0)).await.unwrap();
        let server = Server::new(&options).unwrap();
        let (client, _driven) = server.connect(Purpose::Keys).await.unwrap();
        assert!(take_lock(&client).await.unwrap());
        let store = PostgresStore::open_existing(&options).await.unwrap();
        let [waiting, other] = [1, 2].map(|seed| UserId::new(&SeededRandom::new(seed)));
        let add = format!(
            "insert into pending_events (sequence, tenant_id, event_id, type, time, user_id, method, key_id, \
             key_name, request_id) values (nextval('event_sequence'), 'default', '', 'user.email.verified', 0, \
             '{waiting}', '', '', '', '')"
        );
        client.batch_execute(&add).await.unwrap();
        let tenant = TenantId::default_tenant();
        store.wait_for_places(&tenant, other).await.unwrap();
        let told = store.wait_for_places(&tenant, waiting).await;
        assert!(matches!(told, Err(Error::Unavailable(_))));
        // Others go on meanwhile.
        assert_eq!(store.user(&tenant, other).await.unwrap(), None);
        client.batch_execute("delete from pending_events").await.unwrap();
        store.wait_for_places(&tenant, waiting).await.unwrap();
        store.close().await;
    }
}
