//! The pages behind links, as people and robots come to them.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::browser::{Browser, View};
use super::client::{Client, User, trusting};
use super::dev;
use super::server::{Home, Server, until};

const DESKTOP: View = View { phone: false, dark: false, scriptless: false };
const PHONE: View = View { phone: true, dark: false, scriptless: false };
/// A telephone at night whose owner lets no script run.
const SCRIPTLESS: View = View { phone: true, dark: true, scriptless: true };

/// The sample user's address, from the mailbox to the page that says that it is verified.
async fn walk(view: View, name: &str, by_html: bool) {
    let home = Home::new();
    let server = home.serve(&["--dev"]);
    let lines = dev::curl_lines(&server);
    home.prints(&["tenants", "set", "default", "display_name=Acme"]);
    assert_eq!(dev::run(&home, &lines[2])["email_sent"], true);
    let key = std::fs::read_to_string(home.path("data/dev-key")).unwrap();
    let client = Client::new(&server, key.trim_end());
    let id = std::fs::read_to_string(home.path("data/dev-user")).unwrap().trim_end().to_owned();
    let user = User { id, email_id: String::new() };

    let browser = Browser::open(view).await;
    let mailbox = format!("{}/dev/mailbox", server.url);
    until(Some("Verify your email address for Acme".to_owned()), async || {
        browser.go(&mailbox).await;
        browser.text(".mails a").await
    })
    .await;
    browser.picture(&format!("{name}-1-mailbox")).await;
    browser.click(".mails a").await;
    browser.reads("Verify your email address for Acme").await;
    browser.picture(&format!("{name}-2-mail")).await;
    if by_html {
        browser.click("a[href$='/html']").await;
        browser.reads("Verify your email address").await;
        browser.picture(&format!("{name}-3-mail-as-html")).await;
        browser.click("a[href*='/verify/']").await;
    } else {
        browser.click("pre a").await;
    }
    until(Some("Yes, verify this address".to_owned()), async || browser.text("button").await).await;
    assert_eq!(browser.text("strong").await.unwrap(), "sample.user@example.com");
    assert_eq!(browser.text(".tenant").await.unwrap(), "Acme");
    browser.picture(&format!("{name}-4-verify")).await;
    assert!(!client.is_verified(&user).await);
    let page = browser.url().await;
    assert!(page.starts_with(&format!("{}/verify/", server.url)));

    browser.click("button").await;
    browser.reads("Your address is verified").await;
    browser.picture(&format!("{name}-5-verified")).await;
    assert!(client.is_verified(&user).await);
    // Reloading it says the same, and so does the link in the mail.
    assert_eq!(browser.url().await, page);
    browser.go(&page).await;
    browser.reads("Your address is verified").await;
    if !view.scriptless {
        let fits = "return document.documentElement.scrollWidth <= innerWidth";
        assert_eq!(browser.evaluate(fits).await, true);
        let dark = "return matchMedia('(prefers-color-scheme: dark)').matches";
        assert_eq!(browser.evaluate(dark).await, view.dark);
    }
    let log = server.stderr();
    let token = page.rsplit('/').next().unwrap();
    assert!(!log.contains(token) && !log.contains("sample.user"), "{log}");
}

#[tokio::test]
async fn an_address_is_proved_in_a_browser_on_a_desk() {
    walk(DESKTOP, "desktop", false).await;
}

#[tokio::test]
async fn an_address_is_proved_in_a_browser_on_a_telephone() {
    walk(PHONE, "phone", true).await;
}

#[tokio::test]
async fn an_address_is_proved_in_a_browser_without_scripts_in_the_dark() {
    walk(SCRIPTLESS, "scriptless", true).await;
}

/// A server, a client that may do everything, and a user.
async fn served(home: &Home, arguments: &[&str]) -> (Server, Client, User) {
    let server = home.serve(arguments);
    let client = Client::new(&server, &home.key("admin"));
    let user = client.create("ada@example.com").await;
    (server, client, user)
}

