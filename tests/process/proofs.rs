//! Proofs of addresses with the real program: its secret, its mail, and what a tenant chooses.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};

use super::client::{Client, User};
use super::server::{Home, Server, eventually};

/// A client that may do everything, and a user with an email.
async fn client_and_user(home: &Home, server: &Server) -> (Client, User) {
    let client = Client::new(server, &home.key("admin"));
    let user = client.create("ada@example.com").await;
    (client, user)
}

async fn post(client: &Client, path: &str, body: Value) -> (u16, Value) {
    let answer = client.post(path, Some(&body)).await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

fn mails(folder: &Path) -> Vec<String> {
    let Ok(files) = fs::read_dir(folder) else { return Vec::new() };
    let paths = files.map(|file| file.unwrap().path());
    let mails = paths.filter(|path| path.extension().is_some_and(|ending| ending == "eml"));
    mails.map(|path| fs::read_to_string(path).unwrap()).collect()
}

#[tokio::test]
async fn a_code_outlives_the_server_because_its_secret_does() {
    let home = Home::new();
    let server = home.serve(&[]);
    home.prints(&["tenants", "set", "default", "proof_means=code"]);
    let (client, user) = client_and_user(&home, &server).await;
    let secret = home.path("data/secret");
    let kept = fs::read_to_string(&secret).unwrap();
    assert_eq!(kept.trim_end().len(), 64);
    assert_eq!(fs::metadata(&secret).unwrap().permissions().mode() & 0o777, 0o600);
    let own = user.path("verify").replace("/api/", "/v1/");
    let (status, started) = post(&client, &format!("{own}/start"), json!({})).await;
    assert_eq!((status, &started["email_sent"]), (200, &json!(false)));
    server.kill();

    let server = home.serve(&[]);
    assert_eq!(fs::read_to_string(&secret).unwrap(), kept);
    let client = Client::new(&server, &home.key("emails:verify"));
    let code = json!({"code": started["code"]});
    let (status, checked) = post(&client, &format!("{own}/check"), code).await;
    assert_eq!((status, &checked["user"]["emails"][0]["verified"]), (200, &json!(true)));
    assert!(!server.stderr().contains(started["code"].as_str().unwrap()));
}

#[test]
fn a_secret_that_is_none_is_told_by_its_file_and_the_server_does_not_start() {
    let home = Home::new();
    fs::write(home.path("mine"), "swordfish").unwrap();
    let complaint = home.complains(&["serve", "--listen", "127.0.0.1:0", "--secret-file", "mine"]);
    assert!(complaint.contains("mine") && complaint.contains("64 hexadecimal digits"), "{complaint}");
    assert!(!complaint.contains("swordfish"), "{complaint}");
}

#[test]
fn a_server_without_mail_says_so_at_its_start() {
    let home = Home::new();
    let server = home.serve(&[]);
    eventually("the warning", || server.stderr().contains("no mail is configured").then_some(()));
    let with_mail = home.serve(&["--store", "sqlite:other/b.db", "--mail", "file:mail"]);
    assert!(!with_mail.stderr().contains("no mail is configured"));
}

/// The server is killed when a mail was promised and could not be sent yet.
#[tokio::test]
async fn a_mail_that_was_promised_is_sent_after_the_server_has_died() {
    let home = Home::new();
    let (folder, mail) = (home.path("mail"), ["--mail", "file:mail"]);
    let server = home.serve(&mail);
    let (client, user) = client_and_user(&home, &server).await;
    // A file stands where the folder was: nothing can be written.
    let _ = fs::remove_dir_all(&folder);
    fs::write(&folder, "").unwrap();
    let (status, sent) = post(&client, &user.path("verify/link"), json!({})).await;
    assert_eq!((status, &sent["email_sent"]), (200, &json!(true)));
    // One that dies while it tries has the mail for some minutes. This one has failed, and let it go.
    let tried = "select count(*) from outbox where attempts = 1 and leased_until = 0";
    eventually("a first try", || {
        let waits: i64 = home.database().query_row(tried, [], |row| row.get(0)).unwrap();
        (waits == 1).then_some(())
    });
    server.kill();
    fs::remove_file(&folder).unwrap();
    // It has failed for so long that it would wait for hours.
    let store = rusqlite::Connection::open(home.path("data/bonafide.db")).unwrap();
    let waits = "update outbox set due_at = due_at + 14400, leased_until = 0";
    assert_eq!(store.execute(waits, []).unwrap(), 1);
    drop(store);

    let _server = home.serve(&mail);
    let mails = eventually("the mail", || Some(mails(&folder)).filter(|mails| !mails.is_empty()));
    assert_eq!(mails.len(), 1);
    assert!(mails[0].contains("ada@example.com") && mails[0].contains("/verify/"), "{}", mails[0]);
}

#[tokio::test]
async fn what_a_tenant_chooses_is_shown_and_counts_at_once() {
    let home = Home::new();
    let server = home.serve(&[]);
    let shown = home.prints(&["tenants", "show", "default"]);
    for line in ["proof_means=link", "link_expiry=86400", "code_expiry=600", "purge_unproven=false"] {
        assert!(shown.lines().any(|shown| shown == line), "{shown}");
    }
    let (client, user) = client_and_user(&home, &server).await;
    assert_eq!(home.prints(&["tenants", "set", "default", "proof_means=both", "link_expiry=120"]), "");
    assert!(home.prints(&["tenants", "show", "default"]).contains("link_expiry=120\n"));
    let start = user.path("verify/start").replace("/api/", "/v1/");
    let (_, started) = post(&client, &start, json!({})).await;
    assert!(started["link"].is_string() && started["code"].is_string(), "{started}");

    let set = |arguments: &[&str]| home.complains(&[&["tenants", "set", "default"], arguments].concat());
    let unknown = set(&["colour=red"]);
    assert!(unknown.contains("colour") && unknown.contains("proof_means"), "{unknown}");
    // All of it, or none.
    let wrong = set(&["link_expiry=60", "proof_means=pigeon"]);
    assert!(wrong.contains("link, code or both"), "{wrong}");
    assert!(home.prints(&["tenants", "show", "default"]).contains("link_expiry=120\n"));
    let nobody = home.complains(&["tenants", "show", "nobody"]);
    assert!(nobody.contains("bonafide tenants create nobody"), "{nobody}");
}

#[test]
fn a_server_forgets_requests_that_no_limit_counts_any_more() {
    let home = Home::new();
    drop(home.serve(&[]));
    let add = "insert into proof_requests values ('default', 1, 'email', 'ada@example.com', 'ada', 1)";
    rusqlite::Connection::open(home.path("data/bonafide.db")).unwrap().execute(add, []).unwrap();
    let _server = home.serve(&[]);
    let database = home.database();
    eventually("nothing", || {
        let left: i64 =
            database.query_row("select count(*) from proof_requests", [], |row| row.get(0)).ok()?;
        (left == 0).then_some(())
    });
}
