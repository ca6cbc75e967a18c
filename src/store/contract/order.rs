//! That events on PostgreSQL keep their order, whoever writes and whoever is killed.

use std::collections::{BTreeMap, HashSet};

use futures_util::future::join_all;
use tokio_postgres::NoTls;

use super::*;
use crate::id::{EventId, UserId};

const SERVERS: usize = 3;
const WRITERS: u64 = 4;
const CHANGES: i64 = 100;
/// After how many events that were read the sequencer is killed once more.
const KILL_EVERY: usize = 100;

/// Changes a user of its own, one change after another, and gives the user's events in order.
async fn write(store: Arc<dyn Store>, seed: u64) -> (UserId, Vec<EventId>) {
    let maker = Maker { random: SeededRandom::new(seed), ..Maker::new(&default()) };
    let (mut user, change) = maker.with_email(&format!("user{seed}@example.com"), false);
    let mut happened: Vec<EventId> = change.events.iter().map(|event| event.id).collect();
    store.keep(change).await.unwrap();
    for version in 1..=CHANGES {
        let change = maker.change(&mut user, version, if version % 2 == 1 { verify } else { unverify });
        happened.extend(change.events.iter().map(|event| event.id));
        store.keep(change).await.unwrap();
    }
    (user.user_id, happened)
}

/// Ends the connection of whoever gives events their positions.
async fn kill_sequencer(client: &tokio_postgres::Client) {
    let sql = "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and granted \
               and database = (select oid from pg_database where datname = current_database())";
    client.execute(sql, &[]).await.unwrap();
}

/// Reads all events as they come, until there are so many, and kills the sequencer on the way.
async fn read(store: &dyn Store, url: &str, all: usize) -> Vec<Recorded> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    let (mut read, mut kills) = (Vec::new(), 0);
    while read.len() < all {
        let after = i64::try_from(read.len()).unwrap();
        let page = store.events(&default(), EventList { after, limit: 25, ..EVERYTHING }).await.unwrap();
        if page.events.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        for (position, event) in page.events {
            read.push(event);
            assert_eq!(position, i64::try_from(read.len()).unwrap(), "a gap, or a repeat");
        }
        if read.len() / KILL_EVERY > kills {
            kills += 1;
            kill_sequencer(&client).await;
        }
    }
    assert!(kills > 3, "the sequencer was killed {kills} times: that shows nothing");
    read
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_miss_and_repeat_nothing_while_many_write_and_sequencers_are_killed() {
    let (first, database) = postgres().await;
    let mut servers = vec![first];
    for _ in 1..SERVERS {
        servers.push(open(&database.url).await);
    }
    let writers = (0..SERVERS as u64 * WRITERS).map(|seed| {
        let server = servers[usize::try_from(seed).unwrap() % SERVERS].clone();
        tokio::spawn(write(server, 1_000 + seed))
    });
    let writers = join_all(writers.collect::<Vec<_>>());
    // Two for making the user, with an address, and one for each change.
    let all = SERVERS * usize::try_from(WRITERS).unwrap() * (2 + usize::try_from(CHANGES).unwrap());
    let (happened, read) = tokio::join!(writers, read(&*servers[0], &database.url, all));
    let happened: BTreeMap<UserId, Vec<EventId>> = happened.into_iter().map(Result::unwrap).collect();
    assert_eq!(read.iter().map(|event| event.id.to_string()).collect::<HashSet<_>>().len(), all);
    let mut told: BTreeMap<UserId, Vec<EventId>> = BTreeMap::new();
    for event in read {
        told.entry(event.user_id.unwrap()).or_default().push(event.id);
    }
    assert_eq!(told, happened);
    join_all(servers.iter().map(|server| server.close())).await;
}