async fn posted(client: &Client, path: &str, body: Value) -> Value {
    client.post(path, Some(&body)).await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn a_password_is_reset_in_a_browser() {
    let home = Home::new();
    let (server, client, user) = served(&home, &[]).await;
    home.prints(&["tenants", "set", "default", "display_name=Acme & Söhne"]);
    let reset = posted(&client, &format!("/api/users/{}/password/reset", user.id), json!({})).await;
    let link = reset["link"].as_str().unwrap();
    let browser = Browser::open(PHONE).await;
    browser.go(link).await;
    assert_eq!(browser.title().await, "Set a new password – Acme & Söhne");
    browser.picture("reset-1").await;
    for (password, repeated, told) in [
        ("correct-horse", "correct-house", "The two are not the same."),
        ("short", "short", "A password has at least 8 characters."),
    ] {
        browser.enter("#password", password).await;
        browser.enter("#repeated", repeated).await;
        browser.click("button").await;
        until(Some(told.to_owned()), async || browser.text("[role=alert] li").await).await;
    }
    browser.picture("reset-2-faults").await;
    browser.enter("#password", "correct-horse").await;
    browser.enter("#repeated", "correct-horse").await;
    browser.click("button").await;
    browser.reads("Your new password is set").await;
    browser.go(link).await;
    browser.reads("This link does not work any more").await;
    browser.picture("reset-3-ended").await;

    let change = format!("{}/api/users/{}/password/change", server.url, user.id);
    let passwords = json!({"old_password": "correct-horse", "new_password": "battery-staple"});
    let key = home.key("passwords:write");
    let changing = trusting([]).build().unwrap().put(change).header("X-API-KEY", key).json(&passwords);
    assert_eq!(changing.send().await.unwrap().status(), StatusCode::OK);
    assert!(!server.stderr().contains("correct-horse"));
}

/// What programs do that look after a person's mail: they follow every link, more than once, in every
/// way but the button's.
#[tokio::test]
async fn a_robot_that_fetches_what_is_linked_proves_nothing_and_spoils_nothing() {
    let home = Home::new();
    let (_server, client, user) = served(&home, &["--client-address-header", "X-Forwarded-For"]).await;
    let start = user.path("verify/start").replace("/api/", "/v1/");
    let link = posted(&client, &start, json!({})).await["link"].as_str().unwrap().to_owned();
    let before: Value = client.get("/v1/events").await.unwrap().json().await.unwrap();

    let http = trusting([]).build().unwrap();
    let asked = AtomicUsize::new(0);
    let ask = |method: Method, body: Option<&'static str>| {
        // Each from an address of its own: robots have many.
        let source = format!("192.0.2.{}", asked.fetch_add(1, Ordering::Relaxed));
        let request = http.request(method, &link).header("X-Forwarded-For", source);
        let request = request.header("Sec-Purpose", "prefetch;prerender").header("Purpose", "prefetch");
        let form = "application/x-www-form-urlencoded";
        match body {
            Some(body) => request.header("Content-Type", form).body(body).send(),
            None => request.send(),
        }
    };
    let gets = join_all((0..10).map(|_| ask(Method::GET, None))).await;
    assert!(gets.iter().all(|answer| answer.as_ref().unwrap().status() == StatusCode::OK));
    for (method, body, status) in [
        (Method::HEAD, None, StatusCode::OK),
        (Method::OPTIONS, None, StatusCode::METHOD_NOT_ALLOWED),
        (Method::PUT, Some("action=verify"), StatusCode::METHOD_NOT_ALLOWED),
        (Method::POST, None, StatusCode::FORBIDDEN),
        (Method::POST, Some(""), StatusCode::FORBIDDEN),
        (Method::POST, Some("action=verify"), StatusCode::FORBIDDEN),
        (Method::POST, Some("action=verify&form=1640975400.00"), StatusCode::FORBIDDEN),
        (Method::GET, None, StatusCode::OK),
    ] {
        assert_eq!(ask(method.clone(), body).await.unwrap().status(), status, "{method} {body:?}");
    }
    let after: Value = client.get("/v1/events").await.unwrap().json().await.unwrap();
    assert_eq!(before, after);
    assert!(!client.is_verified(&user).await);

    // The person comes after the robot, and presses twice.
    let page = ask(Method::GET, None).await.unwrap().text().await.unwrap();
    let (_, rest) = page.split_once("name=\"form\" value=\"").unwrap();
    let field = rest.split_once('"').unwrap().0;
    let form = format!("action=verify&form={field}");
    let press = || {
        let request = http.post(&link).header("Content-Type", "application/x-www-form-urlencoded");
        request.header("User-Agent", "A browser").body(form.clone()).send()
    };
    for pressed in join_all([press(), press()]).await {
        let pressed = pressed.unwrap();
        assert_eq!(pressed.status(), StatusCode::OK);
        assert!(pressed.text().await.unwrap().contains("Your address is verified"));
    }
    let events = client.get("/v1/events?type=user.email.verified").await.unwrap();
    let events: Value = events.json().await.unwrap();
    assert_eq!(events.to_string().matches("\"user.email.verified\"").count(), 1, "{events}");
    assert!(events.to_string().contains("A browser"));
    assert!(client.is_verified(&user).await);
}

#[tokio::test]
async fn a_proxy_tells_who_asks_only_where_its_header_is_named() {
    let home = Home::new();
    let http = trusting([]).build().unwrap();
    for named in [true, false] {
        let options: &[&str] = if named { &["--client-address-header", "X-Real-Ip"] } else { &[] };
        let server = home.serve(options);
        let ask = async |source: usize| {
            let request = http.get(format!("{}/verify/none", server.url));
            request.header("X-Real-Ip", format!("192.0.2.{source}")).send().await.unwrap().status()
        };
        for source in 0..20 {
            assert_eq!(ask(source).await, StatusCode::NOT_FOUND);
        }
        let wanted = if named { StatusCode::NOT_FOUND } else { StatusCode::TOO_MANY_REQUESTS };
        assert_eq!(ask(20).await, wanted);
    }
}

#[tokio::test]
async fn how_many_pages_a_source_is_given_in_a_minute_can_be_chosen() {
    let (home, http) = (Home::new(), trusting([]).build().unwrap());
    let server = home.serve(&["--pages-per-minute", "2"]);
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(http.get(format!("{}/verify/none", server.url)).send().await.unwrap().status());
    }
    assert_eq!(statuses, [StatusCode::NOT_FOUND, StatusCode::NOT_FOUND, StatusCode::TOO_MANY_REQUESTS]);
    let told = home.complains(&["serve", "--pages-per-minute", "0"]);
    assert!(told.contains("--pages-per-minute"), "{told}");
}
