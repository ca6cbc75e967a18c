//! The console, as a browser without scripts goes about it.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use bonafide::api::RemoteAddress;
use bonafide::directory::api_key::Scope;
use bonafide::directory::event::{Actor, EventType};
use serde_json::{Value, json};

use super::harness::{Answer, Api};

/// Every page that only who is signed in may see.
const PAGES: [&str; 9] =
    ["", "/users", "/users/new", "/groups", "/events", "/keys", "/settings", "/mail", "/mail/verify"];

async fn send(api: &Api, method: Method, path: &str, cookie: &str, form: Option<&str>) -> Answer {
    let request = Request::builder().method(method).uri(path).header("cookie", cookie);
    let request = match form {
        Some(form) => request
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(form.to_owned())),
        None => request.body(Body::empty()),
    };
    api.send(request.unwrap()).await
}

/// The field that the forms of a page have.
fn form_of(page: &Answer) -> String {
    let (_, rest) = page.text().split_once("name=\"form\" value=\"").expect("the page has a form");
    rest.split_once('"').unwrap().0.to_owned()
}

fn encoded(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// The cookie that an answer sets.
fn cookie_of(answer: &Answer) -> String {
    answer.header("set-cookie").split(';').next().unwrap().to_owned()
}

async fn sign_in(api: &Api, key: &str) -> Answer {
    let page = send(api, Method::GET, "/console/sign-in", "", None).await;
    let form = encoded(&[("form", &form_of(&page)), ("key", key)]);
    send(api, Method::POST, "/console/sign-in", "", Some(&form)).await
}

/// Somebody who is signed in with the admin's key.
pub(crate) struct Operator<'a> {
    api: &'a Api,
    cookie: String,
    form: String,
}

impl<'a> Operator<'a> {
    pub(crate) async fn of(api: &'a Api) -> Self {
        let answer = sign_in(api, &api.admin).await;
        assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, "/console"));
        let cookie = cookie_of(&answer);
        let form = form_of(&send(api, Method::GET, "/console", &cookie, None).await);
        Self { api, cookie, form }
    }

    async fn get(&self, path: &str) -> Answer {
        send(self.api, Method::GET, &format!("/console{path}"), &self.cookie, None).await
    }

    /// The page, which must be there.
    pub(crate) async fn look(&self, path: &str) -> String {
        let page = self.get(path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}: {}", page.text());
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
        page.text().to_owned()
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let fields: Vec<_> = fields.iter().copied().chain([("form", self.form.as_str())]).collect();
        send(self.api, Method::POST, &format!("/console{path}"), &self.cookie, Some(&encoded(&fields))).await
    }

    /// Does something that must be done, and gives the page that the browser is led to.
    async fn act(&self, path: &str, fields: &[(&str, &str)]) -> String {
        let answer = self.post(path, fields).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{fields:?}: {}", answer.text());
        self.look(answer.header("location").strip_prefix("/console").unwrap()).await
    }

    /// Asks for something that is refused, and gives what the page says is wrong.
    async fn fault(&self, path: &str, fields: &[(&str, &str)], status: StatusCode) -> String {
        let page = self.post(path, fields).await;
        assert_eq!(page.status, status, "{fields:?}: {}", page.text());
        let (_, rest) = page.text().split_once("role=\"alert\"><ul>").expect("the page tells a fault");
        rest.split_once("</ul>").unwrap().0.to_owned()
    }
}

async fn user(api: &Api, id: &str) -> Value {
    api.get(&format!("/api/users/{id}")).await.json()
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

#[tokio::test]
async fn who_is_not_signed_in_is_led_to_the_sign_in() {
    let api = Api::new().await;
    for cookie in ["", "bonafide_console=x", "bonafide_console=a.1.99999999999.b.c"] {
        for page in PAGES {
            let answer = send(&api, Method::GET, &format!("/console{page}"), cookie, None).await;
            let led = (answer.status, answer.header("location"));
            assert_eq!(led, (StatusCode::SEE_OTHER, "/console/sign-in"), "{page}");
        }
        let answer = send(&api, Method::POST, "/console/keys", cookie, Some("action=create")).await;
        assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, "/console/sign-in"));
    }
}

