//! A disk that is full, may not be written, or has forgotten a page.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::client::{Client, User};
use super::server::{Home, PROGRAM, Server, assert_whole, eventually};

/// A server whose store is on a small disk of its own, which goes with the server.
struct OnSmallDisk {
    home: Home,
    server: Server,
    client: Client,
}

/// How large the small disk is.
const DISK: &str = "6m";

impl OnSmallDisk {
    /// The disk is in memory and mounted for the server alone: in a namespace of its own, which
    /// takes no rights.
    fn start() -> Self {
        let home = Home::new();
        fs::create_dir(home.path("data")).unwrap();
        let key = home.path("key");
        let script = format!(
            "mount -t tmpfs -o size={DISK},mode=700 none data && \
             {PROGRAM} keys create --name test --scopes admin >key && \
             exec {PROGRAM} serve --listen 127.0.0.1:0"
        );
        let mut command = home.command_of("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-ec", &script]);
        let server = Server::start(command);
        let key = fs::read_to_string(key).unwrap();
        let client = Client::new(&server, key.trim_end());
        Self { home, server, client }
    }

    /// A file of the small disk, as it is seen from outside.
    fn file(&self, name: &str) -> PathBuf {
        let inside = self.home.path("data").join(name);
        let inside = inside.strip_prefix("/").expect("the path of a test's folder is absolute");
        PathBuf::from(format!("/proc/{}/root", self.server.id())).join(inside)
    }
}

/// Makes users until an answer is not 201: those who were made, and that answer.
async fn create_until_refused(client: &Client) -> (Vec<User>, reqwest::Response) {
    let mut made = Vec::new();
    loop {
        let picture = format!("https://example.com/{}", "p".repeat(900));
        let user = json!({"email": format!("user{}@example.com", made.len()), "picture": picture});
        let answer = client.post("/api/users", Some(&user)).await.unwrap();
        if answer.status() != StatusCode::CREATED {
            return (made, answer);
        }
        made.push(User::of(&answer.json().await.unwrap()));
    }
}

async fn assert_unavailable(answer: reqwest::Response) {
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.headers().contains_key("retry-after"));
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let problem: Value = answer.json().await.unwrap();
    assert_eq!(problem["status"], 503);
}

#[tokio::test]
async fn a_full_disk_is_503_loses_nothing_answered_and_is_over_when_there_is_room_again() {
    let disk = OnSmallDisk::start();
    let client = &disk.client;
    let first = client.create("first@example.com").await;
    let filler = disk.file("filler");
    fs::write(&filler, vec![0; 2 << 20]).unwrap();
    let (made, refused) = create_until_refused(client).await;
    assert_unavailable(refused).await;
    assert!(made.len() > 10, "only {} users fitted", made.len());
    // Also what is only a line longer, and what is read is still answered.
    let marked = client.post(&first.path("verify"), None).await.unwrap();
    let verified = marked.status() == StatusCode::OK;
    assert_eq!(client.is_verified(&first).await, verified);
    let log = disk.server.stderr();
    assert!(log.contains("disk is full"), "{log}");

    fs::remove_file(filler).unwrap();
    client.verify(&first).await;
    let last = client.create("last@example.com").await;
    for user in made.iter().chain([&first, &last]) {
        client.is_verified(user).await;
    }
    let listed = client.get("/api/users?size=1").await.unwrap();
    let pages: Value = serde_json::from_str(listed.headers()["x-pagination"].to_str().unwrap()).unwrap();
    assert_eq!(pages["total_count"], made.len() + 2, "what was refused is not there");
    assert_whole(&rusqlite::Connection::open(disk.file("bonafide.db")).unwrap());
}

/// Where the user's document lies in the file.
fn place_of(home: &Home, user: &User) -> u64 {
    let document = format!("\"user_id\":\"{}\"", user.id);
    let file = fs::read(home.path("data/bonafide.db")).unwrap();
    let found = file.windows(document.len()).rposition(|window| window == document.as_bytes());
    found.expect("the document is in the file") as u64
}

#[tokio::test]
async fn a_damaged_page_is_told_and_hurts_nobody_whose_data_is_elsewhere() {
    let home = Home::new();
    let server = home.serve(&[]);
    let key = home.key("admin");
    let client = Client::new(&server, &key);
    let mut users = Vec::new();
    for number in 0..200 {
        users.push(client.create(&format!("user{number}@example.com")).await);
    }
    server.signal("TERM");
    assert!(server.wait().success());
    let (hurt, well) = (&users[100], &users[10]);
    let page = place_of(&home, hurt) / 4096 * 4096;
    let file = OpenOptions::new().write(true).open(home.path("data/bonafide.db")).unwrap();
    // The beginning of a page says what the rest is.
    file.write_all_at(&[0xff; 64], page).unwrap();
    drop(file);

    let server = home.serve(&[]);
    let client = Client::new(&server, &key);
    assert_unavailable(client.get(&format!("/api/users/{}", hurt.id)).await.unwrap()).await;
    assert_unavailable(client.post(&hurt.path("verify"), None).await.unwrap()).await;
    eventually("the log of the damage", || server.stderr().contains("malformed").then_some(()));
    client.verify(well).await;
    assert!(client.is_verified(well).await);
}

#[test]
fn a_store_that_may_not_be_written_is_told_at_the_start() {
    let home = Home::new();
    home.key("admin");
    // Not by the mode of the file, which does not bind root.
    let script = format!(
        "mount --bind data data && mount -o remount,bind,ro data && exec {PROGRAM} serve --listen 127.0.0.1:0"
    );
    let mut command = home.command_of("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-ec", &script]);
    let output = command.output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{complaint}");
    assert!(complaint.contains("data/bonafide.db"), "{complaint}");
    assert!(complaint.contains("must be able to write the file and its folder"), "{complaint}");
}
