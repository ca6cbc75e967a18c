//! The limit of reading: a server on the same stack that answers and does nothing else.

#![expect(clippy::disallowed_types, reason = "there are no problem details here")]

use std::path::PathBuf;
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

/// Serves a document that is in a file until it is killed.
pub(crate) fn run(document: PathBuf) -> Result<()> {
    let ready = Bytes::from(std::fs::read(document)?);
    let user = Arc::new(User::from_document(&ready)?);
    let router = Router::new()
        .route(
            "/api/users/{user_id}",
            get(move || std::future::ready(([(CONTENT_TYPE, JSON)], ready.clone()))),
        )
        .route("/serialised/{user_id}", get(serialised))
        .route("/healthz", get(|| async { ([(CONTENT_TYPE, JSON)], r#"{"status":"ok"}"#) }))
        .with_state(user);
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
