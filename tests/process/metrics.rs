//! Figures for Prometheus, read as strictly as the format allows.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::StatusCode;
use serde_json::json;

use super::client::{Client, trusting};
use super::server::{Home, Server, until};
use crate::postgres::Database;

/// Figures by name and labels, as they are written.
struct Figures(BTreeMap<String, String>);

impl Figures {
    /// Those of a server's main address.
    async fn of(server: &Server) -> Self {
        Self::at(&format!("{}/metrics", server.url)).await
    }

    async fn at(url: &str) -> Self {
        let answer = trusting([]).build().unwrap().get(url).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
        Self::read(&answer.text().await.unwrap())
    }

    /// Reads the text format, and refuses what a reader of it may refuse.
    fn read(text: &str) -> Self {
        let (mut figures, mut families) = (BTreeMap::new(), BTreeSet::new());
        let mut family = (String::new(), String::new());
        let mut lines = text.strip_suffix('\n').expect("the last line ends, too").split('\n');
        while let Some(line) = lines.next() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, help) = help.split_once(' ').expect("a help has a name");
                assert!(is_name(name) && !help.is_empty(), "{line}");
                assert!(families.insert(name.to_owned()), "{name} is told twice");
                let kind = lines.next().and_then(|line| line.strip_prefix(&format!("# TYPE {name} ")));
                let kind = kind.expect("the type follows the help");
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{kind}");
                assert_eq!(kind == "counter", name.ends_with("_total"), "{name}");
                family = (name.to_owned(), kind.to_owned());
                continue;
            }
            let (series, value) = line.rsplit_once(' ').expect("a sample has a value");
            let (name, labels) = labels(series);
            let part = name.strip_prefix(family.0.as_str()).expect("a sample is of the family above");
            match family.1.as_str() {
                "histogram" => assert!(["_bucket", "_sum", "_count"].contains(&part), "{line}"),
                _ => assert_eq!(part, "", "{line}"),
            }
            assert_eq!(part == "_bucket", labels.iter().any(|(label, _)| label == "le"), "{line}");
            let number: f64 = value.parse().expect("a value is a number");
            assert!(number >= 0.0, "{line}");
            let before = figures.insert(series.to_owned(), value.to_owned());
            assert!(before.is_none(), "{series} is told twice");
        }
        let figures = Self(figures);
        figures.check_histograms();
        figures
    }

    /// Every histogram has growing buckets, of which the last has all.
    fn check_histograms(&self) {
        let mut seen: BTreeMap<String, Vec<(f64, u64)>> = BTreeMap::new();
        for series in self.0.keys() {
            let (name, labels) = labels(series);
            let Some((_, bound)) = labels.iter().find(|(label, _)| label == "le") else { continue };
            let bound =
                if bound == "+Inf" { f64::INFINITY } else { bound.parse().expect("a bound is a number") };
            let others: Vec<String> = labels
                .iter()
                .filter(|(label, _)| label != "le")
                .map(|(label, value)| format!("{label}=\"{value}\""))
                .collect();
            let rest = if others.is_empty() { String::new() } else { format!("{{{}}}", others.join(",")) };
            let counted = format!("{}_count{rest}", name.strip_suffix("_bucket").unwrap());
            seen.entry(counted).or_default().push((bound, self.get(series)));
        }
        // Those of the store are told from the start.
        assert!(seen.len() >= 2);
        for (counted, mut buckets) in seen {
            buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
            assert!(buckets.is_sorted_by(|one, other| one.1 <= other.1), "{counted}: {buckets:?}");
            let (bound, all) = buckets[buckets.len() - 1];
            assert!(bound.is_infinite() && all == self.get(&counted), "{counted}");
        }
    }

    #[track_caller]
    fn written(&self, series: &str) -> &str {
        self.0.get(series).unwrap_or_else(|| panic!("{series} is not told: {:#?}", self.0.keys()))
    }

    /// A figure that is a whole number.
    #[track_caller]
    fn get(&self, series: &str) -> u64 {
        self.written(series).parse().expect("the figure is a whole number")
    }
}

fn is_name(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit())
}

/// The name of a series, and its labels.
fn labels(series: &str) -> (String, Vec<(String, String)>) {
    let (name, rest) = series.split_once('{').unwrap_or((series, ""));
    assert!(is_name(name), "{series}");
    if rest.is_empty() {
        return (name.to_owned(), Vec::new());
    }
    let rest = rest.strip_suffix("\"}").expect("labels end");
    let pairs = rest.split("\",").map(|pair| pair.split_once("=\"").expect("a label has a value"));
    let labels: Vec<_> = pairs.map(|(label, value)| (label.to_owned(), value.to_owned())).collect();
    for (label, value) in &labels {
        // None of ours holds what would have to be escaped.
        assert!(is_name(label) && !value.contains(['"', '\\', '\n']), "{series}");
    }
    (name.to_owned(), labels)
}

