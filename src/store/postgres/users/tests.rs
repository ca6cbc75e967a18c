//! That every way finds the same, and which one is taken.

use std::ops::Bound;

use tokio_postgres::NoTls;

use super::super::testing::Database;
use super::super::{Options, migrate};
use super::*;
use crate::store::SortKey;
use crate::store::contract::ways::{self, Known, SMALL, document, four_hundred, group, id, term};
use crate::store::search::users::Column;
use crate::time::Timestamp;

/// A database with nobody in it, in a transaction.
async fn nobody() -> (Database, Client) {
    let database = Database::empty().await;
    migrate(&Options::new(&database.url), Timestamp(0)).await.unwrap();
    let (client, connection) = tokio_postgres::connect(&database.url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute("begin").await.unwrap();
    (database, client)
}

/// Adds these users.
async fn add(client: &Client, users: &[Known]) {
    let run = async |sql: &str, values: &[&(dyn tokio_postgres::types::ToSql + Sync)]| {
        client.execute(sql, values).await.unwrap();
    };
    for user @ Known { place, terms, is_member } in users {
        run(
            "insert into users (tenant_id, user_id, version, shape, document, creation_time, last_updated) \
             values ('default', $1, 1, 1, $3, $2::bigint / 3, $2)",
            &[&id(*place), place, &document(user)],
        )
        .await;
        for term in terms {
            run("insert into index_terms values ('default', 'public_data.f', $1, $2)", &[term, &id(*place)])
                .await;
        }
        if *is_member {
            let bytes = group().as_bytes().to_vec();
            run("insert into memberships values ('default', $1, $2, 0)", &[&bytes, &id(*place)]).await;
        }
    }
    let bytes = group().as_bytes().to_vec();
    run(
        "insert into groups (tenant_id, group_id, version, name, canonical, is_auto_assigned, users_assigned, \
         creation_time, last_updated, last_assigned) \
         select 'default', $1, 1, 'g', 'g', false, count(*), 0, 0, 0 from memberships",
        &[&bytes],
    )
    .await;
    run("update tenants set users = (select count(*) from users)", &[]).await;
}

#[test]
fn every_way_finds_the_users_who_match() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let users = four_hundred();
    let (_database, client) = runtime.block_on(async {
        let (database, client) = nobody().await;
        add(&client, &users).await;
        (database, client)
    });
    let tenant = TenantId::default_tenant();
    ways::every_way_finds_the_users_who_match(&users, |list| {
        runtime.block_on(async {
            let listing = Listing::of(&client, &tenant, list, SMALL).await.unwrap();
            let found = listing.find().await.unwrap();
            (found.way, listing.page(found).await.unwrap())
        })
    });
}

/// Sixty thousand users, whose terms are `all` of all, `one` and `two` of a tenth each, both of five, and
/// `rare` of three. Nobody has told the database how common they are.
async fn sixty_thousand() -> (Database, Client) {
    let (database, client) = nobody().await;
    client
        .batch_execute(
            "create temp table numbers as \
             select n, lpad((n * 7919 % 1000003)::text, 21, '0') as id from generate_series(0, 59999) n; \
             insert into users (tenant_id, user_id, version, shape, document, creation_time, last_updated) \
             select 'default', id, 1, 1, n::text, n, n from numbers; \
             insert into index_terms select 'default', 'public_data.f', 'all', id from numbers; \
             insert into index_terms select 'default', 'public_data.f', 'one', id from numbers where n % 10 = 0; \
             insert into index_terms select 'default', 'public_data.f', 'two', id from numbers where n % 10 = 1; \
             insert into index_terms select 'default', 'public_data.f', 'two', id from numbers where n % 12000 = 0; \
             insert into index_terms select 'default', 'public_data.f', 'rare', id from numbers where n % 20000 = 7; \
             update tenants set users = 60000; ",
        )
        .await
        .unwrap();
    (database, client)
}

fn value(value: &str) -> UserSearch {
    term(Range::text(value))
}

/// The way to the newest ten who match, and the page.
async fn newest(client: &Client, filter: UserSearch) -> (Way, Page) {
    let place = Place::Sorted { sort: SortKey::CreationTime, descending: true, offset: 0 };
    let list = List { filter: Some(filter), place, limit: 10 };
    let tenant = TenantId::default_tenant();
    let listing = Listing::of(client, &tenant, &list, BOUNDS).await.unwrap();
    let found = listing.find().await.unwrap();
    (found.way, listing.page(found).await.unwrap())
}

