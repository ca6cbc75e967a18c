//! A real browser, driven by ChromeDriver over WebDriver: JSON over HTTP.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::Method;
use serde_json::{Value, json};

use super::client::trusting;
use super::server::{collect, eventually, text, until};

/// Where pictures of the pages are kept, as an artefact of the run.
const PICTURES: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/../screenshots");
/// What finds faults of accessibility; `make test` puts it there.
const AXE: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/../axe/node_modules/axe-core/axe.min.js");
/// By what name WebDriver hands out elements.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// How a browser looks at pages.
#[derive(Clone, Copy, Default)]
pub(super) struct View {
    /// A window as small as a telephone's.
    pub(super) phone: bool,
    /// Dark instead of light.
    pub(super) dark: bool,
    /// Without JavaScript.
    pub(super) scriptless: bool,
}

/// A running browser with one window; it is ended when dropped.
pub(super) struct Browser {
    driver: Child,
    http: reqwest::Client,
    session: String,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// A new one.
    pub(super) async fn open(view: View) -> Self {
        let started = Command::new("chromedriver")
            .arg("--port=0")
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut driver = started.expect("chromedriver can be started: `make test` installs it");
        let stdout = collect(driver.stdout.take().expect("standard output is a pipe"));
        let port = eventually("the driver's port", || {
            let printed = text(&stdout);
            let (_, rest) = printed.split_once("started successfully on port ")?;
            rest.split_once('.')?.0.parse::<u16>().ok()
        });
        let profile = tempfile::tempdir().expect("a folder can be made");
        let (width, height) = if view.phone { (390, 844) } else { (1280, 800) };
        let mut arguments = vec![
            // As root the browser has no sandbox; it sees pages of ours only.
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
            "--lang=en",
        ]
        .into_iter()
        .map(str::to_owned)
        .collect::<Vec<_>>();
        arguments.push(format!("--user-data-dir={}", profile.path().display()));
        arguments.push(format!("--window-size={width},{height}"));
        let settings = [(view.dark, "preferredColorScheme=0"), (view.scriptless, "scriptEnabled=false")];
        let settings: Vec<_> = settings.iter().filter(|(wanted, _)| *wanted).map(|(_, set)| *set).collect();
        if !settings.is_empty() {
            arguments.push(format!("--blink-settings={}", settings.join(",")));
        }
        let mut options = json!({"args": arguments});
        let logged = json!({"browser": "ALL"});
        if view.phone {
            options["mobileEmulation"] = json!({
                "deviceMetrics": {"width": width, "height": height, "pixelRatio": 1, "mobile": true, "touch": false}
            });
        }
        let http = trusting([]).timeout(Duration::from_secs(120)).build().expect("a client can be made");
        let mut browser =
            Self { driver, http, session: format!("http://127.0.0.1:{port}/session"), _profile: profile };
        let wanted = json!({"capabilities": {"alwaysMatch": {"goog:chromeOptions": options, "goog:loggingPrefs": logged}}});
        let session = browser.ask(Method::POST, "", wanted).await;
        let id = session["sessionId"].as_str().expect("a session has an id");
        browser.session = format!("{}/{id}", browser.session);
        browser
    }

    async fn ask(&self, method: Method, path: &str, body: Value) -> Value {
        self.try_to(method, path, &body).await.unwrap_or_else(|refusal| panic!("{path} {body}: {refusal}"))
    }

    /// What the driver answers, or why it does not do it.
    async fn try_to(&self, method: Method, path: &str, body: &Value) -> Result<Value, Value> {
        let request = self.http.request(method, format!("{}{path}", self.session));
        let request = if body.is_null() { request } else { request.json(body) };
        let answer = request.send().await.expect("the driver answers");
        let is_done = answer.status().is_success();
        let mut answer: Value = answer.json().await.expect("the driver answers with JSON");
        let value = answer["value"].take();
        if is_done { Ok(value) } else { Err(value) }
    }

    /// Goes to a page, as by the address bar.
    pub(super) async fn go(&self, url: &str) {
        self.ask(Method::POST, "/url", json!({"url": url})).await;
    }

    /// The address of the page.
    pub(super) async fn url(&self) -> String {
        self.ask(Method::GET, "/url", Value::Null).await.as_str().expect("an address").to_owned()
    }

    /// The page's title.
    pub(super) async fn title(&self) -> String {
        self.ask(Method::GET, "/title", Value::Null).await.as_str().expect("a title").to_owned()
    }

    async fn element(&self, css: &str) -> Result<String, Value> {
        let wanted = json!({"using": "css selector", "value": css});
        let found = self.try_to(Method::POST, "/element", &wanted).await?;
        Ok(format!("/element/{}", found[ELEMENT].as_str().expect("an element")))
    }

