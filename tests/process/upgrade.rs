//! An older program is replaced by this one, under load: `make upgrade-test OLD=PROGRAM`. Whatever the one
//! does, the other reads; nobody is refused but by a 503 that says when to try again, and nothing is lost.

use std::sync::atomic::Ordering;

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::client::{Client, User};
use super::postgres::AT_ONCE;
use super::server::{Home, PROGRAM, Server, until};
use super::torture::Crowd;
use crate::postgres::Database;

const SCOPES: &str = "users:write,users:read,groups:write,groups:read,passwords:write,events:read";

/// The older program.
fn old() -> String {
    std::env::var("OLD").expect("OLD is the path of an older program: make upgrade-test OLD=PROGRAM")
}

/// What a program prints; it must succeed.
fn prints(home: &Home, program: &str, arguments: &[&str]) -> String {
    let output = home.command_of(program).args(arguments).output().expect("the program can be started");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {complaint}");
    String::from_utf8(output.stdout).expect("the program prints UTF-8").trim_end().to_owned()
}

/// A server of a program on this store.
fn serve(home: &Home, program: &str, store: &str) -> Server {
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--store", store, "--secret-file", "secret"];
    Server::start(home.command_of(program).args(arguments))
}

/// A key made by the older program.
fn key(home: &Home, store: &str) -> String {
    prints(home, &old(), &["keys", "create", "--name", "test", "--scopes", SCOPES, "--store", store])
}

/// Ends a server in order.
async fn end(server: Server) {
    server.signal("TERM");
    let ended = tokio::task::spawn_blocking(|| server.wait()).await.expect("the end can be awaited");
    assert!(ended.success(), "a server ended with {ended}");
}

async fn get(client: &Client, path: &str) -> Value {
    let answer = client.get(path).await.expect("an answer");
    let status = answer.status();
    let body = answer.json().await.expect("JSON");
    assert_eq!(status, StatusCode::OK, "{path}: {body}");
    body
}

async fn post(client: &Client, path: &str, body: Value) -> Value {
    let answer = client.post(path, Some(&body)).await.expect("an answer");
    let status = answer.status();
    let text = answer.text().await.expect("a text");
    assert!(status.is_success(), "{path}: {status} {text}");
    serde_json::from_str(&text).unwrap_or_default()
}

/// Makes a user through one server, and changes it through both in turn, in each way that a POST can. All
/// that the one has done, the other sees.
async fn changed_by_both(one: &Client, other: &Client, name: &str) {
    let new = json!({"email": format!("{name}@example.com"), "username": name, "given_name": "Ada",
        "password": "correct horse", "is_temporary_password": false});
    let made = post(one, "/api/users", new).await;
    let user = User::of(&made);
    let path = format!("/api/users/{}", user.id);
    let both_see = async |what: &str| {
        // An older program may lack fields that a newer one answers, but what both have is the same.
        let (here, there) = (get(one, &path).await, get(other, &path).await);
        for (field, value) in here.as_object().expect("a user") {
            if let Some(also) = there.get(field) {
                assert_eq!(value, also, "{field} after {what}");
            }
        }
    };
    both_see("creating").await;
    let team = post(other, "/api/groups", json!({"name": name})).await;
    let membership = format!("{path}/groups/{}", team["group_id"].as_str().expect("an id"));
    let second = json!({"email": format!("second-{name}@example.com")});
    let calls = [
        (user.path("verify"), json!({"reason": "called"})),
        (format!("{path}/emails"), second),
        (user.path("unverify"), json!({})),
        (membership, Value::Null),
        (format!("{path}/disable"), Value::Null),
        (format!("{path}/enable"), Value::Null),
        (user.path("verify"), json!({})),
        (format!("{path}/password/reset"), json!({})),
    ];
    for (number, (call, body)) in calls.into_iter().enumerate() {
        post(if number % 2 == 0 { other } else { one }, &call, body).await;
        both_see(&call).await;
    }
}