#[tokio::test]
async fn what_a_server_does_is_counted() {
    let home = Home::new();
    let server = home.serve(&["--mail", "file:mail"]);
    let key = home.key("users:read,users:write,proofs:read");
    let client = Client::new(&server, &key);
    let user = client.create("ada@example.com").await;
    let path = format!("/api/users/{}", user.id);
    for _ in 0..3 {
        assert_eq!(client.get(&path).await.unwrap().status(), StatusCode::OK);
    }
    client.verify(&user).await;
    client.verify(&user).await;
    assert_eq!(client.mark(&user, "unverify").await.unwrap(), 200);
    assert_eq!(client.get("/api/users/nobody").await.unwrap().status(), StatusCode::NOT_FOUND);
    assert_eq!(client.get(&format!("/nowhere/{}", user.id)).await.unwrap().status(), StatusCode::NOT_FOUND);
    let sent = client.post(&user.path("verify/link"), None).await.unwrap();
    assert_eq!(sent.status(), StatusCode::OK);
    until(1, async || Figures::of(&server).await.get("bonafide_mails_total{outcome=\"sent\"}")).await;

    let figures = Figures::of(&server).await;
    let users = "method=\"GET\",route=\"/api/users/{user_id}\"";
    let verify = "method=\"POST\",route=\"/api/users/{user_id}/emails/{identifier_id}/verify\"";
    for (series, value) in [
        (format!("http_requests_total{{{users},status=\"200\"}}"), 3),
        (format!("http_requests_total{{{users},status=\"404\"}}"), 1),
        (format!("http_requests_total{{{verify},status=\"200\"}}"), 2),
        ("http_requests_total{method=\"GET\",route=\"unmatched\",status=\"404\"}".to_owned(), 1),
        (format!("http_request_duration_seconds_count{{{users}}}"), 4),
        (format!("http_request_duration_seconds_bucket{{{users},le=\"+Inf\"}}"), 4),
        ("bonafide_verifications_total{kind=\"email\",method=\"admin_api\"}".to_owned(), 1),
        ("bonafide_verifications_total{kind=\"phone\",method=\"admin_api\"}".to_owned(), 0),
        ("bonafide_verifications_total{kind=\"email\",method=\"link\"}".to_owned(), 0),
        ("bonafide_mails_total{outcome=\"failed\"}".to_owned(), 0),
        ("bonafide_mails_waiting".to_owned(), 0),
        ("bonafide_store_queue_length".to_owned(), 0),
    ] {
        assert_eq!(figures.get(&series), value, "{series}");
    }
    // What is created, marked and mailed is written.
    let written = figures.get("bonafide_store_batch_size_count");
    assert!(written >= 5 && written == figures.get("bonafide_store_commit_seconds_count"), "{written}");
    assert!(figures.written("bonafide_store_commit_seconds_sum") != "0");
    // The jobs of every server: mail is looked for, and what counts no more was forgotten at the start.
    for job in ["mail", "forget_requests", "forget_answers"] {
        let of_it = |name: &str| figures.get(&format!("bonafide_job_{name}{{job=\"{job}\"}}"));
        assert!(of_it("runs_total") >= 1 && of_it("failures_total") == 0, "{job}");
        assert!(of_it("last_success_timestamp_seconds") > 1_767_225_600, "{job}");
    }
    assert_eq!(figures.get("bonafide_job_failures_total{job=\"checkpoint\"}"), 0);
    assert_eq!(
        ["running", "waiting", "places"].map(|name| figures.get(&format!("bonafide_store_lists_{name}"))),
        [0, 0, 4]
    );
    let told = format!("{:?}", figures.0);
    for secret in [&user.id, &user.email_id, "ada@", "nowhere", &key[3..15], &key[16..]] {
        assert!(!told.contains(secret), "{secret}");
    }

    // The code goes the other way.
    let start = format!("/v1/users/{}/emails/{}/verify/start", user.id, user.email_id);
    home.prints(&["tenants", "set", "default", "proof_means=code", "proofs_per_address_and_minute=5"]);
    let started = client.post(&start, Some(&json!({"send_email": false}))).await.unwrap();
    let started: serde_json::Value = started.json().await.unwrap();
    let check = start.replace("/start", "/check");
    let checked = client.post(&check, Some(&json!({"code": started["code"]}))).await.unwrap();
    assert_eq!(checked.status(), StatusCode::OK, "{}", checked.text().await.unwrap());
    let figures = Figures::of(&server).await;
    assert_eq!(figures.get("bonafide_verifications_total{kind=\"email\",method=\"code\"}"), 1);
}

