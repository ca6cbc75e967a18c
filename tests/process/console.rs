//! The console in a real browser: nine journeys, each on a desk by day and on a telephone at night.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::browser::{Browser, View};
use super::client::{Client, User, trusting};
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

#[tokio::test]
async fn who_signs_in_by_a_key_or_a_link_sees_the_figures_and_signs_out() {
    for (name, view) in VIEWS {
        let desk = Desk::signed_in(name, view).await;
        people(&desk).await;
        desk.visit("", "Overview").await;
        desk.shows(".tile .figure", "4").await;
        desk.inspect("overview").await;
        desk.browser.click(".who button").await;
        desk.browser.reads("Sign in").await;
        desk.inspect("sign-in").await;
        desk.go("/users").await;
        desk.browser.reads("Sign in").await;
        desk.browser.enter("#key", "bf_wrong").await;
        desk.browser.click("main button").await;
        desk.shows("[role=alert]", "This is not a key, or it is revoked or expired.").await;

        let link = desk.home.prints(&["console-link", "--name", "Ada", "--public-url", &desk.server.url]);
        let sign_in = async || {
            desk.browser.go(link.trim_end()).await;
            desk.browser.reads("Sign in").await;
            desk.inspect("sign-in-link").await;
            desk.browser.click("main button").await;
        };
        sign_in().await;
        desk.browser.reads("Overview").await;
        desk.shows(".who bdi", "Ada").await;
        desk.browser.click(".who button").await;
        desk.browser.reads("Sign in").await;
        sign_in().await;
        desk.browser.reads("This link does not work any more").await;
        assert!(!desk.server.stderr().contains(link.rsplit('/').next().unwrap().trim_end()));
        desk.leave().await;
    }
}

#[tokio::test]
async fn users_are_found_by_words_and_by_conditions() {
    for (name, view) in VIEWS {
        let desk = Desk::signed_in(name, view).await;
        people(&desk).await;
        for number in 0..30 {
            desk.client.create(&format!("person{number}@work.example")).await;
        }
        desk.browser.click("nav a[href$='/users']").await;
        desk.browser.reads("Users").await;
        desk.shows(".pager .quiet", "1–25 of 34").await;
        desk.inspect("users").await;
        desk.browser.click("a[rel=next]").await;
        desk.shows(".pager .quiet", "26–34 of 34").await;
        // Exchanged, and the address with it.
        assert!(desk.browser.url().await.contains("page=2"));
        desk.browser.replace("#filter", "hopper").await;
        desk.browser.click(".search button").await;
        desk.shows(".pager .quiet", "1–1 of 1").await;
        desk.shows(".list td a", "Grace Hopper").await;
        desk.browser.replace("#filter", "emails.verified:maybe").await;
        desk.browser.click(".search button").await;
        until(true, async || {
            let fault = desk.browser.text("[role=alert]").await;
            fault.is_some_and(|fault| fault.contains("The filter is wrong at character"))
        })
        .await;
        desk.open(".help").await;
        desk.inspect("users-fault").await;
        desk.browser.replace("#filter", "emails.domain:example.com emails.verified:false\u{e007}").await;
        desk.shows(".pager .quiet", "1–2 of 2").await;
        desk.browser.click(".list td a").await;
        // They came within the same second, so either may be the first.
        until(true, async || {
            let heading = desk.browser.text("h1").await;
            heading.is_some_and(|name| ["Ada Lovelace active", "Katherine Johnson active"].contains(&&*name))
        })
        .await;
        desk.leave().await;
    }
}

#[tokio::test]
async fn a_user_is_made_by_the_keyboard_and_what_is_wrong_is_told_beside_the_field() {
    for (name, view) in VIEWS {
        let desk = Desk::signed_in(name, view).await;
        people(&desk).await;
        desk.visit("/users", "Users").await;
        desk.browser.click(".search a").await;
        desk.browser.reads("New user").await;
        desk.inspect("new-user").await;
        // Enter sends the form.
        desk.browser.enter("#email", "grace@example.com").await;
        desk.browser.click("input[name=email_verified]").await;
        desk.browser.enter("#phone_number", "12\u{e007}").await;
        until(true, async || {
            let fault = desk.browser.text("#phone_number-fault").await;
            fault.is_some_and(|fault| fault.contains("A phone number is a +"))
        })
        .await;
        assert_eq!(desk.browser.evaluate("return document.activeElement.id").await, "phone_number");
        desk.browser.replace("#phone_number", "+441514960453\u{e007}").await;
        desk.shows("#email-fault", "This email address is already taken.").await;
        desk.inspect("new-user-fault").await;
        desk.browser.replace("#email", "mary@example.com").await;
        desk.browser.enter("#name", "Mary Jackson\u{e007}").await;
        desk.browser.reads("Mary Jackson active").await;
        desk.told("The user was created.").await;
        assert_eq!(desk.get("/api/users?filter=mary").await[0]["emails"][0]["verified"], true);
        desk.leave().await;
    }
}

