//! A witness of failures: it changes users through several servers, remembers every answer, and
//! afterwards looks for all of it. What fails meanwhile is up to who runs it.
//!
//! It takes commands on standard input, a line each, and answers each with a line:
//! - `load` begins to change users, and answers when changes are kept;
//! - `recovered` answers when each server keeps changes again, with the time without service;
//! - `check` stops, looks for everything that was answered, and fails if anything is missing.

use std::io::BufRead;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use futures_util::future::{join_all, try_join_all};
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// How many users are changed at once.
const USERS: usize = 32;
/// How many answers from each server show that it is under load.
const UNDER_LOAD: usize = 100;
/// A server that has not answered by then is as one that is gone.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long is waited before something is asked again.
const PAUSE: Duration = Duration::from_millis(20);
/// How long a recovery, or an event's way into the record, may take.
const RECOVERY: Duration = Duration::from_secs(120);

/// Where the servers are and what opens them.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The URL of a server; each is used
    #[arg(long = "server", value_name = "URL", required = true)]
    servers: Vec<String>,
    /// A key with the scopes users:read, users:write and events:read
    #[arg(long, value_name = "KEY")]
    key: String,
}

/// Obeys the commands until there are no more.
pub(crate) fn run(options: Options) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let provider = tokio_rustls::rustls::crypto::ring::default_provider();
        ensure!(provider.install_default().is_ok(), "somebody else has chosen the cryptography");
        let http = Client::builder().no_proxy().tls_certs_only([]).timeout(PATIENCE).build()?;
        let api = Arc::new(Api {
            http,
            answers: options.servers.iter().map(|_| Mutex::default()).collect(),
            servers: options.servers,
            key: options.key,
        });
        let mut users = try_join_all((0..USERS).map(|number| User::create(&api, number))).await?;
        let mut load: Option<Load> = None;
        for command in std::io::stdin().lock().lines() {
            match (command?.as_str(), load.take()) {
                ("load", None) => {
                    let begun = Load::begin(&api, std::mem::take(&mut users));
                    api.answers_everywhere(Instant::now(), UNDER_LOAD).await?;
                    load = Some(begun);
                    println!("under load");
                }
                ("recovered", Some(under_way)) => {
                    api.answers_everywhere(Instant::now(), UNDER_LOAD).await?;
                    println!("without service for {:.1} s", api.longest_gap().as_secs_f64());
                    load = Some(under_way);
                }
                ("check", Some(ended)) => {
                    users = ended.end().await?;
                    let answered: usize = join_all(users.iter().map(|user| user.check(&api)))
                        .await
                        .into_iter()
                        .sum::<Result<usize>>()?;
                    println!("all of {answered} answered changes are there");
                }
                (other, _) => bail!("`{other}` is no command at this point"),
            }
        }
        Ok(())
    })
}

/// The servers, and when each has kept a change.
struct Api {
    http: Client,
    servers: Vec<String>,
    key: String,
    answers: Vec<Mutex<Vec<Instant>>>,
}

impl Api {
    fn ask(&self, request: RequestBuilder) -> RequestBuilder {
        request.header("X-API-KEY", &self.key)
    }

    /// What is at a path, from whichever server has it first.
    async fn get(&self, path: &str) -> Result<Value> {
        let begun = Instant::now();
        while begun.elapsed() < RECOVERY {
            for server in &self.servers {
                let answer = self.ask(self.http.get(format!("{server}{path}"))).send().await;
                if let Ok(answer) = answer
                    && answer.status() == StatusCode::OK
                {
                    return Ok(answer.json().await?);
                }
            }
            sleep(PAUSE).await;
        }
        bail!("no server answers {path}")
    }

    fn answers_of(&self, server: usize) -> std::sync::MutexGuard<'_, Vec<Instant>> {
        self.answers[server].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until each server has kept so many changes since a moment.
    async fn answers_everywhere(&self, since: Instant, count: usize) -> Result<()> {
        for server in 0..self.servers.len() {
            while self.answers_of(server).iter().rev().take_while(|at| **at >= since).count() < count {
                ensure!(since.elapsed() < RECOVERY, "{} keeps no changes", self.servers[server]);
                sleep(PAUSE).await;
            }
        }
        Ok(())
    }

