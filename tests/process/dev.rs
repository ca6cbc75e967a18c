//! `serve --dev`: the lines that a newcomer copies.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use reqwest::Method;
use serde_json::Value;

use super::client::{Client, trusting};
use super::server::{Home, Server, eventually};

/// Everything that is printed, without the port and the link to sign in, which differ from start to start.
fn printed(server: &Server) -> String {
    let text =
        eventually("the lines to try", || Some(server.stdout()).filter(|text| text.contains("/docs\n")));
    let text = text.replace(&server.url, "URL");
    let (before, link) = text.split_once("/console/sign-in/").expect("there is a link to the console");
    let (_, after) = link.split_once('\n').expect("the link ends its line");
    format!("{before}/console/sign-in/LINK\n{after}")
}

/// Runs a printed line in a shell, and gives the user that the server answers.
pub(super) fn run(home: &Home, line: &str) -> Value {
    let line = format!("{} --silent --show-error --fail --noproxy '*'", line.trim());
    let output = Command::new("sh")
        .args(["-c", &line])
        .current_dir(home.path(""))
        .output()
        .expect("a shell can be started");
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("the answer is JSON")
}

/// The printed lines that call curl: the first verifies, the second unverifies, the third sends a mail.
pub(super) fn curl_lines(server: &Server) -> Vec<String> {
    printed(server);
    let text = server.stdout();
    text.lines().filter(|line| line.trim().starts_with("curl ")).map(str::to_owned).collect()
}

#[test]
fn the_printed_lines_work_as_they_stand() {
    let home = Home::new();
    let server = home.serve(&["--dev"]);
    let lines = curl_lines(&server);
    assert_eq!(lines.len(), 3);
    assert_eq!(run(&home, &lines[0])["emails"][0]["verified"], true);
    assert_eq!(run(&home, &lines[1])["emails"][0]["verified"], false);
    assert_eq!(run(&home, &lines[2])["email_sent"], true);
    assert!(server.stdout().contains(&format!("It goes to {}/dev/mailbox\n", server.url)));
}

#[test]
fn nobody_else_can_read_the_kept_key() {
    let home = Home::new();
    let server = home.serve(&["--dev"]);
    let key = std::fs::read_to_string(home.path("data/dev-key")).unwrap();
    assert!(printed(&server).contains(key.trim_end()));
    let mode = |path| std::fs::metadata(home.path(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("data/dev-key"), mode("data/dev-user"), mode("data")), (0o600, 0o600, 0o700));
}

#[tokio::test]
async fn a_second_start_makes_nothing_new_and_prints_the_same() {
    let home = Home::new();
    let server = home.serve(&["--dev"]);
    let first = printed(&server);
    server.kill();
    let server = home.serve(&["--dev"]);
    assert_eq!(first, printed(&server));
    assert_eq!(home.prints(&["keys", "list"]).lines().count(), 2);
    let key = std::fs::read_to_string(home.path("data/dev-key")).unwrap();
    let list = Client::new(&server, key.trim_end()).get("/api/users").await.unwrap();
    assert_eq!(list.json::<Vec<Value>>().await.unwrap().len(), 1);
}

/// The user that the printed lines are about.
fn chosen(home: &Home) -> String {
    std::fs::read_to_string(home.path("data/dev-user")).unwrap().trim_end().to_owned()
}

#[tokio::test]
async fn a_real_user_is_never_the_one_to_try_with() {
    let home = Home::new();
    let server = home.serve(&[]);
    let key = home.key("users:write,users:read");
    let client = Client::new(&server, &key);
    // The oldest, and the owner of the sample's address.
    let real = client.create("sample.user@example.com").await;
    client.verify(&real).await;
    server.kill();
    let server = home.serve(&["--dev"]);
    let lines = curl_lines(&server);
    assert_ne!(chosen(&home), real.id);
    assert!(lines.iter().all(|line| line.contains(&chosen(&home))));
    assert!(printed(&server).contains("sample.user2@example.com"));
    assert_eq!(run(&home, &lines[0])["emails"][0]["verified"], true);
    assert_eq!(run(&home, &lines[1])["emails"][0]["verified"], false);
    assert!(Client::new(&server, &key).is_verified(&real).await);
}

#[tokio::test]
async fn a_sample_user_that_is_gone_or_has_no_email_is_made_anew_once() {
    let home = Home::new();
    let mut server = home.serve(&["--dev"]);
    printed(&server);
    let key = home.key("users:write,users:read");
    let mut known = vec![chosen(&home)];
    for without_email in [true, false] {
        let user = format!("{}/api/users/{}", server.url, known.last().unwrap());
        let http = trusting([]).build().unwrap();
        let ask = |method: Method, url: String| http.request(method, url).header("X-API-KEY", &key).send();
        let path = if without_email {
            let user: Value = ask(Method::GET, user.clone()).await.unwrap().json().await.unwrap();
            format!("/emails/{}", user["emails"][0]["id"].as_str().unwrap())
        } else {
            String::new()
        };
        let gone = ask(Method::DELETE, user + &path).await.unwrap();
        assert!(gone.status().is_success());
        for _ in 0..2 {
            server.kill();
            server = home.serve(&["--dev"]);
            printed(&server);
        }
        assert!(!known.contains(&chosen(&home)));
        known.push(chosen(&home));
    }
    let list = Client::new(&server, &key).get("/api/users").await.unwrap();
    // The one without an email, and the one of now.
    assert_eq!(list.json::<Vec<Value>>().await.unwrap().len(), 2);
}