#[tokio::test]
async fn an_address_is_verified_and_unverified_with_a_reason_that_its_history_tells() {
    for (name, view) in VIEWS {
        let desk = Desk::signed_in(name, view).await;
        let user = people(&desk).await.remove(0);
        desk.visit(&format!("/users/{}", user.id), "Ada Lovelace active").await;
        desk.inspect("user").await;
        desk.browser.enter(".row input[name=reason]", "She called us").await;
        desk.browser.click("button[value=verify-email]").await;
        desk.told("The address is verified.").await;
        assert!(desk.client.is_verified(&user).await);
        desk.browser.enter(".row input[name=reason]", "It bounced").await;
        desk.browser.click("button[value=unverify-email]").await;
        desk.told("The address is not verified any more.").await;
        assert!(!desk.client.is_verified(&user).await);
        desk.browser.click(".row a").await;
        desk.browser.reads("History of ada@example.com").await;
        desk.shows(".list tr:nth-child(1) strong", "Email unverified").await;
        desk.shows(".list tr:nth-child(2) .quiet", "“She called us”").await;
        desk.inspect("history").await;
        desk.leave().await;
    }
}

#[tokio::test]
async fn addresses_come_and_go_and_mail_asks_for_their_proof() {
    for (name, view) in VIEWS {
        let desk = Desk::signed_in(name, view).await;
        let user = people(&desk).await.remove(0);
        let document = async || desk.get(&format!("/api/users/{}", user.id)).await;
        desk.visit(&format!("/users/{}", user.id), "Ada Lovelace active").await;
        desk.browser.enter("#new-email", "ada@work.example").await;
        desk.browser.click("button[value=add-email]").await;
        desk.shows(".row:nth-of-type(2) .what bdi", "ada@work.example").await;
        desk.browser.click("button[value=primary-email]").await;
        desk.told("The address is the primary one.").await;
        assert_eq!(document().await["emails"][1]["primary"], true);
        desk.browser.click("button[value=send-mail]").await;
        desk.told("A mail is on its way.").await;
        until(1, async || std::fs::read_dir(desk.home.path("mail")).map_or(0, Iterator::count)).await;
        desk.open(".row .sure").await;
        desk.inspect("user-removing").await;
        desk.browser.click("button[value=remove-email]").await;
        desk.told("It was removed.").await;
        assert_eq!(document().await["emails"].as_array().unwrap().len(), 1);
        desk.browser.enter("#new-phone", "12").await;
        desk.browser.click("button[value=add-phone]").await;
        until(true, async || {
            let fault = desk.browser.text("[role=alert]").await;
            fault.is_some_and(|fault| fault.contains("A phone number is a +"))
        })
        .await;
        desk.browser.enter("#new-phone", "+441514960453").await;
        desk.browser.click("button[value=add-phone]").await;
        desk.told("It was added.").await;
        desk.browser.click("button[value=verify-phone]").await;
        desk.told("The address is verified.").await;
        assert_eq!(document().await["phone_numbers"][0]["verified"], true);
        desk.leave().await;
    }
}

#[tokio::test]
async fn a_user_is_disabled_given_a_link_for_a_password_and_deleted() {
    for (name, view) in VIEWS {
        let desk = Desk::signed_in(name, view).await;
        let user = people(&desk).await.remove(0);
        desk.visit(&format!("/users/{}", user.id), "Ada Lovelace active").await;
        desk.browser.click("button[value=disable]").await;
        desk.browser.reads("Ada Lovelace disabled").await;
        desk.browser.click("button[value=enable]").await;
        desk.browser.reads("Ada Lovelace active").await;
        desk.browser.click("button[value=reset-link]").await;
        let link = async || desk.browser.property("#link", "value").await;
        until(true, async || link().await.is_some_and(|link| link.as_str().unwrap().contains("/reset/")))
            .await;
        desk.inspect("user-reset-link").await;
        let link = link().await.unwrap();
        let page = trusting([]).build().unwrap().get(link.as_str().unwrap()).send().await.unwrap();
        assert_eq!(page.status(), StatusCode::OK);

        let confirm = async |text: &str| {
            desk.open("section[aria-labelledby=delete]").await;
            desk.browser.enter("#confirmation", text).await;
            desk.browser.click("button[value=delete]").await;
        };
        confirm("Ada Lovelace").await;
        let told = "What was typed is not what is asked for, and nothing was deleted.";
        desk.shows("[role=alert] li", told).await;
        confirm("ada@example.com").await;
        desk.browser.reads("Users").await;
        desk.told("It was deleted.").await;
        let gone = desk.client.get(&format!("/api/users/{}", user.id)).await.unwrap();
        assert_eq!(gone.status(), StatusCode::NOT_FOUND);
        desk.visit(&format!("/users/{}", user.id), "This did not work").await;
        desk.inspect("user-gone").await;
        desk.leave().await;
    }
}

