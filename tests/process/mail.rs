//! Mail over real SMTP, and what is told when the mail server does not take it.

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bonafide::directory::email::EmailAddress;
use bonafide::id::{MailId, SeededRandom};
use bonafide::mail::{MailUrl, Mailer, Message, SendError, sender};
use bonafide::time::{Clock, ManualClock, SystemClock, Timestamp};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::client::{Client, User};
use super::mail_server::MailServer;
use super::server::{Home, Server, eventually, until};

/// A mailer by this URL, which trusts this certificate.
fn mailer(url: &str, trusted: Option<PathBuf>) -> Mailer {
    let Ok(MailUrl::Smtp(mut server)) = url.parse() else { panic!("{url} is no mail server's URL") };
    server.trusted = trusted;
    let (clock, random) =
        (Arc::new(ManualClock::at(Timestamp(1_640_975_400))), Arc::new(SeededRandom::new(1)));
    let from = sender("Acme <no-reply@users.example.com>").unwrap();
    Mailer::smtp(&server, from, clock, random).unwrap()
}

fn message_to(to: &str) -> Message {
    let text = "Grüße\n.\nhttps://users.example.com/verify/token\n";
    let to = EmailAddress::parse(to).unwrap();
    Message::new(to, "Bestätigen – Acme", text.to_owned(), "<p>Grüße</p>".to_owned())
}

async fn send(url: &str, trusted: Option<PathBuf>) -> Result<(), SendError> {
    mailer(url, trusted).send(MailId::new(&SeededRandom::new(1)), &message_to("ada@example.com")).await
}

fn why(sent: Result<(), SendError>) -> String {
    match sent {
        Err(SendError::Temporary(reason)) => format!("for now: {reason}"),
        Err(SendError::Permanent(reason)) => format!("for good: {reason}"),
        Ok(()) => panic!("the mail was sent"),
    }
}

#[tokio::test]
async fn a_mail_arrives_as_it_was_written() {
    let server = MailServer::start(json!({}));
    send(&format!("smtp://127.0.0.1:{}", server.port), None).await.unwrap();
    let taken = server.newest_of(1);
    assert_eq!((taken.to(), &taken.how["from"]), ("ada@example.com", &json!("no-reply@users.example.com")));
    assert_eq!(taken.how["encrypted"], false);
    assert_eq!(
        taken.text().replace("\r\n", "\n").trim_end(),
        "Grüße\n.\nhttps://users.example.com/verify/token"
    );
    assert!(taken.html().contains("<p>Grüße</p>"));
    assert!(taken.mail.contains("Date: Fri, 31 Dec 2021 18:30:00 +0000\r\n"), "{}", taken.mail);
    assert!(taken.mail.contains("From: Acme <no-reply@users.example.com>\r\n"));
}

#[tokio::test]
async fn encryption_that_is_offered_is_used_whatever_the_certificate() {
    let server = MailServer::start(json!({"certificate": true}));
    send(&format!("smtp://localhost:{}", server.port), None).await.unwrap();
    assert_eq!(server.newest_of(1).how["encrypted"], true);
}

#[tokio::test]
async fn where_encryption_is_insisted_on_the_certificate_must_be_good() {
    let server = MailServer::start(json!({"certificate": true}));
    let url = format!("smtp+starttls://localhost:{}", server.port);
    let told = why(send(&url, None).await);
    assert!(
        told.starts_with("for now: the mail server was not reached") && told.contains("certificate"),
        "{told}"
    );
    send(&url, Some(server.certificate())).await.unwrap();
    assert_eq!(server.newest_of(1).how["encrypted"], true);
    // The same certificate under another name is not the server's.
    let told = why(send(&url.replace("localhost", "127.0.0.2"), Some(server.certificate())).await);
    assert!(told.starts_with("for now"), "{told}");
}

