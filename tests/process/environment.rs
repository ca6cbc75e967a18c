//! Options from the environment.

use super::server::{Home, Server, eventually};

#[test]
fn every_option_can_come_from_the_environment() {
    let home = Home::new();
    let mut command = home.command(&["serve"]);
    command.env("BONAFIDE_STORE", "sqlite:elsewhere/users.db");
    command.env("BONAFIDE_LISTEN", "127.0.0.1:0");
    command.env("BONAFIDE_DEV", "true");
    let server = Server::start(command);
    eventually("the lines to try", || server.stdout().contains("/docs\n").then_some(()));
    assert!(home.path("elsewhere/users.db").exists() && home.path("elsewhere/dev-key").exists());
    assert!(!home.path("data").exists());

    let mut command = home.command(&["keys", "list"]);
    let listed = command.env("BONAFIDE_STORE", "sqlite:elsewhere/users.db").output().unwrap();
    assert!(String::from_utf8(listed.stdout).unwrap().contains("\"dev\""));
}

#[test]
fn false_in_the_environment_is_false() {
    let home = Home::new();
    let mut command = home.command(&["serve"]);
    let server = Server::start(command.env("BONAFIDE_LISTEN", "127.0.0.1:0").env("BONAFIDE_DEV", "false"));
    assert_eq!(server.stdout().lines().count(), 1);
    assert!(!home.path("data/dev-key").exists());
}

#[test]
fn an_empty_variable_is_none() {
    let home = Home::new();
    let mut command = home.command(&["serve", "--listen", "127.0.0.1:0"]);
    for option in [
        "STORE",
        "PUBLIC_URL",
        "DEV",
        "TLS_CERT",
        "TLS_KEY",
        "TLS_SELF_SIGNED",
        "MAX_CONNECTIONS",
        "LOG",
        "MAIL",
        "MAIL_FROM",
        "MAIL_PASSWORD_FILE",
        "MAIL_CA",
        "TEMPLATES",
        "CLIENT_ADDRESS_HEADER",
        "SECRET_FILE",
        "PAGES_PER_MINUTE",
        "METRICS_LISTEN",
    ] {
        command.env(format!("BONAFIDE_{option}"), "");
    }
    let server = Server::start(command);
    assert!(server.url.starts_with("http://127.0.0.1:"));
    assert!(home.path("data/bonafide.db").exists());
    let mut command = home.command(&["keys", "create", "--name", "test", "--scopes", "admin"]);
    assert!(
        command.env("BONAFIDE_TENANT", "").env("BONAFIDE_KEY_EXPIRES", "").output().unwrap().status.success()
    );
}