#[tokio::test]
async fn refused_keys_are_counted_by_the_reason() {
    let home = Home::new();
    let server = home.serve(&[]);
    let (key, other) = (home.key("users:write"), home.key("users:read"));
    let short = home.prints(&["keys", "create", "--name", "test", "--scopes", "admin", "--expires", "1s"]);
    let status = async |key: &str| Client::new(&server, key).list_status().await.as_u16();
    assert_eq!(status(&other).await, 200);
    home.prints(&["keys", "revoke", &other[3..15]]);
    until(401, || status(&other)).await;
    until(401, || status(short.trim_end())).await;
    assert_eq!(status(&key).await, 403);
    assert_eq!(status(&format!("{}{}", &key[..16], &other[16..])).await, 401);
    assert_eq!(status(&format!("bf_AAAAAAAAAAAA{}", &key[15..])).await, 401);
    assert_eq!(status("bf_x").await, 401);
    let http = trusting([]).build().unwrap();
    assert_eq!(http.get(format!("{}/api/users", server.url)).send().await.unwrap().status(), 401);
    let bounded = |option: &str, value: &str| {
        let create = ["keys", "create", "--name", "test", "--scopes", "users:read", option, value];
        home.prints(&create).trim_end().to_owned()
    };
    assert_eq!(status(&bounded("--allow-from", "192.0.2.1")).await, 403);
    let limited = bounded("--rate-limit", "1/minute");
    until(429, || status(&limited)).await;
    let figures = Figures::of(&server).await;
    let reasons =
        ["missing", "malformed", "unknown", "wrong", "revoked", "expired", "scope", "network", "rate"];
    for reason in reasons {
        let counted = figures.get(&format!("bonafide_key_refusals_total{{reason=\"{reason}\"}}"));
        assert_eq!(counted, 1, "{reason}");
    }
}

#[tokio::test]
async fn figures_are_told_where_one_wants_them_or_nowhere() {
    let home = Home::new();
    let server = home.serve(&["--metrics-listen", "127.0.0.1:0"]);
    let figures_url = async || {
        let line = server.stdout().lines().nth(1).map(str::to_owned);
        line.and_then(|line| line.strip_prefix("figures at ").map(str::to_owned))
    };
    until(true, async || figures_url().await.is_some()).await;
    let url = figures_url().await.unwrap();
    assert!(!url.starts_with(&server.url));
    let status = async |url: String| trusting([]).build().unwrap().get(url).send().await.unwrap().status();
    assert_eq!(status(format!("{}/metrics", server.url)).await, StatusCode::NOT_FOUND);
    assert_eq!(status(url.replace("/metrics", "/api/users")).await, StatusCode::NOT_FOUND);
    let figures = Figures::at(&url).await;
    assert_eq!(figures.get("http_requests_total{method=\"GET\",route=\"unmatched\",status=\"404\"}"), 2);
    server.signal("TERM");
    assert!(server.wait().success());

    let server = home.serve(&["--metrics-listen", "off"]);
    assert_eq!(status(format!("{}/metrics", server.url)).await, StatusCode::NOT_FOUND);
    assert_eq!(server.stdout().lines().count(), 1);
    let complaint =
        home.complains(&["serve", "--listen", "127.0.0.1:0", "--metrics-listen", server.address()]);
    assert!(complaint.contains("cannot be listened on"), "{complaint}");
}

#[tokio::test]
async fn connections_to_postgresql_are_counted_while_it_is_there_and_while_it_is_not() {
    let (home, database) = (Home::new(), Database::empty().await);
    let server = home.serve(&["--store", &database.url, "--secret-file", "secret", "--pool-size", "8"]);
    let (open, wanted) = ("bonafide_store_connections", "bonafide_store_connections_wanted");
    for (purpose, connections) in [("lists", 5), ("keys", 3)] {
        let labels = format!("{{purpose=\"{purpose}\"}}");
        until(connections, async || Figures::of(&server).await.get(&format!("{open}{labels}"))).await;
        assert_eq!(Figures::of(&server).await.get(&format!("{wanted}{labels}")), connections);
    }
    let figures = Figures::of(&server).await;
    assert_eq!(figures.get("bonafide_mails_waiting"), 0);
    assert_eq!(
        (figures.get("bonafide_store_lists_places"), figures.get("bonafide_store_lists_running")),
        (5, 0)
    );
    // It has nobody beside it, and so moves the events.
    let moved = "bonafide_job_last_success_timestamp_seconds{job=\"sequence\"}";
    until(true, async || Figures::of(&server).await.get(moved) > 1_767_225_600).await;
}