#[tokio::test]
async fn where_encryption_is_insisted_on_a_server_without_it_gets_nothing() {
    let server = MailServer::start(json!({}));
    let told = why(send(&format!("smtp+starttls://127.0.0.1:{}", server.port), None).await);
    assert!(told.contains("STARTTLS"), "{told}");
    // Nor a password, by the scheme that takes what is offered.
    let told = why(send(&format!("smtp://ada:tellnobody@127.0.0.1:{}", server.port), None).await);
    assert!(told.contains("STARTTLS") && !told.contains("tellnobody"), "{told}");
    assert!(server.taken().is_empty());
}

#[tokio::test]
async fn tls_from_the_start_works_with_a_login() {
    let server = MailServer::start(
        json!({"certificate": true, "from_the_start": true, "login": ["ada@example.com", "p w:@/"]}),
    );
    let url = |password: &str| format!("smtps://ada%40example.com:{password}@localhost:{}", server.port);
    send(&url("p%20w%3A%40%2F"), Some(server.certificate())).await.unwrap();
    let taken = server.newest_of(1);
    assert_eq!((&taken.how["encrypted"], &taken.how["authenticated"]), (&json!(true), &json!(true)));
    let told = why(send(&url("tellnobody"), Some(server.certificate())).await);
    assert_eq!(told, "for now: the mail server refused the user or the password (535 5.7.8)");
}

#[tokio::test]
async fn a_login_goes_over_starttls() {
    let server = MailServer::start(json!({"certificate": true, "login": ["ada", "secret"]}));
    for scheme in ["smtp", "smtp+starttls"] {
        let url = format!("{scheme}://ada:secret@localhost:{}", server.port);
        send(&url, Some(server.certificate())).await.unwrap();
    }
    assert_eq!(server.newest_of(2).how["authenticated"], true);
    let told = why(send(&format!("smtp://localhost:{}", server.port), None).await);
    assert!(told.starts_with("for now: the mail server refused the user or the password (530"), "{told}");
}

#[tokio::test]
async fn a_refusal_says_whether_trying_again_can_help_and_repeats_no_address() {
    for (stage, answer, told) in [
        (
            "recipient",
            "550 5.1.1 <ada@example.com>: no such user",
            "for good: the mail server refused the mail for good (550 5.1.1)",
        ),
        (
            "recipient",
            "450 4.2.0 <ada@example.com>: greylisted",
            "for now: the mail server refused the mail for now (450 4.2.0)",
        ),
        ("mail", "452 disk full", "for now: the mail server refused the mail for now (452)"),
        // What is no address's fault can be put right.
        (
            "mail",
            "554 ada@example.com is spam",
            "for now: the mail server refused, but not because of the address (554)",
        ),
        (
            "connection",
            "554 5.7.1 nobody may come from 127.0.0.1",
            "for now: the mail server refused, but not because of the address (554 5.7.1)",
        ),
        (
            "connection",
            "550 not today",
            "for now: the mail server refused, but not because of the address (550)",
        ),
        (
            "sender",
            "550 5.1.8 <no-reply@users.example.com>: sender denied",
            "for now: the mail server refused, but not because of the address (550 5.1.8)",
        ),
        (
            "sender",
            "553 no such sender",
            "for now: the mail server refused, but not because of the address (553)",
        ),
        (
            "recipient",
            "550 5.7.1 <ada@example.com>: relay access denied",
            "for now: the mail server refused, but not because of the address (550 5.7.1)",
        ),
        (
            "recipient",
            "554 ada@example.com: later perhaps",
            "for now: the mail server refused, but not because of the address (554)",
        ),
        // Some tell so without a word of why, or only when they have the mail.
        (
            "recipient",
            "550 ada@example.com unknown",
            "for good: the mail server refused the mail for good (550)",
        ),
        (
            "mail",
            "550 5.1.1 ada@example.com unknown",
            "for good: the mail server refused the mail for good (550 5.1.1)",
        ),
    ] {
        let server = MailServer::start(json!({"refuse": [stage, answer]}));
        assert_eq!(why(send(&format!("smtp://127.0.0.1:{}", server.port), None).await), told);
    }
}