#[tokio::test]
async fn claims_and_data_are_edited_as_a_form_and_as_json() {
    for (name, view) in VIEWS {
        let desk = Desk::signed_in(name, view).await;
        let user = people(&desk).await.remove(0);
        let document = async || desk.get(&format!("/api/users/{}", user.id)).await;
        desk.visit(&format!("/users/{}", user.id), "Ada Lovelace active").await;
        desk.open("section[aria-labelledby=claims]").await;
        desk.inspect("user-claims").await;
        desk.browser.enter("#claim-birthdate", "soon").await;
        desk.browser.click("button[value=claims]").await;
        let told = "birthdate: This is not a date of the form YYYY-MM-DD.";
        desk.shows("[role=alert] li", told).await;
        desk.open("section[aria-labelledby=claims]").await;
        desk.browser.enter("#claim-birthdate", "1815-12-10").await;
        desk.browser.click("button[value=claims]").await;
        desk.told("It was saved.").await;
        assert_eq!(document().await["claims"]["birthdate"], "1815-12-10");
        desk.browser.replace("#json-claims", "{\"name\": ").await;
        desk.browser.click("button[value=claims-json]").await;
        until(true, async || {
            let fault = desk.browser.text("[role=alert] li").await;
            fault.is_some_and(|fault| fault.contains("line 1, column 9"))
        })
        .await;
        desk.browser.replace("#json-claims", "{\"name\": \"Countess\"}").await;
        desk.browser.click("button[value=claims-json]").await;
        desk.browser.reads("Countess active").await;
        assert_eq!(document().await["claims"], json!({"name": "Countess"}));
        desk.browser.enter("#private-entry input[name=key]", "seats").await;
        desk.browser.enter("#private-entry input[name=value]", "5").await;
        desk.browser.click("button[value=private]").await;
        desk.shows("section[aria-labelledby=private] li code", "seats").await;
        assert_eq!(document().await["private_data"], json!({"seats": 5}));
        desk.leave().await;
    }
}

#[tokio::test]
async fn groups_are_made_and_users_come_and_go() {
    for (name, view) in VIEWS {
        let desk = Desk::signed_in(name, view).await;
        let user = people(&desk).await.remove(0);
        desk.browser.click("nav a[href$='/groups']").await;
        desk.browser.reads("Groups").await;
        desk.browser.enter("#name", "Support").await;
        desk.browser.enter("#description", "Those who answer").await;
        desk.browser.click("main section button").await;
        desk.browser.reads("Support").await;
        desk.browser.enter("#user", "nobody@example.com").await;
        desk.browser.click("button[value=add]").await;
        desk.shows("[role=alert] li", "Nobody has this email address.").await;
        desk.browser.enter("#user", "ada@example.com").await;
        desk.browser.click("button[value=add]").await;
        desk.shows(".list td a", "Ada Lovelace").await;
        desk.inspect("group").await;
        desk.visit("/groups", "Groups").await;
        desk.inspect("groups").await;
        desk.visit(&format!("/users/{}", user.id), "Ada Lovelace active").await;
        desk.shows(".plain-list a", "Support").await;
        desk.browser.click("button[value=leave]").await;
        desk.told("It was removed.").await;
        let group = desk.get("/api/groups").await[0].clone();
        assert_eq!((&group["name"], &group["users_assigned"]), (&json!("Support"), &json!(0)));
        desk.leave().await;
    }
}

