use super::super::super::search::logs::parse;
use super::super::migrate;
use super::*;
use crate::time::Timestamp;

fn store() -> Connection {
    let mut connection = Connection::open_in_memory().unwrap();
    migrate::run(&mut connection, Timestamp(0)).unwrap();
    connection
}

fn search(filter: &str) -> LogSearch {
    parse(filter).unwrap().unwrap_or(Search::All)
}

fn first_ten(sort: LogSortKey, descending: bool) -> Sorted<LogSortKey> {
    Sorted { sort, descending, offset: 0, limit: 10 }
}

/// Adds events of a type, one a second, without what the writing thread does beside.
fn add(connection: &Connection, kind: &str, count: i64) {
    let sql = "insert into events (tenant_id, position, event_id, type, time, user_id, method, key_id, key_name, request_id) \
               with recursive made (number) as (select 1 union all select number + 1 from made where number < ?2), \
               last (position) as (select coalesce(max(position), 0) from events) \
               select 'default', position + number, zeroblob(16), ?1, position + number, '', 'admin_api', \
               'AAAAAAAAAAAA', 'key', '00000000000000000000000000000000' from made, last";
    connection.execute(sql, (kind, count)).unwrap();
    connection.execute("update tenants set logs = logs + ?1", [count]).unwrap();
}

#[test]
fn the_indexes_hold_the_types_that_there_are_logs_of() {
    let connection = store();
    let mut statement = connection
        .prepare("select sql from sqlite_schema where name glob 'events_logs*' order by name")
        .unwrap();
    let indexes: Vec<String> =
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(indexes.len(), 4);
    for index in indexes {
        let words: Vec<&str> = index.split_whitespace().collect();
        let condition = words.join(" ").split_once(" where ").unwrap().1.to_owned();
        assert_eq!(format!("({condition})"), is_logged());
    }
}