    /// The longest time in which no server kept anything.
    fn longest_gap(&self) -> Duration {
        let mut all: Vec<Instant> =
            (0..self.servers.len()).flat_map(|server| self.answers_of(server).clone()).collect();
        all.sort_unstable();
        all.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
    }
}

/// A user, and what is known of the changes of its email.
struct User {
    number: usize,
    id: String,
    email_id: String,
    /// How many were answered.
    answered: usize,
    /// How many may have been kept or not: the answer never came, or was none.
    unknown: usize,
}

impl User {
    async fn create(api: &Api, number: usize) -> Result<Self> {
        let body = json!({ "email": format!("witness{number}@example.com") });
        let request = api.http.post(format!("{}/api/users", api.servers[0])).json(&body);
        let answer = api.ask(request).send().await?;
        ensure!(answer.status() == StatusCode::CREATED, "a user was not made: {}", answer.text().await?);
        let user: Value = answer.json().await?;
        let text = |value: &Value| value.as_str().map(str::to_owned).context("an id is a text");
        let (id, email_id) = (text(&user["user_id"])?, text(&user["emails"][0]["id"])?);
        Ok(Self { number, id, email_id, answered: 0, unknown: 0 })
    }

    async fn is_verified(&self, api: &Api) -> Result<bool> {
        let user = api.get(&format!("/api/users/{}", self.id)).await?;
        user["emails"][0]["verified"].as_bool().context("a flag")
    }

    /// Marks the email as it is not marked, again and again, until the end.
    async fn change_until(mut self, api: Arc<Api>, end: Arc<AtomicBool>) -> Result<Self> {
        let server = self.number % api.servers.len();
        let mut verified = self.is_verified(&api).await?;
        while !end.load(Ordering::Relaxed) {
            let action = if verified { "unverify" } else { "verify" };
            let path =
                format!("{}/api/users/{}/emails/{}/{action}", api.servers[server], self.id, self.email_id);
            match api.ask(api.http.post(path)).send().await.map(|answer| answer.status()) {
                Ok(StatusCode::OK) => {
                    self.answered += 1;
                    verified = !verified;
                    api.answers_of(server).push(Instant::now());
                }
                Ok(StatusCode::SERVICE_UNAVAILABLE) | Err(_) => {
                    self.unknown += 1;
                    sleep(PAUSE).await;
                    verified = self.is_verified(&api).await?;
                }
                Ok(other) => bail!("a change was answered with {other}"),
            }
        }
        Ok(self)
    }

    /// Looks for all that was answered, and gives how much that was.
    async fn check(&self, api: &Api) -> Result<usize> {
        let path = format!("/v1/users/{}/emails/{}/history", self.id, self.email_id);
        let begun = Instant::now();
        loop {
            let answer = api.get(&path).await?;
            let history = answer["history"].as_array().context("a history is a list")?;
            let marks = history.iter().map(|change| change["verified"].as_bool().unwrap_or_default());
            let in_turn = marks.enumerate().all(|(place, verified)| verified == (place % 2 == 0));
            ensure!(in_turn, "the history of user {} has a change twice, or lacks one", self.number);
            let most = self.answered + self.unknown;
            ensure!(
                history.len() <= most,
                "user {} has {} changes, and {most} were asked",
                self.number,
                history.len()
            );
            // The record may be a moment behind the changes, also behind those that were not answered.
            let is_verified = self.is_verified(api).await?;
            if history.len() >= self.answered && is_verified == (history.len() % 2 == 1) {
                return Ok(self.answered);
            }
            ensure!(
                begun.elapsed() < RECOVERY,
                "{} changes of user {} were answered, {} are in its history, and it is {}",
                self.answered,
                self.number,
                history.len(),
                if is_verified { "verified" } else { "not verified" }
            );
            sleep(PAUSE).await;
        }
    }
}

/// Changes under way.
struct Load {
    end: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<Result<User>>>,
}

impl Load {
    fn begin(api: &Arc<Api>, users: Vec<User>) -> Self {
        (0..api.servers.len()).for_each(|server| api.answers_of(server).clear());
        let end = Arc::new(AtomicBool::new(false));
        let tasks = users.into_iter().map(|user| tokio::spawn(user.change_until(api.clone(), end.clone())));
        Self { tasks: tasks.collect(), end }
    }

    async fn end(self) -> Result<Vec<User>> {
        self.end.store(true, Ordering::Relaxed);
        join_all(self.tasks).await.into_iter().map(|ended| ended?).collect()
    }
}
