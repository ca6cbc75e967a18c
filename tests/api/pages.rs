//! The pages that links lead to: what each link is good for, and that looking changes nothing.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use bonafide::api::RemoteAddress;
use serde_json::{Value, json};

use super::harness::{Answer, Api, email_path};

const FORM: &str = "application/x-www-form-urlencoded";

async fn send(api: &Api, method: Method, path: &str, form: Option<&str>) -> Answer {
    let request = Request::builder().method(method).uri(path);
    let request = match form {
        Some(form) => request.header("content-type", FORM).body(Body::from(form.to_owned())),
        None => request.body(Body::empty()),
    };
    api.send(request.unwrap()).await
}

async fn look(api: &Api, path: &str) -> Answer {
    send(api, Method::GET, path, None).await
}

/// The field of the page's form.
fn field(page: &Answer) -> String {
    let (_, rest) = page.text().split_once("name=\"form\" value=\"").expect("the page has a form");
    rest.split_once('"').unwrap().0.to_owned()
}

/// Looks at the page and presses a button on it.
async fn press(api: &Api, path: &str, action: &str) -> Answer {
    let form = format!("action={action}&form={}", field(&look(api, path).await));
    send(api, Method::POST, path, Some(&form)).await
}

fn heading(page: &Answer) -> &str {
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let (_, rest) = page.text().split_once("<h1").unwrap();
    rest.split_once('>').unwrap().1.split_once("</h1>").unwrap().0
}

/// The path of the page of a new link for this address.
async fn link(api: &Api, email: &str) -> String {
    let started = api.post(&format!("/v1{email}/verify/start"), Value::Null).await.json();
    started["link"].as_str().unwrap().strip_prefix("http://localhost").unwrap().to_owned()
}

async fn a_link(api: &Api) -> (String, String) {
    let (email, _) = api.user_with_email("ada@example.com").await;
    (link(api, &email).await, email)
}

/// All that can be read of what happened and of the users.
async fn everything(api: &Api) -> (String, usize) {
    (api.get("/api/users").await.text().to_owned(), api.events().await.len())
}

async fn is_verified(api: &Api, email: &str) -> bool {
    let user = api.get(&format!("/api{}", email.split("/emails").next().unwrap())).await.json();
    user["emails"][0]["verified"] == json!(true)
}

const LIVE: &str = "Verify your email address";
const DONE: &str = "Your address is verified";
const ENDED: &str = "This link does not work any more";

#[tokio::test]
async fn a_link_shows_the_address_and_its_button_verifies_it_once() {
    let api = Api::new().await;
    let (path, email) = a_link(&api).await;
    let page = look(&api, &path).await;
    assert_eq!((page.status, heading(&page)), (StatusCode::OK, LIVE));
    assert!(page.text().contains("<bdi>ada@example.com</bdi>"));
    assert_eq!(page.text().matches("<button").count(), 1);

    let pressed = press(&api, &path, "verify").await;
    assert_eq!(pressed.status, StatusCode::SEE_OTHER);
    // Relative, so that it holds for a server that a proxy has under a path.
    assert_eq!(pressed.header("location"), path.rsplit('/').next().unwrap());
    assert!(is_verified(&api, &email).await);
    let page = look(&api, &path).await;
    assert_eq!((page.status, heading(&page)), (StatusCode::OK, DONE));
    assert!(page.text().contains("ada@example.com") && !page.text().contains("<form"));

    // It says so only as long as it is so, and by this link.
    api.post(&format!("/api{email}/unverify"), Value::Null).await.json();
    assert_eq!(heading(&look(&api, &path).await), ENDED);
    api.post(&format!("/api{email}/verify"), Value::Null).await.json();
    assert_eq!(heading(&look(&api, &path).await), ENDED);
}

#[tokio::test]
async fn looking_changes_nothing_in_whatever_way() {
    let api = Api::new().await;
    let (path, _) = a_link(&api).await;
    let before = everything(&api).await;
    for (method, status) in [
        (Method::GET, StatusCode::OK),
        (Method::GET, StatusCode::OK),
        (Method::HEAD, StatusCode::OK),
        (Method::OPTIONS, StatusCode::METHOD_NOT_ALLOWED),
        (Method::PUT, StatusCode::METHOD_NOT_ALLOWED),
        (Method::DELETE, StatusCode::METHOD_NOT_ALLOWED),
    ] {
        assert_eq!(send(&api, method.clone(), &path, None).await.status, status, "{method}");
    }
    assert_eq!(everything(&api).await, before);
    assert_eq!(heading(&look(&api, &path).await), LIVE);
}

