//! `serve --dev`: the lines that a newcomer copies.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::Value;

use super::client::Client;
use super::server::{Home, Server, eventually};

/// Everything that is printed, without the port, which differs from start to start.
fn printed(server: &Server) -> String {
    eventually("the lines to try", || Some(server.stdout()).filter(|text| text.contains("/docs\n")))
        .replace(&server.url, "URL")
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

/// The printed lines that call curl: the first verifies, the second unverifies.
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
    assert_eq!(lines.len(), 2);
    assert_eq!(run(&home, &lines[0])["emails"][0]["verified"], true);
    assert_eq!(run(&home, &lines[1])["emails"][0]["verified"], false);
}

#[test]
fn nobody_else_can_read_the_kept_key() {
    let home = Home::new();
    let server = home.serve(&["--dev"]);
    let key = std::fs::read_to_string(home.path("data/dev-key")).unwrap();
    assert!(printed(&server).contains(key.trim_end()));
    let mode = |path| std::fs::metadata(home.path(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("data/dev-key"), mode("data")), (0o600, 0o700));
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
