//! Signing in, by a key or a link, and out.

use reqwest::Method;

use super::super::browser::{Browser, View};
use super::super::client::{Client, trusting};
use super::super::server::{Home, until};
use super::{Desk, VIEWS, people};

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