#[tokio::test]
async fn a_mail_that_was_taken_is_sent_even_if_the_farewell_is_not_answered() {
    let server = MailServer::start(json!({"no_farewell": true}));
    send(&format!("smtp://127.0.0.1:{}", server.port), None).await.unwrap();
    server.newest_of(1);
}

#[tokio::test]
async fn a_server_that_is_down_is_told() {
    // A port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let told = why(send(&format!("smtp://127.0.0.1:{port}"), None).await);
    assert!(
        told.starts_with("for now: the mail server was not reached") && told.contains("refused"),
        "{told}"
    );
    let told = why(send("smtp://mail.invalid", None).await);
    assert!(told.starts_with("for now: the mail server was not reached"), "{told}");
}

#[tokio::test]
async fn a_server_that_speaks_something_else_is_told() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let answering = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    });
    let told = why(send(&format!("smtp://127.0.0.1:{port}"), None).await);
    answering.await.unwrap();
    assert_eq!(told, "for now: the mail server was not reached: the mail server does not speak SMTP");
}

/// The clock stands still and jumps over every wait, so the test takes no minute.
#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_is_given_up_on() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://127.0.0.1:{}", listener.local_addr().unwrap().port());
    assert_eq!(why(send(&url, None).await), "for now: the mail server did not answer in time");
}

#[tokio::test]
async fn addresses_beyond_ascii_go_to_servers_that_take_them() {
    let server = MailServer::start(json!({}));
    let url = format!("smtp://127.0.0.1:{}", server.port);
    mailer(&url, None)
        .send(MailId::new(&SeededRandom::new(1)), &message_to("jürgen@bücher.example"))
        .await
        .unwrap();
    let taken = server.newest_of(1);
    assert_eq!((taken.to(), &taken.how["smtputf8"]), ("jürgen@xn--bcher-kva.example", &json!(true)));
    // A domain alone needs nothing of the server.
    let server = MailServer::start(json!({"ascii": true}));
    let url = format!("smtp://127.0.0.1:{}", server.port);
    mailer(&url, None)
        .send(MailId::new(&SeededRandom::new(1)), &message_to("ada@bücher.example"))
        .await
        .unwrap();
    assert_eq!(server.newest_of(1).to(), "ada@xn--bcher-kva.example");
    let told = why(mailer(&url, None)
        .send(MailId::new(&SeededRandom::new(1)), &message_to("jürgen@example.com"))
        .await);
    assert_eq!(
        told,
        "for good: the mail server does not take addresses with letters beyond ASCII (SMTPUTF8)"
    );
}

/// A server with these options, a client that may do everything, and a user.
async fn served(home: &Home, arguments: &[&str]) -> (Server, Client, User) {
    let server = home.serve(&[&["--mail-from", "no-reply@users.example.com"], arguments].concat());
    let client = Client::new(&server, &home.key("admin"));
    let user = client.create("ada@example.com").await;
    (server, client, user)
}

/// Asks for a mail, which must be promised.
async fn ask(client: &Client, user: &User) {
    let answer = client.post(&user.path("verify/link"), None).await.unwrap();
    assert_eq!(answer.json::<Value>().await.unwrap()["email_sent"], true);
}

#[tokio::test]
async fn the_program_sends_link_and_code_over_starttls_with_a_password_from_a_file() {
    let mails = MailServer::start(json!({"certificate": true, "login": ["ada", "se cret:/"]}));
    let home = Home::new();
    std::fs::write(home.path("password"), "se cret:/\n").unwrap();
    let certificate = mails.certificate();
    let url = format!("smtp+starttls://ada@localhost:{}", mails.port);
    let options = ["--mail", &url, "--mail-password-file", "password", "--mail-ca"];
    let public = ["--public-url", "https://users.example.com/directory"];
    let options = [&options[..], &[certificate.to_str().unwrap()], &public].concat();
    let (server, client, user) = served(&home, &options).await;
    home.prints(&["tenants", "set", "default", "proof_means=both", "display_name=Bücher & Söhne"]);
    ask(&client, &user).await;
    let taken = mails.newest_of(1);
    assert_eq!((taken.to(), &taken.how["authenticated"]), ("ada@example.com", &json!(true)));
    let text = taken.text();
    assert!(text.contains("https://users.example.com/directory/verify/") && text.contains("Bücher & Söhne"));
    assert!(taken.html().contains("Bücher &amp; Söhne"));
    let code = text.lines().map(str::trim).find(|line| line.len() == 6 && line.parse::<u32>().is_ok());
    let check = user.path("verify/check").replace("/api/", "/v1/");
    let checked = client.post(&check, Some(&json!({"code": code.unwrap()}))).await.unwrap();
    assert_eq!(checked.status(), StatusCode::OK);
    assert!(client.is_verified(&user).await);
    assert!(!server.stderr().contains("se cret"));
}