#[tokio::test]
async fn a_press_counts_only_from_a_page_of_ours_that_is_not_too_old() {
    let api = Api::new().await;
    let (path, email) = a_link(&api).await;
    let (other, _) = {
        let (email, _) = api.user_with_email("eve@example.com").await;
        (link(&api, &email).await, email)
    };
    let before = everything(&api).await;
    let own = field(&look(&api, &path).await);
    let foreign = field(&look(&api, &other).await);
    for form in [
        None,
        Some(String::new()),
        Some("action=verify".to_owned()),
        Some(format!("form={own}")),
        Some(format!("action=verify&form={foreign}")),
        Some(format!("action=verify&form={own}0")),
        Some(format!("action=erase&form={own}")),
    ] {
        let page = send(&api, Method::POST, &path, form.as_deref()).await;
        assert_eq!((page.status, heading(&page)), (StatusCode::FORBIDDEN, LIVE), "{form:?}");
        assert!(page.text().contains("press the button again"));
    }
    // The right fields, but not as a form sends them.
    let request = Request::builder().method(Method::POST).uri(&path).header("content-type", "text/plain");
    let sent = request.body(Body::from(format!("action=verify&form={own}"))).unwrap();
    assert_eq!(api.send(sent).await.status, StatusCode::FORBIDDEN);
    api.clock.advance(3600);
    let late = send(&api, Method::POST, &path, Some(&format!("action=verify&form={own}"))).await;
    assert_eq!(late.status, StatusCode::FORBIDDEN);
    assert_eq!(everything(&api).await, before);
    // The page that came back is a fresh one.
    let again = format!("action=verify&form={}", field(&late));
    assert_eq!(send(&api, Method::POST, &path, Some(&again)).await.status, StatusCode::SEE_OTHER);
    assert!(is_verified(&api, &email).await);
}

#[tokio::test]
async fn links_that_do_not_work_look_alike_whatever_the_reason() {
    let api = Api::with_mail().await;
    let (expired, _) = a_link(&api).await;
    let (email, _) = api.user_with_email("grace@example.com").await;
    let replaced = link(&api, &email).await;
    api.clock.advance(7 * 86_400);
    let current = link(&api, &email).await;
    let (gone_email, _) = api.user_with_email("gone@example.com").await;
    let gone = link(&api, &gone_email).await;
    api.delete(&format!("/api{gone_email}")).await;
    let (used_email, _) = api.user_with_email("used@example.com").await;
    let used = link(&api, &used_email).await;
    press(&api, &used, "verify").await;
    api.post(&format!("/api{used_email}/unverify"), Value::Null).await.json();
    let wrong_secret = format!("{}_{}", current.split_once('_').unwrap().0, "A".repeat(43));
    let unknown = format!("/verify/{}_{}", "A".repeat(12), "A".repeat(43));
    let mut pages = Vec::new();
    for path in [
        &expired,
        &replaced,
        &gone,
        &used,
        &wrong_secret,
        &unknown,
        "/verify/x",
        "/verify/%00%ff",
        "/verify/%C3%A4",
    ] {
        let page = look(&api, path).await;
        assert_eq!((page.status, heading(&page)), (StatusCode::NOT_FOUND, ENDED), "{path}");
        let headers: Vec<_> = page.headers.keys().map(ToString::to_string).collect();
        pages.push((page.text().replace(&field(&page), "FIELD"), headers));
        // So does what comes of their buttons.
        let pressed = press(&api, path, "verify").await;
        assert_eq!((pressed.status, heading(&pressed)), (StatusCode::NOT_FOUND, ENDED));
        let asked = press(&api, path, "again").await;
        assert_eq!((asked.status, heading(&asked)), (StatusCode::OK, "Look into your mail"));
    }
    assert!(pages.iter().all(|page| page == &pages[0]));
    assert!(!pages[0].0.contains("example.com") && !pages[0].0.contains("localhost"));
}

