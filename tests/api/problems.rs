//! What every failure looks like.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use serde_json::{Value, json};

use super::harness::Api;

#[tokio::test]
async fn an_unknown_path_is_a_problem_and_needs_no_key() {
    let api = Api::new().await;
    for path in
        ["/nothing", "/api", "/api/user", "/api/users/x/y", "/api/users/", "/docs/nothing", "/API/users"]
    {
        let request = Request::builder().uri(path).body(Body::empty()).unwrap();
        let problem = api.send(request).await.problem(StatusCode::NOT_FOUND);
        assert_eq!(problem["instance"], path);
    }
}

#[tokio::test]
async fn an_unknown_method_names_those_that_are_known() {
    let api = Api::new().await;
    for (method, path, allowed) in [
        (Method::PUT, "/api/users", "GET,HEAD,POST"),
        (Method::PATCH, "/api/users/x", "GET,HEAD,DELETE"),
        (Method::GET, "/api/users/x/emails/y/verify", "POST"),
        (Method::OPTIONS, "/api/users", "GET,HEAD,POST"),
    ] {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let answer = api.send(request).await;
        answer.problem(StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(answer.header("allow"), allowed);
    }
}

#[tokio::test]
async fn a_problem_of_each_kind_reads_well() {
    let api = Api::new().await;
    let user = api.user(json!({"email": "user@example.com"})).await;
    let path = format!("/api/users/{}", user["user_id"].as_str().unwrap());
    let mut shown = Vec::new();
    for answer in [
        api.call_as("none", Method::GET, "/api/users", Value::Null).await,
        api.get("/api/users/nobody").await,
        api.delete(&format!("{path}/emails/nothing")).await,
        api.get("/api/users?size=0").await,
        api.post("/api/users", json!([])).await,
        api.post(&format!("{path}/emails"), json!({"email": 5})).await,
        api.post(&format!("{path}/emails"), json!({"email": "user@example.com"})).await,
    ] {
        shown.push(answer.problem(answer.status));
    }
    insta::assert_json_snapshot!(shown);
}

#[tokio::test]
async fn a_body_over_a_mebibyte_is_too_large_and_one_of_a_mebibyte_is_not() {
    let api = Api::new().await;
    let body = |length: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(length - 8));
    for (length, status) in
        [(1024 * 1024, StatusCode::UNPROCESSABLE_ENTITY), (1024 * 1024 + 1, StatusCode::PAYLOAD_TOO_LARGE)]
    {
        let request =
            Request::builder().method(Method::POST).uri("/api/users").header("x-api-key", &api.admin);
        let body = body(length);
        assert_eq!(body.len(), length);
        api.send(request.body(Body::from(body)).unwrap()).await.problem(status);
    }
}

#[tokio::test]
async fn a_closed_store_is_a_503_that_says_when_to_try_again() {
    let api = Api::new().await;
    let user = api.user(json!({"email": "user@example.com"})).await;
    api.app.store.close().await;
    let path = format!("/api/users/{}/emails", user["user_id"].as_str().unwrap());
    let answer = api.post(&path, json!({"email": "more@example.com"})).await;
    answer.problem(StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.header("retry-after"), "1");
}
