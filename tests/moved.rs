//! A directory that is exported from one kind of store and imported into the other.

use crate::api_on_postgres::harness::Api as OnPostgres;
use crate::api_on_postgres::imports as on_postgres;
use crate::api_on_sqlite::harness::Api as OnSqlite;
use crate::api_on_sqlite::imports as on_sqlite;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_is_the_same_bytes_from_each_kind_of_store() {
    let (sqlite, postgres, back) = (OnSqlite::new().await, OnPostgres::new().await, OnSqlite::new().await);
    on_sqlite::furnish(&sqlite).await;
    let lines = on_sqlite::exported(&sqlite).await;
    let (refused, _) = on_postgres::import(&postgres, "", &lines).await;
    assert!(refused.is_empty(), "{refused:?}");
    assert_eq!(on_postgres::exported(&postgres).await, lines);
    let (refused, _) = on_sqlite::import(&back, "", &on_postgres::exported(&postgres).await).await;
    assert!(refused.is_empty(), "{refused:?}");
    assert_eq!(on_sqlite::exported(&back).await, lines);
}
