//! `bonafide doctor`: everything that can be broken is, once.

use std::fs::{self, File, OpenOptions, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use bonafide::time::{Clock, SystemClock};
use jiff::civil::Date;
use rusqlite::Connection;
use serde_json::json;
use tokio_postgres::NoTls;

use super::mail_server::MailServer;
use super::own_postgres::OwnPostgres;
use super::server::{Home, PROGRAM, eventually};
use crate::postgres::Database;

/// What was printed, with the exit code.
struct Told(String, Option<i32>);

impl Told {
    fn by(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        let broken = printed.lines().filter(|line| line.starts_with("broken ")).count();
        let complaint = String::from_utf8(output.stderr).unwrap();
        assert_eq!(complaint.is_empty(), broken == 0, "{printed}{complaint}");
        Self(printed, output.status.code())
    }

    /// How it stands with a thing, and what is told of it.
    fn of(&self, what: &str) -> (&str, &str) {
        let lines = self.0.lines().map(|line| (line[..15].trim_end(), &line[16..]));
        let mut about =
            lines.filter_map(|(state, rest)| Some((state, rest.strip_prefix(what)?.trim_start())));
        about.next().unwrap_or_else(|| panic!("there is no line about {what}: {}", self.0))
    }

    /// Fails unless this and nothing else is broken.
    fn assert_broken(&self, what: &str, words: &[&str]) {
        let (state, told) = self.of(what);
        assert_eq!((state, self.1), ("broken", Some(1)), "{}", self.0);
        assert!(words.iter().all(|word| told.contains(word)), "{told} should say {words:?}");
        assert_eq!(self.0.lines().filter(|line| line.starts_with("broken ")).count(), 1, "{}", self.0);
    }
}

fn doctor(home: &Home, options: &[&str]) -> Told {
    Told::by(&mut home.command(&[&["doctor"], options].concat()))
}

/// A folder with a store and a secret that a server has made and left.
fn with_store() -> Home {
    let home = Home::new();
    let server = home.serve(&["--dev"]);
    eventually("the sample user", || server.stdout().contains("/docs\n").then_some(()));
    server.signal("TERM");
    assert!(server.wait().success());
    home
}

/// A certificate for localhost and its key in `cert.pem` and `key.pem`, good on these days.
fn certificate(home: &Home, from: Date, until: Date) {
    let mut parameters = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    let day = |date: Date| {
        rcgen::date_time_ymd(date.year().into(), date.month().cast_unsigned(), date.day().cast_unsigned())
    };
    (parameters.not_before, parameters.not_after) = (day(from), day(until));
    let key = rcgen::KeyPair::generate().unwrap();
    fs::write(home.path("cert.pem"), parameters.self_signed(&key).unwrap().pem()).unwrap();
    fs::write(home.path("key.pem"), key.serialize_pem()).unwrap();
    set_mode(&home.path("key.pem"), 0o600);
}

/// The day that is so many days from today.
fn day(from_today: i64) -> Date {
    let now = SystemClock::start().now().0 + from_today * 86_400;
    jiff::Timestamp::from_second(now).unwrap().to_zoned(jiff::tz::TimeZone::UTC).date()
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn on_a_new_machine_nothing_is_broken_and_nothing_is_made() {
    let home = Home::new();
    let told = doctor(&home, &[]);
    assert_eq!(told.1, Some(0), "{}", told.0);
    for what in ["store", "secret", "mail", "TLS", "public URL"] {
        assert_eq!(told.of(what).0, "not configured", "{}", told.0);
    }
    for what in ["settings", "disk", "private files", "clock"] {
        assert_eq!(told.of(what).0, "ok", "{}", told.0);
    }
    assert_eq!(fs::read_dir(home.path("")).unwrap().count(), 0);
}

#[test]
fn where_all_is_there_every_line_is_ok_also_while_a_server_runs() {
    let mails = MailServer::start(json!({"certificate": true, "login": ["ada", "se cret"]}));
    let home = with_store();
    certificate(&home, day(-1), day(90));
    fs::write(home.path("password"), "se cret\n").unwrap();
    set_mode(&home.path("password"), 0o640);
    let text = format!(
        "public_url = \"https://localhost:8443\"\ntls_cert = \"cert.pem\"\ntls_key = \"key.pem\"\n\
         mail = \"smtp+starttls://ada@localhost:{}\"\nmail_password_file = \"password\"\nmail_ca = \"{}\"\n",
        mails.port,
        mails.certificate().display()
    );
    fs::write(home.path("bonafide.toml"), text).unwrap();
    let _server = home.serve(&[]);
    let told = doctor(&home, &[]);
    assert!(told.0.lines().all(|line| line.starts_with("ok ")), "{}", told.0);
    assert_eq!((told.1, told.0.lines().count()), (Some(0), 11), "{}", told.0);
    assert!(told.of("mail").1.contains("encrypted, and has taken the login"), "{}", told.0);
    assert!(mails.taken().is_empty());
}

#[test]
fn settings_that_do_not_go_together_are_broken_and_the_rest_is_looked_at() {
    let home = Home::new();
    let told = doctor(&home, &["--mail", "smtp://mail.example"]);
    told.assert_broken("settings", &["mail: mail needs a sender"]);
    let told = doctor(&home, &["--tls-cert", "cert.pem"]);
    told.assert_broken("settings", &["--tls-key"]);
    assert!(told.0.contains("\nok              clock"), "{}", told.0);
}

#[test]
fn a_store_that_is_none_or_may_not_be_written_is_broken() {
    let home = Home::new();
    let path = home.path("notes.db");
    Connection::open(&path).unwrap().execute_batch("create table notes (text text)").unwrap();
    set_mode(&path, 0o600);
    let told = doctor(&home, &["--store", "sqlite:notes.db"]);
    told.assert_broken("store", &["notes.db", "another program"]);

    let home = with_store();
    // Not by the mode of the file, which does not bind root.
    let script = format!("mount --bind data data && mount -o remount,bind,ro data && exec {PROGRAM} doctor");
    let mut command = home.command_of("unshare");
    let told = Told::by(command.args(["--map-root-user", "--mount", "sh", "-ec", &script]));
    told.assert_broken("store", &["data/bonafide.db", "must be able to write the file and its folder"]);
}

#[test]
fn a_store_and_a_secret_that_cannot_be_made_are_broken() {
    let home = Home::new();
    fs::create_dir(home.path("new")).unwrap();
    // Not by the mode of the folder, which does not bind root.
    let script = |options: &str| {
        format!("mount --bind new new && mount -o remount,bind,ro new && exec {PROGRAM} doctor {options}")
    };
    let in_read_only = |options: &str| {
        let mut command = home.command_of("unshare");
        Told::by(command.args(["--map-root-user", "--mount", "sh", "-ec", &script(options)]))
    };
    let told = in_read_only("--store sqlite:new/a/b/users.db --secret-file secret");
    told.assert_broken("store", &["new/a/b/users.db is not there and cannot be made", "write to new,"]);
    let told = in_read_only("--secret-file new/secret");
    told.assert_broken("secret", &["new/secret is not there and cannot be made", "write to new,"]);

    fs::write(home.path("file"), "").unwrap();
    let told = doctor(&home, &["--store", "sqlite:file/users.db", "--secret-file", "secret"]);
    told.assert_broken("store", &["file/users.db is not there and cannot be made: file is no folder"]);
    let told = doctor(&home, &["--secret-file", "nowhere/secret"]);
    told.assert_broken("secret", &["there is no folder nowhere"]);
    let folder = home.path("deeper/and/deeper/users.db");
    let told = doctor(&home, &["--store", &format!("sqlite:{}", folder.display())]);
    assert_eq!((told.of("store").0, told.of("secret").0), ("not configured", "not configured"), "{}", told.0);
    assert!(!home.path("deeper").exists());
}

/// The names of what is in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = entries.map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_copy_that_is_looked_at_stays_as_it_is_with_nothing_beside_it() {
    let home = with_store();
    let folder = home.path("copies 100%?#");
    fs::create_dir(&folder).unwrap();
    home.prints(&["backup", "--to", "copies 100%?#/users.db"]);
    let copy = folder.join("users.db");
    let bytes = fs::read(&copy).unwrap();
    let store = "sqlite:copies 100%?#/users.db";
    let told = doctor(&home, &["--store", store, "--secret-file", "data/secret"]);
    assert_eq!((told.of("store").0, told.of("integrity").0), ("ok", "ok"), "{}", told.0);
    assert!(told.of("store").1.contains("nobody has it open"), "{}", told.0);
    assert_eq!((names(&folder), fs::read(&copy).unwrap()), (vec!["users.db".to_owned()], bytes));

    // One whose log was copied along is read with it.
    let server = home.serve(&["--store", store, "--secret-file", "data/secret"]);
    let other = home.path("other");
    fs::create_dir(&other).unwrap();
    for name in ["users.db", "users.db-wal"] {
        fs::copy(folder.join(name), other.join(name)).unwrap();
    }
    let log = fs::read(other.join("users.db-wal")).unwrap();
    for option in ["--secret-file=data/secret", "--thorough"] {
        let told = doctor(&home, &["--store", "sqlite:other/users.db", option]);
        assert_eq!(told.of("integrity").0, "ok", "{}", told.0);
        assert_eq!(names(&other), ["users.db", "users.db-wal"]);
        assert_eq!(fs::read(other.join("users.db-wal")).unwrap(), log);
    }
    let told = doctor(&home, &["--store", store, "--secret-file", "data/secret"]);
    assert_eq!(told.of("store"), ("ok", "copies 100%?#/users.db can be read and written"), "{}", told.0);
    assert_eq!(names(&folder), ["users.db", "users.db-shm", "users.db-wal"]);
    drop(server);
}

#[test]
fn an_index_that_says_something_else_than_its_table_is_found_by_a_thorough_look() {
    let home = with_store();
    let open = || Connection::open(home.path("data/bonafide.db")).unwrap();
    let database = open();
    let index =
        "from sqlite_schema where type = 'index' and tbl_name = 'users' and sql like '%creation_time%'";
    let (name, sql, page): (String, String, i64) = database
        .query_row(&format!("select name, sql, rootpage {index}"), [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .unwrap();
    database.execute_batch("pragma writable_schema = on").unwrap();
    assert_eq!(database.execute("delete from sqlite_schema where name = ?1", [&name]).unwrap(), 1);
    drop(database);
    // Without the index, so that it is not changed along.
    let database = open();
    assert_eq!(database.execute("update users set creation_time = creation_time + 1", []).unwrap(), 1);
    database.execute_batch("pragma writable_schema = on").unwrap();
    let back = "insert into sqlite_schema (type, name, tbl_name, rootpage, sql) values ('index', ?1, 'users', ?2, ?3)";
    database.execute(back, rusqlite::params![name, page, sql]).unwrap();
    drop(database);
    let told = doctor(&home, &[]);
    assert_eq!(told.of("integrity").0, "ok", "{}", told.0);
    assert!(told.of("integrity").1.contains("quick_check"), "{}", told.0);
    doctor(&home, &["--thorough"]).assert_broken("integrity", &[&name, "put a backup in its place"]);
}

#[test]
fn an_older_schema_is_broken_and_a_newer_one_too() {
    let home = with_store();
    let database = Connection::open(home.path("data/bonafide.db")).unwrap();
    let version: u32 = database.query_row("pragma user_version", [], |row| row.get(0)).unwrap();
    database.pragma_update(None, "user_version", version - 1).unwrap();
    doctor(&home, &[]).assert_broken("schema", &["bonafide migrate", &format!("needs {version}")]);
    database.pragma_update(None, "user_version", version + 1).unwrap();
    doctor(&home, &[]).assert_broken("store", &["newer bonafide"]);
}

#[test]
fn damage_in_the_file_is_broken() {
    let home = with_store();
    let path = home.path("data/bonafide.db");
    let page: u32 = {
        let sql = "select rootpage from sqlite_schema where name = 'events'";
        Connection::open(&path).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
    };
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    // The beginning of a page says what the rest is.
    file.write_all_at(&[0xff; 8], u64::from(page - 1) * 4096).unwrap();
    drop(file);
    doctor(&home, &[]).assert_broken("integrity", &["put a backup in its place"]);
}

#[test]
fn a_clock_behind_what_has_happened_is_broken() {
    let home = with_store();
    let future = SystemClock::start().now().after(Duration::from_secs(3_600));
    let database = Connection::open(home.path("data/bonafide.db")).unwrap();
    database.execute("update events set time = ?1", [future.0]).unwrap();
    doctor(&home, &[]).assert_broken("clock", &["newest event", "ahead of it"]);

    let home = with_store();
    let file = File::options().write(true).open(home.path("data/bonafide.db")).unwrap();
    let future = std::time::UNIX_EPOCH + Duration::from_secs(future.0.unsigned_abs());
    file.set_modified(future).unwrap();
    doctor(&home, &[]).assert_broken("clock", &["last change of the store's file", "ahead of it"]);
}

#[test]
fn a_disk_with_little_room_is_broken() {
    let home = Home::new();
    fs::create_dir(home.path("data")).unwrap();
    let script = format!("mount -t tmpfs -o size=6m,mode=700 none data && exec {PROGRAM} doctor");
    let mut command = home.command_of("unshare");
    let told = Told::by(command.args(["--map-root-user", "--mount", "sh", "-ec", &script]));
    told.assert_broken("disk", &["only 6 MiB are free in data", "make room"]);
}

#[test]
fn a_secret_that_is_none_is_broken_and_not_repeated() {
    let home = with_store();
    fs::write(home.path("data/secret"), "dear diary").unwrap();
    let told = doctor(&home, &[]);
    told.assert_broken("secret", &["data/secret", "64 hexadecimal digits"]);
    assert!(!told.0.contains("diary"));
}

#[test]
fn what_everybody_can_read_is_broken() {
    let home = with_store();
    certificate(&home, day(-1), day(90));
    fs::write(
        home.path("bonafide.toml"),
        "mail = \"smtp://ada:tellnobody@127.0.0.1:1\"\nmail_from = \"a@b.example\"\n",
    )
    .unwrap();
    let tls = ["--tls-cert", "cert.pem", "--tls-key", "key.pem", "--mail", "file:mail"];
    set_mode(&home.path("bonafide.toml"), 0o640);
    assert_eq!(doctor(&home, &tls).1, Some(0));
    for file in ["data/secret", "data/bonafide.db", "key.pem", "bonafide.toml"] {
        let mode = home.path(file).metadata().unwrap().permissions().mode();
        set_mode(&home.path(file), 0o644);
        let told = doctor(&home, &tls);
        told.assert_broken("private files", &[&format!("chmod o= {file}")]);
        assert!(!told.0.contains("tellnobody"));
        set_mode(&home.path(file), mode);
    }
}

#[test]
fn a_mail_server_that_would_take_no_mail_is_broken() {
    let home = Home::new();
    let mail = |url: &str, more: &[&str]| {
        doctor(&home, &[&["--mail", url, "--mail-from", "a@b.example"], more].concat())
    };
    mail("smtp://127.0.0.1:1", &[]).assert_broken("mail", &["smtp://127.0.0.1:1", "was not reached"]);

    let plain = MailServer::start(json!({}));
    let told = mail(&format!("smtp://localhost:{}", plain.port), &[]);
    assert_eq!(told.of("mail").0, "ok", "{}", told.0);
    assert!(told.of("mail").1.contains("in the open"), "{}", told.0);
    let told = mail(&format!("smtp+starttls://localhost:{}", plain.port), &[]);
    told.assert_broken("mail", &["was not reached", "STARTTLS"]);

    let server = MailServer::start(json!({"certificate": true, "login": ["ada", "secret"]}));
    let url = format!("smtp+starttls://ada:tellnobody@localhost:{}", server.port);
    mail(&url, &[]).assert_broken("mail", &["was not reached", "certificate"]);
    let trusted = server.certificate();
    let told = mail(&url, &["--mail-ca", trusted.to_str().unwrap()]);
    told.assert_broken("mail", &["refused the user or the password"]);
    assert!(!told.0.contains("tellnobody") && !told.0.contains("ada"), "{}", told.0);

    let closed = MailServer::start(json!({"refuse": ["connection", "554 no"]}));
    mail(&format!("smtp://localhost:{}", closed.port), &[]).assert_broken("mail", &["554"]);
    for server in [plain, server, closed] {
        assert!(server.taken().is_empty());
    }
}

#[test]
fn a_certificate_that_browsers_would_refuse_is_broken() {
    let home = Home::new();
    let tls =
        |more: &[&str]| doctor(&home, &[&["--tls-cert", "cert.pem", "--tls-key", "key.pem"], more].concat());
    tls(&[]).assert_broken("TLS", &["cert.pem cannot be read"]);
    for (from, until, words) in
        [(-20, -1, "has expired: renew it"), (2, 90, "does not count yet"), (-20, 3, "renew it")]
    {
        certificate(&home, day(from), day(until));
        tls(&[]).assert_broken("TLS", &["cert.pem", words]);
    }
    certificate(&home, day(-1), day(90));
    assert_eq!(tls(&["--public-url", "https://localhost:8443"]).of("TLS").0, "ok");
    let elsewhere = ["--public-url", "https://users.example.com"];
    tls(&elsewhere).assert_broken("TLS", &["cert.pem is not for users.example.com"]);
    let behind_a_proxy = [&elsewhere[..], &["--client-address-header", "X-Forwarded-For"]].concat();
    assert_eq!(tls(&behind_a_proxy).of("TLS").0, "ok");
    let other = Home::new();
    certificate(&other, day(-1), day(90));
    fs::copy(other.path("key.pem"), home.path("key.pem")).unwrap();
    tls(&[]).assert_broken("TLS", &["do not belong together"]);
}

#[test]
fn a_public_url_that_others_could_read_along_is_broken() {
    let home = Home::new();
    let public = |url: &str| doctor(&home, &["--public-url", url]);
    public("http://users.example.com").assert_broken("public URL", &["it must be https"]);
    public("ftp://users.example.com").assert_broken("settings", &["public_url: ", "it begins with https://"]);
    for wrong in ["https://ada:tellnobody@users.example.com", "https://users.example.com?password=tellnobody"]
    {
        let told = public(wrong);
        told.assert_broken("settings", &["public_url: it has"]);
        assert!(!told.0.contains("tellnobody"), "{}", told.0);
    }
    for good in ["https://users.example.com/directory", "http://localhost:8080"] {
        assert_eq!(public(good).of("public URL").0, "ok");
    }
}

#[test]
fn a_password_in_the_file_of_settings_is_noticed_however_the_url_is_written() {
    let home = Home::new();
    for store in [
        "postgres://me:tellnobody@127.0.0.1:1,127.0.0.1:2/users",
        "postgres://me@127.0.0.1:1/users?sslmode=disable&password=tellnobody",
    ] {
        let text = format!("store = \"{store}\"\nsecret_file = \"secret\"\n");
        fs::write(home.path("bonafide.toml"), text).unwrap();
        for (mode, state) in [(0o644, "broken"), (0o600, "ok")] {
            set_mode(&home.path("bonafide.toml"), mode);
            let told = doctor(&home, &[]);
            assert_eq!(told.of("private files").0, state, "{}", told.0);
            assert!(!told.0.contains("tellnobody"), "{}", told.0);
        }
    }
}

/// What is said about this database.
fn about(home: &Home, url: &str) -> Told {
    doctor(home, &["--store", url, "--secret-file", "secret"])
}

async fn run(url: &str, sql: &str) {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute(sql).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_is_looked_at_as_a_file_is() {
    let home = Home::new();
    let postgres = OwnPostgres::start();
    let told = eventually("PostgreSQL", || {
        Some(about(&home, &postgres.url)).filter(|told| told.of("store").0 == "ok")
    });
    assert_eq!(told.of("schema").0, "not configured", "{}", told.0);
    home.prints(&["migrate", "--store", &postgres.url]);
    let told = about(&home, &postgres.url);
    assert_eq!((told.of("schema").0, told.1), ("ok", Some(0)), "{}", told.0);
    assert_eq!(told.of("durability").0, "not configured", "{}", told.0);
    assert!(told.of("clock").1.contains("agrees with the store"), "{}", told.0);
    run(
        &postgres.url,
        "delete from schema_version where version = (select max(version) from schema_version)",
    )
    .await;
    about(&home, &postgres.url).assert_broken("schema", &["bonafide migrate"]);
    run(&postgres.url, "alter database postgres set default_transaction_read_only = on").await;
    about(&home, &postgres.url).assert_broken("store", &["takes no changes"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_will_not_do_is_broken() {
    let home = Home::new();
    about(&home, "postgres://me:tellnobody@127.0.0.1:1/users").assert_broken("store", &["127.0.0.1:1/users"]);
    // The server of the tests does not sync to the disk.
    let database = Database::empty().await;
    about(&home, &database.url).assert_broken("durability", &["fsync and full_page_writes is off", "lost"]);
    let told = doctor(&home, &["--store", &database.url, "--secret-file", "secret", "--pool-size", "4000"]);
    told.assert_broken("store", &["400 connections", "4001", "--pool-size"]);
    home.prints(&["migrate", "--store", &database.url]);
    let role = database.url.rsplit('/').next().unwrap().split('?').next().unwrap().replace("test", "reader");
    run(&database.url, &format!("create role {role} login")).await;
    let told = about(&home, &database.url.replace("bonafide@", &format!("{role}@")));
    assert!(told.of("store").1.contains("may not change its tables"), "{}", told.0);
    run(&database.url, &format!("drop role {role}")).await;
}