#[tokio::test]
async fn the_way_follows_from_how_common_what_is_asked_for_is() {
    let (_database, client) = sixty_thousand().await;
    let show = |page: &Page| -> Vec<String> {
        page.documents.iter().map(|document| String::from_utf8(document.to_vec()).unwrap()).collect()
    };
    let (way, page) = newest(&client, Search::And(vec![value("all"), value("rare")])).await;
    assert_eq!((way, show(&page)), (Way::Page(3), ["40007", "20007", "7"].map(str::to_owned).to_vec()));
    assert_eq!((page.total, page.total_is_estimate, page.has_next), (3, false, false));

    let (way, page) = newest(&client, value("all")).await;
    assert_eq!((way, show(&page)[0].as_str()), (Way::Walk(20_000), "59999"));
    assert_eq!((page.total, page.total_is_estimate, page.has_next), (60_000, true, true));

    // Both are common, and hardly anybody has both: they are found by one of them.
    let (way, page) = newest(&client, Search::And(vec![value("one"), value("two")])).await;
    assert!(matches!(way, Way::Many(5_001..8_000)), "{way:?}");
    assert_eq!(show(&page), ["48000", "36000", "24000", "12000", "0"]);
    assert_eq!((page.total, page.has_next), (5, false));

    // Nothing finds a complement.
    let both = Search::And(vec![value("one"), value("two")]);
    let (way, page) = newest(&client, Search::Not(Box::new(Search::Not(Box::new(both))))).await;
    assert_eq!((way, page.total, page.documents.len()), (Way::AskEverybody, 5, 5));

    // Nor is the walk bounded, so that all users and all terms are compared at once and not one by one.
    let rare = List {
        filter: Some(Search::Not(Box::new(value("all")))),
        place: Place::Sorted { sort: SortKey::CreationTime, descending: true, offset: 0 },
        limit: 10,
    };
    let tenant = TenantId::default_tenant();
    let listing = Listing::of(&client, &tenant, &rare, BOUNDS).await.unwrap();
    let statement = listing.find().await.unwrap().sql.expanded();
    assert!(!statement[..statement.find("n.matches").unwrap()].contains("limit"), "{statement}");

    let times = |range| Search::Is(UserLeaf::Column(Column::LastUpdated, range));
    let some =
        Range { lower: Bound::Included(Operand::Number(100)), upper: Bound::Excluded(Operand::Number(150)) };
    let (way, page) = newest(&client, Search::And(vec![value("all"), times(some)])).await;
    assert_eq!((way, show(&page)[0].as_str(), page.total), (Way::Few(50), "149", 50));
}

#[tokio::test]
async fn many_users_are_counted_to_a_bound_and_estimated_beyond_it() {
    let (_database, client) = sixty_thousand().await;
    let total = async |filter| {
        let (_, page) = newest(&client, filter).await;
        (page.total, page.total_is_estimate)
    };
    assert_eq!(total(value("one")).await, (6_000, false));
    let (total, is_estimate) = total(Search::Not(Box::new(value("one")))).await;
    assert!(is_estimate && (52_000..=56_000).contains(&total), "{total}");
}

#[tokio::test]
async fn users_with_one_of_many_values_are_gathered_once() {
    let (_database, client) = sixty_thousand().await;
    let some = || term(Range::prefix("t".to_owned()));
    let (way, page) = newest(&client, Search::And(vec![value("all"), some()])).await;
    assert!(matches!(way, Way::Walk(_)), "{way:?}");
    assert_eq!((page.total, page.documents.len()), (6_005, 10));
    let place = Place::Sorted { sort: SortKey::Name, descending: false, offset: 0 };
    for filter in [some(), Search::Not(Box::new(some())), Search::Or(vec![value("all"), some()])] {
        let list = List { filter: Some(filter), place, limit: 10 };
        let tenant = TenantId::default_tenant();
        let listing = Listing::of(&client, &tenant, &list, BOUNDS).await.unwrap();
        let plan = listing.find().await.unwrap().sql.explained(&client).await.unwrap().join("\n");
        assert!(plan.contains("hashed SubPlan") && !plan.contains("Seq Scan"), "{plan}");
    }
}

#[tokio::test]
async fn a_walk_goes_along_the_index_of_its_order_and_asks_by_keys() {
    let (_database, client) = sixty_thousand().await;
    let tenant = TenantId::default_tenant();
    for sort in SortKey::ALL {
        let place = Place::Sorted { sort: *sort, descending: true, offset: 0 };
        let filter = Search::And(vec![value("all"), Search::Not(Box::new(value("two")))]);
        let list = List { filter: Some(filter), place, limit: 10 };
        let listing = Listing::of(&client, &tenant, &list, BOUNDS).await.unwrap();
        let found = listing.find().await.unwrap();
        assert_eq!(found.way, Way::Walk(20_000));
        let plan = found.sql.explained(&client).await.unwrap().join("\n");
        let index = match sorted_by(*sort) {
            "user_id" => "users_pkey".to_owned(),
            column => format!("users_{column}"),
        };
        assert!(
            plan.contains(&format!("using {index} on users w"))
                || plan.contains(&format!("Backward using {index}")),
            "{sort} {plan}"
        );
        assert!(plan.contains("using index_terms_pkey on index_terms t"), "{sort} {plan}");
        assert!(
            !plan.contains("Sort") && !plan.contains("Hash") && !plan.contains("Seq Scan"),
            "{sort} {plan}"
        );
    }
}

#[tokio::test]
async fn who_meets_a_common_range_is_read_and_nobody_is_gathered() {
    let (_database, client) = nobody().await;
    let (users, tenant) = (four_hundred(), TenantId::default_tenant());
    add(&client, &users).await;
    let find = async |filter| {
        let place = Place::Sorted { sort: SortKey::LastUpdated, descending: true, offset: 0 };
        let list = List { filter: Some(filter), place, limit: 10 };
        let listing = Listing::of(&client, &tenant, &list, SMALL).await.unwrap();
        let found = listing.find().await.unwrap();
        (found.way, found.sql.expanded(), listing.page(found).await.unwrap())
    };
    let common = || term(Range::prefix("d".to_owned()));
    let (way, statement, page) = find(common()).await;
    assert_eq!((way, page.documents[9].as_ref()), (Way::Read(35), document(&users[390]).as_bytes()));
    assert!(!statement.contains("index_terms"), "{statement}");
    assert!((page.total_is_estimate, page.has_next) == (true, true), "{}", page.total);
    let (way, ..) = find(UserSearch::members(group(), Some(common()))).await;
    assert!(!matches!(way, Way::Read(_)), "{way:?}");
}
