//! An API to call in a test.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use bonafide::app::App;
use bonafide::app::outbox::Outbox;
use bonafide::directory::api_key::{ApiKey, NewKey, Scope};
use bonafide::directory::event::{Details, Event, Recorded};
use bonafide::directory::settings::Choices;
use bonafide::id::{Random, SeededRandom, SystemRandom, TenantId};
use bonafide::mail::{Mailer, Templates};
use bonafide::pages::Pages;
use bonafide::secret::{PlainKey, ServerSecret};
use bonafide::store::{EventList, KeyChange, KeyKept};
use bonafide::time::{Clock, ManualClock, Timestamp};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

use super::home::Home;

/// The moment at which every test begins.
pub(crate) const START: Timestamp = Timestamp(1_640_975_400);

/// A directory with an API, and a key that may do everything.
pub(crate) struct Api {
    router: Router,
    pub(crate) app: Arc<App>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) admin: String,
    pub(super) home: Home,
    /// For what lies beside the store.
    folder: tempfile::TempDir,
}

impl Api {
    /// One whose server sends no mail.
    pub(crate) async fn new() -> Self {
        Self::made(|app| app).await
    }

    /// One whose server sends mail, when it is told to.
    pub(crate) async fn with_mail() -> Self {
        Self::made(App::sending_mail).await
    }

    async fn made(change: impl FnOnce(App) -> App) -> Self {
        let (store, home) = Home::with_a_store().await;
        let clock = Arc::new(ManualClock::at(START));
        let secret = ServerSecret::new(&SeededRandom::new(2));
        let app = App::new(store, clock.clone(), Arc::new(SeededRandom::new(1)), secret);
        let app = Arc::new(change(app));
        let router = bonafide::api::router(app.clone(), Pages::new(Arc::new(Templates::embedded()), None));
        let folder = tempfile::tempdir().expect("a folder can be made");
        let mut api = Self { router, app, clock, admin: String::new(), home, folder };
        api.admin = api.key(&[Scope::Admin]).await;
        api
    }

    /// A new key of the default tenant.
    pub(crate) async fn key(&self, scopes: &[Scope]) -> String {
        self.key_of(&TenantId::default_tenant(), scopes, None).await
    }

    /// A new key.
    pub(crate) async fn key_of(
        &self,
        tenant: &TenantId,
        scopes: &[Scope],
        expires_at: Option<Timestamp>,
    ) -> String {
        let plain = PlainKey::new(&*self.app.random as &dyn Random);
        let new =
            NewKey { name: "test".to_owned(), scopes: scopes.to_vec(), expires_at, ..NewKey::default() };
        let key = ApiKey::new(plain.id(), plain.hash(), new, tenant, self.clock.now());
        assert!(self.keep_key(KeyKept::Create(key)).await);
        plain.reveal()
    }

    /// Keeps a change of a key as another server would, without a record.
    async fn keep_key(&self, kept: KeyKept) -> bool {
        let change = KeyChange { kept, events: Vec::new(), answer: None };
        self.app.store.keep_key(change).await.expect("the store answers")
    }

    /// Changes a key on another server.
    pub(crate) async fn change_key_elsewhere(&self, key: &str, change: impl FnOnce(&mut ApiKey)) {
        let id = key.parse::<PlainKey>().expect("it is a key").id();
        let mut kept = self.app.store.key(id).await.expect("the store answers").expect("the key is there");
        change(&mut kept);
        assert!(self.keep_key(KeyKept::Replace(kept)).await);
    }

    /// Revokes a key on another server.
    pub(crate) async fn revoke_elsewhere(&self, key: &str) {
        let now = self.clock.now();
        self.change_key_elsewhere(key, |key| key.revoked_at = Some(now)).await;
    }

    /// A call with the admin's key; a body of `Null` is none.
    pub(crate) async fn call(&self, method: Method, path: &str, body: Value) -> Answer {
        self.call_as(&self.admin, method, path, body).await
    }

    /// A call with a key of one's own, the way published clients make it.
    pub(crate) async fn call_as(&self, key: &str, method: Method, path: &str, body: Value) -> Answer {
        self.call_with(&[("x-api-key", key)], method, path, body).await
    }