/// Each event by its id and type, as a server tells of them.
async fn told(client: &Client) -> Vec<(String, String)> {
    let (mut events, mut after) = (Vec::new(), Some("0".to_owned()));
    while let Some(position) = after {
        let page = get(client, &format!("/v1/events?limit=1000&after={position}")).await;
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let of_page = page["events"].as_array().expect("events").iter();
        events.extend(of_page.map(|event| (text(&event["id"]), text(&event["type"]))));
        after = page["next"].as_str().map(str::to_owned);
    }
    events
}

/// Waits until both tell of the same events in the same order, and gives how many.
async fn both_tell_the_same(one: &Client, other: &Client) -> usize {
    until(true, async || told(one).await == told(other).await).await;
    told(one).await.len()
}

fn sum(crowd: &Crowd) -> usize {
    crowd.answered().iter().sum()
}

#[ignore = "needs an older program: make upgrade-test OLD=PROGRAM"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_program_serves_beside_this_one_and_is_replaced_on_postgresql() {
    let (home, database) = (Home::new(), Database::empty().await);
    let older = serve(&home, &old(), &database.url);
    let key = key(&home, &database.url);
    let old_client = Client::new(&older, &key);
    let crowd = Crowd::gather(&old_client).await;
    let load = crowd.change(std::slice::from_ref(&old_client));
    crowd.is_well().await;
    println!("{} serves {} changes", prints(&home, &old(), &["--version"]), sum(&crowd));

    let migrated = prints(&home, PROGRAM, &["migrate", "--store", &database.url]);
    crowd.is_well().await;
    println!("under its load: {migrated}");
    let newer = serve(&home, PROGRAM, &database.url);
    let new_client = Client::new(&newer, &key);
    crowd.is_well().await;
    load.end().await;

    let load = crowd.change(&[old_client.clone(), new_client.clone()]);
    crowd.is_well().await;
    for round in 0..3 {
        changed_by_both(&old_client, &new_client, &format!("older-first-{round}")).await;
        changed_by_both(&new_client, &old_client, &format!("newer-first-{round}")).await;
    }
    println!("both serve: {} changes, and each reads what the other has done", sum(&crowd));
    load.end().await;
    println!("both tell the same {} events", both_tell_the_same(&old_client, &new_client).await);

    let load = crowd.change(&[old_client, new_client]);
    load.may_go.store(true, Ordering::Relaxed);
    crowd.is_well().await;
    end(older).await;
    crowd.is_well().await;
    load.end().await;
    crowd.check(&database.url).await;
    println!("the older one is gone: {} changes, none lost, each within {AT_ONCE:?}", sum(&crowd));
}

#[ignore = "needs an older program: make upgrade-test OLD=PROGRAM"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_program_is_replaced_by_this_one_on_a_file() {
    let (home, store) = (Home::new(), "sqlite:data/bonafide.db");
    let older = serve(&home, &old(), store);
    let key = key(&home, store);
    let client = Client::new(&older, &key);
    let crowd = Crowd::gather(&client).await;
    let load = crowd.change(std::slice::from_ref(&client));
    crowd.is_well().await;
    changed_by_both(&client, &client, "older").await;
    load.end().await;
    let events = told(&client).await;
    let page = get(&client, "/api/users?page_size=100&sort=creation_time:1").await;
    println!("{} serves {} changes", prints(&home, &old(), &["--version"]), sum(&crowd));
    end(older).await;

    println!("then: {}", prints(&home, PROGRAM, &["migrate", "--store", store]));
    let newer = serve(&home, PROGRAM, store);
    let client = Client::new(&newer, &key);
    assert_eq!(told(&client).await, events, "the events are not those that the older one told of");
    let kept = get(&client, "/api/users?page_size=100&sort=creation_time:1").await;
    let ids = |page: &Value| {
        let users = page.as_array().expect("users").iter();
        users.map(|user| (user["user_id"].clone(), user["emails"][0]["verified"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(ids(&kept), ids(&page), "the users are not those that the older one told of");
    let load = crowd.change(std::slice::from_ref(&client));
    crowd.is_well().await;
    changed_by_both(&client, &client, "newer").await;
    load.end().await;
    println!("this program goes on with all of it: {} changes", sum(&crowd));
}