#[tokio::test]
async fn a_key_of_the_scope_admin_is_exchanged_for_a_cookie_and_no_other_is() {
    let api = Api::new().await;
    let answer = sign_in(&api, &format!(" {} ", api.admin)).await;
    let set = answer.header("set-cookie");
    assert!(set.ends_with("; Path=/console; HttpOnly; SameSite=Strict"), "{set}");
    let secret = api.admin.rsplit_once('_').unwrap().1;
    assert!(!set.contains(secret));

    let reader = api.key(&[Scope::UsersRead, Scope::UsersWrite]).await;
    let unknown = format!("{}x", &api.admin[..api.admin.len() - 1]);
    for (key, told) in [
        (reader.as_str(), "it needs the scope admin"),
        (&unknown, "not a key, or it is revoked or expired"),
        ("", "not a key"),
        ("<b>", "not a key"),
    ] {
        let page = sign_in(&api, key).await;
        assert_eq!((page.status, page.header("set-cookie")), (StatusCode::FORBIDDEN, ""));
        assert!(page.text().contains(told) && !page.text().contains("<b>"), "{}", page.text());
    }
    // The right key, but from no page of ours.
    let form = encoded(&[("key", &api.admin)]);
    let page = send(&api, Method::POST, "/console/sign-in", "", Some(&form)).await;
    assert_eq!((page.status, page.header("set-cookie")), (StatusCode::FORBIDDEN, ""));
}

