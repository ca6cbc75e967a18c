//! That every way finds the same, and takes no more than it should.

use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::store::SortKey;
use crate::store::contract::ways::{self, Known, SMALL, document, four_hundred, group, id, term};
use crate::store::search::Operand;
use crate::store::search::users::Column;
use crate::store::sqlite::SqliteStore;
use crate::time::Timestamp;

/// A store of these users.
fn store_of(users: &[Known]) -> (Connection, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users.db");
    drop(SqliteStore::open(&path, Timestamp(0)).unwrap());
    let connection = Connection::open(path).unwrap();
    connection.execute_batch("begin").unwrap();
    let run = |sql: &str, parameters: &[&dyn rusqlite::ToSql]| {
        connection.prepare_cached(sql).unwrap().execute(parameters).unwrap();
    };
    for user @ Known { place, terms, is_member } in users {
        run(
            "insert into users (tenant_id, user_id, version, shape, document, creation_time, last_updated) \
             values ('default', ?1, 1, 1, ?3, ?2 / 3, ?2)",
            params![id(*place), place, document(user)],
        );
        for term in terms {
            run(
                "insert into index_terms values ('default', 'public_data.f', ?1, ?2)",
                params![term, id(*place)],
            );
        }
        if *is_member {
            run(
                "insert into memberships values ('default', ?1, ?2, 0)",
                params![group().as_bytes(), id(*place)],
            );
        }
    }
    let members = users.iter().filter(|user| user.is_member).count().cast_signed() as i64;
    run("update tenants set users = ?1", params![users.len().cast_signed() as i64]);
    run(
        "insert into groups (tenant_id, group_id, version, name, canonical, is_auto_assigned, users_assigned, \
         creation_time, last_updated, last_assigned) values ('default', ?1, 1, 'g', 'g', 0, ?2, 0, 0, 0)",
        params![group().as_bytes(), members],
    );
    connection.execute_batch("commit").unwrap();
    (connection, folder)
}

#[test]
fn every_way_finds_the_users_who_match() {
    let users = four_hundred();
    let (connection, _folder) = store_of(&users);
    let tenant = TenantId::default_tenant();
    ways::every_way_finds_the_users_who_match(&users, |list| {
        let listing = Listing::of(&connection, &tenant, list, SMALL);
        let found = listing.find().unwrap();
        (found.way, listing.page(found).unwrap())
    });
}

/// Sixty thousand users, whose terms are `all` of all, `one` and `two` of a tenth each, and both of
/// five.
struct Many {
    connection: Connection,
    /// How many steps SQLite's machine has taken.
    steps: Arc<AtomicU64>,
    _folder: tempfile::TempDir,
}

fn many() -> Many {
    let (mut connection, folder) = store_of(&[]);
    connection
        .execute_batch(
            "begin; \
             create temp table numbers as with recursive numbers (n) as \
             (select 0 union all select n + 1 from numbers where n < 59999) \
             select n, format('%021d', n * 7919 % 1000003) as id from numbers; \
             insert into users (tenant_id, user_id, version, shape, document, creation_time, last_updated) \
             select 'default', id, 1, 1, n, n, n from numbers; \
             insert into index_terms select 'default', 'public_data.f', 'all', id from numbers order by id; \
             insert into index_terms select 'default', 'public_data.f', 'one', id from numbers where n % 10 = 0; \
             insert into index_terms select 'default', 'public_data.f', 'two', id from numbers where n % 10 = 1; \
             insert into index_terms select 'default', 'public_data.f', 'two', id from numbers where n % 12000 = 0; \
             update tenants set users = 60000; \
             commit",
        )
        .unwrap();
    let steps = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&steps);
    let count = move || {
        counted.fetch_add(10, Ordering::Relaxed);
        false
    };
    connection.progress_handler(10, Some(count)).unwrap();
    Many { connection, steps, _folder: folder }
}

impl Many {
    /// What is found of a list of the newest ten who match, and in how many steps.
    fn newest(&self, filter: UserSearch, find: impl FnOnce(&Listing<'_>) -> Page) -> (Page, u64) {
        let place = Place::Sorted { sort: SortKey::CreationTime, descending: true, offset: 0 };
        let list = List { filter: Some(filter), place, limit: 10 };
        let tenant = TenantId::default_tenant();
        let listing = Listing::of(&self.connection, &tenant, &list, BOUNDS);
        let before = self.steps.load(Ordering::Relaxed);
        let page = find(&listing);
        (page, self.steps.load(Ordering::Relaxed) - before)
    }
}

fn value(value: &str) -> UserSearch {
    term(Range::text(value))
}

#[test]
fn what_is_common_or_common_alone_is_found_without_looking_at_everybody() {
    let many = many();
    let newest = |filter| many.newest(filter, |listing| listing.page(listing.find().unwrap()).unwrap());
    let both = Search::And(vec![value("one"), value("two")]);
    let walk = |listing: &Listing<'_>| {
        listing.page(listing.take(Way::WalkOn, &Source::Index(None)).unwrap()).unwrap()
    };
    let (_, everybody) = many.newest(both.clone(), walk);
    let show = |page: &Page| -> Vec<String> {
        page.documents.iter().map(|document| String::from_utf8(document.to_vec()).unwrap()).collect()
    };

