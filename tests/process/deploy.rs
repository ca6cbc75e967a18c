//! The files in `deploy/` and what the documentation tells operators to type, as far as both name settings.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

use rusqlite::Connection;

use super::server::{Home, PROGRAM};

const PROJECT: &str = env!("CARGO_MANIFEST_DIR");

fn read(file: &str) -> String {
    fs::read_to_string(Path::new(PROJECT).join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

#[test]
fn the_files_of_settings_can_be_used() {
    let home = Home::new();
    for file in ["deploy/bonafide.toml", "deploy/container.toml"] {
        let path = format!("{PROJECT}/{file}");
        let printed = home.prints(&["config", "check", &path]);
        let counts = printed.lines().filter(|line| line.contains(&path)).count();
        let text = read(file);
        let settings = text.lines().filter(|line| !line.starts_with('#') && line.contains(" = "));
        assert_eq!(counts, settings.count(), "{printed}");
    }
}

#[test]
fn every_variable_that_is_named_is_one_of_the_program() {
    let home = Home::new();
    let settings = home.prints(&["config", "check"]);
    let known = |name: &str| {
        let key = name.strip_prefix("BONAFIDE_").unwrap().to_lowercase();
        key == "config" || settings.lines().any(|line| line.starts_with(&format!("{key} = ")))
    };
    let mut named = 0;
    for file in ["deploy/Dockerfile", "deploy/compose.yaml", "deploy/bonafide.service", "docs/OPERATING.md"] {
        let text = read(file);
        let is_part = |character: char| character.is_ascii_uppercase() || character == '_';
        for word in text.split(|character| !is_part(character)).filter(|word| word.starts_with("BONAFIDE_")) {
            assert!(known(word), "{file} names {word}");
            named += 1;
        }
    }
    assert!(named > 10, "only {named} variables were found");
}

#[test]
fn a_container_asks_the_program_itself_whether_it_can_serve() {
    assert!(read("deploy/Dockerfile").contains("CMD [\"bonafide\", \"health\"]\n"));
    assert!(read("deploy/compose.yaml").contains("test: [\"CMD\", \"bonafide\", \"health\"]\n"));
    // With the settings of the image it asks where the server listens, on the machine itself.
    let home = Home::new();
    let settings = format!("{PROJECT}/deploy/container.toml");
    let output = home.run(&["health", "--config", &settings]);
    let told = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    assert!(told.contains("the server at http://127.0.0.1:8080 "), "{told}");
}

/// Runs the program that makes nightly copies, as its unit does.
fn back_up(home: &Home, copies: &str) -> Output {
    let programs = home.path("bin");
    if !programs.exists() {
        fs::create_dir(&programs).unwrap();
        fs::create_dir(home.path("copies")).unwrap();
        symlink(PROGRAM, programs.join("bonafide")).unwrap();
    }
    let found = [programs.to_str().unwrap(), &std::env::var("PATH").unwrap()].join(":");
    Command::new(Path::new(PROJECT).join("deploy/bonafide-backup"))
        .arg(home.path("copies"))
        .arg(copies)
        .env("PATH", found)
        .env("BONAFIDE_STORE", format!("sqlite:{}", home.path("data/bonafide.db").display()))
        .output()
        .unwrap()
}

fn copies(home: &Home) -> BTreeSet<String> {
    let entries = fs::read_dir(home.path("copies")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_nightly_copy_takes_the_place_of_the_oldest_and_of_none_when_it_fails() {
    let home = Home::new();
    home.key("admin");
    let made = back_up(&home, "3");
    assert!(made.status.success(), "{made:?}");
    let first = copies(&home).into_iter().next().unwrap();
    assert_eq!(
        String::from_utf8(made.stdout).unwrap().trim(),
        home.path("copies").join(&first).to_str().unwrap()
    );
    for older in ["daily-2020-01-02T000000Z.db", "daily-2020-01-01T000000Z.db", "by-hand.db"] {
        fs::copy(home.path("copies").join(&first), home.path("copies").join(older)).unwrap();
    }
    // Of one that was killed.
    fs::write(home.path("copies").join("unchecked.db.7.new"), "half").unwrap();
    fs::write(home.path("copies").join("unchecked.db"), "half").unwrap();
    let before = copies(&home);

    fs::rename(home.path("data/bonafide.db"), home.path("away")).unwrap();
    let failed = back_up(&home, "3");
    assert!(
        !failed.status.success() && String::from_utf8_lossy(&failed.stderr).contains("there is no store")
    );
    let left: BTreeSet<String> = before.into_iter().filter(|name| !name.starts_with("unchecked")).collect();
    assert_eq!(copies(&home), left);
    fs::rename(home.path("away"), home.path("data/bonafide.db")).unwrap();

    // The copy is made, and found broken: its tables contradict each other.
    let damage =
        |sql: &str| Connection::open(home.path("data/bonafide.db")).unwrap().execute_batch(sql).unwrap();
    damage("alter table events rename to lost");
    let broken = back_up(&home, "1");
    assert!(!broken.status.success());
    assert_eq!(copies(&home).iter().filter(|name| name.starts_with("daily-")).count(), 3);
    damage("alter table lost rename to events");

    let made = back_up(&home, "2");
    assert!(made.status.success(), "{made:?}");
    let left = copies(&home);
    assert!(left.contains("by-hand.db") && !left.contains("daily-2020-01-01T000000Z.db"), "{left:?}");
    assert_eq!(left.len(), 3, "{left:?}");
}

/// What stops the server by force does so after this many seconds; it ends by itself in 15.
#[test]
fn whatever_stops_the_server_gives_it_the_time_that_it_needs() {
    for (file, before) in [
        ("deploy/bonafide.service", "TimeoutStopSec="),
        ("deploy/compose.yaml", "stop_grace_period: "),
        ("deploy/Dockerfile", "--stop-timeout "),
        ("docs/OPERATING.md", "--stop-timeout "),
    ] {
        let text = read(file);
        let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("{file} has no {before}"));
        let seconds: String = rest.chars().take_while(char::is_ascii_digit).collect();
        assert!(seconds.parse::<u32>().unwrap() > 15, "{file}: {before}{seconds}");
    }
}

/// `deploy-test` sends imports through it; without these lines they stand still, or clients make up
/// their addresses.
#[test]
fn the_site_for_nginx_answers_imports_while_they_are_sent_and_always_tells_the_address() {
    let text = read("deploy/nginx.conf");
    let (_, import) = text.split_once("location = /v1/import {").unwrap();
    let (import, _) = import.split_once('}').unwrap();
    assert!(import.contains("grpc_pass grpc://"), "{import}");
    let count = |wanted: &str| text.lines().filter(|line| line.trim_start().starts_with(wanted)).count();
    for kind in ["proxy", "grpc"] {
        assert_eq!(count(&format!("{kind}_pass ")), 1);
        assert_eq!(count(&format!("{kind}_set_header X-Forwarded-For $remote_addr;")), 1, "{kind}");
    }
}

#[test]
fn every_command_that_operators_are_told_to_type_exists() {
    let text = read("docs/OPERATING.md");
    let ways = [
        "bonafide ",
        "docker exec bonafide bonafide ",
        "docker run --rm -v bonafide:/var/lib/bonafide bonafide ",
        "compose run --rm bonafide ",
    ];
    let lines = text.lines().filter_map(|line| ways.iter().find_map(|way| line.strip_prefix(way)));
    let mut commands: Vec<Vec<&str>> = lines
        .map(|line| {
            let words = line.split('#').next().unwrap_or_default().split_whitespace();
            words
                .take_while(|word| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'))
                .collect()
        })
        .collect();
    commands.sort();
    commands.dedup();
    assert!(commands.len() >= 6, "{commands:?}");
    for command in commands {
        let words = command.iter().take_while(|word| !word.starts_with('-') && **word != "default");
        let output = Command::new(PROGRAM).args(words).arg("--help").output().unwrap();
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
