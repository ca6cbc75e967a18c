//! The file of settings, and what goes before it.

use std::fs;

use serde_json::json;

use super::mail_server::MailServer;
use super::server::{Home, Server};

/// What `config check` says of a setting: its value, and where it comes from.
fn told<'a>(printed: &'a str, key: &str) -> (&'a str, &'a str) {
    let line = printed.lines().find(|line| line.starts_with(&format!("{key} = "))).unwrap();
    let (value, source) = line.split_once(" = ").unwrap().1.split_once(" # ").unwrap();
    (value.trim_end(), source)
}

#[test]
fn an_option_goes_before_the_environment_that_before_the_file_and_the_file_before_the_default() {
    let home = Home::new();
    fs::write(home.path("bonafide.toml"), "\npool_size = 11\npages_per_minute = 12\nmax_connections = 13\n")
        .unwrap();
    let mut command = home.command(&["config", "check", "--max-connections", "33"]);
    command.env("BONAFIDE_PAGES_PER_MINUTE", "22").env("BONAFIDE_MAX_CONNECTIONS", "23");
    let output = command.output().unwrap();
    assert!(output.status.success());
    let printed = String::from_utf8(output.stdout).unwrap();
    for (key, expected) in [
        ("statement_timeout", ("1500", "default")),
        ("pool_size", ("11", "bonafide.toml, line 2")),
        ("pages_per_minute", ("22", "BONAFIDE_PAGES_PER_MINUTE")),
        ("max_connections", ("33", "--max-connections")),
        ("dev", ("false", "default")),
    ] {
        assert_eq!(told(&printed, key), expected, "{printed}");
    }
}

#[test]
fn every_command_takes_the_store_from_the_file_that_is_named_or_else_from_the_usual_one() {
    let home = Home::new();
    fs::write(home.path("bonafide.toml"), "store = \"sqlite:usual/users.db\"\nlisten = \"127.0.0.1:0\"\n")
        .unwrap();
    fs::write(home.path("other.toml"), "store = \"sqlite:other/users.db\"\n").unwrap();
    home.prints(&["tenants", "create", "acme"]);
    home.prints(&["tenants", "create", "other", "--config", "other.toml"]);
    assert!(home.prints(&["tenants", "list"]).starts_with("acme\t"));
    let mut command = home.command(&["tenants", "list"]);
    let listed = command.env("BONAFIDE_CONFIG", "other.toml").output().unwrap();
    assert!(String::from_utf8_lossy(&listed.stdout).contains("other\t"));
    assert!(!home.path("data").exists());
    let server = Server::start(home.command(&["serve"]));
    assert!(server.url.starts_with("http://127.0.0.1:") && home.path("usual/secret").exists());
}

#[test]
fn the_example_can_be_used_as_it_is() {
    let home = Home::new();
    fs::write(home.path("example.toml"), home.prints(&["config", "example"])).unwrap();
    let checked = home.prints(&["config", "check", "example.toml"]);
    assert!(checked.lines().count() >= 19);
    assert!(checked.lines().all(|line| line.ends_with("# default")), "{checked}");
    home.serve(&["--config", "example.toml"]);
    assert!(home.path("data/bonafide.db").exists());
}

#[test]
fn a_switch_of_the_file_can_be_put_off_by_the_environment() {
    let home = Home::new();
    fs::write(home.path("bonafide.toml"), "tls_self_signed = true\n").unwrap();
    assert!(home.serve(&[]).url.starts_with("https://"));
    let mut command = home.command(&["serve", "--listen", "127.0.0.1:0"]);
    assert!(Server::start(command.env("BONAFIDE_TLS_SELF_SIGNED", "no")).url.starts_with("http://"));
}

#[test]
fn a_file_that_cannot_be_used_is_told_whole_and_nothing_is_made() {
    let home = Home::new();
    let text =
        "listen = \"127.0.0.1:0\"\nstroe = \"tellnobody\"\npool_size = 3\nmail-from = \"tellnobody\"\n";
    fs::write(home.path("bonafide.toml"), text).unwrap();
    let expected = "bonafide: the file of settings bonafide.toml cannot be used:\n  \
                    line 2: there is no key `stroe`; `bonafide config example` shows all keys\n  \
                    line 3: `pool_size` cannot be this: 3 is not in 4..=65535\n  \
                    line 4: there is no key `mail-from`; it is written `mail_from`\n";
    for arguments in [&["config", "check"][..], &["serve"], &["keys", "list"], &["doctor"]] {
        assert_eq!(home.complains(arguments), expected, "{arguments:?}");
    }
    assert_eq!(fs::read_dir(home.path("")).unwrap().count(), 1);
    // These need no settings.
    home.prints(&["config", "example"]);
    home.prints(&["openapi"]);
    let missing = home.complains(&["keys", "list", "--config", "missing.toml"]);
    assert!(missing.contains("missing.toml cannot be read"), "{missing}");
}

#[test]
fn what_does_not_go_together_is_told_with_where_it_comes_from() {
    let home = Home::new();
    let text =
        "store = \"postgres://me@host/users\"\ntls_cert = \"cert.pem\"\nmail = \"smtp://mail.example\"\n";
    fs::write(home.path("bonafide.toml"), text).unwrap();
    let output = home.run(&["config", "check", "--templates", "nowhere"]);
    assert_eq!(output.status.code(), Some(1));
    let complaint = String::from_utf8(output.stderr).unwrap();
    for expected in [
        "secret_file (default): servers that share a database need the same secret",
        "tls_cert (bonafide.toml, line 2): --tls-cert needs --tls-key",
        "mail (bonafide.toml, line 3): mail needs a sender",
        "templates (--templates): ",
    ] {
        assert!(complaint.contains(&format!("\n  {expected}")), "{complaint}");
    }
    assert_eq!(complaint.lines().count(), 5, "{complaint}");
}