    /// A call with these headers, beside that of the body.
    pub(crate) async fn call_with(
        &self,
        headers: &[(&str, &str)],
        method: Method,
        path: &str,
        body: Value,
    ) -> Answer {
        if path.starts_with("/v1/") || path.starts_with("/api/logs") {
            self.home.until_told().await;
        }
        let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        self.send(request.body(body).expect("the request is well-formed")).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, Value::Null).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, body).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, path, Value::Null).await
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.expect("the router never fails");
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("an answer can be read").to_bytes();
        Answer { status: parts.status, headers: parts.headers, bytes: bytes.to_vec() }
    }

    /// Chooses settings for the default tenant.
    pub(crate) async fn choose(&self, choices: &[(&str, &str)]) {
        let choices = choices.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let choices = Choices::new(choices.collect()).expect("they can be chosen");
        let chosen = self.app.store.choose(&TenantId::default_tenant(), choices).await;
        assert!(chosen.expect("the store answers"));
    }

    /// A user with these fields.
    pub(crate) async fn user(&self, fields: Value) -> Value {
        self.post("/api/users", fields).await.json_of(StatusCode::CREATED)
    }

    /// A user with one email, which is not verified: its path without what is before `/users`, and it.
    pub(crate) async fn user_with_email(&self, address: &str) -> (String, Value) {
        let user = self.user(serde_json::json!({"email": address})).await;
        (email_path(&user, 0), user)
    }

    /// The folder of the store and the mail.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Who sends the mail of this directory: into files, when it is told to.
    pub(crate) fn outbox(&self) -> Outbox {
        self.outbox_into(self.app.clone(), self.folder().join("mail"))
    }

    /// Who sends the mail of this app into files of this folder.
    pub(crate) fn outbox_into(&self, app: Arc<App>, folder: PathBuf) -> Outbox {
        let from = "no-reply@localhost".parse().expect("it is an address");
        let mailer = Mailer::folder(folder, from, self.clock.clone(), Arc::new(SystemRandom));
        Outbox::new(app, mailer, Arc::new(Templates::embedded()))
    }

    /// Who tries to send into a folder that cannot be made, because it is a file.
    pub(crate) fn failing_outbox(&self) -> Outbox {
        let folder = self.folder().join("no-folder");
        std::fs::write(&folder, "").expect("a file can be written");
        self.outbox_into(self.app.clone(), folder)
    }

    /// Sends all mail that is due, and gives it as it was written, in no order.
    pub(crate) async fn sent(&self) -> Vec<String> {
        self.app.finish().await;
        let outbox = self.outbox();
        while outbox.send_due().await.expect("the store answers") > 0 {}
        mails_in(&self.folder().join("mail"))
    }

    /// Everything that has happened in the default tenant, by this program.
    pub(crate) async fn events(&self) -> Vec<Event> {
        self.home.until_told().await;
        let everything = EventList { after: 0, limit: 1000, user_id: None, kind: None };
        let page = self.app.store.events(&TenantId::default_tenant(), everything).await;
        page.expect("the store answers").events.into_iter().map(|(_, event)| known(event)).collect()
    }
}

/// An event of this program, as its rules made it.
fn known(event: Recorded) -> Event {
    let details = event.details.map(|details| Details::read(&details).expect("the details are known"));
    Event {
        id: event.id,
        kind: *event.kind.known().expect("the type is known"),
        time: event.time,
        user_id: event.user_id,
        identifier_id: event.identifier_id,
        group_id: event.group_id,
        method: *event.method.known().expect("the method is known"),
        actor: event.actor.known().expect("the actor is known").clone(),
        request_id: event.request_id,
        details,
        personal: event.personal,
    }
}

/// The path of an email of a user, without what is before `/users`.
pub(crate) fn email_path(user: &Value, email: usize) -> String {
    let text = |value: &Value| value.as_str().expect("an id is a text").to_owned();
    format!("/users/{}/emails/{}", text(&user["user_id"]), text(&user["emails"][email]["id"]))
}

/// The mails in a folder, whole lines as they were meant.
pub(crate) fn mails_in(folder: &Path) -> Vec<String> {
    let Ok(files) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = files.map(|file| file.expect("a folder can be read").path());
    let mails = paths.filter(|path| path.extension().is_some_and(|ending| ending == "eml"));
    mails
        .map(|path| std::fs::read_to_string(path).expect("a mail can be read").replace("=\r\n", ""))
        .collect()
}

/// The token of the first link to this page in a mail.
pub(crate) fn token_in(mail: &str, page: &str) -> String {
    let start = format!("http://localhost/{page}/");
    let rest = mail.split_once(&start).expect("the mail has a link").1;
    rest.chars().take_while(|character| character.is_ascii_alphanumeric() || *character == '_').collect()
}

/// What the API answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("our headers are text"))
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes).expect("our answers are text")
    }

    /// The JSON of an answer that must have this status.
    #[track_caller]
    pub(crate) fn json_of(&self, status: StatusCode) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), "application/json");
        serde_json::from_slice(&self.bytes).expect("the answer is JSON")
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        self.json_of(StatusCode::OK)
    }

    /// The problem of an answer that must have this status, checked for all that problems share.
    #[track_caller]
    pub(crate) fn problem(&self, status: StatusCode) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem: Value = serde_json::from_slice(&self.bytes).expect("the problem is JSON");
        let kind = problem["type"].as_str().expect("a problem has a type");
        assert_eq!(
            kind.split('#').next(),
            Some(format!("https://httpstatuses.io/{}", status.as_u16()).as_str())
        );
        assert_eq!(problem["status"], status.as_u16());
        assert_eq!(problem["title"].as_str(), status.canonical_reason());
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()));
        assert!(problem["instance"].as_str().is_some_and(|path| path.starts_with('/')));
        assert_eq!(problem["traceId"].as_str(), Some(self.header("x-request-id")));
        match kind.split('#').nth(1) {
            None => assert!(problem.get("errors").is_none()),
            Some("validation-error") => {
                let errors = problem["errors"].as_object().expect("errors by field");
                assert!(!errors.is_empty());
                for messages in errors.values() {
                    let messages = messages.as_array().expect("a list of messages");
                    assert!(!messages.is_empty() && messages.iter().all(Value::is_string));
                }
            }
            Some("identity-validation-error") => {
                for error in problem["errors"].as_array().expect("a list of errors") {
                    assert!(error["code"].is_string() && error["description"].is_string());
                }
            }
            Some(other) => panic!("an unknown kind of problem: {other}"),
        }
        problem
    }

    /// The codes of an identity error.
    #[track_caller]
    pub(crate) fn codes(&self) -> Vec<String> {
        let problem = self.problem(StatusCode::UNPROCESSABLE_ENTITY);
        let errors = problem["errors"].as_array().expect("an identity error");
        errors.iter().map(|error| error["code"].as_str().expect("a code").to_owned()).collect()
    }

    /// The fields that a validation error names.
    #[track_caller]
    pub(crate) fn fields(&self) -> Vec<String> {
        let problem = self.problem(StatusCode::UNPROCESSABLE_ENTITY);
        problem["errors"].as_object().expect("a validation error").keys().cloned().collect()
    }
}