    /// What is to be read in the first element that a selector finds; nothing while there is none, or
    /// the page is just being left.
    pub(super) async fn text(&self, css: &str) -> Option<String> {
        let element = self.element(css).await.ok()?;
        let text = self.try_to(Method::GET, &format!("{element}/text"), &Value::Null).await.ok()?;
        text.as_str().map(str::to_owned)
    }

    /// Waits until the page has this heading.
    pub(super) async fn reads(&self, heading: &str) {
        until(Some(heading.to_owned()), async || self.text("h1").await).await;
    }

    /// Clicks on it.
    pub(super) async fn click(&self, css: &str) {
        let element = self.element(css).await.unwrap_or_else(|refusal| panic!("{css}: {refusal}"));
        self.ask(Method::POST, &format!("{element}/click"), json!({})).await;
    }

    /// Types into it.
    pub(super) async fn enter(&self, css: &str, text: &str) {
        let element = self.element(css).await.unwrap_or_else(|refusal| panic!("{css}: {refusal}"));
        self.ask(Method::POST, &format!("{element}/value"), json!({"text": text})).await;
    }

    /// What a script gives that is not the page's own.
    pub(super) async fn evaluate(&self, script: &str) -> Value {
        self.ask(Method::POST, "/execute/sync", json!({"script": script, "args": []})).await
    }

    /// Empties a field and types into it.
    pub(super) async fn replace(&self, css: &str, text: &str) {
        let element = self.element(css).await.unwrap_or_else(|refusal| panic!("{css}: {refusal}"));
        self.ask(Method::POST, &format!("{element}/clear"), json!({})).await;
        self.ask(Method::POST, &format!("{element}/value"), json!({"text": text})).await;
    }

    /// What an element is worth by this name: its value, say.
    pub(super) async fn property(&self, css: &str, name: &str) -> Option<Value> {
        let element = self.element(css).await.ok()?;
        self.try_to(Method::GET, &format!("{element}/property/{name}"), &Value::Null).await.ok()
    }

    /// What the browser has complained of since this was last asked: faults of scripts, what was
    /// blocked or missing. That the server refuses something, and says why on a page, is none.
    pub(super) async fn complaints(&self) -> Vec<String> {
        let entries = self.ask(Method::POST, "/se/log", json!({"type": "browser"})).await;
        let entries = entries.as_array().expect("a log has entries").iter();
        let messages = entries.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned());
        messages.filter(|message| !message.contains("the server responded with a status of 4")).collect()
    }

    /// What axe finds wrong with the page that keeps people from using it, as a text for each fault.
    pub(super) async fn barriers(&self) -> Vec<String> {
        assert!(Path::new(AXE).exists(), "{AXE} is not there: `make test` makes it");
        self.evaluate(&std::fs::read_to_string(AXE).expect("it can be read")).await;
        let script = "const done = arguments[arguments.length - 1]; \
                      axe.run().then(found => done(found.violations), fault => done([{impact: 'critical', id: `${fault}`, nodes: []}]))";
        let found = self.ask(Method::POST, "/execute/async", json!({"script": script, "args": []})).await;
        let found = found.as_array().expect("a list of faults").iter();
        let serious = found.filter(|fault| matches!(fault["impact"].as_str(), Some("serious" | "critical")));
        serious
            .map(|fault| {
                let nodes = fault["nodes"].as_array().into_iter().flatten();
                let places: Vec<String> =
                    nodes.map(|node| format!("{} {}", node["html"], node["failureSummary"])).collect();
                format!("{}: {}", fault["id"], places.join("; "))
            })
            .collect()
    }

    /// Keeps a picture of the whole page, also of what the window does not show.
    pub(super) async fn whole_picture(&self, name: &str) {
        let wanted = json!({"cmd": "Page.captureScreenshot", "params": {"captureBeyondViewport": true}});
        let picture = self.ask(Method::POST, "/goog/cdp/execute", wanted).await;
        keep(picture["data"].as_str().expect("a picture"), name);
    }

    /// Keeps a picture of the window, and gives its file.
    pub(super) async fn picture(&self, name: &str) -> PathBuf {
        let picture = self.ask(Method::GET, "/screenshot", Value::Null).await;
        keep(picture.as_str().expect("a picture"), name)
    }
}

/// Keeps a picture that came as base64, and gives its file.
fn keep(picture: &str, name: &str) -> PathBuf {
    let png = BASE64_STANDARD.decode(picture).expect("it is base64");
    let path = PathBuf::from(PICTURES).join(format!("{name}.png"));
    std::fs::create_dir_all(PICTURES).expect("a folder can be made");
    std::fs::write(&path, png).expect("a picture can be kept");
    path
}

impl Drop for Browser {
    /// Ends the driver and the browser, which is of its process group and outlives it otherwise.
    fn drop(&mut self) {
        let end = format!("kill -KILL -{}", self.driver.id());
        let _ = Command::new("sh").args(["-c", &end]).status();
        let _ = self.driver.wait();
    }
}
