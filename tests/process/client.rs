//! A client of the API, for what most tests ask.

use std::sync::Once;
use std::time::Duration;

use reqwest::{Certificate, ClientBuilder, Response, StatusCode};
use serde_json::{Value, json};

use super::server::Server;

/// Settings for a client that trusts these certificates alone.
pub(super) fn trusting(certificates: impl IntoIterator<Item = Certificate>) -> ClientBuilder {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        let installed = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
        installed.expect("nobody else has chosen the cryptography");
    });
    reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(60)).tls_certs_only(certificates)
}

/// A client with a key.
#[derive(Clone)]
pub(super) struct Client {
    http: reqwest::Client,
    url: String,
    key: String,
}

/// A user with one email.
#[derive(Clone)]
pub(super) struct User {
    /// The id of the user.
    pub(super) id: String,
    /// The id of the email.
    pub(super) email_id: String,
}

impl User {
    /// The user of an answer.
    pub(super) fn of(user: &Value) -> Self {
        let text = |value: &Value| value.as_str().expect("an id is text").to_owned();
        Self { id: text(&user["user_id"]), email_id: text(&user["emails"][0]["id"]) }
    }

    /// The path that marks the email.
    pub(super) fn path(&self, action: &str) -> String {
        format!("/api/users/{}/emails/{}/{action}", self.id, self.email_id)
    }
}

impl Client {
    /// A client of a server that speaks plain HTTP.
    pub(super) fn new(server: &Server, key: &str) -> Self {
        Self::over(trusting([]), &server.url, key)
    }

    /// A client with these settings of the server at this URL.
    pub(super) fn over(http: ClientBuilder, url: &str, key: &str) -> Self {
        let http = http.build().expect("a client can be made");
        Self { http, url: url.to_owned(), key: key.to_owned() }
    }

    /// Sends a request, with a body if there is one.
    pub(super) async fn post(&self, path: &str, body: Option<&Value>) -> reqwest::Result<Response> {
        self.post_with(&[], path, body).await
    }

    /// The same with more headers.
    pub(super) async fn post_with(
        &self,
        headers: &[(&str, &str)],
        path: &str,
        body: Option<&Value>,
    ) -> reqwest::Result<Response> {
        let request = self.http.post(format!("{}{path}", self.url)).header("X-API-KEY", &self.key);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        match body {
            Some(body) => request.json(body).send().await,
            None => request.send().await,
        }
    }

    /// Asks for what is at a path.
    pub(super) async fn get(&self, path: &str) -> reqwest::Result<Response> {
        self.http.get(format!("{}{path}", self.url)).header("X-API-KEY", &self.key).send().await
    }

    /// Makes a user with this email.
    pub(super) async fn create(&self, email: &str) -> User {
        let answer = self.post("/api/users", Some(&json!({"email": email}))).await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::CREATED);
        User::of(&answer.json().await.expect("a user"))
    }

    /// Marks the user's email and gives the status, once the whole answer is there.
    pub(super) async fn mark(&self, user: &User, action: &str) -> reqwest::Result<StatusCode> {
        let answer = self.post(&user.path(action), None).await?;
        let status = answer.status();
        answer.bytes().await?;
        Ok(status)
    }

    /// Marks the user's email verified, which must succeed.
    pub(super) async fn verify(&self, user: &User) {
        assert_eq!(self.mark(user, "verify").await.expect("an answer"), StatusCode::OK);
    }

    /// Whether the user's email is verified.
    pub(super) async fn is_verified(&self, user: &User) -> bool {
        let answer = self.get(&format!("/api/users/{}", user.id)).await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK);
        let user: Value = answer.json().await.expect("a user");
        user["emails"][0]["verified"].as_bool().expect("a flag")
    }

    /// The status of a list of users, which tells whether the key is good.
    pub(super) async fn list_status(&self) -> StatusCode {
        self.get("/api/users").await.expect("an answer").status()
    }
}