    let (page, steps) = newest(both.clone());
    assert_eq!(show(&page), ["48000", "36000", "24000", "12000", "0"]);
    assert_eq!((page.total, page.total_is_estimate, page.has_next), (5, false, false));
    assert!(steps < everybody, "{steps} of {everybody}");

    // Nothing finds a complement: whoever it is may be the last one. That is one walk, with what was
    // tried before.
    let (page, steps) = newest(Search::Not(Box::new(Search::Not(Box::new(both)))));
    assert_eq!((page.total, page.documents.len()), (5, 5));
    assert!(steps < everybody * 2, "{steps} of {everybody}");

    let (page, steps) = newest(value("all"));
    assert_eq!((show(&page)[0].as_str(), page.total, page.total_is_estimate), ("59999", 60_000, true));
    assert!(steps < everybody / 2, "{steps} of {everybody}");

    let (page, steps) = newest(Search::And(vec![value("all"), value("one")]));
    assert_eq!((show(&page)[0].as_str(), page.total, page.total_is_estimate), ("59990", 6_000, false));
    assert!(steps < everybody, "{steps} of {everybody}");

    // A range of times is found by its index, whatever the order is.
    let times = |range| Search::Is(UserLeaf::Column(Column::LastUpdated, range));
    let some =
        Range { lower: Bound::Included(Operand::Number(100)), upper: Bound::Excluded(Operand::Number(150)) };
    let (page, steps) = newest(Search::And(vec![value("all"), times(some)]));
    assert_eq!((show(&page)[0].as_str(), page.total), ("149", 50));
    assert!(steps < everybody / 10, "{steps} of {everybody}");
    // And bounds the walk where it is that of the order.
    let old = Range { lower: Bound::Unbounded, upper: Bound::Excluded(Operand::Number(30_000)) };
    let old = Search::Is(UserLeaf::Column(Column::CreationTime, old));
    let (page, steps) = newest(Search::And(vec![value("all"), old]));
    assert_eq!((show(&page)[0].as_str(), page.total_is_estimate), ("29999", true));
    assert!((25_000..35_000).contains(&page.total), "{}", page.total);
    assert!(steps < everybody, "{steps} of {everybody}");
}

/// What SQLite says of how it runs the statement that finds a page, a line a step.
fn plan(connection: &Connection, filter: Option<UserSearch>, place: Place) -> String {
    let tenant = TenantId::default_tenant();
    let list = List { filter, place, limit: 10 };
    let listing = Listing::of(connection, &tenant, &list, BOUNDS);
    listing.find().unwrap().sql.explained(connection).unwrap().join("\n")
}

#[test]
fn what_lies_before_a_page_is_passed_over_in_the_index_alone() {
    let (connection, _folder) = store_of(&four_hundred());
    for sort in SortKey::ALL {
        for descending in [false, true] {
            let place = Place::Sorted { sort: *sort, descending, offset: 300 };
            let steps = plan(&connection, None, place);
            let bound = if descending { "<" } else { ">" };
            let index =
                format!("SEARCH w USING COVERING INDEX {} (tenant_id{bound}?)", index(sorted_by(*sort)));
            assert!(steps.contains(&index), "{sort} {steps}");
            assert_eq!(steps.matches("SEARCH w").count(), 1, "{sort} {steps}");
            // Only the page itself is sorted, after it was cut.
            assert!(steps.matches("USE TEMP B-TREE").count() <= 1, "{sort} {steps}");
        }
    }
    let after = Some(id(7).parse().unwrap());
    let steps = plan(&connection, None, Place::ById { after });
    assert!(steps.contains("COVERING INDEX users_id (tenant_id=? AND user_id>?)"), "{steps}");
}