#[tokio::test]
async fn a_refused_mail_is_given_up_with_an_event_and_the_log_names_no_address() {
    let mails = MailServer::start(json!({"refuse": ["recipient", "550 5.1.1 <ada@example.com> unknown"]}));
    let home = Home::new();
    let url = format!("smtp://127.0.0.1:{}", mails.port);
    let (server, client, user) = served(&home, &["--mail", &url, "--log", "debug"]).await;
    ask(&client, &user).await;
    until(1, async || {
        let events = client.get("/v1/events?type=user.email.mail_given_up").await.unwrap();
        events.text().await.unwrap().matches("\"user.email.mail_given_up\"").count()
    })
    .await;
    let log = eventually("the log line", || Some(server.stderr()).filter(|log| log.contains("550 5.1.1")));
    assert!(!log.contains("ada@") && !log.contains("example.com"), "{log}");
    assert!(mails.taken().is_empty());
}

#[tokio::test]
async fn a_mail_waits_for_a_mail_server_that_is_down() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let home = Home::new();
    let (server, client, user) = served(&home, &["--mail", &format!("smtp://127.0.0.1:{port}")]).await;
    ask(&client, &user).await;
    eventually("the first try", || server.stderr().contains("it is tried again").then_some(()));
    let mails = MailServer::start(json!({"port": port}));
    assert_eq!(mails.newest_of(1).to(), "ada@example.com");
}

#[tokio::test]
async fn a_slow_mail_server_holds_up_no_request_and_not_the_end() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let home = Home::new();
    let url = format!("smtp://{}", silent.local_addr().unwrap());
    let (server, client, user) = served(&home, &["--mail", &url]).await;
    ask(&client, &user).await;
    // It is connected to by now, and says nothing.
    let _connection = silent.accept().unwrap();
    client.verify(&user).await;
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
    // The next server need not wait for it.
    let (leased_until, due_in) = waiting_mail(&home);
    assert!(leased_until == 0 && due_in <= 0, "{leased_until} {due_in}");
}

/// Until when the one mail that waits is left to who sends it, and in how many seconds it is due.
fn waiting_mail(home: &Home) -> (i64, i64) {
    let sql = "select leased_until, due_at - unixepoch() from outbox";
    home.database().query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
}