#[tokio::test]
async fn a_server_without_mail_offers_no_new_one() {
    let api = Api::new().await;
    for path in ["/verify/none", "/reset/none"] {
        let page = look(&api, path).await;
        assert_eq!((page.status, heading(&page)), (StatusCode::NOT_FOUND, ENDED));
        assert!(!page.text().contains("<form") && !page.text().contains("<button"));
    }
}

#[tokio::test]
async fn a_page_speaks_in_the_name_of_the_servers_host_until_the_tenant_has_chosen_one() {
    let api = Api::new().await;
    let (path, _) = a_link(&api).await;
    assert!(look(&api, &path).await.text().contains("<bdi>localhost</bdi>"));
    api.choose(&[("display_name", "Acme")]).await;
    assert!(look(&api, &path).await.text().contains("<bdi>Acme</bdi>"));
}

#[tokio::test]
async fn who_comes_too_late_can_ask_for_another_mail() {
    let api = Api::with_mail().await;
    let (email, _) = api.user_with_email("ada@example.com").await;
    let expired = link(&api, &email).await;
    api.clock.advance(86_400);
    let before = api.sent().await.len();
    let asked = press(&api, &expired, "again").await;
    assert_eq!((asked.status, heading(&asked)), (StatusCode::OK, "Look into your mail"));
    let mails = api.sent().await;
    assert_eq!(mails.len(), before + 1);
    let page = look(&api, &format!("/verify/{}", super::harness::token_in(&mails[before], "verify"))).await;
    assert_eq!(heading(&page), LIVE);
    // Beyond what an address may get it looks alike and nothing is sent.
    let asked = press(&api, &expired, "again").await;
    assert_eq!((asked.status, heading(&asked)), (StatusCode::OK, "Look into your mail"));
    assert_eq!(api.sent().await.len(), before + 1);
}

/// Else the time of the answer would tell whether an old link is still one of an unverified address.
#[tokio::test]
async fn who_asks_for_another_mail_is_answered_before_anything_is_done_about_it() {
    let api = Api::with_mail().await;
    let (email, _) = api.user_with_email("ada@example.com").await;
    let expired = link(&api, &email).await;
    api.clock.advance(86_400);
    let before = api.sent().await.len();
    let asking = tokio::time::timeout(Duration::from_secs(4), press(&api, &expired, "again"));
    let asked = api.while_no_mail_can_be_left(asking).await.expect("the answer waits for the mail");
    assert_eq!((asked.status, heading(&asked)), (StatusCode::OK, "Look into your mail"));
    assert_eq!(api.sent().await.len(), before + 1);
}

#[tokio::test]
async fn an_address_that_is_anothers_by_now_cannot_be_verified_here() {
    let api = Api::new().await;
    let (path, email) = a_link(&api).await;
    let other = api.user(json!({"email": "ada@example.com"})).await;
    let theirs = email_path(&other, 0);
    api.post(&format!("/api{theirs}/verify"), Value::Null).await.json();
    let before = everything(&api).await;
    // Looking does not tell that the address is known.
    assert_eq!(heading(&look(&api, &path).await), LIVE);
    let page = press(&api, &path, "verify").await;
    assert_eq!((page.status, heading(&page)), (StatusCode::CONFLICT, "This address cannot be verified here"));
    assert_eq!(everything(&api).await, before);
    assert!(!is_verified(&api, &email).await);
}

#[tokio::test]
async fn every_page_keeps_itself_and_its_address_to_the_browser() {
    let api = Api::new().await;
    let (path, _) = a_link(&api).await;
    for page in [
        look(&api, &path).await,
        press(&api, &path, "verify").await,
        look(&api, &path).await,
        look(&api, "/verify/none").await,
        look(&api, "/reset/none").await,
        send(&api, Method::DELETE, &path, None).await,
        send(&api, Method::POST, &path, Some(&"a".repeat(100_000))).await,
    ] {
        for (name, value) in [
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("x-robots-tag", "noindex, nofollow"),
        ] {
            assert_eq!(page.header(name), value);
        }
        assert_eq!(page.header("x-request-id").len(), 32);
        if page.status != StatusCode::SEE_OTHER {
            let policy = page.header("content-security-policy");
            assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
            for part in ["form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"] {
                assert!(policy.contains(part), "{policy}");
            }
            assert!(!page.text().contains("http://") && !page.text().contains("https://"));
        }
    }
}

