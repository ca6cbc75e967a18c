//! The console in a real browser: journeys, each on a desk by day and on a telephone at night.

mod addresses;
mod sign_in;
mod upkeep;
mod users;

use serde_json::{Value, json};

use super::browser::{Browser, View};
use super::client::{Client, User};
use super::server::{Home, Server, until};

const VIEWS: [(&str, View); 2] = [
    ("desktop", View { phone: false, dark: false, scriptless: false }),
    ("phone", View { phone: true, dark: true, scriptless: false }),
];

/// An operator before a browser, signed in.
struct Desk {
    browser: Browser,
    client: Client,
    server: Server,
    home: Home,
    key: String,
    /// What the pictures of this view are called.
    view: &'static str,
}

impl Desk {
    async fn signed_in(view: &'static str, how: View) -> Self {
        let home = Home::new();
        let server = home.serve(&["--mail", "file:mail"]);
        let key = home.key("admin");
        let client = Client::new(&server, &key);
        let browser = Browser::open(how).await;
        let desk = Self { browser, client, server, home, key, view };
        desk.go("").await;
        desk.browser.reads("Sign in").await;
        desk.browser.enter("#key", &desk.key).await;
        desk.browser.click("main button").await;
        desk.browser.reads("Overview").await;
        desk
    }

    async fn go(&self, path: &str) {
        self.browser.go(&format!("{}/console{path}", self.server.url)).await;
    }

    /// Goes to a page and waits for its heading.
    async fn visit(&self, path: &str, heading: &str) {
        self.go(path).await;
        self.browser.reads(heading).await;
    }

    /// Waits until the page says that something was done.
    async fn told(&self, notice: &str) {
        until(Some(notice.to_owned()), async || self.browser.text(".notice").await).await;
    }

    /// Waits until an element reads like this.
    async fn shows(&self, css: &str, text: &str) {
        until(Some(text.to_owned()), async || self.browser.text(css).await).await;
    }

    /// Looks at a page as a whole: a picture is kept, nothing is beyond the window's edge, and nothing
    /// on it keeps people from using it.
    async fn inspect(&self, name: &str) {
        self.browser.whole_picture(&format!("console-{}-{name}", self.view)).await;
        let beyond = "return document.documentElement.scrollWidth - innerWidth";
        let beyond = self.browser.evaluate(beyond).await.as_i64().unwrap();
        assert!(beyond <= 0, "{name} on the {}: {beyond} pixels are beyond the edge", self.view);
        assert_eq!(self.browser.barriers().await, Vec::<String>::new(), "{name} on the {}", self.view);
    }

    /// The end of a journey on which the browser had nothing to complain of.
    async fn leave(self) {
        assert_eq!(self.browser.complaints().await, Vec::<String>::new());
        assert!(!self.server.stderr().contains("ERROR"), "{}", self.server.stderr());
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        self.client.post(path, Some(&body)).await.unwrap().json().await.unwrap()
    }

    async fn get(&self, path: &str) -> Value {
        self.client.get(path).await.unwrap().json().await.unwrap()
    }

    /// Opens what is closed. A summary is all that can be pressed of it.
    async fn open(&self, css: &str) {
        self.browser.click(&format!("{css} summary")).await;
    }
}

/// Some people.
async fn people(desk: &Desk) -> Vec<User> {
    let names = [("Ada", "Lovelace"), ("Grace", "Hopper"), ("Katherine", "Johnson"), ("Radia", "Perlman")];
    let mut users = Vec::new();
    for (number, (given, family)) in names.into_iter().enumerate() {
        let email = format!("{}@example.com", given.to_lowercase());
        let body = json!({
            "email": email, "email_verified": number % 2 == 1, "given_name": given, "family_name": family
        });
        users.push(User::of(&desk.post("/api/users", body).await));
    }
    users
}