#[tokio::test]
async fn a_mail_that_is_on_its_way_when_the_server_ends_is_sent_and_sent_once() {
    let mails = MailServer::start(json!({"pause": 2}));
    let home = Home::new();
    let url = format!("smtp://127.0.0.1:{}", mails.port);
    let (server, client, user) = served(&home, &["--mail", &url]).await;
    ask(&client, &user).await;
    eventually("the first try", || (waiting_mail(&home).0 > 0).then_some(()));
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
    mails.newest_of(1);
    let left: i64 = home.database().query_row("select count(*) from outbox", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn a_mail_that_takes_long_is_kept_from_other_servers_until_it_is_sent() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let home = Home::new();
    let url = format!("smtp://{}", silent.local_addr().unwrap());
    let (_server, client, user) = served(&home, &["--mail", &url]).await;
    ask(&client, &user).await;
    let _connection = silent.accept().unwrap();
    let first = waiting_mail(&home).0;
    eventually("a longer lease", || (waiting_mail(&home).0 > first).then_some(()));
    // It is still the first try of it.
    let tries: i64 = home.database().query_row("select attempts from outbox", [], |row| row.get(0)).unwrap();
    assert_eq!(tries, 1);
}

#[tokio::test]
async fn a_mail_that_takes_long_holds_up_no_other() {
    let mails = MailServer::start(json!({"hang": "hang@example.com"}));
    let home = Home::new();
    let url = format!("smtp://127.0.0.1:{}", mails.port);
    let (_server, client, _) = served(&home, &["--mail", &url]).await;
    ask(&client, &client.create("hang@example.com").await).await;
    eventually("the first try", || (waiting_mail(&home).0 > 0).then_some(()));
    let asked = SystemClock::start();
    for number in 0..9 {
        ask(&client, &client.create(&format!("user{number}@example.com")).await).await;
    }
    mails.newest_of(9);
    // The one that hangs is given a minute.
    assert!(asked.elapsed() < Duration::from_secs(30), "{:?}", asked.elapsed());
}

#[test]
fn options_about_mail_that_do_not_fit_are_told_without_the_password() {
    let home = Home::new();
    std::fs::write(home.path("password"), "tellnobody\n").unwrap();
    let from = ["--mail-from", "no-reply@example.com"];
    for (arguments, told) in [
        (&["--mail", "smtp://ada:tellnobody@localhost/x", from[0], from[1]][..], "--mail is not understood"),
        (&["--mail", "http://tellnobody", from[0], from[1]], "it is smtp://HOST"),
        (&["--mail", "smtps://ada@localhost", from[0], from[1]], "--mail-password-file"),
        (
            &["--mail", "smtps://ada:tellnobody@localhost", "--mail-password-file", "password"],
            "only one can count",
        ),
        (&["--mail", "smtps://localhost", "--mail-password-file", "password"], "smtps://USER@HOST"),
        (&["--mail", "smtps://ada@localhost", "--mail-password-file", "none"], "none cannot be read"),
        (&["--mail", "smtps://localhost", "--mail-ca", "none", from[0], from[1]], "none cannot be read"),
        (&["--mail", "smtps://localhost"], "--mail-from"),
        (&["--templates", "none"], "the folder none cannot be read"),
    ] {
        let complaint = home.complains(&[&["serve", "--listen", "127.0.0.1:0"], arguments].concat());
        assert!(complaint.contains(told), "{arguments:?}: {complaint}");
        assert!(!complaint.contains("tellnobody"), "{complaint}");
    }
    let mut help = home.command(&["serve", "--help"]);
    let help = help.env("BONAFIDE_MAIL", "smtps://ada:tellnobody@localhost").output().unwrap();
    assert!(!String::from_utf8(help.stdout).unwrap().contains("tellnobody"));
}

#[test]
fn a_preview_shows_a_mail_and_what_an_operator_makes_of_it() {
    let home = Home::new();
    let whole = home.prints(&["mail", "preview"]);
    assert!(whole.starts_with("To: ada@example.com\nSubject: Verify your email address for Example\n\n"));
    assert!(whole.contains("123456") && whole.contains("<!doctype html>"));
    assert!(home.prints(&["mail", "preview", "reset", "--html"]).starts_with("<!doctype html>"));
    assert!(!home.prints(&["mail", "preview", "verify", "--text"]).contains("<p"));
    std::fs::create_dir_all(home.path("own/mail")).unwrap();
    std::fs::write(home.path("own/mail/reset.txt"), "Subject: Hi\n\nGo to {{ link.text }}").unwrap();
    let own = home.prints(&["mail", "preview", "reset", "--text", "--templates", "own"]);
    assert!(own.starts_with("Go to https://"));
    std::fs::write(home.path("own/mail/reset.txt"), "Subject: Hi\n\nGo to {{ lnik.text }}").unwrap();
    let complaint = home.complains(&["mail", "preview", "--templates", "own"]);
    assert!(complaint.contains("mail/reset.txt") && complaint.contains("line 3"), "{complaint}");
}