#[test]
fn a_list_of_everybody_ends_where_another_tenants_users_begin() {
    let (connection, _folder) = store_of(&four_hundred());
    connection
        .execute_batch(
            "insert into tenants (tenant_id, created_at, users) values ('a', 0, 3), ('z', 0, 3); \
             insert into users (tenant_id, user_id, version, shape, document, creation_time, last_updated) \
             select column1, user_id, 1, 1, column1, creation_time, last_updated \
             from users, (values ('a'), ('z')) where user_row <= 3;",
        )
        .unwrap();
    let found = |tenant: &str, descending, offset| -> Vec<String> {
        let place = Place::Sorted { sort: SortKey::CreationTime, descending, offset };
        let list = List { filter: None, place, limit: 10 };
        let page = super::list(&connection, &tenant.parse().unwrap(), &list).unwrap();
        assert_eq!(page.total, if tenant == "default" { 400 } else { 3 });
        page.documents.iter().map(|document| String::from_utf8(document.to_vec()).unwrap()).collect()
    };
    for descending in [false, true] {
        for tenant in ["a", "z"] {
            assert_eq!(found(tenant, descending, 0), [tenant; 3]);
            assert_eq!(found(tenant, descending, 2), [tenant]);
            assert_eq!(found(tenant, descending, 3), [""; 0]);
        }
        assert_eq!(found("default", descending, 398).len(), 2);
        assert_eq!(found("default", descending, 400), [""; 0]);
        assert_eq!(found("default", descending, u64::MAX), [""; 0]);
    }
    let users = four_hundred();
    assert_eq!(found("default", false, 0)[0], document(&users[0]));
    assert_eq!(found("default", true, 0)[0], document(&users[399]));
}

#[test]
fn what_is_asked_on_a_walk_is_looked_up_without_reading_a_users_row() {
    let many = many();
    let all = || Some(Search::And(vec![value("all"), Search::Not(Box::new(value("two")))]));
    let place = Place::Sorted { sort: SortKey::Name, descending: false, offset: 0 };
    let steps = plan(&many.connection, all(), place);
    assert!(steps.contains("SEARCH w USING COVERING INDEX users_name"), "{steps}");
    assert!(
        steps.contains("SEARCH t USING PRIMARY KEY (tenant_id=? AND field=? AND value=? AND user_id=?)"),
        "{steps}"
    );
}

/// What is rare and found by no index: everybody is asked, and as the ids of users are in no order of times, asking
/// in any other order would be a jump in the index of the terms for each.
#[test]
fn everybody_is_asked_in_the_order_of_ids() {
    let many = many();
    let rare = || Some(Search::Not(Box::new(value("all"))));
    for sort in [SortKey::CreationTime, SortKey::Name] {
        let place = Place::Sorted { sort, descending: true, offset: 0 };
        let steps = plan(&many.connection, rare(), place);
        assert!(steps.contains("SEARCH u USING INDEX users_id (tenant_id=?)"), "{steps}");
        let list = List { filter: rare(), place, limit: 10 };
        let tenant = TenantId::default_tenant();
        let listing = Listing::of(&many.connection, &tenant, &list, BOUNDS);
        let found = listing.find().unwrap();
        assert_eq!((found.way, listing.page(found).unwrap().total), (Way::AskEverybody, 0));
    }
}

#[test]
fn who_meets_a_common_range_is_read_and_nobody_is_gathered() {
    let users = four_hundred();
    let (connection, _folder) = store_of(&users);
    let tenant = TenantId::default_tenant();
    let find = |filter, place| {
        let list = List { filter: Some(filter), place, limit: 10 };
        let listing = Listing::of(&connection, &tenant, &list, SMALL);
        let found = listing.find().unwrap();
        let (way, steps) = (found.way, found.sql.explained(&connection).unwrap().join("\n"));
        (way, steps, listing.page(found).unwrap())
    };
    let common = || term(Range::prefix("d".to_owned()));
    let newest = Place::Sorted { sort: SortKey::LastUpdated, descending: true, offset: 0 };
    let (way, steps, page) = find(common(), newest);
    assert_eq!((way, page.documents[9].as_ref()), (Way::Read(35), document(&users[390]).as_bytes()));
    assert!(!steps.contains("index_terms"), "{steps}");
    assert!((page.total_is_estimate, page.has_next) == (true, true), "{}", page.total);
    let (way, ..) = find(Search::And(vec![common(), value("a")]), Place::ById { after: None });
    assert_eq!(way, Way::Read(35));
    // What is rare is found, and nobody is read for it.
    let (way, _, page) = find(Search::And(vec![common(), value("rare")]), newest);
    assert_eq!((way, page.total), (Way::Page(5), 5));
    // Who is in a group does not tell so.
    let (way, ..) = find(UserSearch::members(group(), Some(common())), newest);
    assert!(!matches!(way, Way::Read(_)), "{way:?}");
}