#[test]
fn a_pair_may_come_from_two_places() {
    let home = Home::new();
    home.serve(&["--tls-self-signed"]).kill();
    fs::write(home.path("bonafide.toml"), "tls_key = \"data/tls-self-signed.key\"\n").unwrap();
    assert!(home.serve(&["--tls-cert", "data/tls-self-signed.pem"]).url.starts_with("https://"));
}

#[test]
fn no_password_is_shown_wherever_it_comes_from() {
    let home = Home::new();
    fs::write(
        home.path("bonafide.toml"),
        "mail = \"smtps://ada:tellnobody@mail.example\"\nmail_from = \"a@b.example\"\n",
    )
    .unwrap();
    let store = "postgres://me:tellnobody@db.example:5433/users?password=tellnobody&sslmode=disable";
    let arguments = ["config", "check", "--secret-file", "secret"];
    let mut command = home.command(&arguments);
    let output = command.env("BONAFIDE_STORE", store).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{printed}");
    assert_eq!(told(&printed, "store"), ("\"postgres://db.example:5433/users\"", "BONAFIDE_STORE"));
    assert_eq!(told(&printed, "mail").0, "\"smtps://mail.example:465\"");
    assert!(!printed.contains("tellnobody") && !printed.contains("ada"), "{printed}");

    // Also where it is not understood.
    for (mail, store) in
        [("smtps//ada:tellnobody@x", store), ("smtp://mail.example", "postgres://me:tellnobody@db:x/users")]
    {
        let mut command = home.command(&arguments);
        let output = command.env("BONAFIDE_STORE", store).env("BONAFIDE_MAIL", mail).output().unwrap();
        let all = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
        assert_eq!(output.status.code(), Some(1), "{all}");
        assert!(all.contains("(hidden)") && !all.contains("tellnobody"), "{all}");
    }
}

#[test]
fn mail_goes_where_the_file_says_with_a_password_from_a_file() {
    let mails = MailServer::start(json!({"certificate": true, "login": ["ada", "se cret"]}));
    let home = Home::new();
    fs::write(home.path("password"), "se cret\n").unwrap();
    let text = format!(
        "mail = \"smtp+starttls://ada@localhost:{}\"\nmail_password_file = \"password\"\nmail_ca = \"{}\"\n\
         mail_from = \"Acme <no-reply@acme.example>\"\n",
        mails.port,
        mails.certificate().display()
    );
    fs::write(home.path("bonafide.toml"), text).unwrap();
    let server = home.serve(&["--dev"]);
    let line =
        super::dev::curl_lines(&server).into_iter().find(|line| line.contains("/verify/link")).unwrap();
    super::dev::run(&home, &line);
    assert!(mails.newest_of(1).mail.contains("no-reply@acme.example"));
}

#[test]
fn addresses_and_the_public_url_are_looked_at_as_the_server_does_when_it_starts() {
    let home = Home::new();
    for (options, told) in [
        (&["--listen", "8080"][..], "listen (--listen): this is no address to listen on"),
        (
            &["--metrics-listen", "localhost"],
            "metrics_listen (--metrics-listen): this is no address to listen on",
        ),
        (
            &["--listen", "0.0.0.0:1", "--metrics-listen", "127.0.0.1:1"],
            "metrics_listen (--metrics-listen): --listen takes this address already",
        ),
        (
            &["--public-url", "ftp://users.example.com"],
            "public_url (--public-url): it is no URL of a web server",
        ),
        (
            &["--public-url", "https://ada:tellnobody@example.com"],
            "public_url (--public-url): it has a user or",
        ),
        (
            &["--public-url", "https://example.com/?password=tellnobody"],
            "public_url (--public-url): it has a ?",
        ),
        (
            &["--public-url", "ada:tellnobody@example.com"],
            "public_url (--public-url): it is no URL of a web server",
        ),
    ] {
        let output = home.run(&[&["config", "check"], options].concat());
        let all = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
        assert_eq!(output.status.code(), Some(1), "{all}");
        assert!(all.contains(&format!("\n  {told}")) && !all.contains("tellnobody"), "{all}");
        let complaint = home.complains(&[&["serve"], options].concat());
        let words = told.split_once(": ").unwrap().1;
        assert!(complaint.starts_with(&format!("bonafide: {words}")), "{complaint}");
        assert!(!complaint.contains("tellnobody"), "{complaint}");
    }
    // Also where it is no URL at all.
    let mut command = home.command(&["config", "check"]);
    let output = command.env("BONAFIDE_PUBLIC_URL", "https//ada:tellnobody@example.com").output().unwrap();
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert!(complaint.contains("--public-url") && complaint.contains("relative URL"), "{complaint}");
    assert!(!complaint.contains("tellnobody"), "{complaint}");
    let printed = home.prints(&["config", "check", "--public-url", "https://example.com/directory"]);
    assert_eq!(told(&printed, "public_url"), ("\"https://example.com/directory\"", "--public-url"));
    assert_eq!(fs::read_dir(home.path("")).unwrap().count(), 0);
}

#[test]
fn a_password_of_a_store_on_several_hosts_is_not_shown() {
    let home = Home::new();
    let text = "store = \"postgres://me:tellnobody@one:5433,two:5434/users\"\nsecret_file = \"secret\"\n";
    fs::write(home.path("bonafide.toml"), text).unwrap();
    let printed = home.prints(&["config", "check"]);
    assert_eq!(told(&printed, "store").0, "\"postgres://one:5433,two:5434/users\"");
    assert!(!printed.contains("tellnobody"), "{printed}");
}