#[test]
fn every_order_is_walked_in_indexes_and_nothing_is_sorted() {
    let connection = store();
    let tenant = TenantId::default_tenant();
    for sort in LogSortKey::ALL {
        for descending in [false, true] {
            for filter in [
                "",
                "category:groups",
                "NOT actor.id:AAAAAAAAAAAA",
                "NOT targets.id:8c8ee7ee-6c6f-4f3c-9b1c-0a3f5a3f2d11 OR time_stamp:5",
                "time_stamp:[5 TO 9]",
                "id:>0000000000000005 AND actor.name:a*",
            ] {
                let search = search(filter);
                let plan = Plan::of(&connection, &tenant, &search).unwrap();
                for run in plan.runs(*sort, descending) {
                    let steps =
                        plan.in_order(&run, first_ten(*sort, descending)).explained(&connection).unwrap();
                    for step in steps.iter().filter(|step| !step.contains("MERGE")) {
                        let searches =
                            step.starts_with("SEARCH e USING") && step.contains("tenant_id=? AND type=?");
                        assert!(
                            searches || ["LEFT", "RIGHT"].contains(&&**step),
                            "{sort} {filter}: {steps:#?}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn every_condition_is_looked_up_by_its_key() {
    let connection = store();
    let tenant = TenantId::default_tenant();
    for (filter, expected) in [
        ("code:group_created", "INDEX events_logs (tenant_id=? AND type=?)"),
        ("time_stamp:[5 TO 9]", "INDEX events_logs_time (tenant_id=? AND type=? AND time>? AND time<?)"),
        ("id:>0000000000000005", "INDEX events_logs (tenant_id=? AND type=? AND position>?)"),
        ("actor.id:AAAAAAAAAAAA", "INDEX events_logs_actor (tenant_id=? AND key_id=?)"),
        (
            "targets.id:8c8ee7ee-6c6f-4f3c-9b1c-0a3f5a3f2d11",
            "INDEX events_group (tenant_id=? AND group_id=?)",
        ),
        (
            "request.trace_id:3e371dec4bb20726dd01f5e71f56da21",
            "INDEX events_logs_request (tenant_id=? AND request_id=?)",
        ),
        ("targets.id:UOtBaOybB6dTpIJNrnkRw", "PRIMARY KEY (tenant_id=? AND position=?)"),
    ] {
        let search = search(filter);
        let plan = Plan::of(&connection, &tenant, &search).unwrap();
        let Search::Is(leaf) = plan.search else { unreachable!("{filter} is one condition") };
        let mut sql = Sql::new(&tenant);
        plan.push_lookup(&mut sql, leaf);
        let steps = sql.explained(&connection).unwrap();
        assert!(steps.iter().any(|step| step.ends_with(expected)), "{filter}: {steps:#?}");
        let reads_all =
            |step: &String| step.contains("SCAN") && !step.ends_with("chain") && !step.contains("subquery");
        assert!(!steps.iter().any(reads_all), "{filter}: {steps:#?}");
    }
}

#[test]
fn the_logs_of_a_user_are_found_however_much_else_happened_to_the_user() {
    for events in [FOLLOWED, FOLLOWED + 1] {
        let connection = store();
        let sql = "insert into events (tenant_id, position, event_id, type, time, user_id, method, key_id, key_name, request_id, previous) \
                   with recursive made (number) as (select 1 union all select number + 1 from made where number < ?1) \
                   select 'default', number, zeroblob(16), case number when 1 then 'user.created' when ?1 then 'user.deleted' \
                   else 'user.email.verified' end, number, 'UOtBaOybB6dTpIJNrnkRw', 'admin_api', 'AAAAAAAAAAAA', 'key', \
                   '00000000000000000000000000000000', nullif(number - 1, 0) from made";
        connection.execute(sql, [events]).unwrap();
        connection.execute("update tenants set logs = 2", []).unwrap();
        let (tenant, search) = (TenantId::default_tenant(), search("targets.id:UOtBaOybB6dTpIJNrnkRw"));
        let plan = Plan::of(&connection, &tenant, &search).unwrap();
        assert_eq!(plan.lookups().unwrap().is_some(), events == FOLLOWED);
        let page = list(&connection, &tenant, &search, first_ten(LogSortKey::TimeStamp, false)).unwrap();
        let times: Vec<_> = page.documents.iter().map(|(_, event)| event.time.0).collect();
        assert_eq!((times, page.total), (vec![1, events], 2));
    }
}

#[test]
fn the_logs_of_a_user_are_found_from_whatever_event_the_users_last_is() {
    let connection = store();
    let sql = "insert into events (tenant_id, position, event_id, type, time, user_id, method, key_id, key_name, request_id, previous) \
               values ('default', ?1, zeroblob(16), ?2, ?1, 'UOtBaOybB6dTpIJNrnkRw', 'admin_api', 'AAAAAAAAAAAA', 'key', \
               '00000000000000000000000000000000', nullif(?1 - 1, 0))";
    let tenant = TenantId::default_tenant();
    let count = || {
        let search = search("targets.id:UOtBaOybB6dTpIJNrnkRw");
        list(&connection, &tenant, &search, first_ten(LogSortKey::TimeStamp, false)).unwrap().total
    };
    // Two lives: of the first the record was erased, of the second it was not.
    for (position, kind, logs) in [
        (1, "user.created", 0),
        (2, "user.deleted", 2),
        (3, "user.erased", 2),
        (4, "user.created", 2),
        (5, "user.deleted", 4),
        (6, "user.erased", 4),
    ] {
        connection.execute(sql, (position, kind)).unwrap();
        assert_eq!(count(), logs, "after {position}");
    }
}

#[test]
fn the_longest_filters_are_answered() {
    let connection = store();
    add(&connection, "user.created", 3);
    let tenant = TenantId::default_tenant();
    for clause in ["targets.id:UOtBaOybB6dTpIJNrnkRw", "time_stamp:>5", "nothing", "actor.name:a*", "id:x"] {
        for operator in [" OR ", " ", " OR NOT ", " NOT "] {
            let filter = vec![clause; 100].join(operator);
            for filter in [filter.clone(), format!("NOT ({filter})")] {
                let page =
                    list(&connection, &tenant, &search(&filter), first_ten(LogSortKey::TimeStamp, true));
                assert!(page.is_ok(), "{clause}{operator}: {:?}", page.err());
            }
        }
    }
}

#[test]
fn many_logs_are_counted_to_a_bound_and_estimated_beyond_it() {
    let connection = store();
    let tenant = TenantId::default_tenant();
    for _ in 0..6 {
        add(&connection, "user.created", 2_000);
        add(&connection, "group.created", 1_000);
    }
    let look = |filter: &str| {
        let page =
            list(&connection, &tenant, &search(filter), first_ten(LogSortKey::Category, true)).unwrap();
        assert_eq!(page.documents.len(), 10, "{filter}");
        assert!(page.has_next);
        (page.total, page.total_is_estimate)
    };
    assert_eq!(look(""), (18_000, false));
    assert_eq!(look("type:(success OR failure)"), (18_000, false));
    assert_eq!(look("category:groups"), (6_000, false));
    assert_eq!(look("NOT category:users"), (6_000, false));
    let (total, is_estimate) = look("category:users");
    assert!(is_estimate && (10_800..=13_200).contains(&total), "{total}");
    assert_eq!(look("actor.id:AAAAAAAAAAAA category:groups"), (6_000, false));
    // What came later says nothing of what was before.
    add(&connection, "group.created", 11_000);
    for bound in ["time_stamp:<=18000", "id:<=0000000000004650"] {
        let (total, is_estimate) = look(&format!("category:users {bound}"));
        assert!(is_estimate && (10_800..=13_200).contains(&total), "{bound} {total}");
    }
}