#[tokio::test]
async fn keys_settings_mails_and_events_are_looked_after() {
    for (name, view) in VIEWS {
        let desk = Desk::signed_in(name, view).await;
        people(&desk).await;
        desk.browser.click("nav a[href$='/keys']").await;
        desk.browser.reads("API keys").await;
        desk.browser.enter("#name", "sign-up").await;
        desk.browser.click("input[value='users:read']").await;
        desk.browser.click("button[value=create]").await;
        desk.browser.reads("The new key").await;
        desk.inspect("key").await;
        let key = desk.browser.property("#key", "value").await.unwrap();
        let reader = Client::new(&desk.server, key.as_str().unwrap());
        assert_eq!(reader.list_status().await, StatusCode::OK);
        desk.browser.click("main a.button").await;
        desk.browser.reads("API keys").await;
        desk.inspect("keys").await;
        let id = key.as_str().unwrap().split('_').nth(1).unwrap().to_owned();
        let rows = format!(
            "[...document.querySelectorAll('tbody tr')].findIndex(row => row.innerHTML.includes('{id}'))"
        );
        let row = desk.browser.evaluate(&format!("return {rows}")).await.as_u64().unwrap() + 1;
        let of_it = |form: &str| format!("tbody tr:nth-child({row}) .{form}");
        desk.open(&of_it("rotate")).await;
        desk.inspect("keys-rotating").await;
        desk.browser.click(&format!("{} button", of_it("rotate"))).await;
        desk.browser.reads("The new secret").await;
        let rotated = desk.browser.property("#key", "value").await.unwrap();
        let rotated = Client::new(&desk.server, rotated.as_str().unwrap());
        assert_eq!(
            (rotated.list_status().await, reader.list_status().await),
            (StatusCode::OK, StatusCode::OK)
        );
        desk.browser.click("main a.button").await;
        desk.browser.reads("API keys").await;
        desk.open(&of_it("revoke")).await;
        desk.browser.click(&format!("{} button", of_it("revoke"))).await;
        desk.told("The key is revoked.").await;
        for ended in [&reader, &rotated] {
            until(StatusCode::UNAUTHORIZED, async || ended.list_status().await).await;
        }

        desk.visit("/settings", "Settings of default").await;
        desk.inspect("settings").await;
        desk.browser.replace("#display_name", "Acme").await;
        desk.browser.replace("#link_expiry", "1").await;
        desk.browser.click("main button").await;
        desk.shows("[role=alert] li", "link_expiry: this is a number of seconds from 60 to 604800.").await;
        desk.browser.replace("#link_expiry", "7200").await;
        desk.browser.click("main button").await;
        desk.told("It was saved.").await;
        assert!(desk.home.prints(&["tenants", "show", "default"]).contains("display_name=Acme\n"));

        desk.visit("/mail", "Mail").await;
        desk.shows("section strong", "Verify your email address for Example").await;
        desk.inspect("mail").await;
        desk.visit("/events", "Events").await;
        desk.inspect("events").await;
        desk.visit("/events?type=user.email.verified", "Events").await;
        desk.shows(".list strong", "Email verified").await;
        assert_eq!(desk.browser.evaluate("return document.querySelectorAll('tbody tr').length").await, 2);
        desk.leave().await;
    }
}

#[tokio::test]
async fn the_console_is_of_use_without_scripts() {
    let home = Home::new();
    let server = home.serve(&[]);
    let key = home.key("admin");
    let client = Client::new(&server, &key);
    let user = client.create("ada@example.com").await;
    let browser = Browser::open(View { phone: true, dark: true, scriptless: true }).await;
    browser.go(&format!("{}/console", server.url)).await;
    browser.enter("#key", &key).await;
    browser.click("main button").await;
    browser.reads("Overview").await;
    browser.click("nav a[href$='/users']").await;
    browser.reads("Users").await;
    browser.click(".list td a").await;
    browser.reads("ada@example.com active").await;
    browser.click("button[value=verify-email]").await;
    until(Some("The address is verified.".to_owned()), async || browser.text(".notice").await).await;
    assert!(client.is_verified(&user).await);
}

#[tokio::test]
async fn a_link_signs_one_of_many_in_who_use_it_at_once() {
    let home = Home::new();
    let server = home.serve(&[]);
    home.key("admin");
    let complaint = home.complains(&["console-link", "--tenant", "nowhere"]);
    assert!(complaint.contains("bonafide tenants create nowhere"), "{complaint}");
    let complaint = home.complains(&["console-link", "--name", ""]);
    assert!(complaint.contains("name"), "{complaint}");
    let link = home.prints(&["console-link", "--public-url", &server.url]);
    let http = trusting([]).redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let ask = |method: Method, form: String| {
        let request = http.request(method, link.trim_end()).body(form);
        request.header("content-type", "application/x-www-form-urlencoded").send()
    };
    // Programs that look at links use nothing up.
    let page = ask(Method::GET, String::new()).await.unwrap().text().await.unwrap();
    ask(Method::POST, String::new()).await.unwrap();
    let (_, rest) = page.split_once("name=\"form\" value=\"").unwrap();
    let form = format!("form={}", rest.split_once('"').unwrap().0);
    let uses = futures_util::future::join_all((0..8).map(|_| ask(Method::POST, form.clone()))).await;
    let signed_in: Vec<_> = uses
        .into_iter()
        .map(|answer| answer.unwrap())
        .filter(|answer| answer.headers().contains_key("set-cookie"))
        .collect();
    assert_eq!(signed_in.len(), 1);
    let listed = home.prints(&["keys", "list"]);
    assert_eq!(listed.matches("\"console\"").count(), 1, "{listed}");
}