#[tokio::test]
async fn a_session_ends_with_its_time_its_key_and_the_sign_out() {
    let api = Api::new().await;
    let operator = Operator::of(&api).await;
    api.clock.advance(1800);
    let page = operator.get("/users").await;
    let renewed = cookie_of(&page);
    api.clock.advance(1801);
    assert_eq!(operator.get("/users").await.status, StatusCode::SEE_OTHER);
    let renewed = Operator { cookie: renewed, form: operator.form.clone(), api: &api };
    renewed.look("/users").await;
    // What is done does not need a page that was loaded anew.
    renewed.act("/settings", &[("display_name", "Acme")]).await;

    let out = renewed.post("/sign-out", &[]).await;
    assert_eq!((out.status, out.header("location")), (StatusCode::SEE_OTHER, "/console/sign-in"));
    assert!(out.header("set-cookie").starts_with("bonafide_console=; Max-Age=0; "));

    api.revoke_elsewhere(&api.admin).await;
    api.clock.advance(1);
    assert_eq!(renewed.get("/users").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_form_counts_only_from_a_page_of_the_same_session() {
    let api = Api::new().await;
    let created = api.user(json!({"email": "ada@example.com"})).await;
    let page = format!("/users/{}", text(&created["user_id"]));
    let (one, other) = (Operator::of(&api).await, Operator::of(&api).await);
    assert_ne!(one.form, other.form);
    let before = api.kept().await;
    for form in ["", "x", other.form.as_str()] {
        let stranger = Operator { form: form.to_owned(), cookie: one.cookie.clone(), api: &api };
        for (path, fields) in [
            (page.as_str(), vec![("action", "disable")]),
            ("/groups", vec![("name", "A")]),
            ("/keys", vec![("action", "create"), ("name", "a"), ("scope", "admin")]),
            ("/settings", vec![("display_name", "A")]),
            ("/sign-out", vec![]),
        ] {
            let answer = stranger.post(path, &fields).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}");
            assert!(answer.text().contains("This form is of another session"));
            assert_eq!(answer.header("set-cookie"), "");
        }
    }
    // The right field, but not as a form sends it.
    let request = Request::post(format!("/console{page}"))
        .header("cookie", &one.cookie)
        .header("content-type", "text/plain")
        .body(Body::from(encoded(&[("form", &one.form), ("action", "disable")])));
    assert_eq!(api.send(request.unwrap()).await.status, StatusCode::BAD_REQUEST);
    assert!(api.kept().await == before);
    assert_eq!(api.app.keys(&"default".parse().unwrap()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_source_tries_to_sign_in_twenty_times_a_minute() {
    let api = Api::new().await;
    let look = async |path: &str| {
        let mut request = Request::get(path).body(Body::empty()).unwrap();
        request.extensions_mut().insert(RemoteAddress("192.0.2.1".parse().unwrap()));
        api.send(request).await.status
    };
    for number in 0..20 {
        let (path, status) = match number % 2 {
            0 => ("/console/sign-in", StatusCode::OK),
            _ => ("/console/sign-in/none", StatusCode::NOT_FOUND),
        };
        assert_eq!(look(path).await, status);
    }
    assert_eq!(look("/console/sign-in").await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(look("/console").await, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn every_page_keeps_itself_to_the_browser_and_takes_nothing_from_elsewhere() {
    let api = Api::new().await;
    let operator = Operator::of(&api).await;
    let created = api.user(json!({"email": "ada@example.com"})).await;
    let (id, email) = (text(&created["user_id"]), text(&created["emails"][0]["id"]));
    let pages = [format!("/users/{id}"), format!("/users/{id}/emails/{email}"), "/nothing".to_owned()];
    for path in PAGES.iter().copied().chain(pages.iter().map(String::as_str)) {
        let page = operator.get(path).await;
        assert_eq!(page.header("cache-control"), "no-store", "{path}");
        assert_eq!(page.header("referrer-policy"), "no-referrer");
        assert_eq!(page.header("x-content-type-options"), "nosniff");
        let policy = page.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; ") && policy.contains("base-uri 'none'"), "{policy}");
        assert!(path == "/mail/verify" || !policy.contains("unsafe"), "{path}: {policy}");
        if path == "/mail/verify" {
            continue;
        }
        for foreign in ["=\"http", "=\"//", " onclick", " style=\"", "<style", "javascript:"] {
            assert!(!page.text().contains(foreign), "{path}: {foreign}");
        }
        assert_eq!(page.text().matches("<h1").count(), 1, "{path}");
    }
    assert_eq!(operator.get("/nothing").await.status, StatusCode::NOT_FOUND);
    assert_eq!(operator.get("/users/none").await.status, StatusCode::NOT_FOUND);
    let put = send(&api, Method::PUT, "/console/users", &operator.cookie, None).await;
    assert_eq!(put.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn the_style_and_the_script_are_kept_for_ever() {
    let api = Api::new().await;
    let page = send(&api, Method::GET, "/console/sign-in", "", None).await;
    let (_, rest) = page.text().split_once("rel=\"stylesheet\" href=\"").unwrap();
    let style = rest.split_once('"').unwrap().0;
    for (name, kind) in [
        ("style.css", "text/css; charset=utf-8"),
        ("htmx.js", "text/javascript; charset=utf-8"),
        ("icon.svg", "image/svg+xml"),
    ] {
        let file = send(&api, Method::GET, &style.replace("style.css", name), "", None).await;
        assert_eq!((file.status, file.header("content-type")), (StatusCode::OK, kind));
        assert_eq!(file.header("cache-control"), "public, max-age=31536000, immutable");
    }
    let none = send(&api, Method::GET, "/console/assets/x/none", "", None).await;
    assert_eq!(none.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn users_are_searched_with_the_filter_language_and_shown_by_pages() {
    let api = Api::new().await;
    for number in 0..30 {
        api.user(json!({
            "email": format!("user{number}@example.com"),
            "email_verified": number == 7,
            "given_name": "Person", "family_name": format!("Number{number}"),
        }))
        .await;
    }
    let operator = Operator::of(&api).await;
    let page = operator.look("/users").await;
    assert_eq!(page.matches("<td><a href=\"/console/users/").count(), 25);
    assert!(page.contains("1–25 of 30") && page.contains("page=2") && !page.contains("rel=\"prev\""));
    let page = operator.look("/users?page=2").await;
    assert_eq!(page.matches("<td><a href=\"/console/users/").count(), 5);
    assert!(page.contains("26–30 of 30") && page.contains("page=1") && !page.contains("rel=\"next\""));

    let page = operator.look("/users?filter=emails.verified%3Atrue").await;
    assert!(page.contains("Person Number7") && page.contains("1–1 of 1"));
    assert!(page.contains("<span class=\"mark good\">verified</span>"));
    assert!(operator.look("/users?filter=nobody").await.contains("Nobody matches"));
    assert!(operator.look("/users?sort=name%3A1&page=0").await.contains("1–25 of 30"));

    // Everybody can be paged through, a search as far as it is quick.
    assert!(operator.look("/users?page=201").await.contains("None here, 30 before"));
    for page in ["/users?filter=number7&page=201", "/users?filter=number7&page=4000000000"] {
        let beyond = operator.get(page).await;
        assert_eq!(beyond.status, StatusCode::BAD_REQUEST);
        assert!(beyond.text().contains("Only the first 5000 are shown here."), "{}", beyond.text());
    }

    let wrong = operator.get("/users?filter=emails.verified%3Amaybe%3Cb%3E").await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    assert!(wrong.text().contains("The filter is wrong at character"));
    assert!(wrong.text().contains("maybe&lt;b&gt;") && !wrong.text().contains("<b>"));
}

#[tokio::test]
async fn a_user_is_made_as_the_api_does_with_the_operators_key_as_the_actor() {
    let api = Api::new().await;
    let operator = Operator::of(&api).await;
    let page = operator
        .act(
            "/users/new",
            &[
                ("email", " ada@example.com "),
                ("email_verified", "true"),
                ("phone_number", "+441514960453"),
                ("username", "ada"),
                ("given_name", "Ada"),
                ("family_name", ""),
            ],
        )
        .await;
    assert!(page.contains("The user was created.") && page.contains("ada@example.com"), "{page}");
    let users = api.get("/api/users").await.json();
    let made = user(&api, text(&users[0]["user_id"])).await;
    assert_eq!(
        (&made["emails"][0]["verified"], &made["phone_numbers"][0]["verified"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(
        (text(&made["username"]["username"]), &made["claims"]),
        ("ada", &json!({"given_name": "Ada"}))
    );
    let events = api.events().await;
    let created = events.iter().find(|event| event.kind == EventType::UserCreated).unwrap();
    assert!(matches!(&created.actor, Actor::Key { key_id, .. } if key_id.as_str() == &api.admin[3..15]));

    // Whoever is refused finds what they typed, and beside it what is wrong.
    let wrong = [
        ("email", "ada"),
        ("phone_number", "12"),
        ("phone_number_verified", "true"),
        ("picture", "<b>"),
        ("name", "\"Countess\""),
    ];
    let answer = operator.post("/users/new", &wrong).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    for expected in [
        "name=\"email\" value=\"ada\" ",
        "aria-invalid=\"true\" aria-describedby=\"email-fault\" autofocus>",
        "<p class=\"wrong\" id=\"email-fault\">",
        "<p class=\"wrong\" id=\"phone_number-fault\">A phone number is a +",
        "name=\"phone_number_verified\" value=\"true\" checked>",
        "id=\"picture-fault\"",
        "value=\"&lt;b&gt;\"",
        "value=\"&quot;Countess&quot;\"",
    ] {
        assert!(answer.text().contains(expected), "{expected}: {}", answer.text());
    }
    assert!(!answer.text().contains("role=\"alert\"") && !answer.text().contains("name-fault"));
    for (fields, beside) in [
        (
            &[("email", "ADA@example.com"), ("email_verified", "true")][..],
            "email-fault\">This email address is",
        ),
        (&[("username", "Ada")], "username-fault\">"),
        (&[("username", "a b")], "username-fault\">"),
    ] {
        let answer = operator.post("/users/new", fields).await;
        assert!(answer.status.is_client_error() && answer.text().contains(beside), "{}", answer.text());
    }
    let told = operator.fault("/users/new", &[("name", "Nobody")], StatusCode::UNPROCESSABLE_ENTITY).await;
    assert!(told.contains("at least one"), "{told}");
    let without_form =
        send(&api, Method::POST, "/console/users/new", &operator.cookie, Some("email=b@example.com")).await;
    assert_eq!(without_form.status, StatusCode::BAD_REQUEST);
    assert_eq!(api.get("/api/users").await.json().as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_done_to_a_user_is_what_the_api_does_with_the_operators_key_as_the_actor() {
    let api = Api::with_mail().await;
    let operator = Operator::of(&api).await;
    let created = api.user(json!({"email": "ada@example.com", "phone_number": "+441514960453"})).await;
    let id = text(&created["user_id"]);
    let page = format!("/users/{id}");
    let email = text(&created["emails"][0]["id"]);
    let phone = text(&created["phone_numbers"][0]["id"]);
    let of = |action: &'static str, identifier: &str| {
        let fields = [("action", action), ("identifier_id", identifier), ("reason", " by phone ")];
        fields.map(|(name, value)| (name, value.to_owned()))
    };
    let act = async |fields: [(&str, String); 3]| {
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        operator.act(&page, &fields).await
    };
    assert!(act(of("verify-email", email)).await.contains("The address is verified."));
    assert_eq!(user(&api, id).await["emails"][0]["verified"], true);
    let told = api.events().await.pop().unwrap();
    assert_eq!(told.kind, EventType::EmailVerified);
    let key_id = api.admin.split('_').nth(1).unwrap().parse().unwrap();
    assert_eq!(told.actor, Actor::Key { key_id, key_name: "test".to_owned() });
    assert_eq!(told.personal.reason.as_deref(), Some("by phone"));

    assert!(act(of("unverify-email", email)).await.contains("The address is not verified any more."));
    assert_eq!(user(&api, id).await["emails"][0]["verified"], false);
    // All of it is on record by then.
    api.events().await;
    let history = operator.look(&format!("{page}/emails/{email}")).await;
    assert!(history.contains("Email unverified") && history.contains("by phone"));
    act(of("verify-phone", phone)).await;
    assert_eq!(user(&api, id).await["phone_numbers"][0]["verified"], true);
    act(of("unverify-phone", phone)).await;
    api.events().await;
    assert!(operator.look(&format!("{page}/phones/{phone}")).await.contains("Phone unverified"));
    assert!(act(of("send-mail", email)).await.contains("A mail is on its way."));
    assert_eq!(api.sent().await.len(), 1);

    operator
        .act(&page, &[("action", "add-email"), ("email", "ada@work.example"), ("verified", "true")])
        .await;
    let second = user(&api, id).await["emails"][1].clone();
    assert_eq!(second["verified"], true);
    act(of("primary-email", text(&second["id"]))).await;
    assert_eq!(user(&api, id).await["emails"][1]["primary"], true);
    act(of("remove-email", email)).await;
    assert_eq!(user(&api, id).await["emails"].as_array().unwrap().len(), 1);
    operator.act(&page, &[("action", "add-phone"), ("phone_number", "+4915112345678")]).await;
    let second = text(&user(&api, id).await["phone_numbers"][1]["id"]).to_owned();
    act(of("primary-phone", &second)).await;
    act(of("remove-phone", phone)).await;
    assert_eq!(user(&api, id).await["phone_numbers"][0]["id"], second.as_str());

    operator.act(&page, &[("action", "set-username"), ("username", "ada")]).await;
    assert_eq!(user(&api, id).await["username"]["username"], "ada");
    operator.act(&page, &[("action", "set-username"), ("username", "")]).await;
    assert_eq!(user(&api, id).await["username"], Value::Null);
    assert!(operator.act(&page, &[("action", "disable")]).await.contains("mark bad\">disabled"));
    operator.act(&page, &[("action", "enable")]).await;
    assert_eq!(user(&api, id).await["disabled"], false);
    operator.act(&page, &[("action", "unblock")]).await;
    operator.act(&page, &[("action", "require-reset")]).await;
    assert_eq!(user(&api, id).await["force_password_reset"], true);
    operator.act(&page, &[("action", "require-no-reset")]).await;
    let shown = operator.post(&page, &[("action", "reset-link")]).await;
    assert_eq!(shown.status, StatusCode::OK);
    assert!(shown.text().contains("value=\"http://localhost/reset/"));
    api.events().await;
    let timeline = operator.look(&page).await;
    for told in ["Email verified", "Email unverified", "Password reset started", "Older events"] {
        assert!(timeline.contains(told), "{told}");
    }
}

#[tokio::test]
async fn what_cannot_be_done_to_a_user_is_told_on_their_page_and_changes_nothing() {
    let api = Api::new().await;
    let operator = Operator::of(&api).await;
    let other =
        api.user(json!({"email": "eve@example.com", "email_verified": true, "username": "eve"})).await;
    let created = api.user(json!({"email": "eve@example.com"})).await;
    let id = text(&created["user_id"]);
    let page = format!("/users/{id}");
    let email = text(&created["emails"][0]["id"]);
    let long = "x".repeat(501);
    let before = api.kept().await;
    let unprocessable = StatusCode::UNPROCESSABLE_ENTITY;
    for (fields, status, told) in [
        (vec![("action", "verify-email"), ("identifier_id", email)], unprocessable, "already taken"),
        (
            vec![("action", "verify-email"), ("identifier_id", "x")],
            StatusCode::NOT_FOUND,
            "email was not found",
        ),
        (vec![("action", "disable"), ("reason", &long)], unprocessable, "at most 500 characters"),
        (vec![("action", "add-email"), ("email", "eve")], unprocessable, "has an @"),
        (vec![("action", "add-phone"), ("phone_number", "1")], unprocessable, "A phone number is"),
        (vec![("action", "set-username"), ("username", "eve")], unprocessable, "username is already taken"),
        (vec![("action", "claims"), ("birthdate", "soon")], unprocessable, "birthdate: This is not a date"),
        (vec![("action", "claims-json"), ("json", "{")], StatusCode::BAD_REQUEST, "at line 1"),
        (vec![("action", "claims-json"), ("json", "[]")], StatusCode::BAD_REQUEST, "must be a JSON object"),
        (
            vec![("action", "public-json"), ("json", "{\"a\":1}"), ("seen", "1")],
            StatusCode::BAD_REQUEST,
            "meanwhile",
        ),
        (vec![("action", "private"), ("value", "1")], unprocessable, "key: This field is needed."),
        (vec![("action", "join"), ("group_id", "x")], StatusCode::NOT_FOUND, "group was not found"),
        (vec![("action", "delete"), ("confirmation", "eve")], unprocessable, "nothing was deleted"),
        (vec![("action", "explode")], StatusCode::BAD_REQUEST, "names no action"),
        (vec![], StatusCode::BAD_REQUEST, "names no action"),
    ] {
        let fault = operator.fault(&page, &fields, status).await;
        assert!(fault.contains(told), "{fields:?}: {fault}");
    }
    assert!(api.kept().await == before);
    let gone = operator.post("/users/none", &[("action", "disable")]).await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);

    let deleted = operator.act(&page, &[("action", "delete"), ("confirmation", "eve@example.com")]).await;
    assert!(deleted.contains("It was deleted."));
    assert_eq!(api.get(&format!("/api/users/{id}")).await.status, StatusCode::NOT_FOUND);
    api.events().await;
    // Their events and the history of their address stay.
    assert!(operator.look(&format!("/events?user_id={id}")).await.contains("User deleted"));
    user(&api, text(&other["user_id"])).await;

    // Unless they are to be erased, too.
    let max = api.user(json!({"email": "max@example.com"})).await;
    let (page, of_max) = (format!("/users/{}", text(&max["user_id"])), text(&max["user_id"]));
    let erase = [("action", "delete"), ("confirmation", "max@example.com"), ("erase", "true")];
    assert!(operator.act(&page, &erase).await.contains("It was deleted."));
    api.events().await;
    let told = operator.look(&format!("/events?user_id={of_max}")).await;
    assert!(told.contains("User erased") && !told.contains("max@example.com"), "{told}");
}

#[tokio::test]
async fn claims_and_data_are_edited_as_forms_and_as_json() {
    let api = Api::new().await;
    let operator = Operator::of(&api).await;
    let created =
        api.user(json!({"email": "ada@example.com", "given_name": "A\u{202e}da", "nickname": "a"})).await;
    let id = text(&created["user_id"]);
    let page = format!("/users/{id}");
    // A field that is as it was shown stays as it is, whatever the page cannot show.
    let fields =
        [("given_name", "Ada"), ("nickname", ""), ("name", "Ada L."), ("address.locality", "London")];
    let fields: Vec<_> = fields.into_iter().chain([("action", "claims")]).collect();
    operator.act(&page, &fields).await;
    let claims = user(&api, id).await["claims"].clone();
    assert_eq!(
        claims,
        json!({"given_name": "A\u{202e}da", "name": "Ada L.", "address": {"locality": "London"}})
    );
    operator.act(&page, &[("action", "claims"), ("address.locality", "")]).await;
    assert!(user(&api, id).await["claims"].get("address").is_none());

    let seen = async || user(&api, id).await["last_updated"].to_string();
    let json = "{\"name\": \"Ada Lovelace\", \"locale\": \"en-GB\"}";
    operator.act(&page, &[("action", "claims-json"), ("json", json), ("seen", &seen().await)]).await;
    assert_eq!(user(&api, id).await["claims"], json!({"name": "Ada Lovelace", "locale": "en-GB"}));

    for (name, field) in [("public", "public_data"), ("private", "private_data")] {
        for (key, value) in [("plan", "gold"), ("seats", "5"), ("gone", "x"), ("odd", "1,\"x\":2")] {
            operator.act(&page, &[("action", name), ("key", key), ("value", value)]).await;
        }
        operator.act(&page, &[("action", name), ("key", "gone"), ("remove", "true")]).await;
        let expected = json!({"plan": "gold", "seats": 5, "odd": "1,\"x\":2"});
        assert_eq!(user(&api, id).await[field], expected);
        let action = format!("{name}-json");
        let fields = [("action", action.as_str()), ("json", "{\"a\": [1]}"), ("seen", &seen().await)];
        operator.act(&page, &fields).await;
        assert_eq!(user(&api, id).await[field], json!({"a": [1]}));
    }
}

#[tokio::test]
async fn names_and_values_are_text_and_never_markup() {
    const HOSTILE: &str = "<script>alert(1)</script>\"'&{{ root }}";
    let api = Api::new().await;
    let operator = Operator::of(&api).await;
    let created = api.user(json!({"email": "ada@example.com", "name": HOSTILE})).await;
    let id = text(&created["user_id"]);
    operator.act(&format!("/users/{id}"), &[("action", "disable"), ("reason", HOSTILE)]).await;
    operator
        .act(&format!("/users/{id}"), &[("action", "public"), ("key", HOSTILE), ("value", HOSTILE)])
        .await;
    operator.act("/groups", &[("name", HOSTILE), ("description", HOSTILE)]).await;
    let group = api.get("/api/groups").await.json()[0]["group_id"].clone();
    let group = format!("/groups/{}", text(&group));
    operator.act(&group, &[("action", "add"), ("user", id)]).await;
    for path in ["/users", "/events", "/groups", &group, &format!("/users/{id}")] {
        let page = operator.look(path).await;
        assert!(!page.contains("<script>") && page.contains("&lt;script&gt;"), "{path}");
        assert!(page.contains("{{ root }}"));
    }
}

#[tokio::test]
async fn groups_are_made_changed_and_deleted_and_users_come_and_go() {
    let api = Api::new().await;
    let operator = Operator::of(&api).await;
    let made = operator.act("/groups", &[("name", "Staff"), ("is_auto_assigned", "true")]).await;
    assert!(made.contains("Staff") && made.contains("Nobody is in this group."));
    let group = api.get("/api/groups").await.json()[0].clone();
    let id = text(&group["group_id"]);
    let page = format!("/groups/{id}");
    let created = api.user(json!({"email": "ada@example.com"})).await;
    let user_id = text(&created["user_id"]);
    assert!(operator.look(&page).await.contains("ada@example.com"));
    operator.act(&page, &[("action", "remove"), ("user_id", user_id)]).await;
    operator.act(&page, &[("action", "add"), ("user", "ADA@example.com")]).await;
    operator.act(&format!("/users/{user_id}"), &[("action", "leave"), ("group_id", id)]).await;
    operator.act(&format!("/users/{user_id}"), &[("action", "join"), ("group_id", id)]).await;
    assert_eq!(api.get(&format!("/api/groups/{id}")).await.json()["users_assigned"], 1);
    operator.act(&page, &[("action", "save"), ("name", "Crew"), ("description", "All of us")]).await;
    let group = api.get(&format!("/api/groups/{id}")).await.json();
    assert_eq!((&group["name"], &group["description"]), (&json!("Crew"), &json!("All of us")));
    assert_eq!(group["is_auto_assigned"], false);

    let unprocessable = StatusCode::UNPROCESSABLE_ENTITY;
    for (fields, told) in [
        ([("action", "add"), ("user", "eve")], "neither the id of a user nor an email"),
        ([("action", "add"), ("user", "eve@example.com")], "Nobody has this email address."),
        ([("action", "save"), ("name", "")], "A name has 1 to 100 characters."),
        ([("action", "delete"), ("confirmation", "Staff")], "nothing was deleted"),
    ] {
        let fault = operator.fault(&page, &fields, unprocessable).await;
        assert!(fault.contains(told), "{fault}");
    }
    let beyond = operator.get(&format!("{page}?page=201")).await;
    assert_eq!(beyond.status, StatusCode::BAD_REQUEST);
    assert!(beyond.text().contains("Only the first 5000 are shown here.") && beyond.text().contains("Crew"));
    let fault = operator.fault("/groups", &[("name", "crew")], unprocessable).await;
    assert!(fault.contains("already"), "{fault}");
    operator.act(&page, &[("action", "delete"), ("confirmation", "Crew")]).await;
    assert_eq!(operator.get(&page).await.status, StatusCode::NOT_FOUND);
    assert!(operator.look("/groups?filter=name%3ACrew").await.contains("No group matches"));
}

#[tokio::test]
async fn keys_are_made_shown_once_and_revoked() {
    let api = Api::new().await;
    let operator = Operator::of(&api).await;
    let elsewhere = "elsewhere".parse().unwrap();
    api.app.store.create_tenant(&elsewhere, api.app.clock.now()).await.unwrap();
    let foreign = api.key_of(&elsewhere, &[Scope::Admin], None).await;
    let foreign_id = foreign.split('_').nth(1).unwrap();

    let fields =
        [("action", "create"), ("name", "sign-up"), ("scope", "users:read"), ("scope", "emails:verify")];
    let shown = operator.post("/keys", &fields).await;
    assert_eq!(shown.status, StatusCode::OK);
    let (_, rest) = shown.text().split_once("value=\"bf_").unwrap();
    let key = format!("bf_{}", rest.split_once('"').unwrap().0);
    let id = key.split('_').nth(1).unwrap();
    let list = async |key: &str| api.call_as(key, Method::GET, "/api/users", Value::Null).await.status;
    assert_eq!(list(&key).await, StatusCode::OK);
    let page = operator.look("/keys").await;
    assert!(page.contains("sign-up") && page.contains(id) && !page.contains(&key));
    assert!(!page.contains(foreign_id));

    let unprocessable = StatusCode::UNPROCESSABLE_ENTITY;
    for fields in [
        [("action", "create"), ("name", ""), ("scope", "admin")],
        [("action", "create"), ("name", "a"), ("scope", "everything")],
        [("action", "revoke"), ("key_id", foreign_id), ("x", "")],
        [("action", "revoke"), ("key_id", "x"), ("x", "")],
    ] {
        operator.fault("/keys", &fields, unprocessable).await;
    }
    assert_eq!(list(&foreign).await, StatusCode::OK);
    let rotate = [("action", "rotate"), ("key_id", id), ("overlap", "60")];
    let shown = operator.post("/keys", &rotate).await;
    assert!(shown.text().contains("The secret that it had before ends at"), "{}", shown.text());
    let (_, rest) = shown.text().split_once("value=\"bf_").unwrap();
    let another = format!("bf_{}", rest.split_once('"').unwrap().0);
    assert_eq!((list(&key).await, list(&another).await), (StatusCode::OK, StatusCode::OK));
    api.clock.advance(60);
    assert_eq!((list(&key).await, list(&another).await), (StatusCode::UNAUTHORIZED, StatusCode::OK));
    operator.act("/keys", &[("action", "revoke"), ("key_id", id)]).await;
    assert_eq!(list(&another).await, StatusCode::UNAUTHORIZED);
    api.events().await;
    let page = operator.look("/events").await;
    for words in ["Key created", "Key rotated", "Key revoked", id] {
        assert!(page.contains(words), "{words}");
    }
    assert!(!page.contains(&key[16..]) && !page.contains(&another[16..]));
}

#[tokio::test]
async fn a_key_of_other_networks_opens_no_session_and_ends_those_it_has() {
    let api = Api::new().await;
    let operator = Operator::of(&api).await;
    api.change_key_elsewhere(&api.admin, |key| key.bounds.networks = vec!["192.0.2.1".parse().unwrap()])
        .await;
    api.clock.advance(1);
    assert_eq!(operator.get("/keys").await.status, StatusCode::FORBIDDEN);
    let refused = sign_in(&api, &api.admin).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.text().contains("may not be used from this address"), "{}", refused.text());
}

#[tokio::test]
async fn a_session_ends_with_the_secret_that_began_it() {
    let api = Api::new().await;
    let operator = Operator::of(&api).await;
    let id = &api.admin[3..15];
    api.clock.advance(1);
    operator.post("/keys", &[("action", "rotate"), ("key_id", id), ("overlap", "3600")]).await;
    api.clock.advance(60);
    operator.look("/keys").await;
    operator.post("/keys", &[("action", "rotate"), ("key_id", id), ("overlap", "0")]).await;
    // Also where it was begun by the secret that is the one before by now: which it was is not known.
    assert_eq!(operator.get("/keys").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn settings_are_kept_whole_or_not_at_all_and_mails_can_be_looked_at() {
    let api = Api::new().await;
    let operator = Operator::of(&api).await;
    let page = operator.act("/settings", &[("display_name", "Acme"), ("proof_means", "both")]).await;
    assert!(page.contains("value=\"Acme\"") && page.contains("<option selected>both</option>"));
    let fields = [("display_name", "Other"), ("link_expiry", "1")];
    let fault = operator.fault("/settings", &fields, StatusCode::UNPROCESSABLE_ENTITY).await;
    assert!(fault.contains("link_expiry: this is a number of seconds"), "{fault}");
    let kept = api.app.store.settings(&"default".parse().unwrap()).await.unwrap();
    assert_eq!((kept.display_name.as_str(), kept.link_expiry), ("Acme", 86_400));

    assert!(operator.look("/mail").await.contains("Verify your email address"));
    let mail = operator.get("/mail/reset").await;
    assert_eq!((mail.status, mail.header("x-frame-options")), (StatusCode::OK, "SAMEORIGIN"));
    assert_eq!(operator.get("/mail/none").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn events_are_shown_newest_first_and_filtered() {
    let api = Api::new().await;
    let operator = Operator::of(&api).await;
    for number in 0..60 {
        api.user(json!({"email": format!("user{number}@example.com")})).await;
    }
    api.events().await;
    let page = operator.look("/events").await;
    assert_eq!(page.matches("class=\"number\"").count(), 50);
    assert!(page.contains("user59@example.com") && !page.contains("user0@example.com"));
    let (_, rest) = page.split_once("rel=\"next\" href=\"/console").unwrap();
    let older = rest.split_once('"').unwrap().0.replace("&amp;", "&");
    assert!(operator.look(&older).await.contains("user30@example.com"));
    let page = operator.look("/events?type=user.created").await;
    assert_eq!(page.matches("<strong title=\"user.created\">").count(), 50);
    let wrong = operator.get("/events?type=user.exploded").await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    assert!(operator.look("/events?user_id=nobody").await.contains("Nothing of this kind"));
}

#[tokio::test]
async fn the_front_page_tells_how_many_addresses_are_verified_and_what_happened_today() {
    let api = Api::new().await;
    let operator = Operator::of(&api).await;
    assert!(operator.look("").await.contains("<span class=\"figure\">0</span>"));
    for number in 0..4 {
        let email = format!("user{number}@example.com");
        api.user(json!({"email": email, "email_verified": number < 3})).await;
    }
    api.events().await;
    let page = operator.look("").await;
    assert!(
        page.contains("<span class=\"figure\">4</span>")
            && page.contains("<span class=\"figure\">75 %</span>")
    );
    assert!(page.contains("Addresses verified a day: 3 today, 3 at most"), "{page}");
    assert!(page.contains("<title>2021-12-31: 4</title>"));
    api.clock.advance(86_400);
    let operator = Operator::of(&api).await;
    assert!(operator.look("").await.contains("Addresses verified a day: 0 today, 3 at most"));
}
