//! That a step of a schema only adds: a program of the version before works on while servers are replaced
//! one by one.

use std::collections::BTreeSet;
use std::path::Path;

/// Steps that a program which runs meanwhile would not get over, each as its file, the beginning of the
/// statement, and why it is there all the same.
const EXCEPTIONS: &[(&str, &str, &str)] = &[];

/// The statements of a step in lower case, with single spaces, without comments.
fn statements(sql: &str) -> Vec<String> {
    let lines = sql.lines().map(|line| line.split_once("--").map_or(line, |(before, _)| before));
    let text = lines.collect::<Vec<_>>().join(" ").to_lowercase();
    let statements =
        text.split(';').map(|statement| statement.split_whitespace().collect::<Vec<_>>().join(" "));
    statements.filter(|statement| !statement.is_empty()).collect()
}

/// The words of a statement, with those of lists apart from what stands beside them.
fn words(statement: &str) -> Vec<&str> {
    statement.split([' ', '(', ')', ',']).filter(|word| !word.is_empty()).collect()
}

/// The statements of a step that a program of the version before would not get over, and why.
fn breaking(sql: &str) -> Vec<(String, &'static str)> {
    let statements = statements(sql);
    let created = |what: &'static str| -> BTreeSet<&str> {
        let names = statements.iter().filter_map(|statement| match words(statement)[..] {
            ["create", made, name, ..] if made == what => Some(name),
            _ => None,
        });
        names.collect()
    };
    let (tables, indexes) = (created("table"), created("index"));
    let complaint = |statement: &String| match words(statement)[..] {
        ["create", "table" | "index", ..] | ["update", ..] => None,
        ["create", "unique", "index", _, "on", table, ..] if tables.contains(table) => None,
        ["create", "unique", "index", ..] => Some("it may write what the new key refuses"),
        ["drop", "index", name] if indexes.contains(name) => None,
        ["drop", "index", ..] => Some("it may name the index"),
        ["alter", "table", table, ..] if tables.contains(table) => None,
        ["alter", "table", _, "add", "column", _, ref rest @ ..] => {
            let has = |word: &str| rest.contains(&word);
            if has("not") && !has("default") {
                Some("it does not fill the column")
            } else if ["unique", "check", "references", "primary", "generated"].into_iter().any(has) {
                Some("it may write what the column refuses")
            } else {
                None
            }
        }
        // How a column is kept in the table is nothing that a program sees.
        ["alter", "table", _, "alter", "column", _, "set", "storage" | "compression" | "statistics", ..] => {
            None
        }
        ["drop", ..] | ["alter", "table", _, "drop", ..] => Some("it may use what is dropped"),
        ["alter", "table", _, "rename", ..] => Some("it uses the name that was"),
        _ => Some("it is not known to do without this"),
    };
    statements.iter().filter_map(|statement| Some((statement.clone(), complaint(statement)?))).collect()
}

/// The steps of both stores but the first, before which there is no program: their files and what is in them.
fn steps() -> Vec<(String, String)> {
    let mut steps = Vec::new();
    for store in ["sqlite", "postgres"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(store);
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if !name.starts_with("0001_") {
                steps.push((format!("{store}/{name}"), std::fs::read_to_string(path).unwrap()));
            }
        }
    }
    steps.sort();
    steps
}

#[test]
fn a_program_of_the_version_before_gets_over_each_step() {
    let steps = steps();
    assert!(steps.len() >= 15, "the steps are not where they were: {}", steps.len());
    let mut excepted = BTreeSet::new();
    for (file, sql) in &steps {
        for (statement, why) in breaking(sql) {
            let exception =
                EXCEPTIONS.iter().position(|(of, begins, _)| of == file && statement.starts_with(begins));
            let Some(exception) = exception else {
                panic!(
                    "{file}: `{statement}` stands in the way of a server of the version before, which runs \
                     meanwhile: {why}. Add first, and take away in a later release; or list it, with the reason, \
                     among EXCEPTIONS and in docs/SCALING.md"
                );
            };
            excepted.insert(exception);
        }
    }
    assert_eq!(excepted.len(), EXCEPTIONS.len(), "an exception is none any more");
}

#[test]
fn what_a_running_program_would_not_get_over_is_seen() {
    for refused in [
        "drop table users",
        "drop index users_name",
        "ALTER TABLE users\n    DROP COLUMN name",
        "alter table users rename column name to full_name",
        "alter table users rename to people",
        "alter table users add column age bigint not null",
        "alter table users add column nick text unique",
        "alter table users add column age bigint default 0 check (age < 200)",
        "alter table users alter column name type bytea",
        "alter table users alter column name set not null",
        "alter table users add constraint named check (name <> '')",
        "create unique index users_nick on users (tenant_id, nick)",
        "create trigger counting after insert on users",
        "delete from events",
        "-- Only here.\ncreate table a (b text); drop table c",
    ] {
        assert_eq!(breaking(refused).len(), 1, "{refused}");
    }
    for allowed in [
        "create table a (b text not null unique); create unique index a_b on a (b); alter table a drop column b;",
        "create index users_nick on users (tenant_id, nick) -- ; drop table users",
        "alter table users add column age bigint",
        "alter table users add column age bigint not null default 0",
        "alter table users alter column document set compression lz4",
        "drop index users_name; create index users_name on users (tenant_id, name)",
        "update users set age = 0",
    ] {
        assert_eq!(breaking(allowed), [], "{allowed}");
    }
}