#[tokio::test]
async fn what_fails_is_told_by_a_page_with_the_requests_id() {
    let api = Api::new().await;
    let (path, _) = a_link(&api).await;
    for (page, status) in [
        (send(&api, Method::DELETE, &path, None).await, StatusCode::METHOD_NOT_ALLOWED),
        (send(&api, Method::POST, &path, Some(&"a".repeat(100_000))).await, StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        assert_eq!((page.status, heading(&page)), (status, "This did not work"));
        assert!(page.text().contains(page.header("x-request-id")));
    }
    assert_eq!(look(&api, "/verify").await.status, StatusCode::NOT_FOUND);
    look(&api, "/verify/a/b").await.problem(StatusCode::NOT_FOUND);
    look(&api, "/dev/mailbox").await.problem(StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_source_has_twenty_pages_a_minute() {
    let api = Api::new().await;
    let look_from = async |source: &str, path: &str| {
        let mut request = Request::get(path).body(Body::empty()).unwrap();
        request.extensions_mut().insert(RemoteAddress(source.parse().unwrap()));
        api.send(request).await
    };
    for number in 0..20 {
        let page = if number % 2 == 0 { "/verify/none" } else { "/reset/none" };
        assert_eq!(look_from("192.0.2.1", page).await.status, StatusCode::NOT_FOUND);
    }
    let page = look_from("192.0.2.1", "/verify/none").await;
    assert_eq!((page.status, heading(&page)), (StatusCode::TOO_MANY_REQUESTS, "That was too often"));
    assert_eq!(page.header("retry-after"), "60");
    assert!(page.text().contains("60 seconds"));
    assert_eq!(look_from("192.0.2.2", "/verify/none").await.status, StatusCode::NOT_FOUND);
    // The API is not a page.
    assert_eq!(look_from("192.0.2.1", "/healthz").await.status, StatusCode::OK);
    api.clock.advance(60);
    assert_eq!(look_from("192.0.2.1", "/verify/none").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_password_is_set_once_by_a_link_and_a_faulty_one_does_not_use_it_up() {
    let api = Api::new().await;
    let user = api.user(json!({"email": "ada@example.com", "password": "battery-staple"})).await;
    let id = user["user_id"].as_str().unwrap();
    let reset = api.post(&format!("/api/users/{id}/password/reset"), Value::Null).await.json();
    let path = reset["link"].as_str().unwrap().strip_prefix("http://localhost").unwrap().to_owned();
    let before = everything(&api).await;
    let page = look(&api, &path).await;
    assert_eq!((page.status, heading(&page)), (StatusCode::OK, "Set a new password"));
    let form = field(&page);
    for (fields, status, told) in [
        (
            "password=correct-horse&repeated=correct-horse".to_owned(),
            StatusCode::FORBIDDEN,
            "open for too long",
        ),
        (
            format!("form={form}&password=short&repeated=short"),
            StatusCode::UNPROCESSABLE_ENTITY,
            "at least 8",
        ),
        (format!("form={form}&password=&repeated="), StatusCode::UNPROCESSABLE_ENTITY, "at least 8"),
        (
            format!("form={form}&password=correct-horse&repeated=other-horse"),
            StatusCode::UNPROCESSABLE_ENTITY,
            "The two are not the same.",
        ),
    ] {
        let page = send(&api, Method::POST, &path, Some(&fields)).await;
        assert_eq!((page.status, heading(&page)), (status, "Set a new password"), "{fields}");
        assert!(page.text().contains(told), "{fields}: {}", page.text());
        assert!(!page.text().contains("correct-horse"));
    }
    assert_eq!(everything(&api).await, before);

    let fields = format!("form={form}&password=correct-horse&repeated=correct-horse");
    let page = send(&api, Method::POST, &path, Some(&fields)).await;
    assert_eq!((page.status, heading(&page)), (StatusCode::OK, "Your new password is set"));
    let passwords = json!({"old_password": "correct-horse", "new_password": "battery-staple"});
    api.call(Method::PUT, &format!("/api/users/{id}/password/change"), passwords).await.json();
    let ended = look(&api, &path).await;
    assert_eq!((ended.status, heading(&ended)), (StatusCode::NOT_FOUND, ENDED));
    let page = send(&api, Method::POST, &path, Some(&fields)).await;
    assert_eq!((page.status, heading(&page)), (StatusCode::NOT_FOUND, ENDED));
    assert_eq!(look(&api, "/reset/none").await.text(), ended.text());
}
