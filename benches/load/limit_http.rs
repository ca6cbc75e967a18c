//! The limit of reading: a server on the same stack that answers and does nothing else.

#![expect(clippy::disallowed_types, reason = "there are no problem details here")]

use std::path::Path as FilePath;
use std::sync::Arc;

use anyhow::Result;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::serve::ListenerExt;
use bonafide::directory::user::User;
use bonafide::id::UserId;
use bytes::Bytes;
use tokio::net::TcpListener;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The answers that are ready.
const READY: [&str; 3] = ["user", "list", "search"];

/// The path at which an answer is ready, for requests that would name one of many things.
pub(crate) fn ready_path(name: &str, thing: &str) -> String {
    format!("/ready/{name}/{thing}")
}

/// The path at which the user is made and serialised each time.
pub(crate) fn serialised_path(user_id: &str) -> String {
    format!("/serialised/{user_id}")
}

/// Puts an answer where the limit finds it when it starts.
pub(crate) fn prepare(folder: &FilePath, name: &str, answer: &[u8]) -> Result<()> {
    Ok(std::fs::write(folder.join(file(name)), answer)?)
}

fn file(name: &str) -> String {
    format!("{name}.json")
}

/// Serves the answers in a folder until it is killed.
pub(crate) fn run(folder: &FilePath) -> Result<()> {
    let user = User::from_document(&std::fs::read(folder.join(file("user")))?)?;
    let mut router = Router::new()
        .route("/serialised/{user_id}", get(serialised))
        .route("/healthz", get(|| async { ([(CONTENT_TYPE, JSON)], r#"{"status":"ok"}"#) }));
    for name in READY {
        let answer = Bytes::from(std::fs::read(folder.join(file(name)))?);
        let ready = move || std::future::ready(([(CONTENT_TYPE, JSON)], answer.clone()));
        router = router.route(&ready_path(name, "{thing}"), get(ready));
    }
    let router = router.with_state(Arc::new(user));
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("listening on http://{}", listener.local_addr()?);
        let listener = listener.tap_io(|stream| {
            // As the server does it; a client that has gone already is noticed soon enough.
            let _ = stream.set_nodelay(true);
        });
        Ok(axum::serve(listener, router).await?)
    })
}

/// Makes the user's object anew, and its JSON.
async fn serialised(State(template): State<Arc<User>>, Path(user_id): Path<String>) -> impl IntoResponse {
    let mut user = User::clone(&template);
    user.user_id = UserId::from_path(&user_id);
    let json = serde_json::to_vec(&user).expect("a user is JSON");
    ([(CONTENT_TYPE, JSON)], json)
}
